"""What the gradients of the variants show: in words, over epochs, and variable by variable.

The rule: the figures are those of each variant's own trial, on its first training rows, as
`GradientLog` has them; where no variant has any, the first candidates stand for them. A spread of
exactly 0 has no place on an axis of powers of ten: it is drawn on the floor of the chart and called
0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tuner.gradients import GradientLog, Row
from tuner.report.answers import findings_text
from tuner.report.causes import findings_of
from tuner.report.page.charts_base import Figure, axis, layout, line, note
from tuner.report.page.words import capital, named, typeset
from tuner.report.selection import Outcome
from tuner.report.variants import Variant
from tuner.trial import EpochMetrics

CANDIDATES = 3

FLOOR = 0.35
"""How far below the least power of ten a 0 is drawn, in powers of ten."""


@dataclass(frozen=True)
class Bar:
    """A variable or a layer: its figure as a text, and its bar from 0 to 1 (None: no figure).

    Attributes:
        name: `dense/kernel`.
        text: the figure.
        size: length of the bar, in units of the longest one.
        below: whether the figure is negative, so that the bar goes to the left.
    """

    name: str
    text: str
    size: float | None
    below: bool = False


@dataclass(frozen=True)
class Silent:
    """A hidden layer: shares of its units that say the same of every row, before and after."""

    name: str
    before: str
    after: str
    size: float


@dataclass(frozen=True)
class GradientPanel:
    """One variant.

    Attributes:
        name, trial: of the variant.
        falls, word: whether its loss falls, and the same in three words.
        finding: what is found, in words.
        chart: name of its chart.
        epoch: the last one that was noted.
        mean, std: a bar a variable, at that epoch.
        silent: the hidden layers.
    """

    name: str
    trial: int
    falls: bool
    word: str
    finding: str
    chart: str
    epoch: int
    mean: tuple[Bar, ...]
    std: tuple[Bar, ...]
    silent: tuple[Silent, ...]


@dataclass(frozen=True)
class Noted:
    """One training whose gradients were noted: what a person calls it, and the log."""

    name: str
    trial: int
    epochs: tuple[EpochMetrics, ...]
    log: GradientLog


def noted_of(outcome: Outcome, variants: Sequence[Variant]) -> tuple[Noted, ...]:
    """The variants whose gradients were noted, else the first candidates that have any."""
    found = [
        Noted(v.name, v.trial, v.trainings[0].epochs, v.gradients)
        for v in variants
        if v.gradients is not None and v.gradients.epochs and v.trainings
    ]
    if not found:
        first = [e for e in outcome.meets or outcome.nearest if e.record.gradients is not None]
        found = [
            Noted(named(e), e.trial, e.record.epochs, log)
            for e in first[:CANDIDATES]
            if (log := e.record.gradients) is not None and log.epochs
        ]
    return tuple(found)


def panels_of(noted: Sequence[Noted]) -> tuple[GradientPanel, ...]:
    """A panel for each of them."""
    found = []
    for place, one in enumerate(noted):
        log, findings = one.log, findings_of(one.epochs, one.log)
        found.append(
            GradientPanel(
                name=one.name,
                trial=one.trial,
                falls=findings.falls,
                word=findings.word,
                finding=typeset(capital(findings_text(findings))),
                chart=f"gradients-{place}",
                epoch=log.epochs[-1],
                mean=bars(log.variables, log.mean[-1]),
                std=bars(log.variables, log.std[-1]),
                silent=silent_of(log),
            )
        )
    return tuple(found)


def bars(names: Sequence[str], row: Row) -> tuple[Bar, ...]:
    """A bar for each variable, the longest of them as long as can be."""
    longest = max((abs(v) for v in row if v is not None), default=0.0)
    return tuple(
        Bar(
            name=name,
            text=typeset(power_text(value)),
            size=None if value is None else abs(value) / longest if longest else 0.0,
            below=value is not None and value < 0,
        )
        for name, value in zip(names, row, strict=True)
    )


def power_text(value: float | None) -> str:
    """`2.1e-4`, `0.034`, `0`; `–` for what was not finite."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e4:
        return f"{value:.3g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def silent_of(log: GradientLog) -> tuple[Silent, ...]:
    """The share of silent units of each hidden layer, before training and after it."""
    if not log.silent:
        return ()
    return tuple(
        Silent(name, _share(before), _share(after), after or 0.0)
        for name, before, after in zip(log.layers, log.silent[0], log.silent[-1], strict=True)
    )


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


