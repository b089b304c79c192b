"""Data of the user's own, by its path: found, recognised, read, checked.

    flowers/            a folder with a folder of pictures for each class       own_images
    scans.npz           arrays with labels                                      own_arrays
    wine.csv  .parquet  a table with a column of labels                         own_table, own_text

The rule: whatever cannot be trained on as it is ends in a DataError that says where and what to do.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tuner.data.dataset import Dataset, validate
from tuner.data.own_arrays import load_arrays
from tuner.data.own_images import files_of, load_images
from tuner.data.own_table import load_table
from tuner.data.tables import TABLES
from tuner.errors import DataError, nearest
from tuner.reading import NAMED, Reading

LOADERS = 1
"""Counts up when other arrays are made of the same files."""

ARRAYS = (".npz",)
BYTES_READ = 1 << 28
"""Of a folder with more than this, sizes and times of the files stand for their bytes."""

PATIENCE = 2.0  # seconds of reading from which on a bar is shown
KEYS = {
    "table": ("label", "text", "words", "missing", "ignore"),
    "images": ("image_size", "colour"),
    "arrays": (),
}
WHAT = {"table": "a table", "images": "a folder of pictures", "arrays": "a file of arrays"}
INSTEAD = {
    ".xlsx": "Save the sheet as CSV UTF-8.",
    ".xls": "Save the sheet as CSV UTF-8.",
    ".ods": "Save the sheet as CSV UTF-8.",
    ".npy": "Write features and labels into one file: np.savez(file, x=…, y=…).",
    ".pkl": "Files of pickled objects are never read: save arrays by np.savez, tables as Parquet.",
    ".pickle": "Files of pickled objects are never read: save arrays by np.savez.",
    ".zip": "Unpack it.",
    ".gz": "Unpack it.",
    ".tar": "Unpack it.",
    ".json": "Save it as CSV or Parquet.",
    ".jsonl": "Save it as CSV or Parquet.",
    ".txt": "If it is a table, call it .csv or .tsv.",
    ".tab": "Call it .tsv.",
}


def find(name: str, base: Path, data_dir: Path | None) -> Path:
    """The file or folder that `name` leads to, from `base` or else from `data_dir`.

    Raises:
        DataError: there is none.
    """
    asked = Path(name).expanduser()
    places = [base / asked] + ([] if data_dir is None else [data_dir / asked])
    for path in places:
        try:
            if path.exists():
                return _relative(path)
        except (OSError, ValueError):  # a name longer than the file system takes, or with a NUL
            break
    plain = not asked.suffix and len(asked.parts) == 1
    known = f"Known by name: {', '.join(NAMED)}. Data of your own is named by its path"
    if plain:
        raise DataError(
            f"no data set is called {name}{nearest(name, NAMED)}, and there is no such file or "
            f"folder here.\n{known}, such as data/wine.csv."
        )
    also = "" if data_dir is None or asked.is_absolute() else f", and none in {data_dir}"
    beside = _beside(places[0])
    raise DataError(
        f"there is no file or folder {name}{also}{beside}.\n{known}, seen from the working "
        "directory or from the data directory."
    )


def _beside(path: Path) -> str:
    try:
        return nearest(path.name, [one.name for one in path.parent.iterdir()])
    except OSError:
        return ""


def _relative(path: Path) -> Path:
    """The path as the user sees it: from the working directory, where it lies below that."""
    try:
        return path.absolute().relative_to(Path.cwd())
    except ValueError:
        return path


def source_of(path: Path) -> str:
    """Where data comes from, for a person."""
    whole = path.absolute()
    return f"{whole.name} in {whole.parent}"


def kind_of(path: Path) -> str:
    """`images`, `table` or `arrays`.

    Raises:
        DataError: it is none of them.
    """
    if path.is_dir():
        return "images"
    ending = path.suffix.lower()
    if ending in TABLES:
        return "table"
    if ending in ARRAYS:
        return "arrays"
    hint = INSTEAD.get(ending, "Save tables as CSV or Parquet and arrays by np.savez.")
    raise DataError(
        f"{path}: {ending or 'a file without an ending'} is not read; what is read: a folder of "
        f"pictures, {', '.join((*ARRAYS, *TABLES))}.\n{hint}"
    )


def load(path: Path, reading: Reading, name: str) -> Dataset:
    """The data set at that path, validated.

    Raises:
        DataError: it cannot be trained on as it is, or `reading` says what does not apply.
    """
    kind = kind_of(path)
    for key in reading.given:
        if key not in KEYS[kind]:
            fits = next(WHAT[other] for other, keys in KEYS.items() if key in keys)
            raise DataError(f"{path} is {WHAT[kind]}, and `{key}` is for {fits}: leave it out.")
    for key, why in reading.contradictions():
        raise DataError(f"{path}: {key}: {why}.")
    source = source_of(path)
    try:
        if kind == "images":
            found = load_images(path, reading, name, source, _track)
        elif kind == "arrays":
            found = load_arrays(path, name, source)
        else:
            found = load_table(path, reading, name, source)
    except MemoryError as error:
        raise DataError(f"{path} is too large for the memory of this machine.") from error
    validate(found)
    return found


def source_key(path: Path, reading: Reading) -> str:
    """A key of what `load` would read and how: the same key gives the same arrays.

    Of a large folder, names, sizes and times stand for the bytes.
    """
    digest = hashlib.sha256(json.dumps([reading.to_json(), path.suffix.lower()]).encode())
    try:
        files = files_of(path) if path.is_dir() else [path]
        states = {file: file.stat() for file in files}
        whole = not path.is_dir() or sum(s.st_size for s in states.values()) <= BYTES_READ
        for file, state in states.items():
            mark = [str(file.relative_to(path)), state.st_size]
            digest.update(json.dumps(mark if whole else [*mark, state.st_mtime_ns]).encode())
            if whole:
                with file.open("rb") as handle:
                    while block := handle.read(1 << 20):
                        digest.update(block)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}).") from error
    return f"own-{LOADERS}-{digest.hexdigest()[:32]}"


def _track(files: list[Path], what: str) -> Iterator[Path]:
    """Pass files on, with a bar on a terminal where that takes long."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    begun = time.monotonic()
    at = 0
    if console.is_terminal and sys.stderr is not None:
        while at < len(files) and time.monotonic() - begun < PATIENCE:
            yield files[at]
            at += 1
        if at < len(files):
            with Progress(console=console, transient=True) as progress:
                task = progress.add_task(what, total=len(files), completed=at)
                for file in files[at:]:
                    yield file
                    progress.advance(task)
        return
    yield from files
