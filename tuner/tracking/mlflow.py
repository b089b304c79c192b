"""The recorder that writes to MLflow, and the only place that imports it.

The rule: the store is where a plain `mlflow ui` in the working directory looks (`mlflow.db` and
`mlruns/`), unless MLFLOW_TRACKING_URI names another one; MLflow's own global state is not touched.
What a run holds is written in `tuner.tracking.base`.
"""

from __future__ import annotations

import logging
import os
import re
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tuner.errors import TrackingError
from tuner.locks import locked
from tuner.tracking.base import (
    CLOSED,
    CloseStatus,
    Point,
    Summary,
    SweepInfo,
    TrialView,
    milliseconds,
    split_summary,
    sweep_params,
    sweep_tags,
    trial_name,
    trial_params,
    trial_points,
    trial_status,
    trial_tags,
)
from tuner.workspace import Workspace

_log = logging.getLogger(__name__)

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # MLflow's own figures wait four minutes for a server that is gone. A trial that is not recorded
    # stays in the study and is replayed, so that waiting gains nothing.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
_SECRETS = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
_LOUD = ("mlflow", "alembic", "sqlalchemy.engine", "urllib3.connectionpool")
_LONGEST_CAUSE = 300
# Opens the experiment among trained models in MLflow 3's pages, not among language models.
_KIND = ("mlflow.experimentKind", "custom_model_development")


@dataclass(frozen=True)
class _Sweep:
    info: SweepInfo
    experiment: str
    run_id: str


