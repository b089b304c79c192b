"""The real command, from end to end: real workers, a real study and MLflow store, real signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import inside
import pytest

pytestmark = pytest.mark.slow

LIGHT = ("--epochs", "3", "--set", "units=[16,32]", "--set", "batch_size=[64]")


def start(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """`tuner …` in `folder`, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "tuner", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **environment},
    )


def tuner(folder: Path, *arguments: str, code: int = 0) -> tuple[str, str]:
    """Run to the end; returns (stdout, stderr) and checks the exit code."""
    with start(folder, *arguments) as process:
        out, err = process.communicate(timeout=280)
    assert process.returncode == code, err
    return out, err


def report(folder: Path, name: str) -> dict[str, Any]:
    out, _ = inside.tuner(folder, "report", name, "--format", "json", "--exit-zero")
    raw: dict[str, Any] = json.loads(out)
    return raw


def figures(folder: Path, name: str) -> list[dict[str, Any]]:
    """What two sweeps must have in common, trial by trial in the order they were asked for."""
    out, _ = inside.tuner(folder, "report", name, "--format", "csv", "--exit-zero")
    import io

    import pandas as pd

    frame = pd.read_csv(io.StringIO(out))
    kept = [c for c in frame if c not in ("trial", "seconds", "run_id")]
    rows: list[dict[str, Any]] = json.loads(frame[kept].to_json(orient="records"))
    return rows


def wait_for(process: subprocess.Popen[str], folder: Path, name: str, finished: int) -> None:
    """Until the study has so many finished trials; the process must still run then."""
    from tuner.search.records import summaries
    from tuner.workspace import Workspace

    while True:
        assert process.poll() is None, process.communicate()[1]
        found = [s for s in summaries(Workspace(folder)) if s.name == name]
        if found and sum(r.state in ("complete", "pruned") for r in found[0].records) >= finished:
            return
        time.sleep(0.2)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """One finished sweep that several tests look at: its folder, its JSON, its stderr."""
    folder = tmp_path_factory.mktemp("swept")
    out, err = tuner(
        folder,
        "sweep",
        "digits",
        "--trials",
        "4",
        *LIGHT,
        "--target",
        "val >= 50% with train <= 100%",
        "--format",
        "json",
    )
    return folder, json.loads(out), err


def test_json_has_the_promised_shape(swept: tuple[Path, dict[str, Any], str]) -> None:
    _, found, _ = swept
    assert found["schema"] == 1
    assert found["trials"] == {
        "requested": 4,
        "complete": 4,
        "pruned": 0,
        "failed": 0,
        "running": 0,
        "waiting": 0,
    }
    assert [t["text"] for t in found["targets"]] == [
        "val_accuracy >= 0.5",
        "train_accuracy <= 1.0",
    ] or len(found["targets"]) == 2
    entries = [*found["meets"], *found["nearest"]]
    assert sorted(e["trial"] for e in entries) == [0, 1, 2, 3]
    assert {e["variant"] for e in entries} == {"baseline", None}
    for entry in entries:
        assert set(entry["metrics"]) == {
            "train_accuracy",
            "val_accuracy",
            "train_loss",
            "val_loss",
            "accuracy_gap",
            "val_balanced_accuracy",
            "val_macro_f1",
            "parameters",
        }
        assert entry["run_id"]


def test_stderr_has_progress_and_no_noise_of_libraries(
    swept: tuple[Path, dict[str, Any], str],
) -> None:
    _, _, err = swept
    lines = err.splitlines()
    assert lines[0].startswith("digits  4 trials to train, ")
    assert sum(line.startswith("digits ") and "/4  trial" in line for line in lines) == 4
    for word in ("tensorflow", "oneDNN", "cuda", "Warning", "mlflow", "alembic"):
        assert word not in err


