"""Variants on further seeds and on the test split: the real command, training and signals."""

from __future__ import annotations

import json
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from inside import errand, tuner
from stubs import plain_figures
from test_sweep import start

from tuner.search.records import StudySummary, summaries
from tuner.search.sampling import variant_seed
from tuner.trial import TrialRecord
from tuner.workspace import Workspace

pytestmark = pytest.mark.slow

SWEEP = """\
dataset: digits
epochs: 4
epoch: last
split: tail
trials: 3
seed: 5
targets: ["val >= 50%", "train <= 100%"]
fixed: {layers: [32], batch_size: 32}
space: {dropout: {min: 0.1, max: 0.4}}
variants:
  plain: {}
  drop: {dropout: 0.5}
seeds: 3
test: compare
questions:
  - {ask: "Is it better?", of: drop, than: plain}
  - {ask: "On the test rows?", of: drop, than: plain, by: test_accuracy}
"""


def write(folder: Path, text: str = SWEEP) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "lab.yaml").write_text(text, encoding="utf-8")
    return folder


def study(folder: Path) -> StudySummary:
    return next(s for s in summaries(Workspace(folder)) if s.name == "lab")


def variants(folder: Path) -> dict[str, TrialRecord]:
    return {r.variant: r for r in study(folder).records if r.variant}


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    folder = write(tmp_path_factory.mktemp("lab"))
    out, err = tuner(folder, "sweep", "lab.yaml", "--format", "json")
    return folder, json.loads(out), err


def test_every_variant_is_trained_on_the_same_seeds_and_split(
    swept: tuple[Path, dict[str, Any], str],
) -> None:
    folder, raw, _ = swept
    expected = [variant_seed(5, index) for index in range(3)]
    for found in variants(folder).values():
        assert [found.seed, *(r.seed for r in found.seeds)] == expected
        assert {r.status for r in found.seeds} == {"complete"}
        assert {r.split.kind for r in found.seeds} == {"tail"}
        assert {len(r.epochs) for r in found.seeds} == {4}
        assert {r.epoch for r in found.seeds} == {4}
    assert [v["variant"] for v in raw["variants"]] == ["plain", "drop"]
    assert [v["seeds"] for v in raw["variants"]] == [3, 3]
    assert raw["trials"]["complete"] == 3  # further seeds are no trials
    (compared,) = raw["questions"][0]["differences"]
    own = {n: [r.epochs[-1], *(s.epochs[-1] for s in r.seeds)] for n, r in variants(folder).items()}
    gaps = [
        (a.val_accuracy or 0) - (b.val_accuracy or 0)
        for a, b in zip(own["drop"], own["plain"], strict=True)
    ]
    assert compared["pairs"] == 3
    assert compared["mean"] == pytest.approx(sum(gaps) / 3)


