"""`tuner sweep`: plan all, then run one study after the other, then print one result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tuner.commands.diagnosing import keep_diagnostics
from tuner.commands.goals import Goal
from tuner.commands.machine import fitting_workers
from tuner.commands.output import notes_console, print_outcomes
from tuner.commands.plan import Plan, make_plan
from tuner.commands.progress import Observer, make_observer
from tuner.commands.running import (
    NONE_MEETS,
    Interruption,
    Job,
    signals_to,
    train_trials,
)
from tuner.commands.until import Until
from tuner.commands.variants import Comparing, compare_variants
from tuner.data.prepared import keep as keep_data
from tuner.definition import Overrides, SweepDefinition
from tuner.errors import UsageError
from tuner.report.selection import Outcome
from tuner.report.wording import trials_text
from tuner.search.opening import open_study
from tuner.search.owners import Owner
from tuner.search.scheduler import Controls, StopReason
from tuner.search.study import SweepStudy
from tuner.trial import TrialRecord
from tuner.workspace import Workspace


@dataclass(frozen=True)
class SweepRequest:
    """What the command line asks for.

    Attributes:
        names: definitions or studies, in order.
        overrides: changes to the definitions.
        folder: the working directory.
        data_dir: the user's own data sets, or None.
        study: a name for the study; with one name only.
        add: so many more trials than the study has, instead of a total.
        timeout: seconds after which running trials are handed back, or None.
        workers: worker processes, or None for as many as fit.
        format: `table`, `json` or `csv`.
        exit_zero: turn "none meets" into success.
        verbosity: -1 for no progress, 0 for the usual, 1 for a line an epoch as well.
        dry_run: print proposals, train nothing.
        goal: what ends the sweep early.
        command: the command line, for the record.
        more: how ten more trials are asked for.
    """

    names: tuple[str, ...]
    overrides: Overrides
    folder: Path
    data_dir: Path | None = None
    study: str | None = None
    add: int | None = None
    timeout: float | None = None
    workers: int | None = None
    format: str = "table"
    exit_zero: bool = False
    verbosity: int = 0
    dry_run: bool = False
    goal: Goal = field(default_factory=Goal)
    command: str = ""
    more: str = "--add 10"


@dataclass(frozen=True)
class Swept:
    """What sweeps have come to.

    Attributes:
        outcomes: of the studies that were worked on, in order.
        definitions: theirs.
        reached: whether each has what it was asked for: a configuration that meets, or the goal.
    """

    outcomes: tuple[Outcome, ...]
    definitions: tuple[SweepDefinition, ...]
    reached: bool


def run_sweep(request: SweepRequest) -> int:
    """Run the sweeps of `request`; returns the exit code."""
    if request.study is not None and len(request.names) > 1:
        raise UsageError("--name names one study; give one sweep with it.")
    console = notes_console()

    def plan(workspace: Workspace, say: Callable[[str], None]) -> list[Plan]:
        return [
            make_plan(workspace, name, request.overrides, request.data_dir, request.study, say)
            for name in request.names
        ]

    interruption = Interruption()
    with planned(request, plan, console) as (plans, presence):
        if request.dry_run:
            from tuner.commands.preview import print_preview

            print_preview(plans, request.format, request.command)
            return 0
        swept = sweep_all(request, plans, console, presence, interruption)
    print_outcomes(swept.outcomes, request.format, swept.definitions)
    if interruption.exit_code is not None:
        return interruption.exit_code
    return 0 if swept.reached or request.exit_zero else NONE_MEETS


@contextmanager
def planned(
    request: SweepRequest,
    plan: Callable[[Workspace, Callable[[str], None]], Sequence[Plan]],
    console: Console,
) -> Iterator[tuple[Sequence[Plan], Owner]]:
    """What `plan` makes in the working directory, and what keeps its prepared data meanwhile.

    Args:
        plan: gets the working directory and what to call with a line about what takes a while.

    Raises:
        UsageError: two of the plans are one study, or a goal cannot be reached.
    """

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    workspace = Workspace(request.folder).create()
    with closing(Owner(workspace.owners)) as presence:
        with console.status("Preparing data …"):
            plans = plan(workspace, say)
        _check(request, plans)
        yield plans, presence


def _check(request: SweepRequest, plans: Sequence[Plan]) -> None:
    names = [plan.study for plan in plans]
    if len(set(names)) < len(names):
        raise UsageError(f"two of these sweeps are one study: {', '.join(names)}.")
    for plan in plans:
        if request.goal.confirmed is not None and plan.definition.split.kind == "test":
            raise UsageError(
                f"{plan.study} validates on the test split (validation: test): nothing is left to "
                "confirm a trial on.\nLeave --until-confirmed away, or use `validation: 0.2`."
            )


def sweep_all(
    request: SweepRequest,
    plans: Sequence[Plan],
    console: Console,
    presence: Owner,
    interruption: Interruption,
) -> Swept:
    """Run what is planned, one study after the other, and print progress only.

    Args:
        presence: keeps the prepared data until the first study is open.
        interruption: what signals ask for meanwhile; then no further study is begun.
    """
    workspace = Workspace(request.folder)
    deadline = None if request.timeout is None else time.monotonic() + request.timeout
    outcomes: list[Outcome] = []
    with signals_to(interruption):
        for plan in plans:
            study = open_study(workspace, plan.study, plan.definition, plan.identity, plan.base)
            presence.close()
            with closing(study):
                outcome, reason = _run_one(
                    request, workspace, plan, study, console, deadline, interruption.controls
                )
            outcomes.append(outcome)
            if reason in ("drained", "handed back", "timeout"):
                break
    asked = request.goal.asked
    return Swept(
        outcomes=tuple(outcomes),
        definitions=tuple(plan.definition for plan in plans[: len(outcomes)]),
        reached=all(
            request.goal.reached(o) if asked else bool(o.meets or o.confirmed) for o in outcomes
        ),
    )


def _run_one(
    request: SweepRequest,
    workspace: Workspace,
    plan: Plan,
    study: SweepStudy,
    console: Console,
    deadline: float | None,
    controls: Controls,
) -> tuple[Outcome, StopReason]:
    """One open study, to its outcome."""
    keep_data(plan.data)
    before = study.records()
    total = _total(request, plan, before)
    study.set_requested(max(total, len(before)))
    done = [r for r in before if r.state in ("complete", "pruned", "failed")]
    workers = _workers(request, plan, total - len(done))
    job = Job(workspace, plan, study, total, workers, request.command, deadline=deadline)
    if workers == 0 and request.verbosity >= 0:
        said = f"All {len(done)} trials of {plan.study} are done."
        if plan.definition.searches:
            said += f" {request.more} asks for ten more."
        console.print(Text(said), soft_wrap=True)
    if request.goal.asked:
        show = partial(_observer, request, job, console)
        until = Until(request.goal, job, console, controls, show, request.verbosity)
        reason = until.run()
    else:
        reason = train_trials(job, _observer(request, job, console), controls)
    if reason in ("exhausted", "enough"):
        total = len(study.records())
        study.set_requested(total)
        job = replace(job, total=total)
        if reason == "exhausted":
            said = f"The grid has {study.grid_size} configurations and all are done"
        else:
            said = f"There is what --until asked for ({request.goal.text})"
        console.print(Text(f"{said}: {plan.study} ends with {trials_text(total)}."), soft_wrap=True)
    if reason in ("done", "exhausted", "enough"):
        comparing = Comparing(job, console, controls, request.workers, request.verbosity)
        left = compare_variants(comparing)
        left = keep_diagnostics(comparing) if left == "done" else left
        reason = reason if left == "done" else left
    return job.outcome(), reason


def _observer(request: SweepRequest, job: Job, console: Console) -> Observer:
    """What shows the trials from here on."""
    outcome = job.outcome()
    done = outcome.counts.finished
    return make_observer(
        console,
        job.plan.study,
        job.total,
        done,
        len(outcome.meets),
        job.workers,
        request.verbosity,
        outcome.objective,
    )


def _total(request: SweepRequest, plan: Plan, before: Sequence[TrialRecord]) -> int:
    """How many logical trials the study shall have.

    Where no number is asked for, that of the file, and whatever was begun beyond it: a trial by
    hand that was interrupted, say.
    """
    if request.add is not None:
        if not plan.definition.searches:
            raise UsageError(
                f"{plan.study} searches nothing: its trials are its variants.\nAdd a variant to "
                "its file, or train one configuration by `tuner train`."
            )
        return len(before) + request.add
    asked = plan.definition.trials
    if not plan.definition.searches and request.overrides.trials is None:
        known = {record.variant for record in before}
        return len(before) + len(plan.definition.variants.keys() - known)
    return asked if request.overrides.trials is not None else max(asked, len(before))


def _workers(request: SweepRequest, plan: Plan, left: int) -> int:
    """How many worker processes to start: none when nothing is left to do."""
    if request.goal.confirmed is not None:
        return request.workers or fitting_workers(data=plan.data)
    if left <= 0:
        return 0
    return min(left, request.workers or fitting_workers(data=plan.data))
