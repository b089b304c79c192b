"""Running trials of one study: what `sweep` and `train` have in common.

The parent schedules and never trains: TensorFlow is imported in the workers only.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from tuner.commands.machine import has_room, user, worker_bytes
from tuner.commands.plan import Plan
from tuner.commands.progress import Observer
from tuner.data.prepared import Prepared
from tuner.definition import SweepDefinition
from tuner.epochs import MEASURE_EVERY
from tuner.executors.base import Executor
from tuner.executors.processes import ProcessExecutor
from tuner.parameters import epochs_of, is_own
from tuner.report.selection import Outcome, Shortlist, select
from tuner.search.outbox import Outbox
from tuner.search.pruners import Pruning
from tuner.search.scheduler import Controls, Ended, Notice, Scheduler, StopReason
from tuner.search.study import SweepStudy
from tuner.search.ticket import Ticket
from tuner.tracking.apart import RecorderApart
from tuner.tracking.base import CloseStatus, SweepInfo
from tuner.trial import EarlyStopping, Params, TrialRecord, TrialSpec
from tuner.versions import versions
from tuner.workspace import Workspace

INTERRUPTED = 130
TERMINATED = 143
NONE_MEETS = 3
KEPT_WEIGHTS = 20
# oneDNN halves the time of convolutions on a CPU. It adds in another order, so a model is trained
# with it always or never; perceptrons are trained without.
FOR_CONVOLUTIONS = {"TF_ENABLE_ONEDNN_OPTS": "1"}


@dataclass(frozen=True)
class Job:
    """One study that is open, and how its trials are to be run.

    Attributes:
        workspace: the working directory.
        plan: what the study is.
        study: the study, open.
        total: logical trials that it shall have.
        workers: worker processes; 0 when nothing is left to train.
        command: the command line, for the record.
        take: the next trial; None for whatever the study has next.
        deadline: `time.monotonic()` at which running trials are handed back, or None.
        enough: asked before each trial; true ends the sweep early.
    """

    workspace: Workspace
    plan: Plan
    study: SweepStudy
    total: int
    workers: int
    command: str = ""
    take: Callable[[], Ticket | None] | None = None
    deadline: float | None = None
    enough: Callable[[], bool] = lambda: False

    def outcome(self) -> Outcome:
        """What the study has shown so far."""
        definition = self.plan.definition
        records = self.study.records()
        return select(
            self.plan.study,
            definition.data_name,
            records,
            definition.targets,
            definition.epoch,
            max(self.total, len(records)),
        )


@dataclass
class Interruption:
    """What signals have asked for; shared by the handlers and the schedulers.

    The first Ctrl-C lets running trials finish; SIGTERM hands them back. A second signal ends the
    process at once, and what ran is recognised as lost by the next one. Where the process is not
    ours to end, a second Ctrl-C hands back, and a third is a KeyboardInterrupt.

    Attributes:
        draining, handing_back: what is said then.
        ends_process: whether a second signal ends the process.
        controls: what schedulers read.
        exit_code: of the process, once a signal has come.
    """

    draining: str = "Running trials finish; press Ctrl-C again to stop at once.\n"
    handing_back: str = "Handing running trials back …\n"
    ends_process: bool = True
    controls: Controls = field(default_factory=Controls)
    exit_code: int | None = None

    def handle(self, number: int, frame: FrameType | None) -> None:
        code = INTERRUPTED if number == signal.SIGINT else TERMINATED
        again = self.exit_code is not None
        if again and self.ends_process:
            if os.isatty(2):
                os.write(2, b"\x1b[?25h\n")  # the live display hid the cursor
            os.write(2, b"Stopped at once; the next sweep repeats what was running.\n")
            os._exit(code)
        if again and number == signal.SIGINT and self.controls.hand_back:
            raise KeyboardInterrupt
        # The end of the process is asked for by whatever is no Ctrl-C, before or after one.
        self.exit_code = code if self.exit_code is None else max(code, self.exit_code)
        if number != signal.SIGINT or again:
            self.controls.hand_back = True
            text = self.handing_back
        else:
            self.controls.drain = True
            text = self.draining
        # Not the console: a handler may interrupt it in the middle of a line.
        os.write(2, text.encode())


@contextmanager
def signals_to(interruption: Interruption) -> Iterator[None]:
    """Route SIGINT, SIGTERM and SIGHUP to `interruption` for the block.

    A SIGHUP that is ignored already, as by `nohup`, stays ignored. Outside the main thread, which
    alone may change handlers, nothing is routed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [signal.SIGINT, signal.SIGTERM]
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)  # the terminal is gone: as good a reason to hand back
    before = {number: signal.signal(number, interruption.handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            # None: one that was not set from Python, and cannot be set again by it.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def train_trials(
    job: Job, observer: Observer, controls: Controls, executor: Executor | None = None
) -> StopReason:
    """Train the job's trials and record them; returns why it ended.

    Args:
        job: what to train.
        observer: shows it.
        controls: set by signal handlers.
        executor: workers that are there already and stay; started and ended here by default.
    """
    plan, study, workspace = job.plan, job.study, job.workspace
    definition = plan.definition
    lent = executor is not None
    # Workers import TensorFlow while the outbox opens the tracking store in the background.
    if executor is None and job.workers:
        executor = start_executor(workspace, plan.data, definition.model, job.workers)
    outbox = Outbox(
        study,
        RecorderApart(workspace.root),
        sweep_info(plan, study, job.command),
        definition.targets,
        definition.epoch,
        observer.say,
    )
    status: CloseStatus = "failed"
    reason: StopReason = "done"
    try:
        with observer:
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
                    total=job.total,
                    deadline=job.deadline,
                    observe=_Observing(observer, job),
                    controls=controls,
                    take=job.take,
                    enough=job.enough,
                ).run()
        status = "finished" if reason in ("done", "exhausted", "enough") else "interrupted"
    finally:
        if executor is not None and not lent:
            executor.close()
        remaining = outbox.close(status, _summary(job.outcome()), haste=controls.hand_back)
    if remaining:
        observer.say(f"{remaining} trials are not in MLflow yet; the next run records them.")
    return reason


