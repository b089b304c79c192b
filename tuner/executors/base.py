"""What the scheduler asks of whatever runs trials.

The rule: an executor moves specs out and events back and decides nothing. For every submitted spec
there is exactly one `TrialDone` or `TrialLost`, unless it was cancelled; `EpochDone` events of one
trial come in order, and `decide` is called for each of them but the last epoch of the spec.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tuner.trial import EpochMetrics, ParamValue, TrialResult, TrialSpec


@dataclass(frozen=True)
class EpochDone:
    """A trial finished an epoch and awaits `decide(attempt, metrics.epoch, …)`."""

    attempt: str
    metrics: EpochMetrics


@dataclass(frozen=True)
class TrialDone:
    """A trial ended by itself or by the parent's decision."""

    attempt: str
    result: TrialResult


@dataclass(frozen=True)
class TrialLost:
    """The process that ran a trial is gone."""

    attempt: str
    reason: str


@dataclass(frozen=True)
class SuggestAsked:
    """A model asks for a parameter of its own; answered by `answer`."""

    attempt: str
    name: str
    kind: str
    bounds: dict[str, object]


Event = EpochDone | TrialDone | TrialLost | SuggestAsked


class Executor(Protocol):
    """Runs trials, each on one of `slots` places."""

    @property
    def slots(self) -> int:
        """How many trials can run at once."""
        ...

    @property
    def idle(self) -> int:
        """How many more could be submitted now."""
        ...

    def submit(self, spec: TrialSpec) -> None:
        """Start a trial; only when `idle` is positive."""
        ...

    def poll(self, timeout: float) -> list[Event]:
        """Events that have come, waiting up to `timeout` seconds for the first."""
        ...

    def decide(self, attempt: str, epoch: int, *, stop: bool) -> None:
        """The decision on an epoch: go on, or stop after it."""
        ...

    def answer(self, attempt: str, value: ParamValue) -> None:
        """The answer to `SuggestAsked`."""
        ...

    def cancel(self, attempt: str) -> None:
        """Give a running trial up at once; no further event of it comes."""
        ...

    def close(self) -> None:
        """End all workers, running trials included. May be called twice."""
        ...
