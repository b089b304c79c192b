"""Why a loss does not fall: what the gradients of a training say, in words.

The rule: first it is asked whether the loss falls at all, then why not. Each cause has a limit of
its own, which is written beside it, and the figure that crossed it is shown. Of a training
whose loss falls below half of what guessing costs only vanishing gradients are told, which it has
got over.

Guessing all of C classes alike costs ln C. Vanishing and exploding gradients: Bengio, Simard &
Frasconi 1994; Glorot & Bengio 2010. Dead ReLUs: units whose output is the same for every row pass
no gradient on (Lu et al. 2019, arXiv 1903.06733).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from tuner.gradients import GradientLog, Row
from tuner.trial import EpochMetrics

Kind = Literal["symmetry", "dead", "vanishing", "exploding", "large step", "small step"]

LEARNS = 0.5
"""A loss below this share of guessing's has learned something."""

DEAD = 0.5
"""Share of a layer's units that are silent after training, and were not before it."""

VANISHING = 1e-3
"""The first kernel's gradient in units of the last one's."""

EXPLODING = 10.0
"""A gradient's spread, or the first kernel's in units of the last one's, over 1 / VANISHING."""

LARGE_STEP = 5.0
"""How far a kernel moves in an epoch, in units of its own size."""

STILL_FALLING = 0.3
"""The last epoch's fall of the loss, in units of the mean fall an epoch."""

NAMES: dict[Kind, str] = {
    "symmetry": "no gradient to begin with",
    "dead": "dead units",
    "vanishing": "vanishing gradients",
    "exploding": "exploding gradients",
    "large step": "the step is too large",
    "small step": "the step is too small",
}


@dataclass(frozen=True)
class Cause:
    """One reason, and the figure that shows it."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Findings:
    """What is known of one training.

    Attributes:
        falls: whether the loss falls as it should.
        loss: train loss at the end, or None where it is not finite.
        guess: what guessing costs, ln C.
        causes: why it does not, the most telling first; where it falls, what it falls in spite of.
    """

    falls: bool
    loss: float | None
    guess: float
    causes: tuple[Cause, ...] = ()

    @property
    def word(self) -> str:
        """In three words."""
        if self.falls:
            return "loss falls"
        slowly = any(cause.kind == "small step" for cause in self.causes)
        return "loss falls slowly" if slowly else "loss does not fall"


def findings_of(epochs: Sequence[EpochMetrics], log: GradientLog) -> Findings:
    """What the figures and the gradients of a training say together."""
    guess = math.log(max(2, log.classes))
    losses = [e.finite().train_loss_penalised for e in sorted(epochs, key=lambda e: e.epoch)]
    measured = [e.finite().train_loss for e in epochs if e.train_loss is not None]
    loss = measured[-1] if measured else losses[-1] if losses else None
    if losses and losses[-1] is None:
        loss = None
    if loss is not None and loss < LEARNS * guess:
        spite = _vanishing(log)
        return Findings(True, loss, guess, () if spite is None else (spite,))
    found = [_symmetry(log)]
    if found == [None]:
        found = [
            _exploding(log),
            _large_step(log, losses, guess),
            _dead(log),
            _vanishing(log),
            _small_step(log, losses, loss, guess),
        ]
    return Findings(False, loss, guess, tuple(c for c in found if c is not None))


def _symmetry(log: GradientLog) -> Cause | None:
    kernels = log.kernels()
    if not log.std or not all(log.size[0][k] == 0.0 for k in kernels):
        return None
    still = [k for k in kernels if all(row[k] == 0.0 for row in log.std)]
    if not still:
        return None
    where = "every kernel" if len(still) == len(kernels) else f"{len(still)} kernels"
    return Cause(
        "symmetry",
        f"all kernels begin at 0, so that the gradient of {where} is exactly 0 in every epoch; "
        "only the output's bias learns, and all units of a layer stay alike",
    )


def _dead(log: GradientLog) -> Cause | None:
    if len(log.silent) < 2:
        return None
    first, last = log.silent[0], log.silent[-1]
    found = [
        (after, name, before)
        for name, before, after in zip(log.layers, first, last, strict=True)
        if before is not None and after is not None and after >= DEAD > before
    ]
    if not found:
        return None
    after, name, before = max(found, key=lambda f: f[0])
    return Cause(
        "dead",
        f"{100 * after:.0f} % of the units of {name} say the same of every row after training "
        f"({100 * before:.0f} % before it): they pass no gradient on",
    )


def _vanishing(log: GradientLog) -> Cause | None:
    ratio = _ratio(log, 0)
    if ratio is None or ratio >= VANISHING:
        return None
    return Cause(
        "vanishing",
        f"before training the gradient of the first kernel is {_times(ratio)} that of the last",
    )


def _exploding(log: GradientLog) -> Cause | None:
    kernels = log.kernels()
    if any(row[k] is None for row in log.std for k in kernels):
        return Cause("exploding", "a gradient is no longer finite")
    largest = max((row[k] or 0.0 for row in log.std for k in kernels), default=0.0)
    ratio = _ratio(log, 0)
    if largest > EXPLODING:
        return Cause("exploding", f"the spread of a kernel's gradient reaches {largest:.3g}")
    if ratio is not None and ratio > 1 / VANISHING:
        return Cause(
            "exploding",
            f"before training the gradient of the first kernel is {_times(ratio)} that of the last",
        )
    return None


def _large_step(log: GradientLog, losses: Sequence[float | None], guess: float) -> Cause | None:
    kernels = log.kernels()
    moved = [row[k] or 0.0 for row in log.change[1:2] for k in kernels]
    if not moved or max(moved) < LARGE_STEP:
        return None
    first = losses[0] if losses else None
    cost = "" if first is None or first <= guess else f", at a mean loss of {first:.3g}"
    return Cause(
        "large step",
        f"in the first epoch a kernel moves by {_whole(max(moved))} times its own size{cost}",
    )


def _small_step(
    log: GradientLog, losses: Sequence[float | None], loss: float | None, guess: float
) -> Cause | None:
    known = [v for v in losses if v is not None]
    if loss is None or len(known) < 3 or len(known) < len(losses):
        return None
    falls = [a - b for a, b in pairwise(known)]
    mean = sum(falls) / len(falls)
    if mean <= 0 or min(falls) <= 0 or falls[-1] < STILL_FALLING * mean:
        return None
    if known[0] - known[-1] < 0.01 * guess:
        return None  # it moves, but not from the spot
    moved = max((row[k] or 0.0 for row in log.change[1:] for k in log.kernels()), default=0.0)
    return Cause(
        "small step",
        f"the loss falls in every epoch, and by {falls[-1]:.2g} in the last one still, while no "
        f"kernel moves by more than {100 * moved:.2g} % of its size in an epoch",
    )


def _ratio(log: GradientLog, place: int) -> float | None:
    """Spread of the first kernel's gradient in units of the last one's."""
    kernels = log.kernels()
    if len(log.std) <= place or len(kernels) < 2:
        return None
    row: Row = log.std[place]
    first, last = row[kernels[0]], row[kernels[-1]]
    return None if first is None or not last else first / last


def _whole(value: float) -> str:
    return f"{value:,.0f}" if value < 1e6 else f"{value:.0e}".replace("e+", "e")


def _times(ratio: float) -> str:
    if ratio >= 0.01:
        return f"{ratio:,.0f} times"
    mantissa, power = f"{ratio:.1e}".split("e")
    return f"{mantissa}e{int(power)} times"
