"""Models of one's own as tests use them: the shapes of KerasTuner's README and guides."""

from __future__ import annotations

from typing import Any

MODULE = """\
import keras
import keras_tuner as kt
from keras import layers


def build_model(hp):
    model = keras.Sequential()
    model.add(layers.Flatten())
    model.add(layers.Dense(hp.Choice("units", [8, 16, 32]), activation="relu"))
    if hp.Boolean("dropout"):
        model.add(layers.Dropout(rate=0.25))
    model.add(layers.Dense(10, activation="softmax"))
    rate = hp.Float("lr", min_value=1e-3, max_value=1e-2, sampling="log")
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=rate),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


class Deep(kt.HyperModel):
    def build(self, hp):
        model = keras.Sequential([layers.Flatten()])
        for i in range(hp.Int("num_layers", 1, 3)):
            units = hp.Int(f"units_{i}", min_value=16, max_value=64, step=16)
            model.add(layers.Dense(units, activation="relu"))
        model.add(layers.Dense(10, activation="softmax"))
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    def fit(self, hp, model, *args, **kwargs):
        return model.fit(
            *args,
            batch_size=hp.Choice("batch_size", [32, 64]),
            shuffle=hp.Boolean("shuffle"),
            **kwargs,
        )


class OwnEpochs(Deep):
    def fit(self, hp, model, *args, **kwargs):
        return model.fit(*args, epochs=hp.Int("rounds", 1, 2), **kwargs)


class OwnLoop(kt.HyperModel):
    def build(self, hp):
        model = keras.Sequential([layers.Flatten(), layers.Dense(10)])
        hp.Float("lr", 1e-3, 1e-2, sampling="reverse_log")
        return model

    def fit(self, hp, model, x, y, validation_data, callbacks=None, **kwargs):
        optimizer = keras.optimizers.Adam(hp.get("lr"))
        model.compile(
            optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        )
        for callback in callbacks:
            callback.set_model(model)
        for epoch in range(2):
            loss = model.train_on_batch(x[:256], y[:256])
            for callback in callbacks:
                callback.on_epoch_end(epoch, logs={"my_metric": float(loss)})
        return 0.5


class Silent(Deep):
    def fit(self, hp, model, x, y, **kwargs):
        model.fit(x, y, epochs=3, verbose=0)


class Fails(Deep):
    def fit(self, hp, model, *args, **kwargs):
        return {}["rate"]


def sometimes(hp):
    units = hp.Choice("units", [8, 0])
    model = keras.Sequential([layers.Flatten(), layers.Dense(units)])
    model.add(layers.Dense(10, activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def scoped(hp):
    inputs = keras.Input(shape=(8, 8, 1))
    kind = hp.Choice("model_type", ["mlp", "cnn"])
    with hp.conditional_scope("model_type", ["mlp"]):
        if kind == "mlp":
            x = layers.Flatten()(inputs)
            x = layers.Dense(hp.Int("units", 16, 64, step=16), activation="relu")(x)
    with hp.conditional_scope("model_type", ["cnn"]):
        if kind == "cnn":
            x = layers.Conv2D(hp.Int("filters", 4, 16, step=4), 3, activation="relu")(inputs)
            x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(10)(x))
    model.compile(
        optimizer=keras.optimizers.Adam(hp.Float("lr", 1e-3, 1e-1, sampling="log")),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def nothing(hp):
    hp.Int("units", 1, 2)


def fails(hp):
    return keras.Sequential([layers.Dense(hp.Int("units", 1, 2) / 0)])


def four(hp):
    return keras.Sequential([layers.Flatten(), layers.Dense(4, activation="softmax")])


def other_rows(hp):
    return keras.Sequential([keras.Input((32, 32, 3)), layers.Flatten(), layers.Dense(10)])


def no_probabilities(hp):
    model = keras.Sequential([layers.Flatten(), layers.Dense(10, activation="relu")])
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


class Needy(kt.HyperModel):
    def __init__(self, classes):
        super().__init__()


def no_hp():
    return None


number = 3
"""


class Answers:
    """A line to a parent that answers with defaults, and stops a trial after one epoch or none."""

    def __init__(self, stop_after: int | None = None) -> None:
        self._last = stop_after
        self.asked: list[str] = []
        self.epochs: list[Any] = []

    def epoch(self, metrics: Any) -> None:
        self.epochs.append(metrics)

    def stop_after(self, epoch: int) -> bool:
        return epoch == self._last

    def suggest(self, name: str, kind: str, bounds: dict[str, Any]) -> Any:
        self.asked.append(name)
        return bounds["default"]
