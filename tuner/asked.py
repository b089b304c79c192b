"""What a model of the user's own asks for: its hyperparameters, as they go over the wire.

The rule: what is asked is plain JSON with the words of a sweep file; it becomes a parameter of the
space where the model always asks for it, and a single draw where it asks as it goes along.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tuner.space import Choices, Condition, Domain, Parameter, Range
from tuner.trial import ParamValue

KINDS = ("float", "int", "categorical")


@dataclass(frozen=True)
class Asked:
    """One hyperparameter that a model asks for.

    Attributes:
        name: as the model calls it.
        kind: `float`, `int` or `categorical`.
        low, high: bounds of a number, both inclusive.
        step: distance of two values, or None.
        log: whether the range is logarithmic.
        reverse: whether it is logarithmic from the other end, as KerasTuner's `reverse_log`.
        choices: of a `categorical`.
        ordered: whether these are numbers that ascend, so that neighbours are alike.
        default: what the model takes where nobody says.
        when: conditions, all of which hold where it is asked for.
    """

    name: str
    kind: str
    low: float | None = None
    high: float | None = None
    step: float | None = None
    log: bool = False
    reverse: bool = False
    choices: tuple[ParamValue, ...] = ()
    ordered: bool = False
    default: ParamValue | None = None
    when: tuple[Condition, ...] = ()

    @property
    def label(self) -> str:
        """A name of its own under its conditions, for the sampler."""
        given = ", ".join(f"{n} in {list(values)}" for n, values in self.when)
        return f"{self.name} [{given}]" if given else self.name

    @property
    def domain(self) -> Domain:
        """From what it is drawn; of a reverse range the numbers from 0 to 1 (`from_share`)."""
        if self.kind == "categorical":
            return Choices(self.choices, self.ordered)
        if self.reverse:
            return Range(0.0, 1.0)
        assert self.low is not None
        assert self.high is not None
        if self.low == self.high:
            whole = self.kind == "int"
            return Choices((int(self.low) if whole else float(self.low),))
        high, step = self.high, self.step
        if step is not None:  # the last value that steps from `low` arrive at
            high = round(self.low + step * math.floor((high - self.low) / step + 1e-9), 12)
            if high <= self.low:
                return Choices((int(self.low) if self.kind == "int" else float(self.low),))
        return Range(self.low, high, self.log, self.kind == "int", step)

    def from_share(self, share: float) -> ParamValue:
        """The value of a reverse range at `share`, from 0 to 1: KerasTuner's own formula."""
        assert self.low is not None
        assert self.high is not None
        whole = self.kind == "int"
        top = self.high + 1 if whole else self.high
        value = top + self.low - self.low * (top / self.low) ** (1 - min(share, 1 - 1e-9))
        return int(value) if whole else value

    @property
    def parameter(self) -> Parameter:
        """As a part of a space."""
        return Parameter(self.name, self.domain, self.when)

    def accepts(self, value: ParamValue) -> bool:
        """Whether the model allows `value`."""
        if self.kind == "categorical":
            return self.domain.contains(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        whole = self.kind == "float" or float(value).is_integer()
        return whole and float(self.low or 0) <= value <= float(self.high or 0)

    @property
    def allowed(self) -> str:
        """What it accepts, in words."""
        if self.kind == "categorical":
            return f"one of {', '.join(map(str, self.choices))}"
        noun = "a whole number" if self.kind == "int" else "a number"
        return f"{noun} from {self.low:g} to {self.high:g}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Asked:
        """The inverse of `to_json`; also what a message says, whose other keys may be missing.

        Raises:
            ValueError: an unknown kind.
        """
        values = {key: value for key, value in raw.items() if key in cls.__dataclass_fields__}
        if values.get("kind") not in KINDS:
            raise ValueError(f"unknown kind of parameter: {values.get('kind')}")
        values["choices"] = tuple(values.get("choices") or ())
        values["when"] = tuple((str(n), tuple(v)) for n, v in values.get("when") or ())
        return cls(**values)


def in_space(asked: Iterable[Asked], held: Iterable[str]) -> tuple[Parameter, ...]:
    """The parameters of a space, in the order in which they are asked for.

    Args:
        asked: what the model asks for, parents first.
        held: names that are held at a value.
    """
    taken = set(held)
    return tuple(one.parameter for one in asked if one.name not in taken)
