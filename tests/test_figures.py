"""Pictures of an outcome: which there are, that they are what they claim, and what they say."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stubs import definition
from test_pictures import pixels, svg_texts

from tuner.report.confirmation import ConfirmationVerdict
from tuner.report.figures import pictures
from tuner.report.figures.look import AREAS, COLORS, LIMIT, MARKS, PAPER, write
from tuner.report.page.charts_base import KINDS
from tuner.report.selection import Outcome, select
from tuner.scores import TestScore
from tuner.targets import parse_targets
from tuner.trial import EpochMetrics, Repeat, RepeatKind, SplitSpec, TrialRecord, TrialState

TARGETS = (*parse_targets("val >= 90%"), *parse_targets("train < 95%"))
LONG = "a $very_long^name$ with <b>markup</b> & more " * 5
ALWAYS = {"accuracy", "curves", "progress", "capacity"}
EPOCHS = 6
FASHION = ("T-shirt/top", "Trouser", "Pullover", "Ankle boot")


def record(
    number: int,
    val: float = 0.92,
    gap: float = 0.02,
    state: TrialState = "complete",
    variant: str | None = None,
    parameters: int = 1000,
    epochs: int = EPOCHS,
) -> TrialRecord:
    """A trial whose validation accuracy rises to `val`; its validation loss turns at epoch 4."""
    rows = tuple(
        EpochMetrics(
            epoch=epoch,
            val_accuracy=val - 0.05 * (epochs - epoch),
            val_loss=0.3 + 0.02 * abs(epoch - 4),
            train_accuracy=val + gap - 0.05 * (epochs - epoch) if epoch % 2 == 0 else None,
            train_loss=0.5 - 0.05 * epoch if epoch % 2 == 0 else None,
            parameters=parameters,
        )
        for epoch in range(1, epochs + 1)
    )
    return TrialRecord(
        number,
        number,
        f"u:{number}",
        state,
        {"l2": 0.1},
        variant=variant,
        epochs=rows,
        started=1.0,
        ended=2.0,
    )


def repeated(
    trial: TrialRecord,
    shifts: Sequence[float],
    kind: RepeatKind = "fresh",
    test: TestScore | None = None,
) -> TrialRecord:
    """The trial with repeats whose accuracies are its own, shifted."""
    repeats = tuple(
        Repeat(
            kind,
            index,
            index,
            SplitSpec(seed=index),
            EPOCHS,
            "complete",
            tuple(
                replace(
                    e,
                    val_accuracy=None if e.val_accuracy is None else e.val_accuracy + shift,
                    # Equal figures would have no spread, and no bound.
                    train_accuracy=None
                    if e.train_accuracy is None
                    else e.train_accuracy + index / 10_000,
                )
                for e in trial.epochs
            ),
            1.0,
            3.0,
        )
        for index, shift in enumerate(shifts)
    )
    return replace(trial, repeats=repeats, test=test)


def outcome_of(*records: TrialRecord, study: str = "fashion") -> Outcome:
    return select(study, "fashion", records, TARGETS, "best", len(records))


def drawn(
    outcome: Outcome,
    form: str = "svg",
    importance: Mapping[str, float] | None = None,
    predictions: Mapping[int, Path] | None = None,
    classes: Sequence[str] = FASHION,
) -> dict[str, bytes]:
    made = definition(epochs=EPOCHS)
    return pictures(outcome, made, importance or {}, predictions or {}, classes, form)


def texts_of(content: bytes) -> list[str]:
    """The texts of an .svg, all their spaces plain ones."""
    return [" ".join(text.split()) for text in svg_texts(content)]


def predicted(folder: Path, labels: Sequence[int], taken: Sequence[int], classes: int) -> Path:
    """A file of predictions: these labels were taken for those."""
    probabilities = np.full((len(labels), classes), 0.1 / classes, dtype=np.float32)
    probabilities[np.arange(len(labels)), list(taken)] += 0.9
    file = folder / "predictions.npz"
    rows = np.arange(len(labels))
    np.savez(file, rows=rows, labels=np.array(labels), probabilities=probabilities)
    return file


def whole(folder: Path) -> tuple[Outcome, dict[int, Path]]:
    """An outcome of which there is every picture."""
    trials = [
        record(0, 0.85, variant="baseline"),
        repeated(record(1), [0.001, 0.002, 0.003], test=TestScore(0.915, 0.2, 10)),
        repeated(record(2, 0.905, parameters=2000), [-0.1, -0.11]),
        repeated(record(3, 0.91), [-0.012, 0.014], "same"),
        record(4, 0.80, state="pruned", epochs=3),
        record(5, 0.89, 0.08, parameters=4000),
    ]
    file = predicted(folder, [0, 0, 1, 1, 2, 2, 2], [0, 1, 1, 1, 2, 0, 2], 4)
    return outcome_of(*trials), {1: file}


def test_every_picture_is_there_in_both_forms_and_the_same_again(tmp_path: Path) -> None:
    outcome, files = whole(tmp_path)
    for form, head in (("png", b"\x89PNG\r\n"), ("svg", b"<?xml")):
        made = drawn(outcome, form, {"l2": 1.0}, files)
        assert set(made) == {*ALWAYS, "importance", "confirmation", "confusion-1"}
        for name, content in made.items():
            assert content.startswith(head), name
            assert b"<dc:date>" not in content
        assert drawn(outcome, form, {"l2": 1.0}, files) == made
    with pytest.raises(ValueError, match="not one of png, svg: pdf"):
        drawn(outcome, "pdf")


def test_the_edge_is_white_and_nothing_is_cut_off(tmp_path: Path) -> None:
    outcome, files = whole(tmp_path)
    for name, content in drawn(outcome, "png", {LONG: 0.9, "b": 0.1}, files).items():
        grey = pixels(content)
        for edge in (grey[:20], grey[-20:], grey[:, :20], grey[:, -20:]):
            assert edge.min() == 255, name
        assert grey.min() < 100, name


def test_words_with_a_rim_are_written_once() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    def drawn(rim: bool) -> Any:
        figure = Figure((3, 2), dpi=150, facecolor=PAPER)
        axes = figure.add_subplot(facecolor=PAPER)
        look: dict[str, Any] = {"fontsize": 8, "color": LIMIT, "ha": "right"}
        if rim:
            write(axes, "train < 95\u202f%", (0.9, 0.5), **look)
        else:
            axes.annotate("train < 95\u202f%", (0.9, 0.5), **look)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba()).copy()

    assert (drawn(rim=True) == drawn(rim=False)).all()  # on bare paper the rim is not seen


def test_settings_of_the_user_do_not_count(tmp_path: Path) -> None:
    import matplotlib

    outcome, files = whole(tmp_path)
    before = drawn(outcome, "svg", {}, files)
    with matplotlib.rc_context(
        {"font.family": "serif", "text.parse_math": True, "lines.color": "r"}
    ):
        assert drawn(outcome, "svg", {}, files) == before


# What is said -----------------------------------------------------------------------------------


def test_the_map_names_the_winners_the_variants_and_what_is_asked(tmp_path: Path) -> None:
    outcome, files = whole(tmp_path)
    made = drawn(outcome, predictions=files)
    texts = texts_of(made["accuracy"])
    assert "fashion: train and validation accuracy" in texts
    said = "3 of 6 trials meet validation ≥ 90 % with train < 95 %; 1 is confirmed"
    assert said in texts
    leader = outcome.meets[0].trial
    assert {f"trial {leader}", "baseline"} <= set(texts)
    assert {str(e.trial) for e in outcome.meets[1:]} <= set(texts)
    kinds = {"confirmed", "meets the targets", "misses", "named variant"}
    assert kinds <= set(texts)
    assert set(texts_of(made["progress"])) >= {*kinds, "pruned", "validation ≥ 90 %"}


def test_the_curves_say_when_each_trial_meets(tmp_path: Path) -> None:
    outcome, _ = whole(tmp_path)
    texts = texts_of(drawn(outcome)["curves"])
    shown = outcome.meets[:3]
    assert {f"trial {e.trial}" for e in shown} <= set(texts)
    assert "trial 0 (baseline)" in texts
    assert texts.count("meets at 6") == 3
    assert texts.count("meets at no epoch") == 1
    assert texts.count("least validation loss") == 1
    assert {"train < 95 %", "val ≥ 90 %", "accuracy", "loss", "epoch"} <= set(texts)


def test_a_pruned_trial_says_how_far_it_came() -> None:
    texts = texts_of(drawn(outcome_of(record(4, 0.8, state="pruned", epochs=3)))["curves"])
    assert "stopped after 3 of 6 epochs" in texts


VERDICTS: dict[ConfirmationVerdict, str] = {
    "confirmed": "confirmed, 3 of 3 pass",
    "marginal": "marginal, 1 of 2 pass, same split",
    "fluke": "fluke, 0 of 2 pass",
}


def test_the_confirmation_names_trials_verdicts_and_limits(tmp_path: Path) -> None:
    outcome, _ = whole(tmp_path)
    texts = texts_of(drawn(outcome)["confirmation"])
    assert "3 trials put to the test: 1 confirmed, 1 marginal and 1 fluke" in texts
    at = [texts.index(text) for text in VERDICTS.values()]
    assert at == sorted(at), "confirmed ones come first"
    assert {"trial 1", "trial 2", "trial 3", "test"} <= set(texts)
    assert {"validation ≥ 90 %", "train < 95 %"} <= set(texts)
    without = texts_of(drawn(outcome_of(repeated(record(1), [0.0, 0.0])))["confirmation"])
    assert "test" not in without


def test_the_importance_is_in_words() -> None:
    shares = {"learning_rate": 0.617, "units": 0.38, "x_$1$": 0.003, "none": 0.0}
    texts = texts_of(drawn(outcome_of(record(1)), importance=shares)["importance"])
    assert [t for t in texts if "%" in t] == [
        "62 %",
        "38 %",
        "<1 %",
        "0 %",
    ]
    assert {"learning rate", "x $1$"} <= set(texts)


def test_a_confusion_holds_counts_names_and_the_accuracy_of_each_class(tmp_path: Path) -> None:
    outcome, files = whole(tmp_path)
    texts = texts_of(drawn(outcome, predictions=files)["confusion-1"])
    assert "fashion: mistakes of trial 1" in texts
    assert "71.43 % of 7 rows are right" in texts
    for name in FASHION:
        assert texts.count(name) == 2, "beside its row and below its column"
    assert sorted(t for t in texts if t.isdigit()) == ["1", "1", "1", "2", "2"]
    assert {"50.0 %", "100.0 %", "66.7 %", "–"} <= set(texts)


def test_two_classes_are_judged_as_in_training(tmp_path: Path) -> None:
    file = tmp_path / "two.npz"
    half = np.array([[0.5, 0.5], [0.2, 0.8], [0.5, 0.5]], dtype=np.float32)
    np.savez(file, rows=np.arange(3), labels=np.array([0, 1, 1]), probabilities=half)
    names = ("negative", "positive")
    made = drawn(outcome_of(record(1)), predictions={1: file}, classes=names)
    texts = texts_of(made["confusion-1"])
    assert "66.67 % of 3 rows are right" in texts
    assert texts.count("negative") == texts.count("positive") == 2


# At the edges -----------------------------------------------------------------------------------

NOT_FINITE = replace(record(1), epochs=(EpochMetrics(1, None, None), EpochMetrics(2, None, None)))
EDGES: dict[str, list[TrialRecord]] = {
    "none": [],
    "none judged": [
        TrialRecord(0, 0, "u:0", "running", {}),
        TrialRecord(1, 1, "u:1", "failed", {}, reason="killed"),
    ],
    "one": [record(0)],
    "one that misses": [record(0, 0.5)],
    "one epoch": [record(0, epochs=1)],
    "not finite": [NOT_FINITE],
    "no train": [replace(record(0), epochs=(EpochMetrics(1, 0.5, 0.7),))],
    "all alike": [record(n) for n in range(12)],
    "long names": [record(n, 0.88 + 0.01 * n, variant=f"{n} {LONG}") for n in range(5)],
    "many repeats": [repeated(record(n), [0.001, 0.002]) for n in range(40)],
    "one repeat": [repeated(record(0), [0.0])],
}


@pytest.mark.parametrize("case", EDGES)
def test_nothing_is_too_little_or_too_long(case: str) -> None:
    made = drawn(outcome_of(*EDGES[case], study=LONG if case == "long names" else "x"), "png")
    tested = {"confirmation"} if "repeat" in case else set()
    assert set(made) == ALWAYS | tested
    for name, content in made.items():
        grey = pixels(content)
        assert max(grey.shape) < 4000, name
        for edge in (grey[:16], grey[-16:], grey[:, :16], grey[:, -16:]):
            assert edge.min() == 255, name


@pytest.mark.parametrize("case", ["none", "none judged"])
def test_an_empty_picture_says_why(case: str) -> None:
    made = drawn(outcome_of(*EDGES[case]))
    words = {
        "accuracy": "No trial has been measured on both splits yet.",
        "curves": "No trial that is judged has finished an epoch yet.",
        "progress": "No trial has been judged yet.",
        "capacity": "This takes networks of two sizes that were trained to the end.",
    }
    for name, text in words.items():
        assert text in texts_of(made[name])


def test_many_tested_trials_are_counted_not_drawn() -> None:
    made = drawn(outcome_of(*EDGES["many repeats"]))["confirmation"]
    assert "16 more are not shown" in " ".join(texts_of(made))


def test_a_thousand_trials_are_drawn_in_full() -> None:
    numbers = np.random.default_rng(0)
    trials = [
        record(
            n,
            val=float(0.85 + 0.07 * numbers.random()),
            gap=float(0.1 * numbers.random()),
            state="pruned" if n % 3 == 0 else "complete",
            parameters=int(1000 + 1e5 * numbers.random()),
        )
        for n in range(1000)
    ]
    made = drawn(outcome_of(*trials))
    assert set(made) == ALWAYS
    assert all(len(content) < 2_000_000 for content in made.values())
    dots = len(re.findall(rb"<use xlink:href=", made["progress"]))
    assert dots >= 1000


@pytest.mark.parametrize("count", [1, 3, 31, 120])
def test_any_number_of_classes(tmp_path: Path, count: int) -> None:
    labels = list(range(count)) * 2
    file = predicted(tmp_path, labels, [*range(count), *([0] * count)], count)
    classes = [f"{LONG}{n}" for n in range(min(count, 10))]
    png = drawn(outcome_of(record(1)), "png", {}, {1: file}, classes)["confusion-1"]
    grey = pixels(png)
    assert max(grey.shape) < 2200
    assert min(edge.min() for edge in (grey[:16], grey[-16:], grey[:, :16], grey[:, -16:])) == 255


def test_no_rows_are_no_mistakes(tmp_path: Path) -> None:
    file = predicted(tmp_path, [], [], 3)
    texts = texts_of(drawn(outcome_of(record(1)), predictions={1: file})["confusion-1"])
    assert "no rows" in texts


def test_no_kind_is_told_by_its_colour_alone() -> None:
    looks = {(MARKS[kind], AREAS[kind], kind == "pruned") for kind in KINDS}
    assert len(looks) == len(KINDS) == len(COLORS)
