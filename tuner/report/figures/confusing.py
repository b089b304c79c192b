"""What a model takes for what: the matrix of confusions, and the accuracy of each class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tuner.report.figures.look import (
    COLORS,
    EDGE,
    Sheet,
    name_width,
    short,
)
from tuner.report.page.mistakes import class_scores, predicted_of
from tuner.report.page.mistakes import confusion as confusion_of
from tuner.report.page.words import named, share
from tuner.report.pictures import DIM, INK, SMALL, TEXT
from tuner.report.selection import Entry, Outcome

WRITTEN = 30
"""Classes up to which every cell and every class is named."""


def confusion(outcome: Outcome, entry: Entry, file: Path, classes: Sequence[str]) -> Sheet:
    """The matrix of one trial.

    Args:
        outcome: of the study.
        entry: the trial.
        file: .npz with `labels` (m,) and `probabilities` (m, classes).
        classes: names by label.
    """
    with np.load(file, allow_pickle=False) as kept:
        labels, probabilities = kept["labels"].astype(np.int64), kept["probabilities"]
    predicted = predicted_of(probabilities)
    count = max(probabilities.shape[1], int(labels.max(initial=-1)) + 1)
    matrix = confusion_of(labels, predicted, count)
    names = [short(classes[i] if i < len(classes) else str(i), 22) for i in range(count)]
    hits = int(matrix.diagonal().sum())
    rows = len(labels)
    said = "no rows" if rows == 0 else f"{share(hits / rows, 2)} of {rows:,} rows are right"
    caption = "The colour is the share of the row, on a scale that lets rare mistakes be seen."
    few = count <= WRITTEN
    cell = 0.95 if count <= 3 else min(0.52, 9.0 / count) if few else 6.0 / count
    side = count * cell
    room = (name_width(names) if few else 0.4) + 0.3
    slanted = few and name_width(names) > cell - 0.06
    below = 0.75 * name_width(names) + 0.5 if slanted else 0.6
    bars = 1.7
    sheet = Sheet(
        outcome.study,
        f"mistakes of {named(entry)}",
        said,
        caption,
        width=2 * EDGE + 0.25 + room + side + 0.25 + bars,
        height=side + below + 0.2,
        legend=False,
    )
    left = EDGE + 0.25 + room
    axes = sheet.axes(left, below, side, side)
    axes.grid(visible=False)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    # Mistakes are rare: on a straight scale all but the diagonal would be white.
    axes.imshow(
        np.sqrt(shares),
        cmap="Blues",
        vmin=0.0,
        vmax=1.15,
        aspect="auto",
        interpolation="nearest",
        extent=(-0.5, count - 0.5, count - 0.5, -0.5),
    )
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0, labelsize=TEXT if few else SMALL, labelcolor=INK)
    if few:
        axes.set_xticks(
            range(count),
            names,
            rotation=40 if slanted else 0,
            ha="right" if slanted else "center",
            rotation_mode="anchor" if slanted else "default",
        )
        axes.set_yticks(range(count), names)
        size = min(TEXT, 17 * cell * 72 / 72 if cell < 0.5 else TEXT)
        for (true, taken), number in np.ndenumerate(matrix):
            if number:
                axes.text(
                    taken,
                    true,
                    f"{number:,}",
                    ha="center",
                    va="center",
                    fontsize=size,
                    color="white" if shares[true, taken] > 0.45 else INK,
                )
        for edge in range(1, count):
            axes.axhline(edge - 0.5, color="white", linewidth=1.2)
            axes.axvline(edge - 0.5, color="white", linewidth=1.2)
    axes.set_xlabel("taken for", fontsize=TEXT, color=DIM, labelpad=4)
    axes.set_ylabel("true class", fontsize=TEXT, color=DIM, labelpad=4)
    _classes(sheet, matrix, left + side + 0.25, below, side, bars, few)
    return sheet


def _classes(
    sheet: Sheet, matrix: np.ndarray, left: float, below: float, side: float, bars: float, few: bool
) -> None:
    """Bars in line with the rows of the matrix: the accuracy of each class."""
    scores = class_scores(matrix)
    axes = sheet.axes(left, below, bars - 0.55, side)
    axes.set_axis_off()
    axes.set_title("recognised", fontsize=TEXT, color=DIM, pad=4, loc="left")
    axes.set_ylim(len(scores) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    places = range(len(scores))
    axes.barh(places, [1.0] * len(scores), height=0.36 if few else 0.9, color="#eef0f2")
    axes.barh(
        places,
        [s.accuracy or 0.0 for s in scores],
        height=0.36 if few else 0.9,
        color=COLORS["meets"],
    )
    if few:
        for place, score in enumerate(scores):
            axes.annotate(
                "–" if score.accuracy is None else f"{100 * score.accuracy:.1f}\u202f%",
                (1.0, place),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=SMALL + 0.5,
                color=INK,
                annotation_clip=False,
            )
