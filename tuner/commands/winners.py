"""What the winners of a study say of their validation rows: predicted once, then kept.

The rule: a prediction is as good as the weights it came from, and holds until they are written
again. What cannot be had, because weights or data are gone, is left out and said in a line.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from tuner.definition import SweepDefinition
from tuner.errors import DataError, TunerError
from tuner.executors.errand import run_errand
from tuner.report.selection import Entry, Outcome
from tuner.report.wording import listed, one_line, plural
from tuner.workspace import Workspace

if TYPE_CHECKING:
    from tuner.data.prepared import Prepared  # which needs numpy

WINNERS = 3
VARIANTS = 4


@dataclass(frozen=True)
class Winners:
    """Who they are, and what is known of their rows.

    Attributes:
        entries: the first of those that meet, or the nearest one where none does; then variants,
            where the sweep asks for what they misclassify.
        predictions: by trial, the file that `training.inference.predict` wrote.
        prepared: the data, or None where it is not at hand.
        notes: what was left out, and why, one line each.
    """

    entries: tuple[Entry, ...]
    predictions: dict[int, Path] = field(default_factory=dict)
    prepared: Prepared | None = None
    notes: tuple[str, ...] = ()


def winners_of(outcome: Outcome, definition: SweepDefinition | None = None) -> tuple[Entry, ...]:
    """The trials whose mistakes are worth a look.

    Args:
        definition: where its `diagnostics` ask for `misclassified`, the first of its variants whose
            weights were kept are among them, those that questions name before the others.
    """
    first = (outcome.meets or outcome.confirmed)[:WINNERS] or outcome.nearest[:1]
    if definition is None or "misclassified" not in definition.diagnostics:
        return first
    asked = [name for q in definition.questions for name in (*q.of, *q.than)]
    taken = {entry.trial for entry in first}
    kept = {
        e.variant: e
        for e in outcome.entries
        if e.variant and e.record.weights and e.verdict is not None and e.trial not in taken
    }
    names = [n for n in dict.fromkeys((*asked, *definition.variants)) if n in kept]
    return (*first, *(kept[name] for name in names[:VARIANTS]))


def predict_winners(
    workspace: Workspace, outcome: Outcome, definition: SweepDefinition | None = None
) -> Winners:
    """The winners with their predictions; those that are missing are made, in one child."""
    entries = winners_of(outcome, definition)
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
    files, failed = predictions_of(workspace, kept, prepared)
    for trial, why in failed.items():
        notes.append(f"Trial {trial} is left out here: {one_line(why, 200)}.")
    return Winners(entries, files, prepared, tuple(notes))


def predictions_of(
    workspace: Workspace,
    entries: Sequence[Entry],
    prepared: Prepared,
    stop: Callable[[], bool] = lambda: False,
) -> tuple[dict[int, Path], dict[int, str]]:
    """What trials with kept weights say of their validation rows; the missing is made in one child.

    Args:
        stop: asked while the child works; true ends it.

    Returns:
        by trial, the file that `training.inference.predict` wrote, and why there is none.
    """
    files = {e.trial: _file(workspace, e) for e in entries}
    missing = [e for e in entries if not is_fresh(files[e.trial], Path(e.record.weights or ""))]
    failed = _predict(workspace, missing, files, prepared, stop)
    return {trial: file for trial, file in files.items() if trial not in failed}, failed


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
    workspace: Workspace,
    entries: Sequence[Entry],
    files: dict[int, Path],
    prepared: Prepared,
    stop: Callable[[], bool],
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
            "tuner.training.inference:predict_many", {"requests": requests}, workspace.logs, stop
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
