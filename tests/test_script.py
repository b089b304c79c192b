"""`tuner export --code`: a script says what its trial was trained with, and runs without tuner."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inside import quiet
from stubs import ROOT

from tuner.data import keras_sets, reviews
from tuner.data.builtin import load_digits
from tuner.data.splits import split
from tuner.errors import DataError
from tuner.models.mlp import losses_for
from tuner.parameters import CATALOGUE, complete
from tuner.report.script import ScriptFacts, script
from tuner.trial import EpochMetrics, Params, ParamValue, SplitSpec

KINDS: dict[str, tuple[str, str, tuple[int, ...], int, float]] = {
    "fashion": ("fashion", "fashion_mnist.npz in /data", (28, 28), 10, 255.0),
    "mnist": ("mnist", "keras.datasets", (28, 28), 10, 255.0),
    "digits": ("digits", "scikit-learn", (8, 8), 10, 16.0),
    "reviews": ("imdb", "imdb.parquet in /data", (10_000,), 2, 1.0),
    "keras reviews": ("imdb", "keras.datasets", (10_000,), 2, 1.0),
}
FULL = complete(
    {
        "depth": 2,
        "units": 512,
        "dropout": 0.3712345678901234,
        "l2": 1.2345678901234e-05,
        "learning_rate": 0.00036123456789012,
        "schedule": "cosine",
        "batch_norm": "before_activation",
    }
)
NAMED = complete(
    {
        "depth": 1,
        "l2": 1.2345678901234e-05,
        "initializer": "he_normal",
        "loss": "categorical_crossentropy",
        "epochs": 30,
        "patience": 3,
    }
)
SGD = complete({"optimizer": "sgd", "momentum": 0.9, "layers": [9, 7], "activation": "tanh"})
PLAIN = complete({"depth": 0})
CONVOLUTIONS: tuple[Params, ...] = tuple(
    complete(params, "cnn")
    for params in (
        {"depth": 5, "filters": 2, "units": 12, "dropout": 0.25, "l2": 1e-4, "learning_rate": 0.01},
        {**NAMED, "depth": 2, "filters": 2, "kernel": 15, "batch_norm": "before_activation"},
        {"depth": 1, "filters": 3, "batch_norm": "after_activation", "l2": 1.2345678901234e-05},
        {"depth": 0, "activation": "tanh"},
    )
)


def facts(
    kind: str, params: Params = FULL, how: SplitSpec | None = None, model: str = "mlp"
) -> ScriptFacts:
    dataset, source, shape, classes, scale = KINDS[kind]
    return ScriptFacts(
        study="a study",
        trial=7,
        dataset=dataset,
        source=source,
        input_shape=shape,
        classes=classes,
        scale=scale,
        params=params,
        split=how or SplitSpec(),
        seed=5,
        epochs=30,
        chosen=EpochMetrics(27, 0.9042, 0.3, 0.9421, 0.2),
        model=model,
    )


def test_a_script_says_what_the_configuration_says() -> None:
    text = script(facts("fashion"))
    for line in (
        '"""Trial 7 of the study a study as plain Keras.',
        "Recorded at epoch 27 of 30: validation accuracy 0.9042 and training accuracy 0.9421.",
        "SEED = 5",
        "PLANNED = 30",
        "EPOCHS = 27",
        "layers.Rescaling(1 / 255)",
        "for width in (512, 512):",
        "L2(1.2345678901234e-05)",
        "layers.Dropout(0.3712345678901234)",
        "CosineDecay(0.00036123456789012, decay_steps=steps)",
        "keras.optimizers.Adam(rate)",
        "test_size=0.2, stratify=y, random_state=0",
    ):
        assert line in text
    order = [text.index(f"layers.{name}") for name in ("Dense", "BatchNorm", "Activation")]
    assert order == sorted(order)
    sgd = script(facts("reviews", {**SGD, "batch_norm": "after_activation"}))
    assert "SGD(0.001, momentum=0.9)" in sgd
    assert 'layers.Dense(1, activation="sigmoid")' in sgd
    assert "for width in (9, 7):" in sgd
    assert sgd.index("layers.Activation") < sgd.index("layers.BatchNorm")
    assert "Dropout" not in sgd
    assert "math" not in sgd
    assert "for width" not in script(facts("digits", PLAIN))


