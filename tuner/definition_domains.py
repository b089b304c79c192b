"""One entry of `space` at a time: from its keys in a sweep file to a `Range` or `Choices`.

An entry with a mistake gives no domain, and as many lines as there is something wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from tuner.definition_schema import FOREIGN_DOMAIN, DomainModel, structure
from tuner.definition_yaml import KeyPath, Problems
from tuner.errors import nearest
from tuner.parameters import ALIASES, CATALOGUE, show
from tuner.space import Choices, Domain, Range
from tuner.trial import ParamValue


def known(name: str, path: KeyPath, problems: Problems) -> bool:
    """Whether the catalogue has `name`; if not, a line says what was probably meant."""
    if name in CATALOGUE:
        return True
    problems.add(path, f"unknown parameter{hint(name)}")
    return False


def hint(name: str) -> str:
    """What was probably meant by a name that the catalogue lacks, or all that it has."""
    guess = f" (did you mean {ALIASES[name]}?)" if name in ALIASES else nearest(name, CATALOGUE)
    return guess or f"; known are {', '.join(CATALOGUE)}"


def accept(name: str, value: Any, path: KeyPath, problems: Problems) -> ParamValue | None:
    """`value` in the type of parameter `name`; None, and a line, where it is not allowed."""
    try:
        return CATALOGUE[name].accept(value)
    except ValueError as error:
        problems.add(path, str(error))
        return None


def read_domains(
    raw: Mapping[str, Any], problems: Problems
) -> tuple[dict[str, Domain], dict[str, dict[str, Any]]]:
    """The sound domains by name, and the conditions of all parameters as given."""
    domains: dict[str, Domain] = {}
    conditions: dict[str, dict[str, Any]] = {}
    for name, given in raw.items():
        path: KeyPath = ("space", name)
        if not known(name, path, problems):
            continue
        if CATALOGUE[name].kind == "layers":
            problems.add(path, "cannot be searched; fix it, name it in variants, or search depth")
            continue
        if isinstance(given, list):
            given = {"values": given}
        if not isinstance(given, Mapping):
            problems.add(
                path,
                f"must be {{min: …, max: …}} or {{values: […]}}, not {show(given)}; "
                "a value that stays belongs under `fixed`",
            )
            continue
        before = len(problems.found)
        sound = structure(DomainModel, given, path, FOREIGN_DOMAIN, problems)
        if isinstance(sound.get("when"), Mapping):
            conditions[name] = sound["when"]
        broken = len(problems.found) > before
        domain = _domain(name, sound, path, problems, quiet=broken)
        if domain is not None and not broken:
            domains[name] = domain
    return domains, conditions


def _domain(
    name: str, raw: Mapping[str, Any], path: KeyPath, problems: Problems, quiet: bool
) -> Domain | None:
    """`quiet`: keys were already refused, so a missing one is no mistake of its own."""
    if "values" in raw:
        for key in ("min", "max", "log", "step", "steps", "or"):
            if key in raw:
                problems.add((*path, key), "has no place beside `values`")
        return _choices(name, raw["values"], (*path, "values"), problems)
    if "min" not in raw and "max" not in raw:
        if not quiet:
            problems.add(path, "is empty; give min and max, or values")
        return None
    if not CATALOGUE[name].numeric:
        problems.add(path, f"has no range; give values, each {CATALOGUE[name].allowed}")
        return None
    return _range(name, raw, path, problems, quiet)


def _choices(name: str, raw: Any, path: KeyPath, problems: Problems) -> Choices | None:
    values = [accept(name, value, (*path, i), problems) for i, value in enumerate(raw)]
    for i, value in enumerate(values):
        if value is not None and value in values[:i]:
            problems.add((*path, i), f"{show(value)} is listed twice")
    found = [value for value in values if value is not None]
    if len(found) < len(raw):
        return None
    numbers = [value for value in found if isinstance(value, int | float)]
    ordered = 1 < len(numbers) == len(found) and sorted(numbers) == numbers
    return Choices(tuple(found), ordered)


def _range(
    name: str, raw: Mapping[str, Any], path: KeyPath, problems: Problems, quiet: bool
) -> Range | None:
    ends: dict[str, float] = {}
    for key in ("min", "max"):
        if key not in raw:
            if not quiet:
                problems.add(path, f"has no {key}")
            continue
        if isinstance(end := accept(name, raw[key], (*path, key), problems), int | float):
            ends[key] = end
    log = raw.get("log") is True
    if log and "min" in ends and ends["min"] <= 0:
        problems.add(
            (*path, "min"),
            f"a logarithmic range starts above 0, not at {show(raw['min'])}; "
            "to try 0 as well add `or: 0`",
        )
    other: ParamValue | None = None
    if "or" in raw:
        other = accept(name, raw["or"], (*path, "or"), problems)
    step = _step(name, raw, ends, log, path, problems)
    if len(ends) < 2:
        return None
    low, high = ends["min"], ends["max"]
    if low > high:
        problems.add((*path, "min"), f"{low:g} is above max, {high:g}; swap them")
    elif low == high:
        problems.add(
            (*path, "min"),
            f"equals max, {high:g}; to hold {name} there write it under `fixed`",
        )
    elif isinstance(other, int | float) and low <= other <= high:
        problems.add((*path, "or"), f"{show(other)} lies inside the range already; leave it out")
    integer = CATALOGUE[name].kind == "int"
    return Range(low, high, log, integer, step, raw.get("steps"), other)


def _step(
    name: str,
    raw: Mapping[str, Any],
    ends: Mapping[str, float],
    log: bool,
    path: KeyPath,
    problems: Problems,
) -> float | None:
    if "step" not in raw:
        return None
    here = (*path, "step")
    step = raw["step"]
    integer = CATALOGUE[name].kind == "int"
    kinds = int if integer else int | float
    if isinstance(step, bool) or not isinstance(step, kinds) or not 0 < step < float("inf"):
        noun = "a whole number" if integer else "a number"
        problems.add(here, f"must be {noun} above 0, not {show(step)}")
        return None
    if log:
        problems.add(here, "a logarithmic range has no step; for a grid use `steps`")
    if "steps" in raw:
        problems.add(here, "give step or steps, not both")
    if len(ends) == 2 and ends["min"] < ends["max"]:
        count = (Fraction(repr(ends["max"])) - Fraction(repr(ends["min"]))) / Fraction(repr(step))
        if count > 1_000_000:
            problems.add(here, f"{show(step)} is too small for this range; leave it out")
        elif count.denominator != 1:
            problems.add(here, f"steps of {show(step)} from min do not arrive at max; adjust one")
    return step if integer else float(step)
