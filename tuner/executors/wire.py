"""Messages between parent and worker as JSON bytes, and the worker's side of them.

The rule: no pickle on the wire. Messages are tagged with the attempt, so that what comes late for a
trial that has ended is recognised and dropped.

    parent → worker   run(spec) · decide(attempt, epoch, stop) · answer(attempt, value) · end()
    worker → parent   ready() · epoch(attempt, metrics) · suggest(attempt, …) ·
                      done(attempt, result)
"""

from __future__ import annotations

import json
import traceback
from dataclasses import asdict
from typing import Any, Protocol

from tuner.training.base import Trainer
from tuner.trial import EpochMetrics, ParamValue, TrialResult, TrialSpec


class Channel(Protocol):
    """One end of a two-way line; `receive` raises EOFError when the other end is gone."""

    def send(self, message: bytes) -> None: ...

    def receive(self) -> bytes: ...


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
    return TrialResult(**{**raw, "epochs": epochs})


class WorkerLink:
    """The line that a trainer holds (`training.base.Link`) over a channel."""

    def __init__(self, channel: Channel, attempt: str) -> None:
        self._channel = channel
        self._attempt = attempt

    def epoch(self, metrics: EpochMetrics) -> None:
        self._channel.send(encode("epoch", attempt=self._attempt, metrics=asdict(metrics)))

    def stop_after(self, epoch: int) -> bool:
        while True:
            message = self._next()
            if message["kind"] == "decide" and message["epoch"] == epoch:
                return bool(message["stop"])

    def suggest(self, name: str, kind: str, bounds: dict[str, object]) -> ParamValue:
        self._channel.send(
            encode("suggest", attempt=self._attempt, name=name, type=kind, bounds=bounds)
        )
        while True:
            message = self._next()
            if message["kind"] == "answer":
                value: ParamValue = message["value"]
                return value

    def _next(self) -> dict[str, Any]:
        while True:
            message = decode(self._channel.receive())
            if message.get("attempt") == self._attempt:
                return message


def serve(channel: Channel, train: Trainer) -> None:
    """A worker's life: run specs until told to end or until the parent is gone."""
    channel.send(encode("ready"))
    while True:
        try:
            message = decode(channel.receive())
        except EOFError:
            return
        if message["kind"] == "end":
            return
        if message["kind"] != "run":
            continue  # a decision on a trial that has ended
        spec = TrialSpec.from_json(message["spec"])
        try:
            result = train(spec, WorkerLink(channel, spec.attempt))
        except (EOFError, BrokenPipeError):
            return
        except Exception as error:
            traceback.print_exc()  # into the worker's log
            text = f"{type(error).__name__}: {error}".strip().splitlines()[0]
            result = TrialResult(status="failed", message=text[:500])
        channel.send(encode("done", attempt=spec.attempt, result=result_to_json(result)))
