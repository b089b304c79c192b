"""What an exported model says of a user's files.

The rule: this runs in a short-lived child (`executors.errand`): plain JSON in and out. Rows are
read by `data.inputs`, and the model answers in the order of the files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.data.inputs import Wanted, read_inputs
from tuner.errors import DataError
from tuner.exported import read_description, read_vocabulary, sidecar_of


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """The most probable classes of every row in the files.

    Args:
        request: `model` (a `.keras` file), `files` (paths, or `-`), `text` (what standard input
            held, or null), `top` (how many classes), `invert` (of pictures), and, where it is not
            the file beside the model, `sidecar`.

    Returns:
        `rows`: a list of `input` (the file), `row` (within it, or null) and `classes`, at most
        `top` pairs of label and probability, most probable first; `notes`: lines for a person.

    Raises:
        DataError: a file is missing or damaged, or does not fit the model.
        StudyError: the model, its description or its words are missing or damaged.
    """
    import numpy as np

    from tuner.training.backend import configure
    from tuner.training.export import load_model
    from tuner.training.inference import probabilities_of

    file = Path(request["model"])
    sidecar = Path(request.get("sidecar") or sidecar_of(file))
    described = read_description(sidecar)
    wanted = Wanted(
        described.kind,
        described.input_shape,
        described.dtype,
        described.scale,
        read_vocabulary(described, sidecar.parent),
        described.edge,
        described.encoder,
    )
    found = [read_inputs(f, wanted, request["text"], request["invert"]) for f in request["files"]]
    configure(max(1, os.cpu_count() or 1))
    model = load_model(file)
    labels, top = described.class_names, int(request["top"])
    if tuple(model.input_shape[1:]) != described.input_shape:
        raise DataError(
            f"{file} takes rows of the shape {tuple(model.input_shape[1:])}, but {sidecar.name} "
            f"says {described.input_shape}.\nThe two do not belong together: export again."
        )
    rows: list[dict[str, Any]] = []
    for name, inputs in zip(request["files"], found, strict=True):
        probabilities = probabilities_of(model, inputs.x, np.arange(len(inputs.x)))
        # Of two equals the first, as when hits are counted.
        best = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
        for number, order, shares in zip(inputs.rows, best, probabilities, strict=True):
            classes = [[labels[i], float(shares[i])] for i in order]
            rows.append({"input": name, "row": number, "classes": classes})
    return {"rows": rows, "notes": [note for inputs in found for note in inputs.notes]}
