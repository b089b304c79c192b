"""What is noted of backpropagation: the figures of a tape, and nothing that changes a training."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stubs import opened, spec
from test_compiled import digits as _digits
from test_compiled import halves as _halves
from test_compiled import one_thread as _one_thread
from test_compiled import spec_of
from test_training import Alone

from tuner.data.prepared import Prepared
from tuner.executors.wire import result_from_json, result_to_json
from tuner.gradients import GradientLog
from tuner.search.records import summaries
from tuner.training.loop import engine_for, run_epochs
from tuner.trial import Params, SplitSpec, TrialResult
from tuner.workspace import Workspace

digits, halves, one_thread = _digits, _halves, _one_thread

# Values

FIGURE = st.none() | st.floats(allow_nan=False, allow_infinity=False)
TABLES = ("mean", "std", "size", "change", "silent")


@st.composite
def logs(draw: st.DrawFn) -> GradientLog:
    variables = draw(st.lists(st.text(max_size=5), max_size=3))
    layers = draw(st.lists(st.text(max_size=5), max_size=2))
    log = GradientLog(tuple(variables), tuple(layers), draw(st.integers(2, 10)))
    for epoch in range(draw(st.integers(0, 4))):
        rows = {
            name: draw(st.lists(FIGURE, min_size=n, max_size=n))
            for name in TABLES
            for n in (len(layers) if name == "silent" else len(variables),)
        }
        log = log.with_epoch(epoch, **rows)
    return log


@given(logs())
def test_a_log_comes_back_from_json(log: GradientLog) -> None:
    raw = json.loads(json.dumps(log.to_json()))
    assert GradientLog.from_json(raw) == log
    assert GradientLog.from_json({**raw, "unknown": 3}) == log


@given(logs(), st.integers(-1, 5))
def test_a_log_ends_where_it_is_cut(log: GradientLog, last: int) -> None:
    cut = log.until(last)
    assert cut.epochs == tuple(e for e in log.epochs if e <= last)
    for name in TABLES:
        assert getattr(cut, name) == getattr(log, name)[: len(cut.epochs)]
    assert cut.until(last) == cut
    assert (cut.variables, cut.layers, cut.classes) == (log.variables, log.layers, log.classes)


def test_kernels_are_found_by_name() -> None:
    names = ("dense_1/kernel", "dense_1/bias", "norm_1/gamma", "probabilities/kernel")
    assert GradientLog(names).kernels() == [0, 3]


LOG = GradientLog(("a/kernel", "a/bias"), ("hidden 1",), 10).with_epoch(
    0, mean=[0.5, None], std=[1e-30, 2.0], size=[1.0, 0.0], change=[None, None], silent=[0.25]
)


@pytest.mark.parametrize("log", [None, GradientLog(), LOG])
def test_a_result_crosses_the_wire(log: GradientLog | None) -> None:
    result = TrialResult("complete", gradients=log)
    assert result_from_json(json.loads(json.dumps(result_to_json(result)))) == result


@pytest.mark.parametrize("log", [None, LOG])
def test_the_journal_keeps_it(tmp_path: Path, log: GradientLog | None) -> None:
    study = opened(tmp_path)
    ticket = study.next(4)
    assert ticket is not None
    study.start(ticket, replace(spec(ticket.attempt), fingerprint="f00d"))
    result = TrialResult("complete", gradients=log)
    assert study.finish(ticket.attempt, result, objective=0.5, violations={})
    (record,) = study.records()
    assert record.gradients == log
    study.close()
    ((record,),) = (summary.records for summary in summaries(Workspace(tmp_path)))
    assert record.gradients == log


# A tape


MODELS: dict[str, Params] = {
    "softmax": {"depth": 2},
    "one-hot": {"depth": 1, "loss": "categorical_crossentropy", "initializer": "he_normal"},
    "no hidden layer": {"depth": 0},
    "penalty and dropout": {"depth": 1, "l2": 0.5, "dropout": 0.5},
    "batch norm": {"depth": 2, "batch_norm": "before_activation", "activation": "tanh"},
    "two classes": {"depth": 1},
}


def by_hand(model: Any, x: Any, y: Any, classes: int) -> list[Any]:
    """Gradients of the mean cross-entropy, by its definition, in double precision."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        p = tf.cast(model(x, training=False), tf.float64)
        if classes == 2:
            t = y.astype(np.float64)
            losses = -(t * tf.math.log(p[:, 0]) + (1 - t) * tf.math.log(1 - p[:, 0]))
        else:
            losses = -tf.math.log(tf.reduce_sum(p * np.eye(classes)[y], axis=1))
        loss = tf.reduce_mean(losses)
    return [np.asarray(g) for g in tape.gradient(loss, model.trainable_variables)]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["compiled", "fit"])
