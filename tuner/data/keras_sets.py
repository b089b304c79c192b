"""Image sets that Keras knows: from a file in the data directory, or through Keras (`keras_fetch`).

Files are checked array by array before anything is made of them; nothing is ever unpickled.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tuner.data.dataset import Array, Dataset
from tuner.data.keras_fetch import fetch
from tuner.errors import DataError

KEYS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True)
class ImageSet:
    """An image set with the four arrays of Keras's own `.npz` files.

    Attributes:
        file: its name in the data directory.
        shape: of one image, uint8.
        class_names: one a label.
        description: one line for a person.
    """

    file: str
    shape: tuple[int, ...]
    class_names: tuple[str, ...]
    description: str


SETS: dict[str, ImageSet] = {
    "mnist": ImageSet(
        file="mnist.npz",
        shape=(28, 28),
        class_names=tuple(str(digit) for digit in range(10)),
        description="MNIST: 70,000 handwritten digits, 28×28 grey pixels, 10 classes",
    ),
    "fashion": ImageSet(
        file="fashion_mnist.npz",
        shape=(28, 28),
        class_names=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        description="Fashion-MNIST: 70,000 pieces of clothing, 28×28 grey pixels, 10 classes",
    ),
}


def load(name: str, data_dir: Path | None) -> Dataset:
    """The set called `name`, from its file in `data_dir` if it is there, or else through Keras.

    Raises:
        DataError: the file is damaged or holds something else, or neither way leads to the data.
    """
    known = SETS[name]
    if data_dir is not None and os.path.lexists(data_dir / known.file):
        arrays = read_npz(data_dir / known.file, known.shape)
        return _dataset(name, arrays, f"{known.file} in {data_dir}")
    try:
        arrays = fetch(name, lambda file: read_npz(file, known.shape))
    except DataError as error:
        raise not_at_hand(name, known.file, f"arrays {', '.join(KEYS)}", data_dir, error) from error
    return _dataset(name, arrays, "keras.datasets")


def not_at_hand(
    name: str, file: str, content: str, data_dir: Path | None, why: DataError
) -> DataError:
    """The error for a data set that neither the data directory nor Keras has."""
    if data_dir is None:
        missing = "no data directory is given"
        remedy = f"Set TUNER_DATA_DIR to a folder with {file}"
    else:
        missing = f"{data_dir} has no {file}"
        remedy = f"Put {file} into {data_dir}, or set TUNER_DATA_DIR to a folder that has it"
    return DataError(
        f"data set {name} is not at hand: {missing}, and Keras could not provide it ({why})."
        f"\n{remedy} ({content}), or connect to the internet so that Keras can "
        "download it to its cache."
    )


def _dataset(name: str, arrays: dict[str, Array], source: str) -> Dataset:
    known = SETS[name]
    return Dataset(
        name=name,
        x_train=arrays["x_train"],
        y_train=arrays["y_train"],
        x_test=arrays["x_test"],
        y_test=arrays["y_test"],
        class_names=known.class_names,
        kind="image",
        scale=255.0,
        description=known.description,
        source=source,
    )


def read_npz(file: Path, shape: tuple[int, ...]) -> dict[str, Array]:
    """The four arrays of an image set, uint8 images of `shape` and integer labels.

    Raises:
        DataError: names the file, and the array where it is to blame.
    """
    try:
        handle = file.open("rb")
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror or error}).") from error
    with handle:  # numpy leaves a file that it opened itself open when the archive is damaged
        try:
            archive = np.load(handle, allow_pickle=False)
        except Exception as error:  # a damaged file raises whatever its bytes happen to lead to
            raise DataError(
                f"{file} is not an .npz file, or is cut short ({error}).\nGet or copy it again."
            ) from error
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise DataError(f"{file} holds a single array; it needs {', '.join(KEYS)}.")
        with archive:
            if missing := [key for key in KEYS if key not in archive.files]:
                raise DataError(
                    f"{file} lacks {', '.join(missing)}; it needs the arrays {', '.join(KEYS)}."
                )
            return {key: _read_array(archive, file, key, shape) for key in KEYS}


def _read_array(archive: Any, file: Path, key: str, shape: tuple[int, ...]) -> Array:
    try:
        array: Array = archive[key]
    except Exception as error:
        why = (
            "it holds Python objects, which are never unpickled"
            if "allow_pickle" in str(error)
            else f"{type(error).__name__}: {error}"
        )
        raise DataError(f"{file}: {key} cannot be read ({why}).") from error
    _check_array(file, key, array, shape)
    return array


def _check_array(file: Path, key: str, array: Array, shape: tuple[int, ...]) -> None:
    if not isinstance(array, np.ndarray):
        raise DataError(f"{file}: {key} is not an array.")
    if key.startswith("y"):
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise DataError(
                f"{file}: {key} is {array.dtype} with the shape {array.shape}; "
                "it must be integers with the shape (n,)."
            )
    elif array.shape[1:] != shape or array.ndim != len(shape) + 1 or array.dtype != np.uint8:
        wanted = ", ".join(map(str, shape))
        raise DataError(
            f"{file}: {key} is {array.dtype} with the shape {array.shape}; "
            f"it must be uint8 with the shape (n, {wanted})."
        )
