"""Hyperparameter sweeps for Keras classifiers that must meet targets.

From Python: `Sweep` runs one and `Result` is what it found; `load` reads that of a study that is
there. They are imported when they are first asked for, so that `import tuner` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.api.result import Result, Trial, load
    from tuner.api.sweep import Sweep
    from tuner.errors import TunerError
    from tuner.targets import Target

__version__ = "0.1.0"
__all__ = ["Result", "Sweep", "Target", "Trial", "TunerError", "__version__", "load"]

_HOMES = {
    "Result": "tuner.api.result",
    "Sweep": "tuner.api.sweep",
    "Target": "tuner.targets",
    "Trial": "tuner.api.result",
    "TunerError": "tuner.errors",
    "load": "tuner.api.result",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
