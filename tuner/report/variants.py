"""Variants over their seeds: means and spreads, and differences taken seed by seed.

The rule: each training of a variant is judged like a trial of its own, by the sweep's own rule of
the epoch; what was not measured is missing, never 0. All variants share their seeds, so that two of
them differ by their configuration alone: same split, same order of rows, and the same initial
weights where the shapes are the same. A difference is the mean over the seeds that both have, with
Student's t interval for paired samples (Student 1908); where one question makes several comparisons
their intervals are widened to hold together (Bonferroni).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from tuner import epochs as epoch_rules
from tuner.gradients import GradientLog
from tuner.questions import By
from tuner.report.selection import Entry, Outcome
from tuner.scores import VariantScore
from tuner.targets import Target
from tuner.trial import EpochMetrics, EpochRule, Params

ALIKE = 1e-9
"""A spread of differences below which they are alike, but for rounding."""

LEVEL = 0.95
"""Of the intervals of one question together."""


@dataclass(frozen=True)
class Spread:
    """A figure over seeds: mean, standard deviation (n - 1 below the line; None for one), count."""

    mean: float
    sd: float | None
    count: int


@dataclass(frozen=True)
class Training:
    """One training of a variant.

    Attributes:
        seed: of weights, batches and dropout.
        epochs: all figures.
        chosen: the epoch that stands for it, or None where it has none.
        meets: whether that epoch meets every target.
        score: what it reached on the test split at that epoch, or None.
    """

    seed: int
    epochs: tuple[EpochMetrics, ...]
    chosen: EpochMetrics | None
    meets: bool
    score: VariantScore | None = None

    @property
    def best(self) -> EpochMetrics | None:
        """The epoch of the highest val_accuracy, the earliest of equals."""
        known = [e for e in map(EpochMetrics.finite, self.epochs) if e.val_accuracy is not None]
        return max(known, key=lambda e: (e.val_accuracy or 0.0, -e.epoch), default=None)

    def value(self, by: By) -> float | None:
        """The figure by which it is compared; None where unmeasured or never reached."""
        if by.kind == "time" and by.target is not None:
            return self._until(by.name, by.target)
        if by.name.startswith("test_"):
            name = by.name.removeprefix("test_")
            found = None if self.score is None else float(getattr(self.score, name))
        else:
            found = None if self.chosen is None else getattr(self.chosen, by.name)
        return float(found) if found is not None and math.isfinite(found) else None

    def _until(self, unit: str, target: Target) -> float | None:
        """Epochs, or seconds of training and measuring, until `target` was first met."""
        spent = 0.0
        for epoch in sorted(self.epochs, key=lambda e: e.epoch):
            spent += epoch.seconds
            if target.met_by(epoch.figure(target.metric)):
                return float(epoch.epoch) if unit == "epochs" else spent
        return None


@dataclass(frozen=True)
class Variant:
    """A variant with all of its trainings, its own first.

    Attributes:
        name, trial, params: as its trial's.
        trainings: those that ended.
        gradients: of its own trial, or None.
        entry: its own trial.
    """

    name: str
    trial: int
    params: Params
    trainings: tuple[Training, ...]
    gradients: GradientLog | None
    entry: Entry

    def values(self, by: By) -> dict[int, float]:
        """The figure of each training that has one, by seed."""
        return {t.seed: v for t in self.trainings if (v := t.value(by)) is not None}

    def spread(self, by: By | str) -> Spread | None:
        """Mean and spread of a figure; None where no training has it."""
        return spread_of(list(self.values(by if isinstance(by, By) else By.parse(by)).values()))

    @property
    def passes(self) -> int:
        """How many trainings meet every target."""
        return sum(t.meets for t in self.trainings)

    @property
    def best_val(self) -> Spread | None:
        """The best validation accuracy of each training, whatever its epoch."""
        found = [t.best.val_accuracy for t in self.trainings if t.best is not None]
        return spread_of([v for v in found if v is not None])

    @property
    def best_epochs(self) -> tuple[int, ...]:
        """The epoch of each training's best validation accuracy."""
        return tuple(t.best.epoch for t in self.trainings if t.best is not None)


