"""Single rows of a data set: which were asked for, what they are, and images made of blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from tuner.data.dataset import Array
from tuner.data.encoding import feature_names
from tuner.data.prepared import Prepared
from tuner.data.summary import words_of_row
from tuner.data.texts import cut, one_paragraph
from tuner.errors import UsageError
from tuner.report.wording import one_line
from tuner.text import printable

MOST = 100  # rows at once
WORDS = 30  # of a text
CHARACTERS = 400  # of one that is kept
FIGURES = 8  # of a table's row
FEATURES = 20  # of one that has names
SHADES = " ░▒▓█"
PLAIN_SHADES = " .+#@"
DRAWN = 24  # images in the terminal
WIDEST = 40  # characters of one of them
DIGITS = 15  # of a row number
FIELDS = {
    "image": ("index", "label", "name"),
    "text": ("index", "label", "name", "known_words", "words", "text"),
    "table": ("index", "label", "name", "values"),
}


@dataclass(frozen=True)
class Row:
    """A row: its number in its split, its class, its features, and of a text its words.

    `text` is the text as it was, in one line and without tags; None where it is not kept.
    `names` are those of the features of a table of the user's own.
    """

    index: int
    label: int
    name: str
    x: Array
    words: tuple[str, ...] | None = None
    text: str | None = None
    names: tuple[str, ...] | None = None

    @property
    def title(self) -> str:
        return f"#{self.index} {self.name}"


def parse_rows(text: str) -> tuple[int, ...]:
    """Row numbers of a text such as `5,20,789` or `0-9,30`, in that order, each once.

    Raises:
        UsageError: it is written otherwise, or names more than `MOST` rows.
    """
    found: dict[int, None] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]+)\s*(?:-\s*([0-9]+)\s*)?", part)
        if match is None:
            raise UsageError(
                f"--index {one_line(text)}: {one_line(part) or 'nothing'} is no row number; "
                "write numbers and ranges such as 5,20,789 or 0-9."
            )
        if max(len(digits or "") for digits in match.groups()) > DIGITS:
            raise UsageError(
                f"--index {one_line(text, 40)}: no row number has more than {DIGITS} digits."
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise UsageError(f"--index {text}: write the range as {last}-{first}.")
        if last - first >= MOST or len(found) + last - first >= MOST:
            raise UsageError(f"--index {text}: at most {MOST} rows are shown at once.")
        found |= dict.fromkeys(range(first, last + 1))
    return tuple(found)


def rows_of(data: Prepared, split: str, numbers: Sequence[int]) -> list[Row]:
    """The rows with these numbers of the `train` or `test` rows.

    Raises:
        UsageError: there is no such row.
        DataError: there is no test split.
    """
    x, y = data.test() if split == "test" else (data.x_train, data.y_train)
    outside = [number for number in numbers if number >= len(y)]
    if outside:
        kind = "test" if split == "test" else "training"
        raise UsageError(
            f"--index: {data.name} has no {kind} row {outside[0]}; they go from 0 to {len(y) - 1}."
        )
    vocabulary = data.vocabulary
    texts: list[str] | None = None
    features = (data.encoder or {}).get("from") == "table" and feature_names(data.encoder or {})
    if vocabulary is not None:
        texts = data.texts("test" if split == "test" else "train", numbers)
    return [
        Row(
            index=number,
            label=int(y[number]),
            name=data.class_names[int(y[number])],
            x=x[number],
            words=None if vocabulary is None else tuple(words_of_row(x[number], vocabulary)),
            text=None if texts is None else one_paragraph(texts[at]),
            names=tuple(features) if features else None,
        )
        for at, number in enumerate(numbers)
    ]


def rows_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """One object a row; a text's words, the rarest first, and a table's values are all there."""
    found = []
    for row in rows:
        raw: dict[str, Any] = {"index": row.index, "label": row.label, "name": row.name}
        if row.words is not None:
            raw |= {"known_words": len(row.words), "words": list(row.words), "text": row.text}
        elif row.x.ndim == 1:
            raw["values"] = row.x.tolist()
            if row.names is not None:
                raw["features"] = list(row.names)
        found.append(raw)
    return found


@dataclass(frozen=True)
class RowsPage:
    """Rows for a terminal, in the width they are printed in.

    Attributes:
        rows: what to show.
        kind: of the data set.
        scale: values go from 0 to this.
    """

    rows: Sequence[Row]
    kind: str
    scale: float

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self.kind == "image":
            plain = options.ascii_only
            yield from _images(self.rows, self.scale, options.max_width, plain)
            return
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(justify="right", no_wrap=True)
        table.add_column(overflow="fold", style="bold")
        table.add_column(overflow="fold")
        for row in self.rows:
            table.add_row(f"#{row.index}", Text(row.name), Text(_told(row)))
        yield table


def _told(row: Row) -> str:
    if row.names is not None:
        pairs = zip(row.names, row.x.tolist(), strict=True)
        said = [n if "=" in n else f"{n} {v:.6g}" for n, v in pairs if v or "=" not in n]
        return ", ".join(said[:FEATURES]) + (", …" if len(said) > FEATURES else "")
    if row.words is None:
        more = ", …" if len(row.x) > FIGURES else ""
        return ", ".join(f"{figure:.4g}" for figure in row.x[:FIGURES].tolist()) + more
    if row.text is not None:
        start, rest = cut(row.text, CHARACTERS)
        return f"{printable(start)}{' …' if rest else ''} ({len(row.words)} known words)"
    more = f" … ({len(row.words)} known words)"
    if len(row.words) <= WORDS:
        more = f" ({len(row.words)} known words)"
    return " ".join(row.words[:WORDS]) + more


def _images(rows: Sequence[Row], scale: float, width: int, plain: bool) -> Iterator[Table | Text]:
    """All labels, with the images in blocks where some fit side by side."""
    drawn = [image_lines(row.x, scale, plain) for row in rows]
    each = max(max(len(lines[0]) for lines in drawn), *(len(row.title) for row in rows)) + 2
    beside = (width + 2) // each
    if len(rows) > DRAWN or max(len(lines[0]) for lines in drawn) > WIDEST or not beside:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(justify="right", no_wrap=True)
        table.add_column(overflow="fold")
        for row in rows:
            table.add_row(f"#{row.index}", Text(row.name))
        yield table
        return
    for first in range(0, len(rows), beside):
        grid = Table.grid(padding=(0, 2, 0, 0))
        some = list(zip(rows, drawn, strict=True))[first : first + beside]
        grid.add_row(*(Text(row.title, style="bold", no_wrap=True) for row, _ in some))
        grid.add_row(*(Text("\n".join(lines), no_wrap=True) for _, lines in some))
        yield grid
        if first + beside < len(rows):
            yield Text()


def image_lines(image: Array, scale: float, plain: bool = False) -> list[str]:
    """An image as lines of blocks, the denser the higher the value; colours become grey.

    A character is about twice as high as wide: it stands for two pixels, one above the other, or
    two of them for one pixel where the image is small.
    """
    shades = PLAIN_SHADES if plain else SHADES
    grey = np.asarray(image, dtype=np.float64) / scale
    grey = grey.mean(axis=2) if grey.ndim == 3 else grey
    if grey.shape[1] * 2 <= WIDEST:
        grey = np.repeat(grey, 2, axis=1)
    else:
        grey = np.pad(grey, ((0, grey.shape[0] % 2), (0, 0)))
        grey = (grey[0::2] + grey[1::2]) / 2
    levels = np.clip(np.round(grey * (len(shades) - 1)), 0, len(shades) - 1).astype(np.int64)
    return ["".join(shades[level] for level in line) for line in levels]
