"""What the repeats of a trial prove: whether its figures were luck.

The rule: every repeat is judged at the epoch of the original trial; a repeat's own best epoch is
shown and decides nothing. A trial is *confirmed* when the bound of every target meets it,
*marginal* when only the means do, and a *fluke* when a mean does not.

Per target, the bound is the one-sided confidence bound of the mean over the repeats,
mean -+ t(level, n - 1) * sd / sqrt(n) (Student 1908). A trial has to meet all of its targets, so
its p-value is the largest of its targets' (an intersection-union test, Berger 1982) and targets
need no correction among themselves. Over all trials of the study that were put to the test, Holm's
step-down procedure (Holm 1979) keeps the chance that any of them is confirmed wrongly at 5 %, for
a number of seeds and trials that was fixed beforehand (docs/confirm.md says what looking again
costs): the bounds of a trial are those of the level at which Holm tests it, so that "the bounds
meet" and "Holm rejects" are the same. The share of passes has the interval of Clopper & Pearson
(1934).

What the bounds are about: the mean over seeds and over splits of this data set. Fresh splits share
most of their rows, so that another data set of the same kind can differ by more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

from tuner import epochs as epoch_rules
from tuner.scores import TestScore
from tuner.targets import DOMAINS, Target, unique
from tuner.trial import EpochMetrics, EpochRule, Repeat, TrialRecord
from tuner.versions import changes

ConfirmationVerdict = Literal["confirmed", "marginal", "fluke"]
Reproduction = Literal["exactly", "closely", "no"]

ALPHA = 0.05
"""The chance of confirming any trial wrongly that is accepted, over all that were tested."""

FEWEST = 2
"""Repeats below which there is no bound."""

TINY = 1e-12
"""What rounding may add to 1 - level."""

CLOSE = 0.002
"""A repeat of a trial's own seed whose accuracies are this near is called close, not another."""


@dataclass(frozen=True)
class TargetBound:
    """One target over the repeats of one trial.

    Attributes:
        target: what was asked.
        values: the figure of each repeat at the judged epoch.
        mean, sd: over the repeats; sd with n - 1 below the line.
        bound: the one-sided bound of the mean on the side that could miss; None where there is
            none (fewer than two repeats).
        p_value: of the hypothesis that the mean does not meet the target.
        passes: how many repeats meet this target.
    """

    target: Target
    values: tuple[float, ...]
    mean: float
    sd: float
    bound: float | None
    p_value: float
    passes: int

    @property
    def met_by_mean(self) -> bool:
        return self.target.met_by(self.mean)


@dataclass(frozen=True)
class Confirmation:
    """The verdict on one trial.

    Attributes:
        trial: its origin.
        verdict: see the module.
        epoch: the original trial's chosen epoch, 1-based, at which every repeat was judged.
        passes, seeds: how many of how many repeats meet all targets.
        interval: 95 % interval of the share of passes.
        targets: by target, in the study's order.
        p_value: of the trial, before Holm's correction.
        level: one-sided level of the bounds; 0.95 for one trial, stricter among several.
        family: how many trials of the study were put to the test; Holm's correction is over them.
        same_split: the repeats used the trial's own validation split: sampling of the split is not
            in the bounds.
        reproduces: whether the trial's own seed gave its figures again; None where not tried.
        difference: largest difference of an accuracy at the judged epoch in that repetition.
        changed: what was another device or version in that repetition, `keras 3.15.1, then 3.16.0`.
        best_epochs: each repeat's own best epoch; shown, decides nothing.
        repeats: what all of it was read from, those that failed included.
        test: what the trial reached on the test split, or None.
        seconds: training time of all its repeats.
    """

    trial: int
    verdict: ConfirmationVerdict
    epoch: int
    passes: int
    seeds: int
    interval: tuple[float, float]
    targets: tuple[TargetBound, ...]
    p_value: float
    level: float
    family: int
    same_split: bool
    reproduces: Reproduction | None
    difference: float | None
    best_epochs: tuple[int, ...]
    repeats: tuple[Repeat, ...]
    test: TestScore | None = None
    seconds: float = 0.0
    changed: tuple[str, ...] = ()

    def mean(self, metric: str) -> float | None:
        """Mean of a figure at the judged epoch over the repeats, a target on it or not."""
        found = [v for r in judged_repeats(self.repeats) if (v := _figure(r, metric)) is not None]
        return fmean(found) if found else None

    @property
    def drop(self) -> float | None:
        """Mean val_accuracy of the repeats minus the test accuracy; None without a test score."""
        mean = self.mean("val_accuracy")
        return None if self.test is None or mean is None else mean - self.test.accuracy

    def drops(self) -> dict[str, tuple[float, float]]:
        """For each figure by class that a target names: on test, and how far below its mean."""
        named = {b.target.metric for b in self.targets}
        by_class = {} if self.test is None else self.test.by_class
        return {
            metric: (value, mean - value)
            for metric, value in by_class.items()
            if metric in named and value is not None and (mean := self.mean(metric)) is not None
        }


