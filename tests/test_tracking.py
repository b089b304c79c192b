"""One contract over every recorder, then what MLflow alone must do."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tuner
from tuner.errors import TrackingError
from tuner.scores import TestScore
from tuner.search.pruning import Peer, Rivals, overfit_reason
from tuner.targets import parse_targets
from tuner.tracking.apart import RecorderApart
from tuner.tracking.apart import answer as recorder_answer
from tuner.tracking.base import (
    GIVEN_UP,
    Recorder,
    RepeatView,
    SweepInfo,
    TrialView,
)
from tuner.tracking.memory import MemoryRecorder, MemoryRun, MemoryStore
from tuner.tracking.mlflow import MlflowRecorder
from tuner.tracking.naming import (
    legal_name,
    pruner_of,
    split_summary,
    trial_points,
    trial_tags,
)
from tuner.trial import EpochMetrics, Repeat, RepeatKind, SplitSpec, TrialRecord, TrialState

START = 1_790_000_000.25
EPOCH_1 = EpochMetrics(
    epoch=1,
    val_accuracy=0.1 + 0.2,
    val_loss=1 / 3,
    train_accuracy_running=0.7,
    learning_rate=1e-3,
    parameters=101_770,
    seconds=1.25,
    timestamp=1_790_000_001.5,
)
EPOCH_2 = EpochMetrics(
    epoch=2,
    val_accuracy=0.9012345678901234,
    val_loss=5e-324,
    train_accuracy=0.9412345678901237,
    train_loss=0.17,
    train_accuracy_running=0.8,
    train_loss_penalised=0.4,
    val_loss_penalised=0.5,
    learning_rate=5e-4,
    parameters=101_770,
    seconds=1.5,
    timestamp=1_790_000_003.001,
)
EPOCHS = (EPOCH_1, EPOCH_2)


class Backend(Protocol):
    """A recorder's store, as the contract sees it: runs are read back as plain dicts."""

    def recorder(self) -> Recorder: ...
    def read(self, run_id: str) -> dict[str, Any]: ...
    def runs_of(self, attempt: str) -> list[str]: ...
    def half_write(self, parent: str, attempt: str, kind: str = "trial") -> str: ...
    def delete(self, run_id: str) -> None: ...
    def artifact(self, run_id: str, path: str) -> bytes | None: ...


class MemoryBackend:
    def __init__(self) -> None:
        self.store = MemoryStore()

    def recorder(self) -> Recorder:
        return MemoryRecorder(self.store)

    def read(self, run_id: str) -> dict[str, Any]:
        run = self.store.runs[run_id]
        metrics: dict[str, list[tuple[int, int, float]]] = {}
        for p in run.points:
            metrics.setdefault(p.name, []).append((p.step, p.timestamp, p.value))
        return {
            "name": run.name,
            "status": run.status,
            "parent": run.parent,
            "start": run.start,
            "end": run.end,
            "tags": dict(run.tags),
            "params": dict(run.params),
            "metrics": {name: sorted(rows) for name, rows in metrics.items()},
        }

    def runs_of(self, attempt: str) -> list[str]:
        return [i for i, r in self.store.runs.items() if r.tags.get("tuner.attempt") == attempt]

    def half_write(self, parent: str, attempt: str, kind: str = "trial") -> str:
        tags = {"tuner.kind": kind, "tuner.attempt": attempt}
        self.store.runs["half"] = MemoryRun("trial 7", "RUNNING", parent, tags)
        return "half"

    def delete(self, run_id: str) -> None:
        del self.store.runs[run_id]

    def artifact(self, run_id: str, path: str) -> bytes | None:
        return self.store.runs[run_id].artifacts.get(path)


