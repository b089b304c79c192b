"""What the repeats of tested trials show: each of them, their mean, and what it vouches for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tuner.report.confirmation import Confirmation, judged_repeats
from tuner.report.figures.look import (
    COLORS,
    EDGE,
    LIMIT,
    REGION,
    RULE,
    Sheet,
    limit_line,
    name_width,
    percent,
    short,
)
from tuner.report.page.answer import tested
from tuner.report.page.charts_base import jitter, span
from tuner.report.page.words import NAMES, SHARES, goal
from tuner.report.pictures import DIM, INK, NAME, SMALL, TEXT
from tuner.report.selection import Entry, Outcome
from tuner.report.wording import listed, plural
from tuner.targets import Target

MOST = 24
ROW = 0.5
_ORDER = {"confirmed": 0, "marginal": 1, "fluke": 2}
_COLORS = {
    "confirmed": COLORS["confirmed"],
    "marginal": COLORS["meets"],
    "fluke": "#5f6368",
}


@dataclass(frozen=True)
class Column:
    """One figure: its name, and the targets that limit it."""

    metric: str
    targets: tuple[Target, ...]


def confirmation(outcome: Outcome) -> Sheet:
    """A row a tested trial, a column a figure."""
    found = sorted(
        ((e, e.confirmation) for e in tested(outcome) if e.confirmation is not None),
        key=lambda pair: (_ORDER[pair[1].verdict], pair[0].trial),
    )
    shown = found[:MOST]
    columns = _columns(outcome.targets)
    names = [short(_name(e)) for e, _ in shown]
    notes = [_note(c) for _, c in shown]
    room = max(name_width(names, NAME), name_width(notes, SMALL)) + 0.2
    tall = ROW * len(shown)
    levels = {c.level for _, c in shown}
    sheet = Sheet(
        outcome.study,
        "what holds when the trials are trained again",
        _said(found),
        _caption(len(found) - len(shown), levels),
        width=max(8.0, 2 * EDGE + room + len(columns) * 2.9),
        height=tall + 0.7,
    )
    sheet.legend(_meanings(any(c.test is not None for _, c in shown)))
    each = (sheet.width - 2 * EDGE - room - 0.25 * (len(columns) - 1)) / len(columns)
    for number, column in enumerate(columns):
        left = EDGE + room + number * (each + 0.25)
        axes = sheet.axes(left, 0.4, each, tall)
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_yticks([])
        _column(axes, column, shown)
        if number == 0:
            for place, (name, note) in enumerate(zip(names, notes, strict=True)):
                color = _COLORS[shown[place][1].verdict]
                _beside(axes, place, name, -3, NAME, INK, left - EDGE)
                _beside(axes, place, note, 10, SMALL + 0.5, color, left - EDGE)
    return sheet


def _meanings(tested_on_test: bool) -> list[Any]:
    """What the legend shows."""
    from matplotlib.lines import Line2D

    hollow: dict[str, Any] = {
        "linestyle": "none",
        "markerfacecolor": "white",
        "markeredgewidth": 1.1,
    }
    found = [
        Line2D([], [], linestyle="none", marker="o", color=RULE, markersize=5, label="repeat"),
        Line2D(
            [],
            [],
            linestyle="none",
            marker="|",
            color=INK,
            markersize=11,
            markeredgewidth=2.2,
            label="mean",
        ),
        Line2D([], [], color=INK, linewidth=1.4, marker="|", markersize=5, label="to its bound"),
        Line2D([], [], marker="D", markeredgecolor=DIM, label="the trial", **hollow),
    ]
    if tested_on_test:
        found.append(Line2D([], [], marker="s", markeredgecolor=INK, label="test", **hollow))
    return found


def _columns(targets: Sequence[Target]) -> list[Column]:
    metrics = dict.fromkeys(["val_accuracy", "train_accuracy", *(t.metric for t in targets)])
    return [
        Column(metric, tuple(t for t in targets if t.metric == metric))
        for metric in metrics
        if metric != "parameters"  # the same in every repeat
    ]


def _name(entry: Entry) -> str:
    return entry.variant or f"trial {entry.trial}"


def _note(found: Confirmation) -> str:
    split = ", same split" if found.same_split else ""
    return f"{found.verdict}, {found.passes} of {found.seeds} pass{split}"


def _said(found: Sequence[tuple[Entry, Confirmation]]) -> str:
    counts = {verdict: sum(c.verdict == verdict for _, c in found) for verdict in _ORDER}
    counted = {v: c for v, c in counts.items() if c}
    texts = [f"{c} {plural(v, c) if v == 'fluke' else v}" for v, c in counted.items()]
    return f"{len(found)} {plural('trial', len(found))} put to the test: {listed(texts)}"


def _caption(hidden: int, levels: set[float]) -> str:
    level = f"{100 * min(levels):.3g}"
    if len(levels) > 1:
        level = f"{level} to {100 * max(levels):.3g}"
    text = (
        "Repeats have fresh seeds and are judged at the epoch of the original trial. The bound is "
        f"one-sided, of their mean, at {level}\u202f% (Holm). Shaded: the limit is kept. "
        "Confirmed: every bound keeps its limit; marginal: only the means do; fluke: one mean "
        "does not."
    )
    return text + (f" {hidden} more are not shown." if hidden else "")


def _beside(
    axes: Any, place: int, text: str, down: float, size: float, color: str, room: float
) -> None:
    axes.annotate(
        text,
        (0, place),
        xycoords=("axes fraction", "data"),
        xytext=(-72 * room, -down),
        textcoords="offset points",
        ha="left",
        va="center",
        fontsize=size,
        color=color,
        annotation_clip=False,
    )


def _column(axes: Any, column: Column, rows: Sequence[tuple[Entry, Confirmation]]) -> None:
    seen: list[float] = [t.value for t in column.targets]
    for place, (entry, found) in enumerate(rows):
        seen += _row(axes, column, place, entry, found)
        if place:
            axes.axhline(place - 0.5, color="#eef0f2", linewidth=0.8, zorder=0.6)
    low, high = span([v for v in seen if math.isfinite(v)] or [0.0, 1.0], 0.1, least=0.004)
    axes.set_xlim(low, high)
    _shade(axes, column.targets, low, high)
    if column.metric in (*SHARES, "accuracy_gap"):
        percent(axes.xaxis)
    axes.xaxis.get_major_locator().set_params(nbins=5)
    axes.set_title(
        " and ".join(map(goal, column.targets)) or NAMES[column.metric],
        fontsize=TEXT + 0.5,
        color=LIMIT if column.targets else INK,
        pad=7,
    )


def _shade(axes: Any, targets: Sequence[Target], low: float, high: float) -> None:
    """The side of the limits on which they are kept."""
    floors = [t.value for t in targets if t.is_floor]
    ceilings = [t.value for t in targets if t.is_ceiling]
    for target in targets:
        limit_line(axes, target.value, upright=True)
    if targets:
        axes.axvspan(
            max([low, *floors]), min([high, *ceilings]), color=REGION, linewidth=0, zorder=0.5
        )


def _row(axes: Any, column: Column, place: int, entry: Entry, found: Confirmation) -> list[float]:
    """Draw one trial's figures; returns all of them."""
    color = _COLORS[found.verdict]
    values = [
        v
        for r in judged_repeats(found.repeats)
        if r.judged is not None and (v := r.judged.finite().figure(column.metric)) is not None
    ]
    heights = [place + jitter(number + 1, 0.13) for number in range(len(values))]
    axes.scatter(
        values, heights, s=26, color=color, alpha=0.75, edgecolors="white", linewidths=0.7, zorder=4
    )
    seen = list(values)
    bound = next((b for b in found.targets if b.target in column.targets), None)
    mean = found.mean(column.metric)
    if mean is not None and math.isfinite(mean):
        if bound is not None and bound.bound is not None:
            seen.append(bound.bound)
            axes.plot([mean, bound.bound], [place, place], color=INK, linewidth=1.4, zorder=5)
            axes.plot(
                [bound.bound] * 2, [place - 0.1, place + 0.1], color=INK, linewidth=1.4, zorder=5
            )
        axes.plot([mean] * 2, [place - 0.24, place + 0.24], color=INK, linewidth=2.2, zorder=6)
    own = entry.figure(column.metric)
    if own is not None:
        seen.append(own)
        axes.scatter(
            [own],
            [place + 0.3],
            s=26,
            marker="D",
            facecolors="white",
            edgecolors=DIM,
            linewidths=1.1,
            zorder=5,
        )
    tested = {} if found.test is None else {"val_accuracy": found.test.accuracy}
    tested |= {metric: value for metric, (value, _) in found.drops().items()}
    if column.metric in tested:
        seen.append(tested[column.metric])
        axes.scatter(
            [tested[column.metric]],
            [place - 0.3],
            s=26,
            marker="s",
            facecolors="white",
            edgecolors=INK,
            linewidths=1.1,
            zorder=5,
        )
    return seen
