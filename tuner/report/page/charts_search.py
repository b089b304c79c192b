"""The search: how it went on, which parameters mattered, and where the good ones lie."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from tuner.definition import SweepDefinition
from tuner.report.page.charts_base import (
    Figure,
    Point,
    axis,
    dots,
    jitter,
    kind_of,
    layout,
    line,
    plain,
    span,
)
from tuner.report.selection import Entry, Outcome
from tuner.report.wording import SCORE_NAMES, number_text
from tuner.space import Choices, Parameter, Range
from tuner.trial import ParamValue

WORDS = {
    "l2": "L2 penalty",
    "batch_size": "batch size",
    "learning_rate": "learning rate",
    "batch_norm": "batch norm",
    "loss": "data loss",
    "class_weight": "class weights",
    "epochs": "epochs of a trial",
}


def label_of(name: str) -> str:
    """What a person calls a parameter."""
    return WORDS.get(name, name.replace("_", " "))


# --- progress -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Progress:
    """The objective of each trial by its number; the best so far of all, and of who meets.

    Attributes:
        metric: what the study maximises: validation accuracy, as a rule.
    """

    points: tuple[Point, ...]
    best: tuple[tuple[int, float], ...]
    best_that_meets: tuple[tuple[int, float], ...]
    metric: str = "val_accuracy"


def progress_of(outcome: Outcome) -> Progress | None:
    """The data, or None without a judged trial."""
    judged = [e for e in outcome.entries if e.verdict is not None]
    points = [
        Point(e.trial, kind_of(e), e.trial, val)
        for e in judged
        if (val := e.figure(outcome.objective)) is not None
    ]
    if not points:
        return None
    met = {e.trial for e in outcome.meets}
    those = [p for p in points if p.trial in met]
    return Progress(tuple(points), _rising(points), _rising(those), outcome.objective)


def _rising(points: Sequence[Point]) -> tuple[tuple[int, float], ...]:
    found: list[tuple[int, float]] = []
    for point in sorted(points, key=lambda p: p.trial):
        if not found or point.y > found[-1][1]:
            found.append((point.trial, point.y))
    return tuple(found)


def progress_figure(data: Progress, floor: float | None, low: float) -> Figure:
    """Plotly's dictionary.

    Args:
        data: what to draw.
        floor: of the objective, or None.
        low: the least of it to show.
    """
    last = max(p.x for p in data.points)
    traces = [_steps(data.best, last, "var(--front)", 1.2), *dots(data.points, 0.85)]
    if data.best_that_meets:
        traces.insert(1, _steps(data.best_that_meets, last, "var(--meets)", 2.5))
    high = max(p.y for p in data.points)
    edge = span([low, max(high, floor or 0.0)], 0.07)
    shapes = [] if floor is None else [_limit_line(floor)]
    return {
        "data": traces,
        "layout": layout(
            axis("trial", range=[-0.8, last + 0.8], tickformat="d", showgrid=False),
            axis(SCORE_NAMES[data.metric], tickformat=".2~%", range=list(edge)),
            shapes=shapes,
        ),
    }


def _steps(steps: Sequence[tuple[int, float]], last: float, color: str, width: float) -> Figure:
    xs, ys = zip(*steps, strict=True)
    return line([*xs, last], [*ys, ys[-1]], color, line={"width": width, "shape": "hv"})


def _limit_line(value: float) -> Figure:
    return {
        "type": "line",
        "layer": "below",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": value,
        "y1": value,
        "line": {"width": 1, "color": "var(--limit)", "dash": "dot"},
    }


# --- importance ---------------------------------------------------------------------------------


def importance_figure(importance: Mapping[str, float]) -> Figure:
    """Bars, the most important on top; shares that sum to one."""
    names = list(reversed(list(importance)))
    values = [importance[name] for name in names]
    texts = [f" {100 * v:.0f} %" if v >= 0.01 else " <1 %" for v in values]
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "x": [round(v, 4) for v in values],
                "y": [plain(label_of(name)) for name in names],
                "marker": {"color": "var(--bar)"},
                "text": [plain(t) for t in texts],
                "textposition": "outside",
                "cliponaxis": False,
                "hoverinfo": "skip",
                "showlegend": False,
            }
        ],
        "layout": layout(
            axis("", visible=False, range=[0, max(values, default=1.0) * 1.18 or 1.0]),
            axis("", showgrid=False, tickfont={"size": 13, "color": "var(--ink)"}, ticksuffix="  "),
            margin={"l": 8, "r": 8, "t": 8, "b": 8},
            bargap=0.38,
        ),
    }


# --- one parameter ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scale:
    """Where the values of a parameter lie on an axis.

    Attributes:
        log: positions are logarithms to the base of ten.
        low, high: ends of the axis, in positions.
        ticks: position and text.
        choices: positions are the places of a list, and the values jitter around them.
    """

    log: bool
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    choices: tuple[ParamValue, ...] = ()
    alternative: ParamValue | None = None
    aside: float = 0.0

    def place(self, value: ParamValue) -> float | None:
        """The position of a value, or None where the scale has none for it."""
        if self.choices:
            return float(self.choices.index(value)) if value in self.choices else None
        if self.alternative is not None and value == self.alternative:
            return self.aside
        if isinstance(value, bool | str | list):
            return None
        if self.log:
            return math.log10(value) if value > 0 else None
        return float(value)


@dataclass(frozen=True)
class Slice:
    """One searched parameter against what the study maximises.

    Attributes:
        name: of the parameter.
        scale: of its axis.
        points: x in positions of the scale, jittered for a list of values.
        middles: (position, median) of each listed value; empty for a range.
    """

    name: str
    scale: Scale
    points: tuple[Point, ...]
    middles: tuple[tuple[float, float], ...]


def scale_of(parameter: Parameter) -> Scale:
    """The axis of a parameter, from its domain alone."""
    domain = parameter.domain
    if isinstance(domain, Choices):
        ticks = tuple((float(i), number_text(v)) for i, v in enumerate(domain.values))
        return Scale(False, -0.5, len(domain.values) - 0.5, ticks, domain.values)
    return _scale_of_range(domain)


def _scale_of_range(domain: Range) -> Scale:
    low, high = float(domain.low), float(domain.high)
    if domain.log:
        low, high = math.log10(low), math.log10(high)
        powers = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
        step = max(1, math.ceil(len(powers) / 4))
        ticks = [(float(p), number_text(10.0**p)) for p in powers[::step]]
        if len(ticks) < 2:
            ticks = [(low, number_text(domain.low)), (high, number_text(domain.high))]
    elif domain.integer and high - low <= 8:
        ticks = [(v, f"{v:g}") for v in range(int(low), int(high) + 1)]
    else:
        ticks = [(place, f"{place:.6g}") for place in round_numbers(low, high)]
    width = high - low
    aside, alternative = 0.0, domain.alternative
    if alternative is not None:
        below = not isinstance(alternative, int | float) or alternative < domain.low
        aside = low - 0.14 * width if below else high + 0.14 * width
        ticks.append((aside, number_text(alternative)))
        low, high = min(low, aside), max(high, aside)
    room = 0.06 * width
    return Scale(
        domain.log,
        low - room,
        high + room,
        tuple(sorted(ticks)),
        alternative=alternative,
        aside=aside,
    )


def round_numbers(low: float, high: float, most: int = 5) -> list[float]:
    """At most `most` multiples of 1, 2 or 5 times a power of ten, from low to high."""
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(m * power for m in (1, 2, 5, 10, 20) if (high - low) / (m * power) < most)
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first + 1
    return [float(f"{(first + i) * step:.10g}") for i in range(count)]


def slices_of(outcome: Outcome, definition: SweepDefinition) -> tuple[Slice, ...]:
    """One slice a searched parameter, of the trials in which it had a say."""
    found = []
    for parameter in definition.space.parameters:
        scale = scale_of(parameter)
        points, by_choice = [], dict[float, list[float]]()
        for entry in outcome.entries:
            at = placed(entry, parameter, scale, definition)
            val = entry.figure(outcome.objective)
            if at is None or val is None or entry.verdict is None:
                continue
            by_choice.setdefault(at, []).append(val)
            shift = jitter(entry.trial) if scale.choices else 0.0
            points.append(Point(entry.trial, kind_of(entry), at + shift, val))
        middles = tuple((at, median(vals)) for at, vals in sorted(by_choice.items()))
        if points:
            found.append(
                Slice(parameter.name, scale, tuple(points), middles if scale.choices else ())
            )
    return tuple(found)


def placed(
    entry: Entry, parameter: Parameter, scale: Scale, definition: SweepDefinition
) -> float | None:
    """Where a trial lies on a parameter's axis; None where the parameter had no say in it."""
    value = entry.params.get(parameter.name)
    if value is None or not definition.space.active(parameter, entry.params):
        return None
    return scale.place(value)


def slice_figure(data: Slice, low: float, high: float, floor: float | None) -> Figure:
    """A small multiple; all of a page share the axis of the objective from `low` to `high`."""
    traces = dots(data.points, 0.75)
    for at, middle in data.middles:
        traces.append(line([at - 0.36, at + 0.36], [middle, middle], "var(--ink)"))
    tilted = max((len(t) for _, t in data.scale.ticks), default=0) > 9
    return {
        "data": traces,
        "layout": layout(
            axis(
                "",
                range=[data.scale.low, data.scale.high],
                tickvals=[at for at, _ in data.scale.ticks],
                ticktext=[plain(t.replace("_", " ") if tilted else t) for _, t in data.scale.ticks],
                showgrid=not data.scale.choices,
                tickangle=0,
            ),
            axis("", tickformat=".2~%", range=[low, high], nticks=5),
            margin={"l": 44, "r": 8, "t": 8, "b": 30},
            shapes=[] if floor is None else [_limit_line(floor)],
        ),
    }
