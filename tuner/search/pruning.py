"""Which trials are not worth finishing.

The rule: a pruner sees figures only. `overfit`, the default, stops a trial in two cases: its train
accuracy has reached the ceiling while validation stays under the floor for `OVERFIT_PATIENCE`
epochs in a row, or, after a third of the epochs, its best validation accuracy so far (or what else
the study maximises) is among the lowest quarter of trials *of the same schedule* at that epoch and
not near the floor either.
Schedules are not mixed, because under a cosine decay most of the gain comes in the last third; nor
are decays over different numbers of epochs.
`percentile`, `median` and `halving` are Optuna's own; a trial that has met the targets is stopped
by none of them.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tuner.epochs import meets
from tuner.targets import SCORES, Target, objective_metric
from tuner.trial import EpochMetrics, ParamValue

OVERFIT_PATIENCE = 5
# Lowest share of peers that is given up, and how many peers it takes to judge.
LOWEST_SHARE = 0.25
MIN_PEERS = 8
# A trial this near to every floor on the objective is not hopeless, whatever its peers reach.
NEAR_FLOOR = 0.02


@dataclass(frozen=True)
class Peer:
    """A finished trial to compare with: its schedule and, by epoch, what the study maximises."""

    schedule: ParamValue | None
    curve: tuple[float | None, ...]


def schedule_of(params: Mapping[str, ParamValue]) -> ParamValue | None:
    """How a configuration's learning rate goes: a decay over 10 epochs is none over 30."""
    schedule = params.get("schedule")
    if schedule in (None, "constant") or "epochs" not in params:
        return schedule
    return f"{schedule} over {params['epochs']} epochs"


class Rivals:
    """Peers as a trial is compared with them: their best figures by schedule and epoch, in order.

    Args:
        peers: those known from the start.
    """

    def __init__(self, peers: Iterable[Peer] = ()) -> None:
        self._bests: dict[str, list[list[float]]] = {}
        for peer in peers:
            self.add(peer)

    def add(self, peer: Peer) -> None:
        """One more finished trial."""
        by_epoch = self._bests.setdefault(repr(peer.schedule), [])
        best = 0.0
        for place, value in enumerate(peer.curve):
            if place == len(by_epoch):
                by_epoch.append([])
            best = best if value is None else max(best, value)
            insort(by_epoch[place], best)

    def bests(self, schedule: ParamValue | None, reached: int) -> Sequence[float]:
        """The best accuracy within `reached` epochs of each peer that came so far, ascending."""
        by_epoch = self._bests.get(repr(schedule), [])
        return by_epoch[reached - 1] if 0 < reached <= len(by_epoch) else ()


def overfit_reason(
    epochs: Sequence[EpochMetrics],
    targets: Sequence[Target],
    params: Mapping[str, ParamValue],
    rivals: Rivals,
    total: int,
) -> str | None:
    """Why to stop after the last of `epochs`, or None to go on.

    Args:
        epochs: the trial's figures so far.
        targets: all targets of the sweep.
        params: the trial's configuration.
        rivals: finished trials of the study.
        total: epochs of this trial, were it to end.
    """
    if not epochs or len(epochs) >= total or any(meets(e, targets) for e in epochs):
        return None
    return _overfitted(epochs, targets) or _hopeless(epochs, targets, params, rivals, total)


def _overfitted(epochs: Sequence[EpochMetrics], targets: Sequence[Target]) -> str | None:
    ceilings = [t for t in targets if t.metric == "train_accuracy" and t.is_ceiling]
    floors = [t for t in targets if t.metric in SCORES and t.is_floor]
    if not ceilings or not floors or len(epochs) < OVERFIT_PATIENCE:
        return None
    missed = floors
    for epoch in epochs[-OVERFIT_PATIENCE:]:
        over = epoch.train_accuracy is not None and any(
            not t.met_by(epoch.train_accuracy) for t in ceilings
        )
        missed = [t for t in floors if not t.met_by(epoch.figure(t.metric))]
        if not (over and missed):
            return None
    return (
        f"overfit: for {OVERFIT_PATIENCE} epochs train broke {ceilings[0].text} "
        f"while val missed {missed[0].text}"
    )


def _hopeless(
    epochs: Sequence[EpochMetrics],
    targets: Sequence[Target],
    params: Mapping[str, ParamValue],
    rivals: Rivals,
    total: int,
) -> str | None:
    reached = len(epochs)
    if reached * 3 < total:
        return None
    schedule = schedule_of(params)
    bests = rivals.bests(schedule, reached)
    if len(bests) < MIN_PEERS:
        return None
    threshold = bests[int(len(bests) * LOWEST_SHARE)]
    metric = objective_metric(targets)
    own = _best(tuple(e.figure(metric) for e in epochs))
    floors = [t.value for t in targets if t.metric == metric and t.is_floor]
    if own >= threshold or (floors and own >= max(floors) - NEAR_FLOOR):
        return None
    return (
        f"percentile: val {own:.4f} after {reached} epochs is among the lowest "
        f"{LOWEST_SHARE:.0%} of {len(bests)} trials with schedule {schedule} (< {threshold:.4f})"
    )


def _best(curve: Sequence[float | None]) -> float:
    return max((value for value in curve if value is not None), default=0.0)
