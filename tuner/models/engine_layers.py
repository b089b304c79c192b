"""Layers that the compiled engine puts in place of Keras's own.

The rule: they have no weights, so that what they train fits the plain model, and they give what
Keras's layers give. A dropout layer that draws its own random numbers costs one generator call a
layer and a step, and with XLA's generator thirteen times the rest of the step: here whoever runs
the epoch draws once a step for all layers and hands over what to apply while the step is traced.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

Mask = Callable[[Any], Any]


class Masks:
    """The masks of one model's dropout layers.

    Attributes:
        widths: outputs of each dropout layer, in the model's order.
    """

    def __init__(self) -> None:
        self.widths: list[int] = []
        self._given: Sequence[Mask] = ()

    def layer(self, rate: float, name: str) -> Any:
        """A dropout layer; its rate is in the masks, and without masks it does nothing."""
        import keras

        masks = self

        class MaskedDropout(keras.layers.Layer):  # type: ignore[misc]
            def build(self, input_shape: tuple[int | None, ...]) -> None:
                self._number = len(masks.widths)
                self._inner = tuple(int(size or 0) for size in input_shape[1:])
                masks.widths.append(math.prod(self._inner))

            def call(self, inputs: Any, training: bool = False) -> Any:
                if not (training and masks._given):
                    return inputs
                mask = masks._given[self._number]
                if len(self._inner) == 1:
                    return mask(inputs)
                flat = keras.ops.reshape(inputs, (-1, math.prod(self._inner)))
                return keras.ops.reshape(mask(flat), (-1, *self._inner))

        del rate
        return MaskedDropout(name=name)

    @contextmanager
    def handed(self, masks: Sequence[Mask]) -> Iterator[None]:
        """Use `masks`, one a layer, for whatever is traced in the block."""
        self._given = masks
        try:
            yield
        finally:
            self._given = ()


def plain_scaling(factor: float, name: str) -> Any:
    """Like `keras.layers.Rescaling(factor)`, which goes over all features again to add 0."""
    import keras

    class Scaling(keras.layers.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            return keras.ops.cast(inputs, "float32") * factor

    return Scaling(name=name)
