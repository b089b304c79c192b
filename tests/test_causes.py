"""Why a loss does not fall: planted figures, and small networks that are broken on purpose."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tuner.gradients import GradientLog
from tuner.parameters import complete
from tuner.report.answers import findings_text
from tuner.report.causes import Findings, findings_of
from tuner.trial import EpochMetrics, SplitSpec, TrialSpec

LN10 = math.log(10)


def log(
    std: list[list[float | None]],
    size: list[list[float]] | None = None,
    change: list[list[float | None]] | None = None,
    silent: list[list[float]] | None = None,
) -> GradientLog:
    """Of two kernels and no biases, one hidden layer; a row an epoch, the first before training."""
    rows = len(std)
    found = GradientLog(("dense_1/kernel", "probabilities/kernel"), ("hidden 1",), 10)
    for epoch in range(rows):
        found = found.with_epoch(
            epoch,
            mean=[0.0, 0.0],
            std=std[epoch],
            size=(size or [[0.1, 0.1]] * rows)[epoch],
            change=(change or [[None, None], *[[0.1, 0.1]] * rows])[epoch],
            silent=(silent or [[0.0]] * rows)[epoch],
        )
    return found


def course(*losses: float | None) -> tuple[EpochMetrics, ...]:
    """Penalised losses of an epoch each; train is measured at the last one."""
    rows = [
        EpochMetrics(e, 0.5, 1.0, train_loss_penalised=loss) for e, loss in enumerate(losses, 1)
    ]
    return (*rows[:-1], replace(rows[-1], train_loss=losses[-1]))


HEALTHY = log([[0.01, 0.02]] * 4)


@pytest.mark.parametrize(
    ("epochs", "noted", "falls", "kinds"),
    [
        (course(1.0, 0.5, 0.2), HEALTHY, True, []),
        (course(2.3, 2.3, 2.3), HEALTHY, False, []),
        # Exactly 0 from the first look on: nothing else is asked then.
        (
            course(2.302, 2.301, 2.301),
            log([[0.0, 0.0]] * 4, size=[[0.0, 0.0]] * 4, silent=[[1.0]] * 4),
            False,
            ["symmetry"],
        ),
        # Kernels at 0 whose gradient is not: that is a start, not a cause.
        (course(2.3, 2.3, 2.3), log([[0.0, 0.1]] * 4, size=[[0.1, 0.0]] * 4), False, ["vanishing"]),
        (course(2.3, 2.3, 2.3), log([[1e-6, 0.1]] * 4), False, ["vanishing"]),
        (course(1.0, 0.5, 0.2), log([[1e-6, 0.1]] * 4), True, ["vanishing"]),
        (course(2.3, 2.3, 2.3), log([[2e-4, 0.1]] * 4), False, []),
        (course(9.0, 9.0, 9.0), log([[0.1, 0.1], [30.0, 0.1]]), False, ["exploding"]),
        (course(2.3, 2.3, 2.3), log([[0.1, 1e-5]] * 4), False, ["exploding"]),
        (course(2.3, None), log([[0.1, 0.1], [None, None]]), False, ["exploding"]),
        (
            course(8.0, 2.4, 2.4),
            log([[0.1, 0.1]] * 4, change=[[None, None], [90.0, 40.0], [0.0, 0.0], [0.0, 0.0]]),
            False,
            ["large step"],
        ),
        (
            course(8.0, 2.4, 2.4),
            log(
                [[0.1, 0.1]] * 4,
                change=[[None, None], [90.0, 40.0], [0.0, 0.0], [0.0, 0.0]],
                silent=[[0.1], [1.0], [1.0], [1.0]],
            ),
            False,
            ["large step", "dead"],
        ),
        # Silent before training already, as zeros are: the training has not killed them.
        (course(2.3, 2.3, 2.3), log([[0.1, 0.1]] * 4, silent=[[0.9]] * 4), False, []),
        (course(2.3, 2.1, 1.9, 1.7), log([[0.1, 0.1]] * 5), False, ["small step"]),
        # It has come to rest, or goes to and fro.
        (course(2.3, 1.6, 1.59, 1.585), log([[0.1, 0.1]] * 5), False, []),
        (course(2.3, 2.0, 2.1, 1.7), log([[0.1, 0.1]] * 5), False, []),
    ],
)
def test_causes_of_planted_figures(
    epochs: tuple[EpochMetrics, ...], noted: GradientLog, falls: bool, kinds: list[str]
) -> None:
    found = findings_of(epochs, noted)
    assert found.falls is falls
    assert [cause.kind for cause in found.causes] == kinds
    assert found.guess == pytest.approx(LN10)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Findings(True, 0.0168, LN10), "the loss falls, to 0.0168 (guessing costs 2.303)."),
        (
            Findings(False, None, LN10),
            "the loss is no longer finite; the gradients show no cause.",
        ),
        (
            Findings(False, 2.435, LN10),
            "the loss ends at 2.435, above the 2.303 of guessing; the gradients show no cause.",
        ),
        (
            Findings(False, 2.3013, LN10),
            "the loss stays at 2.301, and guessing costs 2.303; the gradients show no cause.",
        ),
    ],
)
def test_findings_in_words(found: Findings, text: str) -> None:
    assert findings_text(found) == text


class Line:
    """A line to nobody: a training that is never stopped."""

    def epoch(self, metrics: EpochMetrics) -> None:
        pass

    def stop_after(self, epoch: int) -> bool:
        return False

    def suggest(self, name: str, kind: str, bounds: dict[str, object]) -> Any:
        raise AssertionError("nothing is asked")


BROKEN: dict[str, tuple[dict[str, Any], int, bool, str | None]] = {
    "document": ({}, 10, True, None),
    "rate-1.0": ({"learning_rate": 1.0}, 5, False, "large step"),
    "rate-1e-6": ({"learning_rate": 1e-5}, 5, False, "small step"),
    "zeros": ({"initializer": "zeros"}, 3, False, "symmetry"),
    "ten-sigmoids-sgd": (
        {"layers": [32] * 10, "activation": "sigmoid", "optimizer": "sgd", "learning_rate": 0.01},
        3,
        False,
        "vanishing",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", BROKEN)
def test_networks_broken_on_purpose_are_recognised(
    name: str, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from tuner.data.obtain import obtain
    from tuner.training.loop import train

    own, epochs, falls, kind = BROKEN[name]
    folder: Path = tmp_path_factory.getbasetemp() / "digits"
    data = obtain("digits", None, folder, lambda text: None)
    spec = TrialSpec(
        attempt="a:0",
        study="s",
        origin=0,
        data=str(data.path),
        fingerprint=data.fingerprint,
        model="mlp",
        params=complete({"layers": [64], "batch_size": 16, **own}),
        split=SplitSpec(),
        seed=seed,
        epochs=epochs,
        epoch="last",
        targets=("val_accuracy >= 0.9",),
        diagnostics=("gradients",),
    )
    result = train(spec, Line())
    assert result.gradients is not None
    assert result.gradients.epochs == tuple(range(epochs + 1))
    found = findings_of(result.epochs, result.gradients)
    assert found.falls is falls, findings_text(found)
    kinds = [cause.kind for cause in found.causes]
    assert kinds[:1] == ([kind] if kind else []), findings_text(found)
