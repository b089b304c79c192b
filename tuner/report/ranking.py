"""The order of candidates: by margin to the targets and by how their neighbours in the space did.

The rule: the highest of many noisy figures is partly luck, so no trial is placed by one figure.
Its own margin is averaged over the chosen epoch and those beside it, and is then drawn towards
what the other trials say of its place in the space, the more so the noisier the figures and the
nearer the others.

The others speak through a Gaussian process (Rasmussen & Williams 2006, chapters 2, 4 and 5) with a
constant mean, a Matérn 5/2 kernel of one reach a parameter, and noise; reaches and noise are the
likeliest of a coarse grid, under priors. What the others say of a trial is the
prediction that leaves it out, and the score is the mean of both, weighted by their precisions:
(margin + weight * neighbours) / (1 + weight).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING

from tuner.report.wording import SCORE_NAMES
from tuner.targets import Target, objective_metric
from tuner.trial import EpochMetrics, Params, ParamValue

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

RANK_TEXT = (
    "Confirmed configurations come first and flukes last; the rest is ordered by score. A "
    "configuration's margin is its smallest distance to a target, in units of the target's scale "
    "(0.01 for accuracies), averaged over its chosen epoch and the one on either side; above 1 a "
    "point of validation accuracy adds a tenth. Its neighbours are what the other trials predict "
    "at its place in the space, by a Gaussian process that leaves it out. The score is the mean "
    "of margin and neighbours; neighbours weigh the more, the nearer they are and the noisier "
    "figures are in this study."
)
"""How the rank is made, for a person, where validation accuracy is what a study maximises."""


def rank_text(metric: str) -> str:
    """How the rank is made, for a person; `metric` is what the study maximises."""
    return RANK_TEXT.replace("validation accuracy", SCORE_NAMES[metric])


SAFE = 1.0
"""A margin that counts in full; beyond it a better objective is worth more than more margin."""

BEYOND = 0.1
"""What a point of the objective (val_accuracy, as a rule) adds to a margin that is safe."""

DISASTER = 3.0
"""No margin counts as further below 0, or below the best where that is negative, so that a disaster
does not hide what is around it."""

FEWEST = 8
"""Judged trials below which none has a say about another."""

_LEARN_FROM = 80  # trials that reaches and noise are learned from, spread evenly over the study
_NOISE = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # variances, in units of the signal's
_RELEVANCE = (0.02, 0.2, 1.0, 5.0, 25.0)  # 1 / reach^2, where a parameter's range is 1
_ORDERS = 10.0  # positive numbers that span this factor are compared by their logarithms


@dataclass(frozen=True)
class Rank:
    """Where a judged trial stands, and why.

    Attributes:
        place: 1-based among the judged trials of the study, those that meet before all others.
        score: what it is placed by; the expected margin, in units of the targets' scales.
        margin: its own, see `own_margin`, but no disaster (`DISASTER`).
        neighbours: the margin that the other trials predict for it; None where too few are judged.
        weight: of `neighbours` in the score, where the own margin has weight 1.
    """

    place: int
    score: float
    margin: float
    neighbours: float | None
    weight: float


@dataclass(frozen=True)
class Candidate:
    """What a rank is made from: a judged trial's configuration, chosen epoch and curve."""

    params: Params
    chosen: EpochMetrics
    epochs: Sequence[EpochMetrics]
    meets: bool


def ranks(candidates: Sequence[Candidate], targets: Sequence[Target]) -> list[Rank]:
    """The rank of each candidate, in the order given; of equal ones the earlier is placed first.

    Figures are rounded to four digits, so that places do not hang on a machine's last bits.
    """
    if not candidates:
        return []
    reference, metric = _reference(candidates, targets), objective_metric(targets)
    margins = [own_margin(c, targets, reference) for c in candidates]
    lowest = min(0.0, max(margins)) - DISASTER
    margins = [max(margin, lowest) for margin in margins]
    found = _with_neighbours(margins, [c.params for c in candidates])

    def order(i: int) -> tuple[bool, float, float, float, int]:
        chosen = candidates[i].chosen
        gap = chosen.accuracy_gap
        return (
            not candidates[i].meets,
            -found[i][0],
            -_number(chosen.figure(metric), -math.inf),
            _number(gap, math.inf),
            i,
        )

    places = {i: place for place, i in enumerate(sorted(range(len(found)), key=order), 1)}
    return [
        Rank(places[i], score, round(margins[i], 4), neighbours, weight)
        for i, (score, neighbours, weight) in enumerate(found)
    ]