def test_a_script_says_how_weights_begin_and_what_the_loss_is() -> None:
    text = script(facts("fashion", NAMED))
    for line in (
        "l2 = keras.regularizers.L2(1.2345678901234e-05)",
        'layers.Dense(width, kernel_initializer="he_normal", kernel_regularizer=l2)',
        'layers.Dense(10, kernel_initializer="he_normal", activation="softmax")',
        "y_train = keras.utils.to_categorical(y_train, 10)",
        "y_val = keras.utils.to_categorical(y_val, 10)",
        'model.compile(optimizer, loss="categorical_crossentropy", metrics=["accuracy"])',
    ):
        assert text.count(f"{line}\n") + text.count(f"({line})\n") == 1
    plain = script(facts("fashion", FULL))
    assert 'loss="sparse_categorical_crossentropy"' in plain
    for word in ("initializer", "to_categorical"):
        assert word not in plain
    for none in ({**FULL, "l2": 0.0}, {**PLAIN, "l2": 1e-4}):  # no hidden kernel to be penalised
        assert "l2" not in script(facts("fashion", none))
    same = {**FULL, "initializer": "glorot_uniform", "loss": "sparse_categorical_crossentropy"}
    assert script(facts("fashion", same)) == plain
    two = {**NAMED, "loss": "binary_crossentropy"}
    assert 'loss="binary_crossentropy"' in script(facts("reviews", two))
    with pytest.raises(ValueError, match="does not fit 2 classes"):
        script(facts("reviews", NAMED))


def test_a_name_cannot_leave_the_docstring() -> None:
    nasty = replace(facts("digits"), study='x"""\nimport os\\')
    text = script(nasty)
    compile(text, "script", "exec")
    assert text.splitlines()[0] == '"""Trial 7 of the study ximport os as plain Keras.'


def test_a_script_weighs_the_classes_where_the_configuration_does() -> None:
    text = script(facts("fashion", {**NAMED, "class_weight": "balanced"}))
    assert "    class_weight=weights,\n" in text
    # Of labels that are numbers still: as one-hot rows they could not be counted.
    assert text.index("np.bincount(y_train)") < text.index("to_categorical(y_train")
    counting = text[text.index("counts = ") : text.index("y_train = keras")]
    known = {"np": np, "y_train": np.array([0] * 6 + [2] * 2)}
    exec(counting, known)  # noqa: S102
    assert known["weights"] == {0: pytest.approx(8 / 12), 2: pytest.approx(8 / 4)}
    unweighted = script(facts("fashion", {**NAMED, "class_weight": "none"}))
    assert unweighted == script(facts("fashion", NAMED))
    assert "class_weight" not in unweighted


def test_a_data_set_that_no_script_can_load_is_refused() -> None:
    with pytest.raises(DataError, match="Leave --code away"):
        script(replace(facts("digits"), dataset="own"))


def test_scripts_are_formatted(tmp_path: Path) -> None:
    """Every way to load, cut and build: clean for the linter, and the formatter changes nothing."""
    ruff = shutil.which("ruff") or str(Path(sys.executable).with_name("ruff"))
    if not Path(ruff).exists():
        pytest.skip("ruff is not installed")
    for number, kind in enumerate(KINDS):
        for how in ("stratified", "tail", "test"):
            named = NAMED if KINDS[kind][3] > 2 else {**NAMED, "loss": "binary_crossentropy"}
            zeros = {**SGD, "initializer": "zeros", "class_weight": "balanced"}
            for which, params in enumerate((FULL, SGD, PLAIN, named, zeros)):
                cut = SplitSpec(how, 0.123456789, 4_000_000_000)
                text = script(facts(kind, params, cut))
                (tmp_path / f"{how}_{number}_{which}.py").write_text(text, encoding="utf-8")
    for which, params in enumerate(CONVOLUTIONS):
        text = script(facts("fashion", params, model="cnn"))
        (tmp_path / f"convolutions_{which}.py").write_text(text, encoding="utf-8")
    settings_of_ours = ["--config", str(ROOT / "pyproject.toml"), str(tmp_path)]
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [ruff, *command, *settings_of_ours], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def values_of(name: str) -> st.SearchStrategy[ParamValue]:
    known = CATALOGUE[name]
    if known.kind == "choice":
        return st.sampled_from(known.choices)
    if known.kind == "layers":
        return st.lists(st.integers(1, 4096), min_size=1, max_size=6)
    low, high = known.low or 0.0, known.high if known.high is not None else 1e4
    if known.kind == "int":
        return st.integers(int(low), int(high))
    return st.floats(low, high, exclude_min=known.low_open, exclude_max=known.high_open)


