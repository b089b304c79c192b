"""What the built-in networks are made of: scaled inputs, hidden blocks, and the head.

The rule: input scaling is a layer of the model, so that it takes what the data set holds. A block
stands in the order product, batch normalisation (when before the activation), activation, batch
normalisation (when after it), pooling, dropout; L2 acts on the kernels of hidden layers alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuner.trial import ParamValue

if TYPE_CHECKING:
    from tuner.data.dataset import Standard

Block = Callable[[Any], Any]
NORMS = ("before_activation", "after_activation")


@dataclass(frozen=True)
class Parts:
    """Layers that an engine puts in place of Keras's own; with the same weights, that is none.

    Attributes:
        dropout: makes the layer for a rate and a name.
        scaling: makes the layer that multiplies by a number, for that number and a name.
    """

    dropout: Callable[[float, str], Any] | None = None
    scaling: Callable[[float, str], Any] | None = None


def number_of(params: Mapping[str, ParamValue], name: str) -> float:
    """A number of a configuration; TypeError where it is none."""
    value = params[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, not {value!r}")
    return value


def scaled(inputs: Any, scale: float, standard: Standard | None, parts: Parts) -> Any:
    """The inputs as the network wants them: divided by `scale`, or each column standardised.

    Args:
        inputs: a symbolic tensor in the data set's own units.
        scale: what all features are divided by, where there is no `standard`.
        standard: mean and deviation of each column.
        parts: layers to use instead of Keras's own.
    """
    from keras import layers

    if standard is not None:
        squares = [deviation**2 for deviation in standard.deviation]
        return layers.Normalization(mean=list(standard.mean), variance=squares, name="scale")(
            inputs
        )
    scaling = parts.scaling or (lambda factor, name: layers.Rescaling(factor, name=name))
    return scaling(1.0 / scale, "scale")(inputs)


class Hidden:
    """Makes the hidden blocks of one configuration.

    Args:
        params: a complete configuration.
        parts: layers to use instead of Keras's own.
    """

    def __init__(self, params: Mapping[str, ParamValue], parts: Parts) -> None:
        self.parts = parts
        self.initializer = str(params.get("initializer", "glorot_uniform"))
        self._l2 = number_of(params, "l2")
        self._rate = number_of(params, "dropout")
        self._norm = params["batch_norm"]
        self._activation = str(params["activation"])

    def dense(self, width: int, number: int) -> Block:
        """A dense layer of `width` units with what belongs to it; `number` names its layers."""
        from keras import layers

        return self._block(
            layers.Dense(width, **self._kernel(), name=f"dense_{number}"), f"{number}", pool=False
        )

    def convolution(self, filters: int, kernel: int, number: int, pool: bool) -> Block:
        """A convolution of unchanged size with what belongs to it; `pool` halves both sides."""
        from keras import layers

        layer = layers.Conv2D(
            filters, kernel, padding="same", **self._kernel(), name=f"conv_{number}"
        )
        return self._block(layer, f"conv_{number}", pool)

    def _kernel(self) -> dict[str, Any]:
        import keras

        penalty = keras.regularizers.L2(self._l2) if self._l2 > 0 else None
        return {"kernel_initializer": self.initializer, "kernel_regularizer": penalty}

    def _block(self, product: Any, name: str, pool: bool) -> Block:
        from keras import layers

        dropout = self.parts.dropout or (lambda rate, name: layers.Dropout(rate, name=name))
        before, after = (self._norm == place for place in NORMS)
        stack = [product]
        stack += [layers.BatchNormalization(name=f"norm_{name}")] if before else []
        stack += [layers.Activation(self._activation, name=f"activation_{name}")]
        stack += [layers.BatchNormalization(name=f"norm_{name}")] if after else []
        stack += [layers.MaxPooling2D(name=f"pool_{name}")] if pool else []
        stack += [dropout(self._rate, f"dropout_{name}")] if self._rate > 0 else []

        def block(x: Any) -> Any:
            for layer in stack:
                x = layer(x)
            return x

        return block


def head(classes: int, initializer: str) -> Any:
    """The last layer: one sigmoid unit for two classes, else a softmax over all."""
    from keras import layers

    units, activation, name = classes, "softmax", "probabilities"
    if classes == 2:
        units, activation, name = 1, "sigmoid", "probability"
    return layers.Dense(units, kernel_initializer=initializer, activation=activation, name=name)
