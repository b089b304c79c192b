"""The compiled engine against Keras: the same weights, the same figures, the same luck."""

from __future__ import annotations

import gc
import itertools
import math
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight
from test_training import Alone

from tuner.data.builtin import load_digits
from tuner.data.dataset import Dataset
from tuner.data.prepared import Prepared, prepare
from tuner.parameters import complete
from tuner.training.backend import configure
from tuner.training.loop import engine_for, run_epochs
from tuner.trial import EpochMetrics, Params, SplitSpec, TrialSpec

pytestmark = pytest.mark.slow

Specs = Callable[..., TrialSpec]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    """As a worker does, before anything touches TensorFlow."""
    configure(1)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(load_digits(), tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """The digits again, asked only whether one is 5 or more: two classes, one sigmoid."""
    whole = load_digits()
    assert whole.y_test is not None
    two = replace(
        whole,
        name="halves",
        y_train=(whole.y_train >= 5).astype(np.uint8),
        y_test=(whole.y_test >= 5).astype(np.uint8),
        class_names=("small", "large"),
    )
    return prepare(two, tmp_path_factory.mktemp("data"))


def spec_of(data: Prepared, params: Params, **changes: Any) -> TrialSpec:
    plain = TrialSpec(
        attempt="study:0",
        study="study",
        origin=0,
        data=str(data.path),
        fingerprint=data.fingerprint,
        model="mlp",
        params=complete({"units": 24, "depth": 2, "dropout": 0.0, "batch_size": 64, **params}),
        split=SplitSpec(),
        seed=7,
        epochs=3,
        epoch="best",
        targets=("val_accuracy >= 0.99", "train_accuracy < 0.999"),
    )
    return replace(plain, **changes)


def compiled(spec: TrialSpec) -> Any:
    from tuner.training.compiled import CompiledEngine

    return CompiledEngine(spec)


def in_keras(spec: TrialSpec, data: Prepared, steps: int) -> Any:
    """The plain Keras model of a trial, with the weights that the trial begins with."""
    from tuner.models.build import build_model
    from tuner.models.mlp import build_loss, build_optimizer, initialise

    model = build_model(spec.model, spec.params, data)
    initialise(model, spec.seed)
    loss, accuracy = build_loss(spec.params, data.n_classes)
    model.compile(optimizer=build_optimizer(spec.params, steps), loss=loss, metrics=[accuracy])
    return model


def labels_for(spec: TrialSpec, data: Prepared, index: Any) -> Any:
    """What Keras compares the rows `index` with."""
    import keras

    labels = data.y_train[index]
    if spec.params.get("loss") == "categorical_crossentropy":
        return keras.utils.to_categorical(labels, data.n_classes)
    return labels


OPTIMIZERS = ("sgd", "adam", "rmsprop")
PARITY = [
    *itertools.product(
        OPTIMIZERS,
        ("none", "before_activation", "after_activation"),
        (0.0, 0.01),
        ("softmax", "sigmoid"),
        ("constant", "cosine"),
    ),
    *itertools.product(
        OPTIMIZERS, ("none", "before_activation"), (0.01,), ("one-hot",), ("cosine",)
    ),
    *itertools.product(OPTIMIZERS, ("none",), (0.0,), ("one-hot",), ("constant",)),
]


def every(step: int, cases: Sequence[tuple[Any, ...]]) -> list[Any]:
    """The cases as parameters of a test, of which only every `step`-th is always run."""
    return [
        pytest.param(*one, marks=() if n % step == 0 else pytest.mark.soak)
        for n, one in enumerate(cases)
    ]


def test_the_short_form_has_every_pair_of_values() -> None:
    def pairs(cases: Sequence[tuple[Any, ...]]) -> set[Any]:
        places = list(itertools.combinations(range(5), 2))
        return {(a, b, one[a], one[b]) for one in cases for a, b in places if "one-hot" not in one}

    assert len(PARITY[::5]) < len(PARITY) / 4
    assert pairs(PARITY[::5]) == pairs(PARITY)


@pytest.mark.parametrize(("optimizer", "batch_norm", "l2", "head", "schedule"), every(5, PARITY))
def test_weights_are_those_of_model_fit(
    digits: Prepared,
    halves: Prepared,
    optimizer: str,
    batch_norm: str,
    l2: float,
    head: str,
    schedule: str,
) -> None:
    data = halves if head == "sigmoid" else digits
    params: Params = {"optimizer": optimizer, "batch_norm": batch_norm, "l2": l2}
    if head == "one-hot":
        params |= {"loss": "categorical_crossentropy", "initializer": "he_normal"}
    params |= {"schedule": schedule, "learning_rate": 0.01 if optimizer == "sgd" else 0.002}
    if optimizer == "sgd":
        params["momentum"] = 0.8
    assert_trained_as_by_model_fit(spec_of(data, params, epochs=2), data)


@pytest.mark.parametrize(
    ("optimizer", "batch_norm", "depth"),
    [
        ("adam", "none", 2),
        # Biases before batch normalisation have no gradient but rounding, which Adam would enlarge.
        ("sgd", "before_activation", 4),
        ("rmsprop", "after_activation", 2),
    ],
)
def test_weights_of_convolutions_are_those_of_model_fit(
    digits: Prepared, optimizer: str, batch_norm: str, depth: int
) -> None:
    params: Params = {"optimizer": optimizer, "batch_norm": batch_norm, "depth": depth}
    params |= {"filters": 4, "units": 16, "l2": 0.01, "schedule": "cosine", "dropout": 0.0}
    params |= {"batch_size": 64, "learning_rate": 0.01 if optimizer == "sgd" else 0.002}
    spec = spec_of(digits, {}, epochs=2, model="cnn")
    assert_trained_as_by_model_fit(replace(spec, params=complete(params, "cnn")), digits)


def assert_trained_as_by_model_fit(spec: TrialSpec, data: Prepared) -> None:
    """Two epochs on the same rows in the same order, the last batch smaller than the others."""
    ours = compiled(spec)
    index = ours._rows["train"].index
    steps = math.ceil(len(index) / 64)
    assert len(index) % 64 != 0
    model = in_keras(spec, data, 2 * steps)
    assert _furthest(ours._network.model.get_weights(), model.get_weights()) == 0.0
    before = model.get_weights()
    for epoch in range(2):
        order = np.random.default_rng(epoch).permutation(index)
        running = ours.train_on(order)
        history = model.fit(
            data.x_train[order],
            labels_for(spec, data, order),
            batch_size=64,
            shuffle=False,
            verbose=0,
        ).history
        assert running.loss_penalised == pytest.approx(history["loss"][0], rel=1e-4)
        assert running.accuracy == pytest.approx(history["accuracy"][0], abs=1e-6)
        rate = float(model.optimizer.learning_rate)
        assert running.learning_rate == pytest.approx(rate, rel=1e-5, abs=1e-9)
    found, wanted = ours._network.model.get_weights(), model.get_weights()
    assert _furthest(before, wanted) > 0.01
    # Sums are rounded in another order. Where a gradient is next to nothing (pixels that are nearly
    # always black), optimizers that divide by its root turn that into a step of a visible size.
    assert _distance(found, wanted) < 0.002 * _distance(before, wanted)
    assert _furthest(found, wanted) < 0.05 * _furthest(before, wanted)


@pytest.fixture(scope="module")
def lopsided(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Prepared]:
    """The digits, but few of the first class, for each head."""
    folder = tmp_path_factory.mktemp("lopsided")

    @cache
    def made(head: str) -> Prepared:
        whole = load_digits()
        y = whole.y_train.astype(int)
        if head == "sigmoid":
            y = (y >= 2).astype(int)
        kept = (y != 0) | (np.arange(len(y)) % 8 == 0)
        rare = replace(
            whole,
            name=f"lopsided-{head}",
            x_train=whole.x_train[kept],
            y_train=y[kept].astype(np.uint8),
            x_test=None,
            y_test=None,
            class_names=("small", "large") if head == "sigmoid" else whole.class_names,
        )
        return prepare(rare, folder)

    return made


@pytest.mark.parametrize(  # each optimizer and each head once, the rest in the long form
    ("optimizer", "head"),
    every(4, list(itertools.product(OPTIMIZERS, ("softmax", "sigmoid", "one-hot")))),
)
def test_weights_of_classes_are_those_of_model_fit(
    lopsided: Callable[[str], Prepared], optimizer: str, head: str
) -> None:
    """As above, with `fit(class_weight=…)`; and without them it would be another training."""
    data = lopsided(head)
    params: Params = {"optimizer": optimizer, "l2": 0.01, "class_weight": "balanced"}
    params["learning_rate"] = 0.01 if optimizer == "sgd" else 0.002
    if head == "one-hot":
        params["loss"] = "categorical_crossentropy"
    spec = spec_of(data, params, epochs=2)
    ours, engine = compiled(spec), engine_for(replace(spec, engine="fit"))(spec)
    index = ours._rows["train"].index
    classes, labels = np.unique(data.y_train[index], return_inverse=True)
    weights = compute_class_weight("balanced", classes=classes, y=labels)
    assert max(weights) > 2 * min(weights)
    given = dict(enumerate(weights.tolist()))
    assert engine._class_weight == pytest.approx(given, rel=1e-6)
    steps = math.ceil(len(index) / 64)
    model, plain = in_keras(spec, data, 2 * steps), in_keras(spec, data, 2 * steps)
    before = model.get_weights()
    for epoch in range(2):
        order = np.random.default_rng(epoch).permutation(index)
        running = ours.train_on(order)
        rows = (data.x_train[order], labels_for(spec, data, order))
        how: dict[str, Any] = {"batch_size": 64, "shuffle": False, "verbose": 0}
        history = model.fit(*rows, class_weight=given, **how).history
        plain.fit(*rows, **how)
        assert running.loss_penalised == pytest.approx(history["loss"][0], rel=1e-4)
        assert running.accuracy == pytest.approx(history["accuracy"][0], abs=1e-6)
    found, wanted = ours._network.model.get_weights(), model.get_weights()
    assert _distance(found, wanted) < 0.002 * _distance(before, wanted)
    assert _furthest(found, wanted) < 0.05 * _furthest(before, wanted)
    assert _distance(found, plain.get_weights()) > 0.05 * _distance(before, wanted)
    # What is measured knows no weights.
    held_out = ours._rows["validation"].index
    loss, accuracy = model.evaluate(
        data.x_train[held_out], labels_for(spec, data, held_out), verbose=0
    )
    figures = ours.measure("validation")
    assert figures.loss + ours.penalty() == pytest.approx(loss, rel=1e-3)
    assert figures.accuracy == pytest.approx(accuracy, abs=2 / len(held_out))


def _furthest(some: list[Any], others: list[Any]) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(some, others, strict=True))


