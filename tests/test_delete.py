"""A study is deleted whole, or not at all, and never while somebody uses it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stubs import environment
from studies import FAR, GOOD, NEAR, begin, make, open_named

from tuner.cli import run
from tuner.errors import StudyError
from tuner.search import removal
from tuner.search.records import summaries
from tuner.search.removal import dead, living, remove_study, stored_studies
from tuner.search.storage import open_storage
from tuner.search.study import SweepStudy
from tuner.tracking.base import SweepInfo, TrialView
from tuner.tracking.mlflow import MlflowRecorder
from tuner.tracking.mlflow_store import MlflowStore
from tuner.trial import TrialRecord
from tuner.workspace import Workspace


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    # The owners of these tests are seconds old.
    monkeypatch.setattr(removal, "YOUNG_SECONDS", 0.0)
    return Workspace(tmp_path)


def weights_of(workspace: Workspace, name: str, *trials: int) -> Path:
    (study,) = [s for s in stored_studies(workspace) if s.name == name]
    folder = workspace.weights(study.uid)
    folder.mkdir(parents=True)
    for trial in trials:
        (folder / f"trial-{trial}.npz").write_bytes(b"x" * 1000)
    return folder


def keep_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights cannot be removed, as in another user's folder; here root cannot either."""
    unlink = os.unlink

    def refuse(path: str | Path, **options: Any) -> None:
        if str(path).endswith(".npz"):
            raise PermissionError(13, "Permission denied", str(path))
        unlink(path, **options)

    monkeypatch.setattr(os, "unlink", refuse)


