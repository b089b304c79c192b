"""`tuner export`: models that count as recorded, their cards, and the registry."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inside import errand, tuner
from studies import BETTER, FAR, GOOD, NEAR, Told, make

from tuner.cli import run
from tuner.commands.report import find_studies, outcome_of
from tuner.data.builtin import load_digits
from tuner.data.splits import split
from tuner.exported import ExportedModel, card_of, read_description, sidecar_of, vocabulary_of
from tuner.report.model_card import CardFacts, escaped, model_card
from tuner.report.selection import Outcome
from tuner.scores import TestScore
from tuner.trial import EpochMetrics, Repeat, SplitSpec
from tuner.workspace import Workspace

DEFINITION = """\
dataset: digits
epochs: 4
trials: 3
targets:
  - val_accuracy >= 0.5
  - train_accuracy < 0.9999
space:
  units: {values: [48, 64]}
  learning_rate: {min: 3.0e-3, max: 1.0e-2, log: true}
fixed: {batch_size: 32, depth: 2}
variants:
  baseline: {learning_rate: 1.0e-7}
"""


# --- the card ---------------------------------------------------------------------------------


def judged(folder: Path, *trials: Told) -> Outcome:
    make(folder, "s", *trials)
    (summary,) = find_studies(Workspace(folder), ["s"])
    return outcome_of(summary)


def card_facts(outcome: Outcome, trial: int, **changes: Any) -> CardFacts:
    entry = next(e for e in outcome.entries if e.trial == trial)
    described = ExportedModel(
        study=outcome.study,
        trial=trial,
        variant=None,
        dataset="digits",
        kind="image",
        class_names=("a|b", "<b>", "*c*"),
        input_shape=(8, 8),
        dtype="|u1",
        scale=16.0,
        fingerprint="f00d",
        epoch=2,
        metrics={},
        sha256="",
    )
    known = {
        "outcome": outcome,
        "entry": entry,
        "model": described,
        "file": "m.keras",
        "description": "small digits",
        "source": "scikit-learn",
        "split": SplitSpec(),
        "rows": {"train": 1149, "validation": 288, "test": 360},
        "weights": 8970,
        "check": "Loaded again.",
        "retrained": False,
        "versions": {"keras": "3"},
    }
    return CardFacts(**{**known, **changes})


def test_a_card_says_how_far_it_can_be_trusted(tmp_path: Path) -> None:
    outcome = judged(tmp_path, BETTER, NEAR, FAR)
    card = model_card(card_facts(outcome, 0))
    assert "# s, trial 0" in card
    assert "8,970 weights" in card
    assert "| validation rows | 288 | 0.930 |" in card
    assert "`val_accuracy >= 0.9` | 0.930 | met by 0.030" in card
    assert "Not confirmed on fresh seeds: one of 3 trials" in card
    assert "only if training is stopped at epoch 2" in card
    assert "360 test rows, which nothing has read." in card
    assert "a\\|b, \\<b\\>, \\*c\\*" in card
    assert "(n, 8, 8) and the type uint8" in card
    assert "trained again" not in card
    assert "trained again" in model_card(card_facts(outcome, 0, retrained=True))
    assert "It misses what was asked for" in model_card(card_facts(outcome, 1))
    on_test = model_card(card_facts(outcome, 0, split=SplitSpec("test")))
    assert "test rows, used as validation" in on_test
    assert "nothing has read" not in on_test


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("mlp", "A multilayer perceptron with 8,970 weights"),
        ("cnn", "A convolutional network with 8,970 weights"),
        ("nets:build_it", "The model `nets:build_it` with 8,970 weights"),
    ],
)
def test_a_card_says_what_was_trained(model: str, said: str, tmp_path: Path) -> None:
    outcome = judged(tmp_path, BETTER)
    (entry,) = outcome.entries
    record = replace(entry.record, spec={**entry.record.spec, "model": model})
    card = model_card(card_facts(outcome, 0, entry=replace(entry, record=record)))
    assert said in card


def test_a_card_shows_the_proof_and_the_test_score(tmp_path: Path) -> None:
    from tuner.report.selection import select
    from tuner.targets import parse_targets

    outcome = judged(tmp_path, BETTER, NEAR)
    first, second = (entry.record for entry in outcome.entries)
    repeats = tuple(
        Repeat(
            "fresh",
            index,
            seed=index,
            split=SplitSpec(seed=index),
            epoch=2,
            status="complete",
            epochs=(EpochMetrics(2, 0.93 + index / 1000, 0.2, 0.94 + index / 10_000, 0.1),),
        )
        for index in range(3)
    )
    proven = replace(first, repeats=repeats, test=TestScore(0.9212, 0.31, 360, looked_at=2))
    targets = parse_targets("val_accuracy >= 0.9 and train_accuracy < 0.95")
    found = select("s", "digits", [proven, second], targets, "best", 2)
    card = model_card(card_facts(found, 0))
    assert "**confirmed** on fresh seeds" in card
    assert "3 of 3 seeds meet it" in card
    assert "| test rows | 360 | 0.9212 | 0.3100 |" in card
    assert "read once, after it was confirmed" in card
    assert "Not confirmed" not in card


@given(st.text(max_size=40))
def test_what_is_escaped_is_text(text: str) -> None:
    shown = escaped(text)
    assert "\n" not in shown
    bare = shown.replace("\\\\", "")
    for sign in "`*[]<>#|!&":
        assert bare.count(sign) == bare.count(f"\\{sign}")


# --- what lies beside a model -----------------------------------------------------------------


def test_a_description_comes_back_as_it_was(tmp_path: Path) -> None:
    described = card_facts(judged(tmp_path, GOOD), 0).model
    full = replace(described, metrics={"val_accuracy": 0.9, "val_loss": None}, edge=0.25)
    file = tmp_path / "m.json"
    file.write_text(json.dumps(full.to_json()), encoding="utf-8")
    assert read_description(file) == full
    model = Path("a.b/m.keras")
    assert {sidecar_of(model).name, card_of(model).name, vocabulary_of(model).name} == {
        "m.json",
        "m.md",
        "m.vocabulary.json",
    }


# --- refusals that need no model --------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["s", "--alias", "x"], 2, "give --register, too"),
        (["s", "--out", "m.h5"], 2, "must end in .keras"),
        (["s", "--code", "m.txt"], 2, "must end in .py"),
        (["s", "--out", "no/m.keras"], 2, "there is no folder no"),
        (["s", "--register", "a/b"], 2, "has no / or :"),
        (["s", "--register", ""], 2, "is not empty"),
        (["s", "--register", "a", "--alias", "v3"], 2, "neither latest nor a version"),
        (["s", "--register", "a", "--alias", "lAtest"], 2, "neither latest"),
        (["s", "--trial", "9"], 1, "s has no trial 9"),
        (["s", "--trial", "1"], 1, "trial 1 of s is waiting and has no figures"),
        (["t"], 1, "no study is called t"),
        (["s", "--out", "README.keras"], 2, "README.md is there already"),
        (["s", "--out", "mine.keras"], 2, "mine.keras is there already"),
        (["s", "--out", "words.keras"], 2, "words.vocabulary.json is there already"),
        (["s", "--code", "train.py"], 2, "train.py is there already"),
        (["s", "--code", "binary.py"], 2, "binary.py is there already"),
    ],
)
def test_what_cannot_be_exported_is_said(
    words: list[str], code: int, said: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(here, "s", GOOD, Told([(0.5, 0.5)], "failed", "no such layer"))
    (here / "README.md").write_text("mine", encoding="utf-8")
    for name in ("mine.keras", "words.vocabulary.json", "binary.py"):
        (here / name).write_bytes(b"\xffmine")
    (here / "train.py").write_text("import keras\n", encoding="utf-8")
    before = {path: path.read_bytes() for path in here.iterdir() if path.is_file()}
    assert run(["export", *words]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert len(err.splitlines()) <= 3
    assert "bug" not in err
    mine = ("README.md", "mine.keras", "words.vocabulary.json", "binary.py", "train.py")
    assert {here / name for name in mine} <= set(before)
    assert all((here / name).read_bytes() == before[here / name] for name in mine)
    assert sorted(here.rglob("*.keras")) == [here / "mine.keras"]


# --- real models ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a small study of digits."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "s.yaml").write_text(DEFINITION, encoding="utf-8")
    tuner(folder, "sweep", "s.yaml", "--workers", "1", "-q")
    return folder


@pytest.fixture
def study(trained: Path, tmp_path: Path) -> Path:
    """A copy of it, with a store of its own for what a test registers."""
    folder = tmp_path / "study"
    shutil.copytree(trained, folder, ignore=shutil.ignore_patterns("mlflow.db", "mlruns", "*.lock"))
    return folder


def export(folder: Path, *words: str, code: int = 0) -> tuple[dict[str, Any], str]:
    out, err = tuner(folder, "export", "s", "--format", "json", *words, code=code)
    return (json.loads(out) if out else {}), err


def python(folder: Path, text: str) -> str:
    """What a fresh Python prints that knows nothing of tuner."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", text],
        cwd=folder,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def held_out() -> tuple[Any, Any]:
    data = load_digits()
    _, rows = split(data.y_train, SplitSpec())
    return data.x_train[rows], data.y_train[rows]


