"""The multilayer perceptron that a configuration describes.

Input scaling is a layer of the model, so that it takes what the data set holds: raw pixels, not
prepared ones. Layers of one block stand in the order dense, batch normalisation (when before the
activation), activation, batch normalisation (when after it), dropout. L2 acts on the kernels of
hidden layers, never on biases or the output; batch normalisation and dropout on hidden layers only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tuner.models.blocks import Hidden, Parts, head, number_of, scaled
from tuner.trial import ParamValue

if TYPE_CHECKING:
    from tuner.data.dataset import Standard


def hidden_widths(params: Mapping[str, ParamValue]) -> list[int]:
    """Widths of the hidden layers: `layers` as given, else `depth` times `units`."""
    layers = params.get("layers")
    if isinstance(layers, list):
        return [int(width) for width in layers]
    return [int(number_of(params, "units"))] * int(number_of(params, "depth"))


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
        input_shape: shape of one example, in the data set's own units.
        classes: number of classes. For two the output is one sigmoid unit, the probability of the
            second (n, 1); for more a softmax over them (n, classes).
        scale: features are divided by this number inside the model.
        parts: layers to use instead of Keras's own.
        standard: mean and deviation of each column of a table, by which it is standardised.
    """
    import keras
    from keras import layers

    hidden = Hidden(params, parts or Parts())
    inputs = keras.Input(tuple(input_shape), name="raw")
    x = scaled(inputs, scale, standard, hidden.parts)
    if len(input_shape) > 1:
        x = layers.Flatten(name="flatten")(x)
    for number, width in enumerate(hidden_widths(params), start=1):
        x = hidden.dense(width, number)(x)
    return keras.Model(inputs, head(classes, hidden.initializer)(x), name="mlp")


def initialise(model: Any, seed: int) -> None:
    """Give every weight of `model` the value that its layer's initializer draws from `seed`.

    A model that has trained before starts again exactly like a new one.

    Args:
        model: built of layers that keep an initializer for each weight as `<name>_initializer`
            or, as batch normalisation has it, as an attribute of the same form.
        seed: the trial's seed; each weight draws from a stream of its own.
    """
    import numpy as np

    streams = np.random.SeedSequence(seed).generate_state(len(model.weights))
    number = 0
    for layer in model.layers:
        for weight in layer.weights:
            initializer = getattr(layer, f"{weight.name}_initializer")
            config = initializer.get_config()
            if "seed" in config:
                config["seed"] = int(streams[number])
                initializer = type(initializer).from_config(config)
            weight.assign(initializer(weight.shape, dtype=weight.dtype))
            number += 1
    assert number == len(model.weights), "a weight lies outside the layers"


LOSSES = ("sparse_categorical_crossentropy", "categorical_crossentropy")
"""Data losses of a softmax; that of a single sigmoid unit is `BINARY`."""

BINARY = "binary_crossentropy"


def losses_for(classes: int) -> tuple[str, ...]:
    """The data losses that fit a number of classes, the usual one first.

    Two classes end in one sigmoid unit, more in a softmax.
    """
    return (BINARY,) if classes == 2 else LOSSES


def loss_name(params: Mapping[str, ParamValue], classes: int) -> str:
    """The data loss of a configuration, as Keras names it.

    Raises:
        ValueError: the one that is asked for does not fit the number of classes.
    """
    fitting = losses_for(classes)
    wanted = str(params.get("loss", fitting[0]))
    if wanted not in fitting:
        raise ValueError(f"loss {wanted} does not fit {classes} classes: {' or '.join(fitting)}")
    return wanted


def build_loss(params: Mapping[str, ParamValue], classes: int) -> tuple[Any, Any]:
    """The data loss that fits the output of `build_model`, and the metric `accuracy`.

    Labels are integers (n,), but for `categorical_crossentropy`, which takes one-hot rows
    (n, classes).
    """
    import keras

    name = loss_name(params, classes)
    if name == "binary_crossentropy":
        loss: Any = keras.losses.BinaryCrossentropy()
        return loss, keras.metrics.BinaryAccuracy(name="accuracy")
    if name == "categorical_crossentropy":
        loss = keras.losses.CategoricalCrossentropy()
        return loss, keras.metrics.CategoricalAccuracy(name="accuracy")
    loss = keras.losses.SparseCategoricalCrossentropy()
    return loss, keras.metrics.SparseCategoricalAccuracy(name="accuracy")


def build_optimizer(params: Mapping[str, ParamValue], steps: int) -> Any:
    """The Keras optimizer of a configuration.

    Args:
        params: a complete configuration.
        steps: batches in the whole training; a cosine schedule decays to zero over them
            (Loshchilov & Hutter 2017, arXiv 1608.03983, without restarts).
    """
    import keras

    rate: Any = number_of(params, "learning_rate")
    if params["schedule"] == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, decay_steps=steps)
    name = params["optimizer"]
    if name == "sgd":
        return keras.optimizers.SGD(rate, momentum=number_of(params, "momentum"))
    if name == "rmsprop":
        return keras.optimizers.RMSprop(rate)
    return keras.optimizers.Adam(rate)
