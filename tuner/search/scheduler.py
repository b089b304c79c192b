"""The heart of a sweep: take a trial, hand it to a worker, heed its epochs, tell the study.

The rule: the scheduler does not train and knows neither MLflow nor Keras. It holds no state that
the study does not; killed at any line, the next process goes on from the study.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from tuner.epochs import Choice, choose
from tuner.errors import TrainingError
from tuner.executors.base import EpochDone, Event, Executor, SuggestAsked, TrialDone
from tuner.search.outbox import Outbox
from tuner.search.pruners import Pruning
from tuner.search.study import SweepStudy
from tuner.search.ticket import Ticket
from tuner.targets import LARGE_VIOLATION, Target, objective_metric
from tuner.trial import EpochMetrics, EpochRule, TrialResult, TrialSpec

StopReason = Literal["done", "drained", "handed back", "exhausted", "timeout", "enough"]
POLL_SECONDS = 0.2
# So many different trials failing, and none that works, mean that the next one will fail too.
HOPELESS_FAILURES = 3


@dataclass(frozen=True)
class Started:
    """A trial begins; `slot` is the display line of its worker."""

    ticket: Ticket
    slot: int


@dataclass(frozen=True)
class Progressed:
    """A trial finished an epoch."""

    ticket: Ticket
    slot: int
    metrics: EpochMetrics


@dataclass(frozen=True)
class Ended:
    """A trial ended; `choice` is None where it has no figures."""

    ticket: Ticket
    slot: int
    state: Literal["complete", "pruned", "failed"]
    reason: str | None
    choice: Choice | None


Notice = Started | Progressed | Ended


@dataclass
class Controls:
    """What signals ask of a running scheduler; set from a handler, read between events."""

    drain: bool = False
    hand_back: bool = False


@dataclass
class _Running:
    ticket: Ticket
    slot: int
    spec: TrialSpec
    began: float
    started: float
    epochs: list[EpochMetrics] = field(default_factory=list)
    stopped: str | None = None


@dataclass
class Scheduler:
    """Runs trials of one study until `total` logical trials are there.

    Attributes:
        study: the record.
        executor: where trials run.
        outbox: the way to the tracking store.
        pruning: which trials to stop.
        targets, rule: how a trial is judged.
        make_spec: turns a ticket into what a worker needs.
        total: how many logical trials the study shall have.
        deadline: `time.monotonic()` at which running trials are handed back, or None.
        observe: called with what a person may want to see.
        controls: set by signal handlers.
        take: gives the next trial, or None when there is no more; the study's own by default.
        enough: asked before a trial is taken; from its first yes on, running trials finish.
    """

    study: SweepStudy
    executor: Executor
    outbox: Outbox
    pruning: Pruning
    targets: tuple[Target, ...]
    rule: EpochRule
    make_spec: Callable[[Ticket], TrialSpec]
    total: int
    deadline: float | None
    observe: Callable[[Notice], None]
    controls: Controls = field(default_factory=Controls)
    take: Callable[[], Ticket | None] | None = None
    enough: Callable[[], bool] = lambda: False
    _running: dict[str, _Running] = field(default_factory=dict)
    _failing: set[int] | None = field(default_factory=set)
    _may_be_more: bool = True
    _has_enough: bool = False

    def run(self) -> StopReason:
        """Run to the end; returns why it ended.

        Raises:
            TrainingError: the first trials fail for good, one after the other.
        """
        while True:
            if self._may_be_more:
                self._fill()
            if self.controls.hand_back:
                self._hand_back("interrupted")
                return "handed back"
            if self.deadline is not None and time.monotonic() >= self.deadline:
                self._hand_back("the time given by --timeout is over")
                return "timeout"
            if not self._running:
                return "drained" if self.controls.drain else self._why_no_more()
            for event in self.executor.poll(POLL_SECONDS):
                self._handle(event)
            self._show()

    def _fill(self) -> None:
        """Start trials on idle workers while the study has any."""
        while self.executor.idle > 0 and not (self.controls.drain or self.controls.hand_back):
            self._has_enough = self._has_enough or self.enough()
            if self._has_enough:
                return
            ticket = self.take() if self.take is not None else self.study.next(self.total)
            if ticket is None:
                self._may_be_more = False  # until a trial of ours ends
                return
            taken = {running.slot for running in self._running.values()}
            slot = next(s for s in range(self.executor.slots) if s not in taken)
            spec = self.make_spec(ticket)
            self.study.start(ticket, spec)
            self._running[ticket.attempt] = _Running(
                ticket, slot, spec, began=time.monotonic(), started=time.time()
            )
            self.executor.submit(spec)
            self.observe(Started(ticket, slot))

    def _show(self) -> None:
        """Let others see what is known: what runs, in the study and in the tracking store."""
        self.study.write_reports()
        for r in self._running.values():
            self.outbox.progress(r.ticket, r.spec, r.epochs, r.began, r.started)
        self.outbox.hear()

    def _why_no_more(self) -> StopReason:
        if self._has_enough:
            return "enough"
        size = self.study.grid_size
        if size is not None and len(self.study.records()) < self.total:
            return "exhausted"
        return "done"

    def _handle(self, event: Event) -> None:
        running = self._running.get(event.attempt)
        if running is None:
            return
        if isinstance(event, EpochDone):
            self._on_epoch(running, event.metrics)
        elif isinstance(event, TrialDone):
            self._on_result(running, event.result)
        elif isinstance(event, SuggestAsked):
            value = self.study.suggest(event.attempt, event.name, event.kind, event.bounds)
            self.executor.answer(event.attempt, value)
        elif not self.controls.hand_back:  # else the signal reached the worker, too: handed back
            self._on_result(running, TrialResult(status="failed", message=event.reason))

    def _on_epoch(self, running: _Running, metrics: EpochMetrics) -> None:
        ticket = running.ticket
        running.epochs.append(metrics)
        if running.stopped is None:
            self.study.report(ticket.attempt, metrics)
            running.stopped = self.pruning.reason(ticket, running.epochs)
        self.executor.decide(ticket.attempt, metrics.epoch, stop=running.stopped is not None)
        self.observe(Progressed(ticket, running.slot, metrics))

    def _on_result(self, running: _Running, result: TrialResult) -> None:
        ticket = running.ticket
        del self._running[ticket.attempt]
        self._may_be_more = True
        choice = choose(result.epochs, self.targets, self.rule)
        reason = running.stopped if result.status == "stopped" else result.message or None
        broken = result.status in ("nan", "oom", "invalid")
        violations = self._violations(choice, broken=broken)
        metric = objective_metric(self.targets)
        objective = choice.metrics.figure(metric) if choice is not None else None
        counted = self.study.finish(
            ticket.attempt, result, objective=objective, violations=violations, reason=reason
        )
        if not counted:  # another process has taken this trial over
            self.outbox.give_up(ticket.attempt, "another process has taken it over")
            return
        state: Literal["complete", "pruned", "failed"] = "complete"
        if result.status == "failed":
            state = "failed"
        elif result.status != "complete":
            state = "pruned"
        self.observe(Ended(ticket, running.slot, state, reason, choice))
        useless = "failed" if result.status == "invalid" else state
        self._give_up_if_hopeless(ticket.origin, useless, reason)
        self.outbox.flush()
        if state == "failed":  # after flush, which sends the last attempt as a failed trial
            self.outbox.give_up(ticket.attempt, reason or "failed")

    def _violations(self, choice: Choice | None, *, broken: bool) -> dict[str, float]:
        """A number per target for the sampler: 0 where met, large where nothing was learnt."""
        if choice is None or broken:
            return {t.text: LARGE_VIOLATION for t in self.targets} or {"trained": LARGE_VIOLATION}
        return {text: 0.0 if v is None else v for text, v in choice.violations.items()}

    def _give_up_if_hopeless(self, origin: int, state: str, reason: str | None) -> None:
        if state != "failed":
            self._failing = None  # something works: failures are the trials' own
        if self._failing is None:
            return
        self._failing.add(origin)
        if len(self._failing) >= HOPELESS_FAILURES:
            raise TrainingError(
                f"the first {len(self._failing)} trials all fail: {reason}.\n"
                "What the workers printed is in .tuner/logs."
            )

    def _hand_back(self, reason: str) -> None:
        for attempt in list(self._running):
            self.study.hand_back(attempt, reason)
            self.outbox.give_up(attempt, reason)
        self._running.clear()
        self.executor.close()  # busy workers are ended at once
