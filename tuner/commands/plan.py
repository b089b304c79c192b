"""From names on the command line to what a sweep needs: definition, study name, prepared data.

The rule: every mistake that can be found without training is found before the first trial, for all
names at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner import definition as definitions
from tuner.commands.own_model import with_own_model
from tuner.data.obtain import obtain
from tuner.data.prepared import Prepared
from tuner.data.splits import split
from tuner.definition import Overrides, SweepDefinition
from tuner.errors import DataError, ModelError, StudyError, UsageError
from tuner.models.mlp import losses_for
from tuner.parameters import is_own
from tuner.space import Choices
from tuner.text import is_printable
from tuner.trial import ParamValue
from tuner.workspace import Workspace

if TYPE_CHECKING:
    from tuner.search.records import StudySummary


LONGEST = 200  # characters of a study's name


@dataclass(frozen=True)
class Plan:
    """One sweep that is ready to run.

    Attributes:
        study: the study's name.
        definition: checked, overrides applied.
        data: prepared arrays.
        identity: what makes it this study and no other.
        base: the same of the sweep file alone, without overrides; None where there is no file.
    """

    study: str
    definition: SweepDefinition
    data: Prepared
    identity: dict[str, Any]
    base: dict[str, Any] | None


def make_plan(
    workspace: Workspace,
    name: str,
    overrides: Overrides,
    data_dir: Path | None,
    study: str | None,
    say: Callable[[str], None] = lambda text: None,
) -> Plan:
    """Read the definition, load and prepare its data.

    A study goes on with the definition that it was made by, so that the options it was started
    with need not be typed again; but only as long as its sweep file says what it said then.

    Args:
        workspace: where the data is prepared.
        name: a definition's name or path, or a study's name.
        overrides: what the command line changes.
        data_dir: the user's own data sets, or None.
        study: a name for the study, or None for the definition's own.
        say: called with a line about what takes a while.
    """
    path = _file(workspace, name)
    called = study if study is not None else name if path is None else path.stem
    _check_name(called)
    known = _stored(workspace, called)
    if path is None and (known is None or known.name != name):
        definitions.find(name, workspace.root)  # raises, and says what there is
    unchanged = None if path is None else definitions.load(path)
    base = None if unchanged is None else _base(unchanged)
    begun = _as_begun(known, overrides)
    if path is None or (known is not None and _file_of(known) == base):
        assert known is not None
        definition = _again(known, unchanged, begun)
    else:
        definition = definitions.load(path, begun)
    plan = _plan(workspace, called, definition, data_dir, known, base, say)
    if begun is not overrides and begun.engine != (unchanged and unchanged.engine):
        say(f"{called} was begun with model.fit and goes on with it (engine: fit).")
    return plan


def plan_of(
    workspace: Workspace,
    definition: SweepDefinition,
    data_dir: Path | None,
    say: Callable[[str], None] = lambda text: None,
) -> Plan:
    """The plan of a definition that no file holds; its name is the study's.

    Args:
        workspace, data_dir, say: as for `make_plan`.
        definition: checked. A study of that name goes on if it was made by the same one.
    """
    _check_name(definition.name)
    known = _stored(workspace, definition.name)
    return _plan(workspace, definition.name, definition, data_dir, known, None, say)


def _plan(
    workspace: Workspace,
    study: str,
    definition: SweepDefinition,
    data_dir: Path | None,
    known: StudySummary | None,
    base: dict[str, Any] | None,
    say: Callable[[str], None],
) -> Plan:
    """The plan of a definition, on its data; refused where the study is `known` as another one."""
    data = _data(workspace, definition, data_dir, say)
    refuse_kind(definition, data)
    refuse_losses(data, losses_in(definition))
    definition = with_own_model(workspace, definition, data, say)
    identity = definitions.identity(definition, data.fingerprint)
    if known is not None:
        definitions.refuse_another(known.name, known.identity, identity)
        _refuse_taken_names(known, definition)
    return Plan(
        study=study,
        definition=definition,
        data=data,
        identity=identity,
        base=base if known is None or base is not None else known.base,
    )


def stored_plan(known: StudySummary, data: Prepared) -> Plan:
    """A study as it was begun, on its prepared data; its sweep file is not asked for."""
    definition = definitions.restore(known.definition, known.name, _as_begun(known, Overrides()))
    identity = definitions.identity(definition, data.fingerprint)
    definitions.refuse_another(known.name, known.identity, identity)
    return Plan(known.name, definition, data, identity, known.base)


def _check_name(study: str) -> None:
    if not study.strip():
        raise UsageError("a study needs a name: give one by --name.")
    if len(study) > LONGEST:
        raise UsageError(
            f"the study's name has {len(study)} characters: give a shorter one by --name, at most "
            f"{LONGEST}."
        )
    if not is_printable(study):
        raise UsageError(
            f"the study's name {study!r} has characters that cannot be printed: give another one "
            "by --name."
        )


def _data(
    workspace: Workspace,
    definition: SweepDefinition,
    data_dir: Path | None,
    say: Callable[[str], None],
) -> Prepared:
    """Load and prepare the data, and see that the split can be made."""
    try:
        data = obtain_for(workspace, definition, data_dir, say)
        split(data.y_train, definition.split)
        if definition.split.kind == "test":
            data.test()
    except DataError as error:
        raise DataError(f"sweep {definition.name}: {error}") from error
    return data


def obtain_for(
    workspace: Workspace,
    definition: SweepDefinition,
    data_dir: Path | None,
    say: Callable[[str], None] = lambda text: None,
) -> Prepared:
    """The prepared data of a definition; DataError as from `data.obtain`."""
    return obtain(
        definition.dataset, data_dir, workspace.data, say, definition.reading, workspace.root
    )


def refuse_kind(definition: SweepDefinition, data: Prepared) -> None:
    """Raise ModelError where the definition's model cannot look at such rows."""
    if definition.model == "cnn" and data.kind != "image":
        raise ModelError(
            f"model: cnn looks at images, but {data.name} holds {data.kind} rows of "
            f"{data.input_shape[0]:,} columns.\nUse model: mlp."
        )


