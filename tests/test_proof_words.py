"""What fresh seeds proved, in every form: sentence, next command, table, page of a trial, JSON, CSV
and Markdown."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, ConsoleRenderable
from studies import FAR, Told, make

from tuner.cli import run
from tuner.report.confirmation_table import confirmation_sentence, unrepeated
from tuner.report.diagnosis import Advice
from tuner.report.jsonout import dumps, to_csv, to_json
from tuner.report.markdown import code, escaped, table, to_markdown
from tuner.report.page.answer import CARDS, candidates_of, headline, lead
from tuner.report.page.words import goals
from tuner.report.selection import Outcome, select
from tuner.report.sentences import next_command, sentence
from tuner.report.tables import outcome_table, summary_table
from tuner.report.trial_page import TrialPage
from tuner.report.trial_view import (
    TrialDetails,
    leading,
    next_after,
    trial_json,
    trial_sentence,
)
from tuner.scores import TestScore
from tuner.targets import METRICS, parse_targets
from tuner.trial import EpochMetrics, Repeat, RepeatKind, SplitSpec, TrialRecord

TARGETS = parse_targets("val_accuracy >= 0.90 and train_accuracy < 0.95")
GOOD = [(0.905, 0.932), (0.906, 0.931), (0.904, 0.933), (0.905, 0.930), (0.906, 0.932)]
MIDDLING = [(0.895, 0.93), (0.91, 0.94), (0.897, 0.93), (0.912, 0.94), (0.899, 0.93)]
POOR = [(0.895, 0.93), (0.89, 0.94), (0.902, 0.93)]
TEST = TestScore(0.8972, 0.31, 10_000, ((0.8961, 0.32), (0.8985, 0.30)), looked_at=3, at=1.0)
Row = tuple[float, float]


def epochs(*rows: Row) -> tuple[EpochMetrics, ...]:
    return tuple(EpochMetrics(n, v, 1 - v, t, parameters=9) for n, (v, t) in enumerate(rows, 1))


def repeat(index: int, row: Row, kind: RepeatKind = "fresh", **more: Any) -> Repeat:
    """A repeat of two epochs that is judged at the first; the second is its own best."""
    return Repeat(
        kind=kind,
        index=index,
        seed=100 + index,
        split=SplitSpec(seed=7 + index),
        epoch=1,
        status="complete",
        epochs=epochs(row, (row[0] + 0.01, row[1])),
        started=0.0,
        ended=2.0,
        **more,
    )


def trial(origin: int, rows: Sequence[Row] = (), val: float = 0.91, **more: Any) -> TrialRecord:
    return TrialRecord(
        origin,
        origin,
        f"u:{origin}",
        "complete",
        {"dropout": 0.1 * origin},
        epochs=epochs((val, 0.93), (val - 0.001, 0.931)),
        repeats=tuple(repeat(n, row) for n, row in enumerate(rows)),
        run_id=f"r{origin}",
        **more,
    )


def outcome(*records: TrialRecord, **more: Any) -> Outcome:
    return select("s", "s", records, TARGETS, "best", more.pop("requested", len(records)))


def printed(shown: ConsoleRenderable, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    console.print(shown)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


CONFIRMED = outcome(trial(0, GOOD, 0.905, test=TEST), trial(1, val=0.93), trial(2, POOR, 0.92))
MARGINAL = outcome(trial(0, MIDDLING), trial(1, POOR, 0.93), trial(2, val=0.88))
FLUKES = outcome(trial(0, POOR), trial(1, POOR))


UNLUCKY = outcome(trial(0, GOOD, 0.899), trial(1, val=0.85))
"""Its own figures miss by a hair; on fresh seeds it holds."""


# --- order and words ----------------------------------------------------------------------------


def test_confirmed_first_and_flukes_last() -> None:
    assert [e.trial for e in CONFIRMED.meets] == [0, 1, 2]  # against their val accuracy
    assert [e.trial for e in MARGINAL.meets] == [0, 1]


def lost(origin: int, val: float = 0.91) -> TrialRecord:
    """A trial whose repeats die."""
    died = replace(repeat(0, (0.0, 0.0)), status="oom", epochs=(), message="memory did not suffice")
    return replace(trial(origin, val=val), repeats=(died,))


MEETS = "val_accuracy >= 0.9 and train_accuracy < 0.95"


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (
            CONFIRMED,
            f"3 of 3 trials meet {MEETS}; trial 0 is confirmed: 5 of 5 fresh seeds pass at epoch "
            "1, val 0.905 (at least 0.904) and train 0.932 (at most 0.933); test accuracy 0.897, "
            "0.008 below validation.",
        ),
        (
            outcome(trial(0, GOOD), trial(1, GOOD)),
            f"2 of 2 trials meet {MEETS}; 2 are confirmed, trial 0 first: 5 of 5 fresh seeds pass "
            "at epoch 1, val 0.905 (at least 0.904) and train 0.932 (at most 0.933).",
        ),
        (
            MARGINAL,
            f"2 of 3 trials meet {MEETS}; the first by rank, trial 0, reaches 0.910 on validation "
            "at epoch 1 with train 0.930: 2 of 5 fresh seeds pass, so that it is marginal.",
        ),
        (
            outcome(trial(0, POOR)),
            f"1 of 1 trial meets {MEETS}; trial 0 reaches 0.910 on validation at epoch 1 with "
            "train 0.930: 1 of 3 fresh seeds passes, so that it is a fluke.",
        ),
        (
            outcome(trial(0), trial(1, POOR)),
            f"2 of 2 trials meet {MEETS}; the first by rank, trial 0, reaches 0.910 on validation "
            "at epoch 1 with train 0.930: chosen among 2 trials on one validation split, not "
            "confirmed on fresh seeds; of those put to the test, 1 was a fluke.",
        ),
        (
            outcome(trial(0), trial(1, MIDDLING), trial(2, POOR)),
            f"3 of 3 trials meet {MEETS}; the first by rank, trial 0, reaches 0.910 on validation "
            "at epoch 1 with train 0.930: chosen among 3 trials on one validation split, not "
            "confirmed on fresh seeds; of those put to the test, 1 was a fluke and 1 is marginal.",
        ),
    ],
)
def test_the_sentence_says_what_was_proved(found: Outcome, text: str) -> None:
    assert sentence(found) == text


@pytest.mark.parametrize(
    ("found", "command"),
    [
        (outcome(trial(0)), "tuner confirm s"),
        (CONFIRMED, "tuner export s"),
        (MARGINAL, "tuner confirm s --trial 0 --seeds 10"),
        (outcome(trial(0), trial(1, POOR)), "tuner confirm s"),
        (FLUKES, "tuner sweep s --add 2"),
        (outcome(lost(0, 0.92), trial(1)), "tuner confirm s --trial 1"),
        (outcome(lost(0)), "tuner sweep s --add 1"),
        (outcome(lost(0), trial(1, POOR)), "tuner sweep s --add 2"),
        (outcome(trial(0, GOOD), requested=5), "tuner sweep s --trials 5"),
        (replace(CONFIRMED, what_if=True), "tuner report s"),
        (replace(outcome(trial(0)), banner="on test"), "tuner ui"),
        (replace(outcome(trial(0)), targets=()), "tuner ui"),
    ],
)
def test_the_next_command_goes_on_from_there(found: Outcome, command: str) -> None:
    assert next_command(found) == command


def test_a_marginal_trial_did_not_fail() -> None:
    (text,) = (t for t in lead(MARGINAL) if "trained again" in t)
    assert "the means of trial 0 meet, but their bounds do not yet" in text
    (text,) = (t for t in lead(FLUKES) if "trained again" in t)
    assert "the figures did not hold up" in text


def test_what_could_not_be_repeated_is_counted() -> None:
    found = outcome(trial(0, GOOD), lost(1), lost(2))
    tested = [e for e in found.entries if e.record.repeats]
    assert confirmation_sentence(found, tested) == (
        "1 of 3 trials put to the test is confirmed: 0; 2 could not be repeated."
    )
    assert [e.trial for e in unrepeated(tested)] == [1, 2]
    assert found.entries[1].record.untold == "memory did not suffice"


# --- tables -------------------------------------------------------------------------------------


def test_the_table_has_a_column_once_a_trial_was_tested() -> None:
    shown = printed(outcome_table(CONFIRMED))
    assert "fresh seeds" in shown
    assert re.search(r"0 +0\.905.*5/5 confirmed", shown)
    assert re.search(r"2 +0\.920.*1/3 fluke", shown)
    assert "2/5 marginal" in printed(outcome_table(MARGINAL))
    assert "fresh seeds" not in printed(outcome_table(outcome(trial(0), trial(1))))
    for width in (60, 80, 120):
        assert max(len(line) for line in printed(outcome_table(CONFIRMED), width).splitlines()) <= (
            width
        )


def test_the_summary_counts_what_is_confirmed() -> None:
    shown = printed(summary_table([CONFIRMED, MARGINAL])).splitlines()
    assert shown[0].split()[:4] == ["study", "trials", "meet", "confirmed"]
    assert [line.split()[1:4] for line in shown[2:4]] == [["3", "3", "1"], ["3", "2", "0"]]
    assert "confirmed" not in printed(summary_table([outcome(trial(0))]))


def test_many_windows_leave_room_for_the_rest() -> None:
    rows = [(0.91 if n % 2 else 0.89, 0.93) for n in range(12)]
    record = replace(trial(0), epochs=epochs(*rows, (0.92, 0.93), (0.92, 0.93)))
    found = outcome(record, trial(1))
    # A wide terminal has room for all of them.
    assert "12–14 and 5 more" in printed(outcome_table(found), 60)
    assert "2, 4, 6, 8, 10, 12–14" in printed(outcome_table(found), 160)


def test_the_page_of_a_trial_shows_its_repeats() -> None:
    entry = CONFIRMED.entries[0]
    shown = " ".join(printed(TrialPage(TrialDetails(CONFIRMED, entry))).split())
    for words in ("seed 5 fresh 0.9060", "confirmed: the bound meets every target", "rank 3 of 3",
                  "test accuracy 0.8972 on 10,000 rows", "! epoch 1, hardly trained"):  # fmt: skip
        assert words in shown
    assert trial_sentence(CONFIRMED, entry) == (
        "Trial 0 meets both targets at epoch 1; it is confirmed: 5 of 5 fresh seeds pass there, "
        "val 0.905 (at least 0.904) and train 0.932 (at most 0.933)."
    )
    assert next_after(CONFIRMED, entry) == "tuner export s --trial 0"
    assert next_after(CONFIRMED, CONFIRMED.entries[1]) == "tuner compare s:1 s:best"
    assert trial_sentence(CONFIRMED, CONFIRMED.entries[2]).endswith(
        "1 of 3 fresh seeds passes, so that it is a fluke; it is number 3 of the 3 that meet."
    )


# --- for programs -------------------------------------------------------------------------------


def test_the_json_has_all_of_a_confirmation() -> None:
    own = repeat(0, (0.905, 0.93), kind="own")
    failed = replace(repeat(9, GOOD[0]), status="failed", epochs=())
    record = trial(0, GOOD, 0.905, test=TEST)
    found = outcome(replace(record, repeats=(own, *record.repeats, failed)))
    proof = json.loads(dumps([found]))["meets"][0]["confirmation"]
    assert list(proof) == [
        *("verdict", "passes", "seeds", "interval", "level", "p_value", "family", "same_split"),
        *("reproduces", "difference", "changed", "epoch", "seconds", "targets", "repeats", "test"),
    ]
    assert (proof["verdict"], proof["passes"], proof["seeds"]) == ("confirmed", 5, 5)
    assert proof["reproduces"] == "closely"  # its second epoch is another one
    assert proof["epoch"] == 1
    assert [t["target"] for t in proof["targets"]] == [t.text for t in TARGETS]
    assert proof["targets"][0]["mean"] == pytest.approx(0.9052)
    assert proof["targets"][0]["bound"] < proof["targets"][0]["mean"]
    assert [(r["kind"], r["counts"], r["best_epoch"]) for r in proof["repeats"]] == [
        ("own", False, None),
        *[("fresh", True, 2)] * 5,
        ("fresh", False, None),
    ]
    assert (proof["repeats"][1]["seed"], proof["repeats"][1]["split_seed"]) == (100, 7)
    assert list(proof["repeats"][1]["metrics"]) == list(METRICS)
    assert proof["repeats"][1]["metrics"]["val_accuracy"] == 0.905
    assert proof["repeats"][-1]["metrics"]["val_accuracy"] is None
    assert proof["test"]["accuracy"] == 0.8972
    assert proof["test"]["drop"] == pytest.approx(0.9052 - 0.8972)
    assert proof["test"]["repeats"][0] == {"accuracy": 0.8961, "loss": 0.32}
    assert trial_json(TrialDetails(found, found.entries[0]))["confirmation"] == proof


def test_the_json_is_strict_where_a_repeat_has_no_figure() -> None:
    broken = replace(repeat(0, GOOD[0]), status="nan", epochs=())
    found = outcome(replace(trial(0), repeats=(broken, repeat(1, GOOD[1]))))
    proof = json.loads(dumps([found]))["meets"][0]["confirmation"]
    assert proof["verdict"] == "fluke"
    assert proof["targets"][0]["mean"] is None
    assert [r["best_epoch"] for r in proof["repeats"]] == [None, 2]


def test_advice_and_importance_are_there_when_they_are_known() -> None:
    advice = Advice("epochs", "Train longer.", "--epochs 60")
    found = to_json(outcome(trial(0, val=0.5)), [advice], {"dropout": 1.0})
    assert found["advice"] == [{"kind": "epochs", "text": "Train longer.", "change": "--epochs 60"}]
    assert found["importance"] == {"dropout": 1.0}
    assert found["summary"]["next"] == "tuner sweep s --epochs 60 --name s-wider"
    assert to_json(CONFIRMED)["importance"] is None
    assert to_json(CONFIRMED)["validation_is_test"] is False
    spec = {"split": {"kind": "test"}}
    assert to_json(outcome(trial(0, spec=spec)))["validation_is_test"] is True


def test_the_csv_has_the_verdicts() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv([CONFIRMED]))))
    columns = ("rank", "confirmation", "passes", "seeds", "test_accuracy")
    assert [[row[c] for c in columns] for row in rows] == [
        ["3", "confirmed", "5", "5", "0.8972"],
        ["1", "", "", "", ""],
        ["2", "fluke", "1", "3", ""],
    ]


# --- Markdown -----------------------------------------------------------------------------------


def test_the_markdown_has_every_part() -> None:
    advice = [Advice("bound", "Try beyond | it.", '--set "units=[1,2]"')]
    text = to_markdown([CONFIRMED], [advice], [{"dropout": 0.75, "batch_size": 0.25}])
    for words in (
        "# s: val_accuracy >= 0.9 and train_accuracy \\< 0.95\n",
        "| trial | val   | train | gap ",
        "| 0     | confirmed | 5 of 5 | 0.905 (at least 0.90",
        "0.8972 (0.0080 below validation) |",
        "## Cautions\n\n- Trials 0, 1 and 2: hardly trained at the chosen epoch",
        '- Try beyond \\| it. `--set "units=[1,2]"`',
        "| dropout    | 75 %  |",
        "Next: `tuner export s`\n",
    ):
        assert words in text, words
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_the_nearest_misses_in_markdown() -> None:
    text = to_markdown([outcome(trial(0, val=0.5), trial(1, val=0.89))])
    assert "## Nearest to the targets" in text
    assert "| val_accuracy >= 0.9 | dropout 0.1   |" in text
    assert "What to change" not in text
    assert "# s" in to_markdown([outcome(), outcome()])
    assert to_markdown([]) == "\n"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a|b", "a\\|b"),
        ("learning_rate", "learning_rate"),
        ("_very_ *odd*", "\\_very\\_ \\*odd\\*"),
        ("<script>", "\\<script>"),
        ("[x](http://y)", "\\[x\\](http://y)"),
        ("two\nlines", "two lines"),
        ("&lt;", "&amp;lt;"),
        ("back\\slash `tick`", "back\\\\slash \\`tick\\`"),
    ],
)
def test_text_is_taken_literally(text: str, safe: str) -> None:
    assert escaped(text) == safe


@given(st.text(max_size=30))
def test_no_cell_breaks_a_table(text: str) -> None:
    shown = table(["name", "figure"], [[escaped(text), "1"]])
    assert len(shown.split("\n")) == 3
    for line in shown.split("\n"):
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 3


@given(st.text("`a ", max_size=12))
def test_code_ends_where_it_should(text: str) -> None:
    found = code(text)
    fence = re.match("`+", found)
    assert fence is not None
    inside = found[len(fence[0]) : -len(fence[0])]
    assert all(len(run) < len(fence[0]) for run in re.findall("`+", inside))


# --- the command --------------------------------------------------------------------------------


def test_report_advises_in_every_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    make(tmp_path, "s", Told([(0.80, 0.90), (0.85, 0.93)]), FAR)
    told = "No trial reached val_accuracy >= 0.9 at any epoch: the nearest is 0.850 (trial 0)."
    assert run(["report", "s"]) == 3
    lines = " ".join(capsys.readouterr().out.split())
    assert f"that binds. {told} Next: tuner sweep s --add 2" in lines
    assert run(["report", "s", "--format", "json", "--exit-zero"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["advice"] == [{"kind": "unreached", "text": told, "change": None}]
    assert found["importance"] == {}  # two trials say nothing
    assert run(["report", "s", "--format", "markdown"]) == 3
    shown = capsys.readouterr().out
    assert f"## What to change\n\n- {told}\n" in shown
    assert shown.startswith("# s on digits: val_accuracy >= 0.9 and train_accuracy \\< 0.95\n")


# --- a trial that misses by its own figures, and is confirmed -----------------------------------

ALL_THE_SAME = (
    "Trial 0 misses by its own figures and is confirmed all the same: 5 of 5 fresh seeds pass at "
    "epoch 1, val 0.905 (at least 0.904) and train 0.932 (at most 0.933)."
)


def test_bad_luck_is_said_in_the_sentence_and_leads_on() -> None:
    assert [e.trial for e in UNLUCKY.meets] == []
    assert [e.trial for e in UNLUCKY.confirmed] == [0]
    assert sentence(UNLUCKY).startswith("None of 2 trials meets")
    assert sentence(UNLUCKY).endswith(f". {ALL_THE_SAME}")
    assert next_command(UNLUCKY) == "tuner export s --trial 0"
    assert ALL_THE_SAME in to_json(UNLUCKY)["summary"]["sentence"]
    leader = leading(UNLUCKY)
    assert leader is not None
    assert leader.trial == 0


def test_bad_luck_stands_behind_what_meets() -> None:
    found = outcome(trial(0, GOOD, 0.899), trial(1, GOOD), trial(2))
    assert [e.trial for e in found.confirmed] == [1, 0]
    assert sentence(found).count("confirmed") == 2
    assert sentence(found).endswith(f". {ALL_THE_SAME}")
    assert next_command(found) == "tuner export s"


def test_bad_luck_is_on_the_page() -> None:
    assert headline(UNLUCKY) == (
        f"Trial 0 is confirmed to meet {goals(TARGETS)}; by its own figures none of 2 trials does."
    )
    assert any("passed 5 times" in text for text in lead(UNLUCKY))
    assert [e.trial for e in candidates_of(UNLUCKY)] == [0, 1]
    beside = outcome(*(trial(n) for n in range(1, 5)), trial(0, GOOD, 0.899))
    assert len(candidates_of(beside)) == CARDS + 1
    assert candidates_of(beside)[-1].trial == 0
