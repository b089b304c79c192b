"""Locks between processes, held by the operating system and so released by any death.

The rule: a lock is an open file, never the existence of one; a lock left behind by SIGKILL would
block the next process. `fcntl` is missing on Windows, where `msvcrt` locks the first byte instead.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_HELD = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)


def try_lock(descriptor: int) -> bool:
    """Take the exclusive lock of an open file without waiting; False if another holds it.

    Raises OSError on a file system that has no locks.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, 0, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        raise
    return True


def wait_lock(descriptor: int) -> None:
    """Take the exclusive lock of an open file, waiting as long as it takes."""
    if sys.platform == "win32":
        import time

        while not try_lock(descriptor):
            time.sleep(0.01)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path` for the block; between threads of one process as well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        wait_lock(descriptor)
        yield
    finally:
        os.close(descriptor)  # closing releases
