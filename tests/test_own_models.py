"""Models of one's own: what they ask for, how they are trained, and what is said of bad ones."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_models import MODULE, Answers
from specs import spec_on

from tuner.asked import Asked
from tuner.cli import run
from tuner.data.builtin import load_digits
from tuner.data.prepared import Prepared, prepare
from tuner.definition import parse
from tuner.errors import ModelError
from tuner.space import Choices, Range
from tuner.trial import Params

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warm")]

NAME = "models_of_the_tests"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(load_digits(), tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("own")
    (place / f"{NAME}.py").write_text(MODULE)
    (place / "broken_module.py").write_text("import keras\n\nkeras.nothing_of_the_kind\n")
    (place / "not_python.py").write_text("def build(hp:\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        yield place


def described(attribute: str, folder: Path, data: Prepared, **fixed: Any) -> dict[str, Any]:
    from tuner.training.describing import describe

    reference = attribute if ":" in attribute else f"{NAME}:{attribute}"
    request = {"model": reference, "folder": str(folder), "data": str(data.path)}
    return describe({**request, "fingerprint": data.fingerprint, "fixed": fixed})


ASKED = [
    ("build_model", ["units", "dropout", "lr"], []),
    ("Deep", ["num_layers", "units_0"], ["units_1", "units_2"]),
    ("scoped", ["model_type", "units", "lr", "filters"], []),
    ("OwnLoop", [], ["lr"]),
]


@pytest.mark.parametrize(("attribute", "always", "sometimes"), ASKED, ids=[a[0] for a in ASKED])
def test_what_a_model_asks_for(
    digits: Prepared, folder: Path, attribute: str, always: list[str], sometimes: list[str]
) -> None:
    found = described(attribute, folder, digits)
    assert sorted(one["name"] for one in found["asked"]) == sorted(always)
    assert [one["name"] for one in found["sometimes"]] == sometimes
    assert found["parameters"] > 0
    assert len(found["source"]) == 12
    assert found["own_fit"] is (attribute in ("Deep", "OwnLoop"))


def test_conditions_and_ranges_are_those_of_the_model(digits: Prepared, folder: Path) -> None:
    found = described("scoped", folder, digits)["asked"]
    by_name = {one["name"]: Asked.from_json(json.loads(json.dumps(one))) for one in found}
    assert by_name["units"].when == (("model_type", ("mlp",)),)
    assert by_name["filters"].when == (("model_type", ("cnn",)),)
    assert by_name["lr"].domain == Range(1e-3, 1e-1, log=True)
    assert by_name["units"].domain == Range(16, 64, integer=True, step=16)
    assert by_name["model_type"].domain == Choices(("mlp", "cnn"))


REFUSED = [
    ("nothing", "returns nothing from build"),
    ("fails", f"cannot be built: ZeroDivisionError: division by zero ({NAME}.py, line "),
    ("four", "has 4 outputs, but the data has 10 classes"),
    ("other_rows", "takes rows of the shape (32, 32, 3), but those of digits have (8, 8, 1)"),
    ("no_probabilities", "gives no probabilities: end it in softmax"),
    ("Needy", "is a class that needs classes to be made"),
    ("no_hp", "must be a function build(hp)"),
    ("number", "is int, but must be a KerasTuner HyperModel or a function"),
    ("build_modell", "has no build_modell (did you mean build_model?)"),
    ("no_such_module:build", "there is no module no_such_module"),
    ("broken_module:build", "broken_module fails to import: AttributeError: "),
    ("not_python:build", "not_python is not Python: "),
]


@pytest.mark.parametrize(("attribute", "words"), REFUSED, ids=[r[0] for r in REFUSED])
def test_a_bad_model_gets_a_clear_line(
    digits: Prepared, folder: Path, attribute: str, words: str
) -> None:
    with pytest.raises(ModelError) as caught:
        described(attribute, folder, digits)
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 2


def trained(
    attribute: str, data: Prepared, stop_after: int | None = None, **params: Any
) -> tuple[Any, Answers]:
    from tuner.training.loop import train

    changes = {"epochs": 2, "engine": "fit", "measure_every": 1, "asks": True}
    spec = spec_on(data, params, f"{NAME}:{attribute}", **changes)
    link = Answers(stop_after)
    return train(spec, link), link


TRAINED = [
    ("build_model", ["units", "dropout", "lr"], 2),
    ("Deep", ["num_layers", "units_0", "batch_size", "shuffle"], 2),
    ("OwnEpochs", ["num_layers", "units_0", "rounds"], 1),
    ("OwnLoop", ["lr"], 2),
    ("scoped", ["model_type", "units", "lr"], 2),
]


@pytest.mark.parametrize(("attribute", "asked", "epochs"), TRAINED, ids=[t[0] for t in TRAINED])
def test_a_model_is_trained_by_its_own_fit(
    digits: Prepared, folder: Path, attribute: str, asked: list[str], epochs: int
) -> None:
    result, link = trained(attribute, digits)
    assert (result.status, result.message) == ("complete", "")
    assert link.asked == asked
    assert len(result.epochs) == epochs
    for metrics in result.epochs:
        assert metrics.train_accuracy is not None
        assert 0 <= (metrics.val_accuracy or 0) <= 1
    assert result.versions["model"]


def test_a_trial_is_stopped_in_the_midst_of_its_own_fit(digits: Prepared, folder: Path) -> None:
    result, link = trained("Deep", digits, stop_after=1)
    assert result.status == "stopped"
    assert len(result.epochs) == len(link.epochs) == 1


def test_a_fit_that_calls_no_callbacks_is_one_epoch(digits: Prepared, folder: Path) -> None:
    result, _ = trained("Silent", digits)
    assert (result.status, len(result.epochs)) == ("complete", 1)
    assert (result.epochs[0].val_accuracy or 0) > 0.2


def test_a_fit_that_fails_makes_its_configuration_invalid(digits: Prepared, folder: Path) -> None:
    result, _ = trained("Fails", digits)
    assert result.status == "invalid"
    assert f"cannot be trained: KeyError: 'rate' ({NAME}.py, line " in result.message


def test_one_seed_gives_the_same_figures_twice(digits: Prepared, folder: Path) -> None:
    one, link = trained("build_model", digits, units=16, dropout=True, lr=0.005)
    other, _ = trained("build_model", digits, units=16, dropout=True, lr=0.005)
    assert link.asked == []
    figures = [[(e.val_loss, e.train_loss) for e in r.epochs] for r in (one, other)]
    assert figures[0] == figures[1]


def test_a_value_that_the_model_does_not_allow_is_told(digits: Prepared, folder: Path) -> None:
    result, _ = trained("build_model", digits, units=99)
    assert result.status == "invalid"
    assert "units is 99, but model" in result.message
    assert "one of 8, 16, 32" in result.message


def test_a_sweep_from_dry_run_to_prediction(
    digits: Prepared, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("own.yaml").write_text(
        f"dataset: digits\nmodel: {NAME}:Deep\nepochs: 2\ntrials: 3\n"
        "targets: [val_accuracy >= 0.1]\nvariants: {wide: {num_layers: 2, units_0: 64}}\n"
    )
    assert run(["sweep", "own.yaml", "--dry-run"]) == 0
    assert "num_layers" in capsys.readouterr().out
    assert run(["sweep", "own.yaml", "--workers", "1", "--format", "json", "--exit-zero"]) == 0
    found = json.loads(capsys.readouterr().out)
    entries = [*found["meets"], *found["nearest"]]
    assert found["trials"]["complete"] == 3
    (wide,) = [entry for entry in entries if entry["variant"] == "wide"]
    names = ("num_layers", "units_0", "units_1")
    assert [wide["params"][name] for name in names] == [2, 64, 16]
    assert all("batch_size" in entry["params"] for entry in entries)
    assert run(["sweep", "own", "--workers", "1", "--format", "json", "--exit-zero"]) == 0
    assert json.loads(capsys.readouterr().out)["trials"]["requested"] == 3
    confirming = ["confirm", "own", "--trial", "wide", "--seeds", "3", "--workers", "1"]
    assert run([*confirming, "--format", "json", "--exit-zero"]) == 0
    (tested,) = json.loads(capsys.readouterr().out)["tested"]
    assert (tested["confirmation"]["verdict"], tested["confirmation"]["passes"]) == ("confirmed", 3)
    assert run(["export", "own", "--out", "own.keras"]) == 0
    assert "exactly as recorded" in " ".join(capsys.readouterr().out.split())
    np.save("rows.npy", np.asarray(digits.x_train[:5]))
    assert run(["predict", "own.keras", "rows.npy", "--format", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["rows"]) == 5
    assert run(["report", "own", "--html", "own.html"]) == 0
    page = Path("own.html").read_text(encoding="utf-8")
    assert "num_layers" in page
    # What the page says to save is a sweep file.
    (definition,) = re.findall(r"<pre[^>]*>(dataset: digits.*?)</pre>", page, re.S)
    assert parse(html.unescape(definition), "page.yaml", "page").model == f"{NAME}:Deep"


def test_a_model_that_asks_in_its_fit_alone_is_searched(
    digits: Prepared, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("late.yaml").write_text(
        f"dataset: digits\nmodel: {NAME}:OwnLoop\nepochs: 2\ntrials: 2\n"
        "targets: [val_accuracy >= 0.01]\n"
    )
    begin = ["sweep", "late.yaml", "--workers", "1", "--format", "json"]
    assert run(begin) == 0
    found = json.loads(capsys.readouterr().out)
    rates = {entry["params"]["lr"] for entry in found["meets"]}
    assert len(rates) == 2
    assert all(1e-3 <= rate <= 1e-2 for rate in rates)
    assert run([*begin, "--add", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["trials"]["complete"] == 3


def test_a_configuration_that_cannot_be_built_is_pruned_with_the_reason(
    digits: Prepared, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("some.yaml").write_text(
        f"dataset: digits\nmodel: {NAME}:sometimes\nepochs: 1\ntrials: 2\n"
        "targets: [val_accuracy >= 0.01]\nvariants: {broken: {units: 0}, whole: {units: 8}}\n"
    )
    assert run(["sweep", "some.yaml", "--workers", "1", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["trials"]
    assert (found["complete"], found["pruned"], found["failed"]) == (1, 1, 0)
    assert run(["show", "some", "broken", "--format", "json"]) == 0
    assert "cannot be built: ValueError: " in capsys.readouterr().out


@pytest.mark.parametrize(("dropout", "batch_norm"), [(0.0, "none"), (0.3, "before_activation")])
def test_a_cnn_is_the_same_for_both_engines(
    digits: Prepared, dropout: float, batch_norm: str
) -> None:
    from tuner.training.compiled import CompiledEngine
    from tuner.training.fit import FitEngine

    params: Params = {
        "filters": 4,
        "depth": 2,
        "units": 16,
        "dropout": dropout,
        "batch_norm": batch_norm,
    }
    params |= {"learning_rate": 0.01, "l2": 1e-4, "batch_size": 32}
    spec = spec_on(digits, params, "cnn", epochs=4)
    engines = [CompiledEngine(spec), FitEngine(spec)]
    assert engines[0].parameters == engines[1].parameters
    losses: list[list[float]] = []
    before = [engine.measure("validation").loss for engine in engines]
    assert before[0] == pytest.approx(before[1], rel=1e-4)
    for engine in engines:
        running = [engine.train_epoch() for _ in range(4)]
        losses.append([float(r.loss_penalised or 0) for r in running])
    # Other batches, so not the same; but no engine may learn what the other does not.
    for ours, theirs in zip(*losses, strict=True):
        assert ours == pytest.approx(theirs, rel=0.5)
    assert all(found[-1] < 0.85 * found[0] for found in losses)
