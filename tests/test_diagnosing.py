"""Diagnostics at the end of a sweep: what they draw and list, and what MLflow shows of them."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from inside import tuner
from test_pictures import pixels, svg_texts

from tuner.commands.variant_record import FIGURES, compared, seed_figures, seed_words
from tuner.definition import parse
from tuner.gradients import GradientLog
from tuner.report.artifacts import curves_csv, gradients_csv, misclassified_csv, units_csv
from tuner.report.causes import findings_of
from tuner.report.figures.diagnosing import (
    MOST_MISTAKES,
    confusion_chart,
    mistakes_chart,
    training_curves,
)
from tuner.report.figures.gradients import gradient_chart
from tuner.report.page.mistakes import worst
from tuner.report.selection import Outcome, select
from tuner.scores import VariantScore
from tuner.search import records as stored
from tuner.targets import parse_targets
from tuner.tracking.apart import view_from_json, view_to_json
from tuner.tracking.base import TrialView
from tuner.trial import EpochMetrics, Repeat, SplitSpec, TrialRecord

TARGETS = (*parse_targets("val >= 90%"), *parse_targets("train < 95%"))
EPOCHS = (
    EpochMetrics(1, 0.5, 1.5, train_accuracy_running=0.4, train_loss_penalised=2.0),
    EpochMetrics(2, 0.75, 1.0, 0.875, 0.5, 0.8, 1.25, 1.125, 0.001, 10, 0.5, 7.0),
    EpochMetrics(3, math.nan, math.inf, train_loss_penalised=math.nan),
)
NAMES = ("dense_1/kernel", "dense_1/bias", "probabilities/kernel", "probabilities/bias")
LONG = "a $very_long^name$ with <b>markup</b> & more " * 5


def log_of(*spreads: tuple[float | None, ...]) -> GradientLog:
    """A log whose rows have these spreads, and means that are half as large."""
    log = GradientLog(NAMES, ("hidden 1",), 10)
    for epoch, std in enumerate(spreads):
        log = log.with_epoch(
            epoch,
            mean=[None if v is None else -v / 2 for v in std],
            std=std,
            size=[0.25] * 4,
            change=[None if epoch == 0 else 0.125] * 4,
            silent=[0.5],
        )
    return log


FALLING = log_of((1e-3, 1e-2, 0.5, 1.0), (1e-4, 1e-3, 0.25, 0.5))


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def outcome_of(*records: TrialRecord) -> Outcome:
    return select("digits", "digits", records, TARGETS, "last", len(records))


def record(epochs: tuple[EpochMetrics, ...] = EPOCHS[:2], **more: Any) -> TrialRecord:
    made = TrialRecord(0, 0, "u:0", "complete", {"l2": 0.1}, epochs=epochs)
    return replace(made, started=1.0, ended=2.0, **more)


# Tables


def test_curves_are_a_row_an_epoch_and_the_unknown_is_empty() -> None:
    first, second, third = rows_of(curves_csv(EPOCHS, 2))
    assert (first["epoch"], first["val_accuracy"], first["train_accuracy"]) == ("1", "0.5", "")
    assert second["accuracy_gap"] == "0.125"
    assert second["val_loss_penalised"] == "1.125"
    assert [r["chosen"] for r in (first, second, third)] == ["false", "true", "false"]
    assert (third["val_accuracy"], third["val_loss"], third["train_loss_penalised"]) == ("", "", "")


def test_gradients_are_a_row_an_epoch_and_a_variable() -> None:
    found = rows_of(gradients_csv(FALLING))
    assert [(r["epoch"], r["variable"]) for r in found] == [
        (str(epoch), name) for epoch in (0, 1) for name in NAMES
    ]
    assert [r["change"] for r in found] == [""] * 4 + ["0.125"] * 4
    assert (found[6]["mean"], found[6]["std"], found[6]["size"]) == ("-0.125", "0.25", "0.25")
    assert rows_of(units_csv(FALLING)) == [
        {"epoch": epoch, "layer": "hidden 1", "silent": "0.5"} for epoch in ("0", "1")
    ]


def test_mistakes_are_listed_with_the_most_certain_first() -> None:
    labels = np.array([0, 1, 2, 0])
    probabilities = np.array([[0.25, 0.5, 0.25], [0, 1, 0], [0.75, 0.125, 0.125], [1, 0, 0]])
    text = misclassified_csv(
        "train", np.array([40, 3, 17, 8]), labels, probabilities, ("a", 'b "\r,', "c")
    )
    assert [list(r.values()) for r in rows_of(text)] == [
        ["train", "17", "c", "a", "0.75", "0.125"],
        ["train", "40", "a", 'b "\n,', "0.5", "0.25"],
    ]


# Pictures


@pytest.mark.parametrize(
    "epochs",
    [
        (),
        EPOCHS[:1],
        EPOCHS,
        (EpochMetrics(1, None, None),),
        tuple(EpochMetrics(e, 0.1, 10.0 ** (6 - e), 0.1, 2.0) for e in range(1, 7)),
    ],
    ids=["none", "one", "not finite", "unmeasured", "steep"],
)
def test_curves_can_be_drawn_whatever_there_is(epochs: tuple[EpochMetrics, ...]) -> None:
    chosen = epochs[0].epoch if epochs else None
    assert pixels(training_curves("digits", LONG, epochs, chosen, TARGETS)).std() > 0


def test_curves_say_which_epoch_counts_and_what_the_limits_are() -> None:
    texts = svg_texts(training_curves("digits", "plain", EPOCHS[:2], 2, TARGETS, "svg"))
    assert "digits: training of plain" in texts
    assert any(text.startswith("epoch 2 of 2 stands for it") for text in texts)
    flat = [text.replace("\u00a0", " ").replace("\u202f", " ") for text in texts]
    assert {"validation ≥ 90 %", "train < 95 %", "validation with penalty"} <= set(flat)


def test_without_a_penalty_there_is_one_validation_loss() -> None:
    same = [replace(e, val_loss_penalised=e.val_loss) for e in EPOCHS[:2]]
    texts = svg_texts(training_curves("digits", "plain", same, 2, TARGETS, "svg"))
    assert "validation with penalty" not in texts


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (GradientLog(), "No gradients were noted."),
        (FALLING, "dense_1/kernel"),
        (log_of((0.0, 0.0, 0.0, 0.0)), "every gradient is 0 or not finite"),
        (log_of((0.0, 0.0, 0.0, 0.1), (0.0, 0.0, 0.0, 0.1)), "probabilities/kernel: 0"),
        (log_of((1.0, 1.0, 1.0, 1.0), (None, None, None, None)), "not finite"),
    ],
    ids=["none", "some", "all 0", "kernels 0", "not finite"],
)
def test_gradients_can_be_drawn_whatever_there_is(log: GradientLog, said: str) -> None:
    findings = findings_of(EPOCHS, log)
    assert said in svg_texts(gradient_chart("digits", "plain", log, findings, "svg"))
    assert pixels(gradient_chart("digits", LONG, log, findings)).std() > 0


def test_the_title_says_the_finding() -> None:
    zeros = replace(log_of((0.0, 0.0, 0.0, 0.1)), size=((0.0,) * 4,))
    stays = [EpochMetrics(1, 0.1, 2.3, 0.1, 2.3, train_loss_penalised=2.3)]
    falls = [EpochMetrics(1, 0.9, 0.1, 0.9, 0.1, train_loss_penalised=0.1)]
    for epochs, log, title in (
        (stays, zeros, "digits: zeros: no gradient to begin with"),
        (falls, log_of((1.0, 1.0, 1.0, 1.0)), "digits: zeros: the loss falls"),
    ):
        chart = gradient_chart("digits", "zeros", log, findings_of(epochs, log), "svg")
        assert title in svg_texts(chart)


@pytest.mark.parametrize("count", [0, 1, 7, 40])
def test_the_most_certain_mistakes_are_a_grid(count: int) -> None:
    labels = np.zeros(count, np.int64)
    probabilities = np.stack([0.4 - labels / 2, np.linspace(0.6, 0.9, count)], axis=1)
    mistakes = worst(labels, probabilities, count)
    (entry,) = outcome_of(record()).entries
    asked: list[int] = []

    def image(index: int) -> Any:
        asked.append(index)
        return np.full((8, 8), index % 16)

    names = ("zero", "one")
    chart = mistakes_chart("digits", entry, mistakes, image, names, 16.0)
    assert pixels(chart).std() > 0
    # The later a row, the more certain the mistake.
    assert asked == list(range(count))[::-1][:MOST_MISTAKES]
    texts = svg_texts(mistakes_chart("digits", entry, mistakes, image, names, 16.0, "svg"))
    arrows = [text for text in texts if text.startswith("zero → one")]
    assert len(arrows) == min(count, MOST_MISTAKES)
    assert ("Every validation row is recognised." in texts) == (count == 0)


@pytest.mark.parametrize("count", [0, 30])
def test_confusions_can_be_drawn(tmp_path: Path, count: int) -> None:
    labels = np.arange(count) % 3
    file = tmp_path / "trial-0.npz"
    np.savez(file, rows=labels, labels=labels, probabilities=np.eye(3)[(labels + 1) % 3])
    outcome = outcome_of(record())
    chart = confusion_chart(outcome, outcome.entries[0], file, ("a", "b", "c"))
    assert pixels(chart).std() > 0


# What a study notes, and what a variant's run shows


def test_what_is_noted_of_artifacts_is_nothing_else() -> None:
    noted = {stored.artifacts_key(3): ["curves"], stored.figures_key(3): {"seeds_count": 2.0}}
    assert stored.Noted.of(noted) == stored.Noted()
    assert stored.tested_in(noted) == frozenset()
    assert not any(key.startswith(stored.RUN_PREFIX) for key in noted)  # removal counts those


def test_a_view_goes_to_the_recorder_without_gradients_and_scores() -> None:
    own = record(gradients=FALLING, scores=(VariantScore(7, 0.5, 2.0, 9),))
    sent = json.loads(json.dumps(view_to_json(TrialView(own))))
    assert view_from_json(sent) == TrialView(replace(own, gradients=None, scores=()))


def compared_once(seeds: int = 3, **keys: Any) -> tuple[Any, Any]:
    """An outcome with one variant on two seeds, and its sweep."""
    raw = {
        "dataset": "digits",
        "epochs": 2,
        "trials": 1,
        "epoch": "last",
        "targets": ["val_accuracy >= 0.7"],
        "fixed": {"layers": [8]},
        "variants": {"plain": {"layers": [8]}},
        "seeds": seeds,
        **keys,
    }
    made = parse(json.dumps(raw), "test.yaml", "digits")
    low = tuple(replace(e, val_accuracy=0.5, train_accuracy=None) for e in EPOCHS[:2])
    repeat = Repeat("seed", 0, 8, SplitSpec(), 2, "complete", low)
    own = record(variant="plain", seed=7, repeats=(repeat,), scores=(VariantScore(7, 0.5, 2.0, 9),))
    return select("digits", "digits", (own,), made.targets, "last", 1), made


def test_figures_over_seeds_are_those_of_all_trainings() -> None:
    (variant,) = compared(*compared_once())
    found = seed_figures(variant)
    assert found["seeds_val_accuracy_mean"] == 0.625
    assert found["seeds_val_accuracy_sd"] == pytest.approx(0.25 / math.sqrt(2))
    assert found["seeds_val_loss_penalised_mean"] == 1.125
    assert {k: v for k, v in found.items() if "val" not in k} == {
        "seeds_count": 2.0,
        "seeds_passes": 1.0,
        "seeds_train_accuracy_mean": 0.875,
        "seeds_test_accuracy_mean": 0.5,
        "seeds_test_loss_mean": 2.0,
    }
    assert seed_words(variant) == {"tuner.seeds": "1/2"}


def test_a_variant_on_one_seed_shows_no_seeds() -> None:
    assert compared(*compared_once(seeds=1)) == ()
    assert len(compared(*compared_once(seeds=1, test="compare"))) == 1


# The real command

SWEEP = """\
dataset: digits
epochs: 3
trials: 3
pruner: none
seed: 0
targets: [val_accuracy >= 0.1]
fixed: {layers: [16], batch_size: 64}
space:
  l2: {min: 1.0e-4, max: 1.0e-2, log: true}
