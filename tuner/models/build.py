"""From the name of a built-in model and a configuration to a Keras model of some data.

The rule: engines and exports build models through here, so that they all mean the same one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tuner.asked import Asked
from tuner.data.prepared import Prepared
from tuner.errors import ModelError
from tuner.models import cnn, mlp
from tuner.models.blocks import Parts
from tuner.parameters import is_own
from tuner.trial import Params, ParamValue

BUILT_IN = {"mlp": mlp.build_model, "cnn": cnn.build_model}


def build_model(model: str, params: Params, data: Prepared, parts: Parts | None = None) -> Any:
    """The uncompiled `keras.Model` called `model` for rows of `data`.

    Args:
        model: a key of `BUILT_IN`.
        params: a complete configuration.
        data: what its rows look like counts, not the rows.
        parts: layers to use instead of Keras's own.
    """
    build = BUILT_IN[model]
    return build(params, data.input_shape, data.n_classes, data.scale, parts, data.standard)


def rebuilt(model: str, params: Params, data: Prepared) -> tuple[Any, Any]:
    """A model whose kept weights are to be put back.

    Args:
        model: a key of `BUILT_IN`, or `package.module:attribute`.
        params, data: as for `build_model`.

    Returns:
        the uncompiled model that takes raw rows and gives class probabilities, and the one inside
        it that the weights belong to, in the order in which they were kept.

    Raises:
        ModelError: a model of the user's own asks for what `params` do not say.
    """
    if not is_own(model):
        built = build_model(model, params, data)
        return built, built
    from tuner.models import own, wrapping

    def missing(asked: Asked) -> ParamValue:
        raise ModelError(
            f"model {model} asks for {asked.name}, which the trial's record does not have: its "
            "code has changed since."
        )

    ask = own.values_of(params, missing, model)
    _, _, inner = own.build(model, Path.cwd(), ask)
    return wrapping.wrapped(inner, data, model), inner
