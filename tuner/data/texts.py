"""Texts as they were, kept beside prepared rows of words, for people: nothing trains on them.

The rule: they are no part of the content. A folder without them is complete; whoever shows a row
then shows its words.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal
from uuid import uuid4

Part = Literal["train", "test"]
COLUMN = "text"

_TAG = re.compile(r"<[^<>]*>")


def without_tags(text: str) -> str:
    """The text with a space in place of every HTML tag."""
    return text if "<" not in text else _TAG.sub(" ", text)


def one_paragraph(text: str) -> str:
    """The text without HTML tags, in one line."""
    return " ".join(without_tags(text).split())


def cut(text: str, most: int) -> tuple[str, str]:
    """The beginning of a text, up to a space where there is one, and how it goes on.

    Args:
        most: characters of the beginning.
    """
    if len(text) <= most:
        return text, ""
    at = text.rfind(" ", most // 2, most + 1)
    at = most if at < 0 else at
    return text[:at], text[at:].lstrip()


def has_texts(folder: Path) -> bool:
    """Whether the texts of a prepared folder are there."""
    return _file(folder, "train").is_file()


def write_texts(texts: Mapping[Part, Sequence[str]], folder: Path) -> None:
    """Keep the texts of each part in `folder`, in the order of its rows; OSError as it comes."""
    import pandas as pd

    for part in sorted(texts):  # those of `train` last: `has_texts` looks for them
        file = _file(folder, part)
        aside = file.with_name(f".{file.name}.{os.getpid()}.{uuid4().hex[:8]}")
        try:
            frame = pd.DataFrame({COLUMN: list(texts[part])})
            frame.to_parquet(aside, index=False, compression="zstd")
            os.replace(aside, file)
        finally:
            aside.unlink(missing_ok=True)


def read_texts(folder: Path, part: Part, rows: Sequence[int]) -> list[str] | None:
    """The texts of these rows; None where they are not there, or not all of them."""
    import pandas as pd

    try:
        column = pd.read_parquet(_file(folder, part))[COLUMN]
        return [str(column.iloc[row]) for row in rows]
    except Exception:  # a damaged file raises whatever its bytes happen to lead to
        return None


def _file(folder: Path, part: Part) -> Path:
    return folder / f"texts_{part}.parquet"
