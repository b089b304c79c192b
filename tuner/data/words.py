"""Texts as rows of words: which words there are, and which of them a text contains.

The vocabulary is made of training texts only; a row says of each word whether it occurs, not how
often (multi-hot). The same functions serve a data set and, later, the texts that a model is asked
about.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.data.texts import without_tags

Rows = NDArray[np.uint8]

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def words_of(text: str) -> list[str]:
    """The words of a text in order: lower case, without HTML tags, `don't` as one word."""
    return _WORD.findall(without_tags(text).lower().replace("’", "'"))


def vocabulary_of(texts: Iterable[Sequence[str]], size: int) -> tuple[str, ...]:
    """The `size` most frequent words, most frequent first, equally frequent ones by alphabet.

    Args:
        texts: the words of each training text.
        size: how many words to keep; fewer where there are fewer.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(word for word, _ in ordered[:size])


def multi_hot(texts: Iterable[Sequence[str]], count: int, vocabulary: Sequence[str]) -> Rows:
    """One row a text (count, words) of uint8: 1 where the text contains the column's word.

    Args:
        texts: the words of each text.
        count: how many texts there are.
        vocabulary: the word of each column.
    """
    columns = {word: column for column, word in enumerate(vocabulary)}
    rows = np.zeros((count, len(vocabulary)), dtype=np.uint8)
    for row, text in zip(rows, texts, strict=True):
        known = [columns[word] for word in text if word in columns]
        row[known] = 1
    return rows


def multi_hot_ranks(
    ranks: NDArray[np.integer[Any]], lengths: NDArray[np.integer[Any]], columns: NDArray[np.int64]
) -> Rows:
    """The same for texts given as numbers of words, end to end.

    Args:
        ranks: the number of each word.
        lengths: how many words each text has; they add up to `len(ranks)`.
        columns: column of each word number, -1 for a word that has none.
    """
    width = int(columns.max()) + 1
    rows = np.zeros((len(lengths), width), dtype=np.uint8)
    text = np.repeat(np.arange(len(lengths)), lengths)
    column = columns[ranks]
    known = column >= 0
    rows[text[known], column[known]] = 1
    return rows
