"""Running a command line: parse, call one use case, turn errors into exit codes.

The rule: nothing heavy is imported before a command runs, so that `--help` answers at once.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from types import FrameType

import click

from tuner.cli import confirming, datasets, keeping, models, reading, training
from tuner.cli.group import cli
from tuner.errors import TunerError

# Importing a module adds its commands to `cli`, in this order.
_COMMANDS = (training, confirming, models, reading, datasets, keeping)


def main() -> None:
    """Run the command line; the process ends with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without ≥ shows ? instead
    if os.getpid() == 1:
        # In a container: the kernel keeps from process 1 every signal that it does not handle.
        signal.signal(signal.SIGTERM, _end)
    sys.exit(run(sys.argv[1:]))


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; errors go to stderr."""
    debug = "--debug" in arguments or os.environ.get("TUNER_DEBUG") == "1"
    try:
        code = cli.main(args=arguments, prog_name="tuner", standalone_mode=False)
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except TunerError as error:
        if debug:
            raise
        click.echo(f"tuner: {error}", err=True)
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output has gone, as in `tuner report fashion | head -1`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if debug:
            raise
        place = f"{error.filename}: " if error.filename else ""
        click.echo(
            f"tuner: {place}{error.strerror or error}.\n"
            "Is there room on the disk, and may you write in this directory and its .tuner folder?",
            err=True,
        )
        return 1
    except Exception as error:
        if debug:
            raise
        click.echo(
            f"tuner: this is a bug: {type(error).__name__}: {error}\n"
            "Run it again with `tuner --debug …` for the traceback. Finished trials are kept.",
            err=True,
        )
        return 1
    return code if isinstance(code, int) else 0
