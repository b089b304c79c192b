"""The page of a study as values and as text; `test_page_browser.py` opens it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pages
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tuner.errors import UsageError
from tuner.report.page import (
    charts_capacity,
    charts_curves,
    charts_map,
    charts_parallel,
    charts_search,
    mistakes,
)
from tuner.report.page.answer import facts, headline, lead
from tuner.report.page.charts_base import Point, jitter
from tuner.report.page.data import PageData, Source, page_data
from tuner.report.page.examples import Example, data_uri, on_dark, png, shrunk
from tuner.report.page.render import embedded, render
from tuner.report.page.trials import mlflow_base, run_link
from tuner.report.page.winners import WinnerMistakes
from tuner.report.page.words import amount, confidence, figure, goals, share
from tuner.report.selection import Outcome
from tuner.space import Choices, Parameter, Range
from tuner.targets import parse_targets
from tuner.trial import EpochMetrics

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&<b>bold</b>\u2028"
BASE = "http://127.0.0.1:5000"


def winner(
    trial: int = 1, classes: Sequence[str] = ("ankle boot", "bag"), words: str = "", rest: str = ""
) -> Any:
    """What a trial gets wrong, made up."""
    matrix = np.array([[40, 10], [5, 45]])
    labels = np.array([0, 1])
    return WinnerMistakes(
        trial=trial,
        label=f"trial {trial}",
        epoch=3,
        rows=100,
        wrong=15,
        on_test=False,
        classes=tuple(classes),
        matrix=((40, 10), (5, 45)),
        scores=mistakes.class_scores(matrix),
        pairs=mistakes.confused_pairs(matrix),
        examples=tuple(
            Example(
                row=int(label),
                true=classes[label],
                predicted=classes[1 - label],
                confidence=0.98,
                truth=0.02,
                image="" if words else data_uri(png(np.full((8, 8), 100, np.uint8))),
                words=words,
                rest=rest,
                verbatim=bool(rest),
            )
            for label in labels
        ),
        kind="text" if words else "image",
        words_alone=bool(words) and not rest,
    )


def built(outcome: Outcome, **more: Any) -> PageData:
    importance = {"learning_rate": 0.6, "dropout": 0.4}
    return page_data(Source(outcome, pages.sweep(), importance, **more))


@pytest.fixture(scope="module")
def study() -> Outcome:
    return pages.outcome(pages.records(60))


@pytest.fixture(scope="module")
def page(study: Outcome) -> str:
    return render(built(study, mistakes=(winner(),), mlflow=BASE))


# Words


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("val_accuracy", 0.904, "90.4 %"),
        ("val_accuracy", 0.8999, "89.99 %"),
        ("val_accuracy", 0.9, "90.0 %"),
        ("train_accuracy", 0.94996, "94.996 %"),
        ("accuracy_gap", 0.0378, "3.8 points"),
        ("val_loss", 0.28712, "0.287"),
        ("parameters", 407050, "407,050"),
        ("val_accuracy", None, "–"),
        ("val_accuracy", math.nan, "–"),
    ],
)
def test_a_figure_stays_on_its_side_of_the_limit(
    metric: str, value: float | None, text: str
) -> None:
    targets = parse_targets(pages.TARGETS)
    assert figure(metric, value, targets).replace("\u202f", " ") == text


@given(st.floats(0, 1))
def test_no_accuracy_is_shown_on_the_other_side(value: float) -> None:
    (target,) = parse_targets("val >= 90%")
    shown = float(figure("val_accuracy", value, [target]).split("\u202f")[0]) / 100
    assert target.met_by(round(shown, 12)) == target.met_by(value)


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("val_accuracy", 0.003, "0.3 points"),
        ("val_accuracy", 0.01, "1.0 point"),
        ("train_accuracy", 0.00004, "0.004 points"),
        ("val_loss", 0.02, "0.020"),
    ],
)
def test_a_distance_is_never_rounded_to_nothing(metric: str, value: float, text: str) -> None:
    assert amount(metric, value) == text


def test_goals_read_as_people_say_them() -> None:
    said = goals(parse_targets("val >= 90% with train < 95%, params <= 50000"))
    plain = said.replace("\u202f", " ").replace("\u00a0", " ")
    assert plain == "validation ≥ 90 % with train < 95 % and weights ≤ 50,000"


def test_a_probability_is_never_rounded_up_to_certainty() -> None:
    assert confidence(0.99951) == "> 99.9\u202f%"
    assert confidence(0.9985) == share(0.9985)


# The answer


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u00a0", " ")


GOAL = "validation ≥ 90 % with train < 95 %"
MEETS, MISSES = (0.92, 0.02), (0.88, 0.04)


def answered(*tops: tuple[float, float], **more: Any) -> Outcome:
    return pages.outcome([pages.record(i, *top, **more) for i, top in enumerate(tops)])


def test_the_headline_with_winners_says_that_none_is_confirmed() -> None:
    assert plain(headline(answered(MEETS, MISSES, MEETS))) == (
        f"2 of 3 trials meet {GOAL}; none is confirmed yet."
    )
    assert plain(headline(answered(MEETS, MISSES))) == (
        f"1 of 2 trials meets {GOAL}; none is confirmed yet."
    )


def test_the_headline_without_winners_names_the_nearest_and_what_binds() -> None:
    outcome = answered(MISSES, (0.86, 0.04))
    assert plain(headline(outcome)) == f"None of 2 trials meets {GOAL}."
    said = plain(" ".join(lead(outcome)))
    assert "The nearest, trial 0, misses validation by" in said
    assert "validation ≥ 90 %: it is the target that binds" in said


def test_confirmed_trials_come_first_and_bring_their_bounds() -> None:
    sure = pages.confirmed(pages.record(1, *MEETS), [0.92, 0.921, 0.919, 0.92], 0.02)
    outcome = pages.outcome([pages.record(0, *MISSES), sure])
    assert plain(headline(outcome)) == f"Trial 1 is confirmed to meet {GOAL}."
    said = plain(" ".join(lead(outcome)))
    assert "Trained again on 4 fresh seeds, trial 1 passed 4 times" in said
    assert re.search(r"validation at least 91\.\d+ % and train at most 9\d\.\d+ %", said)
    assert "On the test rows, which chose nothing, it reaches 90.3 %" in said


def test_a_fluke_is_not_called_confirmed() -> None:
    fluke = pages.confirmed(pages.record(1, *MEETS), [0.89, 0.88, 0.885], 0.02)
    outcome = pages.outcome([fluke])
    assert plain(headline(outcome)).endswith("; none is confirmed.")
    assert "did not hold up" in " ".join(lead(outcome))
    data = built(outcome)
    assert [proof.verdict for proof in data.proofs] == ["fluke"]
    assert data.cards[0].badge == "fluke"


@pytest.mark.parametrize(
    ("trials", "said"),
    [
        ([], "No trial of shown has finished yet."),
        (
            [pages.record(0, 0.9, 0.1, state="failed", reason="no memory")],
            "None of 1 trial came far enough to be judged.",
        ),
        (
            [pages.record(0, 0.9, 0.1, state="running")],
            "No trial of shown has finished yet.",
        ),
    ],
    ids=["empty", "failed", "running"],
)
def test_a_study_without_a_judged_trial_has_a_page(trials: list[Any], said: str) -> None:
    data = built(pages.outcome(trials))
    assert data.headline == said
    assert said in render(data)
    assert "map" not in data.charts


def test_costs_count_trials_and_repeats() -> None:
    sure = pages.confirmed(pages.record(1, *MEETS), [0.92, 0.921, 0.919, 0.92], 0.02)
    outcome = pages.outcome([pages.record(0, *MISSES), sure])
    cost = dict({g.title: g.facts for g in built(outcome).method}["Cost"])
    # Two trials of nine seconds; five repeats of eight.
    assert cost["per configuration that meets"] == "18 s"
    assert cost["per confirmed configuration"] == "58 s"
    assert facts(outcome, 58.0)[-1].figure == "58 s"


def test_the_banner_of_validation_on_test_is_on_the_page() -> None:
    outcome = replace(answered(MEETS), banner="Validation is the test split")
    assert "Validation is the test split" in render(built(outcome))


def test_advice_is_a_command_to_copy() -> None:
    from tuner.report.diagnosis import Advice

    advice = Advice("bound", "All lie at the end.", "--epochs 60")
    text = render(built(answered(MISSES), advice=(advice,)))
    assert 'data-copy="tuner sweep shown --epochs 60 --name shown-wider"' in text


# Charts


def colored(part: Any) -> Any:
    """A figure with colours in place of their names, as the page's script puts them in."""
    if isinstance(part, dict):
        return {key: colored(value) for key, value in part.items()}
    if isinstance(part, list):
        return [colored(value) for value in part]
    if isinstance(part, str) and part.startswith("var("):
        return "sans-serif" if part == "var(--sans)" else "#123456"
    return part