def test_mlflow_shows_the_same_figures(swept: tuple[Path, dict[str, Any], str]) -> None:
    folder, found, _ = swept
    script = """
import json, mlflow, warnings
runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
print(json.dumps([{"id": r.info.run_id, "status": r.info.status, "tags": r.data.tags,
                   "params": r.data.params, "metrics": r.data.metrics} for r in runs]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True
    )
    runs = {run["id"]: run for run in json.loads(done.stdout.splitlines()[-1])}
    parents = [r for r in runs.values() if r["tags"]["tuner.kind"] == "sweep"]
    assert len(parents) == 1
    assert len(runs) == 5
    for entry in [*found["meets"], *found["nearest"]]:
        run = runs[entry["run_id"]]
        assert run["tags"]["mlflow.parentRunId"] == parents[0]["id"]
        assert run["tags"]["tuner.verdict"] == entry["verdict"]
        assert run["tags"]["tuner.trial"] == str(entry["trial"])
        assert run["status"] == "FINISHED"
        assert run["metrics"]["chosen_epoch"] == entry["epoch"]
        for metric in ("val_accuracy", "train_accuracy", "val_loss", "train_loss"):
            assert run["metrics"][f"chosen_{metric}"] == entry["metrics"][metric]
        assert run["metrics"]["parameters"] == entry["metrics"]["parameters"]
        assert run["metrics"]["duration_seconds"] > 0
        for name, value in entry["params"].items():
            assert run["params"][name] == str(value)


def test_report_repeats_the_result_and_takes_other_targets(
    swept: tuple[Path, dict[str, Any], str],
) -> None:
    folder, found, _ = swept
    assert report(folder, "digits") == found
    out, _ = inside.tuner(
        folder, "report", "digits", "--target", "val > 99.9%", "--format", "json", code=3
    )
    what_if = json.loads(out)
    assert what_if["meets"] == []
    assert what_if["binding_target"] == "val_accuracy > 0.999"
    table, _ = inside.tuner(folder, "report", "digits")
    assert "Next: " in table


def test_the_same_again_trains_nothing_and_add_trains_more(
    swept: tuple[Path, dict[str, Any], str],
) -> None:
    folder, found, _ = swept
    target = ("--target", "val >= 50% with train <= 100%")
    out, err = inside.tuner(
        folder, "sweep", "digits", "--trials", "4", *LIGHT, *target, "--format", "json"
    )
    assert json.loads(out) == found
    assert "digits 5/" not in err
    out, _ = inside.tuner(
        folder, "sweep", "digits", "--add", "1", *LIGHT, *target, "--format", "json"
    )
    more = json.loads(out)
    assert more["trials"]["requested"] == more["trials"]["complete"] + more["trials"]["pruned"] == 5
    out, _ = inside.tuner(folder, "status", "--format", "json")
    assert json.loads(out)["studies"][0]["requested"] == 5


def test_another_definition_under_the_same_name_is_refused(
    swept: tuple[Path, dict[str, Any], str],
) -> None:
    folder, _, _ = swept
    _, err = inside.tuner(folder, "sweep", "digits", "--trials", "4", "--epochs", "9", code=1)
    assert "epochs: 3 → 9" in err
    assert "--name" in err


def test_one_worker_repeats_exactly_also_when_killed_and_resumed(tmp_path: Path) -> None:
    arguments = ("sweep", "digits", "--workers", "1", "--trials", "5", "--exit-zero", *LIGHT)
    folders = [tmp_path / name for name in ("first", "second", "killed")]
    for folder in folders:
        folder.mkdir()
    inside.tuner(folders[0], *arguments)
    tuner(folders[1], *arguments)
    expected = figures(folders[0], "digits")
    assert len(expected) == 5
    assert figures(folders[1], "digits") == expected

    process = start(folders[2], *arguments)
    wait_for(process, folders[2], "digits", finished=3)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    tuner(folders[2], *arguments)
    assert figures(folders[2], "digits") == expected
    assert report(folders[2], "digits")["trials"]["complete"] == 5


def test_two_processes_share_one_study_exactly(tmp_path: Path) -> None:
    arguments = ("sweep", "digits", "--trials", "9", "--workers", "1", "--exit-zero", *LIGHT)
    both = [start(tmp_path, *arguments) for _ in range(2)]
    for process in both:
        _, err = process.communicate(timeout=280)
        assert process.returncode == 0, err
    counts = report(tmp_path, "digits")["trials"]
    assert counts["complete"] + counts["pruned"] + counts["failed"] == counts["requested"] == 9


def test_sigterm_hands_back_and_the_next_run_goes_on(tmp_path: Path) -> None:
    arguments = ("sweep", "digits", "--trials", "4", "--workers", "2", "--exit-zero")
    longer = ("--epochs", "400", "--pruner", "none")
    process = start(tmp_path, *arguments, *longer)
    wait_for_start(process, tmp_path)
    process.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    _, err = process.communicate(timeout=60)
    waited = time.monotonic() - begun
    assert process.returncode == 143, err
    assert waited < 30  # five seconds on an idle machine; this one may be busy
    counts = report(tmp_path, "digits")["trials"]
    assert counts["running"] == 0
    assert counts["waiting"] >= 1
    assert counts["failed"] == 0


def wait_for_start(process: subprocess.Popen[str], folder: Path) -> None:
    """Until a trial runs."""
    from tuner.search.records import summaries
    from tuner.workspace import Workspace

    while True:
        assert process.poll() is None, process.communicate()[1]
        records = [r for s in summaries(Workspace(folder)) for r in s.records]
        if any(r.state == "running" and r.spec for r in records):
            return
        time.sleep(0.2)


@pytest.mark.parametrize("store", ["refuses", "hangs"])
def test_sigterm_does_not_wait_for_a_store_that_is_gone(tmp_path: Path, store: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        if store == "hangs":
            listener.listen(50)  # takes every call and answers none
        else:
            listener.close()
        arguments = ("sweep", "digits", "--trials", "4", "--workers", "2", "--exit-zero")
        longer = ("--epochs", "20000", "--pruner", "none")
        process = start(
            tmp_path, *arguments, *longer, MLFLOW_TRACKING_URI=f"http://127.0.0.1:{port}"
        )
        wait_for_start(process, tmp_path)
        process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        _, err = process.communicate(timeout=60)
        waited = time.monotonic() - begun
    assert process.returncode == 143, err
    assert waited < 30  # two to three seconds on an idle machine; MLflow itself waits a minute
    assert "Traceback" not in err
    counts = report(tmp_path, "digits")["trials"]
    assert counts["running"] == counts["failed"] == 0
    assert counts["waiting"] >= 1


def test_mlflow_shows_a_trial_while_it_runs_and_no_run_stays_open(tmp_path: Path) -> None:
    longer = ("--workers", "1", "--epochs", "200000", "--pruner", "none")
    process = start(tmp_path, "sweep", "digits", *longer)
    try:
        wait_for_start(process, tmp_path)
        while not any("val_accuracy" in run.data.metrics for run in trial_runs(tmp_path)):
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.5)
    finally:
        process.kill()  # nothing can be tidied up
        process.communicate(timeout=60)
    (first,) = trial_runs(tmp_path)
    assert first.info.status == "RUNNING"
    assert first.data.tags["tuner.state"] == "running"
    tuner(tmp_path, "sweep", "digits", *longer, "--exit-zero", "--timeout", "12s")
    found = trial_runs(tmp_path)
    assert {(run.info.status, run.data.tags["tuner.state"]) for run in found} == {
        ("KILLED", "given up")
    }
    (dead,) = (run for run in found if run.info.run_id == first.info.run_id)
    assert dead.data.tags["tuner.reason"] == "the process that trained it is gone"


def trial_runs(folder: Path) -> list[Any]:
    """The runs of trials in the store of `folder`, if there is one yet."""
    from tuner.tracking.mlflow_connection import Connection

    connection = Connection(folder)
    if connection.file is None or not connection.file.exists():
        return []
    with connection.locked():
        client = connection.client()
    experiments = [e.experiment_id for e in client.search_experiments()]
    return list(client.search_runs(experiments, "tags.`tuner.kind` = 'trial'"))


def test_ctrl_c_lets_running_trials_finish(tmp_path: Path) -> None:
    process = start(tmp_path, "sweep", "digits", "--trials", "50", "--workers", "1", *LIGHT)
    wait_for_start(process, tmp_path)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to the workers too
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "Ctrl-C again" in err
    assert "Next: tuner sweep digits" in out
    counts = report(tmp_path, "digits")["trials"]
    assert counts["complete"] >= 1
    assert counts["running"] == counts["waiting"] == counts["failed"] == 0


def test_timeout_reports_what_there_is(tmp_path: Path) -> None:
    out, _ = tuner(
        tmp_path,
        "sweep",
        "digits",
        "--epochs",
        "5000",
        "--pruner",
        "none",
        "--timeout",
        "20s",
        "--format",
        "json",
        code=3,
    )
    counts = json.loads(out)["trials"]
    assert counts["running"] == 0
    assert counts["waiting"] >= 1


def test_a_grid_ends_early_and_several_names_make_one_table(tmp_path: Path) -> None:
    (tmp_path / "sweeps").mkdir()
    text = """
