"""Files of a user as rows that an exported model takes: pictures, arrays, tables and texts.

The rule: a row leaves here exactly as the model's training rows were, in shape, type and range, or
not at all: what had to be changed is said in a note, and what cannot be meant is an error. Nothing
is ever unpickled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tuner.data.columns import Place, cells_of
from tuner.data.dataset import Array
from tuner.data.encoding import encode_table
from tuner.data.labels import USUAL
from tuner.data.pictures import PICTURES, open_flat, pixels_of, reason
from tuner.data.tables import TABLES, is_counted, is_number, names_text, read_table
from tuner.data.words import multi_hot, words_of
from tuner.errors import DataError

ARRAYS = (".npy", ".npz")
TEXTS = (".txt",)
STDIN = "-"
TEXT_COLUMN = "text"
LIGHT, DARK = 0.5, 0.25
"""Mean brightness from which, and up to which, a picture's border is called so."""


@dataclass(frozen=True)
class Wanted:
    """What a model takes.

    Attributes:
        kind: `image`, `table` or `text`.
        shape: of one row.
        dtype: as numpy spells it.
        scale: by what the model divides; for images the brightest pixel.
        vocabulary: of texts, the word of each column.
        edge: of images, the mean brightness of their border in training, from 0 to 1, or None.
        encoder: of a model of data of the user's own, how rows are made of what is in files.
    """

    kind: str
    shape: tuple[int, ...]
    dtype: str
    scale: float
    vocabulary: tuple[str, ...] | None = None
    edge: float | None = None
    encoder: Mapping[str, Any] | None = None

    @property
    def from_table(self) -> bool:
        """Whether rows are made of a table's columns by name."""
        return self.encoder is not None and self.encoder.get("from") == "table"

    @property
    def size(self) -> int:
        """Numbers in one row."""
        return int(np.prod(self.shape))

    @property
    def endings(self) -> tuple[str, ...]:
        """Endings of the files that can hold such rows."""
        own = {"image": PICTURES, "text": TEXTS}.get(self.kind, ())
        return (*own, *ARRAYS, *TABLES)


@dataclass(frozen=True, eq=False)
class Inputs:
    """Rows for a model.

    Attributes:
        x: (n, *shape), as the model takes them.
        rows: the number of each row within its file, from 0; None for a file that is one row.
        notes: what was changed or looks wrong, a line each.
    """

    x: Array
    rows: tuple[int | None, ...]
    notes: tuple[str, ...] = ()


def read_inputs(file: str, wanted: Wanted, text: str | None = None, invert: bool = False) -> Inputs:
    """The rows in one file.

    Args:
        file: a path, `FILE.npz:NAME` for one array of several, or `-`.
        wanted: what the model takes.
        text: what was read from standard input, for `-`.
        invert: turn dark into light in pictures.

    Raises:
        DataError: the file is missing or damaged, or holds something else.
    """
    if file == STDIN:
        if wanted.kind != "text":
            raise DataError(
                f"standard input is read as text, but this model takes {_rows_text(wanted)}."
            )
        return _text_rows([text or ""], (None,), wanted, "standard input")
    path, key = _split_key(file)
    if path.is_dir():
        raise DataError(f"{file} is a folder: name the files in it, as in {path / '*.png'}.")
    ending = path.suffix.lower()
    if ending not in wanted.endings:
        raise DataError(
            f"{file}: a model that takes {_rows_text(wanted)} cannot read "
            f"{ending or 'a file without an ending'}.\nIt reads {', '.join(wanted.endings)}."
        )
    if not path.exists():
        raise DataError(f"{file}: there is no such file.")
    if ending in PICTURES:
        return _picture(path, wanted, invert)
    if ending in TEXTS:
        return _text_rows([_read_text(path)], (None,), wanted, file)
    if ending in TABLES and wanted.from_table:
        return _encoded(path, wanted)
    if ending in TABLES and wanted.kind == "text" and wanted.encoder is not None:
        return _own_texts(path, wanted)
    if ending in TABLES:
        return _table(path, wanted)
    found = _shaped(_array(path, key), wanted, file)
    if wanted.from_table:
        note = f"{file}: its columns are taken for the features, in the order of training."
        return Inputs(found.x, found.rows, (*found.notes, note))
    return found


def _split_key(file: str) -> tuple[Path, str | None]:
    found = re.fullmatch(r"(.+\.npz):(\w+)", file, re.IGNORECASE)
    if found is None or Path(file).exists():
        return Path(file), None
    return Path(found[1]), found[2]


