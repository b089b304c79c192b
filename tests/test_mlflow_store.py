"""What is read from an MLflow store that many people's sweeps share, and what is taken out."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.cli import run
from tuner.errors import TrackingError
from tuner.text import is_printable, printable
from tuner.tracking import mlflow_store
from tuner.tracking.base import RepeatView, SweepInfo, TrialView
from tuner.tracking.mlflow import MlflowRecorder
from tuner.tracking.mlflow_connection import Connection, local_path, where
from tuner.tracking.mlflow_store import MlflowStore, SweepRun
from tuner.trial import EpochMetrics, Repeat, SplitSpec, TrialRecord

START = 1_790_000_000.0


def view(uid: str, number: int, accuracy: float, **changes: object) -> TrialView:
    epochs = (EpochMetrics(1, accuracy, 1 - accuracy, timestamp=START + number),)
    record = TrialRecord(
        number,
        number,
        f"{uid}:{number}",
        changes.get("state", "complete"),  # type: ignore[arg-type]
        {"units": 64},
        epochs=epochs,
        started=START + number,
        ended=START + number + 1,
    )
    verdict = None if record.state == "failed" else "meets" if accuracy >= 0.9 else "misses"
    return TrialView(record, epochs[0], verdict)  # type: ignore[arg-type]


def sweep(
    folder: Path, uid: str, user: str, dataset: str, accuracies: list[float], close: bool = True
) -> None:
    recorder = MlflowRecorder(folder)
    recorder.open_sweep(
        SweepInfo(
            f"{dataset} of {user}",
            uid,
            dataset,
            user=user,
            targets=("val >= 0.9",),
            definition={"sampler": "tpe"},
        )
    )
    for number, accuracy in reversed(list(enumerate(accuracies))):
        recorder.record(view(uid, number, accuracy))
    if close:
        recorder.close_sweep("finished", {"trials_meeting": 1, "summary": "a sentence"})


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with sweeps of three people, each in an experiment of its own; never changed."""
    folder = tmp_path_factory.mktemp("filled")
    sweep(folder, "uid-ann", "ann", "digits", [0.8, 0.91, 0.7])
    sweep(folder, "uid-bob", "bob", "fashion", [0.95])
    sweep(folder, "uid-eve", "eve's", "digits", [], close=False)
    return folder


@pytest.fixture
def copied(filled: Path, tmp_path: Path) -> Path:
    """The same store to change."""
    folder = tmp_path / "copied"
    shutil.copytree(filled, folder)
    return folder


def summary(found: list[SweepRun]) -> list[tuple[str, str, str, str, list[int]]]:
    return [(s.user, s.study, s.study_uid, s.status, [t.trial for t in s.trials]) for s in found]


def test_the_sweeps_of_all_experiments_come_with_their_trials(filled: Path) -> None:
    found = MlflowStore(filled).sweeps()
    assert sorted(summary(found)) == [
        ("ann", "digits of ann", "uid-ann", "FINISHED", [0, 1, 2]),
        ("bob", "fashion of bob", "uid-bob", "FINISHED", [0]),
        ("eve's", "digits of eve's", "uid-eve", "RUNNING", []),
    ]
    ann = next(s for s in found if s.user == "ann")
    assert ann.dataset == "digits"
    assert ann.metrics == {"trials_meeting": 1.0}
    assert ann.tags["tuner.summary"] == "a sentence"
    assert ann.params["targets"] == "val >= 0.9"
    assert ann.ended is not None
    assert ann.started <= ann.ended
    assert [t.verdict for t in ann.trials] == ["misses", "meets", "misses"]
    assert [t.metrics["chosen_val_accuracy"] for t in ann.trials] == [0.8, 0.91, 0.7]
    assert {t.state for t in ann.trials} == {"complete"}
    assert next(s for s in found if s.status == "RUNNING").ended is None


def test_one_data_set_alone(filled: Path) -> None:
    store = MlflowStore(filled)
    assert [s.user for s in store.sweeps("digits")] == ["ann", "eve's"]
    assert [len(s.trials) for s in store.sweeps("fashion")] == [1]
    assert store.sweeps("mnist") == []
    assert store.sweeps("it's") == []


