"""Ten people sweep in one directory at once: does each get exactly their own trials?

    python benchmarks/ten_users.py [--users 10] [--trials 5] [--epochs N] [--folder DIR] [--quick]

Starts one `tuner sweep digits --name user-K --workers 1` a user, all at once, under their own
TUNER_USER, in one fresh directory with one journal and one MLflow store. Then it reads both and
prints a table; the last line of stdout is one JSON object. It ends with 1 where a trial is missing,
is one too many, stands in another's study, or is not in MLflow exactly once.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from tuner.commands.machine import cores, free_memory
from tuner.search.records import StudySummary, summaries
from tuner.tracking.mlflow_store import MlflowStore, SweepRun
from tuner.versions import versions
from tuner.workspace import Workspace

BYTES_EACH = 800_000_000


@dataclass(frozen=True)
class Share:
    """What one user got.

    Attributes:
        user: also the study's name.
        exit_code: of their `tuner sweep`.
        seconds: until it ended.
        trials: in their study, in the journal.
        finished: of these complete or pruned.
        attempts: what these trials took; more than `trials` where one was repeated.
        runs: trials that their sweep has in MLflow.
        strange: runs or trials that belong to somebody else, or are there twice.
    """

    user: str
    exit_code: int
    seconds: float
    trials: int
    finished: int
    attempts: int
    runs: int
    strange: int


class Memory:
    """The most memory that all processes of some groups took at one time, in bytes.

    Shared pages are counted once (`Pss`). Stays 0 where the system does not say.
    """

    def __init__(self) -> None:
        self.groups: set[int] = set()
        self.most = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._done.set()
        self._thread.join()
        return self.most

    def _watch(self) -> None:
        while not self._done.wait(2.0):
            self.most = max(self.most, sum(self._sizes()))

    def _sizes(self) -> Iterable[int]:
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError, IndexError, ValueError):
                fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
                if int(fields[2]) in self.groups:
                    words = (folder / "smaps_rollup").read_text().split()
                    yield int(words[words.index("Pss:") + 1]) * 1024


def sweep_all(
    folder: Path, users: list[str], options: list[str]
) -> tuple[dict[str, tuple[int, float]], int]:
    """Run one sweep a user, all at once; exit code and seconds of each, and the most memory."""
    begun = time.monotonic()
    running: dict[str, subprocess.Popen[bytes]] = {}
    ends: dict[str, tuple[int, float]] = {}
    memory = Memory()
    for user in users:
        with (folder / f"{user}.log").open("wb") as log:
            running[user] = subprocess.Popen(
                [sys.executable, "-m", "tuner", "sweep", "digits", "--name", user, *options],
                cwd=folder,
                env={**os.environ, "TUNER_USER": user},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        memory.groups.add(running[user].pid)
    while len(ends) < len(users):
        for user, process in running.items():
            if user not in ends and process.poll() is not None:
                ends[user] = (process.returncode, time.monotonic() - begun)
                print(f"{user} ended with {process.returncode}", file=sys.stderr, flush=True)
        time.sleep(0.2)
    return ends, memory.stop()


def share(
    user: str, ends: tuple[int, float], study: StudySummary | None, sweeps: list[SweepRun]
) -> Share:
    """Compare what the journal and MLflow hold under a user's name."""
    records = () if study is None else study.records
    own = [sweep for sweep in sweeps if sweep.study == user]
    shown = [run for sweep in own for run in sweep.trials]
    known = {record.run_id for record in records}
    strange = sum(run.run_id not in known for run in shown)
    strange += sum(sweep.user != user for sweep in own) + max(0, len(own) - 1)
    strange += len(shown) - len({run.trial for run in shown})
    return Share(
        user=user,
        exit_code=ends[0],
        seconds=round(ends[1], 1),
        trials=len(records),
        finished=sum(record.state in ("complete", "pruned") for record in records),
        attempts=sum(record.attempts for record in records),
        runs=len(shown),
        strange=strange,
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=10)
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="by default the definition's")
    parser.add_argument("--folder", type=Path, help="an empty one; by default a temporary one")
    parser.add_argument("--quick", action="store_true", help="three users, two trials, two epochs")
    given = parser.parse_args()
    if given.quick:
        given.users, given.trials, given.epochs = 3, 2, 2
    free = free_memory()
    if free is not None and free < given.users * BYTES_EACH:
        print(
            f"skipped: {given.users} users take {given.users * BYTES_EACH / 1e9:.0f} GB of memory"
        )
        return 0
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        del os.environ[name]
    options = ["--trials", str(given.trials), "--workers", "1"]
    if given.epochs is not None:
        options += ["--epochs", str(given.epochs)]
    users = [f"user-{k}" for k in range(1, given.users + 1)]
    with tempfile.TemporaryDirectory(prefix="tuner-users-") as temporary:
        folder = Path(temporary) if given.folder is None else given.folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        ends, memory = sweep_all(folder, users, options)
        studies = {study.name: study for study in summaries(Workspace(folder))}
        sweeps = MlflowStore(folder).sweeps()
        journal = (folder / "tuner.journal").stat().st_size
    shares = [share(user, ends[user], studies.get(user), sweeps) for user in users]
    print(f"{'user':10} exit  trials  finished  attempts  MLflow  strange  seconds")
    for one in shares:
        print(
            f"{one.user:10} {one.exit_code:4}  {one.trials:6}  {one.finished:8}  "
            f"{one.attempts:8}  {one.runs:6}  {one.strange:7}  {one.seconds:7.1f}"
        )
    exact = set(studies) == set(users) and all(
        one.exit_code in (0, 3)
        and one.trials == one.finished == one.runs == given.trials
        and one.strange == 0
        for one in shares
    )
    result = {
        "users": given.users,
        "trials_each": given.trials,
        "epochs": given.epochs,
        "exact": exact,
        "studies": len(studies),
        "trials": sum(one.trials for one in shares),
        "attempts": sum(one.attempts for one in shares),
        "mlflow_sweeps": len(sweeps),
        "mlflow_trials": sum(len(sweep.trials) for sweep in sweeps),
        "seconds": max(one.seconds for one in shares),
        "peak_memory_bytes": memory or None,
        "journal_bytes": journal,
        "shares": [asdict(one) for one in shares],
        "machine": {
            "cores": cores(),
            "system": f"{platform.system()} {platform.machine()}",
        },
        "versions": versions(),
        "date": datetime.now(UTC).date().isoformat(),
    }
    print(json.dumps(result))
    return 0 if exact else 1


if __name__ == "__main__":
    sys.exit(main())
