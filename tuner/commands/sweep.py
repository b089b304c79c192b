"""`tuner sweep`: plan all, then run one study after the other, then print one result.

The parent schedules and never trains: TensorFlow is imported in the workers only.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from rich.console import Console

from tuner.commands.machine import fitting_workers, user, versions
from tuner.commands.output import print_outcomes
from tuner.commands.plan import Plan, make_plan
from tuner.commands.progress import Observer, make_observer
from tuner.definition import Overrides
from tuner.errors import UsageError
from tuner.executors.processes import ProcessExecutor
from tuner.report.selection import Outcome, select
from tuner.search.outbox import Outbox
from tuner.search.pruners import Pruning
from tuner.search.scheduler import Controls, Ended, Notice, Scheduler, StopReason
from tuner.search.study import SweepStudy, Ticket, open_study
from tuner.tracking.base import CloseStatus, SweepInfo
from tuner.tracking.mlflow import MlflowRecorder
from tuner.trial import TrialSpec
from tuner.workspace import Workspace

INTERRUPTED = 130
TERMINATED = 143
NONE_MEETS = 3
KEPT_WEIGHTS = 20


@dataclass(frozen=True)
class SweepRequest:
    """What the command line asks for.

    Attributes:
        names: definitions or studies, in order.
        overrides: changes to the definitions.
        folder: the working directory.
        data_dir: the user's own data sets, or None.
        study: a name for the study; with one name only.
        add: so many more trials than the study has, instead of a total.
        timeout: seconds after which running trials are handed back, or None.
        workers: worker processes, or None for as many as fit.
        format: `table`, `json` or `csv`.
        exit_zero: turn "none meets" into success.
        quiet: no progress.
        dry_run: print proposals, train nothing.
        command: the command line, for the record.
    """

    names: tuple[str, ...]
    overrides: Overrides
    folder: Path
    data_dir: Path | None = None
    study: str | None = None
    add: int | None = None
    timeout: float | None = None
    workers: int | None = None
    format: str = "table"
    exit_zero: bool = False
    quiet: bool = False
    dry_run: bool = False
    command: str = ""


@dataclass
class Interruption:
    """What signals have asked for; shared by the handlers and the schedulers.

    The first Ctrl-C lets running trials finish; SIGTERM hands them back; a second signal ends the
    process at once, and what ran is recognised as lost by the next one.
    """

    controls: Controls = field(default_factory=Controls)
    exit_code: int | None = None

    def handle(self, number: int, frame: FrameType | None) -> None:
        code = INTERRUPTED if number == signal.SIGINT else TERMINATED
        if self.exit_code is not None:
            if os.isatty(2):
                os.write(2, b"\x1b[?25h\n")  # the live display hid the cursor
            os._exit(code)
        self.exit_code = code
        if number != signal.SIGINT:
            self.controls.hand_back = True
            text = "Handing running trials back …\n"
        else:
            self.controls.drain = True
            text = "Running trials finish; press Ctrl-C again to stop at once.\n"
        # Not the console: a handler may interrupt it in the middle of a line.
        os.write(2, text.encode())


def run_sweep(request: SweepRequest) -> int:
    """Run the sweeps of `request`; returns the exit code."""
    if request.study is not None and len(request.names) > 1:
        raise UsageError("--name names one study; give one sweep with it.")
    workspace = Workspace(request.folder).create()
    console = Console(stderr=True)
    plans = [
        make_plan(
            workspace,
            name,
            request.overrides,
            request.data_dir,
            request.study,
            lambda text: console.print(text, markup=False, highlight=False),
        )
        for name in request.names
    ]
    names = [plan.study for plan in plans]
    if len(set(names)) < len(names):
        raise UsageError(f"two of these sweeps are one study: {', '.join(names)}.")
    if request.dry_run:
        from tuner.commands.preview import print_preview

        print_preview(plans, request.format, request.command)
        return 0
    deadline = None if request.timeout is None else time.monotonic() + request.timeout
    interruption = Interruption()
    outcomes: list[Outcome] = []
    with _signals(interruption):
        for plan in plans:
            outcome, reason = _run_one(
                request, workspace, plan, console, deadline, interruption.controls
            )
            outcomes.append(outcome)
            if reason in ("drained", "handed back", "timeout"):
                break
    print_outcomes(outcomes, request.format)
    if interruption.exit_code is not None:
        return interruption.exit_code
    if all(outcome.meets for outcome in outcomes) or request.exit_zero:
        return 0
    return NONE_MEETS


def _run_one(
    request: SweepRequest,
    workspace: Workspace,
    plan: Plan,
    console: Console,
    deadline: float | None,
    controls: Controls,
) -> tuple[Outcome, StopReason]:
    """One study from opening to its outcome."""
    definition = plan.definition
    study = open_study(workspace, plan.study, definition, plan.identity, plan.base)
    try:
        before = study.records()
        total = definition.trials if request.add is None else len(before) + request.add
        study.set_requested(max(total, len(before)))
        done = [r for r in before if r.state in ("complete", "pruned", "failed")]
        so_far = _outcome(plan, study, total)
        workers = _workers(request, total - len(done))
        observer = make_observer(
            console, plan.study, total, len(done), len(so_far.meets), workers, request.quiet
        )
        reason = _train(
            request, workspace, plan, study, total, observer, workers, deadline, controls
        )
        if reason == "exhausted":
            total = len(study.records())
            study.set_requested(total)
            observer.say(
                f"The grid has {study.grid_size} configurations and all are done: "
                f"{plan.study} ends with {total} trials."
            )
        return _outcome(plan, study, total), reason
    finally:
        study.close()


def _train(
    request: SweepRequest,
    workspace: Workspace,
    plan: Plan,
    study: SweepStudy,
    total: int,
    observer: Observer,
    workers: int,
    deadline: float | None,
    controls: Controls,
) -> StopReason:
    definition = plan.definition
    outbox = Outbox(
        study,
        MlflowRecorder(workspace.root),
        _info(request, plan, study),
        definition.targets,
        definition.epoch,
        observer.say,
    )
    # Workers import TensorFlow while the parent opens the tracking store.
    executor = ProcessExecutor(workers, workspace.logs) if workers else None
    status: CloseStatus = "failed"
    reason: StopReason = "done"
    try:
        with observer:
            outbox.flush()
            if executor is not None:
                reason = Scheduler(
                    study=study,
                    executor=executor,
                    outbox=outbox,
                    pruning=Pruning(
                        definition.pruner, study, definition.targets, definition.epochs
                    ),
                    targets=definition.targets,
                    rule=definition.epoch,
                    make_spec=lambda ticket: make_spec(workspace, plan, study, ticket),
                    total=total,
                    deadline=deadline,
                    observe=_Observing(observer, plan, study, total),
                    controls=controls,
                ).run()
        status = "finished" if reason in ("done", "exhausted") else "interrupted"
    finally:
        if executor is not None:
            executor.close()
        remaining = outbox.close(status, _summary(_outcome(plan, study, total)))
    if remaining:
        observer.say(f"{remaining} trials are not in MLflow yet; the next run records them.")
    return reason


def make_spec(workspace: Workspace, plan: Plan, study: SweepStudy, ticket: Ticket) -> TrialSpec:
    """What a worker needs to train `ticket`."""
    definition = plan.definition
    weights = workspace.weights(study.uid) / f"trial-{ticket.origin}.npz"
    return TrialSpec(
        attempt=ticket.attempt,
        study=study.name,
        origin=ticket.origin,
        data=str(plan.data.path.resolve()),
        fingerprint=plan.data.fingerprint,
        model=definition.model,
        params=ticket.params,
        split=definition.split,
        seed=ticket.seed,
        epochs=definition.epochs,
        epoch=definition.epoch,
        targets=tuple(target.text for target in definition.targets),
        early_stopping=definition.early_stopping,
        keep_weights=str(weights.resolve()),
    )


@dataclass(frozen=True)
class _Observing:
    """Passes notices on, and after each trial drops the weights that are not worth keeping."""

    observer: Observer
    plan: Plan
    study: SweepStudy
    total: int

    def __call__(self, notice: Notice) -> None:
        self.observer(notice)
        if isinstance(notice, Ended):
            drop_weights(_outcome(self.plan, self.study, self.total))


def drop_weights(outcome: Outcome) -> None:
    """Delete weights beyond those of trials that meet and the nearest, 20 at most."""
    kept = [*outcome.meets, *outcome.nearest][:KEPT_WEIGHTS]
    keep = {entry.trial for entry in kept}
    for entry in outcome.entries:
        if entry.record.weights and entry.trial not in keep:
            Path(entry.record.weights).unlink(missing_ok=True)


def _outcome(plan: Plan, study: SweepStudy, total: int) -> Outcome:
    definition = plan.definition
    records = study.records()
    return select(
        plan.study,
        definition.dataset,
        records,
        definition.targets,
        definition.epoch,
        max(total, len(records)),
    )


def _info(request: SweepRequest, plan: Plan, study: SweepStudy) -> SweepInfo:
    definition = plan.definition
    return SweepInfo(
        study=plan.study,
        study_uid=study.uid,
        dataset=definition.dataset,
        user=user(),
        definition=definition.to_json(),
        targets=tuple(target.text for target in definition.targets),
        command=request.command or " ".join(sys.argv),
        versions=versions(),
        fingerprint=plan.data.fingerprint,
        seed=definition.seed,
    )


def _summary(outcome: Outcome) -> dict[str, float | int | str]:
    """What the parent run shows of the whole sweep."""
    from tuner.report.tables import sentence

    counts = outcome.counts
    found: dict[str, float | int | str] = {
        "trials_finished": counts.finished,
        "trials_complete": counts.complete,
        "trials_pruned": counts.pruned,
        "trials_failed": counts.failed,
        "trials_meeting": len(outcome.meets),
        "summary": sentence(outcome),
    }
    best = outcome.meets[0] if outcome.meets else outcome.best
    if best is not None:
        value = best.figure("val_accuracy")
        if value is not None:
            found["best_val_accuracy"] = value
        found["best_trial"] = str(best.trial)
    return found


def _workers(request: SweepRequest, left: int) -> int:
    """How many worker processes to start: none when nothing is left to do."""
    if left <= 0:
        return 0
    return min(left, request.workers or fitting_workers())


@contextmanager
def _signals(interruption: Interruption) -> Iterator[None]:
    """Route SIGINT, SIGTERM and SIGHUP to `interruption` for the block.

    A SIGHUP that is ignored already, as by `nohup`, stays ignored.
    """
    numbers = [signal.SIGINT, signal.SIGTERM]
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)  # the terminal is gone: as good a reason to hand back
    before = {number: signal.signal(number, interruption.handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
