"""The part of a script (`script`) that builds a trial's network in plain Keras, layer by layer.

The rule: what `models.mlp` and `models.cnn` build, in the order in which they build it; a block's
layers stand in a loop over widths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tuner.models.blocks import NORMS, number_of
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
    lines = [f"model = keras.Sequential([keras.Input({shape}), layers.Rescaling({by})])"]
    if model == "cnn":
        if len(input_shape) == 2:
            lines.append(f"model.add(layers.Reshape({(*input_shape, 1)}))")
        lines += _convolutions(params, min(input_shape[:2]))
        widths = [int(number_of(params, "units"))]
    else:
        widths = hidden_widths(params)
    if widths and params["l2"]:
        lines.insert(0, f"l2 = keras.regularizers.L2({params['l2']!r})")
    if len(input_shape) > 1:
        lines.append("model.add(layers.Flatten())")
    lines += _blocks(params, "Dense", "width", widths)
    units, last = (1, "sigmoid") if classes == 2 else (classes, "softmax")
    lines.append(f'model.add(layers.Dense({units}{_initializer(params)}, activation="{last}"))')
    return lines


def _convolutions(params: Mapping[str, ParamValue], side: int) -> list[str]:
    """Loops over convolutions: with pooling as long as a side has two pixels, then without."""
    first, depth = (int(number_of(params, name)) for name in ("filters", "depth"))
    filters = [first << block for block in range(depth)]
    halvings = side.bit_length() - 1
    given = f'filters, {params["kernel"]}, padding="same"'
    return [
        *_blocks(params, "Conv2D", given, filters[:halvings], ("MaxPooling2D()",)),
        *_blocks(params, "Conv2D", given, filters[halvings:]),
    ]


def _initializer(params: Mapping[str, ParamValue]) -> str:
    """An argument of a layer; empty for Keras's own."""
    name = params.get("initializer", "glorot_uniform")
    return "" if name == "glorot_uniform" else f', kernel_initializer="{name}"'


def _blocks(
    params: Mapping[str, ParamValue],
    layer: str,
    arguments: str,
    widths: Sequence[int],
    pooling: Sequence[str] = (),
) -> list[str]:
    """A loop over `widths`, which the first of `arguments` names; no line without any."""
    if not widths:
        return []
    each = f"({widths[0]},)" if len(widths) == 1 else f"({', '.join(map(str, widths))})"
    penalty = ", kernel_regularizer=l2" if params["l2"] else ""
    before, after = (
        ["BatchNormalization()"] if params["batch_norm"] == place else [] for place in NORMS
    )
    rest = [*before, f'Activation("{params["activation"]}")', *after, *pooling]
    rest += [f"Dropout({params['dropout']!r})"] if params["dropout"] else []
    return [
        f"for {arguments.split(',')[0]} in {each}:",
        *_adding(layer, f"{arguments}{_initializer(params)}{penalty}"),
        *(f"    model.add(layers.{one})" for one in rest),
    ]


def _adding(layer: str, arguments: str) -> list[str]:
    """Lines in a loop that add a layer, broken as a formatter breaks them."""
    made = f"layers.{layer}({arguments})"
    if len(line := f"    model.add({made})") <= WIDTH:
        return [line]
    if len(line := f"        {made}") <= WIDTH:
        return ["    model.add(", line, "    )"]
    call = [f"        layers.{layer}(", f"            {arguments}", "        )"]
    return ["    model.add(", *call, "    )"]
