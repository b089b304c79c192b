"""What `tuner doctor` looks at in a directory: one function a subject, with what to do about it.

The rule: a check changes nothing and raises nothing. `problem` means that a sweep here would fail
or lose something, `warning` that it would work otherwise than one may expect.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile, gettempdir
from typing import Literal

from tuner.data.keras_fetch import KERAS_FILES, in_keras_cache, keras_home
from tuner.data.registry import describe, local_file
from tuner.errors import StudyError, TrackingError
from tuner.locks import try_lock
from tuner.report.wording import trials_text
from tuner.search.removal import stored_studies
from tuner.tracking.mlflow_store import MlflowStore
from tuner.workspace import PROBE, Workspace, size_text

Level = Literal["ok", "warning", "problem"]

LITTLE_DISK, NO_DISK = 2_000_000_000, 200_000_000
VARIABLES = (
    "TUNER_DATA_DIR",
    "TUNER_USER",
    "TUNER_DEBUG",
    "MLFLOW_EXPERIMENT_NAME",
    "KERAS_HOME",
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "TF_FORCE_GPU_ALLOW_GROWTH",
)
WITHOUT_EFFECT = {
    "OPTUNA_STORAGE": "studies are kept in tuner.journal",
    "KERAS_BACKEND": "workers run Keras on TensorFlow",
}
LOCK_CODE = """
import sys
from tuner.locks import try_lock
with open(sys.argv[1], "r+b") as file:
    print("taken" if try_lock(file.fileno()) else "held")