def own_margin(candidate: Candidate, targets: Sequence[Target], reference: float) -> float:
    """The smallest margin of the chosen epoch over the targets.

    A target's margin is averaged over the measured ones of the chosen epoch and its two
    neighbours. Above `SAFE` the margin is `SAFE` and a tenth of the points by which the objective
    is above `reference`. The count of weights is the same whatever the seed, and has no margin.
    """
    at = candidate.chosen.epoch
    window = [e for e in candidate.epochs if abs(e.epoch - at) <= 1]
    smallest = math.inf
    for target in targets:
        if target.metric == "parameters":
            continue
        if target.needs_train and candidate.chosen.train_accuracy is None:
            continue  # not measured there, so that nothing is known
        known = [target.margin(f) for e in window if (f := e.figure(target.metric)) is not None]
        smallest = min(smallest, fmean(known) if known else target.margin(None))
    if smallest <= SAFE:
        return smallest
    own = candidate.chosen.figure(objective_metric(targets))
    points = (_number(own, reference) - reference) / 0.01
    return SAFE + BEYOND * max(points, 0.0)


def _reference(candidates: Sequence[Candidate], targets: Sequence[Target]) -> float:
    """The objective from which on a safe candidate gains by more of it."""
    metric = objective_metric(targets)
    floors = [t.value for t in targets if t.metric == metric and t.is_floor]
    if floors:
        return max(floors) + SAFE * 0.01
    figures = (_number(c.chosen.figure(metric), math.inf) for c in candidates)
    known = [v for v in figures if math.isfinite(v)]
    return median(known) if known else 0.0


def _number(value: float | None, otherwise: float) -> float:
    return otherwise if value is None or not math.isfinite(value) else value


# --- neighbours -------------------------------------------------------------------------------


def _with_neighbours(
    margins: Sequence[float], params: Sequence[Params]
) -> list[tuple[float, float | None, float]]:
    """(score, neighbours, weight) of each margin."""
    import numpy as np

    alone: list[tuple[float, float | None, float]] = [(round(m, 4), None, 0.0) for m in margins]
    columns = _columns(params) if len(margins) >= FEWEST else []
    values = np.array(margins)
    if not columns or float(values.std()) < 1e-6:
        return alone
    values = values - values.mean()
    some = np.unique(np.linspace(0, len(margins) - 1, _LEARN_FROM).astype(int))
    relevance, noise = _learn(values[some], [_squares(column[some]) for column in columns])
    places = [math.sqrt(r) * column for r, column in zip(relevance, columns, strict=True)]
    distance = _squares(np.hstack(places))
    inverse = np.linalg.inv(_kernel(distance) + noise * np.eye(len(values)))
    precision = np.diag(inverse)
    predicted = values - (inverse @ values) / precision
    weight = noise / np.maximum(1.0 / precision - noise, 1e-6)
    score = (values + weight * predicted) / (1.0 + weight)
    mean = float(np.mean(margins))
    return [
        (round(mean + float(s), 4), round(mean + float(p), 4), round(float(w), 4))
        for s, p, w in zip(score, predicted, weight, strict=True)
    ]


def _learn(values: Floats, squares: Sequence[Floats]) -> tuple[list[float], float]:
    """Each parameter's relevance and the noise: the likeliest of a grid, one after another.

    Priors keep what the trials do not tell at a reach of the whole range and a noise of a tenth.
    """
    import numpy as np

    relevance, noise = [1.0] * len(squares), 0.2
    total: Floats = np.sum(squares, axis=0)
    noises, grid = np.array(_NOISE), np.array(_RELEVANCE)
    unlikely = 0.5 * (np.log(grid) / 2) ** 2
    for _ in range(2):
        before = [*relevance, noise]
        losses = _losses(np.broadcast_to(total, (len(noises), *total.shape)), noises, values)
        noise = float(noises[np.argmin(losses + 0.5 * (np.log(noises / 0.1) / 3) ** 2)])
        for k, square in enumerate(squares):
            others = total - relevance[k] * square
            candidates = others + grid[:, None, None] * square
            losses = _losses(candidates, np.full(len(grid), noise), values) + unlikely
            relevance[k] = float(grid[np.argmin(losses)])
            total = others + relevance[k] * square
        if before == [*relevance, noise]:
            break
    return relevance, noise


