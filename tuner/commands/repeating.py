"""Training a recorded trial again: its data brought back, its spec taken from the record."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tuner import definition as definitions
from tuner.commands.plan import obtain_for
from tuner.commands.running import start_executor
from tuner.data.prepared import Prepared, keep
from tuner.definition import SweepDefinition
from tuner.epochs import choose
from tuner.errors import DataError, StudyError, TrainingError
from tuner.reading import is_path
from tuner.search.records import StudySummary
from tuner.search.repeats import (
    Planned,
    RepeatEnded,
    RepeatProgressed,
    plan_repeats,
    run_repeats,
    spec_of,
)
from tuner.search.scheduler import Controls
from tuner.trial import Repeat, TrialRecord, TrialResult
from tuner.workspace import Workspace


def data_of(
    workspace: Workspace,
    summary: StudySummary,
    data_dir: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Prepared:
    """The prepared data of a study, prepared again where it was cleaned away.

    Raises:
        DataError: the data set is missing, or holds other rows than the study was made on.
    """
    fingerprint = str(summary.identity.get("data", ""))
    try:
        data = Prepared.open(workspace.data / fingerprint, fingerprint)
    except DataError:
        definition = definitions.restore(summary.definition, summary.name)
        data = obtain_for(workspace, definition, data_dir, say)
    if data.fingerprint != fingerprint:
        remedy = "Give the folder of that data by --data-dir."
        if is_path(str(summary.definition["dataset"])):
            remedy = (
                "Bring the file back as it was, or make another study: tuner sweep --name NAME."
            )
        raise DataError(
            f"{summary.name} was made on data with the fingerprint {fingerprint}, but "
            f"{summary.dataset} has {data.fingerprint} now.\n{remedy}"
        )
    keep(data)
    return data


def train_again(
    workspace: Workspace,
    summary: StudySummary,
    record: TrialRecord,
    weights: Path,
    say: Callable[[str], None] = lambda text: None,
    data_dir: Path | None = None,
) -> TrialResult:
    """Train a trial again from its record alone, in a worker process.

    Args:
        workspace: the working directory.
        summary: the trial's study.
        record: the trial.
        weights: file for the weights of its chosen epoch.
        say: called with a line an epoch.
        data_dir: the user's own data sets, or None.

    Returns:
        its result; the figures are those of the record on the same hardware.

    Raises:
        StudyError: the trial has no epoch that could stand for it.
        TrainingError: it cannot be trained.
    """
    definition = definitions.restore(summary.definition, summary.name)
    epoch = chosen_epoch(record, definition)
    spec = spec_of(record, data_of(workspace, summary, data_dir, say).path)
    (planned,) = plan_repeats(_bare(record), epoch, spec, 0, weights.parent)
    ended: list[Repeat] = []

    def observe(notice: RepeatEnded | RepeatProgressed) -> None:
        if isinstance(notice, RepeatProgressed):
            say(f"trial {record.origin}  epoch {notice.metrics.epoch} of {spec.epochs}")

    def note(item: Planned, repeat: Repeat) -> None:
        ended.append(repeat)

    data = Prepared.open(Path(spec.data), spec.fingerprint)
    written = Path(planned.spec.keep_weights or "")
    written.unlink(missing_ok=True)
    with closing(start_executor(workspace, data, spec.model, 1)) as executor:
        run_repeats(executor, [planned], note, observe, Controls())
    (repeat,) = ended
    if repeat.status not in ("complete", "nan") or not written.exists():
        raise TrainingError(
            f"trial {record.origin} could not be trained again: {repeat.message or repeat.status}."
        )
    written.replace(weights)
    return TrialResult(
        status=repeat.status,
        epochs=repeat.epochs,
        started=repeat.started,
        ended=repeat.ended,
        device=repeat.device,
        versions=repeat.versions,
        weights=str(weights),
    )


def chosen_epoch(record: TrialRecord, definition: SweepDefinition) -> int:
    """The epoch that stands for a trial by the study's own targets.

    Raises:
        StudyError: it finished no epoch.
    """
    choice = choose(record.epochs, definition.targets, definition.epoch)
    if record.state not in ("complete", "pruned") or choice is None:
        raise StudyError(
            f"trial {record.origin} is {record.state} and has no figures: nothing to repeat."
        )
    return choice.metrics.epoch


def _bare(record: TrialRecord) -> TrialRecord:
    """The record as if nobody had repeated it."""
    from dataclasses import replace

    return replace(record, repeats=())
