"""What samplers are told of a space, and that a rebuilt sampler goes on where the last one was."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from tuner.parameters import complete
from tuner.search.sampling import (
    build_sampler,
    derive_seed,
    distributions,
    drawing,
    encode,
    joint_space,
    quiet,
    suggesting,
)
from tuner.space import Choices, Parameter, Range, Space, grid, resolve
from tuner.trial import Params, ParamValue

L2 = Parameter("l2", Range(1e-6, 1e-1, log=True, alternative=0.0))
DROPOUT = Parameter("dropout", Range(0.0, 0.7))
STEPPED = Parameter("dropout", Range(0.0, 0.6, step=0.1))
BATCH = Parameter("batch_size", Choices((64, 128, 256), ordered=True))
OPTIMIZER = Parameter("optimizer", Choices(("sgd", "adam", "rmsprop")))
MOMENTUM = Parameter("momentum", Range(0.0, 0.99), (("optimizer", ("sgd",)),))
DEPTH = Parameter("depth", Range(1, 3, integer=True))
UNITS = Parameter("units", Choices((64, 128, 256, 512), ordered=True))
RATE = Parameter("learning_rate", Range(1e-4, 1e-2, log=True))
ONE = Parameter("schedule", Choices(("cosine",)))
WIDE = Space((L2, DROPOUT, BATCH, OPTIMIZER, MOMENTUM, DEPTH, UNITS, RATE, ONE))
SMALL = Space((L2, OPTIMIZER, MOMENTUM, UNITS))


@pytest.fixture(autouse=True)
def _quiet() -> None:
    quiet()


def values(parameter: Parameter) -> st.SearchStrategy[ParamValue]:
    """Any value that a parameter can take."""
    domain = parameter.domain
    if isinstance(domain, Choices):
        return st.sampled_from(domain.values)
    inside: st.SearchStrategy[Any]
    if domain.integer:
        inside = st.integers(int(domain.low), int(domain.high))
    elif domain.step:
        inside = st.sampled_from([p for p in domain.points() if p != domain.alternative])
    else:
        inside = st.floats(domain.low, domain.high)
    return inside if domain.alternative is None else st.just(domain.alternative) | inside


@st.composite
def configured(draw: st.DrawFn) -> tuple[Space, Params, Params]:
    """A space, fixed values, and a configuration that can come out of it."""
    every = [L2, draw(st.sampled_from([DROPOUT, STEPPED])), *WIDE.parameters[2:]]
    chosen = [p for p in every if draw(st.booleans())]
    space = Space(tuple(chosen))
    fixed: Params = {}
    if OPTIMIZER not in chosen and draw(st.booleans()):
        fixed = {"optimizer": draw(st.sampled_from(["sgd", "adam"]))}
    return space, fixed, resolve(space, fixed, lambda p: draw(values(p)))


@settings(deadline=None)
@given(configured())
def test_what_is_encoded_is_drawn_again(case: tuple[Space, Params, Params]) -> None:
    space, fixed, params = case
    encoded = encode(space, {**fixed, **params})
    asked: list[str] = []

    def suggest(name: str, distribution: Any) -> Any:
        asked.append(name)
        assert distribution._contains(distribution.to_internal_repr(encoded[name]))
        return encoded[name]

    assert resolve(space, fixed, drawing(suggest)) == params
    assert asked == list(encoded), "no more is encoded than is asked for"


@settings(deadline=None, max_examples=40)
@given(configured())
def test_a_trial_given_a_configuration_takes_it(case: tuple[Space, Params, Params]) -> None:
    """Through Optuna itself, with a sampler that would say something else."""
    space, fixed, params = case
    study = optuna.create_study(sampler=build_sampler("tpe", space, (), 1, 0))
    study.enqueue_trial(encode(space, {**fixed, **params}))
    trial = study.ask()
    assert resolve(space, fixed, drawing(suggesting(trial))) == params


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        (DROPOUT, {"dropout": FloatDistribution(0.0, 0.7)}),
        (STEPPED, {"dropout": FloatDistribution(0.0, 0.6, step=0.1)}),
        (DEPTH, {"depth": IntDistribution(1, 3)}),
        (RATE, {"learning_rate": FloatDistribution(1e-4, 1e-2, log=True)}),
        (UNITS, {"units:index": IntDistribution(0, 3)}),
        (OPTIMIZER, {"optimizer": CategoricalDistribution(("sgd", "adam", "rmsprop"))}),
        (
            L2,
            {
                "l2:in_range": CategoricalDistribution((True, False)),
                "l2": FloatDistribution(1e-6, 1e-1, log=True),
            },
        ),
    ],
)
def test_distributions(parameter: Parameter, expected: dict[str, Any]) -> None:
    assert distributions(parameter) == expected


def test_the_joint_space_is_what_every_trial_draws() -> None:
    joint = joint_space(WIDE)
    assert list(joint) == [
        "batch_size:index",
        "depth",
        "dropout",
        "l2:in_range",
        "learning_rate",
        "optimizer",
        "units:index",
    ]  # neither l2 itself, nor momentum, nor what has one value
    assert joint_space(Space()) == {}


def test_seeds_depend_on_all_and_fit() -> None:
    cases = [(s, w, r) for s in (0, 1, 2**32 - 1) for w in ("a", "b") for r in range(50)]
    seeds = [derive_seed(*case) for case in cases]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert derive_seed(7, "trial", 3) == 840946490  # a stored study counts on it


def history(count: int, space: Space = WIDE) -> optuna.Study:
    """A study in memory with some trials told, every fifth of them as failed."""
    study = optuna.create_study(direction="maximize")
    for i in range(count):
        study.sampler = build_sampler("random", space, (), 99, i)
        trial = study.ask()
        params = resolve(space, {}, drawing(suggesting(trial)))
        if i % 5 == 4:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            continue
        trial.set_constraint("t", float(params.get("units", 0) == 64))
        study.tell(trial, 1.0 / (1 + i))
    return study


def proposal(study: optuna.Study, name: str, seed: int, rank: int, space: Space = WIDE) -> Params:
    trial = study.ask()
    study.sampler = build_sampler(name, space, (), seed, rank)
    params = resolve(space, {}, drawing(suggesting(trial)))
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    return params


@pytest.mark.parametrize("name", ["tpe", "random", "qmc"])
@pytest.mark.parametrize("count", [0, 1, 30])
def test_a_rebuilt_sampler_repeats_itself(name: str, count: int) -> None:
    first, second = history(count), history(count)
    expected = proposal(first, name, 7, 30)
    assert proposal(second, name, 7, 30) == expected
    # Nor does it matter that an attempt at the same rank was made before and lost.
    assert proposal(second, name, 7, 30) == expected
    assert proposal(second, name, 7, 31) != expected
    assert proposal(second, name, 8, 30) != expected


@pytest.mark.parametrize("name", ["tpe", "random", "qmc"])
def test_a_resumed_study_never_repeats_its_start(name: str) -> None:
    study = history(0)
    drawn = [str(proposal(study, name, 7, rank)) for rank in range(40)]
    assert len(set(drawn)) == len(drawn)


def test_qmc_fills_a_space_more_evenly_than_chance() -> None:
    space = Space((DROPOUT, RATE))
    study = history(0, space)
    drawn = [proposal(study, "qmc", 7, rank, space)["dropout"] for rank in range(16)]
    eighths = {int(float(str(value)) / 0.7 * 8) for value in drawn}
    assert eighths == set(range(8))


def test_tpe_learns_beside_trials_outside_of_the_space() -> None:
    """A variant without sampled parameters must not narrow the joint space."""
    study = history(30)
    outside = study.ask()
    study.tell(outside, 5.0)
    trial = study.ask()
    study.sampler = build_sampler("tpe", WIDE, (), 0, 31)
    resolve(WIDE, {}, drawing(suggesting(trial)))
    assert trial.relative_search_space == joint_space(WIDE)
    assert set(trial.relative_params) == set(joint_space(WIDE))


def test_a_grid_is_walked_point_by_point() -> None:
    space = Space(
        (
            Parameter("l2", Range(1e-4, 1e-2, log=True, steps=3, alternative=0.0)),
            OPTIMIZER,
            Parameter("momentum", Choices((0.0, 0.9)), (("optimizer", ("sgd",)),)),
            UNITS,
        )
    )
    fixed: Params = {"depth": 2}
    points = tuple({**fixed, **point} for point in grid(space, fixed))
    assert len(points) == 4 * (2 + 1 + 1) * 4
    study = optuna.create_study()
    walked = []
    for i in range(len(points)):
        study.sampler = build_sampler("grid", space, points, 0, i)
        walked.append(resolve(space, fixed, drawing(suggesting(study.ask()))))
    assert walked == [complete(point) for point in points]
    assert len({str(w) for w in walked}) == len(walked)
