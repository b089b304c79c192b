"""Words and figures of the page: accuracies as percentages, everything else as in tables.

No figure is shown so short that it would seem to be on the other side of a limit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from tuner.report.selection import Entry
from tuner.report.wording import amount_text, figure_text, listed
from tuner.targets import SCORES, Target

SHARES = ("train_accuracy", *SCORES)

NAMES = {
    "val_accuracy": "validation",
    "train_accuracy": "train",
    "accuracy_gap": "gap",
    "val_loss": "validation loss",
    "train_loss": "train loss",
    "parameters": "weights",
    "val_balanced_accuracy": "balanced accuracy",
    "val_macro_f1": "macro F1",
}

_OPS = {">=": "≥", ">": ">", "<=": "≤", "<": "<"}
_NARROW, _FIRM = "\u202f", "\u00a0"


def figure(
    metric: str, value: float | None, targets: Iterable[Target] = (), digits: int = 1
) -> str:
    """`90.4 %`, `3.8 points`, `0.287`, `407,050`: a figure for a person.

    Args:
        metric: one of `targets.METRICS`.
        value: None, or not finite, is `–`.
        targets: on whose side of the limit the text has to stay.
        digits: decimals of a percentage, at least.
    """
    if metric not in (*SHARES, "accuracy_gap"):
        return figure_text(metric, value, targets)
    if value is None or not math.isfinite(value):
        return "–"
    limits = [t for t in targets if t.metric == metric]
    for places in range(digits, 10):
        text = f"{100 * value:.{places}f}"
        if all(t.met_by(float(f"{text}e-2")) == t.met_by(value) for t in limits):
            break
    return f"{text}{_NARROW}%" if metric in SHARES else f"{text} points"


def amount(metric: str, value: float) -> str:
    """A distance to a limit, never rounded to nothing: `0.3 points`."""
    if metric not in (*SHARES, "accuracy_gap"):
        return amount_text(metric, value)
    points = 100 * value
    text = f"{points:.1f}" if points >= 0.095 else f"{points:.1g}"
    return f"{text} {'point' if text == '1.0' else 'points'}"


def limit(target: Target) -> str:
    """The limit alone: `90 %`."""
    if target.metric in (*SHARES, "accuracy_gap"):
        return f"{float(f'{100 * target.value:.10g}'):g}{_NARROW}%"
    if target.metric == "parameters":
        return f"{target.value:,.10g}"
    return f"{target.value:g}"


def goal(target: Target) -> str:
    """`validation ≥ 90 %`, which no line breaks."""
    return f"{NAMES[target.metric]} {_OPS[target.op]} {limit(target)}".replace(" ", _FIRM)


def goals(targets: Sequence[Target]) -> str:
    """All targets: `validation ≥ 90 % with train < 95 %`."""
    texts = [goal(t) for t in targets]
    if not texts:
        return "the empty list of targets"
    return f"{texts[0]} with {listed(texts[1:])}" if len(texts) > 1 else texts[0]


def typeset(text: str) -> str:
    """Figures in a sentence as print has them: a minus sign, and no line ends within a figure."""
    text = re.sub(r"(?<![\w.-])-(?=\d)", "\u2212", text)
    text = re.sub(r"(?<=\d) (?=(%|s|points?|epochs|pairs)\b|%)", _FIRM, text)
    return text.replace(" ± ", f"{_FIRM}±{_FIRM}")


def share(value: float | None, digits: int = 1) -> str:
    """A share as a percentage."""
    return figure("val_accuracy", value, (), digits)


def confidence(value: float) -> str:
    """A probability below one as a percentage that is never rounded up to certainty."""
    return f"> 99.9{_NARROW}%" if value >= 0.9995 else share(value)


def named(entry: Entry) -> str:
    """`trial 7`, or `trial 0 (baseline)`."""
    return f"trial {entry.trial}" + (f" ({entry.variant})" if entry.variant else "")


def trials_listed(entries: Sequence[Entry], most: int = 5) -> str:
    """`trial 7`, `trials 7 and 9`, `trials 1, 2, 3, 4, 5 and 8 more`."""
    numbers = [str(e.trial) for e in entries[:most]]
    if len(entries) > most:
        numbers.append(f"{len(entries) - most} more")
    return f"trial{'s' * (len(entries) != 1)} {listed(numbers)}"


def capital(text: str) -> str:
    """The text with a capital letter in front."""
    return text[:1].upper() + text[1:]


def day(seconds: float | None) -> str:
    """`21 November 2026, 05:01`, local time; empty for None."""
    if seconds is None:
        return ""
    moment = datetime.fromtimestamp(seconds).astimezone()
    return f"{moment.day} {moment:%B %Y, %H:%M}"
