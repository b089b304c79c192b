"""The weights of a chosen epoch as a file: plain arrays, in the order of the model's weights."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def save_weights(path: Path, weights: Sequence[Any]) -> None:
    """Write `weights` aside, then replace `path`."""
    import numpy as np

    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.npz")
    np.savez(aside, *weights)
    os.replace(aside, path)
