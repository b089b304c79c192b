"""Every `tuner …` line of the help texts, the README and the documentation is run, and works.

All of them run in one directory with small data and definitions of its own, in an order that makes
them work: definitions, sweeps, trials by hand, what only reads, and at last what deletes. The
command line runs in this process with everything warm (`inside`); what asks or serves is a process
of its own.

To keep it affordable a line is lowered before it is run: at most 2 trials and 2 epochs, `--add 1`,
and one worker; `init` gets `--force`, and a port that is named becomes a free one. Lines that are
equal then run once. A command that asks is told no. Run the file as a whole: later lines need what
earlier ones made.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from test_project import DOCUMENTS, ROOT, shell_lines

from tuner.cli import cli, run
from tuner.cli.reference import examples_of, walk

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warm")]

MOST = 2
PATIENCE = 240
TRAINS = ("sweep", "train")
# A definition's own comes first in the order of the lines; what reads comes in between.
FEWER = (("--seeds", "3"), ("--top", "1"))
FIRST, LAST = ("init", "data", *TRAINS), ("ui", "clean", "delete")

DEFINITION = """\
dataset: {dataset}
epochs: 2
trials: 2
targets:
  - val_accuracy >= 0.2
  - train_accuracy < 0.9999
space:
  l2: {{min: 1.0e-6, max: 1.0e-5, log: true, or: 0}}
  optimizer: {{values: [sgd, adam, rmsprop]}}
  momentum: {{min: 0.9, max: 0.95, when: {{optimizer: sgd}}}}
  units: {{values: [8, 16]}}
  learning_rate: {{min: 3.0e-3, max: 1.0e-2, log: true}}
fixed: {{batch_size: 64}}
variants:
  baseline: {{l2: 0, learning_rate: 1.0e-7}}
"""


def write_wine(folder: Path) -> None:
    """A table of one's own, `wine.csv`, and rows without the answer, `new.csv`."""
    from sklearn.datasets import load_wine

    table = load_wine(as_frame=True).frame.rename(columns={"target": "cultivar"})
    table.to_csv(folder / "wine.csv", index=False)
    table.drop(columns="cultivar").head(3).to_csv(folder / "new.csv", index=False)


@dataclass(frozen=True)
class Line:
    """One example: where it stands, the words after `tuner`, and variables set before it."""

    source: str
    words: tuple[str, ...]
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def command(self) -> str:
        """The command's name, or an option of `tuner` itself."""
        return self.words[0]

    @property
    def asks(self) -> bool:
        """Whether it asks before it does something; `tuner clean` alone only looks."""
        sure = {"--yes", "-y", "--dry-run", "--help"} & set(self.words)
        return self.command in ("delete", "clean") and len(self.words) > 1 and not sure

    def __str__(self) -> str:
        return " ".join(["tuner", *self.words])


def read_line(source: str, text: str) -> Line | None:
    """A shell line that calls tuner, lowered; None for any other."""
    words = shlex.split(text, comments=True)
    variables = []
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        name, _, value = words.pop(0).partition("=")
        variables.append((name, value))
    if len(words) < 2 or words[0].removeprefix(".venv/bin/") != "tuner":
        return None
    return Line(source, lowered(words[1:]), tuple(variables))


def lowered(words: Sequence[str]) -> tuple[str, ...]:
    """The same with less to do."""
    found = list(words)
    for place, word in enumerate(words[:-1]):
        if word in ("--trials", "--epochs") and found[0] in TRAINS:
            found[place + 1] = str(min(MOST, int(words[place + 1])))
        elif word in ("--add", "--workers", "--top"):
            found[place + 1] = "1"
        elif word == "--seeds":
            found[place + 1] = "3"
    if found[0] in ("sweep", "confirm") and not {"--workers", "--help", "--dry-run"} & set(found):
        found += ["--workers", "1"]
    if found[0] == "confirm" and "--help" not in found:
        found += [w for name, few in FEWER if name not in found for w in (name, few)]
    if found[0] == "init" and not {"--force", "--help"} & set(found):
        found.append("--force")  # several pages begin with the same one
    return tuple(found)


def all_lines() -> list[Line]:
    """Every example once, in the order in which they are run."""
    texts = [(words, line) for words, command in walk() for line in examples_of(command)]
    texts += [(name, line) for name in DOCUMENTS for line in shell_lines(ROOT / name)]
    lines = [line for source, text in texts if (line := read_line(source, text))]
    unique: dict[object, Line] = {}
    for line in lines:
        unique.setdefault((line.words, line.variables), line)
    return sorted(unique.values(), key=_rank)


def _rank(line: Line) -> tuple[int, int]:
    if line.command in FIRST:
        return 0, FIRST.index(line.command)
    if line.command in LAST:
        # `--all` and the like go last of all, and a deletion that is not asked about is one.
        return 2, 2 * LAST.index(line.command) + (not line.asks)
    return 1, 0


LINES = all_lines()


# The directory


