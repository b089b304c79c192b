"""Data losses and hits of the two heads, by TensorFlow's fused operations on the logits.

The rule: the quantities are Keras's categorical and binary cross-entropies and its accuracies;
tests compare them. Keras itself composes the loss of ten small operations once operations are to be
deterministic, which on a CPU the fused one is anyway.
"""

from __future__ import annotations

from typing import Any


def logits_of(predicted: Any) -> Any:
    """What the last activation was applied to, as Keras notes it on its output."""
    return predicted._keras_logits


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

    if classes == 2:
        guess = tf.cast(scores[:, 0] > threshold, tf.int32)
    else:
        guess = tf.argmax(scores, axis=-1, output_type=tf.int32)
    return tf.reduce_sum(tf.cast(tf.equal(guess, labels), tf.float32))
