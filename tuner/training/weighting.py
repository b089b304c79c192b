"""Weights of the classes in the training loss.

The rule: they are taken from the trial's own training rows, and weigh the loss that is trained on;
figures that are measured stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.trial import ParamValue


def weighs_classes(params: Mapping[str, ParamValue]) -> bool:
    """Whether a configuration weighs its classes."""
    return params.get("class_weight") == "balanced"


def balanced_weights(labels: Any, classes: int) -> Any:
    """Rows / (classes × rows of the class), (classes,), float32; 0 for a class without rows.

    As `sklearn.utils.class_weight.compute_class_weight("balanced")`: classes without rows do not
    count. The mean over all rows is 1.

    Args:
        labels: of the training rows (m,), integers.
        classes: number of classes.
    """
    import numpy as np

    rows = np.bincount(labels, minlength=classes)
    there = rows > 0
    weights = len(labels) / (np.count_nonzero(there) * np.maximum(rows, 1))
    return np.where(there, weights, 0.0).astype(np.float32)
