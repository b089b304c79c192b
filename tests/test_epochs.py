"""The chosen epoch: literal curves, and the laws that choosing and windows keep."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuner.epochs import (
    Choice,
    choose,
    measure_train,
    meets,
    only_if_stopped,
    violations,
    windows,
)
from tuner.targets import LARGE_VIOLATION, Target, parse_targets
from tuner.trial import EpochMetrics

law = settings(
    deadline=None, database=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow]
)
BOTH = parse_targets("val >= 90% with train < 95%")


def curve(*figures: tuple[float | None, float | None]) -> list[EpochMetrics]:
    """Epochs 1, 2, … from pairs (val_accuracy, train_accuracy)."""
    return [
        EpochMetrics(n, val, 0.3, train, None if train is None else 0.2, parameters=1000)
        for n, (val, train) in enumerate(figures, start=1)
    ]


def chosen(epochs: Sequence[EpochMetrics], targets: Sequence[Target] = BOTH) -> Choice:
    choice = choose(epochs, targets, "best")
    assert choice is not None
    return choice


# (val, train) by epoch; the best epoch, whether it meets, the windows, "only if stopped at"
CURVES = [
    ("one epoch that meets", [(0.91, 0.94)], 1, True, ((1, 1),), None),
    ("best val of those that meet", [(0.9, 0.93), (0.91, 0.94)], 2, True, ((1, 2),), None),
    ("a tie goes to the earliest", [(0.91, 0.93), (0.91, 0.92)], 1, True, ((1, 2),), None),
    ("a better val breaks the ceiling", [(0.9, 0.94), (0.93, 0.97)], 1, True, ((1, 1),), 1),
    ("limits: >= holds at equality", [(0.9, 0.9499)], 1, True, ((1, 1),), None),
    ("limits: < fails at equality", [(0.9, 0.95)], 1, False, (), None),
    ("least violation", [(0.8, 0.9), (0.89, 0.9), (0.92, 0.99)], 2, False, (), None),
    ("equal in all: the earliest", [(0.85, 0.9), (0.85, 0.8)], 1, False, (), None),
    (
        "two windows",
        [(0.9, 0.93), (0.89, 0.93), (0.9, 0.94), (0.92, 0.945), (0.92, 0.96)],
        4,
        True,
        ((1, 1), (3, 4)),
        4,
    ),
    (
        "unmeasured breaks a window",
        [(0.91, 0.93), (0.92, None), (0.9, 0.94)],
        1,
        True,
        ((1, 1), (3, 3)),
        None,
    ),
    ("unmeasured at the last", [(0.9, 0.93), (0.92, None)], 1, True, ((1, 1),), 1),
    ("measured misses come before unmeasured ones", [(0.8, 0.8), (0.95, None)], 1, False, (), None),
    ("nothing measured: what val says", [(0.8, None), (0.89, None)], 2, False, (), None),
    ("a figure that is not finite loses", [(None, 0.9), (0.1, 0.1)], 2, False, (), None),
    ("even to an unmeasured one", [(None, 0.9), (0.1, None)], 2, False, (), None),
    ("nothing finite", [(None, None), (None, None)], 1, False, (), None),
]


@pytest.mark.parametrize(
    ("figures", "best", "met", "runs", "stopped"),
    [case[1:] for case in CURVES],
    ids=[case[0] for case in CURVES],
)
def test_curves(
    figures: list[tuple[float | None, float | None]],
    best: int,
    met: bool,
    runs: tuple[tuple[int, int], ...],
    stopped: int | None,
) -> None:
    epochs = curve(*figures)
    choice = chosen(epochs)
    assert (choice.metrics.epoch, choice.meets) == (best, met)
    assert windows(epochs, BOTH) == runs
    assert only_if_stopped(epochs, BOTH, "best") == stopped


def test_equal_violations_go_to_the_higher_val_accuracy() -> None:
    targets = parse_targets("val >= 50%, train <= 50%")
    choice = chosen(curve((0.25, 0.5), (0.5, 0.75)), targets)
    assert (choice.metrics.epoch, choice.total) == (2, 25.0)


def test_no_epochs() -> None:
    assert choose([], BOTH, "best") is None
    assert choose([], BOTH, "last") is None
    assert windows([], BOTH) == ()
    assert only_if_stopped([], BOTH, "best") is None


def test_the_rule_last() -> None:
    epochs = curve((0.91, 0.94), (0.92, 0.97))
    choice = choose(epochs, BOTH, "last")
    assert choice is not None
    assert choice.metrics.epoch == 2
    assert not choice.meets
    assert choice.violations["train_accuracy < 0.95"] == pytest.approx(2.0, abs=1e-6)
    assert only_if_stopped(epochs, BOTH, "last") is None


def test_without_targets_the_best_val_accuracy_counts() -> None:
    choice = chosen(curve((0.8, 0.8), (0.9, None), (None, 0.9), (0.85, 0.9)), ())
    assert (choice.metrics.epoch, choice.meets, choice.violations) == (2, True, {})


def test_violations_say_what_was_not_measured() -> None:
    (epoch,) = curve((0.88, None))
    choice = chosen([epoch])
    floor, ceiling = choice.violations.values()
    assert floor == pytest.approx(2.0)
    assert ceiling is None
    assert choice.total == floor
    assert violations(epoch, BOTH) == {
        "val_accuracy >= 0.9": floor,
        "train_accuracy < 0.95": LARGE_VIOLATION,
    }


def test_a_figure_that_is_not_finite_has_a_large_violation() -> None:
    choice = chosen(curve((None, 0.9)))
    assert choice.violations == {
        "val_accuracy >= 0.9": LARGE_VIOLATION,
        "train_accuracy < 0.95": 0.0,
    }


def test_a_loss_that_is_not_finite_never_wins_by_being_left_out() -> None:
    targets = parse_targets("val_loss < 0.1, train < 95%")
    good, broken = curve((0.8, None), (0.9, None))
    assert chosen([good, replace(broken, val_loss=None)], targets).metrics.epoch == 1
    assert chosen([good, replace(broken, val_loss=math.nan)], targets).metrics.epoch == 1
    assert chosen([good, broken], targets).metrics.epoch == 2


def test_a_repeated_target_counts_once() -> None:
    epochs = curve((0.88, 0.9))
    once, twice = parse_targets("val >= .9"), parse_targets("val >= .9, val >= 90%")
    assert chosen(epochs, twice).total == chosen(epochs, once).total


def test_absent_epochs_break_a_window() -> None:
    epochs = curve((0.9, 0.9), (0.9, 0.9), (0.9, 0.9))
    assert windows([epochs[2], epochs[0]], BOTH) == ((1, 1), (3, 3))


TRAIN_ONLY = parse_targets("gap < 5%")
VAL_ONLY = parse_targets("val >= 90%")
WITH_COUNT = parse_targets("train < 95%, params <= 1000")
TOO_LARGE = parse_targets("train < 95%, params < 1000")
VAL_GAP = parse_targets("val >= 90%, gap < 5%")
TRAIN_FLOOR = parse_targets("val >= 90%, train >= 98%")
TRAIN_LOSS = parse_targets("val >= 90%, train_loss < 0.1")


@pytest.mark.parametrize(
    ("epoch", "val", "running", "targets", "early", "expected"),
    [
        (1, 0.80, 0.80, BOTH, False, False),
        (5, 0.80, 0.80, BOTH, False, True),  # every fifth
        (10, 0.80, None, BOTH, False, True),
        (30, 0.80, 0.80, BOTH, False, True),  # the last
        (32, 0.80, 0.80, BOTH, False, True),
        (7, 0.80, 0.80, BOTH, True, True),  # the last because it stops early
        (7, 0.90, 0.80, BOTH, False, True),  # val meets
        (7, 0.8999, 0.80, BOTH, False, False),
        (7, None, 0.80, BOTH, False, False),
        (7, 0.80, 0.921, BOTH, False, True),  # running is near the limit
        (7, 0.80, 0.919, BOTH, False, False),
        (7, 0.80, 0.99, BOTH, False, True),  # or beyond it
        (7, 0.80, None, BOTH, False, False),
        (7, 0.80, 0.951, TRAIN_FLOOR, False, True),
        (7, 0.80, 0.949, TRAIN_FLOOR, False, False),
        (7, 0.80, 0.99, VAL_GAP, False, False),  # no limit on train_accuracy to be near to
        (7, 0.91, 0.80, VAL_GAP, False, True),
        (7, 0.80, 0.99, TRAIN_LOSS, False, False),
        (7, 0.91, 0.80, TRAIN_LOSS, False, True),
        (7, 0.80, 0.80, TRAIN_ONLY, False, True),  # only train targets: always
        (7, 0.80, None, TRAIN_ONLY, False, True),
        (7, 0.80, 0.80, WITH_COUNT, False, True),
        (7, 0.80, 0.80, TOO_LARGE, False, False),
        (7, 0.95, 0.95, VAL_ONLY, False, False),  # nobody asks for train
        (5, 0.95, 0.95, VAL_ONLY, False, True),
        (30, 0.95, 0.95, VAL_ONLY, False, True),
        (7, 0.95, 0.95, (), False, False),
        (15, 0.95, 0.95, (), False, True),
    ],
)
def test_when_train_is_measured(
    epoch: int,
    val: float | None,
    running: float | None,
    targets: tuple[Target, ...],
    early: bool,
    expected: bool,
) -> None:
    figures = EpochMetrics(epoch, val, 0.3, parameters=1000)
    assert measure_train(epoch, 30, figures, running, targets, early) is expected


# --- laws -------------------------------------------------------------------------------------

share = st.integers(0, 20).map(lambda n: n / 20)
row = st.tuples(st.none() | share, st.none() | share)
curves = st.lists(row, min_size=1, max_size=8).map(lambda rows: curve(*rows))
one_target = st.builds(
    Target.of,
    st.sampled_from(["val_accuracy", "train_accuracy", "accuracy_gap"]),
    st.sampled_from([">=", ">", "<=", "<"]),
    share,
)
target_lists = st.lists(one_target, max_size=3)


@law
@given(curves, target_lists, one_target)
def test_another_target_can_only_narrow(
    epochs: list[EpochMetrics], targets: list[Target], more: Target
) -> None:
    for epoch in epochs:
        assert meets(epoch, [*targets, more]) == (meets(epoch, targets) and meets(epoch, [more]))
    if chosen(epochs, [*targets, more]).meets:
        assert chosen(epochs, targets).meets


@law
@given(curves, target_lists)
def test_the_chosen_epoch_meets_exactly_where_there_is_a_window(
    epochs: list[EpochMetrics], targets: list[Target]
) -> None:
    choice = chosen(epochs, targets)
    runs = windows(epochs, targets)
    assert choice.meets == bool(runs)
    if runs:
        assert any(first <= choice.metrics.epoch <= last for first, last in runs)
        assert choice.total == 0


@law
@given(curves, target_lists)
def test_windows_cover_exactly_the_epochs_that_meet(
    epochs: list[EpochMetrics], targets: list[Target]
) -> None:
    runs = windows(epochs, targets)
    covered = [n for first, last in runs for n in range(first, last + 1)]
    assert covered == [e.epoch for e in epochs if meets(e, targets)]
    assert all(first <= last for first, last in runs)
    assert all(runs[i][1] + 1 < runs[i + 1][0] for i in range(len(runs) - 1))


@law
@given(curves, target_lists)
def test_what_was_not_measured_is_in_no_window(
    epochs: list[EpochMetrics], targets: list[Target]
) -> None:
    for first, last in windows(epochs, targets):
        for epoch in epochs[first - 1 : last]:
            assert all(epoch.figure(t.metric) is not None for t in targets)


@law
@given(curves, target_lists, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(
    epochs: list[EpochMetrics], targets: list[Target], random: object
) -> None:
    mixed = list(epochs)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert choose(mixed, targets, "best") == choose(epochs, targets, "best")
    assert choose(mixed, targets, "last") == choose(epochs, targets, "last")
    assert windows(mixed, targets) == windows(epochs, targets)


@law
@given(curves, target_lists, st.data())
def test_leaving_out_an_epoch_that_was_not_chosen_changes_nothing(
    epochs: list[EpochMetrics], targets: list[Target], data: st.DataObject
) -> None:
    choice = chosen(epochs, targets)
    kept = [e for e in epochs if e == choice.metrics or data.draw(st.booleans())]
    assert chosen(kept, targets) == choice


@law
@given(curves, target_lists)
def test_nothing_that_meets_has_a_better_val_accuracy(
    epochs: list[EpochMetrics], targets: list[Target]
) -> None:
    choice = chosen(epochs, targets)
    measured = [e for e in epochs if e.val_accuracy is not None]
    rivals = [e for e in measured if meets(e, targets)]
    if rivals:
        assert choice.metrics.val_accuracy == max(e.val_accuracy or 0.0 for e in rivals)
    if measured and not choice.meets:
        assert choice.metrics.val_accuracy is not None


@law
@given(curves, target_lists)
def test_only_if_stopped_names_an_epoch_that_meets_before_one_that_does_not(
    epochs: list[EpochMetrics], targets: list[Target]
) -> None:
    stopped = only_if_stopped(epochs, targets, "best")
    meeting = [e.epoch for e in epochs if meets(e, targets)]
    if stopped is None:
        assert not meeting or epochs[-1].epoch in meeting
    else:
        assert stopped in meeting
        assert epochs[-1].epoch not in meeting
    assert only_if_stopped(epochs, targets, "last") is None
