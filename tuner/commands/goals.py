"""When a sweep has enough: so many trials that meet, or so many that are confirmed.

The rule: a goal only ever ends a sweep early, within its trials and its time. A candidate is put to
the test when it ranks above every one that was tested and failed: each test costs trainings, and
each makes the bounds of all a little stricter (Holm), so that it is not spent on trials that stand
lower than what was not good enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tuner.definition import SweepDefinition
from tuner.report.selection import Entry, Outcome, judge
from tuner.search.study import SweepStudy


@dataclass(frozen=True)
class Goal:
    """What ends a sweep early; None: nothing does.

    Attributes:
        met: so many trials that meet the targets.
        confirmed: so many trials that are confirmed.
    """

    met: int | None = None
    confirmed: int | None = None

    def reached(self, outcome: Outcome) -> bool:
        """Whether the sweep has what it was asked for; false where nothing was asked."""
        if self.confirmed is not None and confirmed_count(outcome) >= self.confirmed:
            return True
        return self.met is not None and len(outcome.meets) >= self.met

    @property
    def text(self) -> str:
        """What was asked for, in words."""
        if self.confirmed is not None:
            return f"{self.confirmed} confirmed"
        return f"{self.met} that {'meets' if self.met == 1 else 'meet'}"


def confirmed_count(outcome: Outcome) -> int:
    """How many trials are confirmed."""
    return sum(
        e.confirmation is not None and e.confirmation.verdict == "confirmed"
        for e in outcome.entries
    )


def candidate(outcome: Outcome) -> Entry | None:
    """The trial to put to the test next: the best that meets and was not tested, if it ranks above
    every one that was tested and not confirmed; else None.
    """
    failed = [
        score(e)
        for e in outcome.entries
        if e.confirmation is not None and e.confirmation.verdict != "confirmed"
    ]
    waiting = [e for e in outcome.meets if e.confirmation is None]
    if not waiting:
        return None
    best = max(waiting, key=score)
    return best if not failed or score(best) > max(failed) else None


def score(entry: Entry) -> float:
    """What candidates are compared by: the rank's score."""
    return float("-inf") if entry.rank is None else entry.rank.score


def enough(
    goal: Goal, study: SweepStudy, definition: SweepDefinition, outcome: Callable[[], Outcome]
) -> Callable[[], bool]:
    """What the scheduler asks before it takes another trial.

    Args:
        goal: what ends the sweep.
        study: the sweep's study.
        definition: its definition.
        outcome: what the study has shown so far; asked for only once another trial meets.
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
        yes = goal.reached(now) or (goal.confirmed is not None and candidate(now) is not None)
        return yes

    return ask
