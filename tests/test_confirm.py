"""`tuner confirm` and sweeps that confirm: the real command, real training, real signals."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from inside import tuner
from stubs import plain_figures
from test_sweep import start

from tuner.commands.repeating import train_again
from tuner.executors.errand import run_errand
from tuner.search.records import StudySummary, summaries
from tuner.trial import Repeat, TrialRecord
from tuner.workspace import Workspace

pytestmark = pytest.mark.slow

LIGHT = (
    *("--epochs", "4", "--set", "units=[64,128]", "--set", "batch_size=[32]"),
    *("--fix", "optimizer=adam", "--fix", "learning_rate=0.005"),
    *("--set", "dropout=0..0.3", "--set", "l2=1e-6..1e-4:log"),
)
EASY = ("--target", "val >= 80% with train <= 100%")


def study(folder: Path, name: str = "digits") -> StudySummary:
    return next(s for s in summaries(Workspace(folder)) if s.name == name)


def record(folder: Path, origin: int) -> TrialRecord:
    return next(r for r in study(folder).records if r.origin == origin)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four trials, all of which meet; nobody has confirmed any."""
    folder = tmp_path_factory.mktemp("swept")
    tuner(folder, "sweep", "digits", "--trials", "4", *LIGHT, *EASY)
    return folder


@pytest.fixture
def fresh(swept: Path, tmp_path: Path) -> Path:
    """A copy of that directory for one test alone."""
    folder = tmp_path / "copy"
    shutil.copytree(swept, folder)
    return folder


