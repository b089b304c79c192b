"""The epochs of one trial: train, measure as often as the verdict needs it, report, heed the stop.

The rule: results do not depend on timing. The loop trains one epoch ahead of the parent's decision,
and an epoch trained after the one at which the parent said stop is discarded.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tuner.epochs import choose, measure_train
from tuner.targets import Target, parse_targets
from tuner.training import placement
from tuner.training.base import EpochEngine, Link, OutOfMemoryError
from tuner.trial import EarlyStopping, EpochMetrics, ResultStatus, TrialResult, TrialSpec
from tuner.versions import versions


def train(spec: TrialSpec, link: Link) -> TrialResult:
    """Train `spec` on its prepared data with the engine that it names."""
    return run_epochs(spec, link, engine_for(spec))


def engine_for(spec: TrialSpec) -> Callable[[TrialSpec], EpochEngine]:
    """What makes the engine that `spec` names."""
    if spec.engine == "fit":
        from tuner.training.fit import FitEngine

        return FitEngine
    from tuner.training.compiled import CompiledEngine

    return CompiledEngine


def warm(threads: int) -> None:
    """Import what the first trial would otherwise wait for."""
    from tuner.training.backend import configure

    configure(threads)


def run_epochs(
    spec: TrialSpec, link: Link, make_engine: Callable[[TrialSpec], EpochEngine]
) -> TrialResult:
    """Run the epochs of `spec` on the engine that `make_engine` builds.

    Returns a result of status `complete`, `stopped`, `nan` or `oom`; other exceptions are the
    executor's to report.
    """
    started = time.time()
    clock = Clock()
    targets = tuple(target for text in spec.targets for target in parse_targets(text))
    epochs: list[EpochMetrics] = []
    engine: EpochEngine | None = None
    kept: int | None = None
    looks = "gradients" in spec.diagnostics

    def ended(status: ResultStatus, message: str = "") -> TrialResult:
        weights = None
        # A loss that is not finite takes nothing from the epochs before.
        ended_well = status in ("complete", "stopped", "nan") and kept is not None
        if engine is not None and ended_well and spec.keep_weights:
            with clock("save"):
                engine.save_snapshot(Path(spec.keep_weights))
            weights = spec.keep_weights
        return TrialResult(
            status=status,
            message=message,
            epochs=tuple(epochs),
            started=started,
            ended=time.time(),
            device=engine.device if engine is not None else "",
            weights=weights,
            timings=clock.seconds,
            versions=versions(),
            # Where memory did not suffice to look at all, there is no epoch either.
            gradients=engine.looks(len(epochs)) if engine and looks and epochs else None,
        )

    def told_to_stop(epoch: int) -> bool:
        with clock("wait"):
            return link.stop_after(epoch)

    placement.begin_trial()
    try:
        engine = make_engine(spec)
        clock.seconds.update(engine.timings)
        if looks:
            engine.look(0)
        for number in range(1, spec.epochs + 1):
            metrics, last = _one_epoch(engine, spec, targets, epochs, clock)
            if epochs and told_to_stop(number - 1):
                return ended("stopped")
            epochs.append(metrics.finite())
            link.epoch(epochs[-1])
            if looks:
                with clock("look"):
                    engine.look(number)
            if not _is_finite(metrics):
                return ended("nan", f"the loss is not finite in epoch {number}")
            if spec.keep_weights and _is_chosen(epochs, targets, spec):
                with clock("save"):
                    engine.snapshot()
                kept = number
            if last and number < spec.epochs:
                # Wait for the decision on this epoch, so that it does not depend on timing either.
                return ended("stopped" if told_to_stop(number) else "complete")
    except (OutOfMemoryError, MemoryError) as error:
        return ended("oom", str(error) or "memory did not suffice")
    return ended("complete")


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


def _one_epoch(
    engine: EpochEngine,
    spec: TrialSpec,
    targets: Sequence[Target],
    before: Sequence[EpochMetrics],
    clock: Clock,
) -> tuple[EpochMetrics, bool]:
    """Train and measure the epoch that follows `before`; also say whether it is the last.

    Weights that are no longer finite are not measured.
    """
    begun = time.perf_counter()
    with clock("train"), placement.epoch():
        running = engine.train_epoch()
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
    if math.isfinite(running.loss_penalised):
        with clock("evaluate"):
            metrics, last = _measured(engine, spec, targets, before, metrics)
    seconds = time.perf_counter() - begun
    return replace(metrics, seconds=seconds, timestamp=time.time()), last


def _measured(
    engine: EpochEngine,
    spec: TrialSpec,
    targets: Sequence[Target],
    before: Sequence[EpochMetrics],
    metrics: EpochMetrics,
) -> tuple[EpochMetrics, bool]:
    """`metrics` with what the verdict needs; also whether it is the trial's last epoch."""
    validation = engine.measure("validation")
    metrics = replace(
        metrics,
        val_accuracy=validation.accuracy,
        val_loss=validation.loss,
        val_loss_penalised=validation.loss + engine.penalty(),
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
    losses = (metrics.val_loss, metrics.train_loss_penalised)
    return all(loss is not None and math.isfinite(loss) for loss in losses)


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
