"""What the studies of a directory hold on to, and how one is taken out.

The rule: nothing goes that a living process may be using. A process counts as using a study when it
owns a trial of it, whatever that trial's state, or when it owns no trial at all yet.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from tuner.errors import StudyError
from tuner.locks import locked
from tuner.search.owners import has_ended
from tuner.search.records import RUN_PREFIX, records_of
from tuner.search.sampling import quiet
from tuner.search.storage import open_storage
from tuner.workspace import Workspace

YOUNG_SECONDS = 10.0


@dataclass(frozen=True)
class StoredStudy:
    """A study as what it occupies.

    Attributes:
        name: the study's name.
        uid: its identity, or an empty text for one that is not tuner's or is half made.
        dataset: the data set's name, or an empty text.
        fingerprint: of the prepared data that it needs, or an empty text.
        trials: how many logical trials it has.
        runs: how many MLflow runs show it: one a recorded trial, and the sweep's own.
        busy: whether a living process may be using it.
    """

    name: str
    uid: str
    dataset: str
    fingerprint: str
    trials: int
    runs: int
    busy: bool


def stored_studies(workspace: Workspace) -> list[StoredStudy]:
    """All studies of the working directory, by name, those of other programs included."""
    if not workspace.journal.exists():
        return []
    storage = _storage(workspace)
    loaded = [
        optuna.load_study(study_name=name, storage=storage)
        for name in sorted(optuna.get_all_study_names(storage))
    ]
    owners = {study.study_name: _owners(study) for study in loaded}
    alive = living(workspace.owners)
    unknown = alive - set().union(*owners.values())
    return [
        _stored(study, workspace, bool(unknown or owners[study.study_name] & alive))
        for study in loaded
    ]


def remove_study(
    workspace: Workspace, study: StoredStudy, first: Callable[[], object] = lambda: None
) -> None:
    """Take `study` out of the journal; no process can ask for a trial meanwhile.

    Args:
        workspace: the working directory.
        study: as it was read.
        first: called when nothing stands in the way any more; when it raises, the study stays.

    Raises:
        StudyError: it is in use, or is no longer what was read.
    """
    with locked(workspace.lock("ask")):
        now = {known.name: known for known in stored_studies(workspace)}.get(study.name)
        if now is None or now.uid != study.uid:
            raise StudyError(f"{study.name} is no longer there: another process has removed it.")
        refuse_busy(now)
        first()
        optuna.delete_study(study_name=study.name, storage=_storage(workspace))


def refuse_busy(study: StoredStudy) -> None:
    """Raise StudyError where a process may be running trials of `study`."""
    if study.busy:
        raise StudyError(
            f"{study.name} is in use: a process is running trials of it, or is about to.\n"
            "Stop that sweep first (Ctrl-C where it runs); `tuner status` shows what runs."
        )


def living(folder: Path) -> set[str]:
    """Names of the owners whose processes live."""
    return {path.name for path in _owner_files(folder) if not _is_dead(path)}


def dead(folder: Path) -> list[Path]:
    """Files of owners whose processes are gone; they do nothing but lie there."""
    return [path for path in _owner_files(folder) if _is_dead(path)]


def _owner_files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except OSError:
        return []


def _is_dead(path: Path) -> bool:
    """Whether nobody holds the lock of an owner's file; unlike `owners.is_gone`, removes nothing.

    A file is made before its lock is taken, and must not be locked by another in between: one that
    is only seconds old is left alone and counts as alive.
    """
    with suppress(OSError):
        if time.time() - path.stat().st_mtime < YOUNG_SECONDS:
            return False
    return has_ended(path)


def _storage(workspace: Workspace) -> Any:
    quiet()
    return open_storage(workspace.journal, workspace.lock("journal"))


def _owners(study: optuna.Study) -> set[str]:
    found = (trial.user_attrs.get("owner") for trial in study.get_trials(deepcopy=False))
    return {str(owner) for owner in found if owner is not None}


def _stored(study: optuna.Study, workspace: Workspace, busy: bool) -> StoredStudy:
    known = study.user_attrs
    uid = str(known.get("uid", ""))
    identity = known.get("identity")
    recorded = sum(key.startswith(RUN_PREFIX) for key in known)
    return StoredStudy(
        name=study.study_name,
        uid=uid,
        dataset=str(known.get("dataset", "")),
        fingerprint=str(identity.get("data", "")) if isinstance(identity, dict) else "",
        trials=len(records_of(study, uid, workspace)),
        runs=recorded + bool(recorded),
        busy=busy,
    )
