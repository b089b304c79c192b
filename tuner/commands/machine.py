"""What this machine offers: cores and memory for workers, versions for the record."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

WORKER_BYTES = 1_500_000_000
PACKAGES = ("tuner", "tensorflow", "keras", "optuna", "mlflow", "numpy", "scikit-learn")


def cores() -> int:
    """Cores that this process may use."""
    if sys.platform != "win32" and hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def free_memory() -> int | None:
    """Bytes that can be taken without swapping, or None where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def fitting_workers() -> int:
    """One worker a core, as far as memory allows 1.5 GB for each; at least one."""
    memory = free_memory()
    by_memory = cores() if memory is None else memory // WORKER_BYTES
    return int(max(1, min(cores(), by_memory)))


def versions() -> dict[str, str]:
    """Versions of what decides a result, Python first."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def user() -> str:
    """The login name, or an empty text where there is none (some containers)."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
