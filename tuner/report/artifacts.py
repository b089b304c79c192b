"""What is kept beside a trial's run as tables: its figures, its gradients, its mistakes.

The rule: values in, the text of a .csv file out; what is unknown is an empty cell. Every number is
written in full, so that it can be computed with.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from tuner.gradients import GradientLog
from tuner.report.page.mistakes import Floats, Ints, worst
from tuner.trial import EpochMetrics

CURVES = (*(f.name for f in fields(EpochMetrics)), "accuracy_gap")
GRADIENTS = ("mean", "std", "size", "change")
MISTAKES = (
    "split",
    "row",
    "true_class",
    "predicted_class",
    "predicted_probability",
    "true_probability",
)


def curves_csv(epochs: Sequence[EpochMetrics], chosen: int | None) -> str:
    """One row an epoch: every figure, and whether the epoch stands for the trial."""
    rows = (
        [*(getattr(one, name) for name in CURVES), str(one.epoch == chosen).lower()]
        for one in map(EpochMetrics.finite, epochs)
    )
    return _table((*CURVES, "chosen"), rows)


def gradients_csv(log: GradientLog) -> str:
    """One row an epoch and a variable; `change` is unknown at epoch 0."""
    rows = (
        [epoch, variable, *(getattr(log, name)[at][column] for name in GRADIENTS)]
        for at, epoch in enumerate(log.epochs)
        for column, variable in enumerate(log.variables)
    )
    return _table(("epoch", "variable", *GRADIENTS), rows)


def units_csv(log: GradientLog) -> str:
    """One row an epoch and a hidden layer: the share of its units that are silent."""
    rows = (
        [epoch, layer, log.silent[at][column]]
        for at, epoch in enumerate(log.epochs)
        for column, layer in enumerate(log.layers)
    )
    return _table(("epoch", "layer", "silent"), rows)


def misclassified_csv(
    split: str, rows: Ints, labels: Ints, probabilities: Floats, classes: Sequence[str]
) -> str:
    """One row a mistake, the most certain ones first.

    Args:
        split: whose arrays the row numbers are of, `train` or `test`.
        rows: row numbers (m,).
        labels: true labels (m,).
        probabilities: (m, classes).
        classes: names by label.
    """
    found = (
        [
            split,
            int(rows[one.index]),
            classes[one.true],
            classes[one.predicted],
            one.confidence,
            one.truth,
        ]
        for one in worst(labels, probabilities, len(labels))
    )
    return _table(MISTAKES, found)


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        # Readers take a bare carriage return for the end of a row.
        writer.writerow([v.replace("\r", "\n") if isinstance(v, str) else v for v in row])
    return text.getvalue()