def _distance(some: list[Any], others: list[Any]) -> float:
    return math.sqrt(sum(float(((a - b) ** 2).sum()) for a, b in zip(some, others, strict=True)))


@pytest.mark.parametrize("batch_norm", ["none", "before_activation", "after_activation"])
@pytest.mark.parametrize("head", ["softmax", "sigmoid", "one-hot"])
def test_figures_are_those_of_evaluate(
    digits: Prepared, halves: Prepared, batch_norm: str, head: str
) -> None:
    data = halves if head == "sigmoid" else digits
    loss_of: Params = {"loss": "categorical_crossentropy"} if head == "one-hot" else {}
    spec = spec_of(data, {"batch_norm": batch_norm, "l2": 0.01, "dropout": 0.3, **loss_of})
    ours = compiled(spec)
    ours.train_epoch()
    model = in_keras(spec, data, 1)
    model.set_weights(ours._network.model.get_weights())
    for part in ("train", "validation"):
        index = ours._rows[part].index
        loss, accuracy = model.evaluate(
            data.x_train[index], labels_for(spec, data, index), batch_size=100, verbose=0
        )
        figures = ours.measure(part)
        assert figures.accuracy == pytest.approx(accuracy, abs=1e-6)
        # Keras's evaluate adds the penalty to the loss; ours is the data loss alone.
        assert figures.loss + ours.penalty() == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("engine", ["compiled", "fit"])
