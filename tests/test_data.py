"""Data sets: named ones, malformed files, Keras's cache, and prepared folders."""

from __future__ import annotations

import gzip
import io
import json
import multiprocessing
import os
import socket
import struct
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuner.data import keras_fetch, registry
from tuner.data.dataset import Dataset, fingerprint, validate
from tuner.data.prepared import Prepared, prepare
from tuner.errors import DataError, WorkspaceError

Arrays = dict[str, Any]


def small_arrays() -> Arrays:
    """60 training and 20 test images, every class in both."""
    draw = np.random.default_rng(0)
    return {
        "x_train": draw.integers(0, 256, (60, 28, 28), dtype=np.uint8),
        "y_train": np.arange(60, dtype=np.uint8) % 10,
        "x_test": draw.integers(0, 256, (20, 28, 28), dtype=np.uint8),
        "y_test": np.arange(20, dtype=np.uint8) % 10,
    }


def small(**changes: Any) -> Dataset:
    values: Arrays = {
        "name": "small",
        **small_arrays(),
        "class_names": tuple("abcdefghij"),
        "kind": "image",
        "scale": 255.0,
        "description": "small",
        "source": "a test",
    }
    return Dataset(**{**values, **changes})


def as_npz(**changes: Any) -> bytes:
    """The small arrays as the bytes of an .npz file; a value of None leaves an array out."""
    arrays = {k: v for k, v in {**small_arrays(), **changes}.items() if v is not None}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def fashion() -> Dataset:
    return registry.load("fashion", real_data())


def real_data() -> Path:
    """The folder with the real files; skips where there is none."""
    folder = os.environ.get("TUNER_DATA_DIR")
    if not folder or not Path(folder, "fashion_mnist.npz").is_file():
        pytest.skip("TUNER_DATA_DIR is unset or holds no fashion_mnist.npz")
    return Path(folder)


# Named data sets


def test_digits() -> None:
    digits = registry.load("digits", None)
    assert digits.x_train.shape == (1437, 8, 8)
    assert digits.x_test is not None
    assert digits.y_test is not None
    assert digits.x_test.shape == (360, 8, 8)
    assert digits.x_train.dtype == digits.y_train.dtype == np.uint8
    assert (digits.x_train.min(), digits.x_train.max()) == (0, digits.scale)
    counts = np.bincount(np.concatenate([digits.y_train, digits.y_test]))
    assert np.abs(np.bincount(digits.y_test) - counts * 0.2).max() <= 1
    assert fingerprint(digits) == fingerprint(registry.load("digits", Path("nowhere")))


def test_fashion_file(fashion: Dataset) -> None:
    assert fashion.x_train.shape == (60_000, 28, 28)
    assert fashion.x_train.dtype == np.uint8
    assert np.bincount(fashion.y_train).tolist() == [6_000] * 10
    assert fashion.y_test is not None
    assert np.bincount(fashion.y_test).tolist() == [1_000] * 10
    assert len(fashion.class_names) == 10
    assert fashion.source == f"fashion_mnist.npz in {real_data()}"
    assert fingerprint(fashion) == fingerprint(registry.load("fashion", real_data()))


def test_a_prepared_fashion_holds_the_same_arrays(fashion: Dataset, tmp_path: Path) -> None:
    opened = Prepared.open(prepare(fashion, tmp_path).path, fingerprint(fashion))
    assert isinstance(opened.x_train, np.memmap)
    assert np.array_equal(opened.x_train, fashion.x_train)
    assert np.array_equal(opened.y_train, fashion.y_train)
    assert np.array_equal(opened.test()[0], fashion.x_test)
    assert np.array_equal(opened.test()[1], fashion.y_test)


