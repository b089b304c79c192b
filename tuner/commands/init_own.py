"""What `tuner init` writes for data of the user's own: a first goal, and a space of a fitting size.

The rule: it is a start, in values that a person can read the reasons of, and it works as written.
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from tuner.data.prepared import Prepared
from tuner.data.summary import class_rows
from tuner.reading import Reading

LEFT = 4
"""A first goal leaves one in so many of the mistakes of a model that knows nothing."""

UNEVEN = 0.5
"""Where the rarest class has a smaller share of the most frequent one, classes count alike."""

SMALL, LARGE = 2_000, 20_000  # training rows
_PLAIN = re.compile(r"[A-Za-z_][\w./-]*")
_WORDS = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")


def first_targets(data: Prepared) -> list[str]:
    """Targets to begin with: by accuracy, or, where classes are uneven, by balanced accuracy."""
    counts = [row.training for row in class_rows(data)[0]]
    metric, known = "val_accuracy", max(counts) / sum(counts)
    if min(counts) < UNEVEN * max(counts):
        metric, known = "val_balanced_accuracy", 1 / len(counts)
    return [f"{metric} >= {1 - (1 - known) / LEFT:.2f}", "accuracy_gap <= 0.05"]


def first_space(data: Prepared) -> dict[str, Any]:
    """A space to begin with, in the size that the data can bear."""
    rows, inputs = len(data.y_train), int(np.prod(data.input_shape))
    batches = [16, 32, 64] if rows < SMALL else [32, 64, 128]
    rate = {"min": 3.0e-4, "max": 3.0e-2, "log": True}
    if rows >= LARGE:
        batches, rate = [64, 128, 256], {"min": 1.0e-4, "max": 1.0e-2, "log": True}
    units = [16, 32, 64, 128]
    if data.kind == "text":  # each unit has thousands of weights already
        units, rate = [8, 16, 32, 64], {"min": 1.0e-4, "max": 1.0e-2, "log": True}
    elif data.kind == "image" and inputs > 256:
        units = [64, 128, 256, 512]
    space: dict[str, Any] = {
        "l2": {"min": 1.0e-6, "max": 1.0e-1, "log": True, "or": 0},
        "dropout": {"min": 0.0, "max": 0.6},
        "batch_size": {"values": batches},
        "optimizer": {"values": ["sgd", "adam", "rmsprop"]},
        "momentum": {"min": 0.0, "max": 0.95, "when": {"optimizer": "sgd"}},
        "depth": {"min": 1, "max": 2},
        "units": {"values": units},
        "learning_rate": rate,
        "schedule": {"values": ["constant", "cosine"]},
    }
    if rows >= SMALL and data.kind != "text":
        space["batch_norm"] = {"values": ["none", "before_activation"]}
    return space


def first_epochs(data: Prepared) -> int:
    """Epochs of a full trial: texts are learned by heart within a few."""
    return 10 if data.kind == "text" else 30


COMMENTS = {
    "label": "the column with the answer",
    "text": "the column with texts",
    "words": "how many are kept at most",
    "missing": "refuse | impute | drop",
    "image_size": "height and width that all pictures are brought to",
    "colour": "grey | rgb",
    "ignore": "columns that are left out",
}


def reading_lines(data: Prepared, reading: Reading) -> list[str]:
    """The keys that say how the data is read, a line each; an inferred label is written out."""
    account = data.account or {}
    raw = reading.to_json()
    for key in ("label", "text"):
        if account.get(key) is not None:
            raw.setdefault(key, account[key])
    lines = []
    for key in COMMENTS:
        if key in raw:
            value = raw[key]
            entry = f"{key}: {scalar(value)}"
            lines.append(f"{entry:<25} # {COMMENTS[key]}")
    return lines


def scalar(value: Any) -> str:
    """A value as YAML on one line; a text in quotes where YAML would read something else."""
    if isinstance(value, list):
        return f"[{', '.join(map(scalar, value))}]"
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
        return value if plain else json.dumps(value, ensure_ascii=False)
    return str(value)
