"""A table for a class: what each user, or each study, of a tracking store has reached.

Pure. Rows are ranked within a data set, those with a trial that meets first. Equal figures share a
rank, and where people judge by different targets or data the table says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from tuner.errors import TargetError
from tuner.report.tables import new_table
from tuner.report.wording import DOT, figure_text, goal_text, listed, trials_text
from tuner.targets import Target, parse_targets

By = Literal["user", "study"]

FIELDS = (
    "dataset",
    "rank",
    "user",
    "study",
    "studies",
    "trials",
    "meets",
    "verdict",
    "val_accuracy",
    "train_accuracy",
    "violation",
    "best_study",
    "best_trial",
    "targets",
)


@dataclass(frozen=True)
class Candidate:
    """One recorded trial; figures of its chosen epoch, None where there is none."""

    trial: int
    verdict: str | None
    val: float | None
    train: float | None
    violation: float | None


@dataclass(frozen=True)
class Sweep:
    """One recorded study: `targets` is their text, and `uid` tells studies of one name apart."""

    user: str
    study: str
    uid: str
    dataset: str
    targets: str
    fingerprint: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class Standing:
    """A row of the table.

    Attributes:
        dataset: what it was reached on; rows of different data sets are never ranked together.
        rank: 1 for the best; equal figures share one; None where no trial is judged.
        user: the user's name, or an empty text.
        study: the study's name, or None in a table by user.
        studies, trials, meets: how many.
        best: the highest val accuracy that meets, else the nearest miss.
        source: the sweep that `best` is from.
        targets: every text of targets that the row's sweeps have.
    """

    dataset: str
    rank: int | None
    user: str
    study: str | None
    studies: int
    trials: int
    meets: int
    best: Candidate | None
    source: Sweep | None
    targets: tuple[str, ...]


def standings(sweeps: Sequence[Sweep], by: By) -> list[Standing]:
    """The rows, by data set and then by rank."""
    rows: list[Standing] = []
    for dataset in sorted({sweep.dataset for sweep in sweeps}):
        groups: dict[str, list[Sweep]] = {}
        for sweep in sweeps:
            if sweep.dataset == dataset:
                groups.setdefault(sweep.user if by == "user" else sweep.uid, []).append(sweep)
        rows += _ranked([_standing(group, by) for group in groups.values()])
    return rows


def notes(sweeps: Sequence[Sweep]) -> list[str]:
    """Why the ranks may not be fair, one line a reason and data set."""
    found = []
    for dataset in sorted({sweep.dataset for sweep in sweeps}):
        own = [sweep for sweep in sweeps if sweep.dataset == dataset]
        if len({sweep.targets for sweep in own}) > 1:
            found.append(
                f"{dataset}: targets differ, and each trial is judged by its own study's: "
                "who meets is no fair comparison."
            )
        if len({sweep.fingerprint for sweep in own}) > 1:
            found.append(f"{dataset}: the data differ (fingerprints), accuracies do not compare.")
    return found


def standings_sentence(rows: Sequence[Standing]) -> str:
    """Who leads on each data set; ties are called ties."""
    parts = []
    for dataset in dict.fromkeys(row.dataset for row in rows):
        first = [row for row in rows if row.dataset == dataset and row.rank == 1]
        if not first or first[0].best is None:
            parts.append(f"nothing is judged on {dataset} yet")
            continue
        best = first[0].best
        names = listed([_name(row) for row in first])
        value = "no figure" if best.val is None else _val_text(first[0])
        if best.verdict != "meets":
            parts.append(f"nobody meets on {dataset}; nearest: {names} with {value}")
        elif len(first) > 1:
            parts.append(f"{names} are level on {dataset} with {value}")
        else:
            among = trials_text(first[0].trials)
            parts.append(f"{names} leads on {dataset} with {value}, the best of {among}")
    return "; ".join(parts) + "."


def standing_json(row: Standing) -> dict[str, Any]:
    """A row for programs; its keys are `FIELDS`."""
    best = row.best
    return {
        "dataset": row.dataset,
        "rank": row.rank,
        "user": row.user,
        "study": row.study,
        "studies": row.studies,
        "trials": row.trials,
        "meets": row.meets,
        "verdict": best.verdict if best else None,
        "val_accuracy": best.val if best else None,
        "train_accuracy": best.train if best else None,
        "violation": best.violation if best else None,
        "best_study": row.source.study if row.source else None,
        "best_trial": best.trial if best else None,
        "targets": list(row.targets),
    }


def _standing(sweeps: Sequence[Sweep], by: By) -> Standing:
    found = [(c, sweep) for sweep in sweeps for c in sweep.candidates]
    judged = [pair for pair in found if pair[0].verdict is not None]
    best = min(judged, key=lambda pair: (_order(pair[0]), pair[0].trial), default=None)
    return Standing(
        dataset=sweeps[0].dataset,
        rank=None,
        user=sweeps[0].user,
        study=sweeps[0].study if by == "study" else None,
        studies=len({sweep.uid for sweep in sweeps}),
        trials=len(found),
        meets=sum(c.verdict == "meets" for c, _ in found),
        best=best[0] if best else None,
        source=best[1] if best else None,
        targets=tuple(dict.fromkeys(sweep.targets for sweep in sweeps)),
    )


def _order(best: Candidate | None) -> tuple[int, float, float]:
    """Smaller is better; what meets is ordered by val accuracy, what misses by its violation."""
    if best is None:
        return 2, 0.0, 0.0
    val = math.inf if best.val is None else -best.val
    if best.verdict == "meets":
        return 0, val, 0.0
    return 1, math.inf if best.violation is None else best.violation, val


def _ranked(rows: Iterable[Standing]) -> list[Standing]:
    ordered = sorted(rows, key=lambda row: (_order(row.best), row.user, row.study or ""))
    orders = [_order(row.best) for row in ordered]
    return [
        Standing(**{**vars(row), "rank": orders.index(order) + 1 if row.best else None})
        for row, order in zip(ordered, orders, strict=True)
    ]


# --- the table --------------------------------------------------------------------------------


@dataclass(frozen=True)
class StandingsTable:
    """The rows as a table a data set.

    Targets that all share stand in its title; those that differ get letters, explained below.
    """

    rows: tuple[Standing, ...]
    by: By

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        datasets = list(dict.fromkeys(row.dataset for row in self.rows))
        for number, dataset in enumerate(datasets):
            rows = [row for row in self.rows if row.dataset == dataset]
            yield from [Text()] if number else []
            goals = list(dict.fromkeys(text for row in rows for text in row.targets))
            title = Text(dataset, style="bold")
            if len(goals) == 1:
                title.append(DOT + _goal(goals[0]), "not bold")
            yield title
            marks = {goal: _mark(at) for at, goal in enumerate(goals)} if len(goals) > 1 else {}
            yield self._table(rows, marks)
            yield from (Text(f"{mark}: {_goal(goal)}", style="dim") for goal, mark in marks.items())

    def _table(self, rows: Sequence[Standing], marks: Mapping[str, str]) -> Table:
        counted: dict[str, Callable[[Standing], str]] = {
            "studies": lambda row: str(row.studies),
            "trials": lambda row: str(row.trials),
            "meet": lambda row: str(row.meets),
        }
        if self.by == "study":
            del counted["studies"]
        table = new_table()
        table.add_column("", justify="right", no_wrap=True)
        for name in ["user", *(["study"] if self.by == "study" else [])]:
            table.add_column(name, overflow="fold", min_width=5)
        for name in (*counted, "val", "train"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("trial", overflow="fold")
        if marks:
            table.add_column("targets")
        ranks = [row.rank for row in rows]
        for row in rows:
            level = "=" if row.rank is not None and ranks.count(row.rank) > 1 else ""
            table.add_row(
                "–" if row.rank is None else f"{row.rank}{level}",
                Text(row.user or "–"),
                *([Text(row.study or "–")] if self.by == "study" else []),
                *(text(row) for text in counted.values()),
                *_figures(row),
                Text(_trial_text(row)),
                *([", ".join(marks[text] for text in row.targets)] if marks else []),
            )
        return table


def _figures(row: Standing) -> tuple[Text, Text]:
    if row.best is None or row.source is None:
        return Text("–"), Text("–")
    train = figure_text("train_accuracy", row.best.train, _targets(row.source.targets))
    return Text(_val_text(row)), Text(train)


def _val_text(row: Standing) -> str:
    if row.best is None or row.source is None:
        return "–"
    return figure_text("val_accuracy", row.best.val, _targets(row.source.targets))


def _trial_text(row: Standing) -> str:
    """`7`, or `digits:7` in a table by user; how far it is off where it misses."""
    if row.best is None or row.source is None:
        return "–"
    name = str(row.best.trial) if row.study else f"{row.source.study}:{row.best.trial}"
    return name if row.best.verdict == "meets" else f"{name} (misses)"


def _name(row: Standing) -> str:
    who = row.user or "somebody"
    return f"{who}'s {row.study}" if row.study else who


def _mark(number: int) -> str:
    """A, B … Z, then A2, B2 …"""
    again, letter = divmod(number, 26)
    return chr(ord("A") + letter) + (str(again + 1) if again else "")


def _goal(text: str) -> str:
    targets = _targets(text)
    return goal_text(targets) if targets else text


def _targets(text: str) -> tuple[Target, ...]:
    """The targets of a recorded text; none where it does not parse, as of another version."""
    try:
        return parse_targets(text) if text else ()
    except TargetError:
        return ()