def test_every_figure_is_one_that_plotly_knows(study: Outcome) -> None:
    import plotly.graph_objects as go

    charts = built(study).charts
    assert {"map", "accuracy", "loss", "progress", "importance", "parallel", "capacity"} <= set(
        charts
    )
    for chart in charts.values():
        go.Figure(colored(chart))  # raises for a key or a value that there is not


def test_every_colour_of_a_figure_is_in_the_style_sheet(study: Outcome) -> None:
    text = render(built(study))
    used = set(re.findall(r"var\((--[\w-]+)\)", json.dumps(built(study).charts)))
    light, dark = text.split("prefers-color-scheme: dark", 1)
    assert used
    for name in used:
        assert f"{name}:" in light
        assert f"{name}:" in dark or name == "--sans"


def test_every_judged_trial_is_a_dot_on_the_map(study: Outcome) -> None:
    traces = built(study).charts["map"]["data"]
    shown = Counter(t for trace in traces for t in trace.get("customdata", ()))
    expected = {
        e.trial
        for e in study.entries
        if e.verdict is not None and e.figure("train_accuracy") is not None
    }
    assert shown == dict.fromkeys(expected, 1)


@pytest.mark.parametrize(
    ("targets", "train", "val"),
    [
        ("val >= 90% with train < 95%", (None, 0.95), (0.9, None)),
        ("val >= 90%, val >= 91%", (None, None), (0.91, None)),
        ("gap <= 1%", (None, None), (None, None)),
    ],
)
def test_the_region_is_made_of_limits_on_the_two_axes_alone(
    targets: str, train: tuple[Any, Any], val: tuple[Any, Any]
) -> None:
    found = charts_map.map_of(pages.outcome(pages.records(20), targets))
    assert found is not None
    assert (found.train, found.val) == (train, val)
    assert found.limited == (targets != "gap <= 1%")
    assert len(charts_map.map_figure(found)["layout"]["shapes"]) == found.limited