def confirmations(
    records: Sequence[TrialRecord], targets: Sequence[Target], rule: EpochRule
) -> dict[int, Confirmation]:
    """The verdict on every trial that was put to the test, by origin.

    Args:
        records: all trials of the study; those without judged repeats are left out.
        targets: what to meet; other targets than the study's make a what-if.
        rule: which epoch stands for a trial.
    """
    wanted = unique(targets)
    tested = {r.origin: r for r in records if len(judged_repeats(r.repeats)) > 0}
    if not tested:
        return {}
    p_values = {
        origin: max(
            (p_value(t, _values(judged_repeats(record.repeats), t)) for t in wanted), default=0.0
        )
        for origin, record in tested.items()
    }
    levels = holm_levels(p_values)
    return {
        origin: _confirmation(record, wanted, rule, p_values[origin], levels[origin], len(tested))
        for origin, record in tested.items()
    }


def judged_repeats(repeats: Sequence[Repeat]) -> list[Repeat]:
    """The repeats that the verdict is made of: on fresh splits where there are two, else the same.

    A repeat that failed by itself (not a finite loss, say) is judged too: it passes nothing.
    """
    fresh = [r for r in repeats if r.kind == "fresh" and r.status in ("complete", "nan")]
    same = [r for r in repeats if r.kind == "same" and r.status in ("complete", "nan")]
    # A single fresh one, as an interruption leaves it, proves nothing and hides nothing.
    return fresh if len(fresh) >= FEWEST or not same else same


def p_value(target: Target, values: Sequence[float]) -> float:
    """One-sided p-value of "the mean does not meet `target`", by Student's t.

    1 where there are fewer than two values or one is not finite. Accuracies on few rows come in
    steps, and equal ones by chance: values without any spread that meet count as in a sign test,
    1 / 2^n. Certain, and 0, is only what no seed can change: a count of weights that meets, and a
    limit that nothing can break.
    """
    from scipy import stats

    if _is_certain(target, values):
        return 0.0
    if len(values) < FEWEST or not all(map(math.isfinite, values)):
        return 1.0
    mean, sd = fmean(values), stdev(values)
    if sd == 0.0:
        return 0.5 ** len(values) if target.met_by(mean) else 1.0
    distance = mean - target.value if target.is_floor else target.value - mean
    return float(stats.t.sf(distance * math.sqrt(len(values)) / sd, len(values) - 1))


def bound(target: Target, values: Sequence[float], level: float) -> float | None:
    """The one-sided bound of the mean on the side that could miss `target`; None: there is none."""
    from scipy import stats

    if len(values) < FEWEST or not all(map(math.isfinite, values)):
        return None
    mean, sd = fmean(values), stdev(values)
    if sd == 0.0 and p_value(target, values) > 1.0 - level + TINY:
        return None
    reach = float(stats.t.ppf(level, len(values) - 1)) * sd / math.sqrt(len(values))
    return mean - reach if target.is_floor else mean + reach


def _is_certain(target: Target, values: Sequence[float]) -> bool:
    """Whether every seed meets the target without chance having a say."""
    if not values or not all(target.met_by(v) for v in values):
        return False
    low, high = DOMAINS[target.metric]
    unbreakable = (
        target.met_by(low) if target.is_floor else high is not None and target.met_by(high)
    )
    return unbreakable or (target.metric == "parameters" and len(set(values)) == 1)


def holm_levels(p_values: Mapping[int, float], alpha: float = ALPHA) -> dict[int, float]:
    """The one-sided level at which Holm tests each trial, 1 - alpha / divisor.

    In the order of p-values the divisors are n, n - 1, … 1. From the first that is not rejected
    on, every trial keeps that one's divisor, so that comparing each p-value with its own level
    gives Holm's decisions.
    """
    levels: dict[int, float] = {}
    divisor = len(p_values)
    rejecting = True
    for origin, value in sorted(p_values.items(), key=lambda item: (item[1], item[0])):
        levels[origin] = 1.0 - alpha / divisor
        rejecting = rejecting and value <= alpha / divisor
        if rejecting and divisor > 1:
            divisor -= 1
    return levels


