"""The entry point of a worker process.

The rule: nothing heavy is imported before the environment is set, and nothing that a library prints
reaches the user's terminal: it goes to a log file. Standard library only at the top, because spawn
imports this module first.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class WorkerOptions:
    """How a worker is set up.

    Attributes:
        trainer: dotted path of the trainer.
        threads: threads for one arithmetic operation.
        logs: folder of logs.
        pin: whether it may claim a core of its own.
        begun: when the parent started the process, seconds since 1970.
        environment: names and values of variables that its libraries read, for those that the
            user has not set.
    """

    trainer: str
    threads: int
    logs: str
    pin: bool = True
    begun: float = 0.0
    environment: tuple[tuple[str, str], ...] = ()


class PipeChannel:
    """A worker's end of the line, over a pipe."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def send(self, message: bytes) -> None:
        self._connection.send_bytes(message)

    def receive(self) -> bytes:
        return self._connection.recv_bytes()


def main(connection: Connection, options: WorkerOptions) -> None:
    """Serve until the parent says so or is gone."""
    # Ctrl-C reaches the whole process group; what becomes of a trial is the parent's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _follow_parent()
    _print_to_log(Path(options.logs))
    threads = str(options.threads)
    os.environ.update(
        KERAS_BACKEND="tensorflow",
        TF_CPP_MIN_LOG_LEVEL="3",
        OMP_NUM_THREADS=threads,
        OPENBLAS_NUM_THREADS=threads,
    )
    # Without it TensorFlow takes the whole card and no second worker fits beside it.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    for name, value in options.environment:
        os.environ.setdefault(name, value)
    from tuner.executors.wire import serve
    from tuner.training import placement

    train = load(options.trainer)
    # A trainer's module may have something slow to import: before the first trial, not in it.
    warm = getattr(sys.modules[train.__module__], "warm", None)
    if warm is not None:
        warm(options.threads)
    # What is loaded by now stays: a search for garbage need not look at it again and again.
    gc.freeze()
    if options.pin and options.threads == 1:
        placement.enable()

    def state() -> dict[str, int | None]:
        return {"memory": private_memory(), "core": placement.core()}

    serve(PipeChannel(connection), train, max(0.0, time.time() - options.begun), state)
    # A worker owns nothing that Python's own way out would have to save, and that way takes longer.
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(0)


def load(path: str) -> Any:
    """The object at the dotted path `package.module:name`."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def private_memory(status: Path = Path("/proc/self/status")) -> int | None:
    """Bytes that this process alone holds, mapped files not counted; None where none says so."""
    try:
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return None
    return None


def _print_to_log(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # Process ids repeat in containers.
    name = f"worker-{os.getpid()}-{os.urandom(4).hex()}.log"
    descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def _follow_parent() -> None:
    """End with the parent, in whatever way it ends, even in the middle of an epoch."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()  # wakes when the parent's end of a pipe closes (its handle, on Windows)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
