"""What training needs from outside, and what an epoch engine offers.

The rule: `loop` knows what an epoch is worth and nothing of Keras; an `EpochEngine` knows Keras and
nothing of targets. Another engine is another module beside
`compiled` and `fit`, and touches nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from tuner.gradients import GradientLog
from tuner.training.confusion import Counts
from tuner.trial import EpochMetrics, ParamValue, TrialResult, TrialSpec

Part = Literal["train", "validation"]


@dataclass(frozen=True)
class Figures:
    """Figures of one part, in inference mode.

    Attributes:
        accuracy: in [0, 1].
        loss: mean data loss.
        counts: by class; None where an engine does not count them.
    """

    accuracy: float
    loss: float
    counts: Counts | None = None


@dataclass(frozen=True)
class Running:
    """What Keras itself says of an epoch: averages while the weights moved, dropout active.

    None is what a fit of the user's own does not tell.
    """

    accuracy: float | None
    loss_penalised: float | None
    learning_rate: float | None


class Trained(Protocol):
    """One model in training, as far as it is looked at between epochs."""

    @property
    def timings(self) -> dict[str, float]:
        """Seconds that its making took: `data` and `compile`."""
        ...

    @property
    def parameters(self) -> int:
        """Count of all weights."""
        ...

    @property
    def device(self) -> str:
        """What it runs on, as the framework names it."""
        ...

    def measure(self, part: Part) -> Figures:
        """Figures of the present weights."""
        ...

    def penalty(self) -> float:
        """The L2 penalty of the present weights."""
        ...

    def look(self, epoch: int) -> None:
        """Note what backpropagation does to the present weights, after `epoch`; 0 is before."""
        ...

    def looks(self, last: int) -> GradientLog:
        """All that was noted up to the epoch `last`; after the first `look`."""
        ...

    def snapshot(self) -> None:
        """Remember the present weights; each call forgets the one before."""
        ...

    def save_snapshot(self, path: Path) -> None:
        """Write the remembered weights aside, then replace `path`."""
        ...


class EpochEngine(Trained, Protocol):
    """One model that is trained an epoch a call."""

    def train_epoch(self) -> Running:
        """Train one more epoch; it may end where the loss ceases to be finite."""
        ...


class OutOfMemoryError(Exception):
    """The configuration does not fit the device's memory."""


class Link(Protocol):
    """A worker's line to the parent while one trial runs."""

    def epoch(self, metrics: EpochMetrics) -> None:
        """Report an epoch; does not wait."""
        ...

    def stop_after(self, epoch: int) -> bool:
        """The parent's decision on `epoch`; waits for it."""
        ...

    def suggest(self, name: str, kind: str, bounds: dict[str, object]) -> ParamValue:
        """Ask the parent for a parameter that the model itself defines; waits for it."""
        ...


class Trainer(Protocol):
    """Trains one trial: the whole interface between executors and training."""

    def __call__(self, spec: TrialSpec, link: Link) -> TrialResult: ...