def test_loading_imports_no_keras() -> None:
    code = (
        "import sys; from tuner.data import prepared, registry, splits\n"
        "heavy = {'tensorflow', 'keras', 'sklearn', 'pandas'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "registry.load('digits', None)\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_describe_names_every_set() -> None:
    described = registry.describe()
    names = ["digits", "mnist", "fashion", "imdb"]
    assert [name for name, _, _ in described] == list(registry.names()) == names
    sources = {name: source for name, _, source in described}
    assert "fashion_mnist.npz" in sources["fashion"]
    assert "imdb.parquet" in sources["imdb"]
    assert all(description and source for _, description, source in described)


@pytest.mark.parametrize(
    ("name", "hint"), [("fasion", "did you mean fashion"), ("digit", "did you mean digits")]
)
def test_unknown_name(name: str, hint: str) -> None:
    with pytest.raises(DataError, match=hint) as error:
        registry.load(name, None)
    assert "Known: digits, mnist, fashion, imdb." in str(error.value)


# Malformed files

EMPTY_ZIP = b"PK\x05\x06" + bytes(18)


def single_array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


def flipped() -> bytes:
    """A byte inside the first image is another one, so that the archive's checksum is wrong."""
    raw = bytearray(as_npz())
    raw[1_000] ^= 0xFF
    return bytes(raw)


def not_an_array() -> bytes:
    buffer = io.BytesIO(as_npz(y_test=None))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("y_test", b"no header")
    return buffer.getvalue()


def claims_too_much() -> bytes:
    """A header that promises far more rows than any memory holds."""
    buffer = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": (2**50, 28, 28)}
    np.lib.format.write_array_header_1_0(buffer, header)
    archive_bytes = io.BytesIO(as_npz(x_train=None))
    with zipfile.ZipFile(archive_bytes, "a") as archive:
        archive.writestr("x_train.npy", buffer.getvalue())
    return archive_bytes.getvalue()


MALFORMED: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "not an .npz file"),
    "text": (lambda: b"<html>not found</html>", "not an .npz file"),
    "truncated": (lambda: as_npz()[:5_000], "cut short"),
    "pickle": (lambda: b"\x80\x04N.", "not an .npz file"),
    "single array": (single_array, "single array"),
    "empty archive": (lambda: EMPTY_ZIP, "lacks x_train, y_train, x_test, y_test"),
    "missing keys": (lambda: as_npz(y_train=None, x_test=None), "lacks y_train, x_test;"),
    "checksum": (flipped, "x_train cannot be read"),
    "not an array": (not_an_array, "y_test is not an array"),
    "huge": (claims_too_much, "x_train cannot be read"),
    "flat": (lambda: as_npz(x_train=np.zeros((60, 784), np.uint8)), r"\(n, 28, 28\)"),
    "other size": (lambda: as_npz(x_test=np.zeros((20, 32, 32), np.uint8)), r"\(n, 28, 28\)"),
    "channels": (lambda: as_npz(x_test=np.zeros((20, 28, 28, 1), np.uint8)), r"\(n, 28, 28\)"),
    "float": (lambda: as_npz(x_train=np.zeros((60, 28, 28))), "x_train is float64"),
    "one-hot": (lambda: as_npz(y_train=np.eye(10, dtype=int)[[0] * 60]), r"shape \(n,\)"),
    "float labels": (lambda: as_npz(y_test=np.zeros(20)), "y_test is float64"),
    "objects": (
        lambda: as_npz(x_train=np.array([None] * 60, dtype=object)),
        "Python objects, which are never unpickled",
    ),
    "lengths": (lambda: as_npz(y_train=np.zeros(59, np.uint8)), "60 rows, but y_train has 59"),
    "label 10": (lambda: as_npz(y_test=np.full(20, 10)), "label 10"),
    "label -1": (lambda: as_npz(y_train=np.full(60, -1)), "label -1"),
    "one class": (lambda: as_npz(y_train=np.full(60, 3)), "at least 2"),
    "no rows": (
        lambda: as_npz(x_test=np.zeros((0, 28, 28), np.uint8), y_test=np.zeros(0, np.uint8)),
        "x_test is empty",
    ),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_file(case: str, tmp_path: Path) -> None:
    content, message = MALFORMED[case]
    (tmp_path / "fashion_mnist.npz").write_bytes(content())
    with pytest.raises(DataError, match=message) as error:
        registry.load("fashion", tmp_path)
    text = str(error.value)
    assert "fashion_mnist.npz" in text
    assert str(tmp_path) in text
    assert text.count("\n") <= 1


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "fashion_mnist.npz").mkdir()
    with pytest.raises(DataError, match=r"fashion_mnist\.npz cannot be read"):
        registry.load("fashion", tmp_path)


