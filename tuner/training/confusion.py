"""Figures that give every class the same weight, from counts by class.

The rule: three counts of each class decide both figures, so that a thousand classes cost no matrix
of a million. The definitions are scikit-learn's; nothing here knows TensorFlow.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum


@dataclass(frozen=True)
class Counts:
    """What a model says of some rows, by class; the three have one number for each class.

    Attributes:
        hits: rows of the class that are classified correctly.
        predicted: rows that are taken for the class.
        present: rows of the class.
    """

    hits: tuple[int, ...]
    predicted: tuple[int, ...]
    present: tuple[int, ...]

    @property
    def all_hits(self) -> int:
        """Rows that are classified correctly."""
        return sum(self.hits)


def balanced_accuracy(counts: Counts) -> float | None:
    """The mean of the recalls of the classes that have rows; None where there is no row.

    As `sklearn.metrics.balanced_accuracy_score`: for two classes, the mean of sensitivity and
    specificity.
    """
    pairs = zip(counts.hits, counts.present, strict=True)
    return _mean([hits / present for hits, present in pairs if present])


def macro_f1(counts: Counts) -> float | None:
    """The mean of the F1 of the classes that have rows or are predicted; None where none is.

    F1 is the harmonic mean of precision and recall, 0 where nothing is hit. As
    `sklearn.metrics.f1_score(average="macro", zero_division=0)`.
    """
    rows = zip(counts.hits, counts.predicted, counts.present, strict=True)
    return _mean([2 * hits / (guessed + there) for hits, guessed, there in rows if guessed + there])


def _mean(values: list[float]) -> float | None:
    return fsum(values) / len(values) if values else None
