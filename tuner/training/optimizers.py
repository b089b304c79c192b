"""One optimizer step by TensorFlow's fused kernels, on the variables of a Keras optimizer.

The rule: the arithmetic is Keras's, in one pass over the weights instead of eight; tests hold each
kernel against `model.fit`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Apply = Callable[[Sequence[Any], Sequence[Any], Any], None]


def step_plan(optimizer: Any, rates: Any, steps: Any) -> Any:
    """What each step of an epoch needs, worked out before it: (n, 3), float32.

    Args:
        optimizer: a Keras optimizer.
        rates: learning rate of each step (n,).
        steps: numbers of the steps, from 0 (n,).

    Columns: the rate, and for Adam the powers of both its betas (Kingma & Ba 2015, section 2).
    """
    import numpy as np

    beta_1 = getattr(optimizer, "beta_1", 0.0)
    beta_2 = getattr(optimizer, "beta_2", 0.0)
    count = np.asarray(steps, np.float64) + 1.0
    return np.stack([rates, beta_1**count, beta_2**count], axis=1).astype(np.float32)


def weight_decay(variables: Sequence[Any], penalised: Sequence[Any]) -> Callable[..., Any]:
    """A function (gradients, λ) → (gradients of the penalised loss, penalty) for tracing.

    The gradient of the penalty is added in place, in a variable: one pass over the weights instead
    of two, and no room for a product.
    """
    import tensorflow as tf

    raw = tf.raw_ops
    chosen = {id(kernel) for kernel in penalised}
    places = [i for i, v in enumerate(variables) if id(v) in chosen]
    sums = {i: tf.Variable(tf.zeros_like(variables[i].value), trainable=False) for i in places}

    def add(gradients: Sequence[Any], l2: Any) -> tuple[list[Any], Any]:
        found = list(gradients)
        penalty: Any = 0.0
        for i in places:
            weights = variables[i].value
            penalty += l2 * 2.0 * tf.nn.l2_loss(weights)
            handle = sums[i].handle
            raw.AssignVariableOp(resource=handle, value=found[i])
            raw.ResourceApplyGradientDescent(var=handle, alpha=-2.0 * l2, delta=weights)
            found[i] = raw.ReadVariableOp(resource=handle, dtype=tf.float32)
        return found, penalty

    return add


def fused_step(optimizer: Any, variables: Sequence[Any]) -> tuple[Apply, list[Any]]:
    """A function (gradients, row of `step_plan`, momentum) that takes one step when traced.

    And variables beside the optimizer's own, which a new trial sets to zero like those.

    Args:
        optimizer: a built Keras SGD, Adam or RMSprop without clipping, decay or averages.
        variables: the trainable variables, in the order of the gradients.

    All numbers are float32 scalars.
    """
    import keras
    import tensorflow as tf

    raw = tf.raw_ops
    weights = [variable.value.handle for variable in variables]
    if isinstance(optimizer, keras.optimizers.Adam):
        means = [slot.value.handle for slot in optimizer._momentums]
        squares = [slot.value.handle for slot in optimizer._velocities]
        beta_1, beta_2, epsilon = optimizer.beta_1, optimizer.beta_2, optimizer.epsilon

        def adam(gradients: Sequence[Any], plan: Sequence[Any], momentum: Any) -> None:
            rate, beta1_power, beta2_power = plan
            for var, m, v, grad in zip(weights, means, squares, gradients, strict=True):
                raw.ResourceApplyAdam(
                    var=var,
                    m=m,
                    v=v,
                    lr=rate,
                    beta1=beta_1,
                    beta2=beta_2,
                    epsilon=epsilon,
                    grad=grad,
                    beta1_power=beta1_power,
                    beta2_power=beta2_power,
                )

        return adam, []
    if isinstance(optimizer, keras.optimizers.RMSprop):
        averages = [slot.value.handle for slot in optimizer._velocities]
        # The kernel wants room for a momentum. It is 0 here; but 0 times what a trial that diverged
        # has left there is not a number.
        room = [tf.Variable(tf.zeros_like(v.value), trainable=False) for v in variables]
        rho, epsilon = optimizer.rho, optimizer.epsilon

        def rmsprop(gradients: Sequence[Any], plan: Sequence[Any], momentum: Any) -> None:
            rate, *_ = plan
            for var, ms, mom, grad in zip(weights, averages, room, gradients, strict=True):
                raw.ResourceApplyRMSProp(
                    var=var,
                    ms=ms,
                    mom=mom.handle,
                    lr=rate,
                    rho=rho,
                    momentum=0.0,
                    epsilon=epsilon,
                    grad=grad,
                )

        return rmsprop, room
    if isinstance(optimizer, keras.optimizers.SGD):
        slots = [slot.value.handle for slot in optimizer.momentums]

        def sgd(gradients: Sequence[Any], plan: Sequence[Any], momentum: Any) -> None:
            rate, *_ = plan
            for var, accum, grad in zip(weights, slots, gradients, strict=True):
                raw.ResourceApplyKerasMomentum(
                    var=var, accum=accum, lr=rate, grad=grad, momentum=momentum
                )

        return sgd, []
    raise TypeError(f"no fused step for {type(optimizer).__name__}")