def losses_in(definition: SweepDefinition) -> dict[str, list[ParamValue]]:
    """The data losses that a sweep names, by the key that names them.

    A model of the user's own may mean something else by that name.
    """
    if is_own(definition.model):
        return {}
    found = {"fixed.loss": [definition.fixed["loss"]]} if "loss" in definition.fixed else {}
    searched = definition.space.get("loss")
    if searched is not None and isinstance(searched.domain, Choices):
        found["space.loss"] = list(searched.domain.values)
    for name, params in definition.variants.items():
        # A variant has what is fixed, too; that is said once.
        if "loss" in params and params["loss"] != definition.fixed.get("loss"):
            found[f"variants.{name}.loss"] = [params["loss"]]
    return found


def refuse_losses(data: Prepared, losses: Mapping[str, Sequence[ParamValue]]) -> None:
    """Raise UsageError where a data loss does not fit the number of classes.

    Args:
        data: what will be trained on.
        losses: data losses by what names them, such as `fixed.loss`.
    """
    fitting = losses_for(data.n_classes)
    wrong = [(place, loss) for place, found in losses.items() for loss in found]
    named = [f"{place} is {loss}" for place, loss in wrong if loss not in fitting]
    if named:
        raise UsageError(
            f"{'; '.join(named)}: that does not fit the {data.n_classes} classes of {data.name}.\n"
            f"Write {' or '.join(fitting)}, or leave the loss out."
        )


def _refuse_taken_names(known: StudySummary, definition: SweepDefinition) -> None:
    """Raise StudyError where a trial by hand has the name of a variant, and is another one."""
    for record in known.records:
        given = definition.variants.get(record.variant or "")
        if given is None or not record.params:
            continue
        # A model of one's own completes what a variant leaves out.
        wanted = record.params | given if is_own(definition.model) else given
        if record.params != wanted:
            raise StudyError(
                f"study {known.name} has a trial called {record.variant} with another "
                "configuration, trained by hand.\nGive the variant another name."
            )


def _file(workspace: Workspace, name: str) -> Path | None:
    try:
        path = definitions.find(name, workspace.root)
    except UsageError:
        return None
    if path.suffix not in (".yaml", ".yml") and _stored(workspace, name) is not None:
        return None  # some other file that happens to be called like the study
    return path


def _stored(workspace: Workspace, study: str) -> StudySummary | None:
    if not workspace.journal.exists():
        return None  # and Optuna need not be imported to know it
    from tuner.search.records import summaries

    return next((s for s in summaries(workspace) if s.name == study), None)


def _base(definition: SweepDefinition) -> dict[str, Any]:
    """What a sweep file says, without what may change while a study goes on."""
    raw: dict[str, Any] = json.loads(json.dumps(definition.to_json()))
    left_out = ("trials", "variants", *definitions.COMPARING)
    return {key: value for key, value in raw.items() if key not in left_out}


def _as_begun(known: StudySummary | None, overrides: Overrides) -> Overrides:
    """The same, with the engine of a study from before there was a choice, if none is asked for."""
    if known is None or "engine" in known.identity or overrides.engine is not None:
        return overrides
    return replace(overrides, engine=definitions.ENGINE_BEFORE)


def _file_of(known: StudySummary) -> dict[str, Any] | None:
    """What the study's sweep file said; before there was a choice it named no engine."""
    return known.base and {"engine": SweepDefinition.engine, **known.base}


def _again(
    known: StudySummary, unchanged: SweepDefinition | None, overrides: Overrides
) -> SweepDefinition:
    """The study's own definition, with the total and the variants that the file has now."""
    raw = dict(known.definition)
    raw["trials"] = known.requested or raw["trials"]
    searches = bool(raw.get("space")) or is_own(str(raw.get("model")))
    if not searches:
        del raw["trials"]  # as many as there are variants; those by hand are counted anyway
    if unchanged is not None:
        if searches:
            raw["trials"] = unchanged.trials
        raw["variants"] = {**unchanged.variants, **raw["variants"]}
        now = unchanged.to_json()
        for key in definitions.COMPARING:
            raw.pop(key, None)
            if key in now:
                raw[key] = now[key]
    return definitions.restore(raw, known.name, overrides)
