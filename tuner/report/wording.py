"""Words for values: figures, distances, parameters and configurations, short enough for a table.

No figure is shown so short that it would seem to be on the other side of a limit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from tuner.parameters import CATALOGUE
from tuner.targets import Target
from tuner.text import printable
from tuner.trial import Params, ParamValue

DOT = " · "

SHORT = {
    "val_accuracy": "val",
    "train_accuracy": "train",
    "accuracy_gap": "gap",
    "val_loss": "val loss",
    "train_loss": "train loss",
    "parameters": "weights",
    "val_balanced_accuracy": "balanced",
    "val_macro_f1": "macro F1",
}

SCORE_NAMES = {
    "val_accuracy": "validation accuracy",
    "val_balanced_accuracy": "balanced accuracy",
    "val_macro_f1": "macro F1",
}
"""What a study can maximise, in full; all of it is on validation."""


def one_line(text: str, most: int = 120) -> str:
    """The text on one line, cut at `most` characters."""
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= most else f"{line[: most - 1]}…"


def bracket(text: str) -> str:
    """` (text)`, or nothing for an empty text."""
    return f" ({text})" if text else ""


def plural(word: str, count: int) -> str:
    """The word, with an s unless there is one of it."""
    return word if count == 1 else f"{word}s"


def trials_text(count: int) -> str:
    """`1 trial`, `1,000 trials`."""
    return f"{count:,} {plural('trial', count)}"


def listed(texts: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def brief(target: Target) -> str:
    """`val >= 0.9`: a target for a narrow column."""
    return f"{SHORT[target.metric]} {target.text.removeprefix(target.metric).strip()}"


def goal_text(targets: Iterable[Target]) -> str:
    """`val >= 0.9, train < 0.95`: all targets for a column."""
    return ", ".join(map(brief, targets)) or "none"


def figure_text(metric: str, value: float | None, targets: Iterable[Target] = ()) -> str:
    """A figure with three decimals, or as many as it takes to stay on its side of every limit.

    Weights are whole numbers with separators; what was not measured is `–`.
    """
    if value is None or not math.isfinite(value):
        return "–"
    if metric == "parameters":
        return f"{value:,.0f}"
    limits = [t for t in targets if t.metric == metric]
    for digits in range(3, 12):
        text = f"{value:.{digits}f}"
        if all(t.met_by(float(text)) == t.met_by(value) for t in limits):
            return text
    return repr(value)


def amount_text(metric: str, value: float) -> str:
    """A distance, never rounded to nothing."""
    if metric == "parameters":
        return f"{value:,.0f}" if value >= 1 else f"{value:.1g}"
    return f"{value:.3f}" if value >= 0.0005 else f"{value:.1g}"


def duration_text(seconds: float) -> str:
    """`45 s`, `4 min`, `2 h 10 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def ago_text(seconds: float) -> str:
    """How long ago something was: `just now`, `5 min ago`, `3 h ago`, `12 days ago`."""
    if seconds < 60:
        return "just now"
    for limit, each, unit in ((3600, 60, "min"), (86400, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds // each)} {unit} ago"
    days = int(seconds // 86400)
    return f"{days} {plural('day', days)} ago"


def number_text(value: ParamValue) -> str:
    """A parameter's value, short enough to compare by eye: `9.3e-4`, `0.41`, `512`, `128-64`."""
    if isinstance(value, list):
        return "-".join(str(width) for width in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float) or not math.isfinite(value):
        return printable(str(value))
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    if not 1e-3 <= abs(value) < 1e6:
        mantissa, power = f"{value:.1e}".split("e")
        return f"{mantissa.removesuffix('.0')}e{int(power)}"
    for digits in range(2, 17):  # 0.999 must not look like 1
        text = f"{value:.{digits}g}"
        if "e" not in text and not float(text).is_integer():
            return text
    return repr(value)


def value_text(value: ParamValue) -> str:
    """A parameter's value with enough digits to repeat it by hand: `0.000361234`."""
    return f"{value:.6g}" if isinstance(value, float) else number_text(value)


def _shape(params: Params) -> str | None:
    if "layers" in params:
        return f"layers {number_text(params['layers'])}"
    if (convolutions := _convolutions(params)) is not None:
        return convolutions
    depth, units = params.get("depth"), params.get("units")
    if depth == 0:
        return "no hidden layer"
    if depth is None or units is None:
        known = {"depth": depth, "units": units}
        return DOT.join(f"{k} {number_text(v)}" for k, v in known.items() if v is not None) or None
    return f"{units}×{depth}"


def _convolutions(params: Params) -> str | None:
    """`conv 16-32 (3×3), dense 128`, if these numbers describe `model: cnn`."""
    # A model of the user's own may use the same names for something else.
    if params.get("batch_norm") not in CATALOGUE["batch_norm"].choices:
        return None
    found = [params.get(name) for name in ("depth", "units", *_CONVOLUTIONAL)]
    numbers = [value for value in found if isinstance(value, int)]
    if len(numbers) < len(found):
        return None
    depth, units, filters, kernel = numbers
    if depth == 0:
        return f"no convolution, dense {units}"
    widths = "-".join(str(filters << block) for block in range(depth))
    return f"conv {widths} ({kernel}×{kernel}), dense {units}"


def _labelled(name: str, label: str, without: str | None = None) -> Callable[[Params], str | None]:
    def phrase(params: Params) -> str | None:
        value = params.get(name)
        if value is None:
            return None
        if without is not None and value == 0:
            return without
        return f"{label} {number_text(value)}".strip()

    return phrase


def _batch_norm(params: Params) -> str | None:
    words = {"none": "no bn", "before_activation": "bn before", "after_activation": "bn after"}
    place = str(params.get("batch_norm", ""))
    return words.get(place, f"bn {place}") if place else None


def _loss(params: Params) -> str | None:
    words = {
        "categorical_crossentropy": "one-hot",
        "sparse_categorical_crossentropy": "sparse",
        "binary_crossentropy": "binary",
    }
    name = params.get("loss")
    return None if name is None else words.get(str(name), f"loss {number_text(name)}")


def _class_weight(params: Params) -> str | None:
    words = {"none": "classes unweighted", "balanced": "classes balanced"}
    name = params.get("class_weight")
    return None if name is None else words.get(str(name), f"class weight {number_text(name)}")


def _epochs(params: Params) -> str | None:
    count = params.get("epochs")
    return None if count is None else f"{number_text(count)} {'epoch' if count == 1 else 'epochs'}"


_PHRASES: tuple[tuple[str, Callable[[Params], str | None]], ...] = (
    ("optimizer", _labelled("optimizer", "")),
    ("momentum", _labelled("momentum", "momentum")),
    ("lr", _labelled("learning_rate", "lr")),
    ("schedule", _labelled("schedule", "")),
    ("shape", _shape),
    ("activation", _labelled("activation", "")),
    ("init", _labelled("initializer", "init")),
    ("bn", _batch_norm),
    ("dropout", _labelled("dropout", "dropout", "no dropout")),
    ("l2", _labelled("l2", "l2", "no l2")),
    ("batch", _labelled("batch_size", "batch")),
    ("loss", _loss),
    ("classes", _class_weight),
    ("epochs", _epochs),
    ("patience", _labelled("patience", "patience")),
)
_CONVOLUTIONAL = ("filters", "kernel")
_STEPS = ("optimizer", "momentum", "lr", "schedule")
_PHRASED = {
    *("optimizer", "learning_rate", "momentum", "schedule", "depth", "units", "layers"),
    *("activation", "batch_norm", "dropout", "l2", "batch_size"),
    *("initializer", "loss", "class_weight", "epochs", "patience"),
}


def phrases(params: Params) -> dict[str, str]:
    """A configuration as short phrases by topic, the model's own parameters first."""
    found = {topic: text for topic, phrase in _PHRASES if (text := phrase(params)) is not None}
    said = _PHRASED.union(_CONVOLUTIONAL if _convolutions(params) else ())
    own = {n: f"{n} {number_text(v)}" for n, v in params.items() if n not in said}
    return {**found, **own}


def ordered(topics: Iterable[str]) -> list[str]:
    """Topics without repetitions as `phrases` orders them; those of a model's own come last."""
    known = ["variant", *(topic for topic, _ in _PHRASES)]
    found = list(dict.fromkeys(topics))
    return [t for t in known if t in found] + [t for t in found if t not in known]


def joined(found: Mapping[str, str]) -> tuple[str, ...]:
    """Phrases by topic as what stands between two dots: the optimizer's own form one group."""
    groups: dict[str, list[str]] = {}
    for topic, text in found.items():
        groups.setdefault("optimizer" if topic in _STEPS else topic, []).append(text)
    return tuple(" ".join(group) for group in groups.values())


def configuration(params: Params) -> str:
    """`adam lr 9.3e-4 cosine · 512×2 · dropout 0.41 · l2 2.1e-5`: a configuration in one line."""
    return DOT.join(joined(phrases(params)))


def moment(seconds: float | None) -> str | None:
    """ISO 8601 in local time with its offset, or None."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")
