from __future__ import annotations

import csv
import io
import json
import math
import os
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console, ConsoleRenderable

from tuner.report.jsonout import dumps, to_csv, to_json
from tuner.report.selection import NEAREST, Outcome, busy_seconds, frame, judge, select, window_text
from tuner.report.sentences import next_command, sentence
from tuner.report.tables import outcome_table, summary_table
from tuner.report.wording import amount_text, configuration, figure_text, number_text
from tuner.targets import METRICS, parse_targets
from tuner.trial import EpochMetrics, EpochRule, Params, SplitSpec, TrialRecord, TrialState

GOLDEN = Path(__file__).parent / "golden"
TARGETS = parse_targets("val_accuracy >= 0.90 and train_accuracy < 0.95")


def epoch(number: int, val: float | None, train: float | None = None, **more: Any) -> EpochMetrics:
    return EpochMetrics(number, val, more.pop("val_loss", None), train, **more)


def trial(
    origin: int, *epochs: EpochMetrics, state: TrialState = "complete", **more: Any
) -> TrialRecord:
    return TrialRecord(
        number=origin,
        origin=origin,
        attempt=f"u:{origin}",
        state=state,
        params=more.pop("params", {"dropout": 0.4}),
        epochs=epochs,
        **more,
    )


def chosen(records: Sequence[TrialRecord], rule: EpochRule = "best", requested: int = 0) -> Outcome:
    return select("s", "s", records, TARGETS, rule, requested or len(records))