@pytest.fixture(scope="module")
def confirmed(swept: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The two best of them put to the test, from the record alone: the prepared data is gone."""
    folder = tmp_path_factory.mktemp("confirmed") / "copy"
    shutil.copytree(swept, folder)
    shutil.rmtree(Workspace(folder).data)
    out, _ = tuner(folder, "confirm", "digits", "--top", "2", "--seeds", "3", "--format", "json")
    raw: dict[str, Any] = json.loads(out)
    return folder, raw


def put_to_test(raw: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry for entry in raw["meets"] if entry["confirmation"] is not None]


def test_an_old_trial_gives_the_same_figures_from_its_record_alone(
    confirmed: tuple[Path, dict[str, Any]],
) -> None:
    folder, raw = confirmed
    assert len(put_to_test(raw)) == 2
    for entry in put_to_test(raw):
        assert entry["confirmation"]["reproduces"] == "exactly"
        trial = record(folder, entry["trial"])
        own = next(r for r in trial.repeats if r.kind == "own")
        measured = {e.epoch for e in trial.epochs if e.train_accuracy is not None}
        again = [e for e in own.epochs if e.epoch in measured]
        assert plain_figures(tuple(again)) == plain_figures(
            tuple(e for e in trial.epochs if e.epoch in measured)
        )
        assert len(measured) > 1


def test_the_verdict_is_in_the_json(confirmed: tuple[Path, dict[str, Any]]) -> None:
    folder, raw = confirmed
    for entry in put_to_test(raw):
        found = entry["confirmation"]
        trial = record(folder, entry["trial"])
        fresh = [r for r in trial.repeats if r.kind == "fresh"]
        vals = [r.judged.val_accuracy for r in fresh if r.judged is not None]
        assert (found["verdict"], found["passes"], found["seeds"]) == ("confirmed", 3, 3)
        assert found["targets"][0]["mean"] == pytest.approx(sum(filter(None, vals)) / 3)
        assert {r.epoch for r in fresh} == {entry["epoch"]}
        assert len({r.split.seed for r in fresh}) == 3
        assert found["test"]["accuracy"] == trial.test.accuracy if trial.test else False


def test_the_test_score_is_that_of_the_kept_weights(
    confirmed: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, raw = confirmed
    trial = record(folder, put_to_test(raw)[0]["trial"])
    assert trial.test is not None
    assert trial.weights is not None
    request = {"spec": trial.spec, "weights": [trial.weights], "part": "test", "out": None}
    (figures,) = run_errand("tuner.training.inference:predict", request, tmp_path)["figures"]
    assert (figures["accuracy"], figures["rows"]) == (trial.test.accuracy, trial.test.rows)
    assert len(trial.test.repeats) == 3
    assert trial.test.looked_at == 4


@pytest.mark.filterwarnings("ignore:The ``noload`` loader")
def test_mlflow_shows_repeats_under_their_trial(confirmed: tuple[Path, dict[str, Any]]) -> None:
    folder, raw = confirmed
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    entry = put_to_test(raw)[0]
    parent = client.get_run(entry["run_id"])
    assert parent.data.tags["tuner.confirmation"] == "confirmed"
    assert parent.data.metrics["test_accuracy"] == entry["confirmation"]["test"]["accuracy"]
    trial = record(folder, entry["trial"])
    assert len(trial.repeats) == 4
    for repeat in trial.repeats:
        assert repeat.run_id is not None
        run = client.get_run(repeat.run_id)
        assert run.data.tags["mlflow.parentRunId"] == entry["run_id"]
        assert run.info.status == "FINISHED"


def test_the_same_again_trains_nothing(confirmed: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = confirmed
    before = study(folder).records
    out, err = tuner(folder, "confirm", "digits", "--top", "2", "--seeds", "3")
    assert "nothing is trained" in err
    assert study(folder).records == before
    assert "confirmed" in out
    assert "test accuracy" in out


def repeats_of(folder: Path) -> list[Repeat]:
    return [repeat for r in study(folder).records for repeat in r.repeats]


def plain(repeats: Sequence[Repeat]) -> list[tuple[Any, ...]]:
    return sorted((r.kind, r.index, r.seed, r.epoch, *plain_figures(r.epochs)) for r in repeats)


def test_a_killed_confirmation_goes_on_where_it_stopped(fresh: Path, tmp_path: Path) -> None:
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(fresh, undisturbed)
    what = ("confirm", "digits", "--trial", "1", "--seeds", "8", "--workers", "1")
    tuner(undisturbed, *what)
    with start(fresh, *what) as process:
        while len(repeats_of(fresh)) < 2:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    assert 2 <= len(repeats_of(fresh)) < 9
    tuner(fresh, *what)
    assert plain(repeats_of(fresh)) == plain(repeats_of(undisturbed))
    assert len(repeats_of(fresh)) == 9


def test_what_cannot_be_confirmed_says_so(fresh: Path, tmp_path: Path) -> None:
    tuner(fresh, "sweep", "digits", "--name", "hard", "--trials", "1", *LIGHT, code=3)
    out, _ = tuner(fresh, "confirm", "hard", code=3)
    assert "nothing to confirm" in out
    _, err = tuner(fresh, "confirm", "digits", "--trial", "77", code=1)
    assert "no trial 77" in err
    _, err = tuner(fresh, "confirm", "digitz", code=1)
    assert "did you mean digits" in err


def test_validation_on_test_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sweeps").mkdir()
    text = (
        "dataset: digits\nepochs: 2\ntrials: 1\nvalidation: test\ntargets: [val >= 10%]\n"
        "space: {units: {values: [16]}}\n"
    )
    (tmp_path / "sweeps/tested.yaml").write_text(text)
    tuner(tmp_path, "sweep", "tested")
    for more in ((), ("--trial", "0")):
        _, err = tuner(tmp_path, "confirm", "tested", *more, code=1)
        assert "test split" in err


def test_a_trial_is_trained_again_without_its_weights(fresh: Path) -> None:
    trial = record(fresh, 2)
    assert trial.weights is not None
    Path(trial.weights).unlink()
    said: list[str] = []
    target = Path(trial.weights)
    result = train_again(Workspace(fresh), study(fresh), record(fresh, 2), target, said.append)
    assert target.exists()
    assert plain_figures(result.epochs)[-1] == plain_figures(trial.epochs)[-1]
    assert said


def test_a_sweep_ends_when_one_is_confirmed(tmp_path: Path) -> None:
    what = ("sweep", "digits", "--trials", "9", *LIGHT, *EASY, "--workers", "1")
    out, err = tuner(tmp_path, *what, "--until-confirmed", "1", "--format", "json")
    raw = json.loads(out)
    assert [e["confirmation"]["verdict"] for e in put_to_test(raw)] == ["confirmed"]
    assert raw["trials"]["complete"] < 9
    assert raw["trials"]["requested"] == raw["trials"]["complete"]
    assert "is confirmed" in err
    before = study(tmp_path).records
    tuner(tmp_path, *what, "--until-confirmed", "1")  # there is one: nothing happens
    assert study(tmp_path).records == before


def test_a_sweep_that_does_not_get_what_it_wants_ends_with_3(tmp_path: Path) -> None:
    what = ("sweep", "digits", "--trials", "2", *LIGHT, "--target", "val >= 99.9%")
    out, _ = tuner(tmp_path, *what, "--until-met", "1", "--format", "json", code=3)
    assert json.loads(out)["trials"]["complete"] == 2
    _, err = tuner(
        tmp_path, "sweep", "digits", "--until-met", "1", "--until-confirmed", "1", code=2
    )
    assert "give one of them" in err
