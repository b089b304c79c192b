"""What is slow to import and noisy in notebooks, imported once and quietly."""

from __future__ import annotations

import importlib
import warnings


def import_search() -> None:
    """Import Optuna, which takes a second.

    It asks tqdm for progress bars, and that warns of every notebook that has no widgets; we show
    none of those bars.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        importlib.import_module("tuner.search.study")
