"""Figures about prepared data: rows of each class and split, values, telling words, columns.

The rule: arrays stay mapped and are read a block of rows at a time; a matrix of words is never
copied as a whole, least of all to a wider dtype.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.data.dataset import Array
from tuner.data.prepared import Prepared
from tuner.data.splits import split
from tuner.errors import DataError
from tuner.trial import SplitSpec

BLOCK_BYTES = 1 << 24
BALANCED = 0.95
"""Classes are balanced when the rarest has at least this share of the most frequent one's rows."""

SMOOTHING = 2_500


@dataclass(frozen=True)
class ClassRows:
    """How many rows a class has; None where there is no such split.

    Attributes:
        label, name: of the class.
        training: among all training rows.
        train, validation: among the two sides of the cut that sweeps make by default.
        test: among the test rows.
    """

    label: int
    name: str
    training: int
    train: int | None
    validation: int | None
    test: int | None


@dataclass(frozen=True)
class TellingWord:
    """A word that speaks for a class.

    Attributes:
        word: as in the vocabulary.
        log_odds: natural logarithm of the odds ratio of the word in the class against all others.
        inside: training rows of the class with the word.
        rows: training rows with the word.
    """

    word: str
    log_odds: float
    inside: int
    rows: int


@dataclass(frozen=True)
class Words:
    """What training rows of words hold.

    Attributes:
        least, mean, most: known words in a row.
        telling: for each class the words that speak most for it, the strongest first.
    """

    least: int
    mean: float
    most: int
    telling: tuple[tuple[TellingWord, ...], ...]


@dataclass(frozen=True)
class Column:
    """Least, mean and greatest value of a table's column in the training rows."""

    index: int
    least: float
    mean: float
    most: float


def class_rows(data: Prepared) -> tuple[tuple[ClassRows, ...], str]:
    """The rows of each class, and why the default split cannot be made, or an empty text."""
    y, why = data.y_train, ""
    train: Array | None = None
    validation: Array | None = None
    try:
        one, other = split(y, SplitSpec())
        train, validation = y[one], y[other]
    except DataError as error:
        why = str(error)
    test = data.test()[1] if data.has_test else None

    def count(labels: Array | None, label: int) -> int | None:
        return None if labels is None else int(np.count_nonzero(labels == label))

    return tuple(
        ClassRows(
            label=label,
            name=name,
            training=int(np.count_nonzero(y == label)),
            train=count(train, label),
            validation=count(validation, label),
            test=count(test, label),
        )
        for label, name in enumerate(data.class_names)
    ), why


def balanced(rows: Sequence[ClassRows]) -> bool:
    """Whether no class has notably fewer training rows than another."""
    counts = [row.training for row in rows]
    return min(counts) >= BALANCED * max(counts)


def value_range(x: Array) -> tuple[float, float]:
    """The least and the greatest value; whole numbers where the values are."""
    ends = [(block.min().item(), block.max().item()) for block in _blocks(x)]
    return min(least for least, _ in ends), max(most for _, most in ends)


def first_of_each_class(y: Array, n_classes: int, most: int) -> list[list[int]]:
    """For each class its first `most` rows, ascending."""
    return [np.flatnonzero(y == label)[:most].tolist() for label in range(n_classes)]


def words_in(data: Prepared, most: int) -> Words:
    """The words of a text set's training rows; at most `most` telling ones a class.

    How a word speaks for a class is its smoothed log-odds ratio: with the share
    p = (rows with the word + s) / (rows + 2 s) inside the class and q likewise outside,
    log(p / (1 - p)) - log(q / (1 - q)), where s is `smoothing_of` all rows.
    """
    vocabulary = data.vocabulary
    assert vocabulary is not None
    x, y = data.x_train, data.y_train
    having = np.zeros((data.n_classes, x.shape[1]), dtype=np.int64)
    known = np.zeros(len(x), dtype=np.int64)
    at = 0
    for block in _blocks(x):
        contains = block != 0
        labels = y[at : at + len(block)]
        known[at : at + len(block)] = np.count_nonzero(contains, axis=1)
        for label in np.unique(labels):
            having[label] += np.count_nonzero(contains[labels == label], axis=0)
        at += len(block)
    per_class = np.bincount(y, minlength=data.n_classes)
    rows = having.sum(axis=0)
    telling, extra = [], smoothing_of(len(x))
    for inside, size in zip(having, per_class, strict=True):
        odds = _log_odds(inside, size, extra) - _log_odds(rows - inside, len(x) - size, extra)
        strongest = np.argsort(-odds, kind="stable")[:most]
        telling.append(
            tuple(
                TellingWord(vocabulary[i], float(odds[i]), int(inside[i]), int(rows[i]))
                for i in strongest
            )
        )
    return Words(int(known.min()), float(known.mean()), int(known.max()), tuple(telling))


def smoothing_of(rows: int) -> int:
    """How many rows with each word, and as many without, are added to either side.

    With a single one, names that occur in the reviews of one film would come first.
    """
    return max(rows // SMOOTHING, 1)


def _log_odds(having: NDArray[np.int64], rows: int, extra: int) -> NDArray[np.float64]:
    share = (having + extra) / (rows + 2 * extra)
    odds: NDArray[np.float64] = np.log(share / (1 - share))
    return odds


def words_of_row(row: Array, vocabulary: Sequence[str]) -> list[str]:
    """The known words of one row, the rarest first."""
    return [vocabulary[i] for i in np.flatnonzero(row)[::-1]]


def columns_of(x: Array, most: int) -> tuple[Column, ...]:
    """Figures of the first `most` columns of a table."""
    return tuple(
        Column(i, float(c.min()), float(c.mean(dtype=np.float64)), float(c.max()))
        for i, c in enumerate(x[:, :most].T)
    )


def _blocks(x: Array) -> Iterator[Array]:
    """The rows in order, as many at a time as `BLOCK_BYTES` hold."""
    each = max(BLOCK_BYTES // max(x.nbytes // len(x), 1), 1)
    for at in range(0, len(x), each):
        yield x[at : at + each]
