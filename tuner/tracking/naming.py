"""What the runs of a sweep, of its trials and of their repeats hold, whatever the store.

The rule: every store shows the same names and figures, and these are they; all of it is made from
values alone, so that a replay makes the same again.

A trial's run is called `trial 7`, or by its variant's name, and holds
    params      the complete configuration, `seed`, `epochs` (of a full trial)
    metrics     one point an epoch (step = epoch, time = the epoch's end): val_accuracy, val_loss,
                train_accuracy, train_loss, accuracy_gap, train_accuracy_running,
                train_loss_penalised, val_loss_penalised, val_balanced_accuracy, val_macro_f1,
                learning_rate, seconds;
                one point a run: chosen_epoch, chosen_val_accuracy, chosen_val_loss,
                chosen_train_accuracy, chosen_train_loss, chosen_accuracy_gap,
                chosen_val_balanced_accuracy, chosen_val_macro_f1 (all of the epoch that stands for
                the trial), violation (the sum over the targets; absent while one
                of them is unmeasured), parameters (count of weights), duration_seconds
    tags        tuner.kind = trial, tuner.study, tuner.study_uid, tuner.dataset, tuner.trial (its
                number), tuner.attempt, tuner.state (complete, pruned or failed; running, or given
                up for an attempt that stands for no trial), tuner.seed, and where there is
                something to say: tuner.verdict, tuner.pruner (what stopped a pruned trial: overfit,
                percentile, median, halving, not finite or memory), tuner.reason (why, in words),
                tuner.variant, tuner.device, tuner.windows (`12-21, 25-25`), tuner.violations
                (JSON, a figure or null a target)
    status      FINISHED when complete or pruned, FAILED when failed, KILLED when given up;
                RUNNING while the trial runs, with the points so far, or while half written
    later       whatever `Recorder.annotate` and `Recorder.add_artifacts` were given:
                of a variant on several seeds, or read on the test split: metrics seeds_count (its
                trainings), seeds_passes (those that meet every target), seeds_<figure>_mean and
                seeds_<figure>_sd (n - 1; absent for one value) over the trainings that have the
                figure, for val_accuracy, val_balanced_accuracy, val_macro_f1, train_accuracy,
                val_loss, val_loss_penalised,
                test_accuracy and test_loss; tag tuner.seeds (`2/5`: seeds_passes/seeds_count);
                of a trial, as the sweep's `diagnostics` ask, files in diagnostics/:
                curves.png, curves.csv; gradients.png, gradients.csv, units.csv;
                misclassified.csv, confusion.png and, of images, misclassified.png;
                of a trial put to the test: metrics confirm_* and test_*, tags tuner.confirmation*

A repeat of a trial is a child of that trial's run, called `own seed`, `repeat 1`, or
`repeat 1, same split`, or, of a variant on its next seed, `seed 2`, and holds
    params      those of the trial, with the seed of the repeat
    metrics     one point an epoch, as a trial's; one point a run: judged_epoch,
                judged_val_accuracy, judged_val_loss, judged_train_accuracy, judged_train_loss,
                judged_accuracy_gap, judged_val_balanced_accuracy, judged_val_macro_f1 (all at the
                epoch of the trial, if the repeat came so far),
                parameters, duration_seconds
    tags        tuner.kind = repeat, tuner.attempt (`<the trial's>:<kind>:<index>`), tuner.repeat
                (own, fresh, same or seed), tuner.judged_epoch, tuner.split_seed (of a shuffled
                split), tuner.passes (yes or no: all targets), and those that a trial has, but for
                verdict, windows and violations
    status      as a trial's

A sweep's run is called by the study's name and is the parent of its trials:
    params      dataset, fingerprint, targets, seed and the plain values of the definition
    metrics     the numbers of the closing summary
    tags        tuner.kind = sweep, tuner.study, tuner.study_uid, tuner.dataset, tuner.command,
                tuner.version.<package>, and the texts of the closing summary as tuner.<name>
    status      RUNNING, then FINISHED, KILLED (interrupted) or FAILED
"""

from __future__ import annotations

import json
import math
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from tuner.targets import BY_CLASS
from tuner.tracking.base import (
    ENDED,
    GIVEN_UP,
    CloseStatus,
    RepeatView,
    RunStatus,
    Summary,
    SweepInfo,
    TrialView,
)
from tuner.trial import EpochMetrics, Repeat, TrialRecord, TrialState

CLOSED: dict[CloseStatus, RunStatus] = {
    "finished": "FINISHED",
    "interrupted": "KILLED",
    "failed": "FAILED",
}
PRUNERS = ("overfit", "percentile", "median", "halving")
NOT_FINITE, MEMORY = "not finite", "memory"

