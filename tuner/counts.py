"""How many trials a study has, by their state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tuner.trial import TrialRecord


@dataclass(frozen=True)
class TrialCounts:
    """How many logical trials of a study are in each state."""

    requested: int
    complete: int = 0
    pruned: int = 0
    failed: int = 0
    running: int = 0
    waiting: int = 0

    @property
    def finished(self) -> int:
        return self.complete + self.pruned + self.failed

    @classmethod
    def of(cls, requested: int, records: Iterable[TrialRecord]) -> TrialCounts:
        """Count `records`, which hold one entry a logical trial."""
        counts = {"complete": 0, "pruned": 0, "failed": 0, "running": 0, "waiting": 0}
        for record in records:
            counts[record.state] += 1
        return cls(requested=requested, **counts)
