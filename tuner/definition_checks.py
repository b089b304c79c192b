"""What the values of a sweep file mean, checked against the catalogue and against each other.

Every check adds a line to `Problems` and goes on, so that a reader sees all mistakes at once;
parts that are broken are left out of the checks that build on them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from tuner.contradictions import check_targets
from tuner.definition_domains import accept, known, read_domains
from tuner.definition_models import check_parameters, own_value
from tuner.definition_questions import check_comparison, read_questions
from tuner.definition_schema import FOREIGN_TOP, FileModel, structure
from tuner.definition_yaml import KeyPath, Problems
from tuner.errors import TargetError
from tuner.parameters import (
    CATALOGUE,
    OWN_PARAMETERS,
    complete,
    in_order,
    is_own,
    overlay,
    show,
)
from tuner.questions import Question
from tuner.reading import Reading, is_path
from tuner.space import Choices, Condition, Domain, Parameter, Space, grid
from tuner.targets import Target, parse_targets, unique
from tuner.text import is_printable
from tuner.trial import Params, ParamValue

TAKEN = r"#?[0-9]+|best"
"""What `tuner show` reads as a number of a trial, or as the best one: no names for variants."""


@dataclass
class Draft:
    """The parts of a definition that need more than their structure checked."""

    targets: tuple[Target, ...] = ()
    space: Space = field(default_factory=Space)
    fixed: Params = field(default_factory=dict)
    variants: dict[str, Params] = field(default_factory=dict)
    questions: tuple[Question, ...] = ()
    reading: Reading = field(default_factory=Reading)


def check(
    raw: Mapping[str, Any], problems: Problems, kept: bool = False
) -> tuple[FileModel | None, Draft]:
    """All checks on one sweep file's values; None where its structure is broken.

    The file may be used only when `problems` stayed empty. What a study has `kept` may hold names
    of variants that are refused by now.
    """
    keys = FileModel.model_fields
    given = {key: value for key, value in raw.items() if value is not None or key not in keys}
    sound = structure(FileModel, given, (), FOREIGN_TOP, problems)
    try:
        model: FileModel | None = FileModel.model_validate(sound)
    except ValidationError:
        model = None
    draft = Draft()
    draft.reading = _reading(sound, problems)
    draft.targets = _targets(sound.get("targets"), problems)
    name = str(sound.get("model", "mlp"))
    check_parameters(name, sound, problems)
    draft.fixed = _values(sound.get("fixed", {}), ("fixed",), problems, name)
    space = sound.get("space", {})
    if is_own(name):  # for what is not, there is a line already
        space = {key: value for key, value in space.items() if key in OWN_PARAMETERS}
    domains, conditions = read_domains(space, problems)
    searched = list(space)
    _exclusions(searched, list(sound.get("fixed", {})), problems, name)
    graph = _Graph(searched, domains, draft.fixed, problems, name)
    draft.space = graph.space(conditions)
    momentum = "momentum" in draft.fixed and not is_own(name)
    if momentum and not graph.possible("optimizer", "sgd"):
        problems.add(
            ("fixed", "momentum"), f"acts only with optimizer: sgd{graph.words('optimizer')}"
        )
    draft.variants = _variants(sound.get("variants", {}), draft.fixed, problems, kept, name)
    names = list(sound.get("variants", {}))
    check_comparison(model, names, problems)
    draft.questions = read_questions(sound.get("questions"), searched, names, model, problems)
    if not problems.found and sound.get("sampler") == "grid":
        _grid(draft, problems)
    if not searched and not problems.found and not is_own(name):
        _nothing_to_search(model, draft, problems)
    return model, draft


def _reading(sound: Mapping[str, Any], problems: Problems) -> Reading:
    """How data of the user's own is read; a named data set leaves nothing to say of that."""
    reading = Reading.from_json(sound)
    dataset = sound.get("dataset")
    if isinstance(dataset, str) and not is_path(dataset.strip()):
        for key in reading.given:
            problems.add((key,), f"is for data of your own, and {dataset} is a named data set")
        return Reading()
    for key, why in reading.contradictions():
        problems.add((key,), why)
    return reading


def _nothing_to_search(model: FileModel | None, draft: Draft, problems: Problems) -> None:
    """An empty space is for comparing variants: then there are no other trials."""
    count = len(draft.variants)
    if not count:
        problems.add(("space",), "is empty; name a parameter to search, or variants to compare")
    elif model is not None and "trials" in model.model_fields_set and model.trials > count:
        problems.add(
            ("trials",), f"there is nothing to search beside the variants; give at most {count}"
        )


