"""What is shown as space is what is on disk; what goes is what was named and nobody uses."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import GOOD, NEAR, begin, make, open_named
from test_delete import Terminal, copy, keep_stuck, weights_of

from tuner.cli import run
from tuner.commands.clean import items
from tuner.data.dataset import Dataset
from tuner.data.prepared import prepare
from tuner.search import removal
from tuner.search.records import summaries
from tuner.tracking.base import SweepInfo
from tuner.tracking.mlflow import MlflowRecorder
from tuner.tracking.mlflow_store import MlflowStore
from tuner.workspace import ASIDE, Workspace, age_of, size_of, size_text

LONG_AGO = (1e9, 1e9)


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(removal, "YOUNG_SECONDS", 0.0)
    return Workspace(tmp_path)


def age(path: Path) -> None:
    for below in (*path.rglob("*"), path):
        os.utime(below, LONG_AGO)


def data(workspace: Workspace, name: str = "digits", seed: int = 0) -> str:
    """A small prepared data set, made long ago; returns its fingerprint."""
    x = np.random.default_rng(seed).integers(0, 9, (20, 4, 4)).astype(np.uint8)
    y = (np.arange(20) % 2).astype(np.uint8)
    made = prepare(
        Dataset(name, x, y, None, None, ("a", "b"), "image", 9.0, "", "a test"), workspace.data
    )
    notes = workspace.data / "sources"
    notes.mkdir(exist_ok=True)
    (notes / f"{name}-1").write_text(made.fingerprint)
    age(workspace.data)
    return made.fingerprint


def everything(workspace: Workspace) -> dict[str, Path]:
    """One of each thing that can go, and a study that needs the data."""
    fingerprint = data(workspace)
    make(workspace.root, "kept", GOOD, NEAR, fingerprint=fingerprint)
    places = {
        "data": workspace.data / fingerprint,
        "weights": weights_of(workspace, "kept", 0, 1),
        "orphans": workspace.weights("0123456789ab"),
        "logs": workspace.logs / "worker-1.log",
        "leftovers": workspace.root / ".tuner-probe-77",
    }
    places["orphans"].mkdir(parents=True)
    (places["orphans"] / "trial-3.npz").write_bytes(b"y" * 5000)
    places["logs"].write_text("a line\n")
    places["leftovers"].touch()
    age(places["leftovers"])
    return places


def there(places: dict[str, Path]) -> set[str]:
    return {name for name, path in places.items() if path.exists()}


def tree(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): p.stat().st_size for p in folder.rglob("*") if p.is_file()}


def test_looking_changes_nothing(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    everything(workspace)
    before = tree(workspace.root)
    assert run(["clean"]) == 0
    out = capsys.readouterr().out
    assert tree(workspace.root) == before
    for text in (
        "prepared data digits, for kept",
        "weights of kept",
        "weights of a deleted study (0123456789ab)",
        "logs of workers",
        "leftovers of killed processes",
        "tuner.journal",
    ):
        assert text in out
    assert out.endswith("Next: tuner clean all\n")


def test_what_is_shown_is_what_is_there(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    places = everything(workspace)
    assert run(["clean", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["items"]
    shown = {row["group"]: (row["files"], row["bytes"], row["goes"]) for row in rows}
    note = workspace.data / "sources" / "digits-1"
    files, size = size_of(places["data"])
    assert shown == {
        "data": (files + 1, size + note.stat().st_size, "tuner clean data"),
        "weights": (2, 2000, "tuner clean --weights kept"),
        "orphans": (1, 5000, "tuner clean orphans"),
        "logs": (1, 7, "tuner clean logs"),
        "leftovers": (1, 0, "tuner clean leftovers"),
        "record": (1, workspace.journal.stat().st_size, ""),
    }


GOES: list[tuple[list[str], set[str]]] = [
    (["data"], {"data"}),
    (["logs"], {"logs"}),
    (["orphans"], {"orphans"}),
    (["leftovers"], {"leftovers"}),
    (["logs", "orphans"], {"logs", "orphans"}),
    (["all"], {"data", "logs", "orphans", "leftovers"}),
    (["--weights", "kept"], {"weights"}),
    (["all", "--weights", "kept"], {"data", "logs", "orphans", "leftovers", "weights"}),
]


@pytest.mark.parametrize(("words", "gone"), GOES, ids=[" ".join(g[0]) for g in GOES])
def test_what_is_named_goes_and_nothing_else(
    words: list[str],
    gone: set[str],
    workspace: Workspace,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = everything(workspace)
    before = size_of(workspace.root)[1]
    assert run(["clean", *words, "--dry-run"]) == 0
    assert there(places) == set(places)
    capsys.readouterr()
    assert run(["clean", *words, "--yes", "--format", "json"]) == 0
    freed = json.loads(capsys.readouterr().out)
    assert there(places) == set(places) - gone
    assert freed["bytes"] == before - size_of(workspace.root)[1]
    assert [len(s.records) for s in summaries(workspace)] == [2]


def test_the_second_time_there_is_nothing(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    everything(workspace)
    assert run(["clean", "all", "--yes"]) == 0
    assert capsys.readouterr().out.startswith("Freed ")
    assert run(["clean", "all", "--yes"]) == 0
    assert capsys.readouterr().out.startswith("There is nothing of that to remove.\n")


@pytest.mark.parametrize(("answer", "code"), [("n\n", 1), ("y\n", 0)])
def test_it_asks(
    answer: str, code: int, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = everything(workspace)
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert run(["clean", "logs"]) == code
    assert places["logs"].exists() == (code == 1)


def test_without_a_terminal_it_wants_a_yes(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    places = everything(workspace)
    assert run(["clean", "all"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert there(places) == set(places)


def test_what_a_running_sweep_uses_stays(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    places = everything(workspace)
    study = open_named(workspace.root, "running", fingerprint="other")
    begin(study)
    assert run(["clean", "all", "--yes"]) == 0
    assert there(places) == {"data", "logs", "weights"}
    said = capsys.readouterr().err
    assert "Left alone: prepared data digits, for kept (a sweep is running here)." in said
    # The weights of a study that does not run may go, those of one that does may not.
    running = weights_of(workspace, "running", 0)
    assert run(["clean", "--weights", "running", "--weights", "kept", "--yes"]) == 0
    assert running.exists()
    assert not places["weights"].exists()
    study.close()
    assert run(["clean", "all", "--yes"]) == 0
    assert there(places) == set()


def test_data_that_was_just_written_stays(workspace: Workspace) -> None:
    """Between preparing data and its first trial a sweep owns nothing yet."""
    folder = workspace.data / data(workspace)
    os.utime(folder)
    assert run(["clean", "data", "--yes"]) == 0
    assert folder.exists()
    age(folder)
    assert run(["clean", "data", "--yes"]) == 0
    assert not folder.exists()


def test_prepared_data_is_written_again(workspace: Workspace) -> None:
    first = data(workspace)
    assert run(["clean", "data", "--yes"]) == 0
    assert list((workspace.data / "sources").iterdir()) == []
    assert data(workspace) == first


def test_while_the_journal_cannot_be_read_no_weights_are_orphans(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    places = everything(workspace)
    workspace.journal.write_text("no journal\n")
    assert run(["clean", "orphans", "--yes"]) == 0
    assert {"weights", "orphans"} <= there(places)
    assert run(["clean"]) == 0
    assert "is damaged" in capsys.readouterr().err


def test_what_is_being_written_stays(workspace: Workspace) -> None:
    workspace.create()
    fresh = workspace.data / ".847d7052333f54a6.123.0a1b2c3d"
    fresh.mkdir()
    (fresh / "x_train.npy").write_bytes(b"half")
    assert run(["clean", "leftovers", "--yes"]) == 0
    assert fresh.exists()
    age(fresh)
    assert [i.group for i in items(workspace)] == ["leftovers"]
    assert run(["clean", "leftovers", "--yes"]) == 0
    assert not fresh.exists()


@pytest.mark.parametrize("group", ["orphans", "all"])
def test_without_a_journal_no_weights_are_orphans(
    group: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    places = everything(workspace)
    aside = workspace.journal.rename(workspace.root / "aside")
    assert run(["clean", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["items"]
    said = [(row["goes"], row["why"]) for row in rows if row["what"].startswith("weights of")]
    assert said == [("", "no: there is no journal")] * 2
    assert run(["clean", group, "--yes"]) == 0
    assert {"weights", "orphans"} <= there(places)
    assert "weights of 0123456789ab (there is no journal)" in capsys.readouterr().err
    aside.rename(workspace.journal)
    assert run(["clean", group, "--yes"]) == 0
    assert {"weights", "orphans"} & there(places) == {"weights"}


@pytest.mark.parametrize(
    ("form", "printed"),
    [
        ("json", '{\n  "schema": 1,\n  "files": 0,\n  "bytes": 0,\n  "left": 0\n}\n'),
        ("csv", "files,bytes,left\n0,0,0\n"),
    ],
)
def test_nothing_to_remove_is_said_in_figures(
    form: str, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["clean", "orphans", "--yes", "--format", form]) == 0
    assert capsys.readouterr().out == printed


def test_commands_that_are_shown_can_be_pasted(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "my $(study)'s"
    make(workspace.root, name, GOOD)
    kept = weights_of(workspace, name, 0)
    assert run(["clean", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["items"]
    (goes,) = (row["goes"] for row in rows if row["group"] == "weights")
    assert shlex.split(goes) == ["tuner", "clean", "--weights", name]
    assert run([*shlex.split(goes)[1:], "--dry-run"]) == 0
    assert capsys.readouterr().out.endswith(f"Next: {goes}\n")
    assert run([*shlex.split(goes)[1:], "--yes"]) == 0
    assert not kept.exists()


def test_weights_of_copies_are_in_use_where_one_of_them_is(workspace: Workspace) -> None:
    make(workspace.root, "one", GOOD)
    kept = weights_of(workspace, "one", 0)
    copy(workspace, "one", "copy")
    study = open_named(workspace.root, "one")
    begin(study)
    assert run(["clean", "--weights", "copy", "--yes"]) == 0
    assert kept.exists()
    study.close()
    assert run(["clean", "--weights", "copy", "--yes"]) == 0
    assert not kept.exists()


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_what_cannot_be_removed_is_told(
    form: str,
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = everything(workspace)
    keep_stuck(monkeypatch)
    assert run(["clean", "orphans", "logs", "--yes", "--format", form]) == 1
    said = capsys.readouterr()
    assert "1 file could not be removed" in said.err
    assert not places["logs"].exists()
    if form == "json":
        assert json.loads(said.out) == {"schema": 1, "files": 1, "bytes": 7, "left": 1}
    elif form == "csv":
        assert said.out == "files,bytes,left\n1,7,1\n"
    else:
        assert said.out.startswith("Freed 0.1 kB in 1 file.\n")


def test_links_are_not_followed(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "mine.npz").write_bytes(b"z" * 999)
    make(workspace.root, "one", GOOD)
    workspace.weights("dead").mkdir(parents=True)
    (workspace.weights("dead") / "link").symlink_to(elsewhere)
    (workspace.all_weights / "linked").symlink_to(elsewhere)
    assert run(["clean", "all", "--yes"]) == 0
    assert (elsewhere / "mine.npz").exists()
    assert not workspace.weights("dead").exists()


def test_in_an_empty_directory_nothing_is_made(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["clean"]) == 0
    assert "Nothing of tuner's" in capsys.readouterr().out
    assert list(workspace.root.iterdir()) == []


def test_unknown_weights_are_told(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    everything(workspace)
    assert run(["clean", "--weights", "kep", "--yes"]) == 1
    assert "did you mean kept?" in capsys.readouterr().err


def test_deleted_mlflow_runs_are_shown_with_what_empties_the_bin(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder = MlflowRecorder(workspace.root)
    run_id = recorder.open_sweep(SweepInfo("one", "uid", "digits", definition={"epochs": 3}))
    MlflowStore(workspace.root).delete_study("uid")
    (kept,) = (workspace.root / "mlruns").glob(f"*/{run_id}/artifacts/sweep.json")
    assert run(["clean", "--format", "json"]) == 0
    rows = {row["what"]: row for row in json.loads(capsys.readouterr().out)["items"]}
    row = rows["of these, 1 deleted run"]
    assert (row["files"], row["bytes"]) == (1, kept.stat().st_size)
    assert row["goes"] == "mlflow gc --tracking-uri sqlite:///mlflow.db"
    assert rows["mlflow.db"]["bytes"] == (workspace.root / "mlflow.db").stat().st_size


@pytest.mark.parametrize(
    ("name", "aside"),
    [
        (".dataset.json.4711", True),
        (".847d7052333f54a6.4711.0a1b2c3d", True),
        (".847d7052333f54a6.4711.0a1b2c3d.damaged", True),
        (".trial-3.npz.4711.npz", True),
        ("trial-3.npz", False),
        (".hidden", False),
        ("dataset.json", False),
        (".x.4711.txt", False),
    ],
)
def test_what_counts_as_written_aside(name: str, aside: bool) -> None:
    assert (ASIDE.match(name) is not None) == aside


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 MB"),
        (1, "0.1 kB"),
        (1500, "1.5 kB"),
        (49_999, "50.0 kB"),
        (50_000, "0.1 MB"),
        (1_234_567, "1.2 MB"),
        (9_949_999, "9.9 MB"),
        (9_950_000, "10 MB"),
        (999_000_000, "999 MB"),
        (1_400_000_000, "1.4 GB"),
    ],
)
def test_sizes_in_words(size: int, text: str) -> None:
    assert size_text(size) == text


@given(st.integers(1, 10**15))
def test_no_size_reads_as_nothing(size: int) -> None:
    assert float(size_text(size).split()[0]) > 0


def test_names_of_studies_without_optuna(workspace: Workspace) -> None:
    assert workspace.study_names() == []
    for name in ("b", "a", "ü"):
        make(workspace.root, name, GOOD)
    assert workspace.study_names() == ["b", "a", "ü"]
    assert run(["delete", "a", "--yes"]) == 0
    make(workspace.root, "c")
    make(workspace.root, "b")  # there already: no second one
    make(workspace.root, "a")
    assert workspace.study_names() == ["b", "ü", "c", "a"]
    assert sorted(workspace.study_names()) == [s.name for s in summaries(workspace)]
    with workspace.journal.open("ab") as file:
        file.write(b'{"op_code":0,"torn')
    assert workspace.study_names() == ["b", "ü", "c", "a"]


def test_age_is_that_of_the_youngest_file(workspace: Workspace) -> None:
    folder = workspace.root / "folder"
    folder.mkdir()
    (folder / "old").touch()
    age(folder)
    assert age_of(folder) > 3600
    os.utime(folder / "old")
    assert age_of(folder) < 3600
