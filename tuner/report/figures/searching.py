"""How the search went on, and which parameters made the difference."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import quantiles
from typing import Any

from tuner.report.figures.look import (
    COLORS,
    EDGE,
    Label,
    Sheet,
    dots,
    label,
    limit_line,
    name_width,
    percent,
    short,
    titled,
    whole_numbers,
)
from tuner.report.figures.trials import verdict_text
from tuner.report.page.charts_base import span
from tuner.report.page.charts_map import limits
from tuner.report.page.charts_search import label_of, progress_of
from tuner.report.page.words import goal
from tuner.report.pictures import DIM, INK, TEXT
from tuner.report.selection import Outcome
from tuner.report.wording import SCORE_NAMES

BAR = "#56b4e9"


def progress(outcome: Outcome) -> Sheet:
    """What the study maximises, of each trial in turn, and the best so far."""
    data = progress_of(outcome)
    name = SCORE_NAMES[outcome.objective]
    caption = (
        f"One mark a trial, at the epoch that stands for it. Thin steps: the highest {name} so "
        "far; thick steps: the highest of trials that meet every target."
    )
    low = _low([p.y for p in data.points]) if data is not None else 0.0
    below = sum(p.y < low for p in data.points) if data is not None else 0
    if below:
        caption += " A triangle at the bottom is a trial that lies below."
    sheet = Sheet(outcome.study, "progress of the search", verdict_text(outcome), caption)
    if data is None:
        sheet.say_nothing("No trial has been judged yet.")
        return sheet
    axes = sheet.whole()
    floor = limits(outcome.targets, outcome.objective)[0]
    high = max([*(p.y for p in data.points), *([] if floor is None else [floor])])
    least, most = span([min(low, high if floor is None else floor), high], 0.09, least=0.02)
    last = max(p.x for p in data.points)
    axes.set_xlim(-0.02 * last - 0.8, 1.02 * last + 0.8)
    axes.set_ylim(least, most)
    for steps, color, width in (
        (data.best, INK, 0.9),
        (data.best_that_meets, COLORS["meets"], 2.2),
    ):
        if steps:
            xs, ys = zip(*steps, strict=True)
            axes.step(
                [*xs, last + 0.5],
                [*ys, ys[-1]],
                where="post",
                color=color,
                linewidth=width,
                alpha=0.7,
                zorder=2,
            )
    limit: list[Any] = []
    if floor is not None:
        target = next(
            t
            for t in outcome.targets
            if t.metric == outcome.objective and t.is_floor and t.value == floor
        )
        limit = limit_line(axes, floor, goal(target))
    clip = least if below else None
    sheet.legend([*dots(axes, data.points, clip), *limit])
    whole_numbers(axes.xaxis)
    percent(axes.yaxis)
    titled(axes, "trial", name)
    leader = next(iter(outcome.meets), outcome.best)
    at = next((p for p in data.points if leader is not None and p.trial == leader.trial), None)
    if at is not None:
        marks = [(p.x, p.y) for p in data.points]
        label(axes, [Label(f"trial {at.trial}", at.x, at.y)], marks)
    return sheet


def _low(values: list[float]) -> float:
    """The least accuracy to show: hopeless trials would press all others into one line."""
    if len(values) < 4:
        return min(values)
    first, _, third = quantiles(values, n=4)
    reach = max(2.5 * (third - first), 0.03)
    return min(v for v in values if v >= first - reach)


def importance(outcome: Outcome, shares: Mapping[str, float]) -> Sheet:
    """Bars, the most important parameter on top."""
    names = [short(label_of(name)) for name in shares]
    values = list(shares.values())
    count = len(values)
    tall = max(0.3 * count, 0.6)
    sheet = Sheet(
        outcome.study,
        "which parameters made the difference",
        "share of the parameters in what sets the better trials apart",
        "By PED-ANOVA (Watanabe, Bansal & Hutter 2023). It sees one parameter at a time, and only "
        "where the search has been.",
        height=tall + 0.15,
        legend=False,
    )
    left = EDGE + name_width(names) + 0.12
    axes = sheet.axes(left, 0.15, sheet.width - left - EDGE - 0.5, tall)
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    places = range(count)
    axes.barh(places, values, height=0.62, color=BAR, zorder=2)
    axes.set_ylim(count - 0.5, -0.5)
    axes.set_xlim(0, max([*values, 1e-9]) * 1.02)
    axes.set_xticks([])
    axes.set_yticks(list(places), names)
    axes.tick_params(axis="y", length=0, labelcolor=INK, labelsize=TEXT)
    for place, value in enumerate(values):
        text = f"{100 * value:.0f}\u202f%" if value >= 0.01 or value == 0 else "<1\u202f%"
        axes.annotate(
            text,
            (value, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=TEXT - 0.5,
            color=DIM,
            annotation_clip=False,
        )
    return sheet
