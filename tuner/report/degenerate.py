"""Winners that meet the targets by having learned too little: what to be warned of, and the price.

The rule: a ceiling on what the network may know of its training rows is also met by a network that
has learned little. Such a winner is not refused; it carries a caution, which says how much of the
objective (val_accuracy, as a rule) is given up against the best epoch of the study that breaks
nothing but that ceiling.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from tuner.report.evidence import slope
from tuner.report.wording import SCORE_NAMES, amount_text, figure_text, listed
from tuner.targets import Target, objective_metric
from tuner.trial import EpochMetrics, Params, TrialRecord

CautionKind = Literal["no_hidden_layer", "early", "rising", "beaten"]

KINDS: dict[CautionKind, str] = {
    "no_hidden_layer": "no hidden layer",
    "early": "hardly trained at the chosen epoch",
    "rising": "train accuracy still rises at the chosen epoch",
    "beaten": "beaten by one that breaks only a ceiling",
}
"""A caution in short, where several trials share it."""

EARLY = 2
"""A winner that stands at this epoch or before has hardly been trained."""

RISING = 0.002
"""Train accuracy that gains this much an epoch is still rising."""

BEATEN = 0.01
"""What has to be given up of the objective before that alone is worth a caution."""

_AROUND = 5  # epochs on either side of the chosen one that say whether train rises
_SPAN = 3  # epochs that they must cover


@dataclass(frozen=True)
class Caution:
    """Something to know about a configuration before it is taken for a good one.

    Attributes:
        kind: `no_hidden_layer`, `early` (chosen epoch 1 or 2), `rising` (train accuracy still
            rises at the chosen epoch) or `beaten` (by one that breaks only the ceiling).
        text: a phrase to stand behind the trial's name, such as `no hidden layer, …`.
        given_up: the objective of the best epoch that breaks only the ceiling, minus its own; None
            where there is no such epoch or it is no better.
    """

    kind: CautionKind
    text: str
    given_up: float | None


@dataclass(frozen=True)
class Beyond:
    """The best epoch of a study that breaks nothing but ceilings on train.

    Attributes:
        trial: its origin.
        epoch: 1-based.
        score: what the study maximises, there.
        broken: the ceilings that it breaks.
        metric: which figure that is.
    """

    trial: int
    epoch: int
    score: float
    broken: tuple[Target, ...]
    metric: str = "val_accuracy"


def holds_back(target: Target) -> bool:
    """Whether the target is a ceiling that a network meets by knowing its training rows less."""
    if target.metric == "train_loss":
        return target.is_floor
    return target.metric in ("train_accuracy", "accuracy_gap") and target.is_ceiling


def beyond(records: Iterable[TrialRecord], targets: Sequence[Target]) -> Beyond | None:
    """The best epoch that meets every target but ceilings, and breaks at least one of those.

    Args:
        records: judged trials, by origin; of equal epochs the first counts.
    """
    ceilings = [t for t in targets if holds_back(t)]
    others = [t for t in targets if not holds_back(t)]
    metric = objective_metric(targets)
    best: Beyond | None = None
    for record in records if ceilings else ():
        for epoch in record.epochs:
            score = epoch.figure(metric)
            if score is None or not math.isfinite(score) or (best and score <= best.score):
                continue
            broken = tuple(t for t in ceilings if _breaks(t, epoch))
            if broken and all(t.met_by(epoch.figure(t.metric)) for t in others):
                best = Beyond(record.origin, epoch.epoch, score, broken, metric)
    return best


def cautions(
    record: TrialRecord, chosen: EpochMetrics, targets: Sequence[Target], best: Beyond | None
) -> tuple[Caution, ...]:
    """What to be warned of where `record` meets the targets at its `chosen` epoch."""
    given_up = _given_up(chosen, best)
    found: list[tuple[CautionKind, str]] = []
    if has_no_hidden_layer(record.params, record.spec.get("model", "mlp")):
        found.append(("no_hidden_layer", "no hidden layer, a softmax regression"))
    if chosen.epoch <= EARLY:
        planned = record.spec.get("epochs")
        of = f" of {planned}" if planned else ""
        found.append(("early", f"epoch {chosen.epoch}{of}, hardly trained"))
    gain = rising(record.epochs, chosen.epoch) if any(map(holds_back, targets)) else None
    if gain is not None:
        text = f"train accuracy still gains {amount_text('train_accuracy', gain)} an epoch"
        found.append(("rising", f"{text} at epoch {chosen.epoch}"))
    if not found and given_up is not None and given_up >= BEATEN:
        found.append(("beaten", "not the best of this study"))
    price = _price(record, best, given_up)
    return tuple(Caution(kind, text + price, given_up) for kind, text in found)


def has_no_hidden_layer(params: Params, model: str = "mlp") -> bool:
    """Whether the configuration is a softmax regression, which of the models only mlp can be."""
    if model != "mlp":
        return False
    return params.get("layers") == [] or ("layers" not in params and params.get("depth") == 0)


def rising(epochs: Sequence[EpochMetrics], at: int) -> float | None:
    """By how much train accuracy gains an epoch around `at`, where that is `RISING` or more.

    The slope of a straight line (least squares) through what was measured up to five epochs before
    and after; None where that spans fewer than three epochs, or does not rise so much.
    """
    known = [
        (e.epoch - at, e.train_accuracy)
        for e in epochs
        if abs(e.epoch - at) <= _AROUND
        and e.train_accuracy is not None
        and math.isfinite(e.train_accuracy)
    ]
    if not known or max(known)[0] - min(known)[0] < _SPAN:
        return None
    gain = slope(known)
    return gain if gain >= RISING else None


def _breaks(target: Target, epoch: EpochMetrics) -> bool:
    figure = epoch.figure(target.metric)
    return figure is not None and math.isfinite(figure) and not target.met_by(figure)


def _given_up(chosen: EpochMetrics, best: Beyond | None) -> float | None:
    own = None if best is None else chosen.figure(best.metric)
    if best is None or own is None or not best.score > own:
        return None
    return best.score - own


def _price(record: TrialRecord, best: Beyond | None, given_up: float | None) -> str:
    if best is None or given_up is None:
        return ""
    who = "it itself" if best.trial == record.origin else f"trial {best.trial}"
    reaches = figure_text(best.metric, best.score)
    broken = listed([t.text for t in best.broken])
    lost = amount_text(best.metric, given_up)
    return (
        f"; {who} reaches {reaches} at epoch {best.epoch} and breaks only {broken}: "
        f"{lost} of {what_is_lost(best.metric)} is given up"
    )


def what_is_lost(metric: str) -> str:
    """`val accuracy`, `balanced accuracy`: what a price is paid in."""
    return "val accuracy" if metric == "val_accuracy" else SCORE_NAMES[metric]
