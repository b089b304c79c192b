"""Outcomes made of plain records, for tests of the page and the pictures; nothing is trained."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuner.definition import SweepDefinition, parse
from tuner.report.selection import Outcome, select
from tuner.scores import TestScore
from tuner.targets import parse_targets
from tuner.trial import EpochMetrics, Repeat, SplitSpec, TrialRecord, TrialSpec

TARGETS = "val_accuracy >= 0.90 and train_accuracy < 0.95"

SWEEP = """\
dataset: fashion
epochs: {epochs}
trials: 20
targets: ["val_accuracy >= 0.9", "train_accuracy < 0.95"]
space:
  l2:            {{min: 1.0e-6, max: 1.0e-1, log: true, or: 0}}
  dropout:       {{min: 0.0, max: 0.7}}
  batch_size:    {{values: [64, 128, 256]}}
  optimizer:     {{values: [sgd, adam]}}
  momentum:      {{min: 0.0, max: 0.99, when: {{optimizer: sgd}}}}
  depth:         {{min: 1, max: 3}}
  learning_rate: {{min: 1.0e-4, max: 1.0e-2, log: true}}
  batch_norm:    {{values: [none, before_activation]}}
variants:
  baseline: {{l2: 0, dropout: 0}}
"""


def sweep(epochs: int = 12) -> SweepDefinition:
    """A definition with a parameter of every kind."""
    return parse(SWEEP.format(epochs=epochs), "test.yaml", "shown")


def curve(
    top: float, over: float, epochs: int, noise: random.Random | None = None
) -> tuple[EpochMetrics, ...]:
    """Figures as of a real training: val nears `top`, train ends `over` above it."""
    rows = []
    for epoch in range(1, epochs + 1):
        done = epoch / epochs
        shake = noise.gauss(0, 0.002) if noise else 0.0
        val = min(top - 0.2 * math.exp(-5 * done) + shake, 1.0)
        train = val - 0.01 + (over + 0.01) * done
        measured = epoch % 5 == 0 or epoch == epochs or val >= 0.9
        rows.append(
            EpochMetrics(
                epoch=epoch,
                val_accuracy=val,
                val_loss=0.25 + (1 - val) + 0.3 * max(0.0, done - 0.6) ** 2,
                train_accuracy=train if measured else None,
                train_loss=1.1 - train if measured else None,
                parameters=100_000 + 20_000 * int(1000 * over),
                seconds=0.5,
                timestamp=1.79e9 + epoch,
            )
        )
    return tuple(rows)


def record(origin: int, top: float, over: float, epochs: int = 12, **more: Any) -> TrialRecord:
    """A complete trial; `more` are fields of the record, `params` among them."""
    chance = random.Random(origin)
    params = {
        "l2": 0.0 if chance.random() < 0.2 else 10 ** chance.uniform(-6, -1),
        "dropout": chance.uniform(0, 0.7),
        "batch_size": chance.choice([64, 128, 256]),
        "optimizer": chance.choice(["sgd", "adam"]),
        "depth": chance.randint(1, 3),
        "units": 128,
        "learning_rate": 10 ** chance.uniform(-4, -2),
        "schedule": "constant",
        "batch_norm": chance.choice(["none", "before_activation"]),
        "activation": "relu",
    }
    if params["optimizer"] == "sgd":
        params["momentum"] = chance.uniform(0, 0.99)
    spec = TrialSpec(
        attempt=f"f00df00df00d:{origin}",
        study="shown",
        origin=origin,
        data="nowhere",
        fingerprint="f00d",
        model="mlp",
        params=params,
        split=SplitSpec(),
        seed=origin,
        epochs=epochs,
        epoch="best",
        targets=("val_accuracy >= 0.9", "train_accuracy < 0.95"),
    )
    made = TrialRecord(
        number=origin,
        origin=origin,
        attempt=spec.attempt,
        state="complete",
        params=params,
        epochs=curve(top, over, epochs, chance),
        seed=origin,
        started=1.79e9 + 10 * origin,
        ended=1.79e9 + 10 * origin + 9,
        run_id=f"{origin:032x}",
        spec=spec.to_json(),
        device="cpu (1 thread)",
    )
    return replace(made, **more)


def records(count: int, epochs: int = 12, best: float = 0.915) -> list[TrialRecord]:
    """A baseline and many trials, a few of which meet; every tenth is pruned."""
    found = [record(0, 0.89, 0.06, epochs, variant="baseline")]
    for origin in range(1, count):
        chance = random.Random(1000 + origin)
        top = best - abs(chance.gauss(0, 0.03)) - (0.3 if origin % 17 == 0 else 0.0)
        one = record(origin, top, chance.uniform(0.0, 0.08), epochs)
        if origin % 10 == 3:
            one = replace(
                one, state="pruned", reason="overfits", epochs=one.epochs[: epochs // 3 + 1]
            )
        found.append(one)
    return found


def confirmed(one: TrialRecord, tops: Sequence[float], over: float) -> TrialRecord:
    """The trial after it was repeated on fresh seeds, with a test score."""
    epoch = max(one.epochs, key=lambda e: e.val_accuracy or 0.0).epoch
    repeats = [
        Repeat(
            kind="fresh",
            index=index,
            seed=100 + index,
            split=SplitSpec(seed=100 + index),
            epoch=epoch,
            status="complete",
            epochs=curve(top, over, len(one.epochs)),
            started=2e9,
            ended=2e9 + 8,
        )
        for index, top in enumerate(tops)
    ]
    own = Repeat("own", 0, one.seed, SplitSpec(), epoch, "complete", one.epochs, 2e9, 2e9 + 8)
    score = TestScore(accuracy=0.903, loss=0.3, rows=10_000, looked_at=20)
    return replace(one, repeats=(own, *repeats), test=score)


def outcome(
    trials: Sequence[TrialRecord], targets: str = TARGETS, study: str = "shown", **more: Any
) -> Outcome:
    """What these trials show; `more` are fields of the outcome."""
    made = select(study, "fashion", trials, parse_targets(targets), "best", len(trials))
    return replace(made, **more)


def open_in(driver: Any, file: Path, width: int, height: int, scheme: str) -> Any:
    """Open a page in a window of a size, light or dark, a phone's below 500 pixels; the driver."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    driver.get("about:blank")
    driver.get_log("browser")
    driver.get(file.as_uri())
    # On a busy machine the driver may come back before the page's script has run.
    script = "return location.href === arguments[0] && document.readyState === 'complete'"
    end = time.monotonic() + 60
    while not driver.execute_script(script, file.as_uri()):
        assert time.monotonic() < end, f"{file} does not load"
        time.sleep(0.05)
    return driver