dataset: digits
epochs: 2
trials: 9
sampler: grid
targets: [val_accuracy >= 0.1]
space:
  units: {values: [8, 16]}
"""
    for name in ("one", "two"):
        (tmp_path / "sweeps" / f"{name}.yaml").write_text(text)
    out, err = inside.tuner(tmp_path, "sweep", "one", "two")
    assert "one ends with 2 trials" in err
    assert [out.count(f"Next: tuner confirm {name}") for name in ("one", "two")] == [1, 1]
    for name in ("one", "two"):
        assert report(tmp_path, name)["trials"]["complete"] == 2


def test_an_outage_of_mlflow_costs_no_trial(tmp_path: Path) -> None:
    arguments = ("sweep", "digits", "--trials", "2", "--exit-zero", *LIGHT)
    process = subprocess.run(
        [sys.executable, "-m", "tuner", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "MLFLOW_TRACKING_URI": "http://user:secret@127.0.0.1:9",
        },
    )
    assert process.returncode == 0, process.stderr
    assert "2 trials are not in MLflow yet" in process.stderr
    assert "secret" not in process.stderr
    assert all(e["run_id"] is None for e in report(tmp_path, "digits")["nearest"])
    tuner(tmp_path, *arguments)
    found = report(tmp_path, "digits")
    assert all(e["run_id"] for e in [*found["meets"], *found["nearest"]])