POINTS = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30)


@given(POINTS)
def test_nothing_lies_above_the_front(pairs: list[tuple[float, float]]) -> None:
    points = [Point(i, "misses", x, y) for i, (x, y) in enumerate(pairs)]
    front = charts_map.front(points)
    assert set(front) <= set(pairs)
    assert list(front) == sorted(front)
    assert [y for _, y in front] == sorted({y for _, y in front})
    for x, y in pairs:
        assert max(b for a, b in front if a <= x) >= y


def test_the_near_view_leaves_out_disasters_and_keeps_the_target() -> None:
    trials = [pages.record(i, 0.89 + 0.001 * i, 0.03) for i in range(20)]
    found = charts_map.map_of(pages.outcome([*trials, pages.record(20, 0.3, 0.0)]))
    assert found is not None
    assert found.outside == 1
    assert found.near[1][0] > 0.7
    assert found.near[1][1] > 0.9
    assert found.all[1][0] < 0.3


def test_the_validation_loss_turns_at_its_least() -> None:
    losses = [0.5, None, 0.3, 0.3, math.nan, 0.4]
    epochs = [EpochMetrics(i, 0.5, loss) for i, loss in enumerate(losses, 1)]
    assert charts_curves.turning_point(epochs) == 3
    assert charts_curves.turning_point([EpochMetrics(1, 0.5, None)]) is None


def test_curves_are_of_candidates_and_variants(study: Outcome) -> None:
    series = charts_curves.series_of(study)
    assert [s.trial for s in series[:5]] == [e.trial for e in study.meets[:5]]
    assert series[-1].label == "trial 0 (baseline)"
    assert len({s.color for s in series}) == len(series)
    best = series[0]
    assert best.windows == study.meets[0].windows
    assert None in best.train  # unmeasured is not interpolated
    traces = built(study).charts["accuracy"]["data"]
    assert {t["meta"]["trial"] for t in traces} == {s.trial for s in series}


