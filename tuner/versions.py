"""Versions of what decides a result, for the record.

The rule: they are noted where something was trained, by the process that trained it. What a reader
has installed later says nothing about older figures.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("tuner", "tensorflow", "keras", "optuna", "mlflow", "numpy", "scikit-learn")
TRAINS = frozenset({"python", "tuner", "tensorflow", "keras", "numpy", "scikit-learn"})
"""Those that a given configuration's figures hang on; scikit-learn cuts the splits."""


def versions() -> dict[str, str]:
    """Name to version, Python first; what is not installed is left out."""
    return dict(_found())


@cache
def _found() -> tuple[tuple[str, str], ...]:
    found = [("python", platform.python_version())]
    for name in PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return tuple(found)


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """`keras 3.15.1, then 3.16.0` for each of `TRAINS` that differs.

    Nothing where one side is not known.
    """
    if not before or not after:
        return ()
    return tuple(
        f"{name} {before.get(name, 'not there')}, then {after.get(name, 'not there')}"
        for name in dict.fromkeys((*before, *after))
        if name in TRAINS and before.get(name) != after.get(name)
    )
