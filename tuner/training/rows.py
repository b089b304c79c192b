"""The rows of a trial as tensors over mapped files.

The rule: features are mapped once a process and not copied, but for a GPU; a part of a data set is
an array of row numbers. What a worker used for its last trial it keeps for the next one.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.data.prepared import Prepared
from tuner.data.splits import split
from tuner.training.base import Part
from tuner.trial import SplitSpec, TrialSpec

SPLITS_KEPT = 16


@dataclass(frozen=True)
class Rows:
    """Some rows of a data set.

    Attributes:
        x: features of all rows of the array (n, ...), raw dtype.
        y: labels (n,), int32.
        index: which rows (m,), numpy int32.
    """

    x: Any
    y: Any
    index: Any

    def __len__(self) -> int:
        return len(self.index)


class Data:
    """A prepared data set as tensors that share the mapped pages."""

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared
        self._tensors: dict[str, Any] = {}
        self._splits: OrderedDict[SplitSpec, tuple[Any, Any]] = OrderedDict()

    def rows(self, spec: SplitSpec) -> dict[Part, Rows]:
        """Training and validation rows of a split."""
        import numpy as np

        if spec not in self._splits:
            train, validation = split(self.prepared.y_train, spec)
            self._splits[spec] = (train.astype(np.int32), validation.astype(np.int32))
            if len(self._splits) > SPLITS_KEPT:
                self._splits.popitem(last=False)
        train, validation = self._splits[spec]
        x, y = self._pair("train")
        if spec.kind != "test":
            return {"train": Rows(x, y, train), "validation": Rows(x, y, validation)}
        x_test, y_test = self._pair("test")
        everything = np.arange(y_test.shape[0], dtype=np.int32)
        return {"train": Rows(x, y, train), "validation": Rows(x_test, y_test, everything)}

    def _pair(self, part: str) -> tuple[Any, Any]:
        import numpy as np
        import tensorflow as tf

        if part not in self._tensors:
            if part == "test":
                self.prepared.test()  # or its error, where there is none
            x = np.asarray(self.prepared.shared(f"x_{part}"))
            y = np.asarray(self.prepared.shared(f"y_{part}")).astype(np.int32)
            self._tensors[part] = (_without_copy(x), tf.constant(y))
        found: tuple[Any, Any] = self._tensors[part]
        return found


def _without_copy(array: Any) -> Any:
    """A tensor over the memory of `array`; on a GPU, a copy there."""
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return tf.constant(array)
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


_latest: Data | None = None


def open_data(spec: TrialSpec) -> Data:
    """The data of `spec`, mapped; the data set used last stays open.

    Raises:
        DataError: the folder is damaged or holds another fingerprint.
    """
    global _latest
    path = Path(spec.data)
    prepared = Prepared.open(path, spec.fingerprint)
    if _latest is None or _latest.prepared != prepared:
        _latest = Data(prepared)
    return _latest
