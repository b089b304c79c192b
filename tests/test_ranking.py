"""The rank of candidates: how it is made, what it does not hang on, and that it picks better."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean, stdev
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.report.ranking import (
    DISASTER,
    FEWEST,
    RANK_TEXT,
    SAFE,
    Candidate,
    Rank,
    own_margin,
    ranks,
)
from tuner.report.selection import select
from tuner.targets import parse_targets
from tuner.trial import EpochMetrics, Params, TrialRecord

TARGETS = parse_targets("val_accuracy >= 0.90 and train_accuracy < 0.95")


def candidate(
    *rows: tuple[float | None, float | None], at: int = 1, params: Params | None = None
) -> Candidate:
    """A trial with these (val, train) accuracies, of which epoch `at` was chosen."""
    epochs = [
        EpochMetrics(number, val, None, train, parameters=1000)
        for number, (val, train) in enumerate(rows, 1)
    ]
    met = all(t.met_by(epochs[at - 1].figure(t.metric)) for t in TARGETS)
    return Candidate(params or {}, epochs[at - 1], epochs, met)


# --- a trial's own margin -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "margin"),
    [
        (candidate((0.905, 0.94)), 0.5),  # val has less to spare than train
        (candidate((0.908, 0.949)), 0.1),  # train has
        (candidate((0.89, 0.94)), -1.0),
        (candidate((0.10, 0.10)), -80),
        (candidate((None, 0.94)), -1000),
        (candidate((math.nan, 0.94)), -1000),
        (candidate((0.895, None)), -0.5),  # what was not measured is not guessed
        (candidate((0.90, 0.93), (0.912, 0.935), (0.906, 0.94), at=2), 0.6),  # a mean of three
        (candidate((0.90, None), (0.912, 0.949), at=2), 0.1),  # of what was measured
        (candidate((0.5, 0.5), (0.9, 0.9), (0.905, 0.94), at=3), 0.25),  # only those beside it
        (candidate((0.91, 0.93)), SAFE),
        (candidate((0.93, 0.93)), SAFE + 0.1 * 2),  # two points above a safe val accuracy
    ],
)
def test_the_own_margin(found: Candidate, margin: float) -> None:
    assert own_margin(found, TARGETS, 0.91) == pytest.approx(margin)


@pytest.mark.parametrize(
    ("vals", "margins"),
    [
        ([0.905, 0.10], [0.5, -DISASTER]),
        ([0.87, 0.80, 0.86], [-3, -3 - DISASTER, -4]),  # below the best, where none meets
        ([math.nan, math.nan], [-1000, -1000]),
    ],
)
def test_a_disaster_is_counted_as_no_worse_than_it_has_to_be(
    vals: list[float], margins: list[float]
) -> None:
    found = ranks([candidate((val, 0.93)) for val in vals], TARGETS)
    assert [rank.margin for rank in found] == pytest.approx(margins)


@pytest.mark.parametrize(
    ("targets", "order"),
    [
        ("val >= 0.5 and train < 0.95", [2, 1, 0]),  # all are safe: val accuracy decides
        ("params <= 1000", [2, 1, 0]),  # a count is the same for every seed: no margin in it
        ("train < 0.95", [2, 1, 0]),
        ("val >= 0.915", [2, 1, 0]),
        ("train < 0.935", [1, 0, 2]),  # 2 breaks it; 1 has less to spare than 0, and both are safe
        ("train < 0.931", [0, 1, 2]),
    ],
)
def test_which_of_three_comes_first(targets: str, order: list[int]) -> None:
    asked = parse_targets(targets)
    rows = [(0.89, 0.91), (0.91, 0.925), (0.92, 0.94)]
    found = [
        replace(c, meets=all(t.met_by(c.chosen.figure(t.metric)) for t in asked))
        for c in (candidate(row) for row in rows)
    ]
    places = [rank.place for rank in ranks(found, asked)]
    assert sorted(range(3), key=lambda i: places[i]) == order


def test_without_targets_the_highest_val_accuracy_is_first() -> None:
    found = [candidate((val, 0.9)) for val in (0.7, 0.9, 0.8)]
    assert [rank.place for rank in ranks(found, ())] == [3, 1, 2]


def test_who_meets_comes_before_who_does_not() -> None:
    """Even where the neighbours of the latter are better."""
    meets = [candidate((0.9001, 0.9499), params={"x": 0.0})]
    misses = [candidate((0.8999, 0.92), params={"x": 1.0 + i / 100}) for i in range(20)]
    found = ranks([*misses, *meets], TARGETS)
    assert found[-1].place == 1


def test_of_equal_trials_the_earlier_is_first() -> None:
    assert [r.place for r in ranks([candidate((0.91, 0.93))] * 12, TARGETS)] == [*range(1, 13)]


# --- what neighbours say ------------------------------------------------------------------------


def line(values: Sequence[float], name: str = "x") -> list[Candidate]:
    """Trials along one parameter with these val accuracies."""
    return [candidate((val, 0.90), params={name: i / 10}) for i, val in enumerate(values)]


def test_a_lucky_figure_among_poor_ones_loses_to_a_good_one_among_good_ones() -> None:
    poor = [0.882, 0.885, 0.879, 0.884, 0.906, 0.881, 0.886, 0.883]
    good = [0.903, 0.905, 0.904, 0.903, 0.905, 0.904, 0.903, 0.904]
    found = ranks(line([*poor, *good]), TARGETS)
    lucky, solid = found[4], found[12]
    assert lucky.margin > solid.margin
    assert lucky.neighbours is not None
    assert solid.neighbours is not None
    assert lucky.neighbours < 0 < solid.neighbours
    assert solid.place < lucky.place


def test_a_trial_far_from_all_others_keeps_more_of_its_own_figure() -> None:
    crowd = [candidate((0.88 + 0.001 * (i % 3), 0.9), params={"x": i / 100}) for i in range(20)]
    inside = candidate((0.905, 0.9), params={"x": 0.105})
    outside = candidate((0.905, 0.9), params={"x": 5.0})
    found = ranks([*crowd, inside, outside], TARGETS)
    assert found[-1].weight < found[-2].weight
    assert found[-1].score > found[-2].score


def test_too_few_trials_have_no_say() -> None:
    found = ranks(line([0.89, 0.91, 0.90, 0.92, 0.88, 0.87, 0.86][: FEWEST - 1]), TARGETS)
    assert all(r.neighbours is None and r.weight == 0 and r.score == r.margin for r in found)


@pytest.mark.parametrize(
    "values",
    [
        ["adam", "sgd", "rmsprop", None],
        [1e-6, 1e-1, 0.0, 1e-3],
        [64, 128, 256, None],
        [True, False],
        [[64], [128, 64], "x", 3],
        [math.nan, math.inf, -math.inf, 0.1],
        [1e308, -1e308, 0.0],
        ["same"],
    ],
)
def test_any_parameter_has_distances(values: list[Any]) -> None:
    draw = random.Random(1)
    found = [
        candidate(
            (0.88 + 0.03 * draw.random(), 0.9),
            params={} if (value := values[i % len(values)]) is None else {"p": value},
        )
        for i in range(24)
    ]
    for rank in ranks(found, TARGETS):
        assert all(map(math.isfinite, (rank.score, rank.margin, rank.weight)))


shares = st.none() | st.floats(0.85, 1.0) | st.just(math.nan)
anything = st.one_of(st.floats(), st.integers(-1000, 1000), st.booleans(), st.text(max_size=3))
candidates = st.lists(
    st.builds(
        lambda rows, at, params: candidate(*rows, at=min(at, len(rows)), params=params),
        st.lists(st.tuples(shares, shares), min_size=1, max_size=4),
        st.integers(1, 4),
        st.dictionaries(st.sampled_from(["a", "b", "c"]), anything),
    ),
    max_size=16,
)


@given(candidates)
@settings(max_examples=80, deadline=None)
def test_every_candidate_has_one_place_and_a_score_between(found: list[Candidate]) -> None:
    ranked = ranks(found, TARGETS)
    assert sorted(r.place for r in ranked) == [*range(1, len(found) + 1)]
    for one in ranked:
        assert one.margin >= min(0, max(r.margin for r in ranked)) - DISASTER - 1e-3
        assert one.weight >= 0
        neighbours = one.margin if one.neighbours is None else one.neighbours
        low, high = sorted((one.margin, neighbours))
        assert low - 1e-3 <= one.score <= high + 1e-3
    by_place = sorted(zip(ranked, found, strict=True), key=lambda pair: pair[0].place)
    meeting = [c.meets for _, c in by_place]
    assert meeting == sorted(meeting, reverse=True)
    for group in (True, False):
        scores = [r.score for r, c in by_place if c.meets == group]
        assert scores == sorted(scores, reverse=True)


def test_the_order_of_records_does_not_matter() -> None:
    records = [
        TrialRecord(i, i, f"u:{i}", "complete", c.params, epochs=tuple(c.epochs))
        for i, c in enumerate(line([0.9 + 0.002 * ((7 * i) % 5) for i in range(20)]))
    ]
    one = select("s", "d", records, TARGETS, "best", 20)
    two = select("s", "d", records[::-1], TARGETS, "best", 20)
    assert [e.rank for e in one.entries] == [e.rank for e in two.entries]
    assert [e.trial for e in one.meets] == [e.trial for e in two.meets]


def test_the_text_names_what_counts() -> None:
    for word in ("margin", "neighbours", "Confirmed", "score"):
        assert word in RANK_TEXT


# --- does it pick better? -----------------------------------------------------------------------

TRIALS, SEEDS = 100, 100
SEED_NOISE, EPOCH_NOISE = 0.006, 0.002  # as a few hundred or thousand validation rows give
Truth = Callable[[Params], float]
GOAL = parse_targets("val_accuracy >= 0.89 and train_accuracy < 0.95")


def planted(draw: random.Random) -> Truth:
    """A smooth expected val_accuracy with one peak, somewhere within the space."""
    peaks = {name: draw.uniform(0.2, 0.8) for name in ("dropout", "rate", "width", "l2")}
    steep = {name: draw.uniform(0.0, 0.12) for name in peaks}
    lost = {"adam": 0.0, "rmsprop": draw.uniform(0, 0.01), "sgd": draw.uniform(0, 0.04)}

    def truth(params: Params) -> float:
        away = (steep[n] * (float(str(params[n])) - peak) ** 2 for n, peak in peaks.items())
        return 0.902 - lost[str(params["optimizer"])] - sum(away)

    return truth


def searched(draw: random.Random, truth: Truth) -> tuple[list[Candidate], list[float]]:
    """Trials at random, and what each of them can be expected to reach on fresh seeds."""
    found: list[Candidate] = []
    expected: list[float] = []
    for _ in range(TRIALS):
        params: Params = {n: draw.random() for n in ("dropout", "rate", "width", "l2")}
        params["optimizer"] = draw.choice(["adam", "rmsprop", "sgd"])
        expected.append(truth(params))
        level = draw.gauss(expected[-1], SEED_NOISE)
        rows = [(draw.gauss(level, EPOCH_NOISE), 0.93) for _ in range(8)]
        at = 1 + max(range(8), key=lambda e: rows[e][0])
        made = candidate(*rows, at=at, params=params)
        found.append(replace(made, meets=rows[at - 1][0] >= GOAL[0].value))
    return found, expected


@pytest.mark.slow
def test_it_picks_better_than_the_highest_figure() -> None:
    """Over many searches for a planted truth: what the first by rank can be expected to reach."""
    gains, possible = [], []
    for seed in range(SEEDS):
        draw = random.Random(seed)
        found, expected = searched(draw, planted(draw))
        ranked = ranks(found, GOAL)
        highest = max(range(TRIALS), key=lambda i: found[i].chosen.val_accuracy or 0)
        first = min(range(TRIALS), key=lambda i: ranked[i].place)
        gains.append(100 * (expected[first] - expected[highest]))
        possible.append(100 * (max(expected) - expected[highest]))
    mean, error = fmean(gains), stdev(gains) / math.sqrt(SEEDS)
    print(f"points of expected val accuracy gained by rank: {mean:.3f}, standard error {error:.3f}")
    print(f"an oracle would gain {fmean(possible):.3f}")
    assert mean > 1.5 * error
    assert mean > 0.05


def test_a_thousand_trials_are_ranked_at_once() -> None:
    """In processor time, of which other work on the machine takes none away."""
    draw = random.Random(0)
    found = []
    for _ in range(1000):
        params: Params = {name: draw.random() for name in "abcdefgh"}
        params["optimizer"] = draw.choice(["adam", "sgd"])
        found.append(candidate((0.85 + 0.06 * draw.random(), 0.93), params=params))
    few = time.process_time()
    ranks(found[:100], TARGETS)
    few = time.process_time() - few
    many = time.process_time()
    ranked = ranks(found, TARGETS)
    many = time.process_time() - many
    print(f"100 trials {few:.2f} s, 1,000 trials {many:.2f} s")
    assert isinstance(ranked[0], Rank)
    assert many < 60 * few + 1  # ten times the trials, far below their cube
