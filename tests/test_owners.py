"""An owner is gone when its lock can be taken, however it went."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from stubs import environment

from tuner.search.owners import Owner, is_gone


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
