"""Trainers that need no Keras: the real epoch loop over an engine whose figures are arithmetic.

The rule: figures follow from parameters and seed alone, so that two runs can be compared; what a
trial shall do besides is said by its parameter `do`, so that one executor can meet all of it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.definition import SweepDefinition, identity, parse
from tuner.training.base import Figures, Link, OutOfMemoryError, Part, Running, Trainer
from tuner.training.loop import run_epochs
from tuner.trial import EpochMetrics, ParamValue, SplitSpec, TrialResult, TrialSpec
from tuner.workspace import Workspace

if TYPE_CHECKING:
    from tuner.search.study import SweepStudy

TESTS = Path(__file__).parent
ROOT = TESTS.parent
TARGETS = ("val_accuracy >= 0.9", "train_accuracy < 0.95")


def dotted(trainer: Callable[..., TrialResult]) -> str:
    """What `ProcessExecutor` calls `trainer`; spawn hands our import path on to the workers."""
    return f"{trainer.__module__}:{trainer.__name__}"


def environment() -> dict[str, str]:
    """The environment of a Python process of our own that imports `tuner` and `stubs`."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(TESTS)])}


def spec(attempt: str = "u:0", *, epochs: int = 4, seed: int = 0, **params: Any) -> TrialSpec:
    """A spec that the trainers here understand."""
    known = {f: params.pop(f) for f in ("early_stopping", "keep_weights", "epoch") if f in params}
    return TrialSpec(
        attempt=attempt,
        study="s",
        origin=0,
        data="",
        fingerprint="",
        model="mlp",
        params=params,
        split=SplitSpec(),
        seed=seed,
        epochs=epochs,
        targets=TARGETS,
        **{"epoch": "best", **known},
    )


def definition(**changes: Any) -> SweepDefinition:
    """A small sweep; `changes` are keys of a sweep file."""
    raw = {
        "dataset": "digits",
        "epochs": 3,
        "trials": 4,
        "targets": list(TARGETS),
        "space": {
            "l2": {"min": 1e-6, "max": 1e-1, "log": True, "or": 0},
            "optimizer": {"values": ["sgd", "adam"]},
            "momentum": {"min": 0.0, "max": 0.99, "when": {"optimizer": "sgd"}},
            "units": {"values": [64, 128, 256]},
        },
        **changes,
    }
    return parse(json.dumps(raw), "test.yaml", "s")


def opened(folder: Path, **changes: Any) -> SweepStudy:
    """The study `s` in `folder`, made from `definition(**changes)`."""
    from tuner.search.opening import open_study

    made = definition(**changes)
    return open_study(Workspace(folder).create(), "s", made, identity(made, "fingerprint"))


def die(study: SweepStudy) -> None:
    """What death does to a study's process: its owner's lock is released, nothing is told."""
    os.close(study._owner._descriptor)


