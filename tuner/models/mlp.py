"""The multilayer perceptron that a configuration describes.

Input scaling is a layer of the model, so that it takes what the data set holds: raw pixels, not
prepared ones. Layers of one block stand in the order dense, batch normalisation (when before the
activation), activation, batch normalisation (when after it), dropout. L2 acts on the kernels of
hidden layers, never on biases or the output; batch normalisation and dropout on hidden layers only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.trial import ParamValue


def hidden_widths(params: Mapping[str, ParamValue]) -> list[int]:
    """Widths of the hidden layers: `layers` as given, else `depth` times `units`."""
    layers = params.get("layers")
    if isinstance(layers, list):
        return [int(width) for width in layers]
    return [int(_number(params, "units"))] * int(_number(params, "depth"))


@dataclass(frozen=True)
class Parts:
    """Layers that an engine puts in place of Keras's own; with the same weights, that is none.

    Attributes:
        dropout: makes the layer for a rate and a name.
        scaling: makes the layer that multiplies by a number, for that number and a name.
    """

    dropout: Callable[[float, str], Any] | None = None
    scaling: Callable[[float, str], Any] | None = None


def build_model(
    params: Mapping[str, ParamValue],
    input_shape: Sequence[int],
    classes: int,
    scale: float,
    parts: Parts | None = None,
) -> Any:
    """An uncompiled `keras.Model` for one configuration.

    Args:
        params: a complete configuration (see `parameters`).
        input_shape: shape of one example, in the data set's own units.
        classes: number of classes. For two the output is one sigmoid unit, the probability of the
            second (n, 1); for more a softmax over them (n, classes).
        scale: features are divided by this number inside the model.
        parts: layers to use instead of Keras's own.
    """
    import keras
    from keras import layers

    parts = parts or Parts()
    dropout = parts.dropout or (lambda rate, name: layers.Dropout(rate, name=name))
    scaling = parts.scaling or (lambda factor, name: layers.Rescaling(factor, name=name))
    penalty = _number(params, "l2")
    rate = _number(params, "dropout")
    place = params["batch_norm"]
    initializer = str(params.get("initializer", "glorot_uniform"))
    inputs = keras.Input(tuple(input_shape), name="raw")
    x = scaling(1.0 / scale, "scale")(inputs)
    if len(input_shape) > 1:
        x = layers.Flatten(name="flatten")(x)
    for number, width in enumerate(hidden_widths(params), start=1):
        regularizer = keras.regularizers.L2(penalty) if penalty > 0 else None
        x = layers.Dense(
            width,
            kernel_initializer=initializer,
            kernel_regularizer=regularizer,
            name=f"dense_{number}",
        )(x)
        if place == "before_activation":
            x = layers.BatchNormalization(name=f"norm_{number}")(x)
        x = layers.Activation(str(params["activation"]), name=f"activation_{number}")(x)
        if place == "after_activation":
            x = layers.BatchNormalization(name=f"norm_{number}")(x)
        if rate > 0:
            x = dropout(rate, f"dropout_{number}")(x)
    if classes == 2:
        last = layers.Dense(
            1, kernel_initializer=initializer, activation="sigmoid", name="probability"
        )
    else:
        last = layers.Dense(
            classes, kernel_initializer=initializer, activation="softmax", name="probabilities"
        )
    outputs = last(x)
    return keras.Model(inputs, outputs, name="mlp")


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

    rate: Any = _number(params, "learning_rate")
    if params["schedule"] == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, decay_steps=steps)
    name = params["optimizer"]
    if name == "sgd":
        return keras.optimizers.SGD(rate, momentum=_number(params, "momentum"))
    if name == "rmsprop":
        return keras.optimizers.RMSprop(rate)
    return keras.optimizers.Adam(rate)


def _number(params: Mapping[str, ParamValue], name: str) -> float:
    value = params[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, not {value!r}")
    return value
