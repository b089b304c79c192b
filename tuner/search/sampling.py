"""Samplers of a sweep, and how a space is told to Optuna.

The rule: a sampler is built afresh for every trial from (study seed, rank of the trial), so that a
resumed sweep proposes what an undisturbed one would have, and two processes never the same; and the
joint space is stated, not inferred, so that a variant outside of it does not narrow it.

Two values are encoded. `or`, the value beside a range, is a companion switch `NAME:in_range`.
Ordered values are an index `NAME:index`, so that TPE knows that 256 lies between 128 and 512.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, QMCSampler, RandomSampler
from optuna.trial import FrozenTrial

from tuner.asked import Asked
from tuner.search.tpe import History, Tpe
from tuner.space import Parameter, Range, Space
from tuner.trial import Params, ParamValue


def derive_seed(seed: int, *what: int | str) -> int:
    """A seed in [0, 2³¹) that depends on all of its arguments."""
    digest = hashlib.sha256(json.dumps([seed, *what]).encode()).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFFFFFF


def variant_seed(seed: int, index: int) -> int:
    """The seed of each variant's training number `index`, from 0: the same for all of them.

    Args:
        seed: of the study.
    """
    return derive_seed(seed, "variant", index)


def switch_name(name: str) -> str:
    """Optuna's name of the switch between a range and its `or` value."""
    return f"{name}:in_range"


def index_name(name: str) -> str:
    """Optuna's name of the index into ordered values."""
    return f"{name}:index"


def distributions(parameter: Parameter) -> dict[str, BaseDistribution]:
    """What Optuna samples for one parameter, in order; a switch comes before its range."""
    domain = parameter.domain
    name = parameter.name
    if not isinstance(domain, Range):
        if domain.ordered:
            return {index_name(name): IntDistribution(0, len(domain.values) - 1)}
        return {name: CategoricalDistribution(domain.values)}
    found: dict[str, BaseDistribution] = {}
    if domain.alternative is not None:
        found[switch_name(name)] = CategoricalDistribution((True, False))
    if domain.integer:
        low, high = int(domain.low), int(domain.high)
        found[name] = IntDistribution(low, high, log=domain.log, step=int(domain.step or 1))
    else:
        found[name] = FloatDistribution(domain.low, domain.high, log=domain.log, step=domain.step)
    return found


def joint_space(space: Space) -> dict[str, BaseDistribution]:
    """What every trial samples: the parameters without a condition, and the switches."""
    joint: dict[str, BaseDistribution] = {}
    for parameter in space.parameters:
        if parameter.when:
            continue
        found = distributions(parameter)
        if switch_name(parameter.name) in found:
            found = {switch_name(parameter.name): found[switch_name(parameter.name)]}
        joint.update((name, d) for name, d in found.items() if not d.single())
    return dict(sorted(joint.items()))


def drawing(suggest: Callable[[str, BaseDistribution], Any]) -> Callable[[Parameter], ParamValue]:
    """Turn Optuna's suggestions into a draw for `space.resolve`."""

    def draw(parameter: Parameter) -> ParamValue:
        domain = parameter.domain
        found = distributions(parameter)
        if not isinstance(domain, Range):
            ((name, distribution),) = found.items()
            value = suggest(name, distribution)
            return domain.values[int(value)] if domain.ordered else plain(value)
        if domain.alternative is not None:
            name = switch_name(parameter.name)
            if not suggest(name, found[name]):
                return domain.alternative
        return plain(suggest(parameter.name, found[parameter.name]))

    return draw


def suggesting(trial: optuna.Trial) -> Callable[[str, BaseDistribution], Any]:
    """Optuna's suggestions for `trial`, by the distribution that is wanted."""

    def suggest(name: str, wanted: BaseDistribution) -> Any:
        if isinstance(wanted, CategoricalDistribution):
            return trial.suggest_categorical(name, wanted.choices)
        if isinstance(wanted, IntDistribution):
            return trial.suggest_int(
                name, wanted.low, wanted.high, step=wanted.step, log=wanted.log
            )
        assert isinstance(wanted, FloatDistribution)
        return trial.suggest_float(name, wanted.low, wanted.high, step=wanted.step, log=wanted.log)

    return suggest