variants:
  plain: {l2: 0}
  zeros: {l2: 0, initializer: zeros}
seeds: 2
test: compare
diagnostics: [gradients, misclassified, curves]
"""
AWAY = "http://user:secret@127.0.0.1:9"
FILES = {
    "curves.png",
    "curves.csv",
    "gradients.png",
    "gradients.csv",
    "units.csv",
    "misclassified.csv",
    "misclassified.png",
    "confusion.png",
}


@dataclass(frozen=True)
class Swept:
    """A finished sweep: its folder, what it said, the study's records and the runs of trials."""

    folder: Path
    said: str
    records: dict[str, TrialRecord]
    runs: dict[str, dict[str, Any]]

    def file(self, name: str, file: str) -> Path:
        """An artifact of a trial's run."""
        return Path(self.runs[name]["artifacts"].removeprefix("file://"), "diagnostics", file)


def runs_in(folder: Path) -> dict[str, dict[str, Any]]:
    """The runs of trials by name."""
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return {
        run.info.run_name: {
            "id": run.info.run_id,
            "tags": run.data.tags,
            "metrics": run.data.metrics,
            "artifacts": run.info.artifact_uri,
        }
        for run in client.search_runs(experiments)
        if run.data.tags["tuner.kind"] == "trial"
    }


