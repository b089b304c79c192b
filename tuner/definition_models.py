"""What a sweep file may say beside its `model`: each model has parameters of its own.

The rule: a parameter that the model does not have is a mistake, not something to be passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tuner.definition_yaml import KeyPath, Problems
from tuner.errors import nearest
from tuner.parameters import CATALOGUE, MODELS, OWN_PARAMETERS, is_own, show
from tuner.trial import ParamValue

REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
"""`package.module:attribute`."""


def check_parameters(model: str, sound: Mapping[str, Any], problems: Problems) -> None:
    """A line for a model that there is none of, and for each parameter that the model lacks.

    Args:
        model: as the file names it.
        sound: the sound keys of the file.
        problems: where lines are added.
    """
    if model not in MODELS and not is_own(model):
        problems.add(
            ("model",),
            f"must be mlp, cnn, or package.module:attribute, not {show(model)}"
            f"{nearest(model, MODELS)}",
        )
        return
    if is_own(model) and not REFERENCE.fullmatch(model):
        problems.add(
            ("model",), f"must be package.module:attribute, such as models:build, not {show(model)}"
        )
        return
    groups: list[tuple[KeyPath, Any]] = [(("space",), sound.get("space", {}))]
    groups.append((("fixed",), sound.get("fixed", {})))
    groups += [(("variants", n), own) for n, own in sound.get("variants", {}).items()]
    for path, names in groups:
        for name in names if isinstance(names, Mapping) else ():
            known = CATALOGUE.get(name)
            if is_own(model):
                if path == ("space",) and name not in OWN_PARAMETERS:
                    problems.add(
                        (*path, name),
                        f"model {model} says itself what to search; here only "
                        f"{', '.join(OWN_PARAMETERS)} can be; to hold {name}, write it under fixed",
                    )
            elif known is not None and model not in known.models:
                problems.add((*path, name), f"is a parameter of model: {known.models[0]}")
    if is_own(model):
        _own_keys(sound, problems)


def _own_keys(sound: Mapping[str, Any], problems: Problems) -> None:
    """What a model of the user's own cannot do."""
    if sound.get("engine") == "compiled":
        problems.add(("engine",), "a model of your own trains by its own fit; leave it out")
    for i, name in enumerate(sound.get("diagnostics") or ()):
        if name == "gradients":
            problems.add(("diagnostics", i), "gradients are noted of model: mlp and cnn only")


def own_value(value: Any, path: KeyPath, problems: Problems) -> ParamValue | None:
    """A value for a hyperparameter of the user's own; None, and a line, where it is none.

    Whether the model allows it is asked when the model is built.
    """
    if isinstance(value, str | bool | int | float):
        return value
    problems.add(path, f"must be a word, a number, true or false, not {show(value)}")
    return None
