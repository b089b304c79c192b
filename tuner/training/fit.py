"""The engine `fit`: epochs through Keras's own `model.fit`.

The rule: what Keras does by itself is left to Keras. It is the reference that the compiled engine
is held against.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

from tuner.data.prepared import Prepared
from tuner.data.splits import split
from tuner.training.backend import configure, device_name, memory_errors
from tuner.training.base import Figures, Part, Running
from tuner.training.losses import count_hits, row_losses
from tuner.training.weights import save_weights
from tuner.trial import TrialSpec

EVALUATION_ROWS = 2048
# Batches handed to the compiled step at once; beyond this the gain is within the noise.
STEPS_PER_EXECUTION = 50


class FitEngine:
    """One MLP trained by `model.fit`, an epoch a call.

    Args:
        spec: the trial; its data folder must hold the fingerprint that it names.

    Attributes:
        timings: seconds that its making took, by phase: `data` and `compile`.
    """

    def __init__(self, spec: TrialSpec) -> None:
        begun = time.perf_counter()
        configure(spec.threads)
        import keras
        import numpy as np
        import tensorflow as tf

        from tuner.models.mlp import build_loss, build_model, build_optimizer, initialise

        data = Prepared.open(Path(spec.data), spec.fingerprint)
        self._rows = _rows(data, spec)
        mapped = time.perf_counter()
        examples = len(self._rows["train"][1])
        batch = spec.params["batch_size"]
        assert isinstance(batch, int)
        self._batch = batch
        steps = math.ceil(examples / batch)

        keras.backend.clear_session()
        keras.utils.set_random_seed(spec.seed)
        self._model = build_model(spec.params, data.input_shape, data.n_classes, data.scale)
        initialise(self._model, spec.seed)
        loss, accuracy = build_loss(data.n_classes)
        self._model.compile(
            optimizer=build_optimizer(spec.params, steps * spec.epochs),
            loss=loss,
            metrics=[accuracy],
            steps_per_execution=min(STEPS_PER_EXECUTION, steps),
        )
        self._epoch = 0
        self._kept: list[Any] | None = None
        self._sums = _compiled_sums(tf, self._model, data.n_classes)
        self._parameters = int(sum(np.prod(v.shape) for v in self._model.weights))
        self._device = device_name(spec.threads)
        self.timings = {"data": mapped - begun, "compile": time.perf_counter() - mapped}

    @property
    def parameters(self) -> int:
        return self._parameters

    @property
    def device(self) -> str:
        return self._device

    def train_epoch(self) -> Running:
        x, y = self._rows["train"]
        with memory_errors():
            history = self._model.fit(
                x,
                y,
                batch_size=self._batch,
                initial_epoch=self._epoch,
                epochs=self._epoch + 1,
                shuffle=True,
                verbose=0,
            ).history
        self._epoch += 1
        return Running(
            accuracy=float(history["accuracy"][0]),
            loss_penalised=float(history["loss"][0]),
            learning_rate=float(self._model.optimizer.learning_rate),
        )

    def measure(self, part: Part) -> Figures:
        x, y = self._rows[part]
        loss = hits = 0.0
        with memory_errors():
            for start in range(0, len(y), EVALUATION_ROWS):
                stop = start + EVALUATION_ROWS
                batch_loss, batch_hits = self._sums(x[start:stop], y[start:stop])
                loss += float(batch_loss)
                hits += float(batch_hits)
        return Figures(accuracy=hits / len(y), loss=loss / len(y))

    def penalty(self) -> float:
        return float(sum(float(loss) for loss in self._model.losses))

    def snapshot(self) -> None:
        self._kept = self._model.get_weights()

    def save_snapshot(self, path: Path) -> None:
        assert self._kept is not None
        save_weights(path, self._kept)


def _rows(data: Prepared, spec: TrialSpec) -> dict[Part, tuple[Any, Any]]:
    train, validation = split(data.y_train, spec.split)
    held_out = (
        data.test()
        if spec.split.kind == "test"
        else (data.x_train[validation], data.y_train[validation])
    )
    return {"train": (data.x_train[train], data.y_train[train]), "validation": held_out}


def _compiled_sums(tf: Any, model: Any, classes: int) -> Any:
    """A compiled function (features, labels) -> (summed data loss, count of hits)."""

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def sums(x: Any, y: Any) -> Any:
        predicted = model(x, training=False)
        loss = tf.reduce_sum(row_losses(y, predicted, classes))
        return loss, count_hits(y, predicted, classes, threshold=0.5)

    def on_arrays(x: Any, y: Any) -> Any:
        return sums(tf.convert_to_tensor(x), tf.convert_to_tensor(y, tf.int32))

    return on_arrays
