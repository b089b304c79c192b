"""What this machine offers: cores and memory for workers.

The rule: what a container's or a job's limits allow is what there is, however large the machine.
Where a system does not say, the nearest thing that it does say counts.
"""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from tuner.text import printable

if TYPE_CHECKING:
    from tuner.data.prepared import Prepared  # which needs numpy

# What a worker holds besides the data, measured on Linux with TensorFlow 2.21 (decision 14):
# TensorFlow and Keras imported, and 16 compiled shapes. Beside it, how wide a hidden layer is
# reckoned with, and how often its weights are there at once: as they are, as their gradient, twice
# in the optimizer, and twice as what is kept of the chosen epoch and the one before.
WORKER_BYTES = 900_000_000
WIDEST = 1024
COPIES_OF_WEIGHTS = 6
ROOT = Path("/")
NO_LIMIT = 2**60  # version 1 of control groups writes the largest multiple of a page instead


def cores(root: Path = ROOT) -> int:
    """Cores that this process may use: its affinity and the quota of its control groups.

    Args:
        root: where `proc` and `sys` are looked for.
    """
    if sys.platform != "win32" and hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    quota = cpu_quota(root)
    return max(1, count if quota is None else min(count, int(quota)))


def cpu_quota(root: Path = ROOT) -> float | None:
    """How many cores the control groups of this process allow; None where they set no limit."""
    found = []
    for folder in _groups("cpu", root):
        words = _words(folder / "cpu.max")  # version 2: quota and period, or `max`
        if not words:  # version 1
            words = _words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us")
        with suppress(ValueError, IndexError, ZeroDivisionError):
            quota = int(words[0]) / int(words[1])
            if quota > 0:  # version 1 writes -1 for no limit
                found.append(quota)
    return min(found, default=None)


def free_memory(root: Path = ROOT) -> int | None:
    """Bytes that can be taken without swapping, or None where the system does not say.

    Args:
        root: where `proc` and `sys` are looked for.
    """
    known = [m for m in (_system_memory(root), memory_left(root)) if m is not None]
    return min(known, default=None)


def memory_left(root: Path = ROOT) -> int | None:
    """Bytes that the control groups of this process still allow; None where they set no limit.

    File pages that can be dropped at any time do not count as taken.
    """
    found = []
    for folder in _groups("memory", root):
        limit, used, idle = "memory.max", "memory.current", "inactive_file"
        if not (folder / limit).exists():  # version 1
            limit, used = "memory.limit_in_bytes", "memory.usage_in_bytes"
            idle = "total_inactive_file"
        with suppress(ValueError, IndexError):
            most, taken = int(_words(folder / limit)[0]), int(_words(folder / used)[0])
            stat = _words(folder / "memory.stat")
            if idle in stat:
                taken -= int(stat[stat.index(idle) + 1])
            if most < NO_LIMIT:
                found.append(max(0, most - max(0, taken)))
    return min(found, default=None)


def _groups(controller: str, root: Path) -> Iterator[Path]:
    """Folders of the control groups that this process is in, the innermost first."""
    mounts = root / "sys" / "fs" / "cgroup"
    try:
        lines = (root / "proc" / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if names and controller not in names.split(","):
            continue
        # A container sees its own group at the top of the mount, whatever the path says.
        inside = PurePosixPath(path.lstrip("/"))
        places = [inside, *inside.parents] if inside.parts else [inside]
        for mount in {mounts / names, mounts / controller} if names else {mounts}:
            yield from (mount / place for place in places)


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []


def _system_memory(root: Path) -> int | None:
    """What the system as a whole has left."""
    words = _words(root / "proc" / "meminfo")
    with suppress(ValueError, IndexError):
        return int(words[words.index("MemAvailable:") + 1]) * 1024
    if sys.platform == "darwin":
        with suppress(OSError, subprocess.SubprocessError):
            said = subprocess.run(["/usr/bin/vm_stat"], capture_output=True, text=True, timeout=5)
            return read_vm_stat(said.stdout)
    if sys.platform == "win32":
        return _windows_memory()
    return None


def read_vm_stat(text: str) -> int | None:
    """Bytes that macOS's `vm_stat` calls free or soon free; None where it says something else."""
    size = re.search(r"page size of (\d+) bytes", text)
    pages = re.findall(r"^Pages (?:free|inactive|speculative):\s+(\d+)\.", text, re.MULTILINE)
    return int(size[1]) * sum(map(int, pages)) if size and pages else None


def _windows_memory() -> int | None:
    """What Windows calls available physical memory."""
    if sys.platform != "win32":
        return None
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            ("total", ctypes.c_ulonglong),
            ("available", ctypes.c_ulonglong),
            ("rest", ctypes.c_ulonglong * 5),
        )

    status = Status(length=ctypes.sizeof(Status))
    done = ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
    return int(status.available) if done else None


def worker_bytes(data: Prepared | None = None) -> int:
    """Bytes that one worker may come to hold on `data`; without it, on a small data set.

    The arrays are mapped and shared, but a device of its own, or the engine `fit`, takes a copy.
    """
    if data is None:
        return WORKER_BYTES
    arrays = sum(
        math.prod(shape) * _item_bytes(data.dtypes.get(name, ""))
        for name, shape in data.shapes.items()
    )
    weights = math.prod(data.input_shape) * WIDEST * 4
    return WORKER_BYTES + arrays + COPIES_OF_WEIGHTS * weights


def _item_bytes(dtype: str) -> int:
    """Bytes of one element of a dtype as numpy spells it: 1 for `|u1`."""
    digits = re.sub(r"\D", "", dtype)
    return int(digits) if digits else 8


def fitting_workers(root: Path = ROOT, data: Prepared | None = None) -> int:
    """One worker a core, as far as memory allows `worker_bytes` for each; at least one.

    Args:
        root: where `proc` and `sys` are looked for.
        data: what is to be trained on, if that is known.
    """
    memory = free_memory(root)
    by_memory = cores(root) if memory is None else memory // worker_bytes(data)
    return int(max(1, min(cores(root), by_memory)))


def has_room(needed: int, root: Path = ROOT) -> bool:
    """Whether `needed` bytes more can be taken; true where the system does not say."""
    memory = free_memory(root)
    return memory is None or memory >= needed


def user() -> str:
    """TUNER_USER, else the login name, or an empty text where there is none (some containers).

    TUNER_USER tells people apart who share one login.
    """
    import getpass

    given = os.environ.get("TUNER_USER", "").strip()
    if given:
        return printable(given)
    try:
        return printable(getpass.getuser())
    except (OSError, KeyError, ImportError):
        return ""
