"""What becomes of a trial epoch by epoch, whoever trains it: measured, reported, kept, stopped.

The rule: results do not depend on timing. Training is one epoch ahead of the parent's decision, and
an epoch trained after the one at which the parent said stop is discarded.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tuner.epochs import choose, measure_train
from tuner.targets import Target, parse_targets
from tuner.training.base import Link, Running, Trained
from tuner.training.confusion import balanced_accuracy, macro_f1
from tuner.trial import EarlyStopping, EpochMetrics, ResultStatus, TrialResult, TrialSpec
from tuner.versions import versions


@dataclass(frozen=True)
class Ending:
    """How a trial ends, and one line for a person."""

    status: ResultStatus
    message: str = ""


class Course:
    """One trial on its way.

    Args:
        spec: the trial.
        link: the line to the parent.
    """

    def __init__(self, spec: TrialSpec, link: Link) -> None:
        self.clock = Clock()
        self.epochs: list[EpochMetrics] = []
        self._spec = spec
        self._link = link
        self._started = time.time()
        self._targets = tuple(target for text in spec.targets for target in parse_targets(text))
        self._looks = "gradients" in spec.diagnostics
        self._engine: Trained | None = None
        self._kept = False

    def begin(self, engine: Trained) -> None:
        """The model is there, untrained."""
        self._engine = engine
        self.clock.seconds.update(engine.timings)
        if self._looks:
            engine.look(0)

    def epoch(self, running: Running, begun: float) -> Ending | None:
        """One more epoch was trained; how the trial ends now, or None where it goes on.

        Args:
            running: what Keras says of it.
            begun: `time.perf_counter()` at its beginning.
        """
        engine, spec, epochs = self._engine, self._spec, self.epochs
        assert engine is not None
        number = len(epochs) + 1
        metrics, last = _judged(engine, spec, self._targets, epochs, self.clock, running, begun)
        if epochs and self._told_to_stop(number - 1):
            return Ending("stopped")
        epochs.append(metrics.finite())
        self._link.epoch(epochs[-1])
        if self._looks:
            with self.clock("look"):
                engine.look(number)
        if not _is_finite(metrics):
            return Ending("nan", f"the loss is not finite in epoch {number}")
        if spec.keep_weights and _is_chosen(epochs, self._targets, spec):
            with self.clock("save"):
                engine.snapshot()
            self._kept = True
        if number == spec.epochs:
            return Ending("complete")
        return self.over() if last else None

    def over(self) -> Ending:
        """Training ends before the epochs of the spec are over; how the trial ends."""
        # Wait for the decision on this epoch, so that it does not depend on timing either.
        short = 0 < len(self.epochs) < self._spec.epochs
        stopped = short and self._told_to_stop(len(self.epochs))
        return Ending("stopped" if stopped else "complete")

    def result(self, ending: Ending) -> TrialResult:
        """What the worker reports."""
        spec, engine, weights = self._spec, self._engine, None
        # A loss that is not finite takes nothing from the epochs before.
        ended_well = ending.status in ("complete", "stopped", "nan") and self._kept
        if engine is not None and ended_well and spec.keep_weights:
            with self.clock("save"):
                engine.save_snapshot(Path(spec.keep_weights))
            weights = spec.keep_weights
        # Where memory did not suffice to look at all, there is no epoch either.
        looked = engine is not None and self._looks and self.epochs
        return TrialResult(
            status=ending.status,
            message=ending.message,
            epochs=tuple(self.epochs),
            started=self._started,
            ended=time.time(),
            device=engine.device if engine is not None else "",
            weights=weights,
            timings=self.clock.seconds,
            versions=versions(),
            gradients=engine.looks(len(self.epochs)) if engine and looked else None,
        )

    def _told_to_stop(self, epoch: int) -> bool:
        with self.clock("wait"):
            return self._link.stop_after(epoch)


class Clock:
    """Seconds by phase, added up: `with clock("train"): …`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - begun
            self.seconds[phase] = self.seconds.get(phase, 0.0) + spent


def _judged(
    engine: Trained,
    spec: TrialSpec,
    targets: Sequence[Target],
    before: Sequence[EpochMetrics],
    clock: Clock,
    running: Running,
    begun: float,
) -> tuple[EpochMetrics, bool]:
    """The figures of the epoch that follows `before`; also say whether it is the last.

    Weights that are no longer finite are not measured.
    """
    metrics = EpochMetrics(
        epoch=len(before) + 1,
        val_accuracy=None,
        val_loss=None,
        train_accuracy_running=running.accuracy,
        train_loss_penalised=running.loss_penalised,
        learning_rate=running.learning_rate,
        parameters=engine.parameters,
    )
    last = True
    if running.loss_penalised is None or math.isfinite(running.loss_penalised):
        with clock("evaluate"):
            metrics, last = _measured(engine, spec, targets, before, metrics)
    seconds = time.perf_counter() - begun
    return replace(metrics, seconds=seconds, timestamp=time.time()), last


def _measured(
    engine: Trained,
    spec: TrialSpec,
    targets: Sequence[Target],
    before: Sequence[EpochMetrics],
    metrics: EpochMetrics,
) -> tuple[EpochMetrics, bool]:
    """`metrics` with what the verdict needs; also whether it is the trial's last epoch."""
    validation = engine.measure("validation")
    counts = validation.counts
    metrics = replace(
        metrics,
        val_accuracy=validation.accuracy,
        val_loss=validation.loss,
        val_loss_penalised=validation.loss + engine.penalty(),
        val_balanced_accuracy=balanced_accuracy(counts) if counts else None,
        val_macro_f1=macro_f1(counts) if counts else None,
    )
    last = metrics.epoch == spec.epochs or _stops_early([*before, metrics], spec.early_stopping)
    running = metrics.train_accuracy_running
    wanted = last or metrics.epoch == spec.judge_epoch
    often = spec.measure_every
    if measure_train(metrics.epoch, spec.epochs, metrics, running, targets, wanted, often):
        train = engine.measure("train")
        metrics = replace(metrics, train_accuracy=train.accuracy, train_loss=train.loss)
    return metrics, last


def _is_finite(metrics: EpochMetrics) -> bool:
    running = metrics.train_loss_penalised  # None where a fit of the user's own does not say it
    measured = metrics.val_loss is not None and math.isfinite(metrics.val_loss)
    return measured and (running is None or math.isfinite(running))


def _is_chosen(epochs: Sequence[EpochMetrics], targets: Sequence[Target], spec: TrialSpec) -> bool:
    if spec.judge_epoch is not None:
        return len(epochs) == spec.judge_epoch
    chosen = choose(epochs, targets, spec.epoch)
    return chosen is not None and chosen.metrics.epoch == epochs[-1].epoch


def _stops_early(epochs: Sequence[EpochMetrics], rule: EarlyStopping | None) -> bool:
    """Whether `rule.monitor` has not improved for `rule.patience` epochs, as Keras counts them."""
    if rule is None:
        return False
    sign = -1.0 if rule.monitor == "val_loss" else 1.0
    figures = [e.figure(rule.monitor) for e in epochs]
    values = [-math.inf if f is None or math.isnan(f) else sign * f for f in figures]
    best = values.index(max(values))
    return len(values) - 1 - best >= rule.patience
