"""The MLflow recorder in a process of its own.

The rule: what MLflow costs, 20 ms a trial and seconds to import, is taken from nobody who waits for
the next trial: threads of one process take turns, processes do not. The two talk in lines of JSON,
a question and its answer; the child ends with its parent, and whatever it prints goes to a log.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tuner.errors import TrackingError
from tuner.tracking.base import (
    CloseStatus,
    Recorder,
    RepeatView,
    Summary,
    SweepInfo,
    TrialView,
)
from tuner.trial import EpochMetrics, Repeat, TrialRecord, from_columns, to_columns
from tuner.workspace import Workspace


class RecorderApart:
    """A `Recorder` over an MLflow store, whose work is done by a child.

    Args:
        folder: the working directory, as for `MlflowRecorder`.
        experiment: the same.
    """

    def __init__(self, folder: Path, experiment: str | None = None) -> None:
        self._folder = folder.resolve()
        self._experiment = experiment
        # Process ids repeat in containers.
        name = f"recorder-{os.getpid()}-{os.urandom(4).hex()}.log"
        self._log = Workspace(self._folder).logs / name
        self._child: subprocess.Popen[bytes] | None = None
        self._opening: tuple[str, SweepInfo] | None = None
        self._left = False

    def open_sweep(self, info: SweepInfo) -> str:
        run_id = str(self._ask("open_sweep", info=asdict(info)))
        self._opening = "open_sweep", info
        return run_id

    def attach(self, info: SweepInfo) -> str | None:
        found = self._ask("attach", info=asdict(info))
        if found is None:
            return None
        self._opening = "attach", info
        return str(found)

    def record(self, view: TrialView, *, new: bool = False) -> str:
        return str(self._opened("record", view=view_to_json(view), new=new))

    def progress(self, view: TrialView, *, new: bool = False) -> str:
        return str(self._opened("progress", view=view_to_json(view), new=new))

    def record_repeat(self, view: RepeatView, trial_run: str) -> str:
        asked = {"repeat_view": repeat_view_to_json(view), "trial_run": trial_run}
        return str(self._opened("record_repeat", **asked))

    def annotate(self, run_id: str, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
        self._opened("annotate", run_id=run_id, metrics=dict(metrics), tags=dict(tags))

    def add_artifacts(self, run_id: str, files: Mapping[str, Path]) -> None:
        given = {path: str(file.resolve()) for path, file in files.items()}
        self._opened("add_artifacts", run_id=run_id, files=given)

    def give_up(self, attempt: str, reason: str) -> None:
        self._opened("give_up", attempt=attempt, reason=reason)

    def unfinished(self) -> list[str]:
        return list(self._opened("unfinished"))

    def find(self, attempt: str) -> str | None:
        found = self._opened("find", attempt=attempt)
        return None if found is None else str(found)

    def close_sweep(self, status: CloseStatus, summary: Summary) -> None:
        self._opened("close_sweep", status=status, summary=dict(summary))
        if self._opening is not None:  # a later child shall not open it again
            self._opening = "attach", self._opening[1]

    def leave(self) -> None:
        self._left = True  # first: whoever starts a child at this moment looks at it afterwards
        self._end()

    def _end(self) -> None:
        """End the child, if there is one; the next question starts another."""
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()  # what it has written is written
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _opened(self, call: str, **given: Any) -> Any:
        if self._opening is None:
            raise RuntimeError("open_sweep comes first")
        how, info = self._opening
        # Where the child that had opened the sweep is gone, another one does.
        if self._child is None and self._ask(how, info=asdict(info)) is None:
            raise TrackingError("the sweep's run has gone from the tracking store")
        return self._ask(call, **given)

    def _ask(self, call: str, **given: Any) -> Any:
        """The child's answer, which may be what it raised."""
        self._refuse_if_left()
        try:
            child = self._child = self._child or self._start()
        except OSError as error:
            why = error.strerror or str(error)
            raise TrackingError(
                f"the process that writes to MLflow cannot be started: {why}"
            ) from error
        self._refuse_if_left()
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(json.dumps({"call": call, **given}).encode() + b"\n")
            child.stdin.flush()
            line = child.stdout.readline()
        except (OSError, ValueError):
            line = b""
        if not line.endswith(b"\n"):
            self._end()
            raise TrackingError(
                "the process that writes to MLflow ended unexpectedly.\n"
                f"  what it printed is in {self._log}"
            )
        answer = json.loads(line)
        if "told" in answer:
            raise TrackingError(answer["told"])
        if "refused" in answer:
            raise ValueError(answer["refused"])
        return answer["value"]

    def _refuse_if_left(self) -> None:
        if self._left:
            self._end()
            raise TrackingError("the process that writes to MLflow has been sent away")

    def _start(self) -> subprocess.Popen[bytes]:
        root = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        given = [str(self._folder), *([self._experiment] if self._experiment else [])]
        # A session of its own: a signal to all that the terminal runs is the parent's to answer.
        apart: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603
                # -P: an mlflow.py in the user's working directory is not MLflow.
                [sys.executable, "-P", "-m", __spec__.name, *given],
                env={**os.environ, "PYTHONPATH": path},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                **apart,
            )


