"""`tuner delete`: studies out of the journal, their weights, and on demand their MLflow runs.

The rule: everything is checked before anything goes, and what cannot be brought back is shown and
asked for first. Runs go before the study, so that a store that fails leaves both.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tuner.errors import StudyError, TrackingError, UsageError, nearest
from tuner.report.wording import plural, trials_text
from tuner.search.removal import StoredStudy, refuse_busy, remove_study, stored_studies
from tuner.tracking.mlflow_store import MlflowStore
from tuner.workspace import Workspace, size_of, size_text


@dataclass(frozen=True)
class DeleteRequest:
    """What the command line asks for.

    Attributes:
        names: of studies.
        folder: the working directory.
        runs: delete their MLflow runs, too.
        yes: do not ask.
        confirm: asks a question; False or an exception of its own means no.
    """

    names: tuple[str, ...]
    folder: Path
    runs: bool = False
    yes: bool = False
    confirm: Callable[[str], bool] = lambda question: False


@dataclass(frozen=True)
class _Going:
    """A study with what goes along: weights files, their bytes, and its runs in MLflow."""

    study: StoredStudy
    files: int
    size: int
    runs: int


def run_delete(request: DeleteRequest) -> int:
    """Delete the studies; returns 0, or 1 where the answer was no."""
    workspace = Workspace(request.folder)
    store = MlflowStore(request.folder) if request.runs else None
    if not request.yes and not sys.stdin.isatty():
        raise UsageError(
            "delete asks before it deletes, and there is no terminal to ask at.\n"
            "Say --yes to delete without being asked."
        )
    going = [_going(workspace, study, store) for study in _chosen(workspace, request.names)]
    if not request.yes:
        _show(going, store)
        few = going[0].study.name if len(going) == 1 else f"these {len(going)} studies"
        if not request.confirm(f"Delete {few} for good?"):
            Console(stderr=True, highlight=False).print(Text("Nothing was deleted."))
            return 1
    for one in going:
        _delete(workspace, one, store)
    _close(going, store)
    return 0


def _chosen(workspace: Workspace, names: Sequence[str]) -> list[StoredStudy]:
    """The studies called `names`, each once, none of them in use."""
    known = {study.name: study for study in stored_studies(workspace)}
    for name in names:
        if not known:
            raise StudyError(f"there is no study in {workspace.root}, so nothing can be deleted.")
        if name not in known:
            listed = ", ".join(known)
            raise StudyError(f"no study is called {name}{nearest(name, known)}.\nKnown: {listed}.")
    chosen = [known[name] for name in dict.fromkeys(names)]
    for study in chosen:
        refuse_busy(study)
    return chosen


def _going(workspace: Workspace, study: StoredStudy, store: MlflowStore | None) -> _Going:
    files, size = size_of(workspace.weights(study.uid)) if study.uid else (0, 0)
    if store is None or not study.uid:
        return _Going(study, files, size, study.runs)
    try:
        return _Going(study, files, size, store.count_study(study.uid))
    except TrackingError as error:
        raise TrackingError(
            f"nothing was deleted: {str(error).splitlines()[0]}.\n"
            "Mend that, or leave --runs away: the runs stay, and the study alone is deleted."
        ) from error


def _delete(workspace: Workspace, going: _Going, store: MlflowStore | None) -> None:
    study = going.study
    try:
        remove_study(
            workspace, study, lambda: store and study.uid and store.delete_study(study.uid)
        )
    except TrackingError as error:
        raise TrackingError(
            f"{study.name} is still there: not all of its MLflow runs could be deleted "
            f"({str(error).splitlines()[0]}).\nThe same command again deletes what is left."
        ) from error
    if study.uid:
        shutil.rmtree(workspace.weights(study.uid), ignore_errors=True)


def _show(going: Sequence[_Going], store: MlflowStore | None) -> None:
    """On stderr, above the question: what goes and what stays."""
    console = Console(stderr=True, highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("study")
    table.add_column("data set")
    for name in ("trials", "weights", "MLflow runs"):
        table.add_column(name, justify="right")
    for one in going:
        weights = f"{one.files} in {size_text(one.size)}" if one.files else "none"
        runs = f"{one.runs} {'go' if store else 'stay'}" if one.runs else "none"
        table.add_row(
            Text(one.study.name),
            Text(one.study.dataset or "–"),
            str(one.study.trials),
            weights,
            runs,
        )
    console.print(table)
    if store is None and any(one.runs for one in going):
        console.print(Text("The MLflow runs stay; --runs deletes them, too."))


def _close(going: Sequence[_Going], store: MlflowStore | None) -> None:
    console = Console(highlight=False)
    names = ", ".join(one.study.name for one in going)
    weights = sum(one.files for one in going)
    text = f"Deleted {names}: {trials_text(sum(one.study.trials for one in going))}"
    if weights:
        size = size_text(sum(one.size for one in going))
        text += f" and {weights} {plural('file', weights)} of weights, {size}"
    console.print(Text(f"{text}."))
    runs = sum(one.runs for one in going)
    if store is not None and runs:
        moved = f"{runs} MLflow {plural('run', runs)} deleted; MLflow keeps them in its bin until:"
        console.print(Text(moved))
        console.print(Text(f"  {store.gc_command}"), soft_wrap=True)
        warn_of_strayed(store, console)
    elif runs:
        console.print(Text(f"{runs} {plural('run', runs)} stay in MLflow."))
    console.print(Text("Next: tuner clean"))


def warn_of_strayed(store: MlflowStore, console: Console) -> None:
    """Say so where emptying MLflow's bin would delete files of another directory."""
    elsewhere = store.strayed()
    if elsewhere is not None:
        text = (
            f"Careful: this store was copied or moved here, and its files are noted in {elsewhere}:"
            " that command deletes them there."
        )
        console.print(Text(text), soft_wrap=True)