def expected_reach(share: float, rows: int, seeds: int, family: int) -> float:
    """How far the bound of an accuracy will lie from its mean, if counting alone made it vary.

    Args:
        share: the accuracy, in (0, 1).
        rows: validation rows.
        seeds: repeats.
        family: trials put to the test, this one included.
    """
    from scipy import stats

    level = 1.0 - ALPHA / family
    sd = math.sqrt(share * (1.0 - share) / rows)
    return float(stats.t.ppf(level, seeds - 1)) * sd / math.sqrt(seeds)


def pass_interval(passes: int, seeds: int, level: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share of passes, two-sided."""
    from scipy import stats

    if seeds == 0:
        return 0.0, 1.0
    tail = (1.0 - level) / 2
    low = 0.0 if passes == 0 else float(stats.beta.ppf(tail, passes, seeds - passes + 1))
    high = 1.0
    if passes < seeds:
        high = float(stats.beta.ppf(1 - tail, passes + 1, seeds - passes))
    return low, high


def _confirmation(
    record: TrialRecord,
    targets: Sequence[Target],
    rule: EpochRule,
    p: float,
    level: float,
    family: int,
) -> Confirmation:
    repeats = judged_repeats(record.repeats)
    bounds = tuple(_target_bound(t, repeats, level) for t in targets)
    rejected = p <= 1.0 - level + TINY
    verdict: ConfirmationVerdict = "fluke"
    if all(b.met_by_mean for b in bounds):
        verdict = "confirmed" if rejected else "marginal"
    passes = sum(_passes(r, targets) for r in repeats)
    own = next((r for r in record.repeats if r.kind == "own" and r.status == "complete"), None)
    difference = None if own is None else _difference(record, own)
    return Confirmation(
        trial=record.origin,
        verdict=verdict,
        epoch=repeats[0].epoch,
        passes=passes,
        seeds=len(repeats),
        interval=pass_interval(passes, len(repeats)),
        targets=bounds,
        p_value=p,
        level=level,
        family=family,
        same_split=repeats[0].kind == "same",
        reproduces=None if own is None else _reproduction(record, own, difference),
        difference=difference,
        best_epochs=tuple(
            choice.metrics.epoch
            for r in repeats
            if (choice := epoch_rules.choose(r.epochs, targets, rule)) is not None
        ),
        repeats=record.proofs,
        test=record.test,
        seconds=math.fsum(r.ended - r.started for r in record.proofs),
        changed=() if own is None else _changed(record, own),
    )


def _target_bound(target: Target, repeats: Sequence[Repeat], level: float) -> TargetBound:
    values = _values(repeats, target)
    finite = all(map(math.isfinite, values))
    return TargetBound(
        target=target,
        values=values,
        mean=fmean(values) if finite else math.nan,
        sd=stdev(values) if finite and len(values) > 1 else math.nan,
        bound=bound(target, values, level),
        p_value=p_value(target, values),
        passes=sum(target.met_by(v) for v in values),
    )


def _values(repeats: Sequence[Repeat], target: Target) -> tuple[float, ...]:
    """The figure of each repeat at the judged epoch; NaN where there is none."""
    found = (_figure(r, target.metric) for r in repeats)
    return tuple(math.nan if v is None else v for v in found)


def _figure(repeat: Repeat, metric: str) -> float | None:
    return None if repeat.judged is None else repeat.judged.figure(metric)


def _passes(repeat: Repeat, targets: Sequence[Target]) -> bool:
    return repeat.judged is not None and epoch_rules.meets(repeat.judged, targets)


def _difference(record: TrialRecord, own: Repeat) -> float | None:
    before = next((e for e in record.epochs if e.epoch == own.epoch), None)
    if before is None or own.judged is None or own.judged.val_accuracy is None:
        return None
    pairs = ((before.figure(m), own.judged.figure(m)) for m in ("val_accuracy", "train_accuracy"))
    known = [abs(a - b) for a, b in pairs if a is not None and b is not None]
    return max(known, default=None)


def _reproduction(record: TrialRecord, own: Repeat, difference: float | None) -> Reproduction:
    if difference is None:
        return "no"
    mine, theirs = _curve(record.epochs), _curve(own.epochs)
    if all(theirs.get(epoch) == value for epoch, value in mine.items()):
        return "exactly"
    return "closely" if difference <= CLOSE else "no"


def _changed(record: TrialRecord, own: Repeat) -> tuple[str, ...]:
    found = changes(record.versions, own.versions)
    if record.device and own.device and record.device != own.device:
        return (f"device {record.device}, then {own.device}", *found)
    return found


def _curve(epochs: Sequence[EpochMetrics]) -> dict[int, tuple[float | None, float | None]]:
    return {e.epoch: (e.val_accuracy, e.val_loss) for e in epochs}
