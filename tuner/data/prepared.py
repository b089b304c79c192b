"""Arrays on disk that the parent writes once and every worker maps.

One folder a fingerprint: plain `.npy` files and a `dataset.json`, written aside and renamed, so
that a folder under its final name is complete and two parents at once do each other no harm.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import numpy as np

from tuner.data.dataset import Array, Dataset, DatasetKind, Standard, fingerprint
from tuner.data.texts import Part, has_texts, read_texts, write_texts
from tuner.errors import DataError, WorkspaceError
from tuner.workspace import write_aside

METADATA = "dataset.json"
VOCABULARY = "vocabulary.json"


@dataclass(frozen=True)
class Prepared:
    """A prepared folder: metadata in memory, arrays mapped from disk when asked for.

    Attributes:
        path: the folder.
        name, class_names, kind, scale, description, source: as in `Dataset`.
        fingerprint: of the arrays.
        shapes: shape of each array, by name.
        dtypes: dtype of each array, by name, as numpy spells it (`|u1`).
        standard, encoder, remarks, account: as in `Dataset`; nothing of it for named data sets.
    """

    path: Path
    name: str
    class_names: tuple[str, ...]
    kind: DatasetKind
    scale: float
    description: str
    source: str
    fingerprint: str
    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]
    standard: Standard | None = None
    encoder: dict[str, Any] | None = None
    remarks: tuple[str, ...] = ()
    account: dict[str, Any] | None = None

    @classmethod
    def open(cls, path: Path, fingerprint: str | None = None) -> Prepared:
        """Open a folder that `prepare` wrote.

        The check is cheap: metadata, and each file's header and length, but not the values.

        Raises:
            DataError: the folder is missing, damaged, or holds another fingerprint.
        """
        try:
            raw: dict[str, Any] = json.loads((path / METADATA).read_text(encoding="utf-8"))
            prepared = cls(
                path=path,
                name=raw["name"],
                class_names=tuple(raw["class_names"]),
                kind=raw["kind"],
                scale=float(raw["scale"]),
                description=raw["description"],
                source=raw["source"],
                fingerprint=raw["fingerprint"],
                shapes={name: tuple(shape) for name, shape in raw["shapes"].items()},
                dtypes=dict(raw["dtypes"]),
                standard=Standard.from_json(raw["standard"]) if raw.get("standard") else None,
                encoder=raw.get("encoder"),
                remarks=tuple(raw.get("remarks", ())),
                account=raw.get("account"),
            )
        except FileNotFoundError as error:
            raise _damaged(path, f"{METADATA} is missing") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _damaged(path, f"{METADATA} cannot be read ({error!r})") from error
        if fingerprint is not None and prepared.fingerprint != fingerprint:
            raise DataError(
                f"{path} holds data with the fingerprint {prepared.fingerprint}, "
                f"but {fingerprint} is wanted.\nThe data has changed: prepare it again."
            )
        if not {"x_train", "y_train"} <= set(prepared.shapes):
            raise _damaged(path, f"{METADATA} lists no training arrays")
        for name in prepared.shapes:
            prepared._map(name)
        return prepared

    @property
    def x_train(self) -> Array:
        """Training features, mapped read-only."""
        return self._map("x_train")

    @property
    def y_train(self) -> Array:
        """Training labels (n,), mapped read-only."""
        return self._map("y_train")

    @property
    def has_test(self) -> bool:
        return "x_test" in self.shapes

    def test(self) -> tuple[Array, Array]:
        """Test features and labels, mapped read-only; DataError where there is no test split."""
        if not self.has_test:
            raise DataError(f"data set {self.name} ({self.source}) has no test split.")
        return self._map("x_test"), self._map("y_test")

    def shared(self, name: str) -> Array:
        """An array mapped copy-on-write: writable by its flags, as interfaces without a copy ask.

        Nobody writes to it, so that its pages stay shared by all processes that map them.

        Args:
            name: `x_train`, `y_train`, `x_test` or `y_test`.
        """
        return self._map(name, "c")

    @property
    def vocabulary(self) -> tuple[str, ...] | None:
        """Of texts, the word of each column; None for everything else. Read from disk."""
        if self.kind != "text":
            return None
        try:
            words = json.loads((self.path / VOCABULARY).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise _damaged(self.path, f"{VOCABULARY} cannot be read ({error!r})") from error
        if not isinstance(words, list) or len(words) != self.input_shape[0]:
            raise _damaged(self.path, f"{VOCABULARY} is not the list of words")
        return tuple(map(str, words))

    def texts(self, part: Part, rows: Sequence[int]) -> list[str] | None:
        """The texts of these rows, as they were; None where they are not kept. Read from disk."""
        return read_texts(self.path, part, rows)

    @property
    def n_classes(self) -> int:
        return len(self.class_names)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one row of features."""
        return self.shapes["x_train"][1:]

    def _map(self, name: str, mode: Literal["r", "c"] = "r") -> Array:
        file = self.path / f"{name}.npy"
        try:
            array = np.load(file, mmap_mode=mode, allow_pickle=False)
            length = file.stat().st_size
        except FileNotFoundError as error:
            raise _damaged(self.path, f"{file.name} is missing") from error
        except (OSError, ValueError, EOFError) as error:
            raise _damaged(self.path, f"{file.name} cannot be read ({error})") from error
        if (
            not isinstance(array, np.memmap)
            or array.shape != self.shapes[name]
            or array.dtype.str != self.dtypes.get(name)
            or array.offset + array.nbytes != length
        ):
            raise _damaged(self.path, f"{file.name} is not the array that {METADATA} lists")
        return array


