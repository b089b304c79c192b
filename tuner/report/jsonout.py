"""The outcome for programs: one JSON object a study, and CSV.

The JSON is strict: a figure that is unmeasured or not finite is null. `schema` goes up when a key
changes its meaning or disappears.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tuner.report.selection import Entry, Outcome, frame
from tuner.report.tables import next_command, sentence
from tuner.targets import METRICS

SCHEMA = 1


def to_json(outcome: Outcome) -> dict[str, Any]:
    """The object that `report` and `sweep --format json` print; plain JSON values only."""
    raw = {
        "schema": SCHEMA,
        "study": outcome.study,
        "dataset": outcome.dataset,
        "targets": [asdict(target) for target in outcome.targets],
        "what_if": outcome.what_if,
        "trials": asdict(outcome.counts),
        "meets": [entry_json(entry) for entry in outcome.meets],
        "nearest": [entry_json(entry) for entry in outcome.nearest],
        "binding_target": outcome.binding_target,
        "summary": {"sentence": sentence(outcome), "next": next_command(outcome)},
    }
    clean: dict[str, Any] = finite(raw)
    return clean


def dumps(outcomes: Sequence[Outcome]) -> str:
    """JSON text: one object for one outcome, a list otherwise; without a final newline."""
    found = [to_json(outcome) for outcome in outcomes]
    return json.dumps(
        found[0] if len(found) == 1 else found, indent=2, ensure_ascii=False, allow_nan=False
    )


def to_csv(outcomes: Sequence[Outcome]) -> str:
    """One row a logical trial: `study`, `dataset`, then the columns of `selection.frame`.

    Studies with different parameters share one header; what a study does not have stays empty.
    A carriage return in a text becomes a line feed: readers take a bare one for the end of a row.
    """
    import pandas as pd

    frames = []
    for outcome in outcomes:
        rows = frame(outcome)
        rows.insert(0, "study", outcome.study)
        rows.insert(1, "dataset", outcome.dataset)
        # As objects, so that a whole number stays one where another study has no such column.
        frames.append(rows.astype(object).where(rows.notna(), None))
    together = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    together = together.replace(to_replace="\\r\\n?", value="\n", regex=True)
    return str(together.to_csv(index=False, lineterminator="\n"))


def entry_json(entry: Entry) -> dict[str, Any]:
    """One judged trial, as `meets` and `nearest` list it."""
    figures = {metric: entry.figure(metric) for metric in METRICS}
    weights = figures["parameters"]
    return {
        "trial": entry.trial,
        "variant": entry.variant,
        "params": dict(entry.params),
        "metrics": {**figures, "parameters": None if weights is None else int(weights)},
        "epoch": None if entry.chosen is None else entry.chosen.epoch,
        "window": [list(window) for window in entry.windows],
        "violations": dict(entry.violations),
        "verdict": entry.verdict,
        "confirmation": None,
        "run_id": entry.run_id,
    }


def finite(value: Any) -> Any:
    """`value` with every number that JSON cannot hold turned into null."""
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
