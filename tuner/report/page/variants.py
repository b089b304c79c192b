"""The variants of a sweep beside each other: their figures over all seeds, and paired differences.

The rule: what was not measured is `–`, never 0. Differences are those behind the answers, `of`
minus `than`; they are drawn with the better side to the right, whatever the sign of better is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tuner.definition import SweepDefinition
from tuner.questions import By
from tuner.report.answers import Answer, figure_name, interval_text, signed, spread_text, unasked
from tuner.report.page.charts_curves import PALETTE
from tuner.report.page.words import goals, typeset
from tuner.report.selection import Outcome
from tuner.report.variants import Difference, Spread, Variant
from tuner.report.wording import DOT, joined, one_line, ordered, phrases, plural
from tuner.targets import BY_CLASS, Target

TEST_HEAD = "test rows, not used for selection"

_COLUMNS = {
    "val_accuracy": "accuracy",
    "best": "best of any epoch",
    "val_balanced_accuracy": "balanced accuracy",
    "val_macro_f1": "macro F1",
    "val_loss": "loss",
    "val_loss_penalised": "loss with penalty",
    "train_accuracy": "accuracy",
    "test_accuracy": "accuracy",
    "test_loss": "loss",
}
_HEADS = (
    ("validation", ("val_accuracy", "best", *BY_CLASS, "val_loss", "val_loss_penalised")),
    ("train", ("train_accuracy",)),
    (TEST_HEAD, ("test_accuracy", "test_loss")),
)


@dataclass(frozen=True)
class Value:
    """A cell: a mean, its spread such as `± 0.21` or empty, a note, whether it misses."""

    mean: str
    spread: str = ""
    note: str = ""
    misses: bool = False


@dataclass(frozen=True)
class VariantRow:
    """One variant: name, number of its trial, colour, what sets it apart, seeds, and its cells."""

    name: str
    trial: int
    color: int
    configuration: str
    meets: str
    all_meet: bool
    cells: tuple[Value, ...]


@dataclass(frozen=True)
class Interval:
    """One pair in a chart of differences; places are 0 to 1, with no difference in the middle.

    Attributes:
        name: `both − l2`.
        text: the difference with its sign and unit, as it was computed.
        detail: its interval in words, or why there is none.
        at, low, high: where dot and interval lie; None where there is none.
        ahead: whether it is better for certain, or worse, or neither.
    """

    name: str
    text: str
    detail: str
    at: float | None
    low: float | None
    high: float | None
    ahead: bool | None


@dataclass(frozen=True)
class Differences:
    """One question that compares.

    Attributes:
        ask: the question.
        figure: what is compared, such as `validation loss`.
        ends: the differences at the left and at the right end, with their unit.
        note: which side is better, where that is less; else empty.
        pairs: at least one.
    """

    ask: str
    figure: str
    ends: tuple[str, str]
    note: str
    pairs: tuple[Interval, ...]


@dataclass(frozen=True)
class VariantsSection:
    """The section.

    Attributes:
        heads: groups of columns, as (words, number of columns).
        columns: their titles.
        rows: one a variant, in the sweep's order.
        same: what all of them share, in one line; empty where that is nothing.
        seeds: trainings of a variant, as `5 seeds`, `up to 5 seeds`, or empty where none has more
            than one.
        goal: the targets.
        rule: which epoch is judged, in words.
        differences: of the questions that compare.
        tested: whether there are figures of the test rows.
        penalised: whether a loss with penalty is drawn that differs from the loss alone.
    """

    heads: tuple[tuple[str, int], ...]
    columns: tuple[str, ...]
    rows: tuple[VariantRow, ...]
    same: str
    seeds: str
    goal: str
    rule: str
    differences: tuple[Differences, ...]
    tested: bool
    penalised: bool


def compares(definition: SweepDefinition) -> bool:
    """Whether the sweep asks for more of its variants than a trial each."""
    return bool(definition.questions or definition.seeds > 1 or definition.test is not None)


def section_of(
    outcome: Outcome,
    definition: SweepDefinition,
    variants: Sequence[Variant],
    answers: Sequence[Answer],
) -> VariantsSection | None:
    """The section, or None where nothing is compared or no variant has been trained."""
    if not compares(definition) or not variants:
        return None
    asked = {t.metric for t in outcome.targets}
    shown = {
        name
        for _, names in _HEADS
        for name in names
        if any(_spread(v, name) is not None for v in variants)
        and (name in asked or name not in BY_CLASS)
    }
    names = [name for _, group in _HEADS for name in group if name in shown]
    heads = [(head, sum(name in shown for name in group)) for head, group in _HEADS]
    differing, same = told_apart(variants)
    return VariantsSection(
        heads=tuple((head, count) for head, count in heads if count),
        columns=tuple(_COLUMNS[name] for name in names),
        rows=tuple(
            _row(v, place, differing[v.name], names, outcome.targets)
            for place, v in enumerate(variants)
        ),
        same=same,
        seeds=_seeds([len(v.trainings) for v in variants]),
        goal=goals(outcome.targets),
        rule="its last epoch"
        if definition.epoch == "last"
        else "its best epoch by the targets, as for every trial",
        differences=differences_of(answers) or differences_of(unasked(variants)),
        tested="test_accuracy" in shown or "test_loss" in shown,
        penalised=any(map(penalised, variants)),
    )


def _seeds(counts: Sequence[int]) -> str:
    if max(counts) < 2:
        return ""
    return f"{'' if min(counts) == max(counts) else 'up to '}{max(counts)} seeds"


def color_of(place: int) -> int:
    """The colour of the variant at a place among those that were trained: 2 is `--c2`."""
    return PALETTE[place % len(PALETTE)]


def penalised(variant: Variant) -> bool:
    """Whether the loss with penalty of any epoch differs from the loss alone."""
    pairs = [(e.val_loss, e.val_loss_penalised) for t in variant.trainings for e in t.epochs]
    return any(
        a is not None and b is not None and not math.isclose(a, b, rel_tol=1e-5) for a, b in pairs
    )


def told_apart(variants: Sequence[Variant]) -> tuple[dict[str, str], str]:
    """By variant what sets it apart, in one line, and what all of them share."""
    known = {v.name: phrases(v.params) for v in variants}
    topics = ordered(topic for found in known.values() for topic in found)
    shared = [
        t
        for t in topics
        if len(variants) > 1 and len({found.get(t) for found in known.values()}) == 1
    ]
    apart = {
        name: DOT.join(joined({t: found[t] for t in topics if t in found and t not in shared}))
        for name, found in known.items()
    }
    first = next(iter(known.values()), {})
    return apart, DOT.join(joined({t: first[t] for t in shared}))


# --- the table ----------------------------------------------------------------------------------


def _spread(variant: Variant, name: str) -> Spread | None:
    return variant.best_val if name == "best" else variant.spread(name)


def _row(
    variant: Variant,
    place: int,
    configuration: str,
    names: Sequence[str],
    targets: Sequence[Target],
) -> VariantRow:
    total = len(variant.trainings)
    return VariantRow(
        name=variant.name,
        trial=variant.trial,
        color=color_of(place),
        configuration=one_line(configuration, 160),
        meets=f"{variant.passes} of {total}",
        all_meet=variant.passes == total,
        cells=tuple(_value(variant, name, targets) for name in names),
    )


def _value(variant: Variant, name: str, targets: Sequence[Target]) -> Value:
    found = _spread(variant, name)
    text = spread_text("val_accuracy" if name == "best" else name, found)
    mean, _, spread = text.partition(" ± ")
    notes = []
    if found is not None and found.count < len(variant.trainings):
        notes.append(f"{found.count} of {len(variant.trainings)} seeds")
    if name == "best" and variant.best_epochs:
        notes.append(_epochs(variant.best_epochs))
    limits = [t for t in targets if t.metric == name]
    return Value(
        mean=typeset(mean),
        spread=f"±\u00a0{spread}" if spread else "",
        note=", ".join(notes),
        misses=found is not None and not all(t.met_by(found.mean) for t in limits),
    )


def _epochs(epochs: Sequence[int]) -> str:
    """`epoch 7`, `epochs 4, 7 and 9` or, of many, `epochs 4–9`."""
    found = sorted(set(epochs))
    if len(found) > 2:
        return f"epochs {found[0]}–{found[-1]}"
    return f"{plural('epoch', len(found))} {', '.join(map(str, found))}"


# --- differences --------------------------------------------------------------------------------


def differences_of(answers: Iterable[Answer]) -> tuple[Differences, ...]:
    """One for each question that compares; those by the same figure share their scale."""
    compared = [a for a in answers if a.differences]
    ends: dict[str, float] = {}
    for answer in compared:
        name = answer.question.by.text
        ends[name] = max([ends.get(name, 0.0), *map(_farthest, answer.differences)])
    return tuple(_differences(a, nice(1.04 * ends[a.question.by.text])) for a in compared)


def nice(value: float) -> float:
    """The least round number that is not below; 1 for nothing."""
    if value <= 0 or not math.isfinite(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    steps = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)
    found = next((s * power for s in steps if s * power >= value * (1 - 1e-9)), 10 * power)
    return float(f"{found:.6g}")


def _farthest(found: Difference) -> float:
    values = [found.mean, found.low, found.high]
    return max((abs(v) for v in values if v is not None and math.isfinite(v)), default=0.0)


def _differences(answer: Answer, reach: float) -> Differences:
    by = answer.question.by
    sooner = "sooner" if by.kind == "time" else "lower"
    sign = 1 if by.more_is_better else -1
    return Differences(
        ask=answer.question.ask,
        figure=figure_name(by),
        ends=(_end(by, -sign * reach), _end(by, sign * reach)),
        note="" if by.more_is_better else f"less is better: {sooner} lies to the right",
        pairs=tuple(_interval(d, by, reach) for d in answer.differences),
    )


def _end(by: By, value: float) -> str:
    """`+2 points`: signed, and as short as a scale wants it."""
    unit = signed(by.name, value).partition(" ")[2]
    scaled = 100 * value if unit == "points" else value
    return typeset(f"{scaled:+.3g}{f' {unit}' if unit else ''}")


def _interval(found: Difference, by: By, reach: float) -> Interval:
    sign = 1.0 if by.more_is_better else -1.0

    def place(value: float | None) -> float | None:
        if value is None or not math.isfinite(value):
            return None
        return round(min(max(0.5 + sign * value / reach / 2, 0.0), 1.0), 4)

    ends = sorted(p for v in (found.low, found.high) if (p := place(v)) is not None)
    known = len(ends) == 2
    return Interval(
        name=f"{found.of} − {found.than}",
        text=typeset(signed(by.name, found.mean)),
        detail=_detail(found),
        at=place(found.mean),
        low=ends[0] if known else None,
        high=ends[1] if known else None,
        ahead=found.ahead,
    )


def _detail(found: Difference) -> str:
    if found.pairs == 0:
        return "no pair to compare"
    if found.low is None or found.high is None:
        return "one pair, no interval"
    return typeset(f"{interval_text(found)}, {found.pairs} pairs")
