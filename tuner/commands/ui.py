"""`tuner ui`: the MLflow pages on the store of this directory, or optuna-dashboard on its journal.

The rule: it listens on this machine alone unless told otherwise, says where as soon as it answers,
and takes every process that it started along when it ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from types import FrameType
from typing import IO

import click
from rich.console import Console
from rich.text import Text

from tuner.commands import guard
from tuner.commands.serving import address_of, fits_here, free_port, names_of_this_machine, url_of
from tuner.errors import StudyError, TrackingError, UsageError
from tuner.tracking.mlflow_connection import ENVIRONMENT
from tuner.tracking.mlflow_store import MlflowStore
from tuner.workspace import Workspace

TERMINATED = 143
START_SECONDS = 120.0
GRACE_SECONDS = 5.0


@dataclass(frozen=True)
class UiRequest:
    """What the command line asks for.

    Attributes:
        folder: the working directory.
        port: to listen at, or None for the first free one.
        host: address to listen at.
        allow: further names that browsers may call this machine by.
        dashboard: optuna-dashboard instead of MLflow.
        open_page: open a browser; None where there is a desktop.
    """

    folder: Path
    port: int | None = None
    host: str = "127.0.0.1"
    allow: tuple[str, ...] = ()
    dashboard: bool = False
    open_page: bool | None = None


# MLflow 3 has pages for language models and for trained models, and begins with the former.
RUNS_PAGE = "/#/experiments?workflowType=machine_learning"


@dataclass(frozen=True)
class _Server:
    """A server to start.

    Attributes:
        name: for a person.
        command: the child's command line.
        environment: variables that it gets; those with an empty value are taken from it.
        health: the path that answers when it is up.
        folder: the directory that it runs in.
        page: where in its pages a person should begin.
    """

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    health: str
    folder: Path
    page: str = ""


@dataclass
class _Ending:
    """Which signal has asked for the end, if any has."""

    number: int | None = None

    def handle(self, number: int, frame: FrameType | None) -> None:
        self.number = number


def run_ui(request: UiRequest) -> int:
    """Serve until Ctrl-C, the usual way to end it (returns 0), or SIGTERM (returns 143)."""
    workspace = Workspace(request.folder.resolve())
    store = MlflowStore(workspace.root)
    if request.dashboard:
        _check_dashboard(workspace)
    elif store.is_server:
        click.echo(f"MLflow is at {store.address}, the server that MLFLOW_TRACKING_URI names.")
        if request.open_page:
            _open(store.address)
        return 0
    elif not store.exists:
        raise TrackingError(
            f"there is no MLflow store at {store.address} yet, so there is nothing to show.\n"
            "A sweep makes it, such as: tuner sweep digits --trials 5"
        )
    with ExitStack() as stack:
        port = request.port
        if port is None:
            port = stack.enter_context(free_port(request.host))
        fits_here(request.host, port)
        server = (
            _dashboard(workspace, request, port)
            if request.dashboard
            else _mlflow(workspace, store, request, port)
        )
        return _serve(server, request, port)


def _check_dashboard(workspace: Workspace) -> None:
    from tuner.search.dashboard import is_installed

    if not is_installed():
        raise UsageError(
            "optuna-dashboard is not installed here.\n"
            f"Install it: {sys.executable} -m pip install optuna-dashboard"
        )
    if not workspace.journal.exists():
        raise StudyError(
            f"there is no study in {workspace.root} yet, so there is nothing to show.\n"
            "Start one with: tuner sweep digits --trials 5"
        )


def _dashboard(workspace: Workspace, request: UiRequest, port: int) -> _Server:
    root = str(Path(__file__).parents[2])
    return _Server(
        name="optuna-dashboard",
        command=(
            *(sys.executable, "-m", "tuner.search.dashboard"),
            *(str(workspace.root), request.host, str(port)),
        ),
        environment={
            "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        },
        health="/",
        folder=workspace.root,
    )


def _mlflow(workspace: Workspace, store: MlflowStore, request: UiRequest, port: int) -> _Server:
    environment = {
        **ENVIRONMENT,
        # In the environment, not on the command line: it may hold a password.
        "MLFLOW_BACKEND_STORE_URI": store.uri,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_TRACKING_URI": "",
    }
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    command += ["--host", request.host, "--port", str(port)]
    folder = workspace.root
    if store.artifacts_folder is not None:
        # uvicorn looks for modules where it runs, and the user's mlflow.py is not MLflow.
        folder = workspace.private if workspace.private.is_dir() else folder
        command += ["--default-artifact-root", str(store.artifacts_folder), "--no-serve-artifacts"]
    names = [*names_of_this_machine(request.host), *request.allow]
    if names:
        hosts = ["localhost", "127.0.0.1", "[::1]", *names]
        allowed = ",".join(each for host in hosts for each in (host, f"{host}:*"))
        origins = ",".join(f"http://{name}:{port}" for name in names)
        for name, value in (("ALLOWED_HOSTS", allowed), ("CORS_ALLOWED_ORIGINS", origins)):
            key = f"MLFLOW_SERVER_{name}"
            environment[key] = os.environ.get(key) or value
    return _Server("MLflow", tuple(command), environment, "/health", folder, RUNS_PAGE)


def _serve(server: _Server, request: UiRequest, port: int) -> int:
    notes = Console(stderr=True, highlight=False)
    careful = warning_for(request.host, port)
    if careful:
        notes.print(Text(careful))
    url = url_of(request.host, port)
    ending = _Ending()
    with TemporaryFile("w+", encoding="utf-8", errors="replace") as log, _signals(ending):
        child = _start(server, log)
        try:
            if not _wait_until_up(server, child, url, ending, notes):
                if ending.number is None:
                    raise TrackingError(_failure(server, child, log, port))
            else:
                click.echo(f"{server.name}: {url}{server.page}   (Ctrl-C ends it)")
                sys.stdout.flush()
                if _wants_browser(request.open_page):
                    _open(f"{url}{server.page}")
                while child.poll() is None and ending.number is None:
                    time.sleep(0.1)
                if ending.number is None:
                    raise TrackingError(_failure(server, child, log, port))
        finally:
            _stop(child)
    if sys.stderr.isatty():
        notes.print(Text(f"\n{server.name} has ended."))
    return 0 if ending.number == signal.SIGINT else TERMINATED


def warning_for(host: str, port: int) -> str:
    """What somebody should know who opens the pages to others; empty on this machine alone."""
    if address_of(host).is_loopback:
        return ""
    return (
        f"Careful: anyone who can reach port {port} of this machine can read and change "
        "everything shown here, without a password."
    )


def _start(server: _Server, log: IO[str]) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **server.environment}
    environment = {key: value for key, value in environment.items() if value}
    # A mlflow.py in the user's working directory is not MLflow; for the server's workers as well.
    environment["PYTHONSAFEPATH"] = "1"
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP
    return subprocess.Popen(  # noqa: S603
        [sys.executable, str(Path(guard.__file__)), *server.command],
        cwd=server.folder,
        env=environment,
        stdin=subprocess.PIPE,  # its end tells the guard that we are gone
        stdout=log,
        stderr=log,
        creationflags=flags,
        start_new_session=sys.platform != "win32",
    )


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End the child and all that it started: gently, then not."""
    assert child.stdin is not None
    with suppress(OSError):
        child.stdin.close()
    if sys.platform == "win32":
        subprocess.run(  # noqa: S603
            ["taskkill", "/T", "/F", "/PID", str(child.pid)],  # noqa: S607
            capture_output=True,
            check=False,
        )
        child.wait()
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < deadline and (child.poll() is None or _group_lives(child.pid)):
        time.sleep(0.05)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _group_lives(group: int) -> bool:
    if sys.platform != "win32":
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, 0)
            return True
    return False


