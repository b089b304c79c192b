"""The Docker image as far as it can be judged unbuilt; `make image-check` builds and tries it."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pytest
from test_project import parse_command, shell_lines

import tuner

ROOT = Path(__file__).parents[1]
CHECK = ROOT / "docker" / "image_check.sh"


class Step(NamedTuple):
    """One instruction of a Dockerfile, its continued lines joined."""

    word: str
    rest: str


def parse(text: str) -> list[list[Step]]:
    """The stages of a Dockerfile; the first list holds what stands before the first FROM."""
    plain = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    stages: list[list[Step]] = [[]]
    for line in re.sub(r"\\\n", " ", plain).splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            if word == "FROM":
                stages.append([])
            stages[-1].append(Step(word, " ".join(rest.split())))
    return stages


HEAD, *STAGES = parse((ROOT / "Dockerfile").read_text("utf-8"))
BUILDERS, FINAL = STAGES[:-1], STAGES[-1]


def rest_of(stage: list[Step], word: str) -> list[str]:
    return [step.rest for step in stage if step.word == word]


def test_every_stage_stands_on_the_base_of_the_argument_or_on_another_stage() -> None:
    assert rest_of(HEAD, "ARG") == ["BASE=python:3.11-slim-bookworm"]
    names = {"${BASE}"}
    for stage in STAGES:
        base, _, name = stage[0].rest.partition(" AS ")
        assert base in names, stage[0]
        names.add(name)
    assert FINAL[0].rest == "${BASE}", "the last stage brings something of a builder along"
    assert len(STAGES) > 1


def test_tensorflow_is_an_argument_that_names_an_extra_or_nothing() -> None:
    assert "TENSORFLOW=cpu" in rest_of(BUILDERS[0], "ARG")
    (first,) = (run for run in rest_of(BUILDERS[0], "RUN") if "TENSORFLOW" in run)
    assert re.search(r"case \"\$TENSORFLOW\" in cpu \| gpu\)", first)


@pytest.mark.parametrize(
    ("choice", "expected"), [("cpu", False), ("gpu", True)], ids=["cpu", "gpu"]
)
def test_the_requirements_of_a_build_are_those_of_the_project(choice: str, expected: bool) -> None:
    """The Dockerfile's own line of Python, run on the real pyproject.toml."""
    (program,) = (
        found[1]
        for run in rest_of(BUILDERS[0], "RUN")
        for found in re.finditer(r"python3 -c '([^']*tomllib[^']*)'", run)
    )
    done = subprocess.run(
        [sys.executable, "-c", program, choice],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert any(line.startswith("mlflow>=") for line in lines)
    assert any(line.startswith("tensorflow[and-cuda]") for line in lines) is expected
    assert not any(line.startswith("pytest") for line in lines)


def test_pip_installs_tested_versions_and_tuner_itself_alone() -> None:
    installs = [
        command
        for stage in BUILDERS
        for run in rest_of(stage, "RUN")
        for command in re.findall(r"-m pip install ([^&;]*)", run)
    ]
    assert len(installs) >= 2
    for options in installs:
        assert "-c constraints.txt" in options or "--no-deps" in options, options


def test_the_last_stage_takes_what_was_built_and_installs_nothing() -> None:
    assert all(copy.startswith("--from=") for copy in rest_of(FINAL, "COPY"))
    assert rest_of(FINAL, "ADD") == []
    for run in rest_of(FINAL, "RUN"):
        assert not re.search(r"\b(pip|apt|apt-get|curl|wget)\b", run), run


def test_no_setting_of_a_machine_is_written_down() -> None:
    """Indexes, certificates and proxies come as a secret or not at all."""
    for stage in [HEAD, *STAGES]:
        for step in stage:
            if step.word in ("ENV", "ARG", "LABEL"):
                assert not re.search(r"https?://|index|cert|proxy|password|token", step.rest, re.I)


def test_it_runs_as_a_user_in_the_volume_with_tuner_as_process_1() -> None:
    words = [step.word for step in FINAL]
    assert rest_of(FINAL, "USER") == ["${UID}:${GID}"]
    assert {"UID=1000", "GID=1000"} <= set(rest_of(FINAL, "ARG"))
    assert rest_of(FINAL, "WORKDIR") == ["/studies"]
    assert rest_of(FINAL, "VOLUME") == ["/studies"]
    assert words.index("VOLUME") > max(i for i, word in enumerate(words) if word == "RUN"), (
        "what a RUN does to a volume is lost"
    )
    # A shell in between would keep the signal of `docker stop` to itself: the exec form is JSON.
    assert [json.loads(text) for text in rest_of(FINAL, "ENTRYPOINT")] == [["tuner"]]
    assert [json.loads(text) for text in rest_of(FINAL, "CMD")] == [["--help"]]
    assert rest_of(FINAL, "STOPSIGNAL") in ([], ["SIGTERM"])


def test_a_user_without_a_home_can_write_where_libraries_want_to() -> None:
    settings = dict(re.findall(r"(\w+)=(\S+)", " ".join(rest_of(FINAL, "ENV"))))
    assert settings["HOME"] == "/tmp"  # noqa: S108 - the one folder that any user may write in
    assert settings["KERAS_HOME"].startswith("/studies/")
    assert settings["PATH"] == '"/opt/tuner/bin:${PATH}"'


def test_the_label_names_this_version() -> None:
    labels = dict(re.findall(r'image\.(\w+)="([^"]*)"', " ".join(rest_of(FINAL, "LABEL"))))
    assert labels["title"] == "tuner"
    assert labels["version"] == tuner.__version__
    assert labels["licenses"] == "Apache-2.0"


# What a build is given


def is_sent(path: str) -> bool:
    """Whether .dockerignore lets a file through: the last pattern that matches it counts."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        allows = pattern.startswith("!")
        pattern = pattern.removeprefix("!")
        anywhere = pattern.startswith("**/")
        pattern = pattern.removeprefix("**/")
        folders = [str(p) for p in (PurePosixPath(path), *PurePosixPath(path).parents)][:-1]
        names = [PurePosixPath(f).name for f in folders] if anywhere else folders
        if any(fnmatch(n, pattern) and n.count("/") == pattern.count("/") for n in names):
            sent = allows
    return sent


@pytest.mark.parametrize(
    "path",
    [
        "pyproject.toml",
        "constraints.txt",
        "README.md",
        "LICENSE",
        "sweeps/digits.yaml",
        "tuner/__init__.py",
        "tuner/executors/worker.py",
    ],
)
def test_the_code_is_sent_to_a_build(path: str) -> None:
    assert (ROOT / path).is_file()
    assert is_sent(path)


@pytest.mark.parametrize(
    "path",
    [
        "tuner.journal",
        "mlflow.db",
        "mlruns/1/abc/artifacts/model.keras",
        ".tuner/data/abc/x_train.npy",
        ".keras/datasets/mnist.npz",
        ".git/config",
        ".venv/bin/python",
        ".env",
        "pip.conf",
        "data/imdb.parquet",
        "sweeps/notes.txt",
        "tests/conftest.py",
        "docs/docker.md",
        "tuner/__pycache__/trial.cpython-311.pyc",
        "tuner/data/__pycache__/registry.cpython-311.pyc",
    ],
)
def test_nothing_else_is_sent(path: str) -> None:
    assert not is_sent(path)


def test_what_a_build_copies_is_sent() -> None:
    wanted = [
        source
        for stage in BUILDERS
        for copy in rest_of(stage, "COPY")
        if not copy.startswith("--from=")
        for source in copy.split()[:-1]
    ]
    assert "tuner" in wanted
    for source in wanted:
        path = ROOT / source
        files = sorted(path.rglob("*.*")) if path.is_dir() else [path]
        assert any(is_sent(str(file.relative_to(ROOT))) for file in files), source


# What the page says


def docker_lines(word: str) -> list[list[str]]:
    """The words of the lines of docs/docker.md that begin with `docker WORD`."""
    lines = [shlex.split(line, comments=True) for line in shell_lines(ROOT / "docs" / "docker.md")]
    return [words for words in lines if words[:2] == ["docker", word]]


@pytest.mark.parametrize("words", docker_lines("run"), ids=" ".join)
def test_what_the_page_runs_is_a_command_of_tuner_on_a_mounted_folder(words: list[str]) -> None:
    place = words.index("tuner")
    parse_command(shlex.join(words[place:]))
    options = words[2:place]
    mounts = [value for option, value in pairwise(options) if option == "-v"]
    assert mounts[0] == "$PWD:/studies" or (
        mounts[0] == "$PWD:$PWD" and ("-w", "$PWD") in pairwise(options)
    )


@pytest.mark.parametrize("words", docker_lines("build"), ids=" ".join)
def test_what_the_page_builds_takes_arguments_that_there_are(words: list[str]) -> None:
    known = {arg.partition("=")[0] for stage in [HEAD, *STAGES] for arg in rest_of(stage, "ARG")}
    given = [value for option, value in pairwise(words) if option == "--build-arg"]
    assert {value.partition("=")[0] for value in given} <= known
    secrets = [value for option, value in pairwise(words) if option == "--secret"]
    for secret in secrets:
        name = secret.split(",")[0]
        assert any(f"type=secret,{name}," in run for run in rest_of(BUILDERS[0], "RUN"))
    assert words[-1] == "."


# The script that builds it


def test_the_check_is_a_shell_script_that_can_be_run() -> None:
    assert os.access(CHECK, os.X_OK)
    subprocess.run(["bash", "-n", str(CHECK)], check=True)


def test_the_check_says_where_it_cannot_work(tmp_path: Path) -> None:
    """Without buildah: one line, and no failure."""
    for tool in ("bash", "dirname", "env"):
        found = shutil.which(tool)
        assert found is not None
        (tmp_path / tool).symlink_to(found)
    done = subprocess.run(
        [str(CHECK)], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "image-check: buildah is not installed: nothing was checked.\n"


# Process 1


@pytest.fixture
def unshare() -> list[str]:
    """The words that make a program process 1, as it is in a container."""
    program = shutil.which("unshare")
    if program is None:
        pytest.skip("unshare is not installed")
    for options in ([], ["--user", "--map-root-user"]):
        words = [program, *options, "--pid", "--fork", "--kill-child"]
        if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0:
            return words
    pytest.skip("this system does not let us make a process 1")


@pytest.fixture
def first_process(unshare: list[str]) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """tuner as process 1, in a command that sets no handlers of its own: unshare, and its child."""
    program = (
        "import time\n"
        "from tuner.cli import app\n"
        "app.run = lambda arguments: print('runs', flush=True) or time.sleep(60)\n"
        "app.main()\n"
    )
    with subprocess.Popen(
        [*unshare, sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "runs\n"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("ascii")
        yield process, int(children.split()[0])
        process.kill()


def test_process_1_heeds_sigterm_in_any_command(
    first_process: tuple[subprocess.Popen[str], int],
) -> None:
    """The kernel keeps from process 1 every signal that it has no handler for."""
    process, child = first_process
    os.kill(child, signal.SIGTERM)
    assert process.wait(timeout=20) == 143
