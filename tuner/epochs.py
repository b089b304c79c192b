"""The chosen epoch: which epoch's figures and weights stand for a trial, and why.

With the rule `best`, the epoch that meets all targets with the best val_accuracy (or figure by
class, where a target names one), else the one with the least violation; with `last`, the last. What
was not measured is never guessed: it cannot meet, and it breaks a window.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tuner.targets import BY_CLASS, Target, measures_train, objective_metric
from tuner.trial import EpochMetrics, EpochRule

MEASURE_EVERY = 5
"""Train is measured at least every so many epochs, unless a trial asks for more."""

NEAR = 0.03
"""A running accuracy that is at most this far below a train target is worth measuring."""


@dataclass(frozen=True)
class Choice:
    """The epoch that stands for a trial.

    Attributes:
        metrics: the epoch's figures.
        meets: whether they meet every target.
        violations: by the target's text, in units of its scale; None where it was not measured
            (train at this epoch, a figure by class in a record of an older version),
            `LARGE_VIOLATION` where the figure was not finite.
    """

    metrics: EpochMetrics
    meets: bool
    violations: dict[str, float | None]

    @property
    def total(self) -> float:
        """The sum of the violations, unmeasured ones left out."""
        return sum(v for v in self.violations.values() if v is not None)


def meets(metrics: EpochMetrics, targets: Sequence[Target]) -> bool:
    """Whether the epoch meets every target; an unmeasured figure meets none."""
    return all(target.met_by(metrics.figure(target.metric)) for target in targets)


def violations(metrics: EpochMetrics, targets: Sequence[Target]) -> dict[str, float]:
    """Each target's violation by its text; `LARGE_VIOLATION` for what is unmeasured."""
    return {target.text: target.violation(metrics.figure(target.metric)) for target in targets}


def choose(
    epochs: Sequence[EpochMetrics], targets: Sequence[Target], rule: EpochRule
) -> Choice | None:
    """The epoch that stands for the trial, or None where there is no epoch.

    `best` orders the epochs that meet by `objective_metric`, then by val_accuracy, then the
    earliest. Where none meets, epochs with all figures finite come first, of those the fully
    measured ones, then the least sum of violations, and then the same order. The order of `epochs`
    does not matter.
    """
    if not epochs:
        return None
    if rule == "last":
        return _judged(max(epochs, key=lambda e: e.epoch), targets)
    meeting = [e for e in epochs if meets(e, targets)]
    if meeting:
        metric = objective_metric(targets)
        return _judged(min(meeting, key=lambda e: _by_score(e, metric)), targets)
    return min((_judged(e, targets) for e in epochs), key=lambda c: _by_violation(c, targets))


def windows(
    epochs: Sequence[EpochMetrics], targets: Sequence[Target]
) -> tuple[tuple[int, int], ...]:
    """The runs of consecutive epochs that meet every target, as (first, last), 1-based, in order.

    An epoch that was not fully measured, or is absent, ends a run.
    """
    runs: list[tuple[int, int]] = []
    for number in sorted({e.epoch for e in epochs if meets(e, targets)}):
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return tuple(runs)


def only_if_stopped(
    epochs: Sequence[EpochMetrics], targets: Sequence[Target], rule: EpochRule
) -> int | None:
    """The chosen epoch N of what "meets only if stopped at epoch N", else None."""
    choice = choose(epochs, targets, rule)
    if choice is None or not choice.meets:
        return None
    last = max(epochs, key=lambda e: e.epoch)
    return None if meets(last, targets) else choice.metrics.epoch


def measure_train(
    epoch: int,
    epochs_total: int,
    val_figures: EpochMetrics,
    running_accuracy: float | None,
    targets: Sequence[Target],
    early: bool = False,
    every: int = MEASURE_EVERY,
) -> bool:
    """Whether the training split is worth measuring after this epoch.

    Always every fifth epoch and at the last. Where a target needs train figures, also when every
    target that does not need them is met (which holds when there is none), and when the running
    accuracy reaches a train_accuracy limit less 0.03.

    Args:
        epoch: 1-based.
        epochs_total: epochs of a full trial.
        val_figures: this epoch's figures, train still unmeasured; `parameters` filled in.
        running_accuracy: Keras's average over the epoch, in [0, 1], or None.
        targets: the trial's targets.
        early: the trial ends with this epoch, before `epochs_total`.
        every: at least every so many epochs.
    """
    if early or epoch >= epochs_total or epoch % every == 0:
        return True
    if not measures_train(targets):
        return False
    if meets(val_figures, [t for t in targets if not t.needs_train]):
        return True
    limits = [t.value for t in targets if t.metric == "train_accuracy"]
    return running_accuracy is not None and any(running_accuracy >= v - NEAR for v in limits)


def _judged(metrics: EpochMetrics, targets: Sequence[Target]) -> Choice:
    found: dict[str, float | None] = {**violations(metrics, targets)}
    found.update({t.text: None for t in targets if _was_not_measured(t, metrics)})
    return Choice(metrics, meets(metrics, targets), found)


def _was_not_measured(target: Target, metrics: EpochMetrics) -> bool:
    if target.needs_train:
        return metrics.train_accuracy is None
    # Of an epoch that has a val_accuracy, only a record of an older version lacks these.
    old = target.metric in BY_CLASS and metrics.figure(target.metric) is None
    return old and metrics.val_accuracy is not None


def _score(metrics: EpochMetrics, metric: str = "val_accuracy") -> float:
    value = metrics.figure(metric)
    return -math.inf if value is None or not math.isfinite(value) else value


def _by_score(metrics: EpochMetrics, metric: str) -> tuple[float, float, int]:
    return -_score(metrics, metric), -_score(metrics), metrics.epoch


def _by_violation(
    choice: Choice, targets: Sequence[Target]
) -> tuple[bool, bool, float, float, float, int]:
    broken = _score(choice.metrics) == -math.inf or any(
        choice.violations[t.text] is not None and not _finite(choice.metrics.figure(t.metric))
        for t in targets
    )
    unmeasured = None in choice.violations.values()
    by_score = _by_score(choice.metrics, objective_metric(targets))
    return broken, unmeasured, choice.total, *by_score


def _finite(figure: float | None) -> bool:
    return figure is not None and math.isfinite(figure)
