"""The epochs of one trial of a built-in model, one after the other.

The rule: the loop asks the engine for an epoch and `course` what becomes of it, nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from tuner.parameters import is_own
from tuner.training import placement
from tuner.training.base import EpochEngine, Link, OutOfMemoryError
from tuner.training.course import Course, Ending
from tuner.trial import TrialResult, TrialSpec


def train(spec: TrialSpec, link: Link) -> TrialResult:
    """Train `spec` on its prepared data with the model and the engine that it names."""
    if is_own(spec.model):
        from tuner.training.own import train_own

        return train_own(spec, link)
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
    course = Course(spec, link)
    placement.begin_trial()
    try:
        engine = make_engine(spec)
        course.begin(engine)
        ending = None
        while ending is None:
            begun = time.perf_counter()
            with course.clock("train"), placement.epoch():
                running = engine.train_epoch()
            ending = course.epoch(running, begun)
    except (OutOfMemoryError, MemoryError) as error:
        ending = Ending("oom", str(error) or "memory did not suffice")
    return course.result(ending)
