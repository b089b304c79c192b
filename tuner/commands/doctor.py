"""`tuner doctor`: what is wrong on this machine and in this directory, and what to do about it.

The rule: TensorFlow is looked at in a child, beside everything else; this process never imports it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryFile

import click
from rich.console import Console
from rich.text import Text

from tuner.commands import checks, checks_machine
from tuner.commands.checks import Check
from tuner.report.jsonout import SCHEMA
from tuner.report.wording import plural
from tuner.workspace import Workspace

TENSORFLOW_SECONDS = 60.0
MARKS = {"ok": ("✓", "ok"), "warning": ("!", "!"), "problem": ("✗", "X")}
COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}
DEVICES_CODE = """
import json
import keras, tensorflow as tf
gpus = tf.config.list_physical_devices("GPU")
names = [tf.config.experimental.get_device_details(g).get("device_name", g.name) for g in gpus]
print(json.dumps({"tensorflow": tf.__version__, "keras": keras.__version__, "gpus": names,
                  "cuda": tf.test.is_built_with_cuda()}))
"""


def run_doctor(folder: Path, data_dir: Path | None, form: str) -> int:
    """Print what was found; returns 1 where something is a problem, else 0."""
    notes = Console(stderr=True, highlight=False)
    notes.print(Text("Looking; importing TensorFlow takes some seconds …"))
    found = examine(Workspace(folder), data_dir)
    if form == "table":
        _print(found)
    elif form == "json":
        result = {
            "schema": SCHEMA,
            "result": checks.worst(found),
            "checks": [asdict(check) for check in found],
        }
        click.echo(json.dumps(result, indent=2))
    else:
        import pandas as pd

        frame = pd.DataFrame([asdict(check) for check in found])
        click.echo(frame.to_csv(index=False, lineterminator="\n"), nl=False)
    return 1 if checks.worst(found) == "problem" else 0


def examine(workspace: Workspace, data_dir: Path | None) -> list[Check]:
    """All checks, in the order in which they are shown."""
    with _devices() as answer:
        first = [checks_machine.python_check(), checks_machine.packages_check()]
        rest = [
            checks_machine.workers_check(),
            *checks.folder_checks(workspace),
            checks.journal_check(workspace),
            *checks.mlflow_checks(workspace),
            *checks.data_checks(data_dir),
            checks.keras_check(),
            checks.disk_check(workspace),
            *checks.environment_checks(),
        ]
        return [*first, *answer, *rest]


@contextmanager
def _devices() -> Iterator[Iterator[Check]]:
    """Start the child that imports TensorFlow; the checks wait for it when they are asked for."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "1", "KERAS_BACKEND": "tensorflow"}
    with (
        TemporaryFile("w+", encoding="utf-8", errors="replace") as out,
        TemporaryFile("w+", encoding="utf-8", errors="replace") as err,
        subprocess.Popen(  # noqa: S603
            # -P: a keras.py in the user's working directory is not Keras.
            [sys.executable, "-P", "-c", DEVICES_CODE],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        ) as child,
    ):
        deadline = time.monotonic() + TENSORFLOW_SECONDS

        def answer() -> Iterator[Check]:
            code: int | None = None
            try:
                code = child.wait(timeout=max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
            out.seek(0)
            err.seek(0)
            yield from checks_machine.device_checks(out.read(), err.read(), code)

        try:
            yield answer()
        finally:
            if child.poll() is None:
                child.kill()


def _print(found: list[Check]) -> None:
    console = Console(highlight=False)
    ascii_only = not _can_print("✓✗", console.encoding)
    width = max(len(check.name) for check in found)
    for check in found:
        mark = MARKS[check.level][1 if ascii_only else 0]
        line = Text.assemble(
            (f"{mark:<{2 if ascii_only else 1}}", COLOURS[check.level]),
            f" {check.name:<{width}}  ",
        )
        _print_hanging(console, line, check.text)
        if check.remedy:
            arrow = "->" if ascii_only else "→"
            _print_hanging(console, Text(" " * (len(line) - 2)), f"{arrow} {check.remedy}")
    problems = sum(check.level == "problem" for check in found)
    warnings = sum(check.level == "warning" for check in found)
    parts = [
        f"{count} {plural(word, count)}"
        for count, word in ((problems, "problem"), (warnings, "warning"))
        if count
    ]
    console.print()
    if problems:
        console.print(Text(f"{' and '.join(parts)}: a sweep here may fail until that is mended."))
        console.print(Text("Next: tuner doctor"))
    else:
        text = f"{parts[0]}, and nothing in the way of a sweep" if parts else "All is well"
        console.print(Text(f"{text}."))
        console.print(Text("Next: tuner sweep digits"))


def _print_hanging(console: Console, lead: Text, text: str) -> None:
    """Print `text` after `lead`, its further lines indented as far."""
    room = max(20, console.width - len(lead))
    for number, part in enumerate(Text(text).wrap(console, room)):
        part.rstrip()
        console.print(
            (lead if number == 0 else Text(" " * len(lead))) + part, soft_wrap=True, style=None
        )


def _can_print(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeError, LookupError):
        return False
    return True
