from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.parameters import CATALOGUE, complete, in_order, overlay
from tuner.space import Choices, Domain, Parameter, Range, Space, grid, resolve
from tuner.trial import Params, ParamValue

SGD = (("optimizer", ("sgd",)),)
SPACE = Space(
    (
        Parameter("l2", Range(1e-6, 1e-1, log=True, steps=3, alternative=0.0)),
        Parameter("optimizer", Choices(("sgd", "adam"))),
        Parameter("momentum", Range(0.0, 0.9, steps=2), SGD),
        Parameter("depth", Range(0, 2, integer=True)),
        Parameter("units", Choices((64, 128), ordered=True), (("depth", (1, 2)),)),
    )
)


def drawing(values: Params) -> Callable[[Parameter], ParamValue]:
    return lambda parameter: values[parameter.name]


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("l2", 0, 0.0),
        ("l2", 1e-4, 1e-4),
        ("dropout", 0.999, 0.999),
        ("batch_size", 64.0, 64),
        ("depth", 0, 0),
        ("depth", 20, 20),
        ("learning_rate", 1, 1.0),
        ("optimizer", "rmsprop", "rmsprop"),
        ("layers", [128, 64.0], [128, 64]),
    ],
)
def test_a_value_is_taken_in_the_parameters_own_type(
    name: str, value: object, accepted: ParamValue
) -> None:
    got = CATALOGUE[name].accept(value)
    assert got == accepted
    assert type(got) is type(accepted)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("l2", -1e-9, "a number of at least 0, not -1e-09"),
        ("l2", math.inf, "a number of at least 0, not inf"),
        ("l2", math.nan, "not nan"),
        ("l2", True, "not true"),
        ("l2", None, "not nothing"),
        ("l2", 10**400, "a number of at least 0"),
        ("dropout", 1.0, "a number of at least 0 and below 1, not 1.0"),
        ("momentum", 1, "below 1, not 1"),
        ("batch_size", 0, "a whole number of at least 1, not 0"),
        ("batch_size", 1.5, "a whole number"),
        ("batch_size", math.nan, "a whole number"),
        ("batch_size", math.inf, "a whole number"),
        ("batch_size", False, "not false"),
        ("depth", 21, "at most 20, not 21"),
        ("units", "128", "not '128'"),
        ("learning_rate", 0, "a number above 0, not 0"),
        ("optimizer", "adamw", "one of sgd, adam, rmsprop, not 'adamw'"),
        ("batch_norm", False, "one of none, before_activation, after_activation, not false"),
        ("layers", [], "a list of widths"),
        ("layers", [0], "each a whole number of at least 1"),
        ("layers", [64, 1.5], "a list of widths"),
        ("layers", [-1], "a list of widths"),
        ("layers", 64, "not 64"),
    ],
)
def test_a_value_that_is_not_allowed_says_what_is(name: str, value: object, words: str) -> None:
    with pytest.raises(ValueError, match=r"^must be ") as caught:
        CATALOGUE[name].accept(value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("params", "present", "absent"),
    [
        ({}, {"depth": 1, "units": 128, "optimizer": "adam"}, {"momentum", "layers"}),
        ({"optimizer": "sgd"}, {"momentum": 0.0}, {"layers"}),
        ({"momentum": 0.9}, {"optimizer": "adam"}, {"momentum"}),
        ({"layers": [8, 4]}, {"layers": [8, 4]}, {"depth", "units"}),
        ({"depth": 0}, {"depth": 0, "units": 128}, {"layers"}),
    ],
)
def test_complete_fills_defaults_and_leaves_out_what_has_no_effect(
    params: Params, present: Params, absent: set[str]
) -> None:
    full = complete(params)
    assert present.items() <= full.items()
    assert not absent & full.keys()
    assert list(full) == [name for name in CATALOGUE if name in full]


@settings(deadline=None)
@given(st.sets(st.sampled_from(sorted(CATALOGUE))))
def test_complete_of_a_complete_configuration_changes_nothing(names: set[str]) -> None:
    defaults: Params = {n: CATALOGUE[n].default or [16] for n in names}
    assert complete(complete(defaults)) == complete(defaults)


def test_layers_and_depth_displace_each_other() -> None:
    assert overlay({"depth": 2, "units": 8}, {"layers": [4]}) == {"layers": [4]}
    assert overlay({"layers": [4], "l2": 0.0}, {"depth": 2}) == {"depth": 2, "l2": 0.0}


def test_copies_do_not_share_their_lists() -> None:
    layers = [8, 4]
    copied = in_order({"layers": layers})["layers"]
    layers.append(2)
    assert copied == [8, 4]


