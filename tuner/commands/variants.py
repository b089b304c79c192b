"""Variants side by side: trained on further seeds, then looked at on the test split.

The rule: what is compared chooses nothing. Seeds are trained when no trial is left to train, each
is stored before the next begins, and the test split is read once, after all of them, for variants
alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from tuner.commands.machine import fitting_workers
from tuner.commands.proof_progress import ProofProgress
from tuner.commands.proof_record import record_proofs
from tuner.commands.proving import proving_alone
from tuner.commands.running import Job, start_executor
from tuner.epochs import choose
from tuner.errors import TunerError
from tuner.executors.errand import run_errand
from tuner.scores import VariantScore
from tuner.search.records import repeat_key, scores_key
from tuner.search.repeats import (
    Planned,
    in_order,
    plan_seeds,
    run_repeats,
    spec_of,
    weights_file,
)
from tuner.search.scheduler import Controls, StopReason
from tuner.trial import Repeat, TrialRecord


@dataclass(frozen=True)
class Comparing:
    """What it takes to compare the variants of an open study.

    Attributes:
        job: the study; its trials are there.
        console: stderr.
        controls: set by signal handlers.
        workers: worker processes, or None for as many as fit.
        verbosity: below 0 no progress is shown.
    """

    job: Job
    console: Console
    controls: Controls
    workers: int | None
    verbosity: int

    @property
    def folder(self) -> Path:
        """Where weights of the study are kept."""
        return self.job.workspace.weights(self.job.study.uid)

    def say(self, text: str) -> None:
        """Print one line that must not be missed."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class _Kept:
    """Weights of a training: of which epoch, and where."""

    epoch: int
    file: Path


def compare_variants(comparing: Comparing) -> StopReason:
    """Train the seeds that are missing, then read the test split, where the sweep asks for it."""
    definition = comparing.job.plan.definition
    if not definition.variants or (definition.seeds == 1 and definition.test is None):
        return "done"
    with proving_alone(comparing.job.workspace, comparing.job.study) as alone:
        if not alone:
            comparing.say(
                "Another process trains or confirms trials of this study. Run the sweep again when "
                "it has ended, for the seeds of the variants."
            )
            return "done"
        reason = _train_seeds(comparing)
        if reason == "done" and definition.test == "compare":
            _read_test(comparing)
    return reason


def variants_in(comparing: Comparing) -> list[TrialRecord]:
    """The variants that were trained, in the sweep's order."""
    records = {r.variant: r for r in comparing.job.study.records() if r.variant}
    wanted = comparing.job.plan.definition.variants
    found = [records[name] for name in wanted if name in records]
    return [r for r in found if r.state in ("complete", "pruned") and r.epochs]


def _train_seeds(comparing: Comparing) -> StopReason:
    job, definition = comparing.job, comparing.job.plan.definition
    plans = [
        plan_seeds(
            record,
            spec_of(record, job.plan.data.path),
            definition.seed,
            definition.seeds,
            comparing.folder,
            weights=definition.test == "compare",
        )
        for record in variants_in(comparing)
    ]
    planned = in_order(plans)
    if not planned:
        return "done"

    def keep(item: Planned, repeat: Repeat) -> None:
        key = repeat_key(item.record.number, repeat.kind, repeat.index)
        job.study.note(key, repeat.to_json())

    workers = min(len(planned), comparing.workers or fitting_workers(data=job.plan.data))
    progress = ProofProgress(
        comparing.console,
        definition.targets,
        planned,
        comparing.verbosity,
        "variants on further seeds",
    )
    executor = start_executor(job.workspace, job.plan.data, definition.model, workers)
    try:
        with progress:
            reason = run_repeats(
                executor, planned, keep, progress, comparing.controls, job.deadline
            )
    finally:
        executor.close()
    if not comparing.controls.hand_back:
        record_proofs(job.workspace, job.plan, job.study, job.command, comparing.say)
    return reason


def _read_test(comparing: Comparing) -> None:
    """Note what the variants reach on the test split, unless that is known."""
    job = comparing.job
    if not job.plan.data.has_test:
        comparing.say(f"{job.plan.data.name} has no test split: nothing to compare there.")
        return
    waiting = [(r, _unread(comparing, r)) for r in variants_in(comparing)]
    waiting = [(record, files) for record, files in waiting if files]
    if not waiting:
        return
    requests = [
        {
            "spec": spec_of(record, job.plan.data.path).to_json(),
            "weights": [str(kept.file) for kept in files.values()],
            "part": "test",
            "out": None,
        }
        for record, files in waiting
    ]
    with comparing.console.status("Comparing the variants on the test split …"):
        try:
            answers = run_errand(
                "tuner.training.inference:predict_many",
                {"requests": requests},
                job.workspace.logs,
                lambda: comparing.controls.hand_back,
            )["answers"]
        except TunerError as error:
            if not comparing.controls.hand_back:
                comparing.say(f"The test split was not read: {error}")
            return
    for (record, files), answer in zip(waiting, answers, strict=True):
        if "error" in answer:
            comparing.say(f"The test split was not read for {record.variant}: {answer['error']}")
            continue
        _keep(comparing, record, files, answer["figures"])


def _unread(comparing: Comparing, record: TrialRecord) -> dict[int, _Kept]:
    """By seed, the kept weights of the trainings whose test figures are not known yet."""
    known = {score.seed for score in record.scores}
    trainings = {record.seed: (record.epochs, Path(record.weights or "none"))}
    for repeat in record.seeds:
        file = weights_file(comparing.folder, record, "seed", repeat.index)
        trainings[repeat.seed] = (repeat.epochs, file)
    definition = comparing.job.plan.definition
    found, lost = {}, 0
    for seed, (epochs, file) in trainings.items():
        choice = choose(epochs, definition.targets, definition.epoch)
        if seed in known or choice is None or choice.metrics.val_loss is None:
            continue  # known, or diverged: there is nothing to look at
        if file.is_file():
            found[seed] = _Kept(choice.metrics.epoch, file)
        else:
            lost += 1
    if lost:
        comparing.say(
            f"The weights of {lost} trainings of {record.variant} are gone, so that the test split "
            "is not read for them."
        )
    return found


def _keep(
    comparing: Comparing,
    record: TrialRecord,
    files: dict[int, _Kept],
    figures: Sequence[dict[str, float]],
) -> None:
    scores: list[dict[str, Any]] = [asdict(score) for score in record.scores]
    for (seed, kept), one in zip(files.items(), figures, strict=True):
        score = VariantScore(seed, one["accuracy"], one["loss"], int(one["rows"]), kept.epoch)
        scores.append(asdict(score))
    comparing.job.study.note(scores_key(record.number), scores)
    for repeat in record.seeds:  # nothing will ask for them again
        weights_file(comparing.folder, record, "seed", repeat.index).unlink(missing_ok=True)
