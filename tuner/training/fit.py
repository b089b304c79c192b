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
from tuner.gradients import GradientLog
from tuner.training.backend import configure, device_name, memory_errors
from tuner.training.base import Figures, Part, Running
from tuner.training.gradients import SAMPLE, Probe
from tuner.training.losses import count_by_class, counts_of, row_losses
from tuner.training.weighting import balanced_weights, weighs_classes
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

        from tuner.models.build import build_model
        from tuner.models.mlp import (
            build_loss,
            build_optimizer,
            initialise,
            loss_name,
        )

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
        self._model = build_model(spec.model, spec.params, data)
        initialise(self._model, spec.seed)
        loss, accuracy = build_loss(spec.params, data.n_classes)
        self._classes = data.n_classes
        self._loss = loss_name(spec.params, data.n_classes)
        self._model.compile(
            optimizer=build_optimizer(spec.params, steps * spec.epochs),
            loss=loss,
            metrics=[accuracy],
            steps_per_execution=min(STEPS_PER_EXECUTION, steps),
        )
        # What `model.fit` compares with: one-hot rows where the loss asks for them.
        self._labels = self._rows["train"][1]
        if self._loss == "categorical_crossentropy":
            self._labels = keras.utils.to_categorical(self._labels, data.n_classes)
        # As Keras takes them: by the number of the class.
        self._class_weight: dict[int, float] | None = None
        if weighs_classes(spec.params):
            weights = balanced_weights(self._rows["train"][1], data.n_classes)
            self._class_weight = dict(enumerate(weights.tolist()))
        self._epoch = 0
        self._probe: Probe | None = None
        self._kept: list[Any] | None = None
        self._sums = _compiled_sums(tf, self._model, data.n_classes, self._loss)
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
        x, _ = self._rows["train"]
        with memory_errors():
            history = self._model.fit(
                x,
                self._labels,
                batch_size=self._batch,
                initial_epoch=self._epoch,
                epochs=self._epoch + 1,
                shuffle=True,
                class_weight=self._class_weight,
                verbose=0,
            ).history
        self._epoch += 1
        return Running(
            accuracy=float(history["accuracy"][0]),
            loss_penalised=float(history["loss"][0]),
            learning_rate=float(self._model.optimizer.learning_rate),
        )

    def measure(self, part: Part) -> Figures:
        import numpy as np

        x, y = self._rows[part]
        loss, found = 0.0, np.zeros((3 * self._classes,), np.int64)
        with memory_errors():
            for start in range(0, len(y), EVALUATION_ROWS):
                stop = start + EVALUATION_ROWS
                batch_loss, more = self._sums(x[start:stop], y[start:stop])
                loss += float(batch_loss)
                found += np.asarray(more)
        counts = counts_of(found)
        return Figures(counts.all_hits / len(y), loss / len(y), counts)

    def penalty(self) -> float:
        return float(sum(float(loss) for loss in self._model.losses))

    def look(self, epoch: int) -> None:
        import tensorflow as tf

        with memory_errors():
            if self._probe is None:
                x, y = (tf.convert_to_tensor(part[:SAMPLE]) for part in self._rows["train"])
                labels = tf.cast(y, tf.int32)
                self._probe = Probe(self._model, x, labels, self._classes, self._loss)
            self._probe.look(epoch)

    def looks(self, last: int) -> GradientLog:
        assert self._probe is not None
        return self._probe.log(last)

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


def _compiled_sums(tf: Any, model: Any, classes: int, loss: str) -> Any:
    """A compiled function (features, labels) -> (summed data loss, counts by class)."""

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def sums(x: Any, y: Any) -> Any:
        predicted = model(x, training=False)
        total = tf.reduce_sum(row_losses(y, predicted, classes, loss))
        return total, count_by_class(y, predicted, classes)

    def on_arrays(x: Any, y: Any) -> Any:
        return sums(tf.convert_to_tensor(x), tf.convert_to_tensor(y, tf.int32))

    return on_arrays