def test_labels_as_numbers_and_as_rows_give_the_same(digits: Prepared, engine: str) -> None:
    """One quantity by two operations, whose sums are rounded in another order."""
    found = []
    for loss in ("sparse_categorical_crossentropy", "categorical_crossentropy"):
        params: Params = {"loss": loss, "dropout": 0.2, "learning_rate": 0.01}
        spec = spec_of(digits, params, engine=engine)
        found.append(run_epochs(spec, Alone(), engine_for(spec)).epochs)
    for one, other in zip(*found, strict=True):
        assert other.val_loss == pytest.approx(one.val_loss, rel=1e-3)
        assert other.train_loss_penalised == pytest.approx(one.train_loss_penalised, rel=1e-3)
        assert other.val_accuracy == pytest.approx(one.val_accuracy, abs=1 / 288 + 1e-9)
    assert (found[0][-1].val_accuracy or 0.0) > 0.8


def test_a_loss_that_is_named_is_the_one_that_is_usual(digits: Prepared, halves: Prepared) -> None:
    for data, loss in (
        (digits, "sparse_categorical_crossentropy"),
        (halves, "binary_crossentropy"),
    ):
        plain, named = (
            run_epochs(spec, Alone(), engine_for(spec)).epochs
            for spec in (spec_of(data, {}), spec_of(data, {"loss": loss}))
        )
        assert [e.val_loss for e in named] == [e.val_loss for e in plain]
        assert [e.val_accuracy for e in named] == [e.val_accuracy for e in plain]


