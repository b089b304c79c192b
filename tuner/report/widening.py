"""What lies beyond the end of what a sweep tries: the next values, as `--set` takes them.

Only what the model accepts is proposed (`parameters.CATALOGUE`), and nothing that changes what kind
of network it is, such as no hidden layer.
"""

from __future__ import annotations

import math

from tuner.parameters import CATALOGUE, Hyperparameter
from tuner.space import Choices, Parameter, Range
from tuner.trial import ParamValue

_MOST = {"dropout": 0.9, "momentum": 0.99, "units": 8192, "depth": 20, "batch_size": 8192}
_LEAST = {"depth": 1.0, "units": 2.0}


def beyond_end(parameter: Parameter, upper: bool) -> str | None:
    """`NAME=RANGE` with one end moved outwards, or None where nothing lies beyond it.

    A list gets one more value, as far from the last as that from the one before. A range grows by
    half of its width; one over orders of magnitude by a factor of ten, or of three where it spans
    no more than two.
    """
    known = CATALOGUE.get(parameter.name)
    if known is None:
        return None
    domain = parameter.domain
    if isinstance(domain, Choices):
        return _longer(parameter.name, domain, known, upper)
    return _wider(parameter.name, domain, known, upper)


def _longer(name: str, domain: Choices, known: Hyperparameter, upper: bool) -> str | None:
    numbers = [float(v) for v in domain.values if isinstance(v, int | float)]
    if not domain.ordered or len(numbers) < 2 or len(numbers) != len(domain.values):
        return None
    end, before = (numbers[-1], numbers[-2]) if upper else (numbers[0], numbers[1])
    geometric = end > 0 and before > 0
    added = _clipped(known, end * end / before if geometric else 2 * end - before)
    if known.kind == "int":
        added = float(round(added))
    if added == end or not _accepts(known, added):
        return None
    value: ParamValue = int(added) if known.kind == "int" else added
    values = [*domain.values, value] if upper else [value, *domain.values]
    return f"{name}=[{','.join(_plain(v) for v in values)}]"


def _wider(name: str, domain: Range, known: Hyperparameter, upper: bool) -> str | None:
    low, high = float(domain.low), float(domain.high)
    if domain.log:
        factor = 10.0 if high / low > 101 else 3.0
        low, high = (low, high * factor) if upper else (low / factor, high)
    else:
        step = domain.step or (1.0 if domain.integer else 0.0)
        reach = (high - low) / 2
        if step:
            reach = step * max(1, round(reach / step))
        low, high = (low, high + reach) if upper else (low - reach, high)
    end = _clipped(known, high if upper else low)
    end = float(round(end)) if domain.integer else float(f"{end:.3g}")
    if end == (domain.high if upper else domain.low) or not _accepts(known, end):
        return None
    if upper != (end > (domain.high if upper else domain.low)):
        return None
    whole = int(end) if domain.integer else end
    ends = (_plain(domain.low), _plain(whole)) if upper else (_plain(whole), _plain(domain.high))
    flags = [
        *(["log"] if domain.log else []),
        *([f"or={_plain(domain.alternative)}"] if domain.alternative is not None else []),
        *([f"step={_plain(domain.step)}"] if domain.step is not None else []),
        *([f"steps={domain.steps}"] if domain.steps is not None else []),
    ]
    return ":".join([f"{name}={ends[0]}..{ends[1]}", *flags])


def _clipped(known: Hyperparameter, value: float) -> float:
    least = max(
        known.low if known.low is not None else -math.inf, _LEAST.get(known.name, -math.inf)
    )
    most = min(known.high if known.high is not None else math.inf, _MOST.get(known.name, math.inf))
    return min(max(value, least), most)


def _accepts(known: Hyperparameter, value: float) -> bool:
    try:
        known.accept(value)
    except ValueError:
        return False
    return True


def _plain(value: ParamValue) -> str:
    """A number as a person types it: `0.03`, `512`, `1e-07`."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
