"""Variants over seeds: means, paired differences, and the answers that they give."""

from __future__ import annotations

import io
import json
import math
import random
from dataclasses import replace
from statistics import fmean, stdev
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pages import record
from scipy import stats

from tuner.definition import SweepDefinition, parse
from tuner.questions import By
from tuner.report.answers import comparison_of, signed, spread_text, unasked
from tuner.report.jsonout import dumped, to_json
from tuner.report.markdown import to_markdown
from tuner.report.selection import Outcome, select
from tuner.report.variants import Spread, Variant, difference, spread_of, variants_of
from tuner.report.variants_table import answers_block, variants_block
from tuner.scores import VariantScore
from tuner.trial import EpochMetrics, Repeat, SplitSpec, TrialRecord

SWEEP = """\
dataset: digits
epochs: 4
epoch: last
targets: ["val >= 90%", "train < 95%"]
fixed: {layers: [8]}
space: {dropout: {min: 0, max: 0.5}}
variants:
  plain: {dropout: 0}
  drop: {dropout: 0.5}
  deep: {layers: [8, 8]}
seeds: 4
test: compare
diagnostics: [gradients]
"""


def sweep(questions: str = "") -> SweepDefinition:
    return parse(SWEEP + questions, "test.yaml", "shown")


def course(val: float, train: float = 0.94, loss: float = 0.4, epochs: int = 4) -> Any:
    """Epochs that rise to `val` at the last one, where train is measured."""
    return tuple(
        EpochMetrics(
            epoch=e,
            val_accuracy=val - 0.02 * (epochs - e),
            val_loss=loss,
            train_accuracy=train if e == epochs else None,
            train_loss=loss - 0.1 if e == epochs else None,
            train_loss_penalised=loss,
            val_loss_penalised=loss + 0.05,
            parameters=500,
            seconds=2.0,
        )
        for e in range(1, epochs + 1)
    )


def variant_record(
    origin: int, name: str, vals: list[float], scores: list[float] | None = None, **more: Any
) -> TrialRecord:
    """A variant whose trainings, on the seeds 100, 101, …, end at `vals`."""
    seeds = [100 + i for i in range(len(vals))]
    repeats = tuple(
        Repeat("seed", i, seed, SplitSpec(), 4, "complete", course(val, **more))
        for i, (seed, val) in enumerate(zip(seeds, vals, strict=True))
        if i > 0
    )
    made = record(origin, 0.9, 0.0, variant=name, seed=seeds[0], epochs=4)
    made = replace(made, params=sweep().variants.get(name, {}))
    tests = tuple(VariantScore(s, a, 1 - a, 100) for s, a in zip(seeds, scores or [], strict=False))
    return replace(made, epochs=course(vals[0], **more), repeats=repeats, scores=tests)


def outcome(definition: SweepDefinition, *records: TrialRecord) -> Outcome:
    targets = definition.targets
    return select("shown", "digits", records, targets, definition.epoch, len(records))


def compared(definition: SweepDefinition, *records: TrialRecord) -> tuple[Variant, ...]:
    found = outcome(definition, *records)
    return variants_of(found, definition.variants, definition.epoch)


def test_a_variant_is_its_own_trial_and_its_further_seeds() -> None:
    vals = [0.91, 0.92, 0.93, 0.90]
    (plain,) = compared(sweep(), variant_record(0, "plain", vals, [0.8, 0.9]))
    assert [t.seed for t in plain.trainings] == [100, 101, 102, 103]
    spread = plain.spread("val_accuracy")
    assert spread == Spread(fmean(vals), stdev(vals), 4)
    assert plain.passes == 4
    assert plain.spread("train_accuracy") == Spread(0.94, 0.0, 4)
    assert plain.spread("val_loss_penalised") == Spread(pytest.approx(0.45), 0.0, 4)
    assert plain.spread("test_accuracy") == Spread(pytest.approx(0.85), stdev([0.8, 0.9]), 2)
    assert plain.best_epochs == (4, 4, 4, 4)


def test_further_seeds_stand_in_one_order_whichever_ended_first() -> None:
    record = variant_record(0, "plain", [0.91, 0.92, 0.93, 0.90])
    turned = replace(record, repeats=record.repeats[::-1])
    assert [r.index for r in turned.seeds] == [r.index for r in record.seeds] == [1, 2, 3]


