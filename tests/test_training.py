"""Training through Keras, on the real digits: figures, randomness, the chosen weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuner.data.builtin import load_digits
from tuner.data.prepared import Prepared, prepare
from tuner.parameters import complete
from tuner.training.loop import run_epochs
from tuner.trial import EarlyStopping, EpochMetrics, Params, ParamValue, SplitSpec, TrialSpec

pytestmark = pytest.mark.slow


class Alone:
    """A line without a parent: reports are kept, nothing is ever stopped."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.seen: list[EpochMetrics] = []
        self._stop_at = stop_at

    def epoch(self, metrics: EpochMetrics) -> None:
        self.seen.append(metrics)

    def stop_after(self, epoch: int) -> bool:
        return epoch == self._stop_at

    def suggest(self, name: str, kind: str, bounds: dict[str, object]) -> ParamValue:
        raise AssertionError("an MLP asks for nothing")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(load_digits(), tmp_path_factory.mktemp("data"))


@pytest.fixture
def spec(digits: Prepared) -> Callable[..., TrialSpec]:
    def make(params: Params | None = None, **changes: Any) -> TrialSpec:
        plain = TrialSpec(
            attempt="study:0",
            study="study",
            origin=0,
            data=str(digits.path),
            fingerprint=digits.fingerprint,
            model="mlp",
            params=complete({"units": 32, "dropout": 0.2, "batch_size": 64, **(params or {})}),
            split=SplitSpec(),
            seed=7,
            epochs=3,
            epoch="best",
            targets=("val_accuracy >= 0.99", "train_accuracy < 0.999"),
        )
        return replace(plain, **changes)

    return make


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """The digits again, asked only whether one is 5 or more: two classes."""
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


def engine(spec: TrialSpec) -> Any:
    from tuner.training.fit import FitEngine

    return FitEngine(spec)


def figures(epochs: tuple[EpochMetrics, ...]) -> list[EpochMetrics]:
    """The same without clock times."""
    return [replace(e, seconds=0.0, timestamp=0.0) for e in epochs]


def test_a_spec_determines_its_result(spec: Callable[..., TrialSpec]) -> None:
    first = run_epochs(spec(), Alone(), engine)
    other = run_epochs(spec({"optimizer": "sgd", "depth": 2}, seed=8), Alone(), engine)
    again = run_epochs(spec(), Alone(), engine)
    assert first.status == other.status == "complete"
    assert figures(again.epochs) == figures(first.epochs)
    assert figures(other.epochs) != figures(first.epochs)


def test_the_seed_matters(spec: Callable[..., TrialSpec]) -> None:
    one = run_epochs(spec(), Alone(), engine)
    two = run_epochs(spec(seed=8), Alone(), engine)
    assert figures(one.epochs) != figures(two.epochs)


@pytest.mark.parametrize("batch_norm", ["none", "before_activation", "after_activation"])
def test_figures_equal_those_of_keras(spec: Callable[..., TrialSpec], batch_norm: str) -> None:
    made = engine(spec({"l2": 0.01, "batch_norm": batch_norm}))
    running = made.train_epoch()
    for part in ("train", "validation"):
        x, y = made._rows[part]
        loss, accuracy = made._model.evaluate(x, y, batch_size=100, verbose=0)
        measured = made.measure(part)
        assert measured.accuracy == pytest.approx(accuracy, abs=1e-6)
        # Keras's evaluate adds the penalty to the loss; ours is the data loss alone.
        assert measured.loss + made.penalty() == pytest.approx(loss, rel=1e-4)
    assert made.penalty() > 0
    assert running.loss_penalised > 0
    assert 0 <= running.accuracy <= 1


@pytest.mark.parametrize(
    ("params", "layers"),
    [
        ({"depth": 0}, ["raw", "scale", "flatten", "probabilities"]),
        (
            {"depth": 1, "dropout": 0.0},
            ["raw", "scale", "flatten", "dense_1", "activation_1", "probabilities"],
        ),
        (
            {"depth": 1, "batch_norm": "before_activation"},
            "raw scale flatten dense_1 norm_1 activation_1 dropout_1 probabilities".split(),
        ),
        (
            {"depth": 1, "batch_norm": "after_activation"},
            "raw scale flatten dense_1 activation_1 norm_1 dropout_1 probabilities".split(),
        ),
        (
            {"layers": [16, 8], "dropout": 0.0},
            "raw scale flatten dense_1 activation_1 dense_2 activation_2 probabilities".split(),
        ),
    ],
)
def test_layers_of_a_configuration(params: Params, layers: list[str]) -> None:
    from tuner.models.mlp import build_model

    model = build_model(complete({"dropout": 0.5, **params}), (8, 8), 10, 16.0)
    assert [layer.name for layer in model.layers] == layers


def test_two_classes_end_in_one_sigmoid(halves: Prepared, spec: Callable[..., TrialSpec]) -> None:
    import keras

    made = engine(spec({"l2": 0.01}, data=str(halves.path), fingerprint=halves.fingerprint))
    last = made._model.layers[-1]
    assert last.units == 1
    assert last.activation is keras.activations.sigmoid
    assert isinstance(made._model.loss, keras.losses.BinaryCrossentropy)
    running = [made.train_epoch() for _ in range(6)]
    assert running[-1].accuracy > running[0].accuracy
    for part in ("train", "validation"):
        x, y = made._rows[part]
        loss, accuracy = made._model.evaluate(x, y, batch_size=100, verbose=0)
        measured = made.measure(part)
        assert measured.accuracy == pytest.approx(accuracy, abs=1e-6)
        assert measured.loss + made.penalty() == pytest.approx(loss, rel=1e-4)
        # Against the definition of the loss, so that neither of the two is taken on trust.
        guess = made._model.predict(x, verbose=0)[:, 0].astype(np.float64)
        own = -np.mean(np.where(y == 1, np.log(guess), np.log1p(-guess)))
        assert measured.loss == pytest.approx(own, rel=1e-4)
    assert made.measure("train").accuracy > 0.8


