"""Trials or studies side by side: what differs, what does not, and whether comparing them is fair.

Pure. Every trial keeps the verdict that its own study's targets gave it; where targets, data or
validation rows differ, `notes` says so, since the figures alone would not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from tuner.report.jsonout import entry_json
from tuner.report.selection import Entry, Outcome, window_text
from tuner.report.sentences import tried
from tuner.report.tables import new_table
from tuner.report.trial_view import METRICS_SHOWN, metrics_shown
from tuner.report.wording import (
    DOT,
    SCORE_NAMES,
    SHORT,
    amount_text,
    duration_text,
    figure_text,
    goal_text,
    number_text,
    trials_text,
    value_text,
)
from tuner.trial import ParamValue


@dataclass(frozen=True)
class Column:
    """One trial of a comparison.

    Attributes:
        outcome: of its study.
        entry: the trial.
        identity: of its study: data, split and the like.
    """

    outcome: Outcome
    entry: Entry
    identity: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`digits:7`, as the command line takes it."""
        return f"{self.outcome.study}:{self.entry.trial}"


# --- what differs -----------------------------------------------------------------------------


def differing(columns: Sequence[Column]) -> tuple[str, ...]:
    """Parameters that are not the same in all trials; one that a trial lacks differs."""
    names = dict.fromkeys(name for column in columns for name in column.entry.params)
    return tuple(name for name in names if not _same(_values(columns, name)))


def shared(columns: Sequence[Column]) -> dict[str, ParamValue]:
    """Parameters that all trials have at one value."""
    apart = differing(columns)
    return {k: v for k, v in columns[0].entry.params.items() if k not in apart}


def notes(columns: Sequence[Column]) -> list[str]:
    """Why comparing the figures may not be fair; one line each, empty where it is."""
    found = []
    if not _same([_key(c.identity.get("data")) for c in columns]):
        found.append("Different data: accuracies of one and another are not comparable.")
    elif not _same([_key(c.identity.get("split")) for c in columns]):
        found.append("Different validation rows: small differences may come from these alone.")
    if not _same([_key(c.identity.get("epochs")) for c in columns]):
        found.append("Different numbers of epochs were planned.")
    if not _same([_key(sorted(t.text for t in c.outcome.targets)) for c in columns]):
        found.append("Different targets: each verdict is by the targets of its own study.")
    return found


def trials_sentence(columns: Sequence[Column]) -> str:
    """Which of the trials is ahead on what their studies maximise, and by how much."""
    metric = common_objective([c.outcome for c in columns])
    known = [c for c in columns if c.entry.figure(metric) is not None]
    if not known:
        return "None of these trials has a figure to compare yet."
    ranked = sorted(known, key=lambda c: -score_of(c, metric))
    first, name = ranked[0], SCORE_NAMES[metric]
    best = score_of(first, metric)
    level = [c.name for c in ranked if score_of(c, metric) == best]
    text = f"{first.name} has the highest {name} of these, {_score_text(first, metric)}"
    if len(level) > 1:
        text = f"{' and '.join(level)} share the highest {name}, {_score_text(first, metric)}"
    elif len(ranked) > 1:
        second = ranked[1]
        ahead = amount_text(metric, best - score_of(second, metric))
        text += f", {ahead} above {second.name}"
    meeting = [c for c in ranked if c.entry.verdict == "meets"]
    if not meeting:
        text += "; none of these meets its targets"
    elif first.entry.verdict != "meets" and len(level) == 1:
        text += (
            f", but misses its targets; {meeting[0].name} is the best that meets its own, "
            f"{_score_text(meeting[0], metric)}"
        )
    return f"{text}. One split and one seed each: a small difference is chance."


def _values(columns: Sequence[Column], name: str) -> list[ParamValue | None]:
    return [column.entry.params.get(name) for column in columns]


def _same(values: Sequence[Any]) -> bool:
    return all(value == values[0] and type(value) is type(values[0]) for value in values)


def _key(value: Any) -> str:
    return repr(sorted(value.items()) if isinstance(value, Mapping) else value)


def common_objective(outcomes: Sequence[Outcome]) -> str:
    """What all of them maximise; val_accuracy where that is not the same."""
    found = {outcome.objective for outcome in outcomes}
    return found.pop() if len(found) == 1 else "val_accuracy"


def score_of(column: Column, metric: str) -> float:
    """A figure of the chosen epoch; 0 where there is none."""
    return column.entry.figure(metric) or 0.0


