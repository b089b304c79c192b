"""Small statistics that tell a reason from luck: exact tests on counts, and a slope."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean


def chance_of_more(here: int, of: int, there: int, others: int) -> float:
    """Fisher's exact test: the chance of `here` or more among `of`, if all were alike.

    Args:
        here, of: how many of the best have it, and how many best there are.
        there, others: the same of the rest.
    """
    from scipy import stats

    return float(stats.hypergeom.sf(here - 1, of + others, here + there, of))


def chance_of_fewer(here: int, of: int, there: int, others: int) -> float:
    """As `chance_of_more`, of `here` or fewer."""
    from scipy import stats

    return float(stats.hypergeom.cdf(here, of + others, here + there, of))


def chance_of_draws(here: int, of: int, share: float) -> float:
    """The chance of `here` or more among `of` draws, each with chance `share`."""
    from scipy import stats

    return float(stats.binom.sf(here - 1, of, share))


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The slope of the straight line through (x, y) by least squares; x has to vary."""
    middle = fmean(x for x, _ in points)
    spread = math.fsum((x - middle) ** 2 for x, _ in points)
    return math.fsum((x - middle) * y for x, y in points) / spread