@pytest.mark.parametrize(
    ("domain", "value", "place"),
    [
        (Range(1e-4, 1e-2, log=True), 1e-3, -3.0),
        (Range(0.0, 0.7), 0.35, 0.35),
        (Range(1e-6, 1e-1, log=True, alternative=0), 0, -6.7),
        (Choices((64, 128, 256), ordered=True), 128, 1.0),
        (Choices(("sgd", "adam")), "rmsprop", None),
        (Range(0.0, 0.7), "much", None),
    ],
)
def test_values_have_a_place_on_their_axis(domain: Any, value: Any, place: float | None) -> None:
    scale = charts_search.scale_of(Parameter("p", domain))
    found = scale.place(value)
    assert found == (None if place is None else pytest.approx(place))
    if found is not None:
        assert scale.low <= found <= scale.high
    assert all(scale.low <= at <= scale.high for at, _ in scale.ticks)


@given(st.floats(-100, 100), st.floats(1e-3, 1e6))
def test_ticks_are_few_and_round(low: float, width: float) -> None:
    ticks = charts_search.round_numbers(low, low + width)
    assert 1 <= len(ticks) <= 6
    assert ticks == sorted(set(ticks))
    slack = 1e-6 * (abs(low) + width)
    assert all(low - slack <= t <= low + width + slack for t in ticks)


@given(st.integers(0, 10**6), st.floats(0.01, 1))
def test_jitter_stays_in_reach_and_is_a_trial_s_own(trial: int, reach: float) -> None:
    assert abs(jitter(trial, reach)) <= reach
    assert jitter(trial, reach) == jitter(trial, reach)


def test_parameters_without_a_say_are_left_out_of_slices(study: Outcome) -> None:
    slices = {s.name: s for s in charts_search.slices_of(study, pages.sweep())}
    with_sgd = {e.trial for e in study.entries if e.params["optimizer"] == "sgd"}
    assert {p.trial for p in slices["momentum"].points} == with_sgd
    assert len(slices["dropout"].points) == study.judged


def test_lines_across_all_parameters_break_where_one_has_no_say(study: Outcome) -> None:
    data = charts_parallel.parallel_of(study, pages.sweep(), 0.8, 0.95)
    assert data is not None
    at = data.names.index("momentum")
    for trial, _, heights in data.lines:
        sgd = study.entries[trial].params["optimizer"] == "sgd"
        assert (heights[at] is not None) == sgd
        assert all(h is None or 0 <= h <= 1 for h in heights)
    for trace in charts_parallel.parallel_figure(data)["data"]:
        assert len(trace["x"]) == len(trace["y"]) == len(trace["customdata"])
        assert len(trace["x"]) % trace["meta"]["width"] == 0


def test_the_gap_of_capacity_is_that_of_the_end(study: Outcome) -> None:
    data = charts_capacity.capacity_of(study)
    assert data is not None
    for point in data.points:
        entry = study.entries[point.trial]
        assert entry.state == "complete"
        assert point.y == entry.record.epochs[-1].accuracy_gap


# Mistakes


LABELS = np.array([0, 0, 0, 1, 1, 2])
PROBABILITIES = np.array(
    [
        [0.9, 0.1, 0.0],
        [0.2, 0.7, 0.1],
        [0.05, 0.9, 0.05],
        [0.0, 1.0, 0.0],
        [0.6, 0.3, 0.1],
        [0.1, 0.1, 0.8],
    ],
    dtype=np.float32,
)


def test_confusions_of_six_rows() -> None:
    predicted = mistakes.predicted_of(PROBABILITIES)
    assert predicted.tolist() == [0, 1, 1, 1, 0, 2]
    matrix = mistakes.confusion(LABELS, predicted, 3)
    assert matrix.tolist() == [[1, 2, 0], [1, 1, 0], [0, 0, 1]]
    first, second, third = mistakes.class_scores(matrix)
    assert (first.rows, first.accuracy, first.precision) == (3, pytest.approx(1 / 3), 0.5)
    assert (second.rows, second.accuracy) == (2, 0.5)
    assert (third.accuracy, third.precision) == (1.0, 1.0)
    pairs = mistakes.confused_pairs(matrix)
    assert [(p.true, p.predicted, p.count) for p in pairs] == [(0, 1, 2), (1, 0, 1)]
    assert pairs[0].share == pytest.approx(2 / 3)
    assert mistakes.confused_pairs(matrix, 1) == pairs[:1]


