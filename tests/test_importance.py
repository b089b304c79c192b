"""Which parameter decides: importances of planted effects, and of nothing."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from tuner.search.importance import FEWEST, importance, levels_of
from tuner.trial import EpochMetrics, Params, TrialRecord

NAMES = ("dropout", "l2", "optimizer", "momentum", "units", "layers", "seedless")


def records(count: int, reached: Callable[[Params], float], seed: int = 0) -> list[TrialRecord]:
    draw = random.Random(seed)
    found = []
    for n in range(count):
        params: Params = {
            "dropout": draw.random(),
            "l2": 0.0 if draw.random() < 0.2 else 10 ** draw.uniform(-6, -1),
            "optimizer": draw.choice(["adam", "sgd", "rmsprop"]),
            "units": draw.choice([64, 128, 256, 512]),
        }
        if params["optimizer"] == "sgd":
            params["momentum"] = draw.random()
        val = reached(params) + draw.gauss(0, 0.003)
        epochs = (EpochMetrics(1, 0.1, None), EpochMetrics(2, val, None))
        found.append(TrialRecord(n, n, f"u:{n}", "complete", params, epochs=epochs))
    return found


def by_optimizer(params: Params) -> float:
    return 0.9 - 0.05 * (params["optimizer"] == "sgd")


def by_dropout(params: Params) -> float:
    return 0.9 - 0.1 * (float(str(params["dropout"])) - 0.4) ** 2


def by_units(params: Params) -> float:
    return 0.88 + 0.00004 * float(str(params["units"]))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("reached", "name"),
    [(by_optimizer, "optimizer"), (by_dropout, "dropout"), (by_units, "units")],
)
def test_what_was_planted_comes_first(
    reached: Callable[[Params], float], name: str, seed: int
) -> None:
    found = importance(records(120, reached, seed), NAMES)
    assert next(iter(found)) == name
    assert found[name] > 0.4
    assert sum(found.values()) == pytest.approx(1)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert set(found) == {"dropout", "l2", "optimizer", "momentum", "units"}


def test_a_parameter_that_only_some_have_gets_no_credit_for_that() -> None:
    """Momentum comes with sgd, which is the worst: that is the optimizer's doing."""
    found = importance(records(150, by_optimizer), NAMES)
    assert found["momentum"] < 0.1 < found["optimizer"]


def test_scores_of_the_callers_own_count_instead() -> None:
    made = records(120, by_dropout)
    scores = {r.origin: -float(r.params["units"] == 64) for r in made}
    assert next(iter(importance(made, NAMES, scores))) == "units"
    few = {r.origin: 1.0 * r.origin for r in made[: FEWEST - 1]}
    assert importance(made, NAMES, few) == {}


@pytest.mark.parametrize(
    "made",
    [
        [],
        records(FEWEST - 1, by_dropout),
        [TrialRecord(n, n, "u", "failed", {"dropout": n / 50}) for n in range(50)],
        [
            TrialRecord(
                n, n, "u", "complete", {"dropout": n / 50}, epochs=(EpochMetrics(1, 0.9, 0),)
            )
            for n in range(50)
        ],  # all have reached the same
        [
            TrialRecord(n, n, "u", "complete", {}, epochs=(EpochMetrics(1, n / 50, None),))
            for n in range(50)
        ],  # nothing varies
    ],
)
def test_too_little_says_nothing(made: list[TrialRecord]) -> None:
    assert importance(made, NAMES) == {}


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert importance(records(40, by_dropout), NAMES)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        ([1, 3, 2], [0, 2, 1]),
        ([512, 64, 512], [1, 0, 1]),
        (["b", "a", "b"], [1, 0, 1]),
        ([[64], [128, 64], [64]], [1, 0, 1]),
        ([True, False], [1, 0]),
        (["a", 1], [0, 1]),
        ([1, None, 2, None], [0, 0, 1, 1]),  # what is lacking is spread as the others are
        ([None, None], [0, 0]),
        ([*range(10)], [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]),  # many numbers: five parts of equal size
    ],
)
def test_values_become_levels(values: list[Any], levels: list[int]) -> None:
    assert levels_of(values) == levels
