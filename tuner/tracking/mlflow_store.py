"""What the sweeps of an MLflow store hold, for tables over many of them, and what can go.

The rule: it reads every experiment and changes nothing but what it is told to delete; where the
store would be a file that is not there, reading creates nothing. Anybody may have written what a
store holds: its texts come without characters that a terminal would obey.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.errors import TrackingError
from tuner.text import printable
from tuner.tracking.base import GIVEN_UP
from tuner.tracking.mlflow_connection import Connection, imported, local_path, where

PAGE = 1000


@dataclass(frozen=True)
class TrialRun:
    """The run of one trial; `verdict` is None for a failed one. Metrics are the last of each."""

    run_id: str
    trial: int
    state: str
    verdict: str | None
    metrics: dict[str, float]


@dataclass(frozen=True)
class SweepRun:
    """The run of a sweep with those of its trials, by their number.

    Attributes:
        run_id: of the sweep's run.
        user: who ran it, or an empty text.
        study, study_uid, dataset: as in the run's tags.
        started: seconds since 1970.
        ended: the same, or None while it runs.
        status: RUNNING, FINISHED, KILLED or FAILED.
        metrics, tags, params: of the sweep's run.
        trials: runs of ended trials that name this one as their parent.
    """

    run_id: str
    user: str
    study: str
    study_uid: str
    dataset: str
    started: float
    ended: float | None
    status: str
    metrics: dict[str, float]
    tags: dict[str, str]
    params: dict[str, str]
    trials: tuple[TrialRun, ...] = ()


class MlflowStore:
    """What the sweeps of a store hold, for tables over many of them, and what can go.

    Every method raises TrackingError when the store cannot be reached. Where the default store, or
    the SQLite file that MLFLOW_TRACKING_URI names, does not exist, there is nothing in it.

    Args:
        folder: the working directory, which holds the default store and a lock file.
    """

    def __init__(self, folder: Path) -> None:
        self._connection = Connection(folder)

    @property
    def address(self) -> str:
        """Where the store is, without credentials."""
        return self._connection.address

    @property
    def uri(self) -> str:
        """Where the store is, as MLflow wants it. May hold credentials: never show it."""
        return self._connection.uri

    @property
    def is_server(self) -> bool:
        """Whether the store is behind an MLflow server."""
        return self._connection.is_server

    @property
    def file(self) -> Path | None:
        """The store's SQLite file, or None where it is no such file."""
        return self._connection.file

    @property
    def exists(self) -> bool:
        """False only where the store would be a file that is not there."""
        return self.file is None or self.file.exists()

    @property
    def artifacts_folder(self) -> Path | None:
        """Where the default store keeps artifacts; None for a store that is elsewhere."""
        return self._connection.folder / "mlruns" if self._connection.own else None

    @property
    def gc_command(self) -> str:
        """What empties MLflow's bin: deleted runs stay in a store until then."""
        if self._connection.own:
            return "mlflow gc --tracking-uri sqlite:///mlflow.db"
        if self.is_server:
            return "mlflow gc, on the server's machine, with its --backend-store-uri"
        return 'mlflow gc --backend-store-uri "$MLFLOW_TRACKING_URI"'

    def sweeps(self, dataset: str | None = None) -> list[SweepRun]:
        """The sweeps of all experiments, oldest first; only those on `dataset` where it is given.

        Runs that were deleted are left out.
        """
        if not self.exists:
            return []
        with self._asking() as client:
            wanted = {"tuner.kind": "sweep"} | ({"tuner.dataset": dataset} if dataset else {})
            parents = self._runs(client, wanted)
            trials = self._runs(client, {**wanted, "tuner.kind": "trial"}) if parents else []
        children: dict[str, list[Any]] = {}
        for run in trials:
            if run.data.tags.get("tuner.state") not in ("running", GIVEN_UP):
                children.setdefault(run.data.tags.get("mlflow.parentRunId", ""), []).append(run)
        found = [_sweep(run, children.get(run.info.run_id, ())) for run in parents]
        return sorted(found, key=lambda sweep: (sweep.started, sweep.run_id))

    def count_study(self, uid: str) -> int:
        """How many runs the study with this identity has: of sweep, trials and repeats."""
        if not self.exists:
            return 0
        with self._asking() as client:
            return len(self._runs(client, {"tuner.study_uid": uid}))

    def delete_study(self, uid: str) -> int:
        """Delete the runs of a study: its sweep's, its trials', their repeats'; returns how many.

        MLflow keeps what is deleted until `mlflow gc` is run.
        """
        if not self.exists:
            return 0
        with self._asking() as client:
            found = self._runs(client, {"tuner.study_uid": uid})
            # The sweep's run last: one that is left shows that there is more to delete.
            found.sort(key=lambda run: run.data.tags.get("tuner.kind") == "sweep")
            for run in found:
                client.delete_run(run.info.run_id)
        return len(found)

    def deleted(self) -> list[str]:
        """Ids of deleted runs, whoever made them, that the store keeps until `mlflow gc`."""
        if not self.exists:
            return []
        from mlflow.entities import ViewType

        with self._asking() as client:
            experiments = self._experiments(client, ViewType.ALL)
            pages = _pages(
                lambda token: client.search_runs(
                    experiments,
                    "",
                    run_view_type=ViewType.DELETED_ONLY,
                    max_results=PAGE,
                    page_token=token,
                )
            )
            return [run.info.run_id for run in pages] if experiments else []

    def strayed(self) -> str | None:
        """Where the default store's artifacts lie, if that is another directory than this one.

        MLflow notes whole paths, so that a copied or moved directory points to the old place, and
        `mlflow gc` deletes there.
        """
        if self.artifacts_folder is None or not self.exists:
            return None
        from mlflow.entities import ViewType

        with self._asking() as client:
            found = _pages(
                lambda token: client.search_experiments(
                    view_type=ViewType.ALL, max_results=PAGE, page_token=token
                )
            )
            places = [str(experiment.artifact_location) for experiment in found]
        for place in places:
            path = local_path(place)
            if path is not None and not path.is_relative_to(self.artifacts_folder):
                return printable(str(path.parent))
        return None

    def check(self) -> str:
        """Ask the store something small; returns what it is, such as `SQLite, schema 1a2b`."""
        with self._connection.told():
            if self.is_server:
                with self._asking() as client:
                    client.search_experiments(max_results=1)
                return "server"
            if self.file is None:
                with self._asking() as client:
                    client.search_experiments(max_results=1)
                return "database"
            return f"SQLite, schema {self._check_file(self.file)}"

    def _check_file(self, file: Path) -> str:
        """The schema's version, seen and writable; MLflow itself would create or wait."""
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True)) as database:
            database.execute("PRAGMA busy_timeout = 2000")
            rows = database.execute("SELECT version_num FROM alembic_version").fetchall()
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
        imported()
        from mlflow.store.db.utils import _get_latest_schema_revision

        have, want = str(rows[0][0]) if rows else "none", str(_get_latest_schema_revision())
        if have != want:
            raise TrackingError(
                f"{file} has the schema {have}, and the installed MLflow wants {want}.\n"
                "An older one is brought up to date by: mlflow db upgrade "
                f"sqlite:///{file.name} (copy the file first); a newer one needs a newer MLflow."
            )
        return have

    @contextmanager
    def _asking(self) -> Iterator[Any]:
        with self._connection.told():
            with self._connection.locked():
                client = self._connection.client()
            yield client

    def _experiments(self, client: Any, view: int) -> list[str]:
        pages = _pages(
            lambda token: client.search_experiments(
                view_type=view, max_results=PAGE, page_token=token
            )
        )
        return [experiment.experiment_id for experiment in pages]

    def _runs(self, client: Any, tags: dict[str, str]) -> list[Any]:
        """Runs with these tags in all experiments that are not deleted."""
        from mlflow.entities import ViewType

        experiments = self._experiments(client, ViewType.ACTIVE_ONLY)
        if not experiments:
            return []
        return list(
            _pages(
                lambda token: client.search_runs(
                    experiments, where(tags), max_results=PAGE, page_token=token
                )
            )
        )


