"""The journal that holds all studies of a directory.

The rule: a killed writer must not harm the next one. Optuna's journal becomes unreadable when
a line torn by SIGKILL is followed by another, and its own lock file survives its owner; so the lock
here is the system's, and whoever takes it cuts a torn last line off before appending.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tuner.errors import StudyError, WorkspaceError
from tuner.locks import open_lock, wait_lock


class JournalLock:
    """The system's lock of `lock`, and a mended end of `journal` while it is held.

    Has the two methods of Optuna's `lock_obj`, whose base class is private there.
    """

    def __init__(self, journal: Path, lock: Path) -> None:
        self._journal = journal
        self._lock = lock
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        with _told(self._journal):
            descriptor = open_lock(self._lock)
        try:
            wait_lock(descriptor, self._lock)
            with _told(self._journal):
                cut_torn_line(self._journal)
        except BaseException:
            # Whoever calls releases what it acquired only; kept, it would block this very process.
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@contextmanager
def _told(journal: Path) -> Iterator[None]:
    """Say of a journal that may be read only what can be done about it."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise WorkspaceError(
            f"cannot write {journal} ({error.strerror or error}), which may be read only.\n"
            "Reading commands such as `tuner report` work here; "
            "run tuner in a directory of your own to change something."
        ) from error


def cut_torn_line(path: Path) -> int:
    """Cut what follows the last newline of `path`; returns how many bytes that was."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        end = size
        while end > 0:
            file.seek(end - 1)
            if file.read(1) == b"\n":
                break
            step = min(end, 4096)
            file.seek(end - step)
            newline = file.read(step).rfind(b"\n")
            end = end - step + newline + 1 if newline >= 0 else end - step
        if end < size:
            file.truncate(end)
        return size - end


def refuse_others(path: Path) -> None:
    """Raise ValueError where `path` begins as no journal does.

    Optuna overlooks a first line that is damaged until another follows it, and a file without
    a newline would be taken for a torn line and cut.
    """
    with path.open("rb") as file:
        line = file.readline()
    if line.endswith(b"\n"):
        first = json.loads(line)
        if not isinstance(first, dict) or "op_code" not in first:
            raise ValueError("its first line is no operation")
    elif line and not line.startswith(b"{"):
        raise ValueError("its first line is no JSON")


def open_storage(journal: Path, lock: Path) -> JournalStorage:
    """The storage in `journal`; raises StudyError where the file is none."""
    try:
        journal.parent.mkdir(parents=True, exist_ok=True)
        if journal.exists():
            refuse_others(journal)
        return JournalStorage(JournalFileBackend(str(journal), lock_obj=JournalLock(journal, lock)))
    except (ValueError, KeyError, TypeError) as error:
        raise StudyError(
            f"{journal} is damaged or was not written by tuner ({error}).\n"
            "Move it aside to start afresh; the MLflow runs are not touched by that."
        ) from error
    except OSError as error:
        raise StudyError(f"cannot open {journal}: {error.strerror or error}.") from error
