"""Locks between processes, held by the operating system and so released by any death.

The rule: a lock is an open file, never the existence of one; a lock left behind by SIGKILL would
block the next process. `fcntl` is missing on Windows, where `msvcrt` locks the first byte instead;
where there are no locks at all, that is said once and work goes on without.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_HELD = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
# What a file system answers that has no locks, or a network one whose lock service is off.
_MISSING = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
_said = False


def try_lock(descriptor: int) -> bool:
    """Take the exclusive lock of an open file without waiting; False if another holds it.

    Raises OSError where there are no locks (see `are_missing`).
    """
    try:
        _lock(descriptor, wait=False)
    except OSError as error:
        if error.errno in _HELD:
            return False
        raise
    return True


def wait_lock(descriptor: int, path: Path) -> None:
    """Take the exclusive lock of `path`, open as `descriptor`, waiting as long as it takes.

    Where there are no locks it returns without one, and says so once a process.
    """
    try:
        _lock(descriptor, wait=True)
    except OSError as error:
        if not are_missing(error):
            raise
        say_missing(path.parent, error)


def are_missing(error: OSError) -> bool:
    """Whether `error`, raised by taking a lock, means that there are no locks."""
    return error.errno in _MISSING


def say_missing(folder: Path, error: OSError) -> None:
    """Say on stderr, once a process, what it means that files in `folder` cannot be locked."""
    global _said
    if _said:
        return
    _said = True
    print(
        f"tuner: files in {folder} cannot be locked ({error.strerror or error}).\n"
        "Run one tuner at a time in this directory: two would not see each other. Should one be "
        "killed on\nanother machine or in another container, delete .tuner/owners before the next.",
        file=sys.stderr,
        flush=True,
    )


def open_lock(path: Path) -> int:
    """The descriptor of a lock file, made if need be.

    Another user's file may be readable only; that is enough to lock it on most file systems.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:
        if not path.exists():
            raise
        return os.open(path, os.O_RDONLY)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path` for the block; between threads of one process as well."""
    descriptor = open_lock(path)
    try:
        wait_lock(descriptor, path)
        yield
    finally:
        os.close(descriptor)  # closing releases


def _lock(descriptor: int, *, wait: bool) -> None:
    if sys.platform == "win32":
        import msvcrt

        while True:
            try:
                os.lseek(descriptor, 0, os.SEEK_SET)
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
                return
            except OSError as error:
                if not wait or error.errno not in _HELD:
                    raise
            time.sleep(0.01)  # its own waiting gives up after ten seconds
    else:
        try:
            import fcntl
        except ImportError as error:
            raise OSError(errno.ENOLCK, "this Python has no fcntl") from error
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
