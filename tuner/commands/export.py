"""`tuner export`: a trial as a `.keras` file, as a script, and in MLflow's model registry."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tuner.commands.exporting import (
    Job,
    Model,
    export_model,
    job_of,
    refuse_other_script,
    refuse_strangers,
    register_model,
    script_of,
)
from tuner.commands.output import notes_console, print_closing, print_json, result_console
from tuner.commands.report import find_studies, outcome_of
from tuner.commands.show import BEST, find_trial
from tuner.data.tables import TABLES
from tuner.errors import StudyError, UsageError
from tuner.exported import ENDING, card_of, sidecar_of, vocabulary_of
from tuner.report.jsonout import SCHEMA, entry_json
from tuner.report.selection import Entry, Outcome
from tuner.report.trial_view import trial_name, trial_sentence
from tuner.report.wording import figure_text
from tuner.tracking.registry import ALIAS, check_names
from tuner.workspace import Workspace, size_text, write_aside


@dataclass(frozen=True)
class ExportRequest:
    """What the command line asks for.

    Attributes:
        study: the study's name.
        folder: the working directory.
        trial: a number, a variant's name or `best`.
        out: the model's file, or None for `STUDY-trial-N.keras`.
        code: file for a script, or None. With it alone no model is written.
        register: name in the model registry, or None.
        alias: alias of the registered version; None: `champion`.
        data_dir: the user's own data sets, or None.
        format: `table` or `json`.
    """

    study: str
    folder: Path
    trial: str = BEST
    out: Path | None = None
    code: Path | None = None
    register: str | None = None
    alias: str | None = None
    data_dir: Path | None = None
    format: str = "table"


@dataclass(frozen=True)
class Done:
    """What an export has written.

    Attributes:
        model: the model's file, or None.
        code: the script, or None.
        registered: what `register_model` returns, or None.
        notes: what a person has to know of the choice, a line each.
    """

    model: Model | None = None
    code: Path | None = None
    registered: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()


def run_export(request: ExportRequest) -> int:
    """Write what was asked for and print where it is; returns 0."""
    job, done = export(request, _teller(notes_console()))
    _print(job, done, request.format)
    return 0


def export(request: ExportRequest, say: Callable[[str], None]) -> tuple[Job, Done]:
    """Write what was asked for, and print nothing.

    Args:
        say: called with a line about what takes a while.

    Raises:
        UsageError: a file cannot be written there, or is not ours to replace.
        StudyError: there is no such study or trial, or it has no figures.
    """
    _check(request)
    workspace = Workspace(request.folder)
    (summary,) = find_studies(workspace, [request.study])
    outcome = outcome_of(summary)
    entry = exportable(outcome, request.trial)
    file = request.out or Path(f"{_file_name(outcome.study)}-trial-{entry.trial}{ENDING}")
    wants_model = request.code is None or request.out is not None or request.register is not None
    if wants_model:
        refuse_strangers(request.folder / file)
    if request.code is not None:
        refuse_other_script(request.folder / request.code)
    job = job_of(workspace, summary, outcome, entry, request.data_dir, say)
    done = Done(notes=_notes(outcome, entry, request.trial))
    if request.code is not None:
        write_aside(request.folder / request.code, script_of(job).encode())
        done = replace(done, code=request.code)
    if wants_model:
        done = replace(done, model=export_model(job, file))
    if request.register is not None and done.model is not None:
        done = replace(
            done,
            registered=register_model(job, done.model, request.register, request.alias or ALIAS),
        )
    return job, done


def exportable(outcome: Outcome, word: str) -> Entry:
    """The trial that `word` names; raises StudyError where it has no figures to stand for it."""
    entry = find_trial(outcome, word)
    if entry.chosen is None:
        raise StudyError(
            f"{trial_name(entry)} of {outcome.study} is {entry.state} and has no figures: there is "
            "nothing to export.\nTrials that can be exported: tuner report "
            f"{shlex.quote(outcome.study)}"
        )
    return entry


# --- before anything is written ---------------------------------------------------------------


def _check(request: ExportRequest) -> None:
    """Raise UsageError for what can be seen from the command line alone."""
    if request.register is None and request.alias is not None:
        raise UsageError("--alias is the alias of a registered model: give --register, too.")
    if request.register is not None:
        check_names(request.register, request.alias or ALIAS)
    for option, file, ending in (
        ("--out", request.out, ENDING),
        ("--code", request.code, ".py"),
    ):
        if file is None:
            continue
        if file.suffix != ending:
            raise UsageError(f"{option} {file}: its name must end in {ending}.")
        target = request.folder / file
        if not target.parent.is_dir():
            raise UsageError(f"{option} {file}: there is no folder {file.parent}.")
        if target.is_dir():
            raise UsageError(f"{option} {file} is a folder: name a file.")


def _notes(outcome: Outcome, entry: Entry, word: str) -> tuple[str, ...]:
    """What a person has to know of the choice, a line each."""
    found = []
    if entry.verdict == "misses":
        if word == BEST and entry in outcome.confirmed:
            found.append("No trial meets the targets by its own figures; this one is confirmed.")
        elif word == BEST:
            found.append("No trial meets the targets; this is the nearest miss.")
        found.append(trial_sentence(outcome, entry))
    if outcome.banner:
        found.append(outcome.banner)
    name = f"T{trial_name(entry)[1:]}"
    proof = entry.confirmation
    if proof is not None and proof.verdict != "confirmed":
        found.append(f"{name} was put to the test and is not confirmed: {proof.verdict}.")
    return (*found, *(f"{name}: {caution.text}." for caution in entry.cautions))


# --- what is printed --------------------------------------------------------------------------


def _print(job: Job, done: Done, form: str) -> None:
    for note in done.notes:
        click.echo(note, err=True)
    if form == "json":
        print_json(_result(job, done))
        return
    console = result_console()
    console.print(_head(job))
    console.print()
    console.print(_table(done))
    console.print()
    print_closing(console, _sentence(job, done), _next(job, done))


def _result(job: Job, done: Done) -> dict[str, Any]:
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "study": job.outcome.study,
        **entry_json(job.entry),
        "model": None,
        "code": None if done.code is None else str(done.code),
        "registered": done.registered,
        "notes": list(done.notes),
    }
    if done.model is not None:
        model = done.model
        recorded = job.chosen.val_accuracy
        rows, hits = model.check["rows"], model.check["hits"]
        found["model"] = {
            "file": str(model.file),
            "description": str(sidecar_of(model.file)),
            "card": str(card_of(model.file)),
            "vocabulary": str(vocabulary_of(model.file)) if model.described.vocabulary else None,
            "bytes": model.size,
            "sha256": model.described.sha256,
            "retrained": model.retrained,
            "check": {
                "hits": hits,
                "rows": rows,
                "accuracy": hits / rows,
                "recorded": recorded,
                "same": recorded is not None and hits == round(recorded * rows),
            },
        }
    return found


def _head(job: Job) -> Text:
    targets = job.outcome.targets
    figures = [
        f"{short} {figure_text(metric, job.entry.figure(metric), targets)}"
        for metric, short in (("val_accuracy", "val"), ("train_accuracy", "train"))
    ]
    where = f"{trial_name(job.entry)} at epoch {job.chosen.epoch}"
    return Text(" · ".join([job.outcome.study, where, *figures]), style="bold")


def _table(done: Done) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    if done.model is not None:
        model = done.model
        size = f"{size_text(model.size)}, {model.weights:,} weights"
        table.add_row("model", Text.assemble((str(model.file), "bold"), f"  {size}"))
        beside = [f"{sidecar_of(model.file)}  what predict has to know"]
        if model.described.vocabulary:
            beside.append(f"{vocabulary_of(model.file)}  its words")
        beside.append(f"{card_of(model.file)}  its model card")
        table.add_row("beside it", Text("\n".join(beside)))
        table.add_row("checked", Text(model.sentence))
    if done.code is not None:
        table.add_row("script", Text.assemble((str(done.code), "bold"), "  plain Keras"))
    if done.registered is not None:
        found = done.registered
        where = f"{found['name']} version {found['version']}, alias {found['alias']}"
        table.add_row("registered", Text(f"{where}, in {found['address']}"))
        table.add_row("load it by", Text(f'mlflow.pyfunc.load_model("{found["uri"]}")'))
    return table


def _sentence(job: Job, done: Done) -> str:
    name = f"T{trial_name(job.entry)[1:]} of {job.outcome.study}"
    if done.model is None:
        return f"{name} is written as a script that repeats its training."
    how = "was trained again and is" if done.model.retrained else "is"
    proof = job.entry.confirmation
    trust = (
        "confirmed on fresh seeds"
        if proof is not None and proof.verdict == "confirmed"
        else ("not confirmed on fresh seeds")
    )
    return f"{name} {how} exported; its figures are {trust}."


def _next(job: Job, done: Done) -> str:
    if done.model is None:
        return f"python {shlex.quote(str(done.code))}"
    kind = done.model.described.kind
    file = {"image": "picture.png", "text": "text.txt", "table": "rows.csv"}[kind]
    dataset = job.summary.definition["dataset"]
    if dataset.endswith(TABLES):  # data of the user's own, which has the columns that it takes
        file = shlex.quote(dataset)
    return f"tuner predict {shlex.quote(str(done.model.file))} {file}"


def _teller(console: Console) -> Callable[[str], None]:
    """Says what is being done: on a terminal in one line that is written anew."""
    last = [""]

    def say(text: str) -> None:
        if text != last[0]:
            last[0] = text
            console.print(Text(text), soft_wrap=True)

    return say


def _file_name(study: str) -> str:
    return re.sub(r"[^\w.-]+", "-", study).strip("-.") or "study"
