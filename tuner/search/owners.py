"""Whether the process that runs a trial still lives.

The rule: each process holds the lock of a file of its own; whoever can take that lock knows that
the owner is gone. Host names and process ids repeat in containers, locks do not.
"""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from pathlib import Path

from tuner.locks import try_lock


class Owner:
    """This process, as trials name it. Hold one as long as trials of this process run.

    Args:
        folder: where the processes of one journal keep their files.
    """

    def __init__(self, folder: Path) -> None:
        self.name = uuid.uuid4().hex
        self._path = folder / self.name
        folder.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        if not try_lock(self._descriptor):
            raise AssertionError("a fresh owner file cannot be locked by another process")

    def close(self) -> None:
        """Give the name up; trials that still carry it count as lost."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def is_gone(folder: Path, name: str) -> bool:
    """Whether the owner called `name` has ended; a file without a holder is removed."""
    path = folder / name
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return True
    except PermissionError:
        return False  # another user's process: not ours to judge
    try:
        if not try_lock(descriptor):
            return False
        with suppress(OSError):  # a reader may not be allowed to tidy up
            path.unlink(missing_ok=True)
        return True
    finally:
        os.close(descriptor)
