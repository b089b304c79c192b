"""IMDB: film reviews as rows of words, from `imdb.parquet` or through Keras, never from both.

The two sources cut texts into words in their own ways, so they are two contents with two
fingerprints, and a study that began with one refuses the other. The 10,000 words are the most
frequent of the training reviews, in both.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tuner.data.dataset import Array, Dataset
from tuner.data.keras_fetch import fetch
from tuner.data.keras_sets import not_at_hand
from tuner.data.tables import read_parquet
from tuner.data.texts import Part
from tuner.data.words import multi_hot, multi_hot_ranks, vocabulary_of, words_of
from tuner.errors import DataError

FILE = "imdb.parquet"
COLUMNS = ("text", "label", "split")
WORDS = 10_000
CLASS_NAMES = ("negative", "positive")
DESCRIPTION = "IMDB: 50,000 film reviews, which of 10,000 words they contain, 2 classes"
PARTS: tuple[Part, ...] = ("train", "test")


def load(data_dir: Path | None) -> Dataset:
    """The reviews, from `imdb.parquet` in `data_dir` if it is there, or else through Keras.

    Raises:
        DataError: the file is damaged or holds something else, or neither way leads to the data.
    """
    if data_dir is not None and os.path.lexists(data_dir / FILE):
        return from_parquet(data_dir / FILE)
    try:
        return fetch("imdb", from_ranks)
    except DataError as error:
        content = f"columns {', '.join(COLUMNS)}"
        raise not_at_hand("imdb", FILE, content, data_dir, error) from error


def from_parquet(file: Path, size: int = WORDS) -> Dataset:
    """The reviews of a Parquet file with the columns `text`, `label` (0, 1) and `split`.

    Args:
        file: `split` is `train` or `test` in every row.
        size: words in the vocabulary.

    Raises:
        DataError: names the file, and the column where it is to blame.
    """
    table = _read(file)
    texts: dict[Part, list[str]] = {
        part: table.text[table.split == part].tolist() for part in PARTS
    }
    # The words of one text at a time: those of all of them take more than a gigabyte.
    vocabulary = vocabulary_of(map(words_of, texts["train"]), size)
    x = {
        part: multi_hot(map(words_of, texts[part]), len(texts[part]), vocabulary) for part in PARTS
    }
    y = {part: table.label[table.split == part].to_numpy(np.uint8) for part in PARTS}
    return replace(_dataset(x, y, vocabulary, f"{file.name} in {file.parent}"), texts=texts)


def from_ranks(file: Path, size: int = WORDS) -> Dataset:
    """The reviews as `keras_fetch` writes them: numbers of words, and the words by number.

    Raises:
        DataError: the file does not hold those arrays.
    """
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays: dict[str, Array] = dict(archive)
        words = arrays["words"].tobytes().decode().split("\n")
        counts = np.bincount(arrays["ranks_train"], minlength=len(words))
        # Rank 0 is no word. Equally frequent words by alphabet: their ranks are of all reviews.
        known = [i for i in range(1, len(words)) if counts[i] > 0]
        kept = sorted(known, key=lambda i: (-counts[i], words[i]))[:size]
        columns = np.full(max(len(words), *(_top(arrays[f"ranks_{p}"]) for p in PARTS)), -1)
        columns[kept] = np.arange(len(kept))
        x = {
            p: multi_hot_ranks(arrays[f"ranks_{p}"], arrays[f"lengths_{p}"], columns) for p in PARTS
        }
        y = {p: arrays[f"y_{p}"].astype(np.uint8) for p in PARTS}
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise DataError(f"what Keras wrote of imdb cannot be read ({error!r})") from error
    return _dataset(x, y, tuple(words[i] for i in kept), "keras.datasets")


def _top(ranks: Array) -> int:
    return int(ranks.max(initial=0)) + 1


def _dataset(
    x: Mapping[Part, Any], y: Mapping[Part, Any], vocabulary: tuple[str, ...], source: str
) -> Dataset:
    return Dataset(
        name="imdb",
        x_train=x["train"],
        y_train=y["train"],
        x_test=x["test"],
        y_test=y["test"],
        class_names=CLASS_NAMES,
        kind="text",
        scale=1.0,
        description=DESCRIPTION,
        source=source,
        vocabulary=vocabulary,
    )


def _read(file: Path) -> Any:
    """The table, checked: texts are text, labels 0 and 1, both parts have rows of both labels."""
    table = read_parquet(file)
    if missing := [name for name in COLUMNS if name not in table.columns]:
        raise DataError(
            f"{file} lacks {', '.join(missing)}; it needs the columns {', '.join(COLUMNS)}."
        )
    for problem in _problems(table):
        raise DataError(f"{file}: {problem}.")
    return table


def _problems(table: Any) -> list[str]:
    found = []
    if table[list(COLUMNS)].isna().to_numpy().any():
        empty = [name for name in COLUMNS if table[name].isna().any()]
        return [f"{empty[0]} has {int(table[empty[0]].isna().sum())} empty rows"]
    if not all(isinstance(text, str) for text in table.text):
        found.append(f"text is {table.text.dtype}, but must be text")
    if table.label.dtype.kind not in "iu" or not set(table.label.unique()) <= {0, 1}:
        found.append("label must hold the integers 0 (negative) and 1 (positive) and nothing else")
    if other := sorted(set(map(str, table.split.unique())) - set(PARTS)):
        found.append(f"split holds {other[0]!r}, but only train and test are known")
    found += [f"no row has the split {part}" for part in PARTS if not (table.split == part).any()]
    return found
