"""`tuner predict`: what an exported or registered model says of pictures, rows and texts."""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from tuner.commands.output import print_closing, print_json, print_rows, result_console
from tuner.errors import DataError, StudyError, UsageError
from tuner.executors.errand import run_errand
from tuner.exported import ENDING, ExportedModel, read_description, sidecar_of
from tuner.report.jsonout import SCHEMA
from tuner.report.tables import new_table
from tuner.report.wording import listed, plural
from tuner.tracking.registry import URI
from tuner.workspace import Workspace

MOST_SHOWN = 40
"""Rows of a table; the other formats have all."""

STDIN = "-"
_NAMED = 5  # classes that the closing sentence counts


@dataclass(frozen=True)
class PredictRequest:
    """What the command line asks for.

    Attributes:
        model: a `.keras` file, or `models:/NAME@ALIAS`.
        files: paths, or `-` for standard input.
        folder: the working directory.
        top: how many classes a row is answered with.
        invert: turn light into dark in pictures.
        format: `table`, `json` or `csv`.
    """

    model: str
    files: tuple[str, ...]
    folder: Path
    top: int = 2
    invert: bool = False
    format: str = "table"


@dataclass(frozen=True)
class Answer:
    """What the model says of one row.

    Attributes:
        input: the file, as the user typed it.
        row: within the file, from 0; None for a file that is one row.
        classes: labels with their probabilities, most probable first.
    """

    input: str
    row: int | None
    classes: tuple[tuple[str, float], ...]

    @property
    def name(self) -> str:
        """`rows.csv #3`."""
        where = "standard input" if self.input == STDIN else self.input
        return where if self.row is None else f"{where} #{self.row}"


def run_predict(request: PredictRequest) -> int:
    """Print the answers; returns 0."""
    registered = request.model.startswith("models:")
    if registered and not URI.fullmatch(request.model):
        raise UsageError(
            f"{request.model} is no model of the registry: write models:/NAME@ALIAS or "
            "models:/NAME/VERSION."
        )
    described = None if registered else _local(request)
    notes = [] if described is None else _changed(request, described)
    for note in notes:
        click.echo(note, err=True)
    text = _standard_input() if STDIN in request.files else None
    asked = {
        "model": request.model if registered else str(request.folder / request.model),
        "files": list(request.files),
        "text": text,
        "top": request.top,
        "invert": request.invert,
        "folder": str(request.folder),
    }
    where = "tuner.tracking.registry" if registered else "tuner.training.answers"
    with Console(stderr=True).status("Loading the model …"):
        found = run_errand(f"{where}:answer", asked, Workspace(request.folder).logs)
    if described is None:
        described = ExportedModel.from_json(found["described"])
    answers = [
        Answer(raw["input"], raw["row"], tuple((label, share) for label, share in raw["classes"]))
        for raw in found["rows"]
    ]
    for note in found["notes"]:
        click.echo(note, err=True)
    _print(request, described, answers, [*notes, *found["notes"]])
    return 0


def _local(request: PredictRequest) -> ExportedModel:
    """The description of a model in a file."""
    file = request.folder / request.model
    if file.suffix != ENDING:
        raise UsageError(
            f"{request.model}: a model is a {ENDING} file that `tuner export` wrote, or "
            "models:/NAME@ALIAS."
        )
    if not file.is_file():
        there = sorted(path.name for path in file.parent.glob(f"*{ENDING}"))
        known = f"There are: {', '.join(there[:8])}." if there else "Write one with: tuner export"
        raise StudyError(f"there is no model {request.model}.\n{known}")
    return read_description(sidecar_of(file))


def _changed(request: PredictRequest, described: ExportedModel) -> list[str]:
    """A note where the model is another one than its description is of."""
    if (
        hashlib.sha256((request.folder / request.model).read_bytes()).hexdigest()
        == described.sha256
    ):
        return []
    return [
        f"{request.model} has changed since it was exported: what stands in "
        f"{sidecar_of(Path(request.model))} may not be true of it."
    ]


