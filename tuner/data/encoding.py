"""Columns of a table as features of a model, and the plain JSON that says how: an encoder.

    {"from": "table", "classes": ["no", "yes"], "label": "bought", "missing": "impute", "columns": [
      {"name": "age", "kind": "number", "median": 41.0},
      {"name": "member", "kind": "boolean", "median": 1.0},
      {"name": "town", "kind": "category", "categories": ["Bern", "Oslo", "(missing)"]}]}

The rule: an encoder is made of training rows only, and whatever is encoded later, test rows or rows
that a model is asked about, goes through the same function. A number and a truth are one feature
each, a category one for each of its values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tuner.data.columns import Column, Mask, Place, cells_of, leave_out, read_column, shown
from tuner.data.dataset import Standard
from tuner.data.tables import names_text
from tuner.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

MISSING = "(missing)"
MOST_CATEGORIES = 200
ID_ROWS = 20
"""Rows from which on a column with another word in each is an id."""

APART = 1e5
"""A mean this many deviations away from 0 leaves 32 bits little to tell rows apart by."""

PROSE = 25  # characters of a word on average from which on it is more likely a text
Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Fitted:
    """What became of a column.

    Attributes:
        entry: its part of the encoder, or None where it is left out.
        why: `number`, `boolean`, `category`, `constant` or `empty`.
    """

    entry: dict[str, Any] | None
    why: str


def fit(column: Column, place: Place, training: Mask, impute: bool) -> Fitted:
    """How a column becomes features.

    Args:
        column: all its rows.
        place: for messages.
        training: (n,) which rows are training rows.
        impute: missing values are allowed.

    Raises:
        DataError: it has too many categories.
    """
    missing = column.missing & training
    present = ~column.missing & training
    if not present.any():
        return Fitted(None, "empty")
    if column.numbers is not None:
        numbers = column.numbers[present]
        if numbers.min() == numbers.max():
            return Fitted(None, "constant")
        entry: dict[str, Any] = {"name": place.column, "kind": column.kind}
        if impute:
            median = float(np.median(numbers))
            # Of as many truths as untruths neither is the middle.
            entry["median"] = float(median >= 0.5) if column.kind == "boolean" else median
        if column.commas:
            entry["commas"] = True
        return Fitted(entry, column.kind)
    assert column.words is not None
    words = column.words[present]
    categories = sorted(set(words.tolist()))
    _refuse_many(categories, int(training.sum()), words, place)
    if missing.any():
        categories.append(MISSING)
    if len(categories) == 1:
        return Fitted(None, "constant")
    return Fitted({"name": place.column, "kind": "category", "categories": categories}, column.kind)


def _refuse_many(categories: Sequence[str], rows: int, words: NDArray[Any], place: Place) -> None:
    unique = len(categories) >= len(words) and rows >= ID_ROWS
    if len(categories) <= MOST_CATEGORIES and not unique:
        return
    what = f"{len(categories):,} different words in {rows:,} rows, such as {shown(categories[0])}"
    remedy = leave_out(place.column)
    if np.mean([len(word) for word in words[:1000]]) >= PROSE:
        remedy = f"If it holds texts, name it: `text: {place.column}`. Or leave it out: "
        remedy += f"`ignore: [{place.column}]`."
    why = "an id, it seems" if unique else f"more than {MOST_CATEGORIES} categories"
    raise DataError(f"{place}: holds {what}: {why}.\n{remedy}")


def width_of(encoder: Mapping[str, Any]) -> int:
    """How many features an encoder makes."""
    return sum(_width(entry) for entry in encoder["columns"])


def _width(entry: Mapping[str, Any]) -> int:
    return len(entry["categories"]) if entry["kind"] == "category" else 1


def feature_names(encoder: Mapping[str, Any]) -> list[str]:
    """A name for each feature: the column's, or `town=Bern`."""
    found: list[str] = []
    for entry in encoder["columns"]:
        if entry["kind"] == "category":
            found += [f"{entry['name']}={category}" for category in entry["categories"]]
        else:
            found.append(entry["name"])
    return found


def encode_columns(
    columns: Mapping[str, Column], encoder: Mapping[str, Any], count: int
) -> tuple[Rows, dict[str, int], dict[str, int]]:
    """Columns as features.

    Args:
        columns: by name; each of the kind that its entry says.
        encoder: how.
        count: rows.

    Returns:
        the features (count, features) float32; how many values were imputed, by column; how many
        categories were not known, by column.
    """
    x = np.zeros((count, width_of(encoder)), np.float32)
    imputed: dict[str, int] = {}
    unknown: dict[str, int] = {}
    at = 0
    for entry in encoder["columns"]:
        name, column = entry["name"], columns[entry["name"]]
        absent = int(column.missing.sum())
        if entry["kind"] != "category":
            assert column.numbers is not None
            x[:, at] = np.where(column.missing, entry.get("median", 0.0), column.numbers)
        else:
            assert column.words is not None
            words = np.where(column.missing, MISSING, column.words)
            places = {category: n for n, category in enumerate(entry["categories"])}
            found = np.fromiter((places.get(word, -1) for word in words), np.int64, count)
            known = np.flatnonzero(found >= 0)
            x[known, at + found[known]] = 1
            strange = int(((found < 0) & ~column.missing).sum())
            if strange:
                unknown[name] = strange
        if absent:
            imputed[name] = absent
        at += _width(entry)
    return x, imputed, unknown


