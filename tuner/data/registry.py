"""The data sets that have a name, and the one way to load them.

A new data set is one more `Entry`; whatever `load` returns has been validated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tuner.data import builtin, keras_sets, reviews
from tuner.data.dataset import Dataset, validate
from tuner.errors import DataError, nearest

LOADERS = 1
"""Counts up when a loader makes other arrays of the same file."""


@dataclass(frozen=True)
class Entry:
    """A named data set: what it is, where it comes from, and how to load it.

    Attributes:
        description: one line for a person.
        source: where it comes from, for a person.
        load: from a data directory, or None.
        file: its name in a data directory; None where it comes with a package.
    """

    description: str
    source: str
    load: Callable[[Path | None], Dataset]
    file: str | None = None


ENTRIES: dict[str, Entry] = {
    "digits": Entry(
        description=builtin.DIGITS,
        source="scikit-learn, no network",
        load=lambda _: builtin.load_digits(),
    ),
    **{
        name: Entry(
            description=known.description,
            source=f"{known.file} in the data directory, or keras.datasets",
            load=partial(keras_sets.load, name),
            file=known.file,
        )
        for name, known in keras_sets.SETS.items()
    },
    "imdb": Entry(
        description=reviews.DESCRIPTION,
        source=f"{reviews.FILE} in the data directory, or keras.datasets",
        load=reviews.load,
        file=reviews.FILE,
    ),
}


def names() -> tuple[str, ...]:
    """The names that `load` knows."""
    return tuple(ENTRIES)


def describe() -> list[tuple[str, str, str]]:
    """(name, description, where it comes from) of every named data set; loads nothing."""
    return [(name, entry.description, entry.source) for name, entry in ENTRIES.items()]


def local_file(name: str, data_dir: Path | None) -> Path | None:
    """The file of that data set in `data_dir`, or None where there is none."""
    entry = ENTRIES.get(name)
    if entry is None or entry.file is None or data_dir is None:
        return None
    path = data_dir / entry.file
    return path if path.is_file() else None


def needs_file(name: str) -> bool:
    """Whether that data set is read from a file, of the user's or of Keras."""
    entry = ENTRIES.get(name)
    return entry is not None and entry.file is not None


def comes_from_keras(name: str, data_dir: Path | None) -> bool:
    """Whether `load` would ask Keras, which may download: no file of that name in `data_dir`."""
    entry = ENTRIES.get(name)
    return entry is not None and entry.file is not None and local_file(name, data_dir) is None


def source_key(name: str, data_dir: Path | None) -> str | None:
    """A key of what `load` would read and how: the same key gives the same arrays.

    None where nothing short of loading says so: the data comes with a package or from Keras.
    """
    path = local_file(name, data_dir)
    if path is None:
        return None
    digest = hashlib.sha256()
    try:
        with path.open("rb") as handle:
            while block := handle.read(1 << 20):
                digest.update(block)
    except OSError:
        return None  # `load` says what is wrong
    return f"{name}-{LOADERS}-{digest.hexdigest()[:32]}"


def load(name: str, data_dir: Path | None) -> Dataset:
    """The data set called `name`, validated.

    Args:
        name: one of `names()`.
        data_dir: folder with the user's own copies, or None. A file there comes before a download.

    Raises:
        DataError: the name is unknown, or the data is missing, damaged or not what it claims.
    """
    if name not in ENTRIES:
        known = ", ".join(names())
        raise DataError(f"no data set is called {name}{nearest(name, names())}.\nKnown: {known}.")
    dataset = ENTRIES[name].load(data_dir)
    validate(dataset)
    return dataset