def test_the_surest_mistakes_come_first() -> None:
    found = mistakes.worst(LABELS, PROBABILITIES)
    assert [m.index for m in found] == [2, 1, 4]
    assert (found[0].true, found[0].predicted) == (0, 1)
    assert found[0].confidence == pytest.approx(0.9)
    assert found[0].truth == pytest.approx(0.05)
    assert mistakes.worst(LABELS, PROBABILITIES, 2) == found[:2]


def test_a_class_without_rows_has_no_accuracy() -> None:
    score = mistakes.class_scores(np.zeros((2, 2), np.int64))[0]
    assert score.accuracy is None
    assert score.precision is None


def test_of_two_classes_a_half_is_the_first() -> None:
    even = np.array([[0.5, 0.5], [0.4, 0.6]], dtype=np.float32)
    assert mistakes.predicted_of(even).tolist() == [0, 1]


@given(arrays(np.int64, st.integers(1, 40), elements=st.integers(0, 3)), st.data())
def test_a_matrix_of_confusions_counts_every_row_once(labels: Any, data: st.DataObject) -> None:
    predicted = data.draw(arrays(np.int64, len(labels), elements=st.integers(0, 3)))
    matrix = mistakes.confusion(labels, predicted, 4)
    assert matrix.sum() == len(labels)
    assert matrix.sum(axis=1).tolist() == np.bincount(labels, minlength=4).tolist()
    assert np.trace(matrix) == np.count_nonzero(labels == predicted)
    pairs = mistakes.confused_pairs(matrix, 16)
    assert sum(p.count for p in pairs) == len(labels) - np.trace(matrix)


@settings(max_examples=25, deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)) | st.just((4, 5, 3))))
def test_a_png_holds_the_pixels(pixels: Any) -> None:
    from matplotlib.image import imread

    read = imread(io.BytesIO(png(pixels)), format="png")
    assert np.array_equal(np.round(read * 255).astype(np.uint8), pixels)


def test_images_become_small_bytes() -> None:
    large = np.zeros((280, 140, 1))
    large[0, 0, 0] = 16.0
    small = shrunk(large, 16.0)
    assert small.shape == (56, 28)
    assert small[0, 0] == 255
    assert shrunk(np.full((4, 4, 3), 0.5), 1.0).shape == (4, 4, 3)
    assert on_dark(np.zeros((4, 4), np.uint8))
    assert not on_dark(np.full((4, 4), 255, np.uint8))


def test_a_review_can_be_read_on(study: Outcome) -> None:
    whole = render(built(study, mistakes=(winner(words="It begins", rest=f"and ends {HOSTILE}"),)))
    found = Tags(whole)
    assert found.tags["details"] >= 2
    assert any(f"and ends {HOSTILE}" in text for text in found.words)
    assert "the rarest first" not in whole
    assert "the rarest first" in render(built(study, mistakes=(winner(words="film dull"),)))


# The text


