"""The search space as values: domains, conditions, and the walk from draws to a configuration.

Nothing here knows a sampler. A sampler supplies `draw`, one value for one active parameter, and
`resolve` makes the complete configuration out of it; `grid` lists all sampled values instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tuner.parameters import CATALOGUE, complete
from tuner.trial import Params, ParamValue

GRID_LIMIT = 100_000
Condition = tuple[str, tuple[ParamValue, ...]]


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included.

    Attributes:
        low, high: the ends, low < high; ints where `integer`.
        log: drawn evenly in the logarithm; then low > 0 and there is no `step`.
        integer: whole numbers only.
        step: values are low, low + step, …, high; None: every number (every integer).
        steps: number of points of a grid, ends included; samplers other than grid ignore it.
        alternative: one value outside the range that may be drawn instead (`or` in a file).
    """

    low: float
    high: float
    log: bool = False
    integer: bool = False
    step: float | None = None
    steps: int | None = None
    alternative: ParamValue | None = None

    def contains(self, value: ParamValue) -> bool:
        """Whether `value` can be drawn: inside the range and on its step, or the alternative."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if self.alternative is not None and value == self.alternative:
            return True
        if self.integer and not isinstance(value, int):
            return False
        if not self.low <= value <= self.high:
            return False
        if self.step is None:
            return True
        k = (value - self.low) / self.step
        return math.isclose(k, round(k), abs_tol=1e-6)

    def points(self) -> tuple[ParamValue, ...]:
        """The values of a grid, ascending, the alternative among them.

        Raises:
            ValueError: neither `steps` nor `step` says which; or there are too many.
        """
        step = self.step if self.step or self.log or not self.integer else 1
        count = self.steps or (step and round((self.high - self.low) / step) + 1)
        if not count:
            raise ValueError("a grid needs to know its points: add `steps: 5`, or use `values`")
        if count > GRID_LIMIT:
            raise ValueError(f"gives {count} points to a grid; at most {GRID_LIMIT} are possible")
        if self.steps or not step:
            inner = [self._tidy(self._between(i / (count - 1))) for i in range(1, count - 1)]
            raw = [self.low, *inner, self.high]
        else:
            raw = [self._tidy(self.low + i * step) for i in range(count)]
        points: list[ParamValue] = list(raw)
        if isinstance(self.alternative, int | float):
            points.insert(0 if self.alternative < self.low else len(points), self.alternative)
        return tuple(dict.fromkeys(points))

    def _between(self, share: float) -> float:
        if self.log:
            low, high = math.log(self.low), math.log(self.high)
            return math.exp(low + (high - low) * share)
        return self.low + (self.high - self.low) * share

    def _tidy(self, value: float) -> int | float:
        # Twelve digits turn 0.30000000000000004 and 9.999999999999999e-06 into what was meant.
        near = round(value) if self.integer else float(f"{value:.12g}")
        return min(max(near, self.low), self.high)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON with the keys of a sweep file; what is at its default is left out."""
        raw: dict[str, Any] = {"min": self.low, "max": self.high}
        for key, value in (
            ("log", self.log or None),
            ("step", self.step),
            ("steps", self.steps),
            ("or", self.alternative),
        ):
            if value is not None:
                raw[key] = value
        return raw


@dataclass(frozen=True)
class Choices:
    """A list of values; `ordered`: ascending numbers, so that neighbours are alike."""

    values: tuple[ParamValue, ...]
    ordered: bool = False

    def contains(self, value: ParamValue) -> bool:
        """Whether `value` is one of the list."""
        truth = isinstance(value, bool)
        return any(value == v and isinstance(v, bool) == truth for v in self.values)

    def points(self) -> tuple[ParamValue, ...]:
        """The values of a grid."""
        return self.values

    def to_json(self) -> dict[str, Any]:
        """Plain JSON with the keys of a sweep file."""
        return {"values": list(self.values)}


Domain = Range | Choices


