"""From a data set's name or path to prepared arrays: load, check, write once, or reuse those.

The rule: a file that was prepared once is recognised by its bytes and not decoded again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from tuner.data import own
from tuner.data.prepared import Prepared, keep, prepare
from tuner.data.registry import comes_from_keras, load, needs_file, source_key
from tuner.data.texts import has_texts
from tuner.errors import DataError
from tuner.reading import Reading, is_path, name_of
from tuner.workspace import write_aside

SOURCES = "sources"


def obtain(
    name: str,
    data_dir: Path | None,
    folder: Path,
    say: Callable[[str], None] = lambda text: None,
    reading: Reading | None = None,
    base: Path | None = None,
) -> Prepared:
    """The data set called `name`, prepared in `folder`.

    Args:
        name: one of `registry.names()`, or a path to data of the user's own.
        data_dir: folder with the user's own copies, or None.
        folder: where prepared data is kept, one folder a fingerprint, and in `sources/` which file
            led to which fingerprint.
        say: called with a line about what takes a while.
        reading: how data of the user's own is read; None: as it says by itself.
        base: where relative paths begin; None: the working directory. What is not there is looked
            up in `data_dir`.

    Raises:
        DataError: the name is unknown, or the data is missing, damaged or cannot be trained on.
        WorkspaceError: `folder` cannot be written.
    """
    if is_path(name):
        return _obtain_own(name, data_dir, folder, say, reading or Reading(), base or Path())
    if data_dir is not None and not data_dir.is_dir() and needs_file(name):
        raise DataError(
            f"the data directory {data_dir} is no folder.\n"
            "Set TUNER_DATA_DIR or --data-dir to the folder with your files, or leave both away."
        )
    key = source_key(name, data_dir)
    note = None if key is None else folder / SOURCES / key
    if note is not None and (known := _recall(note, folder)) is not None:
        return known
    if comes_from_keras(name, data_dir):
        say(f"Fetching {name} through Keras, which downloads it the first time …")
    elif note is not None:
        say(f"Reading {name}, which is prepared once for this directory …")
    prepared = prepare(load(name, data_dir), folder)
    if note is not None:
        with suppress(OSError):  # without the note it is decoded again, no more
            write_aside(note, prepared.fingerprint.encode())
    return prepared


def _obtain_own(
    name: str,
    data_dir: Path | None,
    folder: Path,
    say: Callable[[str], None],
    reading: Reading,
    base: Path,
) -> Prepared:
    """Data of the user's own, found and prepared."""
    path = own.find(name, base, data_dir)
    note = folder / SOURCES / own.source_key(path, reading)
    known = _recall(note, folder)
    if known is None:
        say(f"Reading {name}, which is prepared once for this directory …")
        known = prepare(own.load(path, reading, name_of(name)), folder)
        with suppress(OSError):
            write_aside(note, known.fingerprint.encode())
    # The same content may have been prepared from a file of another name.
    return replace(known, name=name_of(name), source=own.source_of(path))


def _recall(note: Path, folder: Path) -> Prepared | None:
    """What was prepared from the same file before, if it is still there and whole."""
    try:
        mark = note.read_text(encoding="ascii").strip()
        prepared = Prepared.open(folder / mark, mark)
        if prepared.vocabulary is not None and not has_texts(prepared.path):
            return None  # prepared by an older tuner, which kept no texts
    except (OSError, ValueError, DataError):
        return None
    keep(prepared)
    return prepared
