"""`tuner compare`: studies or trials side by side, and everybody's of one MLflow store."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from tuner.commands.output import print_closing, print_json, print_rows, result_console
from tuner.commands.report import find_studies, outcome_of
from tuner.commands.show import BEST, find_trial
from tuner.errors import StudyError, UsageError, nearest
from tuner.report import standings as table_of_users
from tuner.report.comparison import (
    Column,
    StudiesTable,
    TrialsTable,
    common_objective,
    notes,
    score_of,
    studies_sentence,
    study_row,
    trials_as_outcomes,
    trials_json,
    trials_sentence,
)
from tuner.report.jsonout import SCHEMA, to_csv
from tuner.report.standings import Candidate, StandingsTable, Sweep, standings
from tuner.report.trial_view import leading
from tuner.report.wording import listed
from tuner.search.records import StudySummary, summaries
from tuner.workspace import Workspace

FEW = 3
"""How many trials of a study without variants are compared where only the study is named."""


@dataclass(frozen=True)
class CompareRequest:
    """What the command line asks for: studies or trials, or a table of a store's users."""

    names: tuple[str, ...]
    folder: Path
    by: str | None = None
    format: str = "table"


def run_compare(request: CompareRequest) -> int:
    """Print the comparison; returns 0."""
    if request.by is not None:
        return _compare_store(request)
    workspace = Workspace(request.folder)
    known = {summary.name: summary for summary in summaries(workspace)}
    names = request.names or tuple(known)
    if not names:
        raise StudyError(
            f"there is no study in {request.folder} to compare yet.\n"
            "Start one with: tuner sweep digits"
        )
    if all(_trial_part(name, known) is None for name in names) and len(names) > 1:
        return _compare_studies(find_studies(workspace, list(dict.fromkeys(names))), request.format)
    columns = [column for name in names for column in _columns(name, known, workspace, names)]
    return _compare_trials(_without_repeats(columns), request.format)


# --- trials of this directory -----------------------------------------------------------------


def _trial_part(name: str, known: Mapping[str, Any]) -> str | None:
    """`7` of `digits:7`; None where the whole is a study's name."""
    if name in known or ":" not in name:
        return None
    return name.rpartition(":")[2]


def _columns(
    name: str, known: Mapping[str, StudySummary], workspace: Workspace, names: Sequence[str]
) -> list[Column]:
    """What one argument stands for: a trial, or of a study that stands alone a selection."""
    trial = _trial_part(name, known)
    study = name if trial is None else name.rpartition(":")[0]
    (summary,) = find_studies(workspace, [study])
    outcome = outcome_of(summary)
    if trial is None and len(names) == 1:
        lead = leading(outcome) or find_trial(outcome, BEST)
        others = [entry for entry in outcome.entries if entry.variant]
        others = others or [*outcome.meets, *outcome.nearest][:FEW]
        found = [lead, *(entry for entry in others if entry.trial != lead.trial)]
    else:
        found = [find_trial(outcome, trial or BEST)]
    return [Column(outcome, entry, summary.identity) for entry in found]


def _without_repeats(columns: Sequence[Column]) -> tuple[Column, ...]:
    found = tuple({column.name: column for column in columns}.values())
    if len(found) < 2:
        study = shlex.quote(found[0].outcome.study)
        why = "that is one trial only" if len(columns) < 2 else "these are one and the same trial"
        raise UsageError(f"{why}: {found[0].name}.\nLook at it with: tuner show {study}")
    return found


def _compare_trials(columns: tuple[Column, ...], form: str) -> int:
    sentence = trials_sentence(columns)
    metric = common_objective([column.outcome for column in columns])
    ahead = max(columns, key=lambda c: (c.entry.verdict == "meets", score_of(c, metric)))
    command = f"tuner show {shlex.quote(ahead.outcome.study)} {ahead.entry.trial}"
    if form == "json":
        closing = {"sentence": sentence, "next": command}
        print_json({"schema": SCHEMA, "kind": "trials", **trials_json(columns), "summary": closing})
    elif form == "csv":
        click.echo(to_csv(trials_as_outcomes(columns)), nl=False)
    else:
        console = result_console()
        console.print(TrialsTable(columns))
        console.print()
        print_closing(console, sentence, command)
    return 0