def start_executor(
    workspace: Workspace, data: Prepared, model: str, workers: int
) -> ProcessExecutor:
    """Worker processes for trials of `model` on `data`, starting."""
    most = worker_bytes(data)
    return ProcessExecutor(
        workers,
        workspace.logs,
        most=most,
        room=lambda: has_room(most),
        environment={} if model == "mlp" else FOR_CONVOLUTIONS,
    )


def make_spec(workspace: Workspace, plan: Plan, study: SweepStudy, ticket: Ticket) -> TrialSpec:
    """What a worker needs to train `ticket`."""
    definition = plan.definition
    weights = workspace.weights(study.uid) / f"trial-{ticket.origin}.npz"
    # Nobody knows which epoch is the last one of a fit of the user's own.
    every = is_own(definition.model) or (ticket.variant and definition.seeds > 1)
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
        epochs=epochs_of(ticket.params, definition.epochs),
        epoch=definition.epoch,
        targets=tuple(target.text for target in definition.targets),
        early_stopping=_stopping(definition, ticket.params),
        engine=definition.engine,
        keep_weights=str(weights.resolve()),
        diagnostics=definition.diagnostics,
        # What is compared has to be there in every training of a variant, at whatever epoch.
        measure_every=1 if every else MEASURE_EVERY,
        asks=is_own(definition.model),
    )


def _stopping(definition: SweepDefinition, params: Params) -> EarlyStopping | None:
    own, rule = params.get("patience"), definition.early_stopping
    if not isinstance(own, int):
        return rule
    return EarlyStopping(rule.monitor if rule else "val_loss", own)


class _Observing:
    """Passes notices on, and after each trial drops the weights that are not worth keeping.

    Those of a trial that was put to the test stay: what it was tested by is what leaves the house.
    """

    def __init__(self, observer: Observer, job: Job) -> None:
        self._observer = observer
        self._study = job.study
        definition = job.plan.definition
        self._keeps_variants = keeps_weights_of_variants(definition)
        self._shortlist = Shortlist(definition.targets, definition.epoch, KEPT_WEIGHTS)
        self._seen = 0

    def __call__(self, notice: Notice) -> None:
        self._observer(notice)
        if isinstance(notice, Ended):
            ended = self._study.ended
            over = [one for record in ended[self._seen :] for one in self._shortlist.add(record)]
            tested = self._study.tested if over else frozenset()
            drop_weights(
                record
                for record in over
                if record.number not in tested and not (self._keeps_variants and record.variant)
            )
            self._seen = len(ended)


def keeps_weights_of_variants(definition: SweepDefinition) -> bool:
    """Whether something will be asked of variants that takes their weights."""
    return definition.test == "compare" or "misclassified" in definition.diagnostics


def drop_weights(records: Iterable[TrialRecord]) -> None:
    """Delete the weights of trials that are neither among those that meet nor near to it."""
    for record in records:
        if record.weights:
            Path(record.weights).unlink(missing_ok=True)


def sweep_info(plan: Plan, study: SweepStudy, command: str) -> SweepInfo:
    """What the parent run says of a sweep."""
    definition = plan.definition
    return SweepInfo(
        study=plan.study,
        study_uid=study.uid,
        dataset=definition.data_name,
        user=user(),
        definition=definition.to_json(),
        targets=tuple(target.text for target in definition.targets),
        command=command or " ".join(sys.argv),
        versions=versions(),
        fingerprint=plan.data.fingerprint,
        seed=definition.seed,
    )


def _summary(outcome: Outcome) -> dict[str, float | int | str]:
    """What the parent run shows of the whole sweep."""
    from tuner.report.sentences import sentence

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
        score = best.figure(outcome.objective)
        if score is not None:
            found[f"best_{outcome.objective}"] = score
        found["best_trial"] = str(best.trial)
    return found
