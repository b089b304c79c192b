"""What the winners of a study say of their validation rows: predicted once, then kept.

The rule: a prediction is as good as the weights it came from, and holds until they are written
again. What cannot be had, because weights or data are gone, is left out and said in a line.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from tuner.errors import DataError, TunerError
from tuner.executors.errand import run_errand
from tuner.report.selection import Entry, Outcome
from tuner.report.wording import listed, one_line, plural
from tuner.workspace import Workspace

if TYPE_CHECKING:
    from tuner.data.prepared import Prepared  # which needs numpy

WINNERS = 3


@dataclass(frozen=True)
class Winners:
    """Who they are, and what is known of their rows.

    Attributes:
        entries: the first of those that meet, or the nearest one where none does.
        predictions: by trial, the file that `training.inference.predict` wrote.
        prepared: the data, or None where it is not at hand.
        notes: what was left out, and why, one line each.
    """

    entries: tuple[Entry, ...]
    predictions: dict[int, Path] = field(default_factory=dict)
    prepared: Prepared | None = None
    notes: tuple[str, ...] = ()


def winners_of(outcome: Outcome) -> tuple[Entry, ...]:
    """The trials whose mistakes are worth a look."""
    return (outcome.meets or outcome.confirmed)[:WINNERS] or outcome.nearest[:1]


def predict_winners(workspace: Workspace, outcome: Outcome) -> Winners:
    """The winners with their predictions; those that are missing are made, in one child."""
    entries = winners_of(outcome)
    kept = [e for e in entries if e.record.weights]
    notes = _without_weights(outcome, [e for e in entries if not e.record.weights])
    if not kept:
        return Winners(entries, notes=tuple(notes))
    try:
        prepared = _data(workspace, kept[0])
    except DataError:
        notes.append(
            "The prepared data is not at hand, so that no mistakes can be shown: "
            f"tuner sweep {outcome.study} prepares it again."
        )
        return Winners(entries, notes=tuple(notes))
    files = {e.trial: _file(workspace, e) for e in kept}
    missing = [e for e in kept if not is_fresh(files[e.trial], Path(e.record.weights or ""))]
    for trial, why in _predict(workspace, missing, files, prepared).items():
        del files[trial]
        notes.append(f"Trial {trial} is left out here: {one_line(why, 200)}.")
    return Winners(entries, files, prepared, tuple(notes))


def is_fresh(file: Path, weights: Path) -> bool:
    """Whether predictions are there, whole, and not older than the weights."""
    import numpy as np

    try:
        if file.stat().st_mtime_ns < weights.stat().st_mtime_ns:
            return False
        # Opened here: NumPy leaves a damaged file open.
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as found:
            return {"rows", "labels", "probabilities"} <= set(found.files)
    except (OSError, ValueError, EOFError, BadZipFile):
        return False


def _without_weights(outcome: Outcome, entries: Sequence[Entry]) -> list[str]:
    if not entries:
        return []
    numbers = listed([str(e.trial) for e in entries])
    verb = "is" if len(entries) == 1 else "are"
    return [
        f"{plural('Trial', len(entries))} {numbers} {verb} left out here: no weights were kept. "
        f"tuner export {outcome.study} --trial {entries[0].trial} trains such a trial again."
    ]


def _data(workspace: Workspace, entry: Entry) -> Prepared:
    """The data of a trial: in this workspace, which may have moved, or where it was prepared."""
    from tuner.data.prepared import Prepared

    fingerprint = str(entry.record.spec.get("fingerprint", ""))
    try:
        return Prepared.open(workspace.data / fingerprint, fingerprint)
    except DataError:
        return Prepared.open(Path(str(entry.record.spec.get("data", ""))), fingerprint)


def _file(workspace: Workspace, entry: Entry) -> Path:
    uid = entry.record.attempt.partition(":")[0]
    return workspace.predictions(uid) / f"trial-{entry.trial}.npz"


def _predict(
    workspace: Workspace, entries: Sequence[Entry], files: dict[int, Path], prepared: Prepared
) -> dict[int, str]:
    """Predict for all entries in one child; returns why it could not be done, by trial."""
    if not entries:
        return {}
    requests: list[dict[str, Any]] = [
        {
            "spec": {**e.record.spec, "data": str(prepared.path)},
            "weights": [e.record.weights],
            "part": "validation",
            "out": str(files[e.trial]),
        }
        for e in entries
    ]
    try:
        answers = run_errand(
            "tuner.training.inference:predict_many", {"requests": requests}, workspace.logs
        )["answers"]
    except TunerError as error:
        return {e.trial: str(error) for e in entries}
    failed = {}
    for entry, answer in zip(entries, answers, strict=True):
        if "error" in answer:
            failed[entry.trial] = str(answer["error"])
        else:
            _at_least_as_new(files[entry.trial], Path(entry.record.weights or ""))
    return failed


def _at_least_as_new(file: Path, weights: Path) -> None:
    """A copied folder can hold weights of the future; what was made of them is of that age."""
    with suppress(OSError):
        made, kept = file.stat().st_mtime_ns, weights.stat().st_mtime_ns
        if made < kept:
            os.utime(file, ns=(kept, kept))
