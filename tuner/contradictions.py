"""Targets that no figures can meet: limits outside a figure's domain, and against each other.

The rule: a limit is the decimal that was typed, so that nothing here is rounded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from tuner.targets import DOMAINS, METRICS, Target, unique

_End = tuple[Fraction | float, int]
"""One end of a range: its place, and a nudge of 1 or -1 where the place itself is left out, so that
ends compare as tuples."""


@dataclass(frozen=True)
class _Range:
    """The figures that one metric's targets leave, and which targets set its ends (None: the
    metric's own domain does)."""

    low: _End
    high: _End
    low_by: Target | None = None
    high_by: Target | None = None

    @classmethod
    def of(cls, metric: str) -> _Range:
        low, high = DOMAINS[metric]
        return cls((Fraction(low), 0), (math.inf if high is None else Fraction(high), 0))

    @property
    def empty(self) -> bool:
        return self.low > self.high

    def cut(self, target: Target) -> _Range:
        """What `target` leaves of the range."""
        limit = Fraction(repr(target.value))  # the decimal that was typed: no rounding below
        nudge = {">": 1, "<": -1}.get(target.op, 0)
        if target.metric == "parameters":  # whole numbers: `< 6` is `<= 5`
            up = target.is_floor != (nudge != 0)
            limit = Fraction((math.ceil(limit) if up else math.floor(limit)) + nudge)
            nudge = 0
        end = (limit, nudge)
        if target.is_floor:
            return replace(self, low=end, low_by=target) if end > self.low else self
        return replace(self, high=end, high_by=target) if end < self.high else self


def check_targets(targets: Sequence[Target]) -> list[str]:
    """One line for each contradiction among `targets`; empty where some figures meet them all.

    It finds limits outside a figure's domain, limits on one metric that leave nothing, and limits
    on train, val and their gap that cannot hold together.
    """
    problems: list[str] = []
    ranges = {metric: _Range.of(metric) for metric in METRICS}
    for target in unique(targets):
        if _Range.of(target.metric).cut(target).empty:
            low, high = DOMAINS[target.metric]
            where = f"is never below {low}" if high is None else f"lies between {low} and {high}"
            problems.append(f"{target} can never be met: {target.metric} {where}")
        else:
            ranges[target.metric] = ranges[target.metric].cut(target)
    for metric, left in ranges.items():
        if left.empty:
            problems.append(f"{left.low_by} and {left.high_by} contradict: no {metric} meets both")
    return problems or _gap_contradiction(ranges)


def _gap_contradiction(ranges: dict[str, _Range]) -> list[str]:
    """Whether no train - val lies in the gap's range; no range is empty by itself."""
    train, val, gap = (ranges[m] for m in ("train_accuracy", "val_accuracy", "accuracy_gap"))
    if gap.low > (train.high[0] - val.low[0], train.high[1] - val.low[1]):
        blame = (val.low_by, train.high_by, gap.low_by)
    elif gap.high < (train.low[0] - val.high[0], train.low[1] - val.high[1]):
        blame = (val.high_by, train.low_by, gap.high_by)
    else:
        return []
    texts = [target.text for target in blame if target is not None]
    listed = " and ".join([", ".join(texts[:-1]), texts[-1]])
    return [f"{listed} contradict: accuracy_gap is train_accuracy - val_accuracy"]