def records_in(folder: Path) -> dict[str, TrialRecord]:
    from tuner.search.records import summaries
    from tuner.workspace import Workspace

    (summary,) = summaries(Workspace(folder))
    return {r.variant or f"trial {r.origin}": r for r in summary.records}


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    folder = tmp_path_factory.mktemp("diagnosed")
    (folder / "small.yaml").write_text(SWEEP)
    _, said = tuner(folder, "sweep", "small.yaml")
    return Swept(folder, said, records_in(folder), runs_in(folder))


def stamps(folder: Path) -> dict[Path, int]:
    """When each of the diagnostics, and of the predictions, was last written."""
    predicted = (folder / ".tuner" / "weights").rglob("predictions/*")
    files = [*(folder / "mlruns").rglob("diagnostics/*"), *predicted]
    return {path: path.stat().st_mtime_ns for path in files}


@pytest.mark.slow
def test_every_trial_has_its_diagnostics(swept: Swept) -> None:
    assert set(swept.runs) == {"plain", "zeros", "trial 2"}
    for name in swept.runs:
        found = {path.name: path for path in swept.file(name, "curves.csv").parent.iterdir()}
        assert set(found) == FILES
        for file in FILES:
            if file.endswith(".png"):
                assert pixels(found[file].read_bytes()).std() > 0
    assert "Diagnostics of 3 trials are in MLflow" in swept.said


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plain", "zeros", "trial 2"])
def test_tables_agree_with_the_study(swept: Swept, name: str) -> None:
    from tuner.data.prepared import Prepared
    from tuner.training.inference import part_of
    from tuner.trial import TrialSpec

    record = swept.records[name]
    curves = rows_of(swept.file(name, "curves.csv").read_text())
    assert [float(r["val_accuracy"]) for r in curves] == [e.val_accuracy for e in record.epochs]
    (chosen,) = [r for r in curves if r["chosen"] == "true"]
    assert int(chosen["epoch"]) == swept.runs[name]["metrics"]["chosen_epoch"]

    log = record.gradients
    assert log is not None
    gradients = rows_of(swept.file(name, "gradients.csv").read_text())
    assert [float(r["std"]) for r in gradients] == [v for row in log.std for v in row]
    units = rows_of(swept.file(name, "units.csv").read_text())
    assert [float(r["silent"]) for r in units] == [v for row in log.silent for v in row]

    spec = TrialSpec.from_json(record.spec)
    data = Prepared.open(Path(spec.data))
    _, labels, rows = part_of(data, spec, "validation")
    mistakes = rows_of(swept.file(name, "misclassified.csv").read_text())
    assert len(mistakes) == round((1 - float(chosen["val_accuracy"])) * len(rows))
    assert {r["split"] for r in mistakes} == {"train"}
    assert {int(r["row"]) for r in mistakes} <= set(rows.tolist())
    for one in mistakes:
        assert one["true_class"] == data.class_names[labels[int(one["row"])]]
        assert one["predicted_class"] != one["true_class"]
        assert float(one["predicted_probability"]) >= float(one["true_probability"])
    certain = [float(r["predicted_probability"]) for r in mistakes]
    assert certain == sorted(certain, reverse=True)


