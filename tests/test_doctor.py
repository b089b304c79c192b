"""Each thing that can be wrong is made wrong for real, and the doctor names it and a remedy."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from studies import GOOD, NEAR, make

from tuner.cli import run
from tuner.commands import checks, checks_machine, doctor
from tuner.commands.checks import Check
from tuner.commands.checks_machine import device_checks, satisfies, why_no_gpu
from tuner.data.keras_fetch import KERAS_FILES
from tuner.locks import locked
from tuner.search.storage import open_storage
from tuner.tracking.base import SweepInfo
from tuner.tracking.mlflow import MlflowRecorder
from tuner.workspace import Workspace


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return Workspace(folder)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that says at once what the one that imports TensorFlow says after seconds."""
    said = {"tensorflow": "2.21.0", "keras": "3.15.1", "gpus": [], "cuda": False}
    monkeypatch.setattr(doctor, "DEVICES_CODE", f"print({json.dumps(json.dumps(said))})")
    monkeypatch.setattr(checks_machine, "graphics_cards", list)
    monkeypatch.delenv("TUNER_DATA_DIR", raising=False)


def result(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, list[Check]]]:
    """The exit code, and the checks by name."""
    code = run(["doctor", "--format", "json", *words])
    raw = json.loads(capsys.readouterr().out)
    found: dict[str, list[Check]] = {}
    for check in raw["checks"]:
        found.setdefault(check["name"], []).append(Check(**check))
    assert raw["schema"] == 1
    assert (raw["result"] == "problem") == (code == 1)
    return code, found


@pytest.mark.slow
def test_tensorflow_is_looked_at_in_a_child(
    capsys: pytest.CaptureFixture[str], workspace: Workspace
) -> None:
    (workspace.root / "keras.py").write_text("raise SystemExit('not Keras')")
    code, found = result(capsys)
    assert code == 0
    (check,) = found["tensorflow"]
    assert check.level == "ok"
    assert check.text.startswith("TensorFlow 2.")


