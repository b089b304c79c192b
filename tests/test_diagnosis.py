"""Advice on what in a sweep to change: given for a reason, and not for none."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from stubs import definition

from tuner.definition import SweepDefinition, restore
from tuner.definition_overrides import Overrides
from tuner.report.diagnosis import MOST, Advice, diagnose, next_sweep
from tuner.report.selection import Outcome, select
from tuner.report.sentences import best_advice, next_command
from tuner.report.widening import beyond_end
from tuner.targets import Target, parse_targets
from tuner.trial import EpochMetrics, Params, TrialRecord

TARGETS = parse_targets("val_accuracy >= 0.90 and train_accuracy < 0.95")
SPACE: dict[str, Any] = {
    "dropout": {"min": 0.0, "max": 0.5},
    "learning_rate": {"min": 1e-4, "max": 1e-2, "log": True},
    "units": {"values": [64, 128, 256, 512]},
    "optimizer": {"values": ["sgd", "adam", "rmsprop"]},
    "momentum": {"min": 0.0, "max": 0.9, "when": {"optimizer": "sgd"}},
    "depth": {"min": 1, "max": 3},
}
SWEEP = definition(space=SPACE, epochs=30)
Row = tuple[float | None, float | None]


def made(
    count: int, reached: Callable[[Params], float], params: Callable[[random.Random], Params]
) -> list[TrialRecord]:
    """Trials whose val_accuracy at all of 30 epochs is what `reached` says, train below 0.95."""
    draw = random.Random(7)
    found = []
    for n in range(count):
        drawn = params(draw)
        val = reached(drawn) + draw.gauss(0, 0.002)
        epochs = tuple(EpochMetrics(e, val, None, 0.93, parameters=1000) for e in range(1, 31))
        found.append(TrialRecord(n, n, f"u:{n}", "complete", drawn, epochs=epochs))
    return found


def drawn(draw: random.Random) -> Params:
    optimizer = draw.choice(["sgd", "adam", "rmsprop"])
    momentum: Params = {"momentum": draw.uniform(0, 0.9)} if optimizer == "sgd" else {}
    return {
        "dropout": draw.uniform(0, 0.5),
        "learning_rate": 10 ** draw.uniform(-4, -2),
        "units": draw.choice([64, 128, 256, 512]),
        "optimizer": optimizer,
        "depth": draw.choice([1, 2, 3]),
        **momentum,
    }


def outcome(
    records: Sequence[TrialRecord], targets: Sequence[Target] = TARGETS, study: str = "s"
) -> Outcome:
    return select(study, "d", records, targets, "best", len(records))


def advised(records: Sequence[TrialRecord], sweep: SweepDefinition = SWEEP) -> list[Advice]:
    return list(diagnose(outcome(records), sweep))


def number(params: Params, name: str) -> float:
    return float(str(params[name]))


# --- the space ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reached", "kind", "words", "change"),
    [
        (
            lambda p: 0.85 + 0.0001 * number(p, "units"),
            "bound",
            "of the best 10 have units 512, the upper end of what is tried (",
            '--set "units=[64,128,256,512,1024]"',
        ),
        (
            lambda p: 0.90 - 0.0001 * number(p, "units"),
            "bound",
            "have units 64, the lower end",
            '--set "units=[32,64,128,256,512]"',
        ),
        (
            lambda p: 0.80 + 0.03 * number(p, "depth"),
            "bound",
            "have depth 3, the upper end",
            '--set "depth=1..4"',
        ),
        (
            lambda p: 0.80 + 0.1 * (p["optimizer"] != "sgd"),
            "choice",
            "None of the best 10 has optimizer sgd (",
            '--set "optimizer=[adam,rmsprop]"',
        ),
    ],
)
def test_what_the_best_have_in_common(
    reached: Callable[[Params], float], kind: str, words: str, change: str
) -> None:
    found = [a for a in advised(made(60, reached, drawn)) if a.kind in ("bound", "choice")]
    assert [(a.kind, a.change) for a in found] == [(kind, change)]
    assert words in found[0].text


def test_a_range_is_pressed_where_the_best_are_within_a_twentieth_of_its_end() -> None:
    def near_the_end(draw: random.Random) -> Params:
        rate = 9.5e-3 if draw.random() < 0.25 else 10 ** draw.uniform(-4, -2.3)
        return {**drawn(draw), "learning_rate": rate}

    records = made(60, lambda p: 0.85 + 4 * number(p, "learning_rate"), near_the_end)
    found = [a for a in advised(records) if a.kind == "bound"]
    assert [a.change for a in found] == ['--set "learning_rate=0.0001..0.03:log"']
    assert "learning_rate near 0.01, the upper end" in found[0].text


def test_what_the_sampler_itself_went_to_is_pressed_as_well() -> None:
    """The rest are at the end, too: only the space can say what luck would do."""

    def mostly(draw: random.Random) -> Params:
        return {**drawn(draw), "units": 512 if draw.random() < 0.9 else 64}

    records = made(60, lambda p: 0.92, mostly)
    assert [a.kind for a in advised(records)] == ["bound"]
    assert advised(records, definition(space=SPACE, epochs=30, sampler="random")) == []


@pytest.mark.parametrize("seed", range(12))
def test_luck_alone_gives_no_advice_on_the_space(seed: int) -> None:
    draw = random.Random(seed)
    records = made(50, lambda p: draw.gauss(0.89, 0.005), lambda _: drawn(draw))
    assert [a for a in advised(records) if a.kind in ("bound", "choice", "epochs")] == []


def test_few_trials_prove_nothing() -> None:
    assert advised(made(19, lambda p: 0.95 - 0.1 * (p["optimizer"] == "sgd"), drawn)) == []
    assert diagnose(outcome([]), SWEEP) == ()


def test_no_advice_breaks_the_sweep() -> None:
    """Without sgd nothing can have a momentum: the override has to do without it, or not be."""
    (found,) = advised(made(60, lambda p: 0.8 + 0.1 * (p["optimizer"] != "sgd"), drawn))
    assert found.change is not None
    text = found.change.removeprefix('--set "').removesuffix('"')
    changed = restore(SWEEP.to_json(), "s", Overrides(sets=(text,)))
    assert "momentum" not in changed.space.names


@pytest.mark.parametrize(
    ("name", "domain", "upper", "text"),
    [
        ("units", {"values": [64, 128, 256]}, True, "units=[64,128,256,512]"),
        ("units", {"values": [64, 128, 256]}, False, "units=[32,64,128,256]"),
        ("units", {"values": [100, 150, 200]}, True, "units=[100,150,200,267]"),
        ("units", {"values": [2, 4, 8]}, False, None),
        ("batch_size", {"values": [1, 2, 4]}, False, None),
        ("dropout", {"min": 0.0, "max": 0.4}, True, "dropout=0..0.6"),
        ("dropout", {"min": 0.0, "max": 0.4}, False, None),
        ("dropout", {"min": 0.2, "max": 0.9}, True, None),
        ("depth", {"min": 1, "max": 3}, True, "depth=1..4"),
        ("depth", {"min": 1, "max": 3}, False, None),  # without a hidden layer it is another model
        ("l2", {"min": 1e-6, "max": 1e-1, "log": True, "or": 0}, True, "l2=1e-06..1:log:or=0"),
        ("l2", {"min": 1e-6, "max": 1e-1, "log": True}, False, "l2=1e-07..0.1:log"),
        ("learning_rate", {"min": 1e-3, "max": 1e-2, "log": True}, True,
         "learning_rate=0.001..0.03:log"),
        ("units", {"min": 32, "max": 256, "step": 32}, True, "units=32..384:step=32"),
        ("dropout", {"min": 0.1, "max": 0.3, "steps": 3}, True, "dropout=0.1..0.4:steps=3"),
        ("optimizer", {"values": ["sgd", "adam"]}, True, None),
    ],
)  # fmt: skip
def test_what_lies_beyond_an_end(
    name: str, domain: dict[str, Any], upper: bool, text: str | None
) -> None:
    sweep = definition(space={name: domain, **({} if name == "l2" else {"l2": {"values": [0, 1]}})})
    parameter = sweep.space.get(name)
    assert parameter is not None
    assert beyond_end(parameter, upper) == text
    if text is not None:
        assert restore(sweep.to_json(), "s", Overrides(sets=(text,))).space != sweep.space


# --- epochs -------------------------------------------------------------------------------------


def rising(gain: float, train: float = 0.93, state: Any = "complete") -> list[TrialRecord]:
    draw = random.Random(3)
    found = []
    for n in range(30):
        epochs = tuple(
            EpochMetrics(e, 0.86 + gain * e + draw.gauss(0, 0.0005), None, train)
            for e in range(1, 31)
        )
        found.append(TrialRecord(n, n, f"u:{n}", state, drawn(draw), epochs=epochs))
    return found


def test_training_that_ends_while_val_rises_is_too_short() -> None:
    (found,) = [a for a in advised(rising(0.001)) if a.kind == "epochs"]
    assert found.change == "--epochs 60"
    assert "end at epoch 30 while val accuracy still gains 0.0010 an epoch" in found.text


def own(records: Sequence[TrialRecord], **params: Any) -> list[TrialRecord]:
    """The same trials with parameters of their own."""
    return [replace(r, params={**r.params, **params}) for r in records]


def test_epochs_that_are_fixed_are_fixed_at_more() -> None:
    sweep = definition(space=SPACE, epochs=7, fixed={"epochs": 30})
    (found,) = [a for a in advised(own(rising(0.001), epochs=30), sweep) if a.kind == "epochs"]
    assert found.change == "--fix epochs=60"
    assert "end at epoch 30 while" in found.text


SEARCHED = definition(space={**SPACE, "epochs": [10, 30]}, epochs=30)


@pytest.mark.parametrize(
    ("records", "sweep"),
    [
        (own(rising(0.001), epochs=30), SEARCHED),
        (own(rising(0.001), epochs=90), SWEEP),  # variants that go on where others end
        (own(rising(0.001), patience=3), SWEEP),
        (rising(0.0), SWEEP),
        (rising(0.0001), SWEEP),
        (rising(0.001, train=0.97), SWEEP),  # longer would only break the ceiling further
        (rising(0.001, state="pruned"), SWEEP),
        (
            rising(0.001),
            definition(
                space=SPACE, epochs=30, early_stopping={"monitor": "val_loss", "patience": 3}
            ),
        ),
    ],
)
def test_training_that_ends_for_another_reason_is_not(
    records: list[TrialRecord], sweep: SweepDefinition
) -> None:
    assert [a for a in advised(records, sweep) if a.kind == "epochs"] == []


# --- targets ------------------------------------------------------------------------------------


def trials(*curves: Sequence[Row]) -> list[TrialRecord]:
    return [
        TrialRecord(
            n,
            n,
            f"u:{n}",
            "complete",
            {"dropout": 0.1},
            epochs=tuple(EpochMetrics(e, v, None, t) for e, (v, t) in enumerate(rows, 1)),
        )
        for n, rows in enumerate(curves)
    ]


@pytest.mark.parametrize(
    ("records", "kind", "text"),
    [
        (
            trials([(0.85, 0.90), (0.88, 0.97)], [(0.84, 0.86)]),
            "unreached",
            "No trial reached val_accuracy >= 0.9 at any epoch: the nearest is 0.880 (trial 0), "
            "and 0.850 while train_accuracy < 0.95 holds.",
        ),
        (
            trials([(0.85, 0.90), (0.88, 0.94)]),
            "unreached",
            "No trial reached val_accuracy >= 0.9 at any epoch: the nearest is 0.880 (trial 0).",
        ),
        (
            trials([(0.92, 0.96)], [(0.91, 0.951)]),
            "unreached",
            "No trial reached train_accuracy < 0.95 at any epoch: the nearest is 0.951 (trial 1).",
        ),
        (
            trials([(0.88, 0.97)], [(0.89, 0.96)]),
            "unreached",
            "No trial reached val_accuracy >= 0.9 at any epoch: the nearest is 0.890 (trial 1), "
            "and never together with train_accuracy < 0.95.",
        ),
        (
            trials([(0.897, 0.94), (0.91, 0.96)], [(0.89, 0.93)]),
            "conflict",
            "val_accuracy >= 0.9 and train_accuracy < 0.95 are met each, but never both at one "
            "epoch: where train_accuracy < 0.95 holds, val comes to 0.897 (trial 0).",
        ),
    ],
)
def test_targets_out_of_reach(records: list[TrialRecord], kind: str, text: str) -> None:
    (found,) = advised(records)
    assert (found.kind, found.text, found.change) == (kind, text, None)


def test_three_targets_that_hold_two_at_a_time() -> None:
    three = parse_targets("val >= 0.9 and train < 0.95 and gap < 0.02")
    records = trials([(0.92, 0.945), (0.89, 0.90), (0.94, 0.955)])
    (found,) = diagnose(outcome(records, three), SWEEP)
    assert found.kind == "conflict"
    assert "are met two at a time, but never all at one epoch" in found.text


def test_where_a_trial_meets_nothing_is_out_of_reach() -> None:
    assert advised(trials([(0.92, 0.94)], [(0.5, 0.5)])) == []


# --- what is made of it -------------------------------------------------------------------------


def test_the_next_command_follows_the_first_advice_that_can_be_typed() -> None:
    records = made(60, lambda p: 0.80 + 0.0001 * number(p, "units"), drawn)
    nothing_meets = outcome(records, study="my study")
    found = diagnose(nothing_meets, SWEEP)
    assert [a.kind for a in found] == ["unreached", "bound"]
    assert len(found) <= MOST
    best = best_advice(found)
    assert best is not None
    assert best.kind == "bound"
    command = f"tuner sweep 'my study' {best.change} --name 'my study-wider'"
    assert next_sweep(nothing_meets, found) == command
    assert next_command(nothing_meets, found) == command
    assert next_command(nothing_meets, found[:1]) == "tuner sweep 'my study' --add 60"
    assert best_advice(found[:1]) == found[0]
    assert best_advice(()) is None
    assert next_sweep(nothing_meets, ()) is None
