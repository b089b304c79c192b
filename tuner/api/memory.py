"""Data that is in memory, as a file of the working directory that a sweep can name.

The rule: a file is named by its content, so that the same data is written once, a study that goes
on finds it again, and other data never takes its place.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from typing import Any

from tuner.errors import DataError, UsageError
from tuner.reading import file_name
from tuner.workspace import Workspace, write_aside

PARTS = {2: ("x", "y"), 4: ("x_train", "y_train", "x_test", "y_test")}


def is_in_memory(dataset: Any) -> bool:
    """Whether `dataset` is data rather than a name or a path."""
    return isinstance(dataset, tuple) or is_table(dataset)


def is_table(dataset: Any) -> bool:
    """Whether it is a DataFrame of pandas, which need not be imported to know it."""
    kind = type(dataset)
    return kind.__module__.split(".")[0] == "pandas" and kind.__name__ == "DataFrame"


def keep(dataset: Any, name: str, workspace: Workspace) -> str:
    """Write data to the working directory, if it is not there; returns its path seen from there.

    Args:
        dataset: a DataFrame, `(x, y)`, `(x_train, y_train, x_test, y_test)`, or the two pairs of
            `keras.datasets`.
        name: what the data is called in tables and pages.
        workspace: the working directory.

    Raises:
        DataError: it holds what no file of numbers can.
        UsageError: it is a tuple of something else.
    """
    if is_table(dataset):
        content = _parquet(dataset)
        mark = hashlib.sha256(content).hexdigest()
        return _write(workspace, mark, f"{file_name(name)}.parquet", lambda: content)
    arrays = named_arrays(dataset)
    digest = hashlib.sha256()
    for part, array in arrays.items():
        digest.update(f"{part} {array.dtype.str} {array.shape};".encode())
        digest.update(array.tobytes())
    return _write(workspace, digest.hexdigest(), f"{file_name(name)}.npz", lambda: _npz(arrays))


def named_arrays(dataset: tuple[Any, ...]) -> dict[str, Any]:
    """Arrays by the names that a .npz file of them has.

    Raises:
        DataError: rows of unequal length, or objects in the place of numbers.
        UsageError: other than two or four of them.
    """
    flat = dataset
    if len(dataset) == 2 and all(isinstance(one, tuple) and len(one) == 2 for one in dataset):
        flat = (*dataset[0], *dataset[1])  # ((x_train, y_train), (x_test, y_test))
    if len(flat) not in PARTS:
        raise UsageError(
            f"dataset is a tuple of {len(flat)}: give (x, y) or (x_train, y_train, x_test, y_test)."
        )
    arrays = {part: _array(part, one) for part, one in zip(PARTS[len(flat)], flat, strict=True)}
    for x, y in zip(list(arrays)[::2], list(arrays)[1::2], strict=True):
        rows = [len(arrays[part]) if arrays[part].ndim else 0 for part in (x, y)]
        if rows[0] != rows[1]:
            raise DataError(f"dataset: {x} has {rows[0]} rows and {y} has {rows[1]}.")
    return arrays


def _array(part: str, given: Any) -> Any:
    import numpy as np

    try:
        array = np.asarray(given)
    except ValueError as error:  # rows of unequal length
        raise DataError(
            f"dataset: {part} is no array: its rows differ in length.\n"
            "Bring them to one shape first."
        ) from error
    if array.dtype.kind in "OT" and all(isinstance(one, str) for one in array.flat):
        array = array.astype(str)  # a column of words, as pandas holds it
    if array.dtype.kind not in "biufU":
        raise DataError(
            f"dataset: {part} is an array of {array.dtype}, and has to be one of numbers.\n"
            "A table with words in it is given as a DataFrame."
        )
    return np.ascontiguousarray(array)


def _npz(arrays: Mapping[str, Any]) -> bytes:
    import numpy as np

    written = io.BytesIO()
    np.savez(written, **arrays)
    return written.getvalue()


def _parquet(table: Any) -> bytes:
    wrong = [name for name in table.columns if not isinstance(name, str)]
    if wrong:
        raise DataError(
            f"dataset: a column is called {wrong[0]!r}, which is no text.\n"
            "Name all columns: table.columns = table.columns.astype(str)"
        )
    try:
        content = table.to_parquet(index=False)
    except (ValueError, TypeError, NotImplementedError) as error:  # those of pyarrow are of these
        why = " ".join(str(part) for part in error.args)
        raise DataError(
            f"dataset: the table cannot be written ({' '.join(why.split())[:200]}).\n"
            "Each column has to hold one kind of value."
        ) from error
    return bytes(content)


def _write(workspace: Workspace, mark: str, name: str, content: Callable[[], bytes]) -> str:
    path = workspace.inputs / mark[:16] / name
    if not path.exists():
        write_aside(path, content())
    return path.relative_to(workspace.root).as_posix()
