"""What Keras itself downloads or has in its cache, read by a short-lived child process.

The rule: the process that calls `fetch` never imports Keras, and there is one child at a time for
each Keras cache (`python -m tuner.data.keras_fetch NAME OUT.npz`), because two first downloads at
once leave that cache corrupted. What comes back holds plain arrays only, nothing pickled.
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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tuner.data.dataset import Array
from tuner.errors import DataError
from tuner.locks import try_lock

Read = TypeVar("Read")

MODULES = {"mnist": "mnist", "fashion": "fashion_mnist", "imdb": "imdb"}
"""Names of data sets, and of their modules in `keras.datasets`."""

KERAS_FILES = {
    "mnist": ["mnist.npz"],
    "fashion": [
        f"fashion-mnist/{split}-{what}-ubyte.gz"
        for split in ("train", "t10k")
        for what in ("images-idx3", "labels-idx1")
    ],
    "imdb": ["imdb.npz", "imdb_word_index.json"],
}
"""Files of a data set in the folder `datasets` of Keras's cache."""

QUIET_SECONDS = (
    60.0  # the child imports Keras and downloads: a minute without a word is a dead line
)
POLL_SECONDS = 0.1


def fetch(name: str, read: Callable[[Path], Read], quiet: float = QUIET_SECONDS) -> Read:
    """What `read` makes of the `.npz` file into which a child writes what Keras has.

    The file holds x_train, y_train, x_test and y_test of an image set, or the arrays of
    `_reviews` for `imdb`; it is gone when this function returns.

    Args:
        name: one of `MODULES`.
        read: reads the file; raises DataError where it holds something else.
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
        return read(out)


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


def keras_home() -> Path:
    """The folder that Keras is asked to keep its files in, whether or not it is there."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras").expanduser()


def in_keras_cache(name: str) -> bool:
    """Whether Keras has all files, of which a download that failed may have left some."""
    folder = keras_home() / "datasets"
    return all((folder / file).is_file() for file in KERAS_FILES[name])


def keras_cache() -> Path:
    """The folder that Keras keeps downloads in, by Keras's own rule; made if need be."""
    home = keras_home()
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
    module = importlib.import_module(f"keras.datasets.{MODULES[name]}")
    print("Keras is imported", flush=True)
    with exclusive(keras_cache() / "tuner-download.lock"):
        if name == "imdb":
            return _reviews(module)
        (x_train, y_train), (x_test, y_test) = module.load_data()
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


def _reviews(module: Any) -> dict[str, Array]:
    """The reviews as plain arrays: for each part the ranks of its words end to end and how many
    words each review has, and beside them all words by rank as UTF-8 lines."""
    # Ranks as they are: no start sign, no shift, nothing left out but the one rarest word.
    loaded = module.load_data(start_char=None, oov_char=None, index_from=0)
    arrays: dict[str, Array] = {}
    for part, (reviews, labels) in zip(("train", "test"), loaded, strict=True):
        arrays[f"lengths_{part}"] = np.array([len(review) for review in reviews], dtype=np.int64)
        arrays[f"ranks_{part}"] = np.concatenate([np.asarray(r, dtype=np.int32) for r in reviews])
        arrays[f"y_{part}"] = np.asarray(labels)
        print(f"read {part}", flush=True)
    ranks = module.get_word_index()
    words = [""] * (max(ranks.values()) + 1)
    for word, rank in ranks.items():
        words[rank] = word
    arrays["words"] = np.frombuffer("\n".join(words).encode(), dtype=np.uint8)
    return arrays


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
            f"its files for {MODULES[name]} in {keras_cache() / 'datasets'} are damaged, "
            f"delete them: {error}",
            file=sys.stderr,
        )
        return 1
    except Exception as error:
        print(" ".join(f"{error or type(error).__name__}".split()), file=sys.stderr)
        return 1
    aside = out.with_suffix(".part.npz")
    np.savez(aside, allow_pickle=False, **arrays)
    aside.replace(out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
