"""Cells of a column as numbers, truths or words: what a column is, and where it is none of them.

The rule: a column is one kind of thing. One cell that does not fit is refused with its row, never
turned into something else; which cells are missing is said, and what becomes of them decided by
whoever asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from tuner.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["number", "boolean", "category", "empty"]
ABSENT = frozenset({"", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None", "?"})
"""What stands for a missing value in a cell of text."""

TRUTHS = {"true": 1.0, "false": 0.0}
LARGEST = float(np.finfo(np.float32).max)

_DATE = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}(?:[T ].*)?|\d{1,2}[./]\d{1,2}[./](?:\d{4}|\d{2})(?: .*)?|"
    r"\d{4}/\d{1,2}/\d{1,2}(?: .*)?|\d{1,2}:\d{2}(?::\d{2}.*)?"
)
_COMMA = re.compile(r"[-+]?(?:\d+|\d*,\d+)")

T = TypeVar("T")
Words = NDArray[Any]
Mask = NDArray[np.bool_]
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Place:
    """Where a column stands, for messages.

    Attributes:
        file: as messages name it.
        column: its name.
        row: a row's name by its index among the rows that are read.
    """

    file: str
    column: str
    row: Callable[[int], str] = lambda index: f"row {index + 1}"

    def at(self, index: int) -> str:
        """`wine.csv, row 3, column ash`."""
        return f"{self.file}, {self.row(int(index))}, column {self.column}"

    def __str__(self) -> str:
        return f"{self.file}, column {self.column}"


@dataclass(frozen=True, eq=False)
class Cells:
    """A column as text, cell by cell.

    Attributes:
        words: (n,) texts without spaces around them; "" where missing.
        missing: (n,) which are missing.
    """

    words: Words
    missing: Mask


@dataclass(frozen=True, eq=False)
class Column:
    """A column and its values.

    Attributes:
        kind: what it is.
        missing: (n,) which cells are missing.
        numbers: (n,) of numbers, and truths as 0 and 1; NaN where missing; None of words.
        words: (n,) of categories; "" where missing; None of numbers.
        commas: commas separate decimals.
    """

    kind: Kind
    missing: Mask
    numbers: Numbers | None = None
    words: Words | None = None
    commas: bool = False


def cells_of(series: pd.Series[Any], place: Place, prose: bool = False) -> Cells:
    """The cells of a column as text.

    Args:
        series: of a table.
        place: for messages.
        prose: the cells are texts: only empty ones are missing.

    Raises:
        DataError: they are dates, lists or bytes.
    """
    import pandas as pd

    kinds = pd.api.types
    if (
        kinds.is_datetime64_any_dtype(series)
        or kinds.is_timedelta64_dtype(series)
        or isinstance(series.dtype, pd.PeriodDtype)
    ):
        raise _dates(place, str(series.dropna().iloc[0]) if series.notna().any() else "")
    missing = np.array(series.isna(), np.bool_)
    if kinds.is_numeric_dtype(series) and not kinds.is_bool_dtype(series):
        texts = [_number_text(v) for v in series.to_list()]
    else:
        texts = [_text_of(v, place, i) for i, v in enumerate(series.to_list())]
    words = np.array(texts, dtype=object)
    words[missing] = ""
    absent = {""} if prose else ABSENT
    missing |= np.fromiter((word in absent for word in words), np.bool_, len(words))
    words[missing] = ""
    return Cells(words, missing)


def _text_of(value: Any, place: Place, index: int) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, list | tuple | dict | set | bytes | np.ndarray):
        what = "bytes" if isinstance(value, bytes) else "lists or tables"
        raise DataError(
            f"{place.at(index)}: holds {what}, where a number or a word belongs.\n"
            f"{leave_out(place.column)}"
        )
    if type(value).__module__ == "datetime":
        raise _dates(place, str(value))
    return _number_text(value) if isinstance(value, int | float | np.number) else str(value)


def _number_text(value: Any) -> str:
    """A number as it would stand in a file: 3 and 3.0 are the same."""
    try:
        if float(value) == int(value):
            return str(int(value))
    except (TypeError, ValueError, OverflowError):
        return str(value)
    return repr(float(value))


def numbers_of(
    series: pd.Series[Any], place: Place, comma: bool = False
) -> tuple[Numbers, Mask, bool] | None:
    """A column of numbers, which of them are missing, and whether commas separate decimals.

    None where not a single cell is a number.

    Args:
        series: of a table.
        place: for messages.
        comma: cells such as `3,5` may be numbers.

    Raises:
        DataError: some cells are numbers and others are not, or one is infinite or too large.
    """
    import pandas as pd

    if pd.api.types.is_numeric_dtype(series):
        values = np.array(series.to_numpy(dtype="float64", na_value=np.nan), np.float64)
        return _finite(values, place), np.isnan(values), False
    if pd.api.types.is_string_dtype(series):  # most columns hold numbers and nothing else
        values = np.array(pd.to_numeric(series, errors="coerce"), np.float64)
        if not np.isnan(values).any():
            return _finite(values, place), np.isnan(values), False
    cells = cells_of(series, place)
    present = ~cells.missing
    values = np.full(len(cells.words), np.nan)
    found, commas = _parsed(cells.words[present]), False
    if comma and np.isnan(found).any():
        shown = [bool(_COMMA.fullmatch(word)) for word in cells.words[present]]
        if all(shown):
            commas = True
            found = _parsed(np.array([w.replace(",", ".") for w in cells.words[present]], object))
    values[present] = found
    bad = present & np.isnan(values)
    if not present.any() or bad.sum() == present.sum():
        return None
    if bad.any():
        raise _mixed(cells, present, bad, place)
    return _finite(values, place), cells.missing, commas


def _parsed(words: Words) -> Numbers:
    import pandas as pd

    found = pd.to_numeric(pd.Series(words, dtype=object), errors="coerce")
    return np.asarray(found, np.float64)


def _finite(values: Numbers, place: Place) -> Numbers:
    for what, wrong in (
        ("an infinite value", np.isinf(values)),
        ("a number beyond what 32 bits hold", np.abs(np.nan_to_num(values)) > LARGEST),
    ):
        if wrong.any():
            raise DataError(
                f"{place.at(int(np.argmax(wrong)))}: holds {what}.\n"
                "Mend it, or leave the cell empty and write `missing: impute` or `missing: drop`."
            )
    return values


def read_column(series: pd.Series[Any], place: Place, comma: bool = False) -> Column:
    """What a column is, and its values.

    Args:
        series: of a table.
        place: for messages.
        comma: cells such as `3,5` may be numbers.

    Raises:
        DataError: it is several things, dates, or holds what no cell can.
    """
    import pandas as pd

    if not pd.api.types.is_bool_dtype(series):
        found = numbers_of(series, place, comma)
        if found is not None:
            values, missing, commas = found
            kind: Kind = "empty" if missing.all() else "number"
            return Column(kind, missing, values, commas=commas)
    cells = cells_of(series, place)
    present = cells.words[~cells.missing]
    if len(present) == 0:
        return Column("empty", cells.missing, np.full(len(series), np.nan))
    if {word.lower() for word in present} <= TRUTHS.keys():
        truths = [TRUTHS.get(word.lower(), np.nan) for word in cells.words]
        return Column("boolean", cells.missing, np.array(truths, np.float64))
    if all(_DATE.fullmatch(word) for word in present):
        raise _dates(place, str(present[0]))
    return Column("category", cells.missing, words=cells.words)


def _mixed(cells: Cells, present: Mask, bad: Mask, place: Place) -> DataError:
    """Numbers among words, or words among numbers: the fewer are those that offend."""
    words = present & ~bad
    few, rest = (bad, "numbers") if bad.sum() <= words.sum() else (words, "words")
    index = int(np.argmax(few))
    return DataError(
        f"{place.at(index)}: holds {shown(cells.words[index])} among {rest}"
        f"{_others(int(few.sum()) - 1)}.\n"
        f"Make the column one of the two, or leave it out: `ignore: [{place.column}]`."
    )


def _others(more: int) -> str:
    return f", and {more:,} more rows do" if more > 1 else (", and 1 more row does" if more else "")


def for_each(names: Iterable[str], do: Callable[[str], T]) -> dict[str, T]:
    """What `do` gives for each column.

    Raises:
        DataError: of a column that it refuses; where it refuses several, all are named.
    """
    found: dict[str, T] = {}
    refused: dict[str, DataError] = {}
    for name in names:
        try:
            found[name] = do(name)
        except DataError as error:
            refused[name] = error
    if not refused:
        return found
    first = next(iter(refused.values()))
    if len(refused) == 1:
        raise first
    rest = list(refused)[1:]
    raise DataError(
        f"{str(first).splitlines()[0]} Nor can {', '.join(rest)} be used as "
        f"{'it is' if len(rest) == 1 else 'they are'}.\n"
        f"Mend them, or leave them out: `ignore: [{', '.join(refused)}]`."
    )


def shown(word: str) -> str:
    """A cell for a message, not too long."""
    return repr(word if len(word) <= 40 else f"{word[:39]}…")


def leave_out(column: str) -> str:
    """What to do about a column that cannot be used."""
    return f"Leave the column out: `ignore: [{column}]`."


def _dates(place: Place, example: str) -> DataError:
    such = f" such as {shown(example)}" if example else ""
    return DataError(
        f"{place}: holds dates or times{such}, which a model cannot take as they are.\n"
        f"Put numbers in their place (month, weekday, days since), or leave them out: "
        f"`ignore: [{place.column}]`."
    )