@pytest.mark.slow
def test_predictions_are_kept_for_the_page(swept: Swept) -> None:
    from tuner.report.page.mistakes import confusion, predicted_of
    from tuner.workspace import Workspace

    for record in swept.records.values():
        uid = record.attempt.partition(":")[0]
        file = Workspace(swept.folder).predictions(uid) / f"trial-{record.origin}.npz"
        with file.open("rb") as opened, np.load(opened) as kept:
            matrix = confusion(kept["labels"], predicted_of(kept["probabilities"]), 10)
        assert matrix.sum() == 288  # a fifth of 1,437 rows
        name = record.variant or f"trial {record.origin}"
        accuracy = swept.runs[name]["metrics"]["chosen_val_accuracy"]
        assert matrix.trace() / matrix.sum() == pytest.approx(accuracy)


@pytest.mark.slow
def test_runs_of_variants_show_their_seeds(swept: Swept) -> None:
    for name in ("plain", "zeros"):
        metrics, record = swept.runs[name]["metrics"], swept.records[name]
        assert metrics["seeds_count"] == 2
        tests = [score.accuracy for score in record.scores]
        assert metrics["seeds_test_accuracy_mean"] == pytest.approx(np.mean(tests))
        assert metrics["seeds_test_accuracy_sd"] == pytest.approx(np.std(tests, ddof=1))
        passes = swept.runs[name]["tags"]["tuner.seeds"]
        assert passes == f"{metrics['seeds_passes']:.0f}/2"
    assert {f"seeds_{figure}_mean" for figure in FIGURES} <= set(swept.runs["plain"]["metrics"])
    searched = swept.runs["trial 2"]
    assert not any(key.startswith("seeds_") for key in searched["metrics"])
    assert "tuner.seeds" not in searched["tags"]


