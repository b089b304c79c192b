"""Arrays of the user's own (`.npz`) as a data set: images or rows of numbers, with labels.

The rule: arrays keep what is in them; only wide types become 32 bits, and labels become classes
from 0 on. What is neither images nor rows is refused. Nothing is ever unpickled.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tuner.data.columns import LARGEST
from tuner.data.dataset import Array, Dataset, DatasetKind, Standard
from tuner.data.encoding import moments
from tuner.data.labels import Classes, number_classes, whole_numbers, word_classes
from tuner.data.pictures import reason, refuse_pointer
from tuner.errors import DataError

SPLIT_KEYS = (("x_train", "y_train"), ("x_test", "y_test"))
PAIRS = (("x", "y"), ("images", "labels"), ("data", "target"), ("features", "labels"))
NAMES = "class_names"
TOPS = (1.0, 255.0, 65_535.0)
"""What white usually is."""

CHANNELS = (1, 3, 4)


def load_arrays(path: Path, name: str, source: str) -> Dataset:
    """The data set in an `.npz` file.

    Raises:
        DataError: the file cannot be trained on as it is; says which array and what to do.
    """
    arrays = _read(path)
    x, y, tested, used = _pairs(path, arrays)
    remarks = []
    if over := [key for key in arrays if key not in used]:
        remarks.append(f"Not read: {', '.join(over)}.")
    kind = _checked(path, x, y, remarks)
    values = {part: _plain(path, f"{part} features", array, kind) for part, array in x.items()}
    labels, training = _joined(y)
    names = _names(path, arrays)
    classes = _classes(path, labels, training, used, names)
    test = values.get("test")
    if test is not None and test.dtype != values["train"].dtype:
        wide = np.promote_types(test.dtype, values["train"].dtype)
        wide = wide if wide.itemsize <= 4 else np.dtype(np.float32)
        values = {part: array.astype(wide) for part, array in values.items()}
    train = values["train"]
    scale, standard = 1.0, None
    if kind == "image":
        scale = _scale(train, remarks)
    else:
        mean, deviation = moments(train)
        standard = Standard(tuple(mean.tolist()), tuple(deviation.tolist()))
        constant = int((train.min(axis=0) == train.max(axis=0)).sum())
        if constant == train.shape[1]:
            raise DataError(f"{path}: every column of {used[0]} is constant: nothing to learn.")
        if constant:
            remarks.append(
                f"{constant:,} of {train.shape[1]:,} columns are constant in the training rows."
            )
    shape = "×".join(map(str, train.shape[1:]))
    rows = f"{len(labels):,} images of {shape} pixels"
    if kind == "table":
        rows = f"{len(labels):,} rows of {shape} numbers"
    return Dataset(
        name=name,
        x_train=values["train"],
        y_train=classes.y[training],
        x_test=values.get("test"),
        y_test=classes.y[~training] if tested else None,
        class_names=classes.names,
        kind=kind,
        scale=scale,
        description=f"{rows}, {len(classes.names)} classes",
        source=source,
        standard=standard,
        encoder={"from": "arrays", "classes": list(classes.names)},
        remarks=tuple(remarks),
        account={
            "arrays": list(used),
            "test": "the arrays x_test and y_test" if tested else None,
            "rows": len(labels),
            "left": dict.fromkeys(over, "not read"),
            "missing": {},
            "dropped": 0,
        },
    )


def _read(path: Path) -> dict[str, Array]:
    """All arrays of the file, by name."""
    try:
        handle = path.open("rb")
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}).") from error
    with handle:  # numpy leaves a file that it opened itself open when the archive is damaged
        if not handle.read(1):
            raise DataError(f"{path} is empty.")
        handle.seek(0)
        refuse_pointer(path)
        try:
            archive: Any = np.load(handle, allow_pickle=False)
        except Exception as error:  # a damaged file raises whatever its bytes happen to lead to
            raise DataError(
                f"{path} is not an .npz file, or is cut short ({reason(error)}).\n"
                "Write it again, as in np.savez(file, x_train=…, y_train=…)."
            ) from error
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise DataError(
                f"{path} holds a single array; labels are needed, too.\n"
                "Write both, as in np.savez(file, x=…, y=…)."
            )
        with archive:
            return {key: _array(archive, path, key) for key in archive.files}


def _array(archive: Any, path: Path, key: str) -> Array:
    try:
        array: Array = archive[key]
        if not isinstance(array, np.ndarray):
            raise ValueError("it is no array")
    except Exception as error:
        if "allow_pickle" in str(error):
            raise DataError(
                f"{path}: {key} holds Python objects, which are never unpickled.\n"
                "Write plain numbers, or names as np.array([...], dtype=str)."
            ) from error
        raise DataError(f"{path}: {key} cannot be read ({reason(error)}).") from error
    return array


def _pairs(
    path: Path, arrays: dict[str, Array]
) -> tuple[dict[str, Array], dict[str, Array], bool, list[str]]:
    """Features and labels of each part by name, whether there is a test split, and the keys."""
    folded: dict[str, str] = {}
    for key in arrays:
        folded.setdefault(key.lower(), key)
    there = list(arrays) or ["nothing"]
    named = [[folded.get(key) for key in pair] for pair in SPLIT_KEYS]
    if any(named[0]) or any(named[1]):
        flat = [key for pair in named for key in pair]
        wanted = [key for pair in SPLIT_KEYS for key in pair]
        lacking = [w for w, key in zip(wanted[:2], flat[:2], strict=True) if key is None]
        if any(flat[2:]):
            lacking += [w for w, key in zip(wanted[2:], flat[2:], strict=True) if key is None]
        if lacking:
            raise DataError(
                f"{path} lacks {' and '.join(lacking)}; it has {', '.join(there)}.\n"
                "x_train and y_train belong together, and so do x_test and y_test."
            )
        used = [key for key in flat if key is not None]
        x = {"train": arrays[used[0]]}
        y = {"train": arrays[used[1]]}
        if len(used) == 4:
            x["test"], y["test"] = arrays[used[2]], arrays[used[3]]
        return x, y, len(used) == 4, [*used, *_named(folded)]
    for one, other in PAIRS:
        if one in folded and other in folded:
            used = [folded[one], folded[other]]
            return (
                {"train": arrays[used[0]]},
                {"train": arrays[used[1]]},
                False,
                [
                    *used,
                    *_named(folded),
                ],
            )
    raise DataError(
        f"{path} has {', '.join(there[:10])}, where x and y are needed, or x_train, y_train, "
        f"x_test and y_test.\nRead, too: {', '.join(f'{a} and {b}' for a, b in PAIRS[1:])}."
    )


def _named(folded: dict[str, str]) -> list[str]:
    return [folded[NAMES]] if NAMES in folded else []


def _checked(
    path: Path, x: dict[str, Array], y: dict[str, Array], remarks: list[str]
) -> DatasetKind:
    """What the rows are, once shapes and lengths fit."""
    ending = "_test"
    for part, array in x.items():
        what = f"the {part}ing features" if part == "train" else "the test features"
        if array.dtype.kind not in "buif":
            raise DataError(f"{path}: {what} are {array.dtype}; features must be numbers.")
        if array.ndim == 1:
            raise DataError(
                f"{path}: {what} have the shape {array.shape}, which is one number, not a row of "
                "them.\nIf each row is one number, write it as x.reshape(-1, 1)."
            )
        if array.ndim > 4 or array.ndim == 0:
            raise DataError(
                f"{path}: {what} have the shape {array.shape}; rows of numbers have 2 axes, and "
                "images 3, or 4 with channels."
            )
        if array.ndim == 4 and array.shape[3] not in CHANNELS:
            first = array.shape[1] in CHANNELS
            hint = (
                "Put the channels last: np.moveaxis(x, 1, -1)."
                if first
                else "Images have 1, 3 or 4 channels, on the last axis."
            )
            raise DataError(
                f"{path}: {what} have the shape {array.shape}: {array.shape[3]} channels.\n{hint}"
            )
        if array.size == 0:
            raise DataError(f"{path}: {what} have no rows (shape {array.shape}).")
        labels = y[part]
        if labels.ndim == 2 and labels.shape[1] == 1:
            y[part] = labels = labels[:, 0]
        if labels.ndim == 2:
            raise DataError(
                f"{path}: the {part} labels have the shape {labels.shape}; one label a row is "
                "needed.\nOne-hot rows become labels by y.argmax(axis=1)."
            )
        if labels.ndim != 1:
            raise DataError(f"{path}: the {part} labels have the shape {labels.shape}, not (n,).")
        if len(labels) != len(array):
            raise DataError(
                f"{path}: there are {len(array):,} rows of {part} features, but {len(labels):,} "
                "labels.\nWrite the file again with one label a row."
            )
    shapes = {array.shape[1:] for array in x.values()}
    if len(shapes) > 1:
        one, other = x["train"].shape[1:], x["test"].shape[1:]
        raise DataError(
            f"{path}: a training row has the shape {one}, but a row of x{ending} {other}."
        )
    return "table" if x["train"].ndim == 2 else "image"


def _plain(path: Path, what: str, array: Array, kind: DatasetKind) -> Array:
    """The same values in at most 32 bits, all of them finite."""
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind == "f":
        broken = ~np.isfinite(array)
        if broken.any():
            row = int(np.argmax(broken.reshape(len(array), -1).any(axis=1)))
            number = int(broken.sum())
            raise DataError(
                f"{path}: {number:,} of the {what} {'is' if number == 1 else 'are'} NaN or "
                f"infinite, the first in row {row}.\nFill them in, or leave those rows out."
            )
        if float(np.abs(array).max()) > LARGEST:
            raise DataError(f"{path}: the {what} hold a number beyond what 32 bits hold.")
        return np.asarray(array, np.float32)
    if array.dtype.itemsize == 1 or (kind == "image" and array.dtype == np.uint16):
        return array
    low, high = int(array.min()), int(array.max())
    if kind == "image" and low >= 0 and high <= 255:
        return array.astype(np.uint8)
    return np.asarray(array, np.float32)


def _joined(y: dict[str, Array]) -> tuple[Array, Array]:
    """The labels of both parts in one array, and which are of training rows."""
    both = list(y.values())
    training = np.concatenate([np.full(len(v), part == "train") for part, v in y.items()])
    return np.concatenate(both), training


def _names(path: Path, arrays: dict[str, Array]) -> tuple[str, ...] | None:
    found = next((arrays[key] for key in arrays if key.lower() == NAMES), None)
    if found is None:
        return None
    if found.dtype.kind not in "US" or found.ndim != 1:
        raise DataError(f"{path}: {NAMES} is {found.dtype} {found.shape}; a list of names is due.")
    names = tuple(_word(value) for value in found.tolist())
    if len(set(names)) < len(names) or not all(names):
        raise DataError(f"{path}: {NAMES} holds a name twice, or an empty one.")
    return names


def _word(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value).strip()


def _classes(
    path: Path, labels: Array, training: Array, used: Sequence[str], names: tuple[str, ...] | None
) -> Classes:
    where = f"{path}, {used[1]}"
    if labels.dtype.kind in "US":
        words = np.array([_word(value) for value in labels.tolist()], object)
        if (words == "").any():
            raise DataError(f"{where}: label {int(np.argmax(words == ''))} is empty.")
        return word_classes(words, training, where, names)
    if labels.dtype.kind not in "buif":
        raise DataError(f"{where}: is {labels.dtype}; labels are whole numbers or words.")
    whole = whole_numbers(labels, lambda index: f"{where}[{index}]")
    return number_classes(whole, training, where, names)


def _scale(x: Array, remarks: list[str]) -> float:
    """What is white in these images."""
    low, high = float(x.min()), float(x.max())
    if low < 0:
        remarks.append(
            f"Pixels go from {low:g} to {high:g}: they are taken as normalised already, and the "
            "model does not divide them."
        )
        return 1.0
    if high == 0:
        return 1.0
    top = next((top for top in TOPS if top / 2 < high <= top), high)
    if top not in TOPS:
        remarks.append(f"The brightest pixel is {high:g}, which is taken for white.")
    return top
