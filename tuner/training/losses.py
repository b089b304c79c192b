"""Data losses and counts of the two heads, by TensorFlow's fused operations on the logits.

The rule: the quantities are Keras's categorical and binary cross-entropies and its accuracies;
tests compare them. Keras itself composes the loss of ten small operations once operations are to be
deterministic, which on a CPU the fused one is anyway.
"""

from __future__ import annotations

from typing import Any

from tuner.training.confusion import Counts

EPSILON = 1e-7
"""As keras.config.epsilon()."""


def logits_of(predicted: Any) -> Any:
    """What the last activation was applied to, as Keras notes it on its output.

    Where it notes nothing, as behind other last layers, they are worked out from the probabilities,
    cut off at `EPSILON`.
    """
    known = getattr(predicted, "_keras_logits", None)
    if known is not None:
        return known
    import tensorflow as tf

    inside = tf.clip_by_value(predicted, EPSILON, 1.0 - EPSILON)
    logs = tf.math.log(inside)
    return logs if predicted.shape[-1] != 1 else logs - tf.math.log1p(-inside)


def row_losses(labels: Any, predicted: Any, classes: int, loss: str = "") -> Any:
    """Cross-entropy of each row (n,).

    Args:
        labels: (n,), int32.
        predicted: a model's output, (n, 1) for two classes, else (n, classes).
        classes: number of classes.
        loss: `categorical_crossentropy` goes by way of one-hot labels; it is the same quantity.
    """
    import tensorflow as tf

    logits = logits_of(predicted)
    if classes == 2:
        wanted = tf.cast(labels, tf.float32)
        return tf.nn.sigmoid_cross_entropy_with_logits(wanted, logits[:, 0])
    if loss == "categorical_crossentropy":
        wanted = tf.one_hot(labels, classes, dtype=tf.float32)
        return tf.nn.softmax_cross_entropy_with_logits(wanted, logits)
    if tf.config.list_physical_devices("GPU"):  # there the fused one is not deterministic
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    return tf.raw_ops.SparseSoftmaxCrossEntropyWithLogits(features=logits, labels=labels).loss


def count_hits(labels: Any, scores: Any, classes: int, threshold: float = 0.0) -> Any:
    """How many rows are classified correctly, as float32.

    Args:
        labels: (n,), int32.
        scores: logits or probabilities, (n, 1) or (n, classes).
        classes: number of classes.
        threshold: of two classes the second one lies above it.
    """
    import tensorflow as tf

    guess = _guesses(scores, classes, threshold)
    return tf.reduce_sum(tf.cast(tf.equal(guess, labels), tf.float32))


def count_by_class(labels: Any, predicted: Any, classes: int) -> Any:
    """Rows by class, (3 * classes,), int32: wrongly taken for it, rightly so, and of it.

    Args:
        labels: (n,), int32.
        predicted: a model's output, (n, 1) for two classes, else (n, classes).
        classes: number of classes.
    """
    import tensorflow as tf

    guess = _guesses(predicted, classes, 0.5)
    right = tf.cast(tf.equal(guess, labels), tf.int32)
    places = tf.concat([guess + classes * right, labels + 2 * classes], axis=0)
    if tf.config.list_physical_devices("GPU"):  # there the other one is not deterministic
        return tf.reduce_sum(tf.one_hot(places, 3 * classes, dtype=tf.int32), axis=0)
    none = tf.constant([], tf.int32)
    return tf.raw_ops.DenseBincount(input=places, size=3 * classes, weights=none)


def counts_of(found: Any) -> Counts:
    """What `count_by_class` counted, added up over batches (3 * classes,), as a value."""
    import numpy as np

    wrong, hits, present = np.asarray(found).reshape(3, -1)
    return Counts(
        hits=tuple(hits.tolist()),
        predicted=tuple((wrong + hits).tolist()),
        present=tuple(present.tolist()),
    )


def _guesses(scores: Any, classes: int, threshold: float) -> Any:
    import tensorflow as tf

    if classes == 2:
        return tf.cast(scores[:, 0] > threshold, tf.int32)
    return tf.argmax(scores, axis=-1, output_type=tf.int32)
