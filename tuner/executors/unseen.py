"""Starting a process without the script that started us.

The rule: a worker needs nothing of `__main__`, and does not see it. Python's spawn would run the
parent's main script again in every child: without `if __name__ == "__main__"` that starts the sweep
once more, and a notebook or standard input has no file to run.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_one_at_a_time = threading.Lock()
MAIN = "__main__"


class _Faceless(ModuleType):
    """Stands in for a main module: has all of it but the file and the name to run it again by.

    Other threads may ask for `__main__` at that moment, to pickle something of it, say.
    """

    def __init__(self, real: ModuleType) -> None:
        super().__init__(MAIN)
        self._real = real

    def __getattr__(self, name: str) -> Any:
        if name == "__file__":
            raise AttributeError(name)
        return getattr(self._real, name)


@contextmanager
def main_unseen() -> Iterator[None]:
    """Hide the file and the spec of `__main__` from whatever starts a process in the block."""
    with _one_at_a_time:  # two threads that swapped at once would leave the stand-in behind
        real = sys.modules.get(MAIN)
        if real is None:
            yield
            return
        sys.modules[MAIN] = _Faceless(real)
        try:
            yield
        finally:
            sys.modules[MAIN] = real
