"""The outcome for a person: terminal tables (`sentences` has the words that close them).

No figure is shown so short that it would seem to be on the other side of a limit, and a table
drops to fewer, merged columns before it lets a number break.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import (
    Console,
    ConsoleOptions,
    ConsoleRenderable,
    Group,
    RenderableType,
    RenderResult,
)
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from tuner.report.confirmation import Confirmation
from tuner.report.degenerate import KINDS, Caution, CautionKind, what_is_lost
from tuner.report.selection import Entry, Outcome, window_text
from tuner.report.wording import (
    DOT,
    SHORT,
    amount_text,
    brief,
    duration_text,
    figure_text,
    joined,
    listed,
    ordered,
    phrases,
    plural,
    trials_text,
)
from tuner.targets import METRICS, Target

_ORDER = "Best first by margin to the targets and by what neighbours in the space reach."
_RUNS = 3  # of epochs that meet, as many as a narrow column holds
_WIDE = 100  # from this many characters on, losses and full column names fit beside the parameters


def _of(outcome: Outcome, entry: Entry, metric: str) -> str:
    return figure_text(metric, entry.figure(metric), outcome.targets)


# --- tables -----------------------------------------------------------------------------------


def _miss_text(outcome: Outcome, entry: Entry, target: Target, with_value: bool) -> str:
    """`train 0.961 (0.011 over)`, or `train 0.011 over` where the figure stands beside it."""
    name, figure = SHORT[target.metric], entry.figure(target.metric)
    if figure is None:
        unmeasured = entry.violations[target.text] is None
        return f"{name} not measured" if unmeasured else f"{name} not finite"
    if figure == target.value:
        distance = "at the limit"
    else:
        side = "under" if target.is_floor else "over"
        distance = f"{amount_text(target.metric, abs(figure - target.value))} {side}"
    if with_value:
        return f"{name} {_of(outcome, entry, target.metric)} ({distance})"
    return f"{name} {distance}"


def _misses(outcome: Outcome, entry: Entry, with_value: bool) -> str:
    lines = [
        _miss_text(outcome, entry, target, with_value)
        for target in outcome.targets
        if entry.violations[target.text] != 0
    ]
    return "\n".join(lines) or "pruned before its last"


def common_phrases(entries: Sequence[Entry]) -> dict[str, str]:
    """The phrases that all of two or more entries share; none where there is one entry."""
    if len(entries) < 2:
        return {}
    first, *rest = (phrases(entry.params) for entry in entries)
    return {k: v for k, v in first.items() if all(other.get(k) == v for other in rest)}


@dataclass(frozen=True)
class _Phrases:
    """Phrases on as few lines as the width allows, broken between two of them only."""

    parts: tuple[str, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = [""]
        for part in self.parts:
            longer = f"{lines[-1]}{DOT}{part}" if lines[-1] else part
            if lines[-1] and Text(longer).cell_len > options.max_width:
                lines.append(part)
            else:
                lines[-1] = longer
        yield Text("\n".join(lines))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        widths = [Text(part).cell_len for part in self.parts] or [0]
        most = Text(DOT.join(self.parts)).cell_len
        return Measurement(max(widths), most).with_maximum(options.max_width)


def outcome_table(outcome: Outcome, limit: int = 10) -> ConsoleRenderable:
    """What a study found, in the width it is printed in.

    The configurations that meet the targets, or, where there is none, the nearest misses and what
    each misses by; at most `limit` of them.
    """
    return _OutcomeTable(outcome, limit)


@dataclass(frozen=True)
class _OutcomeTable:
    outcome: Outcome
    limit: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        outcome = self.outcome
        yield _title(outcome)
        if outcome.banner:
            yield Text(f"! {outcome.banner}", style="bold yellow")
        found = outcome.meets or outcome.nearest
        shown = found[: self.limit]
        if not shown:
            return
        head = "Nearest to the targets" if not outcome.meets else "Configurations that meet"
        more = f", {len(shown)} of {len(found)}" if len(shown) < len(found) else ""
        yield Text(f"\n{head} the targets{more}" if outcome.meets else f"\n{head}{more}", "bold")
        common = common_phrases(shown)
        for wide in (True, False):
            table = _entries_table(outcome, shown, common, wide, columns=True)
            if _natural_width(console, options, table) <= options.max_width:
                break
        else:
            table = _entries_table(outcome, shown, common, options.max_width >= _WIDE)
        yield table
        yield from _notes(shown, common, len(outcome.meets) > 1, outcome.objective)


def _natural_width(console: Console, options: ConsoleOptions, table: Table) -> int:
    return console.measure(table, options=options.update(width=10_000)).maximum


def _title(outcome: Outcome) -> Text:
    counts = outcome.counts
    states = {
        "complete": counts.complete,
        "pruned": counts.pruned,
        "failed": counts.failed,
        "running": counts.running,
        "waiting": counts.waiting,
    }
    told = [f"{number} {state}" for state, number in states.items() if number]
    done = trials_text(counts.finished)
    if counts.finished < counts.requested:
        done = f"{counts.finished} of {trials_text(counts.requested)}"
    head = [outcome.study, *([outcome.dataset] if outcome.dataset != outcome.study else [])]
    text = Text(DOT.join(head), style="bold")
    goal = listed([t.text for t in outcome.targets]) or "no targets"
    text.append(f"{DOT}{'what if: ' if outcome.what_if else ''}{goal}", "not bold")
    if outcome.what_if:
        text.append("\nNo trial was searched for by these targets.", "not bold dim")
    spent = [duration_text(outcome.seconds)] if outcome.seconds else []
    return text.append(
        f"\n{DOT.join([f'{done}: ' + ', '.join(told) if told else done, *spent])}", "not bold dim"
    )


def _entries_table(
    outcome: Outcome,
    shown: Sequence[Entry],
    common: Mapping[str, str],
    wide: bool,
    columns: bool = False,
) -> Table:
    """The shown entries.

    `wide` adds the gap and the loss and spells out the misses; `columns` gives every parameter
    that varies a column of its own.
    """
    asked = [target.metric for target in outcome.targets]
    usual = ["val_accuracy", "train_accuracy", *(["accuracy_gap", "val_loss"] if wide else [])]
    if (objective := outcome.objective) in asked and objective not in usual:
        usual.insert(0, objective)  # what the trials are ordered by comes first
    metrics = usual + [m for m in METRICS if m in asked and m not in usual]
    table = new_table()
    for name in ("trial", *(_heading(m, wide) for m in metrics), "epoch"):
        table.add_column(name, justify="right", no_wrap=True)
    windowed = any(entry.windows for entry in shown)
    if windowed:
        table.add_column("window")
    tested = any(entry.confirmation for entry in shown)
    if tested:
        table.add_column("fresh seeds", no_wrap=True)
    if not outcome.meets:
        table.add_column("misses by", no_wrap=wide)
    own = [phrases(e.params) for e in shown]
    if any(e.variant for e in shown):
        own = [{"variant": e.variant or "", **o} for e, o in zip(shown, own, strict=True)]
    topics = [t for t in ordered(t for o in own for t in o) if t not in common]
    for topic in topics if columns else ["configuration"] if topics else []:
        table.add_column(Text(topic), no_wrap=columns)
    for entry, found in zip(shown, own, strict=True):
        row: list[RenderableType] = [str(entry.trial)]
        row += [_of(outcome, entry, metric) for metric in metrics]
        row.append(str(entry.chosen.epoch) if entry.chosen else "–")
        if windowed:
            row.append(window_text(entry.windows) if wide else _short_windows(entry))
        if tested:
            row.append(proof_text(entry.confirmation))
        if not outcome.meets:
            row.append(Text(_misses(outcome, entry, with_value=wide)))
        if columns:
            row += [Text(_cell(topic, found.get(topic, ""))) for topic in topics]
        elif topics:
            row.append(_Phrases(joined({t: found[t] for t in topics if found.get(t)})))
        table.add_row(*row)
    return table


def _short_windows(entry: Entry) -> str:
    """`18–22 and 6 more`: of many runs, the one that the chosen epoch is in."""
    if len(entry.windows) <= _RUNS or entry.chosen is None:
        return window_text(entry.windows)
    own = [w for w in entry.windows if w[0] <= entry.chosen.epoch <= w[1]] or entry.windows[:1]
    return f"{window_text(own)} and {len(entry.windows) - len(own)} more"


def proof_text(found: Confirmation | None) -> Text:
    """`5/5 confirmed`, in the verdict's colour; empty where there was no test."""
    if found is None:
        return Text()
    style = {"confirmed": "bold green", "marginal": "yellow", "fluke": "red"}[found.verdict]
    return Text(f"{found.passes}/{found.seeds} {found.verdict}", style=style)


