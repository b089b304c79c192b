"""Training until there is enough: sweeps that put their own trials to the test.

The rule: trainings and tests take turns on the same workers; whatever was interrupted is finished
first. Where another process proves trials of this study, this one only trains.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace

from rich.console import Console

from tuner.commands.goals import Goal, candidate, enough, is_decided, needed_score
from tuner.commands.progress import Observer
from tuner.commands.proof_progress import ProofProgress
from tuner.commands.proof_record import record_proofs
from tuner.commands.proving import (
    TOP,
    Proving,
    plan_all,
    prove,
    proving_alone,
    read_test_split,
    verdicts,
)
from tuner.commands.running import Job, start_executor, train_trials
from tuner.data.splits import split
from tuner.executors.base import Executor
from tuner.report.confirmation_table import verdict_text
from tuner.report.selection import Entry, Outcome
from tuner.search.scheduler import Controls, StopReason


@dataclass(frozen=True)
class Until:
    """One sweep with a goal.

    Attributes:
        goal: what ends it.
        job: its trials.
        console: stderr.
        controls: set by signal handlers.
        observer: makes what shows the trials from a moment on.
        verbosity: below 0 no progress is shown.
    """

    goal: Goal
    job: Job
    console: Console
    controls: Controls
    observer: Callable[[], Observer]
    verbosity: int

    def run(self) -> StopReason:
        """Train and test until the goal is reached, or nothing is left to do."""
        job, goal, plan = self.job, self.goal, self.job.plan
        workers = start_executor(job.workspace, plan.data, plan.definition.model, job.workers)
        with closing(workers) as executor, proving_alone(job.workspace, job.study) as alone:
            tests = goal.confirmed is not None and alone
            if goal.confirmed is not None:
                self._begin(executor, alone=alone)
            last = 0
            while True:
                outcome = job.outcome()
                if goal.reached(outcome):
                    return "enough"
                entry = self._next(outcome) if tests else None
                if entry is None:
                    reason = self._train(executor, tests=tests)
                    if reason == "enough":
                        continue
                    if reason not in ("done", "exhausted") or not tests:
                        return reason
                    entry = candidate(job.outcome(), goal.seeds)  # nothing better will come
                    if entry is None or last == TOP:
                        return reason
                    last += 1
                reason = self._test(executor, entry)
                if reason != "done":
                    return reason

    def _begin(self, executor: Executor, *, alone: bool) -> None:
        """Read the test split where an earlier process was interrupted before it could."""
        if not alone:
            self.console.print(
                "Another process puts trials of this study to the test; this one trains.",
                markup=False,
            )
            return
        entries = self.job.outcome().entries
        origins = [e.trial for e in entries if is_decided(e, self.goal.seeds)]
        read_test_split(self._proving(executor, None), origins)

    def _next(self, outcome: Outcome) -> Entry | None:
        goal = self.goal
        return candidate(outcome, goal.seeds, needed_score(outcome, self._rows(), goal.seeds))

    def _rows(self) -> int:
        """Validation rows."""
        plan = self.job.plan
        return max(1, len(split(plan.data.y_train, plan.definition.split)[1]))

    def _train(self, executor: Executor, *, tests: bool) -> StopReason:
        job = self.job
        asks = enough(
            self.goal,
            job.study,
            job.plan.definition,
            job.outcome,
            lambda outcome: tests and self._next(outcome) is not None,
        )
        return train_trials(replace(job, enough=asks), self.observer(), self.controls, executor)

    def _test(self, executor: Executor, entry: Entry) -> StopReason:
        """Confirm one trial with the sweep's own workers."""
        job, plan, study, seeds = self.job, self.job.plan, self.job.study, self.goal.seeds
        # The own seed decides nothing; it is trained where the weights for the test split are gone.
        own = not entry.record.weights
        folder = job.workspace.weights(study.uid)
        (planned,) = plan_all(study, plan, folder, [entry.trial], seeds, same_split=False, own=own)
        progress = ProofProgress(self.console, plan.definition.targets, planned, self.verbosity)
        with progress:
            proving = self._proving(executor, progress)
            reason = prove(proving, [entry.trial], seeds, own=own, give_up_early=True)
        if not self.controls.hand_back:
            record_proofs(job.workspace, plan, study, job.command, progress.say)
        found = verdicts(proving).get(entry.trial)
        if found is not None and reason == "done" and self.verbosity >= 0:
            progress.say(f"trial {entry.trial} is {found.verdict}: {verdict_text(found)}")
        return reason

    def _proving(self, executor: Executor, progress: ProofProgress | None) -> Proving:
        job = self.job
        proving = Proving(
            job.workspace, job.plan, job.study, executor, self.controls, deadline=job.deadline
        )
        if progress is None:
            return proving
        return replace(proving, observe=progress, say=progress.say)
