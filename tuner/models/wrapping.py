"""A model of the user's own between what the data set holds and class probabilities.

The rule: the user's model takes prepared rows, as it would anywhere else; what is judged, kept and
exported takes raw rows and gives probabilities, as the built-in models do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuner.data.prepared import Prepared
from tuner.errors import ModelError
from tuner.models.blocks import Parts, scaled

Shape = tuple[int, ...]


def shapes_offered(data: Prepared) -> list[Shape]:
    """The shapes in which a row can be handed over, the usual one first."""
    shape = data.input_shape
    if len(shape) == 1:
        return [shape]
    picture = shape if len(shape) == 3 else (*shape, 1)
    flat = 1
    for size in shape:
        flat *= size
    offered = [picture, shape, (flat,)]
    return offered + ([shape[:2]] if picture[2] == 1 else [])


def row_shape(model: Any, data: Prepared, reference: str) -> Shape:
    """The shape in which `model` takes a row of `data`.

    Raises:
        ModelError: it takes another one, or several inputs.
    """
    offered = shapes_offered(data)
    if not model.built or getattr(model, "input_shape", None) is None:
        return offered[0]
    if isinstance(model.input_shape, list | dict):
        raise ModelError(
            f"model {reference} has {len(model.input_shape)} inputs, but a row is one array."
        )
    wanted = tuple(model.input_shape[1:])
    for shape in offered:
        if len(shape) == len(wanted) and all(
            w is None or w == s for w, s in zip(wanted, shape, strict=True)
        ):
            return shape
    raise ModelError(
        f"model {reference} takes rows of the shape {wanted}, but those of {data.name} have "
        f"{' or '.join(map(str, dict.fromkeys(offered)))}."
    )


def gives_logits(model: Any) -> bool:
    """Whether the outputs are logits: by the loss that it is compiled with, or its last layer."""
    loss = getattr(model, "loss", None)
    if loss is not None and hasattr(loss, "get_config"):
        return bool(loss.get_config().get("from_logits", False))
    if loss is not None:
        return False  # Keras's losses by name take probabilities
    layers = getattr(model, "layers", [])
    activation = getattr(layers[-1], "activation", None) if layers else None
    return getattr(activation, "__name__", "") == "linear"


def wrapped(model: Any, data: Prepared, reference: str) -> Any:
    """A model that takes raw rows of `data` and gives class probabilities, around the user's.

    Returns:
        an uncompiled `keras.Model`, (n, 1) for two classes, the probability of the second, else
        (n, classes). The weights are those of `model`, which is built by this.

    Raises:
        ModelError: the model cannot take such rows, or gives something else.
    """
    import keras
    from keras import layers

    shape = row_shape(model, data, reference)
    inputs = keras.Input(data.input_shape, name="raw")
    x = scaled(inputs, data.scale, data.standard, Parts())
    if shape != data.input_shape:
        x = layers.Reshape(shape, name="as_the_model_takes_it")(x)
    try:
        found = model(x)
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(
            f"model {reference} cannot take rows of the shape {shape}: {lines[0][:200]}"
        ) from error
    outputs = _outputs(found, data.n_classes, reference)
    if gives_logits(model):
        activation = "sigmoid" if outputs == 1 else "softmax"
        found = layers.Activation(activation, name="probabilities")(found)
    if data.n_classes == 2 and outputs == 2:
        found = found[:, 1:]
    return keras.Model(inputs, found, name="wrapped")


def _outputs(found: Any, classes: int, reference: str) -> int:
    shape = getattr(found, "shape", None)
    if shape is None or len(shape) != 2:
        what = "several outputs" if shape is None else f"outputs of the shape {tuple(shape[1:])}"
        raise ModelError(
            f"model {reference} has {what}, but a classifier has one row of probabilities."
        )
    count = int(shape[1])
    if count != classes and not (classes == 2 and count == 1):
        raise ModelError(
            f"model {reference} has {count} outputs, but the data has {classes} classes."
        )
    return count


def check_probabilities(found: Any, reference: str) -> None:
    """Raise ModelError where outputs (n, 1) or (n, classes) are no probabilities."""
    import numpy as np

    values = np.asarray(found, np.float64)
    if not np.isfinite(values).all():
        return  # weights that have diverged are not the model's fault
    inside = values.min() >= -1e-6 and values.max() <= 1 + 1e-6
    sums = values.shape[1] == 1 or np.allclose(values.sum(axis=1), 1, atol=1e-3)
    if not (inside and sums):
        raise ModelError(
            f"model {reference} gives no probabilities: end it in softmax (of one unit, sigmoid), "
            "or compile it with a loss that has from_logits=True."
        )


def labels_for(model: Any, y: Any, classes: int) -> Any:
    """Labels as the model's loss takes them.

    Args:
        model: compiled or not.
        y: labels (n,), integers.
        classes: number of classes.

    Returns:
        integers (n,) for sparse losses and models that are not compiled; for one output float32
        (n, 1); else one-hot rows (n, classes), float32.
    """
    import keras
    import numpy as np

    loss = getattr(model, "loss", None)
    named = loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)
    if loss is None or "sparse" in named.lower():
        return np.asarray(y).astype(np.int32)
    if int(model.output_shape[-1]) == 1:
        return np.asarray(y).astype(np.float32).reshape(-1, 1)
    return keras.utils.to_categorical(y, classes)


def prepared_rows(x: Any, data: Prepared, shape: Sequence[int]) -> Any:
    """Rows as the user's model takes them, float32 (n, *shape): scaled or standardised.

    Args:
        x: raw rows (n, ...).
        data: says how they are scaled.
        shape: as from `row_shape`.
    """
    import numpy as np

    found = np.asarray(x, np.float32)
    if data.standard is not None:
        mean, deviation = (np.asarray(v) for v in (data.standard.mean, data.standard.deviation))
        found = ((found - mean) / deviation).astype(np.float32)
    elif data.scale != 1:
        found = found / np.float32(data.scale)
    return found.reshape(len(found), *shape)
