"""Messages between parent and worker as JSON bytes, and the worker's side of them.

The rule: no pickle on the wire. Messages are tagged with the attempt, so that what comes late for a
trial that has ended is recognised and dropped.

    parent → worker   run(spec) · decide(attempt, epoch, stop) · answer(attempt, value) · end()
    worker → parent   ready(seconds) · epoch(attempt, metrics) · suggest(attempt, …) ·
                      done(attempt, result, memory, core)
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Protocol

from tuner.gradients import GradientLog
from tuner.training.base import Trainer
from tuner.trial import EpochMetrics, ParamValue, TrialResult, TrialSpec


class Channel(Protocol):
    """One end of a two-way line of messages."""

    def send(self, message: bytes) -> None:
        """Pass a message on; OSError where the other end is gone."""
        ...

    def receive(self) -> bytes:
        """The next message; waits for it. EOFError or OSError where the other end is gone."""
        ...


def encode(kind: str, **content: Any) -> bytes:
    """One message."""
    return json.dumps({"kind": kind, **content}).encode()


def decode(message: bytes) -> dict[str, Any]:
    """The inverse of `encode`."""
    content = json.loads(message)
    assert isinstance(content, dict)
    return content


def result_to_json(result: TrialResult) -> dict[str, Any]:
    """A result as plain JSON; figures are finite or null by then."""
    return asdict(result)


def result_from_json(raw: dict[str, Any]) -> TrialResult:
    """The inverse of `result_to_json`."""
    epochs = tuple(EpochMetrics(**epoch) for epoch in raw["epochs"])
    gradients = raw["gradients"] and GradientLog.from_json(raw["gradients"])
    return TrialResult(**{**raw, "epochs": epochs, "gradients": gradients})


class ParentGoneError(Exception):
    """The other end of the line is gone; a trainer lets it pass.

    A class of its own, because a trainer may meet an EOFError or a broken pipe elsewhere: numpy
    raises EOFError for an empty file.
    """


class WorkerLink:
    """The line that a trainer holds (`training.base.Link`) over a channel."""

    def __init__(self, channel: Channel, attempt: str) -> None:
        self._channel = channel
        self._attempt = attempt

    def epoch(self, metrics: EpochMetrics) -> None:
        _send(self._channel, encode("epoch", attempt=self._attempt, metrics=asdict(metrics)))

    def stop_after(self, epoch: int) -> bool:
        while True:
            message = self._next()
            if message["kind"] == "decide" and message["epoch"] == epoch:
                return bool(message["stop"])

    def suggest(self, name: str, kind: str, bounds: dict[str, object]) -> ParamValue:
        content = {"name": name, "type": kind, "bounds": bounds}
        _send(self._channel, encode("suggest", attempt=self._attempt, **content))
        while True:
            message = self._next()
            if message["kind"] == "answer":
                value: ParamValue = message["value"]
                return value

    def _next(self) -> dict[str, Any]:
        while True:
            message = _receive(self._channel)
            if message.get("attempt") == self._attempt:
                return message


def serve(
    channel: Channel,
    train: Trainer,
    seconds: float = 0.0,
    state: Callable[[], dict[str, int | None]] = dict,
) -> None:
    """A worker's life: run specs until told to end or until the parent is gone.

    Args:
        channel: the line to the parent.
        train: trains one spec.
        seconds: how long it took to get ready.
        state: asked after each trial for `memory` (private bytes) and `core` (where it is held).
    """
    try:
        _send(channel, encode("ready", seconds=seconds))
        while (message := _receive(channel))["kind"] != "end":
            if message["kind"] == "run":  # else a decision on a trial that has ended
                result = _run(channel, train, TrialSpec.from_json(message["spec"]))
                done = {"attempt": message["spec"]["attempt"], "result": result_to_json(result)}
                _send(channel, encode("done", **done, **state()))
    except ParentGoneError:
        return


def _run(channel: Channel, train: Trainer, spec: TrialSpec) -> TrialResult:
    try:
        return train(spec, WorkerLink(channel, spec.attempt))
    except ParentGoneError:
        raise
    except Exception as error:
        traceback.print_exc()  # into the worker's log
        text = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        return TrialResult(status="failed", message=text[:500])


def _send(channel: Channel, message: bytes) -> None:
    try:
        channel.send(message)
    except OSError as error:
        raise ParentGoneError from error


def _receive(channel: Channel) -> dict[str, Any]:
    try:
        return decode(channel.receive())
    except (EOFError, OSError) as error:
        raise ParentGoneError from error