def test_the_last_epoch_stands_for_a_seed_and_the_best_is_shown_beside_it() -> None:
    worse = tuple(replace(e, val_accuracy=0.97 - 0.01 * e.epoch) for e in course(0.9))
    made = replace(variant_record(0, "plain", [0.9]), epochs=worse)
    (plain,) = compared(sweep(), made)
    assert plain.spread("val_accuracy") == Spread(pytest.approx(0.93), None, 1)
    assert plain.best_val == Spread(pytest.approx(0.96), None, 1)
    assert plain.best_epochs == (1,)


def test_variants_keep_the_order_of_the_file_and_trials_by_hand_are_none() -> None:
    found = compared(
        sweep(),
        variant_record(0, "deep", [0.9]),
        variant_record(1, "plain", [0.9]),
        variant_record(2, "by-hand", [0.9]),
    )
    assert [v.name for v in found] == ["plain", "deep"]


def test_a_difference_is_paired_by_seed_and_has_the_interval_of_student() -> None:
    one, two = [0.91, 0.93, 0.92, 0.90], [0.90, 0.91, 0.92, 0.88]
    plain, drop = compared(sweep(), variant_record(0, "plain", two), variant_record(1, "drop", one))
    found = difference(drop, plain, By.parse("val_accuracy"))
    gaps = [a - b for a, b in zip(one, two, strict=True)]
    mean, half = fmean(gaps), stats.t.ppf(0.975, 3) * stdev(gaps) / 2
    assert found.pairs == 4
    assert found.mean == pytest.approx(mean)
    assert found.low == pytest.approx(mean - half)
    assert found.high == pytest.approx(mean + half)
    known = stats.ttest_rel(one, two).confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(known.low), pytest.approx(known.high))
    wider = difference(drop, plain, By.parse("val_accuracy"), comparisons=3)
    known = stats.ttest_rel(one, two).confidence_interval(1 - 0.05 / 3)
    assert wider.level == pytest.approx(1 - 0.05 / 3)
    assert (wider.low, wider.high) == (pytest.approx(known.low), pytest.approx(known.high))


@pytest.mark.parametrize(
    ("by", "gain", "ahead"),
    [
        ("val_accuracy", 0.02, True),
        ("val_accuracy", -0.02, False),
        ("val_loss", -0.1, True),
        ("val_loss", 0.1, False),
    ],
)
def test_better_is_more_for_accuracies_and_less_for_losses(
    by: str, gain: float, ahead: bool
) -> None:
    vals, loss = [0.90, 0.91, 0.92, 0.93], 0.4
    shake = [0.001, -0.001, 0.002, 0.0]
    moved = [
        v + s + (gain if by == "val_accuracy" else 0) for v, s in zip(vals, shake, strict=True)
    ]
    plain, drop = (
        variant_record(number, name, figures)
        for number, name, figures in ((0, "plain", vals), (1, "drop", moved))
    )
    if by == "val_loss":
        seeds = [
            replace(r, epochs=course(0.9, loss=loss + gain + s))
            for r, s in zip(drop.repeats, shake, strict=False)
        ]
        drop = replace(drop, epochs=course(0.9, loss=loss + gain), repeats=tuple(seeds))
    plain, drop = compared(sweep(), plain, drop)
    assert difference(drop, plain, By.parse(by)).ahead is ahead
    assert difference(plain, drop, By.parse(by)).ahead is not ahead


def test_seeds_that_only_one_of_them_has_do_not_count() -> None:
    plain, drop = compared(
        sweep(), variant_record(0, "plain", [0.9, 0.91]), variant_record(1, "drop", [0.92] * 4)
    )
    found = difference(drop, plain, By.parse("val_accuracy"))
    assert found.pairs == 2
    (lone,) = compared(sweep(), variant_record(0, "plain", [0.9]))
    single = difference(drop, lone, By.parse("val_accuracy"))
    assert (single.pairs, single.low, single.ahead) == (1, None, None)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=9))
