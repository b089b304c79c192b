"""What a data set holds, for a person and for programs: figures, counts of classes, remarks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from tuner.data.equal_rows import EqualRows, equal_rows
from tuner.data.prepared import Prepared
from tuner.data.summary import (
    ClassRows,
    Column,
    Words,
    balanced,
    class_rows,
    columns_of,
    value_range,
    words_in,
)
from tuner.report.jsonout import SCHEMA
from tuner.report.own_data_view import from_table, own_columns, own_facts, own_json, remarks_of
from tuner.report.tables import new_table
from tuner.report.wording import number_text, one_line
from tuner.trial import SplitSpec
from tuner.workspace import size_text

WORDS = 15  # telling words of a class
WORDS_TOLD = 8  # of these in the terminal
COLUMNS = 10  # columns of a table that are summed up
SPLITS = ("training", "train", "validation", "test")
CLASS_FIELDS = ("label", "name", *(f for s in SPLITS for f in (s, f"{s}_share")))


@dataclass(frozen=True)
class Contents:
    """What is told of a data set.

    Attributes:
        data: the arrays.
        rows: of each class and split.
        unsplit: why the default split cannot be made, or an empty text.
        least, most: of all training values.
        words: of a text set.
        columns: the first ones of a table.
        equal: of data of the user's own, which rows are there more than once.
    """

    data: Prepared
    rows: tuple[ClassRows, ...]
    unsplit: str
    least: float
    most: float
    words: Words | None
    columns: tuple[Column, ...]
    equal: EqualRows | None = None

    @property
    def totals(self) -> dict[str, int | None]:
        """Rows of each split; None where there is none."""
        found = {split: [getattr(row, split) for row in self.rows] for split in SPLITS}
        return {s: None if None in counts else sum(counts) for s, counts in found.items()}

    @property
    def size(self) -> int:
        """Bytes of all arrays."""
        arrays = [self.data.x_train, self.data.y_train]
        return sum(a.nbytes for a in (*arrays, *(self.data.test() if self.data.has_test else ())))


def contents_of(data: Prepared) -> Contents:
    """Read through the data; takes a second at most."""
    rows, unsplit = class_rows(data)
    least, most = value_range(data.x_train)
    return Contents(
        data=data,
        rows=rows,
        unsplit=unsplit,
        least=least,
        most=most,
        words=words_in(data, WORDS) if data.kind == "text" else None,
        columns=columns_of(data.x_train, COLUMNS) if data.kind == "table" else (),
        equal=None if data.encoder is None else equal_rows(data),
    )


def contents_json(contents: Contents) -> dict[str, Any]:
    """The object that `tuner data NAME --format json` prints, without the picture."""
    data, words = contents.data, contents.words
    found = {
        "schema": SCHEMA,
        "name": data.name,
        "description": data.description,
        "source": data.source,
        "kind": data.kind,
        "fingerprint": data.fingerprint,
        "shapes": {name: list(shape) for name, shape in data.shapes.items()},
        "dtypes": {name: np.dtype(dtype).name for name, dtype in data.dtypes.items()},
        "dtype": data.x_train.dtype.name,
        "range": [contents.least, contents.most],
        "scale": data.scale,
        "bytes": contents.size,
        "split": asdict(SplitSpec()),
        "rows": contents.totals,
        "classes": class_json(contents),
        "balanced": balanced(contents.rows),
    }
    if words is not None:
        found["words"] = {
            "vocabulary": len(data.vocabulary or ()),
            "in_a_row": {"min": words.least, "mean": words.mean, "max": words.most},
            "telling": [[asdict(w) for w in telling] for telling in words.telling],
        }
    if data.kind == "table":
        found["columns"] = [asdict(column) for column in contents.columns]
    if contents.equal is not None:
        found |= own_json(data, contents.equal)
    return found


def class_json(contents: Contents) -> list[dict[str, Any]]:
    """One object a class: rows of each split, and which share of that split they are."""
    totals = contents.totals
    found = []
    for row in contents.rows:
        raw: dict[str, Any] = {"label": row.label, "name": row.name}
        for split, total in totals.items():
            count = getattr(row, split)
            raw[split] = count
            raw[f"{split}_share"] = round(count / total, 6) if total else None
        found.append(raw)
    return found


@dataclass(frozen=True)
class DataPage:
    """A data set for a terminal, in the width it is printed in."""

    contents: Contents

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        contents = self.contents
        yield Text(contents.data.name, style="bold")
        yield Text(contents.data.description)
        yield Text()
        facts = Table.grid(padding=(0, 2, 0, 0))
        facts.add_column(no_wrap=True, style="dim")
        facts.add_column(overflow="fold")
        for name, text in _facts(contents):
            facts.add_row(name, Text(text))
        yield facts
        yield Text()
        table = _classes(contents)
        if console.measure(table, options=options.update(width=10_000)).maximum > options.max_width:
            table = _classes(contents, shares=False)
        yield table
        yield Text()
        for text in _remarks(contents):
            yield Text(text, style="dim")
        if contents.equal is not None:
            for text in remarks_of(contents.data, contents.equal):
                yield Text(text)
        if from_table(contents.data):
            yield Text()
            yield from own_columns(contents.data)
        elif contents.columns:
            yield Text()
            yield from _columns(contents)
        if contents.words is not None:
            yield Text()
            yield from _words(contents, contents.words)


def _facts(contents: Contents) -> Iterator[tuple[str, str]]:
    data = contents.data
    yield "source", data.source
    yield "fingerprint", data.fingerprint
    for split in ("train", "test") if data.has_test else ("train",):
        x, y = data.shapes[f"x_{split}"], data.dtypes[f"y_{split}"]
        shape = " × ".join(f"{size:,}" for size in x)
        types = f"{data.x_train.dtype.name}, labels {np.dtype(y).name}"
        yield "training" if split == "train" else split, f"{shape} {types}"
    span = f"{number_text(contents.least)} to {number_text(contents.most)}"
    divided = f"; the model divides them by {number_text(data.scale)}" if data.scale != 1 else ""
    yield "values", span + divided
    yield from own_facts(data) if contents.equal is not None else ()
    if contents.words is not None:
        words = contents.words
        yield "words", f"{words.least:,} to {words.most:,} in a row, {words.mean:,.0f} on average"
    yield "memory", f"{size_text(contents.size)} in all, which workers share"


def _classes(contents: Contents, shares: bool = True) -> Table:
    """Counts and shares; the two sides of the training rows are there if they can be cut."""

    def cell(count: int, share: str) -> str:
        return f"{count:,} {share:>6}" if shares else f"{count:,}"

    totals = {split: total for split, total in contents.totals.items() if total is not None}
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("class", overflow="fold")
    for split in totals:
        table.add_column(split, justify="right", no_wrap=True)
    for row in contents.rows:
        cells = [(getattr(row, split), total) for split, total in totals.items()]
        texts = [cell(count, _percent(count, total)) for count, total in cells]
        table.add_row(str(row.label), Text(row.name), *texts)
    table.add_row("", "all", *(cell(total, "100 %") for total in totals.values()), style="dim")
    return table


def _percent(count: int, total: int) -> str:
    return f"{100 * count / total:.1f} %" if total else "–"


def _remarks(contents: Contents) -> Iterator[str]:
    spec = SplitSpec()
    if contents.unsplit:
        yield f"The default split cannot be made: {one_line(contents.unsplit, 300)}."
    else:
        yield (
            f"A sweep cuts the training rows into train ({100 * (1 - spec.fraction):.0f} %) and "
            f"validation ({100 * spec.fraction:.0f} %), every class in proportion, unless its "
            "file says otherwise."
        )
    yield balance_text(contents.rows)


def balance_text(rows: Sequence[ClassRows]) -> str:
    """Whether the classes are balanced, and if not, how far from it they are."""
    total = sum(row.training for row in rows)
    rarest = min(rows, key=lambda row: row.training)
    most = max(rows, key=lambda row: row.training)
    if rarest.training == most.training:
        return f"Balanced: every class has {_percent(most.training, total)} of the training rows."
    low, high = (_percent(row.training, total) for row in (rarest, most))
    if balanced(rows):
        return f"Balanced: the classes have from {low} to {high} of the training rows."
    return (
        f"Not balanced: the rarest class, {rarest.name}, has {low} of the training rows, the most "
        f"frequent, {most.name}, {high}. A model that always says {most.name} is right that often."
    )


def _columns(contents: Contents) -> Iterator[Table | Text]:
    table = new_table()
    for name in ("column", "least", "mean", "greatest"):
        table.add_column(name, justify="right", no_wrap=True)
    for column in contents.columns:
        figures = [f"{figure:.4g}" for figure in (column.least, column.mean, column.most)]
        table.add_row(str(column.index), *figures)
    yield table
    (width,) = contents.data.input_shape
    if width > len(contents.columns):
        yield Text(f"The first {len(contents.columns)} of {width:,} columns.", style="dim")


def _words(contents: Contents, words: Words) -> Iterator[Table | Text]:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(overflow="fold", style="bold")
    table.add_column(overflow="fold")
    yield Text("Words that speak most for each class", style="bold")
    for name, telling in zip(contents.data.class_names, words.telling, strict=True):
        table.add_row(Text(name), Text(", ".join(word.word for word in telling[:WORDS_TOLD])))
    yield table
