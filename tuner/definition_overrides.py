"""Changes that the command line makes to a sweep file, before the result is checked.

`--set l2=1e-5..1e-2:log` replaces what is tried, `--fix l2=0` takes a parameter out of the search,
and the rest replaces whole keys. A mistake in one is reported under the option's own text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuner.definition_domains import hint
from tuner.definition_yaml import Problems, read
from tuner.parameters import CATALOGUE, is_own, show

_NUMBER = r"[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})((?::[^:]*)*)")
_RANGE_HINT = "write LOW..HIGH, LOW..HIGH:log, [1, 2, 3] or {min: 0, max: 1}"
_FLAGS = "log, or=VALUE, step=SIZE and steps=COUNT"


@dataclass(frozen=True)
class Overrides:
    """What the command line changes; None and () leave the file as it is.

    Attributes:
        sets: `NAME=LOW..HIGH`, with `:log`, `:or=0`, `:step=0.1`, `:steps=5` behind it, or
            `NAME=[…]` or `NAME={…}` as in a file. The parameter keeps its `when`, and is no
            longer fixed.
        fixes: `NAME=VALUE`; the parameter is no longer searched, and neither is what could act
            only with another value of it (momentum, after `optimizer=adam`).
        targets: replace all of the file's.
        trials, epochs, seed, seeds, sampler, pruner, engine: replace the file's.
    """

    sets: tuple[str, ...] = ()
    fixes: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    trials: int | None = None
    epochs: int | None = None
    seed: int | None = None
    sampler: str | None = None
    pruner: str | None = None
    engine: str | None = None
    seeds: int | None = None


def apply(raw: dict[str, Any], problems: Problems, overrides: Overrides) -> None:
    """Change `raw`, a file's top level, in place; unreadable options become problems."""
    places = problems.places
    for key in ("trials", "epochs", "seed", "seeds", "sampler", "pruner", "engine"):
        value = getattr(overrides, key)
        if value is not None:
            raw[key] = value
            places.claim((key,), f"--{key} {value}")
    if overrides.targets:
        raw["targets"] = list(overrides.targets)
        places.claim(("targets",), "--target")
        for i, text in enumerate(overrides.targets):
            places.claim(("targets", i), f"--target {show(text)}")
    changed: dict[str, str] = {}
    for flag, group, texts in (
        ("--set", "space", overrides.sets),
        ("--fix", "fixed", overrides.fixes),
    ):
        for text in texts:
            _assign(raw, problems, flag, group, text, changed)
    if changed:
        _forget_unreachable(raw, changed)
    if overrides.epochs is not None:
        _refuse_idle_epochs(raw, problems, overrides.epochs)


def _assign(
    raw: dict[str, Any],
    problems: Problems,
    flag: str,
    group: str,
    text: str,
    changed: dict[str, str],
) -> None:
    """Move one `NAME=…` into `raw[group]`, out of the other group."""
    option = f"{flag} {text}"
    name, equals, value_text = text.partition("=")
    name = name.strip()
    problem: str | None = None
    value: Any = None
    if not equals or not name:
        example = "l2=1e-5..1e-2:log" if flag == "--set" else "l2=0"
        problem = f"write NAME=…, such as {flag} {example}"
    elif name not in CATALOGUE and not is_own(str(raw.get("model"))):
        problem = f"unknown parameter{hint(name)}"
    elif changed.get(name, flag) != flag:
        problem = f"{name} is named by --set as well; keep one of the two"
    else:
        value, problem = _domain(value_text) if flag == "--set" else _value(value_text)
    if problem is not None:
        problems.found.append((0, f"{option}: {problem}"))
        return
    here, there = _group(raw, group), _group(raw, "fixed" if group == "space" else "space")
    if here is None or there is None:
        return  # the file's own mistake is reported in its place
    was = here.get(name)
    if group == "space" and isinstance(was, Mapping) and "when" in was and "when" not in value:
        value = {**value, "when": was["when"]}
    displaced = {"layers": ("depth", "units"), "depth": ("layers",), "units": ("layers",)}
    for other in () if is_own(str(raw.get("model"))) else displaced.get(name, ()):
        if other not in changed:
            here.pop(other, None)
            there.pop(other, None)
    there.pop(name, None)
    here[name] = value
    problems.places.claim((group, name), option)
    changed[name] = flag