def test_a_difference_turns_its_sign_with_its_sides(pairs: list[tuple[float, float]]) -> None:
    one, two = compared(
        sweep(),
        variant_record(0, "plain", [a for a, _ in pairs]),
        variant_record(1, "drop", [b for _, b in pairs]),
    )
    there = difference(one, two, By.parse("val_accuracy"))
    back = difference(two, one, By.parse("val_accuracy"))
    assert back.mean == pytest.approx(-there.mean)
    if there.high is None:
        assert back.low is None
        return
    assert back.low == pytest.approx(-there.high)
    if there.ahead is not None and abs(there.low or 0.0) > 1e-12 < abs(there.high or 0.0):
        assert back.ahead is (not there.ahead)


@pytest.mark.parametrize(("seeds", "ahead"), [(2, None), (5, None), (6, True), (9, True)])
def test_differences_that_are_all_alike_carry_no_more_than_a_sign_test(
    seeds: int, ahead: bool | None
) -> None:
    plain, drop = compared(
        sweep(),
        variant_record(0, "plain", [0.90] * seeds),
        variant_record(1, "drop", [0.92] * seeds),
    )
    found = difference(drop, plain, By.parse("val_accuracy"))
    assert found.ahead is ahead
    assert found.mean == pytest.approx(0.02)
    equal = difference(plain, plain, By.parse("val_accuracy"))
    assert (equal.ahead, equal.low, equal.high) == (None, 0.0, 0.0)


def test_those_that_get_there_do_not_speak_for_those_that_never_do() -> None:
    definition = sweep(
        "questions: [{ask: Sooner?, of: drop, than: plain, by: epochs to val >= 92%}]".replace(
            "Sooner?", "'Sooner?'"
        )
    )

    def asked(of: list[float], than: list[float]) -> Any:
        records = variant_record(0, "plain", than), variant_record(1, "drop", of)
        return comparison_of(outcome(definition, *records), definition)[1][0]

    some = asked([0.98, 0.98, 0.90, 0.90], [0.92, 0.93, 0.92, 0.93])
    assert some.verdict == "open"
    assert "drop never reaches val_accuracy >= 0.92 in 2 of 4 seeds" in some.text
    assert asked([0.98] * 4, [0.90] * 4).verdict == "yes"
    assert asked([0.90] * 4, [0.98] * 4).verdict == "no"


def test_several_variants_are_answered_each_for_itself() -> None:
    definition = sweep("questions: [{ask: 'Better?', of: [drop, deep], than: plain}]")
    plain = variant_record(0, "plain", [0.91, 0.92, 0.93, 0.89])
    better = variant_record(1, "drop", [0.93, 0.94, 0.96, 0.91])
    worse = [0.88, 0.89, 0.91, 0.86]

    def asked(deep: list[float]) -> Any:
        found = outcome(definition, plain, better, variant_record(2, "deep", deep))
        return comparison_of(found, definition)[1][0]

    mixed = asked(worse)
    assert mixed.verdict == "seen"
    assert len(mixed.parts) == 2
    assert asked([0.94, 0.95, 0.97, 0.91]).verdict == "yes"


def test_a_score_of_another_epoch_is_left_out() -> None:
    made = variant_record(0, "plain", [0.9, 0.91], [0.8, 0.81])
    scores = tuple(replace(s, epoch=e) for s, e in zip(made.scores, (4, 3), strict=True))
    (plain,) = compared(sweep(), replace(made, scores=scores))
    assert plain.spread("test_accuracy") == Spread(0.8, None, 1)


def test_time_to_a_target_counts_epochs_and_their_seconds() -> None:
    (plain,) = compared(sweep(), variant_record(0, "plain", [0.925, 0.965]))
    by = By.parse("epochs to val >= 90%")
    assert plain.values(by) == {100: 3.0, 101: 1.0}  # 0.865 0.885 0.905 0.925; 0.905 on
    assert plain.values(By.parse("seconds to val >= 90%")) == {100: 6.0, 101: 2.0}
    never = By.parse("epochs to val >= 99%")
    assert plain.values(never) == {}
    assert plain.spread(never) is None


