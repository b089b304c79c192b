"""`tuner data`: which data sets there are, and what is in one of them, in figures and a picture."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tuner import definition as definitions
from tuner.commands.output import print_closing, print_json, print_rows, result_console
from tuner.data.keras_fetch import in_keras_cache
from tuner.data.obtain import obtain
from tuner.data.own import find
from tuner.data.prepared import Prepared
from tuner.data.registry import ENTRIES, describe, local_file
from tuner.data.summary import first_of_each_class, smoothing_of
from tuner.errors import UsageError
from tuner.reading import Reading, file_name, is_path, options_of
from tuner.report import data_rows
from tuner.report.data_rows import Row, RowsPage, parse_rows, rows_json, rows_of
from tuner.report.data_view import (
    CLASS_FIELDS,
    Contents,
    DataPage,
    class_json,
    contents_json,
    contents_of,
)
from tuner.report.jsonout import SCHEMA
from tuner.report.wording import listed, plural
from tuner.workspace import Workspace, write_aside

EXAMPLES = 10  # images of a class in the picture
CLASSES = 20  # classes in a picture
LIST_FIELDS = ("name", "description", "source", "at_hand", "where", "file")
ENDINGS = (".png", ".svg")


@dataclass(frozen=True)
class DataRequest:
    """What the command line asks for.

    Attributes:
        name: of a data set; None lists all of them.
        folder: the working directory, where the picture goes.
        data_dir: folder with the user's own copies, or None.
        index: rows to show, as `5,20,789` or `0-9`, or None.
        split: `train` or `test`, to which these rows belong; None is `train`.
        out: the picture's file, or None for `NAME-examples.png` and the like.
        picture: whether to write one.
        format: `table`, `json` or `csv`.
        reading: how data of the user's own is read.
    """

    name: str | None
    folder: Path
    data_dir: Path | None = None
    index: str | None = None
    split: str | None = None
    out: Path | None = None
    picture: bool = True
    format: str = "table"
    reading: Reading = field(default_factory=Reading)


def run_data(request: DataRequest) -> int:
    """List the data sets, or show one of them, or some rows of it; returns 0."""
    _check(request)
    if request.name is None:
        _show_all(request)
    elif request.index is None:
        _show_one(_open(request.name, request), request)
    else:
        numbers = parse_rows(request.index)
        _show_rows(_open(request.name, request), numbers, request)
    return 0


def _check(request: DataRequest) -> None:
    """Raise UsageError where the options contradict each other, before anything is read."""
    if request.name is None:
        given = {"--index": request.index, "--split": request.split, "--out": request.out}
        said = [option for option, value in given.items() if value is not None]
        for option in (*said, *(word for word in options_of(request.reading) if word[:2] == "--")):
            raise UsageError(f"{option}: say which data set, as in: tuner data digits {option} …")
    if request.split is not None and request.index is None:
        raise UsageError("--split says to which rows --index counts: give --index, too.")
    if request.out is None:
        return
    if not request.picture:
        raise UsageError("--out and --no-picture contradict each other: give one of them.")
    if not request.out.absolute().parent.is_dir():
        raise UsageError(f"--out {request.out}: there is no folder {request.out.parent}.")
    if request.out.suffix.lower() not in ENDINGS:
        raise UsageError(f"--out {request.out}: a picture's name ends in {' or '.join(ENDINGS)}.")


def _open(name: str, request: DataRequest) -> Prepared:
    """The data set, prepared in the working directory."""
    options = [word for word in options_of(request.reading) if word.startswith("--")]
    if not is_path(name) and options:
        raise UsageError(f"{options[0]} is for data of your own, and {name} is a named data set.")
    if is_path(name):
        find(name, request.folder, request.data_dir)  # nothing is written for what is not there
    folder = Workspace(request.folder).create().data
    return obtain(
        name,
        request.data_dir,
        folder,
        lambda text: click.echo(text, err=True),
        request.reading,
        request.folder,
    )


# All data sets


def _show_all(request: DataRequest) -> None:
    rows = [_place(*described, request.data_dir) for described in describe()]
    if request.format == "json":
        folder = None if request.data_dir is None else str(request.data_dir)
        print_json({"schema": SCHEMA, "data_dir": folder, "datasets": rows})
        return
    if request.format == "csv":
        print_rows(rows, LIST_FIELDS)
        return
    console = result_console()
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for row in rows:
        text = Text(row["description"])
        text.append(f"\n{_place_text(row)}", style="dim")
        table.add_row(Text(row["name"]), text)
    console.print(table)
    console.print()
    here = [row["name"] for row in rows if row["at_hand"]]
    sentence = f"{len(rows)} data sets, all of them at hand."
    if len(here) < len(rows):
        away = listed([row["name"] for row in rows if not row["at_hand"]])
        sentence = (
            f"{len(rows)} data sets, {len(here)} of them at hand. Keras would download {away}, "
            "unless --data-dir or TUNER_DATA_DIR names a folder with the file."
        )
    print_closing(console, sentence, f"tuner data {'fashion' if 'fashion' in here else here[0]}")


def _place(name: str, description: str, source: str, data_dir: Path | None) -> dict[str, Any]:
    """A row of the list: what the data set is, and where it would come from now."""
    file = local_file(name, data_dir)
    if file is not None:
        where = "data directory"
    elif ENTRIES[name].file is None:
        where = "package"
    else:
        where = "keras cache" if in_keras_cache(name) else "download"
    return {
        "name": name,
        "description": description,
        "source": source,
        "at_hand": where != "download",
        "where": where,
        "file": None if file is None else str(file),
    }


def _place_text(row: dict[str, Any]) -> str:
    file = ENTRIES[row["name"]].file
    texts = {
        "package": f"at hand: {row['source']}",
        "data directory": f"at hand: {row['file']}",
        "keras cache": "at hand: in the cache of Keras",
        "download": f"needs {file} in the data directory, or a download by Keras",
    }
    return texts[row["where"]]


# One data set


def _show_one(data: Prepared, request: DataRequest) -> None:
    if data.kind == "table" and request.out is not None:
        raise UsageError(f"--out: {data.name} is a table, and there is no picture of those.")
    contents = contents_of(data)
    written = None
    if request.picture and data.kind == "text":
        written = _write(request, data, "words", lambda form: _words_picture(contents, form))
    elif request.picture and data.kind == "image":
        written = _write(request, data, "examples", lambda form: _examples_picture(data, form))
    if request.format == "json":
        print_json({**contents_json(contents), "picture": written})
    elif request.format == "csv":
        print_rows(class_json(contents), CLASS_FIELDS)
    else:
        console = result_console()
        console.print(DataPage(contents))
        console.print()
        rows, classes = len(data.y_train), data.n_classes
        _close(console, f"{rows:,} training rows of {classes} classes", written, data, request)
    _note(written, request)


def _examples_picture(data: Prepared, form: str) -> bytes:
    from tuner.report.pictures import Tile, examples

    found = first_of_each_class(data.y_train, data.n_classes, EXAMPLES)[:CLASSES]
    of_them = "each class"
    if data.n_classes > CLASSES:
        of_them = f"the first {CLASSES} of {data.n_classes} classes"
    return examples(
        f"{data.name}: examples of {of_them}",
        f"The first {EXAMPLES} training rows of {of_them}, with their row numbers.",
        [
            (name, [Tile(data.x_train[row], f"#{row}") for row in rows])
            for name, rows in zip(data.class_names, found, strict=False)
        ],
        data.scale,
        form,
    )


def _words_picture(contents: Contents, form: str) -> bytes:
    from tuner.report.pictures import Bar, words

    data, found = contents.data, contents.words
    assert found is not None
    extra = smoothing_of(len(data.y_train))
    return words(
        f"{data.name}: the words that speak most for each class",
        f"Bars are log-odds ratios of the {data.input_shape[0]:,} words in {len(data.y_train):,} "
        "training rows: at 0.7 the odds that a row contains the word are twice those in the other "
        f"classes, at 2.3 ten times. Smoothed: {extra} {plural('row', extra)} with the word and "
        f"{extra} without it are added inside the class and outside. Beside each bar: the log-odds "
        "ratio, and how many of the rows with the word are of that class.",
        [
            (
                name,
                [
                    Bar(w.word, w.log_odds, f"{w.log_odds:.2f}   {w.inside:,} of {w.rows:,}")
                    for w in telling
                ],
            )
            for name, telling in zip(data.class_names, found.telling, strict=True)
        ][:CLASSES],
        form,
    )


# Rows


def _show_rows(data: Prepared, numbers: Sequence[int], request: DataRequest) -> None:
    if data.kind != "image" and request.out is not None:
        raise UsageError(f"--out: rows of {data.name} have no picture, since it holds no images.")
    split = request.split or "train"
    rows = rows_of(data, split, numbers)
    written = None
    if request.picture and data.kind == "image":
        written = _write(
            request, data, "index", lambda form: _rows_picture(data, split, rows, form)
        )
    if request.format == "json":
        print_json(
            {
                "schema": SCHEMA,
                "name": data.name,
                "kind": data.kind,
                "fingerprint": data.fingerprint,
                "split": split,
                "rows": rows_json(rows),
                "picture": written,
            }
        )
    elif request.format == "csv":
        flat = [
            {k: " ".join(map(str, v)) if isinstance(v, list) else v for k, v in row.items()}
            for row in rows_json(rows)
        ]
        print_rows(flat, data_rows.FIELDS[data.kind])
    else:
        console = result_console()
        console.print(RowsPage(rows, data.kind, data.scale))
        console.print()
        what = f"{len(rows)} {_split_word(split)} {plural('row', len(rows))}"
        _close(console, what, written, data, request)
    _note(written, request)


def _split_word(split: str) -> str:
    return "test" if split == "test" else "training"


def _rows_picture(data: Prepared, split: str, rows: Sequence[Row], form: str) -> bytes:
    from tuner.report.pictures import Tile, chosen

    word = _split_word(split)
    return chosen(
        f"{data.name}: {word} {plural('row', len(rows))}",
        f"Rows by their number among the {word} rows.",
        [Tile(row.x, row.title) for row in rows],
        data.scale,
        form,
    )


# Ends


def _write(request: DataRequest, data: Prepared, what: str, draw: Callable[[str], bytes]) -> str:
    """Draw the picture and write it; returns where, as the user would type it."""
    file = request.out or Path(f"{file_name(data.name)}-{what}.png")
    target = request.folder / file
    if target.is_dir():
        raise UsageError(f"{file} is a folder: name a file with --out, or give --no-picture.")
    write_aside(target, draw(file.suffix.lower().removeprefix(".")))
    return str(file)


def _note(written: str | None, request: DataRequest) -> None:
    """Where the picture is, beside a result that programs read."""
    if written is not None and request.format != "table":
        click.echo(f"The picture is in {written}.", err=True)


def _close(
    console: Console, what: str, written: str | None, data: Prepared, request: DataRequest
) -> None:
    sentence = f"{what} of {data.name}."
    if written is not None:
        sentence = f"{what} of {data.name}; the picture is in {written}."
    print_closing(console, sentence, _next(data, request))


def _next(data: Prepared, request: DataRequest) -> str:
    sweeps = definitions.available(request.folder)
    assert request.name is not None
    if not is_path(request.name):
        return f"tuner {'sweep' if data.name in sweeps else 'init'} {data.name}"
    name = file_name(data.name)
    if name in sweeps and definitions.load(sweeps[name]).dataset == request.name:
        return f"tuner sweep {name}"
    words = ["tuner", "init", name, "--dataset", request.name, *options_of(request.reading)]
    return shlex.join(words)