LOADED = """
import json, keras, numpy as np
data = np.load("rows.npz")
model = keras.models.load_model("{file}")
answers = model.predict(data["x"], verbose=0)
print(json.dumps(int((answers.argmax(axis=1) == data["y"]).sum())))
"""


@pytest.mark.slow
def test_a_model_that_is_loaded_again_counts_as_recorded(study: Path) -> None:
    found, err = export(study, "--code", "w.py", "--out", "w.keras")
    assert "Writing the model" in err
    assert found["verdict"] == "meets"
    check = found["model"]["check"]
    assert check["same"] is True
    x, y = held_out()
    np.savez(study / "rows.npz", x=x, y=y)
    assert int(python(study, LOADED.format(file="w.keras"))) == check["hits"]
    assert check["hits"] / check["rows"] == found["metrics"]["val_accuracy"]
    assert check["rows"] == len(y)
    described = read_description(study / "w.json")
    assert described.class_names == tuple("0123456789")
    assert (described.epoch, described.metrics) == (found["epoch"], found["metrics"])
    assert 0.0 < (described.edge or 0.0) < 0.5
    card = (study / "w.md").read_text(encoding="utf-8")
    assert "exactly as recorded" in card
    assert str(study) not in card
    assert not [p for p in study.iterdir() if p.name.startswith(".w")]
    assert found["code"] == "w.py"