# --- over epochs --------------------------------------------------------------------------------


def spread_figures(noted: Sequence[Noted]) -> dict[str, Figure]:
    """A chart for each panel, by its name; all of them share their axes."""
    logs = {f"gradients-{place}": one.log for place, one in enumerate(noted)}
    known = [
        value
        for log in logs.values()
        for row in log.std
        for k in log.kernels()
        if (value := row[k]) is not None and value > 0
    ]
    low = math.floor(math.log10(min(known))) if known else -6
    high = math.ceil(math.log10(max(known)) + 0.1) if known else 0
    last = max((log.epochs[-1] for log in logs.values()), default=1)
    return {name: _spread_figure(log, low, max(high, low + 1), last) for name, log in logs.items()}


def _spread_figure(log: GradientLog, low: int, high: int, last: int) -> Figure:
    kernels = log.kernels()
    # Those between lie below the first and the last one, which are compared.
    ordered = [*range(1, len(kernels) - 1), 0, len(kernels) - 1][: len(kernels)]
    traces, notes = [], []
    for place in ordered:
        name = log.variables[kernels[place]]
        points = [(e, row[kernels[place]]) for e, row in zip(log.epochs, log.std, strict=True)]
        zeros = [(e, v) for e, v in points if v == 0]
        color, width = _look(place, len(kernels))
        look = {"size": 3.5 if width > 2 else 2.5, "color": color}
        traces.append(_trace(name, points, [v or None for _, v in points], color, width, look))
        if zeros:
            look = {
                "symbol": "circle-open",
                "size": 7,
                "color": color,
                "line": {"width": 1.5, "color": color},
            }
            floor: list[float | None] = [10.0 ** (low - FLOOR)] * len(zeros)
            traces.append(_trace(name, zeros, floor, color, 0, look))
    if any(row[k] == 0 for row in log.std for k in kernels):
        notes.append(
            note(
                "○ exactly 0",
                1,
                low - FLOOR,
                xref="paper",
                xanchor="right",
                yanchor="bottom",
                yshift=5,
                font={"size": 11.5, "color": "var(--no)"},
            )
        )
    step = max(1, math.ceil((high - low) / 4))
    ticks = list(range(high, low - 1, -step))
    return {
        "data": traces,
        "layout": layout(
            axis("epoch", range=[-0.4, last + 0.4], tickformat="d", showgrid=False, nticks=6)
            | {"title": {"text": "epoch", "standoff": 4, "font": {"size": 11.5}}},
            axis(
                "",
                type="log",
                range=[low - 2 * FLOOR, high],
                tickvals=[10.0**t for t in ticks],
                ticktext=[f"1e{t}" if t else "1" for t in ticks],
            ),
            annotations=notes,
            margin={"l": 44, "r": 10, "t": 8, "b": 40},
        ),
    }


def _trace(
    name: str,
    points: Sequence[tuple[int, float | None]],
    y: Sequence[float | None],
    color: str,
    width: float,
    marker: Figure,
) -> Figure:
    """A line of one kernel; `points` are what is said of it, `y` where it is drawn."""
    said = [
        [f"{name}, {_epoch(e)}", "", "spread", "exactly 0" if v == 0 else power_text(v)]
        for e, v in points
    ]
    return line(
        [e for e, _ in points],
        y,
        color,
        mode="lines+markers" if width else "markers",
        line={"width": width},
        marker=marker,
        hoverinfo="none",
        customdata=said,
        meta={"role": "tip"},
    )


def _epoch(epoch: int) -> str:
    return f"epoch {epoch}" if epoch else "before training"


def _look(place: int, count: int) -> tuple[str, float]:
    """Colour and width: the first kernel, the last one, and those between."""
    if place == count - 1:
        return "var(--c2)", 2.4
    return ("var(--c1)", 2.4) if place == 0 else ("var(--misses)", 1.2)
