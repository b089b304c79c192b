"""From names on the command line to what a sweep needs: definition, study name, prepared data.

The rule: every mistake that can be found without training is found before the first trial, for all
names at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner import definition as definitions
from tuner.data.prepared import Prepared, prepare
from tuner.data.registry import load as load_dataset
from tuner.definition import Overrides, SweepDefinition
from tuner.errors import DataError, UsageError
from tuner.workspace import Workspace


@dataclass(frozen=True)
class Plan:
    """One sweep that is ready to run.

    Attributes:
        study: the study's name.
        definition: checked, overrides applied.
        data: prepared arrays.
        identity: what makes it this study and no other.
    """

    study: str
    definition: SweepDefinition
    data: Prepared
    identity: dict[str, Any]


def read_definition(workspace: Workspace, name: str, overrides: Overrides) -> SweepDefinition:
    """What `name` stands for: a file, or else the definition that a study was made by."""
    try:
        path = definitions.find(name, workspace.root)
    except UsageError:
        stored = _stored(workspace, name)
        if stored is None:
            raise
        return stored
    return definitions.load(path, overrides)


def make_plan(
    workspace: Workspace,
    name: str,
    overrides: Overrides,
    data_dir: Path | None,
    study: str | None,
) -> Plan:
    """Read the definition, load and prepare its data.

    Args:
        workspace: where the data is prepared.
        name: a definition's name or path, or a study's name.
        overrides: what the command line changes.
        data_dir: the user's own data sets, or None.
        study: a name for the study, or None for the definition's own.
    """
    definition = read_definition(workspace, name, overrides)
    try:
        dataset = load_dataset(definition.dataset, data_dir)
    except DataError as error:
        raise DataError(f"sweep {definition.name}: {error}") from error
    data = prepare(dataset, workspace.data)
    return Plan(
        study=study or definition.name,
        definition=definition,
        data=data,
        identity=definitions.identity(definition, data.fingerprint),
    )


def _stored(workspace: Workspace, name: str) -> SweepDefinition | None:
    import json

    from tuner.search.records import summaries

    for summary in summaries(workspace):
        if summary.name == name:
            text = json.dumps(summary.definition)
            return definitions.parse(text, f"study {name}", name)
    return None
