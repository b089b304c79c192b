"""`tuner clean`: what this directory takes on disk, and what of it can go.

The rule: without a word it only looks. Nothing that a record needs goes unless it is named, and
nothing goes that a running process may be using.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tuner.commands.output import print_json
from tuner.errors import StudyError, TrackingError, UsageError, nearest
from tuner.locks import locked
from tuner.report.jsonout import SCHEMA
from tuner.report.wording import plural
from tuner.search.removal import StoredStudy, dead, living, stored_studies
from tuner.tracking.mlflow_store import MlflowStore
from tuner.workspace import Workspace, age_of, remove, size_of, size_text

GROUPS = ("data", "logs", "orphans", "leftovers")
FRESH_SECONDS = 60.0
IN_USE = "no: a sweep is running here"


@dataclass(frozen=True)
class CleanRequest:
    """What the command line asks for.

    Attributes:
        groups: some of `GROUPS`, or `all`; none to look only.
        folder: the working directory.
        weights: studies whose kept weights go.
        dry_run: show what would go.
        yes: do not ask.
        format: `table`, `json` or `csv`.
        confirm: asks a question; False means no.
    """

    groups: tuple[str, ...]
    folder: Path
    weights: tuple[str, ...] = ()
    dry_run: bool = False
    yes: bool = False
    format: str = "table"
    confirm: Callable[[str], bool] = lambda question: False


@dataclass(frozen=True)
class Item:
    """A row: something on disk.

    Attributes:
        group: one of `GROUPS`, `weights`, `record` or `mlflow`.
        what: in words.
        name: of the study or data set, or an empty text.
        files, size: how much it is.
        goes: the command that removes it, or an empty text.
        why: why it stays, where it does.
        paths: what is removed.
    """

    group: str
    what: str
    name: str
    files: int
    size: int
    goes: str = ""
    why: str = ""
    paths: tuple[Path, ...] = ()


def run_clean(request: CleanRequest) -> int:
    """Show what takes space, or remove the groups that are named; returns 0.

    Returns 1 after a no, and where something could not be removed.
    """
    workspace = Workspace(request.folder)
    notes = Console(stderr=True, highlight=False)
    if not (request.groups or request.weights):
        _print_items(items(workspace, notes), request.format)
        return 0
    chosen, kept = _choose(workspace, request, notes)
    for item in kept:
        notes.print(Text(f"Left alone: {item.what} ({item.why.removeprefix('no: ')})."))
    if request.format != "table" and request.dry_run:
        _print_items(chosen, request.format)
        return 0
    out = Console(highlight=False)
    if not chosen:
        if request.format != "table":
            return _close(0, 0, 0, request.format)
        out.print(Text("There is nothing of that to remove."))
        out.print(Text("Next: tuner clean"))
        return 0
    if not (request.dry_run or request.yes or sys.stdin.isatty()):
        raise UsageError(
            "clean asks before it removes anything, and there is no terminal to ask at.\n"
            "Say --yes to remove it without being asked, or --dry-run to look only."
        )
    if request.dry_run or not request.yes:
        (out if request.dry_run else notes).print(_table(chosen, goes=False))
    if request.dry_run:
        out.print(Text(f"\nThis would free {_sum(chosen)}; nothing was removed."))
        named = [*request.groups, *(f"--weights {shlex.quote(name)}" for name in request.weights)]
        out.print(Text(f"Next: tuner clean {' '.join(named)}"), soft_wrap=True)
        return 0
    if not request.yes and not request.confirm(f"Remove {_sum(chosen)}?"):
        notes.print(Text("Nothing was removed."))
        return 1
    # Looked at again under the lock: a sweep may have begun while the question stood there.
    with locked(workspace.lock("ask")):
        chosen, _ = _choose(workspace, request, notes)
        files, size, left = remove(path for item in chosen for path in item.paths)
    return _close(files, size, left, request.format)


def _close(files: int, size: int, left: int, form: str) -> int:
    """Say what was freed, and on stderr what is left; returns the exit code."""
    if left:
        text = f"{left:,} {plural('file', left)} could not be removed: see who owns what is left."
        Console(stderr=True, highlight=False).print(Text(text))
    if form == "table":
        out = Console(highlight=False)
        out.print(Text(f"Freed {size_text(size)} in {files:,} {plural('file', files)}."))
        out.print(Text("Next: tuner clean"))
    elif form == "json":
        print_json({"schema": SCHEMA, "files": files, "bytes": size, "left": left})
    else:
        click.echo(f"files,bytes,left\n{files},{size},{left}")
    return 1 if left else 0


def items(workspace: Workspace, notes: Console | None = None) -> list[Item]:
    """All that the directory holds, largest group of things first in reading order.

    Args:
        workspace: the working directory.
        notes: where a store that cannot be read is told; without it MLflow is not asked at all.
    """
    folders = _folders(workspace.all_weights)  # before the studies: a new one is no orphan
    studies, unknown = _studies(workspace, notes)
    busy = bool(living(workspace.owners))
    found = [
        *_data(workspace, studies, busy),
        *_weights(folders, studies, unknown),
        *_private(workspace, busy),
    ]
    journal = size_of(workspace.journal)
    if journal[0]:
        why = "no: the record of all studies"
        found.append(Item("record", workspace.journal.name, "", *journal, why=why))
    return found + ([] if notes is None else _mlflow(workspace, notes))


def _studies(workspace: Workspace, notes: Console | None) -> tuple[list[StoredStudy], str]:
    """The studies; and why they may not be all, or an empty text."""
    try:
        studies = stored_studies(workspace)
    except StudyError as error:
        if notes is not None:
            notes.print(Text(str(error)))
        return [], "no: the journal cannot be read"
    return studies, "" if workspace.journal.exists() else "no: there is no journal"


def _data(workspace: Workspace, studies: Sequence[StoredStudy], busy: bool) -> list[Item]:
    found = []
    for folder in _folders(workspace.data):
        if folder.name == "sources":
            continue  # goes with the data that its notes lead to
        name = _data_name(folder)
        users = [study.name for study in studies if study.fingerprint == folder.name]
        needed = f", for {', '.join(users)}" if users else ", for no study"
        notes = [note for note in _files(workspace.data / "sources") if _says(note, folder.name)]
        why = IN_USE if busy else "no: just written" if age_of(folder) < FRESH_SECONDS else ""
        found.append(
            Item(
                "data",
                f"prepared data {name}{needed}",
                name,
                *_sizes((folder, *notes)),
                goes="" if why else "tuner clean data",
                why=why,
                paths=(folder, *notes),
            )
        )
    return found


def _weights(folders: Sequence[Path], studies: Sequence[StoredStudy], unknown: str) -> list[Item]:
    """The kept weights; orphans only where nothing is `unknown` of the studies."""
    owned = {study.uid: study for study in reversed(studies) if study.uid}
    busy = {study.uid for study in studies if study.busy}
    found = []
    for folder in folders:
        study = owned.get(folder.name)
        count = size_of(folder)
        if study is not None:
            why = IN_USE if study.uid in busy else ""
            goes = "" if why else f"tuner clean --weights {shlex.quote(study.name)}"
            what = f"weights of {', '.join((study.name, *study.twins))}"
            found.append(Item("weights", what, study.name, *count, goes, why, (folder,)))
        elif not unknown:
            what = f"weights of a deleted study ({folder.name})"
            found.append(Item("orphans", what, "", *count, "tuner clean orphans", "", (folder,)))
        else:
            what = f"weights of {folder.name}"
            found.append(Item("weights", what, "", *count, why=unknown, paths=(folder,)))
    return found


def _private(workspace: Workspace, busy: bool) -> list[Item]:
    """Data that Python gave, logs, and leftovers."""
    found = []
    given = size_of(workspace.inputs)
    if given[0]:
        why = "no: its studies may read it again"
        found.append(Item("data", "data that was given in memory", "", *given, why=why))
    logs = tuple(_files(workspace.logs))
    if logs:
        why = IN_USE if busy else ""
        goes = "" if why else "tuner clean logs"
        found.append(
            Item("logs", "logs of workers and recorders", "", *_sizes(logs), goes, why, logs)
        )
    left = (*workspace.leftovers(), *dead(workspace.owners))
    if left:
        what = "leftovers of killed processes"
        found.append(Item("leftovers", what, "", *_sizes(left), "tuner clean leftovers", "", left))
    return found


def _mlflow(workspace: Workspace, notes: Console) -> list[Item]:
    """The default store; one that is elsewhere takes no space here."""
    store = MlflowStore(workspace.root)
    if store.artifacts_folder is None or store.file is None or not store.exists:
        return []
    database = sum(size_of(store.file.with_name(store.file.name + end))[1] for end in ("", "-wal"))
    artifacts = size_of(store.artifacts_folder)
    why = "no: the MLflow runs"
    found = [
        Item("mlflow", store.file.name, "", 1, database, why=why),
        Item("mlflow", f"{store.artifacts_folder.name}/", "", *artifacts, why=why),
    ]
    try:
        bin_ = store.deleted()
        strayed = store.strayed() if bin_ else None
    except TrackingError as error:
        notes.print(Text(str(error)))
        return found
    if bin_:
        paths = [p for run in bin_ for p in store.artifacts_folder.glob(f"*/{run}")]
        what = f"of these, {len(bin_)} deleted {plural('run', len(bin_))}"
        goes, why = store.gc_command, ""
        if strayed is not None:
            goes, why = "", f"no: mlflow gc would delete in {strayed}"
        found.append(Item("mlflow", what, "", *_sizes(paths), goes, why))
    return found


def _choose(
    workspace: Workspace, request: CleanRequest, notes: Console
) -> tuple[list[Item], list[Item]]:
    """What the command line names: what goes, and what is in the way of going."""
    groups = set(GROUPS) if "all" in request.groups else set(request.groups)
    found = items(workspace)
    known = {item.name: item for item in found if item.group == "weights" and item.name}
    for name in request.weights:
        if name not in known:
            names = ", ".join(known) or "none"
            raise StudyError(
                f"no weights of a study {name} are kept here{nearest(name, known)}.\n"
                f"Studies with weights: {names}."
            )
    wanted = [
        item
        for item in found
        if item.group in groups
        or (item.group == "weights" and item.name in request.weights)
        or (item.group == "weights" and not item.name and "orphans" in groups)  # they may be some
    ]
    return [i for i in wanted if i.goes], [i for i in wanted if not i.goes]


def _print_items(found: Sequence[Item], form: str) -> None:
    if form == "table":
        _print_table(found)
        return
    rows = [{k: v for k, v in asdict(item).items() if k != "paths"} for item in found]
    if form == "json":
        print_json({"schema": SCHEMA, "items": [_row(row) for row in rows]})
    else:
        import pandas as pd

        columns = ["group", "what", "name", "files", "bytes", "goes", "why"]
        frame = pd.DataFrame([_row(row) for row in rows], columns=columns)
        click.echo(frame.to_csv(index=False, lineterminator="\n"), nl=False)


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {("bytes" if key == "size" else key): value for key, value in row.items()}


def _print_table(found: Sequence[Item]) -> None:
    console = Console(highlight=False)
    if not found:
        console.print(Text("Nothing of tuner's is kept in this directory."))
        console.print(Text("Next: tuner sweep digits"))
        return
    console.print(_table(found))
    console.print()
    removable = [item for item in found if item.goes and item.group in GROUPS]
    total = [item for item in found if not item.what.startswith("of these")]
    if removable:
        text = f"{_sum(total)} in all; {_sum(removable)} can go without losing a result."
        console.print(Text(text))
        console.print(Text("Next: tuner clean all"))
    else:
        console.print(Text(f"{_sum(total)} in all; nothing can go without losing a result."))
        console.print(Text("Next: tuner status"))


def _table(found: Sequence[Item], goes: bool = True) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("what", overflow="fold")
    table.add_column("files", justify="right", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    if goes:
        table.add_column("can go?", overflow="fold")
    for item in found:
        cells = [item.what, f"{item.files:,}", size_text(item.size)]
        table.add_row(*map(Text, [*cells, *([item.goes or item.why] if goes else [])]))
    return table


def _sum(found: Sequence[Item]) -> str:
    return size_text(sum(item.size for item in found))


def _sizes(paths: Sequence[Path]) -> tuple[int, int]:
    each = [size_of(path) for path in paths]
    return sum(count for count, _ in each), sum(size for _, size in each)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []


def _folders(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.is_dir() and not path.is_symlink()]


def _files(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.is_file()]


def _says(note: Path, mark: str) -> bool:
    try:
        return note.read_text(encoding="ascii").strip() == mark
    except (OSError, ValueError):
        return False


def _data_name(folder: Path) -> str:
    """The data set's name that prepared data carries, or the folder's own name."""
    try:
        return str(json.loads((folder / "dataset.json").read_text(encoding="utf-8"))["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return folder.name