def test_a_further_seed_is_what_a_trial_by_hand_with_that_seed_gives(
    swept: tuple[Path, dict[str, Any], str], tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(swept[0], folder)
    wanted = variants(folder)["drop"].seeds[0]
    tuner(folder, "train", "lab", "--from", "drop", "--seed", str(wanted.seed), "--as", "again")
    again = variants(folder)["again"]
    assert plain_figures(again.epochs) == plain_figures(wanted.epochs)


def test_the_test_split_is_read_for_variants_alone_from_their_own_weights(
    swept: tuple[Path, dict[str, Any], str],
) -> None:
    folder, raw, _ = swept
    for record in study(folder).records:
        assert len(record.scores) == (3 if record.variant else 0)
    for found in variants(folder).values():
        assert [s.seed for s in found.scores] == [found.seed, *(r.seed for r in found.seeds)]
        assert {s.rows for s in found.scores} == {360}
        request = {"spec": found.spec, "weights": [found.weights], "part": "test", "out": None}
        logs = Workspace(folder).logs
        answer = errand("tuner.training.inference:predict", request, logs)
        assert found.scores[0].accuracy == answer["figures"][0]["accuracy"]
        # The same road leads to the figures that training gave.
        answer = errand("tuner.training.inference:predict", {**request, "part": "validation"}, logs)
        (again,), last = answer["figures"], found.epochs[-1]
        assert again["accuracy"] == pytest.approx(last.val_accuracy)
        assert again["loss"] == pytest.approx(last.val_loss, rel=1e-5)
    weights = Workspace(folder).weights(variants(folder)["drop"].attempt.partition(":")[0])
    assert not list(weights.glob("repeat-*"))  # they have answered what they were kept for
    scores = [s.accuracy for s in variants(folder)["drop"].scores]
    (drop,) = (v for v in raw["variants"] if v["variant"] == "drop")
    assert drop["figures"]["test_accuracy"]["mean"] == pytest.approx(sum(scores) / 3)


def test_the_same_command_again_trains_and_reads_nothing(
    swept: tuple[Path, dict[str, Any], str],
) -> None:
    folder, raw, _ = swept
    out, err = tuner(folder, "sweep", "lab.yaml", "--format", "json")
    assert json.loads(out) == raw
    assert "seed" not in err.replace("seeds", "")


def test_seeds_and_the_test_split_asked_for_later_are_shared_and_read(tmp_path: Path) -> None:
    plain = (
        SWEEP.replace("seeds: 3\n", "")
        .replace("test: compare\n", "")
        .replace("trials: 3", "trials: 2")
    )
    folder = write(tmp_path / "lab", plain[: plain.index("questions")])
    tuner(folder, "sweep", "lab.yaml")
    write(folder, plain[: plain.index("questions")] + "seeds: 2\n")
    tuner(folder, "sweep", "lab.yaml")
    shared = {variant_seed(5, 0), variant_seed(5, 1)}
    for found in variants(folder).values():
        assert {r.seed for r in found.seeds} == shared
    write(folder, SWEEP.replace("seeds: 3", "seeds: 2").replace("trials: 3", "trials: 2"))
    out, _ = tuner(folder, "sweep", "lab.yaml", "--format", "json")
    for found in variants(folder).values():
        assert {s.seed for s in found.scores} >= shared
    assert [q["differences"][0]["pairs"] for q in json.loads(out)["questions"]] == [2, 2]


def test_a_sweep_that_searches_nothing_takes_no_more_trials(tmp_path: Path) -> None:
    text = SWEEP[: SWEEP.index("questions")].replace("trials: 3\n", "")
    text = text.replace("space: {dropout: {min: 0.1, max: 0.4}}\n", "").replace(
        "seeds: 3", "seeds: 2"
    )
    folder = write(tmp_path / "lab", text)
    tuner(folder, "sweep", "lab.yaml")
    _, err = tuner(folder, "sweep", "lab.yaml", "--add", "1", code=2)
    assert "lab searches nothing: its trials are its variants." in err
    tuner(folder, "train", "lab", "--as", "one", "--fix", "dropout=0.1")
    tuner(folder, "train", "lab", "--as", "two", "--fix", "dropout=0.2")
    tuner(folder, "sweep", "lab")  # those by hand count, and are no reason to refuse


def test_more_seeds_and_more_variants_may_be_asked_for_later(
    swept: tuple[Path, dict[str, Any], str], tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(swept[0], folder)
    before = variants(folder)
    text = SWEEP.replace("seeds: 3", "seeds: 4").replace("trials: 3", "trials: 4")
    write(
        folder,
        text.replace("  drop: {dropout: 0.5}", "  drop: {dropout: 0.5}\n  wide: {layers: [64]}"),
    )
    tuner(folder, "sweep", "lab.yaml")
    after = variants(folder)
    assert [len(after[name].seeds) for name in ("plain", "drop", "wide")] == [3, 3, 3]
    assert [len(after[name].scores) for name in ("plain", "drop", "wide")] == [4, 4, 4]
    assert after["drop"].seeds[:2] == before["drop"].seeds
    assert {r.seed for r in after["wide"].seeds} == {r.seed for r in after["drop"].seeds}


def test_a_sweep_killed_between_two_seeds_goes_on_with_the_next(tmp_path: Path) -> None:
    text = SWEEP.replace("seeds: 3", "seeds: 8").replace("trials: 3", "trials: 2")
    folder = write(tmp_path / "lab", text)
    with start(folder, "sweep", "lab.yaml", "--workers", "1") as process:
        deadline = time.monotonic() + 120
        done = 0
        while done < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
            done = sum(len(r.seeds) for s in summaries(Workspace(folder)) for r in s.records)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert 3 <= done < 14
    kept = {name: record.seeds for name, record in variants(folder).items()}
    tuner(folder, "sweep", "lab.yaml", "--workers", "1")
    for name, record in variants(folder).items():
        assert [r.index for r in record.seeds] == list(range(1, 8))
        again = [replace(r, run_id=None) for r in record.seeds[: len(kept[name])]]
        assert again == [replace(r, run_id=None) for r in kept[name]]
        assert len(record.scores) == 8


def test_confirming_a_variant_does_not_count_its_further_seeds(
    swept: tuple[Path, dict[str, Any], str], tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(swept[0], folder)
    out, _ = tuner(folder, "confirm", "lab", "--trial", "drop", "--seeds", "3", "--format", "json")
    raw = json.loads(out)
    (tested,) = raw["tested"]
    assert tested["confirmation"]["seeds"] == 3
    assert {r["kind"] for r in tested["confirmation"]["repeats"]} == {"own", "fresh"}
    assert len(variants(folder)["drop"].seeds) == 2


def test_validation_on_the_test_rows_can_be_compared_but_not_confirmed(tmp_path: Path) -> None:
    text = SWEEP.replace("test: compare", "validation: test").replace("trials: 3", "trials: 2")
    text = text.replace(
        '  - {ask: "On the test rows?", of: drop, than: plain, by: test_accuracy}\n', ""
    )
    folder = write(tmp_path / "lab", text)
    out, _ = tuner(folder, "sweep", "lab.yaml", "--seeds", "2", "--format", "json")
    raw = json.loads(out)
    assert raw["validation_is_test"] is True
    assert [v["seeds"] for v in raw["variants"]] == [2, 2]
    tuner(folder, "confirm", "lab", code=1)
