"""Learning curves of the first candidates and of the variants, a column of two panels each.

In every panel the validation curves of the others stand in grey, so that each can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuner.parameters import epochs_of
from tuner.report.figures.look import (
    COLORS,
    EDGE,
    LIMIT,
    REGION,
    WIDTH,
    Sheet,
    fitted,
    limit_line,
    percent,
    short,
    titled,
    whole_numbers,
    write,
)
from tuner.report.page.charts_base import Kind, kind_of, span
from tuner.report.page.charts_curves import DASHES, Column, Series, series_of
from tuner.report.page.words import NAMES, SHARES, goals, limit
from tuner.report.pictures import DIM, INK, NAME, SMALL
from tuner.report.selection import Outcome, window_text
from tuner.targets import Target

CANDIDATES, VARIANTS = 3, 3
ACROSS = 3
PANEL, TALL = 2.75, 1.85
OTHERS = "#d3d7dc"
_DASHES = {metric: {"dash": "--", "dashdot": "-."}[dash] for metric, dash in DASHES.items()}
_OPS = {">=": "≥", ">": ">", "<=": "≤", "<": "<"}


def curves(outcome: Outcome, planned: int) -> Sheet:
    """Accuracy above loss, of each trial.

    Args:
        outcome: what the study has shown.
        planned: epochs of a full trial, unless it has a number of its own.
    """
    chosen = _chosen(outcome)
    own = {e.trial: epochs_of(e.params, planned) for e in outcome.entries}
    across = max(min(len(chosen), 2 if len(chosen) == 4 else ACROSS), 1)
    bands = max(-(-len(chosen) // across), 1)
    band = 2 * TALL + 1.05
    caption = (
        "Train is measured in inference mode at the dots; the line between them only guides the "
        "eye. From its least value on, the validation loss turns. Grey: validation of the other "
        "trials shown here. Losses are without the L2 penalty."
    )
    width = 2 * EDGE + 0.55 + across * PANEL + (across - 1) * 0.2
    tall = bands * band - 0.25 if chosen else 3.0
    sheet = Sheet(
        outcome.study,
        "learning curves",
        goals(outcome.targets),
        caption,
        width=max(width, WIDTH),
        height=tall,
    )
    if not chosen:
        sheet.say_nothing("No trial that is judged has finished an epoch yet.", tall)
        return sheet
    sheet.legend(_meanings([metric for metric, _ in chosen[0].by_class]))
    accuracies, losses = _ranges(chosen, outcome.targets)
    kinds = {e.trial: kind_of(e) for e in outcome.entries}
    room = sheet.width - 2 * EDGE - 0.55 - (across - 1) * 0.2
    each = min(room / across, 7.0)
    for number, one in enumerate(chosen):
        left = EDGE + 0.55 + (number % across) * (each + 0.2)
        bottom = (bands - 1 - number // across) * band
        upper = sheet.axes(left, bottom + 0.65 + TALL, each, TALL - 0.05)
        lower = sheet.axes(left, bottom + 0.55, each, TALL - 0.05)
        others = [s for s in chosen if s is not one]
        _accuracy(upper, one, others, kinds[one.trial], outcome.targets)
        _loss(lower, one, others, kinds[one.trial], outcome.targets)
        upper.set_ylim(*accuracies)
        lower.set_ylim(*losses)
        for axes in (upper, lower):
            axes.set_xlim(0.4, max(own[one.trial], *one.epochs, 2) + 0.6)
            whole_numbers(axes.xaxis)
            axes.yaxis.set_label_coords(-0.52 / each, 0.5)
            if number % across:
                axes.tick_params(labelleft=False)
        percent(upper.yaxis)
        upper.tick_params(labelbottom=False)
        titled(upper, "", "" if number % across else "accuracy")
        titled(lower, "epoch", "" if number % across else "loss")
        upper.set_title(
            fitted(one.label, each - 0.05, NAME, "bold"),
            loc="left",
            fontsize=NAME,
            color=INK,
            pad=14,
            weight="bold",
        )
        upper.annotate(
            _words(one, own[one.trial]),
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, 4),
            textcoords="offset points",
            fontsize=SMALL,
            color=DIM,
            annotation_clip=False,
        )
    return sheet


def _meanings(by_class: Sequence[str]) -> list[Any]:
    """What the legend shows, the figures by class among it that there are."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    plain: dict[str, Any] = {
        "color": DIM,
        "markerfacecolor": "white",
        "markeredgewidth": 1.5,
        "markersize": 7,
    }
    broken: dict[str, Any] = {"color": DIM, "linewidth": 1.4}
    return [
        Line2D([], [], color=DIM, linewidth=1.9, label="validation"),
        *(Line2D([], [], label=NAMES[m], **{**broken, "linestyle": _DASHES[m]}) for m in by_class),
        Line2D(
            [],
            [],
            color=DIM,
            linewidth=0.8,
            linestyle=":",
            marker="o",
            markersize=3,
            label="train",
        ),
        Patch(facecolor=REGION, label="meets the targets"),
        Line2D([], [], linestyle="none", marker="o", label="stands for the trial", **plain),
        Line2D([], [], linestyle="none", marker="^", label="least validation loss", **plain),
    ]


