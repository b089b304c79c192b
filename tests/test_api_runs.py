"""Sweeps from Python, from end to end: real workers, a real study, and what is left afterwards.

One sweep is run as a script of its own and one in this process; most tests look at these two. What
else trains here finds everything warm (`inside`).
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from inside import warmth
from stubs import ROOT, environment

import tuner

pytestmark = pytest.mark.slow

EASY = "val >= 10% with train <= 100%"
SMALL: dict[str, Any] = {
    "targets": EASY,
    "space": {"units": [16, 32]},
    "fixed": {"batch_size": 64, "learning_rate": 0.01},
    "epochs": 2,
    "trials": 2,
}


# In this process: inside a running event loop, with workers of its own


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuner.Result:
    """Two trials in memory's data, in a folder that is not the current one."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    x, y = (digits.images * 15.9).astype("uint8")[:900], digits.target[:900]
    folder = tmp_path_factory.mktemp("swept")

    async def cell() -> tuner.Result:
        sweep = tuner.Sweep(
            dataset=(x[:700], y[:700], x[700:], y[700:]), name="mine", folder=folder, **SMALL
        )
        return sweep.run(workers=1, progress=False)

    return asyncio.run(cell())


def test_it_runs_inside_an_event_loop(swept: tuner.Result) -> None:
    assert swept.study == "mine"
    assert swept.finished
    assert swept.met
    assert list(swept.trials.state) == ["complete", "complete"]
    assert swept.trials.run_id.notna().all()
    assert len(swept.epochs) == 4
    assert swept.best.params["learning_rate"] == 0.01


