"""From a data set's name to prepared arrays: load, check, write once, or reuse what was written.

The rule: a file that was prepared once is recognised by its bytes and not decoded again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tuner.data.prepared import Prepared, keep, prepare
from tuner.data.registry import comes_from_keras, load, needs_file, source_key
from tuner.data.texts import has_texts
from tuner.errors import DataError
from tuner.workspace import write_aside

SOURCES = "sources"


def obtain(
    name: str,
    data_dir: Path | None,
    folder: Path,
    say: Callable[[str], None] = lambda text: None,
) -> Prepared:
    """The data set called `name`, prepared in `folder`.

    Args:
        name: one of `registry.names()`.
        data_dir: folder with the user's own copies, or None.
        folder: where prepared data is kept, one folder a fingerprint, and in `sources/` which file
            led to which fingerprint.
        say: called with a line about what takes a while.

    Raises:
        DataError: the name is unknown, or the data is missing or damaged.
        WorkspaceError: `folder` cannot be written.
    """
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
