"""Models of the user's own: KerasTuner hypermodels whose hyperparameters come from elsewhere.

The rule: `build` and `fit` run unchanged; only where a value is asked for, the one that the trial
has is given. (A subclass of `HyperParameters` does it; an Oracle would have no way to prune.)
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tuner.asked import Asked
from tuner.errors import ModelError
from tuner.models.reference import load_hypermodel, reason, where
from tuner.trial import ParamValue

Ask = Callable[[Asked], ParamValue]


def parameters(ask: Ask) -> Any:
    """`keras_tuner.HyperParameters` that ask for each value once, when it is active.

    Args:
        ask: gives the value of a hyperparameter.
    """
    import keras_tuner

    class Given(keras_tuner.HyperParameters):  # type: ignore[misc]
        def _register(self, hyperparameter: Any, overwrite: bool = False) -> Any:
            fixed = isinstance(hyperparameter, keras_tuner.engine.hyperparameters.Fixed)
            known = hyperparameter.name in self.values
            if not fixed and not known and self.is_active(hyperparameter):
                asked = asked_of(hyperparameter)
                self.values[hyperparameter.name] = _typed(asked, ask(asked))
            return super()._register(hyperparameter, overwrite)

    return Given()


def values_of(params: Mapping[str, ParamValue], otherwise: Ask, reference: str) -> Ask:
    """Gives what `params` have, checked against what the model allows; asks for the rest.

    Args:
        params: values by name.
        otherwise: asked where a name is missing.
        reference: the model, for messages.
    """

    def ask(asked: Asked) -> ParamValue:
        if asked.name not in params:
            return otherwise(asked)
        value = params[asked.name]
        if not asked.accepts(value):
            raise ModelError(
                f"{asked.name} is {value!r}, but model {reference} asks for {asked.allowed}."
            )
        return value

    return ask


def asked_of(hp: Any) -> Asked:
    """What a KerasTuner hyperparameter allows."""
    when = tuple((c.name, tuple(c.values)) for c in hp.conditions)
    kind = type(hp).__name__
    if kind == "Boolean":
        return Asked(
            hp.name, "categorical", choices=(False, True), default=bool(hp.default), when=when
        )
    if kind == "Choice":
        choices = tuple(hp.values)
        return Asked(
            hp.name,
            "categorical",
            choices=choices,
            ordered=_ascending(choices) and bool(hp.ordered),
            default=hp.default,
            when=when,
        )
    number = "int" if kind == "Int" else "float"
    if hp.sampling != "linear" and hp.step is not None:  # as many values as powers of the step
        cast = int if number == "int" else float
        values = tuple(sorted({cast(value) for value in hp.values}))
        ordered = len(values) > 1
        return Asked(
            hp.name, "categorical", choices=values, ordered=ordered, default=hp.default, when=when
        )
    log, reverse = (hp.sampling == word for word in ("log", "reverse_log"))
    step = None if number == "int" and hp.step == 1 else hp.step
    low, high = hp.min_value, hp.max_value
    return Asked(hp.name, number, low, high, step, log, reverse, default=hp.default, when=when)


def _ascending(values: tuple[Any, ...]) -> bool:
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    return 1 < len(numbers) == len(values) and sorted(set(numbers)) == numbers


def _typed(asked: Asked, value: ParamValue) -> ParamValue:
    """The value in the type that KerasTuner gives it: JSON has one kind of number."""
    if asked.kind == "categorical" or not isinstance(value, int | float):
        return value
    return int(value) if asked.kind == "int" else float(value)


def build(reference: str, folder: Path, ask: Ask) -> tuple[Any, Any, Any]:
    """The user's model for one configuration.

    Args:
        reference: `package.module:attribute`.
        folder: where modules of the user's own are looked for first.
        ask: gives the value of each hyperparameter.

    Returns:
        the hypermodel, the hyperparameters and the Keras model as `build` returned it.

    Raises:
        ModelError: it cannot be loaded, fails, or returns something that is no Keras model.
    """
    hypermodel = load_hypermodel(reference, folder)
    hp = parameters(ask)
    return hypermodel, hp, build_with(hypermodel, hp, reference, folder)


def build_with(hypermodel: Any, hp: Any, reference: str, folder: Path) -> Any:
    """What `hypermodel.build(hp)` returns, where that is a Keras model."""
    import keras

    try:
        model = hypermodel.build(hp)
    except (ModelError, MemoryError):
        raise
    except Exception as error:
        raise ModelError(
            f"model {reference} cannot be built: {reason(error)}{where(error, folder)}."
        ) from error
    if not isinstance(model, keras.Model):
        what = "nothing" if model is None else f"an object of type {type(model).__name__}"
        raise ModelError(
            f"model {reference} returns {what} from build, but a Keras model is needed."
        )
    return model


def has_own_fit(hypermodel: Any) -> bool:
    """Whether the hypermodel overrides `fit`."""
    import keras_tuner

    return type(hypermodel).fit is not keras_tuner.HyperModel.fit


def takes(function: Any, name: str) -> bool:
    """Whether a function can be called with a keyword of that name."""
    known = inspect.signature(function).parameters
    return name in known or any(p.kind == p.VAR_KEYWORD for p in known.values())


def takes_positions(function: Any, count: int) -> bool:
    """Whether a function can be called with `count` positional arguments."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    known = list(inspect.signature(function).parameters.values())
    several = any(p.kind == p.VAR_POSITIONAL for p in known)
    return several or sum(p.kind in kinds for p in known) >= count


def registered(hp: Any) -> list[Asked]:
    """All that a build has asked for, active or not, without what is fixed in the model's code."""
    import keras_tuner

    fixed = keras_tuner.engine.hyperparameters.Fixed
    return [asked_of(one) for one in hp.space if not isinstance(one, fixed)]
