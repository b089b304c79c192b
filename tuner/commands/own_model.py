"""A model of the user's own, built once before anything is trained: what does it ask for?

The rule: whatever is wrong with it is said before the first trial, and what it searches is known to
the sampler, the table and the page as if a sweep file had named it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tuner import definition as definitions
from tuner.asked import Asked
from tuner.data.prepared import Prepared
from tuner.definition import SweepDefinition
from tuner.errors import ModelError, nearest
from tuner.executors.errand import run_errand
from tuner.parameters import OWN_PARAMETERS, is_own
from tuner.workspace import Workspace


def with_own_model(
    workspace: Workspace,
    definition: SweepDefinition,
    data: Prepared,
    say: Callable[[str], None] = lambda text: None,
) -> SweepDefinition:
    """The definition with what its model asks for in its space; unchanged for built-in models.

    Raises:
        ModelError: the model cannot be loaded or built, or does not fit the data.
        UsageError: no grid can be made of what it asks for.
    """
    if not is_own(definition.model):
        return definition
    say(f"Building {definition.model} to see what it asks for …")
    described = describe_model(workspace, definition, data)
    asked = [Asked.from_json(one) for one in described["asked"]]
    found = definitions.asking(definition, asked)
    _check_held(found, described)
    return found


def describe_model(
    workspace: Workspace, definition: SweepDefinition, data: Prepared
) -> dict[str, Any]:
    """What `training.describing.describe` says of the definition's model."""
    held = {k: v for k, v in definition.fixed.items() if k not in OWN_PARAMETERS}
    request = {
        "model": definition.model,
        "folder": str(workspace.root.resolve()),
        "data": str(data.path.resolve()),
        "fingerprint": data.fingerprint,
        "fixed": held,
    }
    return run_errand("tuner.training.describing:describe", request, workspace.logs)


def _check_held(definition: SweepDefinition, described: dict[str, Any]) -> None:
    """Raise ModelError where a value is given that the model never asks for."""
    several = [*described["asked"], *described["sometimes"]]
    names = {one["name"] for one in several} | set(OWN_PARAMETERS)
    if described["own_fit"]:
        return  # it may ask for more while it trains
    groups = {"fixed": definition.fixed}
    groups |= {f"variants.{name}": params for name, params in definition.variants.items()}
    for place, params in groups.items():
        for name in params:
            if name not in names:
                known = ", ".join(sorted(names - set(OWN_PARAMETERS))) or "nothing"
                raise ModelError(
                    f"{place}.{name}: model {definition.model} asks for no {name}"
                    f"{nearest(name, names)}.\nIt asks for {known}."
                )