@given(
    st.fixed_dictionaries({}, optional={name: values_of(name) for name in CATALOGUE}),
    st.sampled_from(list(KINDS)),
    st.sampled_from([SplitSpec("stratified", 0.3, 9), SplitSpec("tail"), SplitSpec("test")]),
)
@settings(max_examples=60, deadline=None)
def test_every_configuration_makes_a_script(
    given_params: Params, kind: str, how: SplitSpec
) -> None:
    if given_params.get("loss") not in losses_for(KINDS[kind][3]):
        given_params = {k: v for k, v in given_params.items() if k != "loss"}
    text = script(facts(kind, complete(given_params), how))
    compile(text, "script", "exec")
    assert "tuner" not in text
    assert text.isascii()
    assert text.endswith(")\n")


@pytest.fixture
def no_keras(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A stand-in for Keras, for the part of a script before the model."""
    keras: Any = ModuleType("keras")
    keras.layers = ModuleType("keras.layers")
    keras.datasets = SimpleNamespace()
    monkeypatch.setitem(sys.modules, "keras", keras)
    found: ModuleType = keras
    return found


def rows_by(text: str) -> dict[str, Any]:
    """What a script has in hand before it builds its model."""
    known: dict[str, Any] = {}
    exec(compile(text.split("# Model:")[0], "script", "exec"), known)  # noqa: S102
    return known


def as_sets(x: Any, y: Any) -> list[tuple[bytes, int]]:
    return sorted(
        (np.ascontiguousarray(row).tobytes(), int(label)) for row, label in zip(x, y, strict=True)
    )


SPLITS = [SplitSpec("stratified", 0.25, 3), SplitSpec("tail", 0.3), SplitSpec("test")]


@pytest.mark.usefixtures("no_keras")
@pytest.mark.parametrize("how", SPLITS, ids=lambda s: s.kind)
def test_the_rows_of_digits_are_those_of_the_trial(how: SplitSpec) -> None:
    data = load_digits()
    assert_same_rows(rows_by(script(facts("digits", how=how))), data, how)


@pytest.mark.usefixtures("no_keras")
@pytest.mark.parametrize("how", SPLITS, ids=lambda s: s.kind)
def test_the_rows_of_images_are_those_of_the_trial(
    how: SplitSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(120, dtype=np.uint8) % 10
    x = rng.integers(0, 256, (120, 28, 28), dtype=np.uint8)
    file = tmp_path / "fashion_mnist.npz"
    np.savez(file, x_train=x, y_train=y, x_test=x[:30], y_test=y[:30])
    monkeypatch.setenv("TUNER_DATA_DIR", str(tmp_path))
    data = keras_sets.load("fashion", tmp_path)
    assert_same_rows(rows_by(script(facts("fashion", how=how))), data, how)


@pytest.mark.usefixtures("no_keras")
@pytest.mark.parametrize("how", SPLITS, ids=lambda s: s.kind)
def test_the_rows_of_reviews_are_those_of_the_trial(
    how: SplitSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pandas as pd

    rng = np.random.default_rng(1)
    words = np.array(["don't", "Don’t", "<br />it", "good", "BAD", "x_y", "été", "7", "a-b", "ok"])
    texts = [" ".join(rng.choice(words, 8)) for _ in range(60)]
    table = {"text": texts, "label": np.arange(60) % 2, "split": ["train"] * 40 + ["test"] * 20}
    pd.DataFrame(table).to_parquet(tmp_path / "imdb.parquet")
    monkeypatch.setenv("TUNER_DATA_DIR", str(tmp_path))
    data = reviews.from_parquet(tmp_path / "imdb.parquet", size=8)
    asked = replace(facts("reviews", how=how), input_shape=(8,))
    assert_same_rows(rows_by(script(asked)), data, how)


@pytest.mark.parametrize("how", SPLITS, ids=lambda s: s.kind)
def test_the_rows_of_keras_reviews_are_those_of_the_trial(
    how: SplitSpec, no_keras: Any, tmp_path: Path
) -> None:
    rng = np.random.default_rng(2)
    made = [list(map(int, rng.integers(1, 12, 9))) for _ in range(60)]
    labels = np.arange(60) % 2
    parts = {"train": slice(0, 40), "test": slice(40, 60)}
    arrays: dict[str, Any] = {"words": np.frombuffer("\n".join(" abcdefghijk").encode(), np.uint8)}
    for part, place in parts.items():
        arrays[f"lengths_{part}"] = np.array([len(r) for r in made[place]])
        arrays[f"ranks_{part}"] = np.concatenate([np.array(r, np.int32) for r in made[place]])
        arrays[f"y_{part}"] = labels[place]
    np.savez(tmp_path / "imdb.npz", **arrays)
    data = reviews.from_ranks(tmp_path / "imdb.npz", size=6)

    def load_data(**given: Any) -> Any:
        assert given == {"start_char": None, "oov_char": None, "index_from": 0}
        return tuple((np.array(made[p], dtype=object), labels[p]) for p in parts.values())

    no_keras.datasets.imdb = SimpleNamespace(load_data=load_data)
    asked = replace(facts("keras reviews", how=how), input_shape=(6,))
    assert_same_rows(rows_by(script(asked)), data, how)


def assert_same_rows(made: dict[str, Any], data: Any, how: SplitSpec) -> None:
    train, validation = split(data.y_train, how)
    assert made["x_train"].dtype == data.x_train.dtype
    ours = (data.x_train[validation], data.y_train[validation])
    if how.kind == "test":
        ours = (data.x_test, data.y_test)
    assert as_sets(made["x_train"], made["y_train"]) == as_sets(
        data.x_train[train], data.y_train[train]
    )
    assert as_sets(made["x_val"], made["y_val"]) == as_sets(*ours)


# --- scripts that run ---------------------------------------------------------------------------


def executed(text: str) -> str:
    """What the script prints, run here."""
    with quiet() as printed:
        exec(compile(text, "script", "exec"), {"__name__": "__main__"})  # noqa: S102
    return printed.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("params", CONVOLUTIONS)
@pytest.mark.parametrize("kind", ["digits", "fashion"])
def test_a_script_builds_the_convolutional_network_of_the_trial(kind: str, params: Params) -> None:
    import keras

    from tuner.models.cnn import build_model

    known = facts(kind, params, model="cnn")
    building = script(known).split("# Model:")[1].split("# Training.")[0]
    given: dict[str, Any] = {"keras": keras, "layers": keras.layers, "SEED": 5}
    with quiet():
        exec(compile(f"#{building}", "script", "exec"), given)  # noqa: S102
    model = given["model"]
    ours = build_model(params, known.input_shape, known.classes, known.scale)
    kinds = [
        [name for layer in m.layers if (name := type(layer).__name__) != "InputLayer"]
        for m in (ours, model)
    ]
    assert kinds[0] == kinds[1]
    rates = [[y.rate for y in m.layers if type(y).__name__ == "Dropout"] for m in (ours, model)]
    assert rates[0] == rates[1]
    penalised = [
        [float(y.kernel_regularizer.l2) for y in m.layers if getattr(y, "kernel_regularizer", None)]
        for m in (ours, model)
    ]
    assert penalised[0] == penalised[1]
    ours.set_weights(model.get_weights())
    rows = np.random.default_rng(0).integers(0, 17, (3, *known.input_shape)).astype("uint8")
    expected = np.asarray(ours(rows, training=False))
    np.testing.assert_allclose(np.asarray(model(rows, training=False)), expected, atol=1e-6)


@pytest.mark.slow
def test_the_script_of_a_convolutional_network_runs() -> None:
    chosen = EpochMetrics(8, 0.9, 0.3, 0.9, 0.3)
    params = {**CONVOLUTIONS[0], "depth": 2, "filters": 8, "batch_size": 32}
    asked = replace(facts("digits", params, model="cnn"), chosen=chosen)
    printed = executed(script(asked))
    lines = [line for line in printed.splitlines() if line.startswith(("training", "validation"))]
    assert [line.split()[0] for line in lines] == ["training", "validation"]
    assert all(float(line.split()[-1]) > 0.85 for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("initializer", "loss", "least", "most"),
    [
        ("he_normal", "categorical_crossentropy", 0.8, 1.0),
        ("zeros", "sparse_categorical_crossentropy", 0.05, 0.15),
    ],
)
def test_a_script_with_a_loss_and_an_initializer_runs(
    initializer: str, loss: str, least: float, most: float
) -> None:
    ours: Params = {"initializer": initializer, "loss": loss}
    params = complete({"l2": 1e-4, "batch_size": 32, "learning_rate": 0.01, **ours})
    chosen = EpochMetrics(6, 0.9, 0.3, 0.9, 0.3)
    printed = executed(script(replace(facts("digits", params), chosen=chosen)))
    lines = [line for line in printed.splitlines() if line.startswith(("training", "validation"))]
    assert [line.split()[0] for line in lines] == ["training", "validation"]
    assert all(least <= float(line.split()[-1]) <= most for line in lines)
