"""The connection to an MLflow store.

The rule: the store is where a plain `mlflow ui` in the working directory looks (`mlflow.db` and
`mlruns/`), unless MLFLOW_TRACKING_URI names another one; MLflow's own global state is not touched,
and credentials are never shown.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tuner.errors import TrackingError
from tuner.locks import locked
from tuner.workspace import Workspace

ENVIRONMENT = {
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


class Connection:
    """A client for the store of a working directory, made when it is first needed.

    Args:
        folder: the working directory, which holds the default store and a lock file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        given = os.environ.get("MLFLOW_TRACKING_URI")
        self.own = not given
        self.uri = given or sqlite_uri(self.folder / "mlflow.db")
        self._client: Any = None

    @property
    def address(self) -> str:
        """Where the store is, without credentials, for messages."""
        return str(self.folder / "mlflow.db") if self.own else without_credentials(self.uri)

    @property
    def is_server(self) -> bool:
        """Whether the store is behind an MLflow server."""
        return self.uri.startswith(("http://", "https://"))

    @property
    def file(self) -> Path | None:
        """The store's SQLite file, or None where it is no such file."""
        if self.own:
            return self.folder / "mlflow.db"
        found = re.match(r"sqlite(?:\+\w+)?:///([^?]+)", self.uri)
        return None if found is None or found[1] == ":memory:" else Path(unquote(found[1]))

    def client(self) -> Any:
        """The client; called with the lock held, since two processes cannot migrate at once."""
        if self._client is None:
            client_of = imported().MlflowClient
            with warnings.catch_warnings():
                # MLflow 3.17 sets up its tables in a way that SQLAlchemy 2.1 deprecates.
                warnings.filterwarnings("ignore", "The ``noload`` loader", DeprecationWarning)
                if _is_database(self.uri):
                    _probe(self.uri)
                if self.own:
                    # Made once with its artifact root, or MLflow puts artifacts under the
                    # directory that the process happens to be in.
                    self.own_store()
                self._client = client_of(tracking_uri=self.uri)
        return self._client

    def own_store(self) -> Any:
        """MLflow's store below the client, whose new experiments keep artifacts in `mlruns/`."""
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        return SqlAlchemyStore(self.uri, str(self.folder / "mlruns"))

    @contextmanager
    def told(self) -> Iterator[None]:
        """Turn whatever goes wrong in the block into a TrackingError of two lines."""
        try:
            yield
        except TrackingError:
            raise
        except Exception as error:
            cause = self.cause(error)
            hint = (
                "another program holds it, or this folder has no file locks: then name a store "
                "elsewhere in MLFLOW_TRACKING_URI"
                if "database is locked" in cause
                else "check that the server runs and that MLFLOW_TRACKING_URI is right"
                if self.is_server
                else "check that the folder can be written and the file is MLflow's"
                if self.own
                else "check MLFLOW_TRACKING_URI"
            )
            raise TrackingError(f"tracking store {self.address}: {cause}\n  {hint}") from error

    def cause(self, error: BaseException) -> str:
        """One line on what went wrong at the bottom, without credentials."""
        while isinstance(below := error.__cause__ or error.__context__, Exception):
            if isinstance(below, LookupError) or not str(below).strip():
                break
            error = below
        text = str(error).strip() or type(error).__name__
        text = text.replace(self.uri, self.address)
        for secret in _secrets(self.uri):
            text = text.replace(secret, "***")
        line = without_credentials(text.splitlines()[0])
        return line if len(line) <= _LONGEST_CAUSE else f"{line[:_LONGEST_CAUSE]}…"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process of this folder at a time; where locks cannot be had, without one."""
        with ExitStack() as stack:
            with suppress(OSError):
                stack.enter_context(locked(Workspace(self.folder).lock("mlflow")))
            yield


def imported() -> Any:
    """The module `mlflow`, quiet and without telemetry."""
    for name, value in ENVIRONMENT.items():
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


def sqlite_uri(path: Path) -> str:
    """The URI of a SQLite file as MLflow wants it."""
    # Quoted no further than need be: MLflow makes a stray empty folder for a path with quotes.
    return "sqlite:///" + path.as_posix().replace("%", "%25").replace("?", "%3F")


def local_path(uri: str) -> Path | None:
    """The folder that an artifact location stands for, or None where it is no folder."""
    if uri.startswith("file:"):
        from urllib.request import url2pathname

        return Path(url2pathname(re.sub(r"^file:(//[^/]*)?", "", uri)))
    return None if "://" in uri or uri.startswith("mlflow-artifacts:") else Path(uri)


def _is_database(uri: str) -> bool:
    return re.match(r"(sqlite|postgresql|mysql|mssql)(\+\w+)?://", uri) is not None


def without_credentials(text: str) -> str:
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


def where(tags: dict[str, str]) -> str:
    """MLflow's filter for runs that carry all these tags."""
    quoted = {key: f'"{text}"' if "'" in text else f"'{text}'" for key, text in tags.items()}
    return " and ".join(f"tags.`{key}` = {text}" for key, text in quoted.items())