@dataclass(frozen=True)
class Difference:
    """`of` minus `than` by one figure, over the seeds that both have.

    Attributes:
        pairs: how many.
        mean: of the differences; NaN without a pair.
        low, high: the interval; None for fewer than two pairs, and for too few that are all alike.
        level: of the interval.
        missing: trainings of either one that lack the figure, `(of, than)`.
        trainings: how many either one has.
    """

    of: str
    than: str
    by: By
    pairs: int
    mean: float
    low: float | None
    high: float | None
    level: float
    missing: tuple[int, int] = (0, 0)
    trainings: tuple[int, int] = (0, 0)

    @property
    def ahead(self) -> bool | None:
        """Whether `of` is better for certain, or worse; None where that is left open.

        It is where a training lacks the figure, since those that have it are no fair sample: it
        never got there, or its loss is not finite.
        """
        if self.low is None or self.high is None or self.missing != (0, 0):
            return None
        sign = 1.0 if self.by.more_is_better else -1.0
        low, high = sorted((sign * self.low, sign * self.high))
        if low > 0:
            return True
        return False if high < 0 else None


def variants_of(
    outcome: Outcome, wanted: Mapping[str, Params], rule: EpochRule
) -> tuple[Variant, ...]:
    """The variants that have been trained.

    Args:
        wanted: the sweep's variants, for their order; trials by hand are left out.
        rule: which epoch stands for a training.
    """
    entries = {e.variant: e for e in outcome.entries if e.variant and e.verdict is not None}
    return tuple(
        _variant(entries[name], name, outcome.targets, rule) for name in wanted if name in entries
    )


def _variant(entry: Entry, name: str, targets: Sequence[Target], rule: EpochRule) -> Variant:
    record = entry.record
    scores = {score.seed: score for score in record.scores}
    trainings = [(record.seed, record.epochs)]
    trainings += [
        (r.seed, r.epochs)
        for r in sorted(record.seeds, key=lambda r: r.index)
        if r.status in ("complete", "nan")
    ]
    return Variant(
        name=name,
        trial=entry.trial,
        params=entry.params,
        trainings=tuple(
            _training(seed, epochs, scores.get(seed), targets, rule) for seed, epochs in trainings
        ),
        gradients=record.gradients,
        entry=entry,
    )


def _training(
    seed: int,
    epochs: tuple[EpochMetrics, ...],
    score: VariantScore | None,
    targets: Sequence[Target],
    rule: EpochRule,
) -> Training:
    choice = epoch_rules.choose(epochs, targets, rule)
    if choice is None:
        return Training(seed, epochs, None, meets=False)
    if score is not None and score.epoch not in (0, choice.metrics.epoch):
        score = None  # of another epoch's weights, as in a what-if
    return Training(seed, epochs, choice.metrics, choice.meets, score)


def spread_of(values: Sequence[float]) -> Spread | None:
    """Mean, standard deviation and count; None without a value."""
    if not values:
        return None
    return Spread(fmean(values), stdev(values) if len(values) > 1 else None, len(values))


def difference(of: Variant, than: Variant, by: By, comparisons: int = 1) -> Difference:
    """How much `of` differs from `than`, seed by seed.

    Args:
        comparisons: how many the question makes, which their intervals are to hold for together.
    """
    from scipy import stats

    one, two = of.values(by), than.values(by)
    gaps = [one[seed] - two[seed] for seed in one if seed in two]
    counts = (len(of.trainings), len(than.trainings))
    level = 1.0 - (1.0 - LEVEL) / comparisons
    found = Difference(
        of=of.name,
        than=than.name,
        by=by,
        pairs=len(gaps),
        mean=fmean(gaps) if gaps else math.nan,
        low=None,
        high=None,
        level=level,
        missing=(counts[0] - len(one), counts[1] - len(two)),
        trainings=counts,
    )
    if len(gaps) < 2:
        return found
    sd = stdev(gaps)
    if sd < ALIKE and found.mean != 0 and 0.5 ** (len(gaps) - 1) > 1.0 - level:
        # All alike by chance, as whole epochs are: then no more than a sign test carries.
        return found
    reach = float(stats.t.ppf(0.5 + level / 2, len(gaps) - 1)) * sd / math.sqrt(len(gaps))
    return replace(found, low=found.mean - reach, high=found.mean + reach)
