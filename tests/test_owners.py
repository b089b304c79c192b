"""An owner is gone when its lock can be taken, however it went."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from stubs import environment

from tuner import locks
from tuner.search.owners import Owner, has_ended, is_gone


def test_an_owner_lives_until_it_closes(tmp_path: Path) -> None:
    folder = tmp_path / "owners"
    one, two = Owner(folder), Owner(folder)
    assert one.name != two.name
    assert not is_gone(folder, one.name)
    one.close()
    assert is_gone(folder, one.name)
    assert not is_gone(folder, two.name)
    two.close()
    assert list(folder.iterdir()) == []


def test_asking_does_not_end_an_owner(tmp_path: Path) -> None:
    owner = Owner(tmp_path)
    assert [is_gone(tmp_path, owner.name) for _ in range(3)] == [False] * 3
    assert [f.name for f in tmp_path.iterdir()] == [owner.name]
    owner.close()


def test_a_name_that_no_file_has_is_gone(tmp_path: Path) -> None:
    assert is_gone(tmp_path, "0" * 32)
    assert is_gone(tmp_path / "no such folder", "0" * 32)


def test_a_file_that_nobody_holds_is_gone_and_removed(tmp_path: Path) -> None:
    owner = Owner(tmp_path)
    os.close(owner._descriptor)  # what death leaves: the file, without its lock
    assert is_gone(tmp_path, owner.name)
    assert list(tmp_path.iterdir()) == []
    assert is_gone(tmp_path, owner.name)


@pytest.mark.slow
def test_a_killed_owner_is_gone_though_its_child_lives(tmp_path: Path) -> None:
    """A worker that outlives its parent for a second must not make it look alive."""
    code = f"""
import subprocess, sys, time
from pathlib import Path
from tuner.search.owners import Owner
owner = Owner(Path({str(tmp_path)!r}))
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(owner.name, child.pid, flush=True)
time.sleep(600)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    name, child = process.stdout.readline().split()
    try:
        assert not is_gone(tmp_path, name)
        process.kill()
        process.wait()
        os.kill(int(child), 0)  # still there
        assert is_gone(tmp_path, name)
    finally:
        os.kill(int(child), 9)
        process.kill()
        process.wait()
        process.stdout.close()


def test_looking_changes_nothing(tmp_path: Path) -> None:
    owner = Owner(tmp_path)
    file = tmp_path / owner.name
    assert not has_ended(file)
    os.close(owner._descriptor)
    assert has_ended(file)
    assert file.exists()
    assert has_ended(tmp_path / "no such file")


# Where there are no locks, the file's text decides


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", flock)
    monkeypatch.setattr(locks, "_said", False)


def finished_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


@pytest.mark.usefixtures("no_locks")
def test_without_locks_an_owner_lives_until_it_closes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = Owner(tmp_path), Owner(tmp_path)
    assert not is_gone(tmp_path, one.name)
    one.close()
    assert is_gone(tmp_path, one.name)
    assert not is_gone(tmp_path, two.name)
    two.close()
    assert list(tmp_path.iterdir()) == []
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"tuner: files in {tmp_path.parent} cannot be locked (No locks available)."
    assert len(said) == 3, "once a process"


@pytest.mark.usefixtures("no_locks")
@pytest.mark.parametrize(
    ("change", "gone"),
    [
        ({}, False),
        ({"pid": None}, True),  # a process that has ended
        ({"pid": None, "host": "elsewhere"}, False),
        ({"pid": None, "space": "pid:[1]"}, False),  # in another container
        ({"began": "1"}, True),  # the number was given out again
        ({"began": ""}, False),  # where that cannot be told
        ({"pid": 1, "began": ""}, False),
        ({"pid": "no number"}, False),
    ],
)
def test_without_locks_only_what_is_known_to_be_over_is_gone(
    tmp_path: Path, change: dict[str, Any], gone: bool
) -> None:
    if change.get("began") == "1" and not Path("/proc/self/stat").exists():
        pytest.skip("this system does not say when a process began")
    owner = Owner(tmp_path)
    file = tmp_path / owner.name
    known = {**json.loads(file.read_text()), **change}
    if known["pid"] is None:
        known["pid"] = finished_process()
    file.write_text(json.dumps(known))
    assert is_gone(tmp_path, owner.name) is gone
    assert file.exists() is not gone
    owner.close()


@pytest.mark.usefixtures("no_locks")
@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"pid": 1', "\x00"])
def test_without_locks_a_file_that_says_nothing_is_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / "x").write_text(text)
    assert not is_gone(tmp_path, "x")
    (tmp_path / "x").unlink()  # what the notice tells people to do
    assert is_gone(tmp_path, "x")
