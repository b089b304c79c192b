"""`tuner show` and its chart: one trial in whatever state, found by number, variant or `best`."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stubs import die, environment
from studies import BETTER, FAR, GOOD, NEAR, Told, begin, make, open_named, tell

from tuner import definition_checks
from tuner.cli import run
from tuner.report.terminal_chart import Limit, Series, chart
from tuner.report.trial_view import margin_text
from tuner.report.wording import value_text
from tuner.search.reports import REPORT_EVERY
from tuner.targets import parse_targets
from tuner.trial import EpochMetrics

VARIANTS = {"baseline": {"l2": 0, "optimizer": "adam", "units": 64}}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["show", *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    text = printed(capsys, *arguments, "--format", "json")
    found: dict[str, Any] = json.loads(text, parse_constant=refuse)
    assert found["schema"] == 1
    return found


# --- which trial --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "trial"),
    [
        (["s"], 1),
        (["s", "best"], 1),
        (["s", "0"], 0),
        (["s", "baseline"], 0),
        (["s", "02"], 2),
        (["s", "#2"], 2),
    ],
)
def test_the_trial_that_was_meant(
    words: list[str], trial: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path, "s", FAR, GOOD, NEAR, variants=VARIANTS)
    assert shown(capsys, *words)["trial"] == trial


def test_best_is_the_nearest_where_none_meets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path, "s", FAR, NEAR)
    assert (shown(capsys, "s")["trial"], shown(capsys, "s")["verdict"]) == (1, "misses")
    assert "the nearest of 2 trials, none of which meets" in " ".join(printed(capsys, "s").split())


def test_no_name_of_a_variant_hides_another_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Sweep files may not name variants so, but studies of before may have done it.
    monkeypatch.setattr(definition_checks, "TAKEN", "(?!)")
    for name, word, trial in (("best", "best", 1), ("1", "1", 1), ("1", "#1", 1), ("7", "7", 0)):
        study = f"{name} {word}"
        make(tmp_path, study, FAR, GOOD, variants={name: VARIANTS["baseline"]})
        assert shown(capsys, study, word)["trial"] == trial


def test_the_name_of_a_variant_is_left_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path, "s", FAR, GOOD, variants={"noBN-L2": VARIANTS["baseline"]})
    text = " ".join(printed(capsys, "s", "noBN-L2").split())
    assert "Trial 0 (noBN-L2) misses" in text


@pytest.mark.parametrize("word", ["9" * 5000, "#" + "9" * 5000, "x" * 5000])
def test_a_number_beyond_all_numbers_is_no_trial(
    word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path, "s", GOOD)
    assert run(["show", "s", word]) == 1
    err = capsys.readouterr().err
    assert "s has no trial" in err
    assert "There are: 0, best." in err
    assert len(err) < 200
    assert shown(capsys, "s", "0" * 5000)["trial"] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["s", "9"], ["no trial 9", "0–2, best", "the variant baseline"]),
        (["s", "-1"], []),
        (["s", "basline"], ["did you mean baseline?"]),
        (["t"], ["no study is called t"]),
        (["s", "²"], ["no trial ²"]),
    ],
)
def test_an_unknown_trial_is_answered_with_those_there_are(
    words: list[str], said: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path, "s", FAR, GOOD, NEAR, variants=VARIANTS)
    assert run(["show", *words]) in (1, 2)
    out, err = capsys.readouterr()
    assert out == ""
    assert "bug" not in err
    for word in said:
        assert word in err


def test_a_study_without_a_trial(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_named(tmp_path, "s").close()
    assert run(["show", "s"]) == 1
    assert capsys.readouterr().err.endswith("Train some with: tuner sweep s\n")


# --- what is said of it -------------------------------------------------------------------------


def test_a_winner_has_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, "s", FAR, BETTER, variants=VARIANTS)
    found = shown(capsys, "s")
    assert (found["verdict"], found["epoch"], found["only_if_stopped"]) == ("meets", 2, 2)
    assert found["window"] == [[2, 2]]
    assert found["metrics"]["val_accuracy"] == 0.93
    assert [(m["target"], m["met"]) for m in found["margins"]] == [
        ("val_accuracy >= 0.9", True),
        ("train_accuracy < 0.95", True),
    ]
    assert found["margins"][0]["by"] == pytest.approx(0.03)
    assert [e["epoch"] for e in found["epochs"]] == [1, 2, 3]
    assert [e["train_accuracy"] for e in found["epochs"]] == [0.86, 0.94, 0.96]
    assert (found["seconds"], found["seconds_per_epoch"]) == (4.0, 0.5)
    assert found["device"] == "arithmetic"
    assert (found["fingerprint"], found["split"]["kind"]) == ("f00d", "stratified")
    assert (found["attempts"], found["number"], found["weights"]) == (1, 1, None)
    assert found["summary"]["next"] == "tuner confirm s --trial 1"
    text = printed(capsys, "s")
    for words in (
        "s · digits · trial 1 · complete · meets the targets only if stopped at epoch 2",
        "Figures at epoch 2 of 3",
        ">= 0.9  met by 0.030",
        "train       0.940  < 0.95  met by 0.010",
        "weights     1,000",
        "meets at  epoch 2",
        "fingerprint f00d",
        "epoch 2 stands for the trial",
        "▲",
    ):
        assert words in text
    assert text.endswith("Next: tuner confirm s --trial 1\n")
    for name, value in found["params"].items():
        assert name in text
        assert value_text(value) in text


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_line_is_wider_than_the_terminal(
    width: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make(tmp_path, "s", GOOD, NEAR)
    monkeypatch.setenv("COLUMNS", str(width))
    for trial in ("0", "1"):
        *page, closing = printed(capsys, "s", trial, "--loss").splitlines()
        assert max(map(len, page)) <= width
        assert closing.startswith("Next: ")


def test_losses_are_drawn_when_asked_for_or_where_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path, "s", GOOD)

    def headings(*options: str) -> list[list[str]]:
        words = [line.split() for line in printed(capsys, "s", *options).splitlines()]
        return [found for found in words if found and set(found) <= {"accuracy", "loss"}]

    assert headings() == [["accuracy"]]
    assert headings("--loss") == [["accuracy"], ["loss"]]
    monkeypatch.setenv("COLUMNS", "150")
    assert headings() == [["accuracy", "loss"]]


STATES: list[tuple[str, Told, str, list[str]]] = [
    (
        "pruned",
        Told([(0.7, 0.71), (0.75, 0.8)], "stopped", "train is ahead of val"),
        "pruned",
        ["pruned: train is ahead of val", "misses the targets"],
    ),
    (
        "not finite at once",
        Told([], "nan", "the loss is not finite"),
        "pruned",
        ["0 of 0 epochs done", "was pruned before an epoch was finished: the loss is not finite"],
    ),
    (
        "not finite later",
        Told([(0.7, 0.71), (float("nan"), None)], "nan", "the loss is not finite"),
        "pruned",
        ["pruned: the loss is not finite"],
    ),
]


@pytest.mark.parametrize(
    ("told", "state", "said"), [s[1:] for s in STATES], ids=[s[0] for s in STATES]
)
def test_a_trial_that_ended_badly_says_why(
    told: Told, state: str, said: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path, "s", told)
    assert shown(capsys, "s", "0")["state"] == state
    text = " ".join(printed(capsys, "s", "0").split())
    for words in said:
        assert words in text


def test_a_failed_trial_counts_its_attempts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = open_named(tmp_path, "s")
    for turn in range(3):
        tell(study, begin(study, 1), Told([], "failed", f"no such layer ({turn})"))
    study.close()
    found = shown(capsys, "s", "0")
    assert (found["state"], found["attempts"], found["number"]) == ("failed", 3, 2)
    text = printed(capsys, "s")
    assert "failed: no such layer (2)" in text
    assert "3, the last as number 2 of the journal" in text
    assert text.endswith("Next: tuner status s\n")


def test_running_lost_and_waiting_trials(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = open_named(tmp_path, "s")
    ticket = begin(study, planned=9)
    for number, val in enumerate((0.5, 0.6, 0.65), 1):
        study.report(ticket.attempt, EpochMetrics(number, val, 1 - val))
        time.sleep(REPORT_EVERY)  # epochs that come faster share a write
        study.write_reports()
    found = shown(capsys, "s")
    assert (found["state"], found["verdict"], found["epoch"]) == ("running", None, None)
    assert [e["val_accuracy"] for e in found["epochs"]] == [0.5, 0.6, 0.65]
    text = printed(capsys, "s")
    assert "is running: 3 of 9 epochs done" in text
    assert "Validation accuracy is 0.650 now." in " ".join(text.split())
    assert "val >= 0.9" in text
    assert "▲" not in text
    die(study)
    found = shown(capsys, "s")
    assert (found["state"], found["epochs"]) == ("waiting", [])
    assert "waits for its turn" in printed(capsys, "s")


def test_where_the_run_and_the_weights_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = open_named(tmp_path, "s")
    tell(study, begin(study), GOOD)
    text = printed(capsys, "s")
    assert "not recorded; the next sweep of this study does" in text
    study.mark_recorded(study.records()[0], "a1b2c3")
    study.close()
    assert "run a1b2c3 (tuner ui shows it as “trial 0”)" in printed(capsys, "s")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@server")
    text = printed(capsys, "s")
    assert "MLFLOW_TRACKING_URI" in text
    assert "secret" not in text


def test_csv_is_a_row_an_epoch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, "s", GOOD)
    rows = list(csv.DictReader(io.StringIO(printed(capsys, "s", "--format", "csv"))))
    assert [(r["epoch"], r["train_accuracy"], r["chosen"]) for r in rows] == [
        ("1", "0.79", "False"),
        ("2", "", "False"),
        ("3", "0.94", "True"),
    ]


def test_text_of_a_user_is_never_markup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, "s", Told([(0.7, 0.7)], "stopped", "[bold]why[/bold] [/nothing]"))
    assert "[bold]why[/bold] [/nothing]" in printed(capsys, "s", "0")


def test_a_terminal_without_unicode_gets_letters(tmp_path: Path) -> None:
    make(tmp_path, "s", GOOD)
    done = subprocess.run(
        [sys.executable, "-m", "tuner", "show", "s", "--loss"],
        env={**environment(), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )
    text = done.stdout.decode("ascii")
    assert "s | digits | trial 0 | complete" in text
    assert "?" not in text
    assert "^" in text


@pytest.mark.parametrize(
    ("text", "figure", "words"),
    [
        ("val >= 0.9", 0.9038, "met by 0.004"),
        ("val >= 0.9", 0.9, "met exactly"),
        ("val > 0.9", 0.9, "missed exactly"),
        ("val >= 0.9", 0.89, "missed by 0.010"),
        ("train < 0.95", 0.9499999, "met by 1e-07"),
        ("train < 0.95", None, "not measured"),
        ("params <= 1000", 1500.0, "missed by 500"),
    ],
)
def test_by_how_much(text: str, figure: float | None, words: str) -> None:
    (target,) = parse_targets(text)
    assert margin_text(target, figure) == words


# --- the chart ----------------------------------------------------------------------------------


def lines_of(*series: Series, **more: Any) -> list[str]:
    return [line.plain for line in chart(series, **more)]


RISING = Series("val", {1: 0.0, 2: 0.25, 3: 0.5, 4: 0.75, 5: 1.0})


def test_a_chart_in_letters() -> None:
    train = Series("train", {1: 0.25, 2: None, 3: 0.5, 4: None, 5: 0.75})
    found = lines_of(
        train,
        RISING,
        limits=[Limit(1.0, "val >= 1")],
        width=30,
        height=5,
        marked=3,
        windows=[(4, 5)],
        plain=True,
    )
    assert found == [
        "1.00 +- - - - - - v val >= 1",
        "     |         v  t val",
        "     |      *       train",
        "     |t  v",
        "0.00 +v",
        "     +---------====",
        "      1  2  3  4  5",
        "            ^ epoch 3",
        "      == all targets met",
    ]


def test_a_chart_in_braille() -> None:
    found = lines_of(RISING, width=20, height=3)
    assert found[0].startswith("1.00 ┤")
    assert found[0].endswith(" val")
    assert found[2].startswith("0.00 ┤")
    assert found[3].startswith("     └──")
    assert found[4].split() == ["1", "2", "3", "4", "5"]


def test_what_was_not_measured_is_a_gap() -> None:
    whole = lines_of(Series("val", dict.fromkeys(range(1, 6), 0.5)), width=40, height=3)
    gap = lines_of(Series("val", {1: 0.5, 2: 0.5, 3: None, 4: 0.5, 5: 0.5}), width=40, height=3)
    joined = [sum("\u2801" <= c <= "\u28ff" for c in "".join(lines)) for lines in (whole, gap)]
    assert joined[1] < joined[0]
    start = whole[1].index("│") + 1
    dots = [i for i, glyph in enumerate(whole[1][start:]) if "\u2801" <= glyph <= "\u28ff"]
    middle = start + dots[-1] // 2
    assert whole[1][middle] != " "
    assert gap[1][middle] == " "


def test_a_limit_far_away_is_named_at_the_edge() -> None:
    for value, sign, row in ((100.0, "↑ far", 0), (-100.0, "↓ far", 4)):
        found = lines_of(RISING, limits=[Limit(value, "far")], width=40, height=5)
        assert sign in found[row]
        assert found[0].startswith("1.00")


def test_nothing_to_draw_is_no_chart() -> None:
    assert chart([Series("val", {1: None, 2: float("nan")})]) == []
    assert chart([]) == []


plausible = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))
figures = st.one_of(st.none(), plausible, st.just(float("nan")))


@given(
    st.lists(st.tuples(figures, figures), min_size=1, max_size=60),
    st.lists(plausible, max_size=3),
    st.integers(40, 200),
    st.integers(3, 20),
    st.booleans(),
)
def test_every_figure_has_its_place(
    rows: list[tuple[float | None, float | None]],
    limits: list[float],
    width: int,
    height: int,
    plain: bool,
) -> None:
    series = [
        Series("train", {e: train for e, (_, train) in enumerate(rows, 1)}),
        Series("val", {e: val for e, (val, _) in enumerate(rows, 1)}),
    ]
    found = lines_of(
        *series,
        limits=[Limit(value, "limit") for value in limits],
        width=width,
        height=height,
        marked=len(rows),
        windows=[(1, 1)],
        plain=plain,
    )
    known = [s.points() for s in series if s.points()]
    if not known:
        assert found == []
        return
    assert max(map(len, found)) <= width
    plot, axis = found[:height], found[height]
    # The scale holds every figure of the curves.
    top, bottom = (float(re.split("[┤+]", plot[row])[0]) for row in (0, -1))
    least, most = min(min(k.values()) for k in known), max(max(k.values()) for k in known)
    slack = (top - bottom) / 10 + 1e-9
    assert bottom - slack <= least <= most <= top + slack
    if not plain:
        return
    assert "".join(found).isascii()
    if len(rows) <= 12:  # then every epoch has a column of its own
        start = re.search("[+|]", plot[0])
        assert start is not None
        rows_of_plot = (line[start.end() : len(axis)].ljust(len(axis)) for line in plot)
        columns = zip(*rows_of_plot, strict=True)
        drawn = sum(bool(set(column) & set("tv*")) for column in columns)
        assert drawn == len({epoch for points in known for epoch in points})
