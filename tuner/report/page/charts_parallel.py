"""All parameters at once: a trial as a line from its configuration to what the study maximises.

The line breaks at a parameter that had no say in the trial.
"""

from __future__ import annotations

from dataclasses import dataclass

from tuner.definition import SweepDefinition
from tuner.report.page.charts_base import Figure, Kind, axis, jitter, kind_of, layout, plain
from tuner.report.page.charts_search import label_of, placed, scale_of
from tuner.report.page.words import NAMES
from tuner.report.selection import Outcome


@dataclass(frozen=True)
class Parallel:
    """Judged trials as lines over the axes of all searched parameters, and of the objective.

    Attributes:
        names: of the axes; the last is the objective: validation accuracy, as a rule.
        ticks: of each axis: height in [0, 1] and text.
        lines: trial, kind, and its height on each axis, None where the parameter had no say.
    """

    names: tuple[str, ...]
    ticks: tuple[tuple[tuple[float, str], ...], ...]
    lines: tuple[tuple[int, Kind, tuple[float | None, ...]], ...]


def parallel_of(
    outcome: Outcome, definition: SweepDefinition, low: float, high: float
) -> Parallel | None:
    """The data, or None where fewer than two axes or trials could be drawn."""
    parameters = definition.space.parameters
    scales = [scale_of(p) for p in parameters]
    lines = []
    for entry in outcome.entries:
        val = entry.figure(outcome.objective)
        if entry.verdict is None or val is None or entry.variant:
            continue
        heights: list[float | None] = []
        for parameter, scale in zip(parameters, scales, strict=True):
            at = placed(entry, parameter, scale, definition)
            if at is None:
                heights.append(None)
                continue
            shift = jitter(entry.trial, 0.12) if scale.choices else 0.0
            heights.append((at + shift - scale.low) / (scale.high - scale.low))
        heights.append(min(max((val - low) / (high - low), 0.0), 1.0))
        lines.append((entry.trial, kind_of(entry), tuple(heights)))
    if not parameters or len(lines) < 2:
        return None
    ticks = [tuple(((at - s.low) / (s.high - s.low), text) for at, text in s.ticks) for s in scales]
    accuracy = tuple(
        (share, f"{100 * (low + (high - low) * share):.0f} %") for share in (0.0, 0.5, 1.0)
    )
    names = (*(label_of(p.name) for p in parameters), NAMES[outcome.objective])
    return Parallel(names, (*ticks, accuracy), tuple(lines))


def parallel_figure(data: Parallel) -> Figure:
    """Lines of each kind in one trace; `meta.width` is how many points a trial takes in it."""
    width = len(data.names) + 1
    dense = len(data.lines) > 200
    traces = []
    order: tuple[Kind, ...] = ("misses", "pruned", "meets", "confirmed")
    for kind in order:
        some = [(trial, heights) for trial, its, heights in data.lines if its == kind]
        if not some:
            continue
        x: list[float | None] = []
        y: list[float | None] = []
        for _, heights in some:
            x += [*range(len(heights)), None]
            y += [None if h is None else round(h, 4) for h in heights] + [None]
        front = kind in ("meets", "confirmed")
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "x": x,
                "y": y,
                "customdata": [trial for trial, heights in some for _ in range(width)],
                "line": {"color": f"var(--{kind})", "width": 1.8 if front and not dense else 1},
                "marker": {"size": 3, "color": f"var(--{kind})"},
                "opacity": (0.75 if front else 0.4) * (0.5 if dense else 1.0),
                "hoverinfo": "none",
                "showlegend": False,
                "connectgaps": False,
                "meta": {"role": "lines", "width": width},
            }
        )
    shapes, notes = [], []
    for at, (name, ticks) in enumerate(zip(data.names, data.ticks, strict=True)):
        shapes.append(
            {
                "type": "line",
                "layer": "below",
                "x0": at,
                "x1": at,
                "y0": 0,
                "y1": 1,
                "line": {"width": 1, "color": "var(--rule)"},
            }
        )
        notes.append(_label(name, at, 1.05, "bottom", "var(--ink)", 12))
        for height, text in ticks:
            notes.append(
                {
                    **_label(text, at, height, "middle", "var(--soft)", 10.5),
                    "xanchor": "right",
                    "xshift": -5,
                    "bgcolor": "var(--veil)",
                }
            )
    return {
        "data": traces,
        "layout": layout(
            axis("", visible=False, range=[-0.55, len(data.names) - 0.6]),
            axis("", visible=False, range=[-0.04, 1.16]),
            margin={"l": 12, "r": 24, "t": 8, "b": 12},
            shapes=shapes,
            annotations=notes,
        ),
    }


def _label(text: str, x: float, y: float, anchor: str, color: str, size: float) -> Figure:
    return {
        "text": plain(text),
        "x": x,
        "y": round(y, 4),
        "yanchor": anchor,
        "showarrow": False,
        "font": {"size": size, "color": color},
    }
