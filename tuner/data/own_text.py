"""Texts of the user's own as a data set: rows that say which words a text contains.

The rule: the vocabulary is made of training texts only; the texts themselves are kept for people.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tuner.data.columns import Mask
from tuner.data.dataset import Dataset
from tuner.data.labels import Classes
from tuner.data.texts import Part
from tuner.data.words import multi_hot, vocabulary_of, words_of
from tuner.errors import DataError
from tuner.reading import Reading

MOST_BYTES = 8 << 30


def text_dataset(
    file: str,
    texts: Sequence[str],
    training: Mask,
    classes: Classes,
    reading: Reading,
    columns: dict[str, Any],
    name: str,
    source: str,
    remarks: list[str],
    account: dict[str, Any],
) -> Dataset:
    """The data set of labelled texts.

    Args:
        file: for messages.
        texts: (n,) none of them empty.
        training: (n,) which rows are training rows.
        classes: (n,) labels.
        reading: how many words are kept.
        columns: names of the columns `label` and `text`, for the encoder.
        name, source: as in `Dataset`.
        remarks, account: what was noticed so far; more is added.

    Raises:
        DataError: the texts hold no words, or too many for the memory.
    """
    rows: dict[Part, list[str]] = {"train": [], "test": []}
    for text, train in zip(texts, training, strict=True):
        rows["train" if train else "test"].append(text)
    # The words of one text at a time: those of all of them take more than a gigabyte.
    vocabulary = vocabulary_of(map(words_of, rows["train"]), reading.words)
    if not vocabulary:
        raise DataError(f"{file}, column {columns['text']}: the training texts hold no words.")
    if len(texts) * len(vocabulary) > MOST_BYTES:
        raise DataError(
            f"{file}: {len(texts):,} texts with {len(vocabulary):,} words take more than "
            f"{MOST_BYTES >> 30} GiB.\nKeep fewer words, as in `words: {reading.words // 4 or 1}`."
        )
    x = {p: multi_hot(map(words_of, rows[p]), len(rows[p]), vocabulary) for p in rows}
    for part, what in (("train", "training"), ("test", "test")):
        empty = int((~x[part].any(axis=1)).sum()) if len(x[part]) else 0  # type: ignore[index]
        if empty:
            which = "text holds" if empty == 1 else "texts hold"
            remarks.append(f"{empty:,} {what} {which} none of the {len(vocabulary):,} words.")
    whole = bool(training.all())
    y = classes.y
    parts: tuple[Part, ...] = ("train",) if whole else ("train", "test")
    return Dataset(
        name=name,
        x_train=x["train"],
        y_train=y[training],
        x_test=None if whole else x["test"],
        y_test=None if whole else y[np.logical_not(training)],
        class_names=classes.names,
        kind="text",
        scale=1.0,
        description=f"{len(texts):,} texts, which of {len(vocabulary):,} words they contain, "
        f"{len(classes.names)} classes",
        source=source,
        vocabulary=vocabulary,
        texts={part: rows[part] for part in parts},
        encoder={"from": "text", "classes": list(classes.names), **columns},
        remarks=tuple(remarks),
        account=account,
    )
