"""The pruner that a sweep asked for by name, over the study that holds its peers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import optuna

from tuner.epochs import meets
from tuner.parameters import epochs_of
from tuner.search.pruning import overfit_reason
from tuner.search.study import SweepStudy
from tuner.search.ticket import Ticket
from tuner.targets import Target, objective_metric
from tuner.trial import EpochMetrics


def optuna_pruner(name: str, epochs: int) -> optuna.pruners.BasePruner:
    """Optuna's pruner of that name; none of them judges before a third of a trial's epochs.

    Plain successive halving stopped 35 of 50 trials at epoch 1, good ones among them.
    """
    warmup = max(1, epochs // 3)
    if name == "percentile":
        return optuna.pruners.PercentilePruner(75.0, n_startup_trials=8, n_warmup_steps=warmup)
    if name == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=warmup)
    return optuna.pruners.SuccessiveHalvingPruner(min_resource=warmup, reduction_factor=2)


@dataclass(frozen=True)
class Pruning:
    """Decides after each epoch whether a trial goes on.

    Attributes:
        name: `overfit`, `percentile`, `median`, `halving` or `none`.
        study: where peers are.
        targets: the sweep's targets.
        epochs: of a full trial, unless it has a number of its own.
    """

    name: str
    study: SweepStudy
    targets: tuple[Target, ...]
    epochs: int

    def reason(self, ticket: Ticket, history: Sequence[EpochMetrics]) -> str | None:
        """Why to stop `ticket` after the last epoch of `history`; None to go on.

        Variants are never stopped: they are there to be compared.
        """
        done, total = len(history), epochs_of(ticket.params, self.epochs)
        if self.name == "none" or ticket.variant is not None or done >= total:
            return None
        if self.name == "overfit":
            rivals = self.study.rivals
            return overfit_reason(history, self.targets, ticket.params, rivals, total)
        if any(meets(e, self.targets) for e in history):
            return None
        if self.study.optuna_would_prune(ticket.attempt, optuna_pruner(self.name, total)):
            metric = objective_metric(self.targets)
            name = metric.removesuffix("_accuracy").replace("_", " ")
            return f"{self.name}: {name} {history[-1].figure(metric)} at epoch {done}"
        return None
