"""From a data set's name to prepared arrays: load, check, write once, or reuse what was written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tuner.data.prepared import Prepared, prepare
from tuner.data.registry import comes_from_keras, load


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
        folder: where prepared data is kept, one folder a fingerprint.
        say: called with a line about what takes a while.

    Raises:
        DataError: the name is unknown, or the data is missing or damaged.
        WorkspaceError: `folder` cannot be written.
    """
    if comes_from_keras(name, data_dir):
        say(f"Fetching {name} through Keras, which downloads it the first time …")
    return prepare(load(name, data_dir), folder)
