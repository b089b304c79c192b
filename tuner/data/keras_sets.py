"""Data sets that Keras knows: from a file in the data directory, or through Keras's own download.

The process that calls `load` never imports Keras: the download runs in a short-lived child
(`python -m tuner.data.keras_sets NAME OUT.npz`), one at a time for each Keras cache, because two
first downloads at once leave that cache corrupted. Never unpickles.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tuner.data.dataset import Array, Dataset
from tuner.errors import DataError
from tuner.locks import try_lock

KEYS = ("x_train", "y_train", "x_test", "y_test")
QUIET_SECONDS = (
    60.0  # the child imports Keras and downloads: a minute without a word is a dead line
)
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class ImageSet:
    """An image set with the four arrays of Keras's own `.npz` files.

    Attributes:
        file: its name in the data directory.
        module: its name in `keras.datasets`.
        shape: of one image, uint8.
        class_names: one a label.
        description: one line for a person.
    """

    file: str
    module: str
    shape: tuple[int, ...]
    class_names: tuple[str, ...]
    description: str


SETS: dict[str, ImageSet] = {
    "mnist": ImageSet(
        file="mnist.npz",
        module="mnist",
        shape=(28, 28),
        class_names=tuple(str(digit) for digit in range(10)),
        description="MNIST: 70,000 handwritten digits, 28×28 grey pixels, 10 classes",
    ),
    "fashion": ImageSet(
        file="fashion_mnist.npz",
        module="fashion_mnist",
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
        arrays = fetch(name)
    except DataError as error:
        if data_dir is None:
            missing = "no data directory is given"
            remedy = f"Set TUNER_DATA_DIR to a folder with {known.file}"
        else:
            missing = f"{data_dir} has no {known.file}"
            remedy = (
                f"Put {known.file} into {data_dir}, or set TUNER_DATA_DIR to a folder that has it"
            )
        raise DataError(
            f"data set {name} is not at hand: {missing}, and Keras could not provide it ({error})."
            f"\n{remedy} (arrays {', '.join(KEYS)}), or connect to the internet so that Keras can "
            "download it to its cache."
        ) from error
    return _dataset(name, arrays, "keras.datasets")


def _dataset(name: str, arrays: dict[str, Array], source: str) -> Dataset:
    known = SETS[name]
    return Dataset(
        name=name,
        **arrays,
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


def fetch(name: str, quiet: float = QUIET_SECONDS) -> dict[str, Array]:
    """The four arrays as Keras has them, from its cache or the internet, read by a child process.

    Args:
        name: one of `SETS`.
        quiet: seconds without a sign of life (import, lock, progress bar) after which to give up.

    Raises:
        DataError: one line that says why Keras could not provide them.
    """
    package_root = str(Path(__file__).parents[2])
    environment = {
        **os.environ,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "PYTHONPATH": os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH")])),
    }
    with tempfile.TemporaryDirectory(prefix="tuner-") as folder:
        out, said, failed = (Path(folder, part) for part in ("arrays.npz", "stdout", "stderr"))
        # -P: a keras.py in the user's working directory is not Keras.
        command = [sys.executable, "-P", "-m", __spec__.name, name, str(out)]
        with (
            said.open("wb") as stdout,
            failed.open("wb") as stderr,
            subprocess.Popen(  # noqa: S603
                command, env=environment, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr
            ) as child,
        ):
            try:
                heard = _wait(child, said, quiet)
            finally:
                _stop(child)
        if not heard:
            raise DataError(f"no progress for {quiet:.0f} seconds")
        if child.returncode != 0 or not out.exists():
            raise DataError(_last_line(failed) or f"exit status {child.returncode}")
        return read_npz(out, SETS[name].shape)


def _wait(child: subprocess.Popen[bytes], said: Path, quiet: float) -> bool:
    """Wait for the child's end; False when it has written nothing for `quiet` seconds."""
    size, since = 0, time.monotonic()
    while child.poll() is None:
        if (grown := said.stat().st_size) != size:
            size, since = grown, time.monotonic()
        elif time.monotonic() - since > quiet:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End the child gently first: Keras then removes the file that it has half downloaded."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            child.kill()


def _last_line(file: Path) -> str:
    lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")


def keras_cache() -> Path:
    """The folder that Keras keeps downloads in, by Keras's own rule; made if need be."""
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras").expanduser()
    with contextlib.suppress(OSError):
        home.mkdir(parents=True, exist_ok=True)
    if not os.access(home, os.W_OK):
        home = Path(tempfile.gettempdir(), ".keras")
        home.mkdir(parents=True, exist_ok=True)
    return home


@contextlib.contextmanager
def exclusive(file: Path) -> Iterator[None]:
    """Hold a lock on `file` against other processes; it ends with the process in any case."""
    with file.open("ab") as handle:
        # On a file system without locks Keras has to do alone.
        with contextlib.suppress(OSError):
            while not try_lock(handle.fileno()):
                print("waiting for another download", flush=True)
                time.sleep(POLL_SECONDS)
        yield


def _download(name: str) -> dict[str, Array]:
    """The child's work: import Keras, then load under the lock, saying so on standard output."""
    import importlib

    import keras

    keras.config.enable_interactive_logging()  # its progress bar is the sign of life
    module = importlib.import_module(f"keras.datasets.{SETS[name].module}")
    print("Keras is imported", flush=True)
    with exclusive(keras_cache() / "tuner-download.lock"):
        (x_train, y_train), (x_test, y_test) = module.load_data()
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def main(argv: Sequence[str]) -> int:
    """Entry of the child process: write the set `argv[0]` to the file `argv[1]`."""
    name, out = argv[0], Path(argv[1])
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        arrays = _download(name)
    except (EOFError, gzip.BadGzipFile, zlib.error, ValueError) as error:
        print(
            f"its files for {SETS[name].module} in {keras_cache() / 'datasets'} are damaged, "
            f"delete them: {error}",
            file=sys.stderr,
        )
        return 1
    except Exception as error:
        print(" ".join(f"{error or type(error).__name__}".split()), file=sys.stderr)
        return 1
    aside = out.with_suffix(".part.npz")
    x_train, y_train, x_test, y_test = (arrays[key] for key in KEYS)
    np.savez(aside, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    aside.replace(out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
