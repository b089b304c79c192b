"""Commands that read what there is and change nothing."""

from __future__ import annotations

from pathlib import Path

import click

from tuner.cli.group import cli
from tuner.cli.options import examples, format_option


@cli.command()
@click.argument("names", nargs=-1, required=True, metavar="STUDY...")
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="TEXT",
    help="Judge by these targets instead of the study's; trains nothing. Repeatable.",
)
@format_option
@click.option("--exit-zero", is_flag=True, help="Exit 0 also when no configuration meets.")
@examples(
    "tuner report digits",
    "tuner report digits --format json",
    'tuner report digits --target "val >= 95%"',
)
def report(names: tuple[str, ...], targets: tuple[str, ...], form: str, exit_zero: bool) -> int:
    """Show which configurations of a study meet its targets, or the nearest misses."""
    from tuner.commands.report import ReportRequest, run_report

    return run_report(ReportRequest(names, Path.cwd(), targets, form, exit_zero))


@cli.command()
@click.argument("names", nargs=-1, metavar="[STUDY...]")
@format_option
@examples("tuner status", "tuner status digits --format json")
def status(names: tuple[str, ...], form: str) -> int:
    """Show where the studies of this directory stand, also while they run."""
    from tuner.commands.status import run_status

    return run_status(Path.cwd(), names, form)
