"""`tuner confirm`: train the winners again on fresh seeds before anyone believes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tuner.commands.machine import fitting_workers
from tuner.commands.output import (
    notes_console,
    print_closing,
    print_outcomes,
    result_console,
)
from tuner.commands.plan import Plan, stored_plan
from tuner.commands.proof_progress import ProofProgress
from tuner.commands.proof_record import record_proofs
from tuner.commands.proving import SEEDS, TOP, Proving, plan_all, prove, proving_alone
from tuner.commands.repeating import data_of
from tuner.commands.report import find_studies, outcome_of, restored
from tuner.commands.running import NONE_MEETS, Interruption, signals_to, start_executor
from tuner.commands.show import find_trial
from tuner.definition import SweepDefinition
from tuner.errors import StudyError
from tuner.report.confirmation import FEWEST
from tuner.report.confirmation_table import (
    ConfirmationBlock,
    confirmation_sentence,
    next_after_confirm,
    unrepeated,
)
from tuner.report.diagnosis import diagnose
from tuner.report.selection import Entry, Outcome
from tuner.report.sentences import next_command
from tuner.report.wording import listed, one_line, plural
from tuner.search.opening import open_study
from tuner.search.study import SweepStudy
from tuner.workspace import Workspace


@dataclass(frozen=True)
class ConfirmRequest:
    """What the command line asks for.

    Attributes:
        name: the study.
        folder: the working directory.
        seeds: fresh seeds a trial.
        top: how many of the trials that meet, best rank first.
        trials: these trials instead, by number or variant.
        same_split: keep each trial's own validation split.
        workers: worker processes, or None for as many as fit.
        data_dir: the user's own data sets, or None.
        format: `table`, `json` or `csv`.
        exit_zero: turn "none is confirmed" into success.
        verbosity: -1 for no progress.
        command: the command line, for the record.
    """

    name: str
    folder: Path
    seeds: int = SEEDS
    top: int = TOP
    trials: tuple[str, ...] = ()
    same_split: bool = False
    workers: int | None = None
    data_dir: Path | None = None
    format: str = "table"
    exit_zero: bool = False
    verbosity: int = 0
    command: str = ""


@dataclass(frozen=True)
class Confirmed:
    """What the tests have come to.

    Attributes:
        outcome: of the study, with its verdicts.
        definition: the study's.
        tested: the trials that were put to the test, as they were chosen; none where none meets.
    """

    outcome: Outcome
    definition: SweepDefinition
    tested: tuple[Entry, ...]


def run_confirm(request: ConfirmRequest) -> int:
    """Put trials to the test and print the verdicts; returns the exit code."""
    interruption = Interruption(
        "Repeats that run finish; press Ctrl-C again to stop at once.\n",
        "Giving up the repeats that run …\n",
    )
    found = confirm(request, notes_console(), interruption)
    if not found.tested:
        _say_none(found.outcome, found.definition, request)
        return 0 if request.exit_zero else NONE_MEETS
    _print(request, found.outcome, found.definition, found.tested)
    if interruption.exit_code is not None:
        return interruption.exit_code
    confirmed = any(e.confirmation and e.confirmation.verdict == "confirmed" for e in found.tested)
    return 0 if confirmed or request.exit_zero else NONE_MEETS


def confirm(request: ConfirmRequest, console: Console, interruption: Interruption) -> Confirmed:
    """Put trials to the test, and print progress only.

    Raises:
        StudyError: there is no such study or trial, nothing is left to confirm it on, or another
            process does.
    """
    workspace = Workspace(request.folder)
    (summary,) = find_studies(workspace, [request.name])
    before = outcome_of(summary)
    chosen = _chosen(before, request)
    if not chosen:
        return Confirmed(before, restored(summary), ())
    with console.status("Preparing data …"):
        data = data_of(workspace.create(), summary, request.data_dir)
    plan = stored_plan(summary, data)
    study = open_study(workspace, plan.study, plan.definition, plan.identity, plan.base)
    with (
        closing(study),
        signals_to(interruption),
        proving_alone(workspace, study) as alone,
    ):
        if not alone:
            raise StudyError(
                f"another process is confirming trials of {plan.study}.\n"
                "Wait for its end; what it has done will not be done again."
            )
        origins = [entry.trial for entry in chosen]
        counting, left_out = _counting(chosen, same_split=request.same_split)
        if left_out:
            _teller(console)(left_out)
        _prove(request, workspace, plan, study, counting, console, interruption)
        if not interruption.controls.hand_back:
            record_proofs(workspace, plan, study, request.command, _teller(console))
    (summary,) = find_studies(workspace, [request.name])
    outcome = outcome_of(summary)
    tested = [entry for entry in outcome.entries if entry.trial in origins]
    tested.sort(key=lambda entry: origins.index(entry.trial))
    return Confirmed(outcome, plan.definition, tuple(tested))


def _prove(
    request: ConfirmRequest,
    workspace: Workspace,
    plan: Plan,
    study: SweepStudy,
    origins: Sequence[int],
    console: Console,
    interruption: Interruption,
) -> None:
    """Train what is missing, then read the test split for what is confirmed."""
    folder = workspace.weights(study.uid)
    plans = plan_all(study, plan, folder, origins, request.seeds, same_split=request.same_split)
    planned = [item for each in plans for item in each]
    workers = min(len(planned), request.workers or fitting_workers(data=plan.data))
    progress = ProofProgress(console, plan.definition.targets, planned, request.verbosity)
    if not planned and request.verbosity >= 0:
        progress.say("All repeats are there already; nothing is trained.")
    with ExitStack() as stack:
        executor = None
        if planned:
            executor = start_executor(workspace, plan.data, plan.definition.model, workers)
            stack.callback(executor.close)
        stack.enter_context(progress)
        proving = Proving(
            workspace,
            plan,
            study,
            executor,
            interruption.controls,
            progress,
            progress.say,
        )
        prove(proving, origins, request.seeds, same_split=request.same_split)


def _counting(chosen: Sequence[Entry], *, same_split: bool) -> tuple[list[int], str]:
    """The trials whose repeats would count, and a line about those that are left out."""
    decided = [
        str(e.trial)
        for e in chosen
        if same_split
        and (found := e.confirmation) is not None
        and not found.same_split
        and found.seeds >= FEWEST  # a single one, as an interruption leaves it, hides nothing
    ]
    origins = [entry.trial for entry in chosen if str(entry.trial) not in decided]
    if not decided:
        return origins, ""
    were = "was" if len(decided) == 1 else "were"
    return origins, (
        f"{plural('Trial', len(decided))} {listed(decided)} {were} repeated on fresh splits, which "
        "say more: repeats on the same split would not count and are left out."
    )


def _chosen(outcome: Outcome, request: ConfirmRequest) -> list[Entry]:
    """The trials to put to the test, best first."""
    if request.trials:
        entries = [find_trial(outcome, word) for word in request.trials]
        return list({entry.trial: entry for entry in entries}.values())
    if outcome.banner is not None and outcome.meets:
        raise StudyError(
            f"{outcome.study} validates on the test split (validation: test): nothing is left to "
            "confirm it on.\nSweep with `validation: 0.2`, under another name."
        )
    return list(outcome.meets[: request.top])


def _teller(console: Console) -> Callable[[str], None]:
    """Prints a line as it is: text of others is no markup."""
    return lambda text: console.print(Text(text), soft_wrap=True)


def _say_none(outcome: Outcome, definition: SweepDefinition, request: ConfirmRequest) -> None:
    if request.format != "table":
        print_outcomes([outcome], request.format, [definition])
        return
    console = result_console()
    print_closing(
        console,
        f"No trial of {outcome.study} meets its targets: there is nothing to confirm.",
        next_command(outcome, diagnose(outcome, definition)),
    )


def _print(
    request: ConfirmRequest,
    outcome: Outcome,
    definition: SweepDefinition,
    tested: Sequence[Entry],
) -> None:
    if request.format != "table":
        print_outcomes([outcome], request.format, [definition])
        return
    console = result_console()
    for entry in tested:
        if entry.confirmation is not None:
            console.print(ConfirmationBlock(outcome, entry))
            console.print()
    for entry in unrepeated(tested):
        why = one_line(entry.record.untold or "", 200)
        console.print(Text(f"trial {entry.trial} could not be repeated: {why}\n"))
    print_closing(
        console,
        confirmation_sentence(outcome, tested),
        next_after_confirm(outcome, tested, request.seeds),
    )
