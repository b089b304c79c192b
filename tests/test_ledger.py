"""Exactly N: tables of attempts, then many processes in any order, any of which may die."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.search.ledger import (
    MAX_ATTEMPTS,
    Attempt,
    is_surplus,
    logical_trials,
    rank,
    wants_more,
)
from tuner.trial import TrialState


def table(*rows: str) -> list[Attempt]:
    """Attempts from texts such as `failed retry_of=0 back`, numbered in order."""
    return [_attempt(number, row) for number, row in enumerate(rows)]


def _attempt(number: int, row: str) -> Attempt:
    state, *words = row.split()
    values = dict(word.split("=") for word in words if "=" in word)
    return Attempt(
        number,
        state,  # type: ignore[arg-type]
        retry_of=int(values["of"]) if "of" in values else None,
        surplus="surplus" in words,
        handed_back="back" in words,
        variant=values.get("variant"),
    )


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], []),
        (["complete"], [(0, 0, "complete", 0, False)]),
        (["running"], [(0, 0, "running", 0, False)]),
        (["waiting"], [(0, 0, "waiting", 0, False)]),
        (["failed"], [(0, 0, "waiting", 1, True)]),
        (["failed", "waiting of=0"], [(0, 1, "waiting", 1, False)]),
        (["failed", "running of=0"], [(0, 1, "running", 1, False)]),
        (
            ["failed", "complete", "pruned of=0"],
            [(0, 2, "pruned", 1, False), (1, 1, "complete", 0, False)],
        ),
        (["failed", "failed of=0"], [(0, 1, "waiting", 2, True)]),
        (["failed", "failed of=0", "failed of=0"], [(0, 2, "failed", 3, False)]),
        (["failed back"], [(0, 0, "waiting", 0, True)]),
        (["failed back"] + ["failed back of=0"] * 5, [(0, 5, "waiting", 0, True)]),
        (["failed", "failed back of=0", "failed of=0"], [(0, 2, "waiting", 2, True)]),
        (["failed surplus"], []),
        (["failed surplus", "complete"], [(1, 1, "complete", 0, False)]),
        (["failed", "complete of=0", "failed surplus of=0"], [(0, 1, "complete", 1, False)]),
        # A result that was told first counts, whatever came after it.
        (["failed", "complete of=0", "failed of=0"], [(0, 1, "complete", 2, False)]),
    ],
)
def test_logical_trials(rows: list[str], expected: list[tuple[int, int, str, int, bool]]) -> None:
    found = logical_trials(reversed(table(*rows)))
    assert [(t.origin, t.counting.number, t.state, t.used, t.retry_due) for t in found] == expected


@pytest.mark.parametrize(
    ("rows", "number", "expected"),
    [
        (["complete"], 0, 0),
        (["complete", "running"], 1, 1),
        (["failed", "complete of=0", "running"], 2, 1),
        (["failed surplus", "running"], 1, 0),
        (["failed", "failed surplus", "complete", "running"], 3, 2),
    ],
)
def test_rank(rows: list[str], number: int, expected: int) -> None:
    assert rank(number, table(*rows)) == expected


@pytest.mark.parametrize(
    ("rows", "number", "total", "expected"),
    [
        (["running"], 0, 1, False),
        (["complete", "running"], 1, 1, True),
        (["complete", "running", "running"], 2, 2, True),
        (["failed surplus", "running"], 1, 1, False),
        (["failed", "running of=0"], 1, 1, False),
        (["failed", "complete", "running of=0"], 2, 1, False),  # the total was lowered meanwhile
        (["failed", "running of=0", "running of=0"], 1, 1, False),
        (["failed", "running of=0", "running of=0"], 2, 1, True),
        (["failed", "complete of=0", "running of=0"], 2, 1, True),
        (["failed", "waiting of=0", "running of=0"], 2, 1, True),
        (["failed", "failed of=0", "running of=0"], 2, 1, False),
        (["failed", "failed surplus of=0", "running of=0"], 2, 1, False),
        (["failed", "failed of=0", "failed of=0", "running of=0"], 3, 1, True),
        (["failed", "failed back of=0", "failed of=0", "running of=0"], 3, 1, False),
        (["failed", "complete", "failed", "running of=2"], 3, 9, False),
        (["running variant=a", "running variant=b"], 1, 9, False),
        (["running variant=a", "running variant=a"], 1, 9, True),
        (["running variant=a", "running variant=a"], 0, 9, False),
        (["failed variant=a", "running variant=a"], 1, 9, True),
        (["failed variant=a surplus", "running variant=a"], 1, 9, False),
        (["failed variant=a", "running variant=a of=0"], 1, 9, False),
    ],
)
def test_is_surplus(rows: list[str], number: int, total: int, expected: bool) -> None:
    attempts = table(*rows)
    assert is_surplus(attempts[number], attempts, total) is expected


@pytest.mark.parametrize(
    ("rows", "total", "expected"),
    [
        ([], 0, False),
        ([], 1, True),
        (["running"], 1, False),
        (["running"], 2, True),
        (["waiting"], 1, True),
        (["failed"], 1, False),  # its retry has to be queued first
        (["failed", "waiting of=0"], 1, True),
        (["complete", "failed surplus"], 1, False),
        (["complete", "waiting"], 1, True),  # one too many: it is taken and told so
        (["failed", "failed of=0", "failed of=0"], 1, False),
    ],
)
def test_wants_more(rows: list[str], total: int, expected: bool) -> None:
    assert wants_more(table(*rows), total) is expected


# --- many processes -------------------------------------------------------------------------------


@dataclass
class Store:
    """Attempts as a store holds them, and what the processes of `SweepStudy` do to them."""

    total: int
    variants: tuple[str, ...] = ()
    attempts: list[Attempt] = field(default_factory=list)

    def add(
        self, state: TrialState, retry_of: int | None = None, variant: str | None = None
    ) -> int:
        self.attempts.append(Attempt(len(self.attempts), state, retry_of, variant=variant))
        return len(self.attempts) - 1

    def tell(self, number: int, state: TrialState, **flags: bool) -> None:
        assert self.attempts[number].state == "running"
        self.attempts[number] = replace(self.attempts[number], state=state, **flags)

    def due(self) -> list[tuple[int | None, str | None]]:
        """Retries that are to be queued now."""
        trials = logical_trials(self.attempts)
        return [(t.origin, t.counting.variant) for t in trials if t.retry_due]

    def missing(self) -> list[tuple[int | None, str | None]]:
        """The variant that is to be queued now, if nothing waits."""
        trials = logical_trials(self.attempts)
        if len(trials) >= self.total or any(a.state == "waiting" for a in self.attempts):
            return []
        present = {t.counting.variant for t in trials}
        return [(None, v) for v in self.variants if v not in present][:1]

    def queue(self, due: Iterable[tuple[int | None, str | None]]) -> None:
        for origin, variant in due:
            self.add("waiting", origin, variant)

    def ask(self) -> int:
        for attempt in self.attempts:
            if attempt.state == "waiting":
                self.attempts[attempt.number] = replace(attempt, state="running")
                return attempt.number
        return self.add("running")

    def keep(self, number: int) -> bool:
        """Whether the attempt, just taken, counts; else it is told so."""
        if is_surplus(self.attempts[number], self.attempts, self.total):
            self.tell(number, "failed", surplus=True)
            return False
        return True

    def next(self) -> int | None:
        """What `SweepStudy.next` does."""
        self.queue(self.due())
        while wants_more(self.attempts, self.total):
            self.queue(self.missing())
            number = self.ask()
            if self.keep(number):
                return number
        return None

    def check(self) -> None:
        """What holds at any time."""
        trials = logical_trials(self.attempts)
        # What waits may be one too many still: it is told so when it is taken.
        begun = [t for t in trials if self.attempts[t.origin].state != "waiting"]
        assert len(begun) <= self.total
        for trial in trials:
            group = [
                a for a in self.attempts if not a.surplus and trial.origin in (a.number, a.retry_of)
            ]
            assert trial.used <= MAX_ATTEMPTS
            assert trial.used == sum(a.state == "failed" and not a.handed_back for a in group)

    def finish_all(self, states: Iterable[TrialState]) -> None:
        """One process that lives on runs what is left; then nothing is left."""
        outcomes = iter(states)
        for attempt in self.attempts:
            if attempt.state == "running":
                self.tell(attempt.number, "failed")
        while (number := self.next()) is not None:
            self.tell(number, next(outcomes, "complete"))
            self.check()
        trials = logical_trials(self.attempts)
        assert len(trials) == self.total
        assert all(t.state in ("complete", "pruned", "failed") for t in trials)
        assert all(t.used == MAX_ATTEMPTS for t in trials if t.state == "failed")
        ended = [a for a in self.attempts if a.state in ("complete", "pruned") and not a.surplus]
        counted = [t for t in trials if t.state != "failed"]
        assert len(ended) == len(counted), "a trial was trained to its end twice"
        variants = [a.variant for a in self.attempts if a.retry_of is None and not a.surplus]
        assert [v for v in variants if v] == list(dict.fromkeys(v for v in variants if v))


TOTALS = st.integers(1, 5)
VARIANTS = st.sampled_from([(), ("a",), ("a", "b")])
ENDS = st.lists(st.sampled_from(["complete", "pruned", "failed"]), max_size=20)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["next", "finish", "fail", "hand back", "crash", "crash asking"]),
        st.integers(0, 2),
        st.integers(0, 3),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=150)
@given(total=TOTALS, variants=VARIANTS, steps=STEPS, ends=ENDS)
def test_processes_that_ask_under_one_lock(
    total: int, variants: tuple[str, ...], steps: list[tuple[str, int, int]], ends: list[TrialState]
) -> None:
    """As files are used: one asks at a time, and may die at any step of it."""
    store = Store(total, variants)
    live: list[list[int]] = [[], [], []]
    for what, process, pick in steps:
        mine = live[process]
        if what == "next":
            number = store.next()
            mine.extend([] if number is None else [number])
        elif what == "crash asking":
            due = store.due()
            store.queue(due[:pick])
            if pick >= len(due) and wants_more(store.attempts, total):
                store.queue(store.missing())
                if pick > len(due):
                    store.tell(store.ask(), "failed")  # reaped by the next one
        elif what == "crash":
            for number in mine:
                store.tell(number, "failed")
            mine.clear()
        elif mine:
            number = mine.pop(pick % len(mine))
            if what == "hand back":
                store.tell(number, "failed", handed_back=True)
            else:
                store.tell(number, "complete" if what == "finish" else "failed")
        store.check()
    store.finish_all(ends)
    assert set(variants[:total]) <= {a.variant for a in store.attempts if not a.surplus}


RACES = st.lists(
    st.tuples(
        st.sampled_from(
            # `go` takes three steps at once, and failures are frequent: so retries pile up.
            ["look", "queue", "want", "take", "keep", "go", "go", "fail", "fail", "finish", "back"]
        ),
        st.integers(0, 2),
        st.integers(0, 3),
    ),
    min_size=10,
    max_size=80,
)


@settings(deadline=None, max_examples=200)
@given(total=st.integers(1, 3), variants=VARIANTS, steps=RACES, ends=ENDS)
def test_processes_that_ask_without_a_lock(
    total: int, variants: tuple[str, ...], steps: list[tuple[str, int, int]], ends: list[TrialState]
) -> None:
    """As databases would be used: what one has seen may be old when it acts on it."""
    store = Store(total, variants)
    seen: list[list[tuple[int | None, str | None]]] = [[], [], []]
    wants = [False] * 3
    taken: list[int | None] = [None] * 3
    live: list[list[int]] = [[], [], []]
    for what, process, pick in steps:
        mine = live[process]
        if what == "look":
            seen[process] = store.due() + store.missing()
        elif what == "queue":
            store.queue(seen[process])
            seen[process] = []
        if what in ("want", "go"):
            wants[process] = wants_more(store.attempts, total)
        if what in ("take", "go") and wants[process] and taken[process] is None:
            taken[process] = store.ask()
            wants[process] = False
        if what in ("keep", "go") and (number := taken[process]) is not None:
            taken[process] = None
            if store.keep(number):
                mine.append(number)
        if what in ("finish", "fail", "back") and mine:
            number = mine.pop(pick % len(mine))
            if what == "back":
                store.tell(number, "failed", handed_back=True)
            else:
                store.tell(number, "complete" if what == "finish" else "failed")
    for number in taken:
        if number is not None and store.keep(number):
            store.tell(number, "failed", handed_back=True)
    for number in [n for mine in live for n in mine]:
        store.tell(number, "failed", handed_back=True)
    store.finish_all(ends)