def printed(renderable: ConsoleRenderable, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


# --- a study as a real one looks ----------------------------------------------------------------


def curve(top: float, over: float, length: int, total: int = 30) -> tuple[EpochMetrics, ...]:
    """A plausible curve: val nears `top`, train ends `over` above it, train unmeasured at times."""
    rows = []
    for e in range(1, length + 1):
        done = e / total
        val = round(top - 0.12 * math.exp(-5 * done), 6)
        train = round(val - 0.01 + (over + 0.01) * done, 6)
        measured = e % 5 == 0 or e == length or val >= 0.90
        rows.append(
            epoch(
                e,
                val,
                train if measured else None,
                val_loss=round(0.25 + (1 - val) / 3, 6),
                train_loss=round(0.2 + (1 - train) / 3, 6) if measured else None,
                parameters=407050,
                seconds=0.5,
            )
        )
    return tuple(rows)


def rounded(value: float) -> float:
    """Four digits, so that golden files do not hang on the last bit of a machine's `pow`."""
    return float(f"{value:.4g}")


def study(seed: int, best: float, count: int = 24) -> list[TrialRecord]:
    """`count` trials, two of them variants, some pruned, one failed."""
    draw = random.Random(seed)
    spec = {"split": {"kind": "stratified", "fraction": 0.2, "seed": 0}}
    records = []
    for n in range(count):
        optimizer = draw.choice(["sgd", "adam", "adam", "rmsprop"])
        params: Params = {
            "l2": 0.0 if draw.random() < 0.2 else rounded(10 ** draw.uniform(-6, -3)),
            "dropout": rounded(draw.uniform(0.1, 0.7)),
            "batch_size": draw.choice([64, 128, 256]),
            "optimizer": optimizer,
            **({"momentum": rounded(draw.uniform(0, 0.99))} if optimizer == "sgd" else {}),
            "depth": draw.choice([1, 2, 3]),
            "units": draw.choice([128, 256, 512, 1024]),
            "learning_rate": rounded(10 ** draw.uniform(-4, -2)),
            "schedule": draw.choice(["cosine", "cosine", "constant"]),
            "batch_norm": draw.choice(["none", "before_activation"]),
            "activation": "relu",
        }
        pruned = n % 5 == 4
        rows = curve(best - draw.uniform(0, 0.04), draw.uniform(0.02, 0.09), 9 if pruned else 30)
        state: TrialState = "pruned" if pruned else "complete"
        more: dict[str, Any] = {"reason": "train ahead of val for 5 epochs"} if pruned else {}
        if n == 11:
            rows, state, more = (), "failed", {"reason": "the worker ended with signal 9"}
        variant = {0: "baseline", 1: "wide"}.get(n)
        start = 1000.0 + 15 * (n // 2)
        records.append(
            trial(
                n,
                *rows,
                state=state,
                params=params,
                variant=variant,
                started=start,
                ended=start + 14.5,
                run_id=f"{n:032x}",
                spec=spec,
                **more,
            )
        )
    return records


MEETING = select("fashion", "fashion", study(5, 0.915), TARGETS, "best", 24)
MISSING = select("fashion-small", "fashion", study(5, 0.899), TARGETS, "best", 24)
SMALL = select("tiny", "digits", study(5, 0.915, 6), TARGETS, "best", 8)


def same_as_golden(name: str, text: str) -> None:
    """Compare with tests/golden/NAME; TUNER_UPDATE_GOLDEN=1 writes it instead."""
    path = GOLDEN / name
    if os.environ.get("TUNER_UPDATE_GOLDEN") == "1":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [80, 120, 160])
@pytest.mark.parametrize(("name", "outcome"), [("meets", MEETING), ("nearest", MISSING)])
def test_the_table_reads_as_the_golden_one(name: str, outcome: Outcome, width: int) -> None:
    shown = f"{printed(outcome_table(outcome), width)}\n{sentence(outcome)}\n"
    same_as_golden(f"table_{name}_{width}.txt", f"{shown}{next_command(outcome)}\n")


def test_the_summary_reads_as_the_golden_one() -> None:
    outcomes = [MEETING, MISSING, SMALL]
    shown = printed(summary_table(outcomes), 80) + printed(summary_table(outcomes), 120)
    same_as_golden("summary.txt", shown)


def test_json_is_the_golden_one() -> None:
    same_as_golden("report.json", dumps([SMALL]) + "\n")


def test_csv_is_the_golden_one() -> None:
    same_as_golden("report.csv", to_csv([SMALL]))


# --- verdicts -----------------------------------------------------------------------------------

GOOD = epoch(1, 0.91, 0.94)
BAD = epoch(1, 0.88, 0.94)


@pytest.mark.parametrize(
    ("state", "rule", "verdict"),
    [
        ("complete", "best", "meets"),
        ("complete", "last", "meets"),
        ("pruned", "best", "meets"),
        ("pruned", "last", "misses"),
        ("failed", "best", None),
        ("running", "best", None),
        ("waiting", "best", None),
    ],
)
def test_only_trials_that_ended_are_judged(
    state: TrialState, rule: EpochRule, verdict: str | None
) -> None:
    entry = judge(trial(3, GOOD, state=state), TARGETS, rule)
    assert (entry.verdict, entry.chosen is None) == (verdict, verdict is None)


@pytest.mark.parametrize("state", ["complete", "pruned"])
def test_a_trial_without_an_epoch_has_no_verdict(state: TrialState) -> None:
    outcome = chosen([trial(0, state=state)])
    assert [e.verdict for e in outcome.entries] == [None]
    assert (outcome.meets, outcome.nearest, outcome.best) == ((), (), None)


def test_meets_are_ranked_by_margin_then_val_then_gap_then_trial() -> None:
    records = [
        trial(0, epoch(1, 0.91, 0.945)),  # 0.005 to spare on train
        trial(1, epoch(1, 0.92, 0.949)),  # 0.001 to spare, for all its val accuracy
        trial(2, epoch(1, 0.905, 0.930)),  # 0.005 on val: as much as trial 0, with a smaller gap
        trial(3, epoch(1, 0.908, 0.941)),
        trial(4, epoch(1, 0.908, 0.940)),
        trial(5, epoch(1, 0.908, 0.940)),
    ]
    outcome = chosen(records)
    assert [e.trial for e in outcome.meets] == [4, 5, 3, 0, 2, 1]
    assert outcome.nearest == ()
    assert outcome.binding_target is None


def test_the_best_trial_need_not_meet() -> None:
    outcome = chosen([trial(0, epoch(1, 0.93, 0.99)), trial(1, GOOD)])
    assert outcome.best is not None
    assert (outcome.best.trial, [e.trial for e in outcome.meets]) == (0, [1])


def test_an_unmeasured_miss_is_not_nearer_than_a_measured_one() -> None:
    outcome = chosen([trial(0, epoch(1, 0.9), state="pruned"), trial(1, epoch(1, 0.8, 0.8))])
    assert [e.trial for e in outcome.nearest] == [1, 0]
    assert outcome.nearest[1].violations == {
        "val_accuracy >= 0.9": 0.0,
        "train_accuracy < 0.95": None,
    }


@pytest.mark.parametrize(
    ("figures", "binding"),
    [
        ([(0.88, 0.94), (0.89, 0.951), (0.91, 0.951)], "val_accuracy >= 0.9"),
        ([(0.91, 0.96), (0.91, 0.97), (0.5, 0.6)], "train_accuracy < 0.95"),
        ([(0.88, 0.94)], "val_accuracy >= 0.9"),
        ([(0.91, 0.97), (0.89, None)], "train_accuracy < 0.95"),
        ([(0.91, 0.94)], None),
    ],
)
def test_the_binding_target_has_the_largest_median_violation(
    figures: list[tuple[float, float | None]], binding: str | None
) -> None:
    outcome = chosen([trial(i, epoch(1, *pair)) for i, pair in enumerate(figures)])
    assert outcome.binding_target == binding


def test_of_targets_that_bind_equally_the_first_is_named() -> None:
    both = parse_targets("accuracy_gap <= 0.25 and val_accuracy >= 0.75")
    records = [trial(0, epoch(1, 0.5, 1.0))]  # 0.25 off either, without rounding
    assert select("s", "s", records, both, "best", 1).binding_target == "accuracy_gap <= 0.25"
    swapped = select("s", "s", records, both[::-1], "best", 1)
    assert swapped.binding_target == "val_accuracy >= 0.75"


def test_only_ten_misses_are_kept_and_decide() -> None:
    near = [trial(i, epoch(1, 0.91, 0.96)) for i in range(NEAREST)]
    far = [trial(i + NEAREST, epoch(1, 0.1, 0.1)) for i in range(3 * NEAREST)]
    outcome = chosen([*far, *near])
    assert [e.trial for e in outcome.nearest] == list(range(NEAREST))
    assert outcome.binding_target == "train_accuracy < 0.95"
    assert len(outcome.entries) == 4 * NEAREST


def test_validation_on_the_test_split_is_said_loudly() -> None:
    spec = {"split": {"kind": SplitSpec(kind="test").kind}}
    outcome = chosen([trial(0, GOOD, spec=spec)])
    assert outcome.banner is not None
    flat = " ".join(printed(outcome_table(outcome), 80).split())
    assert outcome.banner in flat
    assert outcome.banner in " ".join(printed(summary_table([outcome]), 80).split())
    assert "on the test split" in sentence(outcome)
    miss = chosen([trial(0, BAD, spec=spec)])
    assert sentence(miss).endswith("; validation is the test split here.")
    assert chosen([trial(0, GOOD)]).banner is None


@pytest.mark.parametrize(
    ("spans", "seconds"),
    [
        ([], 0.0),
        ([(0, 10), (5, 15)], 15.0),
        ([(0, 10), (2, 3)], 10.0),
        ([(100, 110), (0, 10)], 20.0),  # resumed later: the pause does not count
        ([(0, 10), (10, 20)], 20.0),
    ],
)
def test_the_duration_is_the_time_in_which_something_ran(
    spans: list[tuple[float, float]], seconds: float
) -> None:
    records = [trial(i, started=a, ended=b) for i, (a, b) in enumerate(spans)]
    running = trial(99, state="running", started=1000.0)
    assert busy_seconds([*records, running]) == seconds


# --- words --------------------------------------------------------------------------------------

FAILED = [trial(i, state="failed", reason=f"no memory for\nlayer {i}.") for i in range(3)]
MISS = "val_accuracy >= 0.9 and train_accuracy < 0.95"


@pytest.mark.parametrize(
    ("records", "requested", "text", "command"),
    [
        ([], 5, "No trial of s has finished yet.", "tuner sweep s --trials 5"),
        (
            [trial(0, state="running"), trial(1, state="waiting"), trial(2, state="waiting")],
            3,
            "No trial of s has finished yet (1 running, 2 waiting).",
            "tuner status s",
        ),
        (
            FAILED,
            3,
            "All 3 trials failed; the first says: no memory for layer 0.",
            "tuner report s --format csv",
        ),
        (FAILED[:1], 1, "The only trial failed; the first says: no memory for layer 0.", None),
        (
            [trial(0, state="pruned", reason="loss not finite"), replace(FAILED[1], reason=None)],
            2,
            "None of 2 trials got through an epoch (1 pruned, 1 failed); "
            "the first says: loss not finite.",
            None,
        ),
        (
            [trial(0, GOOD), trial(1, BAD)],
            2,
            f"1 of 2 trials meets {MISS}; trial 0 reaches 0.910 on validation at epoch 1 with "
            "train 0.940: chosen among 2 trials on one validation split, not confirmed on fresh "
            "seeds.",
            "tuner confirm s",
        ),
        (
            [trial(4, GOOD, epoch(2, 0.91, 0.96), run_id="r"), trial(7, epoch(3, 0.93, 0.94))],
            2,
            f"2 of 2 trials meet {MISS}; the first by rank, trial 7, reaches 0.930 on validation "
            "at epoch 3 with train 0.940: chosen among 2 trials on one validation split, not "
            "confirmed on fresh seeds.",
            "tuner confirm s",
        ),
        (
            [trial(4, GOOD, epoch(2, 0.91, 0.96))],
            50,
            f"1 of 1 finished trial (of 50 asked for) meets {MISS}; trial 4 reaches 0.910 on "
            "validation at epoch 1 (only if stopped there) with train 0.940: a figure on one "
            "validation split, not confirmed on fresh seeds.",
            "tuner sweep s --trials 50",
        ),
        (
            [trial(12, epoch(9, 0.91, 0.956)), trial(13, epoch(9, 0.91, 0.99))],
            2,
            f"None of 2 trials meets {MISS}; the nearest, trial 12, misses train_accuracy < 0.95 "
            "by 0.006; train_accuracy < 0.95 is the target that binds.",
            "tuner sweep s --add 2",
        ),
        (
            [trial(1, epoch(9, 0.9, 0.95))],
            1,
            f"None of 1 trial meets {MISS}; the nearest, trial 1, misses train_accuracy < 0.95 "
            "by a hair (it is exactly at the limit); train_accuracy < 0.95 is the target that "
            "binds.",
            None,
        ),
        (
            [trial(1, epoch(1, 0.89), state="pruned")],
            1,
            f"None of 1 trial meets {MISS}; the nearest, trial 1, misses val_accuracy >= 0.9 by "
            "0.010 and was not measured for train_accuracy < 0.95; val_accuracy >= 0.9 is the "
            "target that binds.",
            None,
        ),
        (
            [trial(1, epoch(1, None, 0.9))],
            1,
            f"None of 1 trial meets {MISS}; the nearest, trial 1, misses val_accuracy >= 0.9 "
            "without a finite figure; val_accuracy >= 0.9 is the target that binds.",
            None,
        ),
    ],
)
def test_one_plain_sentence_and_the_next_command(
    records: list[TrialRecord], requested: int, text: str, command: str | None
) -> None:
    outcome = chosen(records, requested=requested)
    assert sentence(outcome) == text
    if command is not None:
        assert next_command(outcome) == command
    printed(outcome_table(outcome), 80)


def test_a_pruned_trial_under_the_rule_last_says_why_it_misses() -> None:
    outcome = chosen([trial(0, GOOD, state="pruned")], rule="last")
    assert "was pruned at epoch 1, before its last epoch could count" in sentence(outcome)
    assert "pruned before its last" in printed(outcome_table(outcome), 80)
    assert outcome.binding_target is None


def test_a_study_name_is_quoted_for_the_shell() -> None:
    outcome = select("my study; x", "s", [], TARGETS, "best", 2)
    assert next_command(outcome) == "tuner sweep 'my study; x' --trials 2"


def test_names_are_never_read_as_markup() -> None:
    odd = trial(0, GOOD, variant="[red]v[/red]", params={"own": "[/b]"})
    outcome = select("[bold]s", "[x]", [odd], TARGETS, "best", 1)
    shown = printed(outcome_table(outcome), 100) + printed(summary_table([outcome]), 100)
    for text in ("[red]v[/red]", "own", "[/b]", "[bold]s", "[x]"):
        assert text in shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.41234, "0.41"),
        (0.999, "0.999"),
        (0.99, "0.99"),
        (9.312e-4, "9.3e-4"),
        (1e-5, "1e-5"),
        (0.0123, "0.012"),
        (1.0, "1"),
        (12.5, "12.5"),
        (1.5e7, "1.5e7"),
        (math.nan, "nan"),
        (512, "512"),
        (True, "yes"),
        ([128, 64], "128-64"),
        ("cosine", "cosine"),
    ],
)
def test_parameters_are_short(value: Any, text: str) -> None:
    assert number_text(value) == text


