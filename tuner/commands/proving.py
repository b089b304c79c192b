"""Putting trials to the test: repeats, then the test split for those that stand, then MLflow.

The rule: each step is stored in the study before the next begins, so that whoever comes back goes
on where it stopped; the verdict is never stored but read off the repeats (`report.confirmation`).
The test split is read here and nowhere else, for confirmed trials alone, once each.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tuner.commands.plan import Plan
from tuner.commands.repeating import chosen_epoch
from tuner.errors import TunerError
from tuner.executors.base import Executor
from tuner.executors.errand import run_errand
from tuner.locks import are_missing, open_lock, try_lock
from tuner.report.confirmation import Confirmation, confirmations, judged_repeats
from tuner.report.selection import judge
from tuner.scores import TestScore
from tuner.search.records import repeat_key, test_key
from tuner.search.repeats import (
    Planned,
    RepeatEnded,
    RepeatProgressed,
    in_order,
    plan_repeats,
    run_repeats,
    spec_of,
    weights_file,
)
from tuner.search.scheduler import Controls, StopReason
from tuner.search.study import SweepStudy
from tuner.trial import Repeat
from tuner.workspace import Workspace

SEEDS = 5
TOP = 3
FUTILE_AFTER = 3
"""Fresh repeats after which a mean that misses a target ends the proof, where that is asked for."""


@dataclass(frozen=True)
class Proving:
    """What it takes to put trials of an open study to the test.

    Attributes:
        workspace, plan, study: where the trials are.
        executor: where repeats are trained; None where all are there.
        controls: set by signal handlers.
        observe: called with what a person may want to see.
        say: prints one line that must not be missed.
        deadline: `time.monotonic()` at which repeats that run are given up, or None.
        predict: what reads the test split; in a child process by default.
    """

    workspace: Workspace
    plan: Plan
    study: SweepStudy
    executor: Executor | None
    controls: Controls = field(default_factory=Controls)
    observe: Callable[[RepeatEnded | RepeatProgressed], None] = lambda notice: None
    say: Callable[[str], None] = lambda text: None
    deadline: float | None = None
    predict: Callable[[dict[str, object]], dict[str, list[dict[str, float]]]] | None = None

    @property
    def folder(self) -> Path:
        """Where weights of the study are kept."""
        return self.workspace.weights(self.study.uid)


def prove(
    proving: Proving,
    origins: Sequence[int],
    seeds: int = SEEDS,
    *,
    same_split: bool = False,
    own: bool = True,
    give_up_early: bool = False,
) -> StopReason:
    """Train what is missing of the repeats of these trials, and test those that are confirmed.

    Args:
        proving: see there. One process at a time proves trials of a study (`proving_alone`).
        origins: the trials.
        seeds: fresh seeds a trial.
        same_split: keep each trial's own split.
        own: repeat each trial's own seed, too.
        give_up_early: leave the rest of a trial's repeats out once `FUTILE_AFTER` of them are there
            and a mean misses its target. It can only confirm fewer, never more.
    """
    plans = plan_all(
        proving.study, proving.plan, proving.folder, origins, seeds, same_split=same_split, own=own
    )

    def keep(planned: Planned, repeat: Repeat) -> None:
        record = planned.record
        proving.study.note(repeat_key(record.number, repeat.kind, repeat.index), repeat.to_json())

    def futile(planned: Planned) -> bool:
        return give_up_early and _is_futile(proving, planned.record.origin)

    reason: StopReason = "done"
    if any(plans):
        assert proving.executor is not None
        reason = run_repeats(
            proving.executor,
            in_order(plans),
            keep,
            proving.observe,
            proving.controls,
            proving.deadline,
            futile,
        )
    for origin in origins:
        _restore_weights(proving, origin)
    if reason == "done":
        read_test_split(proving, origins)
        _tidy(proving, origins)
    return reason


@contextmanager
def proving_alone(workspace: Workspace, study: SweepStudy) -> Iterator[bool]:
    """Whether no other process proves trials of this study; none begins during the block."""
    descriptor = open_lock(workspace.lock(f"confirm-{study.uid}"))
    try:
        try:
            alone = try_lock(descriptor)
        except OSError as error:
            if not are_missing(error):
                raise
            alone = True  # `say_missing` has said what that means
        yield alone
    finally:
        os.close(descriptor)


def plan_all(
    study: SweepStudy,
    plan: Plan,
    folder: Path,
    origins: Sequence[int],
    seeds: int,
    *,
    same_split: bool,
    own: bool = True,
) -> list[list[Planned]]:
    """What is still to be trained, by trial; arguments as those of `prove`."""
    records = {record.origin: record for record in study.records()}
    return [
        plan_repeats(
            records[origin],
            chosen_epoch(records[origin], plan.definition),
            spec_of(records[origin], plan.data.path),
            seeds,
            folder,
            same_split=same_split,
            own=own,
        )
        for origin in origins
    ]


def verdicts(proving: Proving) -> dict[int, Confirmation]:
    """What the repeats prove so far, by trial."""
    definition = proving.plan.definition
    return confirmations(proving.study.records(), definition.targets, definition.epoch)


def read_test_split(proving: Proving, origins: Sequence[int]) -> None:
    """Note what confirmed trials reach on the test split, unless that is known."""
    found = verdicts(proving)
    confirmed = [
        origin
        for origin in origins
        if origin in found and found[origin].verdict == "confirmed" and found[origin].test is None
    ]
    if not confirmed:
        return
    if not proving.plan.data.has_test:
        proving.say(f"{proving.plan.data.name} has no test split: nothing more can be measured.")
        return
    for origin in confirmed:
        _read_test(proving, origin)


def _read_test(proving: Proving, origin: int) -> None:
    records = proving.study.records()
    record = next(r for r in records if r.origin == origin)
    repeats = judged_repeats(record.repeats)
    files = [weights_file(proving.folder, record, r.kind, r.index) for r in repeats]
    first = Path(record.weights) if record.weights else None  # see `_restore_weights`
    known = [file for file in files if file.exists()]
    if first is None:
        proving.say(
            f"The weights of trial {origin} are gone, so that the test split was not read for it."
        )
        return
    spec = spec_of(record, proving.plan.data.path)
    request: dict[str, object] = {
        "spec": spec.to_json(),
        "weights": [str(first), *map(str, known)],
        "part": "test",
        "out": None,
    }
    try:
        figures = _figures(proving, request)
    except TunerError as error:
        if not proving.controls.hand_back:
            proving.say(f"The test split was not read for trial {origin}: {error}")
        return
    definition = proving.plan.definition
    judged = [judge(r, definition.targets, definition.epoch).verdict for r in records]
    score = TestScore(
        accuracy=figures[0]["accuracy"],
        loss=figures[0]["loss"],
        rows=int(figures[0]["rows"]),
        repeats=tuple((f["accuracy"], f["loss"]) for f in figures[1:]),
        looked_at=sum(verdict is not None for verdict in judged),
        read_before=sum(r.test is not None for r in records),
        at=time.time(),
        balanced_accuracy=figures[0].get("balanced_accuracy"),
        macro_f1=figures[0].get("macro_f1"),
    )
    proving.study.note(test_key(record.number), score.to_json())


def _figures(proving: Proving, request: dict[str, object]) -> list[dict[str, float]]:
    if proving.predict is not None:
        return proving.predict(request)["figures"]
    found: list[dict[str, float]] = run_errand(
        "tuner.training.inference:predict",
        request,
        proving.workspace.logs,
        lambda: proving.controls.hand_back,
    )["figures"]
    return found


def _tidy(proving: Proving, origins: Sequence[int]) -> None:
    """Remove the weights of repeats that nothing will ask for again."""
    found = verdicts(proving)
    for record in proving.study.records():
        over = record.origin in found and (
            found[record.origin].verdict == "fluke"
            or record.test is not None
            or not proving.plan.data.has_test
        )
        if record.origin in origins and over:
            for repeat in record.proofs:
                file = weights_file(proving.folder, record, repeat.kind, repeat.index)
                file.unlink(missing_ok=True)


def _is_futile(proving: Proving, origin: int) -> bool:
    """Whether the repeats so far make it plain that a trial will not be confirmed."""
    found = verdicts(proving).get(origin)
    return found is not None and found.seeds >= FUTILE_AFTER and found.verdict == "fluke"


def _restore_weights(proving: Proving, origin: int) -> None:
    """Give a trial back the weights that were dropped, where its own seed reproduced it."""
    record = next(r for r in proving.study.records() if r.origin == origin)
    own = weights_file(proving.folder, record, "own", 0)
    found = verdicts(proving).get(origin)
    if record.weights or not own.exists() or found is None or found.reproduces != "exactly":
        return
    own.replace(proving.folder / f"trial-{origin}.npz")