def names(workspace: Workspace) -> list[str]:
    return [summary.name for summary in summaries(workspace)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_study_goes_with_its_weights_and_no_other(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    make(workspace.root, "one", GOOD, NEAR)
    make(workspace.root, "two", FAR)
    gone, kept = weights_of(workspace, "one", 0, 1), weights_of(workspace, "two", 0)
    assert run(["delete", "one", "--yes"]) == 0
    assert names(workspace) == ["two"]
    assert not gone.exists()
    assert len(list(kept.iterdir())) == 1
    assert capsys.readouterr().out.splitlines() == [
        "Deleted one: 2 trials and 2 files of weights, 2.0 kB.",
        "Next: tuner clean",
    ]
    make(workspace.root, "one", GOOD)  # the name is free again, for another study
    assert [len(s.records) for s in summaries(workspace) if s.name == "one"] == [1]


def test_several_are_checked_before_one_goes(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    make(workspace.root, "one", GOOD)
    make(workspace.root, "two", FAR)
    assert run(["delete", "one", "tow", "--yes"]) == 1
    assert "did you mean two?" in capsys.readouterr().err
    assert names(workspace) == ["one", "two"]
    assert run(["delete", "one", "two", "one", "--yes"]) == 0
    assert names(workspace) == []
    assert run(["delete", "one", "--yes"]) == 1
    assert "there is no study" in capsys.readouterr().err


def test_without_a_terminal_it_wants_a_yes(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    make(workspace.root, "one", GOOD)
    assert run(["delete", "one"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert names(workspace) == ["one"]


@pytest.mark.parametrize(
    ("answer", "code", "left"),
    [("n\n", 1, ["one"]), ("\n", 1, ["one"]), ("y\n", 0, []), ("", 130, ["one"])],
)
def test_it_shows_what_goes_and_asks(
    answer: str,
    code: int,
    left: list[str],
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make(workspace.root, "one", GOOD, NEAR)
    weights_of(workspace, "one", 0)
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert run(["delete", "one"]) == code
    assert names(workspace) == left
    said = capsys.readouterr()
    shown = said.err.splitlines()[1].split()
    assert shown[:6] == ["one", "digits", "2", "1", "in", "1.0"]
    assert "Delete one for good?" in said.err
    assert ("Deleted one" in said.out) == (not left)


def test_a_study_with_a_running_trial_stays(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    make(workspace.root, "idle", FAR)
    study = open_named(workspace.root, "busy")
    begin(study)
    assert run(["delete", "idle", "busy", "--yes"]) == 1
    assert "busy is in use" in capsys.readouterr().err
    assert run(["delete", "busy", "--yes"]) == 1
    assert names(workspace) == ["busy", "idle"]
    assert run(["delete", "idle", "--yes"]) == 0  # what runs does not concern it
    study.close()
    assert run(["delete", "busy", "--yes"]) == 0
    assert names(workspace) == []


def test_a_process_that_has_asked_for_nothing_yet_may_want_any_study(workspace: Workspace) -> None:
    make(workspace.root, "one", GOOD)
    study = open_named(workspace.root, "other")
    assert [s.busy for s in stored_studies(workspace)] == [True, True]
    study.close()
    assert [s.busy for s in stored_studies(workspace)] == [False, False]


def test_between_its_trials_a_sweep_still_uses_its_study(workspace: Workspace) -> None:
    study = open_named(workspace.root, "one")
    ticket = begin(study)
    study.hand_back(ticket.attempt, "for a moment")
    (stored,) = stored_studies(workspace)
    assert stored.busy
    with pytest.raises(StudyError, match="in use"):
        remove_study(workspace, stored)
    study.close()


def test_a_killed_sweep_is_not_in_the_way(workspace: Workspace) -> None:
    study = open_named(workspace.root, "one")
    begin(study)
    os.close(study._owner._descriptor)  # what death leaves
    assert run(["delete", "one", "--yes"]) == 0
    assert names(workspace) == []


@pytest.mark.slow
def test_a_sweep_in_another_process_is_in_the_way_until_it_is_killed(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    code = f"""
import time
from pathlib import Path
from studies import begin, open_named
study = open_named(Path({str(workspace.root)!r}), "one")
begin(study)
print("running", flush=True)
time.sleep(600)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=environment(), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        assert run(["delete", "one", "--yes"]) == 1
        assert "in use" in capsys.readouterr().err
        assert len(living(workspace.owners)) == 1
        process.kill()
        process.wait()
        assert run(["delete", "one", "--yes"]) == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_a_young_owner_counts_as_alive_and_is_not_touched(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between making its file and taking its lock, an owner must find nobody else at it."""
    monkeypatch.setattr(removal, "YOUNG_SECONDS", 10.0)
    workspace.create()
    (workspace.owners / "a").touch()
    (workspace.owners / "b").touch()
    os.utime(workspace.owners / "b", (1e9, 1e9))
    assert living(workspace.owners) == {"a"}
    assert dead(workspace.owners) == [workspace.owners / "b"]
    assert len(list(workspace.owners.iterdir())) == 2


def test_when_something_in_between_fails_the_study_stays(workspace: Workspace) -> None:
    make(workspace.root, "one", GOOD)
    (stored,) = stored_studies(workspace)

    def fail() -> None:
        raise RuntimeError("the store is gone")

    with pytest.raises(RuntimeError, match="the store is gone"):
        remove_study(workspace, stored, fail)
    assert names(workspace) == ["one"]


def test_another_study_under_the_same_name_stays(workspace: Workspace) -> None:
    make(workspace.root, "one", GOOD)
    (before,) = stored_studies(workspace)
    remove_study(workspace, before)
    make(workspace.root, "one", FAR)
    with pytest.raises(StudyError, match="no longer there"):
        remove_study(workspace, before)
    assert names(workspace) == ["one"]


# What other programs keep in the same journal


def foreign(workspace: Workspace, name: str, **attributes: object) -> optuna.Study:
    workspace.create()
    storage = open_storage(workspace.journal, workspace.lock("journal"))
    study = optuna.create_study(study_name=name, storage=storage)
    for key, value in attributes.items():
        study.set_user_attr(key, value)
    return study


def copy(workspace: Workspace, name: str, to: str) -> None:
    storage = open_storage(workspace.journal, workspace.lock("journal"))
    optuna.copy_study(
        from_study_name=name, from_storage=storage, to_storage=storage, to_study_name=to
    )


@pytest.mark.parametrize("mine", [False, True])
@pytest.mark.parametrize(
    "uid", ["../../precious", ".", "..", "", "/", "0123456789a", 7, "ABSOLUTE"]
)
def test_the_identity_of_a_foreign_study_leads_to_no_folder(
    uid: object, mine: bool, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    make(workspace.root, "one", GOOD)
    kept = weights_of(workspace, "one", 0) / "trial-0.npz"
    precious = workspace.root / "precious" / "a"
    precious.parent.mkdir()
    precious.touch()
    uid = str(precious.parent) if uid == "ABSOLUTE" else uid
    study = foreign(
        workspace, "theirs", uid=uid, **({"identity": {"data": "f00d"}} if mine else {})
    )
    study.tell(study.ask(), 0.5)
    assert run(["delete", "theirs", "--yes", "--runs"]) == 0
    assert capsys.readouterr().out.startswith("Deleted theirs: 1 trial.\n")
    assert precious.exists()
    assert kept.exists()
    assert names(workspace) == ["one"]


def test_a_foreign_study_has_no_weights_even_under_a_fitting_identity(workspace: Workspace) -> None:
    make(workspace.root, "one", GOOD)
    kept = weights_of(workspace, "one", 0)
    foreign(workspace, "theirs", uid=kept.name)
    assert [s.twins for s in stored_studies(workspace)] == [(), ()]
    assert run(["delete", "theirs", "--yes"]) == 0
    assert kept.exists()


@pytest.mark.parametrize(
    "uid", ["", ".", "..", "a/b", "/", "/a", "../a", "a\\b", "C:a", "a\0", "a/\n"]
)
def test_weights_have_a_folder_of_their_own(uid: str, workspace: Workspace) -> None:
    with pytest.raises(ValueError, match="is no name of a folder"):
        workspace.weights(uid)


@given(st.text())
def test_a_folder_of_weights_is_directly_among_the_others(uid: str) -> None:
    workspace = Workspace(Path("root"))
    try:
        folder = workspace.weights(uid)
    except ValueError:
        return
    assert Path(os.path.normpath(folder)).parent == workspace.all_weights


def test_a_foreign_study_with_a_running_trial_is_in_use(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    study = foreign(workspace, "theirs")
    trial = study.ask()
    trial.set_user_attr("owner", "somebody")  # says nothing in a study of others
    assert run(["delete", "theirs", "--yes"]) == 1
    assert "theirs is in use" in capsys.readouterr().err
    study.tell(trial, 0.5)
    assert run(["delete", "theirs", "--yes"]) == 0
    assert stored_studies(workspace) == []


def test_a_running_trial_without_an_owner_is_in_the_way(workspace: Workspace) -> None:
    make(workspace.root, "one", GOOD)
    storage = open_storage(workspace.journal, workspace.lock("journal"))
    study = optuna.load_study(study_name="one", storage=storage)
    trial = study.ask()
    assert run(["delete", "one", "--yes"]) == 1
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    assert run(["delete", "one", "--yes"]) == 0


def test_odd_attributes_of_foreign_trials_are_not_read(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    study = foreign(workspace, "theirs")
    for key, value in {"epochs": 30, "retry_of": "x", "weights": 5, "spec": []}.items():
        trial = study.ask()
        trial.set_user_attr(key, value)
        study.tell(trial, 0.5)
    assert [s.trials for s in stored_studies(workspace)] == [4]
    assert run(["clean"]) == 0
    assert run(["delete", "theirs", "--yes"]) == 0
    assert "Deleted theirs: 4 trials." in capsys.readouterr().out


def test_what_a_copy_shares_stays_until_the_last_goes(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make(workspace.root, "one", GOOD, NEAR)
    study = open_named(workspace.root, "one")
    record(workspace.root, study)
    study.close()
    kept = weights_of(workspace, "one", 0, 1)
    store = MlflowStore(workspace.root)
    copy(workspace, "one", "copy")

    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert run(["delete", "copy", "--runs"]) == 0
    said = capsys.readouterr()
    line = "copy shares its weights and MLflow runs with one: they stay."
    assert said.err.splitlines()[1].split() == ["copy", "digits", "2", "stay", "stay"]
    assert line in said.err
    assert said.out.splitlines() == ["Deleted copy: 2 trials.", line, "Next: tuner clean"]
    assert len(list(kept.iterdir())) == 2
    assert store.count_study(study.uid) == 3

    copy(workspace, "one", "copy")
    assert run(["delete", "one", "copy", "--runs", "--yes"]) == 0
    out = capsys.readouterr().out
    assert "Deleted one, copy: 4 trials and 2 files of weights, 2.0 kB." in out
    assert "3 MLflow runs deleted" in out
    assert not kept.exists()
    assert store.count_study(study.uid) == 0


def test_a_copy_made_while_the_question_stood_keeps_the_weights(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make(workspace.root, "one", GOOD)
    kept = weights_of(workspace, "one", 0)

    class Slow(Terminal):
        def readline(self, *args: int) -> str:  # type: ignore[override]
            copy(workspace, "one", "copy")
            return super().readline(*args)

    monkeypatch.setattr(sys, "stdin", Slow("y\n"))
    assert run(["delete", "one"]) == 0
    assert "Deleted one: 1 trial.\n" in capsys.readouterr().out
    assert kept.exists()


def test_weights_that_cannot_be_removed_are_told(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make(workspace.root, "one", GOOD)
    weights_of(workspace, "one", 0, 1)
    keep_stuck(monkeypatch)
    assert run(["delete", "one", "--yes"]) == 1
    said = capsys.readouterr()
    assert said.out.startswith("Deleted one: 1 trial.\n")
    assert "2 files of one's weights could not be removed" in said.err


# MLflow's runs


def record(folder: Path, study: SweepStudy) -> None:
    recorder = MlflowRecorder(folder)
    recorder.open_sweep(SweepInfo(study.name, study.uid, "digits"))
    for record in study.records():
        trial = TrialRecord(record.number, record.origin, record.attempt, "complete", {})
        study.mark_recorded(record, recorder.record(TrialView(trial)))


def test_runs_stay_unless_they_are_asked_for(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        make(workspace.root, name, GOOD, NEAR)
        study = open_named(workspace.root, name)
        record(workspace.root, study)
        study.close()
    store = MlflowStore(workspace.root)
    uids = {s.name: s.uid for s in stored_studies(workspace)}
    assert [s.runs for s in stored_studies(workspace)] == [3, 3]

    assert run(["delete", "one", "--yes"]) == 0
    assert "3 runs stay in MLflow." in capsys.readouterr().out
    assert store.count_study(uids["one"]) == 3

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://login:hush@127.0.0.1:9")
    assert run(["delete", "two", "--runs", "--yes"]) == 1
    said = capsys.readouterr().err
    assert "nothing was deleted" in said
    assert "hush" not in said
    assert names(workspace) == ["two"]
    monkeypatch.delenv("MLFLOW_TRACKING_URI")

    assert run(["delete", "two", "--runs", "--yes"]) == 0
    out = capsys.readouterr().out
    assert "3 MLflow runs deleted" in out
    assert "  mlflow gc --tracking-uri sqlite:///mlflow.db\n" in out
    assert (store.count_study(uids["one"]), store.count_study(uids["two"])) == (3, 0)
    assert len(store.deleted()) == 3
    assert [sweep.study for sweep in store.sweeps()] == ["one"]
