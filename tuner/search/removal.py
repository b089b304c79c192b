"""What the studies of a directory hold on to, and how one is taken out.

The rule: nothing goes that a living process may be using. A process counts as using a study when it
owns a trial of it, whatever that trial's state, or when it owns no trial at all yet. A study with a
running trial that names no owner counts as used, too: nobody can tell whether its program lives.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from tuner.errors import StudyError
from tuner.locks import locked
from tuner.search.owners import has_ended
from tuner.search.records import RUN_PREFIX, records_of
from tuner.search.sampling import quiet
from tuner.search.storage import open_storage
from tuner.workspace import UID, Workspace

YOUNG_SECONDS = 10.0


@dataclass(frozen=True)
class StoredStudy:
    """A study as what it occupies.

    Attributes:
        name: the study's name.
        uid: its identity, or an empty text for one that is not tuner's or is half made.
        dataset: the data set's name, or an empty text.
        fingerprint: of the prepared data that it needs, or an empty text.
        trials: how many logical trials it has, or trials where it is not tuner's.
        runs: how many MLflow runs show it: one a recorded trial, and the sweep's own.
        busy: whether a living process may be using it.
        ownerless: whether a trial of it is running that no process of tuner's has begun.
        twins: other studies with the same identity, as Optuna's copies have; what is kept under it
            is theirs, too.
    """

    name: str
    uid: str
    dataset: str
    fingerprint: str
    trials: int
    runs: int
    busy: bool
    ownerless: bool = False
    twins: tuple[str, ...] = ()


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
    found = [
        _stored(study, workspace, bool(unknown or owners[study.study_name] & alive))
        for study in loaded
    ]
    return [replace(study, twins=_twins(study, found)) for study in found]


def remove_study(
    workspace: Workspace, study: StoredStudy, first: Callable[[], object] = lambda: None
) -> bool:
    """Take `study` out of the journal; no process can ask for a trial meanwhile.

    Args:
        workspace: the working directory.
        study: as it was read.
        first: called when nothing stands in the way any more, to remove what is kept under the
            study's identity elsewhere; not where a twin needs that. When it raises, the study
            stays.

    Returns:
        whether the identity was this study's alone, so that its weights can go.

    Raises:
        StudyError: it is in use, or is no longer what was read.
    """
    with locked(workspace.lock("ask")):
        now = {known.name: known for known in stored_studies(workspace)}.get(study.name)
        if now is None or now.uid != study.uid:
            raise StudyError(f"{study.name} is no longer there: another process has removed it.")
        refuse_busy(now)
        if not now.twins:
            first()
        optuna.delete_study(study_name=study.name, storage=_storage(workspace))
    return bool(now.uid) and not now.twins


def refuse_busy(study: StoredStudy) -> None:
    """Raise StudyError where a process may be running trials of `study`."""
    if study.ownerless:
        raise StudyError(
            f"{study.name} is in use: a trial of it is running that no process of tuner's owns.\n"
            "Stop what runs it first; if that is gone already, use Optuna's own delete_study."
        )
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
    identity = known.get("identity")
    uid = str(known.get("uid", "")) if isinstance(identity, dict) else ""
    uid = uid if UID.fullmatch(uid) else ""  # it leads to folders that are removed
    trials = study.get_trials(deepcopy=False)
    ownerless = any(
        trial.state == TrialState.RUNNING and not (uid and trial.user_attrs.get("owner"))
        for trial in trials
    )
    recorded = sum(key.startswith(RUN_PREFIX) for key in known)
    return StoredStudy(
        name=study.study_name,
        uid=uid,
        dataset=str(known.get("dataset", "")),
        fingerprint=str(identity.get("data", "")) if isinstance(identity, dict) else "",
        # What others' trials carry may bear the same names and mean anything.
        trials=len(records_of(study, uid, workspace)) if uid else len(trials),
        runs=recorded + bool(recorded),
        busy=busy or ownerless,
        ownerless=ownerless,
    )


def _twins(study: StoredStudy, known: Sequence[StoredStudy]) -> tuple[str, ...]:
    return tuple(
        other.name for other in known if study.uid == other.uid != "" and study.name != other.name
    )
