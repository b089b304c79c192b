"""Whether the process that runs a trial still lives.

The rule: each process holds the lock of a file of its own; whoever can take that lock knows that
the owner is gone. Host names and process ids repeat in containers, locks do not; only where there
are no locks does the file's text decide, and only about processes that can be seen from here.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from tuner.locks import are_missing, say_missing, try_lock

MOST_BYTES = 4096
GONE = "the process that trained it is gone"


class Owner:
    """This process, as trials name it. Hold one as long as trials of this process run.

    Args:
        folder: where the processes of one journal keep their files.
    """

    def __init__(self, folder: Path) -> None:
        self.name = uuid.uuid4().hex
        self._closed = False
        self._path = folder / self.name
        folder.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        # Before the lock: on Windows a locked byte can be read by nobody else.
        os.write(self._descriptor, json.dumps(_this_process()).encode())
        try:
            if not try_lock(self._descriptor):
                raise AssertionError("a fresh owner file cannot be locked by another process")
        except OSError as error:
            if not are_missing(error):
                raise
            say_missing(folder.parent, error)

    def close(self) -> None:
        """Give the name up; trials that still carry it count as lost. May be called twice."""
        if self._closed:
            return
        self._closed = True
        os.close(self._descriptor)  # first: Windows removes no file that is open
        self._path.unlink(missing_ok=True)


def is_gone(folder: Path, name: str) -> bool:
    """Whether the owner called `name` has ended; a file without a holder is removed."""
    path = folder / name
    gone = has_ended(path)
    if gone:
        with suppress(OSError):  # a reader may not be allowed to tidy up
            path.unlink(missing_ok=True)
    return gone


def has_ended(path: Path) -> bool:
    """Whether the process that made the owner's file `path` has ended; changes nothing.

    What cannot be told counts as alive: another user's file that may not be read, and without locks
    another machine's.
    """
    try:
        try:
            descriptor = os.open(path, os.O_RDWR)
        except PermissionError:  # another user's: to be read is mostly enough to be locked
            descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        return try_lock(descriptor)
    except OSError as error:
        return are_missing(error) and _is_over(os.read(descriptor, MOST_BYTES))
    finally:
        os.close(descriptor)


def _this_process() -> dict[str, Any]:
    return {"pid": os.getpid(), "began": _began(os.getpid()), **_whence()}


def _whence() -> dict[str, str]:
    """Where a process id means what it means here: this machine, and this container in it."""
    space = ""
    with suppress(OSError):
        space = str(Path("/proc/self/ns/pid").readlink())
    return {"host": platform.node(), "space": space}


def _is_over(content: bytes) -> bool:
    """Whether an owner's file names a process that was here and is no more."""
    try:
        known = json.loads(content)
        pid, began = int(known["pid"]), known["began"]
        here = {key: known[key] for key in ("host", "space")} == _whence()
    except (ValueError, KeyError, TypeError):
        return False
    if not here:
        return False
    if not _lives(pid):
        return True
    return bool(began) and _began(pid) != began  # the number was given out again


def _began(pid: int) -> str:
    """When a process began, in Linux's own count; empty where it is over or cannot be told."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()  # the name before it may hold anything
    return "" if fields[0] in "ZX" else fields[19]


def _lives(pid: int) -> bool:
    if sys.platform == "win32":
        import ctypes

        # Not os.kill, which on Windows ends the process that it is asked about.
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        handle = kernel.OpenProcess(0x0010_0000, False, pid)  # SYNCHRONIZE
        if not handle:
            return ctypes.get_last_error() == 5  # another user's
        waiting = kernel.WaitForSingleObject(handle, 0) == 0x102
        kernel.CloseHandle(handle)
        return bool(waiting)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # another user's
    return True
