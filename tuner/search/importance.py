"""Which parameters decide how good a trial is: PED-ANOVA over what a study has judged.

Watanabe, Bansal & Hutter 2023, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in
Arbitrary Subspaces", as Optuna has it: how far the best trials differ from all in each parameter's
distribution. Two rules: it looks at what was measured, never at the study's own values, so that
variants and other samplers' trials count the same; and every parameter is compared in a handful of
levels, because a density over fine steps makes much of a continuous parameter that has no effect,
and little of a choice that has.
"""

from __future__ import annotations

import math
import warnings
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import cycle
from statistics import quantiles

import optuna
from optuna.distributions import IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

from tuner.search.sampling import quiet
from tuner.trial import ParamValue, TrialRecord

FEWEST = 20
"""Trials below which nothing is said."""

BEST = 10
"""So many trials stand for the best, and in a larger study a tenth."""

LEVELS = 5
"""Parts of equal size that many different numbers are put in."""

_FEW = 8  # up to so many different numbers are levels by themselves


def importance(
    records: Sequence[TrialRecord],
    names: Sequence[str],
    scores: Mapping[int, float] | None = None,
) -> dict[str, float]:
    """Each parameter's share, the most important first; shares add up to 1.

    Args:
        records: the trials that have been judged.
        names: parameters to compare; a trial that lacks one (momentum without sgd) says nothing
            about it, and parameters that do not vary are left out.
        scores: what was reached, by trial; without it the highest val_accuracy of each. Trials
            without a finite score have no say.

    Returns:
        Empty where there are fewer than `FEWEST` trials or nothing varies.
    """
    reached = {r.origin: _highest(r) for r in records} if scores is None else scores
    kept = [r for r in records if math.isfinite(reached.get(r.origin, math.nan))]
    if len(kept) < FEWEST or len({reached[r.origin] for r in kept}) < 2:
        return {}
    levels = {name: levels_of([r.params.get(name) for r in kept]) for name in names}
    levels = {name: found for name, found in levels.items() if len(set(found)) > 1}
    if not levels:
        return {}
    quiet()
    domains = {name: IntDistribution(0, max(found)) for name, found in levels.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna calls the evaluator experimental
        study = optuna.create_study(direction="maximize", storage=optuna.storages.InMemoryStorage())
        study.add_trials(
            [
                optuna.trial.create_trial(
                    params={name: found[row] for name, found in levels.items()},
                    distributions=domains,
                    value=reached[record.origin],
                )
                for row, record in enumerate(kept)
            ]
        )
        best = max(0.1, BEST / len(kept))
        raw = get_param_importances(
            study, evaluator=PedAnovaImportanceEvaluator(target_quantile=best)
        )
    finite = {name: max(0.0, float(v)) for name, v in raw.items() if math.isfinite(v)}
    total = math.fsum(finite.values())
    ordered = sorted(finite.items(), key=lambda item: (-item[1], item[0]))
    return {name: value / total for name, value in ordered} if total > 0 else {}


def levels_of(values: Sequence[ParamValue | None]) -> list[int]:
    """Each value's level, from 0 on without gaps.

    Words are levels of their own. Numbers keep their order, and where there are many of them they
    are put in `LEVELS` parts of equal size. Values that are lacking get the levels of the others
    in turn, so that they are spread as those are.
    """
    given = [v for v in values if v is not None]
    if not all(map(_is_number, given)):
        known: list[str | float] = [repr(v) for v in given]
    else:
        numbers = [float(v) for v in given]  # type: ignore[arg-type]
        cuts = quantiles(numbers, n=LEVELS) if len(set(numbers)) > _FEW else []
        known = [bisect_left(cuts, v) if cuts else v for v in numbers]
    places = {value: place for place, value in enumerate(sorted(set(known)))}
    found = iter([places[v] for v in known])
    lacking = cycle(sorted(places[v] for v in known) or [0])
    return [next(lacking if v is None else found) for v in values]


def _highest(record: TrialRecord) -> float:
    known = [
        e.val_accuracy
        for e in record.epochs
        if e.val_accuracy is not None and math.isfinite(e.val_accuracy)
    ]
    return max(known, default=math.nan)


def _is_number(value: ParamValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
