"""The small convolutional network that a configuration describes, for images.

`depth` blocks of a convolution and a pooling that halves both sides; each block has twice the
filters of the one before (as Simonyan & Zisserman 2015, arXiv 1409.1556, do). Then one hidden dense
layer of `units`, and the head. L2, dropout and batch normalisation as in `blocks`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tuner.models.blocks import Hidden, Parts, head, number_of, scaled
from tuner.trial import ParamValue

if TYPE_CHECKING:
    from tuner.data.dataset import Standard


def build_model(
    params: Mapping[str, ParamValue],
    input_shape: Sequence[int],
    classes: int,
    scale: float,
    parts: Parts | None = None,
    standard: Standard | None = None,
) -> Any:
    """An uncompiled `keras.Model` for one configuration.

    Args:
        params: a complete configuration (see `parameters`).
        input_shape: (height, width) or (height, width, channels).
        classes, scale, parts, standard: as in `mlp.build_model`.

    A side of one pixel is not halved any more.
    """
    import keras
    from keras import layers

    hidden = Hidden(params, parts or Parts())
    inputs = keras.Input(tuple(input_shape), name="raw")
    x = scaled(inputs, scale, standard, hidden.parts)
    if len(input_shape) == 2:
        x = layers.Reshape((*input_shape, 1), name="channel")(x)
    filters, kernel = int(number_of(params, "filters")), int(number_of(params, "kernel"))
    side = min(input_shape[:2])
    for number in range(1, int(number_of(params, "depth")) + 1):
        x = hidden.convolution(filters, kernel, number, pool=side >= 2)(x)
        filters, side = 2 * filters, side // 2
    x = layers.Flatten(name="flatten")(x)
    x = hidden.dense(int(number_of(params, "units")), 1)(x)
    return keras.Model(inputs, head(classes, hidden.initializer)(x), name="cnn")
