"""Cautions: winners that meet a ceiling by having learned too little, and what that costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tuner.report.degenerate import Beyond, beyond, cautions, has_no_hidden_layer, rising
from tuner.report.selection import Outcome, select
from tuner.targets import parse_targets
from tuner.trial import EpochMetrics, Params, TrialRecord

TARGETS = parse_targets("val_accuracy >= 0.90 and train_accuracy < 0.95")
Row = tuple[float | None, float | None]
FLAT: list[Row] = [(0.91, 0.93)] * 6


def curve(rows: Sequence[Row]) -> tuple[EpochMetrics, ...]:
    return tuple(EpochMetrics(n, val, None, train) for n, (val, train) in enumerate(rows, 1))


def trial(origin: int, rows: Sequence[Row], params: Params | None = None) -> TrialRecord:
    return TrialRecord(
        number=origin,
        origin=origin,
        attempt=f"u:{origin}",
        state="complete",
        params=params or {"depth": 2, "units": 64},
        epochs=curve(rows),
        spec={"epochs": 30},
    )


def judged(*records: TrialRecord, targets: str = "") -> Outcome:
    asked = parse_targets(targets) if targets else TARGETS
    return select("s", "d", records, asked, "best", len(records))


@pytest.mark.parametrize(
    ("params", "softmax"),
    [
        ({"depth": 0, "units": 64}, True),
        ({"depth": 1, "units": 64}, False),
        ({"layers": [64]}, False),
        ({"layers": []}, True),
        ({"layers": [64], "depth": 0}, False),  # `layers` replaces depth
        ({}, False),
    ],
)
def test_what_has_no_hidden_layer(params: Any, softmax: bool) -> None:
    assert has_no_hidden_layer(params) == softmax
    assert not has_no_hidden_layer(params, "models:build")  # whose depth may be anything


@pytest.mark.parametrize(
    ("train", "at", "slope"),
    [
        ([0.90, 0.91, 0.92, 0.93, 0.94, 0.95], 3, 0.01),
        ([0.90, 0.91, 0.92, 0.93], 4, 0.01),  # at the last epoch, by what was before
        ([0.93, 0.931, 0.932, 0.933, 0.934], 3, None),  # a tenth of a point an epoch is no climb
        ([0.93, 0.93, 0.93, 0.93], 2, None),
        ([0.93, 0.92, 0.91, 0.90], 2, None),
        ([0.90, 0.95], 1, None),  # two figures are no slope
        ([0.90, None, None, 0.93], 1, 0.01),  # only what was measured
        ([None, 0.90, None, None], 2, None),
        ([0.5, 0.6, 0.7, 0.8, *[0.93] * 8], 12, None),  # long after the climb
    ],
)
def test_where_train_accuracy_still_rises(
    train: list[float | None], at: int, slope: float | None
) -> None:
    found = rising(curve([(0.9, value) for value in train]), at)
    assert found == (None if slope is None else pytest.approx(slope))


def test_a_softmax_regression_stopped_early_gives_up_what_the_others_reach() -> None:
    """As on MNIST: a ceiling on train is met by not learning."""
    network = [(0.91, 0.96), (0.95, 0.97), (0.97, 0.99), (0.975, 1.0)]
    outcome = judged(
        trial(0, [(0.895, 0.90), (0.905, 0.91)], {"depth": 0, "units": 64}), trial(1, network)
    )
    (winner,) = outcome.meets
    assert [c.kind for c in winner.cautions] == ["no_hidden_layer", "early"]
    for caution in winner.cautions:
        assert caution.given_up == pytest.approx(0.07)
        assert "trial 1 reaches 0.975 at epoch 4 and breaks only train_accuracy < 0.95" in (
            caution.text
        )
        assert caution.text.endswith("0.070 of val accuracy is given up")
    assert "epoch 2 of 30" in winner.cautions[1].text
    assert outcome.nearest[0].cautions == ()  # a miss needs no warning


def test_a_sound_winner_has_no_caution() -> None:
    (winner,) = judged(trial(0, [(0.8, 0.8), *FLAT])).meets
    assert winner.chosen is not None
    assert winner.chosen.epoch == 2
    assert [c.kind for c in winner.cautions] == ["early", "rising"]  # so far it is none
    (winner,) = judged(trial(0, [(0.89, 0.93)] * 4 + FLAT)).meets
    assert winner.cautions == ()


@pytest.mark.parametrize(("ahead", "kinds"), [(0.008, []), (0.012, ["beaten"])])
def test_being_beaten_a_little_is_no_caution(ahead: float, kinds: list[str]) -> None:
    """The best of many epochs is a little too high by luck."""
    outcome = judged(trial(0, [(0.89, 0.93)] * 4 + FLAT), trial(1, [(0.91 + ahead, 0.97)]))
    assert [c.kind for c in outcome.meets[0].cautions] == kinds


def test_it_may_be_beaten_by_itself() -> None:
    rows = [(0.89, 0.93)] * 4 + [(0.905, 0.94)] * 8 + [(0.93, 0.96)]
    (winner,) = judged(trial(0, rows)).meets
    (caution,) = winner.cautions
    assert caution.kind == "beaten"
    assert caution.given_up == pytest.approx(0.025)
    assert "it itself reaches 0.930 at epoch 13" in caution.text


@pytest.mark.parametrize(
    ("targets", "rows", "found"),
    [
        # the highest epoch that breaks nothing but the ceiling
        ("val >= 0.9, train < 0.95", [(0.93, 0.96), (0.92, 0.94)], (1, 0.93)),
        ("val >= 0.9, gap < 0.02", [(0.93, 0.96), (0.94, 0.965)], (2, 0.94)),
        ("val >= 0.9, train_loss > 0.1", [(0.93, 0.96)], None),  # its loss was not measured
        ("val >= 0.9, train < 0.95", [(0.89, 0.96)], None),  # breaks the floor, too
        ("val >= 0.9, train < 0.95", [(0.93, None)], None),
        ("val >= 0.9", [(0.93, 0.99)], None),  # no ceiling to break
        ("val >= 0.9, train > 0.95", [(0.93, 0.90)], None),  # a floor on train is no ceiling
    ],
)
def test_the_best_that_breaks_only_the_ceiling(
    targets: str, rows: list[Row], found: tuple[int, float] | None
) -> None:
    best = beyond([trial(3, rows)], parse_targets(targets))
    assert (best and (best.epoch, best.score)) == found
    assert best is None or best.trial == 3


def test_without_a_ceiling_a_rising_train_accuracy_is_no_shame() -> None:
    rows = [(0.90 + 0.002 * n, 0.90 + 0.01 * n) for n in range(1, 8)]
    (winner,) = judged(trial(0, rows), targets="val >= 0.9").meets
    assert winner.cautions == ()


def test_a_better_one_is_no_price() -> None:
    """What breaks the ceiling and is no better gives up nothing."""
    record = trial(0, [(0.91, 0.94)])
    (caution,) = cautions(record, record.epochs[0], TARGETS, Beyond(1, 9, 0.905, TARGETS[1:]))
    assert (caution.kind, caution.given_up) == ("early", None)
    assert "given up" not in caution.text