QUESTIONS = """\
questions:
  - {ask: 'Does it meet?', of: plain}
  - {ask: 'Is it better?', of: drop, than: [plain, deep]}
  - {ask: 'On test?', of: drop, than: plain, by: test_accuracy}
  - {ask: 'Sooner?', of: drop, than: plain, by: epochs to val >= 99%}
  - {ask: 'And the search?', of: search}
"""


def test_answers_say_yes_no_or_not_shown_and_give_the_figures() -> None:
    definition = sweep(QUESTIONS)
    found = outcome(
        definition,
        variant_record(0, "plain", [0.91, 0.92, 0.93, 0.89], [0.9, 0.91]),
        variant_record(1, "drop", [0.93, 0.94, 0.95, 0.92], [0.9, 0.91]),
        variant_record(2, "deep", [0.93, 0.95, 0.94, 0.92]),
    )
    variants, answers = comparison_of(found, definition)
    assert [a.verdict for a in answers] == ["open", "open", "open", "open", "waiting"]
    assert "meets val_accuracy >= 0.9 and train_accuracy < 0.95 in 3 of 4 seeds" in answers[0].text
    assert "validation accuracy 91.25 % ± 1.71" in answers[0].text
    better, same = answers[1].differences
    assert (better.ahead, same.ahead) == (True, None)
    assert "drop is better than plain" in answers[1].text
    assert "drop cannot be told from deep" in answers[1].text
    assert answers[3].text == (
        "drop never reaches val_accuracy >= 0.99 in 4 of 4 seeds and plain never reaches "
        "val_accuracy >= 0.99 in 4 of 4 seeds: no pair to compare."
    )
    assert len(variants) == 3


def test_an_answer_is_yes_only_where_it_is_ahead_of_all_and_no_where_behind_one() -> None:
    definition = sweep(QUESTIONS)
    plain = variant_record(0, "plain", [0.91, 0.92, 0.93, 0.89])
    drop = variant_record(1, "drop", [0.94, 0.94, 0.96, 0.92])
    low = variant_record(2, "deep", [0.90, 0.91, 0.92, 0.89])
    high = variant_record(2, "deep", [0.97, 0.98, 0.99, 0.95])
    verdicts = [
        comparison_of(outcome(definition, plain, drop, deep), definition)[1][1].verdict
        for deep in (low, high)
    ]
    assert verdicts == ["yes", "no"]


def test_a_question_about_what_was_not_trained_waits() -> None:
    definition = sweep(QUESTIONS)
    _, answers = comparison_of(outcome(definition, variant_record(0, "plain", [0.9])), definition)
    assert [a.verdict for a in answers[1:]] == ["waiting"] * 4
    assert answers[1].text == "drop and deep have not been trained yet."


def test_the_search_is_answered_with_what_its_winners_gave_up() -> None:
    definition = sweep(QUESTIONS)
    plain = variant_record(0, "plain", [0.97], train=0.99)
    trial = replace(
        record(1, 0.9, 0.0, epochs=4), epochs=course(0.91, train=0.92), params={"layers": [8]}
    )
    _, answers = comparison_of(outcome(definition, plain, trial), definition)
    said = answers[-1]
    assert said.verdict == "yes"
    assert "1 of the 1 trial of the search meets" in said.text
    assert "by learning less, not by generalising better" in said.text
    assert "6 points more on validation" in said.text.replace("6.0", "6")
    poor = replace(trial, epochs=course(0.8, train=0.92))
    _, answers = comparison_of(outcome(definition, plain, poor), definition)
    assert answers[-1].verdict == "no"
    assert "none of the 1 trial of the search meets" in answers[-1].text


def test_a_variant_whose_loss_is_not_finite_has_no_figure_and_meets_nothing() -> None:
    broken = (EpochMetrics(1, None, None),)
    made = replace(
        variant_record(0, "plain", [0.9, 0.91]),
        repeats=(Repeat("seed", 1, 101, SplitSpec(), 1, "nan", broken),),
    )
    (plain,) = compared(sweep(), made)
    assert plain.passes == 1
    assert plain.spread("val_accuracy") == Spread(pytest.approx(0.9), None, 1)
    assert difference(plain, plain, By.parse("val_accuracy")).missing == (1, 1)


