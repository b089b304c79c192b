"""What a model of the user's own asks for, found by building it before anything is trained.

The rule: this runs in a short-lived child (`executors.errand`): plain JSON in and out. The model is
built with its defaults, then once for each value that may open a branch of its code; what is asked
for in every build, or whenever its conditions hold, belongs to the space. The rest is answered when
it is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner.asked import Asked
from tuner.data.prepared import Prepared
from tuner.errors import ModelError
from tuner.models import own, wrapping
from tuner.models.reference import source_of
from tuner.trial import Params, ParamValue

MOST_BUILDS = 40
MOST_SECONDS = 30.0
"""What is not found within these is answered when it is asked for."""


@dataclass
class _Build:
    """One build: what it was given beside defaults, what it registered, and what was active."""

    given: Params
    asked: dict[str, list[Asked]] = field(default_factory=dict)
    values: Params = field(default_factory=dict)


def describe(request: Mapping[str, Any]) -> dict[str, Any]:
    """Build the model that `request` names, several times.

    Args:
        request: `model` (`package.module:attribute`), `folder` (where its module is looked for),
            `data` (a folder of prepared arrays), `fingerprint`, and `fixed`: values by name.

    Returns:
        `asked`: what belongs to the space, as `Asked.to_json`, parents first; `sometimes`: the
        same for what is only asked for now and then; `parameters`: weights of the model with its
        defaults; `own_fit`: whether it trains by a `fit` of its own; `source`: a mark of its
        module's file.

    Raises:
        ModelError: the model cannot be loaded, built, or used for this data.
    """
    from tuner.training.backend import configure

    configure(1)
    reference, folder = str(request["model"]), Path(request["folder"])
    data = Prepared.open(Path(request["data"]), request["fingerprint"])
    fixed: Params = dict(request.get("fixed") or {})
    first, hypermodel, model = _built(reference, folder, fixed)
    judge = wrapping.wrapped(model, data, reference)
    wrapping.check_probabilities(judge(data.x_train[:8], training=False), reference)
    parameters = int(model.count_params())
    builds = [first, *_further(reference, folder, first)]
    asked, sometimes = _sorted_out(builds)
    return {
        "asked": [one.to_json() for one in asked],
        "sometimes": [one.to_json() for one in sometimes],
        "parameters": parameters,
        "own_fit": own.has_own_fit(hypermodel),
        "source": source_of(reference),
    }


def _built(reference: str, folder: Path, given: Params) -> tuple[_Build, Any, Any]:
    """One build with `given` values and defaults for the rest; also hypermodel and model."""
    import keras

    keras.backend.clear_session()

    def default(asked: Asked) -> ParamValue:
        assert asked.default is not None
        return asked.default

    ask = own.values_of(given, default, reference)
    hypermodel, hp, model = own.build(reference, folder, ask)
    build = _Build(given, values=dict(hp.values))
    for asked in own.registered(hp):
        build.asked.setdefault(asked.name, []).append(asked)
    return build, hypermodel, model


def _further(reference: str, folder: Path, first: _Build) -> Iterator[_Build]:
    """Builds that differ from the first in what may lead to another branch."""
    began = time.monotonic()
    waiting = [first]
    tried = {_key(first.given)}
    builds = 0
    while waiting:
        base = waiting.pop(0)
        for given in _neighbours(base):
            if builds >= MOST_BUILDS or time.monotonic() - began > MOST_SECONDS:
                return
            if _key(given) in tried:
                continue
            tried.add(_key(given))
            builds += 1
            try:
                build, *_ = _built(reference, folder, given)
            except ModelError:
                continue  # a trial that comes to it will say so
            if any(name not in first.asked for name in build.asked):
                waiting.append(build)  # a new branch, which may branch further
            yield build


def _neighbours(base: _Build) -> Iterator[Params]:
    """Each other choice, and the greatest of each whole number, one at a time."""
    for name, several in base.asked.items():
        for asked in several:
            values: tuple[ParamValue, ...] = ()
            if asked.kind == "categorical":
                values = asked.choices
            elif asked.kind == "int" and asked.high is not None:
                values = (int(asked.high),)
            for value in values:
                if value != base.values.get(name):
                    yield {**base.given, name: value}


def _key(given: Params) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, repr(value)) for name, value in given.items()))


def _sorted_out(builds: list[_Build]) -> tuple[list[Asked], list[Asked]]:
    """What belongs to the space, and what does not."""
    order: dict[str, list[Asked]] = {}
    for build in builds:
        for name, several in build.asked.items():
            known = order.setdefault(name, [])
            known += [one for one in several if one not in known]
    always: list[Asked] = []
    sometimes: list[Asked] = []
    for several in order.values():
        alone = len(several) == 1 and _is_steady(several[0], builds)
        (always if alone else sometimes).extend(several)
    names = {one.name for one in always}
    steady = [one for one in always if all(parent in names for parent, _ in one.when)]
    return steady, [*sometimes, *(one for one in always if one not in steady)]


def _is_steady(asked: Asked, builds: list[_Build]) -> bool:
    """Whether every build asked for it in which its conditions hold; reverse ranges never are."""
    if asked.reverse:
        return False
    return all(
        asked in build.asked.get(asked.name, [])
        for build in builds
        if all(build.values.get(parent) in wanted for parent, wanted in asked.when)
    )
