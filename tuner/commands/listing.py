"""`tuner list`: the studies of this directory, those used last first, and what could be started."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tuner.commands.output import print_closing, print_json, print_rows, result_console
from tuner.commands.report import outcome_of
from tuner.definition import available
from tuner.report.jsonout import SCHEMA
from tuner.report.selection import Outcome
from tuner.report.sentences import next_command
from tuner.report.wording import ago_text, figure_text, goal_text, listed, moment, plural
from tuner.search.records import summaries
from tuner.trial import TrialRecord
from tuner.workspace import Workspace

FIELDS = (
    "study",
    "dataset",
    "finished",
    "requested",
    "running",
    "meets",
    "best_val_accuracy",
    "best_trial",
    "targets",
    "last_used",
)


@dataclass(frozen=True)
class Listed:
    """A study as the list shows it; `last_used` in seconds since 1970, or None if never."""

    outcome: Outcome
    last_used: float | None


def run_list(folder: Path, form: str) -> int:
    """Print a row a study; returns 0."""
    found = sorted(
        (Listed(outcome_of(s), last_used(s.records)) for s in summaries(Workspace(folder))),
        key=lambda row: (-(row.last_used or -math.inf), row.outcome.study),
    )
    taken = {row.outcome.study for row in found}
    startable = [name for name in available(folder) if name not in taken]
    if form == "json":
        rows = [_json(row) for row in found]
        print_json({"schema": SCHEMA, "studies": rows, "startable": startable})
    elif form == "csv":
        texts = [{**_json(row), "targets": _goal(row)} for row in found]
        print_rows(texts, FIELDS)
    else:
        _print_table(found, startable, folder)
    return 0


def last_used(records: Sequence[TrialRecord]) -> float | None:
    """When a trial of the study last began or ended."""
    return max((t for r in records for t in (r.started, r.ended) if t), default=None)


def after_a_list(outcome: Outcome) -> str:
    """What to type next after a list of studies, of which this one matters most."""
    name = shlex.quote(outcome.study)
    if outcome.counts.running:
        # `next_command` would send back to `status`, from which one may have come.
        return f"tuner show {name}"
    if outcome.meets and outcome.counts.finished >= outcome.counts.requested:
        return f"tuner report {name}"
    return next_command(outcome)


def _goal(row: Listed) -> str:
    return " and ".join(target.text for target in row.outcome.targets)


def _json(row: Listed) -> dict[str, Any]:
    outcome = row.outcome
    best = outcome.meets[0] if outcome.meets else outcome.best
    return {
        "study": outcome.study,
        "dataset": outcome.dataset,
        "finished": outcome.counts.finished,
        "requested": outcome.counts.requested,
        "running": outcome.counts.running,
        "meets": len(outcome.meets),
        "best_val_accuracy": best.figure("val_accuracy") if best else None,
        "best_trial": best.trial if best else None,
        "targets": [target.text for target in outcome.targets],
        "last_used": moment(row.last_used),
    }


def _print_table(found: Sequence[Listed], startable: Sequence[str], folder: Path) -> None:
    console = result_console()
    if not found:
        console.print(Text(f"No study in {folder} yet."), soft_wrap=True)
        text = f"Definitions that can be started: {listed(startable)}." if startable else ""
        first = "digits" if "digits" in startable or not startable else startable[0]
        print_closing(console, text or "No definition was found either.", f"tuner sweep {first}")
        return
    now = time.time()
    wide = _table(found, now, with_targets=True)
    if console.measure(wide, options=console.options.update(width=10_000)).maximum > console.width:
        wide = _table(found, now, with_targets=False)
    console.print(wide)
    console.print()
    sentence = f"{len(found)} {'study' if len(found) == 1 else 'studies'} in this directory"
    running = sum(row.outcome.counts.running > 0 for row in found)
    sentence += f", {running} of them running." if running else "."
    if startable:
        word = plural("definition", len(startable))
        sentence += f" Not started here yet: the {word} {listed(startable)}."
    print_closing(console, sentence, after_a_list(found[0].outcome))


def _table(found: Sequence[Listed], now: float, with_targets: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("study", "data set"):
        table.add_column(name, overflow="fold")
    for name in ("trials", "meet", "best val"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("last used", no_wrap=True)
    if with_targets:
        table.add_column("targets", no_wrap=True)
    for row in found:
        outcome, counts = row.outcome, row.outcome.counts
        best = outcome.meets[0] if outcome.meets else outcome.best
        value = best.figure("val_accuracy") if best else None
        used = "–" if row.last_used is None else ago_text(now - row.last_used)
        table.add_row(
            Text(outcome.study),
            Text(outcome.dataset),
            f"{counts.finished}/{counts.requested}",
            Text(str(len(outcome.meets)), style="bold green" if outcome.meets else ""),
            figure_text("val_accuracy", value, outcome.targets),
            "running" if counts.running else used,
            *([Text(goal_text(outcome.targets))] if with_targets else []),
        )
    return table


def print_nothing(console: Console, folder: Path) -> None:
    """What a command says where there is no study to show."""
    console.print(Text(f"No study in {folder} yet."), soft_wrap=True)
    console.print(Text("Next: tuner sweep digits"))