def _score_text(column: Column, metric: str) -> str:
    return figure_text(metric, score_of(column, metric), column.outcome.targets)


# --- trials -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class TrialsTable:
    """Trials as columns, in as many tables below each other as the width takes."""

    columns: tuple[Column, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for size in range(len(self.columns), 0, -1):
            tables = [
                _trials(self.columns[at : at + size], self.columns)
                for at in range(0, len(self.columns), size)
            ]
            wide = options.update(width=10_000)
            if max(console.measure(t, options=wide).maximum for t in tables) <= options.max_width:
                break
        for number, table in enumerate(tables):
            yield from [Text()] if number else []
            yield table
        same = shared(self.columns)
        if same and len(self.columns) > 1:
            texts = DOT.join(f"{name} {number_text(value)}" for name, value in same.items())
            yield Text(f"The same in all: {texts}", style="dim")
        yield from (Text(note, style="yellow") for note in notes(self.columns))


_FACTS: tuple[tuple[str, Callable[[Column], str]], ...] = (
    ("epoch", lambda c: str(c.entry.chosen.epoch) if c.entry.chosen else "–"),
    ("meets at", lambda c: window_text(c.entry.windows) or "–"),
    ("training", lambda c: duration_text(c.entry.seconds) if c.entry.seconds else "–"),
)


def _trials(columns: Sequence[Column], everyone: Sequence[Column]) -> Table:
    """Some of the columns; which rows differ is a matter of `everyone`."""
    table = new_table()
    table.add_column("", no_wrap=True)
    for column in columns:
        variant = f"\n{column.entry.variant}" if column.entry.variant else ""
        table.add_column(Text(column.name + variant), justify="right", max_width=18)
    if not _same([c.outcome.targets for c in everyone]):
        table.add_row("targets", *(Text(goal_text(c.outcome.targets)) for c in columns))
    table.add_row("verdict", *(_verdict(c.entry) for c in columns))
    for metric in metrics_shown(t for c in everyone for t in c.outcome.targets):
        table.add_row(SHORT[metric], *(_figure(c, metric) for c in columns))
    for name, text in _FACTS:
        table.add_row(name, *(Text(text(c)) for c in columns), end_section=name == "training")
    for name in differing(everyone):
        texts = dict(zip(map(id, everyone), distinct(_values(everyone, name)), strict=True))
        table.add_row(Text(name), *(Text(texts[id(c)]) for c in columns))
    return table


def distinct(values: Sequence[ParamValue | None]) -> list[str]:
    """Short texts of the values, but as long as it takes that different values look different."""
    for text in (number_text, value_text, str):
        found = ["–" if value is None else text(value) for value in values]
        if len(set(found)) == len({repr(value) for value in values}):
            break
    return found


def _verdict(entry: Entry) -> Text:
    if entry.verdict is None:
        return Text(entry.state)
    only = f"\nonly at epoch {entry.only_if_stopped}" if entry.only_if_stopped is not None else ""
    pruned = "\n(pruned)" if entry.state == "pruned" else ""
    return Text(entry.verdict + only + pruned, style="green" if entry.verdict == "meets" else "")


def _figure(column: Column, metric: str) -> Text:
    figure = column.entry.figure(metric)
    asked = [t for t in column.outcome.targets if t.metric == metric]
    text = figure_text(metric, figure, asked)
    if not asked or figure is None:
        return Text(text)
    met = all(target.met_by(figure) for target in asked)
    return Text(text if met else f"! {text}", style="green" if met else "yellow")


def trials_json(columns: Sequence[Column]) -> dict[str, Any]:
    """The trials and what tells them apart, for programs."""
    return {
        "trials": [
            {
                "name": column.name,
                "study": column.outcome.study,
                "dataset": column.outcome.dataset,
                "targets": [target.text for target in column.outcome.targets],
                "state": column.entry.state,
                **entry_json(column.entry),
                "seconds": column.entry.seconds,
            }
            for column in columns
        ],
        "differing": list(differing(columns)),
        "same": shared(columns),
        "notes": notes(columns),
    }


def trials_as_outcomes(columns: Sequence[Column]) -> list[Outcome]:
    """One outcome a trial, that holds this trial alone, for `jsonout.to_csv`."""
    return [replace(column.outcome, entries=(column.entry,)) for column in columns]


# --- studies ----------------------------------------------------------------------------------


def study_row(outcome: Outcome) -> dict[str, Any]:
    """A study in one row, for programs."""
    lead = next(iter((*outcome.meets, *outcome.nearest)), None)
    counts = asdict(outcome.counts)
    return {
        "study": outcome.study,
        "dataset": outcome.dataset,
        "targets": [target.text for target in outcome.targets],
        "trials": outcome.counts.finished,
        "requested": counts["requested"],
        "meets": len(outcome.meets),
        "best_trial": lead.trial if lead else None,
        "verdict": lead.verdict if lead else None,
        "val_accuracy": lead.figure("val_accuracy") if lead else None,
        "train_accuracy": lead.figure("train_accuracy") if lead else None,
        "accuracy_gap": lead.figure("accuracy_gap") if lead else None,
        "epoch": lead.chosen.epoch if lead and lead.chosen else None,
        "training_seconds": sum(e.seconds or 0.0 for e in outcome.entries),
    }


@dataclass(frozen=True)
class StudiesTable:
    """One row a study: its best trial that meets, or the nearest one.

    What all studies have in common stands above the table; targets that differ have a column, or
    where it does not fit a line each.
    """

    outcomes: tuple[Outcome, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        outcomes = self.outcomes
        common = []
        one_dataset = _same([o.dataset for o in outcomes])
        if one_dataset:
            common.append(outcomes[0].dataset)
        goals = [goal_text(o.targets) for o in outcomes]
        if _same(goals):
            common.append(goals[0])
        if common:
            yield Text(f"All on {DOT.join(common)}" if one_dataset else f"All: {common[0]}", "dim")
        table = _studies(outcomes, not one_dataset, goals if not _same(goals) else None)
        wide = options.update(width=10_000)
        fits = console.measure(table, options=wide).maximum <= options.max_width
        yield table if fits else _studies(outcomes, not one_dataset, None)
        if not fits and not _same(goals):
            yield from (
                Text(f"{o.study}: {goal}", style="dim")
                for o, goal in zip(outcomes, goals, strict=True)
            )


def _studies(outcomes: Sequence[Outcome], datasets: bool, goals: Sequence[str] | None) -> Table:
    table = new_table()
    table.add_column("study", overflow="fold", min_width=5)
    if datasets:
        table.add_column("data set", overflow="fold", min_width=5)
    for name in ("trials", "meet", "best", "val", "train", "gap", "epoch", "training"):
        table.add_column(name, justify="right", no_wrap=True)
    if goals is not None:
        table.add_column("targets", no_wrap=True)
    for number, outcome in enumerate(outcomes):
        row = study_row(outcome)
        asked = f"/{row['requested']}" if row["trials"] < row["requested"] else ""
        table.add_row(
            Text(outcome.study),
            *([Text(outcome.dataset)] if datasets else []),
            f"{row['trials']}{asked}",
            Text(str(row["meets"]), style="bold green" if row["meets"] else ""),
            _or_dash(row["best_trial"]),
            *(figure_text(m, row[m], outcome.targets) for m in METRICS_SHOWN[:3]),
            _or_dash(row["epoch"]),
            duration_text(row["training_seconds"]),
            *([] if goals is None else [Text(goals[number])]),
        )
    return table


def _or_dash(value: object) -> str:
    return "–" if value is None else str(value)


def studies_sentence(outcomes: Sequence[Outcome]) -> str:
    """Which study holds the best trial that meets its targets."""
    meeting = [(o, o.meets[0]) for o in outcomes if o.meets]
    if not meeting:
        return f"None of these {len(outcomes)} studies has a trial that meets its targets."
    if len({o.dataset for o in outcomes}) > 1:
        count = f"{len(meeting)} of {len(outcomes)} studies"
        return f"{count} {'has' if len(meeting) == 1 else 'have'} a trial that meets its targets."
    metric = common_objective([outcome for outcome, _ in meeting])
    outcome, best = max(meeting, key=lambda pair: pair[1].figure(metric) or 0.0)
    value = figure_text(metric, best.figure(metric), outcome.targets)
    among = trials_text(outcome.judged)
    return (
        f"The best trial that meets its study's targets is {outcome.study}:{best.trial} with "
        f"{SCORE_NAMES[metric]} {value}, {_worth(best, among)}."
    )


def _worth(best: Entry, among: str) -> str:
    if best.confirmation is not None and best.confirmation.verdict == "confirmed":
        return f"confirmed: {tried(best.confirmation)}"
    return f"chosen among {among} on one validation split"
