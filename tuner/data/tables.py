"""Table files of a user's own as columns of what stands in them: `.csv`, `.tsv` and `.parquet`.

The rule: nothing is guessed about values here. Cells of text files stay text until `columns` reads
them; a file that is no table, or whose rows differ in length, is refused with its place.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.data.pictures import reason, refuse_pointer
from tuner.errors import DataError
from tuner.text import is_printable, printable

if TYPE_CHECKING:
    import pandas as pd

TABLES = (".csv", ".tsv", ".parquet")
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "`|`"}
LONGEST = 1 << 30  # characters of a cell
_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_NAMED = 8  # columns that a message lists


@dataclass(frozen=True, eq=False)
class Table:
    """What stands in a table file.

    Attributes:
        file: as messages name it.
        frame: the columns, named as in the file; cells of a text file are text.
        delimiter: what separates the cells of a text file, else None.
    """

    file: str
    frame: pd.DataFrame
    delimiter: str | None = None

    @property
    def names(self) -> list[str]:
        """The columns' names, in the file's order."""
        return list(self.frame.columns)

    def __len__(self) -> int:
        return len(self.frame)


def read_table(path: Path) -> Table:
    """The table in a file.

    Raises:
        DataError: the file is empty, damaged or no table, with the place where there is one.
    """
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{path} is empty.")
        refuse_pointer(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}).") from error
    table = _parquet(path) if path.suffix.lower() == ".parquet" else _text(path)
    if len(table) == 0:
        what = "has a header and no rows" if table.delimiter else "has no rows"
        raise DataError(f"{path} {what}.")
    return table


def names_text(names: Sequence[str]) -> str:
    """Some names of columns for a message."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return printable(f"{', '.join(map(str, names[:_NAMED]))}{more}")


def read_parquet(path: Path) -> pd.DataFrame:
    """The data frame in a Parquet file.

    Raises:
        DataError: there is none, or it is damaged.
    """
    import pandas as pd

    try:
        return pd.read_parquet(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or reason(error)}).") from error
    except Exception as error:  # a damaged file raises whatever its bytes happen to lead to
        raise DataError(
            f"{path} is not a Parquet file, or is cut short ({reason(error)}).\n"
            "Get or copy it again."
        ) from error


def _parquet(path: Path) -> Table:
    import pandas as pd

    frame = read_parquet(path).reset_index(drop=True)
    frame.columns = pd.Index([str(name) for name in frame.columns], dtype=object)
    _refuse_names(path, list(frame.columns))
    return Table(str(path), frame)


def _text(path: Path) -> Table:
    import pandas as pd

    text = _decoded(path)
    delimiter = _delimiter(path, text)
    header = _checked_header(path, text, delimiter)
    try:
        frame = pd.read_csv(
            io.StringIO(text),
            sep=delimiter,
            header=None,
            skiprows=0,
            dtype=str,
            keep_default_na=False,
            na_filter=False,
        )
    except Exception as error:
        raise DataError(f"{path} cannot be read as a table ({reason(error)}).") from error
    frame = frame.iloc[1:].reset_index(drop=True)
    frame.columns = pd.Index(header, dtype=object)
    return Table(str(path), frame, delimiter)


def _decoded(path: Path) -> str:
    """The text of a file in UTF-8."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}).") from error
    for mark, name in _BOMS.items():
        if raw.startswith(mark):
            raise DataError(f"{path} is {name} text.\nSave it as UTF-8.")
    if b"\0" in raw[:4096]:
        raise DataError(f"{path} is not a text file, whatever its name says.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path} is not UTF-8 text: line {line} holds the byte 0x{raw[error.start]:02x}.\n"
            "Save it as UTF-8; spreadsheets call it CSV UTF-8."
        ) from error
    if not text.strip():
        raise DataError(f"{path} is empty.")
    return text


def _delimiter(path: Path, text: str) -> str:
    """What separates cells: what the first line has most of, outside quotes."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    first = next(line for line in text.splitlines() if line.strip())
    outside = "".join(first.split('"')[::2])
    counts = Counter(c for c in outside if c in DELIMITERS)
    return counts.most_common(1)[0][0] if counts else ","


def _checked_header(path: Path, text: str, delimiter: str) -> list[str]:
    """The names in the first row, once all rows are as long as that."""
    limit = csv.field_size_limit(LONGEST)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    begins = 1
    try:
        for cells in reader:
            if not cells:
                pass
            elif header is None:
                header = [cell.strip() for cell in cells]
            elif len(cells) != len(header):
                raise DataError(
                    f"{path}, line {begins}: has {_cells(len(cells))}, but the first line has "
                    f"{len(header)}, separated by {DELIMITERS[delimiter]}.\n"
                    "Mend that line; a cell that holds the separator needs quotes around it."
                )
            begins = reader.line_num + 1
    except csv.Error as error:
        why = "a quote that begins there is not closed" if "end of data" in str(error) else error
        raise DataError(f"{path}, line {begins}: cannot be read as a row ({why}).") from error
    finally:
        csv.field_size_limit(limit)
    assert header is not None
    _refuse_names(path, header)
    return header


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"


def _refuse_names(path: Path, names: list[str]) -> None:
    """Raise DataError where columns cannot be told apart by their names."""
    twice = [name for name, count in Counter(names).items() if count > 1 and name]
    if twice:
        raise DataError(
            f"{path} has several columns called {names_text(twice)}.\nGive each a name of its own."
        )
    odd = [number for number, name in enumerate(names, 1) if not is_printable(name)]
    if odd:
        raise DataError(
            f"{path}: the name of column {odd[0]} holds characters that cannot be printed: "
            f"{names[odd[0] - 1]!r}.\nGive it another one."
        )
    unnamed = [number for number, name in enumerate(names, 1) if not name]
    if unnamed[1:] or (unnamed and unnamed != [1]):
        raise DataError(
            f"{path}: column {unnamed[-1]} has no name.\nGive it one in the first line."
        )
    if len(names) > 1 and all(is_number(name) for name in names) and not is_counted(names):
        raise DataError(
            f"{path}: the first line holds numbers ({names_text(names)}), where the names of the "
            "columns belong.\nAdd a first line with names."
        )


def is_counted(names: Sequence[Any]) -> bool:
    """Whether these are the numbers 0, 1, 2 and so on, as texts: names of columns, no row."""
    return len(names) > 2 and list(names) == [str(number) for number in range(len(names))]


def is_number(text: str) -> bool:
    """Whether a cell holds a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
