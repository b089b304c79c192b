"""The spec of a trial on prepared data, for tests that train in this process."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tuner.data.prepared import Prepared
from tuner.parameters import complete
from tuner.trial import Params, SplitSpec, TrialSpec


def spec_on(data: Prepared, params: Params, model: str = "mlp", **changes: Any) -> TrialSpec:
    """A trial of `model` with `params` and defaults for the rest; `changes` are fields."""
    plain = TrialSpec(
        attempt="study:0",
        study="study",
        origin=0,
        data=str(data.path),
        fingerprint=data.fingerprint,
        model=model,
        params=complete(params, model),
        split=SplitSpec(),
        seed=7,
        epochs=3,
        epoch="best",
        targets=("val_accuracy >= 0.9",),
    )
    return replace(plain, **changes)