@pytest.mark.parametrize("name", MODELS)
def test_figures_are_those_of_a_tape(
    digits: Prepared, halves: Prepared, name: str, engine: str
) -> None:
    data = halves if name == "two classes" else digits
    wanted = spec_of(data, MODELS[name], engine=engine)
    made: Any = engine_for(wanted)(wanted)
    model = made._network.model if engine == "compiled" else made._model
    index = np.sort(_training_rows(data, wanted.split))[:32]
    x, y = data.x_train[index], data.y_train[index]
    before = None
    made.look(0)
    for epoch in (1, 2):
        weights = [np.asarray(v) for v in model.trainable_variables]
        log, place = made.looks(9), epoch - 1
        assert log.variables == tuple(v.path for v in model.trainable_variables)
        assert log.classes == data.n_classes
        for at, gradient in enumerate(by_hand(model, x, y, data.n_classes)):
            near = {"rel": 2e-3, "abs": 1e-7}
            assert log.mean[place][at] == pytest.approx(gradient.mean(dtype=np.float64), **near)
            assert log.std[place][at] == pytest.approx(gradient.std(dtype=np.float64), **near)
            size = math.sqrt((weights[at].astype(np.float64) ** 2).mean())
            assert log.size[place][at] == pytest.approx(size, rel=1e-5)
            moved = None
            if before is not None and (b := math.sqrt((before[at] ** 2.0).mean())) > 0:
                moved = pytest.approx(
                    math.sqrt(((weights[at] - before[at]) ** 2.0).mean()) / b, rel=1e-4
                )
            assert log.change[place][at] == moved
        before = weights
        made.train_epoch()
        made.look(epoch)
    assert made.looks(1).epochs == (0, 1)


def _training_rows(data: Prepared, how: SplitSpec) -> Any:
    from tuner.data.splits import split

    return split(data.y_train, how)[0]


@pytest.mark.slow
def test_units_that_say_the_same_of_every_row_are_silent(digits: Prepared) -> None:
    wanted = spec_of(digits, {"layers": [8, 4]})
    made: Any = engine_for(wanted)(wanted)
    model = made._network.model
    made.look(0)
    kernel, bias, *rest = model.get_weights()
    bias[:3] = -1e6  # of these three a ReLU says 0
    model.set_weights([kernel, bias, *rest])
    made.look(1)
    log = made.looks(1)
    assert log.layers == ("hidden 1", "hidden 2")
    before, after = log.silent
    assert after[0] == pytest.approx((before[0] * 8 + 3) / 8, abs=0.13)
    assert after[0] >= 3 / 8 > before[0]
    kernel[:], bias[:] = 0, 1  # now the first layer says the same of all, and so does the second
    model.set_weights([kernel, bias, *rest])
    made.look(2)
    assert made.looks(2).silent[2] == (1.0, 1.0)


# A training


def figures(result: TrialResult) -> list[Any]:
    return [replace(e, seconds=0.0, timestamp=0.0) for e in result.epochs]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["compiled", "fit"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_look_changes_nothing(
    digits: Prepared, tmp_path: Path, engine: str, optimizer: str
) -> None:
    params: Params = {
        "optimizer": optimizer,
        "dropout": 0.3,
        "l2": 0.01,
        "batch_norm": "after_activation",
    }
    found, kept = [], []
    for number, diagnostics in enumerate(((), ("gradients",), ("curves", "misclassified"))):
        file = tmp_path / f"{number}.npz"
        wanted = spec_of(
            digits, params, engine=engine, diagnostics=diagnostics, keep_weights=str(file)
        )
        found.append(run_epochs(wanted, Alone(), engine_for(wanted)))
        with np.load(file) as weights:
            kept.append([weights[name] for name in weights.files])
    assert figures(found[0]) == figures(found[1]) == figures(found[2])
    for other in kept[1:]:
        assert all((a == b).all() for a, b in zip(kept[0], other, strict=True))
    assert found[0].gradients is found[2].gradients is None
    log = found[1].gradients
    assert log is not None
    assert log.epochs == (0, 1, 2, 3)
    assert "look" in found[1].timings
    assert "look" not in found[0].timings
    assert result_from_json(json.loads(json.dumps(result_to_json(found[1])))) == found[1]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["compiled", "fit"])
def test_a_stop_leaves_no_row_after_it(digits: Prepared, engine: str) -> None:
    wanted = spec_of(digits, {}, engine=engine, diagnostics=("gradients",), epochs=4)
    whole = run_epochs(wanted, Alone(), engine_for(wanted))
    stopped = run_epochs(wanted, Alone(stop_at=2), engine_for(wanted))
    assert (stopped.status, len(stopped.epochs)) == ("stopped", 2)
    assert whole.gradients is not None
    assert stopped.gradients == whole.gradients.until(2)


@pytest.mark.slow
def test_a_training_that_diverges_is_noted_to_its_end(digits: Prepared) -> None:
    params: Params = {"optimizer": "sgd", "learning_rate": 1e20}
    wanted = spec_of(digits, params, diagnostics=("gradients",), epochs=5)
    result = run_epochs(wanted, Alone(), engine_for(wanted))
    assert result.status == "nan"
    log = result.gradients
    assert log is not None
    assert log.epochs == (0, 1)
    assert all(value is not None for value in log.std[0])
    assert None in log.std[1]  # what is not finite is nothing
    json.dumps(log.to_json(), allow_nan=False)


@pytest.mark.slow
def test_lack_of_memory_before_the_first_look_is_lack_of_memory(digits: Prepared) -> None:
    from tuner.training.base import OutOfMemoryError

    wanted = spec_of(digits, {}, diagnostics=("gradients",))

    def narrow(given_spec: Any) -> Any:
        made: Any = engine_for(given_spec)(given_spec)

        def look(epoch: int) -> None:
            raise OutOfMemoryError("no room")

        made.look = look
        return made

    result = run_epochs(wanted, Alone(), narrow)
    assert (result.status, result.gradients) == ("oom", None)
