"""Results on stdout, in the format that was asked for; nothing else ever goes there."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.console import Console
from rich.text import Text

from tuner.report.selection import Outcome
from tuner.report.tables import next_command, outcome_table, sentence, summary_table


def print_outcomes(outcomes: Sequence[Outcome], form: str) -> None:
    """Print one result for all outcomes."""
    if form == "json":
        from tuner.report.jsonout import dumps

        click.echo(dumps(outcomes))
    elif form == "csv":
        from tuner.report.jsonout import to_csv

        click.echo(to_csv(outcomes), nl=False)
    else:
        _print_tables(outcomes)


def _print_tables(outcomes: Sequence[Outcome]) -> None:
    console = Console(highlight=False)
    for outcome in outcomes:
        console.print(outcome_table(outcome))
        console.print()
    if len(outcomes) > 1:
        console.print(summary_table(outcomes))
        console.print()
    for outcome in outcomes:
        prefix = f"{outcome.study}: " if len(outcomes) > 1 else ""
        console.print(Text(prefix + sentence(outcome)))
    for outcome in outcomes:
        console.print(Text(f"Next: {next_command(outcome)}"), soft_wrap=True)