@pytest.mark.slow
def test_the_script_reproduces_the_trial(study: Path) -> None:
    found, _ = export(study, "--code", "w.py")
    assert found["model"] is None
    assert not list(study.glob("*.keras"))
    (study / "elsewhere").mkdir()
    shutil.move(study / "w.py", study / "elsewhere" / "w.py")
    text = (study / "elsewhere" / "w.py").read_text(encoding="utf-8")
    assert "tuner" not in text
    printed = python(study / "elsewhere", text)
    lines = dict(line.rsplit(" ", 1) for line in printed.splitlines() if " accuracy 0." in line)
    # 288 rows and few epochs: one seed differs from another by a point or two.
    for name in ("validation", "training"):
        recorded = found["metrics"]["val_accuracy" if name == "validation" else "train_accuracy"]
        assert float(lines[f"{name} accuracy"]) == pytest.approx(recorded, abs=0.06)


@pytest.mark.slow
def test_weights_that_are_gone_are_trained_again(study: Path) -> None:
    for file in (study / ".tuner" / "weights").rglob("*.npz"):
        file.unlink()
    found, err = export(study)
    assert "training it again from its record" in err
    assert found["model"]["retrained"] is True
    assert found["model"]["check"]["same"] is True  # the same machine
    name = found["model"]["file"]
    assert name == f"s-trial-{found['trial']}.keras"
    assert "had not been kept" in (study / name).with_suffix(".md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_weights_of_another_trial_are_refused(study: Path) -> None:
    _, err = export(study, "--trial", "baseline")
    assert "Trial 0 (baseline) misses val_accuracy >= 0.5" in err
    files = {int(p.stem.split("-")[1]): p for p in (study / ".tuner" / "weights").rglob("*.npz")}
    with np.load(files[0]) as kept:
        shifted = [kept[name] + 0.05 * (kept[name].ndim == 2) for name in kept.files]
    shifted[-1] = shifted[-1] + np.arange(10, dtype=np.float32) * 10
    np.savez(files[0], *shifted)
    before = {p.name: p.read_bytes() for p in study.glob("s-trial-*")}
    _, err = export(study, "--trial", "0", code=1)
    assert "they are not its own, and nothing was exported" in err
    assert f"Delete {files[0]}" in err
    assert {p.name: p.read_bytes() for p in study.glob("s-trial-*")} == before
    assert not [p for p in study.iterdir() if p.name.startswith(".s-trial")]
    files[0].write_bytes(b"not weights")
    _, err = export(study, "--trial", "0", code=1)
    assert "cannot be used" in err


REGISTER = "tuner.tracking.registry:register"
ASKED = """
import json, warnings
warnings.simplefilter("ignore")
import keras, mlflow, numpy as np
x = np.load("FOLDER/rows.npz")["x"]
client = mlflow.MlflowClient()
version = client.get_model_version_by_alias("dig its", "champion")
pyfunc = mlflow.pyfunc.load_model("models:/dig its@champion")
run = client.get_run(version.run_id)
again = mlflow.keras.load_model("models:/dig its@champion").predict(x, verbose=0)
mine = keras.models.load_model("FOLDER/m.keras").predict(x, verbose=0)
print(json.dumps({
    "version": version.version,
    "same": [bool((found == mine).all()) for found in (pyfunc.predict(x), again)],
    "inputs": pyfunc.metadata.signature.inputs.to_dict(),
    "needs": open(mlflow.artifacts.download_artifacts(
        "models:/dig its@champion/requirements.txt")).read().split(),
    "example": bool(pyfunc.metadata.saved_input_example_info),
    "run": [run.info.status, run.info.end_time, run.data.tags["tuner.trial"]],
    "points": len(client.get_metric_history(run.info.run_id, "val_accuracy")),
    "card": version.description,
}))
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The ``noload`` loader")
def test_a_registered_model_is_loaded_by_its_alias(trained: Path, tmp_path: Path) -> None:
    import mlflow

    model = tmp_path / "m.keras"
    found, _ = export(trained, "--out", str(model), "--register", "dig its")
    registered = found["registered"]
    assert (registered["version"], registered["alias"]) == (1, "champion")
    assert registered["run_id"] == found["run_id"]
    client = mlflow.MlflowClient(f"sqlite:///{trained}/mlflow.db")
    run_before = client.get_run(found["run_id"]).info
    (summary,) = find_studies(Workspace(trained), ["s"])
    asked = {
        "folder": str(trained),
        "model": str(model),
        "card": card_of(model).read_text(encoding="utf-8"),
        "name": "dig its",
        "alias": "champion",
        "data": str(next((trained / ".tuner" / "data").glob("847d*"))),
        "run_id": found["run_id"],
        "study_uid": summary.records[0].attempt.split(":")[0],
    }
    assert errand(REGISTER, asked, tmp_path)["version"] == 2
    x, _ = held_out()
    np.savez(tmp_path / "rows.npz", x=x)
    text = ASKED.replace("FOLDER", str(tmp_path))
    seen = json.loads(python(trained, text).splitlines()[-1])
    assert str(seen["version"]) == "2"
    assert seen["same"] == [True, True]
    (tensor,) = seen["inputs"]
    assert tensor["tensor-spec"] == {"dtype": "uint8", "shape": [-1, 8, 8]}
    needed = [line.partition("==")[0] for line in seen["needs"]]
    assert needed == ["keras", "tensorflow", "numpy", "mlflow"]
    assert all("==" in line for line in seen["needs"])
    assert seen["example"] is True
    assert seen["run"] == ["FINISHED", run_before.end_time, str(found["trial"])]
    assert seen["points"] == 4
    assert seen["card"].startswith("# s, trial ")

    # Where the trial has no run, the sweep's takes it.
    to_sweep = errand(REGISTER, {**asked, "run_id": None, "alias": "other"}, tmp_path)
    tags = client.get_run(to_sweep["run_id"]).data.tags
    assert (tags["tuner.kind"], to_sweep["version"]) == ("sweep", 3)
    assert client.get_model_version_by_alias("dig its", "champion").version == seen["version"]

    # A copy of the directory keeps to itself, though its runs name the folder they came from.
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    before = sorted(p for p in trained.rglob("*") if p.is_file())
    in_copy = errand(REGISTER, {**asked, "folder": str(copy)}, tmp_path)
    assert in_copy["run_id"] not in (found["run_id"], to_sweep["run_id"])
    assert sorted(p for p in trained.rglob("*") if p.is_file()) == before
    assert len(list((copy / "mlruns").rglob("tuner.json"))) == 3 + 1


@pytest.mark.slow
def test_real_clothes(data_dir: Path, tmp_path: Path) -> None:
    """Fashion-MNIST itself: an epoch of a small network, exported, and its script."""
    text = DEFINITION.replace("digits", "fashion").replace("epochs: 4", "epochs: 1")
    small = text.replace("batch_size: 32, depth: 2", "batch_size: 256")
    (tmp_path / "s.yaml").write_text(small.replace("trials: 3", "trials: 2"), encoding="utf-8")
    tuner(tmp_path, "sweep", "s.yaml", "--workers", "1", "-q", "--data-dir", str(data_dir))
    found, _ = export(tmp_path, "--code", "w.py", "--out", "w.keras")
    assert found["model"]["check"]["same"] is True
    assert found["model"]["check"]["rows"] == 12_000
    printed = python(tmp_path, (tmp_path / "w.py").read_text(encoding="utf-8"))
    assert float(printed.split()[-1]) == pytest.approx(found["metrics"]["val_accuracy"], abs=0.03)