def _chosen(outcome: Outcome) -> list[Series]:
    """The first few candidates and variants that have a curve."""
    found = series_of(outcome)
    variants = {e.trial for e in outcome.entries if e.variant}
    leading = [s for s in found if s.trial not in variants][:CANDIDATES]
    named = [s for s in found if s.trial in variants][:VARIANTS]
    return [*leading, *named]


def _words(one: Series, planned: int) -> str:
    """`meets at 24–30`, or how far it came."""
    if one.windows:
        return short(f"meets at {window_text(one.windows)}", 40)
    if one.epochs[-1] < planned:
        return f"stopped after {one.epochs[-1]} of {planned} epochs"
    return "meets at no epoch"


def _accuracy(
    axes: Any, one: Series, others: Sequence[Series], kind: Kind, targets: Sequence[Target]
) -> None:
    for first, last in one.windows:
        axes.axvspan(first - 0.5, last + 0.5, color=REGION, linewidth=0, zorder=0.5)
    for other in others:
        axes.plot(*_known(other.epochs, other.val), color=OTHERS, linewidth=0.9, zorder=1.5)
    _limits(axes, [t for t in targets if t.metric in SHARES])
    for metric, column in one.by_class:
        known = _known(one.epochs, column)
        axes.plot(*known, color=_strong(kind), linewidth=1.4, linestyle=_DASHES[metric], zorder=4)
    _pair(axes, one, one.val, one.train, kind)
    if one.chosen is not None:
        _mark(axes, one.epochs, one.val, one.chosen, "o", kind)


def _loss(
    axes: Any, one: Series, others: Sequence[Series], kind: Kind, targets: Sequence[Target]
) -> None:
    for other in others:
        axes.plot(*_known(other.epochs, other.val_loss), color=OTHERS, linewidth=0.9, zorder=1.5)
    _limits(axes, [t for t in targets if t.metric in ("val_loss", "train_loss")])
    _pair(axes, one, one.val_loss, one.train_loss, kind)
    if one.turns is not None:
        axes.axvline(one.turns, color=DIM, linewidth=0.7, linestyle=":", zorder=1)
        _mark(axes, one.epochs, one.val_loss, one.turns, "^", kind)


def _limits(axes: Any, targets: Sequence[Target]) -> None:
    for target in targets:
        limit_line(axes, target.value)
        word = target.metric.removesuffix("_accuracy").replace("_", " ")
        write(
            axes,
            f"{word} {_OPS[target.op]} {limit(target)}",
            (0.99, target.value),
            xycoords=("axes fraction", "data"),
            xytext=(0, 2 if target.is_ceiling else -2),
            textcoords="offset points",
            ha="right",
            va="bottom" if target.is_ceiling else "top",
            fontsize=SMALL - 1,
            color=LIMIT,
            zorder=8,
            annotation_clip=True,
        )


def _pair(axes: Any, one: Series, val: Column, train: Column, kind: Kind) -> None:
    color = _strong(kind)
    axes.plot(*_known(one.epochs, val), color=color, linewidth=1.9, zorder=4)
    axes.plot(
        *_known(one.epochs, train),
        color=color,
        linewidth=0.8,
        linestyle=":",
        marker="o",
        markersize=2.6,
        markeredgewidth=0,
        zorder=3,
    )


def _mark(
    axes: Any, epochs: Sequence[int], values: Column, epoch: int, marker: str, kind: Kind
) -> None:
    value = dict(zip(epochs, values, strict=True)).get(epoch)
    if value is not None:
        axes.plot(
            [epoch],
            [value],
            marker=marker,
            markersize=7.5,
            markerfacecolor="white",
            markeredgecolor=_strong(kind),
            markeredgewidth=1.6,
            zorder=6,
            clip_on=True,
        )


def _strong(kind: Kind) -> str:
    """The colour of a kind, dark enough for a line on its own."""
    return DIM if kind in ("misses", "pruned") else COLORS[kind]


def _known(epochs: Sequence[int], values: Column) -> tuple[list[int], list[float]]:
    known = [(e, v) for e, v in zip(epochs, values, strict=True) if v is not None]
    return [e for e, _ in known], [v for _, v in known]


def _ranges(
    chosen: Sequence[Series], targets: Sequence[Target]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """What the axes show: the first epochs of poor trials may leave at one end."""
    columns = [c for s in chosen for c in (s.val, s.train, *(c for _, c in s.by_class))]
    accuracies = sorted(v for column in columns for v in column if v is not None)
    losses = sorted(v for s in chosen for v in (*s.val_loss, *s.train_loss) if v is not None)
    limits = [t.value for t in targets if t.metric in SHARES]
    upper, lower = (0.0, 1.0), (0.0, 1.0)
    if accuracies:
        low = accuracies[int(0.04 * (len(accuracies) - 1))]
        upper = span([low, accuracies[-1], *limits], 0.07, least=0.02)
    if losses:
        tops = [t.value for t in targets if t.metric in ("val_loss", "train_loss")]
        high = losses[int(0.97 * (len(losses) - 1))]
        lower = span([losses[0], high, *tops], 0.07, least=0.02)
    return upper, lower