def new_table() -> Table:
    """An empty table as all results have it: a rule below the head and no borders."""
    return Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
        header_style="dim",
    )


def _heading(metric: str, wide: bool) -> str:
    full = {"val_accuracy": "val acc", "train_accuracy": "train acc"} if wide else {}
    full |= {"val_balanced_accuracy": "balanced acc"} if wide else {}
    return full.get(metric, SHORT[metric])


def _cell(topic: str, phrase: str) -> str:
    """A phrase under its topic's heading: `dropout 0.41` is `0.41` there."""
    return "none" if phrase == f"no {topic}" else phrase.removeprefix(f"{topic} ")


def _notes(
    shown: Sequence[Entry], common: Mapping[str, str], ranked: bool, metric: str
) -> Iterable[Text]:
    if common:
        yield Text(f"All of these: {DOT.join(joined(common))}", style="dim")
    stopped = [entry for entry in shown if entry.only_if_stopped is not None]
    if len(stopped) == 1:
        entry = stopped[0]
        text = f"Trial {entry.trial} meets only if stopped at epoch {entry.only_if_stopped}."
        yield Text(text, style="dim")
    elif stopped:
        who = "All of these" if len(stopped) == len(shown) else "Trials "
        who += "" if len(stopped) == len(shown) else listed([str(e.trial) for e in stopped])
        yield Text(f"{who} meet only if stopped at the epoch shown.", style="dim")
    pruned = [str(entry.trial) for entry in shown if entry.state == "pruned"]
    if pruned:
        text = f"Pruned before the last epoch: {plural('trial', len(pruned))} {listed(pruned)}."
        yield Text(text, style="dim")
    if ranked:
        yield Text(_ORDER, style="dim")
    for line in caution_lines(shown, metric):
        yield Text(f"! {line}.", style="yellow")


