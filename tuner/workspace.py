"""Every file name of the working directory, in one place.

    mlflow.db, mlruns/     MLflow's own convention, so that a plain `mlflow ui` shows the runs
    tuner.journal          all studies of this directory, an Optuna journal
    .tuner/data/           prepared arrays, one folder a fingerprint; workers map them
    .tuner/weights/        weights of the trials worth keeping, one folder a study
    .tuner/owners/         one locked file a running process, so that lost trials are recognised
    .tuner/logs/           what the workers' libraries print
    .tuner/*.lock          locks between processes

Standard library only; nothing is created until `create` is called.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tuner.errors import WorkspaceError


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
    def owners(self) -> Path:
        return self.private / "owners"

    @property
    def logs(self) -> Path:
        return self.private / "logs"

    def lock(self, name: str) -> Path:
        """The lock file called `name`."""
        return self.private / f"{name}.lock"

    def weights(self, uid: str) -> Path:
        """Folder of the kept weights of the study with this identity."""
        return self.private / "weights" / uid

    def create(self) -> Workspace:
        """Make the folders; raises WorkspaceError where the directory cannot be written."""
        try:
            for folder in (self.data, self.owners, self.logs):
                folder.mkdir(parents=True, exist_ok=True)
            probe = self.root / f".tuner-probe-{os.getpid()}"
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
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_bytes(content)
    os.replace(aside, path)
