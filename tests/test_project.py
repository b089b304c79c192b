"""The house itself: rooms, documentation, packaging, and the commands that the README promises."""

from __future__ import annotations

import ast
import graphlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import click
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import tuner
from tuner.cli import cli
from tuner.definition import available

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tuner"
README = ROOT / "README.md"

# Highest first: a module imports from its own room and from those below it.
ROOMS = (
    "cli",
    "api",
    "commands",
    "search",
    "executors",
    "tracking",
    "report",
    "training",
    "models",
    "data",
    "values",
)

# The package itself shows names of `api`, lazily and to type checkers; nothing below imports those.
FACE = "tuner"

# Where a heavy library may be imported at all; a folder stands for every module in it.
HOMES = {
    "optuna": ("tuner.search",),
    "mlflow": (
        "tuner.tracking.mlflow",
        "tuner.tracking.mlflow_connection",
        "tuner.tracking.mlflow_store",
        "tuner.tracking.registry",
    ),
    "tensorflow": ("tuner.training",),
    "keras": ("tuner.training", "tuner.models", "tuner.data.keras_fetch"),
    "keras_tuner": ("tuner.models",),
    "sklearn": ("tuner.data",),
    "pandas": ("tuner.api", "tuner.report", "tuner.commands", "tuner.data"),
    "matplotlib": ("tuner.report.pictures", "tuner.report.figures"),
    "plotly": ("tuner.report.page",),
    "jinja2": ("tuner.report.page",),
    "scipy": ("tuner.report",),
}
# Optuna's types stand in signatures all over `search`, and only running commands import that.
AT_MODULE_TOP = {"optuna"}

NOT_FOR_HELP = (
    *("tensorflow", "keras", "mlflow", "optuna", "pandas", "sklearn", "numpy", "matplotlib"),
    *("plotly", "jinja2", "scipy"),
)


class Import(NamedTuple):
    importer: str
    imported: str
    deferred: bool


@cache
def modules() -> dict[str, Path]:
    """Every module of tuner by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def tree(name: str) -> ast.Module:
    return ast.parse(modules()[name].read_text(encoding="utf-8"))


def imports_of(name: str) -> Iterator[Import]:
    """Every import of a module, those inside functions and for type checkers included."""
    parsed = tree(name)
    deferred = {
        id(node)
        for block in ast.walk(parsed)
        if isinstance(block, ast.FunctionDef | ast.AsyncFunctionDef)
        or (isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING")
        for node in ast.walk(block)
    }
    for node in ast.walk(parsed):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(name, alias.name, id(node) in deferred)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno} imports relatively"
            source = node.module or ""
            for alias in node.names:
                whole = f"{source}.{alias.name}"
                yield Import(name, whole if whole in modules() else source, id(node) in deferred)


def all_imports() -> list[Import]:
    return [found for name in modules() for found in imports_of(name)]


def binding_imports() -> list[Import]:
    """Every import but the names that the package shows."""
    return [i for i in all_imports() if not (i.importer == FACE and i.deferred)]


def room(name: str) -> str:
    """The room of a module; those at the top are values, but for the command line's."""
    parts = name.split(".")
    if name in ("tuner.cli", "tuner.__main__"):
        return "cli"
    if len(parts) > 2 or (PACKAGE / parts[-1]).is_dir():
        return parts[1] if len(parts) > 1 else "values"
    return "values"


# Rooms


def test_every_module_stands_in_a_known_room() -> None:
    assert {room(name) for name in modules()} == set(ROOMS)


def test_imports_run_downwards() -> None:
    upwards = [
        f"{i.importer} ({room(i.importer)}) imports {i.imported} ({room(i.imported)})"
        for i in binding_imports()
        if i.imported in modules() and ROOMS.index(room(i.imported)) < ROOMS.index(room(i.importer))
    ]
    assert upwards == []


def test_no_import_is_unknown() -> None:
    missing = [
        f"{i.importer} imports {i.imported}"
        for i in all_imports()
        if i.imported.split(".")[0] == "tuner" and i.imported not in modules()
    ]
    assert missing == []


def test_no_module_imports_itself_in_a_loop() -> None:
    graph: dict[str, set[str]] = {name: set() for name in modules()}
    for found in binding_imports():
        if found.imported in modules():
            graph[found.importer].add(found.imported)
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError and names the loop