def test_the_record_is_that_of_the_command_line(
    swept: tuner.Result, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tuner.cli import run

    monkeypatch.chdir(swept.folder)
    assert run(["report", "mine", "--format", "csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split(",")[2] == "trial"
    assert len(lines) == 3
    with pytest.raises(tuner.TunerError, match="no study is called yours"):
        tuner.load("yours", swept.folder)
    again = tuner.load("mine", swept.folder)
    assert again.trials.equals(swept.trials)


def test_the_same_again_trains_nothing(
    swept: tuner.Result, capfd: pytest.CaptureFixture[str]
) -> None:
    found = tuner.Sweep("mine", folder=swept.folder).run(workers=1)
    assert found.trials.equals(swept.trials)
    out, err = capfd.readouterr()
    assert out == ""
    assert err == "All 2 trials of mine are done. run(add=10) asks for ten more.\n"


def test_a_sweep_leaves_nothing_open(
    swept: tuner.Result, capfd: pytest.CaptureFixture[str]
) -> None:
    before = descriptors(), children(), multiprocessing.active_children()
    found = tuner.Sweep("mine", folder=swept.folder).run(workers=1, add=1)
    assert (descriptors(), children(), multiprocessing.active_children()) == before
    assert len(found.trials) == len(swept.trials) + 1
    out, err = capfd.readouterr()
    assert out == ""
    assert "mine 3/3  trial 2  val 0." in err
    assert "\x1b" not in err


def descriptors() -> list[str]:
    """What is open in this process, where the system tells; the listing itself left out."""
    found = []
    folder = Path("/proc/self/fd")
    for entry in folder.iterdir() if folder.exists() else ():
        with contextlib.suppress(OSError):
            found.append(str(entry.readlink()))
    return sorted(name for name in found if not name.startswith("/proc/"))


def children() -> list[str]:
    """Processes of this one, where the system tells: Python's own tracker of resources stays."""
    lists = Path("/proc/self/task").glob("*/children")
    return sorted(pid for one in lists for pid in one.read_text("ascii").split())


def test_another_sweep_needs_another_name(swept: tuner.Result) -> None:
    other = tuner.Sweep(dataset="digits", name="mine", folder=swept.folder, **SMALL)
    with pytest.raises(tuner.TunerError) as caught:
        other.run(progress=False)
    assert "study mine exists with another definition: data:" in str(caught.value)
    assert 'name="mine-2"' in str(caught.value)


# Further trainings, on one warm worker


@pytest.fixture(scope="module")
def proven(swept: tuner.Result) -> tuner.Result:
    with warmth():
        return swept.confirm(top=1, seeds=3, workers=1, progress=False)


def test_confirm_returns_a_result_with_its_verdict(
    proven: tuner.Result, swept: tuner.Result
) -> None:
    assert swept.best.confirmation is None  # a result never changes
    assert proven.best.confirmation in ("confirmed", "marginal", "fluke")
    assert proven.meets.confirmation.notna().sum() == 1
    repeats = proven.repeats
    assert list(repeats.kind).count("fresh") == 3
    assert repeats[repeats.kind == "fresh"].counts.all()
    assert repeats.val_accuracy.notna().all()
    assert len(set(repeats.seed)) == len(repeats)
    assert "fresh seeds" in proven._repr_html_()


def test_two_threads_one_after_the_other(tmp_path: Path) -> None:
    found: list[tuner.Result | BaseException] = []
    before = signal.getsignal(signal.SIGINT)

    def work(name: str) -> None:
        try:
            sweep = tuner.Sweep(dataset="digits", name=name, folder=tmp_path, **SMALL)
            found.append(sweep.run(workers=1, add=1, progress=False))
        except BaseException as error:
            found.append(error)

    with warmth():
        for name in ("one", "two"):
            thread = threading.Thread(target=work, args=(name,))
            thread.start()
            thread.join(timeout=200)
    assert [(r.study, len(r.trials)) for r in found if isinstance(r, tuner.Result)] == [
        ("one", 1),
        ("two", 1),
    ]
    assert signal.getsignal(signal.SIGINT) is before


# As a process of its own


def start(folder: Path, *arguments: str, text: str = "") -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env={**environment(), "MPLBACKEND": "Agg"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(text)
    process.stdin.close()
    process.stdin = None
    return process


def test_the_example_runs_from_top_to_bottom(tmp_path: Path) -> None:
    """A script without `if __name__ == "__main__"`, and with less to do."""
    text = (ROOT / "examples" / "notebook.py").read_text("utf-8")
    for name, few in (("epochs", 4), ("trials", 2), ("seeds", 2), ("top", 1)):
        text, count = re.subn(rf"\b{name}=\d+", f"{name}={few}", text)
        assert count == 1, name
    text = text.replace("val >= 95% with train < 99.9%", EASY)
    (tmp_path / "notebook.py").write_text(text, "utf-8")
    with start(tmp_path, "notebook.py") as process:
        out, err = process.communicate(timeout=280)
    assert process.returncode == 0, err
    assert err.count("2 trials to train") == 1  # no worker ran the script again
    assert "of the test rows are right" in out
    assert "Traceback" not in err
    assert {"digits.keras", "notebook.html"} <= {path.name for path in tmp_path.iterdir()}


def test_a_script_from_standard_input_is_drained_by_ctrl_c(tmp_path: Path) -> None:
    """It goes on with the result so far, and its handlers are its own again."""
    text = f"""
import signal, sys, tuner
before = signal.getsignal(signal.SIGINT)
sweep = tuner.Sweep(dataset="digits", name="mine", **{ {**SMALL, "trials": 5000}!r})
result = sweep.run(workers=1)
print(result.finished, len(result.trials), set(result.trials.state))
print(signal.getsignal(signal.SIGINT) is before)
print(sorted({{"tensorflow", "keras", "mlflow"}} & set(sys.modules)))
"""
    with start(tmp_path, "-", text=text) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("mine 2/5000"):
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "interrupt again to hand them back" in err
    first, second, third = out.splitlines()
    assert re.fullmatch(r"False \d+ \{'complete'\}", first)
    assert second == "True"
    assert third == "[]"


SIGNALS = """
import os, signal, tuner
from tuner.api.interrupts import interruptible
from tuner.commands.running import signals_to

def end(number, frame):
    print("handler of the script", number == signal.SIGTERM, flush=True)

signal.signal(signal.SIGTERM, end)
with interruptible() as asked, signals_to(asked):
    for name in {names!r}:
        try:
            signal.raise_signal(getattr(signal, name))
        except KeyboardInterrupt:
            print("KeyboardInterrupt")
        print(name, asked.controls.drain, asked.controls.hand_back, flush=True)
print("lives on")
"""


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            ["SIGINT", "SIGINT", "SIGINT"],
            [
                "SIGINT True False",
                "SIGINT True True",
                "KeyboardInterrupt",
                "SIGINT True True",
                "lives on",
            ],
        ),
        (["SIGTERM"], ["SIGTERM False True", "handler of the script True", "lives on"]),
        (
            ["SIGINT", "SIGTERM"],
            ["SIGINT True False", "SIGTERM True True", "handler of the script True", "lives on"],
        ),
    ],
)
def test_signals_do_not_end_a_process_that_is_not_ours(
    tmp_path: Path, names: list[str], said: list[str]
) -> None:
    with start(tmp_path, "-c", SIGNALS.format(names=names)) as process:
        out, err = process.communicate(timeout=60)
    assert out.splitlines() == said, err


# The documentation


def test_the_page_on_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All blocks of docs/python.md, one after the other, with less to do."""
    from sklearn.datasets import load_iris

    monkeypatch.chdir(tmp_path)
    table = load_iris(as_frame=True).frame
    table["species"] = table.pop("target").map({0: "setosa", 1: "versicolor", 2: "virginica"})
    table.to_csv("flowers.csv", index=False)
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "own.yaml").write_text(
        f"dataset: digits\ntargets: {EASY}\nspace: {{units: [16]}}\n"
    )
    page = (ROOT / "docs" / "python.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    assert len(blocks) >= 7
    namespace: dict[str, Any] = {}
    for block in blocks:
        for name, few in (("epochs", 3), ("trials", 2), ("seeds", 2), ("top", 1)):
            block = re.sub(rf"\b{name}=\d+", f"{name}={few}", block)
        block = block.replace(".run()", ".run(workers=1)")
        block = re.sub(r"val >= \d+% with train < \d+%", EASY, block)
        with warmth():
            exec(block, namespace)  # noqa: S102
    assert namespace["flowers"].finished
    assert namespace["result"].study == "mine"
    assert namespace["file"] == tmp_path / "mine.keras"
    assert {"mine.keras", "mine.json", "mine.md"} <= {path.name for path in tmp_path.iterdir()}
    assert namespace["page"] == tmp_path / "mine.html"
    assert "Plotly" in namespace["page"].read_text("utf-8")
    proven, model = namespace["proven"], namespace["model"]
    rows = np.zeros((3, 8, 8), "uint8")
    assert model.predict(rows, verbose=0).shape == (3, 10)
    script = proven.export("plain", "winner.py", progress=False)
    assert script == tmp_path / "winner.py"
    compile(script.read_text("utf-8"), "winner.py", "exec")
