"""Diagnostics into MLflow, at the end of a sweep: curves, gradients and mistakes beside each run.

The rule: MLflow is a view. What a trial's run has is noted in the study, so that each artifact is
made once, and whatever is missing by the next sweep. A store that fails is a line on stderr and
never fails the sweep.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from tuner.commands.running import sweep_info
from tuner.commands.variant_record import compared, seed_figures, seed_words
from tuner.commands.variants import Comparing
from tuner.commands.winners import predictions_of
from tuner.errors import TrackingError
from tuner.report.selection import Entry, Outcome
from tuner.report.variants import Variant
from tuner.report.wording import one_line, trials_text
from tuner.search.records import ARTIFACTS, FIGURES, artifacts_key, figures_key
from tuner.search.scheduler import StopReason
from tuner.tracking.apart import RecorderApart
from tuner.tracking.base import ENDED
from tuner.trial import TrialRecord

if TYPE_CHECKING:
    from tuner.data.prepared import Prepared  # which needs numpy

FOLDER = "diagnostics"
"""Where the artifacts lie below a trial's run."""


@dataclass(frozen=True)
class Missing:
    """What the runs of a study do not show yet.

    Attributes:
        variants: those whose figures over seeds have changed.
        artifacts: trials, each with the diagnostics that its run lacks.
        done: by the number of an attempt, the diagnostics that its run has.
    """

    variants: tuple[Variant, ...] = ()
    artifacts: tuple[tuple[Entry, tuple[str, ...]], ...] = ()
    done: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


def keep_diagnostics(comparing: Comparing) -> StopReason:
    """Make what the runs of a study lack; returns why it ended."""
    job = comparing.job
    outcome = job.outcome()
    missing = missing_in(comparing, outcome)
    if not (missing.variants or missing.artifacts):
        return "done"
    recorder = RecorderApart(job.workspace.root)
    reason: StopReason = "done"
    try:
        if recorder.attach(sweep_info(job.plan, job.study, job.command)) is None:
            return "done"  # the store was taken away, and the runs with it
        for variant in missing.variants:
            record, numbers = variant.entry.record, seed_figures(variant)
            recorder.annotate(record.run_id or "", numbers, seed_words(variant))
            job.study.note(figures_key(record.number), numbers)
        if missing.artifacts:
            reason = _add_artifacts(comparing, outcome, missing, recorder)
    except (TrackingError, OSError) as error:
        comparing.say(
            f"The diagnostics are not all in MLflow, and the next sweep adds them: {_line(error)}."
        )
    finally:
        recorder.leave()
    return reason


def missing_in(comparing: Comparing, outcome: Outcome) -> Missing:
    """What the runs of an open study lack; a trial without a run lacks nothing yet."""
    study, definition = comparing.job.study, comparing.job.plan.definition
    shown = study.noted(FIGURES)
    variants = tuple(
        variant
        for variant in compared(outcome, definition)
        if variant.entry.record.run_id
        and shown.get(str(variant.entry.record.number)) != seed_figures(variant)
    )
    done = {int(number): tuple(words) for number, words in study.noted(ARTIFACTS).items()}
    artifacts = []
    for entry in outcome.entries:
        record = entry.record
        if record.run_id and record.state in ENDED:
            had = done.get(record.number, ())
            words = [w for w in definition.diagnostics if w not in had and _is_there(record, w)]
            if words:
                artifacts.append((entry, tuple(words)))
    return Missing(variants, tuple(artifacts), done)


def _is_there(record: TrialRecord, word: str) -> bool:
    """Whether a trial has what it takes for one of the diagnostics."""
    if word == "gradients":
        return record.gradients is not None
    return bool(record.epochs) if word == "curves" else record.weights is not None


def _add_artifacts(
    comparing: Comparing, outcome: Outcome, missing: Missing, recorder: RecorderApart
) -> StopReason:
    """Draw and keep what is missing, trial by trial.

    Raises:
        TrackingError: the store has failed; that of one run is a line on stderr.
    """
    job, waiting = comparing.job, missing.artifacts
    added = 0
    with _progress(comparing, len(waiting)) as (bar, task):
        predicted = [entry for entry, words in waiting if "misclassified" in words]
        bar.update(task, description="mistakes of the validation rows")
        files, failed = predictions_of(
            job.workspace, predicted, job.plan.data, lambda: _why_stop(comparing) == "handed back"
        )
        bar.update(task, description="diagnostics")
        for entry, words in waiting:
            why = _why_stop(comparing)
            if why is not None:
                left = trials_text(len(waiting) - added)
                comparing.say(f"The diagnostics of {left} are left to the next sweep.")
                return why
            if entry.trial in failed:
                comparing.say(
                    f"The mistakes of trial {entry.trial} are not there: "
                    f"{one_line(failed[entry.trial], 200)}."
                )
                words = tuple(w for w in words if w != "misclassified")
                if not words:
                    continue
            with tempfile.TemporaryDirectory(prefix="tuner-") as folder:
                made: dict[str, bytes] = {}
                for word in words:
                    made |= _made(comparing, outcome, entry, word, files.get(entry.trial))
                try:
                    recorder.add_artifacts(entry.record.run_id or "", _written(folder, made))
                except TrackingError as error:
                    # Raises where it is the store that fails, and not this run alone.
                    recorder.attach(sweep_info(job.plan, job.study, job.command))
                    comparing.say(f"No diagnostics of trial {entry.trial}: {_line(error)}.")
                    continue
            number = entry.record.number
            had = missing.done.get(number, ())
            job.study.note(artifacts_key(number), sorted({*had, *words}))
            added += 1
            bar.advance(task)
    if comparing.verbosity >= 0 and added:
        comparing.say(
            f"Diagnostics of {trials_text(added)} are in MLflow, in {FOLDER}/ of each run."
        )
    return "done"


