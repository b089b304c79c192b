"""The outcome for programs: one JSON object a study, and CSV.

The JSON is strict: a figure that is unmeasured or not finite is null. `schema` goes up when a key
changes its meaning or disappears.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tuner.report.answers import Answer
from tuner.report.confirmation import Confirmation, judged_repeats
from tuner.report.diagnosis import Advice
from tuner.report.selection import Entry, Outcome, frame
from tuner.report.sentences import next_command, sentence
from tuner.report.variants import Variant
from tuner.report.variants_table import answer_json, variant_json
from tuner.scores import TestScore
from tuner.targets import METRICS

SCHEMA = 1


def to_json(
    outcome: Outcome,
    advice: Sequence[Advice] = (),
    importance: Mapping[str, float] | None = None,
    variants: Sequence[Variant] = (),
    answers: Sequence[Answer] = (),
) -> dict[str, Any]:
    """The object that `report` and `sweep --format json` print; plain JSON values only.

    Args:
        advice: of `diagnosis.diagnose`, which needs the definition.
        importance: of searched parameters; None where it was not computed.
        variants, answers: of `answers.comparison_of`, which needs the definition too.
    """
    raw = {
        "schema": SCHEMA,
        "study": outcome.study,
        "dataset": outcome.dataset,
        "targets": [asdict(target) for target in outcome.targets],
        "what_if": outcome.what_if,
        "trials": asdict(outcome.counts),
        "meets": [entry_json(entry) for entry in outcome.meets],
        "nearest": [entry_json(entry) for entry in outcome.nearest],
        "tested": [entry_json(entry) for entry in outcome.entries if entry.confirmation],
        "binding_target": outcome.binding_target,
        "validation_is_test": outcome.banner is not None,
        "variants": [variant_json(one) for one in variants],
        "questions": [answer_json(one) for one in answers],
        "advice": [asdict(one) for one in advice],
        "importance": None if importance is None else dict(importance),
        "summary": {"sentence": sentence(outcome), "next": next_command(outcome, advice)},
    }
    clean: dict[str, Any] = finite(raw)
    return clean


def dumps(outcomes: Sequence[Outcome]) -> str:
    """JSON text: one object for one outcome, a list otherwise; without a final newline."""
    return dumped([to_json(outcome) for outcome in outcomes])


def dumped(found: Sequence[Mapping[str, Any]]) -> str:
    """As `dumps`, of what `to_json` made."""
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
        "confirmation": None if entry.confirmation is None else _confirmation(entry.confirmation),
        "rank": None if entry.rank is None else asdict(entry.rank),
        "cautions": [asdict(caution) for caution in entry.cautions],
        "run_id": entry.run_id,
    }


def _confirmation(found: Confirmation) -> dict[str, Any]:
    judged = [id(r) for r in judged_repeats(found.repeats)]
    with_epochs = [id(r) for r in judged_repeats(found.repeats) if r.epochs]
    own_best = dict(zip(with_epochs, found.best_epochs, strict=False))
    return {
        "verdict": found.verdict,
        "passes": found.passes,
        "seeds": found.seeds,
        "interval": list(found.interval),
        "level": found.level,
        "p_value": found.p_value,
        "family": found.family,
        "same_split": found.same_split,
        "reproduces": found.reproduces,
        "difference": found.difference,
        "changed": list(found.changed),
        "epoch": found.epoch,
        "seconds": found.seconds,
        "targets": [
            {
                "target": one.target.text,
                "mean": one.mean,
                "sd": one.sd,
                "bound": one.bound,
                "p_value": one.p_value,
                "passes": one.passes,
            }
            for one in found.targets
        ],
        "repeats": [
            {
                "kind": repeat.kind,
                "seed": repeat.seed,
                "split_seed": repeat.split.seed,
                "status": repeat.status,
                "counts": id(repeat) in judged,
                "metrics": {
                    metric: None if repeat.judged is None else getattr(repeat.judged, metric)
                    for metric in METRICS
                },
                "best_epoch": own_best.get(id(repeat)),
                "run_id": repeat.run_id,
            }
            for repeat in found.repeats
        ],
        "test": None if found.test is None else _test(found.test, found.drop),
    }


def _test(found: TestScore, drop: float | None) -> dict[str, Any]:
    return {
        "accuracy": found.accuracy,
        "loss": found.loss,
        "rows": found.rows,
        "balanced_accuracy": found.balanced_accuracy,
        "macro_f1": found.macro_f1,
        "drop": drop,
        "looked_at": found.looked_at,
        "read_before": found.read_before,
        "repeats": [{"accuracy": accuracy, "loss": loss} for accuracy, loss in found.repeats],
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
