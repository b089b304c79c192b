"""Several users of one machine: shared data, shared directories, and file systems without locks.

Other users are real ones: processes under numbers that own nothing else here, which only root can
start. They may read everything, because the interpreter may lie in somebody's home.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stubs import ROOT, opened

from tuner.search.records import summaries
from tuner.workspace import Workspace

ALICE, BOB = 65533, 65534
SMALL = ("--trials", "2", "--workers", "1", "--format", "json", "--exit-zero")
NO_LOCKS = """
import errno, fcntl, os
def flock(descriptor, operation):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
fcntl.flock = flock
"""


def start(
    folder: Path, *arguments: str, user: int | None = None, **variables: str
) -> subprocess.Popen[str]:
    """`tuner …` in `folder`, as the user with that number."""
    command = [sys.executable, "-m", "tuner", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    if user is not None:
        command = [*as_user(user), *command]
        environment["HOME"] = str(folder)
        environment.pop("KERAS_HOME", None)
    return subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, **variables},
    )


def ended(process: subprocess.Popen[str], code: int = 0) -> tuple[str, str]:
    out, err = process.communicate(timeout=280)
    assert process.returncode == code, err
    return out, err


def as_user(number: int) -> list[str]:
    return [
        "setpriv",
        f"--reuid={number}",
        f"--regid={number}",
        "--clear-groups",
        "--inh-caps=+dac_read_search",
        "--ambient-caps=+dac_read_search",
    ]


@pytest.fixture
def house() -> Iterator[Path]:
    """A folder that everybody may enter, unlike pytest's own; skips where users cannot be had."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can start processes of other users")
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed")
    probe = [*as_user(BOB), sys.executable, "-c", "import os, numpy; print(os.geteuid())"]
    done = subprocess.run(probe, capture_output=True, text=True, check=False, cwd="/")
    if done.stdout != f"{BOB}\n":
        pytest.skip(f"processes of other users cannot be started here: {done.stderr.strip()}")
    folder = Path(tempfile.mkdtemp(prefix="tuner-shared-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def home(house: Path, user: int) -> Path:
    folder = house / str(user)
    folder.mkdir()
    os.chown(folder, user, user)
    return folder


def everything(folder: Path) -> dict[str, tuple[int, int, str]]:
    """All below `folder`: mode, time of writing and content of each."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mode,
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in sorted([folder, *folder.rglob("*")])
    }


@pytest.mark.slow
def test_two_users_share_a_data_directory_that_neither_may_write(house: Path) -> None:
    data = house / "data"
    data.mkdir()
    chance = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "x_train": chance.integers(0, 256, (400, 28, 28), dtype=np.uint8),
        "y_train": np.arange(400, dtype=np.uint8) % 10,
        "x_test": chance.integers(0, 256, (100, 28, 28), dtype=np.uint8),
        "y_test": np.arange(100, dtype=np.uint8) % 10,
    }
    np.savez(data / "mnist.npz", **arrays)
    (data / "mnist.npz").chmod(0o444)
    data.chmod(0o555)
    before = everything(data)
    light = ("--epochs", "1", "--set", "units=[8]", "--set", "batch_size=[64]")
    running = [
        start(
            home(house, user),
            *("sweep", "mnist", *SMALL, *light),
            user=user,
            TUNER_DATA_DIR=str(data),
            TUNER_USER="",
        )
        for user in (ALICE, BOB)
    ]
    for process, user in zip(running, (ALICE, BOB), strict=True):
        found = json.loads(ended(process)[0])
        assert found["trials"]["complete"] == 2
        assert {run["tuner.study"] for run in runs(house / str(user))} == {"mnist"}
        owners = {path.stat().st_uid for path in (house / str(user)).rglob("*")}
        assert owners == {user}
    assert everything(data) == before


@pytest.mark.slow
def test_a_directory_of_another_user_can_be_read_but_not_swept_in(house: Path) -> None:
    alices = home(house, ALICE)
    study = opened(alices)  # while she is at it: a running trial of a living process
    ticket = study.next(4)
    assert ticket is not None
    for path in [alices, *alices.rglob("*")]:
        os.chown(path, ALICE, ALICE)
    before = everything(alices)
    for command in ("sweep", "train"):
        _, err = ended(start(alices, command, "digits", user=BOB), code=1)
        assert err.splitlines() == [
            f"tuner: cannot write in {alices} (Permission denied).",
            "The study and the MLflow store are kept in the working directory: "
            "run tuner in one that you can write to.",
        ]
    status = json.loads(ended(start(alices, "status", "--format", "json", user=BOB))[0])
    assert [(s["study"], s["running"]) for s in status["studies"]] == [("s", 1)]
    listed = json.loads(ended(start(alices, "list", "--format", "json", user=BOB))[0])
    assert [s["study"] for s in listed["studies"]] == ["s"]
    _, err = ended(start(alices, "report", "s", user=BOB), code=3)
    assert err == ""
    _, err = ended(start(alices, "delete", "s", "--yes", user=BOB), code=1)
    assert "Traceback" not in err
    assert len(err.splitlines()) == 2
    assert everything(alices) == before

    os.close(study._owner._descriptor)  # she dies; he can tell, though he may not tidy up
    status = json.loads(ended(start(alices, "status", "--format", "json", user=BOB))[0])
    assert [(s["running"], s["waiting"]) for s in status["studies"]] == [(0, 1)]
    assert everything(alices) == before


@pytest.mark.slow
def test_a_journal_of_another_user_in_a_folder_of_all_is_a_clear_error(house: Path) -> None:
    study = opened(house)
    study.close()
    for folder in (house, *(p for p in house.rglob("*") if p.is_dir())):
        folder.chmod(0o1777)
    journal = house / "tuner.journal"
    before = journal.read_bytes()
    arguments = ("sweep", "digits", "--name", "his", "--trials", "1", "--epochs", "1")
    _, err = ended(start(house, *arguments, user=BOB), code=1)
    assert err.splitlines()[-2:] == [
        f"tuner: cannot write {journal} (Permission denied), which may be read only.",
        "Reading commands such as `tuner report` work here; "
        "run tuner in a directory of your own to change something.",
    ]
    assert "Traceback" not in err
    assert journal.read_bytes() == before


def runs(folder: Path) -> list[dict[str, str]]:
    """The tags of every run in the MLflow store of `folder`, deleted ones included."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        rows = database.execute("SELECT run_uuid, key, value FROM tags").fetchall()
        ids = [row[0] for row in database.execute("SELECT run_uuid FROM runs")]
    tags: dict[str, dict[str, str]] = {run: {} for run in ids}
    for run, key, value in rows:
        tags[run][key] = value
    return list(tags.values())


@pytest.mark.slow
def test_studies_of_several_users_in_one_directory_do_not_mix(tmp_path: Path) -> None:
    users = [f"user-{k}" for k in range(3)]
    running = [
        start(tmp_path, "sweep", "digits", "--name", user, "--epochs", "2", *SMALL, TUNER_USER=user)
        for user in users
    ]
    for process, user in zip(running, users, strict=True):
        found = json.loads(ended(process)[0])
        assert found["study"] == user
        assert found["trials"]["requested"] == found["trials"]["complete"] == 2
    stored = {summary.name: summary.records for summary in summaries(Workspace(tmp_path))}
    assert {name: len(records) for name, records in stored.items()} == dict.fromkeys(users, 2)
    shown = runs(tmp_path)
    assert len(shown) == 3 * (1 + 2)
    for user, records in stored.items():
        (sweep,) = (r for r in shown if r["tuner.kind"] == "sweep" and r["tuner.study"] == user)
        trials = [r for r in shown if r["tuner.kind"] == "trial" and r["tuner.study"] == user]
        assert sorted(r["tuner.attempt"] for r in trials) == sorted(r.attempt for r in records)
        assert {r["mlflow.user"] for r in [sweep, *trials]} == {user}
    assert list((tmp_path / ".tuner" / "owners").iterdir()) == []


@pytest.mark.slow
def test_without_locks_a_sweep_completes_and_a_killed_one_goes_on(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    site = tmp_path_factory.mktemp("site")
    (site / "sitecustomize.py").write_text(NO_LOCKS, encoding="utf-8")
    path = os.pathsep.join([str(site), str(ROOT)])
    long = ("--epochs", "20", "--pruner", "none", "--set", "units=[8]", "--set", "batch_size=[64]")
    arguments = ("sweep", "digits", *SMALL, *long)
    process = start(tmp_path, *arguments, PYTHONPATH=path)
    while not any(r.spec for s in summaries(Workspace(tmp_path)) for r in s.records):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    _, err = process.communicate(timeout=30)
    assert err.splitlines()[:2] == [
        f"tuner: files in {tmp_path / '.tuner'} cannot be locked (No locks available).",
        "Run one tuner at a time in this directory: two would not see each other. "
        "Should one be killed on",
    ]
    out, err = ended(start(tmp_path, *arguments, PYTHONPATH=path))
    counts = json.loads(out)["trials"]
    assert (counts["requested"], counts["complete"]) == (2, 2)
    assert err.count("cannot be locked") == 1
    (killed, _) = summaries(Workspace(tmp_path))[0].records
    assert killed.attempts == 2
    assert len([r for r in runs(tmp_path) if r["tuner.kind"] == "trial"]) == 2
    assert list((tmp_path / ".tuner" / "owners").iterdir()) == []
