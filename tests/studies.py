"""Studies in a real journal, filled with figures that a test writes down; nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stubs import definition, spec

from tuner.definition import identity
from tuner.search.opening import open_study
from tuner.search.study import SweepStudy
from tuner.search.ticket import Ticket
from tuner.trial import EpochMetrics, ResultStatus, TrialResult
from tuner.workspace import Workspace

Row = tuple[float | None, float | None]
"""val_accuracy and train_accuracy of one epoch."""


@dataclass(frozen=True)
class Told:
    """What a trial ends with."""

    rows: Sequence[Row]
    status: ResultStatus = "complete"
    reason: str | None = None
    ended: float = 1_790_000_000.0


def epochs(rows: Sequence[Row]) -> tuple[EpochMetrics, ...]:
    """One row an epoch; losses are what is missing to an accuracy of 1."""
    return tuple(
        EpochMetrics(
            epoch=number,
            val_accuracy=val,
            val_loss=None if val is None else 1 - val,
            train_accuracy=train,
            train_loss=None if train is None else 1 - train,
            parameters=1000,
            seconds=0.5,
        )
        for number, (val, train) in enumerate(rows, 1)
    )


def open_named(folder: Path, name: str, fingerprint: str = "f00d", **changes: Any) -> SweepStudy:
    """The study `name`; `changes` are keys of a sweep file."""
    made = replace(definition(**changes), name=name)
    return open_study(Workspace(folder).create(), name, made, identity(made, fingerprint))


def begin(study: SweepStudy, total: int = 20, planned: int = 3) -> Ticket:
    """Take a trial and note its spec."""
    ticket = study.next(total)
    assert ticket is not None
    study.start(ticket, replace(spec(ticket.attempt, epochs=planned), fingerprint="f00d"))
    return ticket


def tell(study: SweepStudy, ticket: Ticket, told: Told) -> None:
    """End a trial."""
    rows = epochs(told.rows)
    result = TrialResult(
        told.status,
        told.reason or "",
        rows,
        started=told.ended - 4,
        ended=told.ended,
        device="arithmetic",
    )
    best = max((r.val_accuracy for r in rows if r.val_accuracy is not None), default=None)
    if told.status == "failed":
        best = None
    assert study.finish(ticket.attempt, result, objective=best, violations={})


def make(folder: Path, name: str, *trials: Told, **changes: Any) -> None:
    """A study in which these trials have ended, one after another."""
    study = open_named(folder, name, **changes)
    for told in trials:
        tell(study, begin(study, planned=len(told.rows)), told)
    study.set_requested(len(trials))
    study.close()


GOOD = Told([(0.80, 0.79), (0.88, None), (0.92, 0.94)])
BETTER = Told([(0.85, 0.86), (0.93, 0.94), (0.91, 0.96)])
"""Meets val_accuracy >= 0.9 and train_accuracy < 0.95 at epoch 2 only."""
NEAR = Told([(0.70, 0.71), (0.85, None), (0.89, 0.93)])
FAR = Told([(0.60, 0.61), (0.62, None), (0.64, 0.66)])