@pytest.mark.parametrize(
    ("params", "text"),
    [
        (
            {
                "l2": 2.13e-5,
                "dropout": 0.412,
                "batch_size": 128,
                "optimizer": "adam",
                "depth": 2,
                "units": 512,
                "learning_rate": 9.3e-4,
                "schedule": "cosine",
            },
            "adam lr 9.3e-4 cosine · 512×2 · dropout 0.41 · l2 2.1e-5 · batch 128",
        ),
        (
            {"optimizer": "sgd", "momentum": 0.9, "depth": 0, "units": 64, "l2": 0.0},
            "sgd momentum 0.9 · no hidden layer · no l2",
        ),
        (
            {"layers": [128, 64], "dropout": 0.0, "batch_norm": "after_activation", "own_key": 3},
            "layers 128-64 · bn after · no dropout · own_key 3",
        ),
        (
            {"depth": 3, "filters": 8, "kernel": 5, "units": 64, "batch_norm": "none"},
            "conv 8-16-32 (5×5), dense 64 · no bn",
        ),
        (
            {"depth": 0, "filters": 8, "kernel": 5, "units": 64, "batch_norm": "none"},
            "no convolution, dense 64 · no bn",
        ),
        (  # of somebody's own model, who knows what they mean
            {"depth": 3, "filters": 8, "kernel": 5, "units": 64},
            "64×3 · filters 8 · kernel 5",
        ),
        ({"depth": 3, "filters": 8}, "depth 3 · filters 8"),
        ({"units": 64, "batch_norm": "none"}, "units 64 · no bn"),
        ({}, ""),
    ],
)
def test_a_configuration_in_one_line(params: Params, text: str) -> None:
    assert configuration(params) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.90001, "0.900"),
        (0.8999, "0.8999"),
        (0.89999999, "0.89999999"),
        (0.9, "0.900"),
        (None, "–"),
        (math.inf, "–"),
    ],
)
def test_a_figure_stays_on_its_side_of_the_limit(value: float | None, text: str) -> None:
    assert figure_text("val_accuracy", value, TARGETS) == text


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_shown_figure_has_the_verdict_of_the_real_one(value: float, limit: float) -> None:
    for op in (">=", ">", "<=", "<"):
        (target,) = parse_targets(f"val_accuracy {op} {limit!r}")
        shown = figure_text("val_accuracy", value, [target])
        assert target.met_by(float(shown)) == target.met_by(value)