class Passing(RecorderApart):
    """Says in JSON what `RecorderApart` says to its child, to a recorder of this process."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(Path())
        self._recorder = recorder

    def _ask(self, call: str, **given: Any) -> Any:
        asked = json.loads(json.dumps(given))
        return json.loads(json.dumps(recorder_answer(self._recorder, call, asked)))


class PassingBackend(MemoryBackend):
    def recorder(self) -> Recorder:
        return Passing(MemoryRecorder(self.store))


class MlflowBackend:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def recorder(self) -> Recorder:
        return MlflowRecorder(self.folder, "contract")

    @property
    def client(self) -> Any:
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=f"sqlite:///{self.folder}/mlflow.db")

    @property
    def experiment(self) -> Any:
        return self.client.get_experiment_by_name("contract")

    def read(self, run_id: str) -> dict[str, Any]:
        client = self.client
        run = client.get_run(run_id)
        tags = dict(run.data.tags)
        return {
            "name": run.info.run_name,
            "status": run.info.status,
            "parent": tags.get("mlflow.parentRunId"),
            "start": run.info.start_time,
            "end": run.info.end_time,
            "tags": {k: v for k, v in tags.items() if k.startswith("tuner.")},
            "params": dict(run.data.params),
            "metrics": {
                name: sorted(
                    (m.step, m.timestamp, m.value) for m in client.get_metric_history(run_id, name)
                )
                for name in run.data.metrics
            },
        }

    def runs_of(self, attempt: str) -> list[str]:
        found = self.client.search_runs(
            [self.experiment.experiment_id], f"tags.`tuner.attempt` = '{attempt}'"
        )
        return [run.info.run_id for run in found]

    def half_write(self, parent: str, attempt: str, kind: str = "trial") -> str:
        from mlflow.entities import Metric, Param

        client = self.client
        run = client.create_run(
            self.experiment.experiment_id,
            run_name="trial 7",
            tags={
                "tuner.kind": kind,
                "tuner.attempt": attempt,
                "mlflow.parentRunId": parent,
            },
        )
        run_id = run.info.run_id
        first = Metric("val_accuracy", 0.1 + 0.2, 1_790_000_001_500, 1)
        client.log_batch(run_id, [first], [Param("l2", "1e-05")])
        return str(run_id)

    def delete(self, run_id: str) -> None:
        self.client.delete_run(run_id)

    def artifact(self, run_id: str, path: str) -> bytes | None:
        file = Path(self.client.get_run(run_id).info.artifact_uri, path)
        return file.read_bytes() if file.exists() else None


@pytest.fixture(scope="module")
def mlflow_backend(tmp_path_factory: pytest.TempPathFactory) -> MlflowBackend:
    """One store for the module, since a fresh one takes two seconds; tests differ in their uid."""
    return MlflowBackend(tmp_path_factory.mktemp("work"))


@pytest.fixture(params=["memory", "passing", "mlflow"])
def backend(request: pytest.FixtureRequest) -> Backend:
    if request.param != "mlflow":
        return MemoryBackend() if request.param == "memory" else PassingBackend()
    found: MlflowBackend = request.getfixturevalue("mlflow_backend")
    return found


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_LOGGING_LEVEL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def info() -> SweepInfo:
    return SweepInfo(
        study="fashion",
        study_uid=uuid4().hex,
        dataset="fashion",
        user="login",
        definition={"sampler": "tpe", "trials": 50, "space": {"l2": {"min": 0}}, "epochs": 30},
        targets=("val_accuracy >= 0.90", "train_accuracy < 0.95"),
        command="tuner sweep fashion",
        versions={"keras": "3.15.1"},
        fingerprint="abc123",
        seed=11,
    )


def view_of(info: SweepInfo, number: int = 7, **changes: Any) -> TrialView:
    record = TrialRecord(
        number=number,
        origin=number,
        attempt=f"{info.study_uid}:{number}",
        state="complete",
        params={"l2": 1e-05, "optimizer": "adam", "layers": [128, 64], "batch_norm": True},
        epochs=EPOCHS,
        seed=42,
        started=START,
        ended=START + 3.5,
        spec={"epochs": 30},
        device="CPU",
    )
    return TrialView(
        record=replace(record, **changes),
        chosen=EPOCH_2,
        verdict="meets",
        windows=((2, 2),),
        violations={"val_accuracy >= 0.90": 0.0, "train_accuracy < 0.95": 0.25},
    )


# The contract -----------------------------------------------------------------------------------


def test_a_sweep_opened_twice_has_one_run(backend: Backend, info: SweepInfo) -> None:
    first = backend.recorder()
    run_id = first.open_sweep(info)
    again = backend.recorder().open_sweep(replace(info, definition={"trials": 99}))
    other = backend.recorder().open_sweep(replace(info, study_uid=uuid4().hex))
    assert first.open_sweep(info) == run_id == again != other


def test_what_the_run_of_a_sweep_says(backend: Backend, info: SweepInfo) -> None:
    run = backend.read(backend.recorder().open_sweep(info))
    assert (run["name"], run["status"], run["parent"]) == ("fashion", "RUNNING", None)
    assert run["params"] == {
        "sampler": "tpe",
        "epochs": "30",
        "dataset": "fashion",
        "targets": "val_accuracy >= 0.90 and train_accuracy < 0.95",
        "seed": "11",
        "fingerprint": "abc123",
    }
    assert run["tags"] == {
        "tuner.kind": "sweep",
        "tuner.study": "fashion",
        "tuner.study_uid": info.study_uid,
        "tuner.dataset": "fashion",
        "tuner.command": "tuner sweep fashion",
        "tuner.version.keras": "3.15.1",
    }


def test_what_the_run_of_a_trial_says(backend: Backend, info: SweepInfo) -> None:
    recorder = backend.recorder()
    parent = recorder.open_sweep(info)
    run_id = recorder.record(view_of(info))
    assert recorder.find(f"{info.study_uid}:7") == run_id
    assert recorder.find(f"{info.study_uid}:8") is None
    one, two, end = 1_790_000_001_500, 1_790_000_003_001, 1_790_000_003_750
    assert backend.read(run_id) == {
        "name": "trial 7",
        "status": "FINISHED",
        "parent": parent,
        "start": 1_790_000_000_250,
        "end": end,
        "tags": {
            "tuner.kind": "trial",
            "tuner.study": "fashion",
            "tuner.study_uid": info.study_uid,
            "tuner.dataset": "fashion",
            "tuner.trial": "7",
            "tuner.attempt": f"{info.study_uid}:7",
            "tuner.state": "complete",
            "tuner.seed": "42",
            "tuner.verdict": "meets",
            "tuner.device": "CPU",
            "tuner.windows": "2-2",
            "tuner.violations": '{"val_accuracy >= 0.90": 0.0, "train_accuracy < 0.95": 0.25}',
        },
        "params": {
            "l2": "1e-05",
            "optimizer": "adam",
            "layers": "[128, 64]",
            "batch_norm": "True",
            "seed": "42",
            "epochs": "30",
        },
        "metrics": {
            "val_accuracy": [(1, one, 0.30000000000000004), (2, two, 0.9012345678901234)],
            "val_loss": [(1, one, 1 / 3), (2, two, 5e-324)],
            "train_accuracy": [(2, two, 0.9412345678901237)],
            "train_loss": [(2, two, 0.17)],
            "accuracy_gap": [(2, two, 0.9412345678901237 - 0.9012345678901234)],
            "train_accuracy_running": [(1, one, 0.7), (2, two, 0.8)],
            "train_loss_penalised": [(2, two, 0.4)],
            "val_loss_penalised": [(2, two, 0.5)],
            "learning_rate": [(1, one, 1e-3), (2, two, 5e-4)],
            "seconds": [(1, one, 1.25), (2, two, 1.5)],
            "chosen_epoch": [(2, end, 2.0)],
            "chosen_val_accuracy": [(2, end, 0.9012345678901234)],
            "chosen_val_loss": [(2, end, 5e-324)],
            "chosen_train_accuracy": [(2, end, 0.9412345678901237)],
            "chosen_train_loss": [(2, end, 0.17)],
            "chosen_accuracy_gap": [(2, end, 0.9412345678901237 - 0.9012345678901234)],
            "violation": [(2, end, 0.25)],
            "parameters": [(2, end, 101_770.0)],
            "duration_seconds": [(2, end, 3.5)],
        },
    }


def test_recording_again_changes_nothing(backend: Backend, info: SweepInfo) -> None:
    recorder = backend.recorder()
    recorder.open_sweep(info)
    run_id = recorder.record(view_of(info))
    before = backend.read(run_id)
    assert recorder.record(view_of(info)) == run_id
    after_a_crash = backend.recorder()
    after_a_crash.open_sweep(info)
    assert after_a_crash.record(view_of(info, state="failed", epochs=())) == run_id
    assert backend.runs_of(f"{info.study_uid}:7") == [run_id]
    assert backend.read(run_id) == before


def test_a_half_written_run_is_completed(backend: Backend, info: SweepInfo) -> None:
    recorder = backend.recorder()
    parent = recorder.open_sweep(info)
    attempt = f"{info.study_uid}:7"
    run_id = backend.half_write(parent, attempt)
    assert recorder.find(attempt) == run_id
    assert recorder.record(view_of(info)) == run_id
    assert backend.runs_of(attempt) == [run_id]
    whole = backend.read(recorder.record(view_of(info, 8)))
    run = backend.read(run_id)
    assert run["metrics"] == whole["metrics"]
    assert run["params"] == whole["params"]
    assert (run["status"], run["end"]) == ("FINISHED", 1_790_000_003_750)


def running(info: SweepInfo, count: int, number: int = 7) -> TrialView:
    """The trial of `view_of` while it runs, with its first `count` epochs."""
    given = view_of(info, number, state="running", epochs=EPOCHS[:count], ended=None).record
    return TrialView(replace(given, device="", reason=None))


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("crash", [None, "before the second", "before the end"])
def test_a_trial_shown_while_it_ran_ends_like_any_other(
    backend: Backend, info: SweepInfo, crash: str | None, new: bool
) -> None:
    recorder = backend.recorder()
    parent = recorder.open_sweep(info)

    def reborn(when: str) -> Recorder:
        if crash != when:
            return recorder
        fresh = backend.recorder()
        fresh.open_sweep(info)
        return fresh

    run_id = recorder.progress(running(info, 1), new=new)
    half = backend.read(run_id)
    assert (half["status"], half["parent"], half["end"]) == ("RUNNING", parent, None)
    assert half["tags"]["tuner.state"] == "running"
    assert half["metrics"]["val_accuracy"] == [(1, 1_790_000_001_500, 0.1 + 0.2)]
    assert {"duration_seconds", "chosen_epoch", "violation"} & set(half["metrics"]) == set()
    assert recorder.unfinished() == [f"{info.study_uid}:7"]

    recorder = reborn("before the second")
    assert recorder.progress(running(info, 2)) == run_id
    more = backend.read(run_id)
    assert [step for step, _, _ in more["metrics"]["val_accuracy"]] == [1, 2]
    assert more["status"] == "RUNNING"

    recorder = reborn("before the end")
    assert recorder.record(view_of(info)) == run_id
    assert backend.runs_of(f"{info.study_uid}:7") == [run_id]
    whole = backend.read(recorder.record(view_of(info, 8), new=new))
    ended = backend.read(run_id)
    assert ended["metrics"] == whole["metrics"]
    assert (ended["status"], ended["end"]) == ("FINISHED", 1_790_000_003_750)
    apart = {"tuner.attempt", "tuner.trial"}
    assert {k: v for k, v in ended["tags"].items() if k not in apart} == {
        k: v for k, v in whole["tags"].items() if k not in apart
    }
    assert recorder.unfinished() == []
    assert recorder.progress(running(info, 1)) == run_id, "too late: it is left alone"
    assert backend.read(run_id) == ended


@pytest.mark.parametrize("when", ["while it runs", "before its end"])
def test_a_run_that_somebody_deletes_is_made_anew(
    backend: Backend, info: SweepInfo, when: str
) -> None:
    recorder = backend.recorder()
    recorder.open_sweep(info)
    deleted = recorder.progress(running(info, 1), new=True)
    backend.delete(deleted)
    if when == "while it runs":
        with suppress(TrackingError):
            recorder.progress(running(info, 2))
        shown = recorder.progress(running(info, 2))
        assert shown != deleted
        assert len(backend.read(shown)["metrics"]["val_accuracy"]) == 2
    with suppress(TrackingError):
        recorder.record(view_of(info))
    run_id = recorder.record(view_of(info))
    assert backend.runs_of(f"{info.study_uid}:7") == [run_id]
    whole = backend.read(recorder.record(view_of(info, 8)))
    assert backend.read(run_id)["metrics"] == whole["metrics"]
    assert backend.read(run_id)["status"] == "FINISHED"


def test_what_came_to_nothing_is_ended(backend: Backend, info: SweepInfo) -> None:
    recorder = backend.recorder()
    recorder.open_sweep(info)
    attempt = f"{info.study_uid}:7"
    recorder.give_up(attempt, "never shown")
    assert backend.runs_of(attempt) == []
    run_id = recorder.progress(running(info, 1))
    other = recorder.progress(running(info, 1, 8))
    after_a_crash = backend.recorder()
    after_a_crash.open_sweep(info)
    assert sorted(after_a_crash.unfinished()) == [attempt, f"{info.study_uid}:8"]
    after_a_crash.give_up(attempt, "interrupted")
    run = backend.read(run_id)
    assert (run["status"], run["tags"]["tuner.state"]) == ("KILLED", GIVEN_UP)
    assert run["tags"]["tuner.reason"] == "interrupted"
    assert run["end"] is not None
    assert after_a_crash.unfinished() == [f"{info.study_uid}:8"]
    assert backend.read(other)["status"] == "RUNNING"
    after_a_crash.give_up(attempt, "again")
    assert backend.read(run_id) == run
    ended = recorder.record(view_of(info, 9))
    recorder.give_up(f"{info.study_uid}:9", "too late")
    assert backend.read(ended)["status"] == "FINISHED"


def test_another_sweeps_runs_are_not_ours(backend: Backend, info: SweepInfo) -> None:
    there = backend.recorder()
    other = replace(info, study_uid=uuid4().hex)
    there.open_sweep(other)
    there.progress(running(other, 1))
    recorder = backend.recorder()
    recorder.open_sweep(info)
    assert recorder.unfinished() == []


@pytest.mark.parametrize("state", ["waiting", "complete", "failed"])
def test_only_what_runs_makes_progress(backend: Backend, info: SweepInfo, state: str) -> None:
    recorder = backend.recorder()
    recorder.open_sweep(info)
    with pytest.raises(ValueError, match=f"trial 7 is {state}"):
        recorder.progress(view_of(info, state=state))
    assert backend.runs_of(f"{info.study_uid}:7") == []


@pytest.mark.parametrize(
    ("changes", "status", "tags"),
    [
        (
            {"state": "failed", "reason": "the worker was killed\nby the system", "epochs": ()},
            "FAILED",
            {"tuner.state": "failed", "tuner.reason": "the worker was killed\nby the system"},
        ),
        (
            {"state": "pruned", "reason": "loss is not finite"},
            "FINISHED",
            {
                "tuner.state": "pruned",
                "tuner.pruner": "not finite",
                "tuner.reason": "loss is not finite",
            },
        ),
        (
            {"variant": "baseline"},
            "FINISHED",
            {"tuner.state": "complete", "tuner.variant": "baseline"},
        ),
    ],
)
def test_how_a_trial_ended(
    backend: Backend, info: SweepInfo, changes: dict[str, Any], status: str, tags: dict[str, str]
) -> None:
    recorder = backend.recorder()
    recorder.open_sweep(info)
    view = view_of(info, **changes)
    if status == "FAILED":
        view = TrialView(view.record)
    run = backend.read(recorder.record(view))
    assert run["name"] == changes.get("variant", "trial 7")
    assert run["status"] == status
    assert run["tags"].items() >= tags.items()
    assert ("tuner.verdict" in run["tags"]) == (status == "FINISHED")
    assert ("violation" in run["metrics"]) == (status == "FINISHED")
    assert ("val_accuracy" in run["metrics"]) == (status == "FINISHED")
    assert run["metrics"]["duration_seconds"] == [
        (0 if status == "FAILED" else 2, 1_790_000_003_750, 3.5)
    ]


@pytest.mark.parametrize("state", ["waiting", "running"])
def test_a_trial_that_has_not_ended_is_refused(
    backend: Backend, info: SweepInfo, state: str
) -> None:
    recorder = backend.recorder()
    recorder.open_sweep(info)
    with pytest.raises(ValueError, match=f"trial 7 is {state}"):
        recorder.record(view_of(info, state=state))
    assert backend.runs_of(f"{info.study_uid}:7") == []


def test_400_epochs_lose_no_figure(backend: Backend, info: SweepInfo) -> None:
    epochs = tuple(
        replace(EPOCH_2, epoch=n, val_loss=1 / n, timestamp=START + n) for n in range(1, 401)
    )
    recorder = backend.recorder()
    recorder.open_sweep(info)
    metrics = backend.read(recorder.record(view_of(info, epochs=epochs)))["metrics"]
    start = 1_790_000_000_250
    assert metrics["val_loss"] == [(n, start + 1000 * n, 1 / n) for n in range(1, 401)]
    assert sum(map(len, metrics.values())) == 400 * 10 + 9


def test_odd_names_and_long_values_are_not_fatal(backend: Backend, info: SweepInfo) -> None:
    params = {
        "größe": "β — 猫",
        "note": "x" * 7000,
        "units (1)?": 3,
        "../up": 1,
        "/root": 2,
        "empty": "",
        **{f"p{n}": n for n in range(150)},
    }
    recorder = backend.recorder()
    recorder.open_sweep(info)
    view = view_of(info, params=params, reason="y" * 9000, attempt=f"it's {info.study_uid}")
    run_id = recorder.record(view)
    assert recorder.record(view) == run_id == recorder.find(f"it's {info.study_uid}")
    run = backend.read(run_id)
    assert run["params"]["größe"] == "β — 猫"
    assert run["params"]["note"] == "x" * 5999 + "…"
    assert run["params"]["units _1__"] == "3"
    assert run["params"]["_up"] == "1"
    assert run["params"]["_root"] == "2"
    assert run["params"]["empty"] == ""
    assert run["params"]["p149"] == "149"
    assert run["tags"]["tuner.reason"] == "y" * 5999 + "…"


@pytest.mark.parametrize(
    ("how", "status"), [("finished", "FINISHED"), ("interrupted", "KILLED"), ("failed", "FAILED")]
)
def test_a_sweep_is_closed_and_reopened(
    backend: Backend, info: SweepInfo, how: Any, status: str
) -> None:
    recorder = backend.recorder()
    run_id = recorder.open_sweep(info)
    summary = {"trials": 50, "best": 0.90125, "best_trial": "trial 7", "odd": math.nan}
    recorder.close_sweep(how, summary)
    run = backend.read(run_id)
    assert run["status"] == status
    assert {name: rows[-1][2] for name, rows in run["metrics"].items()} == {
        "trials": 50.0,
        "best": 0.90125,
    }
    assert run["tags"]["tuner.best_trial"] == "trial 7"

    resumed = backend.recorder()
    assert resumed.open_sweep(info) == run_id
    assert backend.read(run_id)["status"] == "RUNNING"
    resumed.close_sweep("finished", {"trials": 60})
    run = backend.read(run_id)
    assert run["status"] == "FINISHED"
    assert run["metrics"]["trials"][-1][2] == 60.0


def test_open_sweep_comes_first(backend: Backend, info: SweepInfo) -> None:
    recorder = backend.recorder()
    for call in (
        lambda: recorder.record(view_of(info)),
        lambda: recorder.find("x"),
        lambda: recorder.annotate("x", {}, {}),
        lambda: recorder.add_artifacts("x", {}),
        lambda: recorder.record_repeat(RepeatView(view_of(info).record, repeat_of()), "x"),
        lambda: recorder.close_sweep("finished", {}),
    ):
        with pytest.raises(RuntimeError, match="open_sweep comes first"):
            call()


# What is added later ----------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["FINISHED", "KILLED", "RUNNING"])
def test_attaching_changes_nothing_and_lets_the_rest_work(
    backend: Backend, info: SweepInfo, status: str
) -> None:
    first = backend.recorder()
    parent = first.open_sweep(info)
    trial_run = first.record(view_of(info))
    if status != "RUNNING":
        first.close_sweep("finished" if status == "FINISHED" else "interrupted", {"summary": "x"})
    before = backend.read(parent)
    assert before["status"] == status
    recorder = backend.recorder()
    changed = replace(info, command="tuner confirm fashion", seed=12, definition={"trials": 9})
    assert recorder.attach(changed) == parent == recorder.attach(info)
    assert backend.read(parent) == before
    assert recorder.find(f"{info.study_uid}:7") == trial_run
    assert recorder.record(view_of(info)) == trial_run
    made = recorder.record(view_of(info, 8))
    assert backend.read(made)["parent"] == parent
    assert recorder.unfinished() == []
    assert backend.read(parent) == before


def test_where_there_is_no_such_sweep_nothing_is_attached_to(
    backend: Backend, info: SweepInfo
) -> None:
    recorder = backend.recorder()
    other = backend.recorder().open_sweep(replace(info, study_uid=uuid4().hex))
    before = backend.read(other)
    assert recorder.attach(info) is None
    with pytest.raises(RuntimeError, match="open_sweep comes first"):
        recorder.record(view_of(info))
    assert backend.read(other) == before
    run_id = recorder.open_sweep(info)
    assert backend.recorder().attach(info) == run_id != other


@pytest.mark.parametrize("name", ["open_sweep", "attach"])
def test_no_store_is_made_by_attaching(tmp_path: Path, info: SweepInfo, name: str) -> None:
    recorder = MlflowRecorder(tmp_path)
    run_id = getattr(recorder, name)(info)
    assert (run_id is None) == (name == "attach") == (list(tmp_path.iterdir()) == [])


def test_the_sweep_is_found_in_whatever_experiment(
    mlflow_backend: MlflowBackend, info: SweepInfo
) -> None:
    parent = mlflow_backend.recorder().open_sweep(info)
    recorder = MlflowRecorder(mlflow_backend.folder, "another name")
    assert recorder.attach(info) == parent
    made = mlflow_backend.client.get_run(recorder.record(view_of(info)))
    assert made.info.experiment_id == mlflow_backend.experiment.experiment_id
    assert mlflow_backend.client.get_experiment_by_name("another name") is None


def repeat_of(kind: RepeatKind = "fresh", index: int = 0, **changes: Any) -> Repeat:
    split = SplitSpec("stratified", 0.2, 77)
    repeat = Repeat(
        kind, index, 4242, split, 2, "complete", EPOCHS, START + 60, START + 64, "CPU", run_id="x"
    )
    return replace(repeat, **changes)


def test_what_the_run_of_a_repeat_says(backend: Backend, info: SweepInfo) -> None:
    recorder = backend.recorder()
    recorder.open_sweep(info)
    # The trial has been tested, too: what it has become says nothing about this repeat.
    view = view_of(info, repeats=(repeat_of(),), test=TestScore(0.9, 0.3, 100))
    trial_run = recorder.record(view)
    run_id = recorder.record_repeat(RepeatView(view.record, repeat_of(), passes=True), trial_run)
    one, two, end = 1_790_000_001_500, 1_790_000_003_001, 1_790_000_064_250
    run, trial = backend.read(run_id), backend.read(trial_run)
    assert {name: run[name] for name in ("name", "status", "parent", "start", "end")} == {
        "name": "repeat 1",
        "status": "FINISHED",
        "parent": trial_run,
        "start": 1_790_000_060_250,
        "end": end,
    }
    assert run["tags"] == {
        "tuner.kind": "repeat",
        "tuner.study": "fashion",
        "tuner.study_uid": info.study_uid,
        "tuner.dataset": "fashion",
        "tuner.trial": "7",
        "tuner.attempt": f"{info.study_uid}:7:fresh:0",
        "tuner.state": "complete",
        "tuner.seed": "4242",
        "tuner.device": "CPU",
        "tuner.repeat": "fresh",
        "tuner.split_seed": "77",
        "tuner.judged_epoch": "2",
        "tuner.passes": "yes",
    }
    assert run["params"] == trial["params"] | {"seed": "4242"}
    assert run["metrics"]["val_accuracy"] == [(1, one, 0.1 + 0.2), (2, two, 0.9012345678901234)]
    assert run["metrics"]["judged_epoch"] == [(2, end, 2.0)]
    assert run["metrics"]["judged_val_accuracy"] == [(2, end, 0.9012345678901234)]
    assert run["metrics"]["duration_seconds"] == [(2, end, 4.0)]
    whole = {"violation", *(f"chosen_{name}" for name in ("epoch", "val_accuracy", "val_loss"))}
    assert set(run["metrics"]) & whole == set()
    assert recorder.find(f"{info.study_uid}:7") == trial_run, "a repeat is no trial"
    assert recorder.unfinished() == []


@pytest.mark.parametrize(
    ("repeat", "passes", "name", "status", "tags"),
    [
        (repeat_of("own"), None, "own seed", "FINISHED", {"tuner.repeat": "own"}),
        (repeat_of("fresh", 4), False, "repeat 5", "FINISHED", {"tuner.passes": "no"}),
        (
            repeat_of("same", 1, split=SplitSpec("tail", 0.2)),
            None,
            "repeat 2, same split",
            "FINISHED",
            {"tuner.repeat": "same"},
        ),
        (
            repeat_of(status="nan", message="the loss is not finite in epoch 1", epochs=EPOCHS[:1]),
            False,
            "repeat 1",
            "FINISHED",
            {"tuner.state": "pruned", "tuner.pruner": "not finite"},
        ),
        (
            repeat_of(status="failed", message="killed", epochs=(), started=0.0, ended=0.0),
            None,
            "repeat 1",
            "FAILED",
            {"tuner.state": "failed", "tuner.reason": "killed"},
        ),
    ],
)
def test_kinds_of_repeats(
    backend: Backend,
    info: SweepInfo,
    repeat: Repeat,
    passes: bool | None,
    name: str,
    status: str,
    tags: dict[str, str],
) -> None:
    recorder = backend.recorder()
    recorder.open_sweep(info)
    view = view_of(info)
    run_id = recorder.record_repeat(RepeatView(view.record, repeat, passes), recorder.record(view))
    run = backend.read(run_id)
    assert (run["name"], run["status"]) == (name, status)
    assert run["tags"].items() >= tags.items()
    assert ("tuner.passes" in run["tags"]) == (passes is not None)
    assert ("tuner.split_seed" in run["tags"]) == (repeat.split.kind == "stratified")
    judged = repeat.judged is not None
    assert ("judged_val_accuracy" in run["metrics"]) == judged == (len(repeat.epochs) == 2)


def test_a_repeat_recorded_again_changes_nothing(backend: Backend, info: SweepInfo) -> None:
    recorder = backend.recorder()
    recorder.open_sweep(info)
    view = view_of(info)
    trial_run = recorder.record(view)
    runs = [
        recorder.record_repeat(RepeatView(view.record, repeat_of(kind, index)), trial_run)
        for kind, index in REPEATS
    ]
    assert len(set(runs)) == len(runs) == 4
    before = [backend.read(run_id) for run_id in runs]
    again = backend.recorder()
    again.attach(info)
    other = RepeatView(view.record, repeat_of(status="nan", epochs=()), passes=False)
    assert again.record_repeat(other, trial_run) == runs[1]
    assert [backend.read(run_id) for run_id in runs] == before
    for (kind, index), run_id in zip(REPEATS, runs, strict=True):
        assert backend.runs_of(f"{info.study_uid}:7:{kind}:{index}") == [run_id]


REPEATS: list[tuple[RepeatKind, int]] = [("own", 0), ("fresh", 0), ("fresh", 1), ("same", 0)]


def test_a_repeat_that_is_half_written_or_deleted_is_written(
    backend: Backend, info: SweepInfo
) -> None:
    recorder = backend.recorder()
    recorder.open_sweep(info)
    view = view_of(info)
    trial_run = recorder.record(view)
    attempt = f"{info.study_uid}:7:fresh:0"
    half = backend.half_write(trial_run, attempt, kind="repeat")
    shown = RepeatView(view.record, repeat_of())
    assert recorder.record_repeat(shown, trial_run) == half
    whole = recorder.record_repeat(RepeatView(view.record, repeat_of(index=1)), trial_run)
    assert backend.read(half)["metrics"] == backend.read(whole)["metrics"]
    assert backend.read(half)["status"] == "FINISHED"
    backend.delete(whole)
    anew = recorder.record_repeat(RepeatView(view.record, repeat_of(index=1)), trial_run)
    assert anew != whole
    assert backend.runs_of(f"{info.study_uid}:7:fresh:1") == [anew]


def test_notes_on_a_run_that_has_ended(backend: Backend, info: SweepInfo) -> None:
    recorder = backend.recorder()
    recorder.open_sweep(info)
    run_id = recorder.record(view_of(info))
    before = backend.read(run_id)
    numbers = {"test_accuracy": 0.1 + 0.2, "odd": math.nan, "odder": math.inf, "a (b)?": 1}
    texts = {"tuner.confirmed": "marginal", "tuner.long": "x" * 7000, "tuner.größe?": "β"}
    recorder.annotate(run_id, numbers, texts)
    run = backend.read(run_id)
    new = {name: rows for name, rows in run["metrics"].items() if name not in before["metrics"]}
    assert {name: [(step, v) for step, _, v in rows] for name, rows in new.items()} == {
        "test_accuracy": [(0, 0.1 + 0.2)],
        "a _b__": [(0, 1.0)],
    }
    assert run["tags"] == before["tags"] | {
        "tuner.confirmed": "marginal",
        "tuner.long": "x" * 5999 + "…",
        "tuner.größe_": "β",
    }
    assert {k: run[k] for k in ("status", "end", "params")} == {
        k: before[k] for k in ("status", "end", "params")
    }
    recorder.annotate(run_id, numbers, texts)
    again = backend.recorder()
    again.attach(info)
    again.annotate(run_id, numbers, texts)
    again.annotate(run_id, {}, {})
    assert backend.read(run_id) == run


@pytest.mark.parametrize("name", ["test_accuracy", "val_accuracy"])
def test_another_figure_becomes_the_latest(backend: Backend, info: SweepInfo, name: str) -> None:
    recorder = backend.recorder()
    recorder.open_sweep(info)
    run_id = recorder.record(view_of(info))
    for value in (0.9, 0.8, 0.95):  # also one that is lower, and several within a millisecond
        recorder.annotate(run_id, {name: value}, {"tuner.verdict": f"now {value}"})
        rows = backend.read(run_id)["metrics"][name]
        assert rows[-1][2] == value
        assert len({(step, moment) for step, moment, _ in rows}) == len(rows)
        if isinstance(backend, MlflowBackend):
            assert backend.client.get_run(run_id).data.metrics[name] == value
    assert backend.read(run_id)["tags"]["tuner.verdict"] == "now 0.95"


def test_a_run_that_is_not_there_takes_nothing(
    backend: Backend, info: SweepInfo, tmp_path: Path
) -> None:
    recorder = backend.recorder()
    recorder.open_sweep(info)
    (tmp_path / "file").write_text("x")
    with pytest.raises(TrackingError):
        recorder.annotate("nobody", {"a": 1.0}, {})
    with pytest.raises(TrackingError):
        recorder.add_artifacts("nobody", {"file": tmp_path / "file"})


def test_files_beside_a_run_that_has_ended(
    backend: Backend, info: SweepInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = backend.recorder()
    recorder.open_sweep(info)
    run_id = recorder.record(view_of(info))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.png").write_bytes(b"\x89PNG")
    (tmp_path / "größe.html").write_bytes(b"page")
    files = {
        "pictures/accuracy.png": Path("one.png"),
        "report/fashion größe.html": tmp_path / "größe.html",
        "plain": tmp_path / "one.png",
    }
    recorder.add_artifacts(run_id, files)
    recorder.add_artifacts(run_id, {})
    found = {path: backend.artifact(run_id, path) for path in files}
    assert list(found.values()) == [b"\x89PNG", b"page", b"\x89PNG"]
    (tmp_path / "one.png").write_bytes(b"another")
    recorder.add_artifacts(run_id, {"plain": Path("one.png")})
    assert backend.artifact(run_id, "plain") == b"another"
    assert backend.artifact(run_id, "pictures/accuracy.png") == b"\x89PNG"


@pytest.mark.parametrize("path", ["", "/abs", "../up", "a/../b", "a//b", "a/", ".", "c:/x", "a\\b"])
def test_an_artifact_lies_below_its_run(
    backend: Backend, info: SweepInfo, tmp_path: Path, path: str
) -> None:
    recorder = backend.recorder()
    recorder.open_sweep(info)
    run_id = recorder.record(view_of(info))
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match="not a path below a run"):
        recorder.add_artifacts(run_id, {"fine": tmp_path / "file", path: tmp_path / "file"})
    assert backend.artifact(run_id, "fine") is None


def test_a_copied_folder_leaves_the_files_of_the_first_alone(
    tmp_path: Path, info: SweepInfo
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    run_id = MlflowRecorder(first).open_sweep(info)
    shutil.copytree(first, second)
    before = sorted(first.rglob("*"))
    recorder = MlflowRecorder(second)
    assert recorder.attach(info) == run_id
    (tmp_path / "file").write_text("x")
    with pytest.raises(TrackingError, match="copied or moved") as caught:
        recorder.add_artifacts(run_id, {"file": tmp_path / "file"})
    assert str(caught.value).count("\n") == 1
    assert sorted(first.rglob("*")) == before
    recorder.annotate(run_id, {"a": 1.0}, {})


PERCENTILE = (
    "percentile: val 0.8104 after 10 epochs is among the lowest 25% of 12 trials with schedule "
    "cosine (< 0.8312)"
)


@pytest.mark.parametrize(
    ("state", "reason", "pruner"),
    [
        ("pruned", PERCENTILE, "percentile"),
        ("pruned", "percentile: val 0.5 at epoch 3", "percentile"),
        ("pruned", "median: val 0.5 at epoch 3", "median"),
        ("pruned", "halving: val None at epoch 3", "halving"),
        ("pruned", "the loss is not finite in epoch 4", "not finite"),
        ("pruned", "memory did not suffice", "memory"),
        ("pruned", "OOM when allocating tensor with shape[9,9]", "memory"),
        ("pruned", "Unable to allocate 3.00 GiB for an array: float64", "memory"),
        ("pruned", None, None),
        ("pruned", "", None),
        ("complete", None, None),
        ("failed", "median: said the worker", None),
        ("running", None, None),
    ],
)
def test_what_stopped_a_trial(state: TrialState, reason: str | None, pruner: str | None) -> None:
    record = TrialRecord(1, 1, "u:1", state, {}, reason=reason)
    assert pruner_of(record) == pruner
    tags = trial_tags(SweepInfo("s", "u", "d"), TrialView(record))
    assert tags.get("tuner.pruner") == pruner
    assert tags.get("tuner.reason") == (reason or None)


def test_the_overfit_pruner_is_known_by_its_own_words() -> None:
    targets = (*parse_targets("val >= 90%"), *parse_targets("train < 95%"))
    history = [EpochMetrics(n, 0.8, 0.5, train_accuracy=0.99) for n in range(1, 6)]
    reason = overfit_reason(history, targets, {}, Rivals(), 30)
    record = TrialRecord(1, 1, "u:1", "pruned", {}, reason=reason)
    assert pruner_of(record) == "overfit"
    rivals = Rivals(Peer("cosine", (0.9,) * 30) for _ in range(8))
    hopeless = [EpochMetrics(n, 0.3, 0.5) for n in range(1, 11)]
    reason = overfit_reason(hopeless, targets, {"schedule": "cosine"}, rivals, 30)
    assert pruner_of(replace(record, reason=reason)) == "percentile"


# The values and the fake ------------------------------------------------------------------------


@given(st.text())
def test_a_legal_name_stays_one(name: str) -> None:
    clean = legal_name(name)
    assert re.fullmatch(r"[\w.\- /]{1,250}", clean)
    assert legal_name(clean) == clean


@given(st.lists(st.none() | st.floats(), max_size=9))
def test_only_finite_figures_become_points(values: list[float | None]) -> None:
    epochs = tuple(EpochMetrics(n, value, None) for n, value in enumerate(values, 1))
    record = TrialRecord(0, 0, "u:0", "complete", {}, epochs=epochs)
    points = [p for p in trial_points(TrialView(record)) if p.name == "val_accuracy"]
    assert [(p.step, p.value) for p in points] == [
        (n, v) for n, v in enumerate(values, 1) if v is not None and math.isfinite(v)
    ]


def test_a_violation_with_an_unmeasured_figure_has_no_sum() -> None:
    record = TrialRecord(0, 0, "u:0", "complete", {})
    view = TrialView(record, violations={"val >= 1": 0.5, "train < 1": None})
    assert "violation" not in {p.name for p in trial_points(view)}


def test_a_summary_is_split_into_numbers_and_texts() -> None:
    assert split_summary({"a": 1, "b": 2.5, "c": "text", "d": math.inf}) == (
        {"a": 1.0, "b": 2.5},
        {"tuner.c": "text"},
    )


def test_the_fake_has_outages(info: SweepInfo) -> None:
    recorder = MemoryRecorder()
    recorder.fail_next(2)
    for _ in range(2):
        with pytest.raises(TrackingError):
            recorder.open_sweep(info)
    recorder.open_sweep(info)
    recorder.fail_next()
    with pytest.raises(TrackingError):
        recorder.record(view_of(info))
    assert recorder.find(f"{info.study_uid}:7") is None
    recorder.fail_next(midway=True)
    with pytest.raises(TrackingError):
        recorder.record(view_of(info))
    run_id = recorder.find(f"{info.study_uid}:7")
    assert run_id is not None
    assert recorder.store.runs[run_id].status == "RUNNING"
    assert recorder.record(view_of(info)) == run_id
    assert recorder.store.runs[run_id].status == "FINISHED"


# MLflow alone -----------------------------------------------------------------------------------


def test_mlflow_shows_user_source_and_definition(
    mlflow_backend: MlflowBackend, info: SweepInfo
) -> None:
    recorder = mlflow_backend.recorder()
    parent = recorder.open_sweep(info)
    for run_id in (parent, recorder.record(view_of(info))):
        run = mlflow_backend.client.get_run(run_id)
        assert run.data.tags["mlflow.user"] == run.info.user_id == "login"
        assert run.data.tags["mlflow.source.name"] == "tuner"
    number = mlflow_backend.experiment.experiment_id
    artifacts = mlflow_backend.folder / "mlruns" / number / parent / "artifacts"
    assert json.loads((artifacts / "sweep.json").read_text()) == info.definition


def test_of_two_runs_of_one_attempt_the_finished_one_stays(
    mlflow_backend: MlflowBackend, info: SweepInfo
) -> None:
    recorder = mlflow_backend.recorder()
    parent = recorder.open_sweep(info)
    run_id = recorder.record(view_of(info))
    stray = mlflow_backend.half_write(parent, f"{info.study_uid}:7")
    assert recorder.record(view_of(info)) == run_id
    assert mlflow_backend.runs_of(f"{info.study_uid}:7") == [run_id]
    assert mlflow_backend.client.get_run(stray).info.lifecycle_stage == "deleted"


def test_a_tracking_uri_and_an_experiment_name_are_honoured(
    tmp_path: Path, info: SweepInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path}/elsewhere/other.db"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    (tmp_path / "work").mkdir()
    named = MlflowRecorder(tmp_path / "work").open_sweep(info)
    assert (tmp_path / "elsewhere" / "other.db").is_file()
    assert not (tmp_path / "work" / "mlflow.db").exists()
    assert os.environ["MLFLOW_TRACKING_URI"] == uri

    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "from environment")
    other = MlflowRecorder(tmp_path / "work").open_sweep(info)
    client = MlflowClient(tracking_uri=uri)
    names = [client.get_run(run_id).info.experiment_id for run_id in (named, other)]
    assert [client.get_experiment(i).name for i in names] == ["fashion", "from environment"]


def test_a_deleted_experiment_is_named(mlflow_backend: MlflowBackend, info: SweepInfo) -> None:
    folder = mlflow_backend.folder
    MlflowRecorder(folder, "gone").open_sweep(info)
    client = mlflow_backend.client
    number = client.get_experiment_by_name("gone").experiment_id
    client.delete_experiment(number)
    with pytest.raises(TrackingError) as caught:
        MlflowRecorder(folder, "gone").open_sweep(info)
    assert str(caught.value) == (
        f"tracking store {folder}/mlflow.db: experiment 'gone' was deleted there\n"
        f"  restore it (mlflow experiments restore -x {number}) "
        "or name another one in MLFLOW_EXPERIMENT_NAME"
    )


def test_an_outage_in_mid_sweep_is_mended_by_replaying(tmp_path: Path, info: SweepInfo) -> None:
    recorder = MlflowRecorder(tmp_path)
    recorder.open_sweep(info)
    database = tmp_path / "mlflow.db"
    whole = database.read_bytes()
    database.write_bytes(b"no longer a database" * 1000)
    with pytest.raises(TrackingError, match=r"mlflow\.db: file is not a database"):
        recorder.record(view_of(info))
    database.write_bytes(whole)
    assert recorder.record(view_of(info)) == recorder.find(f"{info.study_uid}:7")


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("http://127.0.0.1:9", "http://127.0.0.1:9"),
        ("http://login:hush%2Fhush@127.0.0.1:9", "http://127.0.0.1:9"),
        ("postgresql+nodriver://login:hush%2Fhush@db:9/x", "postgresql+nodriver://db:9/x"),
        ("postgresql+nodriver://db:9/x?password=hush", "postgresql+nodriver://db:9/x"),
        ("sqlite:////proc/none/hush@x.db", "sqlite:////proc/none/hush@x.db"),
        ("nonsense://login:hush@x", "nonsense://x"),
    ],
)
def test_a_store_that_is_not_there_is_told_in_two_lines(
    tmp_path: Path,
    info: SweepInfo,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    uri: str,
    address: str,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(TrackingError) as caught:
        MlflowRecorder(tmp_path).open_sweep(info)
    message = str(caught.value)
    assert message.startswith(f"tracking store {address}: ")
    assert message.count("\n") == 1
    assert "MLFLOW_TRACKING_URI" in message
    if "hush" not in address:
        assert "hush" not in message
    assert capfd.readouterr() == ("", "")


# MLflow in other processes ----------------------------------------------------------------------

OPEN = """
import sys, time
from pathlib import Path
from tuner.tracking.base import SweepInfo, TrialView
from tuner.tracking.mlflow import MlflowRecorder
from tuner.trial import EpochMetrics, TrialRecord
import mlflow

