"""The page of a sweep that compares variants: questions, their table, differences, gradients."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pages
import pytest
from test_page import BASE, Tags, built, colored, winner
from test_page_browser import card, complaints, driver, move, see_all, until

from tuner.commands.winners import winners_of
from tuner.definition import SweepDefinition, parse
from tuner.gradients import GradientLog
from tuner.questions import Question
from tuner.report.answers import Answer, comparison_of
from tuner.report.page import charts_curves, charts_variants, gradients
from tuner.report.page.asked import Line, asked_of
from tuner.report.page.data import PageData, Source, page_data
from tuner.report.page.render import render
from tuner.report.page.variants import nice, section_of, told_apart
from tuner.report.page.words import typeset
from tuner.report.selection import Outcome, select
from tuner.report.variants import Variant
from tuner.scores import VariantScore
from tuner.trial import EpochMetrics, Repeat, SplitSpec, TrialRecord

__all__ = ["driver"]  # a fixture

HOSTILE = "<script>alert(1)</script>"

SWEEP = """\
dataset: digits
epochs: 4
epoch: last
targets: ["val >= 90%", "train < 95%"]
fixed: {layers: [8], optimizer: adam}
space: {l2: {min: 1.0e-5, max: 1.0e-1, log: true}}
variants:
  plain: {l2: 0}
  heavy: {l2: 0.01}
  deep: {l2: 0, layers: [8, 8]}
seeds: 3
test: compare
diagnostics: [gradients, misclassified]
questions:
  - {ask: 'Why does the loss not fall?', of: [plain, deep], by: causes}
  - {ask: 'Does a penalty cost accuracy?', of: plain, than: heavy}
  - {ask: 'Does it raise the loss?', of: heavy, than: [plain, deep], by: val_loss}
  - {ask: 'Does plain meet both limits?', of: plain}
  - {ask: 'Does any penalty meet both?', of: search}