@given(st.floats(min_value=1e-300, max_value=1e6), st.sampled_from(METRICS))
def test_a_distance_is_never_shown_as_nothing(value: float, metric: str) -> None:
    assert float(amount_text(metric, value).replace(",", "")) > 0


def test_windows_read_well() -> None:
    assert window_text([(14, 21), (30, 30)]) == "14–21, 30"


# --- tables -------------------------------------------------------------------------------------


def test_a_longer_table_is_cut_and_says_so() -> None:
    outcome = chosen([trial(i, GOOD, params={"dropout": i / 40}) for i in range(30)])
    shown = printed(outcome_table(outcome, limit=4), 80)
    assert "Configurations that meet the targets, 4 of 30" in shown
    assert shown.count("0.910") == 4


def test_a_single_configuration_is_shown_in_full() -> None:
    only = trial(0, GOOD, params={"optimizer": "adam", "depth": 1, "units": 64})
    assert "adam" in printed(outcome_table(chosen([only])), 80)
    assert "All of these" not in printed(outcome_table(chosen([only])), 80)


def test_a_parameter_that_the_first_trial_lacks_keeps_its_place() -> None:
    adam: Params = {"optimizer": "adam", "learning_rate": 0.001, "own": 1}
    sgd: Params = {"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.01, "own": 2}
    outcome = chosen([trial(0, GOOD, params=adam), trial(1, GOOD, params=sgd)])
    head = printed(outcome_table(outcome), 160).splitlines()[4].split()
    assert head[-4:] == ["optimizer", "momentum", "lr", "own"]


def test_targets_on_other_figures_get_a_column() -> None:
    small = parse_targets("parameters <= 1000 and val_loss < 0.3")
    record = trial(0, epoch(1, 0.9, val_loss=0.35, parameters=12345))
    outcome = select("s", "s", [record], small, "best", 1)
    narrow, wide = (printed(outcome_table(outcome), width) for width in (80, 140))
    assert "weights 11,345 over" in narrow
    assert "val loss 0.050 over" in narrow
    assert "12,345" in wide


# --- laws ---------------------------------------------------------------------------------------

shares = st.none() | st.sampled_from([0.0, 0.9, 0.95, 1.0]) | st.floats(0.85, 1.0)
rows = st.builds(
    EpochMetrics,
    epoch=st.just(0),
    val_accuracy=shares,
    val_loss=st.none() | st.floats(0, 3) | st.just(math.nan),
    train_accuracy=shares,
    train_loss=st.none() | st.floats(0, 3) | st.just(math.inf),
    parameters=st.integers(0, 10**6),
)
states = st.sampled_from(["complete", "complete", "pruned", "failed", "running", "waiting"])
values: st.SearchStrategy[Any] = st.one_of(
    st.integers(0, 1024), st.floats(), st.booleans(), st.text(max_size=5), st.just([64, 32])
)


@st.composite
def studies(draw: st.DrawFn) -> list[TrialRecord]:
    records = []
    for origin in draw(st.lists(st.integers(0, 60), unique=True, max_size=18)):
        epochs = [
            replace(row, epoch=i + 1) for i, row in enumerate(draw(st.lists(rows, max_size=3)))
        ]
        params = draw(st.dictionaries(st.sampled_from(["l2", "depth", "own"]), values))
        records.append(trial(origin, *epochs, state=draw(states), params=params))
    return records


TEXTS = st.sampled_from(
    [
        "val >= 0.9, train < 0.95",
        "train < 0.95",
        "gap <= 2%, val_loss < 0.4",
        "params <= 5000, train_loss < 1, val > 0.9",
    ]
)
RULES = st.sampled_from(["best", "last"])
law = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@law
@given(studies(), TEXTS, RULES)
def test_every_trial_has_one_place(records: list[TrialRecord], text: str, rule: EpochRule) -> None:
    outcome = select("s", "d", records, parse_targets(text), rule, 20)
    origins = sorted(r.origin for r in records)
    assert [e.trial for e in outcome.entries] == origins
    placed = [e.trial for e in (*outcome.meets, *outcome.nearest)]
    assert len(placed) == len(set(placed))
    assert all(e.verdict == "meets" for e in outcome.meets)
    assert all(e.verdict == "misses" for e in outcome.nearest)
    misses = sum(e.verdict == "misses" for e in outcome.entries)
    assert len(outcome.nearest) == min(misses, NEAREST)
    for entry in outcome.entries:
        ended = entry.state in ("complete", "pruned")
        assert (entry.verdict is not None) == (ended and bool(entry.record.epochs))
    assert (outcome.binding_target is None) or outcome.nearest
    assert outcome.counts.finished + outcome.counts.running + outcome.counts.waiting == len(records)


@law
@given(studies(), TEXTS, RULES)
def test_verdicts_follow_the_raw_figures(
    records: list[TrialRecord], text: str, rule: EpochRule
) -> None:
    targets = parse_targets(text)
    for entry in select("s", "d", records, targets, rule, 20).entries:
        if entry.verdict is None:
            continue
        met = all(t.met_by(entry.figure(t.metric)) for t in targets)
        assert (entry.verdict == "meets") == (
            met and not (rule == "last" and entry.state == "pruned")
        )


@law
@given(studies(), TEXTS, RULES, st.randoms(use_true_random=False))
def test_ranks_are_ordered_and_hang_on_nothing_else(
    records: list[TrialRecord], text: str, rule: EpochRule, draw: random.Random
) -> None:
    targets = parse_targets(text)
    outcome = select("s", "d", records, targets, rule, 20)
    places = [e.rank.place for e in outcome.meets if e.rank is not None]
    assert places == list(range(1, len(outcome.meets) + 1))
    scores = [e.rank.score for e in outcome.meets if e.rank is not None]
    assert scores == sorted(scores, reverse=True)
    assert all((e.rank is None) == (e.verdict is None) for e in outcome.entries)
    unmeasured = [None in e.violations.values() for e in outcome.nearest]
    assert unmeasured == sorted(unmeasured)
    for part in (False, True):
        near = [e for e, u in zip(outcome.nearest, unmeasured, strict=True) if u == part]
        totals = [e.total_violation or 0.0 for e in near]
        assert totals == sorted(totals)
    judged = [f for e in outcome.entries if (f := e.figure("val_accuracy")) is not None]
    if judged:
        assert outcome.best is not None
        assert outcome.best.figure("val_accuracy") == max(judged)
    mixed = draw.sample(records, len(records))
    assert to_json(select("s", "d", mixed, targets, rule, 20)) == to_json(outcome)


@law
@given(studies(), TEXTS, RULES)
def test_another_trial_takes_no_verdict_away(
    records: list[TrialRecord], text: str, rule: EpochRule
) -> None:
    targets = parse_targets(text)
    fewer = select("s", "d", records[:-1], targets, rule, 20)
    more = select("s", "d", records, targets, rule, 20)
    assert {e.trial for e in fewer.meets} <= {e.trial for e in more.meets}


@law
@given(studies(), TEXTS, RULES)
def test_json_is_strict_and_complete(
    records: list[TrialRecord], text: str, rule: EpochRule
) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    outcome = select("s", "d", records, parse_targets(text), rule, 20)
    read = json.loads(dumps([outcome]), parse_constant=refuse)
    assert read == to_json(outcome)
    assert list(read) == [
        *("schema", "study", "dataset", "targets", "what_if", "trials"),
        *("meets", "nearest", "tested", "binding_target", "validation_is_test"),
        *("variants", "questions", "advice", "importance", "summary"),
    ]
    for entry in (*read["meets"], *read["nearest"]):
        assert list(entry) == [
            *("trial", "variant", "params", "metrics", "epoch"),
            *("window", "violations", "verdict", "confirmation", "rank", "cautions", "run_id"),
        ]
        assert list(entry["metrics"]) == list(METRICS)
    assert len(json.loads(dumps([outcome, outcome]))) == 2


@law
@given(studies(), studies())
def test_csv_has_a_row_a_trial(first: list[TrialRecord], second: list[TrialRecord]) -> None:
    outcomes = [chosen(first), chosen(second)]
    found = list(csv.DictReader(io.StringIO(to_csv(outcomes))))
    wanted = [str(e.trial) for o in outcomes for e in o.entries]
    assert [row["trial"] for row in found] == wanted
    for row, entry in zip(found, [e for o in outcomes for e in o.entries], strict=True):
        accuracy = entry.figure("val_accuracy")
        assert row["val_accuracy"] == ("" if accuracy is None else repr(accuracy))
        depth = entry.params.get("depth")
        if isinstance(depth, int) and not isinstance(depth, bool):
            assert float(row["param.depth"]) == depth


@law
@given(studies(), TEXTS, RULES, st.integers(80, 200))
def test_every_study_can_be_shown_at_every_width(
    records: list[TrialRecord], text: str, rule: EpochRule, width: int
) -> None:
    outcome = select("s", "d", records, parse_targets(text), rule, 20)
    shown = printed(outcome_table(outcome), width) + printed(summary_table([outcome]), width)
    assert max(len(line) for line in shown.splitlines()) <= width
    assert sentence(outcome).endswith(".")
    assert next_command(outcome).split()[0] in ("tuner", "mlflow")


def test_the_frame_has_plain_types() -> None:
    found = frame(MEETING)
    assert list(found["trial"]) == [e.trial for e in MEETING.entries]
    assert {"variant", "state", "verdict", *METRICS, "epoch", "window"} <= set(found)
    kinds = {name: str(kind) for name, kind in found.dtypes.items()}
    assert kinds["val_accuracy"] == kinds["param.dropout"] == "float64"
    assert kinds["param.batch_size"] == kinds["epoch"] == kinds["parameters"] == "Int64"
    assert found.loc[found["state"] == "failed", "verdict"].isna().all()
    assert frame(chosen([])).shape[0] == 0
    assert to_csv([]) == "\n"