def test_a_well_formed_file_loads(tmp_path: Path) -> None:
    (tmp_path / "fashion_mnist.npz").write_bytes(as_npz())
    assert fingerprint(registry.load("fashion", tmp_path)) == fingerprint(small())


# Validation and fingerprint

WITH_NAN = np.full((60, 28, 28), np.nan, np.float32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale": 0.0}, "scale is 0.0"),
        ({"scale": float("inf")}, "scale is inf"),
        ({"x_test": None}, "y_test but no x_test"),
        ({"y_test": None}, "x_test but no y_test"),
        ({"x_train": np.array([None] * 60)}, "x_train has dtype object"),
        ({"y_train": np.array(["a"] * 60)}, "y_train has dtype <U1"),
        ({"kind": "table"}, "x_train has 3 axes, but table rows need 2"),
        ({"y_train": np.zeros((60, 1), int)}, "y_train has 2 axes"),
        ({"y_train": np.zeros(61, int)}, "x_train has 60 rows, but y_train has 61"),
        ({"x_train": np.zeros((60, 0, 28))}, "x_train is empty"),
        ({"class_names": ("a", "b")}, "label 9, but labels go from 0 to 1"),
        ({"y_train": np.full(60, -2)}, "label -2"),
        ({"y_train": np.full(60, 4)}, "holds 1 class"),
        ({"x_train": WITH_NAN, "x_test": None, "y_test": None}, "NaN or infinite"),
        ({"x_test": np.zeros((20, 28, 27), np.uint8)}, r"\(28, 27\), but a row of x_train"),
        ({"x_test": np.zeros((20, 28, 28), np.uint16)}, "x_test is uint16"),
    ],
)
def test_unsound_data(changes: Arrays, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        validate(small(**changes))
    assert str(error.value).startswith("data set small (a test): ")


def test_sound_data() -> None:
    validate(small())
    validate(small(x_test=None, y_test=None))
    validate(small(kind="table", x_train=np.ones((60, 5)), x_test=np.ones((20, 5))))


def changed_arrays() -> Iterator[tuple[str, Arrays]]:
    arrays = small_arrays()
    order = np.roll(np.arange(60), 1)
    yield "order", {"x_train": arrays["x_train"][order], "y_train": arrays["y_train"][order]}
    pixel = arrays["x_test"].copy()
    pixel[-1, -1, -1] ^= 1
    yield "test pixel", {"x_test": pixel}
    yield "dtype", {"y_train": arrays["y_train"].astype(np.int64)}
    yield "shape", {"x_train": arrays["x_train"].reshape(60, 784, 1)}
    yield "no test", {"x_test": None, "y_test": None}
    yield "swapped", {"x_train": arrays["x_test"], "x_test": arrays["x_train"]}


@pytest.mark.parametrize(("what", "changes"), list(changed_arrays()))
def test_other_content_is_another_fingerprint(what: str, changes: Arrays) -> None:
    assert fingerprint(small(**changes)) != fingerprint(small())


def test_equal_content_is_one_fingerprint() -> None:
    turned = np.asfortranarray(small().x_train)
    other = small(x_train=turned, name="other", source="elsewhere", scale=1.0)
    assert fingerprint(other) == fingerprint(small())


def test_the_fingerprint_of_a_content_never_changes() -> None:
    """Stored studies are found again by it."""
    content = {"x_train": np.arange(8, dtype=np.uint8).reshape(2, 2, 2), "y_train": np.arange(2)}
    assert fingerprint(small(**content, x_test=None, y_test=None)) == "7949731b5a73deca"


# Prepared folders


def listed(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


def test_prepare_writes_what_open_reads(tmp_path: Path) -> None:
    prepared = prepare(small(), tmp_path / "deep" / "data")
    assert prepared.path == tmp_path / "deep" / "data" / fingerprint(small())
    assert Prepared.open(prepared.path) == prepared
    assert prepared.x_train.dtype == np.uint8
    assert np.array_equal(prepared.x_train, small().x_train)
    assert np.array_equal(prepared.test()[1], small_arrays()["y_test"])
    assert not prepared.x_train.flags.writeable
    assert prepared.input_shape == (28, 28)
    assert prepared.n_classes == 10
    assert prepared.class_names == tuple("abcdefghij")
    assert (prepared.kind, prepared.scale, prepared.source) == ("image", 255.0, "a test")
    assert listed(prepared.path.parent) == [fingerprint(small())]


def test_without_a_test_split(tmp_path: Path) -> None:
    prepared = prepare(small(x_test=None, y_test=None), tmp_path)
    assert not prepared.has_test
    with pytest.raises(DataError, match="has no test split"):
        prepared.test()


def test_a_complete_folder_is_reused(tmp_path: Path) -> None:
    first = prepare(small(), tmp_path)
    written = (first.path / "x_train.npy").stat()
    second = prepare(small(source="elsewhere"), tmp_path)
    assert (second.path / "x_train.npy").stat().st_mtime_ns == written.st_mtime_ns
    assert (second.path / "x_train.npy").stat().st_ino == written.st_ino
    assert second.source == Prepared.open(first.path).source == "elsewhere"


def test_another_fingerprint_is_refused(tmp_path: Path) -> None:
    prepared = prepare(small(), tmp_path)
    with pytest.raises(DataError, match=r"but 0123 is wanted"):
        Prepared.open(prepared.path, "0123")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def lengthen(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0")


def edit(**changes: Any) -> Callable[[Path], None]:
    def apply(file: Path) -> None:
        raw = {**json.loads(file.read_text("utf-8")), **changes}
        file.write_text(json.dumps({k: v for k, v in raw.items() if v is not None}), "utf-8")

    return apply


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("x_train.npy", Path.unlink),
        ("y_test.npy", Path.unlink),
        ("x_train.npy", cut),
        ("y_train.npy", lengthen),
        ("x_test.npy", lambda file: file.write_bytes(b"")),
        ("x_train.npy", lambda file: np.save(file, np.zeros((60, 28, 29), np.uint8))),
        ("y_train.npy", lambda file: np.save(file, np.zeros(60, np.int8))),
        ("y_train.npy", lambda file: np.save(file, np.array([None] * 60), allow_pickle=True)),
        ("dataset.json", Path.unlink),
        ("dataset.json", cut),
        ("dataset.json", lambda file: file.write_text("[]")),
        ("dataset.json", edit(shapes=None)),
        ("dataset.json", edit(shapes=[1])),
        ("dataset.json", edit(shapes={})),
        ("dataset.json", edit(dtypes={})),
    ],
)
def test_a_damaged_folder_is_refused_and_prepared_again(
    name: str, damage: Callable[[Path], Any], tmp_path: Path
) -> None:
    path = prepare(small(), tmp_path).path
    damage(path / name)
    with pytest.raises(DataError, match="damaged"):
        Prepared.open(path)
    again = prepare(small(), tmp_path)
    assert np.array_equal(again.x_train, small().x_train)
    assert listed(tmp_path) == [path.name]


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"dataset\.json is missing"):
        Prepared.open(tmp_path / "none")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WorkspaceError, match="cannot write prepared data"):
        prepare(small(), tmp_path / "file" / "data")


