"""The five labs: that each sweep is what its lab note fixes, and that a reader finds it."""

from __future__ import annotations

from typing import Any

import pytest
from test_project import ROOT

from tuner.definition import SweepDefinition, load, shipped
from tuner.space import grid
from tuner.trial import Params

LABS = ("backprop", "batchnorm", "fashion-lab", "gradients", "imdb-lab")

# Data set, layers, epochs, batch size, optimizer, what validates, targets: as the notes have them.
FIXED: dict[str, tuple[str, list[int], int, int, str, Any, list[str]]] = {
    "backprop": (
        *("mnist", [128], 20, 64, "adam", "test"),
        ["val_accuracy >= 0.85", "train_accuracy < 0.92"],
    ),
    "batchnorm": (
        *("mnist", [128, 64], 10, 32, "adam", 0.2),
        ["val_accuracy >= 0.9", "train_accuracy < 0.95"],
    ),
    "fashion-lab": (
        *("fashion", [128, 64], 30, 256, "adam", 0.2),
        ["val_accuracy >= 0.9", "train_accuracy < 0.95"],
    ),
    "gradients": ("mnist", [128], 10, 32, "adam", "test", ["val_accuracy >= 0.97"]),
    "imdb-lab": (
        *("imdb", [16, 16], 20, 512, "rmsprop", 0.4),
        ["val_accuracy > 0.8614", "val_loss < 0.6252"],
    ),
}

# What sets a variant apart, beside what its sweep fixes; the rest is Keras's default.
VARIANTS: dict[str, dict[str, Params]] = {
    "backprop": {
        "baseline": {},
        "solution": {"l2": 1e-3, "dropout": 0.3, "learning_rate": 1e-3},
        "bn": {"batch_norm": "after_activation"},
    },
    "batchnorm": {
        "without": {},
        "with": {"batch_norm": "before_activation"},
        "with-drop-0.2": {"batch_norm": "before_activation", "dropout": 0.2},
        "with-drop-0.3": {"batch_norm": "before_activation", "dropout": 0.3},
        "with-drop-0.5": {"batch_norm": "before_activation", "dropout": 0.5},
    },
    "fashion-lab": {
        "baseline": {},
        "l2": {"l2": 1e-3},
        "dropout": {"dropout": 0.5},
        "both": {"l2": 1e-3, "dropout": 0.5},
    },
    "gradients": {
        "document": {},
        "sparse": {"loss": "sparse_categorical_crossentropy"},
        "rate-1.0": {"learning_rate": 1.0},
        "rate-1e-6": {"learning_rate": 1e-6},
        "zeros": {"initializer": "zeros"},
        "ten-sigmoids": {"layers": [128] * 10, "activation": "sigmoid"},
        "ten-sigmoids-sgd": {
            **{"layers": [128] * 10, "activation": "sigmoid"},
            **{"optimizer": "sgd", "learning_rate": 1e-2, "momentum": 0.0},
        },
        "stopped-early": {"patience": 2},
    },
    "imdb-lab": {"original": {}, "l2": {"l2": 1e-3}, "dropout": {"dropout": 0.5}},
}


def lab(name: str) -> SweepDefinition:
    return load(shipped() / f"{name}.yaml")


@pytest.mark.parametrize("name", LABS)
def test_a_lab_fixes_what_its_note_fixes(name: str) -> None:
    dataset, layers, epochs, batch, optimizer, validation, targets = FIXED[name]
    found = lab(name)
    assert (found.dataset, found.epochs, found.epoch) == (dataset, epochs, "last")
    assert [t.text for t in found.targets] == targets
    kept = "test" if found.split.kind == "test" else found.split.fraction
    assert kept == validation
    assert found.split.kind in ("test", "tail")  # as Keras's validation_split has it
    assert found.seeds >= 5
    first = next(iter(found.variants.values()))
    assert (first["layers"], first["batch_size"], first["optimizer"]) == (layers, batch, optimizer)
    usual = {
        **{"l2": 0.0, "dropout": 0.0, "batch_norm": "none", "activation": "relu"},
        **{"schedule": "constant", "learning_rate": 1e-3},
        **{"layers": layers, "batch_size": batch, "optimizer": optimizer},
    }
    if name == "gradients":
        usual["loss"] = "categorical_crossentropy"
    assert {n: dict(p) for n, p in found.variants.items()} == {
        n: {**usual, **own} for n, own in VARIANTS[name].items()
    }


@pytest.mark.parametrize("name", LABS)
def test_a_lab_asks_about_all_of_its_variants_first_of_the_note_itself(name: str) -> None:
    found = lab(name)
    asked = {n for q in found.questions for n in (*q.of, *q.than)} - {"search"}
    assert asked == set(found.variants)
    assert (found.test == "compare") is (found.split.kind != "test")
    assert any("search" in q.of for q in found.questions) is bool(found.space.parameters)


def test_lab_5_searches_what_it_lists() -> None:
    space = lab("fashion-lab").space
    listed = {p.name: list(p.domain.points()) for p in space.parameters}
    assert listed["l2"] == [0.0, 1e-3, 1e-2, 1e-1]
    assert listed["dropout"] == [0.0, 0.2, 0.5, 0.7]
    assert listed["batch_size"] == [64, 128, 256]
    assert listed["optimizer"] == ["sgd", "adam", "rmsprop"]
    assert listed["epochs"] == [30, 60, 100]
    assert lab("fashion-lab").seeds >= 10


def test_the_imdb_lab_walks_a_grid_of_l2_and_dropout() -> None:
    found = lab("imdb-lab")
    points = grid(found.space, found.fixed)
    assert found.trials == len(points) + len(found.variants)


@pytest.mark.parametrize("name", LABS)
def test_a_reader_finds_the_lab_in_the_readme_and_its_figures_in_the_docs(name: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    docs = (ROOT / "docs" / "labs.md").read_text(encoding="utf-8")
    assert f"| `tuner sweep {name}` |" in readme
    assert f"`tuner sweep {name}`, [sweeps/{name}.yaml](../sweeps/{name}.yaml)" in docs
