"""The recorder that writes to MLflow.

The rule: recording is a replay that finds what is there. Which store it is and how it is reached
stands in `tuner.tracking.mlflow_connection`, what a run holds in `tuner.tracking.naming`.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.errors import TrackingError
from tuner.tracking.base import CloseStatus, RepeatView, Summary, SweepInfo, TrialView
from tuner.tracking.mlflow_connection import Connection, local_path, where
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

_log = logging.getLogger(__name__)

# Opens the experiment among trained models in MLflow 3's pages, not among language models.
_KIND = ("mlflow.experimentKind", "custom_model_development")


@dataclass(frozen=True)
class _Sweep:
    info: SweepInfo
    experiment: str
    run_id: str


@dataclass(frozen=True)
class _Run:
    """A run that shows a running trial: how many of its epochs it has.

    It is known from one success to the next call: what fails may have been deleted by somebody, and
    is looked for again.
    """

    run_id: str
    epochs: int = 0


class MlflowRecorder:
    """A `Recorder` over an MLflow store; connects when the sweep is opened or attached to.

    Args:
        folder: the working directory, which holds the default store and a lock file.
        experiment: name of the experiment; by default MLFLOW_EXPERIMENT_NAME, else the study's
            name.
    """

    def __init__(self, folder: Path, experiment: str | None = None) -> None:
        self._store = Connection(folder)
        self._experiment = experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME")
        self._client: Any = None
        self._sweep: _Sweep | None = None
        self._running: dict[str, _Run] = {}

    @property
    def address(self) -> str:
        """Where the store is, without credentials, for messages."""
        return self._store.address

    def open_sweep(self, info: SweepInfo) -> str:
        with self._store.told(), self._store.locked():
            client = self._client = self._store.client()
            experiment = self._experiment_id(self._experiment or info.study)
            tags = sweep_tags(info)
            found = self._search([experiment], "sweep", "tuner.study_uid", info.study_uid)
            if found:
                run = found[0]
                client.update_run(run.info.run_id, status="RUNNING")
            else:
                run = client.create_run(
                    experiment, run_name=info.study, tags=tags | _mlflow_tags(info)
                )
            run_id = str(run.info.run_id)
            new = {k: v for k, v in sweep_params(info).items() if k not in run.data.params}
            self._write(run_id, params=new, tags=tags)
            self._keep_definition(run_id, info)
        self._sweep = _Sweep(info, experiment, run_id)
        return run_id

    def attach(self, info: SweepInfo) -> str | None:
        file = self._store.file
        if file is not None and not file.exists():
            return None
        with self._store.told():
            with self._store.locked():
                client = self._client = self._store.client()
            # The experiment may have had another name when the sweep was run.
            pages = _all(lambda token: client.search_experiments(page_token=token))
            experiments = [str(experiment.experiment_id) for experiment in pages]
            found = self._search(experiments, "sweep", "tuner.study_uid", info.study_uid)
        if not found:
            return None
        run = found[0].info
        self._sweep = _Sweep(info, str(run.experiment_id), str(run.run_id))
        return self._sweep.run_id

    def record(self, view: TrialView, *, new: bool = False) -> str:
        sweep = self._opened()
        record = view.record
        status = trial_status(record)
        with self._store.told():
            known = self._running.pop(record.attempt, None)
            tags = trial_tags(sweep.info, view)
            if known is None:
                run, made = self._run_of(
                    sweep, record, trial_name(record), tags, sweep.run_id, new=new
                )
                if run.info.status != "RUNNING":
                    return str(run.info.run_id)
                known = _Run(str(run.info.run_id))
                tags = {} if made else tags
            points = trial_points(view, after=known.epochs)
            self._write(known.run_id, points, trial_params(record), tags)
            end = None if record.ended is None else milliseconds(record.ended)
            self._client.set_terminated(known.run_id, status, end_time=end)
        return known.run_id

    def progress(self, view: TrialView, *, new: bool = False) -> str:
        sweep = self._opened()
        record = view.record
        refuse_ended(record)
        with self._store.told():
            known = self._running.pop(record.attempt, None)
            if known is None:
                tags = trial_tags(sweep.info, view)
                run, _ = self._run_of(
                    sweep, record, trial_name(record), tags, sweep.run_id, new=new
                )
                known = _Run(str(run.info.run_id))
                if run.info.status != "RUNNING":
                    return known.run_id
            points = trial_points(view, after=known.epochs)
            self._write(known.run_id, points, {} if known.epochs else trial_params(record))
            self._running[record.attempt] = _Run(known.run_id, len(record.epochs))
        return known.run_id

    def record_repeat(self, view: RepeatView, trial_run: str) -> str:
        sweep = self._opened()
        record, tags = repeat_view(view).record, repeat_tags(sweep.info, view)
        with self._store.told():
            run, _ = self._run_of(sweep, record, repeat_name(view.repeat), tags, trial_run)
            run_id = str(run.info.run_id)
            if run.info.status == "RUNNING":
                self._write(run_id, repeat_points(view), trial_params(record), tags)
                end = None if record.ended is None else milliseconds(record.ended)
                self._client.set_terminated(run_id, trial_status(record), end_time=end)
        return run_id

    def annotate(self, run_id: str, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
        self._opened()
        numbers, texts = notes(metrics, tags)
        with self._store.told():
            known = self._client.get_run(run_id).data.metrics
            now = milliseconds(time.time())
            points = []
            for name, value in numbers.items():
                step = 0
                moment = now
                if name in known:
                    if known[name] == value:
                        continue
                    # Of several points that of the highest step is shown, then the latest one.
                    history = self._client.get_metric_history(run_id, name)
                    step = max(point.step for point in history)
                    moment = max(now, *(p.timestamp + 1 for p in history if p.step == step))
                points.append(Point(name, value, moment, step))
            self._write(run_id, points, tags=texts)

    def add_artifacts(self, run_id: str, files: Mapping[str, Path]) -> None:
        self._opened()
        paths = artifact_paths(files)
        with self._store.told(), tempfile.TemporaryDirectory() as folder:
            place = local_path(self._client.get_run(run_id).info.artifact_uri)
            ours = self._store.folder / "mlruns"
            if self._store.own and place is not None and not place.is_relative_to(ours):
                raise TrackingError(
                    f"tracking store {self.address}: its files lie in another folder, {place}\n"
                    "  MLflow notes whole paths: this folder was copied or moved from there, and "
                    "what belongs to the other one is left alone"
                )
            for path, file in zip(paths, files.values(), strict=True):
                copy = Path(folder, path)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
            self._client.log_artifacts(run_id, folder)

    def give_up(self, attempt: str, reason: str) -> None:
        sweep = self._opened()
        with self._store.told():
            found = self._search([sweep.experiment], "trial", "tuner.attempt", attempt)
            for run in found:
                if run.info.status == "RUNNING":
                    self._write(run.info.run_id, tags=given_up_tags(reason))
                    self._client.set_terminated(run.info.run_id, "KILLED")
        self._running.pop(attempt, None)

    def unfinished(self) -> list[str]:
        sweep = self._opened()
        tags = {"tuner.kind": "trial", "tuner.study_uid": sweep.info.study_uid}
        with self._store.told():
            found = _all(
                lambda token: self._client.search_runs(
                    [sweep.experiment],
                    filter_string=f"{where(tags)} and attributes.status = 'RUNNING'",
                    page_token=token,
                )
            )
        return [run.data.tags["tuner.attempt"] for run in found]

    def find(self, attempt: str) -> str | None:
        sweep = self._opened()
        with self._store.told():
            found = self._search([sweep.experiment], "trial", "tuner.attempt", attempt)
        return str(found[0].info.run_id) if found else None

    def close_sweep(self, status: CloseStatus, summary: Summary) -> None:
        run_id = self._opened().run_id
        numbers, texts = split_summary(summary)
        now = milliseconds(time.time())
        with self._store.told():
            self._write(run_id, [Point(k, v, now, 0) for k, v in numbers.items()], tags=texts)
            self._client.set_terminated(run_id, CLOSED[status])

    def leave(self) -> None:
        pass

    def _opened(self) -> _Sweep:
        if self._sweep is None:
            raise RuntimeError("open_sweep comes first")
        return self._sweep

    def _experiment_id(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(name)
        if found is None:
            maker = self._store.own_store() if self._store.own else self._client
            try:
                made = str(maker.create_experiment(name))
                self._client.set_experiment_tag(made, *_KIND)
                return made
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                found = self._client.get_experiment_by_name(name)
        if found.lifecycle_stage != "active":
            raise TrackingError(
                f"tracking store {self.address}: experiment {name!r} was deleted there\n"
                f"  restore it (mlflow experiments restore -x {found.experiment_id}) "
                "or name another one in MLFLOW_EXPERIMENT_NAME"
            )
        return str(found.experiment_id)

    def _run_of(
        self,
        sweep: _Sweep,
        record: TrialRecord,
        name: str,
        tags: dict[str, str],
        parent: str,
        *,
        new: bool = False,
    ) -> tuple[Any, bool]:
        """The run of this attempt, and whether it had to be made; of several one is kept."""
        where = ([sweep.experiment], tags["tuner.kind"], "tuner.attempt", record.attempt)
        with self._store.locked():
            found = [] if new else self._search(*where)
            made = not found
            if made:
                run = self._client.create_run(
                    sweep.experiment,
                    start_time=None if record.started is None else milliseconds(record.started),
                    run_name=name,
                    tags=tags | _mlflow_tags(sweep.info) | {"mlflow.parentRunId": parent},
                )
                # A request that was answered too late is sent again, and makes a second run.
                found = self._search(*where) if self._store.is_server else [run]
            found.sort(key=lambda run: run.info.status == "RUNNING")
            for extra in found[1:]:
                if extra.info.status == "RUNNING":
                    self._client.delete_run(extra.info.run_id)
        return found[0], made

    def _search(self, experiments: list[str], kind: str, tag: str, value: str) -> list[Any]:
        return list(
            self._client.search_runs(
                experiments,
                filter_string=where({"tuner.kind": kind, tag: value}),
                order_by=["attributes.start_time ASC"],
            )
        )

    def _write(
        self,
        run_id: str,
        points: list[Point] | None = None,
        params: dict[str, str] | None = None,
        tags: dict[str, str] | None = None,
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        self._client.log_batch(
            run_id,
            metrics=[Metric(p.name, p.value, p.timestamp, p.step) for p in points or ()],
            params=[Param(key, value) for key, value in (params or {}).items()],
            tags=[RunTag(key, value) for key, value in (tags or {}).items()],
            synchronous=True,
        )

    def _keep_definition(self, run_id: str, info: SweepInfo) -> None:
        """Store the definition beside the run; artifacts may live where this process cannot go."""
        try:
            self._client.log_dict(run_id, info.definition, "sweep.json")
        except Exception as error:
            _log.warning("sweep.json is not beside the sweep's run: %s", self._store.cause(error))


def _mlflow_tags(info: SweepInfo) -> dict[str, str]:
    tags = {"mlflow.source.name": "tuner", "mlflow.source.type": "LOCAL"}
    return tags | ({"mlflow.user": info.user} if info.user else {})


def _all(ask: Callable[[str | None], Any]) -> list[Any]:
    """What a store answers page by page."""
    found: list[Any] = []
    token: str | None = None
    while True:
        page = ask(token)
        found += page
        token = page.token
        if not token:
            return found
