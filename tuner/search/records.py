"""From stored trials to plain records: how the rest of the program reads a study.

The rule: reading needs no definition and no owner, so that `report` and `status` work beside a
running sweep, and on studies whose sweep file has changed since.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from tuner.gradients import GradientLog
from tuner.scores import TestScore, VariantScore
from tuner.search import owners
from tuner.search.ledger import Attempt, Logical, logical_trials
from tuner.search.sampling import quiet
from tuner.search.storage import open_storage
from tuner.trial import EpochMetrics, Repeat, TrialRecord, TrialResult, from_columns, to_columns
from tuner.trial import TrialState as State
from tuner.workspace import UID, Workspace

STATES: dict[TrialState, State] = {
    TrialState.WAITING: "waiting",
    TrialState.RUNNING: "running",
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}
RUN_PREFIX = "run:"
ARTIFACTS, FIGURES = "artifacts", "figures"


@dataclass(frozen=True)
class StudySummary:
    """What `status` shows of a study without loading its definition."""

    name: str
    dataset: str
    definition: dict[str, Any]
    identity: dict[str, Any]
    base: dict[str, Any] | None
    records: tuple[TrialRecord, ...]
    requested: int


def summaries(workspace: Workspace) -> list[StudySummary]:
    """All studies of the working directory, by name; empty where there is no journal."""
    if not workspace.journal.exists():
        return []
    quiet()
    storage = open_storage(workspace.journal, workspace.lock("journal"))
    found = []
    for name in sorted(optuna.get_all_study_names(storage)):
        study = optuna.load_study(study_name=name, storage=storage)
        attributes = study.user_attrs
        if "identity" not in attributes or not UID.fullmatch(str(attributes.get("uid"))):
            continue  # not one of ours, or killed while it was being created
        found.append(
            StudySummary(
                name=name,
                dataset=attributes["dataset"],
                definition=attributes["definition"],
                identity=attributes["identity"],
                base=attributes.get("base"),
                records=records_of(study, attributes["uid"], workspace),
                requested=int(attributes.get("requested", 0)),
            )
        )
    return found


@dataclass(frozen=True)
class Noted:
    """What the attributes of a study say of trials that have ended, by their number.

    A finished trial's own attributes are closed in Optuna; what comes later is noted on the study.
    """

    scores: Mapping[int, tuple[VariantScore, ...]] = field(default_factory=dict)
    runs: Mapping[int, str] = field(default_factory=dict)
    repeats: Mapping[int, tuple[Repeat, ...]] = field(default_factory=dict)
    tests: Mapping[int, TestScore] = field(default_factory=dict)

    @classmethod
    def of(cls, attributes: Mapping[str, Any]) -> Noted:
        """Read the attributes that `run:`, `repeat:`, `test:` and `scores:` begin."""
        scores: dict[int, tuple[VariantScore, ...]] = {}
        runs: dict[int, str] = {}
        repeats: dict[int, list[Repeat]] = {}
        tests: dict[int, TestScore] = {}
        for key, value in attributes.items():
            kind, _, rest = key.partition(":")
            if kind == "run" and rest.isdecimal():
                runs[int(rest)] = value
            elif kind == "scores":
                scores[int(rest)] = tuple(VariantScore(**one) for one in value)
            elif kind == "test":
                tests[int(rest)] = TestScore.from_json(value)
            elif kind == "repeat":
                repeat = replace(Repeat.from_json(value), run_id=attributes.get(f"run:{key}"))
                repeats.setdefault(int(rest.partition(":")[0]), []).append(repeat)
        ordered = {
            number: tuple(sorted(found, key=lambda r: (r.ended, r.kind, r.index)))
            for number, found in repeats.items()
        }
        return cls(scores, runs, ordered, tests)


def tested_in(attributes: Mapping[str, Any]) -> frozenset[int]:
    """Numbers of the attempts that were put to the test, by the attributes of their study."""
    keys = (key.split(":") for key in attributes)
    return frozenset(
        int(key[1])
        for key in keys
        if key[0] in ("repeat", "test") and len(key) > 1 and key[2:3] != ["seed"]
    )


def attempt_of(trial: FrozenTrial) -> Attempt:
    """What the ledger needs to know of a stored trial."""
    attributes = trial.user_attrs
    return Attempt(
        number=trial.number,
        state=STATES[trial.state],
        retry_of=attributes.get("retry_of"),
        surplus=bool(attributes.get("surplus")),
        handed_back=bool(attributes.get("handed_back")),
        variant=attributes.get("variant"),
    )


def records_of(study: optuna.Study, uid: str, workspace: Workspace) -> tuple[TrialRecord, ...]:
    """One record a logical trial of `study`, by origin.

    A running trial whose process is gone waits: the next sweep repeats it.
    """
    trials = study.get_trials(deepcopy=False)
    by_number = {trial.number: trial for trial in trials}
    noted = Noted.of(study.user_attrs)
    return tuple(
        record_of(logical, by_number[logical.counting.number], uid, noted, workspace)
        for logical in logical_trials([attempt_of(t) for t in trials])
    )


def record_of(
    logical: Logical,
    trial: FrozenTrial,
    uid: str,
    noted: Noted,
    workspace: Workspace,
) -> TrialRecord:
    """The record of one logical trial, whose counting attempt is stored as `trial`.

    Args:
        noted: what the study's attributes say of trials that have ended.
    """
    known = trial.user_attrs
    started = known.get("started") or None
    if started is None and trial.datetime_start is not None:
        started = trial.datetime_start.timestamp()
    state = logical.state
    owner = known.get("owner")
    if state == "running" and owner is not None and owners.is_gone(workspace.owners, owner):
        state = "waiting"
    # The name alone is kept: a copied or moved study must not reach into another folder.
    weights = workspace.weights(uid) / Path(known.get("weights") or "none").name
    return TrialRecord(
        number=trial.number,
        origin=logical.origin,
        attempt=f"{uid}:{trial.number}",
        state=state,
        params=known.get("config", {}),
        reason=known.get("reason"),
        variant=known.get("variant"),
        epochs=from_columns(known.get("epochs", {})) if state != "running" else _so_far(trial),
        seed=known.get("seed", 0),
        started=started,
        ended=known.get("ended") or None,
        run_id=noted.runs.get(trial.number),
        spec=known.get("spec", {}),
        device=known.get("device", ""),
        weights=str(weights) if known.get("weights") and weights.exists() else None,
        attempts=logical.used + (logical.counting.state not in ("waiting", "failed")),
        timings=known.get("timings", {}),
        versions=known.get("versions", {}),
        repeats=noted.repeats.get(trial.number, ()),
        test=noted.tests.get(trial.number),
        gradients=known.get("gradients") and GradientLog.from_json(known["gradients"]),
        scores=noted.scores.get(trial.number, ()),
    )


def attributes_of(result: TrialResult, reason: str | None) -> dict[str, Any]:
    """What a finished trial's attributes hold, for `record_of` to read.

    Args:
        reason: why it was pruned or failed, where the worker does not say it.
    """
    found: dict[str, Any] = {
        "epochs": to_columns(result.epochs),
        "reason": reason or result.message or None,
        "status": result.status,
        "started": result.started,
        "ended": result.ended,
        "device": result.device,
        "weights": result.weights and Path(result.weights).name,
        "timings": result.timings,
        "versions": result.versions,
    }
    if result.gradients is not None:
        found["gradients"] = result.gradients.to_json()
    return found


def repeat_key(number: int, kind: str, index: int) -> str:
    """The study attribute that holds one repeat of the attempt with this number."""
    return f"repeat:{number}:{kind}:{index}"


def scores_key(number: int) -> str:
    """The study attribute that holds what a variant's trainings reached on the test split."""
    return f"scores:{number}"


def artifacts_key(number: int) -> str:
    """The study attribute that holds which diagnostics of an attempt the tracking store has."""
    return f"{ARTIFACTS}:{number}"


def figures_key(number: int) -> str:
    """The study attribute that holds the figures over seeds that a variant's run shows."""
    return f"{FIGURES}:{number}"


def test_key(number: int) -> str:
    """The study attribute that holds the test score of the attempt with this number."""
    return f"test:{number}"


def _so_far(trial: FrozenTrial) -> tuple[EpochMetrics, ...]:
    """What is known of a running trial: its validation accuracy at each epoch that has ended."""
    seen = sorted(trial.intermediate_values.items())
    return tuple(EpochMetrics(epoch, value, None).finite() for epoch, value in seen)
