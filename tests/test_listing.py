"""`tuner list` and `tuner status`: what stands in a row, in which order, and what to do next."""

from __future__ import annotations

import csv
import io
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from studies import BETTER, FAR, GOOD, NEAR, Told, begin, make, open_named

from tuner.cli import run
from tuner.report.wording import ago_text


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(list(arguments)) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def objects(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    found = json.loads(printed(capsys, *arguments, "--format", "json"))
    assert found["schema"] == 1
    rows: list[dict[str, Any]] = found["studies"]
    return rows


def test_an_empty_folder_says_what_can_be_started(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "list")
    assert "No study in" in text
    assert "digits" in text
    assert "fashion" in text
    assert text.endswith("Next: tuner sweep digits\n")
    found = json.loads(printed(capsys, "list", "--format", "json"))
    assert (found["schema"], found["studies"]) == (1, [])
    assert {"digits", "fashion"} <= set(found["startable"])


@pytest.mark.parametrize("command", ["list", "status"])
def test_csv_without_a_study_is_its_header(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (line,) = printed(capsys, command, "--format", "csv").splitlines()
    assert line.startswith("study,dataset,")
    assert printed(capsys, command, "--format", "csv").count("\n") == 1


def test_the_last_used_comes_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now = time.time()
    make(tmp_path, "a-old", Told(GOOD.rows, ended=now - 90_000))
    make(tmp_path, "digits", Told(BETTER.rows, ended=now - 4_000), GOOD)
    make(tmp_path, "b-new", Told(FAR.rows, ended=now - 300))
    open_named(tmp_path, "never").close()
    rows = objects(capsys, "list")
    assert [row["study"] for row in rows] == ["b-new", "digits", "a-old", "never"]
    assert [row["meets"] for row in rows] == [0, 2, 1, 0]
    assert [row["best_val_accuracy"] for row in rows] == [0.64, 0.92, 0.92, None]
    assert [row["best_trial"] for row in rows] == [0, 1, 0, None]
    assert rows[3]["last_used"] is None
    assert rows[0]["targets"] == ["val_accuracy >= 0.9", "train_accuracy < 0.95"]
    text = printed(capsys, "list")
    assert [line.split()[0] for line in text.splitlines()[1:5]] == [r["study"] for r in rows]
    for words in ("5 min ago", "1 h ago", "1 day ago", "val >= 0.9, train < 0.95", "2/2"):
        assert words in text
    # A study called digits exists here: its definition is no longer offered.
    assert "digits" not in json.loads(printed(capsys, "list", "--format", "json"))["startable"]


def test_targets_give_way_in_a_narrow_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path, "digits", GOOD)
    for width, shown in (("100", True), ("60", False)):
        monkeypatch.setenv("COLUMNS", width)
        text = printed(capsys, "list")
        assert ("train < 0.95" in text) == shown
        assert max(map(len, text.splitlines())) <= int(width)


def test_csv_is_one_row_a_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, "digits", GOOD, FAR)
    (row,) = csv.DictReader(io.StringIO(printed(capsys, "list", "--format", "csv")))
    assert (row["study"], row["finished"], row["meets"]) == ("digits", "2", "1")
    assert row["targets"] == "val_accuracy >= 0.9 and train_accuracy < 0.95"


def test_names_are_never_markup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, "[red]x[/red]", GOOD)
    for command in ("list", "status"):
        assert "[red]x[/red]" in printed(capsys, command)


@pytest.mark.parametrize("command", ["list", "status"])
def test_next_while_a_study_runs_is_no_circle(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path, "done", Told(GOOD.rows, ended=time.time() + 1000))
    study = open_named(tmp_path, "live")
    begin(study)
    try:
        text = printed(capsys, command)
        assert "1 of them running" in text or "1 trial running now" in text
        wanted = {"list": "tuner report done", "status": "tuner show live"}
        assert text.endswith(f"Next: {wanted[command]}\n")
        live = next(row for row in objects(capsys, command) if row["study"] == "live")
        assert live["running"] == 1
    finally:
        study.close()


NEXT: list[tuple[str, tuple[Told, ...], str]] = [
    ("meets", (GOOD, FAR), "tuner report s"),
    ("misses", (NEAR, FAR), "tuner sweep s --add 2"),
    (
        "nothing judged",
        (Told([], "nan", "loss is not finite"),),
        "tuner report s --format csv",
    ),
]


@pytest.mark.parametrize(("trials", "command"), [n[1:] for n in NEXT], ids=[n[0] for n in NEXT])
def test_next_follows_from_the_last_study(
    trials: tuple[Told, ...], command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path, "s", *trials)
    for name in ("list", "status"):
        assert printed(capsys, name).endswith(f"Next: {command}\n")


def test_status_counts_what_waits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, "s", GOOD)
    assert "waiting" not in printed(capsys, "status")
    study = open_named(tmp_path, "s")
    begin(study)
    study.close()  # gives it back
    (row,) = objects(capsys, "status")
    assert (row["waiting"], row["running"], row["complete"]) == (1, 0, 1)
    assert "waiting" in printed(capsys, "status")


def test_status_breaks_no_name_in_a_narrow_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path, "fashion-at-90", GOOD)
    study = open_named(tmp_path, "fashion-at-90")
    begin(study)
    study.close()
    for width, timed in (("80", False), ("120", True)):
        monkeypatch.setenv("COLUMNS", width)
        head, row, *rest = printed(capsys, "status").splitlines()
        assert head.split()[:2] == ["study", "dataset"]
        assert row.split()[0] == "fashion-at-90"
        assert "waiting" in head
        assert ("last trial" in head) == timed
        assert rest[0] == ""
        assert max(len(head), len(row)) <= int(width)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5.0, "just now"),
        (59.9, "just now"),
        (60.0, "1 min ago"),
        (3599.0, "59 min ago"),
        (3600.0, "1 h ago"),
        (86_399.0, "23 h ago"),
        (86_400.0, "1 day ago"),
        (1_000_000.0, "11 days ago"),
    ],
)
def test_how_long_ago(seconds: float, text: str) -> None:
    assert ago_text(seconds) == text


def test_a_what_if_says_that_it_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, "s", GOOD)
    own = json.loads(printed(capsys, "report", "s", "--format", "json"))
    assert own["what_if"] is False
    assert "what if" not in printed(capsys, "report", "s")
    other = ("report", "s", "--target", "val >= 0.5")
    found = json.loads(printed(capsys, *other, "--format", "json"))
    assert found["what_if"] is True
    text = printed(capsys, *other)
    assert text.startswith("s · digits · what if: val_accuracy >= 0.5\nNo trial was searched")
    assert text.endswith("Next: tuner report s\n")
    # The study's own targets, in another order and other words, are no what-if.
    same = ("--target", "train < 95%", "--target", "val >= 90%")
    assert "what if" not in printed(capsys, "report", "s", *same)
