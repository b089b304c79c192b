"""The study: the record of a sweep, kept by Optuna in a journal file.

The rule: the study alone is the record. Everything a report needs is in a trial's attributes before
the trial is told; what counts is derived from them (`ledger`). `next` and `reap` run under one lock
of the journal's directory, so that no process sees a trial without an owner that has one. For one
thread only: the scheduler's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from tuner.asked import Asked
from tuner.definition import SweepDefinition
from tuner.locks import locked
from tuner.search import owners
from tuner.search.ledger import Attempt
from tuner.search.mirror import Mirror
from tuner.search.pruning import Rivals
from tuner.search.records import RUN_PREFIX, attributes_of, records_of, tested_in
from tuner.search.reports import Reports
from tuner.search.sampling import (
    answer_to,
    build_sampler,
    derive_seed,
    drawing,
    encode,
    suggesting,
    variant_seed,
)
from tuner.search.storage import Journal
from tuner.search.ticket import Ticket
from tuner.space import grid, resolve
from tuner.targets import LARGE_VIOLATION, objective_metric
from tuner.trial import (
    EpochMetrics,
    Params,
    ParamValue,
    TrialRecord,
    TrialResult,
    TrialSpec,
)
from tuner.workspace import Workspace


class SweepStudy:
    """One sweep in the journal of a working directory. Create it by `open_study`."""

    def __init__(
        self,
        workspace: Workspace,
        study: optuna.Study,
        definition: SweepDefinition,
        owner: owners.Owner,
    ) -> None:
        self._workspace = workspace
        self._study = study
        self._definition = definition
        self._owner = owner
        self._journal: Journal = study._storage
        self._live: dict[str, optuna.Trial] = {}
        self._reports = Reports(self._journal)
        points = grid(definition.space, definition.fixed) if definition.sampler == "grid" else ()
        self._grid: tuple[Params, ...] = tuple({**definition.fixed, **point} for point in points)
        self.name: str = study.study_name
        self.uid: str = study.user_attrs["uid"]
        self._metric = objective_metric(definition.targets)
        self._mirror = Mirror(study, self.uid, workspace, self._metric)

    @property
    def grid_size(self) -> int | None:
        """How many points a grid has, variants not counted; None for other samplers."""
        return len(self._grid) if self._definition.sampler == "grid" else None

    def next(self, total: int) -> Ticket | None:
        """Take the next trial, or None when `total` logical trials exist and none waits.

        Trials whose owner is gone are failed first, and retries that are due and variants that are
        missing are queued, so that no caller has to remember to.
        """
        with self._ask_lock():
            self._reap(self._mirror.refresh())
            self._queue_retries()
            books = self._mirror.books
            while books.wants_more(total):
                self._queue_variant(total)
                if self._grid_is_exhausted():
                    return None
                trial = self._study.ask()
                trial.set_user_attr("owner", self._owner.name)
                self._mirror.refresh()
                attempt = books.attempt(trial.number)
                if books.is_surplus(attempt, total):
                    with self._journal.together():
                        trial.set_user_attr("surplus", True)
                        self._study.tell(trial, state=TrialState.FAIL)
                    self._mirror.refresh()
                    continue
                return self._ticket(trial, attempt)
        return None

    def take_by_hand(
        self, label: Callable[[Collection[str]], str], params: Params, seed: int | None = None
    ) -> Ticket:
        """Add a trial with a configuration of the user's own, and take it at once.

        It is recorded like a variant: outside the sampler where the space does not hold it.

        Args:
            label: gives its name, knowing those that are taken.
            params: the complete configuration.
            seed: the trial's seed; derived like any other trial's by default.
        """
        with self._ask_lock():
            before = self._study.get_trials(deepcopy=False)
            taken = {name for trial in before if (name := trial.user_attrs.get("variant"))}
            variant = label({*taken, *self._definition.variants})
            inside = self._definition.space.contains(params, self._definition.fixed)
            attributes: dict[str, Any] = {"variant": variant, "config": params, "inside": inside}
            if seed is not None:
                attributes["seed"] = seed
            self._study.enqueue_trial(
                encode(self._definition.space, params) if inside else {}, user_attrs=attributes
            )
            known = {trial.number for trial in before}
            (added,) = (t for t in self._study.get_trials(deepcopy=False) if t.number not in known)
            # Not `ask`, which takes whatever has waited longest: this very trial.
            self._journal.set_trial_state_values(added._trial_id, TrialState.RUNNING)
            trial = optuna.Trial(self._study, added._trial_id)
            trial.set_user_attr("owner", self._owner.name)
            self._mirror.refresh()
            return self._ticket(trial, self._mirror.books.attempt(added.number))

    def start(self, ticket: Ticket, spec: TrialSpec) -> None:
        """Note the spec of a trial that begins."""
        with suppress(UpdateFinishedTrialError):  # `finish` will say so
            self._live[ticket.attempt].set_user_attr("spec", spec.to_json())

    def report(self, attempt: str, metrics: EpochMetrics) -> None:
        """Pass what the study maximises to Optuna, for its pruners and dashboards."""
        figure = metrics.figure(self._metric)
        if figure is not None:
            self._reports.add(self._live[attempt], metrics.epoch, figure)

    def write_reports(self) -> None:
        """Write reported epochs that have waited for a moment."""
        self._reports.write()

    def suggest(self, attempt: str, name: str, kind: str, bounds: Mapping[str, Any]) -> ParamValue:
        """Answer a model that asks for a parameter of its own while it is built.

        Args:
            attempt: the running trial.
            name, kind, bounds: as in `asked.Asked`, the rest of whose fields are in `bounds`.

        A variant, and a trial of a grid, takes what the model takes where nobody says.
        """
        trial = self._live[attempt]
        usual = bool(trial.user_attrs.get("variant")) or self._definition.sampler == "grid"
        return answer_to(trial, Asked.from_json({**bounds, "name": name, "kind": kind}), usual)

    def optuna_would_prune(self, attempt: str, pruner: optuna.pruners.BasePruner) -> bool:
        """What one of Optuna's own pruners says of a running trial."""
        self._reports.write(now=True)
        self._study.pruner = pruner
        return bool(self._live[attempt].should_prune())

    def finish(
        self,
        attempt: str,
        result: TrialResult,
        *,
        objective: float | None,
        violations: Mapping[str, float],
        reason: str | None = None,
    ) -> bool:
        """Store a result and tell Optuna; False if another process has failed this attempt.

        Args:
            attempt: identity of the attempt.
            result: what the worker said.
            objective: `targets.objective_metric` of the chosen epoch; None where there is none.
            violations: a figure per target, 0 where met; the sampler ranks by their sum.
            reason: why it was pruned or failed.
        """
        self._reports.write(now=True)
        trial = self._live.pop(attempt)
        state = TrialState.COMPLETE
        if result.status == "failed":
            state = TrialState.FAIL
        elif result.status != "complete" or objective is None:
            state = TrialState.PRUNED
        try:
            with self._journal.together():
                for key, value in attributes_of(result, reason).items():
                    trial.set_user_attr(key, value)
                if state != TrialState.FAIL:
                    for key, value in violations.items():
                        trial.set_constraint(key, min(value, LARGE_VIOLATION))
                told = objective if state == TrialState.COMPLETE else None
                self._study.tell(trial, told, state=state)
        except UpdateFinishedTrialError:
            return False
        except ValueError:
            # Optuna's other name for the same: the trial was told by someone else meanwhile.
            if self._journal.get_trial(trial._trial_id).state.is_finished():
                return False
            raise
        self._mirror.refresh()
        return True

    def hand_back(self, attempt: str, reason: str) -> None:
        """Give a running trial up in order; it is repeated without using up an attempt."""
        trial = self._live.pop(attempt)
        told = (UpdateFinishedTrialError, ValueError)  # by another process: nothing to give back
        with suppress(*told), self._journal.together():
            trial.set_user_attr("handed_back", True)
            trial.set_user_attr("reason", reason)
            self._study.tell(trial, state=TrialState.FAIL)

    @property
    def requested(self) -> int:
        """How many logical trials were last asked for; 0 before anybody did."""
        return int(self._study.user_attrs.get("requested", 0))

    def set_requested(self, total: int) -> None:
        """Note how many logical trials were last asked for."""
        if self.requested != total:
            self.note("requested", total)

    def records(self) -> tuple[TrialRecord, ...]:
        """One record a logical trial, by origin."""
        return records_of(self._study, self.uid, self._workspace)

    @property
    def ended(self) -> Sequence[TrialRecord]:
        """Trials that have ended, in the order in which this was seen; it only grows.

        As of the last trial taken or finished here, and without `run_id`.
        """
        return self._mirror.ended

    @property
    def rivals(self) -> Rivals:
        """Curves of finished trials, as of the last trial taken or finished here."""
        return self._mirror.rivals

    @property
    def tested(self) -> frozenset[int]:
        """Numbers of the attempts that were put to the test."""
        return tested_in(self._study.user_attrs)

    def is_ours(self, record: TrialRecord) -> bool:
        """Whether this process has trained the attempt that stands for a trial."""
        return bool(self._mirror.owner(record) == self._owner.name)

    def unrecorded(self) -> list[TrialRecord]:
        """Ended trials that no tracking run shows yet, those of other living processes left out."""
        self._mirror.refresh()
        runs = self._study.user_attrs
        return [
            record
            for record in self._mirror.ended
            if f"{RUN_PREFIX}{record.number}" not in runs and not self._is_others(record)
        ]

    def given_up(self) -> dict[str, str]:
        """Attempts that stand for no trial and never will, each with the reason."""
        found = {}
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.FAIL,)):
            found[f"{self.uid}:{trial.number}"] = str(trial.user_attrs.get("reason") or "given up")
        for trial in self._mirror.refresh():
            owner = trial.user_attrs.get("owner")
            if owner and owners.has_ended(self._workspace.owners / owner):
                found[f"{self.uid}:{trial.number}"] = owners.GONE
        for record in self._mirror.ended:
            found.pop(record.attempt, None)
        return found

    def mark_recorded(self, record: TrialRecord, run_id: str) -> None:
        """Note the run that shows a trial; a finished trial's own attributes are closed."""
        self.note(f"{RUN_PREFIX}{record.number}", run_id)

    def note(self, key: str, value: Any) -> None:
        """Note something about the study, or about a trial that has ended, under `key`."""
        self._study.set_user_attr(key, value)

    def noted(self, kind: str) -> dict[str, Any]:
        """All that was noted under keys that begin with `kind:`, by the rest of the key."""
        begin = f"{kind}:"
        known = self._study.user_attrs.items()
        return {k.removeprefix(begin): v for k, v in known if k.startswith(begin)}

    def close(self) -> None:
        """Give running trials back and this process's name up."""
        for attempt in list(self._live):
            self.hand_back(attempt, "the sweep ended")
        self._owner.close()

    def _is_others(self, record: TrialRecord) -> bool:
        """Whether another process that is alive has trained a trial, and will record it."""
        owner = self._mirror.owner(record)
        others = owner is not None and not self.is_ours(record)
        return others and not owners.has_ended(self._workspace.owners / owner)

    # What follows runs under the ask lock.

    def _ask_lock(self) -> Any:
        return locked(self._workspace.lock("ask"))

    def _reap(self, unfinished: Sequence[FrozenTrial]) -> None:
        """Fail the trials whose process is gone."""
        for trial in unfinished:
            if trial.state != TrialState.RUNNING:
                continue
            owner = trial.user_attrs.get("owner")
            if owner is None or (
                owner != self._owner.name and owners.is_gone(self._workspace.owners, owner)
            ):
                with self._journal.together():
                    self._journal.set_trial_user_attr(trial._trial_id, "reason", owners.GONE)
                    self._study.tell(trial.number, state=TrialState.FAIL)

    def _queue_retries(self) -> None:
        self._mirror.refresh()
        for logical in self._mirror.books.due:
            last = self._mirror.trial(logical.counting.number)
            # Enqueued afresh: a copied trial would keep the dead attempt's constraints.
            kept = ("config", "seed", "rank", "variant")
            attributes = {key: last.user_attrs[key] for key in kept if key in last.user_attrs}
            given: dict[str, Any] = {}
            if "config" in attributes:
                # What was given and not suggested yet when it died, and what was suggested.
                given = {**last.system_attrs.get("fixed_params", {}), **last.params}
                attributes["inside"] = last.user_attrs.get("inside", True)
            self._study.enqueue_trial(given, user_attrs={**attributes, "retry_of": logical.origin})
        self._mirror.refresh()

    def _queue_variant(self, total: int) -> None:
        """Queue the next missing variant, unless something waits.

        One at a time: Optuna takes the lowest number first, and a variant queued early would
        overtake the retry of the one before it.
        """
        books = self._mirror.books
        if len(books) >= total or books.waiting:
            return
        present = books.variants
        for name, params in self._definition.variants.items():
            if name in present:
                continue
            inside = self._definition.space.contains(params, self._definition.fixed)
            attributes: dict[str, Any] = {"variant": name, "config": params, "inside": inside}
            if self._definition.seeds > 1:
                attributes["seed"] = variant_seed(self._definition.seed, 0)
            self._study.enqueue_trial(
                encode(self._definition.space, params) if inside else {}, user_attrs=attributes
            )
            self._mirror.refresh()
            return

    def _grid_is_exhausted(self) -> bool:
        if self._definition.sampler != "grid":
            return False
        books = self._mirror.books
        return not books.waiting and books.grid_position() >= len(self._grid)

    def _ticket(self, trial: optuna.Trial, attempt: Attempt) -> Ticket:
        given = trial.user_attrs
        definition = self._definition
        origin = trial.number if attempt.retry_of is None else attempt.retry_of
        place = given.get("rank", self._mirror.books.rank(origin))
        position = self._mirror.books.grid_position(origin)
        config = given.get("config")
        with self._journal.together():
            if config is None or given.get("inside"):
                # Also for given configurations inside the space, for the sampler to learn from.
                points, at = self._grid, place
                if definition.sampler == "grid":
                    points, at = (points, position) if config is None else ((config,), 0)
                what = (definition.sampler, definition.space, points, definition.seed, at)
                known = (self._mirror.history, self._mirror.running)
                self._study.sampler = build_sampler(*what, *known)
                drawn = resolve(definition.space, definition.fixed, drawing(suggesting(trial)))
                config = drawn if config is None else config
            seed = given.get("seed", derive_seed(definition.seed, "trial", place))
            for key, value in (("rank", place), ("seed", seed), ("config", config)):
                if given.get(key) != value:
                    trial.set_user_attr(key, value)
        identity = f"{self.uid}:{trial.number}"
        self._live[identity] = trial
        return Ticket(trial.number, origin, identity, config, seed, attempt.variant)
