"""Validation curves of all variants laid over each other, each the mean over its seeds.

The rule: an epoch's mean is that of the trainings which had that epoch and were measured there; how
many these were is said with it, and a line ends where fewer than half of them came so far: what is
left of trainings that stop early is no sample of them. The loss is the data loss; where the penalty
adds to it, the loss that Keras prints is a dashed line of the same colour.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from tuner.report.page.charts_base import Figure, axis, layout, line, span
from tuner.report.page.variants import color_of, penalised
from tuner.report.variants import Variant
from tuner.trial import EpochMetrics

LOG_FROM = 12.0
"""How many times the least loss the greatest has to be for an axis of powers of ten."""


@dataclass(frozen=True)
class MeanCurve:
    """One figure of one variant over epochs.

    Attributes:
        name, color: of the variant; `place`: among the variants, 0-based, for its switch.
        figure: in words.
        dashed: whether it is the loss with penalty.
        epochs, values, counts: by epoch, the mean and of how many trainings.
        seeds: how many trainings there are.
    """

    name: str
    place: int
    color: int
    figure: str
    dashed: bool
    epochs: tuple[int, ...]
    values: tuple[float, ...]
    counts: tuple[int, ...]
    seeds: int


Value = Callable[[EpochMetrics], float | None]


def loss_curves(variants: Sequence[Variant]) -> tuple[MeanCurve, ...]:
    """The data loss of each variant, and its loss with penalty where that is another."""
    found = []
    for place, one in enumerate(variants):
        if penalised(one):
            curve = _curve(
                one, place, "validation loss with penalty", lambda e: e.val_loss_penalised, True
            )
            found.append(curve)
        found.append(_curve(one, place, "validation loss", lambda e: e.val_loss))
    return tuple(curve for curve in found if curve.epochs)


def accuracy_curves(variants: Sequence[Variant]) -> tuple[MeanCurve, ...]:
    """The validation accuracy of each variant."""
    found = [
        _curve(v, place, "validation accuracy", lambda e: e.val_accuracy)
        for place, v in enumerate(variants)
    ]
    return tuple(curve for curve in found if curve.epochs)


def _curve(
    variant: Variant, place: int, figure: str, value: Value, dashed: bool = False
) -> MeanCurve:
    values: dict[int, list[float]] = {}
    for training in variant.trainings:
        for epoch in map(EpochMetrics.finite, training.epochs):
            if (known := value(epoch)) is not None:
                values.setdefault(epoch.epoch, []).append(known)
    epochs = sorted(e for e, some in values.items() if 2 * len(some) >= len(variant.trainings))
    return MeanCurve(
        name=variant.name,
        place=place,
        color=color_of(place),
        figure=figure,
        dashed=dashed,
        epochs=tuple(epochs),
        values=tuple(fmean(values[e]) for e in epochs),
        counts=tuple(len(values[e]) for e in epochs),
        seeds=len(variant.trainings),
    )


def loss_figure(curves: Sequence[MeanCurve]) -> Figure | None:
    """Plotly's dictionary; None without a curve."""
    values = sorted(v for c in curves for v in c.values)
    if not values:
        return None
    low, high = values[0], _high(values)
    if low > 0 and high / low > LOG_FROM:
        reach = [math.log10(low) - 0.08, math.log10(high) + 0.08]
        ticks = [
            m * 10.0**p for p in range(-9, 10) for m in ((1, 2, 5) if high < 99 * low else (1,))
        ]
        ticks = [t for t in ticks if reach[0] <= math.log10(t) <= reach[1]]
        ticktext = [f"{t:g}" for t in ticks]
        return _figure(curves, axis("", type="log", range=reach, tickvals=ticks, ticktext=ticktext))
    return _figure(curves, axis("", range=list(span([low, high], 0.06))))


def _high(values: Sequence[float]) -> float:
    """The greatest of sorted values to be shown: a few far above would press the others flat."""
    most = values[int(0.9 * (len(values) - 1))]
    return min(values[-1], values[0] + 3 * (most - values[0])) if most > values[0] else values[-1]


def accuracy_figure(curves: Sequence[MeanCurve]) -> Figure | None:
    """Plotly's dictionary; None without a curve."""
    values = sorted(v for c in curves for v in c.values)
    if not values:
        return None
    # As above: the lowest figures are those of first epochs, unless a variant stays there.
    ends = [c.values[-1] for c in curves]
    low = min(values[int(0.04 * (len(values) - 1))], *ends)
    return _figure(
        curves, axis("", tickformat=".2~%", range=list(span([low, values[-1]], 0.06, least=0.002)))
    )


def _figure(curves: Sequence[MeanCurve], y: Figure) -> Figure:
    last = max(c.epochs[-1] for c in curves)
    return {
        "data": [_trace(c) for c in curves],
        "layout": layout(axis("epoch", range=[0.6, last + 0.4], tickformat="d", showgrid=False), y),
    }


def _trace(curve: MeanCurve) -> Figure:
    points = zip(curve.epochs, curve.values, curve.counts, strict=True)
    return line(
        curve.epochs,
        curve.values,
        f"var(--c{curve.color})",
        mode="lines+markers" if len(curve.epochs) == 1 else "lines",
        line={"width": 1.6 if curve.dashed else 2.4, "dash": "dash" if curve.dashed else "solid"},
        hoverinfo="none",
        customdata=[
            [f"{curve.name}, epoch {epoch}", _of(count, curve.seeds), curve.figure, _text(curve, v)]
            for epoch, v, count in points
        ],
        meta={"role": "tip", "variant": curve.place},
    )


def _of(count: int, seeds: int) -> str:
    if count == seeds:
        return f"mean of {seeds} seeds" if seeds > 1 else "one seed"
    return f"mean of {count} of {seeds} seeds" if count > 1 else f"one of {seeds} seeds"


def _text(curve: MeanCurve, value: float) -> str:
    return f"{100 * value:.2f} %" if "accuracy" in curve.figure else f"{value:.4g}"
