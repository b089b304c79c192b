"""optuna-dashboard on a journal, with this program's own lock; run as a process of its own.

The rule: the dashboard writes when a note is edited or a study renamed or deleted there, and with
the lock that Optuna takes by itself it could do so in the middle of a sweep's line.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from tuner.search.sampling import quiet
from tuner.search.storage import open_storage
from tuner.workspace import Workspace


def is_installed() -> bool:
    """Whether optuna-dashboard can be imported."""
    return importlib.util.find_spec("optuna_dashboard") is not None


def main(argv: Sequence[str]) -> int:
    """Serve the journal of the directory `argv[0]` at host `argv[1]` and port `argv[2]`."""
    quiet()
    workspace = Workspace(Path(argv[0]))
    storage = open_storage(workspace.journal, workspace.lock("journal"))
    dashboard = importlib.import_module("optuna_dashboard")
    dashboard.run_server(storage, host=argv[1], port=int(argv[2]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