@pytest.mark.parametrize("engine", ["compiled", "fit"])
@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "categorical_crossentropy"])
def test_kernels_that_begin_at_zero_stay_there(digits: Prepared, engine: str, loss: str) -> None:
    """A ReLU says 0 of everything: only the output's bias learns, how frequent a class is."""
    params: Params = {"initializer": "zeros", "loss": loss}
    spec = spec_of(digits, params, engine=engine, diagnostics=("gradients",), epochs=4)
    result = run_epochs(spec, Alone(), engine_for(spec))
    assert [e.val_loss for e in result.epochs] == [pytest.approx(math.log(10), abs=0.01)] * 4
    assert [e.val_accuracy for e in result.epochs] == [pytest.approx(0.1, abs=0.02)] * 4
    log = result.gradients
    assert log is not None
    for rows in (log.mean, log.std, log.size):
        assert {row[k] for row in rows for k in log.kernels()} == {0.0}
    last = log.variables.index("probabilities/bias")
    assert all((row[last] or 0.0) > 0 for row in log.std)


@pytest.mark.parametrize(
    ("initializer", "spread"), [("glorot_uniform", 2 / (64 + 24)), ("he_normal", 2 / 64)]
)
def test_the_initializer_draws_the_kernels(
    digits: Prepared, initializer: str, spread: float
) -> None:
    made = compiled(spec_of(digits, {"initializer": initializer}))
    kernel, *_ = made._network.model.get_weights()
    assert kernel.shape == (64, 24)
    assert kernel.var() == pytest.approx(spread, rel=0.15)
    again = compiled(spec_of(digits, {"initializer": initializer}))
    assert (again._network.model.get_weights()[0] == kernel).all()
    other = compiled(spec_of(digits, {"initializer": initializer}, seed=8))
    assert (other._network.model.get_weights()[0] != kernel).any()


def test_with_dropout_the_accuracies_of_many_seeds_agree(digits: Prepared) -> None:
    """Other random numbers, the same law: means within three standard errors, spreads alike."""

    def accuracies(engine: str) -> list[float]:
        found = []
        for seed in range(10):
            spec = spec_of(digits, {"dropout": 0.5}, seed=seed, epochs=4, engine=engine)
            result = run_epochs(spec, Alone(), engine_for(spec))
            found.append(result.epochs[-1].val_accuracy or 0.0)
        return found

    ours, keras = accuracies("compiled"), accuracies("fit")
    error = math.sqrt((stdev(ours) ** 2 + stdev(keras) ** 2) / 10)
    assert abs(mean(ours) - mean(keras)) < 3 * error
    assert 1 / 4 < stdev(ours) / stdev(keras) < 4
    without = run_epochs(
        spec_of(digits, {}, epochs=4), Alone(), engine_for(spec_of(digits, {}))
    ).epochs[-1]
    assert (without.val_accuracy or 0.0) > max(ours)  # so dropout did something


