"""`tuner status`: where the studies of this directory stand, also while they run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tuner.commands.report import find_studies, outcome_of
from tuner.report.selection import Outcome
from tuner.report.wording import trials_text
from tuner.search.records import StudySummary, summaries
from tuner.workspace import Workspace

COLUMNS = ("study", "dataset", "trials", "running", "failed", "meets", "best val", "last trial")


def run_status(folder: Path, names: Sequence[str], form: str) -> int:
    """Print a row a study; all studies where no name is given."""
    workspace = Workspace(folder)
    found = find_studies(workspace, names) if names else summaries(workspace)
    rows = [_row(summary, outcome_of(summary)) for summary in found]
    if form == "json":
        click.echo(json.dumps(rows, indent=2))
    elif form == "csv":
        import pandas as pd

        click.echo(pd.DataFrame(rows).to_csv(index=False, lineterminator="\n"), nl=False)
    else:
        _print_table(rows, folder)
    return 0


def _row(summary: StudySummary, outcome: Outcome) -> dict[str, object]:
    ended = [record.ended for record in summary.records if record.ended]
    best = outcome.meets[0] if outcome.meets else outcome.best
    return {
        "study": summary.name,
        "dataset": summary.dataset,
        **asdict(outcome.counts),
        "meets": len(outcome.meets),
        "best_val_accuracy": best.figure("val_accuracy") if best else None,
        "last_ended": _moment(max(ended)) if ended else None,
    }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")


def _print_table(rows: Sequence[dict[str, object]], folder: Path) -> None:
    console = Console(highlight=False)
    if not rows:
        console.print(Text(f"No study in {folder} yet."))
        console.print(Text("Next: tuner sweep digits"))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in COLUMNS:
        table.add_column(name, justify="left" if name in ("study", "dataset") else "right")
    for row in rows:
        done = sum(int(str(row[key])) for key in ("complete", "pruned", "failed"))
        best = row["best_val_accuracy"]
        table.add_row(
            Text(str(row["study"])),
            Text(str(row["dataset"])),
            f"{done}/{row['requested']}",
            str(row["running"]),
            str(row["failed"]),
            str(row["meets"]),
            f"{best:.4f}" if isinstance(best, float) else "–",
            str(row["last_ended"] or "–")[:16].replace("T", " "),
        )
    console.print(table)
    console.print()
    running = sum(int(str(row["running"])) for row in rows)
    studies = "1 study" if len(rows) == 1 else f"{len(rows)} studies"
    console.print(Text(f"{studies}, {trials_text(running)} running now."))
    console.print(Text(f"Next: tuner report {rows[0]['study']}"))