class MlflowRecorder:
    """A `Recorder` over an MLflow store; connects when the sweep is opened.

    Args:
        folder: the working directory, which holds the default store and a lock file.
        experiment: name of the experiment; by default MLFLOW_EXPERIMENT_NAME, else the study's
            name.
    """

    def __init__(self, folder: Path, experiment: str | None = None) -> None:
        self._folder = folder.resolve()
        given = os.environ.get("MLFLOW_TRACKING_URI")
        self._own = not given
        self._uri = given or _sqlite_uri(self._folder / "mlflow.db")
        self._experiment = experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME")
        self._client: Any = None
        self._sweep: _Sweep | None = None

    @property
    def address(self) -> str:
        """Where the store is, without credentials, for messages."""
        return str(self._folder / "mlflow.db") if self._own else _without_credentials(self._uri)

    def open_sweep(self, info: SweepInfo) -> str:
        with self._told(), self._locked():
            client = self._connected()
            experiment = self._experiment_id(self._experiment or info.study)
            tags = sweep_tags(info)
            found = self._search(experiment, "sweep", "tuner.study_uid", info.study_uid)
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

    def record(self, view: TrialView) -> str:
        sweep = self._opened()
        record = view.record
        status = trial_status(record)
        with self._told():
            run = self._trial_run(sweep, view)
            run_id = str(run.info.run_id)
            if run.info.status == "RUNNING":
                self._write(run_id, trial_points(view), trial_params(record))
                end = None if record.ended is None else milliseconds(record.ended)
                self._client.set_terminated(run_id, status, end_time=end)
        return run_id

    def find(self, attempt: str) -> str | None:
        sweep = self._opened()
        with self._told():
            found = self._search(sweep.experiment, "trial", "tuner.attempt", attempt)
        return str(found[0].info.run_id) if found else None

    def close_sweep(self, status: CloseStatus, summary: Summary) -> None:
        run_id = self._opened().run_id
        numbers, texts = split_summary(summary)
        now = milliseconds(time.time())
        with self._told():
            self._write(run_id, [Point(k, v, now, 0) for k, v in numbers.items()], tags=texts)
            self._client.set_terminated(run_id, CLOSED[status])

    def _opened(self) -> _Sweep:
        if self._sweep is None:
            raise RuntimeError("open_sweep comes first")
        return self._sweep

    def _connected(self) -> Any:
        """The client; called with the lock held, since two processes cannot migrate at once."""
        if self._client is None:
            client_of = _imported().MlflowClient
            with warnings.catch_warnings():
                # MLflow 3.17 sets up its tables in a way that SQLAlchemy 2.1 deprecates.
                warnings.filterwarnings("ignore", "The ``noload`` loader", DeprecationWarning)
                if _is_database(self._uri):
                    _probe(self._uri)
                if self._own:
                    # Made once with its artifact root, or MLflow puts artifacts under the
                    # directory that the process happens to be in.
                    self._own_store()
                self._client = client_of(tracking_uri=self._uri)
        return self._client

    def _own_store(self) -> Any:
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        return SqlAlchemyStore(self._uri, str(self._folder / "mlruns"))

    def _experiment_id(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(name)
        if found is None:
            maker = self._own_store() if self._own else self._client
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

    def _trial_run(self, sweep: _Sweep, view: TrialView) -> Any:
        """The run of this attempt, made if need be; of several one is kept."""
        record = view.record
        where = (sweep.experiment, "trial", "tuner.attempt", record.attempt)
        with self._locked():
            found = self._search(*where)
            if not found:
                tags = trial_tags(sweep.info, view) | _mlflow_tags(sweep.info)
                run = self._client.create_run(
                    sweep.experiment,
                    start_time=None if record.started is None else milliseconds(record.started),
                    run_name=trial_name(record),
                    tags=tags | {"mlflow.parentRunId": sweep.run_id},
                )
                # A request that was answered too late is sent again, and makes a second run.
                found = self._search(*where) if _is_server(self._uri) else [run]
            found.sort(key=lambda run: run.info.status == "RUNNING")
            for extra in found[1:]:
                if extra.info.status == "RUNNING":
                    self._client.delete_run(extra.info.run_id)
        return found[0]

    def _search(self, experiment: str, kind: str, tag: str, value: str) -> list[Any]:
        quoted = f'"{value}"' if "'" in value else f"'{value}'"
        return list(
            self._client.search_runs(
                [experiment],
                filter_string=f"tags.`tuner.kind` = '{kind}' and tags.`{tag}` = {quoted}",
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
            _log.warning("sweep.json is not beside the sweep's run: %s", self._cause(error))

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except TrackingError:
            raise
        except Exception as error:
            hint = (
                "check that the server runs and that MLFLOW_TRACKING_URI is right"
                if _is_server(self._uri)
                else "check that the folder can be written and the file is MLflow's"
                if self._own
                else "check MLFLOW_TRACKING_URI"
            )
            raise TrackingError(
                f"tracking store {self.address}: {self._cause(error)}\n  {hint}"
            ) from error

    def _cause(self, error: BaseException) -> str:
        """One line on what went wrong at the bottom, without credentials."""
        while isinstance(below := error.__cause__ or error.__context__, Exception):
            if isinstance(below, LookupError) or not str(below).strip():
                break
            error = below
        text = str(error).strip() or type(error).__name__
        text = text.replace(self._uri, self.address)
        for secret in _secrets(self._uri):
            text = text.replace(secret, "***")
        line = _without_credentials(text.splitlines()[0])
        return line if len(line) <= _LONGEST_CAUSE else f"{line[:_LONGEST_CAUSE]}…"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process of this folder at a time; where locks cannot be had, without one."""
        with ExitStack() as stack:
            with suppress(OSError):
                stack.enter_context(locked(Workspace(self._folder).lock("mlflow")))
            yield


def _imported() -> Any:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import mlflow

    if "MLFLOW_LOGGING_LEVEL" not in os.environ:
        # What goes wrong comes as an exception; MLflow prints its traceback as well.
        for name in _LOUD:
            logging.getLogger(name).setLevel(logging.CRITICAL)
    return mlflow


def _probe(uri: str) -> None:
    """Fail at once where a database cannot be opened; MLflow retries for more than a minute."""
    from mlflow.store.db.utils import create_sqlalchemy_engine

    engine = create_sqlalchemy_engine(uri)
    if engine.url.drivername.startswith("sqlite") and engine.url.database:
        Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
    try:
        engine.connect().close()
    finally:
        engine.dispose()


def _mlflow_tags(info: SweepInfo) -> dict[str, str]:
    tags = {"mlflow.source.name": "tuner", "mlflow.source.type": "LOCAL"}
    return tags | ({"mlflow.user": info.user} if info.user else {})


def _sqlite_uri(path: Path) -> str:
    # Quoted no further than need be: MLflow makes a stray empty folder for a path with quotes.
    return "sqlite:///" + path.as_posix().replace("%", "%25").replace("?", "%3F")


def _is_server(uri: str) -> bool:
    return uri.startswith(("http://", "https://"))


def _is_database(uri: str) -> bool:
    return re.match(r"(sqlite|postgresql|mysql|mssql)(\+\w+)?://", uri) is not None


def _without_credentials(text: str) -> str:
    """Every URL in `text` without user, password and query; in a file's path `@` may stand."""
    text = re.sub(r"(?<!sqlite)://[^\s'\"]*@", "://", text)
    return re.sub(r"(?<!sqlite)(://[^\s'\"?]*)\?[^\s'\"]*", r"\1", text)


def _secrets(uri: str) -> list[str]:
    """Texts that must not be shown, longest first."""
    found = [os.environ.get(name, "") for name in _SECRETS]
    if match := re.match(r"[\w+.-]+://[^:/@]*:(.*)@", uri):
        found += [match[1], unquote(match[1])]
    found += [unquote(value) for value in re.findall(r"[?&]password=([^&]*)", uri)]
    return sorted(filter(None, found), key=len, reverse=True)
