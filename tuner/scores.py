"""What was reached on the test split, as plain values.

The rule: nothing is chosen by it. A figure that the version which read the split did not know is
None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class TestScore:
    """What a confirmed trial reached on the test split, which nothing else reads.

    Attributes:
        accuracy, loss: of the trial's own weights, in inference mode, data loss without penalty.
        rows: test rows.
        repeats: (accuracy, loss) of the weights of each fresh repeat at the judged epoch.
        looked_at: trials that the study had judged by validation figures before.
        read_before: other trials of the study that the test split had been read for before.
        at: when, seconds since 1970.
        balanced_accuracy, macro_f1: like accuracy; None where an older version read the split.
    """

    __test__ = False  # not a class of tests, whatever pytest thinks of its name

    accuracy: float
    loss: float
    rows: int
    repeats: tuple[tuple[float, float], ...] = ()
    looked_at: int = 0
    read_before: int = 0
    at: float = 0.0
    balanced_accuracy: float | None = None
    macro_f1: float | None = None

    @property
    def by_class(self) -> dict[str, float | None]:
        """The figures by class, by the names of their counterparts on validation."""
        return {"val_balanced_accuracy": self.balanced_accuracy, "val_macro_f1": self.macro_f1}

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> TestScore:
        values = {f.name: raw[f.name] for f in fields(cls) if f.name in raw}
        values["repeats"] = tuple((float(a), float(b)) for a, b in values.get("repeats", ()))
        return cls(**values)


@dataclass(frozen=True)
class VariantScore:
    """What one training of a variant reached on the test split (`test: compare`).

    Attributes:
        seed: which training.
        accuracy, loss: inference mode, data loss.
        rows: test rows.
        epoch: its chosen epoch, whose weights these are; 0 where that was not noted.
    """

    seed: int
    accuracy: float
    loss: float
    rows: int
    epoch: int = 0