def test_values_need_only_the_standard_library_pydantic_and_yaml() -> None:
    allowed = {"tuner", "pydantic", "yaml"} | set(sys.stdlib_module_names)
    other = [
        f"{i.importer} imports {i.imported}"
        for i in all_imports()
        if room(i.importer) == "values" and i.imported.split(".")[0] not in allowed
    ]
    assert other == []


def test_heavy_libraries_stay_at_home() -> None:
    astray = []
    for found in all_imports():
        library = found.imported.split(".")[0]
        homes = HOMES.get(library)
        if homes is None:
            continue
        if not any(
            found.importer == home or found.importer.startswith(f"{home}.") for home in homes
        ):
            astray.append(f"{found.importer} imports {found.imported}")
        elif not found.deferred and library not in AT_MODULE_TOP:
            astray.append(f"{found.importer} imports {found.imported} at module level")
    assert astray == []


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "tuner", "--help"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Usage: tuner" in done.stdout
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    loaded = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in lines}
    assert "tuner" in loaded
    assert loaded & set(NOT_FOR_HELP) == set()


# Documentation in the code


def walk_commands(
    command: click.Command = cli, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    """Every command with the words that call it."""
    yield " ".join(("tuner", *path)), command
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from walk_commands(below, (*path, name))


COMMANDS = dict(walk_commands())


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_has_help_and_examples(words: str) -> None:
    text = COMMANDS[words].help or ""
    said, _, examples = text.partition("Examples:")
    assert len(said.split()) >= 5, f"{words} says nothing of itself"
    lines = [line.strip() for line in examples.splitlines() if line.strip()]
    assert lines, f"{words} has no example"
    for line in lines:
        assert f"{line} ".startswith(f"{words} ")
        parse_command(line)


def public_without_docstring(name: str) -> Iterator[str]:
    """What lacks a docstring in a module.

    Asked for: the module; its functions and classes without an underscore in front; every method of
    a Protocol, since these docstrings are the contract. Not asked for: dunder methods, functions
    inside functions, and methods of other classes, which keep a Protocol's contract or say all in
    their names and types.
    """
    parsed = tree(name)
    if not ast.get_docstring(parsed):
        yield name
    for node in parsed.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if node.name.startswith("_"):
            continue
        if not ast.get_docstring(node):
            yield f"{name}.{node.name}"
        if isinstance(node, ast.ClassDef) and any("Protocol" in ast.unparse(b) for b in node.bases):
            yield from (
                f"{name}.{node.name}.{method.name}"
                for method in node.body
                if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
                and not method.name.startswith("_")
                and not ast.get_docstring(method)
            )


@pytest.mark.parametrize("name", modules())
def test_docstrings(name: str) -> None:
    assert list(public_without_docstring(name)) == []


def test_no_file_is_too_long() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in modules().values()
    }
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}


# The README and its commands


def shell_lines(document: Path) -> list[str]:
    """The lines of a document's fenced blocks, without comments and output; `\\` joins two."""
    text = document.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.M | re.S)
    shell = [block for language, block in blocks if language in ("", "sh")]
    lines = (line.strip() for block in shell for line in block.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def inline_code(document: Path) -> list[str]:
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.M | re.S)
    return [code for code in re.findall(r"`([^`\n]+)`", text) if "…" not in code]


def words_of(line: str) -> list[str]:
    """The words of a shell line, without settings of variables and the folder of .venv."""
    words = shlex.split(line, comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    return [words[0].removeprefix(".venv/bin/"), *words[1:]] if words else []


def parse_command(line: str) -> None:
    """Let click parse a `tuner …` line without running it; raises where it is refused."""
    program, *arguments = words_of(line)
    assert program == "tuner", line
    if arguments in (["--help"], ["--version"]):
        return
    above = click.Context(cli, info_name="tuner", **cli.context_settings)
    name, command, rest = cli.resolve_command(above, arguments)
    assert command is not None
    try:
        with command.make_context(name, rest, parent=above) as context:
            for sweep in context.params["names"] if name == "sweep" else ():
                # The last two are what `tuner init` makes in the examples.
                known = {*available(ROOT), "mine", "wine"}
                assert sweep in known or sweep.endswith(".yaml"), line
    except click.exceptions.Exit:
        assert {"--help", "-h"} & set(arguments), line


DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")),
)


