"""A table of the user's own as a data set: which column is what, and what becomes of each.

The rule: all that is inferred is written into the account, where `tuner data` shows it, and all
that is fitted (medians, categories, means) is fitted on the training rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tuner.data.columns import (
    Cells,
    Column,
    Mask,
    Place,
    cells_of,
    for_each,
    numbers_of,
    read_column,
    shown,
)
from tuner.data.dataset import Dataset
from tuner.data.encoding import (
    encode_columns,
    fit,
    missing_text,
    odd_columns,
    standard_of,
    width_of,
)
from tuner.data.labels import (
    USUAL,
    Classes,
    looks_alike,
    number_classes,
    whole_numbers,
    word_classes,
)
from tuner.data.own_text import text_dataset
from tuner.data.tables import Table, names_text, read_table
from tuner.errors import DataError, nearest
from tuner.reading import Reading

TEXT, SPLIT = "text", "split"
PARTS = ("train", "test")
MOST_BYTES = 8 << 30


@dataclass(frozen=True, eq=False)
class Parts:
    """A table whose columns have their parts, rows without missing labels.

    Attributes:
        table: the rows that are kept.
        label: name of the column with the labels.
        features: names of the columns that a row is described by.
        training: (n,) which rows are training rows.
        classes: the labels.
        remarks, account: as in `Dataset`.
    """

    table: Table
    label: str
    features: tuple[str, ...]
    training: Mask
    classes: Classes
    remarks: list[str]
    account: dict[str, Any]


def load_table(path: Path, reading: Reading, name: str, source: str) -> Dataset:
    """The data set in a table file.

    Raises:
        DataError: the file cannot be trained on as it is; says where and what to do.
    """
    table = read_table(path)
    _refuse_unknown(table, reading)
    remarks: list[str] = []
    label = _label(table, reading, remarks)
    text = _text(table, reading, label)
    split = SPLIT if SPLIT in table.names and SPLIT not in (label, text, *reading.ignore) else None
    left = dict.fromkeys(reading.ignore, "ignored")
    _leave_out_numbering(table, left, remarks)
    others = [c for c in table.names if c not in (label, text, split) and c not in left]
    if text is not None and others:
        left |= dict.fromkeys(others, "beside the text")
        remarks.append(
            f"{names_text(others)} {'is' if len(others) == 1 else 'are'} left out: beside a text "
            "nothing else is read."
        )
        others = []
    account: dict[str, Any] = {"label": label, "text": text, "left": left}
    columns = for_each(others, lambda c: read_column(table.frame[c], *_at(table, c)))
    kept = _without_missing(table, reading, label, text, split, columns, remarks, account)
    if not kept.all():
        table = Table(table.file, table.frame[kept].reset_index(drop=True), table.delimiter)
        columns = {c: _rows(column, kept) for c, column in columns.items()}
    training = _training(table, split, account)
    place = Place(table.file, label, _numbered(kept))
    classes = _classes(table, place, training, remarks)
    account |= {"rows": len(table), "delimiter": table.delimiter}
    parts = Parts(table, label, tuple(others), training, classes, remarks, account)
    if text is not None:
        return text_dataset(
            table.file,
            _texts(table, text),
            training,
            classes,
            reading,
            {"label": label, "text": text},
            name,
            source,
            remarks,
            account,
        )
    return _encoded(parts, columns, reading, name, source, _numbered(kept))


def _at(table: Table, column: str) -> tuple[Place, bool]:
    """Where a column stands, and whether commas may separate its decimals."""
    return Place(table.file, column), table.delimiter == ";"


def _numbered(kept: Mask) -> Any:
    """Names rows as they were numbered before some were left out."""
    rows = np.flatnonzero(kept)
    return lambda index: f"row {int(rows[index]) + 1}"


def _rows(column: Column, kept: Mask) -> Column:
    return Column(
        column.kind,
        column.missing[kept],
        None if column.numbers is None else column.numbers[kept],
        None if column.words is None else column.words[kept],
        column.commas,
    )


# --- which column is what -----------------------------------------------------------------------


def _refuse_unknown(table: Table, reading: Reading) -> None:
    asked = [("label", reading.label), ("text", reading.text)]
    for key, column in (*asked, *(("ignore", column) for column in reading.ignore)):
        if column is not None and column not in table.names:
            raise DataError(
                f"{table.file} has no column {column} ({key}){nearest(column, table.names)}.\n"
                f"It has {names_text(table.names)}."
            )


def _label(table: Table, reading: Reading, remarks: list[str]) -> str:
    if reading.label is not None:
        return reading.label
    taken = (reading.text, *reading.ignore)
    found = [n for n in table.names if n.strip().lower() in USUAL and n not in taken]
    if len(found) == 1:
        remarks.append(f"The labels are in the column {found[0]}, by its name.")
        return found[0]
    what = f"has several: {names_text(found)}" if found else "has none of that name"
    raise DataError(
        f"{table.file}: which column holds the label? It {what}; the columns are "
        f"{names_text(table.names)}.\nSay which, as in `label: {(found or table.names)[-1]}` "
        f"(--label on the command line)."
    )


def _text(table: Table, reading: Reading, label: str) -> str | None:
    if reading.text is not None or TEXT not in table.names or TEXT in (label, *reading.ignore):
        return reading.text
    series = table.frame[TEXT]
    try:
        plain = read_column(series, Place(table.file, TEXT)).kind != "category"
    except DataError:  # a mixture: texts that hold nothing but a number are texts
        plain = False
    return None if plain else TEXT


def _leave_out_numbering(table: Table, left: dict[str, str], remarks: list[str]) -> None:
    """The nameless first column of a saved data frame counts its rows."""
    if "" not in table.names:
        return
    found = numbers_of(table.frame[""], Place(table.file, "1"))
    if found is None or not np.array_equal(np.sort(found[0]), np.arange(len(table))):
        raise DataError(f"{table.file}: column 1 has no name.\nGive it one in the first line.")
    left[""] = "counts the rows"
    remarks.append("The first column has no name and counts the rows: it is left out.")


def _training(table: Table, split: str | None, account: dict[str, Any]) -> Mask:
    """Which rows are training rows, by the column `split`."""
    account["test"] = None
    if split is None:
        return np.ones(len(table), np.bool_)
    cells = cells_of(table.frame[split], Place(table.file, split))
    words = np.array([word.lower() for word in cells.words], object)
    odd = ~np.isin(words, PARTS)
    if odd.any():
        first = int(np.argmax(odd))
        word = cells.words[first]
        hint = (
            "Validation rows are cut from the training rows: write train there."
            if str(word).lower() in ("validation", "val", "valid", "dev")
            else "Mend it; or, if the column is about something else, give it another name, or "
            "leave it out: `ignore: [split]`."
        )
        raise DataError(
            f"{table.file}, row {first + 1}, column {split}: holds {shown(word)}, but only train "
            f"and test are known.\n{hint}"
        )
    training: Mask = words == "train"
    if not training.any():
        raise DataError(f"{table.file}, column {split}: no row is a training row.")
    account["test"] = None if training.all() else f"column {split}"
    return training


def _texts(table: Table, text: str) -> list[str]:
    return [str(v) for v in table.frame[text].to_list()]


# --- what is missing ----------------------------------------------------------------------------


def _without_missing(
    table: Table,
    reading: Reading,
    label: str,
    text: str | None,
    split: str | None,
    columns: Mapping[str, Column],
    remarks: list[str],
    account: dict[str, Any],
) -> Mask:
    """Which rows are kept.

    Raises:
        DataError: values are missing and are to be refused, or none of the rows is left.
    """
    own: dict[str, Cells] = {}
    for column in (label, text, split):
        if column is not None:
            place = Place(table.file, column)
            own[column] = cells_of(table.frame[column], place, prose=column == text)
    needed = {name: cells.missing for name, cells in own.items() if cells.missing.any()}
    others = {name: c.missing for name, c in columns.items() if c.missing.any()}
    account["missing"] = {n: int(m.sum()) for n, m in {**needed, **others}.items()}
    if reading.missing != "drop":
        _refuse_needed(table, needed)
    if others and reading.missing == "refuse":
        counts = {name: int(m.sum()) for name, m in others.items()}
        first = next(iter(others))
        raise DataError(
            f"{table.file}: {missing_text(counts)}; the first in row "
            f"{int(np.argmax(others[first])) + 1}, column {first}.\nWrite `missing: impute` "
            "(medians, and a category of its own) or `missing: drop` (without those rows)."
        )
    kept = np.ones(len(table), np.bool_)
    account["dropped"] = 0
    if reading.missing == "drop":
        for gone in (*needed.values(), *others.values()):
            kept &= ~gone
        dropped = int((~kept).sum())
        account["dropped"] = dropped
        if dropped == len(table):
            raise DataError(
                f"{table.file}: every row has a missing value, so that `missing: drop` leaves "
                f"none: {missing_text(account['missing'])}.\nLeave columns out by `ignore`, or "
                "write `missing: impute`."
            )
        if dropped:
            remarks.append(
                f"{dropped:,} of {len(table):,} rows are left out, because "
                f"{missing_text(account['missing'])}."
            )
    elif others:
        counts = {name: int(m.sum()) for name, m in others.items()}
        remarks.append(f"Imputed, because {missing_text(counts)}.")
    return kept


def _refuse_needed(table: Table, needed: Mapping[str, Mask]) -> None:
    for name, gone in needed.items():
        number = int(gone.sum())
        which = "row has" if number == 1 else "rows have"
        raise DataError(
            f"{table.file}: {number:,} {which} no {name}, the first is row "
            f"{int(np.argmax(gone)) + 1}.\nMend them, or write `missing: drop` to leave those rows "
            "out."
        )


# --- labels and features ------------------------------------------------------------------------


def _classes(table: Table, place: Place, training: Mask, remarks: list[str]) -> Classes:
    series, where = table.frame[place.column], str(place)
    column = read_column(series, place, table.delimiter == ";")
    if column.kind == "boolean":
        words = np.where(column.numbers == 1.0, "true", "false").astype(object)
        return word_classes(words, training, where)
    if column.numbers is not None:
        whole = whole_numbers(column.numbers, place.at)
        return number_classes(whole, training, where)
    assert column.words is not None
    found = word_classes(column.words, training, where)
    for one, other in looks_alike(found.names):
        remarks.append(f"Two classes differ by capitals or spaces only: {one} and {other}.")
    return found


def _encoded(
    parts: Parts,
    columns: Mapping[str, Column],
    reading: Reading,
    name: str,
    source: str,
    row: Any,
) -> Dataset:
    table, training = parts.table, parts.training
    encoder: dict[str, Any] = {
        "from": "table",
        "classes": list(parts.classes.names),
        "label": parts.label,
        "missing": reading.missing,
        "columns": [],
    }
    impute = reading.missing == "impute"
    found = for_each(
        parts.features, lambda c: fit(columns[c], Place(table.file, c, row), training, impute)
    )
    for column, fitted in found.items():
        if fitted.entry is None:
            parts.account["left"][column] = fitted.why
            parts.remarks.append(f"{column} is {fitted.why} in the training rows: it is left out.")
        else:
            encoder["columns"].append(fitted.entry)
    if not encoder["columns"]:
        raise DataError(
            f"{table.file}: no column is left to tell classes by; all {len(table.names)} are the "
            "label, left out, empty or constant."
        )
    if 4 * len(table) * width_of(encoder) > MOST_BYTES:
        raise DataError(
            f"{table.file}: {len(table):,} rows of {width_of(encoder):,} features take more than "
            f"{MOST_BYTES >> 30} GiB.\nLeave columns with many categories out by `ignore`."
        )
    x, _, unknown = encode_columns(columns, encoder, len(table))
    for column, number in unknown.items():
        parts.remarks.append(
            f"{number:,} test rows have a value of {column} that no training row has: it is read "
            "as none of the categories."
        )
    standard = standard_of(x[training], encoder)
    parts.remarks.extend(odd_columns(columns, encoder, standard))
    count = len(encoder["columns"])
    classes = parts.classes
    return Dataset(
        name=name,
        x_train=x[training],
        y_train=classes.y[training],
        x_test=None if training.all() else x[~training],
        y_test=None if training.all() else classes.y[~training],
        class_names=classes.names,
        kind="table",
        scale=1.0,
        description=f"{len(table):,} rows of {count} column{'s' if count != 1 else ''}, "
        f"{len(classes.names)} classes",
        source=source,
        standard=standard,
        encoder=encoder,
        remarks=tuple(parts.remarks),
        account=parts.account,
    )
