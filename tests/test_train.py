"""`tuner train`: a configuration by hand becomes a trial of its study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from inside import tuner
from test_sweep import start, wait_for

from tuner.commands.train import configuration_of, label_of
from tuner.definition import available, load
from tuner.errors import DefinitionError, StudyError, UsageError
from tuner.trial import Params, TrialRecord

DIGITS = load(available(Path())["digits"])


def trial(origin: int, variant: str | None = None, **params: Any) -> TrialRecord:
    whole = configuration_of(DIGITS, [], None, [f"{k}={v}" for k, v in params.items()], "digits")
    return TrialRecord(origin, origin, f"uid:{origin}", "complete", whole, variant=variant)


def made(*fixes: str, start: str | None = None, records: tuple[TrialRecord, ...] = ()) -> Params:
    return configuration_of(DIGITS, records, start, fixes, "digits")


def test_what_is_left_out_is_the_default() -> None:
    assert made("l2=1e-3")["l2"] == 1e-3
    assert {**made("l2=1e-3"), "l2": 0.0} == made()
    assert "momentum" not in made()
    assert made("optimizer=sgd", "momentum=0.9")["momentum"] == 0.9


def test_a_trial_is_a_start() -> None:
    records = (trial(0, "first", units=64), trial(1, optimizer="sgd", momentum=0.5))
    assert made("dropout=0.5", start="0", records=records) == {
        **records[0].params,
        "dropout": 0.5,
    }
    assert made(start="first", records=records) == records[0].params
    # What could act only with another optimizer is left behind.
    assert "momentum" not in made("optimizer=adam", start="1", records=records)


def test_layers_replace_depth_and_units_and_the_other_way_round() -> None:
    records = (trial(0, layers="[32,16]"),)
    assert made("layers=[64]", start="0", records=records)["layers"] == [64]
    deep = made("depth=2", start="0", records=records)
    assert (deep["depth"], "layers" in deep) == (2, False)


def test_a_variant_of_the_file_is_a_start_before_it_is_trained() -> None:
    assert made(start="baseline") == DIGITS.variants["baseline"]


@pytest.mark.parametrize(
    ("fix", "words"),
    [
        ("l2=many", "--fix l2=many: must be a number"),
        ("l2", "write NAME=…"),
        ("lr=0.1", "unknown parameter"),
        ("dropout=1.5", "--fix dropout=1.5"),
        ("optimizer=best", "--fix optimizer=best"),
        ("momentum=0.9", "acts only with optimizer: sgd"),
    ],
)
def test_a_wrong_value_is_named(fix: str, words: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        made(fix)
    assert words in str(caught.value)


def test_an_unknown_start_says_what_there_is() -> None:
    with pytest.raises(StudyError, match="no trial 7") as caught:
        made(start="7", records=(trial(0, "first"),))
    assert "first" in str(caught.value)


def test_labels() -> None:
    assert label_of(None, []) == "by-hand-1"
    assert label_of(None, ["by-hand-1", "x"]) == "by-hand-2"
    assert label_of("no dropout", []) == "no dropout"
    for bad in ("7", "", "best", "a/b", "baseline", "-x", "x" * 61):
        with pytest.raises(UsageError):
            label_of(bad, ["baseline"])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The ``noload`` loader")
def test_by_hand_beside_a_sweep(tmp_path: Path) -> None:
    """Trained by hand, then swept: one study, the total includes it, every figure is recorded."""
    out, err = tuner(
        tmp_path,
        *("train", "digits", "--fix", "units=16", "--epochs", "3", "--name", "both"),
        *("--seed", "5", "--format", "json", "--exit-zero"),
    )
    shown = json.loads(out)
    assert "Traceback" not in err
    assert err.count("epoch ") >= 3  # a line an epoch
    found = json.dumps(shown)
    assert '"by-hand-1"' in found
    assert '"seed": 5' in found
    tuner(tmp_path, "sweep", "digits", "--name", "both", "--epochs", "3", "--trials", "3", code=3)
    again, _ = tuner(tmp_path, "report", "both", "--format", "csv", "--exit-zero")
    assert len(again.splitlines()) == 4
    assert "by-hand-1" in again
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    (experiment,) = [e for e in client.search_experiments() if e.name == "both"]
    runs = client.search_runs([experiment.experiment_id])
    assert sum(run.data.tags.get("tuner.variant") == "by-hand-1" for run in runs) == 1
    assert sum(run.data.tags.get("tuner.kind") == "trial" for run in runs) == 3


FILE = """
dataset: digits
epochs: 3
trials: 1
targets: [val_accuracy >= 0.9999]
space: {units: {values: [16, 32]}}
fixed: {batch_size: 64}
"""


@pytest.mark.slow
def test_a_killed_one_is_repeated_by_the_sweep(tmp_path: Path) -> None:
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "s.yaml").write_text(FILE, encoding="utf-8")
    tuner(tmp_path, "sweep", "s", code=3)
    with start(tmp_path, "train", "s", "--fix", "units=16", "--as", "mine", "-q") as process:
        wait_for(process, tmp_path, "s", 1)
        while process.poll() is None and not _running(tmp_path):
            pass
        process.kill()
        process.communicate()
    # No number is asked for, and the file's is reached: what was begun is finished all the same.
    out, _ = tuner(tmp_path, "sweep", "s", "--format", "csv", "--exit-zero")
    rows = out.splitlines()
    assert len(rows) == 3
    assert sum(",mine,complete," in row for row in rows) == 1
    # A later variant of the file cannot take its name.
    variant = "variants: {mine: {units: 32}}"
    (tmp_path / "sweeps" / "s.yaml").write_text(f"{FILE}{variant}\n", encoding="utf-8")
    _, err = tuner(tmp_path, "sweep", "s", "--trials", "3", code=1)
    assert "has a trial called mine with another configuration" in err


def _running(folder: Path) -> bool:
    from tuner.search.records import summaries
    from tuner.workspace import Workspace

    (summary,) = summaries(Workspace(folder))
    return any(record.state == "running" for record in summary.records)
