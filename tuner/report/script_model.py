"""The part of a script (`script`) that builds a trial's network in plain Keras, layer by layer.

The rule: what `models.mlp` and `models.cnn` build, in the order in which they build it; a block's
layers stand in a loop over widths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuner.models.blocks import number_of
from tuner.models.mlp import hidden_widths
from tuner.trial import ParamValue

WIDTH = 100


def network(
    model: str,
    params: Mapping[str, ParamValue],
    input_shape: Sequence[int],
    classes: int,
    scale: float,
) -> list[str]:
    """Lines that make `model`, formatted.

    Args:
        model: `mlp` or `cnn`.
        params: a complete configuration.
        input_shape: of one row of features.
        classes: how many.
        scale: features are divided by it inside the model.
    """
    shape = f"({', '.join(map(str, input_shape))}{',' * (len(input_shape) == 1)})"
    by = f"1 / {scale:g}" if scale != 1 else "1.0"
    penalty, lines = _penalty(params, twice=model == "cnn")
    lines += [f"model = keras.Sequential([keras.Input({shape}), layers.Rescaling({by})])"]
    block = _Block(params, penalty)
    widths: Sequence[int] = hidden_widths(params)
    if model == "cnn":
        widths = (int(number_of(params, "units")),)
        if len(input_shape) == 2:
            lines.append(f"model.add(layers.Reshape({(*input_shape, 1)}))")
        lines += _convolutions(block, min(input_shape[:2]))
    if len(input_shape) > 1:
        lines.append("model.add(layers.Flatten())")
    lines += block.loop("Dense", "width", widths)
    units, last = (1, "sigmoid") if classes == 2 else (classes, "softmax")
    lines.append(f'model.add(layers.Dense({units}{_initializer(params)}, activation="{last}"))')
    return lines


def _convolutions(block: _Block, side: int) -> list[str]:
    """Loops over convolutions: with pooling as long as a side has two pixels, then without."""
    params = block.params
    filters = [
        int(number_of(params, "filters")) << n for n in range(int(number_of(params, "depth")))
    ]
    halvings = side.bit_length() - 1
    given = f'filters, {params["kernel"]}, padding="same"'
    pooling = ["    model.add(layers.MaxPooling2D())"]
    return [
        *block.loop("Conv2D", given, filters[:halvings], pooling),
        *block.loop("Conv2D", given, filters[halvings:]),
    ]


def _penalty(params: Mapping[str, ParamValue], *, twice: bool) -> tuple[str, list[str]]:
    """An argument of a layer, and the lines that it needs; both empty without L2."""
    if not params["l2"]:
        return "", []
    penalty = f"keras.regularizers.L2({params['l2']!r})"
    if twice or _initializer(params):  # both do not fit on one line
        return ", kernel_regularizer=l2", [f"l2 = {penalty}"]
    return f", kernel_regularizer={penalty}", []


def _initializer(params: Mapping[str, ParamValue]) -> str:
    """An argument of a layer; empty for Keras's own."""
    name = params.get("initializer", "glorot_uniform")
    return "" if name == "glorot_uniform" else f', kernel_initializer="{name}"'


@dataclass(frozen=True)
class _Block:
    """Makes the lines of blocks of hidden layers.

    Attributes:
        params: a complete configuration.
        penalty: an argument of a layer, or nothing.
    """

    params: Mapping[str, ParamValue]
    penalty: str

    def loop(
        self,
        layer: str,
        arguments: str,
        widths: Sequence[int],
        pooling: Sequence[str] = (),
    ) -> list[str]:
        """A loop over `widths`, which the first of `arguments` names; no line without any."""
        if not widths:
            return []
        params = self.params
        name = arguments.split(",")[0]
        each = f"({widths[0]},)" if len(widths) == 1 else f"({', '.join(map(str, widths))})"
        before, after = (
            ["    model.add(layers.BatchNormalization())"] if params["batch_norm"] == place else []
            for place in ("before_activation", "after_activation")
        )
        rate = params["dropout"]
        return [
            f"for {name} in {each}:",
            *_adding(f"layers.{layer}", f"{arguments}{_initializer(params)}{self.penalty}"),
            *before,
            f'    model.add(layers.Activation("{params["activation"]}"))',
            *after,
            *pooling,
            *([f"    model.add(layers.Dropout({rate!r}))"] if rate else []),
        ]


def _adding(layer: str, arguments: str) -> list[str]:
    """Lines in a loop that add a layer, broken as a formatter breaks them."""
    made = f"{layer}({arguments})"
    if len(line := f"    model.add({made})") <= WIDTH:
        return [line]
    if len(line := f"        {made}") <= WIDTH:
        return ["    model.add(", line, "    )"]
    call = [f"        {layer}(", f"            {arguments}", "        )"]
    return ["    model.add(", *call, "    )"]
