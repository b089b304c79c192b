"""A trial of a model of the user's own: its `build` and its `fit`, unchanged.

The rule: the user's code trains; a callback does between epochs what the loop does for built-in
models, so that figures, pruning and recording are the same. What the user's code raises makes the
configuration invalid, not the worker: it is told, and the search learns to avoid it.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuner.asked import Asked
from tuner.data.prepared import Prepared
from tuner.errors import ModelError
from tuner.gradients import GradientLog
from tuner.models import own, wrapping
from tuner.models.reference import reason, source_of, where
from tuner.training.backend import configure, device_name, memory_errors
from tuner.training.base import Figures, Link, OutOfMemoryError, Part, Running
from tuner.training.course import Course, Ending
from tuner.training.inference import part_of
from tuner.training.losses import count_by_class, counts_of, row_losses
from tuner.training.weights import save_weights
from tuner.trial import ParamValue, TrialResult, TrialSpec

EVALUATION_ROWS = 1024
ACCURACIES = ("accuracy", "acc", "sparse_categorical_accuracy", "categorical_accuracy")
"""What Keras may call the running accuracy in an epoch's logs."""

OPTIONAL = ("epochs", "batch_size", "verbose")
"""Arguments that a fit of the user's own may set itself, and then gets only once."""


class EndOfTrial(BaseException):
    """Leaves the user's fit, past its `except Exception`; no error."""


def train_own(spec: TrialSpec, link: Link) -> TrialResult:
    """Train one configuration of the model that `spec` names.

    Values that the spec has are given; the parent is asked for the others, as far as it may be.
    """
    course = Course(spec, link)
    try:
        with memory_errors():
            trained = OwnModel(spec, link)
            course.begin(trained)
            ending = trained.train(course)
    except (OutOfMemoryError, MemoryError) as error:
        ending = Ending("oom", str(error) or "memory did not suffice")
    except ModelError as error:
        ending = Ending("invalid", " ".join(str(error).split("\n")))
    result = course.result(ending)
    mark = source_of(spec.model)
    return replace(result, versions={**result.versions, "model": mark}) if mark else result


class OwnModel:
    """The user's model in training.

    Args:
        spec: the trial; its data folder must hold the fingerprint that it names.
        link: asked for what the spec does not say.

    Attributes:
        timings: seconds that its making took, by phase: `data` and `compile`.
    """

    def __init__(self, spec: TrialSpec, link: Link) -> None:
        begun = time.perf_counter()
        configure(spec.threads)
        import keras

        self._spec = spec
        self._folder = Path.cwd()
        self._data = Prepared.open(Path(spec.data), spec.fingerprint)
        mapped = time.perf_counter()
        keras.backend.clear_session()
        keras.utils.set_random_seed(spec.seed)
        ask = own.values_of(spec.params, _asking(spec, link), spec.model)
        self._hypermodel, self._hp, self._model = own.build(spec.model, self._folder, ask)
        self._shape = wrapping.row_shape(self._model, self._data, spec.model)
        self._judge = wrapping.wrapped(self._model, self._data, spec.model)
        self._sums = _compiled_sums(self._judge, self._data.n_classes)
        x, _, rows = part_of(self._data, spec, "validation")
        wrapping.check_probabilities(self._judge(x[rows[:8]], training=False), spec.model)
        self._kept: list[Any] | None = None
        self._device = device_name(spec.threads)
        self.timings = {"data": mapped - begun, "compile": time.perf_counter() - mapped}

    @property
    def parameters(self) -> int:
        return int(self._model.count_params())

    @property
    def device(self) -> str:
        return self._device

    def train(self, course: Course) -> Ending:
        """Run the user's fit, or Keras's, to its end or to the trial's."""
        watch = _watch(self._model, course)
        begun = time.perf_counter()
        try:
            self._fit(watch, course)
        except EndOfTrial:
            pass
        except (ModelError, MemoryError, OutOfMemoryError):
            raise
        except Exception as error:
            if watch.failure is None:
                raise self._mistake(error) from error
        if watch.failure is not None:
            raise watch.failure
        told: Ending | None = watch.ending
        if told is not None:
            return told
        if not course.epochs:  # a training loop of its own that calls no callbacks: one epoch
            course.clock.seconds["train"] = time.perf_counter() - begun
            ending = course.epoch(Running(None, None, _rate(self._model)), begun)
            if ending is not None:
                return ending
        return course.over()

    def _fit(self, watch: Any, course: Course) -> None:
        spec, fit = self._spec, self._hypermodel.fit
        x, y = self._pair("train")
        given: dict[str, Any] = {"epochs": spec.epochs, "verbose": 0}
        if "batch_size" in spec.params and not own.has_own_fit(self._hypermodel):
            given["batch_size"] = spec.params["batch_size"]
        given = {name: value for name, value in given.items() if own.takes(fit, name)}
        given |= {"validation_data": self._pair("validation"), "callbacks": [watch]}
        while True:
            try:
                if own.takes_positions(fit, 4):
                    fit(self._hp, self._model, x, y, **given)
                else:
                    fit(self._hp, self._model, x=x, y=y, **given)
                return
            except TypeError as error:
                twice = re.search(r"multiple values for (?:keyword )?argument '(\w+)'", str(error))
                if twice is None or twice[1] not in OPTIONAL or course.epochs:
                    raise
                given.pop(twice[1], None)  # the fit says it itself

    def _mistake(self, error: Exception) -> Exception:
        """What the user's code raised as a line that says where; lack of memory as it is."""
        import tensorflow as tf

        exhausted: bool = isinstance(error, tf.errors.ResourceExhaustedError)
        if exhausted:
            return error
        return ModelError(
            f"model {self._spec.model} cannot be trained: {reason(error)}"
            f"{where(error, self._folder)}."
        )

    def _pair(self, part: Part) -> tuple[Any, Any]:
        x, y, rows = part_of(self._data, self._spec, part)
        prepared = wrapping.prepared_rows(x[rows], self._data, self._shape)
        return prepared, wrapping.labels_for(self._model, y[rows], self._data.n_classes)

    def measure(self, part: Part) -> Figures:
        import numpy as np

        x, y, rows = part_of(self._data, self._spec, part)
        classes = self._data.n_classes
        loss, found = 0.0, np.zeros((3 * classes,), np.int64)
        with memory_errors():
            for start in range(0, len(rows), EVALUATION_ROWS):
                chosen = rows[start : start + EVALUATION_ROWS]
                batch_loss, more = self._sums(x[chosen], y[chosen])
                loss += float(batch_loss)
                found += np.asarray(more)
        counts = counts_of(found)
        return Figures(counts.all_hits / len(rows), loss / len(rows), counts)

    def penalty(self) -> float:
        return float(sum(float(loss) for loss in self._model.losses))

    def look(self, epoch: int) -> None:
        raise ModelError("gradients are noted of built-in models only: take them from diagnostics")

    def looks(self, last: int) -> GradientLog:
        raise NotImplementedError

    def snapshot(self) -> None:
        self._kept = self._model.get_weights()

    def save_snapshot(self, path: Path) -> None:
        assert self._kept is not None
        save_weights(path, self._kept)


