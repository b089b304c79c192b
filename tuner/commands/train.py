"""`tuner train`: one configuration by hand, recorded like any trial of its study."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tuner import definition as definitions
from tuner.commands.plan import Plan, make_plan, refuse_losses
from tuner.commands.progress import make_observer
from tuner.commands.running import NONE_MEETS, Interruption, Job, signals_to, train_trials
from tuner.commands.show import ShowRequest, find_trial, run_show
from tuner.definition import Overrides, SweepDefinition
from tuner.errors import TrainingError, UsageError
from tuner.parameters import is_own
from tuner.report.selection import Outcome, select
from tuner.search.opening import open_study
from tuner.search.owners import Owner
from tuner.search.records import summaries
from tuner.search.study import SweepStudy
from tuner.targets import objective_metric
from tuner.trial import Params, TrialRecord
from tuner.workspace import Workspace

BY_HAND = "by-hand"


@dataclass(frozen=True)
class TrainRequest:
    """What the command line asks for.

    Attributes:
        name: a definition, a file or a study.
        fixes: `NAME=VALUE`, over the configuration that `start` names.
        folder: the working directory.
        start: a trial's number, a variant's name or `best`, whose configuration is the start; or
            None for the definition's fixed values and the defaults.
        label: the trial's name; `by-hand-1` and so on by default.
        seed: the trial's seed, or None for one that follows from the study's.
        overrides: changes to the definition, for a study of its own.
        data_dir: the user's own data sets, or None.
        study: a name for the study, or None for the definition's.
        format: of the result.
        exit_zero: turn "does not meet" into success.
        verbosity: -1 for no progress, 0 and above for a line an epoch.
        command: the command line, for the record.
    """

    name: str
    fixes: tuple[str, ...]
    folder: Path
    start: str | None = None
    label: str | None = None
    seed: int | None = None
    overrides: Overrides = field(default_factory=Overrides)
    data_dir: Path | None = None
    study: str | None = None
    format: str = "table"
    exit_zero: bool = False
    verbosity: int = 0
    command: str = ""


def run_train(request: TrainRequest) -> int:
    """Train one configuration and show it; returns the exit code."""
    workspace = Workspace(request.folder).create()
    console = Console(stderr=True)
    with closing(Owner(workspace.owners)) as presence, console.status("Preparing data …") as status:
        plan = make_plan(
            workspace,
            request.name,
            request.overrides,
            request.data_dir,
            request.study,
            lambda text: console.print(text, markup=False, highlight=False),
        )
        status.stop()
        # Before the study is made: a mistake leaves nothing behind.
        params = configuration_of(
            plan.definition,
            _records(workspace, plan.study),
            request.start,
            request.fixes,
            plan.study,
        )
        if "loss" in params and not is_own(plan.definition.model):
            refuse_losses(plan.data, {"--fix loss": [params["loss"]]})
        label_of(request.label, plan.definition.variants)
        study = open_study(workspace, plan.study, plan.definition, plan.identity, plan.base)
        presence.close()
    interruption = Interruption()
    with closing(study), signals_to(interruption):
        origin, outcome = _train(request, workspace, plan, study, params, console, interruption)
    again = f"tuner sweep {shlex.quote(plan.study)}"
    if interruption.exit_code is not None:
        console.print(
            Text(f"The trial is kept: {again} repeats what is not finished."), soft_wrap=True
        )
        return interruption.exit_code
    run_show(ShowRequest(plan.study, request.folder, str(origin), format=request.format))
    entry = next(entry for entry in outcome.entries if entry.trial == origin)
    if entry.state not in ("complete", "pruned"):
        raise TrainingError(
            f"trial {origin} did not end: {entry.record.reason or entry.state}.\n"
            f"It is kept, and repeated by: {again}"
        )
    return 0 if entry.verdict == "meets" or request.exit_zero else NONE_MEETS


def _train(
    request: TrainRequest,
    workspace: Workspace,
    plan: Plan,
    study: SweepStudy,
    params: Params,
    console: Console,
    interruption: Interruption,
) -> tuple[int, Outcome]:
    """Train the configuration in its study; returns the trial's number and the study's outcome."""
    ticket = study.take_by_hand(partial(label_of, request.label), params, request.seed)
    tickets = [ticket]
    total = len(study.records())
    study.set_requested(max(study.requested, total))
    job = Job(
        workspace,
        plan,
        study,
        total,
        workers=1,
        command=request.command,
        take=lambda: tickets.pop() if tickets else None,
    )
    verbosity = -1 if request.verbosity < 0 else 1
    metric = objective_metric(plan.definition.targets)
    observer = make_observer(console, plan.study, 1, 0, 0, 1, verbosity, metric)
    train_trials(job, observer, interruption.controls)
    return ticket.origin, job.outcome()


def _records(workspace: Workspace, study: str) -> Sequence[TrialRecord]:
    """The trials of a study that may not be there yet."""
    found = (summary.records for summary in summaries(workspace) if summary.name == study)
    return next(found, ())


def configuration_of(
    definition: SweepDefinition,
    records: Sequence[TrialRecord],
    start: str | None,
    fixes: Sequence[str],
    study: str,
) -> Params:
    """The complete configuration that the command line describes.

    Args:
        definition: its fixed values, and then the defaults, are the start where `start` is None.
        records: the study's trials.
        start: a trial's number, a variant's name or `best`.
        fixes: `NAME=VALUE`.
        study: the study's name, for messages.

    Raises:
        StudyError: there is no such trial.
        DefinitionError: names every option that does not hold a parameter's value.
    """
    base = definition.fixed if start is None else _params_of(definition, records, start, study)
    # Read like the fixed values of a sweep file, so that the same mistakes get the same words.
    raw = {
        "dataset": definition.dataset,
        "model": definition.model,
        "targets": [target.text for target in definition.targets],
        "fixed": base,
        "variants": {BY_HAND: {}},
    }
    return definitions.restore(raw, study, Overrides(fixes=tuple(fixes))).variants[BY_HAND]


def _params_of(
    definition: SweepDefinition, records: Sequence[TrialRecord], start: str, study: str
) -> Params:
    if start in definition.variants:  # also one that no trial has been made of yet
        return definition.variants[start]
    outcome = select(
        study, definition.data_name, records, definition.targets, definition.epoch, len(records)
    )
    entry = find_trial(outcome, start)
    if not entry.params:
        raise UsageError(f"trial {entry.trial} of {study} has no configuration yet.")
    return entry.params


def label_of(given: str | None, taken: Collection[str]) -> str:
    """The trial's name: the one given, unless it is taken, or the next `by-hand-N`."""
    if given is None:
        number = 1
        while f"{BY_HAND}-{number}" in taken:
            number += 1
        return f"{BY_HAND}-{number}"
    if given in taken:
        raise UsageError(f"the study has a trial called {given} already: give another --as.")
    if given == "best":
        raise UsageError("`best` stands for the best trial: give another --as.")
    if not re.fullmatch(r"[^\W\d][\w.\- ]{0,59}", given):
        raise UsageError(
            f"{given!r} cannot name a trial: begin with a letter, and use letters, digits, "
            "spaces, `-`, `_` and `.`, 60 at most."
        )
    return given
