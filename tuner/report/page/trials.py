"""All trials: the rows of the table, and what a card says that opens over a dot."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from tuner.definition import SweepDefinition
from tuner.errors import UsageError
from tuner.report.page.charts_base import kind_of
from tuner.report.page.charts_search import label_of
from tuner.report.page.words import NAMES, figure
from tuner.report.selection import Entry, Outcome, parameter_names, window_text
from tuner.report.wording import number_text, one_line
from tuner.targets import METRICS
from tuner.trial import ParamValue


@dataclass(frozen=True)
class Column:
    """A column of the table; `kind` is `number` or `text`, for its alignment."""

    key: str
    title: str
    kind: str


@dataclass(frozen=True)
class Cell:
    """What is shown, and what it is sorted by: a number, a text, or None for the end."""

    text: str
    sort: float | str | None


@dataclass(frozen=True)
class Row:
    """A trial; `state` is the word that filters go by, `kind` its mark in the charts."""

    trial: int
    kind: str
    state: str
    variant: str
    link: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """The table of all trials.

    Attributes:
        columns, rows: what it holds.
        same: parameters that all trials share, as `name value`.
        states: the words that filters offer, with how many rows each has.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    same: tuple[str, ...]
    states: tuple[tuple[str, int], ...]


def table_of(outcome: Outcome, definition: SweepDefinition, base: str) -> Table:
    """One row a trial, by number.

    Args:
        outcome: the trials.
        definition: its searched parameters come first among the columns.
        base: address of MLflow's pages, or empty.
    """
    names, same = _parameters(outcome.entries, definition)
    metrics = ["val_accuracy", "train_accuracy", "accuracy_gap", "val_loss"]
    metrics += [t.metric for t in outcome.targets if t.metric not in metrics]
    columns = [
        Column("trial", "trial", "number"),
        Column("state", "verdict", "text"),
        *(Column(m, NAMES[m], "number") for m in dict.fromkeys(metrics)),
        Column("epoch", "epoch", "number"),
        Column("window", "meets at", "text"),
        *(Column(f"param.{n}", label_of(n), _kind(n, outcome.entries)) for n in names),
        Column("seconds", "seconds", "number"),
    ]
    rows = tuple(_row(e, outcome, columns, names, base) for e in outcome.entries)
    order = ("confirmed", "meets", "misses", "pruned", "failed", "running", "waiting")
    counts = {s: sum(r.state == s for r in rows) for s in order}
    return Table(
        tuple(columns), rows, same, tuple((s, count) for s, count in counts.items() if count)
    )


def state_of(entry: Entry) -> str:
    """One word on a trial: its best verdict, else its state."""
    if entry.confirmation is not None and entry.confirmation.verdict == "confirmed":
        return "confirmed"
    if entry.verdict == "meets":
        return "meets"
    if entry.state == "pruned":
        return "pruned"
    return entry.verdict or entry.state


def cards_of(outcome: Outcome, definition: SweepDefinition, base: str) -> dict[str, Any]:
    """What the page's script knows of the trials, as plain JSON.

    `names` are the parameters; `trials` holds for each number `t` its title, `k` its mark, `w` its
    verdict in words, `f` its figures as texts, `p` its parameters as texts in the order of `names`
    (null where it has none), `r` its run, `u` the run's address, `s` words for the search.
    """
    names = parameter_names(outcome.entries)
    trials = {}
    for entry in outcome.entries:
        kind = kind_of(entry)
        values = [entry.params.get(n) for n in names]
        trials[str(entry.trial)] = {
            "t": f"Trial {entry.trial}"
            + (f" · {one_line(entry.variant, 60)}" if entry.variant else ""),
            "k": kind,
            "w": _verdict(entry),
            "f": _figures(entry, outcome),
            "p": [None if v is None else number_text(v) for v in values],
            "r": entry.run_id or "",
            "u": run_link(base, entry.run_id),
        }
    return {"names": [label_of(n) for n in names], "trials": trials}