def _asking(spec: TrialSpec, link: Link) -> own.Ask:
    """Asks the parent, in a search; elsewhere what is not in the record is a mistake."""

    def ask(asked: Asked) -> ParamValue:
        if spec.asks:
            raw = asked.to_json()
            return link.suggest(asked.name, asked.kind, raw)
        raise ModelError(
            f"model {spec.model} asks for {asked.name}, which the record of trial {spec.origin} "
            "does not have: its code has changed since."
        )

    return ask


def _watch(model: Any, course: Course) -> Any:
    """The callback that hands each epoch to the course."""
    import keras

    class Watch(keras.callbacks.Callback):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.ending: Ending | None = None
            self.failure: BaseException | None = None
            self._begun = time.perf_counter()

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self._begun = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            seconds = course.clock.seconds
            spent = time.perf_counter() - self._begun
            seconds["train"] = seconds.get("train", 0.0) + spent
            try:
                self.ending = course.epoch(_running(model, logs or {}), self._begun)
            except BaseException as error:  # not the user's code: it must not pass for that
                self.failure = error
                raise EndOfTrial from error
            self._begun = time.perf_counter()
            if self.ending is not None:
                raise EndOfTrial

    return Watch()


def _running(model: Any, logs: Any) -> Running:
    """What the logs of an epoch say."""

    def number(name: str) -> float | None:
        try:
            return float(logs[name])
        except (KeyError, TypeError, ValueError):
            return None

    found = (number(name) for name in (*ACCURACIES, "binary_accuracy"))
    accuracy = next((value for value in found if value is not None), None)
    return Running(accuracy, number("loss"), _rate(model))


def _rate(model: Any) -> float | None:
    optimizer = getattr(model, "optimizer", None)
    return None if optimizer is None else float(optimizer.learning_rate)


def _compiled_sums(model: Any, classes: int) -> Any:
    """A compiled function (features, labels) -> (summed data loss, counts by class)."""
    import tensorflow as tf

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def sums(x: Any, y: Any) -> Any:
        predicted = model(x, training=False)
        total = tf.reduce_sum(row_losses(y, predicted, classes))
        return total, count_by_class(y, predicted, classes)

    def on_arrays(x: Any, y: Any) -> Any:
        return sums(tf.convert_to_tensor(x), tf.convert_to_tensor(y, tf.int32))

    return on_arrays
