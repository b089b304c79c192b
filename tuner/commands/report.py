"""`tuner report`: the outcome of a study, read from the study alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tuner import definition as definitions
from tuner.commands.output import notes_console, print_outcomes
from tuner.commands.report_files import FilesRequest, check_files, write_files
from tuner.contradictions import check_targets
from tuner.errors import StudyError, UsageError, nearest
from tuner.report.selection import Outcome, select
from tuner.search.records import StudySummary, summaries
from tuner.targets import Target, parse_targets
from tuner.workspace import Workspace


@dataclass(frozen=True)
class ReportRequest:
    """What the command line asks for.

    Attributes:
        names: of studies.
        folder: the working directory.
        targets: other targets to look at them with.
        format: of the result on stdout.
        exit_zero: turn "none meets" into success.
        files: the page and pictures of one study, where they are wanted.
    """

    names: tuple[str, ...]
    folder: Path
    targets: tuple[str, ...] = ()
    format: str = "table"
    exit_zero: bool = False
    files: FilesRequest = field(default_factory=FilesRequest)


def run_report(request: ReportRequest) -> int:
    """Print the outcomes; returns 0 where every study has a configuration that meets, else 3."""
    what_if = read_targets(request.targets)
    check_files(request.files, request.names)
    workspace = Workspace(request.folder)
    found = find_studies(workspace, request.names)
    outcomes = [outcome_of(summary, what_if) for summary in found]
    if request.files.wanted:
        write_files(request.files, workspace, found[0], outcomes[0], notes_console())
    print_outcomes(outcomes, request.format, [restored(summary) for summary in found])
    return 0 if request.exit_zero or all(o.meets or o.confirmed for o in outcomes) else 3


def read_targets(texts: Sequence[str]) -> tuple[Target, ...]:
    """Targets of the command line, checked together."""
    targets = tuple(target for text in texts for target in parse_targets(text))
    problems = check_targets(targets)
    if problems:
        raise UsageError("--target: " + "\n".join(problems))
    return targets


def find_studies(workspace: Workspace, names: Sequence[str]) -> list[StudySummary]:
    """The studies called `names`, in that order; raises StudyError for one that is not there."""
    known = {summary.name: summary for summary in summaries(workspace)}
    for name in names:
        if name in known:
            continue
        if not known:
            raise StudyError(
                f"there is no study in {workspace.root} yet.\n"
                f"Start one with: tuner sweep {_startable(workspace, name)}"
            )
        listed = ", ".join(known)
        raise StudyError(f"no study is called {name}{nearest(name, known)}.\nKnown: {listed}.")
    return [known[name] for name in names]


def _startable(workspace: Workspace, name: str) -> str:
    return name if name in definitions.available(workspace.root) else "digits"


def restored(summary: StudySummary) -> definitions.SweepDefinition:
    """The definition that a study keeps."""
    return definitions.restore(summary.definition, summary.name)


def outcome_of(summary: StudySummary, targets: tuple[Target, ...] = ()) -> Outcome:
    """The outcome of a stored study; other targets than its own make it a what-if."""
    definition = restored(summary)
    found = select(
        summary.name,
        summary.dataset,
        summary.records,
        targets or definition.targets,
        definition.epoch,
        max(summary.requested, len(summary.records)),
    )
    return replace(found, what_if=bool(targets) and set(targets) != set(definition.targets))