def _refuse_idle_epochs(raw: dict[str, Any], problems: Problems, epochs: int) -> None:
    """`--epochs` would change nothing where every trial has a number of its own."""
    for key in ("fixed", "space"):
        group = raw.get(key)
        if isinstance(group, Mapping) and "epochs" in group:
            place = problems.places.at((key, "epochs"))
            problems.add(("epochs",), f"{key}.epochs decides ({place}); --fix epochs={epochs} does")


def _group(raw: dict[str, Any], key: str) -> dict[str, Any] | None:
    if raw.get(key) is None:
        raw[key] = {}
    found = raw[key]
    return found if isinstance(found, dict) else None


def _value(text: str) -> tuple[Any, str | None]:
    value, problems = read(text)
    return value, "is not a value; write NAME=VALUE" if problems.found else None


def _domain(text: str) -> tuple[Any, str | None]:
    """The entry of `space` that `text` stands for, and what is wrong with it, if anything."""
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        value, problem = _value(text)
        if problem is None and isinstance(value, list):
            return {"values": value}, None
        if problem is None and isinstance(value, dict):
            return value, None
        scalar = problem is None and value is not None and ".." not in text
        remedy = "; to hold one value use --fix" if scalar else ""
        return None, f"{_RANGE_HINT}{remedy}"
    low, high, flags = match.groups()
    entry: dict[str, Any] = {"min": _value(low)[0], "max": _value(high)[0]}
    for flag in flags.split(":")[1:]:
        key, equals, value_text = flag.strip().partition("=")
        if key == "log" and not equals:
            entry["log"] = True
        elif key in ("or", "step", "steps") and value_text:
            entry[key] = _value(value_text)[0]
        else:
            return None, f"unknown `{flag}` after the range; known are {_FLAGS}"
    return entry, None


def _forget_unreachable(raw: dict[str, Any], changed: Mapping[str, str]) -> None:
    """Drop what an override made pointless, so that `--fix optimizer=adam` is enough."""
    space, fixed = _group(raw, "space"), _group(raw, "fixed")
    if space is None or fixed is None:
        return
    gone: set[str] = set()
    model = str(raw.get("model", "mlp"))
    while True:
        dropped = {
            name
            for name, entry in space.items()
            if name not in changed
            and any(
                parent in gone or (parent in changed and _never(parent, wanted, space, fixed))
                for parent, wanted in _needs(name, entry, model).items()
            )
        }
        if not dropped:
            break
        gone |= dropped
        for name in dropped:
            del space[name]
    idle = "optimizer" in changed and _never("optimizer", ["sgd"], space, fixed)
    if idle and "momentum" not in changed:
        fixed.pop("momentum", None)


def _needs(name: str, entry: Any, model: str) -> dict[str, Any]:
    when = entry.get("when") if isinstance(entry, Mapping) else None
    needs = dict(when) if isinstance(when, Mapping) else {}
    if name == "momentum":
        needs.setdefault("optimizer", ["sgd"])
    if name == "units" and model == "mlp":
        needs.setdefault("depth", list(range(1, 21)))
    return needs


def _never(parent: str, wanted: Any, space: Mapping[str, Any], fixed: Mapping[str, Any]) -> bool:
    """Whether `parent`, as overridden, takes none of `wanted`; ranges get the benefit of doubt."""
    entry = space.get(parent)
    possible = entry.get("values") if isinstance(entry, Mapping) else None
    if parent in fixed:
        possible = [fixed[parent]]
    if not isinstance(possible, list):
        return False
    return not any(v in (wanted if isinstance(wanted, list) else [wanted]) for v in possible)
