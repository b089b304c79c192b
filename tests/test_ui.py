"""A real server on loopback: it shows this directory's runs, says where, and leaves nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from stubs import environment
from studies import GOOD, make

from tuner.cli import run
from tuner.commands import serving
from tuner.commands.serving import address_of, free_port, names_of_this_machine, url_of
from tuner.commands.ui import RUNS_PAGE, warning_for
from tuner.errors import UsageError
from tuner.tracking.base import SweepInfo
from tuner.tracking.mlflow import MlflowRecorder

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    return tmp_path


@contextmanager
def listening(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind((host, port))
        taken.listen(1)
        yield taken.getsockname()[1]


@contextmanager
def started(folder: Path, *words: str, **more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`tuner ui` in a process of its own, and the address that it says."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tuner", "ui", *words],
        cwd=folder,
        env={**environment(), **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, (line, process.stderr.read())
        yield process, found[0].removesuffix(RUNS_PAGE)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)
        process.stdout.close()
        process.stderr.close()


def ask(url: str, body: dict[str, object] | None = None, **headers: str) -> str:
    request = urllib.request.Request(  # noqa: S310
        url,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **headers},
    )
    with DIRECT.open(request, timeout=30) as answer:
        text: str = answer.read().decode()
        return text


def family_of(pid: int) -> set[int]:
    """All descendants of a process, by /proc."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parents[int(entry.name)] = int(
                    (entry / "stat").read_text().rpartition(")")[2].split()[1]
                )
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def lives(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_the_runs_of_this_directory_are_shown_until_the_end(
    number: signal.Signals, code: int, folder: Path
) -> None:
    run_id = MlflowRecorder(folder).open_sweep(
        SweepInfo("one", "uid", "digits", definition={"epochs": 3})
    )
    (folder / "mlflow.py").write_text("raise SystemExit('not MLflow')")
    with started(folder) as (process, url):
        assert re.fullmatch(r"http://127\.0\.0\.1:5\d\d\d", url)
        assert "<html" in ask(f"{url}/").lower()
        found = json.loads(
            ask(
                f"{url}/api/2.0/mlflow/runs/search",
                {"experiment_ids": ["1"]},
                Origin=url,  # as the page itself asks
            )
        )
        assert [r["info"]["run_id"] for r in found["runs"]] == [run_id]
        kept = ask(f"{url}/get-artifact?path=sweep.json&run_uuid={run_id}")
        assert json.loads(kept) == {"epochs": 3}
        with pytest.raises(urllib.error.HTTPError, match="403"):
            ask(f"{url}/", Host="evil.example")
        family = family_of(process.pid) if Path("/proc/self/stat").exists() else set()
        process.send_signal(number)
        assert process.wait(timeout=30) == code
    assert [pid for pid in family if lives(pid)] == []
    with pytest.raises(OSError, match="refused"):
        ask(f"{url}/health")
    made = {path.name for path in folder.iterdir()}
    assert made <= {"mlflow.db", "mlflow.py", "mlruns", ".tuner"}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc")
def test_a_server_does_not_outlive_a_killed_parent(folder: Path) -> None:
    MlflowRecorder(folder).open_sweep(SweepInfo("one", "uid", "digits"))
    with started(folder) as (process, url):
        family = family_of(process.pid)
        assert len(family) >= 3  # the guard, MLflow, and what answers
        process.kill()
        process.wait()
        deadline = time.monotonic() + 60
        while any(map(lives, family)) and time.monotonic() < deadline:
            time.sleep(0.1)
    assert [pid for pid in family if lives(pid)] == []
    with pytest.raises(OSError, match="refused"):
        ask(f"{url}/health")


@pytest.mark.slow
def test_a_further_name_is_let_in(folder: Path) -> None:
    MlflowRecorder(folder).open_sweep(SweepInfo("one", "uid", "digits"))
    with started(folder, "--allow", "lab.example") as (_, url):
        port = url.rpartition(":")[2]
        answers = {}
        for name in ("lab.example", "evil.example"):
            try:
                ask(
                    f"{url}/api/2.0/mlflow/experiments/search",
                    {"max_results": 1},
                    Host=f"{name}:{port}",
                    Origin=f"http://{name}:{port}",
                )
                answers[name] = 200
            except urllib.error.HTTPError as error:
                answers[name] = error.code
                error.close()
        assert answers == {"lab.example": 200, "evil.example": 403}


@pytest.mark.parametrize(
    ("host", "careful"),
    [("127.0.0.1", False), ("localhost", False), ("::1", False), ("0.0.0.0", True), ("::", True)],  # noqa: S104
)
def test_open_to_others_it_warns(host: str, careful: bool) -> None:
    assert ("anyone who can reach port 5000" in warning_for(host, 5000)) == careful


def test_without_a_store_it_suggests_a_sweep(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ui"]) == 1
    said = capsys.readouterr().err
    assert "there is no MLflow store" in said
    assert "tuner sweep digits" in said
    assert list(folder.iterdir()) == []


def test_a_server_is_named_and_not_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://login:hush@mlflow.example/base")
    assert run(["ui"]) == 0
    assert "https://mlflow.example/base" in (out := capsys.readouterr().out)
    assert "hush" not in out


def test_a_port_in_use_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mlflow.db").touch()
    with listening() as port:
        assert run(["ui", "--port", str(port)]) == 2
    said = capsys.readouterr().err
    assert f"port {port} is in use" in said
    assert "--port" in said


def test_a_free_port_is_found_above_those_in_use() -> None:
    with listening() as port, free_port("127.0.0.1", port) as found:
        assert port < found < port + serving.PORTS
        with listening(port=found):
            pass


def test_two_that_start_at_once_get_two_ports() -> None:
    """A server takes seconds until it listens; until then nothing but the claim tells of it."""
    with free_port("127.0.0.1", 5600) as one:
        with free_port("127.0.0.1", 5600) as two:
            assert two != one
        with free_port("127.0.0.1", 5600) as again:
            assert again == two
    with free_port("127.0.0.1", one) as after:
        assert after == one


def test_no_port_at_all_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "PORTS", 1)
    with listening() as port, pytest.raises(UsageError, match=f"from {port} to {port} is free"):
        free_port("127.0.0.1", port).__enter__()


def test_a_port_whose_connection_has_just_been_closed_is_free() -> None:
    with listening() as port, socket.create_connection(("127.0.0.1", port)):
        pass
    assert serving.try_port("127.0.0.1", port) is None


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("no.such.host.invalid", "is no address"),
        ("192.0.2.77", "no such address"),
        ("300.1.1.1", "is no address"),
    ],
)
def test_a_host_that_cannot_be_is_named(
    host: str, words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "mlflow.db").touch()
    assert run(["ui", "--host", host]) == 2
    said = capsys.readouterr().err
    assert host in said
    assert words in said
    assert "127.0.0.1" in said


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:5000"),
        ("localhost", "http://localhost:5000"),
        ("0.0.0.0", "http://127.0.0.1:5000"),  # noqa: S104
        ("::", "http://[::1]:5000"),
        ("::1", "http://[::1]:5000"),
        ("10.1.2.3", "http://10.1.2.3:5000"),
    ],
)
def test_what_to_type_into_a_browser(host: str, url: str) -> None:
    assert url_of(host, 5000) == url


