"""What backpropagation does to each variable, measured at the present weights.

The rule: a look changes nothing. Gradients are of the data loss, without the L2 penalty, on the
first 32 training rows, in inference mode (dropout off, batch normalisation by its averages), as
`tape.gradient(loss, model.trainable_variables)` gives them.
"""

from __future__ import annotations

import math
from typing import Any

from tuner.gradients import GradientLog
from tuner.training.losses import row_losses

ROWS = 32
"""Training rows that gradients are taken on."""

SAMPLE = 512
"""Training rows that units are looked at on."""

SILENT = 1e-6
"""A unit whose outputs over the sample differ by no more says the same of every row."""


class Probe:
    """Looks at one model while it trains.

    Args:
        model: a functional Keras model as `models.mlp` builds it.
        x: raw features (n, ...) of the first `SAMPLE` training rows, or of all there are.
        y: their labels (n,), int32.
        classes: number of classes.
        loss: the data loss, as Keras names it.
    """

    def __init__(self, model: Any, x: Any, y: Any, classes: int, loss: str) -> None:
        import keras

        self._model, self._x, self._y = model, x, y
        self._classes, self._loss = classes, loss
        self._variables = model.trainable_variables
        hidden = [layer for layer in model.layers if layer.name.startswith("activation_")]
        outputs = [layer.output for layer in hidden]
        self._hidden = keras.Model(model.inputs, outputs) if outputs else None
        self._before: list[Any] | None = None
        self._log = GradientLog(
            variables=tuple(str(v.path) for v in self._variables),
            layers=tuple(layer.name.replace("activation_", "hidden ") for layer in hidden),
            classes=classes,
        )

    def look(self, epoch: int) -> None:
        """Note what there is after `epoch`; 0 is before training."""
        import numpy as np
        import tensorflow as tf

        with tf.GradientTape() as tape:
            predicted = self._model(self._x[:ROWS], training=False)
            labels = self._y[:ROWS]
            loss = tf.reduce_mean(row_losses(labels, predicted, self._classes, self._loss))
        gradients = tape.gradient(loss, [v.value for v in self._variables])
        found = [np.asarray(g, np.float64) for g in gradients]
        weights = [np.asarray(v.value, np.float64) for v in self._variables]
        before, self._before = self._before, weights
        self._log = self._log.with_epoch(
            epoch,
            mean=[_plain(g.mean()) for g in found],
            std=[_plain(g.std()) for g in found],
            size=[_plain(_rms(w)) for w in weights],
            change=[None] * len(weights) if before is None else list(map(_change, before, weights)),
            silent=self._silent(),
        )

    def log(self, last: int) -> GradientLog:
        """All that was noted up to the epoch `last`."""
        return self._log.until(last)

    def _silent(self) -> list[float | None]:
        """Of each hidden layer, the share of units that say the same of every row."""
        import numpy as np

        if self._hidden is None:
            return []
        outputs = self._hidden(self._x, training=False)
        found = []
        for one in outputs if isinstance(outputs, list | tuple) else [outputs]:
            reach = np.ptp(np.asarray(one, np.float64), axis=0)
            found.append(_plain((reach <= SILENT).mean()))
        return found


def _rms(values: Any) -> float:
    import numpy as np

    return float(np.sqrt(np.mean(np.square(values))))


def _change(before: Any, after: Any) -> float | None:
    """How far weights have moved, in units of their own size; None where that was 0."""
    size = _rms(before)
    return _plain(_rms(after - before) / size) if size > 0 else None


def _plain(value: Any) -> float | None:
    """Six digits, which is more than anybody reads; None for what is not finite."""
    number = float(value)
    return float(f"{number:.6g}") if math.isfinite(number) else None