def _targets(raw: Any, problems: Problems) -> tuple[Target, ...]:
    if raw is None:
        return ()
    if isinstance(raw, list) and not raw:
        problems.add(("targets",), "is empty; give at least one, such as val_accuracy >= 0.9")
    found: list[Target] = []
    before = len(problems.found)
    for i, text in enumerate([raw] if isinstance(raw, str) else raw):
        path: KeyPath = ("targets",) if isinstance(raw, str) else ("targets", i)
        if not isinstance(text, str):
            problems.add(path, f"must be a text such as val_accuracy >= 0.9, not {show(text)}")
            continue
        try:
            found += parse_targets(text)
        except TargetError as error:
            problems.add(path, str(error))
    if len(problems.found) == before:
        for line in check_targets(found):
            problems.add(("targets",), line)
    return unique(found)


def _values(raw: Mapping[str, Any], path: KeyPath, problems: Problems, model: str) -> Params:
    """The allowed ones of `raw`, a mapping from parameters to values, in catalogue order."""
    found: Params = {}
    for name, value in raw.items():
        here = (*path, name)
        if is_own(model) and name not in OWN_PARAMETERS:
            given = own_value(value, here, problems)
            if given is not None:
                found[name] = given
            continue
        if not known(name, here, problems):
            continue
        accepted = accept(name, value, here, problems)
        if accepted is not None:
            found[name] = accepted
    return in_order(found)


def _variants(
    raw: Mapping[str, Any], fixed: Params, problems: Problems, kept: bool, model: str
) -> dict[str, Params]:
    found: dict[str, Params] = {}
    for name, own in raw.items():
        path: KeyPath = ("variants", name)
        if not name.strip():
            problems.add(path, "a variant needs a name")
        elif not kept and re.fullmatch(TAKEN, name):
            what = "best trial" if name == "best" else "trial of that number"
            problems.add(path, f"cannot be called {name}: `tuner show` takes it for the {what}")
        elif not kept and not is_printable(name):
            # Nor may the line's own place show the name.
            problems.add(("variants",), f"the name {name!r} has characters that cannot be printed")
            continue
        if own is not None and not isinstance(own, Mapping):
            problems.add(path, f"must be a mapping such as {{l2: 0, dropout: 0}}, not {show(own)}")
            continue
        values = _values(own or {}, path, problems, model)
        if is_own(model):
            found[name] = {**fixed, **values}
            continue
        if "layers" in values and values.keys() & {"depth", "units"}:
            problems.add((*path, "layers"), "replaces depth and units; leave those out")
            continue
        merged = complete(overlay(fixed, values), model)
        if "momentum" in values and merged["optimizer"] != "sgd":
            problems.add(
                (*path, "momentum"),
                f"acts only with optimizer: sgd, and this variant has {merged['optimizer']}",
            )
        found[name] = merged
    return found


def _exclusions(space: Iterable[str], fixed: Iterable[str], problems: Problems, model: str) -> None:
    """Parameters named twice, and those that another one replaces."""
    for name in space:
        if name in fixed:
            line = problems.places.at(("fixed", name))
            problems.add(("space", name), f"is also held at a value ({line}); keep one of the two")
    if "layers" in fixed and not is_own(model):
        for group, names in (("space", space), ("fixed", fixed)):
            for name in names:
                if name in ("depth", "units"):
                    problems.add((group, name), "is replaced by fixed.layers; keep one of the two")


