"""What was noted of backpropagation while a trial trained, as plain values.

The rule: a figure that is not finite, or that has no meaning, is None. The first row is of the
weights before training, as epoch 0; then comes one row an epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

Row = tuple[float | None, ...]


@dataclass(frozen=True)
class GradientLog:
    """Figures a variable and an epoch: each table has a row an epoch, a column a variable.

    Attributes:
        variables: names of the trainable variables, such as `dense_1/kernel`, in the model's order.
        layers: names of the hidden layers, `hidden 1` and so on.
        classes: number of classes.
        epochs: 0 (before training), 1, 2, …
        mean, std: of the entries of the gradient of the data loss on the first training rows, in
            inference mode.
        size: root mean square of the weights.
        change: how far the weights moved in the epoch, in units of their size before it; None at
            epoch 0 and where that size was 0.
        silent: a column a hidden layer: share of its units that say the same of every row looked
            at, as a ReLU does that is dead.
    """

    variables: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    classes: int = 0
    epochs: tuple[int, ...] = ()
    mean: tuple[Row, ...] = ()
    std: tuple[Row, ...] = ()
    size: tuple[Row, ...] = ()
    change: tuple[Row, ...] = ()
    silent: tuple[Row, ...] = ()

    def with_epoch(self, epoch: int, **rows: Sequence[float | None]) -> GradientLog:
        """The same with one more row in each table."""
        more: dict[str, Any] = {n: (*getattr(self, n), tuple(row)) for n, row in rows.items()}
        return replace(self, epochs=(*self.epochs, epoch), **more)

    def until(self, last: int) -> GradientLog:
        """The same without the rows of epochs after `last`."""
        keep = [place for place, epoch in enumerate(self.epochs) if epoch <= last]
        names = ("epochs", "mean", "std", "size", "change", "silent")
        kept: dict[str, Any] = {n: tuple(getattr(self, n)[at] for at in keep) for n in names}
        return replace(self, **kept)

    def kernels(self) -> list[int]:
        """Columns of the kernels, from the first layer to the last."""
        return [at for at, name in enumerate(self.variables) if name.endswith("kernel")]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> GradientLog:
        """The inverse of `to_json`, lists for tuples or not; unknown keys are left out."""
        known = {f.name: raw[f.name] for f in fields(cls) if f.name in raw}
        return cls(**{name: _tuples(value) for name, value in known.items()})


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value
