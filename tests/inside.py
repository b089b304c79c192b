"""The command line in the test's own process, with everything warm that is slow to start.

The rule: a command does the same as in a process of its own, and others do the work: a real worker
process that outlives the command trains, errands and MLflow's recorder run here, where Keras and
MLflow are imported once. What processes do alone (signals, death, environment, logs) is tested with
`test_sweep.start`; that errands and recorders work in children, in `test_errand` and
`test_tracking`.
"""

from __future__ import annotations

import atexit
import importlib
import io
import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from tuner.cli import run
from tuner.executors.processes import ProcessExecutor
from tuner.training.backend import configure

ERRANDS = ("proving", "own_model", "winners", "variants", "predict", "exporting")
RECORDERS = ("running", "diagnosing", "proof_record", "report_files")


class Warm(ProcessExecutor):
    """Outlives the command that asked for it."""

    def close(self) -> None:
        pass

    def end(self) -> None:
        super().close()


_MADE: dict[object, Warm] = {}


def executor(slots: int, logs: Path, **options: Any) -> ProcessExecutor:
    """The executor that an earlier command has left, if it is idle and made for the same."""
    environment = tuple((options.get("environment") or {}).items())
    # Those of models of the user's own look for them in the directory that they were started in.
    key = (slots, environment, Path.cwd() if environment else None)
    found = _MADE.get(key)
    if found is None or found.idle != slots:
        if found is not None:
            found.end()
        found = _MADE[key] = Warm(slots, logs, **options)
    return found


@atexit.register
def _end_all() -> None:
    for made in _MADE.values():
        made.end()


@contextmanager
def quiet() -> Iterator[io.StringIO]:
    """What libraries warn of is no error, and what they print is collected, as in a child."""
    configure(1)  # whatever uses TensorFlow first decides how many threads there are
    with (
        warnings.catch_warnings(),
        redirect_stderr(io.StringIO()),
        redirect_stdout(io.StringIO()) as printed,
    ):
        warnings.simplefilter("ignore")
        yield printed


def errand(
    function: str,
    request: Mapping[str, Any],
    logs: Path,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """What `run_errand` does, here."""
    module, name = function.split(":")
    plain = json.loads(json.dumps(dict(request)))
    with quiet(), patch.dict(os.environ), patch("os.cpu_count", lambda: 1):
        found = getattr(importlib.import_module(module), name)(plain)
    answer: dict[str, Any] = json.loads(json.dumps(found))
    return answer


@contextmanager
def warmth() -> Iterator[None]:
    """Commands that are run meanwhile find everything warm."""
    from tuner.tracking.mlflow import MlflowRecorder

    with pytest.MonkeyPatch.context() as replaced:
        replaced.setattr("tuner.commands.running.ProcessExecutor", executor)
        for name in ERRANDS:
            replaced.setattr(f"tuner.commands.{name}.run_errand", errand)
        for name in RECORDERS:
            replaced.setattr(f"tuner.commands.{name}.RecorderApart", MlflowRecorder)
        yield


def tuner(folder: Path, *words: str, code: int = 0) -> tuple[str, str]:
    """Run a command in `folder`; returns (stdout, stderr) and checks the exit code."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    before = Path.cwd()
    os.chdir(folder)
    try:
        with warmth(), redirect_stdout(out), redirect_stderr(err):
            found = run(list(words))
    finally:
        os.chdir(before)
    for stream in (out, err):
        stream.flush()
    said, told = (stream.buffer.getvalue().decode() for stream in (out, err))  # type: ignore[attr-defined]
    assert found == code, told
    return said, told