class _Graph:
    """The searched parameters and what their conditions name."""

    def __init__(
        self,
        names: list[str],
        domains: dict[str, Domain],
        fixed: Params,
        problems: Problems,
        model: str,
    ) -> None:
        self.model = model
        self.names = names
        self.domains = domains
        self.fixed = fixed
        self.problems = problems

    def space(self, raw: Mapping[str, Mapping[str, Any]]) -> Space:
        """The space, parents first, otherwise in the catalogue's order."""
        conditions = {name: self._conditions(name, raw.get(name, {})) for name in self.names}
        placed: dict[str, Parameter] = {}
        waiting = [name for name in CATALOGUE if name in self.domains]
        while ready := [
            name
            for name in waiting
            if all(p in placed or p not in waiting for p, _ in conditions[name])
        ]:
            name = ready[0]
            waiting.remove(name)
            placed[name] = Parameter(
                name,
                self.domains[name],
                tuple(c for c in conditions[name] if not self._always(c, conditions)),
            )
        for name in waiting:
            loop = self._loop(name, conditions)
            if loop and name == min(loop, key=list(CATALOGUE).index):
                self.problems.add(
                    ("space", name, "when"), f"conditions go in a circle: {' → '.join(loop)}"
                )
        return Space(tuple(placed.values()), self.model)

    def _conditions(self, name: str, raw: Mapping[str, Any]) -> list[Condition]:
        found: dict[str, tuple[ParamValue, ...]] = {}
        for parent, wanted in raw.items():
            path: KeyPath = ("space", name, "when", parent)
            if not known(parent, path, self.problems):
                continue
            if parent == name:
                self.problems.add(path, "a parameter cannot depend on itself")
            elif parent == "layers":
                self.problems.add(path, "a condition cannot name layers")
            else:
                found[parent] = self._wanted(parent, wanted, path)
        if name == "momentum":
            self._needs(name, "optimizer", ("sgd",), found)
        if name == "units" and self.model == "mlp" and self.possible("depth", 0):
            deep = tuple(d for d in range(1, 21) if self.possible("depth", d))
            self._needs(name, "depth", deep, found)
        return sorted(found.items())

    def _wanted(self, parent: str, raw: Any, path: KeyPath) -> tuple[ParamValue, ...]:
        wanted: list[ParamValue] = []
        for i, value in enumerate(raw if isinstance(raw, list) else [raw]):
            here = (*path, i) if isinstance(raw, list) else path
            accepted = accept(parent, value, here, self.problems)
            if accepted is None:
                continue
            if not self.possible(parent, accepted):
                self.problems.add(
                    here, f"{parent} is never {show(accepted)} in this sweep{self.words(parent)}"
                )
            wanted.append(accepted)
        if raw == []:
            self.problems.add(path, "is empty; give the value or values of the other parameter")
        return tuple(dict.fromkeys(wanted))

    def _needs(
        self,
        name: str,
        parent: str,
        values: tuple[ParamValue, ...],
        found: dict[str, tuple[ParamValue, ...]],
    ) -> None:
        """Add the condition that the model itself sets, narrowing what the file says."""
        path: KeyPath = ("space", name)
        words = "optimizer: sgd" if name == "momentum" else "a depth of at least 1"
        if not any(self.possible(parent, value) for value in values):
            self.problems.add(
                path, f"acts only with {words}, which this sweep never has{self.words(parent)}"
            )
        narrowed = tuple(v for v in found.get(parent, values) if v in values)
        if not narrowed and found.get(parent):
            self.problems.add((*path, "when", parent), f"{name} acts only with {words}")
        found[parent] = narrowed

    def possible(self, name: str, value: ParamValue) -> bool:
        if name in self.names:
            return name not in self.domains or self.domains[name].contains(value)
        if name in ("depth", "units") and "layers" in self.fixed:
            return False
        return self.fixed.get(name, CATALOGUE[name].default) == value

    def words(self, name: str) -> str:
        if name in self.names:
            return f": see space.{name}"
        if name in self.fixed:
            return f": fixed at {show(self.fixed[name])}"
        if name in ("depth", "units") and "layers" in self.fixed:
            return ": fixed.layers replaces it"
        usual = CATALOGUE[name].default
        usually = "has no value of its own" if usual is None else f"is {show(usual)}"
        return f": it {usually} unless space or fixed says otherwise"

    def _always(self, condition: Condition, conditions: Mapping[str, list[Condition]]) -> bool:
        """Whether a condition cannot fail, so that the parameter need not wait for it."""
        parent, wanted = condition
        if parent not in self.names:
            return True
        domain = self.domains.get(parent)
        return (
            isinstance(domain, Choices)
            and all(value in wanted for value in domain.values)
            and not conditions[parent]
        )

    def _loop(self, start: str, conditions: Mapping[str, list[Condition]]) -> list[str]:
        """The names from `start` along its conditions back to `start`, or an empty list."""
        trails = [[start]]
        seen: set[str] = set()
        while trails:
            trail = trails.pop()
            for parent, _ in conditions.get(trail[-1], []):
                if parent == start:
                    return [*trail, start]
                if parent not in seen:
                    seen.add(parent)
                    trails.append([*trail, parent])
        return []


def _grid(draft: Draft, problems: Problems) -> None:
    for parameter in draft.space.parameters:
        try:
            parameter.domain.points()
        except ValueError as error:
            problems.add(("space", parameter.name), str(error))
    if not problems.found:
        try:
            grid(draft.space, draft.fixed)
        except ValueError as error:
            problems.add(("space",), f"{error}; take fewer values, or another sampler")