class Tags(HTMLParser):
    """What a browser would find in the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.words: list[str] = []
        self._inside: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._inside = tag
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            attrs, before = self.scripts[-1]
            self.scripts[-1] = (attrs, before + data)
        elif self._inside != "style":
            self.words.append(data)

    @property
    def data(self) -> Any:
        (text,) = (text for attrs, text in self.scripts if attrs.get("id") == "data")
        return json.loads(text)


def test_hostile_names_and_texts_stay_texts(study: Outcome) -> None:
    trials = [
        replace(one, variant=HOSTILE, params={**one.params, HOSTILE: HOSTILE}, reason=HOSTILE)
        if one.origin in (0, 1, 2)
        else one
        for one in pages.records(30)
    ]
    hostile = pages.outcome(trials, study=HOSTILE, dataset=HOSTILE, banner=HOSTILE)
    advice = ()
    text = render(
        built(
            hostile,
            mistakes=(winner(1, (HOSTILE, "bag")), winner(2, ("a", "b"), words=HOSTILE)),
            notes=(HOSTILE,),
            advice=advice,
            mlflow=BASE,
        )
    )
    found, harmless = Tags(text), Tags(render(built(study, mistakes=(winner(),), mlflow=BASE)))
    assert found.tags["script"] == harmless.tags["script"] == 4
    assert set(found.tags) <= {*harmless.tags, "q"}
    assert not [a for a in found.attributes if a[1].startswith("on")]
    assert "alert(1)" in "".join(found.words)  # it is there, to be read
    labels = [one["t"] for one in found.data["trials"].values()]
    assert any("</script>" in label for label in labels)
    for _, name, value in found.attributes:
        if name in ("src", "href"):
            assert re.match(r"data:image/png;base64,|#|http://127\.0\.0\.1:5000/#/runs/\w+$", value)


def test_markup_in_texts_of_charts_is_shown_and_not_obeyed() -> None:
    drawn = charts_search.importance_figure({"<b>x</b><a href='http://e'>y</a>": 1.0})
    (label,) = drawn["data"][0]["y"]
    assert "<" not in label


@given(st.text() | st.dictionaries(st.text(), st.floats() | st.text()))
def test_embedded_data_ends_no_block_and_comes_back(value: Any) -> None:
    text = embedded(value)
    assert not re.search("[<>&\u2028\u2029]", text)
    assert "NaN" not in text or "NaN" in str(value)
    back = json.loads(text)
    if isinstance(value, str):
        assert back == value


def test_the_page_asks_nobody(page: str) -> None:
    found = Tags(page)
    (policy,) = (v for t, n, v in found.attributes if n == "content" and "default-src" in v)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "connect-src" not in policy  # so that default-src holds
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.split("style-src")[0]
    for attrs, script in found.scripts:
        assert "src" not in attrs
        if attrs.get("type") != "application/json":
            digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy
    assert not found.tags["link"]
    style = page.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_plotly_is_there_once_and_the_page_stays_small_at_a_thousand_trials() -> None:
    outcome = pages.outcome(pages.records(1000, epochs=30))
    text = render(built(outcome, mistakes=(winner(),), mlflow=BASE))
    assert text.count("* plotly.js v") == 1
    assert len(text.encode()) < 8_000_000
    assert text.count("<tr id=") == 1000


def test_the_same_values_give_the_same_page(study: Outcome, page: str) -> None:
    assert render(built(study, mistakes=(winner(),), mlflow=BASE)) == page


def test_the_table_holds_every_trial_and_what_is_the_same_below(study: Outcome) -> None:
    table = built(study).table
    assert [row.trial for row in table.rows] == [e.trial for e in study.entries]
    titles = [column.title for column in table.columns]
    assert "dropout" in titles
    assert "activation" not in titles
    assert "activation relu" in table.same
    assert sum(count for _, count in table.states) == len(table.rows)
    assert dict(table.states)["meets"] == len(study.meets)
    assert all(len(row.cells) == len(table.columns) for row in table.rows)


def test_a_winner_without_predictions_is_a_note(study: Outcome) -> None:
    text = render(built(study, notes=("Trial 7 is left out here: no weights were kept.",)))
    assert "Trial 7 is left out here: no weights were kept." in text
    assert 'class="confusion"' not in text


# Links


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("https://mlflow.test/team/", "https://mlflow.test/team"),
        ("https://ada:secret@mlflow.test/?x=1#/experiments", "https://mlflow.test"),
    ],
)
def test_an_address_loses_what_should_not_be_shown(given: str, base: str) -> None:
    assert mlflow_base(given) == base


@pytest.mark.parametrize("given", ["sqlite:///mlflow.db", "javascript:alert(1)", "", "127.0.0.1"])
def test_what_is_no_address_of_pages_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="no address"):
        mlflow_base(given)


@pytest.mark.parametrize(
    ("base", "run", "link"),
    [
        (BASE, "0ab1", f"{BASE}/#/runs/0ab1"),
        (BASE, None, ""),
        ("", "0ab1", ""),
        (BASE, "x/../../y?<", ""),
    ],
)
def test_a_run_s_link(base: str, run: str | None, link: str) -> None:
    assert run_link(base, run) == link


def test_without_a_server_there_are_no_links_but_run_ids(study: Outcome) -> None:
    found = Tags(render(built(study)))
    assert not [v for _, name, v in found.attributes if name == "href" and "runs" in v]
    assert found.data["trials"]["1"]["r"] == f"{1:032x}"
    assert found.data["trials"]["1"]["u"] == ""