def standard_of(x: Rows, encoder: Mapping[str, Any]) -> Standard:
    """Mean and deviation of each feature of the training rows `x` (n, features)."""
    mean, deviation = moments(x)
    at = 0
    for entry in encoder["columns"]:
        width = _width(entry)
        if entry["kind"] == "category":
            mean[at : at + width], deviation[at : at + width] = 0.0, 1.0
        at += width
    return Standard(tuple(mean.tolist()), tuple(deviation.tolist()))


def moments(x: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and deviation of each column of (n, columns); the deviation of a constant one is 1."""
    wide = x.shape[1]
    mean, deviation = np.zeros(wide), np.ones(wide)
    for first in range(0, wide, 256):  # a matrix is not copied as a whole to a wider type
        block = np.asarray(x[:, first : first + 256], np.float64)
        mean[first : first + 256] = block.mean(axis=0)
        found = block.std(axis=0)
        constant = block.min(axis=0) == block.max(axis=0)
        deviation[first : first + 256] = np.where(constant | (found == 0), 1.0, found)
    return mean, deviation


def odd_columns(
    columns: Mapping[str, Column], encoder: Mapping[str, Any], standard: Standard
) -> list[str]:
    """Remarks on columns of numbers that are taken, but look as if they should not be.

    Such are those that count the rows, and those whose values differ in digits that 32 bits hardly
    hold, as times in seconds do.
    """
    found, at = [], 0
    for entry in encoder["columns"]:
        name, numbers = entry["name"], columns[entry["name"]].numbers
        if numbers is not None:
            if len(numbers) > 2 and bool((np.diff(numbers) == 1).all()):
                found.append(
                    f"{name} counts the rows, which tells nothing of others: `ignore: [{name}]`."
                )
            if abs(standard.mean[at]) > APART * standard.deviation[at]:
                found.append(
                    f"{name} varies little around {standard.mean[at]:g}: subtract that before, "
                    "since 32 bits hardly hold the rest."
                )
        at += _width(entry)
    return found


# --- rows that a model is asked about -----------------------------------------------------------


def encode_table(
    frame: pd.DataFrame, encoder: Mapping[str, Any], file: str, commas: bool = False
) -> tuple[Rows, list[str]]:
    """Rows of a table as a trained model takes them, and notes.

    Args:
        frame: columns by name, in any order.
        encoder: of the model.
        file: for messages.
        commas: cells such as `3,5` may be numbers.

    Raises:
        DataError: a column is missing or holds something else than it did in training.
    """
    wanted = [entry["name"] for entry in encoder["columns"]]
    there = set(frame.columns)
    if lacking := [name for name in wanted if name not in there]:
        raise DataError(
            f"{file} lacks {_columns_text(lacking)}, which the model takes.\n"
            f"It has {names_text(list(frame.columns))}."
        )
    columns = {}
    for entry in encoder["columns"]:
        place = Place(file, entry["name"], lambda index: f"row #{index}")
        columns[entry["name"]] = _as_trained(frame[entry["name"]], entry, place, commas)
    _refuse_missing(columns, encoder, file)
    x, imputed, unknown = encode_columns(columns, encoder, len(frame))
    notes = []
    over = [name for name in frame.columns if name not in wanted and name != encoder.get("label")]
    if over:
        notes.append(f"{file}: {_columns_text(over)} is left out.".replace("s is", "s are"))
    for name, number in imputed.items():
        notes.append(f"{file}: {_values(number)} of {name} missing, imputed as in training.")
    for name, number in unknown.items():
        notes.append(
            f"{file}: {_values(number)} of {name} not among the categories of the training rows, "
            "read as none of them."
        )
    return x, notes


def _values(number: int) -> str:
    return "1 value" if number == 1 else f"{number:,} values"


def _columns_text(names: Sequence[str]) -> str:
    return f"the column{'s' if len(names) > 1 else ''} {names_text(names)}"


def _as_trained(
    series: pd.Series[Any], entry: Mapping[str, Any], place: Place, commas: bool
) -> Column:
    """A column of the kind that the training rows had."""
    kind = entry["kind"]
    if kind == "category":
        cells = cells_of(series, place)
        return Column("category", cells.missing, words=cells.words)
    column = read_column(series, place, commas or bool(entry.get("commas")))
    if column.numbers is None:
        assert column.words is not None
        index = int(np.argmax(~column.missing))
        wanted = "numbers" if kind == "number" else "true and false"
        raise DataError(
            f"{place.at(index)}: holds {shown(column.words[index])}, but the model was trained on "
            f"{wanted} there."
        )
    if kind == "boolean":
        other = ~column.missing & ~np.isin(column.numbers, (0.0, 1.0))
        if other.any():
            index = int(np.argmax(other))
            raise DataError(
                f"{place.at(index)}: holds {column.numbers[index]:g}, but the model was trained on "
                "true and false there."
            )
    return column


def _refuse_missing(columns: Mapping[str, Column], encoder: Mapping[str, Any], file: str) -> None:
    if encoder.get("missing") == "impute":
        return
    lacking = {name: c.missing for name, c in columns.items() if c.missing.any()}
    if lacking:
        name, first = next(iter(lacking.items()))
        raise DataError(
            f"{file}: {missing_text({n: int(m.sum()) for n, m in lacking.items()})}, first in row "
            f"#{int(np.argmax(first))}, column {name}.\nThe model was trained without missing "
            "values, and cannot take any: fill them in, or leave those rows out."
        )


def missing_text(counts: Mapping[str, int], most: int = 6) -> str:
    """`values are missing: 3 in age, 1 in town`."""
    listed = ", ".join(f"{number:,} in {name}" for name, number in list(counts.items())[:most])
    more = len(counts) - most
    return f"values are missing: {listed}" + (f" and more in {more} columns" if more > 0 else "")