def _standard_input() -> str:
    if sys.stdin.isatty():
        click.echo("Type a text, then Ctrl-D on a line of its own:", err=True)
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"standard input is not UTF-8 text ({error}).") from error


def _print(
    request: PredictRequest,
    described: ExportedModel,
    answers: Sequence[Answer],
    notes: Sequence[str],
) -> None:
    if request.format == "json":
        print_json(_result(request, described, answers, notes))
        return
    shown = min(request.top, len(described.class_names))
    if request.format == "csv":
        print_rows([_row(answer) for answer in answers], _columns(shown))
        return
    console = result_console()
    table = new_table()
    table.add_column("input", overflow="fold")
    table.add_column("label")
    table.add_column("confidence", justify="right")
    if shown > 1:
        table.add_column("then" if shown > 2 else "runner-up")
    for answer in answers[:MOST_SHOWN]:
        (label, share), *rest = answer.classes
        after = ", ".join(f"{name} {_share(p)}" for name, p in rest)
        cells = [Text(answer.name), Text(label, style="bold"), Text(_share(share))]
        table.add_row(*cells, *([Text(after, style="dim")] if shown > 1 else []))
    console.print(table)
    if len(answers) > MOST_SHOWN:
        console.print(Text(f"and {len(answers) - MOST_SHOWN:,} more", style="dim"))
    console.print()
    print_closing(console, _sentence(described, answers), _next(request, described, answers))


def _result(
    request: PredictRequest,
    described: ExportedModel,
    answers: Sequence[Answer],
    notes: Sequence[str],
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "model": request.model,
        "study": described.study,
        "trial": described.trial,
        "class_names": list(described.class_names),
        "rows": [
            {
                "input": answer.input,
                "row": answer.row,
                "label": answer.classes[0][0],
                "confidence": answer.classes[0][1],
                "classes": [{"label": name, "confidence": p} for name, p in answer.classes],
            }
            for answer in answers
        ],
        "notes": list(notes),
    }


def _columns(shown: int) -> list[str]:
    more = [f"{name}_{n}" for n in range(2, shown + 1) for name in ("label", "confidence")]
    return ["input", "row", "label", "confidence", *more]


def _row(answer: Answer) -> Mapping[str, Any]:
    row: dict[str, Any] = {"input": answer.input, "row": answer.row}
    for number, (label, share) in enumerate(answer.classes, 1):
        end = "" if number == 1 else f"_{number}"
        row |= {f"label{end}": label, f"confidence{end}": share}
    return row


def _share(value: float) -> str:
    """A probability with three decimals; neither certain nor impossible."""
    return {"1.000": "> 0.999", "0.000": "< 0.001"}.get(text := f"{value:.3f}", text)


def _sentence(described: ExportedModel, answers: Sequence[Answer]) -> str:
    counts = Counter(answer.classes[0][0] for answer in answers).most_common()
    named = [f"{label} ({count:,})" for label, count in counts[:_NAMED]]
    if len(counts) > _NAMED:
        named.append(f"others ({sum(n for _, n in counts[_NAMED:]):,})")
    word = {"image": "image", "text": "text", "table": "row"}[described.kind]
    return (
        f"{len(answers):,} {plural(word, len(answers))} by trial {described.trial} of "
        f"{described.study}: {listed(named)}."
    )


def _next(request: PredictRequest, described: ExportedModel, answers: Sequence[Answer]) -> str:
    words = ["tuner", "predict", request.model, *request.files[:3]]
    if len(answers) > MOST_SHOWN:
        return shlex.join([*words, "--format", "csv"])
    if request.top < len(described.class_names):
        return shlex.join([*words, "--top", str(min(5, len(described.class_names)))])
    return shlex.join([*words, "--format", "json"])