def caution_lines(entries: Sequence[Entry], metric: str = "val_accuracy") -> list[str]:
    """What to be warned of, a line a kind: in full for one trial, in short for several.

    Args:
        metric: what the study maximises.
    """
    found: dict[CautionKind, list[tuple[Entry, Caution]]] = {}
    for entry in entries:
        for caution in entry.cautions:
            found.setdefault(caution.kind, []).append((entry, caution))
    lines = []
    for kind, pairs in found.items():
        if len(pairs) == 1:
            lines.append(f"Trial {pairs[0][0].trial}: {pairs[0][1].text}")
            continue
        lost = max(caution.given_up or 0.0 for _, caution in pairs)
        price = f"; up to {amount_text(metric, lost)} of {what_is_lost(metric)} is given up"
        who = listed([str(entry.trial) for entry, _ in pairs])
        lines.append(f"Trials {who}: {KINDS[kind]}{price if lost else ''}")
    return lines


def summary_table(outcomes: Sequence[Outcome]) -> ConsoleRenderable:
    """One row a study: how many trials meet, the best figures, and what holds the rest back."""
    table = new_table()
    table.add_column("study", overflow="fold")
    tested = any(e.confirmation for o in outcomes for e in o.entries)
    for name in ("trials", "meet", *(["confirmed"] if tested else []), "best val", "train"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("nearest miss")
    table.add_column("held back by")
    for outcome in outcomes:
        data = f" ({outcome.dataset})" if outcome.dataset != outcome.study else ""
        counts = outcome.counts
        asked = f"/{counts.requested}" if counts.finished < counts.requested else ""
        lead = outcome.meets[0] if outcome.meets else outcome.best
        best = [_of(outcome, lead, m) if lead else "–" for m in ("val_accuracy", "train_accuracy")]
        near = outcome.nearest[0] if outcome.nearest else None
        table.add_row(
            Text(outcome.study + data),
            f"{counts.finished}{asked}",
            Text(str(len(outcome.meets)), style="bold green" if outcome.meets else ""),
            *([str(len(outcome.confirmed))] if tested else []),
            *best,
            Text(f"{near.trial}: {_misses(outcome, near, with_value=False)}" if near else "–"),
            next((brief(t) for t in outcome.targets if t.text == outcome.binding_target), "–"),
        )
    banners = [(o.study, o.banner) for o in outcomes if o.banner]
    return Group(table, *(Text(f"! {s}: {b}", style="bold yellow") for s, b in banners))
