"""The study: the record of a sweep, kept by Optuna in a journal file.

The rule: the study alone is the record. Everything a report needs is in a trial's attributes before
the trial is told; what counts is derived from them (`ledger`). `next` and `reap` run under one lock
of the journal's directory, so that no process sees a trial without an owner that has one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from tuner.definition import SweepDefinition
from tuner.locks import locked
from tuner.search import owners
from tuner.search.ledger import Attempt, grid_position, is_surplus, logical_trials, rank, wants_more
from tuner.search.pruning import Peer
from tuner.search.records import RUN_PREFIX, attempt_of, records_of
from tuner.search.sampling import (
    build_sampler,
    derive_seed,
    distribution_of,
    drawing,
    encode,
    plain,
    suggesting,
)
from tuner.search.ticket import Ticket
from tuner.space import grid, resolve
from tuner.targets import LARGE_VIOLATION
from tuner.trial import (
    EpochMetrics,
    Params,
    ParamValue,
    TrialRecord,
    TrialResult,
    TrialSpec,
    to_columns,
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
        self._live: dict[str, optuna.Trial] = {}
        self._grid: tuple[Params, ...] = ()
        if definition.sampler == "grid":
            points = grid(definition.space, definition.fixed)
            self._grid = tuple({**definition.fixed, **point} for point in points)
        self.name: str = study.study_name
        self.uid: str = study.user_attrs["uid"]

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
            self._reap()
            self._queue_retries()
            while wants_more(self._attempts(), total):
                self._queue_variant(total)
                if self._grid_is_exhausted():
                    return None
                trial = self._study.ask()
                trial.set_user_attr("owner", self._owner.name)
                attempts = self._attempts()
                attempt = next(a for a in attempts if a.number == trial.number)
                if is_surplus(attempt, attempts, total):
                    trial.set_user_attr("surplus", True)
                    self._study.tell(trial, state=TrialState.FAIL)
                    continue
                return self._ticket(trial, attempt, attempts)
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
            before = self._trials()
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
            (added,) = (trial for trial in self._trials() if trial.number not in known)
            # Not `ask`, which takes whatever has waited longest: this very trial.
            self._study._storage.set_trial_state_values(added._trial_id, TrialState.RUNNING)
            trial = optuna.Trial(self._study, added._trial_id)
            trial.set_user_attr("owner", self._owner.name)
            attempts = self._attempts()
            attempt = next(a for a in attempts if a.number == added.number)
            return self._ticket(trial, attempt, attempts)

    def start(self, ticket: Ticket, spec: TrialSpec) -> None:
        """Note the spec of a trial that begins."""
        with suppress(UpdateFinishedTrialError):  # `finish` will say so
            self._live[ticket.attempt].set_user_attr("spec", spec.to_json())

    def report(self, attempt: str, metrics: EpochMetrics) -> None:
        """Pass an epoch's validation accuracy to Optuna, for its pruners and dashboards."""
        if metrics.val_accuracy is not None:
            with suppress(UpdateFinishedTrialError):  # `finish` will say so
                self._live[attempt].report(metrics.val_accuracy, step=metrics.epoch)

    def suggest(self, attempt: str, name: str, kind: str, bounds: Mapping[str, Any]) -> ParamValue:
        """Answer a model that asks for a parameter of its own while it is built.

        Args:
            attempt: the running trial.
            name: the parameter's name, unique over the conditions it stands under.
            kind: `float`, `int` or `categorical`.
            bounds: `low`, `high`, `step`, `log`, or `choices`.
        """
        trial = self._live[attempt]
        value = plain(suggesting(trial)(name, distribution_of(kind, bounds)))
        trial.set_user_attr("config", {**trial.user_attrs.get("config", {}), name: value})
        return value

    def optuna_would_prune(self, attempt: str, pruner: optuna.pruners.BasePruner) -> bool:
        """What one of Optuna's own pruners says of a running trial."""
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
            objective: val_accuracy of the chosen epoch; None where there is none.
            violations: a figure per target, 0 where met; the sampler ranks by their sum.
            reason: why it was pruned or failed.
        """
        trial = self._live.pop(attempt)
        state = TrialState.COMPLETE
        if result.status == "failed":
            state = TrialState.FAIL
        elif result.status != "complete" or objective is None:
            state = TrialState.PRUNED
        attributes: dict[str, Any] = {
            "epochs": to_columns(result.epochs),
            "reason": reason or result.message or None,
            "status": result.status,
            "started": result.started,
            "ended": result.ended,
            "device": result.device,
            "weights": result.weights and Path(result.weights).name,
        }
        try:
            for key, value in attributes.items():
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
            if self._study._storage.get_trial(trial._trial_id).state.is_finished():
                return False
            raise
        return True

    def hand_back(self, attempt: str, reason: str) -> None:
        """Give a running trial up in order; it is repeated without using up an attempt."""
        trial = self._live.pop(attempt)
        try:
            trial.set_user_attr("handed_back", True)
            trial.set_user_attr("reason", reason)
            self._study.tell(trial, state=TrialState.FAIL)
        except (UpdateFinishedTrialError, ValueError):
            return  # told by another process: nothing to give back

    @property
    def requested(self) -> int:
        """How many logical trials were last asked for; 0 before anybody did."""
        return int(self._study.user_attrs.get("requested", 0))

    def set_requested(self, total: int) -> None:
        """Note how many logical trials were last asked for."""
        if self._study.user_attrs.get("requested") != total:
            self._study.set_user_attr("requested", total)

    def records(self) -> tuple[TrialRecord, ...]:
        """One record a logical trial, by origin."""
        return records_of(self._study, self.uid, self._workspace)

    def peers(self) -> list[Peer]:
        """Validation curves of finished trials; asked for at every epoch, so read directly."""
        return [
            Peer(
                trial.user_attrs["config"].get("schedule"),
                tuple(trial.user_attrs["epochs"].get("val_accuracy", ())),
            )
            for trial in self._trials()
            if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
        ]

    def unrecorded(self) -> list[TrialRecord]:
        """Finished trials that no tracking run shows yet."""
        done = ("complete", "pruned", "failed")
        return [r for r in self.records() if r.run_id is None and r.state in done]

    def mark_recorded(self, record: TrialRecord, run_id: str) -> None:
        """Note the run that shows a trial; a finished trial's own attributes are closed."""
        self._study.set_user_attr(f"{RUN_PREFIX}{record.number}", run_id)

    def close(self) -> None:
        """Give running trials back and this process's name up."""
        for attempt in list(self._live):
            self.hand_back(attempt, "the sweep ended")
        self._owner.close()

    # What follows runs under the ask lock.

    def _ask_lock(self) -> Any:
        return locked(self._workspace.lock("ask"))

    def _trials(self) -> list[FrozenTrial]:
        trials: list[FrozenTrial] = self._study.get_trials(deepcopy=False)
        return trials

    def _attempts(self) -> list[Attempt]:
        return [attempt_of(trial) for trial in self._trials()]

    def _reap(self) -> None:
        """Fail the trials whose process is gone."""
        for trial in self._trials():
            if trial.state != TrialState.RUNNING:
                continue
            owner = trial.user_attrs.get("owner")
            if owner is None or (
                owner != self._owner.name and owners.is_gone(self._workspace.owners, owner)
            ):
                storage = self._study._storage
                storage.set_trial_user_attr(
                    trial._trial_id, "reason", "the process that trained it is gone"
                )
                self._study.tell(trial.number, state=TrialState.FAIL)

    def _queue_retries(self) -> None:
        by_number = {trial.number: trial for trial in self._trials()}
        for logical in logical_trials(self._attempts()):
            if not logical.retry_due:
                continue
            last = by_number[logical.counting.number]
            # Enqueued afresh: a copied trial would keep the dead attempt's constraints.
            kept = ("config", "seed", "rank", "variant")
            attributes = {key: last.user_attrs[key] for key in kept if key in last.user_attrs}
            given: dict[str, Any] = {}
            if "config" in attributes:
                # What was given and not suggested yet when it died, and what was suggested.
                given = {**last.system_attrs.get("fixed_params", {}), **last.params}
                attributes["inside"] = last.user_attrs.get("inside", True)
            self._study.enqueue_trial(given, user_attrs={**attributes, "retry_of": logical.origin})

    def _queue_variant(self, total: int) -> None:
        """Queue the next missing variant, unless something waits.

        One at a time: Optuna takes the lowest number first, and a variant queued early would
        overtake the retry of the one before it.
        """
        attempts = self._attempts()
        trials = logical_trials(attempts)
        if len(trials) >= total or any(a.state == "waiting" for a in attempts):
            return
        present = {t.counting.variant for t in trials}
        for name, params in self._definition.variants.items():
            if name in present:
                continue
            inside = self._definition.space.contains(params, self._definition.fixed)
            self._study.enqueue_trial(
                encode(self._definition.space, params) if inside else {},
                user_attrs={"variant": name, "config": params, "inside": inside},
            )
            return

    def _grid_is_exhausted(self) -> bool:
        if self._definition.sampler != "grid":
            return False
        attempts = self._attempts()
        if any(a.state == "waiting" and not a.surplus for a in attempts):
            return False
        return grid_position(attempts) >= len(self._grid)

    def _ticket(self, trial: optuna.Trial, attempt: Attempt, attempts: list[Attempt]) -> Ticket:
        given = trial.user_attrs
        definition = self._definition
        origin = trial.number if attempt.retry_of is None else attempt.retry_of
        place = given.get("rank", rank(origin, attempts))
        position = grid_position([a for a in attempts if a.number < origin])
        config = given.get("config")
        if config is None or given.get("inside"):
            # Also for given configurations inside the space, so that the sampler learns from them.
            points, at = self._grid, place
            if definition.sampler == "grid":
                points, at = (points, position) if config is None else ((config,), 0)
            self._study.sampler = build_sampler(
                definition.sampler, definition.space, points, definition.seed, at
            )
            drawn = resolve(definition.space, definition.fixed, drawing(suggesting(trial)))
            config = drawn if config is None else config
        seed = given.get("seed", derive_seed(definition.seed, "trial", place))
        for key, value in (("rank", place), ("seed", seed), ("config", config)):
            if given.get(key) != value:
                trial.set_user_attr(key, value)
        identity = f"{self.uid}:{trial.number}"
        self._live[identity] = trial
        return Ticket(trial.number, origin, identity, config, seed, attempt.variant)