# --- studies of this directory ----------------------------------------------------------------


def _compare_studies(found: Sequence[StudySummary], form: str) -> int:
    outcomes = [outcome_of(summary) for summary in found]
    columns = [
        Column(outcome, lead, summary.identity)
        for outcome, summary in zip(outcomes, found, strict=True)
        if (lead := leading(outcome))
    ]
    unfair = notes(columns) if columns else []
    rows = [study_row(outcome) for outcome in outcomes]
    sentence = studies_sentence(outcomes)
    command = "tuner status"
    if len(columns) > 1:
        command = shlex.join(
            ["tuner", "compare", *(f"{c.outcome.study}:best" for c in columns[:4])]
        )
    if form == "json":
        closing = {"sentence": sentence, "next": command}
        body = {"studies": rows, "notes": unfair, "summary": closing}
        print_json({"schema": SCHEMA, "kind": "studies", **body})
    elif form == "csv":
        texts = [{**row, "targets": " and ".join(row["targets"])} for row in rows]
        print_rows(texts, list(rows[0]))
    else:
        console = result_console()
        console.print(StudiesTable(tuple(outcomes)))
        for note in unfair:
            console.print(note, markup=False, style="yellow")
        console.print()
        print_closing(console, sentence, command)
    return 0


# --- everybody's studies ----------------------------------------------------------------------


def _compare_store(request: CompareRequest) -> int:
    from tuner.tracking.mlflow_store import MlflowStore

    by: table_of_users.By = "study" if request.by == "study" else "user"
    store = MlflowStore(request.folder)
    sweeps = [_sweep(run) for run in store.sweeps()]
    wanted = _wanted(sweeps, request.names, store.address)
    rows = standings(wanted, by)
    unfair = table_of_users.notes(wanted)
    sentence = table_of_users.standings_sentence(rows)
    if request.format == "json":
        body = {"rows": [table_of_users.standing_json(row) for row in rows], "notes": unfair}
        closing = {"sentence": sentence, "next": "tuner ui"}
        head = {"schema": SCHEMA, "kind": "standings", "by": by, "store": store.address}
        print_json({**head, **body, "summary": closing})
    elif request.format == "csv":
        texts = [table_of_users.standing_json(row) for row in rows]
        for text in texts:
            text["targets"] = "; ".join(text["targets"])
        print_rows(texts, table_of_users.FIELDS)
    else:
        console = result_console()
        console.print(StandingsTable(tuple(rows), by))
        for note in unfair:
            console.print(note, markup=False, style="yellow")
        console.print()
        print_closing(console, sentence, "tuner ui")
    return 0


def _wanted(sweeps: Sequence[Sweep], names: Sequence[str], address: str) -> list[Sweep]:
    """The sweeps on these data sets, or called so; all where no name is given."""
    if not sweeps:
        raise StudyError(
            f"no sweep is recorded in {address} yet.\n"
            "MLFLOW_TRACKING_URI names another store, such as the server of a class; "
            "start a sweep with: tuner sweep digits"
        )
    known = dict.fromkeys(name for s in sweeps for name in (s.dataset, s.study) if name)
    for name in names:
        if name not in known:
            raise StudyError(
                f"no data set or study in {address} is called {name}{nearest(name, known)}.\n"
                f"There are: {listed(list(known))}."
            )
    return [s for s in sweeps if not names or s.dataset in names or s.study in names]


def _sweep(run: Any) -> Sweep:
    """What the table needs of a recorded sweep (`tracking.mlflow_store.SweepRun`)."""
    candidates = [
        Candidate(
            trial=trial.trial,
            verdict=trial.verdict,
            val=trial.metrics.get("chosen_val_accuracy"),
            train=trial.metrics.get("chosen_train_accuracy"),
            violation=trial.metrics.get("violation"),
        )
        for trial in run.trials
    ]
    return Sweep(
        user=run.user,
        study=run.study,
        uid=run.study_uid,
        dataset=run.dataset,
        targets=run.params.get("targets", ""),
        fingerprint=run.params.get("fingerprint", ""),
        candidates=tuple(candidates),
    )