def view_to_json(view: TrialView) -> dict[str, Any]:
    """A view as plain JSON, without what no trial's run shows: repeats, tests and gradients."""
    chosen = None if view.chosen is None else vars(view.chosen)
    return {**vars(view), "record": _record_to_json(view.record), "chosen": chosen}


def view_from_json(raw: Mapping[str, Any]) -> TrialView:
    """The inverse of `view_to_json`."""
    chosen = None if raw["chosen"] is None else EpochMetrics(**raw["chosen"])
    windows = tuple((first, last) for first, last in raw["windows"])
    record = _record_from_json(raw["record"])
    return TrialView(**{**raw, "record": record, "chosen": chosen, "windows": windows})


def repeat_view_to_json(view: RepeatView) -> dict[str, Any]:
    """A view of a repeat as plain JSON; of its trial without the epochs."""
    record = replace(view.record, epochs=())
    return {
        "record": _record_to_json(record),
        "repeat": view.repeat.to_json(),
        "passes": view.passes,
    }


def repeat_view_from_json(raw: Mapping[str, Any]) -> RepeatView:
    """The inverse of `repeat_view_to_json`."""
    record, repeat = _record_from_json(raw["record"]), Repeat.from_json(raw["repeat"])
    return RepeatView(record, repeat, raw["passes"])


def _record_to_json(record: TrialRecord) -> dict[str, Any]:
    left_out: dict[str, Any] = {"repeats": [], "test": None, "gradients": None, "scores": []}
    return {**vars(record), "epochs": to_columns(record.epochs), **left_out}


def _record_from_json(raw: Mapping[str, Any]) -> TrialRecord:
    return TrialRecord(
        **{**raw, "epochs": from_columns(raw["epochs"]), "repeats": (), "scores": ()}
    )


def answer(recorder: Recorder, call: str, given: dict[str, Any]) -> Any:
    """What `recorder` answers to one question."""
    if "view" in given:
        given["view"] = view_from_json(given["view"])
    if "repeat_view" in given:
        given["view"] = repeat_view_from_json(given.pop("repeat_view"))
    if "files" in given:
        given["files"] = {path: Path(file) for path, file in given["files"].items()}
    if "info" in given:
        info = given["info"]
        given["info"] = SweepInfo(**{**info, "targets": tuple(info["targets"])})
    calls: dict[str, Callable[..., Any]] = {
        "open_sweep": recorder.open_sweep,
        "attach": recorder.attach,
        "record": recorder.record,
        "progress": recorder.progress,
        "record_repeat": recorder.record_repeat,
        "annotate": recorder.annotate,
        "add_artifacts": recorder.add_artifacts,
        "give_up": recorder.give_up,
        "unfinished": recorder.unfinished,
        "find": recorder.find,
        "close_sweep": recorder.close_sweep,
    }
    return calls[call](**given)


def _follow_parent() -> None:
    """End with the parent, also in the middle of something; where that cannot be seen, after it.

    The next run of the sweep may begin at once, and two that set up one store harm each other.
    """
    if sys.platform != "win32" and hasattr(os, "getppid"):
        parent = os.getppid()

        def watch() -> None:
            while os.getppid() == parent:
                time.sleep(0.1)
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()


def main(folder: str, experiment: str | None = None) -> None:
    """The child: answer until the parent is gone."""
    from tuner.tracking.mlflow import MlflowRecorder

    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the parent has things to record still
    _follow_parent()
    lines = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    recorder = MlflowRecorder(Path(folder), experiment)
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        said: dict[str, Any]
        try:
            said = {"value": answer(recorder, asked.pop("call"), asked)}
        except TrackingError as error:
            said = {"told": str(error)}
        except ValueError as error:
            said = {"refused": str(error)}
        try:
            lines.write(json.dumps(said).encode() + b"\n")
            lines.flush()
        except OSError:
            break
    os._exit(0)  # nothing is left to be done, and libraries take their time


if __name__ == "__main__":
    main(*sys.argv[1:])
