"""Runs a command and ends it, with all that it started, when whoever holds our standard input goes.

The rule: a server must not outlive `tuner ui`, not even its SIGKILL; the end of a pipe is the one
sign of death that every system gives. Standard library only: it is run as a file of its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType

GRACE_SECONDS = 5.0


def main(argv: Sequence[str]) -> int:
    """Run `argv`; returns its exit status."""
    if sys.platform != "win32":
        # A handler, not SIG_IGN: the command would inherit that. It gets the signal itself.
        signal.signal(signal.SIGTERM, _stay)
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL)  # noqa: S603
    threading.Thread(target=_end_with_parent, args=(child,), daemon=True).start()
    return child.wait()


def _stay(number: int, frame: FrameType | None) -> None:
    """The command ends by this signal, and we with it."""


def _end_with_parent(child: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        while os.read(0, 4096):
            pass
    end(child)


def end(child: subprocess.Popen[bytes]) -> None:
    """End `child` and its process group, which is ours: gently, then not."""
    if sys.platform == "win32":
        subprocess.run(  # noqa: S603
            ["taskkill", "/T", "/F", "/PID", str(child.pid)],  # noqa: S607
            capture_output=True,
            check=False,
        )
        return
    os.killpg(0, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
