"""What is kept up to date step by step equals what is worked out from everything at once."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stubs import definition, opened
from studies import Told, begin, tell

from tuner.epochs import choose
from tuner.report.selection import Entry, Shortlist, select
from tuner.search import ledger
from tuner.search.books import Books
from tuner.search.ledger import Attempt
from tuner.search.pruning import Peer, Rivals
from tuner.search.sampling import build_sampler, drawing, joint_space, quiet, suggesting
from tuner.search.tpe import History
from tuner.space import resolve
from tuner.targets import parse_targets
from tuner.trial import EpochMetrics, TrialRecord, TrialState

STATES: tuple[TrialState, ...] = ("waiting", "running", "complete", "pruned", "failed")


# --- the ledger -----------------------------------------------------------------------------------

changes = st.lists(
    st.tuples(
        st.sampled_from(["new", "retry", "change", "change", "surplus", "back"]),
        st.integers(0, 30),
        st.sampled_from(STATES),
        st.sampled_from([None, None, "a", "b"]),
    ),
    max_size=40,
)


@given(changes)
@settings(max_examples=200, deadline=None)
def test_books_say_what_the_ledger_says(steps: list[tuple[str, int, TrialState, str]]) -> None:
    books = Books()
    attempts: list[Attempt] = []
    for what, which, state, variant in steps:
        number = len(attempts)
        if what == "new" or not attempts:
            attempts.append(Attempt(number, state, variant=variant))
        elif what == "retry":
            origin = ledger.origin_of(attempts[which % number])
            # A retry carries its variant.
            attempts.append(
                Attempt(number, state, retry_of=origin, variant=attempts[origin].variant)
            )
        else:
            number = which % number
            known = attempts[number]
            if known.retry_of is None and any(a.retry_of == number for a in attempts):
                what = "change"  # only what failed is repeated, and that is no surplus any more
            attempts[number] = replace(
                known,
                state="failed" if what in ("surplus", "back") else state,
                surplus=known.surplus or what == "surplus",
                handed_back=known.handed_back or what == "back",
            )
        logical = books.note(attempts[number])
        trials = ledger.logical_trials(attempts)
        origin = ledger.origin_of(attempts[number])
        found = next((t for t in trials if t.origin == origin), None)
        assert logical == (None if attempts[number].surplus else found)
        assert len(books) == len(trials)
        assert books.due == [t for t in trials if t.retry_due]
        assert books.waiting == any(a.state == "waiting" and not a.surplus for a in attempts)
        assert books.grid_position() == ledger.grid_position(attempts)
        for total in (0, 2, len(trials), 40):
            assert books.wants_more(total) == ledger.wants_more(attempts, total)
            for a in attempts:
                if not a.surplus:
                    assert books.is_surplus(a, total) == ledger.is_surplus(a, attempts, total)
        for n in range(len(attempts) + 1):
            assert books.rank(n) == ledger.rank(n, attempts)
            before = [a for a in attempts if a.number < n]
            assert books.grid_position(n) == ledger.grid_position(before)


# --- rivals ---------------------------------------------------------------------------------------

curves = st.lists(st.none() | st.floats(0, 1), max_size=6).map(tuple)
peers = st.lists(st.builds(Peer, st.sampled_from([None, "constant", "cosine"]), curves))


@given(peers)
def test_rivals_are_compared_at_the_same_epoch(found: list[Peer]) -> None:
    rivals = Rivals(found)
    for schedule in (None, "constant", "cosine", "none of these"):
        for reached in range(8):
            expected = sorted(
                max((v for v in peer.curve[:reached] if v is not None), default=0.0)
                for peer in found
                if peer.schedule == schedule and 0 < reached <= len(peer.curve)
            )
            assert list(rivals.bests(schedule, reached)) == expected


# --- the shortlist --------------------------------------------------------------------------------

TARGETS = parse_targets("val >= 0.5 with train < 0.6")
figure = st.sampled_from([None, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7])


def _record(number: int, state: TrialState, rows: Sequence[tuple[float, float]]) -> TrialRecord:
    epochs = tuple(
        EpochMetrics(place, val, 0.1, train_accuracy=train)
        for place, (val, train) in enumerate(rows, 1)
    )
    return TrialRecord(number, number, f"u:{number}", state, {}, epochs=epochs, weights="w")


def _highest(entry: Entry) -> tuple[float, float, int]:
    val, gap = entry.figure("val_accuracy"), entry.figure("accuracy_gap")
    return -(val or 0.0), math.inf if gap is None else gap, entry.trial


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["complete", "complete", "pruned", "failed"]),
            st.lists(st.tuples(figure, figure), max_size=2),
        ),
        max_size=40,
    ),
    st.integers(1, 20),
)
@settings(deadline=None)
def test_a_shortlist_keeps_the_highest_that_meet_and_then_the_nearest(
    rows: list[tuple[TrialState, list[tuple[float, float]]]], longest: int
) -> None:
    shortlist = Shortlist(TARGETS, "best", longest)
    records: list[TrialRecord] = []
    kept: set[int] = set()
    for number, (state, figures) in enumerate(rows):
        records.append(_record(number, state, figures))
        dropped = {record.origin for record in shortlist.add(records[-1])}
        kept = (kept | {number}) - dropped
        outcome = select("s", "d", records, TARGETS, "best", len(records))
        # By their figures: the order of `meets` hangs on all trials, and would change with each.
        meets = sorted(outcome.meets, key=_highest)
        assert kept == {entry.trial for entry in [*meets, *outcome.nearest][:longest]}


# --- TPE ------------------------------------------------------------------------------------------

SPACE = definition(
    space={
        "l2": {"min": 1e-6, "max": 1e-1, "log": True, "or": 0},
        "dropout": {"min": 0.0, "max": 0.7},
        "optimizer": {"values": ["sgd", "adam", "rmsprop"]},
        "momentum": {"min": 0.0, "max": 0.99, "when": {"optimizer": "sgd"}},
        "depth": {"min": 1, "max": 3},
        "units": {"values": [64, 128, 256, 512]},
    }
).space


@pytest.mark.parametrize("running", [0, 1, 3])
@pytest.mark.parametrize("kind", ["complete", "infeasible", "pruned", "mixed"])
def test_tpe_draws_what_optunas_own_draws(kind: str, running: int) -> None:
    """To the last bit, whatever ended how, and with trials that run beside it."""
    quiet()
    study = optuna.create_study(direction="maximize")
    history = History(study.direction)
    alive: list[optuna.Trial] = []
    for number in range(60):
        trial = study.ask()
        others = [study._storage.get_trial(t._trial_id) for t in alive]
        draws = []
        for known in ({"history": history, "running": others}, {}):
            sampler = build_sampler("tpe", SPACE, (), 3, number, **known)  # type: ignore[arg-type]
            frozen = study._storage.get_trial(trial._trial_id)
            joint = sampler.infer_relative_search_space(study, frozen)
            drawn = sampler.sample_relative(study, frozen, joint)
            assert not drawn or set(drawn) == set(joint_space(SPACE))
            alone = optuna.distributions.FloatDistribution(1e-6, 1e-1, log=True)
            draws.append((drawn, sampler.sample_independent(study, frozen, "l2", alone)))
        assert draws[0] == draws[1], f"trial {number}"
        study.sampler = build_sampler("tpe", SPACE, (), 3, number, history, others)
        resolve(SPACE, {}, drawing(suggesting(trial)))
        alive.append(trial)
        if len(alive) > running:
            _end(study, alive.pop(0), kind, number, history)


def _end(
    study: optuna.Study, trial: optuna.Trial, kind: str, number: int, history: History
) -> None:
    value = (number * 37 % 11) / 11  # with ties
    ending = ("complete", "infeasible", "pruned")[number % 3] if kind == "mixed" else kind
    trial.set_constraint("v", value if ending == "infeasible" else 0.0)
    if ending == "pruned":
        for step in range(number % 4):
            trial.report(value, step)
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    else:
        study.tell(trial, value)
    history.add(study._storage.get_trial(trial._trial_id))


# --- the mirror -----------------------------------------------------------------------------------


def test_a_mirror_is_the_same_whether_it_watched_or_came_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    watching = opened(tmp_path)
    for place in range(12):
        status = ("complete", "stopped", "failed")[place % 3]
        told = Told([(0.5 + place / 100, 0.6)] * 3, status)  # type: ignore[arg-type]
        tell(watching, begin(watching, 12), told)
    later = opened(tmp_path)
    later.unrecorded()
    one, other = watching._mirror, later._mirror
    assert {r.attempt: r for r in watching.ended} == {r.attempt: r for r in later.ended}
    assert [r for r in watching.records() if r.state in ("complete", "pruned", "failed")] == sorted(
        watching.ended, key=lambda r: r.origin
    )
    assert one.history._ranked == other.history._ranked
    assert one.rivals._bests == other.rivals._bests
    assert one.books._logical == other.books._logical
    assert choose(watching.ended[0].epochs, TARGETS, "best") is not None
    watching.close()
    later.close()
