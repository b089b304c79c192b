"""Trials in worker processes of this machine, started by spawn and kept warm.

The rule: a worker owns nothing that its death could take along. A trial whose worker dies comes
back as `TrialLost` and a fresh worker takes the place; a worker that has grown (`recycling`) is
replaced as well, and serves on until the fresh one is ready.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, cast

from tuner.errors import TrainingError
from tuner.executors.base import Event, TrialLost
from tuner.executors.lines import Line, event_of, send_answer, send_decision
from tuner.executors.recycling import outgrown
from tuner.executors.unseen import main_unseen
from tuner.executors.wire import decode, encode
from tuner.executors.worker import WorkerOptions, main
from tuner.trial import ParamValue, TrialSpec

STARTS_IN_A_ROW = 3
GRACE_SECONDS = 1.0
ROOM_EVERY = 5.0


@dataclass(eq=False)
class _Process:
    """A worker.

    Attributes:
        line, process, connection: it, and the way to it.
        shapes: when it last trained a shape, as a running number.
        successor: the process that is to take its place, once that is ready.
    """

    line: Line
    process: SpawnProcess
    connection: Connection
    shapes: dict[str, int] = field(default_factory=dict)
    successor: _Process | None = None


class ProcessExecutor:
    """`slots` worker processes.

    Args:
        slots: how many.
        logs: folder for what the workers' libraries print.
        threads: threads for one arithmetic operation in each.
        trainer: dotted path `package.module:function` of the trainer.
        pin: whether workers may claim a core each and train on it where that is faster.
        recycle: whether workers that have grown are replaced.
        most: bytes that a worker was reckoned to take, or None.
        room: whether memory allows one process more for a moment.
        environment: variables that the workers' libraries read, for those that are not set.
    """

    def __init__(
        self,
        slots: int,
        logs: Path,
        threads: int = 1,
        trainer: str = "tuner.training.loop:train",
        *,
        pin: bool = True,
        recycle: bool = True,
        most: int | None = None,
        room: Callable[[], bool] = lambda: True,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._slots = slots
        self._logs = logs
        self._threads = threads
        self._trainer = trainer
        self._pin = pin
        self._recycle = recycle
        self._most = most
        self._room = room
        self._environment = tuple((environment or {}).items())
        self._full_until = 0.0
        self._failed_starts = 0
        self._submitted = 0
        self._starts: list[float] = []
        self._closed = False
        self._workers: list[_Process] = []
        self._leaving: list[_Process] = []
        for _ in range(slots):
            self._workers.append(self._start())

    @property
    def slots(self) -> int:
        return self._slots

    @property
    def idle(self) -> int:
        return sum(worker.line.attempt is None for worker in self._workers)

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the workers, in the order of their places."""
        return tuple(w.process.pid for w in self._workers if w.process.pid is not None)

    @property
    def starts(self) -> tuple[float, ...]:
        """Seconds from the start of each process until it could train, as they came."""
        return tuple(self._starts)

    @property
    def memory(self) -> tuple[int | None, ...]:
        """Private bytes of each worker after its last trial; None where it has not said."""
        return tuple(w.line.memory[-1] if w.line.memory else None for w in self._workers)

    @property
    def cores(self) -> tuple[int | None, ...]:
        """The core that each worker was held on at the end of its last trial, or None."""
        return tuple(w.line.core for w in self._workers)

    def submit(self, spec: TrialSpec) -> None:
        def suits(worker: _Process) -> tuple[bool, int, int]:
            return worker.line.ready, worker.shapes.get(spec.shape, 0), -worker.line.served

        worker = max((w for w in self._workers if w.line.attempt is None), key=suits)
        self._submitted += 1
        worker.shapes[spec.shape] = self._submitted
        worker.line.attempt = spec.attempt
        self._send(worker, encode("run", spec=spec.to_json()))

    def poll(self, timeout: float) -> list[Event]:
        by_connection = {worker.connection: worker for worker in self._everyone()}
        events: list[Event] = []
        for connection in multiprocessing.connection.wait(list(by_connection), timeout):
            worker = by_connection[cast(Connection, connection)]
            try:
                while worker.connection.poll():
                    event = self._heard(worker, decode(worker.connection.recv_bytes()))
                    if event is not None:
                        events.append(event)
            except (EOFError, OSError):
                events.extend(self._bury(worker))
        for worker in list(self._workers):
            self._renew(worker)
        return events

    def decide(self, attempt: str, epoch: int, *, stop: bool) -> None:
        send_decision(self._lines(), attempt, epoch, stop)

    def answer(self, attempt: str, value: ParamValue) -> None:
        send_answer(self._lines(), attempt, value)

    def cancel(self, attempt: str) -> None:
        for worker in list(self._workers):
            if worker.line.attempt == attempt:
                self._kill(worker)
                self._replace(worker)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        everyone = [*self._everyone(), *self._leaving]
        for worker in everyone:
            if worker.line.attempt is None and worker.line.ready:
                self._send(worker, encode("end"))
            else:  # it trains, or is busy with its imports: nobody waits for the end of that
                self._kill(worker)
        deadline = time.monotonic() + GRACE_SECONDS  # for all together: there may be many
        for worker in everyone:
            worker.process.join(timeout=max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                self._kill(worker)
        for worker in everyone:
            worker.process.join(timeout=1.0)
            worker.connection.close()
            with suppress(ValueError):  # one that does not end keeps its pipes, too
                worker.process.close()
        self._workers.clear()
        self._leaving.clear()

    def _everyone(self) -> list[_Process]:
        """The workers, and those that are to take a place."""
        fresh = [w.successor for w in self._workers if w.successor is not None]
        return [*self._workers, *fresh]

    def _lines(self) -> list[Line]:
        return [worker.line for worker in self._workers]

    def _heard(self, worker: _Process, message: dict[str, Any]) -> Event | None:
        event = event_of(message, worker.line)
        if message["kind"] == "ready":
            self._failed_starts = 0
            self._starts.append(worker.line.seconds)
        return event

    def _renew(self, worker: _Process) -> None:
        """Prepare for the end of a worker that has grown, and let it go when it is idle."""
        if worker.successor is None:
            line = worker.line
            if not self._recycle or not outgrown(line.served, line.memory, self._most):
                return
            if self._has_room():
                worker.successor = self._start()
            elif line.attempt is None:
                self._replace(worker)
        elif worker.line.attempt is None and worker.successor.line.ready:
            self._replace(worker)

    def _has_room(self) -> bool:
        """Whether there is room for one process more; where not, not asked again for a while."""
        now = time.monotonic()
        if now < self._full_until:
            return False
        if self._room():
            return True
        self._full_until = now + ROOM_EVERY
        return False

    def _start(self) -> _Process:
        pipe: Any = self._context.Pipe()  # Windows has a class of its own for its ends
        ours, theirs = pipe
        options = WorkerOptions(
            trainer=self._trainer,
            threads=self._threads,
            logs=str(self._logs),
            pin=self._pin,
            begun=time.time(),
            environment=self._environment,
        )
        process = self._context.Process(target=main, args=(theirs, options), daemon=True)
        with _without_interrupts(), main_unseen():
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

    def _replace(self, worker: _Process) -> None:
        """Send a worker away; its successor, or a process that starts now, takes the place."""
        self._send(worker, encode("end"))
        worker.connection.close()
        self._leaving = [w for w in self._leaving if w.process.is_alive()]
        self._leaving.append(worker)
        self._workers[self._workers.index(worker)] = worker.successor or self._start()

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
        for elder in self._workers:
            if elder.successor is worker:  # the next round starts another
                worker.connection.close()
                elder.successor = None
                return []
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
