"""The command line: options in, exit codes out; every command calls one use case of `commands`."""

from tuner.cli.app import main, run
from tuner.cli.group import cli

__all__ = ["cli", "main", "run"]
