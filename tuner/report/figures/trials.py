"""Every trial as one mark: train against validation accuracy, and the gap against the weights."""

from __future__ import annotations

import math
from statistics import quantiles

from tuner.report.figures.look import (
    REGION,
    RULE,
    Label,
    Sheet,
    dots,
    label,
    limit_line,
    percent,
    short,
    ticks_by,
    titled,
)
from tuner.report.page.charts_base import Point, span
from tuner.report.page.charts_capacity import capacity_of
from tuner.report.page.charts_map import Map, axis_title, limits, map_of
from tuner.report.page.words import goals
from tuner.report.pictures import DIM, INK
from tuner.report.selection import Outcome
from tuner.report.wording import SCORE_NAMES, trials_text

LABELLED = 9
Room = tuple[tuple[float, float], tuple[float, float]]


def accuracy(outcome: Outcome) -> Sheet:
    """Train against validation accuracy, the region that is asked for, the Pareto front."""
    data = map_of(outcome)
    caption = (
        "One mark a trial, at the epoch that stands for it. Shaded: the limits on these two "
        "figures are kept. Steps: the Pareto front, to the left of which no trial reached as much."
    )
    alike = outcome.objective == "val_accuracy"
    if alike:
        caption += " Grey dashes: train and validation alike."
    room = ((0.0, 1.0), (0.0, 1.0)) if data is None else _room(data)
    outside = 0 if data is None else sum(not _inside(p, room) for p in data.points)
    if outside:
        where = f"{trials_text(outside)} further out {'is' if outside == 1 else 'are'}"
        caption = f"{caption} {where} left out."
    title = f"train and {SCORE_NAMES[outcome.objective]}"
    sheet = Sheet(outcome.study, title, verdict_text(outcome), caption, height=5.4)
    if data is None:
        sheet.say_nothing("No trial has been measured on both splits yet.", 5.4)
        return sheet
    axes = sheet.whole(height=5.4)
    axes.set_xlim(*room[0])
    axes.set_ylim(*room[1])
    if data.limited:
        low, high = (_or(data.train[0], -1.0), _or(data.train[1], 2.0))
        axes.fill_between(
            [low, high],
            _or(data.val[0], -1.0),
            _or(data.val[1], 2.0),
            facecolor=REGION,
            linewidth=0,
            zorder=0.5,
        )
    if alike:
        axes.plot([-1, 2], [-1, 2], color=RULE, linewidth=0.9, linestyle=(0, (5, 4)), zorder=1)
    if len(data.front) > 1:
        xs, ys = zip(*data.front, strict=True)
        axes.step(
            [*xs, 2.0], [*ys, ys[-1]], where="post", color=INK, linewidth=1.0, alpha=0.55, zorder=2
        )
    for values, upright in ((data.train, True), (data.val, False)):
        for value in values:
            if value is not None:
                limit_line(axes, value, upright=upright)
    sheet.legend(dots(axes, [p for p in data.points if _inside(p, room)]))
    percent(axes.xaxis)
    percent(axes.yaxis)
    titled(axes, "accuracy on the training rows", axis_title(data.metric))
    marks = [(p.x, p.y) for p in data.points if p.kind not in ("misses", "pruned")]
    label(axes, [one for one in _labels(outcome, data) if _within(one.x, one.y, room)], marks)
    return sheet


def _room(data: Map) -> Room:
    """Around the better trials and the variants; the first steps of a search lie far below."""
    vals = [p.y for p in data.points]
    low = min(vals)
    if len(vals) >= 8:
        first, _, third = quantiles(vals, n=4)
        low = first - max(0.5 * (third - first), 0.005)
    asked = [v for v in data.val if v is not None]
    high = max([*vals, *asked])
    near = [p for p in data.points if p.y >= low or (p.kind == "variant" and high - p.y < 0.1)]
    limits = [v for v in data.train if v is not None]
    return (
        span([*(p.x for p in near), *limits], 0.06, least=0.02),
        span([*(p.y for p in near), *asked], 0.08, least=0.02),
    )