@dataclass(frozen=True)
class Parameter:
    """One searched parameter; every condition of `when` has to hold for it to be drawn."""

    name: str
    domain: Domain
    when: tuple[Condition, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: the domain's keys, and `when` where there are conditions."""
        raw = self.domain.to_json()
        if self.when:
            raw["when"] = {parent: list(wanted) for parent, wanted in sorted(self.when)}
        return raw


def _usual(name: str) -> ParamValue | None:
    known = CATALOGUE.get(name)
    return None if known is None else known.default


@dataclass(frozen=True)
class Space:
    """The searched parameters of a built-in model, each after those that its conditions name."""

    parameters: tuple[Parameter, ...] = ()
    model: str = "mlp"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(p.name for p in self.parameters)

    def get(self, name: str) -> Parameter | None:
        """The parameter of that name, or None where the space does not search it."""
        return next((p for p in self.parameters if p.name == name), None)

    def active(self, parameter: Parameter, params: Mapping[str, ParamValue]) -> bool:
        """Whether `parameter` has a say, given draws so far and fixed values, or a configuration.

        A searched parameter that is not active itself makes no condition hold, whatever its
        default is; a condition on one that nothing sets looks at the default.
        """
        for name, wanted in parameter.when:
            parent = self.get(name)
            if parent is not None and not self.active(parent, params):
                return False
            value = params.get(name, _usual(name) if parent is None else None)
            if value is None or value not in wanted:
                return False
        return True

    def contains(
        self, params: Mapping[str, ParamValue], fixed: Mapping[str, ParamValue] | None = None
    ) -> bool:
        """Whether `params`, complete or only the sampled part, can come out of `resolve`."""
        drawn: Params = dict(fixed or {})
        for parameter in self.parameters:
            if self.active(parameter, drawn):
                value = params.get(parameter.name)
                if value is None or not parameter.domain.contains(value):
                    return False
                drawn[parameter.name] = value
        expected = complete(drawn, self.model)
        return all(name in expected and expected[name] == value for name, value in params.items())

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Plain JSON by name, the same for every order in which a file may list the keys."""
        return {p.name: p.to_json() for p in sorted(self.parameters, key=lambda p: p.name)}


def resolve(
    space: Space, fixed: Mapping[str, ParamValue], draw: Callable[[Parameter], ParamValue]
) -> Params:
    """One complete configuration: `draw` is asked for each active parameter, in order.

    Fixed values and the catalogue's defaults fill the rest; see `parameters.complete` for the
    parameters that are left out because they have no effect.
    """
    params: Params = dict(fixed)
    for parameter in space.parameters:
        if space.active(parameter, params):
            params[parameter.name] = draw(parameter)
    return complete(params, space.model)


def grid(space: Space, fixed: Mapping[str, ParamValue] | None = None) -> tuple[Params, ...]:
    """Every combination of sampled values, without those whose conditions do not hold.

    Entries hold the sampled values only: a `draw` for `resolve` looks them up by name. Conditions
    on fixed parameters need `fixed`.

    Raises:
        ValueError: a range without `steps` (the message names the parameter), or more than
            `GRID_LIMIT` combinations.
    """
    points: dict[str, tuple[ParamValue, ...]] = {}
    for parameter in space.parameters:
        try:
            points[parameter.name] = parameter.domain.points()
        except ValueError as error:
            raise ValueError(f"{parameter.name}: {error}") from None
    found: list[Params] = []
    for sampled in _combinations(space, points, dict(fixed or {}), {}, 0):
        found.append(sampled)
        if len(found) > GRID_LIMIT:
            raise ValueError(f"the grid has more than {GRID_LIMIT} configurations")
    return tuple(found)


def _combinations(
    space: Space,
    points: Mapping[str, tuple[ParamValue, ...]],
    fixed: Params,
    sampled: Params,
    index: int,
) -> Iterator[Params]:
    if index == len(space.parameters):
        yield dict(sampled)
        return
    parameter = space.parameters[index]
    if not space.active(parameter, {**fixed, **sampled}):
        yield from _combinations(space, points, fixed, sampled, index + 1)
        return
    for value in points[parameter.name]:
        extended = {**sampled, parameter.name: value}
        yield from _combinations(space, points, fixed, extended, index + 1)
