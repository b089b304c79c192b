"""Trials in threads of this process: for debugging, and for tests with a trainer of their own.

The rule: the same messages and the same worker loop as `processes`, over queues instead of pipes.
Training through Keras here would import TensorFlow in the parent; real sweeps use `processes`.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass, field

from tuner.executors.base import Event
from tuner.executors.lines import Line, event_of, send_answer, send_decision
from tuner.executors.wire import decode, encode, serve
from tuner.training.base import Trainer
from tuner.trial import ParamValue, TrialSpec


@dataclass
class _QueueChannel:
    """The worker's end; an empty message says that the parent is gone."""

    inbox: queue.SimpleQueue[bytes]
    outbox: queue.SimpleQueue[tuple[int, bytes]]
    number: int
    closed: bool = False

    def send(self, message: bytes) -> None:
        if self.closed:
            raise BrokenPipeError
        self.outbox.put((self.number, message))

    def receive(self) -> bytes:
        message = self.inbox.get()
        if not message:
            raise EOFError
        return message


@dataclass
class _Thread:
    line: Line
    channel: _QueueChannel
    thread: threading.Thread = field(init=False)


class InlineExecutor:
    """`slots` threads that run `train`."""

    def __init__(self, train: Trainer, slots: int = 1) -> None:
        self._train = train
        self._events: queue.SimpleQueue[tuple[int, bytes]] = queue.SimpleQueue()
        self._next = 0
        self._workers: dict[int, _Thread] = {}
        self._slots = slots
        for _ in range(slots):
            self._start()

    @property
    def slots(self) -> int:
        return self._slots

    @property
    def idle(self) -> int:
        return sum(worker.line.attempt is None for worker in self._workers.values())

    def submit(self, spec: TrialSpec) -> None:
        worker = next(w for w in self._workers.values() if w.line.attempt is None)
        worker.line.attempt = spec.attempt
        worker.line.send(encode("run", spec=spec.to_json()))

    def poll(self, timeout: float) -> list[Event]:
        events: list[Event] = []
        try:
            item = self._events.get(timeout=timeout)
            while True:
                worker = self._workers.get(item[0])
                if worker is not None:
                    event = event_of(decode(item[1]), worker.line)
                    if event is not None:
                        events.append(event)
                item = self._events.get_nowait()
        except queue.Empty:
            return events

    def decide(self, attempt: str, epoch: int, *, stop: bool) -> None:
        send_decision(self._lines(), attempt, epoch, stop)

    def answer(self, attempt: str, value: ParamValue) -> None:
        send_answer(self._lines(), attempt, value)

    def cancel(self, attempt: str) -> None:
        for number, worker in list(self._workers.items()):
            if worker.line.attempt == attempt:
                self._end(number)
                self._start()

    def close(self) -> None:
        for number in list(self._workers):
            self._end(number)

    def _lines(self) -> list[Line]:
        return [worker.line for worker in self._workers.values()]

    def _start(self) -> None:
        inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        channel = _QueueChannel(inbox, self._events, self._next)
        worker = _Thread(Line(inbox.put), channel)
        worker.thread = threading.Thread(target=serve, args=(channel, self._train), daemon=True)
        self._workers[self._next] = worker
        self._next += 1
        worker.thread.start()

    def _end(self, number: int) -> None:
        worker = self._workers.pop(number)
        worker.channel.closed = True
        worker.channel.inbox.put(b"")
        worker.thread.join(timeout=1.0)