def _inside(point: Point, room: Room) -> bool:
    return _within(point.x, point.y, room)


def _within(x: float, y: float, room: Room) -> bool:
    (x0, x1), (y0, y1) = room
    return x0 <= x <= x1 and y0 <= y <= y1


def verdict_text(outcome: Outcome) -> str:
    """`18 of 50 trials meet validation ≥ 90 % with train < 95 %; 1 is confirmed.`"""
    if not outcome.judged:
        return "no trial has been judged yet"
    confirmed = sum(
        e.confirmation is not None and e.confirmation.verdict == "confirmed"
        for e in outcome.entries
    )
    count = len(outcome.meets)
    who = f"{count} of {trials_text(outcome.judged)} meet{'s' * (count == 1)}"
    if not count:
        who = f"no trial of {outcome.judged:,} meets"
    where = "" if outcome.dataset == outcome.study else f"{short(outcome.dataset)}: "
    text = f"{where}{who} {goals(outcome.targets)}"
    if confirmed:
        text += f"; {confirmed} {'is' if confirmed == 1 else 'are'} confirmed"
    return text


def _labels(outcome: Outcome, data: Map) -> list[Label]:
    """Words for the winners, else for the nearest misses, and for the variants."""
    at = {p.trial: p for p in data.points}
    leaders = [e.trial for e in outcome.meets[:LABELLED]] or [e.trial for e in outcome.nearest[:3]]
    variants = {e.trial: e.variant for e in outcome.entries if e.variant}
    found = []
    for number, trial in enumerate([*leaders, *(t for t in variants if t not in leaders)]):
        if trial in at:
            name = variants.get(trial)
            text = short(name) if name else f"trial {trial}" if number == 0 else str(trial)
            found.append(Label(text, at[trial].x, at[trial].y, _ink(at[trial])))
    return found


def _ink(point: Point) -> str:
    return INK if point.kind in ("meets", "confirmed") else DIM


def _or(value: float | None, other: float) -> float:
    return other if value is None else value


def capacity(outcome: Outcome) -> Sheet:
    """The gap between train and validation accuracy against the number of weights."""
    data = capacity_of(outcome)
    caption = (
        "One mark a trial that was trained to the end, at the last epoch at which train was "
        "measured, whatever the targets say of it. Line: medians of trials of like size."
    )
    said = "train − validation accuracy: how much better a network knows the rows it has seen"
    sheet = Sheet(outcome.study, "does a larger network overfit more?", said, caption)
    if data is None:
        sheet.say_nothing("This takes networks of two sizes that were trained to the end.")
        return sheet
    axes = sheet.whole()
    points = [Point(p.trial, p.kind, 10**p.x, p.y) for p in data.points]
    ceiling = limits(outcome.targets, "accuracy_gap")[1]
    low, high = span([p.x for p in data.points], 0.06)
    axes.set_xscale("log")
    axes.set_xlim(10**low, 10**high)
    axes.set_ylim(*span([*(p.y for p in points), 0.0, *([ceiling] if ceiling else [])], 0.07))
    steps = (1, 2, 5) if high - low < 1.6 else (1, 3) if high - low < 2.6 else (1,)
    marks = [m * 10**p for p in range(12) for m in steps if low <= math.log10(m * 10**p) <= high]
    axes.set_xticks(marks)
    axes.set_xticks([], minor=True)
    ticks_by(axes.xaxis, lambda value: f"{value:,.0f}")
    axes.axhline(0.0, color=RULE, linewidth=1.0, zorder=1)
    handles = dots(axes, points)
    if len(data.middles) > 1:
        xs, ys = zip(*((10**x, y) for x, y in data.middles), strict=True)
        handles += axes.plot(xs, ys, color=INK, linewidth=1.6, zorder=9, label="median")
    if ceiling is not None:
        gaps = [t for t in outcome.targets if t.metric == "accuracy_gap"]
        handles += limit_line(axes, ceiling, goals(gaps))
    sheet.legend(handles)
    percent(axes.yaxis)
    titled(axes, "weights of the network", "train − validation accuracy")
    return sheet
