"""What the keywords of several calls mean: where data lies, numbers that count, and progress."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console


def usual_data_dir() -> Path | None:
    """The folder of data that the environment names, as for the command line."""
    named = os.environ.get("TUNER_DATA_DIR")
    return Path(named) if named else None


def at_least_one(name: str, number: float | None) -> None:
    """Raise UsageError where a number that counts something is not positive."""
    whole = name == "timeout" or isinstance(number, int)
    if number is not None and (isinstance(number, bool) or not whole or not number > 0):
        kind = "seconds above 0" if name == "timeout" else "a whole number from 1 on"
        raise UsageError(f"{name}={number!r}: write {kind}, or leave it out.")


def notes(progress: bool) -> Console:
    """Where progress is printed: stderr, or nowhere."""
    from tuner.commands.output import notes_console

    console = notes_console()
    console.quiet = not progress
    return console


def teller(progress: bool) -> Callable[[str], None]:
    """Prints a line on stderr, the same one once; or nothing."""
    console = notes(progress)
    last = [""]

    def say(text: str) -> None:
        if text != last[0]:
            last[0] = text
            console.print(text, markup=False, highlight=False, soft_wrap=True)

    return say
