"""What a study holds, kept in memory and brought up to date by what has changed since.

The rule: a finished trial never changes, so it is read once; what a trial costs the scheduler does
not grow with the study. The study stays the record: a mirror is made from it and writes nothing.
"""

from __future__ import annotations

from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from tuner.search.books import Books
from tuner.search.pruning import Peer, Rivals, schedule_of
from tuner.search.records import Noted, attempt_of, record_of
from tuner.search.storage import Journal
from tuner.search.tpe import History
from tuner.tracking.base import ENDED
from tuner.trial import TrialRecord
from tuner.workspace import Workspace


class Mirror:
    """One study as it was at the last `refresh`.

    Args:
        study, uid, workspace: what to mirror, and where its trials keep what they keep.
        metric: what the study maximises.

    Attributes:
        books: its attempts.
        rivals: the curves of its finished trials.
        history: the same trials for the sampler.
        ended: its logical trials that have ended, in the order in which that was seen; grows only.
            Without `run_id`, which is not the trial's own.
    """

    def __init__(
        self, study: optuna.Study, uid: str, workspace: Workspace, metric: str = "val_accuracy"
    ) -> None:
        self._metric = metric
        self._journal: Journal = study._storage
        self._study_id = study._study_id
        self._uid = uid
        self._workspace = workspace
        self._trials: list[FrozenTrial] = []
        self._open: list[int] = []
        self._done: set[int] = set()
        self.books = Books()
        self.rivals = Rivals()
        self.history = History(study.direction)
        self.ended: list[TrialRecord] = []

    def refresh(self) -> list[FrozenTrial]:
        """Take in what has changed; returns the trials that have not finished, by number."""
        changed = self._journal.trials_since(self._study_id, len(self._trials), self._open)
        for trial in changed:
            if trial.number < len(self._trials):
                self._trials[trial.number] = trial
            else:
                self._trials.append(trial)
        unfinished = [trial for trial in changed if not trial.state.is_finished()]
        self._open = [trial.number for trial in unfinished]
        for trial in changed:
            self._take_in(trial)
        return unfinished

    @property
    def running(self) -> list[FrozenTrial]:
        """The trials that run."""
        unfinished = (self._trials[number] for number in self._open)
        return [trial for trial in unfinished if trial.state == TrialState.RUNNING]

    def trial(self, number: int) -> FrozenTrial:
        """The stored trial with this number."""
        return self._trials[number]

    def owner(self, record: TrialRecord) -> Any:
        """Name of the process that trained the attempt which stands for a trial, or None."""
        return self._trials[record.number].user_attrs.get("owner")

    def _take_in(self, trial: FrozenTrial) -> None:
        logical = self.books.note(attempt_of(trial))
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
            self.history.add(trial)
            known = trial.user_attrs
            curve = known["epochs"].get(self._metric, ())
            self.rivals.add(Peer(schedule_of(known["config"]), tuple(curve)))
        if logical is None or logical.state not in ENDED or logical.origin in self._done:
            return
        self._done.add(logical.origin)
        stored = self._trials[logical.counting.number]
        self.ended.append(record_of(logical, stored, self._uid, Noted(), self._workspace))