@pytest.mark.slow
def test_the_same_again_adds_nothing(swept: Swept, monkeypatch: pytest.MonkeyPatch) -> None:
    before, runs = stamps(swept.folder), runs_in(swept.folder)
    assert len(before) == 3 * len(FILES) + 3
    _, said = tuner(swept.folder, "sweep", "small.yaml")
    assert "iagnostics" not in said
    assert stamps(swept.folder) == before
    assert runs_in(swept.folder) == runs

    # Nothing is waiting: nobody asks the store.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", AWAY)
    _, said = tuner(swept.folder, "sweep", "small.yaml")
    assert "iagnostics" not in said


@pytest.mark.slow
def test_an_outage_is_a_line_and_mended_by_the_next_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = SWEEP.replace("diagnostics: [gradients, misclassified, curves]\n", "")
    plain = plain.replace("test: compare\n", "").replace("seeds: 2\n", "")
    (tmp_path / "small.yaml").write_text(plain)
    tuner(tmp_path, "sweep", "small.yaml")
    (tmp_path / "small.yaml").write_text(f"{plain}diagnostics: [curves, gradients]\n")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", AWAY)
    _, said = tuner(tmp_path, "sweep", "small.yaml")
    told = [line for line in said.splitlines() if "diagnostics" in line]
    assert len(told) == 1
    assert told[0].startswith("The diagnostics are not all in MLflow, and the next sweep adds them")
    assert "secret" not in said
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    _, said = tuner(tmp_path, "sweep", "small.yaml", "-q")
    assert "iagnostics" not in said
    found = [path.name for path in (tmp_path / "mlruns").rglob("diagnostics/*")]
    # Their gradients were not noted when they were trained.
    assert sorted(found) == sorted(["curves.csv", "curves.png"] * 3)
