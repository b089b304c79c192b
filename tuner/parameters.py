"""The parameters of the built-in models: one catalogue, read by everything that names a parameter.

A parameter's bounds, its default and what it depends on stand here and nowhere else. `complete`
turns a handful of values into the full configuration that a trial is trained with.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from tuner.trial import Params, ParamValue

Kind = Literal["float", "int", "choice", "layers"]

MODELS = ("mlp", "cnn")
"""The built-in models."""


def is_own(model: str) -> bool:
    """Whether `model` names one of the user's own, as `package.module:attribute`."""
    return ":" in model


OWN_PARAMETERS = ("batch_size", "epochs", "patience")
"""What a sweep file can search beside what a model of the user's own asks for."""


@dataclass(frozen=True)
class Hyperparameter:
    """One parameter of the model: what it may be, and what it is when nobody says.

    Attributes:
        name: as in a sweep file.
        kind: `float`, `int`, `choice` (one of `choices`) or `layers` (a list of widths).
        description: one line for a person.
        default: its value when neither the space nor `fixed` names it; None: then it is absent.
        low, high: bounds of a number, None where there is none.
        low_open, high_open: whether that bound itself is excluded.
        choices: the allowed words of a `choice`.
        models: the built-in models that have it.
    """

    name: str
    kind: Kind
    description: str
    default: ParamValue | None
    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False
    choices: tuple[str, ...] = ()
    models: tuple[str, ...] = MODELS

    @property
    def numeric(self) -> bool:
        """Whether its values are numbers, so that a range makes sense."""
        return self.kind in ("float", "int")

    @property
    def allowed(self) -> str:
        """What it accepts, in words: `a number of at least 0 and below 1`."""
        if self.kind == "choice":
            return f"one of {', '.join(self.choices)}"
        if self.kind == "layers":
            return "a list of widths such as [128, 64], each a whole number of at least 1"
        limits = []
        if self.low is not None:
            limits.append(f"{'above' if self.low_open else 'of at least'} {self.low:g}")
        if self.high is not None:
            limits.append(f"{'below' if self.high_open else 'at most'} {self.high:g}")
        noun = "a whole number" if self.kind == "int" else "a number"
        return f"{noun} {' and '.join(limits)}".rstrip()

    def accept(self, value: object) -> ParamValue:
        """`value` in the type that this parameter has (a float for 0, an int for 64.0).

        Raises:
            ValueError: it is not allowed; the message says what is.
        """
        accepted: ParamValue | None = None
        if self.kind == "choice":
            accepted = value if isinstance(value, str) and value in self.choices else None
        elif self.kind == "layers":
            accepted = _widths(value)
        elif self.kind == "int":
            accepted = _whole(value)
        else:
            accepted = _real(value)
        if accepted is None or (isinstance(accepted, int | float) and not self._within(accepted)):
            raise ValueError(f"must be {self.allowed}, not {show(value)}")
        return accepted

    def _within(self, value: float) -> bool:
        above = self.low is None or value > self.low or (value == self.low and not self.low_open)
        below = (
            self.high is None or value < self.high or (value == self.high and not self.high_open)
        )
        return above and below