_EACH_EPOCH = (
    "val_accuracy",
    "val_loss",
    "train_accuracy",
    "train_loss",
    "accuracy_gap",
    "train_accuracy_running",
    "train_loss_penalised",
    "val_loss_penalised",
    *BY_CLASS,
    "learning_rate",
    "seconds",
)
_CHOSEN = (
    *("val_accuracy", "val_loss", "train_accuracy", "train_loss", "accuracy_gap"),
    *BY_CLASS,
)

# These change when a sweep is continued, and a run's params cannot.
_NOT_PARAMS = frozenset({"trials", "workers", "timeout", "seeds", "test"})

LONGEST_VALUE = 6000
LONGEST_NAME = 250


@dataclass(frozen=True)
class Point:
    """One figure of a run; `timestamp` in milliseconds since 1970."""

    name: str
    value: float
    timestamp: int
    step: int


def milliseconds(seconds: float) -> int:
    """Seconds since 1970 as the whole milliseconds that a store keeps."""
    return round(seconds * 1000)


def sweep_params(info: SweepInfo) -> dict[str, str]:
    """Params of the sweep's run: what a study cannot change once it exists."""
    plain = {
        key: value
        for key, value in info.definition.items()
        if isinstance(value, str | int | float) and key not in _NOT_PARAMS
    }
    own = {
        "dataset": info.dataset,
        "targets": " and ".join(info.targets),
        "seed": info.seed,
        "fingerprint": info.fingerprint,
    }
    return _texts({**plain, **own})


def sweep_tags(info: SweepInfo) -> dict[str, str]:
    """Tags of the sweep's run."""
    tags = {
        "tuner.kind": "sweep",
        "tuner.study": info.study,
        "tuner.study_uid": info.study_uid,
        "tuner.dataset": info.dataset,
        "tuner.command": info.command,
    }
    tags |= {f"tuner.version.{name}": text for name, text in info.versions.items()}
    return _texts(tags)


def split_summary(summary: Summary) -> tuple[dict[str, float], dict[str, str]]:
    """The metrics and the tags of a closing summary; figures that are not finite are left out."""
    numbers = {
        legal_name(key): float(value)
        for key, value in summary.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }
    texts = {f"tuner.{key}": value for key, value in summary.items() if isinstance(value, str)}
    return numbers, _texts(texts)


def trial_name(record: TrialRecord) -> str:
    """What a trial's run is called."""
    return record.variant or f"trial {record.origin}"


def trial_status(record: TrialRecord) -> RunStatus:
    """How a trial's run ends. Raises ValueError for a trial that has not ended."""
    if record.state not in ENDED:
        raise ValueError(f"trial {record.origin} is {record.state}: only an ended one is recorded")
    return "FAILED" if record.state == "failed" else "FINISHED"


def refuse_ended(record: TrialRecord) -> None:
    """Raise ValueError for a trial that does not run."""
    if record.state != "running":
        raise ValueError(f"trial {record.origin} is {record.state}: it makes no progress")


def given_up_tags(reason: str) -> dict[str, str]:
    """Tags of the run of an attempt that stands for no trial."""
    return _texts({"tuner.state": GIVEN_UP, "tuner.reason": reason})


def trial_params(record: TrialRecord) -> dict[str, str]:
    """Params of a trial's run. A configuration's own `seed` or `epochs` comes first."""
    own: dict[str, Any] = {"seed": record.seed}
    if "epochs" in record.spec:
        own["epochs"] = record.spec["epochs"]
    return _texts({**own, **record.params})


def trial_tags(info: SweepInfo, view: TrialView) -> dict[str, str]:
    """Tags of a trial's run; those with nothing to say are left out."""
    record = view.record
    tags = {
        "tuner.kind": "trial",
        "tuner.study": info.study,
        "tuner.study_uid": info.study_uid,
        "tuner.dataset": info.dataset,
        "tuner.trial": record.origin,
        "tuner.attempt": record.attempt,
        "tuner.state": record.state,
        "tuner.seed": record.seed,
        "tuner.verdict": view.verdict,
        "tuner.pruner": pruner_of(record),
        "tuner.reason": record.reason,
        "tuner.variant": record.variant,
        "tuner.device": record.device,
        "tuner.windows": ", ".join(f"{first}-{last}" for first, last in view.windows),
        "tuner.violations": json.dumps(view.violations) if view.violations else None,
    }
    return _texts({key: value for key, value in tags.items() if value not in (None, "")})


def pruner_of(record: TrialRecord) -> str | None:
    """What stopped a pruned trial: one of `PRUNERS`, `NOT_FINITE` or `MEMORY`.

    None for a trial that was not pruned or does not say why. A pruner's reason begins with its
    name; without one, a trial is pruned for a loss that is not finite or for want of memory alone,
    and what a framework says of the latter differs.
    """
    if record.state != "pruned" or not record.reason:
        return None
    name, colon, _ = record.reason.partition(":")
    if colon and name in PRUNERS:
        return name
    return NOT_FINITE if "not finite" in record.reason else MEMORY


