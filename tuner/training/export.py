"""Kept weights as a `.keras` file, and the proof that the file is the model of the record.

The rule: these functions run in a short-lived child each (`executors.errand`), so that a file is
always judged by a process that did not write it. The model is plain Keras, not compiled, and takes
raw input: scaling is one of its layers.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.data.prepared import Prepared
from tuner.errors import StudyError
from tuner.training.inference import part_of, probabilities_of, restored
from tuner.trial import TrialSpec

TIE = 1e-5
"""Two classes whose probabilities are this close may change places by rounding alone."""

EDGE_ROWS = 1000


def write_model(request: Mapping[str, Any]) -> dict[str, Any]:
    """Write the model of a trial with kept weights.

    Args:
        request: `spec` (a TrialSpec as JSON), `weights` (a file) and `out` (a file that ends in
            `.keras`, overwritten).

    Returns:
        `weights`: how many the model has; `bytes`: size of the file; `edge`: of images, the mean
        brightness of their border in the training rows, from 0 to 1, else null.

    Raises:
        StudyError: the weights are damaged, or of another model.
    """
    from tuner.training.backend import configure

    spec = TrialSpec.from_json(request["spec"])
    configure(max(1, os.cpu_count() or 1))
    prepared = Prepared.open(Path(spec.data), spec.fingerprint)
    model = restored(spec, prepared, Path(request["weights"]))
    out = Path(request["out"])
    model.save(out)
    return {
        "weights": int(model.count_params()),
        "bytes": out.stat().st_size,
        "edge": edge_brightness(prepared),
    }


def edge_brightness(prepared: Prepared) -> float | None:
    """Mean brightness of the outermost pixels of training images, from 0 to 1; None: no images."""
    if prepared.kind != "image":
        return None
    import numpy as np

    images = np.asarray(prepared.x_train[:EDGE_ROWS], np.float64) / prepared.scale
    return border_mean(images)


def border_mean(images: Any) -> float:
    """Mean over the outermost pixels of images (n, height, width) or with channels."""
    sides = (images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1])
    count = sum(side.size for side in sides)
    return float(sum(float(side.sum()) for side in sides) / count)


def check_model(request: Mapping[str, Any]) -> dict[str, Any]:
    """Load a `.keras` file and count what it gets right on the trial's validation rows.

    Args:
        request: `spec` (a TrialSpec as JSON) and `model` (the file).

    Returns:
        `hits` and `rows`; `ties`: rows whose two most probable classes are within `TIE` of each
        other; `train_rows`: how many rows the trial was trained on.
    """
    import numpy as np

    from tuner.training.backend import configure

    spec = TrialSpec.from_json(request["spec"])
    configure(max(1, os.cpu_count() or 1))
    prepared = Prepared.open(Path(spec.data), spec.fingerprint)
    model = load_model(Path(request["model"]))
    x, y, rows = part_of(prepared, spec, "validation")
    probabilities = probabilities_of(model, x, rows)
    ordered = np.sort(probabilities, axis=1)
    return {
        "hits": int(count_hits(probabilities, y[rows])),
        "rows": len(rows),
        "ties": int((ordered[:, -1] - ordered[:, -2] < TIE).sum()),
        "train_rows": len(part_of(prepared, spec, "train")[2]),
    }


def count_hits(probabilities: Any, labels: Any) -> int:
    """Rows whose label is the most probable class; of two classes the second lies above one half.

    Args:
        probabilities: (n, classes).
        labels: (n,), integers.
    """
    if probabilities.shape[1] == 2:
        return int(((probabilities[:, 1] > 0.5) == (labels == 1)).sum())
    return int((probabilities.argmax(axis=1) == labels).sum())


def load_model(file: Path) -> Any:
    """The Keras model in a `.keras` file.

    Raises:
        StudyError: the file is damaged or holds something else.
    """
    import keras

    try:
        return keras.models.load_model(file, compile=False)
    except Exception as error:  # a damaged file raises whatever its bytes happen to lead to
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise StudyError(f"{file} is not a model that Keras can load ({reason}).") from error
