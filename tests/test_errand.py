"""Jobs in a short-lived child: answers, mistakes, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from stubs import environment

from tuner.errors import DefinitionError, StudyError, TrainingError
from tuner.executors.errand import run_errand


@pytest.fixture(autouse=True)
def _finds_stubs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])


def test_an_answer_comes_from_another_process(tmp_path: Path) -> None:
    asked = {"text": "ä \x1b", "list": [1, 2.5, None]}
    answer = run_errand("stubs:errand_echo", asked, tmp_path)
    assert answer["asked"] == asked
    assert answer["pid"] != os.getpid()
    assert list(tmp_path.iterdir()) == []  # the log of what went well is gone


def test_mistakes_come_back_as_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="weights are gone"):
        run_errand("stubs:errand_refuses", {"what": "study"}, tmp_path)
    with pytest.raises(DefinitionError) as caught:
        run_errand("stubs:errand_refuses", {"what": "definition"}, tmp_path)
    assert caught.value.problems == ("line 1: one", "line 2: two")


def test_a_child_that_dies_leaves_its_log(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="errand_dies ended without an answer"):
        run_errand("stubs:errand_dies", {}, tmp_path)
    (log,) = tmp_path.iterdir()
    assert "out of cheese" in log.read_text()


def is_alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return status != "Z"


def appears(file: Path) -> int:
    while not file.exists() or not file.read_text():
        time.sleep(0.05)
    return int(file.read_text())


def test_a_child_can_be_stopped(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    wanted = threading.Event()
    threading.Thread(target=lambda: (appears(pid), wanted.set()), daemon=True).start()
    with pytest.raises(TrainingError):
        run_errand("stubs:errand_hangs", {"pid": str(pid)}, tmp_path, wanted.is_set)
    assert not is_alive(appears(pid))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_child_ends_with_its_parent(tmp_path: Path, how: signal.Signals) -> None:
    pid = tmp_path / "pid"
    code = (
        "from pathlib import Path; from tuner.executors.errand import run_errand; "
        f"run_errand('stubs:errand_hangs', {{'pid': {str(pid)!r}}}, Path({str(tmp_path)!r}))"
    )
    with subprocess.Popen([sys.executable, "-c", code], env=environment()) as parent:
        child = appears(pid)
        parent.send_signal(how)
        parent.wait(timeout=60)
    deadline = time.monotonic() + 60
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_alive(child)
