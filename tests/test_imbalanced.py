"""Few rows of a class: figures by class, what goes by them, and weights of classes in the loss."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pages
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console
from sklearn.metrics import balanced_accuracy_score, f1_score
from sklearn.utils.class_weight import compute_class_weight
from specs import spec_on
from stubs import FakeEngine
from test_scheduler import Sweep
from test_training import Alone

from tuner.data.dataset import Dataset
from tuner.data.prepared import Prepared, prepare
from tuner.epochs import choose
from tuner.report.comparison import Column, trials_sentence
from tuner.report.confirmation_table import notes
from tuner.report.degenerate import beyond, cautions
from tuner.report.figures.diagnosing import training_curves
from tuner.report.jsonout import to_json
from tuner.report.page import charts_curves, charts_map, charts_search
from tuner.report.page.answer import facts, lead
from tuner.report.selection import Shortlist
from tuner.report.sentences import sentence
from tuner.report.variants import variants_of
from tuner.report.variants_table import variants_block
from tuner.search.pruning import Peer, Rivals, overfit_reason
from tuner.targets import Target, parse_targets
from tuner.tracking.base import TrialView
from tuner.tracking.naming import trial_points
from tuner.training.base import Figures, Link, Part
from tuner.training.confusion import Counts, balanced_accuracy, macro_f1
from tuner.training.loop import engine_for, run_epochs
from tuner.training.weighting import balanced_weights
from tuner.trial import (
    EpochMetrics,
    SplitSpec,
    TrialRecord,
    TrialResult,
    TrialSpec,
    from_columns,
    to_columns,
)

law = settings(
    deadline=None, database=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow]
)
BALANCED = parse_targets("balanced accuracy >= 80% with train < 99%")


def counted(labels: Sequence[int], guesses: Sequence[int], classes: int) -> Counts:
    """Counts by class, a row at a time."""
    pairs = list(zip(labels, guesses, strict=True))
    return Counts(
        hits=tuple(sum(a == b == c for a, b in pairs) for c in range(classes)),
        predicted=tuple(sum(b == c for _, b in pairs) for c in range(classes)),
        present=tuple(sum(a == c for a, _ in pairs) for c in range(classes)),
    )


# --- the formulas -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "guesses", "classes", "balanced", "f1"),
    [
        ([0, 1], [0, 1], 2, 1.0, 1.0),
        ([0, 1], [1, 0], 2, 0.0, 0.0),
        ([0] * 9 + [1], [0] * 10, 2, 0.5, 9 / 19),  # always the frequent class
        ([0, 0, 0, 0], [0, 0, 0, 1], 2, 0.75, 3 / 7),  # a class without rows is predicted once
        ([0, 0, 0, 0], [0, 0, 0, 0], 3, 1.0, 1.0),  # classes that nobody mentions do not count
        ([0, 1, 2, 2], [0, 0, 2, 2], 3, 2 / 3, (2 / 3 + 0 + 1) / 3),
    ],
)
def test_figures_by_class(
    labels: list[int], guesses: list[int], classes: int, balanced: float, f1: float
) -> None:
    counts = counted(labels, guesses, classes)
    assert balanced_accuracy(counts) == pytest.approx(balanced, abs=1e-15)
    assert macro_f1(counts) == pytest.approx(f1, abs=1e-15)
    assert counts.all_hits == sum(a == b for a, b in zip(labels, guesses, strict=True))


def test_without_rows_there_is_no_figure() -> None:
    assert balanced_accuracy(Counts((0, 0), (0, 0), (0, 0))) is None
    assert macro_f1(Counts((0, 0), (0, 0), (0, 0))) is None


@law
@given(
    st.integers(2, 6).flatmap(
        lambda classes: st.lists(
            st.tuples(st.integers(0, classes - 1), st.integers(0, classes - 1)), min_size=1
        )
    )
)
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.filterwarnings("ignore:A single label was found")
def test_they_are_those_of_scikit_learn(rows: list[tuple[int, int]]) -> None:
    labels, guesses = [a for a, _ in rows], [b for _, b in rows]
    counts = counted(labels, guesses, 6)
    wanted = balanced_accuracy_score(labels, guesses)
    assert balanced_accuracy(counts) == pytest.approx(wanted, abs=1e-12)
    wanted = f1_score(labels, guesses, average="macro", zero_division=0)
    assert macro_f1(counts) == pytest.approx(wanted, abs=1e-12)


@law
@given(st.lists(st.integers(0, 5), min_size=1))
def test_weights_are_those_of_scikit_learn(labels: list[int]) -> None:
    there = np.unique(labels)
    wanted = np.zeros(6)
    wanted[there] = compute_class_weight("balanced", classes=there, y=np.array(labels))
    found = balanced_weights(np.array(labels, np.uint8), 6)
    assert found.dtype == np.float32
    assert found == pytest.approx(wanted, rel=1e-6)
    assert float(found[labels].sum()) == pytest.approx(len(labels), rel=1e-5)


# --- what goes by them ------------------------------------------------------------------------


def epoch(
    number: int, val: float, balanced: float | None, train: float = 0.9, f1: float | None = None
) -> EpochMetrics:
    return EpochMetrics(
        number, val, 0.3, train, 0.2, val_balanced_accuracy=balanced, val_macro_f1=f1
    )


@pytest.mark.parametrize(
    ("targets", "figures", "chosen", "meets"),
    [
        # (val, balanced, macro F1) by epoch
        ("val >= 0.5", [(0.9, 0.7, 0.6), (0.8, 0.9, 0.7)], 1, True),
        ("balanced accuracy >= 0.5", [(0.9, 0.7, 0.6), (0.8, 0.9, 0.5)], 2, True),
        ("macro f1 >= 0.5", [(0.9, 0.7, 0.6), (0.8, 0.9, 0.55)], 1, True),
        ("val >= 0.5, balanced accuracy >= 0.5", [(0.9, 0.7, 0.6), (0.8, 0.9, 0.7)], 2, True),
        ("balanced accuracy >= 0.95", [(0.9, 0.7, 0.6), (0.8, 0.9, 0.7)], 2, False),
        # Equal in what counts: the higher val_accuracy, then the earlier.
        ("balanced accuracy >= 0.5", [(0.8, 0.7, 0.6), (0.9, 0.7, 0.5)], 2, True),
        ("balanced accuracy >= 0.5", [(0.9, 0.7, 0.6), (0.9, 0.7, 0.6)], 1, True),
        # A record of an older version: nothing is guessed.
        ("balanced accuracy >= 0.5", [(0.8, None, None), (0.9, None, None)], 2, False),
    ],
)
def test_the_chosen_epoch(
    targets: str, figures: list[tuple[float, float | None, float | None]], chosen: int, meets: bool
) -> None:
    epochs = [epoch(n, val, bal, f1=f1) for n, (val, bal, f1) in enumerate(figures, 1)]
    choice = choose(epochs, parse_targets(targets), "best")
    assert choice is not None
    assert (choice.metrics.epoch, choice.meets) == (chosen, meets)


def test_an_older_record_is_unmeasured_and_not_far_off() -> None:
    new = to_columns([epoch(1, 0.9, 0.7, f1=0.6)])
    assert from_columns(new) == (epoch(1, 0.9, 0.7, f1=0.6),)
    old = {k: v for k, v in new.items() if k not in ("val_balanced_accuracy", "val_macro_f1")}
    (read,) = from_columns(old)
    assert (read.val_balanced_accuracy, read.val_macro_f1) == (None, None)
    choice = choose([read], BALANCED, "best")
    assert choice is not None
    assert choice.violations == {"val_balanced_accuracy >= 0.8": None, "train_accuracy < 0.99": 0.0}
    assert choice.total == 0


def trial(
    origin: int, val: float, balanced: float, train: float = 0.95, epochs: int = 12
) -> TrialRecord:
    """A trial that stands still at these figures."""
    made = pages.record(origin, 0.9, 0.05, epochs)
    rows = tuple(
        replace(
            e,
            val_accuracy=val,
            train_accuracy=train,
            val_balanced_accuracy=balanced,
            val_macro_f1=balanced - 0.05,
        )
        for e in made.epochs
    )
    return replace(made, epochs=rows)


CROSSED = [trial(1, 0.97, 0.81), trial(2, 0.93, 0.86), trial(3, 0.95, 0.83)]
"""What is first by validation accuracy is last by balanced accuracy."""


@pytest.mark.parametrize(
    ("targets", "best", "first"),
    [
        ("val >= 90%", 1, [1, 3, 2]),
        ("balanced accuracy >= 80%", 2, [2, 3, 1]),
        ("macro f1 >= 75%", 2, [2, 3, 1]),
        ("val >= 90% and balanced accuracy >= 79.9%", 2, [2, 3, 1]),
    ],
)
def test_the_order_of_the_trials(targets: str, best: int, first: list[int]) -> None:
    found = pages.outcome(CROSSED, targets)
    assert found.best is not None
    assert found.best.trial == best
    assert [e.trial for e in found.meets] == first


def test_the_weights_that_are_kept_are_those_of_the_best_by_class() -> None:
    short = Shortlist(parse_targets("balanced accuracy >= 80%"), "best", 1)
    assert [r.origin for one in CROSSED for r in short.add(one)] == [1, 3]
    short = Shortlist(parse_targets("val >= 80%"), "best", 1)
    assert [r.origin for one in CROSSED for r in short.add(one)] == [2, 3]


def test_the_words_of_a_report() -> None:
    found = pages.outcome(CROSSED, "balanced accuracy >= 80% with train < 99%")
    assert "trial 2, reaches balanced accuracy 0.860 on validation" in sentence(found)
    assert "balanced accuracy 86.0\u202f% on validation" in lead(found)[0]
    large = {fact.name: fact.figure for fact in facts(found, 1.0)}
    assert large["best balanced accuracy that meets"] == "86.0\u202f%"
    missing = pages.outcome(CROSSED, "balanced accuracy >= 90%")
    assert "val_balanced_accuracy >= 0.9 by 0.040" in sentence(missing)
    columns = [Column(found, entry) for entry in found.entries]
    assert "shown:2 has the highest balanced accuracy of these, 0.860" in trials_sentence(columns)
    plain = pages.outcome(CROSSED, "val >= 90%")
    mixed = [Column(plain, plain.entries[0]), Column(found, found.entries[1])]
    assert "shown:1 has the highest validation accuracy" in trials_sentence(mixed)


def test_variants_show_what_targets_name_and_keep_their_names() -> None:
    one = replace(CROSSED[0], variant="plain")
    other = replace(CROSSED[1], variant="weighted")

    def shown(targets: str) -> str:
        found = pages.outcome([one, other], targets)
        variants = variants_of(found, {"plain": {}, "weighted": {}}, "best")
        console = Console(width=80, file=io.StringIO())
        console.print(variants_block(variants, found.targets))
        text = console.file.getvalue()  # type: ignore[attr-defined]
        assert "…" not in text
        return str(text)

    text = shown("balanced accuracy >= 80% and macro f1 >= 70%")
    assert re.search(r"variant +balanced accuracy +macro F1\n─+\nplain +0.8100 +0.7600\n", text)
    assert len(re.findall(r"(?m)^(?:plain|weighted) ", text)) == 6
    assert "balanced" not in shown("val >= 80%")


def test_json_has_both_figures_whatever_the_targets_are() -> None:
    (first, *_) = to_json(pages.outcome(CROSSED, "val >= 90%"))["meets"]
    assert first["metrics"]["val_balanced_accuracy"] == 0.81
    assert first["metrics"]["val_macro_f1"] == pytest.approx(0.76)


def test_a_tracking_store_has_them_at_every_epoch_and_of_the_chosen_one() -> None:
    record = CROSSED[0]
    points = trial_points(TrialView(record, chosen=record.epochs[4]))
    for name, value in (("val_balanced_accuracy", 0.81), ("val_macro_f1", 0.76)):
        assert [p.step for p in points if p.name == name] == list(range(1, 13))
        assert {round(p.value, 9) for p in points if p.name == name} == {value}
        assert [p.step for p in points if p.name == f"chosen_{name}"] == [5]


def test_a_caution_is_priced_in_what_is_maximised() -> None:
    trials = [trial(1, 0.90, 0.81, train=0.94), trial(2, 0.91, 0.88, train=0.97)]
    targets = parse_targets("balanced accuracy >= 80% with train < 95%")
    best = beyond(trials, targets)
    assert best is not None
    assert (best.trial, best.score, best.metric) == (2, 0.88, "val_balanced_accuracy")
    (caution,) = cautions(trials[0], trials[0].epochs[5], targets, best)
    assert caution.given_up == pytest.approx(0.07)
    assert "trial 2 reaches 0.880 at epoch 1" in caution.text
    assert caution.text.endswith("0.070 of balanced accuracy is given up")


def test_charts_show_the_figure_that_is_asked_for() -> None:
    found = pages.outcome(CROSSED, "balanced accuracy >= 84% with train < 99%")
    where = charts_map.map_of(found)
    assert where is not None
    assert {(p.trial, p.y) for p in where.points} == {(1, 0.81), (2, 0.86), (3, 0.83)}
    assert where.val == (0.84, None)
    axis = charts_map.map_figure(where)["layout"]["yaxis"]["title"]["text"]
    assert axis == "balanced accuracy on the validation rows"
    progress = charts_search.progress_of(found)
    assert progress is not None
    assert progress.best == ((1, 0.81), (2, 0.86))
    drawn = charts_search.progress_figure(progress, 0.84, 0.8)
    assert drawn["layout"]["yaxis"]["title"]["text"] == "balanced accuracy"
    series = charts_curves.series_of(found)
    assert series[0].by_class == (("val_balanced_accuracy", (0.86,) * 12),)
    curves = charts_curves.accuracy_figure(series, found.targets)
    assert curves is not None
    assert {s["y0"] for s in curves["layout"]["shapes"]} == {0.84, 0.99}
    assert "val balanced &gt;= 84 %" in [n["text"] for n in curves["layout"]["annotations"]]
    assert sum(t["line"].get("dash") == "dash" for t in curves["data"]) == len(series) == 1
    low, high = curves["layout"]["yaxis"]["range"]
    assert low < 0.84
    assert high > 0.99


def test_pictures_have_the_line_and_its_limit() -> None:
    record, targets = CROSSED[0], parse_targets("balanced accuracy >= 84%")

    def text(wanted: Sequence[Target]) -> str:
        return training_curves("s", "trial 1", record.epochs, 5, wanted, "svg").decode()

    assert "balanced accuracy ≥ 84" in text(targets).replace("\xa0", " ")
    assert "balanced" not in text(parse_targets("val >= 90%"))


@pytest.mark.parametrize("targets", ["val >= 90%", "val >= 90% with train < 99%"])
def test_nothing_is_drawn_that_no_target_names(targets: str) -> None:
    found = pages.outcome(CROSSED, targets)
    assert all(not s.by_class for s in charts_curves.series_of(found))


def test_a_what_if_on_older_trials_says_that_they_were_not_measured() -> None:
    found = pages.outcome(pages.records(12), "balanced accuracy >= 80%")
    assert found.judged == 12
    assert (found.meets, found.binding_target) == ((), None)
    assert "was not measured for val_balanced_accuracy >= 0.8" in sentence(found)
    assert charts_map.map_of(found) is None
    assert charts_search.progress_of(found) is None
    assert "was not measured for balanced accuracy" in " ".join(lead(found))


def test_a_target_by_class_is_confirmed_like_any_other() -> None:
    made = pages.confirmed(trial(1, 0.97, 0.90), [0.9, 0.9, 0.9], 0.05)
    values = (0.5, 0.88, 0.89, 0.87)  # of its own seed, which proves nothing, and of fresh ones
    repeats = tuple(
        replace(
            repeat,
            epochs=tuple(
                replace(e, val_balanced_accuracy=value, val_macro_f1=value) for e in repeat.epochs
            ),
        )
        for repeat, value in zip(made.repeats, values, strict=True)
    )
    assert made.test is not None
    score = replace(made.test, balanced_accuracy=0.84, macro_f1=0.8)
    found = pages.outcome([replace(made, repeats=repeats, test=score)], "balanced accuracy >= 80%")
    (entry,) = found.entries
    proof = entry.confirmation
    assert proof is not None
    assert (proof.verdict, proof.passes) == ("confirmed", 3)
    (bound,) = proof.targets
    assert bound.values == values[1:]
    assert bound.mean == pytest.approx(0.88)
    assert bound.bound is not None
    assert 0.80 < bound.bound < 0.88
    assert "test balanced accuracy 0.840, 0.040 below validation" in sentence(found)
    (line,) = [n for n in notes(found, entry) if n.startswith("test balanced")]
    assert line == "test balanced accuracy 0.8400, 4.00 points below the mean on validation"
    assert type(score).from_json(score.to_json()) == score
    older = {k: v for k, v in score.to_json().items() if "balanced" not in k and "f1" not in k}
    assert type(score).from_json(older).balanced_accuracy is None


# --- pruning and the study --------------------------------------------------------------------


def test_the_pruner_goes_by_what_is_maximised() -> None:
    targets = parse_targets("balanced accuracy >= 95%")
    rivals = Rivals([Peer("constant", (0.7 + i / 100,) * 30) for i in range(8)])

    def reason(val: float, balanced: float) -> str | None:
        rows = [epoch(n, val, balanced) for n in range(1, 11)]
        return overfit_reason(rows, targets, {"schedule": "constant"}, rivals, 30)

    assert reason(0.99, 0.60) is not None
    assert reason(0.60, 0.80) is None


def test_overfitting_is_missing_a_floor_by_class_beyond_the_ceiling() -> None:
    targets = parse_targets("val >= 90%, balanced accuracy >= 80%, train < 95%")
    over = [epoch(n, 0.93, 0.7, train=0.97) for n in range(1, 6)]
    assert overfit_reason(over, targets, {}, Rivals(), 30) == (
        "overfit: for 5 epochs train broke train_accuracy < 0.95 "
        "while val missed val_balanced_accuracy >= 0.8"
    )
    within = [replace(e, val_balanced_accuracy=0.85) for e in over]
    assert overfit_reason(within, targets, {}, Rivals(), 30) is None


class Lopsided(FakeEngine):
    """The better its accuracy is, the less it hits of the class that has few rows."""

    def measure(self, part: Part) -> Figures:
        found = super().measure(part)
        most = round(900 * found.accuracy)
        few = round(100 * (1 - found.accuracy))
        counts = Counts((most, few), (most + 100 - few, 1000 - most - 100 + few), (900, 100))
        return replace(found, counts=counts)


def lopsided(spec: TrialSpec, link: Link) -> TrialResult:
    return run_epochs(spec, link, Lopsided)


@pytest.mark.parametrize(
    ("target", "metric"),
    [
        ("val_accuracy >= 0.1", "val_accuracy"),
        ("val_balanced_accuracy >= 0.1", "val_balanced_accuracy"),
        ("val_macro_f1 >= 0.1", "val_macro_f1"),
    ],
)
def test_the_study_maximises_it(tmp_path: Path, target: str, metric: str) -> None:
    changes = {"targets": [target], "trials": 4, "pruner": "percentile"}
    sweep = Sweep(tmp_path, lopsided, changes=changes)
    assert sweep.run() == "done"
    for attempt, record in zip(sweep.attempts, sweep.records, strict=True):
        figures = [e.figure(metric) for e in record.epochs]
        assert None not in figures
        assert attempt.value == max(f for f in figures if f is not None)
        assert list(attempt.intermediate_values.values()) == figures
        assert len({e.val_accuracy for e in record.epochs}) > 1


# --- training ---------------------------------------------------------------------------------


def table(seed: int = 0) -> Dataset:
    """Three clouds in a plane that overlap: 1,200 rows of the first, 80 and 40 of the others."""
    chance = np.random.default_rng(seed)
    sizes, centres = (1200, 80, 40), ((0.0, 0.0), (1.6, 0.0), (0.0, 1.6))
    x = np.concatenate(
        [chance.normal(centre, 0.8, (size, 2)) for size, centre in zip(sizes, centres, strict=True)]
    ).astype(np.float32)
    y = np.repeat(np.arange(3, dtype=np.uint8), sizes)
    order = chance.permutation(len(y))
    train, test = order[: len(y) - 300], order[len(y) - 300 :]
    return Dataset(
        name="clouds",
        x_train=x[train],
        y_train=y[train],
        x_test=x[test],
        y_test=y[test],
        class_names=("many", "some", "few"),
        kind="table",
        scale=1.0,
        description="three clouds",
        source="made here",
    )


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(table(), tmp_path_factory.mktemp("data"))


def spec_of(data: Prepared, **changes: Any) -> TrialSpec:
    params = {"units": 16, "batch_size": 32, "learning_rate": 0.01, **changes.pop("params", {})}
    usual = {"seed": 3, "epochs": 6, "targets": ("val_balanced_accuracy >= 0.99",)}
    return spec_on(data, params, **{**usual, **changes})


Engine = Callable[[TrialSpec], Any]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["compiled", "fit"])
def test_weighing_the_classes_trades_accuracy_for_the_rare_ones(
    clouds: Prepared, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way: counted, trained with weights, chosen, and its weights read again."""
    from tuner.training.inference import predict

    monkeypatch.setattr("os.cpu_count", lambda: 1)  # threads are set once a process
    best = {}
    for weight in (None, "none", "balanced"):
        given = {} if weight is None else {"class_weight": weight}
        kept = tmp_path / f"{engine}-{weight}.npz"
        spec = spec_of(clouds, engine=engine, params=given, keep_weights=str(kept))
        result = run_epochs(spec, Alone(), engine_for(spec))
        choice = choose(result.epochs, parse_targets(spec.targets[0]), "best")
        assert choice is not None
        best[weight] = choice.metrics
        assert choice.metrics.val_balanced_accuracy == max(
            e.val_balanced_accuracy or 0.0 for e in result.epochs
        )
        # The weights that are kept are those of that epoch, and give its figures again.
        request = {
            "spec": spec.to_json(),
            "weights": [str(kept)],
            "part": "validation",
            "out": str(tmp_path / "said.npz"),
        }
        (again,) = predict(request)["figures"]
        assert again["accuracy"] == pytest.approx(choice.metrics.val_accuracy, abs=1e-9)
        assert again["balanced_accuracy"] == pytest.approx(choice.metrics.val_balanced_accuracy)
        assert again["macro_f1"] == pytest.approx(choice.metrics.val_macro_f1)
        with np.load(tmp_path / "said.npz", allow_pickle=False) as said:
            labels, guesses = said["labels"], said["probabilities"].argmax(axis=1)
        assert again["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, guesses))
        assert again["macro_f1"] == pytest.approx(f1_score(labels, guesses, average="macro"))
    plain, unweighted, balanced = best.values()
    assert replace(unweighted, seconds=0.0, timestamp=0.0) == replace(
        plain, seconds=0.0, timestamp=0.0
    )
    assert plain.val_balanced_accuracy is not None
    assert balanced.val_balanced_accuracy is not None
    assert plain.val_accuracy is not None
    assert balanced.val_accuracy is not None
    assert balanced.val_balanced_accuracy > plain.val_balanced_accuracy + 0.05
    assert balanced.val_accuracy < plain.val_accuracy - 0.02


@pytest.mark.slow
def test_both_engines_count_alike(clouds: Prepared) -> None:
    """Many classes as well: nothing grows with their square."""
    from tuner.training.compiled import CompiledEngine
    from tuner.training.fit import FitEngine

    spec = spec_of(clouds)
    ours, keras = CompiledEngine(spec), FitEngine(spec)
    parts: tuple[Part, ...] = ("train", "validation")
    for part in parts:
        one, other = ours.measure(part).counts, keras.measure(part).counts
        assert one == other
        assert one is not None
        index = ours._rows[part].index
        assert one.present == tuple(np.bincount(clouds.y_train[index]).tolist())
        guesses = np.asarray(ours._network.model(clouds.x_train[index])).argmax(axis=1)
        labels = clouds.y_train[index].astype(int)
        assert one == counted(labels.tolist(), guesses.tolist(), 3)


@pytest.mark.slow
def test_a_thousand_classes_are_counted(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    classes, rows = 1000, 5000
    y = np.concatenate([np.arange(classes), chance.integers(0, classes, rows - classes)])
    x = chance.normal(size=(rows, 3)).astype(np.float32)
    made = Dataset(
        name="many",
        x_train=x,
        y_train=y.astype(np.uint16),
        x_test=None,
        y_test=None,
        class_names=tuple(map(str, range(classes))),
        kind="table",
        scale=1.0,
        description="many classes",
        source="made here",
    )
    data = prepare(made, tmp_path)
    spec = spec_of(data, split=SplitSpec("tail"), epochs=1, params={"class_weight": "balanced"})
    engine = engine_for(spec)(spec)
    assert math.isfinite(engine.train_epoch().loss_penalised)
    counts = engine.measure("validation").counts
    assert counts is not None
    assert sum(counts.predicted) == sum(counts.present) == 1000
    index = engine._rows["validation"].index
    guesses = np.asarray(engine._network.model(x[index])).argmax(axis=1)
    wanted = f1_score(y[index], guesses, average="macro", zero_division=0)
    assert macro_f1(counts) == pytest.approx(wanted, abs=1e-12)
