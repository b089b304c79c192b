"""Learning curves of a few trials laid over each other: accuracies, and losses.

A wide stroke under the validation accuracy marks the epochs that meet every target; a ring, the
epoch that stands for the trial; a triangle, the epoch at which its validation loss is least and
turns. Train is a dot where it was measured; the thin line between dots only guides the eye. A
figure by class that a target names is a dashed line beside the validation accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tuner.report.page.charts_base import Figure, axis, layout, line, note, span
from tuner.report.page.words import SHARES, named
from tuner.report.selection import Entry, Outcome
from tuner.targets import BY_CLASS, Target
from tuner.trial import EpochMetrics

COLORS = (1, 3, 4, 5, 6)
"""Of the candidates, as the style sheet has them: `--c1` and so on."""
VARIANT_COLORS = (2, 7, 8, 9)
"""Of the variants: the first has the colour that marks variants in every chart."""

PALETTE = (2, 1, 3, 4, 5, 7, 6, 8, 9)
"""Of variants that are compared, in the order of their sweep; after nine they come again."""

DASHES = {"val_balanced_accuracy": "dash", "val_macro_f1": "dashdot"}
"""How the lines of figures by class are broken."""

Column = tuple[float | None, ...]


@dataclass(frozen=True)
class Series:
    """The curves of one trial; every column has one figure an epoch, None where unmeasured.

    Attributes:
        trial, label: number, and what a person calls it.
        color: 1-based, of the palette.
        shown: at first; the others wait to be switched on.
        windows: runs of epochs that meet every target.
        chosen: the epoch that stands for the trial, or None.
        turns: the epoch of the least validation loss, or None.
        by_class: figures by class that targets name, as (metric, column).
    """

    trial: int
    label: str
    color: int
    shown: bool
    epochs: tuple[int, ...]
    val: Column
    train: Column
    val_loss: Column
    train_loss: Column
    windows: tuple[tuple[int, int], ...]
    chosen: int | None
    turns: int | None
    by_class: tuple[tuple[str, Column], ...] = ()


def series_of(outcome: Outcome, compared: Sequence[str] = ()) -> tuple[Series, ...]:
    """The first candidates, by rank, and the variants; without trials that have no epoch.

    Args:
        compared: names of variants that questions are about: these come first, in this order, all
            of them shown, and the candidates that are no variants wait behind them.
    """
    named = [m for m in BY_CLASS if any(t.metric == m for t in outcome.targets)]
    if compared:
        return _compared(outcome, compared, named)
    candidates = (outcome.meets or outcome.nearest)[: len(COLORS)]
    taken = {e.trial for e in candidates}
    variants = [e for e in outcome.entries if e.variant and e.trial not in taken]
    pairs = [*zip(candidates, COLORS, strict=False), *zip(variants, VARIANT_COLORS, strict=False)]
    shown = {e.trial for e in (*candidates[:2], *variants[:1])}
    return tuple(
        _series(entry, color, entry.trial in shown, named)
        for entry, color in pairs
        if entry.record.epochs
    )


def _compared(
    outcome: Outcome, names: Sequence[str], by_class: Sequence[str]
) -> tuple[Series, ...]:
    by_name = {e.variant: e for e in outcome.entries if e.variant and e.record.epochs}
    known = [n for n in names if n in by_name]
    variants = [(by_name[n], PALETTE[place % len(PALETTE)]) for place, n in enumerate(known)]
    free = [c for c in PALETTE if c not in {color for _, color in variants}]
    others = [e for e in outcome.meets or outcome.nearest if e.variant is None and e.record.epochs]
    return (
        *(_series(entry, color, True, by_class) for entry, color in variants),
        *(_series(e, color, False, by_class) for e, color in zip(others, free, strict=False)),
    )


def _series(entry: Entry, color: int, shown: bool, by_class: Sequence[str]) -> Series:
    epochs = [e.finite() for e in sorted(entry.record.epochs, key=lambda e: e.epoch)]
    return Series(
        trial=entry.trial,
        label=named(entry),
        color=color,
        shown=shown,
        epochs=tuple(e.epoch for e in epochs),
        val=tuple(e.val_accuracy for e in epochs),
        train=tuple(e.train_accuracy for e in epochs),
        val_loss=tuple(e.val_loss for e in epochs),
        train_loss=tuple(e.train_loss for e in epochs),
        windows=entry.windows,
        chosen=None if entry.chosen is None else entry.chosen.epoch,
        turns=turning_point(epochs),
        by_class=tuple((m, tuple(e.figure(m) for e in epochs)) for m in by_class),
    )


def turning_point(epochs: Sequence[EpochMetrics]) -> int | None:
    """The epoch of the least finite validation loss, the earliest of equals; None without one."""
    known = [(e.val_loss, e.epoch) for e in map(EpochMetrics.finite, epochs) if e.val_loss]
    return min(known)[1] if known else None


def accuracy_figure(series: Sequence[Series], targets: Sequence[Target]) -> Figure | None:
    """Accuracies over epochs, with the limits as lines."""
    values = [v for s in series for v in (*s.val, *s.train) if v is not None]
    if not values:
        return None
    traces = []
    for one in series:
        traces += _window_traces(one)
        traces += _by_class(one)
        traces += _pair(one, one.val, one.train)
        if one.chosen is not None:
            traces.append(_mark(one, one.val, one.chosen, "circle-open", 13, "chosen"))
    limits = [t for t in targets if t.metric in SHARES]
    low = _low(series, limits)
    high = max([*values, *(t.value for t in limits)])
    return _figure(
        traces,
        series,
        axis("", tickformat=".2~%", range=list(span([low, high], 0.06))),
        limits,
    )


def loss_figure(series: Sequence[Series], targets: Sequence[Target]) -> Figure | None:
    """Data losses over epochs, without the L2 penalty."""
    values = [v for s in series for v in (*s.val_loss, *s.train_loss) if v is not None]
    if not values:
        return None
    traces = []
    for one in series:
        traces += _pair(one, one.val_loss, one.train_loss)
        if one.turns is not None:
            traces.append(_mark(one, one.val_loss, one.turns, "triangle-up", 11, "turns"))
    limits = [t for t in targets if t.metric in ("val_loss", "train_loss")]
    ordered = sorted(values)
    # The first epochs of a poor trial would press everything else flat.
    high = max(ordered[int(0.97 * (len(ordered) - 1))], *(t.value for t in limits), 0.0)
    return _figure(traces, series, axis("", range=list(span([ordered[0], high], 0.06))), limits)


def _figure(
    traces: list[Figure], series: Sequence[Series], y: Figure, limits: Sequence[Target]
) -> Figure:
    last = max(s.epochs[-1] for s in series)
    shapes, notes = [], []
    for target in limits:
        shapes.append(
            {
                "type": "line",
                "layer": "below",
                "xref": "paper",
                "x0": 0,
                "x1": 1,
                "y0": target.value,
                "y1": target.value,
                "line": {"width": 1, "color": "var(--limit)", "dash": "dot"},
            }
        )
        word = target.metric.removesuffix("_accuracy").replace("_", " ")
        notes.append(
            note(
                f"{word} {target.op} {_limit(target)}",
                0,
                target.value,
                xref="paper",
                xanchor="left",
                yanchor="bottom",
                font={"size": 11, "color": "var(--limit)"},
            )
        )
    return {
        "data": traces,
        "layout": layout(
            axis("epoch", range=[0.5, last + 0.5], tickformat="d", showgrid=False),
            y,
            shapes=shapes,
            annotations=notes,
            hovermode="closest",
        ),
    }


def _limit(target: Target) -> str:
    return f"{100 * target.value:.10g} %" if target.metric in SHARES else f"{target.value:g}"


def _pair(one: Series, val: Column, train: Column) -> list[Figure]:
    color, hover = (
        f"var(--c{one.color})",
        {"hoverinfo": "none", "customdata": [one.trial] * len(val)},
    )
    both = {**hover, **_switch(one)}
    return [
        line(
            one.epochs,
            train,
            color,
            mode="lines+markers",
            connectgaps=True,
            line={"width": 1, "dash": "dot"},
            marker={"size": 4.5, "color": color},
            **both,
        ),
        line(one.epochs, val, color, line={"width": 2.5}, **both),
    ]


def _by_class(one: Series) -> list[Figure]:
    color = f"var(--c{one.color})"
    return [
        line(one.epochs, column, color, line={"width": 1.8, "dash": DASHES[metric]}, **_switch(one))
        for metric, column in one.by_class
    ]


def _window_traces(one: Series) -> list[Figure]:
    """The wide stroke: of a single epoch a line has no length, so that it is a disc."""
    at = dict(zip(one.epochs, one.val, strict=True))
    x: list[float | None] = []
    y: list[float | None] = []
    for first, last in one.windows:
        for epoch in range(first, last + 1):
            x.append(epoch)
            y.append(at.get(epoch))
        x.append(None)
        y.append(None)
    if not x:
        return []
    color = f"var(--c{one.color})"
    stroke = {
        "mode": "lines+markers",
        "opacity": 0.28,
        "line": {"width": 14},
        "marker": {"size": 14, "color": color, "line": {"width": 0}},
    }
    return [line(x, y, color, **stroke, **_switch(one))]


def _mark(one: Series, values: Column, epoch: int, symbol: str, size: int, what: str) -> Figure:
    at = dict(zip(one.epochs, values, strict=True)).get(epoch)
    color = f"var(--c{one.color})"
    return line(
        [epoch],
        [at],
        color,
        mode="markers",
        marker={
            "symbol": symbol,
            "size": size,
            "color": color,
            "line": {"width": 2, "color": color},
        },
        name=what,
        **_switch(one),
    )


def _switch(one: Series) -> Figure:
    return {"visible": one.shown, "meta": {"role": "curve", "trial": one.trial}}


def _low(series: Sequence[Series], limits: Sequence[Target]) -> float:
    """The least accuracy to show: the first epochs of poor trials may leave at the bottom."""
    val = sorted(v for s in series for v in s.val if v is not None)
    more = sorted(v for s in series for _, column in s.by_class for v in column if v is not None)
    train = sorted(v for s in series for v in s.train if v is not None)
    low = [values[int(0.04 * (len(values) - 1))] for values in (val, train, more) if values]
    return min([*low, *(t.value for t in limits)])