def mlflow_base(address: str) -> str:
    """The address of MLflow's pages, without user, password, query and what follows `#`.

    Raises:
        UsageError: it is no http or https address.
    """
    parts = urlsplit(address.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(
            f"{one_line(address, 60)} is no address of MLflow's pages: write it as "
            "http://127.0.0.1:5000"
        )
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))


def run_link(base: str, run_id: str | None) -> str:
    """The page of a run, or empty; MLflow finds the experiment by itself."""
    if not base or not run_id or not re.fullmatch(r"[0-9A-Za-z_-]+", run_id):
        return ""
    return f"{base}/#/runs/{run_id}"


def _verdict(entry: Entry) -> str:
    words = [state_of(entry)]
    if entry.confirmation is not None and entry.confirmation.verdict != "confirmed":
        words.append(f"put to the test: {entry.confirmation.verdict}")
    if entry.only_if_stopped is not None:
        words.append(f"only if stopped at epoch {entry.only_if_stopped}")
    if entry.record.reason:
        words.append(one_line(entry.record.reason, 80))
    return " · ".join(words)


def _figures(entry: Entry, outcome: Outcome) -> list[list[str]]:
    if entry.chosen is None:
        return []
    shown = ["val_accuracy", "train_accuracy", "accuracy_gap", "val_loss"]
    shown += [t.metric for t in outcome.targets if t.metric not in shown]
    found = [
        [NAMES[m], figure(m, entry.figure(m), outcome.targets, 2)]
        for m in METRICS
        if m in shown and entry.figure(m) is not None
    ]
    return [*found, ["epoch", str(entry.chosen.epoch)]]


def _row(
    entry: Entry, outcome: Outcome, columns: Sequence[Column], names: Sequence[str], base: str
) -> Row:
    state = state_of(entry)
    cells: dict[str, Cell] = {
        "trial": Cell(str(entry.trial), entry.trial),
        "state": Cell(state, state),
        "epoch": Cell(str(entry.chosen.epoch), entry.chosen.epoch) if entry.chosen else _EMPTY,
        "window": Cell(window_text(entry.windows), entry.windows[0][0] if entry.windows else None),
        "seconds": _EMPTY
        if entry.seconds is None
        else Cell(f"{entry.seconds:,.1f}", round(entry.seconds, 2)),
    }
    for metric in METRICS:
        value = entry.figure(metric)
        cells[metric] = (
            _EMPTY
            if value is None
            else Cell(
                figure(metric, value, outcome.targets, 2).removesuffix(" points"), round(value, 6)
            )
        )
    for name in names:
        given = entry.params.get(name)
        cells[f"param.{name}"] = _EMPTY if given is None else _param(given)
    return Row(
        trial=entry.trial,
        kind=kind_of(entry),
        state=state,
        variant=one_line(entry.variant, 60) if entry.variant else "",
        link=run_link(base, entry.run_id),
        cells=tuple(cells[c.key] for c in columns),
    )


_EMPTY = Cell("", None)


def _param(value: ParamValue) -> Cell:
    text = one_line(number_text(value), 60)
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    if numeric and math.isfinite(float(value)):  # type: ignore[arg-type]
        return Cell(text, float(f"{value:.6g}"))
    return Cell(text, text)


def _kind(name: str, entries: Sequence[Entry]) -> str:
    values = [e.params[name] for e in entries if name in e.params]
    return "text" if any(isinstance(v, str | list) for v in values) else "number"


def _parameters(
    entries: Sequence[Entry], definition: SweepDefinition
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The parameters that differ, searched ones first, and `name value` of the others."""
    every = parameter_names(entries)
    names = [*(n for n in definition.space.names if n in every)]
    names += [n for n in every if n not in names]
    differing, same = [], []
    for name in names:
        values = {
            number_text(e.params[name]) if name in e.params else None for e in entries if e.params
        }
        if len(values) > 1:
            differing.append(name)
        else:
            same.append(f"{label_of(name)} {next(iter(values), None)}")
    return tuple(differing), tuple(same)
