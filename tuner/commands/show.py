"""`tuner show`: everything about one trial, read from the study alone."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import click

from tuner.commands.output import print_closing, print_json, result_console
from tuner.commands.report import find_studies, outcome_of
from tuner.errors import StudyError, nearest
from tuner.report.selection import Entry, Outcome
from tuner.report.trial_page import TrialPage
from tuner.report.trial_view import (
    TrialDetails,
    leading,
    next_after,
    trial_csv,
    trial_json,
    trial_sentence,
)
from tuner.report.wording import listed, one_line, plural
from tuner.workspace import Workspace

BEST = "best"


@dataclass(frozen=True)
class ShowRequest:
    """What the command line asks for: a trial of a study, by number, variant or `best`."""

    study: str
    folder: Path
    trial: str = BEST
    loss: bool = False
    format: str = "table"


def run_show(request: ShowRequest) -> int:
    """Print the trial; returns 0."""
    (summary,) = find_studies(Workspace(request.folder), [request.study])
    outcome = outcome_of(summary)
    entry = find_trial(outcome, request.trial)
    details = TrialDetails(outcome, entry, summary.identity)
    if request.format == "json":
        print_json(trial_json(details))
    elif request.format == "csv":
        click.echo(trial_csv(details), nl=False)
    else:
        store = "MLFLOW_TRACKING_URI" if os.environ.get("MLFLOW_TRACKING_URI") else ""
        console = result_console()
        console.print(TrialPage(details, request.folder, store, request.loss))
        console.print()
        print_closing(console, trial_sentence(outcome, entry), next_after(outcome, entry))
    return 0


def find_trial(outcome: Outcome, word: str) -> Entry:
    """The trial that `word` names: its number, `best`, or its variant's name.

    They are looked for in this order, so that no variant's name hides another trial. While nothing
    is judged, `best` is the trial that has come furthest. Raises StudyError, which says what there
    is.
    """
    entries = {str(entry.trial): entry for entry in outcome.entries}
    variants = {entry.variant: entry for entry in outcome.entries if entry.variant}
    if not entries:
        raise StudyError(
            f"{outcome.study} has no trial yet.\nTrain some with: tuner sweep {outcome.study}"
        )
    found = entries.get(_number(word))
    if found is None and word == BEST:
        found = leading(outcome) or max(outcome.entries, key=lambda e: len(e.record.epochs))
    if found is None:
        found = variants.get(word)
    if found is None:
        names = [*variants, BEST]
        word_for = plural("variant", len(variants))
        also = f", {BEST}" + (f", and the {word_for} {listed(list(variants))}" if variants else "")
        raise StudyError(
            f"{outcome.study} has no trial {one_line(word, 40)}{nearest(word, names)}.\n"
            f"There are: {_ranges(sorted(map(int, entries)))}{also}."
        )
    return found


def _number(word: str) -> str:
    """`07` and `#7` are trial 7."""
    digits = word.removeprefix("#")
    return (digits.lstrip("0") or "0") if digits.isascii() and digits.isdigit() else word


def _ranges(numbers: list[int]) -> str:
    """`0–4, 7`: whole numbers in order, runs of them joined."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1] = [runs[-1][0], number]
        else:
            runs.append([number])
    return ", ".join("–".join(map(str, run)) for run in runs)