def answer_to(trial: optuna.Trial, asked: Asked, usual: bool) -> ParamValue:
    """The value for what a model asks for while it is built; noted in the trial's attributes.

    Args:
        usual: whether it takes what the model takes where nobody says, as far as it says that.
    """
    value = asked.default if usual else None
    if value is None:
        value = drawing(suggesting(trial))(Parameter(asked.label, asked.domain))
        if asked.reverse:
            value = asked.from_share(float(value))  # type: ignore[arg-type]
    known = trial.user_attrs
    config = {**known.get("config", {}), asked.name: value}
    trial.set_user_attr("config", config)
    if "spec" in known:
        trial.set_user_attr("spec", {**known["spec"], "params": config})
    return value


def encode(space: Space, params: Mapping[str, ParamValue]) -> dict[str, Any]:
    """`params` under Optuna's names; only for configurations that the space contains."""
    encoded: dict[str, Any] = {}
    for parameter in space.parameters:
        if not space.active(parameter, params):
            continue
        name, domain, value = parameter.name, parameter.domain, params[parameter.name]
        if not isinstance(domain, Range):
            if domain.ordered:
                encoded[index_name(name)] = list(domain.values).index(value)
            else:
                encoded[name] = value
            continue
        if domain.alternative is not None:
            in_range = value != domain.alternative
            encoded[switch_name(name)] = in_range
            if not in_range:
                continue
        encoded[name] = value
    return encoded


class _QMC(QMCSampler):  # type: ignore[misc]
    """A scrambled Sobol sequence over a stated joint space; conditional parameters are random."""

    def __init__(
        self, joint: dict[str, BaseDistribution], scramble: int, own: int, rank: int
    ) -> None:
        super().__init__(
            scramble=True,
            seed=scramble,
            independent_sampler=RandomSampler(seed=own),
        )
        self._joint = joint
        self._rank = rank

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, BaseDistribution]:
        return self._joint

    def _find_sample_id(self, study: Any, search_space: Any) -> int:
        # Optuna counts the samples it has given out; one that was lost with its process would be
        # skipped, and a resumed sweep would differ from an undisturbed one.
        return self._rank


class _Given(BaseSampler):  # type: ignore[misc]
    """Proposes one given point: how a grid is walked."""

    def __init__(self, point: Mapping[str, Any]) -> None:
        self._point = point

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        return {}

    def sample_independent(self, study: Any, trial: Any, param_name: str, distribution: Any) -> Any:
        return self._point[param_name]


def build_sampler(
    name: str,
    space: Space,
    grid: Sequence[Params],
    seed: int,
    rank: int,
    history: History | None = None,
    running: Sequence[FrozenTrial] = (),
) -> BaseSampler:
    """The sampler for one trial.

    Args:
        name: `tpe`, `random`, `qmc` or `grid`.
        space: the space of the sweep.
        grid: its points in order, for `grid` only.
        seed: seed of the study.
        rank: how many sampled or given trials come before this one.
        history, running: the study's finished and running trials, where they are known already.
    """
    if name == "grid":
        return _Given(encode(space, grid[rank]))
    own = derive_seed(seed, "sampler", rank)
    if name == "qmc":
        # One sequence for the whole study; the rank is the position in it.
        return _QMC(joint_space(space), derive_seed(seed, "qmc"), own, rank)
    if name == "random":
        return RandomSampler(seed=own)
    return Tpe(joint_space(space), own, history, running)


def quiet() -> None:
    """Keep Optuna's log lines and notices of experiments off the terminal."""
    import warnings

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


def plain(value: Any) -> ParamValue:
    """A Python value for a numpy one, so that JSON takes it."""
    item = value.item() if hasattr(value, "item") else value
    assert isinstance(item, (str, int, float, bool))
    return item