def test_all_pages_are_read(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = MlflowStore(filled).sweeps()
    monkeypatch.setattr(mlflow_store, "PAGE", 1)
    assert MlflowStore(filled).sweeps() == whole
    assert MlflowStore(filled).count_study("uid-ann") == 4


def test_deleting_takes_a_sweep_and_its_trials_and_nothing_else(copied: Path) -> None:
    store = MlflowStore(copied)
    assert store.count_study("uid-ann") == 4
    assert store.delete_study("uid-ann") == 4
    assert store.delete_study("uid-ann") == 0
    assert store.count_study("uid-ann") == 0
    assert sorted(s.user for s in store.sweeps()) == ["bob", "eve's"]
    assert len(store.deleted()) == 4
    assert store.delete_study("nobody's") == 0


def test_repeats_are_no_trials_and_go_with_their_study(copied: Path) -> None:
    store = MlflowStore(copied)
    before = store.sweeps()
    (bob,) = [s for s in before if s.user == "bob"]
    recorder = MlflowRecorder(copied)
    assert recorder.attach(SweepInfo("fashion of bob", "uid-bob", "fashion")) == bob.run_id
    repeat = Repeat("fresh", 0, 5, SplitSpec(), 1, "complete", started=START, ended=START + 1)
    shown = RepeatView(view("uid-bob", 0, 0.95).record, repeat)
    recorder.record_repeat(shown, bob.trials[0].run_id)
    assert store.sweeps() == before
    assert store.count_study("uid-bob") == 3
    assert store.delete_study("uid-bob") == 3


def test_trials_without_their_sweep_are_left_out(copied: Path) -> None:
    store = MlflowStore(copied)
    (ann,) = [s for s in store.sweeps() if s.user == "ann"]
    connection = Connection(copied)
    client = connection.client()
    client.delete_run(ann.run_id)
    assert sorted(s.user for s in store.sweeps()) == ["bob", "eve's"]
    assert store.delete_study("uid-ann") == 3


def test_a_deleted_experiment_is_left_out(copied: Path) -> None:
    client = Connection(copied).client()
    client.delete_experiment(client.get_experiment_by_name("fashion of bob").experiment_id)
    assert sorted(s.user for s in MlflowStore(copied).sweeps()) == ["ann", "eve's"]


def test_where_there_is_no_store_there_is_nothing_and_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for uri in ("", f"sqlite:///{tmp_path}/other.db"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        store = MlflowStore(tmp_path)
        assert not store.exists
        assert store.sweeps() == []
        assert store.deleted() == []
        assert (store.count_study("x"), store.delete_study("x")) == (0, 0)
        assert store.strayed() is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["sweeps", "deleted", "check"])
def test_a_server_that_is_gone_is_an_error_without_credentials(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://login:hush@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    store = MlflowStore(tmp_path)
    assert store.address == "http://127.0.0.1:9"
    with pytest.raises(TrackingError, match=r"tracking store http://127\.0\.0\.1:9") as caught:
        getattr(store, call)()
    assert "hush" not in str(caught.value)


def test_checking_names_the_schema_and_changes_nothing(filled: Path) -> None:
    database = filled / "mlflow.db"
    before = database.read_bytes()
    with closing(sqlite3.connect(database)) as read:
        (row,) = read.execute("SELECT version_num FROM alembic_version").fetchall()
    assert MlflowStore(filled).check() == f"SQLite, schema {row[0]}"
    assert database.read_bytes() == before


def test_another_schema_is_told_with_the_remedy(copied: Path) -> None:
    with closing(sqlite3.connect(copied / "mlflow.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = 'abc'")
        database.commit()
    with pytest.raises(TrackingError, match=r"schema abc(.|\n)*mlflow db upgrade sqlite:///"):
        MlflowStore(copied).check()


def test_a_file_that_is_no_store_is_told(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 1000)
    with pytest.raises(TrackingError, match="file is not a database"):
        MlflowStore(tmp_path).check()


def test_a_copied_directory_points_to_the_old_one(filled: Path, copied: Path) -> None:
    assert MlflowStore(filled).strayed() is None
    assert MlflowStore(copied).strayed() == str(filled / "mlruns")
    artifacts = (copied / "mlruns").glob("*/*/artifacts/sweep.json")
    assert json.loads(next(iter(artifacts)).read_text()) == {"sampler": "tpe"}


@pytest.mark.parametrize(
    ("uri", "server", "command"),
    [
        ("", False, "mlflow gc --tracking-uri sqlite:///mlflow.db"),
        ("http://login:hush@host", True, "mlflow gc, on the server's machine, with its --backend"),
        ("postgresql://login:hush@host/db", False, 'mlflow gc --backend-store-uri "$MLFLOW_TRACK'),
    ],
)
def test_how_the_bin_is_emptied(
    uri: str, server: bool, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    store = MlflowStore(tmp_path)
    assert store.is_server == server
    assert store.gc_command.startswith(command)
    assert "hush" not in store.gc_command + store.address


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("/srv/mlruns/1", "/srv/mlruns/1"),
        ("file:///srv/mlruns/1", "/srv/mlruns/1"),
        ("file:/srv/ml%20runs", "/srv/ml runs"),
        ("mlflow-artifacts:/1", None),
        ("s3://bucket/1", None),
    ],
)
def test_where_artifacts_are(uri: str, path: str | None) -> None:
    assert local_path(uri) == (None if path is None else Path(path))


@given(st.dictionaries(st.sampled_from(["tuner.study", "tuner.dataset"]), st.text(), min_size=1))
def test_a_filter_holds_each_value_in_quotes_that_it_does_not_contain(tags: dict[str, str]) -> None:
    text = where(tags)
    for key, value in tags.items():
        quote = '"' if "'" in value else "'"
        assert f"tags.`{key}` = {quote}{value}{quote}" in text


# Texts of other people


HOSTILE = "\x1b[2J\x07\x9b31m\x7f\u202eann\n"


def test_nothing_that_a_terminal_obeys_comes_out_of_a_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(tmp_path, "uid", HOSTILE, HOSTILE, [0.95])
    (found,) = MlflowStore(tmp_path).sweeps()
    assert found.user == found.dataset == "�[2J��31m��ann�"
    texts = [*found.tags, *found.tags.values(), *found.params.values(), found.study]
    assert [text for text in texts if printable(text) != text] == []
    monkeypatch.chdir(tmp_path)
    for by in ("user", "study"):
        for form in ("table", "csv"):
            assert run(["compare", "--by", by, "--format", form]) == 0
            out = capsys.readouterr().out
            assert "ann" in out
            assert set(out) & set(HOSTILE) <= set("[2J31mann\n")


@given(st.text())
def test_what_is_printable_stays_as_it_is(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    assert is_printable(shown)
    assert all(a == b or not a.isprintable() for a, b in zip(text, shown, strict=True))


@pytest.mark.parametrize("code", [*range(32), *range(127, 160), *range(0x202A, 0x202F), 0xDCFF])
def test_what_a_terminal_obeys_is_replaced(code: int) -> None:
    assert printable(f"a{chr(code)}b") == "a�b"
    assert not is_printable(chr(code))