@pytest.mark.parametrize(
    ("domain", "inside", "outside"),
    [
        (Range(0.0, 0.5), [0.0, 0.25, 0.5, 0], [-1e-9, 0.51, True, "0.1"]),
        (Range(0.0, 0.3, step=0.1), [0.0, 0.1, 0.2, 0.30000000000000004 - 5e-17], [0.05]),
        (Range(1, 3, integer=True), [1, 2, 3], [0, 4, 2.0, 2.5, True]),
        (Range(16, 64, integer=True, step=16), [16, 32, 64], [24]),
        (Range(1e-6, 1e-1, log=True, alternative=0.0), [1e-6, 1e-1, 0.0, 0], [1e-7, -0.1]),
        (Choices((64, 128), ordered=True), [64, 128], [96, True, "64"]),
        (Choices(("sgd", "adam")), ["sgd"], ["rmsprop", 0]),
        (Choices((1, 2)), [1], [True]),
    ],
)
def test_domains_know_their_values(
    domain: Domain, inside: list[ParamValue], outside: list[ParamValue]
) -> None:
    assert [v for v in inside if not domain.contains(v)] == []
    assert [v for v in outside if domain.contains(v)] == []


@pytest.mark.parametrize(
    ("domain", "points"),
    [
        (Range(0.0, 0.5, steps=6), (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)),
        (Range(1e-4, 1e-1, log=True, steps=4), (1e-4, 1e-3, 1e-2, 1e-1)),
        (Range(1e-3, 1e-1, log=True, steps=3, alternative=0.0), (0.0, 1e-3, 1e-2, 1e-1)),
        (Range(0.1, 0.3, step=0.1), (0.1, 0.2, 0.3)),
        (Range(1, 3, integer=True), (1, 2, 3)),
        (Range(16, 64, integer=True, step=16), (16, 32, 48, 64)),
        (Range(16, 256, integer=True, log=True, steps=5), (16, 32, 64, 128, 256)),
        (Range(1, 3, integer=True, steps=7), (1, 2, 3)),
        (Range(1, 3, integer=True, alternative=8), (1, 2, 3, 8)),
        (Choices(("a", "b")), ("a", "b")),
    ],
)
def test_points_of_a_grid(domain: Domain, points: tuple[ParamValue, ...]) -> None:
    got = domain.points()
    assert got == points
    assert [type(v) for v in got] == [type(v) for v in points]


@pytest.mark.parametrize(
    ("domain", "words"),
    [
        (Range(0.0, 1.0), "dropout: a grid needs to know its points: add `steps: 5`"),
        (Range(1, 9, log=True, integer=True), "dropout: a grid needs"),
        (Range(1, 10**9, integer=True), "dropout: gives 1000000000 points"),
    ],
)
def test_a_grid_without_points_names_the_parameter(domain: Domain, words: str) -> None:
    with pytest.raises(ValueError, match=r"^dropout: ") as caught:
        grid(Space((Parameter("dropout", domain),)))
    assert words in str(caught.value)


def test_a_grid_that_never_ends_is_refused() -> None:
    many = Range(1, 1000, integer=True)
    space = Space((Parameter("batch_size", many), Parameter("units", many)))
    with pytest.raises(ValueError, match="more than 100000 configurations"):
        grid(space)


def test_a_grid_leaves_out_what_conditions_exclude() -> None:
    # l2 has 4 points; optimizer and momentum give 3; depth and units give 1 + 2 + 2
    points = grid(SPACE)
    assert len(points) == 4 * 3 * 5
    assert all(("momentum" in p) == (p["optimizer"] == "sgd") for p in points)
    assert all(("units" in p) == (p["depth"] != 0) for p in points)


def test_conditions_look_at_fixed_values_and_defaults() -> None:
    momentum = Parameter("momentum", Range(0.0, 0.9, steps=2), SGD)
    space = Space((momentum,))
    assert not space.active(momentum, {})  # the default optimizer is adam
    assert space.active(momentum, {"optimizer": "sgd"})
    assert grid(space) == ({},)
    assert grid(space, {"optimizer": "sgd"}) == ({"momentum": 0.0}, {"momentum": 0.9})


def test_what_depends_on_an_inactive_parameter_is_inactive_whatever_its_default() -> None:
    space = Space(
        (
            Parameter("optimizer", Choices(("sgd", "adam"))),
            Parameter("schedule", Choices(("constant", "cosine")), SGD),
            Parameter("dropout", Range(0.1, 0.5), (("schedule", ("constant",)),)),
        )
    )
    params = resolve(space, {}, drawing({"optimizer": "adam"}))
    assert params["schedule"] == "constant"
    assert params["dropout"] == 0.0
    assert space.contains(params)
    assert not space.contains({**params, "dropout": 0.2})


