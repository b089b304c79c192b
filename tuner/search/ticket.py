"""What the study hands out and the scheduler trains."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.trial import Params


@dataclass(frozen=True)
class Ticket:
    """A trial that this process may train now.

    Attributes:
        number: of the attempt, in the store.
        origin: of the logical trial.
        attempt: identity of the attempt, unique over all studies.
        params: the complete configuration.
        seed: the trial's seed, the same for every attempt at it.
        variant: name of the variant, or None.
    """

    number: int
    origin: int
    attempt: str
    params: Params
    seed: int
    variant: str | None
