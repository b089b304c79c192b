"""A data set in memory, the check that it is sound, and the fingerprint of its content.

Arrays keep the dtype they came in; `scale` says by what the model divides. The fingerprint covers
the content only: one content from two sources is one data set, and one row moved is another.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tuner.data.texts import Part
from tuner.errors import DataError

DatasetKind = Literal["image", "table", "text"]
Array = NDArray[Any]

NDIM: dict[str, tuple[int, ...]] = {"image": (3, 4), "table": (2,), "text": (2,)}


@dataclass(frozen=True)
class Standard:
    """What the model standardises columns by: (x - mean) / deviation, of the training rows.

    Attributes:
        mean: one a column; 0 where the column is one category of several.
        deviation: one a column, above 0; 1 where the column is constant or one category.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        return {"mean": list(self.mean), "deviation": list(self.deviation)}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Standard:
        """The inverse of `to_json`; raises KeyError, TypeError or ValueError for anything else."""
        return cls(tuple(map(float, raw["mean"])), tuple(map(float, raw["deviation"])))


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test rows of a classification problem.

    Attributes:
        name: as the user types it.
        x_train: features in their raw dtype, first axis rows: images (n, height, width) or
            (n, height, width, channels), tables and multi-hot texts (n, columns).
        y_train: labels (n,), integers from 0 to `len(class_names) - 1`.
        x_test, y_test: the same for the test split, or both None.
        class_names: one a label, in the order of the labels.
        kind: what a row is.
        scale: features are divided by it inside the model.
        description: one line for a person.
        source: where the arrays came from, for a person.
        vocabulary: of texts, the word of each column; None for everything else.
        texts: the texts themselves by part, `train` and `test`, for people; None where there are
            none. No part of the content: nothing trains on them.
        standard: of tables of the user's own, what the model standardises columns by, else None.
        encoder: of data of the user's own, how what is in the files becomes features and labels, as
            plain JSON (`encoding` says how for tables); None for a named data set.
        remarks: what a person should know of data of their own, a sentence each.
        account: how the files were read, for people and programs, as plain JSON, or None.
    """

    name: str
    x_train: Array
    y_train: Array
    x_test: Array | None
    y_test: Array | None
    class_names: tuple[str, ...]
    kind: DatasetKind
    scale: float
    description: str
    source: str
    vocabulary: tuple[str, ...] | None = None
    texts: Mapping[Part, Sequence[str]] | None = None
    standard: Standard | None = None
    encoder: dict[str, Any] | None = None
    remarks: tuple[str, ...] = ()
    account: dict[str, Any] | None = None

    def arrays(self) -> dict[str, Array]:
        """The arrays that there are, by name, training first."""
        named = {
            "x_train": self.x_train,
            "y_train": self.y_train,
            "x_test": self.x_test,
            "y_test": self.y_test,
        }
        return {name: array for name, array in named.items() if array is not None}


def fingerprint(dataset: Dataset) -> str:
    """16 hexadecimal digits of a SHA-256 over names, dtypes, shapes and bytes of all arrays.

    A vocabulary counts as well: it says what the columns are. So do, of data of the user's own,
    what columns are standardised by and how they are encoded.
    """
    digest = hashlib.sha256()
    if dataset.vocabulary is not None:
        digest.update(json.dumps(dataset.vocabulary).encode() + b"\n")
    if dataset.standard is not None or dataset.encoder is not None:
        standard = None if dataset.standard is None else dataset.standard.to_json()
        own = {"standard": standard, "encoder": dataset.encoder}
        digest.update(json.dumps(own, sort_keys=True).encode() + b"\n")
    for name, array in dataset.arrays().items():
        # The line before the bytes says how many follow, so no two contents run together.
        digest.update(json.dumps([name, array.dtype.str, list(array.shape)]).encode() + b"\n")
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


def validate(dataset: Dataset) -> None:
    """Raise DataError, naming the data set and its source, at the first thing that is unsound."""
    for problem in _problems(dataset):
        raise DataError(f"data set {dataset.name} ({dataset.source}): {problem}.")


def _problems(dataset: Dataset) -> Iterator[str]:
    if not (math.isfinite(dataset.scale) and dataset.scale > 0):
        yield f"its scale is {dataset.scale}, but features can only be divided by a positive number"
    if (dataset.kind == "text") != (dataset.vocabulary is not None):
        yield "texts need a vocabulary, and nothing else has one"
    elif dataset.vocabulary is not None and dataset.x_train.shape[1:] != (len(dataset.vocabulary),):
        yield f"its vocabulary has {len(dataset.vocabulary)} words for {dataset.x_train.shape[1:]}"
    if dataset.standard is not None:
        yield from _standard_problems(dataset.standard, dataset.x_train)
    rows = {"train": dataset.y_train, "test": dataset.y_test}
    for part, texts in (dataset.texts or {}).items():
        labels = rows[part]
        count = 0 if labels is None else len(labels)
        if len(texts) != count:
            yield f"it has {len(texts)} texts for {count} {part} rows"
    if (dataset.x_test is None) != (dataset.y_test is None):
        have, lack = ("y_test", "x_test") if dataset.x_test is None else ("x_test", "y_test")
        yield f"it has {have} but no {lack}"
    yield from _split_problems(dataset, "train", dataset.x_train, dataset.y_train)
    present = len(np.unique(dataset.y_train))
    if present < 2:
        yield f"y_train holds {present} class, and a classifier needs at least 2"
    if dataset.x_test is not None and dataset.y_test is not None:
        yield from _split_problems(dataset, "test", dataset.x_test, dataset.y_test)
        if dataset.x_test.shape[1:] != dataset.x_train.shape[1:]:
            yield (
                f"a row of x_test has the shape {dataset.x_test.shape[1:]}, "
                f"but a row of x_train {dataset.x_train.shape[1:]}"
            )
        if dataset.x_test.dtype != dataset.x_train.dtype:
            yield f"x_test is {dataset.x_test.dtype}, but x_train is {dataset.x_train.dtype}"


def _standard_problems(standard: Standard, x: Array) -> Iterator[str]:
    columns = x.shape[1:]
    for what, figures in (("mean", standard.mean), ("deviation", standard.deviation)):
        if columns != (len(figures),):
            yield f"it has {len(figures)} {what}s for rows of the shape {columns}"
        elif not all(map(math.isfinite, figures)):
            yield f"the {what} of a column is not a finite number"
    if any(deviation <= 0 for deviation in standard.deviation):
        yield "the deviation of a column is not above 0"


def _split_problems(dataset: Dataset, split: str, x: Array, y: Array) -> Iterator[str]:
    """Problems of one split, in an order in which each check may rely on those before it."""
    if x.dtype.kind not in "buif":
        yield f"x_{split} has dtype {x.dtype}, but features must be plain numbers"
    if y.dtype.kind not in "iu":
        yield f"y_{split} has dtype {y.dtype}, but labels must be integers"
    if x.ndim not in NDIM[dataset.kind]:
        wanted = " or ".join(map(str, NDIM[dataset.kind]))
        yield f"x_{split} has {x.ndim} axes, but {dataset.kind} rows need {wanted}"
    if y.ndim != 1:
        yield f"y_{split} has {y.ndim} axes, but labels need 1"
    if len(x) != len(y):
        yield f"x_{split} has {len(x)} rows, but y_{split} has {len(y)}"
    if x.size == 0:
        yield f"x_{split} is empty"
    low, high, classes = int(y.min()), int(y.max()), len(dataset.class_names)
    if low < 0 or high >= classes:
        bad = low if low < 0 else high
        yield f"y_{split} holds the label {bad}, but labels go from 0 to {classes - 1}"
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        yield f"x_{split} holds values that are NaN or infinite"
