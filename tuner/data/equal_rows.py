"""Rows that are there twice: what makes a validation or a test figure better than it is.

The rule: rows are equal where a model sees them as equal, that is in their features; labels are
compared afterwards.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.data.dataset import Array
from tuner.data.prepared import Prepared
from tuner.data.splits import split
from tuner.errors import DataError
from tuner.trial import SplitSpec


@dataclass(frozen=True)
class EqualRows:
    """How many rows are there more than once.

    Attributes:
        training: training rows that are equal to one before them.
        validation: validation rows of the default cut that are equal to a row that is trained on;
            None where that cut cannot be made.
        test: test rows that are equal to a training row; None where there are none.
        conflicting: training rows that are equal to another one with another label.
    """

    training: int
    validation: int | None
    test: int | None
    conflicting: int


def equal_rows(data: Prepared) -> EqualRows:
    """Read through the data once."""
    y = np.asarray(data.y_train).astype(np.int64)
    marks = marks_of(data.x_train)
    _, first, place = np.unique(marks, return_index=True, return_inverse=True)
    labels = y[first][place]
    odd = np.zeros(len(first), np.bool_)
    odd[place[labels != y]] = True
    validation: int | None = None
    try:
        one, other = split(y, SplitSpec())
        validation = int(np.isin(marks[other], marks[one]).sum())
    except DataError:
        pass
    test: int | None = None
    if data.has_test:
        test = int(np.isin(marks_of(data.test()[0]), marks).sum())
    return EqualRows(
        training=len(marks) - len(first),
        validation=validation,
        test=test,
        conflicting=int(odd[place].sum()),
    )


def marks_of(x: Array) -> NDArray[np.uint64]:
    """A number for each row (n,), the same for equal rows and, but for chance, for no others."""
    found = np.empty(len(x), np.uint64)
    for row, features in enumerate(x):
        digest = hashlib.blake2b(np.ascontiguousarray(features).tobytes(), digest_size=8).digest()
        found[row] = int.from_bytes(digest, "little")
    return found
