"""`tuner status`: where the studies of this directory stand, also while they run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from tuner.commands.listing import (
    Listed,
    after_a_list,
    last_used,
    print_nothing,
)
from tuner.commands.output import print_closing, print_json, print_rows, result_console
from tuner.commands.report import find_studies, outcome_of
from tuner.report.jsonout import SCHEMA
from tuner.report.wording import figure_text, moment, trials_text
from tuner.search.records import summaries
from tuner.workspace import Workspace

FIELDS = (
    "study",
    "dataset",
    "requested",
    "complete",
    "pruned",
    "failed",
    "running",
    "waiting",
    "meets",
    "best_val_accuracy",
    "last_ended",
)


def run_status(folder: Path, names: Sequence[str], form: str) -> int:
    """Print a row a study; all studies where no name is given."""
    workspace = Workspace(folder)
    summed = find_studies(workspace, names) if names else summaries(workspace)
    found = [Listed(outcome_of(summary), last_used(summary.records)) for summary in summed]
    if form == "json":
        print_json({"schema": SCHEMA, "studies": [_json(row) for row in found]})
    elif form == "csv":
        print_rows([_json(row) for row in found], FIELDS)
    else:
        _print_table(found, folder)
    return 0


def _json(row: Listed) -> dict[str, Any]:
    outcome = row.outcome
    best = outcome.meets[0] if outcome.meets else outcome.best
    ended = [entry.record.ended for entry in outcome.entries if entry.record.ended]
    return {
        "study": outcome.study,
        "dataset": outcome.dataset,
        **asdict(outcome.counts),
        "meets": len(outcome.meets),
        "best_val_accuracy": best.figure("val_accuracy") if best else None,
        "last_ended": moment(max(ended)) if ended else None,
    }


def _print_table(found: Sequence[Listed], folder: Path) -> None:
    console = result_console()
    if not found:
        print_nothing(console, folder)
        return
    table = _table(found, with_time=True)
    if console.measure(table, options=console.options.update(width=10_000)).maximum > console.width:
        table = _table(found, with_time=False)  # rather than break names
    console.print(table)
    console.print()
    running = sum(row.outcome.counts.running for row in found)
    studies = "1 study" if len(found) == 1 else f"{len(found)} studies"
    first = max(found, key=lambda r: (r.outcome.counts.running > 0, r.last_used or 0.0))
    sentence = f"{studies}, {trials_text(running)} running now."
    print_closing(console, sentence, after_a_list(first.outcome))


def _table(found: Sequence[Listed], with_time: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("study", "dataset"):
        table.add_column(name, overflow="fold", min_width=len(name))
    waiting = any(row.outcome.counts.waiting for row in found)
    states = ["running", *(["waiting"] if waiting else []), "failed"]
    times = ["last trial"] if with_time else []
    for name in ("trials", *states, "meet", "best val", *times):
        table.add_column(name, justify="right", no_wrap=True)
    for row in found:
        outcome, counts, values = row.outcome, asdict(row.outcome.counts), _json(row)
        table.add_row(
            Text(outcome.study),
            Text(outcome.dataset),
            f"{outcome.counts.finished}/{outcome.counts.requested}",
            *(str(counts[state]) for state in states),
            str(values["meets"]),
            figure_text("val_accuracy", values["best_val_accuracy"], outcome.targets),
            *([str(values["last_ended"] or "–")[:16].replace("T", " ")] if with_time else []),
        )
    return table