@pytest.mark.parametrize(
    ("change", "contained"),
    [
        ({}, True),
        ({"l2": 0.0}, True),
        ({"l2": 1e-3}, True),
        ({"l2": 1.0}, False),
        ({"units": 100}, False),
        ({"batch_size": 64}, False),  # neither searched nor fixed: only its default
        ({"batch_norm": "after_activation"}, True),
        ({"batch_norm": "none"}, False),
        ({"optimizer": "sgd"}, False),  # then momentum is missing
        ({"optimizer": "sgd", "momentum": 0.5}, True),
        ({"momentum": 0.5}, False),  # and with adam it has no place
        ({"depth": 0}, True),
        ({"depth": 0, "units": 64}, False),  # not active: only its default, 128
    ],
)
def test_contains_says_whether_resolve_could_have_made_it(change: Params, contained: bool) -> None:
    fixed: Params = {"batch_norm": "after_activation"}
    base = resolve(
        SPACE, fixed, drawing({"l2": 0.0, "optimizer": "adam", "depth": 1, "units": 128})
    )
    assert SPACE.contains({**base, **change}, fixed) is contained


# --- laws -------------------------------------------------------------------------------------

share = st.floats(0.0, 0.99)


@st.composite
def float_ranges(draw: st.DrawFn) -> Range:
    low, high = sorted(draw(st.lists(share, min_size=2, max_size=2, unique=True)))
    log = low > 1e-12 and draw(st.booleans())
    other = draw(st.one_of(st.none(), share.filter(lambda v: not low <= v <= high)))
    return Range(low, high, log=log, steps=draw(st.integers(2, 4)), alternative=other)


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    def subset(name: str) -> Choices:
        every = list(CATALOGUE[name].choices)
        return Choices(tuple(draw(st.lists(st.sampled_from(every), min_size=1, unique=True))))

    optimizer = subset("optimizer")
    whens = [(), (("optimizer", (draw(st.sampled_from(optimizer.values)),)),)]
    parameters = [Parameter("optimizer", optimizer)]
    if draw(st.booleans()):
        parameters.append(Parameter("momentum", draw(float_ranges()), SGD))
    if draw(st.booleans()):
        parameters.append(Parameter("schedule", subset("schedule"), draw(st.sampled_from(whens))))
    if draw(st.booleans()):
        parameters.append(Parameter("dropout", draw(float_ranges()), draw(st.sampled_from(whens))))
    low = draw(st.integers(0, 3))
    depth = Range(low, low + draw(st.integers(1, 3)), integer=True)
    parameters.append(Parameter("depth", depth, draw(st.sampled_from(whens))))
    if draw(st.booleans()):
        units = Range(8, 8 + draw(st.integers(1, 50)), integer=True, steps=draw(st.integers(2, 3)))
        parameters.append(Parameter("units", units, (("depth", (low, low + 1)),)))
    return Space(tuple(parameters))


@settings(deadline=None)
@given(spaces(), st.data())
def test_resolve_draws_inside_domains_and_stays_in_the_space(
    space: Space, data: st.DataObject
) -> None:
    fixed: Params = {"batch_size": 32}
    drawn: Params = {}

    def draw(parameter: Parameter) -> ParamValue:
        assert parameter.name not in drawn
        drawn[parameter.name] = data.draw(st.sampled_from(parameter.domain.points()))
        return drawn[parameter.name]

    params = resolve(space, fixed, draw)
    assert space.contains(params, fixed)
    assert space.contains(drawn, fixed)
    assert complete(params) == params
    assert {n: params[n] for n in drawn} == drawn
    for parameter in space.parameters:
        assert (parameter.name in drawn) == space.active(parameter, params)
    assert all(
        params[n] == CATALOGUE[n].default for n in params.keys() - drawn.keys() - fixed.keys()
    )


@settings(deadline=None)
@given(spaces())
def test_a_grid_has_no_duplicates_and_lies_in_the_space(space: Space) -> None:
    points = grid(space)
    keys = [json.dumps(p, sort_keys=True) for p in points]
    assert len(set(keys)) == len(keys) >= 1
    for sampled in points:
        assert space.contains(sampled)
        assert space.contains(resolve(space, {}, drawing(sampled)))


@settings(deadline=None)
@given(float_ranges())
def test_points_ascend_between_the_ends(domain: Range) -> None:
    points = [p for p in domain.points() if isinstance(p, float)]
    assert all(a < b for a, b in pairwise(points))
    assert {domain.low, domain.high} <= set(points)
    assert all(domain.contains(p) for p in points)


@settings(deadline=None)
@given(spaces())
def test_the_json_of_a_space_is_json_and_ignores_the_order(space: Space) -> None:
    raw = space.to_json()
    assert json.loads(json.dumps(raw, allow_nan=False)) == raw
    assert Space(space.parameters[::-1]).to_json() == raw
