"""Where the trials lie: train against validation accuracy, the region that is asked for, the front.

Where a target names a figure by class, that takes the place of validation accuracy.

Every dot is a trial at its chosen epoch. The region is drawn from the limits on these two figures
alone; where another target is missed, a dot in it does not meet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tuner.report.page.charts_base import (
    Figure,
    Point,
    axis,
    dots,
    kind_of,
    layout,
    line,
    lowest_shown,
    note,
    span,
)
from tuner.report.page.words import NAMES
from tuner.report.selection import Outcome
from tuner.targets import Target

LEAST = 0.02
"""No axis shows less than two percentage points: differences below are noise."""


@dataclass(frozen=True)
class Map:
    """The plain data.

    Attributes:
        points: x is train accuracy, y the objective, in [0, 1].
        train, val: least and greatest of both that the targets allow, or None where none limits
            it on that side.
        front: (train, val) of the trials that no other beats: the highest objective at or below
            each train accuracy, by train.
        best: the trial to point at, or None.
        near, all: (x, y) ranges around what matters, and around everything.
        outside: how many trials the range `near` leaves out.
        metric: the objective.
    """

    points: tuple[Point, ...]
    train: tuple[float | None, float | None]
    val: tuple[float | None, float | None]
    front: tuple[tuple[float, float], ...]
    best: Point | None
    near: tuple[tuple[float, float], tuple[float, float]]
    all: tuple[tuple[float, float], tuple[float, float]]
    outside: int
    metric: str = "val_accuracy"

    @property
    def limited(self) -> bool:
        """Whether there is a region to draw."""
        return any(v is not None for v in (*self.train, *self.val))


def map_of(outcome: Outcome) -> Map | None:
    """The data of the chart, or None where no trial has both figures."""
    points = []
    for entry in outcome.entries:
        train, val = entry.figure("train_accuracy"), entry.figure(outcome.objective)
        if entry.verdict is not None and train is not None and val is not None:
            points.append(Point(entry.trial, kind_of(entry), train, val))
    if not points:
        return None
    leader = next(iter(outcome.meets or outcome.nearest), None)
    best = next((p for p in points if leader is not None and p.trial == leader.trial), None)
    on_train = limits(outcome.targets, "train_accuracy")
    on_val = limits(outcome.targets, outcome.objective)
    everything = (
        span([*(p.x for p in points), *_inside(on_train)], least=LEAST),
        span([*(p.y for p in points), *_inside(on_val)], least=LEAST),
    )
    low = lowest_shown([p.y for p in points], 2.0)
    shown = [p for p in points if p.y >= low]
    near = (
        span([*(p.x for p in shown), *_inside(on_train)], least=LEAST),
        span([*(p.y for p in shown), *_inside(on_val)], 0.08, least=LEAST),
    )
    (x0, x1), (y0, y1) = near
    outside = sum(not (x0 <= p.x <= x1 and y0 <= p.y <= y1) for p in points)
    return Map(
        points=tuple(points),
        train=on_train,
        val=on_val,
        front=front(points),
        best=best,
        near=near if outside else everything,
        all=everything,
        outside=outside,
        metric=outcome.objective,
    )


def limits(targets: Sequence[Target], metric: str) -> tuple[float | None, float | None]:
    """The tightest floor and ceiling that the targets set on a figure."""
    floors = [t.value for t in targets if t.metric == metric and t.is_floor]
    ceilings = [t.value for t in targets if t.metric == metric and t.is_ceiling]
    return max(floors, default=None), min(ceilings, default=None)


def front(points: Sequence[Point]) -> tuple[tuple[float, float], ...]:
    """The points that raise the highest y seen so far, from the least x on."""
    found: list[tuple[float, float]] = []
    for point in sorted(points, key=lambda p: (p.x, -p.y)):
        if not found or point.y > found[-1][1]:
            found.append((point.x, point.y))
    return tuple(found)


def map_figure(data: Map) -> Figure:
    """Plotly's dictionary; `meta.views` holds the two ranges."""
    shapes = []
    if data.limited:
        shapes.append(
            {
                "type": "rect",
                "layer": "below",
                "x0": -1 if data.train[0] is None else data.train[0],
                "x1": 2 if data.train[1] is None else data.train[1],
                "y0": -1 if data.val[0] is None else data.val[0],
                "y1": 2 if data.val[1] is None else data.val[1],
                "fillcolor": "var(--region)",
                "line": {"width": 1, "color": "var(--region-edge)", "dash": "dot"},
            }
        )
    low = min(data.all[0][0], data.all[1][0])
    traces = []
    if data.metric == "val_accuracy":  # train and validation alike
        traces.append(
            line([low, 1], [low, 1], "var(--rule)", line={"width": 1, "dash": "dash"}),
        )
    if len(data.front) > 1:
        xs, ys = zip(*data.front, strict=True)
        traces.append(
            line([*xs, 2.0], [*ys, ys[-1]], "var(--front)", line={"width": 1.5, "shape": "hv"})
        )
    traces += dots(data.points)
    notes = []
    if data.best is not None:
        notes.append(
            note(
                f"trial {data.best.trial}",
                data.best.x,
                data.best.y,
                showarrow=True,
                arrowhead=0,
                arrowwidth=1,
                arrowcolor="var(--soft)",
                ax=-34,
                ay=-30,
                font={"size": 13, "color": "var(--ink)"},
            )
        )
    return {
        "data": traces,
        "layout": layout(
            axis("accuracy on the training rows", tickformat=".2~%", range=list(data.near[0])),
            axis(axis_title(data.metric), tickformat=".2~%", range=list(data.near[1])),
            shapes=shapes,
            annotations=notes,
            meta={
                "views": {
                    "near": [list(data.near[0]), list(data.near[1])],
                    "all": [list(data.all[0]), list(data.all[1])],
                }
            },
        ),
    }


def axis_title(metric: str) -> str:
    """`accuracy on the validation rows`: of the objective."""
    name = "accuracy" if metric == "val_accuracy" else NAMES[metric]
    return f"{name} on the validation rows"


def _inside(limits: tuple[float | None, float | None]) -> list[float]:
    return [v for v in limits if v is not None and math.isfinite(v)]