def _why_stop(comparing: Comparing) -> StopReason | None:
    controls, deadline = comparing.controls, comparing.job.deadline
    if controls.hand_back or controls.drain:
        return "handed back" if controls.hand_back else "drained"
    return "timeout" if deadline is not None and time.monotonic() >= deadline else None


@contextmanager
def _progress(comparing: Comparing, total: int) -> Iterator[tuple[Progress, TaskID]]:
    """A bar on stderr; none where there is no terminal or nothing shall be shown."""
    console = comparing.console
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        expand=True,
        disable=comparing.verbosity < 0 or not console.is_terminal or console.is_dumb_terminal,
    )
    task = bar.add_task("diagnostics", total=total)
    with bar:
        yield bar, task


def _made(
    comparing: Comparing, outcome: Outcome, entry: Entry, word: str, predictions: Path | None
) -> dict[str, bytes]:
    """The files of one of the diagnostics of a trial, by name."""
    data = comparing.job.plan.data
    if word == "curves":
        return curves(outcome, entry)
    if word == "gradients":
        return gradients(outcome, entry)
    assert predictions is not None
    return misclassified(outcome, entry, data, predictions)


def curves(outcome: Outcome, entry: Entry) -> dict[str, bytes]:
    """Figures over the epochs: a picture and a table."""
    from tuner.report.artifacts import curves_csv
    from tuner.report.figures.diagnosing import training_curves

    epochs, chosen = entry.record.epochs, entry.chosen.epoch if entry.chosen else None
    picture = training_curves(outcome.study, _name(entry), epochs, chosen, outcome.targets)
    return {"curves.png": picture, "curves.csv": curves_csv(epochs, chosen).encode()}


def gradients(outcome: Outcome, entry: Entry) -> dict[str, bytes]:
    """Gradients a variable and silent units a layer, over the epochs, with what they tell."""
    from tuner.report.artifacts import gradients_csv, units_csv
    from tuner.report.causes import findings_of
    from tuner.report.figures.gradients import gradient_chart

    log = entry.record.gradients
    assert log is not None
    findings = findings_of(entry.record.epochs, log)
    return {
        "gradients.png": gradient_chart(outcome.study, _name(entry), log, findings),
        "gradients.csv": gradients_csv(log).encode(),
        "units.csv": units_csv(log).encode(),
    }


def misclassified(
    outcome: Outcome, entry: Entry, data: Prepared, predictions: Path
) -> dict[str, bytes]:
    """Validation rows that the kept weights take for another class.

    Args:
        predictions: as `training.inference.predict` writes them.
    """
    import numpy as np

    from tuner.report.artifacts import misclassified_csv
    from tuner.report.figures.diagnosing import confusion_chart, mistakes_chart
    from tuner.report.page.mistakes import worst

    with predictions.open("rb") as opened, np.load(opened, allow_pickle=False) as kept:
        rows, labels, probabilities = kept["rows"], kept["labels"], kept["probabilities"]
    on_test = entry.record.spec["split"]["kind"] == "test"
    names = data.class_names
    table = misclassified_csv("test" if on_test else "train", rows, labels, probabilities, names)
    found = {
        "misclassified.csv": table.encode(),
        "confusion.png": confusion_chart(outcome, entry, predictions, names),
    }
    if data.kind == "image":
        x = data.test()[0] if on_test else data.x_train
        mistakes = worst(labels, probabilities, len(labels))
        found["misclassified.png"] = mistakes_chart(
            outcome.study,
            entry,
            mistakes,
            lambda index: np.asarray(x[rows[index]]),
            names,
            data.scale,
        )
    return found


def _name(entry: Entry) -> str:
    return entry.variant or f"trial {entry.trial}"


def _written(folder: str, files: Mapping[str, bytes]) -> dict[str, Path]:
    """The files below `folder`, by the path that each has below its run."""
    found = {}
    for name, content in files.items():
        path = Path(folder, name)
        path.write_bytes(content)
        found[f"{FOLDER}/{name}"] = path
    return found


def _line(error: Exception) -> str:
    return one_line(str(error), 200)