def _wait_until_up(
    server: _Server, child: subprocess.Popen[bytes], url: str, ending: _Ending, notes: Console
) -> bool:
    """Wait for the server's first answer; False when it ended, took too long, or shall end."""
    deadline = time.monotonic() + START_SECONDS
    # Never through a proxy that the environment names: the server is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with notes.status(Text(f"Starting {server.name} …")):
        if not notes.is_terminal:
            notes.print(Text(f"Starting {server.name} …"))
        while time.monotonic() < deadline and child.poll() is None and ending.number is None:
            with suppress(OSError, ValueError):
                opener.open(f"{url}{server.health}", timeout=5).close()
                return True
            time.sleep(0.1)
    return False


def _failure(server: _Server, child: subprocess.Popen[bytes], log: IO[str], port: int) -> str:
    log.seek(0)
    said = [line.strip() for line in log.read().splitlines() if line.strip()]
    if any("address already in use" in line.lower() for line in said):
        return (
            f"port {port} was taken by another program meanwhile.\nStart it again, or name another "
            "port with --port."
        )
    store = said[-1][:300] if said else "it said nothing"
    how = "did not answer in time" if child.poll() is None else "ended by itself"
    return f"{server.name} {how}: {store}\nSee what is wrong here: tuner doctor"


@contextmanager
def _signals(ending: _Ending) -> Iterator[None]:
    numbers: list[int] = [signal.SIGINT, signal.SIGTERM]
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, ending.handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wants_browser(asked: bool | None) -> bool:
    if asked is not None:
        return asked
    if not sys.stdout.isatty() or os.environ.get("SSH_CONNECTION"):
        return False
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _open(url: str) -> None:
    import webbrowser

    if not webbrowser.open(url):
        Console(stderr=True, highlight=False).print(Text("No browser could be opened."))
