"""Pictures of a single trial, to be kept beside its run: its epochs and its mistakes.

The rule: values in, the bytes of a .png or .svg file out. What a picture cannot show, since it was
not measured or is exactly 0, it says in words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tuner.data.dataset import Array
from tuner.report.figures.confusing import confusion
from tuner.report.figures.look import (
    EDGE,
    LIMIT,
    Sheet,
    limit_line,
    percent,
    short,
    titled,
    whole_numbers,
    write,
)
from tuner.report.page.charts_base import span
from tuner.report.page.mistakes import Mistake
from tuner.report.page.words import confidence, goal, named, share
from tuner.report.pictures import DIM, INK, SMALL, TEXT, Tile, alone, chosen
from tuner.report.selection import Entry, Outcome
from tuner.targets import BY_CLASS, Target
from tuner.trial import EpochMetrics

MOST_MISTAKES, ACROSS = 25, 5
TRAIN = "#cc79a7"
WIDE = 9.6
STEEP = 20.0
"""The largest loss in units of the least one from which on their axis is logarithmic."""


@contextmanager
def drawing() -> Iterator[None]:
    """Matplotlib with its own defaults, and a dollar is a dollar."""
    with alone():
        import matplotlib

        matplotlib.rcParams["text.parse_math"] = False
        yield


# --- epochs -----------------------------------------------------------------------------------


def training_curves(
    study: str,
    name: str,
    epochs: Sequence[EpochMetrics],
    chosen_epoch: int | None,
    targets: Sequence[Target],
    form: str = "png",
) -> bytes:
    """Accuracies and losses of a trial over its epochs, side by side.

    Args:
        study, name: for the title.
        epochs: all figures.
        chosen_epoch: the one that stands for the trial, or None.
        targets: whose limits are drawn.
        form: `png` or `svg`.
    """
    rows = sorted((e.finite() for e in epochs), key=lambda e: e.epoch)
    with drawing():
        sheet = Sheet(
            study,
            f"training of {short(name)}",
            _told(rows, chosen_epoch),
            "Dots: train, measured in inference mode on the weights that validation is measured "
            "on. Thin line: Keras's own average over the epoch, while weights move and dropout "
            "is active; as a loss it includes the L2 penalty.",
            width=WIDE,
            height=3.9,
        )
        if not rows:
            sheet.say_nothing("No epoch was finished.", 3.9)
            return sheet.written(form)
        penalised = any(
            None not in (e.val_loss, e.val_loss_penalised)
            and not math.isclose(e.val_loss or 0.0, e.val_loss_penalised or 0.0, rel_tol=1e-4)
            for e in rows
        )
        sheet.legend(_meanings(penalised=penalised))
        each = (sheet.width - 2 * EDGE - 2 * 0.65 - 0.3) / 2
        left = sheet.axes(EDGE + 0.65, 0.55, each, 3.2)
        right = sheet.axes(EDGE + 0.65 * 2 + each + 0.3, 0.55, each, 3.2)
        for axes in (left, right):
            if chosen_epoch is not None:
                axes.axvline(chosen_epoch, color=DIM, linewidth=0.8, linestyle=":", zorder=1)
            axes.set_xlim(rows[0].epoch - 0.6, rows[-1].epoch + 0.6)
            whole_numbers(axes.xaxis)
        accuracies = ("val_accuracy", "train_accuracy", "train_accuracy_running")
        _lines(left, rows, accuracies, chosen_epoch)
        named = [m for m in BY_CLASS if any(t.metric == m for t in targets)]
        for metric in named:
            left.plot(*_known(rows, metric), color=INK, linewidth=1.3, linestyle="--", zorder=4)
        _range(left, rows, (*accuracies, *named), targets)
        percent(left.yaxis)
        titled(left, "epoch", "accuracy")
        losses = ("val_loss", "train_loss", "train_loss_penalised")
        shown = (*losses, "val_loss_penalised") if penalised else losses
        _lines(right, rows, losses, chosen_epoch)
        if penalised:
            look: dict[str, Any] = {"linewidth": 1.3, "linestyle": (0, (4, 2)), "zorder": 4}
            right.plot(*_known(rows, "val_loss_penalised"), color=INK, **look)
        _range(right, rows, shown, targets)
        titled(right, "epoch", "loss")
        return sheet.written(form)


def _told(rows: Sequence[EpochMetrics], chosen_epoch: int | None) -> str:
    at = next((e for e in rows if e.epoch == chosen_epoch), None)
    if at is None:
        return "no epoch stands for it"
    text = f"epoch {at.epoch} of {rows[-1].epoch} stands for it: validation "
    text += share(at.val_accuracy)
    return text if at.train_accuracy is None else f"{text}, train {share(at.train_accuracy)}"


def _meanings(*, penalised: bool) -> list[Any]:
    """What the legend shows."""
    from matplotlib.lines import Line2D

    dots: dict[str, Any] = {"linestyle": ":", "linewidth": 0.8, "marker": "o", "markersize": 4}
    ring: dict[str, Any] = {"linestyle": "none", "marker": "o", "markerfacecolor": "none"}
    found = [Line2D([], [], color=INK, linewidth=1.9, label="validation")]
    if penalised:
        dashed = Line2D([], [], color=INK, linewidth=1.3, linestyle=(0, (4, 2)))
        dashed.set_label("validation with penalty")
        found.append(dashed)
    return [
        *found,
        Line2D([], [], color=TRAIN, label="train, measured", **dots),
        Line2D([], [], color=TRAIN, linewidth=0.9, alpha=0.7, label="train, running"),
        Line2D([], [], color=INK, markeredgewidth=1.5, label="stands for the trial", **ring),
        Line2D([], [], color=LIMIT, linewidth=1.0, linestyle=(0, (4, 3)), label="limit"),
    ]


def _lines(
    axes: Any, rows: Sequence[EpochMetrics], names: Sequence[str], chosen_epoch: int | None
) -> None:
    """Validation, train as measured, and train as it ran."""
    val, train, running = names
    alone_there = "o" if len(rows) == 1 else ""  # one point makes no line
    axes.plot(*_known(rows, val), color=INK, linewidth=1.9, marker=alone_there, zorder=5)
    axes.plot(*_known(rows, running), color=TRAIN, linewidth=0.9, alpha=0.7, zorder=2)
    look: dict[str, Any] = {"linestyle": ":", "marker": "o", "markersize": 4, "markeredgewidth": 0}
    axes.plot(*_known(rows, train), color=TRAIN, linewidth=0.8, zorder=7, **look)
    at = next((e for e in rows if e.epoch == chosen_epoch), None)
    value = None if at is None else getattr(at, val)
    if value is not None:
        ring: dict[str, Any] = {"markerfacecolor": "none", "markeredgewidth": 1.6}
        axes.plot([chosen_epoch], [value], "o", markersize=8, markeredgecolor=INK, zorder=6, **ring)


def _known(rows: Sequence[EpochMetrics], name: str) -> tuple[list[int], list[float]]:
    known = [(e.epoch, float(v)) for e in rows if (v := getattr(e, name)) is not None]
    return [e for e, _ in known], [v for _, v in known]


def _range(
    axes: Any, rows: Sequence[EpochMetrics], names: Sequence[str], targets: Sequence[Target]
) -> None:
    """Limits of the axis, and those of the targets, each with its words."""
    values = [v for name in names for v in _known(rows, name)[1]]
    limits = [t for t in targets if t.metric in names]
    values += [t.value for t in limits]
    if not values:
        axes.set_yticks([])
        where = {"transform": axes.transAxes, "ha": "center", "va": "center"}
        axes.text(0.5, 0.5, "no figure is finite", fontsize=TEXT, color=DIM, **where)
        return
    if "val_loss" in names and min(values) > 0 and max(values) > STEEP * min(values):
        logarithmic(axes, values)
    else:
        axes.set_ylim(*span(values, 0.07, least=0.02))
    for target in limits:
        limit_line(axes, target.value)
        above = target.is_ceiling
        write(
            axes,
            goal(target),
            (0.99, target.value),
            xycoords=("axes fraction", "data"),
            xytext=(0, 2 if above else -2),
            textcoords="offset points",
            ha="right",
            va="bottom" if above else "top",
            fontsize=SMALL,
            color=LIMIT,
            zorder=8,
        )


def logarithmic(axes: Any, values: Sequence[float]) -> None:
    """A logarithmic axis around the values, with a few ticks in plain numbers."""
    low, high = span([math.log10(v) for v in values], 0.07, least=0.15)
    axes.set_yscale("log")
    axes.set_ylim(10**low, 10**high)
    every = max(math.ceil((high - low) / 8), 1)
    digits = (1,) if high - low > 2.5 else (1, 3) if high - low > 1.2 else (1, 1.5, 2, 3, 5, 7)
    powers = range(math.floor(low), math.ceil(high) + 1, every)
    marks = [d * 10.0**p for p in powers for d in digits if low <= math.log10(d * 10.0**p) <= high]
    if len(marks) < 2:
        marks = [10 ** (low + part * (high - low)) for part in (0.1, 0.5, 0.9)]
    axes.set_yticks(marks, [number_of(m, 3) for m in marks])
    axes.set_yticks([], minor=True)


def number_of(value: float, digits: int = 2) -> str:
    """A figure of any size in a few letters: `0.0392`, `1.2e−10`."""
    return f"{value:.{digits}g}".replace("-", "\N{MINUS SIGN}")


# --- mistakes ---------------------------------------------------------------------------------


def confusion_chart(
    outcome: Outcome, entry: Entry, file: Path, classes: Sequence[str], form: str = "png"
) -> bytes:
    """The matrix of confusions of one trial; arguments as those of `confusing.confusion`."""
    with drawing():
        return confusion(outcome, entry, file, classes).written(form)


def mistakes_chart(
    study: str,
    entry: Entry,
    mistakes: Sequence[Mistake],
    image: Callable[[int], Array],
    classes: Sequence[str],
    scale: float,
    form: str = "png",
) -> bytes:
    """Images that were taken for something else, the most certain mistake first.

    Args:
        study, entry: for the title.
        mistakes: all of them, in that order; the first `MOST_MISTAKES` are drawn.
        image: by a mistake's index, (height, width) or (height, width, channels).
        classes: names by label.
        scale: values go from 0 to this.
        form: `png` or `svg`.
    """
    title = f"{short(study)}: what {named(entry)} is most certain of, and wrong"
    some = mistakes[:MOST_MISTAKES]
    if not some:
        with drawing():
            sheet = Sheet(study, f"mistakes of {named(entry)}", "none", height=3.0, legend=False)
            sheet.say_nothing("Every validation row is recognised.", 3.0)
            return sheet.written(form)
    tiles = [
        Tile(
            image(m.index),
            f"{short(classes[m.true], 13)} → {short(classes[m.predicted], 13)} "
            f"{confidence(m.confidence)}",
        )
        for m in some
    ]
    count = f"{len(mistakes):,} validation rows are" if len(mistakes) > 1 else "One row is"
    caption = f"{count} taken for another class. Above each image: its class → what it is taken"
    caption += " for, and how probable that is to the model."
    return chosen(title, caption, tiles, scale, form, across=ACROSS)
