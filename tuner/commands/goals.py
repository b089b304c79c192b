"""When a sweep has enough: so many trials that meet, or so many that are confirmed.

The rule: a goal only ever ends a sweep early, within its trials and its time. Each test of a trial
costs trainings, and makes the bounds of all a little stricter (Holm), so that it is not spent on
trials that are likely to fail: a candidate expects more than every one that failed has shown, and
its expected margin is as large as what the bound will take off. When no more trials come, the first
few are tested without that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from tuner.commands.proving import FUTILE_AFTER
from tuner.definition import SweepDefinition
from tuner.report.confirmation import expected_reach
from tuner.report.selection import Entry, Outcome, judge
from tuner.search.study import SweepStudy


@dataclass(frozen=True)
class Goal:
    """What ends a sweep early; None: nothing does.

    Attributes:
        met: so many trials that meet the targets.
        confirmed: so many trials that are confirmed.
        seeds: fresh seeds of each test.
    """

    met: int | None = None
    confirmed: int | None = None
    seeds: int = 5

    @property
    def asked(self) -> bool:
        """Whether anything ends the sweep early."""
        return self.met is not None or self.confirmed is not None

    def reached(self, outcome: Outcome) -> bool:
        """Whether the sweep has what it was asked for; false where nothing was asked."""
        if self.confirmed is not None and confirmed_count(outcome, self.seeds) >= self.confirmed:
            return True
        return self.met is not None and len(outcome.meets) >= self.met

    @property
    def text(self) -> str:
        """What was asked for, in words."""
        if self.confirmed is not None:
            return f"{self.confirmed} confirmed"
        return f"{self.met} that {'meets' if self.met == 1 else 'meet'}"


def confirmed_count(outcome: Outcome, seeds: int) -> int:
    """How many trials are confirmed, on all of their seeds."""
    return sum(
        e.confirmation is not None
        and e.confirmation.verdict == "confirmed"
        and is_decided(e, seeds)
        for e in outcome.entries
    )


def is_decided(entry: Entry, seeds: int) -> bool:
    """Whether nothing is left to do for a trial that was put to the test."""
    found = entry.confirmation
    if entry.record.untold is not None:
        return True  # it cannot be repeated here
    if found is None:
        return False
    return found.seeds >= seeds or (found.verdict == "fluke" and found.seeds >= FUTILE_AFTER)


def candidate(outcome: Outcome, seeds: int, needed: float = -math.inf) -> Entry | None:
    """The trial to put to the test next, or None.

    One whose test was interrupted comes first. Else the best that meets and was not tested, if it
    expects more than every one that was tested and not confirmed (`shown`), and scores `needed` or
    more. One that cannot be repeated is no candidate, and is in the way of no other.
    """
    tested = [e for e in outcome.entries if e.record.proofs and e.record.untold is None]
    begun = [e for e in tested if not is_decided(e, seeds)]
    if begun:
        return max(begun, key=score)
    failed = [shown(e) for e in tested if e.confirmation and e.confirmation.verdict != "confirmed"]
    waiting = [e for e in outcome.meets if not e.record.proofs]
    if not waiting:
        return None
    best = max(waiting, key=score)
    if failed and score(best) <= max(failed):
        return None
    return best if score(best) >= needed else None


def shown(entry: Entry) -> float:
    """What a trial that was tested stands for: its score, or the less that its repeats showed."""
    found = entry.confirmation
    if found is None:
        return score(entry)
    return min([score(entry), *(b.target.margin(b.mean) for b in found.targets)])


def score(entry: Entry) -> float:
    """What candidates are compared by: the rank's score."""
    return -math.inf if entry.rank is None else entry.rank.score


def needed_score(outcome: Outcome, rows: int, seeds: int) -> float:
    """The expected margin, in points, that the bound of a test would take off a trial that meets.

    Args:
        outcome: what the study has shown so far.
        rows: validation rows.
        seeds: fresh seeds of a test.
    """
    family = 1 + sum(e.confirmation is not None for e in outcome.entries)
    floors = [t.value for t in outcome.targets if t.metric == "val_accuracy" and t.is_floor]
    share = max(floors, default=0.0)
    if not 0.0 < share < 1.0:
        return -math.inf  # nothing is known of how much such figures vary
    return 100 * expected_reach(share, rows, seeds, family)


def enough(
    goal: Goal,
    study: SweepStudy,
    definition: SweepDefinition,
    outcome: Callable[[], Outcome],
    has_candidate: Callable[[Outcome], bool],
) -> Callable[[], bool]:
    """What the scheduler asks before it takes another trial.

    Args:
        goal: what ends the sweep.
        study: the sweep's study.
        definition: its definition.
        outcome: what the study has shown so far; asked for only once another trial meets.
        has_candidate: whether a trial waits to be put to the test.
    """
    seen = 0
    asked = False
    yes = False

    def ask() -> bool:
        nonlocal seen, asked, yes
        ended = study.ended
        news = any(
            judge(record, definition.targets, definition.epoch).verdict == "meets"
            for record in ended[seen:]
        )
        seen = len(ended)
        if asked and not news:
            return yes
        asked = True
        now = outcome()
        yes = goal.reached(now) or has_candidate(now)
        return yes

    return ask