def test_spreads_of_nothing_and_of_one() -> None:
    assert spread_of([]) is None
    assert spread_of([0.5]) == Spread(0.5, None, 1)
    chance = random.Random(3)
    values = [chance.random() for _ in range(7)]
    assert spread_of(values) == Spread(fmean(values), stdev(values), 7)


@pytest.mark.parametrize(
    ("name", "spread", "text"),
    [
        ("val_accuracy", Spread(0.9757, 0.0012, 5), "97.57 % ± 0.12"),
        ("val_accuracy", Spread(0.9757, None, 1), "97.57 %"),
        ("accuracy_gap", Spread(0.031, 0.002, 5), "3.10 points ± 0.20"),
        ("val_loss", Spread(0.35123, 0.004, 5), "0.3512 ± 0.0040"),
        ("epochs", Spread(3.2, 0.44, 5), "3.2 ± 0.4"),
        ("parameters", Spread(101770, None, 1), "101,770"),
        ("val_loss", Spread(math.nan, None, 1), "–"),
        ("val_loss", None, "–"),
    ],
)
def test_spreads_in_words(name: str, spread: Spread | None, text: str) -> None:
    assert spread_text(name, spread) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("val_accuracy", 0.0043, "+0.43 points"),
        ("val_loss", -0.012, "-0.0120"),
        ("epochs", -1.25, "-1.2 epochs"),
        ("seconds", 0.55, "+0.6 s"),
        ("val_loss", math.nan, "–"),
    ],
)
def test_differences_in_words(name: str, value: float, text: str) -> None:
    assert signed(name, value) == text


def test_the_tables_fit_eighty_columns_and_mark_the_test_rows() -> None:
    from rich.console import Console

    definition = sweep(QUESTIONS)
    vals = [0.91, 0.92, 0.93, 0.89]
    found = outcome(
        definition,
        variant_record(0, "plain", vals, vals),
        variant_record(1, "drop", vals, vals),
    )
    variants, answers = comparison_of(found, definition)
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(variants_block(variants))
    console.print(answers_block(answers))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    assert "0.9125±0.0171" in text
    assert "0.4500±0.0000" in text  # with penalty, beside 0.4000
    assert "test: measured after all trials, on rows that chose nothing" in text
    assert "Does it meet?\nNot shown: plain meets" in text
    assert "Against plain, seed by seed" in text
    assert "+0.0000 (+0.0000 to +0.0000)" in text


def test_a_sweep_that_asks_nothing_compares_each_variant_with_the_first() -> None:
    vals = [0.91, 0.92, 0.93]
    plain, drop, deep = compared(
        sweep(),
        variant_record(0, "plain", vals),
        variant_record(1, "drop", [0.935, 0.94, 0.95], loss=0.3),
        variant_record(2, "deep", vals),
    )
    accuracy, loss = unasked((plain, drop, deep))
    assert [(d.of, d.than, d.ahead) for d in accuracy.differences] == [
        ("drop", "plain", True),
        ("deep", "plain", None),
    ]
    assert accuracy.differences[0].level == pytest.approx(0.975)
    assert [d.mean for d in loss.differences] == [pytest.approx(-0.1), 0.0]
    assert unasked((plain,)) == ()
    (lone, other) = compared(
        sweep(), variant_record(0, "plain", [0.9]), variant_record(1, "drop", [0.9])
    )
    assert unasked((lone, other)) == ()


def test_json_and_markdown_hold_the_same_figures() -> None:
    definition = sweep(QUESTIONS)
    vals = [0.91, 0.92, 0.93, 0.89]
    found = outcome(definition, variant_record(0, "plain", vals, vals))
    variants, answers = comparison_of(found, definition)
    raw = json.loads(dumped([to_json(found, (), None, variants, answers)]))
    (plain,) = raw["variants"]
    assert plain["figures"]["val_accuracy"] == {
        "mean": pytest.approx(0.9125),
        "sd": pytest.approx(stdev(vals)),
        "seeds": 4,
    }
    assert [t["seed"] for t in plain["trainings"]] == [100, 101, 102, 103]
    assert raw["questions"][0]["verdict"] == "open"
    text = to_markdown([found], compared=[(variants, answers)])
    assert "| plain   | 3 of 4 | 91.25 % ± 1.71" in text
    assert "Test figures were read after all trials and chose nothing." in text
