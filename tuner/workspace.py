"""Every file name of the working directory, in one place.

    mlflow.db, mlruns/     MLflow's own convention, so that a plain `mlflow ui` shows the runs
    tuner.journal          all studies of this directory, an Optuna journal
    .tuner/data/           prepared arrays, one folder a fingerprint; workers map them
    .tuner/inputs/         data that was given in memory, one folder a content
    .tuner/weights/        weights of the trials worth keeping, one folder a study, and in its
                           predictions/ what those weights say of the validation rows
    .tuner/owners/         one locked file a running process, so that lost trials are recognised
    .tuner/logs/           what libraries print in workers and recorders
    .tuner/*.lock          locks between processes

Standard library only; nothing is created until `create` is called.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from tuner.errors import WorkspaceError

PROBE = ".tuner-probe-"
LEFT_SECONDS = 600.0
# What is written aside: `.NAME.PID`, and a word of whoever writes it.
ASIDE = re.compile(r"\..+\.\d+(\.[0-9a-f]{8})?(\.npz|\.damaged)?$")
# A study's identity is twelve such digits; anything else in its place was written by others.
UID = re.compile(r"[0-9a-f]{12}")
_NO_NAME = re.compile(r"\.{0,2}|.*[/\\:\0].*", re.DOTALL)
# Operations 0 and 1 of Optuna's journal make and delete a study; `op_code` comes first.
_STUDY_LINES = (b'{"op_code":0,', b'{"op_code":1,', b'{"op_code": 0,', b'{"op_code": 1,')


@dataclass(frozen=True)
class Workspace:
    """The working directory `root` and the places in it."""

    root: Path

    @property
    def journal(self) -> Path:
        return self.root / "tuner.journal"

    @property
    def private(self) -> Path:
        return self.root / ".tuner"

    @property
    def data(self) -> Path:
        return self.private / "data"

    @property
    def inputs(self) -> Path:
        return self.private / "inputs"

    @property
    def owners(self) -> Path:
        return self.private / "owners"

    @property
    def logs(self) -> Path:
        return self.private / "logs"

    def lock(self, name: str) -> Path:
        """The lock file called `name`."""
        return self.private / f"{name}.lock"

    @property
    def all_weights(self) -> Path:
        """Folder of the kept weights of all studies."""
        return self.private / "weights"

    def weights(self, uid: str) -> Path:
        """Folder of the kept weights of the study with this identity.

        Raises:
            ValueError: `uid` is no single name, and the folder may be any on the disk.
        """
        if _NO_NAME.fullmatch(uid):
            raise ValueError(f"{uid!r} is no name of a folder")
        return self.all_weights / uid

    def predictions(self, uid: str) -> Path:
        """Folder of what kept weights of the study with this identity say of its rows.

        It lies with the weights and goes with them; what is missing is made again. Raises
        ValueError as `weights` does.
        """
        return self.weights(uid) / "predictions"

    def leftovers(self, older_than: float = LEFT_SECONDS) -> list[Path]:
        """Files and folders written aside by processes that did not live to rename them.

        Args:
            older_than: seconds; what is younger may be being written.
        """
        found = [path for path in _entries(self.root) if path.name.startswith(PROBE)]
        places = [self.private, self.data, self.data / "sources", *_entries(self.all_weights)]
        found += [path for place in places for path in _entries(place) if ASIDE.match(path.name)]
        return [path for path in found if age_of(path) > older_than]

    def study_names(self) -> list[str]:
        """Names of the studies in the journal, oldest first, read without Optuna.

        For completion on the command line, where a second is long; lines that cannot be read are
        passed over.
        """
        names: dict[int, str] = {}
        made = 0
        with suppress(OSError), self.journal.open("rb") as file:
            for line in file:
                if not line.startswith(_STUDY_LINES):
                    continue
                with suppress(ValueError, KeyError, TypeError):
                    operation = json.loads(line)
                    if operation["op_code"] == 1:
                        names.pop(operation["study_id"], None)
                    elif operation["study_name"] not in names.values():
                        names[made] = operation["study_name"]
                        made += 1
        return list(names.values())

    def create(self) -> Workspace:
        """Make the folders; raises WorkspaceError where the directory cannot be written."""
        try:
            for folder in (self.data, self.owners, self.logs):
                folder.mkdir(parents=True, exist_ok=True)
            probe = self.root / f"{PROBE}{os.getpid()}.{uuid4().hex[:8]}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise WorkspaceError(
                f"cannot write in {self.root} ({error.strerror or error}).\n"
                "The study and the MLflow store are kept in the working directory: "
                "run tuner in one that you can write to."
            ) from error
        return self


def write_aside(path: Path, content: bytes) -> None:
    """Write `content` beside `path`, then replace it, so that no reader sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Process ids repeat in containers.
    aside = path.with_name(f".{path.name}.{os.getpid()}.{uuid4().hex[:8]}")
    aside.write_bytes(content)
    os.replace(aside, path)


def _entries(folder: Path) -> list[Path]:
    """What is directly in `folder`, sorted; nothing where it cannot be read."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def files_in(path: Path) -> Iterator[Path]:
    """All files below `path`, or `path` itself; links are not followed."""
    if path.is_symlink() or not path.is_dir():
        if os.path.lexists(path):
            yield path
        return
    for below in _entries(path):
        yield from files_in(below)


def size_of(path: Path) -> tuple[int, int]:
    """How many files are below `path`, and how many bytes they hold."""
    count = total = 0
    for file in files_in(path):
        with suppress(OSError):
            total += file.lstat().st_size
            count += 1
    return count, total


def remove(paths: Iterable[Path]) -> tuple[int, int, int]:
    """Remove files and folders, links themselves and not what they lead to.

    Returns:
        how many files and how many bytes that freed, and how many files could not be removed.
    """
    freed = size = left = 0
    for path in paths:
        before = size_of(path)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()
        after = size_of(path)
        freed += max(before[0] - after[0], 0)
        size += max(before[1] - after[1], 0)
        left += after[0]
    return freed, size, left


def age_of(path: Path) -> float:
    """Seconds since `path` or anything below it was last written to."""
    latest = 0.0
    for file in (path, *files_in(path)):
        with suppress(OSError):
            latest = max(latest, file.lstat().st_mtime)
    return time.time() - latest


def size_text(size: int) -> str:
    """A number of bytes for a person: `0.2 MB`, `13 MB`, `1.4 GB`; `0 MB` for nothing."""
    if size >= 1_000_000_000:
        return f"{size / 1e9:.1f} GB"
    if size >= 9_950_000 or size == 0:
        return f"{size / 1e6:.0f} MB"
    return f"{max(size / 1e6, 0.1):.1f} MB" if size >= 50_000 else f"{max(size / 1e3, 0.1):.1f} kB"
