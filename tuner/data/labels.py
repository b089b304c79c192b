"""Labels as they come, in words or numbers, as classes from 0 on.

The rule: classes are those of the training rows, words by alphabet and whole numbers in their
order. What is no class (a fraction, a price, a class with a single row) is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.data.columns import Words, shown
from tuner.data.dataset import Array
from tuner.errors import DataError
from tuner.text import is_printable

USUAL = ("label", "target", "class", "y")
"""What a table's column with the answer is usually called."""

MOST_CLASSES = 1000
FEW_ROWS = 20
"""Whole numbers with more values than `MOST_NUMBERS` and fewer rows a value than this are figures
that are measured, not classes."""

MOST_NUMBERS = 50
EXACT = 2.0**53  # up to here a float is a whole number and no other
NONE = np.zeros(1, np.bool_)
_REGRESSION = "that is regression, and tuner trains classifiers"


@dataclass(frozen=True, eq=False)
class Classes:
    """Labels as classes.

    Attributes:
        y: (n,) from 0 to len(names) - 1, in the smallest unsigned type.
        names: one a class.
        numbers: the numbers that the classes were, in their order; None where they were words.
    """

    y: Array
    names: tuple[str, ...]
    numbers: tuple[int, ...] | None = None


def whole_numbers(values: NDArray[Any], at: Callable[[int], str]) -> NDArray[np.int64]:
    """Labels that are numbers, as integers: 1.0 is 1.

    Args:
        values: (n,), integers, floats or truths, none of them missing.
        at: names a row, for messages.

    Raises:
        DataError: one is a fraction, infinite or too large.
    """
    if values.dtype.kind == "f":
        values = values.astype(np.float64)
        broken = ~np.isfinite(values)
        if broken.any():
            raise DataError(f"{at(int(np.argmax(broken)))}: the label is {values[broken][0]}.")
        fractions = values != np.rint(values)
        if fractions.any():
            first = int(np.argmax(fractions))
            raise DataError(
                f"{at(first)}: the label is {values[first]:g}: {_REGRESSION}.\n"
                "Make classes of it, such as low and high, or name another column."
            )
        huge = np.abs(values) > EXACT
    else:
        huge = values > np.uint64(np.iinfo(np.int64).max) if values.dtype == np.uint64 else NONE
    if huge.any():
        first = int(np.argmax(huge))
        raise DataError(f"{at(first)}: the label {values[first]} is too large for a class.")
    return values.astype(np.int64)


def number_classes(
    values: NDArray[np.int64],
    training: NDArray[np.bool_],
    where: str,
    names: Sequence[str] | None = None,
) -> Classes:
    """Whole numbers as classes, in their order.

    Args:
        values: (n,) labels.
        training: (n,) which rows are training rows.
        where: what holds the labels, for messages.
        names: of the classes from 0 on; labels are then their positions.

    Raises:
        DataError: they cannot be classes.
    """
    found, counts = np.unique(values[training], return_counts=True)
    if names is not None:
        outside = [int(v) for v in np.unique(values) if not 0 <= v < len(names)]
        if outside:
            raise DataError(
                f"{where}: holds the label {outside[0]}, but there are {len(names)} class names, "
                f"for 0 to {len(names) - 1}."
            )
        absent = sorted(set(range(len(names))) - {int(v) for v in found})
        if absent:
            raise DataError(
                f"{where}: no training row is of the class {names[absent[0]]} (label {absent[0]})."
                "\nAdd rows of it, or leave its name out."
            )
    counted = len(found) and found[0] in (0, 1) and int(found[-1] - found[0]) == len(found) - 1
    few = len(values) < FEW_ROWS * len(found) and not (counted and counts.min() > 1)
    if names is None and len(found) > MOST_NUMBERS and few:
        raise DataError(
            f"{where}: holds {len(found):,} different numbers in {len(values):,} rows, from "
            f"{found[0]} to {found[-1]}: {_REGRESSION}.\n"
            "Make classes of it, such as low and high, or name another column."
        )
    texts = tuple(names) if names is not None else tuple(str(int(v)) for v in found)
    _check(texts, counts, where)
    _refuse_new(values, found, training, where)
    y = np.searchsorted(found, values)
    return Classes(_small(y, len(texts)), texts, tuple(int(v) for v in found))


def word_classes(
    words: Words, training: NDArray[np.bool_], where: str, names: Sequence[str] | None = None
) -> Classes:
    """Words as classes, by alphabet.

    Args:
        words: (n,) labels, none of them missing.
        training: (n,) which rows are training rows.
        where: what holds the labels, for messages.
        names: the order of the classes, where another one than the alphabet's is wanted.

    Raises:
        DataError: they cannot be classes.
    """
    found, counts = np.unique(words[training].astype(str), return_counts=True)
    if names is not None:
        if set(names) != set(found.tolist()):
            odd = sorted(set(found.tolist()) ^ set(names))[0]
            raise DataError(f"{where}: the class names and the labels differ: {shown(odd)}.")
        counts = np.array([counts[list(found).index(name)] for name in names])
        found = np.array(list(names))
    _check(found.tolist(), counts, where)
    _refuse_new(words.astype(str), np.sort(found), training, where)
    place = {name: number for number, name in enumerate(found.tolist())}
    y = np.array([place[word] for word in words.tolist()], np.int64)
    return Classes(_small(y, len(found)), tuple(found.tolist()))


def _check(names: Sequence[str], counts: NDArray[Any], where: str) -> None:
    if len(names) == 0:
        raise DataError(f"{where}: there are no training rows.")
    if odd := [name for name in names if not is_printable(name)]:
        raise DataError(
            f"{where}: the label {odd[0]!r} holds characters that cannot be printed.\n"
            "Give the class another name."
        )
    if len(names) == 1:
        raise DataError(
            f"{where}: all training rows are of one class, {names[0]}; a classifier needs two."
        )
    lone = [name for name, count in zip(names, counts, strict=True) if count == 1]
    if len(lone) > len(names) / 2 and len(names) > FEW_ROWS:
        raise DataError(
            f"{where}: {len(lone):,} of {len(names):,} different labels occur once: that is an id "
            "or a text, not a class.\nName another column."
        )
    if lone:
        more = f", and so have {len(lone) - 1} more" if len(lone) > 1 else ""
        raise DataError(
            f"{where}: class {lone[0]} has 1 training row{more}, but one is needed for training "
            "and one for validation.\nAdd rows of it, or leave its row out."
        )
    if len(names) > MOST_CLASSES:
        raise DataError(
            f"{where}: holds {len(names):,} different labels, more than {MOST_CLASSES:,} classes."
            "\nName another column, or put classes together."
        )


def _refuse_new(values: Array, known: Array, training: NDArray[np.bool_], where: str) -> None:
    new = np.setdiff1d(np.unique(values[~training]), known)
    if len(new):
        raise DataError(
            f"{where}: the label {new[0]} occurs in test rows only, so that no model can learn it."
            "\nAdd training rows of it, or leave those rows out."
        )


def _small(y: Array, classes: int) -> Array:
    return y.astype(np.uint8 if classes <= 256 else np.uint16)


def looks_alike(names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of class names that differ by capitals or spaces only."""
    seen: dict[str, str] = {}
    pairs = []
    for name in names:
        plain = "".join(name.lower().split())
        if plain in seen:
            pairs.append((seen[plain], name))
        else:
            seen[plain] = name
    return pairs