def test_the_penalty_is_on_hidden_kernels_alone() -> None:
    from tuner.models.mlp import build_model

    model = build_model(complete({"l2": 0.1, "depth": 2, "units": 8}), (8, 8), 10, 16.0)
    kernels = [model.get_layer(f"dense_{i}").kernel for i in (1, 2)]
    expected = sum(0.1 * float(np.sum(np.square(kernel))) for kernel in kernels)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)


def test_the_model_takes_raw_pixels(digits: Prepared) -> None:
    from tuner.models.mlp import build_model

    model = build_model(complete({}), digits.input_shape, digits.n_classes, digits.scale)
    raw = digits.x_train[:5]
    assert raw.dtype == np.uint8
    assert raw.max() > 1
    scaled = model.get_layer("scale")(raw)
    assert float(np.max(scaled)) <= 1.0
    assert model(raw).shape == (5, 10)


def test_cosine_ends_at_zero_and_constant_stays(spec: Callable[..., TrialSpec]) -> None:
    cosine = run_epochs(spec({"schedule": "cosine"}), Alone(), engine)
    rates = [e.learning_rate for e in cosine.epochs]
    assert rates == sorted(rates, key=lambda rate: -(rate or 0.0))
    assert rates[-1] == pytest.approx(0.0, abs=1e-9)
    constant = run_epochs(spec({"schedule": "constant"}), Alone(), engine)
    assert [e.learning_rate for e in constant.epochs] == [pytest.approx(0.001)] * 3


def test_a_loss_that_is_not_finite_ends_the_trial(spec: Callable[..., TrialSpec]) -> None:
    wild = spec({"optimizer": "sgd", "learning_rate": 1e20, "dropout": 0.0}, epochs=5)
    result = run_epochs(wild, Alone(), engine)
    assert result.status == "nan"
    assert len(result.epochs) < 5
    assert result.epochs[-1].val_loss is None


def test_a_stop_discards_the_epoch_after_it(spec: Callable[..., TrialSpec]) -> None:
    whole = run_epochs(spec(epochs=4), Alone(), engine)
    link = Alone(stop_at=2)
    stopped = run_epochs(spec(epochs=4), link, engine)
    assert stopped.status == "stopped"
    assert figures(stopped.epochs) == figures(whole.epochs)[:2]
    assert [e.epoch for e in link.seen] == [1, 2]


def test_kept_weights_are_those_of_the_chosen_epoch(
    spec: Callable[..., TrialSpec], tmp_path: Path
) -> None:
    from tuner.epochs import choose
    from tuner.targets import parse_targets

    # A rate so high that the last epoch is not the best one.
    wanted = spec({"learning_rate": 0.05}, epochs=5, keep_weights=str(tmp_path / "w" / "a.npz"))
    result = run_epochs(wanted, Alone(), engine)
    assert result.weights is not None
    assert [p.name for p in (tmp_path / "w").iterdir()] == ["a.npz"]
    targets = tuple(t for text in wanted.targets for t in parse_targets(text))
    chosen = choose(result.epochs, targets, "best")
    assert chosen is not None
    made = engine(wanted)
    with np.load(result.weights, allow_pickle=False) as stored:
        made._model.set_weights([stored[name] for name in stored.files])
    assert made.measure("validation").accuracy == chosen.metrics.val_accuracy


def test_a_loss_that_is_not_finite_takes_nothing_from_the_epochs_before(
    spec: Callable[..., TrialSpec], tmp_path: Path
) -> None:
    wanted = spec(epochs=5, keep_weights=str(tmp_path / "a.npz"))

    def diverging(given: TrialSpec) -> Any:
        made = engine(given)
        train, done = made.train_epoch, []

        def train_epoch() -> Any:
            running = train()
            done.append(running)
            return replace(running, loss_penalised=float("nan")) if len(done) == 4 else running

        made.train_epoch = train_epoch
        return made

    result = run_epochs(wanted, Alone(), diverging)
    assert (result.status, len(result.epochs)) == ("nan", 4)
    assert result.weights is not None
    chosen = max(result.epochs[:3], key=lambda e: e.val_accuracy or 0.0)
    made = engine(wanted)
    with np.load(result.weights, allow_pickle=False) as stored:
        made._model.set_weights([stored[name] for name in stored.files])
    assert made.measure("validation").accuracy == chosen.val_accuracy


def test_early_stopping_measures_its_last_epoch(spec: Callable[..., TrialSpec]) -> None:
    rule = EarlyStopping("val_accuracy", patience=2)
    result = run_epochs(
        spec({"learning_rate": 1e-5}, epochs=40, early_stopping=rule), Alone(), engine
    )
    assert result.status == "complete"
    assert len(result.epochs) < 40
    values = [e.val_accuracy for e in result.epochs]
    best = max(v for v in values if v is not None)
    assert len(values) - 1 - values.index(best) == 2
    assert result.epochs[-1].train_accuracy is not None


def test_validation_on_test_measures_the_test_split(
    digits: Prepared, spec: Callable[..., TrialSpec]
) -> None:
    made = engine(spec(split=SplitSpec(kind="test")))
    assert len(made._rows["validation"][1]) == len(digits.test()[1])
    assert len(made._rows["train"][1]) == len(digits.y_train)


def test_other_data_is_refused(spec: Callable[..., TrialSpec]) -> None:
    from tuner.errors import DataError

    with pytest.raises(DataError, match="fingerprint"):
        engine(spec(fingerprint="0" * 16))
