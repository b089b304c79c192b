"""Targets that steer: what the sampler is drawn to, and sweeps that end when they have enough."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial
from rich.console import Console
from stubs import definition
from studies import FAR, GOOD, begin, open_named, tell
from test_scheduler import Sweep

from tuner.commands import until
from tuner.commands.goals import Goal, candidate, confirmed_count, enough, needed_score
from tuner.commands.until import Until
from tuner.executors.inline import InlineExecutor
from tuner.report.selection import Entry, Outcome, select
from tuner.search.scheduler import Controls
from tuner.search.tpe import History
from tuner.training.base import Link
from tuner.trial import EpochMetrics, Repeat, SplitSpec, TrialRecord, TrialResult, TrialSpec

EPOCHS = 9


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


# --- the sampler ------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.booleans(), st.floats(0.01, 9), st.floats(0.5, 0.99)), min_size=2, max_size=25
    ),
    st.integers(1, 24),
)
def test_a_pruned_trial_never_displaces_a_complete_one_that_is_nearer(
    trials: Sequence[tuple[bool, float, float]], count: int
) -> None:
    history = History(StudyDirection.MAXIMIZE)
    for number, (pruned, violation, value) in enumerate(trials):
        trial = create_trial(
            state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
            value=None if pruned else value,
            params={"x": 0.5},
            distributions={"x": FloatDistribution(0, 1)},
            intermediate_values={3: value},
            constraints={"val_accuracy >= 0.9": violation},
        )
        trial.number = number
        history.add(trial)
    best = set(history.best(count))
    for number, (pruned, violation, _) in enumerate(trials):
        for other, (other_pruned, nearer, _) in enumerate(trials):
            if pruned and number in best and not other_pruned and other not in best:
                assert violation <= nearer


def landscape(spec: TrialSpec, link: Link) -> TrialResult:
    """Wide networks learn the rows by heart and get pruned; narrow ones end short of the floor.

    Between them lies what meets. A little noise by the seed; the figures of each epoch are reported
    and the parent's stop is heeded, as in real training.
    """
    width = float(str(spec.params["units"]))
    rate = float(str(spec.params["dropout"]))
    noise = (spec.seed % 1000) / 1000 * 0.004 - 0.002
    capacity = width / 500 - rate
    epochs: list[EpochMetrics] = []
    for number in range(1, spec.epochs + 1):
        grown = number / spec.epochs
        train = min(0.999, 0.80 + 0.17 * grown * (0.6 + 0.8 * max(0.0, capacity)))
        val = 0.80 + 0.11 * grown * min(1.0, 0.82 + 0.4 * capacity) - 0.06 * max(0, capacity - 0.9)
        metrics = EpochMetrics(number, val + noise, 0.5, train, 0.4, parameters=1)
        epochs.append(metrics)
        link.epoch(metrics)
        if number < spec.epochs and link.stop_after(number):
            return TrialResult("stopped", "", tuple(epochs), 1.0, 2.0)
    return TrialResult("complete", "", tuple(epochs), 1.0, 2.0)


def swept(folder: Path, sampler: str, seed: int) -> tuple[TrialRecord, ...]:
    folder.mkdir()
    sweep = Sweep(
        folder,
        train=landscape,
        total=60,
        changes={
            "trials": 60,
            "epochs": EPOCHS,
            "seed": seed,
            "sampler": sampler,
            "space": {
                "units": {"min": 8, "max": 1024},
                "dropout": {"min": 0.0, "max": 0.7},
                "optimizer": {"values": ["sgd", "adam"]},
            },
        },
    )
    sweep.run()
    return sweep.records


@pytest.mark.slow
def test_tpe_goes_to_what_meets_and_not_to_what_gets_pruned(tmp_path: Path) -> None:
    """Over some seeds: pruned trials become rarer than at random, those that meet more frequent."""
    seeds = range(4)
    late: dict[str, list[TrialRecord]] = {"tpe": [], "random": []}
    for sampler, found in late.items():
        for seed in seeds:
            found += swept(tmp_path / f"{sampler}-{seed}", sampler, seed)[30:]
    made = definition()

    def share(records: Sequence[TrialRecord], what: str) -> float:
        entries = select("s", "digits", records, made.targets, made.epoch, 60).entries
        if what == "pruned":
            return sum(e.state == "pruned" for e in entries) / len(entries)
        return sum(e.verdict == "meets" for e in entries) / len(entries)

    figures = {
        (sampler, what): share(records, what)
        for sampler, records in late.items()
        for what in ("pruned", "meets")
    }
    print(figures)
    assert figures["random", "pruned"] > 0.1, "the landscape prunes nothing: it proves nothing"
    assert figures["tpe", "pruned"] < figures["random", "pruned"]
    assert figures["tpe", "meets"] > figures["random", "meets"]


# --- sweeps that end when they have enough ----------------------------------------------------


def outcome_of(*records: TrialRecord) -> Outcome:
    made = definition()
    return select("s", "digits", records, made.targets, made.epoch, len(records))


def trial(origin: int, val: float, repeats: Sequence[float | None] = ()) -> TrialRecord:
    """One epoch; the repeats are judged at it."""
    row = EpochMetrics(1, val, 0.3, 0.93, 0.2, parameters=1)
    return TrialRecord(
        number=origin,
        origin=origin,
        attempt=f"u:{origin}",
        state="complete",
        params={"units": 64},
        epochs=(row,),
        repeats=tuple(
            Repeat(
                *("fresh", index, index, SplitSpec(seed=index), 1),
                status="failed" if value is None else "complete",
                epochs=()
                if value is None
                else (replace(row, val_accuracy=value, train_accuracy=0.93 + index / 1e4),),
            )
            for index, value in enumerate(repeats)
        ),
    )


def own_seed_alone(origin: int, val: float) -> TrialRecord:
    """Interrupted when nothing but its own seed had been repeated."""
    made = trial(origin, val)
    own = Repeat("own", 0, 0, SplitSpec(), 1, status="complete", epochs=made.epochs)
    return replace(made, repeats=(own,))


FLUKE, PROVEN, LOST = (0.88, 0.89, 0.881), (0.92, 0.921, 0.922), (None,)
WIDE = (0.895, 0.92, 0.905)
"""Meets on average, by a margin of 0.67 points, and not surely."""


@pytest.mark.parametrize(
    ("records", "number"),
    [
        ([trial(0, 0.89)], None),  # nothing meets
        ([trial(0, 0.905), trial(1, 0.909)], 1),  # the best of those that meet
        ([trial(0, 0.909, WIDE), trial(1, 0.905)], None),  # expects less than did not suffice
        ([trial(0, 0.905, WIDE), trial(1, 0.909)], 1),
        ([trial(0, 0.909, FLUKE), trial(1, 0.905)], 1),  # its lucky figure is no bar
        ([trial(0, 0.909, PROVEN), trial(1, 0.905)], 1),  # success is no bar for the next one
        ([trial(0, 0.905, FLUKE)], None),
        ([trial(0, 0.905, PROVEN[:1]), trial(1, 0.909)], 0),  # what was interrupted comes first
        ([trial(0, 0.905, PROVEN[:2]), trial(1, 0.909)], 0),
        ([trial(0, 0.909, LOST)], None),  # what cannot be repeated is no candidate
        ([trial(0, 0.909, LOST), trial(1, 0.905)], 1),  # and in the way of no other
        ([trial(0, 0.905, LOST), trial(1, 0.909)], 1),
        ([trial(0, 0.909, (0.88, None)), trial(1, 0.905)], 1),
        ([own_seed_alone(0, 0.909), trial(1, 0.905)], 0),  # interrupted before the first fresh one
        ([own_seed_alone(0, 0.905), trial(1, 0.909)], 0),
    ],
)
def test_who_is_put_to_the_test(records: Sequence[TrialRecord], number: int | None) -> None:
    found = candidate(outcome_of(*records), 3)
    assert (None if found is None else found.trial) == number


def test_a_candidate_needs_the_margin_that_the_bound_will_take_off() -> None:
    near, clear = outcome_of(trial(0, 0.901)), outcome_of(trial(0, 0.909))
    needed = needed_score(near, 12_000, 5)
    # sqrt(0.9 * 0.1 / 12000) * t(0.95, 4) / sqrt(5), in points
    assert needed == pytest.approx(0.2611, abs=1e-3)
    assert candidate(near, 5, needed) is None
    assert candidate(clear, 5, needed) is not None
    assert candidate(near, 5) is not None  # when nothing better will come
    assert needed_score(outcome_of(trial(0, 0.9, FLUKE)), 12_000, 5) > needed  # Holm's price


@pytest.mark.parametrize(
    ("goal", "reached"),
    [
        (Goal(), False),
        (Goal(met=2), True),
        (Goal(met=3), False),
        (Goal(confirmed=1, seeds=3), True),
        (Goal(confirmed=2, seeds=3), False),
        (Goal(confirmed=1, seeds=4), False),  # its test was interrupted
    ],
)
def test_when_a_goal_is_reached(goal: Goal, reached: bool) -> None:
    outcome = outcome_of(trial(0, 0.92, PROVEN), trial(1, 0.91), trial(2, 0.85))
    assert confirmed_count(outcome, 3) == 1
    assert goal.reached(outcome) is reached


def test_the_outcome_is_looked_at_only_when_another_trial_meets(tmp_path: Path) -> None:
    study = open_named(tmp_path, "s", trials=6)
    made = definition(trials=6)
    looks: list[int] = []

    def look() -> Outcome:
        looks.append(len(study.ended))
        return outcome_of(*study.records())

    asks = enough(Goal(met=2), study, made, look, lambda outcome: False)
    answers = []
    for told in (None, FAR, FAR, GOOD, FAR, GOOD):
        if told is not None:
            tell(study, begin(study), told)
        answers.append(asks())
    study.close()
    assert answers == [False, False, False, False, False, True]
    assert looks == [0, 3, 5]


@pytest.mark.parametrize("tests", [1, 9])
def test_when_no_more_trials_come_a_few_are_tested(tmp_path: Path, tests: int) -> None:
    """All trials meet by a hair and none holds: the end is three tests, not one for each."""
    tested: list[int] = []
    vals = [0.9 + (number + 1) / 1e4 for number in range(tests)]

    def look() -> Outcome:
        return outcome_of(
            *(trial(n, val, FLUKE if n in tested else ()) for n, val in enumerate(vals))
        )

    def test(sweep: Until, executor: Any, entry: Entry) -> str:
        tested.append(entry.trial)
        return "done"

    plan = SimpleNamespace(data=None, definition=SimpleNamespace(model="mlp"))
    job: Any = SimpleNamespace(outcome=look, workspace=None, study=None, workers=1, plan=plan)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(until, "start_executor", lambda *given: InlineExecutor(landscape, 1))
        patch.setattr(until, "proving_alone", lambda *given: nullcontext(True))
        patch.setattr(Until, "_begin", lambda *given, **named: None)
        patch.setattr(Until, "_rows", lambda sweep: 12_000)
        patch.setattr(Until, "_train", lambda *given, **named: "done")
        patch.setattr(Until, "_test", test)
        sweep = Until(Goal(confirmed=1), job, Console(), Controls(), lambda: job, -1)
        assert sweep.run() == "done"
    assert tested == list(range(tests))[::-1][:3]


@pytest.mark.parametrize("slots", [1, 2])
def test_the_scheduler_ends_when_there_is_enough(tmp_path: Path, slots: int) -> None:
    sweep = Sweep(tmp_path, slots=slots, changes={"trials": 9}, enough=lambda: len(seen) >= 3)
    seen: list[Any] = []
    sweep.watch = lambda notice: seen.append(notice) if type(notice).__name__ == "Ended" else None
    assert sweep.run() == "enough"
    assert 3 <= len(sweep.records) <= 2 + slots
    assert set(sweep.states()) == {"complete"}  # what ran has finished
