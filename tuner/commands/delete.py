"""`tuner delete`: studies out of the journal, their weights, and on demand their MLflow runs.

The rule: everything is checked before anything goes, and what cannot be brought back is shown and
asked for first. Runs go before the study, so that a store that fails leaves both.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tuner.errors import StudyError, TrackingError, UsageError, nearest
from tuner.report.wording import plural, trials_text
from tuner.search.removal import StoredStudy, refuse_busy, remove_study, stored_studies
from tuner.tracking.mlflow_store import MlflowStore
from tuner.workspace import Workspace, remove, size_of, size_text


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
    """A study with what goes along: weights files, their bytes, and its runs in MLflow.

    `sharing` are the studies that keep all that, because it is theirs as well; `left` is how many
    files could not be removed.
    """

    study: StoredStudy
    files: int = 0
    size: int = 0
    runs: int = 0
    sharing: tuple[str, ...] = ()
    left: int = 0


def run_delete(request: DeleteRequest) -> int:
    """Delete the studies; returns 0, or 1 where the answer was no or weights are left."""
    workspace = Workspace(request.folder)
    store = MlflowStore(request.folder) if request.runs else None
    if not request.yes and not sys.stdin.isatty():
        raise UsageError(
            "delete asks before it deletes, and there is no terminal to ask at.\n"
            "Say --yes to delete without being asked."
        )
    chosen = _chosen(workspace, request.names)
    names = [study.name for study in chosen]
    # Of twins that all go, the last takes along what they share.
    going = [
        _going(workspace, study, store, set(names[: place + 1]))
        for place, study in enumerate(chosen)
    ]
    going = [replace(one, sharing=_others(one.sharing, names)) for one in going]
    if not request.yes:
        _show(going, store)
        few = going[0].study.name if len(going) == 1 else f"these {len(going)} studies"
        if not request.confirm(f"Delete {few} for good?"):
            Console(stderr=True, highlight=False).print(Text("Nothing was deleted."))
            return 1
    gone = [_delete(workspace, one, store) for one in going]
    _close(gone, store)
    return 1 if any(one.left for one in gone) else 0


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


def _others(names: Iterable[str], gone: Container[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in gone)


def _going(
    workspace: Workspace, study: StoredStudy, store: MlflowStore | None, gone: Container[str]
) -> _Going:
    """What goes with `study` when the studies `gone` have gone before it."""
    sharing = _others(study.twins, gone)
    if sharing:
        return _Going(study, sharing=sharing)
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


def _delete(workspace: Workspace, going: _Going, store: MlflowStore | None) -> _Going:
    """Delete one study; returns what went."""
    study = going.study
    try:
        alone = remove_study(
            workspace, study, lambda: store and study.uid and store.delete_study(study.uid)
        )
    except TrackingError as error:
        raise TrackingError(
            f"{study.name} is still there: not all of its MLflow runs could be deleted "
            f"({str(error).splitlines()[0]}).\nThe same command again deletes what is left."
        ) from error
    if not alone:
        return replace(going, files=0, size=0, runs=0)
    files, size, left = remove([workspace.weights(study.uid)])
    return replace(going, files=files, size=size, left=left)


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
        if one.sharing:
            weights = runs = "stay"
        table.add_row(
            Text(one.study.name),
            Text(one.study.dataset or "–"),
            str(one.study.trials),
            weights,
            runs,
        )
    console.print(table)
    _tell_shared(going, console)
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
    _tell_shared(going, console)
    for one in going:
        if one.left:
            left = f"{one.left} {plural('file', one.left)} of {one.study.name}'s weights"
            stuck = f"{left} could not be removed: see who owns .tuner/weights/{one.study.uid}."
            Console(stderr=True, highlight=False).print(Text(stuck), soft_wrap=True)
    runs = sum(one.runs for one in going)
    if store is not None and runs:
        moved = f"{runs} MLflow {plural('run', runs)} deleted; MLflow keeps them in its bin until:"
        console.print(Text(moved))
        console.print(Text(f"  {store.gc_command}"), soft_wrap=True)
        warn_of_strayed(store, console)
    elif runs:
        console.print(Text(f"{runs} {plural('run', runs)} stay in MLflow."))
    console.print(Text("Next: tuner clean"))


def _tell_shared(going: Sequence[_Going], console: Console) -> None:
    for one in going:
        if one.sharing:
            text = (
                f"{one.study.name} shares its weights and MLflow runs with "
                f"{', '.join(one.sharing)}: they stay."
            )
            console.print(Text(text), soft_wrap=True)


def warn_of_strayed(store: MlflowStore, console: Console) -> None:
    """Say so where emptying MLflow's bin would delete files of another directory."""
    elsewhere = store.strayed()
    if elsewhere is not None:
        text = (
            f"Careful: this store was copied or moved here, and its files are noted in {elsewhere}:"
            " that command deletes them there."
        )
        console.print(Text(text), soft_wrap=True)