def quality(params: dict[str, ParamValue], seed: int) -> float:
    """A number in [0, 1) that depends on all parameters and the seed."""
    text = json.dumps([params, seed], sort_keys=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def plain_figures(epochs: tuple[EpochMetrics, ...]) -> list[tuple[Any, ...]]:
    """What two runs of one spec must have in common: everything but the time."""
    return [(e.epoch, e.val_accuracy, e.val_loss, e.train_accuracy, e.train_loss) for e in epochs]


class FakeEngine:
    """An `EpochEngine` without a model; `params["nan_at"]` and `["oom_at"]` name an epoch."""

    parameters = 1000
    device = "arithmetic"

    def __init__(self, spec: TrialSpec, pause: float = 0.0) -> None:
        self._spec = spec
        self._pause = pause
        self._quality = quality(spec.params, spec.seed)
        self._epoch = 0
        self._kept = 0
        self.timings: dict[str, float] = {}

    def train_epoch(self) -> Running:
        time.sleep(self._pause)
        self._epoch += 1
        if self._epoch == self._spec.params.get("oom_at"):
            raise OutOfMemoryError("the model does not fit")
        loss = math.nan if self._epoch == self._spec.params.get("nan_at") else 0.1
        return Running(accuracy=self._accuracy() + 0.01, loss_penalised=loss, learning_rate=1e-3)

    def measure(self, part: Part) -> Figures:
        accuracy = self._accuracy() + (0.02 if part == "train" else 0.0)
        return Figures(accuracy=accuracy, loss=1.0 - accuracy)

    def penalty(self) -> float:
        return 0.25

    def snapshot(self) -> None:
        self._kept = self._epoch

    def save_snapshot(self, path: Path) -> None:
        path.write_text(str(self._kept))

    def _accuracy(self) -> float:
        curve = self._spec.params.get("curve")  # in percent
        if isinstance(curve, list):
            return curve[self._epoch - 1] / 100
        return 0.7 + 0.24 * self._quality * (1 - math.exp(-self._epoch))


def steady(spec: TrialSpec, link: Link) -> TrialResult:
    """Trains at once."""
    return run_epochs(spec, link, FakeEngine)


def slow(spec: TrialSpec, link: Link) -> TrialResult:
    """Takes its time over each epoch."""
    return run_epochs(spec, link, lambda s: FakeEngine(s, pause=0.1))


def fails(spec: TrialSpec, link: Link) -> TrialResult:
    """Raises."""
    raise ValueError("no such layer\nand a second line")


def crash(spec: TrialSpec, link: Link) -> TrialResult:
    """Takes its process along after the first epoch."""
    link.epoch(EpochMetrics(epoch=1, val_accuracy=0.5, val_loss=0.5))
    os._exit(9)


def asks(spec: TrialSpec, link: Link) -> TrialResult:
    """Asks for a parameter of its own, and says what it got."""
    value = link.suggest("kernel", "int", {"low": 3, "high": 7, "step": 2})
    result = run_epochs(spec, link, FakeEngine)
    return TrialResult(result.status, json.dumps(value), result.epochs)


def echo(spec: TrialSpec, link: Link) -> TrialResult:
    """Says what it was given."""
    return TrialResult("complete", json.dumps(spec.to_json()))


def prints(spec: TrialSpec, link: Link) -> TrialResult:
    """Prints as Python and as a C library does."""
    print("on stdout")
    print("on stderr", file=sys.stderr)
    os.write(2, b"on descriptor 2\n")
    return run_epochs(spec, link, FakeEngine)


def damaged(spec: TrialSpec, link: Link) -> TrialResult:
    """Raises what numpy raises for an empty file; it is not the end of the line to the parent."""
    raise EOFError("No data left in file")


def broken(spec: TrialSpec, link: Link) -> TrialResult:
    """Raises what a pipe of the trainer's own raises."""
    raise BrokenPipeError(32, "Broken pipe")


def naps(spec: TrialSpec, link: Link) -> TrialResult:
    """Says nothing until it is done."""
    time.sleep(0.5)
    return TrialResult("complete")


def hangs(spec: TrialSpec, link: Link) -> TrialResult:
    """Is in the middle of a very long epoch."""
    time.sleep(600)
    return TrialResult("complete")


def where(spec: TrialSpec, link: Link) -> TrialResult:
    """Says which process it is."""
    return TrialResult("complete", str(os.getpid()))


_KEPT: list[bytes] = []


def grows(spec: TrialSpec, link: Link) -> TrialResult:
    """Keeps what it took, as libraries do; says which process it is."""
    _KEPT.append(os.urandom(1_000_000) * int(str(spec.params["megabytes"])))
    time.sleep(float(str(spec.params.get("seconds", 0))))
    return TrialResult("complete", str(os.getpid()))


def placed(spec: TrialSpec, link: Link) -> TrialResult:
    """One epoch where `placement` puts it; `name` is what cores are called there."""
    from tuner.training import placement

    placement.NAME = str(spec.params["name"])
    placement.begin_trial()
    with placement.epoch():
        return TrialResult("complete", str(os.getpid()))


def tells(spec: TrialSpec, link: Link) -> TrialResult:
    """Answers with the value of the environment variable `name`."""
    return TrialResult("complete", os.environ.get(str(spec.params["name"]), "unset"))


_ALL: dict[str, Trainer] = {
    f.__name__: f
    for f in (
        *(steady, slow, fails, crash, asks, echo, prints, damaged, broken, naps, hangs),
        *(where, grows, placed, tells),
    )
}


def obey(spec: TrialSpec, link: Link) -> TrialResult:
    """Does what the parameter `do` says."""
    return _ALL[str(spec.params.get("do", "steady"))](spec, link)


def picky(spec: TrialSpec, link: Link) -> TrialResult:
    """Trains, but for widths that end in 3 (raises), 5 (not finite) and 7 (no memory)."""
    units = int(str(spec.params["units"]))
    if units % 10 == 3:
        raise ValueError(f"{units} units are too many")
    if units % 10 == 5:
        return _in_trouble(spec, link, "nan_at")
    if units % 10 == 7:
        return _in_trouble(spec, link, "oom_at")
    return run_epochs(spec, link, FakeEngine)


def _in_trouble(spec: TrialSpec, link: Link, what: str) -> TrialResult:
    from dataclasses import replace

    return run_epochs(replace(spec, params={**spec.params, what: 2}), link, FakeEngine)


def errand_echo(request: dict[str, Any]) -> dict[str, Any]:
    """An errand that answers what it was asked, and who it is."""
    return {"asked": request, "pid": os.getpid()}


def errand_refuses(request: dict[str, Any]) -> dict[str, Any]:
    """An errand that finds a mistake which a user can mend."""
    from tuner.errors import DefinitionError, StudyError

    if request["what"] == "definition":
        raise DefinitionError("sweeps/x.yaml", ["line 1: one", "line 2: two"])
    raise StudyError("the weights are gone.\nTrain it again.")


def errand_dies(request: dict[str, Any]) -> dict[str, Any]:
    """An errand that ends without an answer."""
    print("out of cheese")
    os._exit(3)


def errand_hangs(request: dict[str, Any]) -> dict[str, Any]:
    """An errand that says who it is and takes for ever."""
    Path(request["pid"]).write_text(str(os.getpid()))
    time.sleep(600)
    return {}