folder, number = Path(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
recorder = MlflowRecorder(folder)
parent = recorder.open_sweep(SweepInfo("fashion", "u", "fashion"))
epochs = (EpochMetrics(1, 0.5, 0.25, timestamp=1.79e9),)
record = TrialRecord(number, number, f"u:{number}", "complete", {}, epochs=epochs, started=1.79e9)
print(parent, recorder.record(TrialView(record)))
recorder.close_sweep("finished", {})
"""
LOOK = """
import json, mlflow
runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
places = [e.artifact_location for e in mlflow.search_experiments()]
print(json.dumps([[r.info.run_id for r in runs], [r.info.artifact_uri for r in runs], places]))
"""


def child(code: str, *arguments: str, cwd: Path, **environment: str) -> subprocess.Popen[str]:
    root = Path(tuner.__file__).parent.parent
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(root), **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate("go\n", timeout=120)
    assert (process.returncode, err) == (0, "")
    return out


@pytest.mark.slow
def test_two_processes_open_a_fresh_store_and_plain_mlflow_sees_it(tmp_path: Path) -> None:
    work, elsewhere = tmp_path / "my work", tmp_path / "elsewhere"
    work.mkdir()
    elsewhere.mkdir()
    children = [child(OPEN, str(work), str(n), cwd=elsewhere) for n in (1, 2)]
    for process in children:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in children:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [answer(process).split() for process in children]
    assert answers[0][0] == answers[1][0]
    recorded = {answers[0][0], answers[0][1], answers[1][1]}
    assert len(recorded) == 3
    assert list(elsewhere.iterdir()) == []

    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_LOGGING_LEVEL": "ERROR"}
    seen, artifacts, places = json.loads(answer(child(LOOK, cwd=work, **quiet)))
    assert set(seen) == recorded
    assert sorted(places) == [f"{work}/mlruns/0", f"{work}/mlruns/1"]
    assert all(a.startswith(f"{work}/mlruns/1/") for a in artifacts)


# In a process of its own ------------------------------------------------------------------------


def test_a_recorder_apart_writes_the_same_and_survives_its_child(
    tmp_path: Path, info: SweepInfo
) -> None:
    recorder = RecorderApart(tmp_path, "contract")
    with pytest.raises(RuntimeError, match="open_sweep comes first"):
        recorder.record(view_of(info))
    try:
        parent = recorder.open_sweep(info)
        run_id = recorder.record(view_of(info), new=True)
        child = recorder._child
        assert child is not None
        child.kill()
        child.wait()
        with pytest.raises(TrackingError, match="ended unexpectedly"):
            recorder.record(view_of(info, 8))
        other = recorder.record(view_of(info, 8))  # by another child
        child = recorder._child
        assert child is not None
        assert child.stdin is not None
        child.send_signal(signal.SIGTERM)  # as a job runner's, to all processes at once
        recorder.close_sweep("finished", {"summary": "one"})
        child.stdin.close()  # as the parent's end would
        assert child.wait(timeout=60) == 0
        with pytest.raises(TrackingError, match="ended unexpectedly"):
            recorder.annotate(run_id, {"late": 1.0}, {})
        (tmp_path / "file").write_text("kept")
        recorder.add_artifacts(run_id, {"a/file": tmp_path / "file"})  # by a third
    finally:
        recorder.leave()
    assert recorder._child is None
    (log,) = (tmp_path / ".tuner" / "logs").iterdir()
    assert log.name.startswith(f"recorder-{os.getpid()}-")
    backend = MlflowBackend(tmp_path)
    run = backend.read(run_id)
    assert (run["parent"], run["status"]) == (parent, "FINISHED")
    assert run["metrics"] == backend.read(other)["metrics"]
    assert backend.read(parent)["status"] == "FINISHED"
    assert backend.artifact(run_id, "a/file") == b"kept"


def test_a_recorder_apart_says_what_it_can_no_longer_attach_to(
    tmp_path: Path, info: SweepInfo
) -> None:
    parent = MlflowRecorder(tmp_path, "contract").open_sweep(info)
    recorder = RecorderApart(tmp_path)
    try:
        assert recorder.attach(replace(info, study_uid="other")) is None
        with pytest.raises(RuntimeError, match="open_sweep comes first"):
            recorder.find("x")
        assert recorder.attach(info) == parent
        assert recorder.find("x") is None
        child = recorder._child
        assert child is not None
        child.kill()
        child.wait()
        MlflowBackend(tmp_path).delete(parent)
        for why in ("ended unexpectedly", "has gone from the tracking store"):
            with pytest.raises(TrackingError, match=why):
                recorder.annotate(parent, {"a": 1.0}, {})
    finally:
        recorder.leave()


def test_a_recorder_apart_tells_what_its_child_was_told(
    tmp_path: Path, info: SweepInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://login:hush@127.0.0.1:9")
    recorder = RecorderApart(tmp_path)
    try:
        with pytest.raises(TrackingError, match=r"127\.0\.0\.1:9: .*refused") as caught:
            recorder.open_sweep(info)
    finally:
        recorder.leave()
    assert "hush" not in str(caught.value)


def test_a_mistake_of_ours_ends_the_child_and_is_logged(tmp_path: Path) -> None:
    recorder = RecorderApart(tmp_path)
    child = recorder._start()
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(json.dumps({"call": "nothing"}).encode() + b"\n")
    child.stdin.flush()
    assert child.stdout.readline() == b""
    assert "KeyError: 'nothing'" in recorder._log.read_text()
    recorder._child = child
    recorder.leave()


class Leaving(RecorderApart):
    """Is left by another thread while its child starts."""

    def __init__(self, folder: Path, *, midway: bool) -> None:
        super().__init__(folder)
        self.midway = midway
        self.started: list[subprocess.Popen[bytes]] = []

    def _start(self) -> subprocess.Popen[bytes]:
        if self.midway:
            self.leave()
        self.started.append(super()._start())
        return self.started[-1]


def test_whoever_has_been_left_starts_no_child(tmp_path: Path, info: SweepInfo) -> None:
    midway = Leaving(tmp_path, midway=True)
    with pytest.raises(TrackingError, match="sent away"):
        midway.open_sweep(info)
    (child,) = midway.started
    assert child.returncode is not None, "it was ended before it was asked anything"
    after = Leaving(tmp_path, midway=False)
    after.leave()
    with pytest.raises(TrackingError, match="sent away"):
        after.open_sweep(info)
    assert after.started == []
    assert not (tmp_path / "mlflow.db").exists()


def test_what_another_child_of_this_name_has_printed_stays(tmp_path: Path) -> None:
    recorder = RecorderApart(tmp_path)
    recorder._log.parent.mkdir(parents=True)
    recorder._log.write_text("why the first one died\n")
    recorder._child = recorder._start()
    recorder.leave()
    assert recorder._log.read_text().startswith("why the first one died\n")
    assert RecorderApart(tmp_path)._log != recorder._log


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=tmp_path,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline:
                with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health"):
                    break
                assert process.poll() is None, (tmp_path / "server.log").read_text()
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)


@pytest.mark.slow
def test_a_server_is_written_to_without_a_word(server: str, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    work = tmp_path / "work"
    work.mkdir()
    ready, parent, run_id = answer(
        child(OPEN, str(work), "1", cwd=work, MLFLOW_TRACKING_URI=server)
    ).split()
    assert ready == "ready"
    client = MlflowClient(tracking_uri=server)
    run = client.get_run(run_id)
    assert run.data.tags["mlflow.parentRunId"] == parent
    assert (run.info.status, client.get_run(parent).info.status) == ("FINISHED", "FINISHED")
    assert [(m.step, m.timestamp, m.value) for m in client.get_metric_history(run_id, "val_loss")]
    assert not (work / "mlflow.db").exists()