def pictures(count: int) -> dict[str, np.ndarray]:
    """The digits of scikit-learn as 28×28 pictures, repeated as often as it takes."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    small = (bunch.images * 15.9).astype(np.uint8)
    large = np.pad(np.kron(small, np.ones((1, 3, 3), np.uint8)), ((0, 0), (2, 2), (2, 2)))
    rows = np.arange(count) % len(large)
    x, y = large[rows], bunch.target[rows].astype(np.uint8)
    return {"x_train": x, "y_train": y, "x_test": x[:100], "y_test": y[:100]}


def write_reviews(file: Path) -> None:
    """Short texts whose label one word gives away."""
    import pandas as pd

    rng = np.random.default_rng(0)
    words = np.array([f"word{i}" for i in range(200)])
    labels = np.arange(320) % 2
    texts = [
        " ".join([*rng.choice(words, 12), "wonderful" if label else "dreadful"]) for label in labels
    ]
    parts = ["train"] * 260 + ["test"] * 60
    pd.DataFrame({"text": texts, "label": labels, "split": parts}).to_parquet(file)


def write_inputs(folder: Path) -> None:
    """What a model of digits can be asked about: a picture, and rows of pixels."""
    import pandas as pd
    from PIL import Image
    from sklearn.datasets import load_digits

    images = load_digits().images.astype(np.uint8)
    Image.fromarray(images[0] * 15).save(folder / "picture.png")
    table = pd.DataFrame(images[:3].reshape(3, -1)).add_prefix("pixel_")
    table.to_csv(folder / "rows.csv", index=False)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory in which all lines run: small data, small definitions, no study."""
    folder = tmp_path_factory.mktemp("examples")
    for name in ("data", "sweeps", "path/to"):
        (folder / name).mkdir(parents=True)
    np.savez_compressed(folder / "data" / "fashion_mnist.npz", **pictures(5000))
    np.savez_compressed(folder / "data" / "mnist.npz", **pictures(400))
    write_reviews(folder / "data" / "imdb.parquet")
    write_inputs(folder)
    write_wine(folder)
    for name in ("digits", "fashion", "mnist", "imdb"):
        (folder / "sweeps" / f"{name}.yaml").write_text(DEFINITION.format(dataset=name))
    (folder / "path/to/own.yaml").write_text(DEFINITION.format(dataset="digits"))
    convolutions = DEFINITION.format(dataset="fashion").replace("{batch", "{filters: 2, batch")
    (folder / "sweeps" / "fashion-cnn.yaml").write_text(f"{convolutions}model: cnn\n")
    lab = (ROOT / "sweeps" / "backprop.yaml").read_text(encoding="utf-8")
    (folder / "sweeps" / "backprop.yaml").write_text(
        re.sub(r"^seeds: \d+", "seeds: 2", lab, flags=re.M)
    )
    return folder


@pytest.fixture(autouse=True)
def _inside(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("TUNER_DATA_DIR", str(place / "data"))
    monkeypatch.setenv("TUNER_USER", "ada")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def shrink(folder: Path) -> None:
    """What `tuner init` has written becomes as small as the others, without changing its sense."""
    for file in folder.glob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        text = re.sub(r"^(epochs|trials):( *)\d+", rf"\1:\g<2>{MOST}", text, flags=re.M)
        file.write_text(text, encoding="utf-8")


# Running


def test_lines_were_found_everywhere() -> None:
    sources = {line.source for line in LINES}
    assert {"tuner", "tuner sweep", "README.md", "docs/first-sweep.md"} <= sources
    assert len(LINES) > 40


def test_each_command_is_run_by_some_line() -> None:
    visible = {name for name, command in cli.commands.items() if not command.hidden}
    assert visible <= {line.command for line in LINES if "--help" not in line.words}


def in_this_process(line: Line, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = run(list(line.words))
    return code, *capsys.readouterr()


def at_a_terminal(line: Line) -> tuple[int, str, str]:
    """Run it where it can ask, and say no."""
    if sys.platform == "win32":
        pytest.skip("needs a terminal of its own")
    import pty

    keyboard, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tuner", *line.words],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        os.close(terminal)
        os.write(keyboard, b"n\n")
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        os.close(keyboard)
    return process.returncode, out, err


@pytest.mark.parametrize(
    "line", [line for line in LINES if line.command != "ui"], ids=lambda line: str(line)[:90]
)
def test_a_line_works(
    line: Line,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in line.variables:
        monkeypatch.setenv(name, value.replace("~/data", str(place / "data")))
    code, out, err = at_a_terminal(line) if line.asks else in_this_process(line, capsys)
    if line.command == "init":
        shrink(place / "sweeps")
    assert code in ({1} if line.asks else {0, 3}), err
    assert out or line.asks
    for trouble in ("Traceback", "this is a bug", "Warning"):
        assert trouble not in err


# Serving


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def on_a_free_port(words: Sequence[str]) -> list[str]:
    found = list(words)
    if "--port" in found:
        found[found.index("--port") + 1] = free_port()
    return [*found, "--no-open"]


@pytest.fixture
def serve() -> Iterator[Callable[[Line], subprocess.Popen[str]]]:
    """Starts `tuner ui …`; whatever the test does, nothing is left running."""
    started: list[subprocess.Popen[str]] = []

    def start(line: Line) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tuner", *on_a_free_port(line.words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()  # it takes along what it started
        process.communicate(timeout=60)


def test_what_serves_answers_and_ends(serve: Callable[[Line], subprocess.Popen[str]]) -> None:
    """Side by side, each on a port of its own."""
    lines = [line for line in LINES if line.command == "ui" and "--dashboard" not in line.words]
    assert lines
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    running = []
    for line in lines:
        served = serve(line)
        running.append(served)
        assert served.stdout is not None
        found = re.search(r"http://\S+", served.stdout.readline())
        assert found, served.communicate(timeout=30)[1]
        with opener.open(found[0], timeout=30) as answer:
            assert answer.status == 200
    for served in running:
        served.send_signal(signal.SIGINT)
    for served in running:
        _, err = served.communicate(timeout=60)
        assert served.returncode == 0, err
        assert "Traceback" not in err
