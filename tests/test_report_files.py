"""`tuner report --html` and `--pictures`: which files are written, and what goes with them."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from studies import FAR, GOOD, NEAR, make

from tuner.cli import run
from tuner.commands.report import find_studies, outcome_of
from tuner.commands.winners import is_fresh, predict_winners
from tuner.workspace import Workspace


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with two studies that keep no weights."""
    make(tmp_path, "one", GOOD, NEAR, FAR)
    make(tmp_path, "two", NEAR)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("report one two --html p.html", "--html takes one study at a time, and 2 are named."),
        ("report one two --pictures p", "--pictures takes one study at a time"),
        ("report one --html .tuner", "--html .tuner is a folder: name a file in it"),
        ("report one --pictures tuner.journal", "--pictures tuner.journal is a file"),
        ("report one --mlflow-url http://x", "--mlflow-url is for links on the page"),
        ("report one --html p.html --mlflow-url file:///x", "no address of MLflow's pages"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    place: Path, capsys: pytest.CaptureFixture[str], words: str, said: str
) -> None:
    before = sorted(place.iterdir())
    assert run(words.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in " ".join(err.split())
    assert sorted(place.iterdir()) == before


def test_the_page_goes_to_its_file_and_the_result_to_stdout(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("report one --html out/p.html --no-mlflow --format json".split()) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["study"] == "one"
    assert "The page is out/p.html (" in err
    text = (place / "out" / "p.html").read_text("utf-8")
    assert "1 of 3 trials meets" in text
    assert "Trial 0 is left out here: no weights were kept." in text
    assert not [path for path in (place / "out").iterdir() if path.name != "p.html"]


def test_without_a_winner_the_exit_code_stays_three(place: Path) -> None:
    assert run("report two --html p.html --no-mlflow".split()) == 3
    assert "None of 1 trial meets" in (place / "p.html").read_text("utf-8")


def test_a_place_that_cannot_be_written_is_an_error_that_says_so(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "file").write_text("")
    assert run("report one --html file/p.html --no-mlflow".split()) == 1
    assert "Name another place for it." in capsys.readouterr().err


def test_links_go_to_the_address_that_is_given(place: Path) -> None:
    words = "report one --html p.html --no-mlflow --mlflow-url https://ada:pw@mlflow.test/"
    assert run(words.split()) == 0
    text = (place / "p.html").read_text("utf-8")
    assert "ada:pw" not in text


@pytest.mark.slow
def test_a_store_that_fails_is_a_note(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert run("report one --html p.html".split()) == 0
    assert "No copies were kept in MLflow" in capsys.readouterr().err
    assert (place / "p.html").exists()


def test_a_study_without_a_store_is_no_trouble(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("report one --html p.html".split()) == 0
    assert "MLflow" not in capsys.readouterr().err
    assert not (place / "mlflow.db").exists()


def test_predictions_hold_until_the_weights_are_written_again(tmp_path: Path) -> None:
    file, weights = tmp_path / "trial-0.npz", tmp_path / "weights.npz"
    np.savez(weights, arr_0=np.zeros(1))
    assert not is_fresh(file, weights)
    np.savez(file, rows=[0], labels=[0], probabilities=[[1.0, 0.0]])
    os.utime(weights, (1000, 1000))
    assert is_fresh(file, weights)
    os.utime(file, (999, 999))
    assert not is_fresh(file, weights)
    file.write_bytes(b"PK\x03\x04 half a file")
    assert not is_fresh(file, weights)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a small study that was really trained, recorded in MLflow."""
    folder = tmp_path_factory.mktemp("trained")
    before = Path.cwd()
    os.chdir(folder)
    try:
        words = ["sweep", "digits", "--trials", "3", "--epochs", "4", "--workers", "1", "-q"]
        assert run([*words, "--target", "val >= 20% with train < 99.99%"]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.mark.slow
def test_the_mistakes_are_those_behind_the_recorded_accuracy(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tuner.report.page.winners import mistakes_of

    monkeypatch.chdir(trained)
    assert run("report digits --html p.html --pictures pics".split()) == 0
    assert "MLflow" not in capsys.readouterr().err
    (summary,) = find_studies(Workspace(trained), ["digits"])
    outcome = outcome_of(summary)

    def refuse(*_: object) -> None:
        raise AssertionError("what is kept is predicted again")

    monkeypatch.setattr("tuner.commands.winners.run_errand", refuse)
    winners = predict_winners(Workspace(trained), outcome)
    assert winners.notes == ()
    assert len(winners.entries) == len(winners.predictions) == len(outcome.meets[:3])
    for entry, wrong in zip(
        winners.entries,
        mistakes_of(winners.entries, winners.predictions, winners.prepared),
        strict=True,
    ):
        hits = wrong.rows - wrong.wrong
        assert hits / wrong.rows == pytest.approx(entry.figure("val_accuracy"), abs=1e-9)
        assert sum(map(sum, wrong.matrix)) == wrong.rows
        assert len(wrong.classes) == 10
    text = (trained / "p.html").read_text("utf-8")
    assert text.count('class="confusion"') == len(winners.entries)
    assert "data:image/png;base64," in text
    # Copies lie beside the sweep's run.
    copies = {path.name for path in (trained / "mlruns").rglob("report/*")}
    assert {"p.html", "accuracy.png", "accuracy.svg"} <= copies
    assert {path.name for path in (trained / "pics").iterdir()} < copies


@pytest.mark.slow
def test_data_or_weights_that_are_gone_are_said_in_a_line(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (summary,) = find_studies(Workspace(trained), ["digits"])
    outcome = outcome_of(summary)
    data = next((trained / ".tuner" / "data").glob("*/dataset.json")).parent
    monkeypatch.chdir(trained)
    data.rename(tmp_path / "away")
    try:
        winners = predict_winners(Workspace(trained), outcome)
        assert winners.prepared is None
        assert re.search("not at hand.*tuner sweep digits prepares it", winners.notes[0])
    finally:
        (tmp_path / "away").rename(data)
    kept = Path(outcome.meets[0].record.weights or "")
    damaged = kept.read_bytes()[:100]
    whole = kept.read_bytes()
    kept.write_bytes(damaged)
    try:
        winners = predict_winners(Workspace(trained), outcome)
        first, *others = (entry.trial for entry in winners.entries)
        assert set(winners.predictions) == set(others)
        assert f"Trial {first} is left out here: the weights of trial" in winners.notes[0]
    finally:
        kept.write_bytes(whole)


@pytest.mark.slow
def test_predictions_go_with_their_study(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)
    assert list((trained / ".tuner").rglob("predictions/trial-*.npz"))
    assert run("delete digits --yes".split()) == 0
    assert not list((trained / ".tuner").rglob("predictions"))