def test_preparing_at_once_is_harmless(tmp_path: Path) -> None:
    """Threads share nothing here but the folder, as processes do."""
    gate = threading.Barrier(8)

    def work(_: int) -> Prepared:
        gate.wait()
        return prepare(small(), tmp_path)

    for _ in range(5):
        with ThreadPoolExecutor(8) as pool:
            done = list(pool.map(work, range(8)))
        assert all(np.array_equal(p.x_train, small().x_train) for p in done)
        assert listed(tmp_path) == [fingerprint(small())]
        (done[0].path / "x_test.npy").unlink()
        prepare(small(), tmp_path)
        for file in done[0].path.iterdir():
            file.unlink()
        done[0].path.rmdir()


# Keras's cache and download, in the child process


def fill_keras_cache(home: Path) -> Path:
    """Write the small arrays in the layout and IDX format of Keras's own Fashion-MNIST files."""
    folder = home / "datasets" / "fashion-mnist"
    folder.mkdir(parents=True)
    for prefix, split in (("train", "train"), ("t10k", "test")):
        x, y = small_arrays()[f"x_{split}"], small_arrays()[f"y_{split}"]
        images = struct.pack(">IIII", 0x0803, len(x), 28, 28) + x.tobytes()
        labels = struct.pack(">II", 0x0801, len(y)) + y.tobytes()
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    return folder