def trial_points(view: TrialView, after: int = 0) -> list[Point]:
    """All figures of a trial: those of each epoch, then, once it has ended, those of the whole.

    None is left out.

    Args:
        view: the trial.
        after: how many of its epochs are left out, since they are shown already.
    """
    record = view.record
    points = [
        Point(name, float(value), milliseconds(epoch.timestamp), epoch.epoch)
        for epoch in map(EpochMetrics.finite, record.epochs[after:])
        for name in _EACH_EPOCH
        if (value := getattr(epoch, name)) is not None
    ]
    if record.state not in ENDED:
        return points
    # The same moment at every replay: a point that differs in its time alone would be a second one.
    last = record.epochs[-1].timestamp if record.epochs else record.started or 0.0
    moment = milliseconds(last if record.ended is None else record.ended)
    step = view.chosen.epoch if view.chosen else 0
    points += [Point(name, value, moment, step) for name, value in _whole(view).items()]
    return points


def _whole(view: TrialView) -> dict[str, float]:
    figures: dict[str, float | None] = {}
    if view.chosen is not None:
        chosen = view.chosen.finite()
        figures["chosen_epoch"] = chosen.epoch
        figures |= {f"chosen_{name}": getattr(chosen, name) for name in _CHOSEN}
    known = [value for value in view.violations.values() if value is not None]
    if known and len(known) == len(view.violations):
        figures["violation"] = math.fsum(known)
    if view.record.epochs:
        figures["parameters"] = view.record.epochs[-1].parameters or None
    figures["duration_seconds"] = view.record.seconds
    return {
        name: float(value)
        for name, value in figures.items()
        if value is not None and math.isfinite(value)
    }


def repeat_view(view: RepeatView) -> TrialView:
    """A repeat as if it were a trial, which has ended."""
    repeat = view.repeat
    state: TrialState = "pruned"
    if repeat.status in ("complete", "failed"):
        state = repeat.status
    record = replace(
        view.record,
        attempt=f"{view.record.attempt}:{repeat.kind}:{repeat.index}",
        state=state,
        reason=repeat.message or None,
        epochs=repeat.epochs,
        seed=repeat.seed,
        started=repeat.started or None,
        ended=repeat.ended or None,
        device=repeat.device,
        versions=repeat.versions,
        repeats=(),
        test=None,
    )
    return TrialView(record, chosen=repeat.judged)


def repeat_name(repeat: Repeat) -> str:
    """What a repeat's run is called."""
    if repeat.kind == "own":
        return "own seed"
    if repeat.kind == "seed":
        return f"seed {repeat.index + 1}"
    return f"repeat {repeat.index + 1}" + (", same split" if repeat.kind == "same" else "")


def repeat_tags(info: SweepInfo, view: RepeatView) -> dict[str, str]:
    """Tags of a repeat's run; those with nothing to say are left out."""
    repeat = view.repeat
    tags = {
        **trial_tags(info, repeat_view(view)),
        "tuner.kind": "repeat",
        "tuner.repeat": repeat.kind,
        "tuner.judged_epoch": repeat.epoch,
    }
    if repeat.split.kind == "stratified":
        tags["tuner.split_seed"] = repeat.split.seed
    if view.passes is not None:
        tags["tuner.passes"] = "yes" if view.passes else "no"
    return _texts(tags)


def repeat_points(view: RepeatView) -> list[Point]:
    """All figures of a repeat, as `trial_points`; those that stand for it begin with `judged_`."""
    points = trial_points(repeat_view(view))
    return [replace(p, name=re.sub("^chosen_", "judged_", p.name)) for p in points]


def notes(
    metrics: Mapping[str, float], tags: Mapping[str, str]
) -> tuple[dict[str, float], dict[str, str]]:
    """Figures and texts for a run as a store takes them; what is not finite is left out."""
    numbers = {legal_name(k): float(v) for k, v in metrics.items() if math.isfinite(v)}
    return numbers, _texts(tags)


def artifact_paths(paths: Iterable[str]) -> list[PurePosixPath]:
    """The paths of artifacts below their run; raises ValueError for one that leads elsewhere."""
    found = []
    for path in paths:
        parts = path.split("/")
        if "\\" in path or ":" in parts[0] or any(part in ("", ".", "..") for part in parts):
            raise ValueError(f"not a path below a run: {path!r}")
        found.append(PurePosixPath(path))
    return found


def legal_name(name: str) -> str:
    """`name` with what a store refuses in the name of a param or metric replaced by `_`."""
    clean = re.sub(r"[^\w.\- /]", "_", name)[:LONGEST_NAME]
    # A store may use names as paths; one that would resolve to another path is refused.
    if posixpath.normpath(clean) != clean or clean.startswith((".", "/")):
        clean = clean.replace("/", "_").lstrip(".") or "_"
    return clean


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {legal_name(key): _short(str(value)) for key, value in values.items()}


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