@pytest.mark.parametrize("rate", [0.001, 0.25, 0.7, 0.99])
def test_masks_drop_the_share_that_is_asked_for(rate: float) -> None:
    import tensorflow as tf

    from tuner.training.draws import MASK_RANGE, draw_masks

    def masks(key: int, step: int) -> list[Any]:
        drawn = draw_masks(
            (128, 64),
            tf.constant(501),
            tf.constant([key], tf.uint64),
            tf.constant(step, tf.uint64),
            tf.constant(round(rate * MASK_RANGE), tf.uint16),
            tf.constant(1.0 / (1.0 - rate)),
        )
        return [
            mask(tf.ones((501, width))).numpy()
            for mask, width in zip(drawn, (128, 64), strict=True)
        ]

    first = masks(7, 3)
    for mask in first:
        kept = 1.0 / (1.0 - rate)
        assert set(np.unique(mask)) <= {0.0, np.float32(kept)}
        spread = math.sqrt(rate * (1 - rate) / mask.size)
        assert abs((mask == 0).mean() - rate) < 5 * spread + 1 / MASK_RANGE
        # No row and no column is favoured.
        for axis in (0, 1):
            shares = (mask == 0).mean(axis=axis)
            expected = math.sqrt(rate * (1 - rate) / mask.shape[axis])
            assert shares.std() < 1.5 * expected
    assert all((a == b).all() for a, b in zip(first, masks(7, 3), strict=True))
    if 0.1 < rate < 0.9:
        for other in (masks(7, 4), masks(8, 3)):
            agree = (first[0] == other[0]).mean()
            assert agree == pytest.approx(rate**2 + (1 - rate) ** 2, abs=0.02)


def test_trials_of_one_shape_share_a_compilation(digits: Prepared) -> None:
    from tuner.training import network

    base: Params = {"dropout": 0.2, "l2": 0.01, "optimizer": "sgd", "momentum": 0.5}
    made = compiled(spec_of(digits, base))
    traced = made._network._epoch.experimental_get_tracing_count()
    for change in (
        {"dropout": 0.6},
        {"l2": 0.5},
        {"learning_rate": 0.003},
        {"schedule": "cosine"},
        {"momentum": 0.0},
        {"batch_size": 32},
        {"class_weight": "none"},
    ):
        other = compiled(spec_of(digits, {**base, **change}))
        other.train_epoch()
        other.measure("validation")
        assert other._network is made._network
    assert made._network._epoch.experimental_get_tracing_count() == traced == 1
    assert made._network._sums.experimental_get_tracing_count() == 1
    for change in (
        {"dropout": 0.0},
        {"units": 25},
        {"optimizer": "adam"},
        {"initializer": "he_normal"},
        {"loss": "categorical_crossentropy"},
        {"class_weight": "balanced"},
    ):
        params = {k: v for k, v in {**base, **change}.items() if k != "momentum"}
        assert compiled(spec_of(digits, params))._network is not made._network
    assert len(network._kept) <= network.SHAPES_KEPT