def prepare(dataset: Dataset, folder: Path) -> Prepared:
    """Write the arrays of `dataset` to `folder/<fingerprint>/`, or reuse what is there already.

    Raises:
        WorkspaceError: the folder cannot be written.
    """
    mark = fingerprint(dataset)
    target = folder / mark
    metadata = _metadata(dataset, mark)
    try:
        if not _complete(target, mark):
            _write(dataset, metadata, target)
        elif (target / METADATA).read_bytes() != metadata:
            write_aside(target / METADATA, metadata)  # the same arrays under other words
        if dataset.texts is not None and not has_texts(target):
            write_texts(dataset.texts, target)  # of an older tuner, or from another source
    except OSError as error:
        raise WorkspaceError(
            f"cannot write prepared data to {target} ({error.strerror or error}).\n"
            "Free some space there, or run tuner in a directory that you can write to."
        ) from error
    prepared = Prepared.open(target, mark)
    keep(prepared)
    return prepared


def keep(prepared: Prepared) -> None:
    """Let the folder look fresh: it is about to be used, and `tuner clean` spares what is fresh."""
    with contextlib.suppress(OSError):
        os.utime(prepared.path)


def _metadata(dataset: Dataset, mark: str) -> bytes:
    raw: dict[str, Any] = {
        "name": dataset.name,
        "class_names": list(dataset.class_names),
        "kind": dataset.kind,
        "scale": dataset.scale,
        "description": dataset.description,
        "source": dataset.source,
        "fingerprint": mark,
        "shapes": {name: list(array.shape) for name, array in dataset.arrays().items()},
        "dtypes": {name: array.dtype.str for name, array in dataset.arrays().items()},
    }
    if dataset.standard is not None:
        raw["standard"] = dataset.standard.to_json()
    if dataset.encoder is not None:
        raw |= {"encoder": dataset.encoder, "account": dataset.account}
        raw["remarks"] = list(dataset.remarks)
    return json.dumps(raw, indent=1, ensure_ascii=False).encode()


def _complete(target: Path, mark: str) -> bool:
    try:
        _ = Prepared.open(target, mark).vocabulary
    except DataError:
        return False
    return True


def _write(dataset: Dataset, metadata: bytes, target: Path) -> None:
    aside = target.with_name(f".{target.name}.{os.getpid()}.{uuid4().hex[:8]}")
    aside.mkdir(parents=True)
    try:
        for name, array in dataset.arrays().items():
            np.save(aside / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
        if dataset.vocabulary is not None:
            words = json.dumps(dataset.vocabulary, ensure_ascii=False)
            (aside / VOCABULARY).write_text(words, encoding="utf-8")
        if dataset.texts is not None:
            write_texts(dataset.texts, aside)
        (aside / METADATA).write_bytes(metadata)
        _move(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _move(aside: Path, target: Path) -> None:
    """Give `aside` its final name unless another process was quicker; a damaged one gives way."""
    damaged = aside.with_name(f"{aside.name}.damaged")
    try:
        for _ in range(3):
            with contextlib.suppress(OSError):
                aside.rename(target)
            if _complete(target, target.name):
                return
            with contextlib.suppress(FileNotFoundError):
                target.rename(damaged)
        aside.rename(target)
    finally:
        shutil.rmtree(damaged, ignore_errors=True)


def _damaged(path: Path, what: str) -> DataError:
    return DataError(
        f"the prepared data in {path} is damaged: {what}.\nDelete that folder and run again."
    )
