"""The engine `compiled`: a whole epoch is one call of a compiled function.

The rule: the same weights, the same batches and no dropout give what `model.fit` gives, to within
the rounding of sums. Everything random comes from the trial's seed: weights, order of the rows,
dropout masks.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

from tuner.data.prepared import Prepared
from tuner.gradients import GradientLog
from tuner.models.mlp import loss_name
from tuner.training.backend import configure, device_name, memory_errors
from tuner.training.base import Figures, OutOfMemoryError, Part, Running
from tuner.training.gradients import SAMPLE, Probe
from tuner.training.network import Knobs, Network, forget_others, network_for
from tuner.training.rows import open_data
from tuner.training.weighting import balanced_weights, weighs_classes
from tuner.training.weights import save_weights
from tuner.trial import Params, TrialSpec


class CompiledEngine:
    """One MLP in training, an epoch a call.

    Args:
        spec: the trial; its data folder must hold the fingerprint that it names.

    Attributes:
        timings: seconds that its making took, by phase: `data` and `compile`.
    """

    def __init__(self, spec: TrialSpec) -> None:
        import numpy as np

        begun = time.perf_counter()
        configure(spec.threads)
        data = open_data(spec)
        with memory_errors():
            self._rows = data.rows(spec.split)
        mapped = time.perf_counter()
        self._spec = spec
        try:
            self._network = self._made(data.prepared)
        except OutOfMemoryError:
            if not forget_others(spec):
                raise
            self._network = self._made(data.prepared)
        self.timings = {"data": mapped - begun, "compile": time.perf_counter() - mapped}
        self._generator = np.random.default_rng(spec.seed)
        batch = spec.params["batch_size"]
        assert isinstance(batch, int)
        self._batch = batch
        self._steps_an_epoch = math.ceil(len(self._rows["train"]) / batch)
        self._step = 0
        self._knobs = _knobs(spec.params, self._steps_an_epoch * spec.epochs)
        self._weights = self._class_weights(data.prepared.n_classes)
        self._kept: list[Any] | None = None
        self._probe: Probe | None = None
        self._classes = data.prepared.n_classes
        self._device = device_name(spec.threads)

    @property
    def parameters(self) -> int:
        return self._network.parameters

    @property
    def device(self) -> str:
        return self._device

    def train_epoch(self) -> Running:
        return self.train_on(self._generator.permutation(self._rows["train"].index))

    def train_on(self, order: Any) -> Running:
        """Train one epoch on the rows `order` (m,), int32, in that order."""
        try:
            return self._trained_on(order)
        except OutOfMemoryError:
            # What earlier trials have left here must not decide what becomes of this one.
            if self._step > 0 or not forget_others(self._spec):
                raise
        self._network.start(self._spec.seed)
        return self._trained_on(order)

    def _made(self, prepared: Prepared) -> Network:
        """The network of this shape, compiled, at the beginning of a trial."""
        with memory_errors():
            network, new = network_for(self._spec, prepared)
            if new:
                rows = self._rows["train"]
                network.compile(rows.x, rows.y)
            network.start(self._spec.seed)
            return network

    def _class_weights(self, classes: int) -> Any:
        """(classes,), float32, or None where the configuration weighs none."""
        import numpy as np

        rows = self._rows["train"]
        if not weighs_classes(self._spec.params):
            return None
        return balanced_weights(np.asarray(rows.y)[rows.index], classes)

    def _trained_on(self, order: Any) -> Running:
        rows = self._rows["train"]
        with memory_errors():
            done, loss, hits = self._network.epoch(
                *(rows.x, rows.y, order, self._batch, self._spec.seed, self._step),
                *(self._knobs, self._weights),
            )
        self._step += self._steps_an_epoch
        return Running(
            accuracy=hits / done, loss_penalised=loss / done, learning_rate=self._learning_rate()
        )

    def measure(self, part: Part) -> Figures:
        rows = self._rows[part]
        with memory_errors():
            loss, counts = self._network.sums(rows.x, rows.y, rows.index)
        return Figures(counts.all_hits / len(rows), loss / len(rows), counts)

    def penalty(self) -> float:
        return self._network.penalty(self._knobs.l2)

    def look(self, epoch: int) -> None:
        import tensorflow as tf

        with memory_errors():
            if self._probe is None:
                rows, classes = self._rows["train"], self._classes
                first = rows.index[:SAMPLE]
                x, y = tf.gather(rows.x, first), tf.gather(rows.y, first)
                loss = loss_name(self._spec.params, classes)
                self._probe = Probe(self._network.model, x, y, classes, loss)
            self._probe.look(epoch)

    def looks(self, last: int) -> GradientLog:
        assert self._probe is not None
        return self._probe.log(last)

    def snapshot(self) -> None:
        self._kept = self._network.model.get_weights()

    def save_snapshot(self, path: Path) -> None:
        assert self._kept is not None
        save_weights(path, self._kept)

    def _learning_rate(self) -> float:
        """The rate that the next step would take."""
        return float(self._knobs.rates([self._step])[0])


def _knobs(params: Params, steps: int) -> Knobs:
    """The knobs of a configuration; a cosine schedule spans `steps`."""

    def number(name: str) -> float:
        value = params.get(name, 0)
        assert isinstance(value, int | float)
        return float(value)

    return Knobs(
        l2=number("l2"),
        dropout=number("dropout"),
        learning_rate=number("learning_rate"),
        decay_steps=steps if params["schedule"] == "cosine" else 0,
        momentum=number("momentum"),
    )