def test_no_more_shapes_are_kept_than_there_is_room_for(
    digits: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuner.training import network

    monkeypatch.setattr(network, "SHAPES_KEPT", 4)
    first = spec_of(digits, {"units": 3})
    kept = compiled(first)._network
    for units in range(4, 3 + network.SHAPES_KEPT):
        compiled(spec_of(digits, {"units": units}))
    assert compiled(first)._network is kept  # used again, so that another one goes
    compiled(spec_of(digits, {"units": 40}))
    assert len(network._kept) == network.SHAPES_KEPT
    assert compiled(first)._network is kept
    assert spec_of(digits, {"units": 4}).shape not in network._kept
    gone = weakref.ref(network._kept[spec_of(digits, {"units": 5}).shape])
    compiled(spec_of(digits, {"units": 41}))
    assert gone() is None


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
def test_a_trial_is_the_same_whatever_was_trained_before(digits: Prepared, optimizer: str) -> None:
    """A trial that diverged, too, leaves nothing behind in what both share."""
    params: Params = {"dropout": 0.3, "batch_norm": "before_activation", "optimizer": optimizer}
    spec = spec_of(digits, {**params, "l2": 0.01})

    def result() -> list[EpochMetrics]:
        done = run_epochs(spec, Alone(), engine_for(spec)).epochs
        return [replace(e, seconds=0.0, timestamp=0.0) for e in done]

    first = result()
    for rate in (0.01, 1e30):
        other = replace(spec, seed=8, params={**spec.params, "learning_rate": rate})
        ended = run_epochs(other, Alone(), engine_for(other)).status
        assert ended == ("complete" if rate < 1 else "nan")
        assert result() == first


def test_memory_that_other_shapes_hold_is_given_back(
    digits: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuner.training import network
    from tuner.training.base import OutOfMemoryError

    compiled(spec_of(digits, {"units": 61}))
    made = compiled(spec_of(digits, {"units": 62}))
    train = made._network.epoch

    def narrow(*given: Any) -> Any:
        if len(network._kept) > 1:
            raise OutOfMemoryError("no room")
        return train(*given)

    monkeypatch.setattr(made._network, "epoch", narrow)
    assert made.train_epoch().loss_penalised > 0
    assert list(network._kept.values()) == [made._network]
    compiled(spec_of(digits, {"units": 61}))
    with pytest.raises(OutOfMemoryError):  # in the middle of a trial there is no way back
        made.train_epoch()


def test_a_loss_that_is_not_finite_ends_the_epoch(digits: Prepared) -> None:
    params: Params = {"optimizer": "sgd", "learning_rate": 1e6, "l2": 0.1}
    spec = spec_of(digits, params, epochs=5)
    made = compiled(spec)
    rows = made._rows["train"]
    done, loss, _ = made._network.epoch(rows.x, rows.y, rows.index, 64, spec.seed, 0, made._knobs)
    assert done < len(rows)
    assert not math.isfinite(loss)
    result = run_epochs(spec, Alone(), engine_for(spec))
    assert result.status == "nan"
    assert len(result.epochs) == 1
    assert result.epochs[0].val_accuracy is None
    assert "evaluate" not in result.timings


def test_timings_name_the_phases(digits: Prepared, tmp_path: Path) -> None:
    spec = spec_of(digits, {"units": 77}, keep_weights=str(tmp_path / "weights.npz"))
    result = run_epochs(spec, Alone(), engine_for(spec))
    assert set(result.timings) == {"data", "compile", "train", "evaluate", "wait", "save"}
    assert sum(result.timings.values()) <= result.ended - result.started + 0.1
    again = run_epochs(spec, Alone(), engine_for(spec))
    assert again.timings["compile"] < result.timings["compile"] / 2


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system has no /proc")
def test_a_data_set_is_mapped_and_not_copied(tmp_path: Path) -> None:
    """Wide rows of words, 200 MB of them: uint8 all the way, no float copy of the whole."""
    words = np.random.default_rng(0).integers(0, 2, (20_000, 10_000), np.uint8)
    wide = Dataset(
        name="wide",
        x_train=words,
        y_train=words[:, 0].copy(),
        x_test=None,
        y_test=None,
        class_names=("no", "yes"),
        kind="table",
        scale=1.0,
        description="columns of zeros and ones",
        source="made here",
    )
    prepared = prepare(wide, tmp_path)
    del words, wide
    gc.collect()
    params: Params = {"units": 8, "depth": 1, "batch_size": 512, "dropout": 0.2}
    spec = spec_of(prepared, params, epochs=1)
    compiled(replace(spec, params={**spec.params, "units": 9}))  # whatever comes once
    before = _private_bytes()
    result = run_epochs(spec, Alone(), engine_for(spec))
    assert result.status == "complete"
    assert (result.epochs[-1].val_accuracy or 0) > 0.5
    assert _private_bytes() - before < 100_000_000


def _private_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no RssAnon")
