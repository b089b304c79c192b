"""What a report leaves behind as files: the page, pictures, and copies of them in MLflow.

The rule: the record alone decides what they say. A store that fails is a note on stderr: the files
are written, and the report stands.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tuner import definition as definitions
from tuner.commands.output import importance_of
from tuner.commands.winners import Winners, predict_winners
from tuner.definition import SweepDefinition
from tuner.errors import TrackingError, UsageError, WorkspaceError
from tuner.report.selection import Outcome
from tuner.search.records import StudySummary
from tuner.tracking.apart import RecorderApart
from tuner.tracking.base import SweepInfo
from tuner.versions import versions
from tuner.workspace import Workspace, size_text, write_aside

FOLDER = "report"
"""Where the copies lie below the sweep's run."""


@dataclass(frozen=True)
class FilesRequest:
    """Which files are wanted.

    Attributes:
        html: file for the page, or None.
        pictures: folder for pictures, or None.
        mlflow_url: address of MLflow's pages for links; None: that of the tracking server.
        record: keep copies in MLflow, too.
    """

    html: Path | None = None
    pictures: Path | None = None
    mlflow_url: str | None = None
    record: bool = True

    @property
    def wanted(self) -> bool:
        """Whether any file is."""
        return self.html is not None or self.pictures is not None


def check_files(request: FilesRequest, names: Sequence[str]) -> None:
    """Refuse before anything is read what could not be written after all of it.

    Raises:
        UsageError: more than one study, a folder for a file, or an address that is none.
    """
    options = (("--html", request.html), ("--pictures", request.pictures))
    given = [option for option, path in options if path is not None]
    if given and len(names) > 1:
        raise UsageError(
            f"{given[0]} takes one study at a time, and {len(names)} are named.\n"
            "Write one after the other, each to a place of its own."
        )
    if request.html is not None and request.html.is_dir():
        raise UsageError(f"--html {request.html} is a folder: name a file in it, such as page.html")
    if request.pictures is not None and request.pictures.is_file():
        raise UsageError(f"--pictures {request.pictures} is a file: name a folder")
    if request.mlflow_url is not None and request.html is None:
        raise UsageError("--mlflow-url is for links on the page: give --html FILE as well.")
    if request.html is not None:
        pages_of_mlflow(request.mlflow_url)


def pages_of_mlflow(given: str | None) -> str:
    """Address of MLflow's pages: the one given, else that of the tracking server, or empty.

    Raises:
        UsageError: what is given is no such address.
    """
    from tuner.report.page.trials import mlflow_base

    if given is not None:
        return mlflow_base(given)
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    return mlflow_base(uri) if uri.startswith(("http://", "https://")) else ""


def write_files(
    request: FilesRequest,
    workspace: Workspace,
    summary: StudySummary,
    outcome: Outcome,
    notes: Console,
) -> None:
    """Write what is wanted of one study, and say on `notes` where it is.

    Raises:
        WorkspaceError: a file cannot be written.
    """
    definition = definitions.restore(summary.definition, summary.name)
    written: dict[str, Path] = {}
    trouble = None
    with notes.status(Text("Looking at what the winners get wrong …")) as status:
        winners = predict_winners(workspace, outcome, definition)
        shares = importance_of(outcome, definition)
        if request.html is not None:
            status.update(Text("Writing the page …"))
            page = _page(request, summary, definition, outcome, winners, shares)
            _write(request.html, page.encode())
            written[f"{FOLDER}/{request.html.name}"] = request.html
        if request.pictures is not None:
            status.update(Text("Drawing pictures …"))
            for name, content in _pictures(definition, outcome, winners, shares).items():
                _write(request.pictures / name, content)
                written[f"{FOLDER}/{name}"] = request.pictures / name
        if request.record:
            status.update(Text("Keeping copies in MLflow …"))
            trouble = _keep_in_mlflow(workspace, summary, definition, written)
    for text in (*_told(request, written), *([trouble] if trouble else [])):
        notes.print(Text(text), soft_wrap=True)


def _told(request: FilesRequest, written: Mapping[str, Path]) -> list[str]:
    told = []
    if request.html is not None:
        size = size_text(request.html.stat().st_size)
        told.append(f"The page is {request.html} ({size}): open it in a browser.")
    if request.pictures is not None:
        count = sum(path != request.html for path in written.values())
        told.append(f"{count} pictures are in {request.pictures}.")
    return told


def _write(path: Path, content: bytes) -> None:
    try:
        write_aside(path, content)
    except OSError as error:
        raise WorkspaceError(
            f"cannot write {path} ({error.strerror or error}).\nName another place for it."
        ) from error


def _page(
    request: FilesRequest,
    summary: StudySummary,
    definition: SweepDefinition,
    outcome: Outcome,
    winners: Winners,
    shares: Mapping[str, float],
) -> str:
    from tuner.report.diagnosis import diagnose
    from tuner.report.page.data import Source, page_data
    from tuner.report.page.method import Circumstances
    from tuner.report.page.render import render
    from tuner.report.page.winners import mistakes_of

    mistakes = mistakes_of(winners.entries, winners.predictions, winners.prepared)
    source = Source(
        outcome=outcome,
        definition=definition,
        importance=shares,
        advice=() if outcome.meets else diagnose(outcome, definition),
        mistakes=mistakes,
        notes=winners.notes,
        circumstances=Circumstances(
            fingerprint=str(summary.identity.get("data", "")),
            rows=mistakes[0].rows if mistakes else None,
            versions=versions(),
            made=time.time(),
        ),
        mlflow=pages_of_mlflow(request.mlflow_url),
    )
    return render(page_data(source))


def _pictures(
    definition: SweepDefinition, outcome: Outcome, winners: Winners, shares: Mapping[str, float]
) -> dict[str, bytes]:
    """All pictures in both forms, by the name of their file."""
    from tuner.report.figures import pictures

    classes = () if winners.prepared is None else winners.prepared.class_names
    found: dict[str, bytes] = {}
    for form in ("png", "svg"):
        drawn = pictures(outcome, definition, shares, winners.predictions, classes, form)
        found |= {f"{name}.{form}": content for name, content in drawn.items()}
    return found


def _keep_in_mlflow(
    workspace: Workspace,
    summary: StudySummary,
    definition: SweepDefinition,
    written: Mapping[str, Path],
) -> str | None:
    """Add the files to the sweep's run, if there is one; returns why it could not be done."""
    uid = next((r.attempt.partition(":")[0] for r in summary.records), None)
    if uid is None:
        return None
    info = SweepInfo(
        study=summary.name,
        study_uid=uid,
        dataset=summary.dataset,
        definition=definition.to_json(),
        targets=tuple(target.text for target in definition.targets),
        fingerprint=str(summary.identity.get("data", "")),
        seed=definition.seed,
    )
    recorder = RecorderApart(workspace.root)
    try:
        run = recorder.attach(info)
        if run is not None:
            recorder.add_artifacts(run, written)
    except TrackingError as error:
        return f"No copies were kept in MLflow: {error}"
    finally:
        recorder.leave()
    return None