def _rows_text(wanted: Wanted) -> str:
    shape = "×".join(map(str, wanted.shape))
    return {
        "image": f"images of {shape} pixels",
        "text": "texts",
        "table": f"rows of {wanted.size} columns",
    }[wanted.kind]


# --- pictures ---------------------------------------------------------------------------------


def _picture(path: Path, wanted: Wanted, invert: bool) -> Inputs:
    height, width = wanted.shape[:2]
    colours = wanted.shape[2] if len(wanted.shape) == 3 else 1
    if colours not in (1, 3):
        raise DataError(f"{path}: this model takes {colours} channels, which no picture file has.")
    image, notes = open_flat(path)
    if image.size != (width, height):
        notes.append(f"{path}: resized from {image.size[0]}×{image.size[1]} to {width}×{height}.")
    pixels = np.asarray(pixels_of(image, colours, (height, width)), np.float64) / 255
    if invert:
        pixels = 1 - pixels
    notes += _looks_inverted(path, pixels, wanted)
    whole = np.dtype(wanted.dtype).kind in "iu"
    scaled = pixels * wanted.scale
    x = (np.rint(scaled) if whole else scaled).astype(wanted.dtype)
    return Inputs(x.reshape(1, *wanted.shape), (None,), tuple(notes))


def _looks_inverted(path: Path, pixels: Array, wanted: Wanted) -> list[str]:
    if wanted.edge is None:
        return []
    border = np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]]).mean()
    for found, trained, here, there in (
        (border >= LIGHT, wanted.edge <= DARK, "light", "dark"),
        (border <= DARK, wanted.edge >= LIGHT, "dark", "light"),
    ):
        if found and trained:
            return [
                f"{path}: its border is {here}, while that of the training pictures is {there}; "
                "--invert turns light into dark."
            ]
    return []


# --- arrays and tables ------------------------------------------------------------------------


def _array(path: Path, key: str | None) -> Array:
    """The array in a `.npy` file, or the one meant in a `.npz` file."""
    try:
        with path.open("rb") as handle:
            found: Any = np.load(handle, allow_pickle=False)
            if not isinstance(found, np.lib.npyio.NpzFile):
                if key is not None:
                    raise DataError(f"{path} holds a single array: leave :{key} away.")
                array: Array = found
                return array
            with found as archive:
                names = list(archive.files)
                name = key or (names[0] if len(names) == 1 else "x")
                if name not in names:
                    say = f"has no array {key}" if key else "holds several arrays"
                    raise DataError(
                        f"{path} {say}: {', '.join(names[:10]) or 'none'}.\n"
                        f"Say which one, as in {path}:{names[0] if names else 'x'}."
                    )
                chosen: Array = archive[name]
                return chosen
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{path} cannot be read as arrays ({reason(error)}).") from error


def _encoded(path: Path, wanted: Wanted) -> Inputs:
    """Rows of a table with the columns that the model was trained on, in any order."""
    assert wanted.encoder is not None
    table = read_table(path)
    commas = table.delimiter == ";"
    x, notes = encode_table(table.frame, wanted.encoder, table.file, commas)
    return Inputs(x, tuple(range(len(table))), tuple(notes))


def _own_texts(path: Path, wanted: Wanted) -> Inputs:
    """Texts of a table, from the column that they were in when the model was trained."""
    assert wanted.encoder is not None
    table = read_table(path)
    column = wanted.encoder.get("text") or TEXT_COLUMN
    if column not in table.names:
        raise DataError(
            f"{path} has no column {column}, which held the texts in training.\n"
            f"It has {names_text(table.names)}."
        )
    cells = cells_of(table.frame[column], Place(table.file, column), prose=True)
    return _text_rows(cells.words.tolist(), tuple(range(len(table))), wanted, str(path))