def _pages(ask: Callable[[str | None], Any]) -> Iterator[Any]:
    token: str | None = None
    while True:
        page = ask(token)
        yield from page
        token = page.token
        if not token:
            return


def _sweep(run: Any, trials: Any) -> SweepRun:
    tags = _texts(run.data.tags)
    running = run.info.status == "RUNNING" or not run.info.end_time
    return SweepRun(
        run_id=run.info.run_id,
        user=tags.get("mlflow.user") or printable(run.info.user_id or ""),
        study=tags.get("tuner.study", printable(run.info.run_name or "")),
        study_uid=tags.get("tuner.study_uid", ""),
        dataset=tags.get("tuner.dataset", ""),
        started=(run.info.start_time or 0) / 1000,
        ended=None if running else run.info.end_time / 1000,
        status=run.info.status,
        metrics=dict(run.data.metrics),
        tags=tags,
        params=_texts(run.data.params),
        trials=tuple(sorted(map(_trial, trials), key=lambda trial: (trial.trial, trial.run_id))),
    )


def _texts(raw: Mapping[str, str]) -> dict[str, str]:
    return {printable(key): printable(value) for key, value in raw.items()}


def _trial(run: Any) -> TrialRun:
    tags = _texts(run.data.tags)
    number = tags.get("tuner.trial", "")
    return TrialRun(
        run_id=run.info.run_id,
        trial=int(number) if number.isdecimal() else -1,
        state=tags.get("tuner.state", ""),
        verdict=tags.get("tuner.verdict"),
        metrics=dict(run.data.metrics),
    )