def _losses(squares: Floats, noises: Floats, values: Floats) -> Floats:
    """What each of a stack of kernels lacks in likelihood, the signal's variance left free.

    Cholesky factors of the whole stack at once, in steps too small for a threaded BLAS, which on a
    machine full of workers would spend its time waiting. The values are one more row of the matrix:
    its factor is what they are once the kernel is divided out.
    """
    import numpy as np

    count = len(values)
    matrix = np.zeros((len(noises), count + 1, count + 1))
    matrix[:, :count, :count] = _kernel(squares)
    matrix[:, range(count), range(count)] += noises[:, None]
    matrix[:, count, :count] = values
    logs = np.zeros(len(noises))
    fit = np.zeros(len(noises))
    for j in range(count):
        pivot = np.sqrt(np.maximum(matrix[:, j, j], 1e-12))
        logs += np.log(pivot)
        column = matrix[:, j + 1 :, j] / pivot[:, None]
        fit += column[:, -1] ** 2
        matrix[:, j + 1 :, j + 1 :] -= column[:, :, None] * column[:, None, :]
    found: Floats = 0.5 * count * np.log(fit / count) + logs
    return found


def _kernel(squares: Floats) -> Floats:
    """Matérn 5/2: smooth, but not as stiff as to take one cliff for a reason to doubt all hills."""
    import numpy as np

    far = np.sqrt(5 * np.maximum(squares, 0.0))
    near: Floats = (1 + far + far * far / 3) * np.exp(-far)
    return near


def _squares(column: Floats) -> Floats:
    """Squared distances between all rows of coordinates."""
    import numpy as np

    products = column @ column.T
    own = np.diag(products)
    return np.maximum(own[:, None] + own[None, :] - 2 * products, 0.0)


def _columns(params: Sequence[Params]) -> list[Floats]:
    """The coordinates of each parameter that varies, (trials, k), such that distances are Gower's.

    Two numbers are apart by their share of the range, two categories by 1. A parameter that one
    of the two lacks counts as about 1, too: it lies above the middle of the range.
    """
    names = dict.fromkeys(name for p in params for name in p)
    found = (_column([p.get(name) for p in params]) for name in names)
    return [column for column in found if column is not None]


def _column(values: Sequence[ParamValue | None]) -> Floats | None:
    import numpy as np

    if len({_word(v) for v in values}) < 2:
        return None
    given = [v for v in values if v is not None]
    if not all(_is_number(v) for v in given):
        words = [_word(v) for v in values]
        known = {word: i for i, word in enumerate(dict.fromkeys(words))}
        column = np.zeros((len(values), len(known)))
        column[range(len(values)), [known[word] for word in words]] = math.sqrt(0.5)
        return column
    numbers: list[float | None] = [None if v is None else float(v) for v in values]  # type: ignore[arg-type]
    positive = [v for v in numbers if v is not None and v > 0]
    lowest = min(v for v in numbers if v is not None)
    if positive and lowest >= 0 and max(positive) / min(positive) >= _ORDERS:
        # Zero is off the logarithmic range, as no penalty is no small penalty.
        numbers = [None if not v else math.log(v) for v in numbers]
    known_numbers = [v for v in numbers if v is not None]
    low, high = min(known_numbers), max(known_numbers)
    size = max(abs(low), abs(high), 1e-300)
    span = high / size - low / size
    column = np.zeros((len(values), 2))
    for row, number in enumerate(numbers):
        if number is None:
            column[row] = 0.5, math.sqrt(0.75)
        elif span > 0:
            column[row, 0] = (number / size - low / size) / span
    return column


def _is_number(value: ParamValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _word(value: ParamValue | None) -> str:
    return json.dumps(value, sort_keys=True)
