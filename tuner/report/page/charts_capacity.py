"""Does a larger network overfit more? The accuracy gap against the number of weights.

The gap is that of the last epoch at which train was measured, not of the chosen epoch: the targets
choose the epoch, and would choose away what the chart is to show.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from tuner.report.page.charts_base import Figure, Point, axis, dots, kind_of, layout, line, span
from tuner.report.selection import Outcome
from tuner.trial import EpochMetrics

BINS = 7
FEWEST = 3
"""Trials below which a bin has no median worth drawing."""


@dataclass(frozen=True)
class Capacity:
    """x is the logarithm, to the base of ten, of the number of weights; y the gap.

    Attributes:
        points: complete trials.
        middles: (x, median gap) of bins of equal width that hold enough trials.
    """

    points: tuple[Point, ...]
    middles: tuple[tuple[float, float], ...]


def capacity_of(outcome: Outcome) -> Capacity | None:
    """The data, or None where fewer than two sizes of network were trained to the end."""
    points = []
    for entry in outcome.entries:
        last = last_measured(entry.record.epochs)
        if entry.state != "complete" or last is None or not last.parameters:
            continue
        gap = last.accuracy_gap
        if gap is not None:
            points.append(Point(entry.trial, kind_of(entry), math.log10(last.parameters), gap))
    if len({p.x for p in points}) < 2:
        return None
    return Capacity(tuple(points), _middles(points))


def last_measured(epochs: Sequence[EpochMetrics]) -> EpochMetrics | None:
    """The last epoch that has a finite accuracy on both splits."""
    known = [e.finite() for e in epochs]
    known = [e for e in known if e.accuracy_gap is not None]
    return max(known, key=lambda e: e.epoch, default=None)


def _middles(points: Sequence[Point]) -> tuple[tuple[float, float], ...]:
    low, high = min(p.x for p in points), max(p.x for p in points)
    bins: dict[int, list[Point]] = {}
    for point in points:
        place = int((point.x - low) / (high - low) * BINS)
        bins.setdefault(min(place, BINS - 1), []).append(point)
    return tuple(
        (median(p.x for p in some), median(p.y for p in some))
        for _, some in sorted(bins.items())
        if len(some) >= FEWEST
    )


def capacity_figure(data: Capacity, ceiling: float | None) -> Figure:
    """Plotly's dictionary; `ceiling` is the gap that is allowed, or None."""
    traces = dots(data.points, 0.9)
    if len(data.middles) > 1:
        xs, ys = zip(*data.middles, strict=True)
        traces.append(
            line(
                xs,
                ys,
                "var(--ink)",
                mode="lines+markers",
                line={"width": 1.5},
                marker={
                    "symbol": "line-ew",
                    "size": 16,
                    "line": {"width": 2.5, "color": "var(--ink)"},
                },
            )
        )
    low, high = span([p.x for p in data.points], 0.08)
    y = span([*(p.y for p in data.points), 0.0, *([] if ceiling is None else [ceiling])], 0.07)
    marks = [
        (math.log10(m * 10**p), f"{m * 10**p:,}")
        for p in range(0, 12)
        for m in ((1, 2, 5) if high - low < 1.6 else (1, 3) if high - low < 2.6 else (1,))
    ]
    marks = [(at, text) for at, text in marks if low <= at <= high]
    shapes = []
    for at, color in ((0.0, "var(--rule)"), (ceiling, "var(--limit)")):
        if at is not None:
            shapes.append(
                {
                    "type": "line",
                    "layer": "below",
                    "xref": "paper",
                    "x0": 0,
                    "x1": 1,
                    "y0": at,
                    "y1": at,
                    "line": {"width": 1, "color": color, "dash": "dot"},
                }
            )
    return {
        "data": traces,
        "layout": layout(
            axis(
                "weights of the network",
                range=[low, high],
                tickvals=[round(at, 5) for at, _ in marks],
                ticktext=[text for _, text in marks],
            ),
            axis("train − validation accuracy", tickformat=".2~%", range=list(y)),
            shapes=shapes,
        ),
    }
