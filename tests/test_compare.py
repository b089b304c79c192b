"""`tuner compare`: what differs is shown, what is unfair is said, and ties are called ties."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import BETTER, FAR, GOOD, NEAR, Told, make

from tuner.cli import run
from tuner.report.comparison import distinct
from tuner.report.standings import Candidate, Sweep, notes, standings, standings_sentence

VARIANTS = {
    "baseline": {"l2": 0, "optimizer": "adam", "units": 64},
    "wide": {"l2": 0, "optimizer": "adam", "units": 256},
}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["compare", *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def compared(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(printed(capsys, *arguments, "--format", "json"))
    assert found["schema"] == 1
    return found


def names(found: dict[str, Any]) -> list[str]:
    return [trial["name"] for trial in found["trials"]]


# --- trials -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "trials"),
    [
        (["s"], ["s:2", "s:0", "s:1"]),
        (["s:baseline", "s:best"], ["s:0", "s:2"]),
        (["s:1", "s:3", "s:1"], ["s:1", "s:3"]),
        (["s:best", "t"], ["s:2", "t:1"]),
        (["t"], ["t:1", "t:0"]),
        (["a:b:1", "a:b"], ["a:b:1", "a:b:0"]),
    ],
)
def test_what_is_put_side_by_side(
    words: list[str], trials: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path, "s", NEAR, FAR, GOOD, NEAR, variants=VARIANTS)
    make(tmp_path, "t", BETTER, GOOD)
    make(tmp_path, "a:b", GOOD, FAR)
    assert names(compared(capsys, *words)) == trials


def test_what_differs_and_what_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, "s", NEAR, GOOD, variants=VARIANTS)
    found = compared(capsys, "s:0", "s:1")
    assert found["kind"] == "trials"
    assert found["differing"] == ["units"]
    assert found["same"]["optimizer"] == "adam"
    assert found["notes"] == []
    assert [trial["params"]["units"] for trial in found["trials"]] == [64, 256]
    text = printed(capsys, "s:0", "s:1")
    rows: dict[str, list[str]] = {}
    for line in filter(str.strip, text.splitlines()):
        rows.setdefault(line.split()[0], line.split()[1:])
    assert rows["units"] == ["64", "256"]
    assert rows["val"] == ["!", "0.890", "0.920"]
    assert rows["verdict"] == ["misses", "meets"]
    assert "The same in all: l2 0 · " in text
    assert "· optimizer adam ·" in " ".join(text.split())
    assert "s:1 has the highest validation accuracy of these, 0.920, 0.030 above s:0." in " ".join(
        text.split()
    )
    assert text.endswith("Next: tuner show s 1\n")


def test_the_highest_need_not_meet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, "s", Told([(0.95, 0.99)]), GOOD)
    found = compared(capsys, "s:0", "s:1")["summary"]
    assert "but misses its targets; s:1 is the best that meets its own, 0.920" in found["sentence"]
    assert found["next"] == "tuner show s 1"


def test_equal_figures_are_called_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, "s", GOOD, GOOD, FAR)
    sentence = compared(capsys, "s:0", "s:1", "s:2")["summary"]["sentence"]
    assert sentence.startswith("s:0 and s:1 share the highest validation accuracy, 0.920")


UNFAIR: list[tuple[str, dict[str, Any], str]] = [
    ("targets", {"targets": ["val_accuracy >= 0.5"]}, "Different targets"),
    ("data", {"fingerprint": "beef"}, "Different data"),
    ("rows", {"validation": 0.3}, "Different validation rows"),
    ("epochs", {"epochs": 9}, "Different numbers of epochs"),
]


@pytest.mark.parametrize(("changes", "note"), [u[1:] for u in UNFAIR], ids=[u[0] for u in UNFAIR])
@pytest.mark.parametrize("words", [("s:0", "t:0"), ("s", "t")])
def test_what_is_no_fair_comparison_is_said(
    changes: dict[str, Any],
    note: str,
    words: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make(tmp_path, "s", GOOD)
    make(tmp_path, "t", NEAR, **changes)
    (said,) = compared(capsys, *words)["notes"]
    assert said.startswith(note)
    assert said in " ".join(printed(capsys, *words).split())


@pytest.mark.parametrize("width", [50, 80])
def test_many_trials_take_several_tables(
    width: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make(tmp_path, "study", *[GOOD, NEAR] * 6)
    monkeypatch.setenv("COLUMNS", str(width))
    text = printed(capsys, *(f"study:{number}" for number in range(12)))
    assert max(map(len, text.splitlines())) <= width
    heads = [word for word in text.split() if word.startswith("study:")]
    assert list(dict.fromkeys(heads))[:12] == [f"study:{number}" for number in range(12)]
    assert text.count("\nverdict") > 1


def test_csv_is_a_row_a_trial(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, "s", GOOD, NEAR)
    text = printed(capsys, "s:1", "s:0", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(r["study"], r["trial"], r["verdict"]) for r in rows] == [
        ("s", "1", "misses"),
        ("s", "0", "meets"),
    ]


MISTAKES: list[tuple[list[str], int, list[str]]] = [
    (["s:9", "s:0"], 1, ["s has no trial 9"]),
    (["x:1", "s:0"], 1, ["no study is called x"]),
    (["s:0"], 2, ["that is one trial only: s:0", "tuner show s"]),
    (["s:0", "s:best"], 2, ["one and the same trial: s:0"]),
    (["s", "--by", "users"], 2, ["--by"]),
    (["one"], 2, ["that is one trial only: one:0"]),
]


@pytest.mark.parametrize(("words", "code", "said"), MISTAKES)
def test_a_mistake_gets_a_clear_line(
    words: list[str],
    code: int,
    said: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make(tmp_path, "s", GOOD, FAR)
    make(tmp_path, "one", GOOD)
    assert run(["compare", *words]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert all(word in err for word in said), err


def test_nothing_to_compare(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare"]) == 1
    assert "tuner sweep digits" in capsys.readouterr().err


scalars = st.one_of(st.none(), st.floats(1e-9, 1e3), st.integers(0, 9), st.text("ab", min_size=1))


@given(st.lists(scalars, min_size=1, max_size=6))
def test_different_values_look_different(values: list[float | int | str | None]) -> None:
    texts = distinct(values)
    for one, first in zip(values, texts, strict=True):
        for other, second in zip(values, texts, strict=True):
            if one != other and str(one) != str(other):
                assert first != second


# --- studies ------------------------------------------------------------------------------------


def test_studies_are_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, "s", NEAR, GOOD)
    make(tmp_path, "t", BETTER)
    make(tmp_path, "u", FAR)
    found = compared(capsys)
    assert found["kind"] == "studies"
    keys = ("study", "trials", "meets", "best_trial", "val_accuracy", "epoch", "training_seconds")
    assert [[row[key] for key in keys] for row in found["studies"]] == [
        ["s", 2, 1, 1, 0.92, 3, 8.0],
        ["t", 1, 1, 0, 0.93, 2, 4.0],
        ["u", 1, 0, 0, 0.64, 3, 4.0],
    ]
    assert "is t:0 with validation accuracy 0.930" in found["summary"]["sentence"]
    assert found["summary"]["next"] == "tuner compare s:best t:best u:best"
    assert [row["study"] for row in compared(capsys, "u", "s")["studies"]] == ["u", "s"]
    text = printed(capsys)
    assert text.startswith("All on digits · val >= 0.9, train < 0.95\n")
    assert (
        printed(capsys, "--format", "csv")
        .splitlines()[2]
        .startswith("t,digits,val_accuracy >= 0.9 and train_accuracy < 0.95,1,1,1,0,meets,0.93,")
    )


def test_different_targets_stand_beside_or_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path, "s", GOOD)
    make(tmp_path, "t", GOOD, targets=["val_accuracy >= 0.5"])
    for width, beside in ((120, True), (70, False)):
        monkeypatch.setenv("COLUMNS", str(width))
        lines = printed(capsys, "s", "t").splitlines()
        assert max(map(len, lines)) <= width
        assert any(line.endswith("targets") for line in map(str.rstrip, lines)) == beside
        assert ("t: val >= 0.5" in lines) != beside


# --- everybody's --------------------------------------------------------------------------------


def sweep(user: str, *vals: float | None, uid: str = "", **more: Any) -> Sweep:
    """A sweep with these val accuracies; below 0.9 is a miss, None is a failed trial."""
    found = [
        Candidate(
            trial=number,
            verdict=None if val is None else "meets" if val >= 0.9 else "misses",
            val=val,
            train=val,
            violation=None if val is None else max(0.0, 90 - 100 * val),
        )
        for number, val in enumerate(vals)
    ]
    known = {
        "study": "s",
        "dataset": "digits",
        "targets": "val_accuracy >= 0.9",
        "fingerprint": "f00d",
        **more,
    }
    return Sweep(user=user, uid=uid or f"{user}-{known['study']}", candidates=tuple(found), **known)


CLASS = [
    sweep("ann", 0.91, 0.95),
    sweep("ben", 0.95, None, 0.80),
    sweep("cleo", 0.85, 0.89),
    sweep("dora", 0.92, study="x"),
    sweep("dora", 0.94, 0.60, study="y"),
    sweep("emil", None),
]


def test_a_class_is_ranked_and_ties_share_a_rank() -> None:
    rows = standings(CLASS, "user")
    assert [(r.rank, r.user, r.studies, r.trials, r.meets) for r in rows] == [
        (1, "ann", 1, 2, 2),
        (1, "ben", 1, 3, 1),
        (3, "dora", 2, 3, 2),
        (4, "cleo", 1, 2, 0),
        (None, "emil", 1, 1, 0),
    ]
    best = [(r.best.trial, r.source.study) for r in rows if r.best and r.source]
    assert best == [(1, "s"), (0, "s"), (0, "y"), (1, "s")]
    assert standings_sentence(rows) == "ann and ben are level on digits with 0.950."


def test_a_table_by_study_keeps_studies_of_one_name_apart() -> None:
    rows = standings(CLASS, "study")
    assert [(r.rank, r.user, r.study) for r in rows][:4] == [
        (1, "ann", "s"),
        (1, "ben", "s"),
        (3, "dora", "y"),
        (4, "dora", "x"),
    ]


def test_data_sets_are_never_ranked_together() -> None:
    rows = standings([*CLASS, sweep("ann", 0.99, dataset="mnist")], "user")
    assert [(r.dataset, r.rank) for r in rows if r.user == "ann"] == [("digits", 1), ("mnist", 1)]
    sentence = standings_sentence(rows)
    assert sentence.endswith("; ann leads on mnist with 0.990, the best of 1 trial.")


def test_different_targets_and_data_are_said() -> None:
    assert notes(CLASS) == []
    other = sweep("fay", 0.7, targets="val_accuracy >= 0.5", fingerprint="beef")
    assert [line[:12] for line in notes([*CLASS, other])] == ["digits: targ", "digits: the "]
    assert notes([*CLASS, sweep("fay", 0.9, dataset="mnist", targets="")]) == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ann", "ben", "cleo"]),
            st.lists(st.one_of(st.none(), st.sampled_from([0.5, 0.8, 0.89, 0.9, 0.95]))),
        ),
        max_size=6,
    )
)
def test_ranks_count_who_is_better(drawn: list[tuple[str, list[float | None]]]) -> None:
    sweeps = [sweep(user, *vals, uid=str(n)) for n, (user, vals) in enumerate(drawn)]
    rows = standings(sweeps, "user")
    assert sum(row.trials for row in rows) == sum(len(vals) for _, vals in drawn)
    assert len({row.user for row in rows}) == len(rows)
    bests = [row.best.val for row in rows if row.best and row.best.val is not None]
    assert bests == sorted(bests, reverse=True)
    for row in rows:
        if row.best is None or row.best.val is None:
            assert row.rank is None
        else:
            assert row.rank == 1 + sum(val > row.best.val for val in bests)


def record(folder: Path, user: str, study: str, vals: list[float], target: str) -> None:
    """Show a finished study in the MLflow store, as a sweep does."""
    from tuner.report.selection import judge
    from tuner.targets import parse_targets
    from tuner.tracking.base import SweepInfo, TrialView
    from tuner.tracking.mlflow import MlflowRecorder
    from tuner.trial import EpochMetrics, TrialRecord

    info = SweepInfo(
        study, f"{user}-{study}", "digits", user, {}, (target,), "", {}, fingerprint="f00d"
    )
    recorder = MlflowRecorder(folder)
    recorder.open_sweep(info)
    for number, val in enumerate(vals):
        row = EpochMetrics(1, val, 1 - val, val, 1 - val, timestamp=100.0)
        made = TrialRecord(
            number, number, f"{info.study_uid}:{number}", "complete", {}, None, None, (row,)
        )
        entry = judge(made, parse_targets(target), "best")
        known = dict(entry.violations)
        recorder.record(TrialView(made, entry.chosen, entry.verdict, entry.windows, known))
    recorder.close_sweep("finished", {"trials_finished": len(vals)})


def test_everybody_of_a_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compare", "--by", "user"]) == 1
    assert "no sweep is recorded in" in capsys.readouterr().err
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/class.db")
    record(tmp_path, "ann", "digits", [0.91, 0.93], "val_accuracy >= 0.9")
    record(tmp_path, "ben", "digits", [0.93, 0.5], "val_accuracy >= 0.9")
    record(tmp_path, "cleo", "easy", [0.6], "val_accuracy >= 0.5")
    capsys.readouterr()
    found = compared(capsys, "--by", "user")
    assert (found["kind"], found["by"]) == ("standings", "user")
    assert found["store"].endswith("class.db")
    shown = [(r["rank"], r["user"], r["meets"], r["val_accuracy"]) for r in found["rows"]]
    assert shown == [(1, "ann", 2, 0.93), (1, "ben", 1, 0.93), (3, "cleo", 1, 0.6)]
    assert len(found["notes"]) == 1
    text = printed(capsys, "--by", "user")
    for words in ("1=", "digits:1", "easy:0", "A: val >= 0.9", "B: val >= 0.5", "no fair comp"):
        assert words in " ".join(text.split())
    assert text.endswith("ann and ben are level on digits with 0.930.\nNext: tuner ui\n")
    by_study = compared(capsys, "easy", "--by", "study")
    assert [(r["user"], r["study"]) for r in by_study["rows"]] == [("cleo", "easy")]
    assert by_study["notes"] == []
    rows = list(csv.DictReader(io.StringIO(printed(capsys, "--by", "user", "--format", "csv"))))
    assert [r["targets"] for r in rows] == ["val_accuracy >= 0.9"] * 2 + ["val_accuracy >= 0.5"]
    assert run(["compare", "--by", "user", "digts"]) == 1
    assert "did you mean digits?" in capsys.readouterr().err