def commands_in(document: str, program: str) -> list[str]:
    """The lines of a document, and its inline code, that call `program`."""
    path = ROOT / document
    lines = [line for line in (*shell_lines(path), *inline_code(path)) if program in line]
    return [line for line in lines if words_of(line)[:1] == [program] and len(words_of(line)) > 1]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_commands_of_the_documents_parse(document: str) -> None:
    mentions = {f"tuner {name}" for name in cli.commands}  # a name alone is no call
    for line in commands_in(document, "tuner"):
        if line not in mentions:
            parse_command(line)


@pytest.mark.parametrize(
    "line",
    [
        "tuner sweep digits --trails 20",
        "tuner sweep digitz --trials 20",
        "tuner sweeep digits",
        "tuner sweep digits --trials many",
    ],
)
def test_a_wrong_command_would_be_noticed(line: str) -> None:
    with pytest.raises((click.UsageError, AssertionError)):
        parse_command(line)


def test_the_readme_names_both_ways() -> None:
    lines = shell_lines(README)
    for wanted in (
        "make sweep",
        "make test",
        "python3 -m venv .venv",
        ".venv/bin/pip install -c constraints.txt -e .",
        ".venv/bin/tuner sweep digits --trials 20",
        ".venv/bin/pip install -c constraints.txt -e '.[dev]'",
        ".venv/bin/python -m pytest",
    ):
        assert wanted in {line.partition("  #")[0].rstrip() for line in lines}


def test_the_readme_names_every_command_and_exit_code() -> None:
    text = README.read_text(encoding="utf-8")
    called = {words_of(line)[1] for line in commands_in("README.md", "tuner")}
    assert set(cli.commands) <= called
    assert [code for code in (0, 1, 2, 3, 130, 143) if f"| {code} |" not in text] == []


def anchors(document: Path) -> set[str]:
    """What a link can name in a Markdown file: its headings, as web pages of it spell them."""
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    path = ROOT / document
    text = re.sub(r"\s+", " ", path.read_text(encoding="utf-8"))
    for file, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^):]+))?\)", text):
        target = path.parent / file if file else path
        assert target.exists(), f"{document} links to {file}"
        assert not anchor or anchor in anchors(target), f"{document} links to {file}#{anchor}"


# The Makefile


@pytest.fixture
def make() -> str:
    found = shutil.which("make")
    if found is None:
        pytest.skip("make is not installed")
    return found


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder with what installing needs, and no .venv."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def run_make(make: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Not as a part of the make that runs these tests.
    outside = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        [make, "--no-print-directory", *arguments],
        cwd=folder,
        env=outside,
        capture_output=True,
        text=True,
        check=False,
    )


def make_targets() -> set[str]:
    (line,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.M)
    return set(line.split())


def test_make_alone_lists_every_target(make: str) -> None:
    done = run_make(make, ROOT)
    assert done.returncode == 0
    assert set(re.findall(r"^  make (\S+) +\S+", done.stdout, re.M)) == make_targets()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_make_commands_of_the_documents_exist(document: str) -> None:
    named = {
        word
        for line in commands_in(document, "make")
        for word in words_of(line)[1:]
        if "=" not in word
    }
    assert named or document.startswith("docs/")
    assert named <= make_targets()


def test_make_sweep_runs_what_the_readme_says(make: str, bare: Path) -> None:
    planned = run_make(make, bare, "--dry-run", "sweep").stdout.splitlines()
    assert planned[-1] == ".venv/bin/tuner sweep digits --trials 20"
    assert any(line.endswith("pip install --quiet -c constraints.txt -e .") for line in planned)
    fashion = run_make(make, bare, "--dry-run", "sweep", "SWEEP=fashion", "TRIALS=50").stdout
    assert fashion.splitlines()[-1] == ".venv/bin/tuner sweep fashion --trials 50"


