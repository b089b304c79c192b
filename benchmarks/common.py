"""What every benchmark here shares: options, facts about the machine, a table, the last line.

The rule: progress goes to stderr, the table to stdout, and the last line of stdout is one JSON
object. This file is no benchmark; importing it loads nothing heavy.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shutil
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn

from tuner.commands.machine import cores
from tuner.versions import versions as tuner_versions

DATA_FILE = "fashion_mnist.npz"
# Beside what `tuner` itself counts: what the peers need.
MORE_PACKAGES = ("keras-tuner", "tensorboard")
# They change what tuner, MLflow, Optuna or Keras do, so a benchmark starts without them.
PREFIXES = ("MLFLOW_", "TUNER_", "KERAS_", "OPTUNA_")


def parser(
    doc: str | None, rounds: int | None = 3, *, data: bool = False
) -> argparse.ArgumentParser:
    """The options that benchmarks have in common; `doc` is the module's docstring.

    Args:
        doc: the help.
        rounds: default of `--rounds`; None where there are none.
        data: whether to offer `--data-dir`.
    """
    made = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if rounds is not None:
        made.add_argument("--rounds", type=positive, default=rounds, help=f"default: {rounds}")
    made.add_argument("--quick", action="store_true", help="see that it works; figures mean little")
    if data:
        made.add_argument(
            "--data-dir", type=Path, help=f"folder with {DATA_FILE}; default: TUNER_DATA_DIR"
        )
    return made


def positive(text: str) -> int:
    """A whole number from 1 on, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def data_dir(given: Path | None) -> Path:
    """The folder with Fashion-MNIST; ends the process with code 2 and a line where it is absent."""
    text = os.environ.get("TUNER_DATA_DIR", "") if given is None else str(given)
    folder = Path(text).expanduser().resolve()
    if text and (folder / DATA_FILE).is_file():
        return folder
    why = f"{folder} holds no {DATA_FILE}" if text else "TUNER_DATA_DIR is unset"
    say(f"{why}: set TUNER_DATA_DIR or --data-dir to the folder with {DATA_FILE}.")
    sys.exit(2)


class BenchmarkError(Exception):
    """What was to be measured did not run; the message is for a person."""


def run(main: Callable[[], int]) -> NoReturn:
    """End the process with the code of `main`; with 1 and the reason where it could not measure."""
    try:
        sys.exit(main())
    except BenchmarkError as error:
        say(f"benchmark: {error}")
        sys.exit(1)


def say(text: str) -> None:
    """A line of progress, on stderr."""
    print(text, file=sys.stderr, flush=True)


def facts() -> dict[str, Any]:
    """Machine, versions and date: without them a figure says nothing."""
    return {
        "machine": {
            "cpu": cpu_model(),
            "cores": cores(),
            "memory_bytes": total_memory(),
            "system": f"{platform.system()} {platform.machine()}",
        },
        "versions": versions(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def versions() -> dict[str, str]:
    """Versions of what is measured, ours and the peers'."""
    found = tuner_versions()
    for name in MORE_PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def cpu_model() -> str:
    """The processor as the system calls it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def total_memory() -> int | None:
    """Bytes of memory in the machine, or None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def clean_environment(**more: str) -> dict[str, str]:
    """The environment for a child: nothing that changes tuner, MLflow, Optuna or Keras, but `more`.

    No contender reports home, and none is slowed by trying to.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(PREFIXES)}
    return {**kept, "MLFLOW_DISABLE_TELEMETRY": "true", "TF_CPP_MIN_LOG_LEVEL": "3", **more}


def last_core() -> int | None:
    """The highest number among the cores that this process may use; None where there are none."""
    if sys.platform == "win32" or not hasattr(os, "sched_getaffinity"):
        return None
    return max(os.sched_getaffinity(0))


@contextmanager
def held_on(core: int | None) -> Iterator[None]:
    """Processes started in the block may use this core only; any, where it is None."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Median of each key over rounds that have the same keys."""
    return {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}


def ratios(seconds: Mapping[str, float], ours: str) -> dict[str, float]:
    """How many times longer than `ours` each other one took."""
    return {key: value / seconds[ours] for key, value in seconds.items() if key != ours}


def rounded(value: Any, digits: int = 4) -> Any:
    """The same with floats cut to `digits` significant digits, however deep they lie."""
    if isinstance(value, Mapping):
        return {key: rounded(below, digits) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(below, digits) for below in value]
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    return value


def print_table(title: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A plain table on stdout: the first column to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        ).rstrip()
        for row in cells
    ]
    width = min(max(map(len, lines)), shutil.get_terminal_size((100, 24)).columns)
    print("\n".join([title, lines[0], "-" * width, *lines[1:], ""]), flush=True)


def print_json(benchmark: str, *, quick: bool, **keys: Any) -> None:
    """The last line of stdout; non-finite numbers are null."""
    whole = {"benchmark": benchmark, "quick": quick, **facts(), **rounded(keys)}
    print(json.dumps(whole, allow_nan=False), flush=True)
