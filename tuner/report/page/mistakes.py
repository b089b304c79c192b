"""What a model gets wrong: the matrix of confusions, each class, pairs, and the worst mistakes.

Pure arithmetic on labels and probabilities; the caller says which rows they are of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[Any]

PAIRS = 5
EXAMPLES = 24


@dataclass(frozen=True)
class ClassScore:
    """One class.

    Attributes:
        label: its number.
        rows: how many rows are of it.
        accuracy: share of them that was recognised, or None without rows.
        precision: share of what was taken for it that is of it, or None where nothing was.
    """

    label: int
    rows: int
    accuracy: float | None
    precision: float | None


@dataclass(frozen=True)
class Pair:
    """Rows of one class that were taken for another: how many, and their share of the class."""

    true: int
    predicted: int
    count: int
    share: float


@dataclass(frozen=True)
class Mistake:
    """A row that was taken for another class.

    Attributes:
        index: its place among the rows that were predicted, 0-based.
        true, predicted: labels.
        confidence: probability that the model gave to what it predicted.
        truth: probability that it gave to the true class.
    """

    index: int
    true: int
    predicted: int
    confidence: float
    truth: float


def predicted_of(probabilities: Floats) -> Ints:
    """The predicted label of each row of (m, classes).

    Of two classes the second needs more than one half, as in training.
    """
    if probabilities.shape[1] == 2:
        return np.asarray(probabilities[:, 1] > 0.5, dtype=np.int64)
    return np.asarray(probabilities.argmax(axis=1), dtype=np.int64)


def confusion(labels: Ints, predicted: Ints, classes: int) -> Ints:
    """Counts (classes, classes): a row a true class, a column a predicted one."""
    flat = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


def class_scores(matrix: Ints) -> tuple[ClassScore, ...]:
    """The score of each class, by its label."""
    rows, taken, hits = matrix.sum(axis=1), matrix.sum(axis=0), matrix.diagonal()
    return tuple(
        ClassScore(
            label=label,
            rows=int(rows[label]),
            accuracy=float(hits[label] / rows[label]) if rows[label] else None,
            precision=float(hits[label] / taken[label]) if taken[label] else None,
        )
        for label in range(len(matrix))
    )


def confused_pairs(matrix: Ints, most: int = PAIRS) -> tuple[Pair, ...]:
    """The ordered pairs of classes that are confused most often, by count, then by label."""
    rows = matrix.sum(axis=1)
    found = [
        Pair(true, predicted, int(count), float(count / rows[true]))
        for (true, predicted), count in np.ndenumerate(matrix)
        if true != predicted and count
    ]
    return tuple(sorted(found, key=lambda p: (-p.count, p.true, p.predicted))[:most])


def worst(labels: Ints, probabilities: Floats, most: int = EXAMPLES) -> tuple[Mistake, ...]:
    """The mistakes that the model was surest of, the surest first; of equals the first row."""
    predicted = predicted_of(probabilities)
    wrong = np.flatnonzero(predicted != labels)
    confidence = probabilities[wrong, predicted[wrong]].astype(np.float64)
    order = wrong[np.lexsort((wrong, -confidence))][:most]
    return tuple(
        Mistake(
            index=int(row),
            true=int(labels[row]),
            predicted=int(predicted[row]),
            confidence=float(probabilities[row, predicted[row]]),
            truth=float(probabilities[row, labels[row]]),
        )
        for row in order
    )