"""

PLAIN = {"l2": 0.0, "layers": [8], "optimizer": "adam"}


def sweep(**names: str) -> SweepDefinition:
    """The sweep; `names` stand for those of its variants."""
    text = SWEEP
    for old, new in names.items():
        text = re.sub(rf"(?<!Does )\b{old}\b", json.dumps(new), text)
    return parse(text, "test.yaml", "shown", kept=True)  # such names are refused by now


def course(val: float, loss: float = 0.4, penalty: float = 0.0) -> tuple[EpochMetrics, ...]:
    """Four epochs: validation is best at the third, and a hundredth lower at the last."""
    rises = (val - 0.2, val - 0.05, val + 0.01, val)
    return tuple(
        EpochMetrics(
            epoch=e,
            val_accuracy=v,
            val_loss=loss + 0.1 * (4 - e),
            train_accuracy=0.94,
            train_loss=loss,
            train_loss_penalised=loss + penalty,
            val_loss_penalised=loss + 0.1 * (4 - e) + penalty,
            parameters=500,
            seconds=2.0,
        )
        for e, v in enumerate(rises, 1)
    )


def log(first: float = 1e-3, dead: float = 0.0, layers: int = 1) -> GradientLog:
    """Gradients of a network whose first kernel has a spread of `first` in all epochs."""
    names = [f"{n}/{part}" for n in ("dense", "out") for part in ("kernel", "bias")]
    row = (first, 1e-3, 1e-1, 1e-2)
    size = (0.0, 0.0, 0.0, 0.0) if first == 0.0 else (0.1, 0.0, 0.2, 0.0)
    made = GradientLog(tuple(names), ("hidden 1",), 10)
    for epoch in range(5):
        made = made.with_epoch(
            epoch,
            mean=(-1e-4, 2e-4, 0.0, None),
            std=row if first else (0.0, 1e-3, 0.0, 1e-2),
            size=size,
            change=(0.1,) * 4 if epoch else (None,) * 4,
            silent=(dead if epoch else 0.05,),
        )
    return made


def trial(origin: int, name: str | None, vals: Sequence[float], **more: Any) -> TrialRecord:
    """A variant whose trainings, on seeds 100, 101, …, end at `vals`; see `course`."""
    figures = {key: more.pop(key) for key in ("loss", "penalty") if key in more}
    made = pages.record(origin, 0.9, 0.0, epochs=4, variant=name, seed=100)
    # A loss differs by a hair from seed to seed: differences that are all alike say little.
    usual = figures.pop("loss", 0.4)
    courses = [course(v, loss=usual + 1e-6 * v, **figures) for v in vals]
    repeats = tuple(
        Repeat("seed", i, 100 + i, SplitSpec(), 4, "complete", one)
        for i, one in enumerate(courses)
        if i
    )
    scores = tuple(VariantScore(100 + i, v - 0.02, 0.5, 100) for i, v in enumerate(vals))
    values = {"params": PLAIN, "scores": scores, **more}
    return replace(made, epochs=courses[0], repeats=repeats, **values)


def records(names: Sequence[str] = ("plain", "heavy", "deep")) -> list[TrialRecord]:
    """Three variants and three trials of the search."""
    heavy, deep = {**PLAIN, "l2": 0.01}, {**PLAIN, "layers": [8, 8]}
    vals = ([0.92, 0.93, 0.94], [0.91, 0.92, 0.932], [0.9, 0.87, 0.88])
    return [
        trial(0, names[0], vals[0], gradients=log(0.0), weights="w0"),
        trial(1, names[1], vals[1], params=heavy, loss=0.45, penalty=0.2, weights="w1"),
        trial(2, names[2], vals[2], params=deep, gradients=log(1e-6, dead=0.9), weights="w2"),
        *(pages.record(n, 0.8, 0.02, epochs=4) for n in (3, 4, 5)),
    ]


def outcome(trials: Sequence[TrialRecord] | None = None) -> Outcome:
    trials = records() if trials is None else trials
    return select("shown", "digits", trials, sweep().targets, "last", len(trials))


def page(trials: Sequence[TrialRecord] | None = None, **more: Any) -> PageData:
    return page_data(Source(outcome(trials), more.pop("definition", sweep()), **more))


def variants() -> tuple[Variant, ...]:
    return comparison_of(outcome(), sweep())[0]


# Words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a difference of -1.26 points", "a difference of \u22121.26\u00a0points"),
        ("rate-1.0 and 1e-6 and 128-64", "rate-1.0 and 1e-6 and 128-64"),
        ("85.62 % ± 0.20 against", "85.62\u00a0%\u00a0±\u00a00.20 against"),
        ("-3.95 to +1.43 s, 3 pairs", "\u22123.95 to +1.43\u00a0s, 3\u00a0pairs"),
        ("2 search", "2 search"),
    ],
)
def test_figures_are_set_as_in_print(text: str, shown: str) -> None:
    assert typeset(text) == shown


# Questions


def test_every_question_stands_first_with_its_verdict() -> None:
    shown = page()
    assert [(one.word, len(one.lines)) for one in shown.asked] == [
        ("What is seen", 2),
        ("Yes", 1),
        ("No", 2),
        ("Yes", 1),
        ("No", 1),
    ]
    text = render(shown)
    words = "".join(Tags(text).words)
    places = [words.index(one.ask) for one in shown.asked]
    assert places == sorted(places)
    assert places[-1] < words.index(shown.headline)
    for answer in comparison_of(outcome(), sweep())[1]:
        assert answer.text == " ".join(answer.parts or [answer.text])
        assert answer.parts or answer.question.of == ("search",)


@pytest.mark.parametrize(
    ("name", "parts", "text", "line"),
    [
        ("drop", ("drop: the loss falls.",), "", Line("drop", "the loss falls.")),
        ("a: b", ("a: b is better than c: d: e 1 against 2.",), "", None),
        ("drop", (), "drop has not been trained yet.", Line("drop has not been trained yet.")),
        ("search", (), "none of 3 trials: x.", Line("None of 3 trials: x.")),
    ],
)
def test_an_answer_is_parted_behind_what_it_says(
    name: str, parts: tuple[str, ...], text: str, line: Line | None
) -> None:
    answer = Answer(Question("?", (name,)), "open", text or " ".join(parts), parts=parts)
    ((found,),) = (one.lines for one in asked_of([answer]))
    if line is None:
        assert found.said.startswith(name)
        assert f"{found.said}: {found.figures}" == parts[0]
    else:
        assert found == line


def test_without_questions_nothing_is_added() -> None:
    study = pages.outcome(pages.records(30))
    shown = built(study)
    assert (shown.asked, shown.variants, shown.gradients) == ((), None, ())
    assert not [name for name in shown.charts if name.startswith(("variants", "gradients"))]
    found = {value for _, name, value in Tags(render(shown)).attributes if name == "id"}
    assert not found & {"variants", "gradients", "means"}


def test_what_is_not_trained_yet_is_asked_all_the_same() -> None:
    shown = page([pages.record(0, 0.8, 0.02, epochs=4)])
    assert {one.word for one in shown.asked[:4]} == {"Not yet"}
    assert shown.variants is None
    assert "has not been trained yet" in render(shown)


# The table


def test_the_table_holds_each_variant_over_its_seeds() -> None:
    section = page().variants
    assert section is not None
    assert section.heads == (
        ("validation", 4),
        ("train", 1),
        ("test rows, not used for selection", 2),
    )
    plain, heavy, _ = section.rows
    assert [(r.name, r.meets, r.all_meet) for r in section.rows] == [
        ("plain", "3 of 3", True),
        ("heavy", "3 of 3", True),
        ("deep", "1 of 3", False),
    ]
    assert [c.mean.replace("\u00a0", " ") for c in heavy.cells] == [
        *("92.07 %", "93.07 %", "0.4500", "0.6500", "94.00 %", "90.07 %", "0.5000")
    ]
    assert plain.cells[0].spread == "±\u00a01.00"
    assert plain.cells[1].note == "epoch 3"
    assert [r.cells[0].misses for r in section.rows] == [False, False, True]
    assert [r.configuration for r in section.rows] == [
        *("layers 8 · no l2", "layers 8 · l2 0.01", "layers 8-8 · no l2")
    ]
    assert section.same == "adam"
    assert section.seeds == "3 seeds"


def test_what_is_not_measured_is_a_dash_or_no_column() -> None:
    trials = [replace(t, scores=()) for t in records()]
    trials[0] = replace(trials[0], scores=(VariantScore(100, 0.9, 0.3, 100),))
    section = page(trials).variants
    assert section is not None
    cells = [row.cells[-2] for row in section.rows]
    assert [c.mean for c in cells] == ["90.00\u00a0%", "–", "–"]
    assert cells[0].note == "1 of 3 seeds"
    bare = page([replace(t, scores=()) for t in records()]).variants
    assert bare is not None
    assert [head for head, _ in bare.heads] == ["validation", "train"]


def test_a_single_variant_has_its_whole_configuration() -> None:
    found, _ = comparison_of(outcome(records()[:1]), sweep())
    apart, same = told_apart(found)
    assert apart == {"plain": "adam · layers 8 · no l2"}
    assert same == ""


# Differences


def test_better_lies_to_the_right_whatever_better_is() -> None:
    section = page().variants
    assert section is not None
    accuracy, loss = section.differences
    (pair,) = accuracy.pairs
    # 0.92 - 0.91, 0.93 - 0.92, 0.94 - 0.932: two thirds of 1.4 points to the right.
    assert (pair.name, pair.text) == ("plain − heavy", "+0.93\u00a0points")
    assert pair.ahead is True
    assert pair.low is not None
    assert pair.at is not None
    assert pair.high is not None
    assert 0.5 < pair.low < pair.at < pair.high <= 1
    assert accuracy.ends == ("−1.5\u00a0points", "+1.5\u00a0points")
    assert pair.at == pytest.approx(0.5 + 0.028 / 3 / 0.015 / 2, abs=1e-4)
    assert accuracy.note == ""
    assert "lower lies to the right" in loss.note
    assert [p.text for p in loss.pairs] == ["+0.0500", "+0.0500"]
    assert all(p.at is not None and p.at < 0.5 and p.ahead is False for p in loss.pairs)
    assert loss.ends == ("+0.06", "−0.06")


def test_one_pair_has_no_interval_and_none_has_no_dot() -> None:
    trials = [replace(t, repeats=()) for t in records()]
    section = page(trials).variants
    assert section is not None
    (pair,) = section.differences[0].pairs
    assert (pair.low, pair.high, pair.ahead, pair.detail) == (
        None,
        None,
        None,
        "one pair, no interval",
    )
    assert pair.at is not None
    asked = parse(
        SWEEP + "  - {ask: 'Sooner?', of: plain, than: heavy, by: epochs to val >= 99%}\n",
        "test.yaml",
        "shown",
    )
    late = page(definition=asked).variants
    assert late is not None
    (never,) = late.differences[-1].pairs
    assert (never.at, never.detail, never.text) == (None, "no pair to compare", "–")
    assert "sooner lies to the right" in late.differences[-1].note


@pytest.mark.parametrize(
    ("value", "found"), [(0, 1), (math.nan, 1), (0.04, 0.04), (0.041, 0.05), (1.1, 1.5), (93, 100)]
)
def test_a_scale_ends_at_a_round_number(value: float, found: float) -> None:
    assert nice(value) == found


# Curves


def test_means_are_over_the_seeds_that_came_so_far() -> None:
    trials = records()
    early = replace(trials[0].repeats[0], epochs=trials[0].repeats[0].epochs[:2])
    trials[0] = replace(trials[0], repeats=(early, trials[0].repeats[1]))
    found, _ = comparison_of(outcome(trials), sweep())
    curve = charts_variants.accuracy_curves(found)[0]
    assert curve.counts == (3, 3, 2, 2)
    assert curve.values[:3] == pytest.approx((0.73, 0.88, 0.94))
    (said,) = {c[1] for c in page(trials).charts["variants-accuracy"]["data"][0]["customdata"][2:]}
    assert said == "mean of 2 of 3 seeds"
    both = [replace(r, epochs=r.epochs[:2]) for r in trials[0].repeats]
    trials[0] = replace(trials[0], repeats=tuple(both))
    found, _ = comparison_of(outcome(trials), sweep())
    assert charts_variants.accuracy_curves(found)[0].epochs == (1, 2)  # one of three is no sample


def test_the_penalty_is_dashed_where_there_is_one() -> None:
    curves = charts_variants.loss_curves(variants())
    assert [(c.name, c.dashed) for c in curves] == [
        *(("plain", False), ("heavy", True), ("heavy", False), ("deep", False))
    ]
    assert curves[1].values[-1] - curves[2].values[-1] == pytest.approx(0.2)
    drawn = page().charts["variants-loss"]["data"]
    assert [t["line"]["dash"] for t in drawn] == ["solid", "dash", "solid", "solid"]
    assert drawn[1]["line"]["color"] == drawn[2]["line"]["color"]
    assert drawn[1]["customdata"][3] == [
        *("heavy, epoch 4", "mean of 3 seeds", "validation loss with penalty", "0.65")
    ]


def test_losses_far_apart_are_drawn_by_powers_of_ten() -> None:
    trials = records()
    trials[0] = trial(0, "plain", [0.92, 0.93, 0.94], loss=0.001)
    assert page().charts["variants-loss"]["layout"]["yaxis"].get("type") is None
    drawn = page(trials).charts["variants-loss"]["layout"]["yaxis"]
    assert drawn["type"] == "log"
    assert "0.01" in drawn["ticktext"]


def test_compared_variants_are_the_first_curves_and_all_shown() -> None:
    series = page().series
    assert [s.label for s in series[:3]] == [
        *("trial 0 (plain)", "trial 1 (heavy)", "trial 2 (deep)")
    ]
    assert [s.shown for s in series] == [True] * 3 + [False] * (len(series) - 3)
    assert len({s.color for s in series}) == len(series)
    section = page().variants
    assert section is not None
    assert [row.color for row in section.rows] == [s.color for s in series[:3]]
    many = [f"v{n}" for n in range(12)]
    trials = [trial(n, name, [0.9]) for n, name in enumerate(many)]
    assert [s.label for s in charts_curves.series_of(outcome(trials), many)][-1] == "trial 11 (v11)"


# Gradients


def test_gradients_are_told_and_drawn() -> None:
    plain, deep = page().gradients
    assert (plain.name, plain.falls, deep.name) == ("plain", True, "deep")
    assert plain.epoch == 4
    assert [b.text for b in plain.mean] == ["\u22121.0e-4", "2.0e-4", "0", "–"]
    assert [(b.size, b.below) for b in plain.mean] == [
        *((0.5, True), (1.0, False), (0.0, False), (None, False))
    ]
    (layer,) = deep.silent
    assert (layer.before, layer.after, layer.size) == ("5 %", "90 %", 0.9)


def test_a_spread_of_nothing_is_drawn_as_nothing() -> None:
    charts = page().charts
    plain, deep = charts["gradients-0"], charts["gradients-1"]
    (zero,) = (n["text"] for n in plain["layout"]["annotations"])
    assert zero == "○ exactly 0"
    assert deep["layout"]["annotations"] == []
    for chart in (plain, deep):
        values = [v for t in chart["data"] for v in t["y"] if v is not None]
        assert min(values) > 0  # nothing else has a place there
        floor, top = chart["layout"]["yaxis"]["range"]
        assert all(floor < math.log10(v) < top for v in values)
    said = {c[3] for t in plain["data"] for c in t["customdata"]}
    assert said == {"exactly 0"}
    assert plain["layout"]["yaxis"]["range"] == deep["layout"]["yaxis"]["range"]


def test_without_variants_the_candidates_gradients_are_shown() -> None:
    trials = [replace(t, variant=None) for t in records()]
    noted = gradients.noted_of(outcome(trials), ())
    assert [one.name for one in noted] == [
        f"trial {e.trial}" for e in outcome(trials).meets if e.record.gradients is not None
    ]
    assert len(noted) == 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (None, "–"),
        (math.inf, "–"),
        (0.0341, "0.0341"),
        (2.14e-4, "2.1e-4"),
        (-3.0, "-3"),
    ],
)
def test_a_gradient_is_short(value: float | None, text: str) -> None:
    assert gradients.power_text(value) == text


# Mistakes


def test_variants_are_among_those_whose_mistakes_are_shown() -> None:
    found = outcome()
    first = [e.trial for e in found.meets[:3]]
    assert [e.trial for e in winners_of(found)] == first
    asked = [e.trial for e in winners_of(found, sweep())]
    assert asked[: len(first)] == first
    assert sorted(asked) == [0, 1, 2]
    gone = [replace(t, weights=None) if t.origin == 2 else t for t in records()]
    assert 2 not in [e.trial for e in winners_of(outcome(gone), sweep())][len(first) :]


def test_the_variants_that_questions_name_come_first_and_four_are_enough() -> None:
    names = [f"v{n}" for n in range(7)]
    trials = [trial(n, name, [0.5], weights="w") for n, name in enumerate(names)]
    text = "dataset: digits\ntargets: [val >= 90%]\nfixed: {layers: [8]}\nvariants:\n"
    text += "".join(f"  {name}: {{dropout: 0.{n}}}\n" for n, name in enumerate(names))
    text += "diagnostics: [misclassified]\nquestions:\n"
    text += "  - {ask: 'Is it?', of: v6, than: v5}\n"
    definition = parse(text, "test.yaml", "shown")
    found = winners_of(outcome(trials), definition)
    assert len(found) == 5
    assert len({e.trial for e in found}) == 5
    nearest, *others = (e.variant for e in found)
    assert others == [n for n in ("v6", "v5", *names) if n != nearest][:4]
    silent = replace(definition, diagnostics=())
    assert len(winners_of(outcome(trials), silent)) == 1


# The page as text


def test_every_figure_is_one_that_plotly_knows() -> None:
    import plotly.graph_objects as go

    charts = page().charts
    assert {"variants-loss", "variants-accuracy", "gradients-0", "gradients-1"} <= set(charts)
    for chart in charts.values():
        go.Figure(colored(chart))  # raises for a key or a value that there is not


def test_every_colour_is_in_the_style_sheet() -> None:
    text = render(page())
    used = set(re.findall(r"var\((--[\w-]+)\)", json.dumps(page().charts)))
    light, dark = text.split("prefers-color-scheme: dark", 1)
    for name in used:
        assert f"{name}:" in light
        assert f"{name}:" in dark or name == "--sans"


def test_hostile_names_and_questions_stay_texts() -> None:
    definition = sweep(plain=HOSTILE)
    asked = replace(
        definition, questions=tuple(replace(q, ask=HOSTILE) for q in definition.questions)
    )
    trials = records((HOSTILE, "heavy", "deep"))
    text = render(page(trials, definition=asked, mlflow=BASE, mistakes=(winner(),)))
    found = Tags(text)
    harmless = Tags(render(page(mlflow=BASE, mistakes=(winner(),))))
    assert found.tags["script"] == harmless.tags["script"] == 4
    assert set(found.tags) == set(harmless.tags)
    assert "".join(found.words).count("alert(1)") > 10
    (said,) = {c[0] for c in found.data["charts"]["variants-loss"]["data"][0]["customdata"][:1]}
    assert said == f"{HOSTILE}, epoch 1"


def test_the_head_leads_to_the_new_sections() -> None:
    links = [value for tag, _, value in Tags(render(page())).attributes if tag == "a"]
    assert links[:3] == ["#answer", "#variants", "#gradients"]


def test_a_section_needs_something_to_compare() -> None:
    alone = replace(sweep(), questions=(), seeds=1, test=None)
    assert section_of(outcome(), alone, variants(), ()) is None
    assert section_of(outcome(), sweep(), (), ()) is None


# The page in a browser


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("variants") / "page.html"
    trials = records((HOSTILE, "heavy", "deep"))
    shown = page(trials, definition=sweep(plain=HOSTILE), mistakes=(winner(1), winner(2)))
    made.write_text(render(shown), encoding="utf-8")
    return made


@pytest.fixture
def opened(driver: Any, file: Path) -> Callable[..., Any]:
    """Opens the page in a window of a size, light or dark."""

    def open_page(width: int, height: int, scheme: str = "light") -> Any:
        return pages.open_in(driver, file, width, height, scheme)

    return open_page


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_it_fits_and_says_the_first_answers_on_the_first_screen(
    opened: Callable[..., Any], width: int, height: int, scheme: str
) -> None:
    driver = opened(width, height, scheme)
    script = """return [...document.querySelectorAll(".question")].map((one) =>
        [...one.querySelectorAll("h2, .verdict")].map((e) => e.getBoundingClientRect().bottom))"""
    ends = driver.execute_script(script)
    assert len(ends) == 5
    assert all(0 < end <= height for pair in ends[:2] for end in pair)
    see_all(driver)
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    assert complaints(driver) == []


@pytest.mark.browser
@pytest.mark.slow
def test_curves_of_variants_are_pointed_at_and_switched_off(opened: Callable[..., Any]) -> None:
    driver = opened(1280, 800)
    script = """
        const box = document.querySelector("[data-chart=variants-accuracy]");
        box.scrollIntoView({block: "center"});
        const plot = box.querySelector(".js-plotly-plot");
        if (!plot || !plot._fullLayout) return null;
        const {xaxis, yaxis} = plot._fullLayout, from = plot.getBoundingClientRect();
        const {x, y} = plot.data[1];
        return [from.left + xaxis._offset + xaxis.l2p(x[2]),
                from.top + yaxis._offset + yaxis.l2p(y[2])]"""
    x, y = until(lambda: driver.execute_script(script))
    move(driver, round(x), round(y))
    text = until(lambda: card(driver))
    assert text.startswith("heavy, epoch 3")
    assert "mean of 3 seeds" in text
    assert "93.07 %" in text
    button = driver.find_element("css selector", '#means [data-mean="1"]')
    button.click()
    shown = """
        const plot = document.querySelector("[data-chart=variants-accuracy] .js-plotly-plot");
        return plot.data.map((trace) => trace.visible !== false)"""
    until(lambda: driver.execute_script(shown) == [True, False, True])
    assert complaints(driver) == []


@pytest.mark.browser
@pytest.mark.slow
def test_two_sets_of_tabs_do_not_disturb_each_other(opened: Callable[..., Any]) -> None:
    driver = opened(1280, 800)
    panels = [driver.find_element("id", f"{name}") for name in ("noted-0", "noted-1", "wrong-1")]
    assert [p.is_displayed() for p in panels] == [True, False, True]
    tab = driver.find_element("id", "tab-gradients-1")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", tab)
    tab.click()
    until(lambda: [p.is_displayed() for p in panels] == [False, True, True])
    driver.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert [p.is_displayed() for p in panels] == [True, True, True]
    driver.execute_script("window.dispatchEvent(new Event('afterprint'))")
    assert [p.is_displayed() for p in panels] == [False, True, True]
    assert complaints(driver) == []