def _table(path: Path, wanted: Wanted) -> Inputs:
    import pandas as pd

    notes = []
    try:
        if path.suffix.lower() == ".parquet":
            table = pd.read_parquet(path)
        else:
            # As it stands there: as names of columns pandas would make equal cells different.
            first = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False)
            if _is_row(first.iloc[0].tolist()):
                table = pd.read_csv(path, header=None)
                notes.append(f"{path}: its first line is taken for a row, since it holds numbers.")
            else:
                table = pd.read_csv(path)
    except Exception as error:
        raise DataError(f"{path} cannot be read as a table ({reason(error)}).") from error
    if len(table) == 0:
        raise DataError(f"{path} has no rows.")
    numbers = tuple(range(len(table)))
    if wanted.kind == "text":
        if TEXT_COLUMN not in table.columns:
            have = ", ".join(map(str, table.columns[:8]))
            raise DataError(f"{path} has no column {TEXT_COLUMN}; it has {have}.")
        texts = table[TEXT_COLUMN]
        if not all(isinstance(text, str) for text in texts):
            raise DataError(f"{path}: {TEXT_COLUMN} holds something else than texts.")
        return _text_rows(texts.tolist(), numbers, wanted, str(path))
    columns = [name for name in table.columns if str(name).lower() not in USUAL]
    if len(columns) < len(table.columns) and len(table.columns) != wanted.size:
        left = ", ".join(str(name) for name in table.columns if name not in columns)
        notes.append(f"{path}: {left} is left out.")
        table = table[columns]
    other = [str(n) for n in table.columns if not pd.api.types.is_numeric_dtype(table[n])]
    if other:
        raise DataError(f"{path}: {', '.join(other[:5])} does not hold numbers.")
    if len(table.columns) != wanted.size:
        raise DataError(
            f"{path} has {len(table.columns)} columns of numbers, but this model takes "
            f"{wanted.size}: {_rows_text(wanted)}."
        )
    found = _shaped(table.to_numpy(), wanted, str(path))
    return Inputs(found.x, numbers, (*notes, *found.notes))


def _is_row(cells: Sequence[str]) -> bool:
    """Whether the first line of a table is a row; columns may be called 0, 1, 2 and so on."""
    return all(map(is_number, cells)) and not is_counted(cells)


def _shaped(array: Array, wanted: Wanted, file: str) -> Inputs:
    """The rows in an array: one row or several, pixels in their grid or one after another."""
    shape = wanted.shape
    several = array.shape[1:] in (shape, (*shape, 1), (wanted.size,))
    if not several and array.shape not in (shape, (*shape, 1), (wanted.size,)):
        raise DataError(
            f"{file} holds an array of the shape {array.shape}, but this model takes "
            f"{_rows_text(wanted)}: {shape}, or {('n', *shape)} for several.".replace("'", "")
        )
    if several and len(array) == 0:
        raise DataError(f"{file} has no rows.")
    x, notes = _typed(array.reshape(-1, *shape), wanted, file)
    return Inputs(x, tuple(range(len(x))) if several else (None,), tuple(notes))


def _typed(x: Array, wanted: Wanted, file: str) -> tuple[Array, list[str]]:
    """The rows in the type of the training rows; what would be bent by that is refused."""
    if x.dtype.kind not in "buif":
        raise DataError(f"{file} holds {x.dtype}, but this model takes numbers.")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise DataError(f"{file} holds values that are missing, NaN or infinite.")
    target = np.dtype(wanted.dtype)
    low, high = float(x.min()), float(x.max())
    if target.kind in "iu":
        if x.dtype.kind == "f" and not np.equal(x, np.rint(x)).all():
            hint = (
                f"Multiply them by {wanted.scale:g}: the model scales by itself."
                if wanted.scale > 1 and high <= 1
                else "Round them if that is meant."
            )
            raise DataError(
                f"{file} holds fractions from {low:g} to {high:g}, but this model takes whole "
                f"numbers as they were measured.\n{hint}"
            )
        limits = np.iinfo(target)
        if low < limits.min or high > limits.max:
            raise DataError(
                f"{file} holds values from {low:g} to {high:g}, but this model takes "
                f"{limits.min} to {limits.max}."
            )
    notes = []
    if wanted.kind == "image" and high > wanted.scale:
        notes.append(
            f"{file}: values reach {high:g}, but those of the training pictures only "
            f"{wanted.scale:g}."
        )
    return x.astype(target), notes


# --- texts ------------------------------------------------------------------------------------


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as UTF-8 text ({reason(error)}).") from error


def _text_rows(
    texts: Sequence[str], rows: tuple[int | None, ...], wanted: Wanted, file: str
) -> Inputs:
    """One row a text, with the words of the training texts as columns."""
    assert wanted.vocabulary is not None
    x = multi_hot(map(words_of, texts), len(texts), wanted.vocabulary)
    empty = int((x.sum(axis=1) == 0).sum())
    notes = []
    if empty:
        which = "it holds" if len(texts) == 1 else f"{empty:,} of {len(texts):,} texts hold"
        notes.append(
            f"{file}: {which} none of the {len(wanted.vocabulary):,} words that the model knows; "
            "its answer means nothing."
        )
    return Inputs(x.astype(wanted.dtype), rows, tuple(notes))