@pytest.fixture
def keras_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Keras cache of its own, and a proxy that refuses every connection in place of a network."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    use_proxy(monkeypatch, 9)
    return tmp_path / "keras"


def use_proxy(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    for name in ("no_proxy", "NO_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")


@pytest.mark.slow
def test_keras_cache_works_offline_and_for_two_at_once(
    keras_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_keras_cache(keras_home)
    (tmp_path / "keras.py").write_text("raise SystemExit('not the real Keras')")
    monkeypatch.chdir(tmp_path)
    with ThreadPoolExecutor(2) as pool:
        loaded = list(pool.map(lambda where: registry.load("fashion", where), [None, tmp_path]))
    for dataset in loaded:
        assert dataset.source == "keras.datasets"
        assert fingerprint(dataset) == fingerprint(small())


@pytest.mark.slow
@pytest.mark.parametrize("given", [True, False])
def test_no_file_and_no_network(given: bool, keras_home: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        registry.load("fashion", tmp_path if given else None)
    text = str(error.value)
    assert "URL fetch failure" in text
    assert "connect to the internet" in text
    assert "TUNER_DATA_DIR" in text
    assert "fashion_mnist.npz" in text
    assert "x_train, y_train, x_test, y_test" in text
    assert (f"{tmp_path} has no fashion_mnist.npz" in text) is given
    assert text.count("\n") == 1


@pytest.mark.slow
def test_a_damaged_keras_cache_is_named(keras_home: Path) -> None:
    folder = fill_keras_cache(keras_home)
    images = folder / "train-images-idx3-ubyte.gz"
    cut_short = images.read_bytes()[:-500]
    images.write_bytes(cut_short)
    with pytest.raises(DataError, match=r"are damaged, delete them") as error:
        registry.load("fashion", None)
    assert str(folder.parent) in str(error.value)
    assert images.read_bytes() == cut_short


@pytest.mark.slow
def test_a_line_that_says_nothing_is_given_up(
    keras_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        use_proxy(monkeypatch, mute.getsockname()[1])
        with pytest.raises(DataError, match="no progress for 8 seconds"):
            keras_fetch.fetch("fashion", Path, quiet=8.0)


def hold_lock(file: Path, held: Any, release: Any) -> None:
    with keras_fetch.exclusive(file):
        held.set()
        release.wait(60)


def test_the_download_lock_waits_for_another_process(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held, release, entered = context.Event(), context.Event(), threading.Event()
    other = context.Process(target=hold_lock, args=(tmp_path / "lock", held, release))
    other.start()
    assert held.wait(60)

    def enter() -> None:
        with keras_fetch.exclusive(tmp_path / "lock"):
            entered.set()

    waiting = threading.Thread(target=enter)
    waiting.start()
    assert not entered.wait(0.5)
    release.set()
    assert entered.wait(60)
    waiting.join()
    other.join()


def test_the_download_lock_ends_with_its_process(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=hold_lock, args=(tmp_path / "lock", held, release))
    other.start()
    assert held.wait(60)
    other.kill()
    other.join()
    entered = []
    with keras_fetch.exclusive(tmp_path / "lock"):
        entered.append(True)
    assert entered