def test_a_healthy_directory(
    quick: None, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = result(capsys)
    assert code == 0
    assert {name for name, listed in found.items() for c in listed if c.level == "problem"} == set()
    assert list(found)[:9] == [
        "python",
        "packages",
        "tensorflow",
        "workers",
        "directory",
        "locks",
        "journal",
        "mlflow",
        "data",
    ]
    assert found["tensorflow"][0].text == "TensorFlow 2.21.0, Keras 3.15.1, on the CPU"
    assert "none yet" in found["journal"][0].text
    assert "none yet" in found["mlflow"][0].text
    assert "digits (scikit-learn)" in found["data"][0].text
    assert "fashion" in found["data"][1].text
    assert list(workspace.root.iterdir()) == []


def test_lines_for_a_person(
    quick: None, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    make(workspace.root, "one", GOOD, NEAR)
    assert run(["doctor"]) == 0
    out, err = capsys.readouterr()
    assert re.search(r"^✓ journal +1 study, 2 trials, ", out, re.MULTILINE)
    assert out.endswith("Next: tuner sweep digits\n")
    assert max(map(len, out.splitlines())) <= 100
    assert "TensorFlow takes some seconds" in err


def test_without_unicode_the_marks_are_letters(
    quick: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "_can_print", lambda text, encoding: text.isascii())
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert run(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "ok python" in out
    assert "!  environment" in out
    assert "-> Unset KERAS_BACKEND." in out
    assert out.isascii()


@pytest.mark.parametrize(
    ("encoding", "fine"),
    [("utf-8", True), ("ascii", False), ("latin-1", False), ("no such", False)],
)
def test_what_an_encoding_can_print(encoding: str, fine: bool) -> None:
    assert doctor._can_print("✓✗", encoding) == fine


def test_a_damaged_journal_is_a_problem(
    quick: None, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace.journal.write_text("{broken\n")
    code, found = result(capsys)
    assert code == 1
    (check,) = found["journal"]
    assert check.level == "problem"
    assert "is damaged" in check.text
    assert "Move it aside" in check.remedy


@pytest.mark.parametrize("identity", [None, {"data": "f00d"}])
def test_what_other_programs_write_in_the_journal_is_no_bug(
    identity: object, quick: None, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace.create()
    storage = open_storage(workspace.journal, workspace.lock("journal"))
    study = optuna.create_study(study_name="theirs", storage=storage)
    if identity:
        study.set_user_attr("uid", "0123456789ab")
        study.set_user_attr("identity", identity)
    trial = study.ask()
    trial.set_user_attr("epochs", 30)
    study.tell(trial, 0.5)
    (check,) = result(capsys)[1]["journal"]
    if identity:  # looks like tuner's own, and is not
        assert check.level == "problem"
        assert "holds what cannot be read" in check.text
    else:
        assert check.level == "ok"
        assert check.text.startswith("1 study, 1 trial, ")


def test_a_torn_line_is_a_warning_unless_it_is_being_written(
    quick: None, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    make(workspace.root, "one", GOOD)
    with workspace.journal.open("ab") as file:
        file.write(b'{"op_code":4,"trial_')
    before = workspace.journal.read_bytes()
    with locked(workspace.lock("journal")):
        assert not checks.is_torn(workspace)
    code, found = result(capsys)
    assert code == 0
    assert found["journal"][0].level == "warning"
    assert "its last line is cut off" in found["journal"][0].text
    assert workspace.journal.read_bytes() == before
    make(workspace.root, "one")  # as the remedy says, the next sweep takes it off
    assert not checks.is_torn(workspace)
    assert result(capsys)[1]["journal"][0].level == "ok"


def test_the_mlflow_store_is_named_with_its_schema(
    quick: None, workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    MlflowRecorder(workspace.root).open_sweep(SweepInfo("one", "uid", "digits"))
    code, found = result(capsys)
    assert code == 0
    (check,) = found["mlflow"]
    assert check.text.startswith(f"{workspace.root / 'mlflow.db'} (MLFLOW_TRACKING_URI is not set)")
    assert ": SQLite, schema " in check.text

    moved = tmp_path / "moved"
    workspace.root.rename(moved)
    os.chdir(moved)
    _, found = result(capsys)
    assert [c.level for c in found["mlflow"]] == ["ok", "warning"]
    assert str(workspace.root / "mlruns") in found["mlflow"][1].text

    with closing(sqlite3.connect(moved / "mlflow.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = 'abc'")
        database.commit()
    code, found = result(capsys)
    assert code == 1
    assert "mlflow db upgrade" in found["mlflow"][0].remedy


def test_a_server_that_is_gone_is_a_problem_without_credentials(
    quick: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://login:hush@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    code = run(["doctor"])
    out = capsys.readouterr().out
    assert code == 1
    assert re.search(r"^✗ mlflow +tracking store http://127\.0\.0\.1:9: ", out, re.MULTILINE)
    assert "MLFLOW_TRACKING_URI" in out
    assert out.endswith("Next: tuner doctor\n")
    assert "hush" not in out


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_directory_that_cannot_be_written_is_a_problem(
    quick: None, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace.root.chmod(0o555)
    try:
        code, found = result(capsys)
    finally:
        workspace.root.chmod(0o755)
    assert code == 1
    assert found["directory"][0].level == "problem"


def test_a_directory_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    (check,) = checks.folder_checks(Workspace(tmp_path / "gone"))
    assert (check.name, check.level) == ("directory", "problem")


@pytest.mark.parametrize(
    ("answer", "kind", "level"),
    [
        ("held", "ext4", "ok"),
        ("held", "nfs4", "warning"),
        ("taken", "nfs4", "problem"),
        ("", "", "problem"),
    ],
)
def test_locks_are_tried_between_processes(
    answer: str,
    kind: str,
    level: str,
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the second process finds decides; here it says what a file system would make it say."""
    monkeypatch.setattr(checks, "LOCK_CODE", f"print({answer!r})")
    monkeypatch.setattr(checks, "file_system", lambda path: kind)
    _, check = checks.folder_checks(workspace)
    assert (check.name, check.level) == ("locks", level)


def test_locks_hold_here(workspace: Workspace) -> None:
    _, check = checks.folder_checks(workspace)
    assert check.level in ("ok", "warning")
    assert check.text.startswith("locks hold")
    assert list(workspace.root.iterdir()) == []


def test_data_at_hand(
    quick: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "mnist.npz").touch()
    cache = tmp_path / "keras" / "datasets"
    for file in [*KERAS_FILES["fashion"], KERAS_FILES["imdb"][0]]:  # imdb is half downloaded
        (cache / file).parent.mkdir(parents=True, exist_ok=True)
        (cache / file).touch()
    _, found = result(capsys, "--data-dir", str(own))
    assert found["data"][0].text == (
        "at hand: digits (scikit-learn), mnist (mnist.npz), fashion (Keras's cache)"
    )
    assert found["data"][1].text == "Keras downloads when first used: imdb"

    monkeypatch.setenv("TUNER_DATA_DIR", str(tmp_path / "nowhere"))
    code, found = result(capsys)
    assert code == 0
    assert found["data"][0].level == "warning"
    assert "is no folder" in found["data"][0].text


@pytest.mark.parametrize(
    ("free", "level"), [(10**8, "problem"), (10**9, "warning"), (10**10, "ok")]
)
def test_room_on_the_disk(
    free: int, level: str, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        def __init__(self, path: Path) -> None:
            self.free = free

    monkeypatch.setattr(checks.shutil, "disk_usage", Usage)
    check = checks.disk_check(workspace)
    assert check.level == level
    assert bool(check.remedy) == (level != "ok")


def test_variables_that_matter_and_those_without_effect(
    quick: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TUNER_USER", "ann")
    monkeypatch.setenv("OPTUNA_STORAGE", "postgresql://login:hush@db/x")
    code, found = result(capsys)
    assert code == 0
    assert "TUNER_USER=ann" in found["environment"][0].text
    assert "OPTUNA_STORAGE has no effect" in found["environment"][1].text
    assert "hush" not in str(found)


@pytest.mark.parametrize(
    ("have", "wanted", "fits"),
    [
        ("3.11.7", ">=3.11,<3.14", True),
        ("3.14.0", ">=3.11,<3.14", False),
        ("3.9.18", ">=3.11,<3.14", False),
        ("3.11.0rc1", ">=3.11", True),
        ("5.0", ">=5.0", True),
        ("5", ">=5.0.0", True),
        ("4.8.0", ">=5.0", False),
        ("2.10.0", ">=2.9", True),
        ("2.21.0+cpu", ">=2.21", True),
        ("1.0", "", True),
        ("1.0", "!=1.0", True),
    ],
)
def test_versions_in_ranges(have: str, wanted: str, fits: bool) -> None:
    assert satisfies(have, wanted) == fits


def test_a_package_that_is_missing_or_too_old_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks_machine.packages_check().level == "ok"
    wanted = ["optuna>=99", "nosuchpackage>=1", "ruff>=1; extra == 'dev'", "click>=8.5"]
    monkeypatch.setattr(checks_machine, "requires", lambda name: wanted)
    check = checks_machine.packages_check()
    assert check.level == "problem"
    assert ">=99" in check.text
    assert "nosuchpackage is missing" in check.text
    assert "ruff" not in check.text
    assert "click" not in check.text


SAID = {"tensorflow": "2.21.0", "keras": "3.15.1", "gpus": [], "cuda": True}
DEVICES: list[tuple[str, str, str, int | None, list[tuple[str, str]], str]] = [
    ("cpu", json.dumps(SAID), "noise", 0, [("tensorflow", "ok")], "on the CPU"),
    (
        "two cards",
        "a banner\n" + json.dumps({**SAID, "gpus": ["H200", "H200"]}),
        "",
        0,
        [("tensorflow", "ok")],
        "on H200 and H200",
    ),
    (
        "missing",
        "",
        "Traceback\nModuleNotFoundError: No module named 'keras'\n",
        1,
        [("tensorflow", "problem")],
        "No module named 'keras'",
    ),
    ("old processor", "", "", -4, [("tensorflow", "problem")], "instructions"),
    ("nothing said", "", "", 0, [("tensorflow", "problem")], "exit status 0"),
    ("too slow", "", "", None, [("tensorflow", "warning")], "not imported in time"),
]


@pytest.mark.parametrize("case", DEVICES, ids=[d[0] for d in DEVICES])
def test_what_the_child_says(
    case: tuple[str, str, str, int | None, list[tuple[str, str]], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, answer, errors, code, expected, words = case
    monkeypatch.setattr(checks_machine, "graphics_cards", list)
    found = list(device_checks(answer, errors, code))
    assert [(c.name, c.level) for c in found] == expected
    assert words in found[0].text


def test_a_card_that_is_not_used_is_a_warning_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho NVIDIA H200\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    _, check = device_checks(json.dumps(SAID), "", 0)
    assert (check.name, check.level, check.text) == ("gpu", "warning", "NVIDIA H200 not used")
    assert "libraries" in check.remedy
    assert "built for the CPU only" in why_no_gpu(False)
    for hidden in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert "unset it" in why_no_gpu(True)
    tool.write_text("#!/bin/sh\necho no driver >&2\nexit 9\n")
    assert len(list(device_checks(json.dumps(SAID), "", 0))) == 1


def test_a_child_that_hangs_is_ended(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "DEVICES_CODE", "import time; time.sleep(600)")
    monkeypatch.setattr(doctor, "TENSORFLOW_SECONDS", 0.5)
    code, found = result(capsys)
    assert code == 0
    assert found["tensorflow"][0].level == "warning"
