"""A recorder that keeps its runs in dicts: the fake for tests, with the manners of the real one.

Several recorders may share one `MemoryStore`, as several processes share a tracking store.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tuner.errors import TrackingError
from tuner.tracking.base import (
    CloseStatus,
    RepeatView,
    RunStatus,
    Summary,
    SweepInfo,
    TrialView,
)
from tuner.tracking.naming import (
    CLOSED,
    Point,
    artifact_paths,
    given_up_tags,
    milliseconds,
    notes,
    refuse_ended,
    repeat_name,
    repeat_points,
    repeat_tags,
    repeat_view,
    split_summary,
    sweep_params,
    sweep_tags,
    trial_name,
    trial_params,
    trial_points,
    trial_status,
    trial_tags,
)
from tuner.trial import TrialRecord


@dataclass
class MemoryRun:
    """One run; `start` and `end` in milliseconds since 1970, `parent` a run id.

    `artifacts` are the contents of files by their path.
    """

    name: str
    status: RunStatus
    parent: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)
    start: int | None = None
    end: int | None = None
    artifacts: dict[str, bytes] = field(default_factory=dict)


@dataclass
class MemoryStore:
    """All runs by id, in the order in which they were made; `numbers` are those of their ids."""

    runs: dict[str, MemoryRun] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)


class MemoryRecorder:
    """A `Recorder` over a `MemoryStore`.

    Args:
        store: the store to share; a fresh one by default.
    """

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()
        self._info: SweepInfo | None = None
        self._parent = ""
        self._failures = 0
        self._midway = False

    def fail_next(self, n: int = 1, *, midway: bool = False) -> None:
        """Let the next `n` calls raise TrackingError, as in an outage.

        With `midway`, a failing `record` has made its run before it fails and leaves it RUNNING.
        """
        self._failures = n
        self._midway = midway

    def open_sweep(self, info: SweepInfo) -> str:
        if self._fails():
            raise _outage()
        run_id = self._where("sweep", "tuner.study_uid", info.study_uid)
        if run_id is None:
            run_id = self._add(MemoryRun(info.study, "RUNNING"))
        run = self.store.runs[run_id]
        run.status = "RUNNING"
        run.tags |= sweep_tags(info)
        run.params = sweep_params(info) | run.params
        self._info, self._parent = info, run_id
        return run_id

    def attach(self, info: SweepInfo) -> str | None:
        if self._fails():
            raise _outage()
        run_id = self._where("sweep", "tuner.study_uid", info.study_uid)
        if run_id is not None:
            self._info, self._parent = info, run_id
        return run_id

    def record(self, view: TrialView, *, new: bool = False) -> str:
        info = self._opened()
        record = view.record
        status = trial_status(record)
        run_id = self._run_of(record, trial_name(record), trial_tags(info, view), self._parent)
        run = self.store.runs[run_id]
        if run.status == "RUNNING":
            run.tags |= trial_tags(info, view)
            run.params = trial_params(record)
            run.points = trial_points(view)
            run.end = None if record.ended is None else milliseconds(record.ended)
            run.status = status
        return run_id

    def progress(self, view: TrialView, *, new: bool = False) -> str:
        info = self._opened()
        refuse_ended(view.record)
        record = view.record
        run_id = self._run_of(record, trial_name(record), trial_tags(info, view), self._parent)
        run = self.store.runs[run_id]
        if run.status == "RUNNING":
            run.params = trial_params(record)
            run.points = trial_points(view)
        return run_id

    def record_repeat(self, view: RepeatView, trial_run: str) -> str:
        info = self._opened()
        record, tags = repeat_view(view).record, repeat_tags(info, view)
        run_id = self._run_of(record, repeat_name(view.repeat), tags, trial_run)
        run = self.store.runs[run_id]
        if run.status == "RUNNING":
            run.tags |= tags
            run.params = trial_params(record)
            run.points = repeat_points(view)
            run.end = None if record.ended is None else milliseconds(record.ended)
            run.status = trial_status(record)
        return run_id

    def annotate(self, run_id: str, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
        run = self._asked(run_id)
        numbers, texts = notes(metrics, tags)
        latest = {p.name: p for p in sorted(run.points, key=lambda p: (p.step, p.timestamp))}
        now = milliseconds(time.time())
        for name, value in numbers.items():
            before = latest.get(name, Point(name, math.nan, 0, 0))
            if before.value != value:
                moment = max(now, before.timestamp + 1)
                run.points.append(Point(name, value, moment, before.step))
        run.tags |= texts

    def add_artifacts(self, run_id: str, files: Mapping[str, Path]) -> None:
        artifact_paths(files)
        self._asked(run_id).artifacts |= {path: file.read_bytes() for path, file in files.items()}

    def give_up(self, attempt: str, reason: str) -> None:
        self._opened()
        if self._fails():
            raise _outage()
        run_id = self._where("trial", "tuner.attempt", attempt)
        if run_id is not None and (run := self.store.runs[run_id]).status == "RUNNING":
            run.tags |= given_up_tags(reason)
            run.end = milliseconds(time.time())
            run.status = "KILLED"

    def unfinished(self) -> list[str]:
        info = self._opened()
        if self._fails():
            raise _outage()
        return [
            run.tags["tuner.attempt"]
            for run in self.store.runs.values()
            if run.status == "RUNNING"
            and run.tags.get("tuner.kind") == "trial"
            and run.tags.get("tuner.study_uid") == info.study_uid
        ]

    def find(self, attempt: str) -> str | None:
        self._opened()
        if self._fails():
            raise _outage()
        return self._where("trial", "tuner.attempt", attempt)

    def close_sweep(self, status: CloseStatus, summary: Summary) -> None:
        self._opened()
        if self._fails():
            raise _outage()
        run = self.store.runs[self._parent]
        numbers, texts = split_summary(summary)
        run.points += [Point(name, value, 0, 0) for name, value in numbers.items()]
        run.tags |= texts
        run.status = CLOSED[status]

    def leave(self) -> None:
        pass

    def _run_of(self, record: TrialRecord, name: str, tags: dict[str, str], parent: str) -> str:
        """The run of this attempt, made if need be."""
        outage = self._fails()
        if outage and not self._midway:
            raise _outage()
        run_id = self._where(tags["tuner.kind"], "tuner.attempt", record.attempt)
        if run_id is None:
            start = None if record.started is None else milliseconds(record.started)
            run_id = self._add(MemoryRun(name, "RUNNING", parent, tags, start=start))
        if outage:
            raise _outage()
        return run_id

    def _asked(self, run_id: str) -> MemoryRun:
        """The run with this id."""
        self._opened()
        if self._fails():
            raise _outage()
        if run_id not in self.store.runs:
            raise TrackingError(f"tracking store memory: there is no run {run_id}")
        return self.store.runs[run_id]

    def _opened(self) -> SweepInfo:
        if self._info is None:
            raise RuntimeError("open_sweep comes first")
        return self._info

    def _fails(self) -> bool:
        fails = self._failures > 0
        self._failures -= fails
        return fails

    def _where(self, kind: str, tag: str, value: str) -> str | None:
        for run_id, run in self.store.runs.items():
            if run.tags.get("tuner.kind") == kind and run.tags.get(tag) == value:
                return run_id
        return None

    def _add(self, run: MemoryRun) -> str:
        run_id = f"run-{next(self.store.numbers)}"
        self.store.runs[run_id] = run
        return run_id


def _outage() -> TrackingError:
    return TrackingError("tracking store memory: cannot be reached (a test asked for it)")
