"""A trained model applied to rows: its figures, and what it says of each row.

The rule: these functions run in a short-lived child (`executors.errand`): plain JSON in and out,
arrays as `.npz` files. The model is plain Keras, of the trial's record and its kept weights.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from tuner.data.prepared import Prepared
from tuner.data.splits import split
from tuner.errors import StudyError, TunerError
from tuner.training.confusion import Counts, balanced_accuracy, macro_f1
from tuner.trial import TrialSpec

ROWS_AT_ONCE = 2048


def predict(request: Mapping[str, Any]) -> dict[str, Any]:
    """Figures of weights on one part of the trial's data, and the probabilities of each row.

    Args:
        request: `spec` (a TrialSpec as JSON), `weights` (a list of files), `part` (`train`,
            `validation` or `test`), and `out`: an `.npz` file for what the first of the weights
            says, or null. It holds `rows` (m,) int64, row numbers in the arrays of the part;
            `labels` (m,) int64; `probabilities` (m, classes) float32.

    Returns:
        `figures`: a list, for each of the weights `accuracy`, `loss` (data loss), `rows`,
            `balanced_accuracy` and `macro_f1`.
    """
    import numpy as np

    from tuner.training.backend import configure

    spec = TrialSpec.from_json(request["spec"])
    configure(max(1, os.cpu_count() or 1))
    prepared = Prepared.open(Path(spec.data), spec.fingerprint)
    x, y, rows = part_of(prepared, spec, request["part"])
    figures = []
    for number, file in enumerate(request["weights"]):
        model = restored(spec, prepared, Path(file))
        probabilities, losses = judged(model, x, y, rows)
        figures.append(_figures(probabilities, y[rows], losses))
        if number == 0 and request.get("out"):
            out = Path(request["out"])
            out.parent.mkdir(parents=True, exist_ok=True)
            aside = out.with_name(f".{out.name}.{os.getpid()}.npz")
            np.savez(aside, rows=rows, labels=y[rows], probabilities=probabilities)
            os.replace(aside, out)
    return {"figures": figures}


def restored(spec: TrialSpec, prepared: Prepared, weights: Path) -> Any:
    """The plain Keras model of a trial, uncompiled, with kept weights.

    Raises:
        StudyError: the file is damaged or holds the weights of another model.
    """
    import numpy as np

    from tuner.models.build import rebuilt

    model, holder = rebuilt(spec.model, spec.params, prepared)
    try:
        # Opened here: NumPy leaves a damaged file open.
        with weights.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            holder.set_weights([kept[f"arr_{number}"] for number in range(len(kept.files))])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise StudyError(
            f"the weights of trial {spec.origin} in {weights} cannot be used ({error}).\n"
            "Delete that file; the trial can be trained again."
        ) from error
    return model


def probabilities_of(model: Any, x: Any, rows: Any) -> Any:
    """Class probabilities (m, classes), float32; of two classes both columns.

    Args:
        model: as built by `models.mlp`.
        x: raw features of all rows (n, ...).
        rows: which rows (m,).
    """
    import numpy as np

    found = []
    for first in range(0, len(rows), ROWS_AT_ONCE):
        chosen = rows[first : first + ROWS_AT_ONCE]
        found.append(np.asarray(model(np.ascontiguousarray(x[chosen]), training=False)))
    return _both_columns(np.concatenate(found))


def judged(model: Any, x: Any, y: Any, rows: Any) -> tuple[Any, Any]:
    """Class probabilities (m, classes), float32, and the data loss of each row (m,), float64.

    The losses are those of training, from the logits: probabilities would have to be cut off near
    0, and hide what a confident mistake costs.

    Args:
        model: as built by `models.mlp`.
        x, y: raw features and labels of all rows, (n, ...) and (n,).
        rows: which rows (m,).
    """
    import numpy as np
    import tensorflow as tf

    from tuner.training.losses import row_losses

    probabilities, losses = [], []
    for first in range(0, len(rows), ROWS_AT_ONCE):
        chosen = rows[first : first + ROWS_AT_ONCE]
        predicted = model(np.ascontiguousarray(x[chosen]), training=False)
        labels = tf.constant(np.asarray(y[chosen]).astype(np.int32))
        classes = max(2, int(predicted.shape[1]))
        losses.append(np.asarray(row_losses(labels, predicted, classes), np.float64))
        probabilities.append(np.asarray(predicted))
    return _both_columns(np.concatenate(probabilities)), np.concatenate(losses)


def _both_columns(probabilities: Any) -> Any:
    """Of two classes both columns, (m, 2)."""
    import numpy as np

    found = probabilities.astype(np.float32)
    return np.concatenate([1 - found, found], axis=1) if found.shape[1] == 1 else found


def part_of(prepared: Prepared, spec: TrialSpec, part: str) -> tuple[Any, Any, Any]:
    """Features and labels (int64) of all rows, and the row numbers of the part.

    Args:
        part: `train`, `validation` or `test`.
    """
    import numpy as np

    if part == "test" or (part == "validation" and spec.split.kind == "test"):
        x, y = prepared.test()
        y = np.asarray(y).astype(np.int64)
        return x, y, np.arange(len(y), dtype=np.int64)
    y = np.asarray(prepared.y_train).astype(np.int64)
    train, validation = split(y, spec.split)
    return prepared.x_train, y, train if part == "train" else validation


def _figures(probabilities: Any, labels: Any, losses: Any) -> dict[str, float | None]:
    import numpy as np

    guesses = probabilities.argmax(axis=1)
    if probabilities.shape[1] == 2:  # as in training: the second class lies above one half
        guesses = (probabilities[:, 1] > 0.5).astype(np.int64)
    hits = guesses == labels
    return {
        "accuracy": float(hits.mean(dtype=np.float64)),
        **_by_class(guesses, labels, probabilities.shape[1]),
        "loss": float(losses.mean()),
        "rows": len(labels),
    }


def _by_class(guesses: Any, labels: Any, classes: int) -> dict[str, float | None]:
    import numpy as np

    def count(of: Any) -> tuple[int, ...]:
        return tuple(np.bincount(of, minlength=classes).tolist())

    counts = Counts(count(labels[guesses == labels]), count(guesses), count(labels))
    return {"balanced_accuracy": balanced_accuracy(counts), "macro_f1": macro_f1(counts)}


def predict_many(request: Mapping[str, Any]) -> dict[str, Any]:
    """What `predict` answers to each of `requests`, in one process that imports Keras once.

    Returns:
        `answers`: in the same order, what `predict` returned, or `{"error": text}` where it raised
        a TunerError; the others are answered all the same.
    """
    answers: list[dict[str, Any]] = []
    for one in request["requests"]:
        try:
            answers.append(predict(one))
        except TunerError as error:
            answers.append({"error": str(error)})
    return {"answers": answers}
