"""`import tuner`: what its keywords mean, and what is refused; nothing here is trained."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stubs import environment
from studies import BETTER, FAR, GOOD, NEAR, make

import tuner
from tuner.api import memory
from tuner.api.keys import plain, target_texts
from tuner.api.words import spoken
from tuner.cli import run
from tuner.commands.output import notes_console
from tuner.errors import DataError, DefinitionError, StudyError, TargetError, UsageError
from tuner.executors.unseen import main_unseen
from tuner.targets import METRICS
from tuner.workspace import Workspace

SPACE = {"units": [16, 32]}
TARGET = "val >= 90% with train < 99%"


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# The names


def test_importing_the_package_costs_nothing() -> None:
    code = (
        "import sys; before = set(sys.modules); import tuner; "
        "print(sorted({m.split('.')[0] for m in set(sys.modules) - before} - "
        "set(sys.stdlib_module_names)), [m for m in sys.modules if m.startswith('tuner.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout == "['tuner'] []\n"


def test_a_sweep_can_be_made_without_what_is_slow() -> None:
    code = (
        "import sys, tuner; tuner.Sweep('digits', trials=3); "
        "print([m for m in ('optuna', 'pandas', 'numpy', 'keras', 'mlflow') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_the_names_are_there_and_no_others() -> None:
    assert {name: getattr(tuner, name).__name__ for name in tuner.__all__ if name[0] != "_"} == {
        name: name for name in tuner._HOMES
    }
    assert set(tuner.__all__) <= set(dir(tuner))
    with pytest.raises(AttributeError, match="no attribute 'Sweeep'"):
        tuner.Sweeep  # noqa: B018
    assert (Path(tuner.__file__).parent / "py.typed").exists()


# Keywords


def keys_of(sweep: tuner.Sweep) -> dict[str, Any]:
    """A sweep that was made here, as the keys of its file."""
    assert sweep._definition is not None
    return sweep._definition.to_json()


def test_keywords_are_the_keys_of_a_sweep_file() -> None:
    made = tuner.Sweep(
        dataset="digits",
        targets=[tuner.Target.of("val_accuracy", ">=", 0.9), "train < 99%"],
        space={
            "units": np.array([16, 32]),
            "l2": {"min": 1e-6, "max": np.float64(0.1), "log": True},
        },
        fixed={"batch_size": np.int64(64)},
        variants={"plain": {"l2": 0}},
        trials=7,
        epochs=3,
        seed=5,
        sampler="random",
        validation=0.25,
        early_stopping={"monitor": "val_loss", "patience": 2},
        name="mine",
    )
    found = keys_of(made)
    assert found["targets"] == ["val_accuracy >= 0.9", "train_accuracy < 0.99"]
    assert found["space"]["units"] == {"values": [16, 32]}
    assert found["space"]["l2"] == {"min": 1e-6, "max": 0.1, "log": True}
    assert found["fixed"]["batch_size"] == 64
    assert list(found["variants"]) == ["plain"]
    assert [found[k] for k in ("trials", "epochs", "seed", "sampler", "validation")] == [
        7,
        3,
        5,
        "random",
        0.25,
    ]
    assert found["early_stopping"] == {"monitor": "val_loss", "patience": 2}


@pytest.mark.parametrize(
    ("keywords", "name"),
    [
        ({"dataset": "digits"}, "digits"),
        ({"dataset": "data/flowers.csv"}, "flowers"),
        ({"dataset": Path("data") / "flowers.parquet"}, "flowers"),
        ({"dataset": (np.zeros((4, 2)), [0, 1, 0, 1])}, "arrays"),
        ({"dataset": pd.DataFrame({"a": [1], "label": [0]})}, "table"),
        ({"dataset": "digits", "name": "mine"}, "mine"),
    ],
)
def test_the_study_is_called_by_its_data_unless_it_is_named(
    keywords: dict[str, Any], name: str
) -> None:
    made = tuner.Sweep(targets=TARGET, space=SPACE, **keywords)
    assert made._definition is not None
    assert made._definition.name == name


def test_a_named_sweep_takes_the_options_of_the_command_line() -> None:
    made = tuner.Sweep(
        "digits",
        set={"units": [16, 32], "l2": "1e-5..1e-2:log", "dropout": {"min": 0, "max": 0.5}},
        fix={"optimizer": "adam", "activation": "relu"},
        targets=TARGET,
        trials=np.int64(4),
        seed=0,
    )
    asked = made._overrides
    assert asked.sets == (
        "units=[16, 32]",
        "l2=1e-5..1e-2:log",
        'dropout={"min": 0, "max": 0.5}',
    )
    assert asked.fixes == ('optimizer="adam"', 'activation="relu"')
    assert (asked.trials, asked.seed, asked.targets) == (4, 0, (TARGET,))
    assert type(asked.trials) is int


OWN = {"dataset": "digits", "targets": TARGET, "space": SPACE}
X, Y = np.zeros((6, 4)), np.array([0, 1, 0, 1, 0, 1])


class Unimportable:
    """Defined where it can be imported; an instance cannot."""


@pytest.mark.parametrize(
    ("positional", "keywords", "kind", "said"),
    [
        ((), {}, UsageError, "which sweep? Known are "),
        (("digitz",), {}, UsageError, "no sweep is called 'digitz' (did you mean digits?)"),
        (("own.yaml",), {}, UsageError, "own.yaml: no such file"),
        (((X, Y),), {}, UsageError, "sweep is of type tuple: give a name or a path; data is"),
        (("digits",), {"dataset": "digits"}, UsageError, "a named one has its own: give one."),
        (("digits",), {"space": SPACE}, UsageError, "space: a named sweep has its own; it is"),
        (("digits",), {"validation": 0.1}, UsageError, "validation: a named sweep has its own"),
        ((), {**OWN, "set": SPACE}, UsageError, "set: for a named sweep only; this one has"),
        ((), {**OWN, "fix": {"l2": 0}}, UsageError, "fix: for a named sweep only"),
        (("digits",), {"trials": 0}, DefinitionError, "trials 0: must be a whole number from 1"),
        (("digits",), {"trials": 2.5}, DefinitionError, "trials 2.5: must be a whole number"),
        (("digits",), {"set": {"unitz": [1]}}, DefinitionError, "unknown parameter (did you mean"),
        (("digits",), {"set": [16]}, UsageError, "set: write a mapping such as"),
        (("digits",), {"set": {"units": (16, 32)}}, UsageError, "set.units is a tuple: write a"),
        (("digits",), {"fix": "adam"}, UsageError, "fix: write a mapping from parameters"),
        (("digits",), {"targets": "val >="}, DefinitionError, "a number is missing after '>='"),
        (("digits",), {"targets": 0.9}, UsageError, 'targets: write a text such as "val >= 95%'),
        ((), {"dataset": "digits", "space": SPACE}, DefinitionError, "targets: is missing; give a"),
        ((), {**OWN, "trails": 3}, DefinitionError, "trails: unknown key (did you mean trials?)"),
        ((), {**OWN, "epochs": 0}, DefinitionError, "epochs: must be a whole number from 1"),
        ((), {**OWN, "space": {"units": (16, 32)}}, UsageError, "space.units is a tuple: write"),
        ((), {**OWN, "space": {"l2": {"min": 1}}}, DefinitionError, "space.l2: has no max"),
        ((), {**OWN, "space": "units"}, UsageError, "space: write a mapping such as"),
        ((), {**OWN, "fixed": {"l2": {1, 2}}}, UsageError, "fixed.l2 is of type set, which no"),
        ((), {**OWN, "model": lambda hp: hp}, UsageError, "is made inside a function, and cannot"),
        ((), {**OWN, "model": Unimportable()}, UsageError, "has no name to import it by"),
        ((), {**OWN, "dataset": (X,)}, UsageError, "dataset is a tuple of 1: give (x, y) or"),
        ((), {**OWN, "dataset": (X, Y[:5])}, DataError, "x has 6 rows and y has 5."),
        ((), {**OWN, "dataset": (X, Y, X, Y[:2])}, DataError, "x_test has 6 rows and y_test has 2"),
        ((), {**OWN, "dataset": ([[1], [1, 2]], [0, 1])}, DataError, "x is no array: its rows"),
        ((), {**OWN, "dataset": ([{}, {}], [0, 1])}, DataError, "x is an array of object, and has"),
    ],
)
def test_mistakes_are_said_before_anything_runs(
    tmp_path: Path,
    positional: tuple[Any, ...],
    keywords: dict[str, Any],
    kind: type[tuner.TunerError],
    said: str,
) -> None:
    with pytest.raises(kind) as caught:
        tuner.Sweep(*positional, **keywords)
    assert said in str(caught.value)
    assert "line 1" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_a_script_is_refused_and_one_of_a_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec("def build(hp): ...", namespace)  # noqa: S102
    with pytest.raises(UsageError, match="Put it into a file such as models") as caught:
        tuner.Sweep(**OWN, model=namespace["build"])
    assert 'model="models:build"' in str(caught.value)
    from tuner.api.keys import model_name

    (tmp_path / "nets_of_a_test.py").write_text("def build(hp): ...\nclass Net: ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import nets_of_a_test  # type: ignore[import-not-found]

    assert model_name(nets_of_a_test.build) == "nets_of_a_test:build"
    assert model_name(nets_of_a_test.Net) == "nets_of_a_test:Net"
    assert model_name("mlp") == "mlp"


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"workers": 0}, "workers=0: write a whole number from 1 on"),
        ({"workers": True}, "workers=True: write a whole number"),
        ({"add": -1}, "add=-1: write a whole number"),
        ({"timeout": 0}, "timeout=0: write seconds above 0"),
        ({"add": 3}, "trials is the study's total and add asks for more: give one of them."),
        ({"until_met": 1, "until_confirmed": 1}, "until_confirmed includes until_met"),
    ],
)
def test_what_cannot_be_run_is_refused(tmp_path: Path, keywords: dict[str, Any], said: str) -> None:
    sweep = tuner.Sweep("digits", trials=3)
    with pytest.raises(UsageError) as caught:
        sweep.run(**keywords)
    assert said in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("Give the new one a name of its own: --name digits-2", 'its own: name="digits-2"'),
        ("give one by --name.", "give one by name."),
        ("Leave --until-confirmed away", "Leave until_confirmed away"),
        ("--set units=[1]: no", "set units=[1]: no"),
        ("l2 -- or not", "l2 -- or not"),
        ("a well-known word", "a well-known word"),
    ],
)
def test_options_are_keywords_here(text: str, meant: str) -> None:
    assert meant in spoken(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(json_values)
def test_what_is_plain_stays_as_it_is(value: Any) -> None:
    assert plain(value, "x") == value
    json.dumps(plain(value, "x"))


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (np.float32(0.5), 0.5),
        (np.arange(3), [0, 1, 2]),
        (range(2), [0, 1]),
        ((1, (2, 3)), [1, [2, 3]]),
        (Path("a") / "b", "a/b"),
        ({1: np.bool_(True)}, {"1": True}),
    ],
)
def test_what_is_not_plain_becomes_it(value: Any, meant: Any) -> None:
    found = plain(value, "x")
    assert found == meant
    assert type(found) is type(meant)


def test_targets_are_texts_or_targets() -> None:
    limit = tuner.Target.of("val_loss", "<", 0.5)
    assert target_texts("val > 0.9 and train < 1") == ["val > 0.9 and train < 1"]
    assert target_texts(limit) == [limit.text]
    assert target_texts(["val > 0.9", limit]) == ["val > 0.9", "val_loss < 0.5"]


def test_a_sweep_says_what_it_is_without_its_data() -> None:
    assert repr(tuner.Sweep("digits", trials=3)) == "Sweep(sweep='digits', trials=3)"
    made = tuner.Sweep(dataset=(X, Y), targets=TARGET, space=SPACE)
    assert repr(made) == (
        "Sweep(dataset=<tuple>, targets='val >= 90% with train < 99%', space={'units': [16, 32]})"
    )


def test_a_folder_elsewhere_holds_all_and_paths_begin_here(tmp_path: Path) -> None:
    (tmp_path / "flowers.csv").write_text("a,label\n1,0\n")
    made = tuner.Sweep(dataset="flowers.csv", targets=TARGET, space=SPACE, folder="elsewhere")
    assert made.folder == tmp_path / "elsewhere"
    assert keys_of(made)["dataset"] == str(tmp_path / "flowers.csv")
    (tmp_path / "own.yaml").write_text(json.dumps(OWN))
    assert tuner.Sweep("own.yaml", folder="elsewhere").folder == tmp_path / "elsewhere"


# Data in memory


def test_arrays_are_written_once_and_read_as_they_were(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    x = np.arange(24, dtype="uint8").reshape(6, 2, 2)
    path = memory.keep((x, Y), "my data", workspace)
    assert path.startswith(".tuner/inputs/")
    assert path.endswith("/my-data.npz")
    with np.load(tmp_path / path, allow_pickle=False) as found:
        assert set(found) == {"x", "y"}
        assert found["x"].dtype == np.uint8
        np.testing.assert_array_equal(found["x"], x)
    before = (tmp_path / path).stat().st_mtime_ns
    assert memory.keep((x.copy(), list(Y)), "my data", workspace) == path
    assert (tmp_path / path).stat().st_mtime_ns == before
    assert memory.keep((x + 1, Y), "my data", workspace) != path
    assert memory.keep((x.astype("float32"), Y), "my data", workspace) != path


@pytest.mark.parametrize(
    ("dataset", "parts"),
    [
        ((X, Y), ["x", "y"]),
        ((X, Y, X, Y), ["x_train", "y_train", "x_test", "y_test"]),
        (((X, Y), (X, Y)), ["x_train", "y_train", "x_test", "y_test"]),
        ((pd.DataFrame(X), pd.Series(["a", "b"] * 3)), ["x", "y"]),
    ],
)
def test_tuples_are_what_they_are_elsewhere(dataset: tuple[Any, ...], parts: list[str]) -> None:
    found = memory.named_arrays(dataset)
    assert list(found) == parts
    assert all(array.dtype.kind != "O" for array in found.values())


def test_a_table_is_written_as_parquet(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1.5, None], "word": ["x", "y"], "label": [0, 1]}, index=[7, 9])
    path = memory.keep(table, "flowers", Workspace(tmp_path))
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / path), table.reset_index(drop=True))
    assert memory.keep(table.copy(), "flowers", Workspace(tmp_path)) == path
    with pytest.raises(DataError, match="a column is called 0, which is no text"):
        memory.keep(pd.DataFrame([[1, 2]]), "t", Workspace(tmp_path))
    with pytest.raises(DataError, match="the table cannot be written"):
        memory.keep(pd.DataFrame({"a": [1, "x", {}]}), "t", Workspace(tmp_path))


def test_data_of_memory_is_shown_and_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = memory.keep((X, Y), "mine", Workspace(tmp_path))
    assert run(["clean"]) == 0
    assert "data that was given in memory" in capsys.readouterr().out
    assert run(["clean", "all", "--yes"]) == 0
    assert "Left alone: data that was given in memory" in capsys.readouterr().err
    assert (tmp_path / path).exists()


# A main script that is not seen


def test_the_main_script_is_hidden_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    from multiprocessing import spawn

    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "__file__", "/somewhere/script.py", raising=False)
    monkeypatch.setattr(main, "__spec__", None)
    monkeypatch.setattr(main, "mine", Unimportable, raising=False)
    assert "init_main_from_path" in spawn.get_preparation_data("p")
    with main_unseen():
        hidden = spawn.get_preparation_data("p")
        assert {key for key in hidden if key.startswith("init_main")} == set()
        assert sys.modules["__main__"].mine is Unimportable  # to pickle it, say
        assert pickle.loads(pickle.dumps(Unimportable)) is Unimportable  # noqa: S301
    assert sys.modules["__main__"] is main
    with pytest.raises(KeyError), main_unseen():
        raise KeyError
    assert sys.modules["__main__"] is main


def test_threads_that_hide_it_at_once_leave_it_as_it_was() -> None:
    main = sys.modules["__main__"]

    def work() -> None:
        for _ in range(300):
            with main_unseen():
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sys.modules["__main__"] is main


# Results, of studies that are written down


@pytest.fixture
def result(tmp_path: Path) -> tuner.Result:
    make(tmp_path, "one", GOOD, NEAR, FAR, BETTER)
    return tuner.load("one")


FIGURES = {
    **dict.fromkeys(METRICS, "float64"),
    "parameters": "Int64",
}
TYPES = {
    "trial": "int64",
    "variant": "string",
    "state": "string",
    "verdict": "string",
    **FIGURES,
    "epoch": "Int64",
    "window": "string",
    "only_if_stopped": "Int64",
    "total_violation": "float64",
    "violation.val_accuracy >= 0.9": "float64",
    "violation.train_accuracy < 0.95": "float64",
    "rank": "Int64",
    "confirmation": "string",
    "passes": "Int64",
    "seeds": "Int64",
    "test_accuracy": "float64",
    "seconds": "float64",
    "run_id": "string",
    "reason": "string",
}


def test_a_trial_is_a_row(result: tuner.Result) -> None:
    trials = result.trials
    types = {str(name): str(kind) for name, kind in trials.dtypes.items()}
    assert {name: types[name] for name in TYPES} == TYPES
    assert all(name in TYPES or name.startswith("param.") for name in types)
    assert list(trials.trial) == [0, 1, 2, 3]
    assert list(trials.verdict) == ["meets", "misses", "misses", "meets"]
    assert list(trials.epoch) == [3, 3, 3, 2]
    assert trials["violation.val_accuracy >= 0.9"].round(6).tolist() == [0.0, 1.0, 26.0, 0.0]
    assert trials["violation.train_accuracy < 0.95"].tolist() == [0.0] * 4
    assert {"param.units", "param.optimizer"} <= set(trials)


def test_those_that_meet_come_in_order_and_misses_by_distance(result: tuner.Result) -> None:
    assert list(result.meets.trial) == [e.trial for e in result.outcome.meets]
    assert set(result.meets.trial) == {0, 3}
    assert list(result.nearest.trial) == [1, 2]
    assert list(result.meets.index) == [0, 1]
    none = result.what_if("val >= 99%")
    assert len(none.meets) == 0
    assert none.meets.dtypes.equals(none.trials.dtypes)


def test_an_epoch_is_a_row(result: tuner.Result) -> None:
    epochs = result.epochs
    assert list(epochs.columns[:5]) == ["trial", "variant", "epoch", "chosen", "meets"]
    assert {str(kind) for kind in epochs.dtypes} == {"int64", "string", "bool", "float64", "Int64"}
    assert len(epochs) == 12
    assert list(epochs[epochs.chosen].epoch) == [3, 3, 3, 2]
    assert list(epochs[epochs.meets].trial) == [0, 3]
    first = epochs[epochs.trial == 0]
    assert first.val_accuracy.tolist() == [0.80, 0.88, 0.92]
    assert first.train_accuracy.isna().tolist() == [False, True, False]
    assert first.accuracy_gap.round(6).tolist()[::2] == [-0.01, 0.02]


def test_no_repeats_are_a_table_with_its_columns(result: tuner.Result) -> None:
    repeats = result.repeats
    assert len(repeats) == 0
    assert {"trial", "kind", "seed", "counts", "passes", "val_accuracy"} <= set(repeats)
    assert str(repeats.passes.dtype) == "boolean"


def test_single_trials(result: tuner.Result) -> None:
    best = result.best
    assert best == result.trial("best") == result.trial(result.outcome.meets[0].trial)
    assert best.verdict == "meets"
    assert best.metrics["val_accuracy"] == result.meets.val_accuracy[0]
    assert set(best.metrics) == set(METRICS)
    assert result.trial(1).verdict == "misses"
    assert result.what_if("val >= 99%").best.verdict == "misses"
    with pytest.raises(StudyError, match="one has no trial 9"):
        result.trial(9)


def test_what_it_says_of_itself(result: tuner.Result) -> None:
    assert result.met
    assert result.finished
    assert result.sentence.startswith("2 of 4 trials meet val_accuracy >= 0.9 and")
    assert repr(result) == f"<tuner.Result one: {result.sentence}>"
    asked = result.what_if(["val >= 99%"])
    assert not asked.met
    assert asked.outcome.what_if
    with pytest.raises(TargetError):
        result.what_if("val >=")
    with pytest.raises(UsageError, match="contradict"):
        result.what_if("val > 0.9 and val < 0.8")


def test_html_is_escaped(tmp_path: Path) -> None:
    make(tmp_path, "<script>alert(1)</script>", GOOD, NEAR)
    found = tuner.load("<script>alert(1)</script>")
    shown = found._repr_html_()
    assert "<script" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert shown.count("<tr>") == 2
    assert "val_accuracy &gt;= 0.9" in shown
    many = found.what_if("val >= 99%")._repr_html_()
    assert "nearest to the targets" in many
    assert many.count("<tr>") == 3


def test_a_study_without_trials_has_no_best_one(tmp_path: Path) -> None:
    make(tmp_path, "none")
    found = tuner.load("none")
    assert len(found.trials) == len(found.epochs) == 0
    assert not found.met
    assert "No trial of none has finished yet" in found._repr_html_()
    with pytest.raises(StudyError, match="none has no trial yet"):
        found.best  # noqa: B018


def test_a_study_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="there is no study in"):
        tuner.load("digits")
    make(tmp_path / "other", "one", GOOD)
    assert tuner.load("one", folder="other").best.trial == 0
    with pytest.raises(StudyError, match="no study is called two"):
        tuner.load("two", "other")


def test_the_page_is_a_file(result: tuner.Result, tmp_path: Path) -> None:
    page = result.report(mlflow=False, progress=False)
    assert page == tmp_path / "one.html"
    assert "2 of 4 trials meet" in page.read_text("utf-8")
    with pytest.raises(UsageError, match="is a folder: name a file in it"):
        result.report(".tuner", progress=False)


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("model.h5", "its name must end in .keras"),
        ("nowhere/m.keras", "there is no folder"),
    ],
)
def test_what_cannot_be_exported(result: tuner.Result, out: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        result.export(out=out, progress=False)


@pytest.mark.parametrize("keywords", [{"top": 0}, {"seeds": 0}, {"workers": 0}])
def test_what_cannot_be_confirmed(result: tuner.Result, keywords: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="write a whole number from 1 on"):
        result.confirm(**keywords)  # type: ignore[arg-type]


# Notebooks


def test_a_notebook_shows_an_error_without_its_traceback() -> None:
    shown = UsageError("two\nlines")._render_traceback_()
    assert shown == ["UsageError: two\nlines"]


def test_a_notebook_gets_plain_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Jupyter sets FORCE_COLOR, and rich would draw in HTML there."""
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    console = notes_console()
    with console.status("Preparing data …"):
        console.print("[bold]one[/bold]")
    out, err = capsys.readouterr()
    assert (out, err) == ("", "one\n")
