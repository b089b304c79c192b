"""Keywords as the keys of a sweep file, so that one parser judges both.

The rule: what stands in a study has to be plain JSON that another process can read. Values of
numpy, tuples and paths become that; a model is named by where it can be imported from.
"""

from __future__ import annotations

import importlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tuner import definition as definitions
from tuner.definition import SweepDefinition
from tuner.errors import DefinitionError, UsageError
from tuner.targets import Target

SOURCE = "Sweep(…)"
"""What errors name in the place of a file."""


def definition_of(name: str, keys: Mapping[str, Any]) -> SweepDefinition:
    """The definition that keywords describe.

    Args:
        name: of the study.
        keys: of a sweep file, plain.

    Raises:
        DefinitionError: every mistake, each with its key.
    """
    text = json.dumps(dict(keys), ensure_ascii=False)
    try:
        return definitions.parse(text, SOURCE, name)
    except DefinitionError as error:  # all of it is one line, which nobody has seen
        problems = [re.sub(r"^line 1(?:, (?=\w)|: )", "", line) for line in error.problems]
        raise DefinitionError(SOURCE, problems) from None


def target_texts(targets: Any) -> list[str]:
    """One target, a text of several, or a list of either, as texts."""
    given = [targets] if isinstance(targets, str | Target) else targets
    if not isinstance(given, Sequence) or not all(isinstance(t, str | Target) for t in given):
        raise UsageError('targets: write a text such as "val >= 95% with train < 99%", or a list.')
    return [target.text if isinstance(target, Target) else target for target in given]


def domains(space: Any, place: str = "space") -> dict[str, Any]:
    """`space` as in a sweep file: a list is what is tried, a mapping has min and max.

    Args:
        place: what an error names.

    Raises:
        UsageError: a pair in parentheses, which could be meant as either.
    """
    if not isinstance(space, Mapping):
        raise UsageError(
            f'{place}: write a mapping such as {{"dropout": {{"min": 0, "max": 0.7}}}}.'
        )
    for name, domain in space.items():
        if isinstance(domain, tuple):
            values = plain(domain, f"{place}.{name}")
            raise UsageError(
                f"{place}.{name} is a tuple: write a list, {values}, to try these values,\n"
                'or {"min": …, "max": …} to search what lies between.'
            )
    found: dict[str, Any] = plain(space, place)
    return found


def plain(value: Any, place: str) -> Any:
    """`value` as JSON holds it.

    Args:
        value: numbers, texts, lists and mappings, those of numpy included.
        place: what an error names.

    Raises:
        UsageError: it is something else.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Target):
        return value.text
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {str(key): plain(one, f"{place}.{key}") for key, one in value.items()}
    if isinstance(value, list | tuple | range):
        return [plain(one, f"{place}[{at}]") for at, one in enumerate(value)]
    if hasattr(value, "tolist"):  # an array or a number of numpy
        return plain(value.tolist(), place)
    raise UsageError(
        f"{place} is of type {type(value).__name__}, which no sweep can hold.\n"
        "Write numbers, texts, lists and mappings, as in a sweep file."
    )


def model_name(model: Any) -> str:
    """A model as `package.module:attribute`, or the name that it is.

    Raises:
        UsageError: workers could not import it by that.
    """
    if isinstance(model, str):
        return model
    name, module = getattr(model, "__qualname__", None), getattr(model, "__module__", None)
    if not isinstance(name, str) or not isinstance(module, str):
        raise UsageError(
            f"model is of type {type(model).__name__}, which has no name to import it by.\n"
            'Give a function or a class of a file, or write model="module:attribute".'
        )
    if module == "__main__":
        raise UsageError(
            f"model: {name} is defined in this script or notebook, where workers cannot see it.\n"
            f"Put it into a file such as models.py and import it from there, or write "
            f'model="models:{name.rpartition(".")[2]}".'
        )
    if not _leads_to(module, name, model):
        raise UsageError(
            f"model: {name} is made inside a function, and cannot be imported by its name.\n"
            f"Define it at the top of {module}, outside of functions and classes."
        )
    return f"{module}:{name}"


def _leads_to(module: str, name: str, model: Any) -> bool:
    """Whether importing `name` from `module` gives the model itself."""
    try:
        return getattr(importlib.import_module(module), name, None) is model
    except ImportError:
        return False