def _real(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _whole(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 10**9:
        return None
    return int(value) if value == int(value) else None


def _widths(value: object) -> list[int] | None:
    if not isinstance(value, list | tuple) or not value:
        return None
    widths = [_whole(v) for v in value]
    found = [w for w in widths if w is not None and w >= 1]
    return found if len(found) == len(widths) else None


def show(value: object) -> str:
    """`value` as a person would write it in a sweep file, shortened."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        text = f"[{', '.join(show(v) for v in value[:6])}{', …' if len(value) > 6 else ''}]"
    else:
        text = repr(value) if isinstance(value, str | int | float) else type(value).__name__
    return text if len(text) <= 60 else f"{text[:57]}…"


_ALL = (
    Hyperparameter("l2", "float", "L2 penalty on the kernels of hidden layers, as λ", 0.0, low=0.0),
    Hyperparameter(
        "dropout",
        "float",
        "share of each hidden layer's outputs dropped while training",
        0.0,
        low=0.0,
        high=1.0,
        high_open=True,
    ),
    Hyperparameter("batch_size", "int", "rows in one step of the optimizer", 128, low=1),
    Hyperparameter(
        "optimizer",
        "choice",
        "what turns gradients into steps",
        "adam",
        choices=("sgd", "adam", "rmsprop"),
    ),
    Hyperparameter(
        "momentum",
        "float",
        "momentum of sgd; the other optimizers have none",
        0.0,
        low=0.0,
        high=1.0,
        high_open=True,
    ),
    Hyperparameter(
        "depth",
        "int",
        "number of hidden layers, 0 is a softmax regression; of a cnn, convolutions with pooling",
        1,
        low=0,
        high=20,
    ),
    Hyperparameter(
        "units",
        "int",
        "width of every hidden layer; of a cnn, of the one before the output",
        128,
        low=1,
    ),
    Hyperparameter(
        "layers",
        "layers",
        "width of each hidden layer; replaces depth and units",
        None,
        models=("mlp",),
    ),
    Hyperparameter(
        "filters",
        "int",
        "of a cnn, filters of the first convolution; each further one has twice as many",
        32,
        low=1,
        models=("cnn",),
    ),
    Hyperparameter(
        "kernel",
        "int",
        "of a cnn, side of every convolution's window, in pixels",
        3,
        low=1,
        high=15,
        models=("cnn",),
    ),
    Hyperparameter(
        "learning_rate",
        "float",
        "learning rate at the first step",
        1e-3,
        low=0.0,
        low_open=True,
    ),
    Hyperparameter(
        "schedule",
        "choice",
        "learning rate over the epochs: constant, or a cosine decay to 0",
        "constant",
        choices=("constant", "cosine"),
    ),
    Hyperparameter(
        "batch_norm",
        "choice",
        "batch normalisation in hidden layers, and on which side of the activation",
        "none",
        choices=("none", "before_activation", "after_activation"),
    ),
    Hyperparameter(
        "activation",
        "choice",
        "activation of hidden layers",
        "relu",
        choices=("relu", "tanh", "sigmoid", "elu", "gelu"),
    ),
    Hyperparameter(
        "initializer",
        "choice",
        "what draws the kernels before training; Keras's glorot_uniform where it is not named",
        None,
        choices=("glorot_uniform", "he_normal", "zeros"),
    ),
    Hyperparameter(
        "loss",
        "choice",
        "the data loss; where it is not named, sparse_categorical_crossentropy, and "
        "binary_crossentropy for two classes; categorical_crossentropy takes one-hot labels",
        None,
        choices=(
            "sparse_categorical_crossentropy",
            "categorical_crossentropy",
            "binary_crossentropy",
        ),
    ),
    Hyperparameter(
        "class_weight",
        "choice",
        "weights of the classes in the training loss: balanced is rows / (classes × rows of the "
        "class), none where it is not named; figures on train and val stay unweighted",
        None,
        choices=("none", "balanced"),
    ),
    Hyperparameter(
        "epochs",
        "int",
        "epochs of a trial, in place of the key `epochs`, where they differ between trials",
        None,
        low=1,
        high=1_000_000,
    ),
    Hyperparameter(
        "patience",
        "int",
        "ends a trial whose val_loss has not improved for so many epochs, as `early_stopping` "
        "does for all",
        None,
        low=1,
        high=1_000_000,
    ),
)

CATALOGUE: dict[str, Hyperparameter] = {p.name: p for p in _ALL}

# Names that other tools and papers use for ours.
ALIASES: dict[str, str] = {
    "lr": "learning_rate",
    "eta": "learning_rate",
    "weight_decay": "l2",
    "lambda": "l2",
    "regularization": "l2",
    "num_layers": "depth",
    "n_layers": "depth",
    "hidden_layers": "depth",
    "hidden_units": "units",
    "hidden": "units",
    "width": "units",
    "batch": "batch_size",
    "lr_schedule": "schedule",
    "normalization": "batch_norm",
    "kernel_initializer": "initializer",
    "init": "initializer",
    "conv_filters": "filters",
    "kernel_size": "kernel",
}


def in_order(params: Mapping[str, ParamValue]) -> Params:
    """The same values with keys in the catalogue's order, others behind; lists are copied."""
    names = [name for name in CATALOGUE if name in params]
    names += [name for name in params if name not in CATALOGUE]
    return {
        name: list(value) if isinstance(value := params[name], list) else value for name in names
    }


def complete(params: Mapping[str, ParamValue], model: str = "mlp") -> Params:
    """The full configuration: `params` with defaults for the rest, keys in catalogue order.

    Left out is what has no effect: `momentum` unless the optimizer is sgd, `depth` and `units`
    where `layers` stands. (`units` stays at depth 0, where nothing reads it.)

    Args:
        params: what is known of it.
        model: whose defaults fill the rest; one of the user's own has none here.
    """
    if is_own(model):
        return in_order(params)
    full: Params = {
        name: p.default
        for name, p in CATALOGUE.items()
        if p.default is not None and model in p.models
    }
    full.update(params)
    if "layers" in full:
        del full["depth"], full["units"]
    if full["optimizer"] != "sgd":
        del full["momentum"]
    return in_order(full)


def overlay(base: Mapping[str, ParamValue], own: Mapping[str, ParamValue]) -> Params:
    """`own` laid over `base`: `layers` in one displaces `depth` and `units` in the other."""
    displaced: Iterable[str] = ()
    if "layers" in own:
        displaced = ("depth", "units")
    elif "depth" in own or "units" in own:
        displaced = ("layers",)
    return {**{name: v for name, v in base.items() if name not in displaced}, **own}


def epochs_of(params: Mapping[str, ParamValue], usual: int) -> int:
    """Epochs of a full trial: its own, where they differ between trials.

    Args:
        params: the trial's configuration.
        usual: of the sweep.
    """
    own = params.get("epochs")
    return own if isinstance(own, int) else usual
