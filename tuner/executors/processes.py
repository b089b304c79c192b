"""Trials in worker processes of this machine, started by spawn and kept warm.

The rule: a worker owns nothing that its death could take along. A trial whose worker dies comes
back as `TrialLost` and a fresh worker takes the place; workers are replaced after `RECYCLE_AFTER`
trials, because Keras keeps 10 to 13 MB of each (keras-tuner#395, optuna#3050).
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, cast

from tuner.errors import TrainingError
from tuner.executors.base import Event, TrialLost
from tuner.executors.lines import Line, event_of, send_answer, send_decision
from tuner.executors.wire import decode, encode
from tuner.executors.worker import WorkerOptions, main
from tuner.trial import ParamValue, TrialSpec

RECYCLE_AFTER = 40
STARTS_IN_A_ROW = 3
GRACE_SECONDS = 1.0


@dataclass
class _Process:
    line: Line
    process: SpawnProcess
    connection: Connection


class ProcessExecutor:
    """`slots` worker processes.

    Args:
        slots: how many.
        logs: folder for what the workers' libraries print.
        threads: threads for one arithmetic operation in each.
        trainer: dotted path `package.module:function` of the trainer.
    """

    def __init__(
        self,
        slots: int,
        logs: Path,
        threads: int = 1,
        trainer: str = "tuner.training.loop:train",
    ) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._slots = slots
        self._logs = logs
        self._threads = threads
        self._trainer = trainer
        self._failed_starts = 0
        self._closed = False
        self._workers: list[_Process] = []
        for _ in range(slots):
            self._workers.append(self._start())

    @property
    def slots(self) -> int:
        return self._slots

    @property
    def idle(self) -> int:
        return sum(worker.line.attempt is None for worker in self._workers)

    def submit(self, spec: TrialSpec) -> None:
        free = [w for w in self._workers if w.line.attempt is None]
        worker = next((w for w in free if w.line.ready), free[0])
        if worker.line.served >= RECYCLE_AFTER:
            worker = self._replace(worker)
        worker.line.attempt = spec.attempt
        self._send(worker, encode("run", spec=spec.to_json()))

    def poll(self, timeout: float) -> list[Event]:
        by_connection = {worker.connection: worker for worker in self._workers}
        events: list[Event] = []
        for connection in multiprocessing.connection.wait(list(by_connection), timeout):
            worker = by_connection[cast(Connection, connection)]
            try:
                while worker.connection.poll():
                    event = event_of(decode(worker.connection.recv_bytes()), worker.line)
                    if worker.line.ready:
                        self._failed_starts = 0
                    if event is not None:
                        events.append(event)
            except (EOFError, OSError):
                events.extend(self._bury(worker))
        return events

    def decide(self, attempt: str, epoch: int, *, stop: bool) -> None:
        send_decision(self._lines(), attempt, epoch, stop)

    def answer(self, attempt: str, value: ParamValue) -> None:
        send_answer(self._lines(), attempt, value)

    def cancel(self, attempt: str) -> None:
        for worker in self._workers:
            if worker.line.attempt == attempt:
                self._kill(worker)
                self._replace(worker)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for worker in self._workers:
            if worker.line.attempt is None:
                self._send(worker, encode("end"))
            else:
                self._kill(worker)
        deadline = time.monotonic() + GRACE_SECONDS  # for all together: there may be many
        for worker in self._workers:
            worker.process.join(timeout=max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                self._kill(worker)
        for worker in self._workers:
            worker.process.join(timeout=1.0)
            worker.connection.close()
        self._workers.clear()

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the workers, in the order of their places."""
        return tuple(w.process.pid for w in self._workers if w.process.pid is not None)

    def _lines(self) -> Sequence[Line]:
        return [worker.line for worker in self._workers]

    def _start(self) -> _Process:
        pipe: Any = self._context.Pipe()  # Windows has a class of its own for its ends
        ours, theirs = pipe
        options = WorkerOptions(trainer=self._trainer, threads=self._threads, logs=str(self._logs))
        process = self._context.Process(target=main, args=(theirs, options), daemon=True)
        with _without_interrupts():
            process.start()
        theirs.close()
        worker = _Process(Line(lambda message: None), process, ours)
        worker.line.send = lambda message: self._send(worker, message)
        return worker

    def _send(self, worker: _Process, message: bytes) -> None:
        with suppress(OSError):  # the next poll finds the line closed and reports the loss
            worker.connection.send_bytes(message)

    def _kill(self, worker: _Process) -> None:
        # SIGKILL: TensorFlow may sit in a long operation that no handler interrupts.
        worker.process.kill()

    def _replace(self, worker: _Process) -> _Process:
        self._send(worker, encode("end"))
        worker.connection.close()
        fresh = self._start()
        self._workers[self._workers.index(worker)] = fresh
        return fresh

    def _bury(self, worker: _Process) -> list[Event]:
        worker.process.join(timeout=5.0)
        code = worker.process.exitcode
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        if not worker.line.ready:
            self._failed_starts += 1
            if self._failed_starts >= STARTS_IN_A_ROW:
                raise TrainingError(
                    f"workers end before they can train ({how}).\n"
                    f"What they printed is in {self._logs}."
                )
        attempt = worker.line.attempt
        self._replace(worker)
        return [] if attempt is None else [TrialLost(attempt, f"the worker ended by {how}")]


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C in a child from its first moment on; it inherits what holds at its start."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may change handlers
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