@pytest.mark.parametrize("changed", ["pyproject.toml", "constraints.txt"])
def test_nothing_is_installed_twice(make: str, bare: Path, changed: str) -> None:
    (bare / ".venv").mkdir()
    for stamp in (".installed", ".installed-dev"):
        (bare / ".venv" / stamp).touch()
    now = run_make(make, bare, "--dry-run", "sweep").stdout.splitlines()
    assert now == [".venv/bin/tuner sweep digits --trials 20"]
    assert "pip" not in run_make(make, bare, "--dry-run", "test").stdout
    later = (bare / ".venv" / ".installed").stat().st_mtime + 10
    os.utime(bare / changed, (later, later))
    for target, times in (("sweep", 1), ("test", 2)):
        planned = run_make(make, bare, "--dry-run", target).stdout
        assert planned.count("-m pip install") == times


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ('[ "$1" = --version ] && exec echo Python 3.9.18\nexit 1\n', "Python 3.9.18"),
        (None, "not there"),
    ],
)
def test_an_old_python_is_refused(make: str, bare: Path, script: str | None, said: str) -> None:
    python = bare / "some-python"
    if script is not None:
        python.write_text(f"#!/bin/sh\n{script}")
        python.chmod(0o755)
    done = run_make(make, bare, "sweep", f"PYTHON={python}")
    assert done.returncode == 2
    assert done.stderr.splitlines()[:2] == [
        f"tuner needs Python 3.11, 3.12 or 3.13, and {python} is {said}.",
        "Name another one: make PYTHON=python3.11 sweep",
    ]
    assert not (bare / ".venv").exists()


def test_clean_leaves_studies_and_runs(make: str, bare: Path) -> None:
    kept = ["mlflow.db", "tuner.journal", ".tuner/data/x/x_train.npy", "mlruns/1/run/weights"]
    gone = [".venv/bin/python", "tuner/__pycache__/cli.pyc", "build/lib", ".mypy_cache/x"]
    for name in kept + gone:
        (bare / name).parent.mkdir(parents=True, exist_ok=True)
        (bare / name).touch()
    assert run_make(make, bare, "clean").returncode == 0
    assert [name for name in kept if not (bare / name).exists()] == []
    assert [name for name in gone if (bare / name).exists()] == []


def test_bench_says_when_there_is_nothing(make: str, bare: Path) -> None:
    (bare / ".venv").mkdir()
    for stamp in (".installed", ".installed-dev"):
        (bare / ".venv" / stamp).touch()
    done = run_make(make, bare, "bench")
    assert done.returncode == 0
    assert done.stdout == "benchmarks/ holds nothing to run.\n"


def test_the_ci_script_is_a_script() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True)
    text = script.read_text(encoding="utf-8")
    called = set(re.findall(r"^make (\w+)", text, re.M))
    assert {"lint", "sweep", "test"} <= called <= make_targets()


# What is in the repository


def tracked() -> list[Path]:
    """The files that git tracks; skips where this is no checkout."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout")
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    return [ROOT / name for name in done.stdout.decode().split("\0") if name]


def test_mlruns_is_empty_in_git() -> None:
    files = {path.relative_to(ROOT).as_posix() for path in tracked()}
    assert {name for name in files if name.startswith("mlruns/")} == {"mlruns/.gitkeep"}
    state = {"mlflow.db", "tuner.journal"}
    assert {name for name in files if name.startswith(".tuner/") or name in state} == set()


def test_no_large_file_is_tracked() -> None:
    large = {
        path.relative_to(ROOT).as_posix(): path.stat().st_size
        for path in tracked()
        if path.is_file() and path.stat().st_size > 512 * 1024
    }
    assert large == {}


def pins() -> dict[str, str]:
    """Version by canonical name; raises for a line that is anything but `name==version`."""
    found: dict[str, str] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][A-Za-z0-9.+!]*)", line)
        assert match, f"constraints.txt: {line}"
        found[canonicalize_name(match[1])] = match[2]
    return found


def test_constraints_hold_names_and_versions_only() -> None:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert "://" not in text
    assert len(pins()) > 50


def test_every_dependency_is_pinned_to_a_version_that_it_allows() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for text in (*project["dependencies"], *extras["dev"]):
        wanted = Requirement(text)
        pinned = pins().get(canonicalize_name(wanted.name))
        assert pinned is not None, f"{wanted.name} is not in constraints.txt"
        assert wanted.specifier.contains(pinned), f"{text}, but constraints.txt has {pinned}"


def test_the_version_is_in_the_changelog() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(tuner.__version__)}\b", text, re.M)