def test_on_loopback_there_are_no_further_names() -> None:
    assert names_of_this_machine("127.0.0.1") == []
    assert names_of_this_machine("localhost") == []
    others = names_of_this_machine("0.0.0.0")  # noqa: S104
    assert socket.gethostname() in others
    assert "127.0.0.1" not in others
    assert not address_of("10.1.2.3").is_loopback


def test_a_server_that_dies_says_why(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mlflow.db").write_bytes(b"no database" * 1000)
    assert run(["ui"]) == 1
    said = capsys.readouterr().err
    assert "MLflow ended by itself" in said
    assert "tuner doctor" in said


# optuna-dashboard


def test_without_the_dashboard_it_says_how_to_install_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tuner.search.dashboard.is_installed", lambda: False)
    assert run(["ui", "--dashboard"]) == 2
    assert "pip install optuna-dashboard" in capsys.readouterr().err


def test_the_dashboard_needs_a_study(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tuner.search.dashboard.is_installed", lambda: True)
    assert run(["ui", "--dashboard"]) == 1
    assert "there is no study" in capsys.readouterr().err


DASHBOARD = """
from http.server import BaseHTTPRequestHandler, HTTPServer

import optuna


def run_server(storage, host, port):
    names = [*optuna.get_all_study_names(storage), type(storage._backend._lock).__name__]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(" ".join(names).encode())

    HTTPServer((host, port), Handler).serve_forever()
"""


@pytest.mark.slow
def test_the_dashboard_gets_this_directorys_journal_under_our_lock(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With a module that has the dashboard's one function; the real one is an optional package."""
    work, modules = folder / "work", tmp_path_factory.mktemp("modules")
    work.mkdir()
    (modules / "optuna_dashboard.py").write_text(DASHBOARD)
    make(work, "one", GOOD)
    path = os.pathsep.join([environment()["PYTHONPATH"], str(modules)])
    with started(work, "--dashboard", PYTHONPATH=path) as (_, url):
        assert ask(url) == "one JournalLock"


# Completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(
    shell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["completion", shell]) == 0
    named = capsys.readouterr().out
    assert f"_TUNER_COMPLETE={shell}_complete" in named
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    assert run(["completion"]) == 0
    assert capsys.readouterr().out == named


def test_an_unknown_shell_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert run(["completion"]) == 2
    assert "which shell?" in capsys.readouterr().err


def complete(folder: Path, *words: str) -> list[str]:
    """What bash is offered for the last of `words`."""
    done = subprocess.run(
        [sys.executable, "-c", "from tuner.cli import main; main()"],
        cwd=folder,
        env={
            **environment(),
            "_TUNER_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(words),
            "COMP_CWORD": str(len(words) - 1),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_studies_and_commands_are_completed(folder: Path) -> None:
    for name in ("wide", "wild", "narrow"):
        make(folder, name, GOOD)
    assert complete(folder, "tuner", "delete", "wi") == ["wide", "wild"]
    assert complete(folder, "tuner", "delete", "wide", "wi") == ["wild"]
    assert complete(folder, "tuner", "clean", "--weights", "n") == ["narrow"]
    assert "delete" in complete(folder, "tuner", "de")
    assert complete(folder, "tuner", "clean", "l") == ["logs", "leftovers"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_takes_the_script(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "bash"]) == 0
    script = folder / "script"
    script.write_text(capsys.readouterr().out)
    done = subprocess.run(
        ["bash", "-c", f"source {script} && complete -p tuner"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "_tuner_completion tuner" in done.stdout
