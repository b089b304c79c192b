"""One shape of model, compiled: an epoch and an evaluation as one function each.

The rule: whatever may differ between two trials of one shape (λ, dropout rate, learning rate and
its schedule, momentum, batch size, rows, seed) is an argument of the compiled functions; what is
traced is the real Keras model and loss, and the weights and the optimizer's slots are Keras's own
variables. Shapes are kept for the next trial, the sixteen used last.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from tuner.data.prepared import Prepared
from tuner.models.blocks import Parts
from tuner.models.build import build_model
from tuner.models.engine_layers import Masks, plain_scaling
from tuner.models.mlp import build_optimizer, initialise, loss_name
from tuner.training.backend import one_after_the_other
from tuner.training.confusion import Counts
from tuner.training.draws import MASK_RANGE, draw_masks
from tuner.training.losses import count_by_class, count_hits, counts_of, logits_of, row_losses
from tuner.training.optimizers import fused_step, step_plan, weight_decay
from tuner.training.weighting import weighs_classes
from tuner.trial import TrialSpec

SHAPES_KEPT = 16
# Rows of one evaluation step: as many as fill about 8 million features, 2,048 at most.
EVALUATION_ROWS = 2048
EVALUATION_FEATURES = 8_000_000


@dataclass(frozen=True)
class Knobs:
    """What differs between trials of one shape, besides batch size and seed.

    Attributes:
        l2: λ of the hidden kernels.
        dropout: rate, in [0, 1).
        learning_rate: at the first step.
        decay_steps: steps over which the rate falls to zero as half a cosine, or 0: it stays.
        momentum: of SGD.
    """

    l2: float = 0.0
    dropout: float = 0.0
    learning_rate: float = 0.0
    decay_steps: int = 0
    momentum: float = 0.0

    def rates(self, steps: Any) -> Any:
        """Learning rate at each of `steps`, as keras.optimizers.schedules.CosineDecay has it."""
        import numpy as np

        if self.decay_steps == 0:
            return np.full(len(steps), self.learning_rate)
        share = np.minimum(steps, self.decay_steps) / self.decay_steps
        return self.learning_rate * 0.5 * (1.0 + np.cos(np.pi * share))


class Network:
    """A compiled model.

    Args:
        spec: any trial of the shape.
        prepared: the data; what counts is what its rows look like.
    """

    def __init__(self, spec: TrialSpec, prepared: Prepared) -> None:
        import numpy as np
        import tensorflow as tf

        input_shape, classes = prepared.input_shape, prepared.n_classes
        self._classes = classes
        self._loss = loss_name(spec.params, classes)
        self._weighted = weighs_classes(spec.params)
        self._masks = Masks()
        parts = Parts(dropout=self._masks.layer, scaling=plain_scaling)
        self.model = build_model(spec.model, spec.params, prepared, parts)
        # A constant rate and a momentum, so that the slots are there; neither value is used.
        params = {**spec.params, "schedule": "constant", "momentum": 0.5}
        self.optimizer = build_optimizer(params, 1)
        self.optimizer.build(self.model.trainable_variables)
        self.parameters = int(sum(np.prod(v.shape) for v in self.model.weights))
        # A convolution has more outputs than there are pixels.
        maps = [layer.output.shape[1:] for layer in self.model.layers if layer.output.ndim == 4]
        widest = max(int(np.prod(shape)) for shape in (input_shape, *maps))
        chunk = EVALUATION_FEATURES // widest
        self._chunk = max(1, min(EVALUATION_ROWS, chunk))
        self._penalised = [
            layer.kernel
            for layer in self.model.layers
            if getattr(layer, "kernel_regularizer", None) is not None
        ]
        # Sizes are left open: another batch size or split is no reason to trace again.
        self._x = tf.TensorSpec((None, *prepared.input_shape), np.dtype(prepared.dtypes["x_train"]))
        self._rows = tf.TensorSpec((None,), tf.int32)
        self._epoch = self._compiled_epoch()
        self._sums = self._compiled_sums()

    def start(self, seed: int) -> None:
        """Weights as drawn from `seed`, and an optimizer that has seen nothing."""
        import tensorflow as tf

        initialise(self.model, seed)
        for slot in self.optimizer.variables:
            if slot.shape != ():
                slot.assign(tf.zeros_like(slot.value))
        for variable in self._room:
            variable.assign(tf.zeros_like(variable))

    def epoch(
        self,
        x: Any,
        y: Any,
        order: Any,
        batch: int,
        key: int,
        step: int,
        knobs: Knobs,
        weights: Any = None,
    ) -> tuple[int, float, float]:
        """Train on the rows `order` of `x` and `y`, in that order.

        Args:
            x, y: tensors (n, ...) and (n,).
            order: row numbers (m,), int32.
            batch: rows a step; the last one takes what is left.
            key: seed of the dropout masks.
            step: steps taken before this epoch.
            knobs: what else differs between trials of one shape.
            weights: of the classes (classes,), float32, where the shape weighs them.

        Returns:
            Rows trained on (fewer than m where the loss ceased to be finite), the sum of penalised
            losses over them, and how many were classified correctly at the time.
        """
        import numpy as np

        steps = np.arange(step, step + -(-len(order) // batch))
        plan = step_plan(self.optimizer, knobs.rates(steps), steps)
        if weights is None:
            weights = np.ones(self._classes, np.float32)
        with one_after_the_other():
            done, loss, hits = self._epoch(
                x,
                y,
                order,
                np.int32(batch),
                np.array([key], np.uint64),
                np.uint64(step),
                np.float32(knobs.l2),
                np.uint16(min(round(knobs.dropout * MASK_RANGE), MASK_RANGE - 1)),
                np.float32(1.0 / (1.0 - knobs.dropout)),
                np.float32(knobs.momentum),
                plan,
                weights,
            )
        return int(done), float(loss), float(hits)

    def sums(self, x: Any, y: Any, index: Any) -> tuple[float, Counts]:
        """Summed data loss and counts by class over the rows `index`, in inference mode."""
        with one_after_the_other():
            loss, counts = self._sums(x, y, index)
        return float(loss), counts_of(counts)

    def penalty(self, l2: float) -> float:
        """The L2 penalty of the present weights, as Keras adds it to the loss."""
        import tensorflow as tf

        return l2 * float(sum(2.0 * float(tf.nn.l2_loss(k.value)) for k in self._penalised))

    def compile(self, x: Any, y: Any) -> None:
        """Trace and optimise both functions without training: no row is given."""
        import numpy as np

        nothing = np.zeros((0,), np.int32)
        self.epoch(x, y, nothing, 1, 0, 0, Knobs())
        self.sums(x, y, nothing)

    def _compiled_epoch(self) -> Any:
        import tensorflow as tf

        variables = self.model.trainable_variables
        take_step, self._room = fused_step(self.optimizer, variables)
        add_decay = weight_decay(variables, self._penalised)
        widths = self._masks.widths

        def one_step(features: Any, labels: Any, size: Any, key: Any, at: Any, now: Any) -> Any:
            l2, threshold, kept, momentum, each, *plan = now
            masks = draw_masks(widths, size, key, at, threshold, kept)
            with self._masks.handed(masks), tf.GradientTape(watch_accessed_variables=False) as tape:
                weights = [v.value for v in variables]
                tape.watch(weights)
                predicted = self.model(features, training=True)
                losses = row_losses(labels, predicted, self._classes, self._loss)
            # The gradient of the mean, without the operations that a mean would bring along.
            rows = tf.cast(size, tf.float32)
            share = tf.fill(tf.reshape(size, [1]), 1.0 / rows)
            if self._weighted:  # as in Keras: the sum of weighted losses over the count of rows
                share *= tf.gather(each, labels)
            gradients = tape.gradient(losses, weights, output_gradients=share)
            gradients, penalty = add_decay(gradients, l2)
            take_step(gradients, plan, momentum)
            hits = count_hits(labels, logits_of(predicted), self._classes)
            if self._weighted:
                losses *= share * rows
            return tf.reduce_sum(losses) + penalty * rows, hits

        number, word = tf.TensorSpec((), tf.float32), tf.TensorSpec((), tf.uint64)
        signature = (
            *(self._x, self._rows, self._rows, tf.TensorSpec((), tf.int32)),
            *(tf.TensorSpec((1,), tf.uint64), word),
            *(number, tf.TensorSpec((), tf.uint16), number, number),
            *(tf.TensorSpec((None, 3), tf.float32), tf.TensorSpec((self._classes,), tf.float32)),
        )

        @tf.function(autograph=False, input_signature=signature)  # type: ignore[untyped-decorator]
        def epoch(
            x: Any,
            y: Any,
            order: Any,
            batch: Any,
            key: Any,
            step: Any,
            l2: Any,
            threshold: Any,
            kept: Any,
            momentum: Any,
            plan: Any,
            each: Any,
        ) -> Any:
            total = tf.size(order)

            def go_on(start: Any, number: Any, loss: Any, hits: Any) -> Any:
                return tf.logical_and(start < total, tf.math.is_finite(loss))

            def body(start: Any, number: Any, loss: Any, hits: Any) -> Any:
                size = tf.minimum(batch, total - start)
                rows = tf.slice(order, tf.reshape(start, [1]), tf.reshape(size, [1]))
                at = step + tf.cast(number, tf.uint64)
                step_now = tf.unstack(tf.gather(plan, number), 3)
                now = (l2, threshold, kept, momentum, each, *step_now)
                more, right = one_step(tf.gather(x, rows), tf.gather(y, rows), size, key, at, now)
                return start + size, number + 1, loss + more, hits + right

            state = (tf.constant(0), tf.constant(0), tf.constant(0.0), tf.constant(0.0))
            start, _, loss, hits = tf.while_loop(go_on, body, state, parallel_iterations=1)
            return start, loss, hits

        return epoch

    def _compiled_sums(self) -> Any:
        import tensorflow as tf

        signature = (self._x, self._rows, self._rows)

        @tf.function(autograph=False, input_signature=signature)  # type: ignore[untyped-decorator]
        def sums(x: Any, y: Any, index: Any) -> Any:
            total = tf.size(index)

            def body(start: Any, loss: Any, counts: Any) -> Any:
                rows = tf.slice(index, [start], [tf.minimum(self._chunk, total - start)])
                labels = tf.gather(y, rows)
                predicted = self.model(tf.gather(x, rows), training=False)
                more = tf.reduce_sum(row_losses(labels, predicted, self._classes, self._loss))
                found = count_by_class(labels, predicted, self._classes)
                return start + tf.size(rows), loss + tf.cast(more, tf.float64), counts + found

            none = tf.zeros((3 * self._classes,), tf.int32)
            state = (tf.constant(0), tf.constant(0.0, tf.float64), none)
            found = tf.while_loop(lambda s, *_: s < total, body, state, parallel_iterations=1)
            return found[1:]

        return sums


_kept: OrderedDict[str, Network] = OrderedDict()


def forget_others(spec: TrialSpec) -> bool:
    """Give up every compiled shape but that of `spec`; whether there was another one."""
    import gc

    others = [shape for shape in _kept if shape != spec.shape]
    for shape in others:
        del _kept[shape]
    gc.collect()
    return bool(others)


def network_for(spec: TrialSpec, prepared: Prepared) -> tuple[Network, bool]:
    """The compiled network for the shape of `spec`, and whether it is new."""
    import gc

    network = _kept.get(spec.shape)
    if network is not None:
        _kept.move_to_end(spec.shape)
        return network, False
    while len(_kept) >= SHAPES_KEPT:
        _kept.popitem(last=False)
        gc.collect()  # functions, graphs and variables of a shape refer to one another
    network = _kept[spec.shape] = Network(spec, prepared)
    return network, True