"""


@dataclass(frozen=True)
class Check:
    """What was found: about what, how bad, in words, and what to do about it."""

    name: str
    level: Level
    text: str
    remedy: str = ""


def folder_checks(workspace: Workspace) -> Iterator[Check]:
    """Whether the directory can be written, and whether locks hold there between processes."""
    where = f"{workspace.root}"
    kind = file_system(workspace.root)
    try:
        with NamedTemporaryFile(dir=workspace.root, prefix=PROBE) as probe:
            yield Check("directory", "ok", f"{where} can be written")
            yield _locks(Path(probe.name), probe.fileno(), kind)
    except OSError as error:
        yield Check(
            "directory",
            "problem",
            f"{where} cannot be written ({error.strerror or error})",
            "Run tuner in a directory that you can write to.",
        )


def _locks(probe: Path, descriptor: int, kind: str) -> Check:
    where = f" on {kind}" if kind else ""
    remedy = "Run one tuner at a time here, or work in a directory on a local disk."
    try:
        if not try_lock(descriptor):
            raise OSError("a fresh file is locked")
        root = str(Path(__file__).parents[2])
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-P", "-c", LOCK_CODE, str(probe)],
            env={**os.environ, "PYTHONPATH": root},
            capture_output=True,
            text=True,
            timeout=20,
        )
        answer = done.stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        return Check("locks", "problem", f"files cannot be locked{where} ({error})", remedy)
    if answer != "held":
        return Check("locks", "problem", f"locks do not hold between processes{where}", remedy)
    if kind.startswith(("nfs", "cifs", "smb", "fuse.sshfs", "9p")):
        text = f"locks hold between processes of this machine{where}"
        return Check("locks", "warning", text, "Between machines they may not: sweep on one only.")
    return Check("locks", "ok", f"locks hold between processes{where}")


def file_system(path: Path) -> str:
    """What kind of file system `path` is on, such as `ext4` or `nfs4`; empty where unknown."""
    best = ("", "")
    with suppress(OSError, ValueError):
        for line in Path("/proc/mounts").read_text().splitlines():
            _, mount, kind, *_ = line.split(" ")
            mount = mount.replace("\\040", " ")
            if path.resolve().is_relative_to(mount) and len(mount) >= len(best[0]):
                best = (mount, kind)
    return best[1]


def journal_check(workspace: Workspace) -> Check:
    """Whether the record can be read, and what is in it."""
    try:
        return _journal(workspace)
    except Exception as error:  # what other programs have written there may lead to anything
        return Check(
            "journal",
            "problem",
            f"{workspace.journal} holds what cannot be read ({type(error).__name__}: {error})",
            "If another program keeps studies in this file, give it a file of its own.",
        )


def _journal(workspace: Workspace) -> Check:
    journal = workspace.journal
    if not journal.exists():
        return Check("journal", "ok", "none yet; the first sweep makes it")
    try:
        studies = stored_studies(workspace)
    except StudyError as error:
        text, _, remedy = str(error).partition("\n")
        return Check("journal", "problem", text, remedy)
    except OSError as error:
        return Check(
            "journal",
            "problem",
            f"{journal} cannot be read ({error.strerror or error})",
            "See who owns it and .tuner/journal.lock, and what they allow.",
        )
    count = len(studies)
    text = f"{count} {'study' if count == 1 else 'studies'}, "
    text += f"{trials_text(sum(s.trials for s in studies))}, {size_text(journal.stat().st_size)}"
    if is_torn(workspace):
        return Check(
            "journal",
            "warning",
            f"{text}; its last line is cut off, as a killed process leaves it",
            "Nothing to do: the next sweep takes it off, and repeats the trial if need be.",
        )
    if not os.access(journal, os.W_OK):
        return Check("journal", "problem", f"{text}; it cannot be written", "See who owns it.")
    return Check("journal", "ok", text)


def is_torn(workspace: Workspace) -> bool:
    """Whether the journal ends in the middle of a line that nobody is writing."""
    with workspace.journal.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            return False
        file.seek(size - 1)
        if file.read(1) == b"\n":
            return False
    try:
        descriptor = os.open(workspace.lock("journal"), os.O_RDWR | os.O_CREAT, 0o644)
    except OSError:
        return True
    try:
        return try_lock(descriptor)
    except OSError:
        return True
    finally:
        os.close(descriptor)


def mlflow_checks(workspace: Workspace) -> Iterator[Check]:
    """Whether the tracking store answers, and which one it is."""
    store = MlflowStore(workspace.root)
    own = store.artifacts_folder is not None
    place = store.address if not own else f"{store.address} (MLFLOW_TRACKING_URI is not set)"
    if not store.exists:
        yield Check("mlflow", "ok", f"{place}: none yet; the first sweep makes it")
        return
    try:
        what = store.check()
        strayed = store.strayed()
    except TrackingError as error:
        text, _, remedy = str(error).partition("\n")
        yield Check("mlflow", "problem", text, " ".join(remedy.split()))
        return
    yield Check("mlflow", "ok", f"{place}: {what}")
    if strayed is not None:
        yield Check(
            "mlflow",
            "warning",
            f"this store was copied or moved here: its files are noted in {strayed}",
            "Figures are complete; files of runs are looked for, and by mlflow gc deleted, there.",
        )


def data_checks(data_dir: Path | None) -> Iterator[Check]:
    """Which data sets are at hand without a download."""
    if data_dir is not None and not data_dir.is_dir():
        yield Check(
            "data",
            "warning",
            f"the data directory {data_dir} is no folder",
            "Set TUNER_DATA_DIR or --data-dir to the folder that holds your files, or unset it.",
        )
    here, fetched = [], []
    for name, _, source in describe():
        file = local_file(name, data_dir)
        if file is not None:
            readable = os.access(file, os.R_OK)
            here.append(f"{name} ({file.name})" if readable else f"{name} (NOT readable: {file})")
        elif name not in KERAS_FILES:
            here.append(f"{name} ({source.split(',')[0]})")
        elif in_keras_cache(name):
            here.append(f"{name} (Keras's cache)")
        else:
            fetched.append(name)
    bad = any("NOT readable" in text for text in here)
    yield Check(
        "data",
        "problem" if bad else "ok",
        f"at hand: {', '.join(here)}",
        "Give yourself the right to read that file." if bad else "",
    )
    if fetched:
        yield Check("data", "ok", f"Keras downloads when first used: {', '.join(fetched)}")


def keras_check() -> Check:
    """Whether Keras can keep what it downloads."""
    home = keras_home()
    there = next(path for path in (home, *home.parents) if path.exists())
    if os.access(there, os.W_OK):
        return Check("keras", "ok", f"keeps downloads in {home}")
    return Check(
        "keras",
        "warning",
        f"{home} cannot be written; Keras keeps downloads in {Path(gettempdir(), '.keras')}",
        "Set KERAS_HOME to a folder that you can write to, or downloads are lost at a restart.",
    )


def disk_check(workspace: Workspace) -> Check:
    """Whether there is room for a sweep."""
    try:
        free = shutil.disk_usage(workspace.root).free
    except OSError as error:
        return Check("disk", "warning", f"free space is unknown ({error.strerror or error})")
    text = f"{size_text(free)} free"
    if free >= LITTLE_DISK:
        return Check("disk", "ok", text)
    level: Level = "problem" if free < NO_DISK else "warning"
    return Check("disk", level, text, "See what can go: tuner clean")


def environment_checks() -> Iterator[Check]:
    """Variables that change what tuner does, and those that one may think do."""
    found = [f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ]
    if found:
        yield Check("environment", "ok", ", ".join(found))
    for name, why in WITHOUT_EFFECT.items():
        if os.environ.get(name, "tensorflow") != "tensorflow":
            yield Check("environment", "warning", f"{name} has no effect: {why}", f"Unset {name}.")


def worst(checks: Sequence[Check]) -> Level:
    """The worst level among the checks."""
    levels = {check.level for check in checks}
    return "problem" if "problem" in levels else "warning" if "warning" in levels else "ok"
