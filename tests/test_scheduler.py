"""Whole sweeps without Keras: real journal, real loop, threads for workers, runs in memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from stubs import FakeEngine, asks, definition, die, fails, opened, picky, plain_figures, steady

from tuner.definition import SweepDefinition
from tuner.errors import TrainingError
from tuner.executors.base import Event, TrialLost
from tuner.executors.inline import InlineExecutor
from tuner.search.outbox import Outbox
from tuner.search.pruners import Pruning
from tuner.search.scheduler import Controls, Ended, Notice, Progressed, Scheduler, Started
from tuner.search.storage import JournalFile
from tuner.search.study import SweepStudy
from tuner.search.ticket import Ticket
from tuner.targets import LARGE_VIOLATION
from tuner.tracking.base import SweepInfo
from tuner.tracking.memory import MemoryRecorder, MemoryStore
from tuner.training.base import Link, Trainer
from tuner.training.loop import run_epochs
from tuner.trial import TrialRecord, TrialResult, TrialSpec


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process has written survives its death; only a power cut needs fsync."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


class Killed(BaseException):
    """This process dies here."""


@dataclass
class Sweep:
    """One run of a sweep in `folder`, from opening the study to its end."""

    folder: Path
    train: Trainer = steady
    slots: int = 1
    total: int | None = None
    deadline: float | None = None
    store: MemoryStore = field(default_factory=MemoryStore)
    outage: tuple[int, bool] = (0, False)
    watch: Callable[[Notice], None] = lambda notice: None
    make_executor: Callable[[Trainer, int, Controls], InlineExecutor] = (
        lambda train, slots, controls: InlineExecutor(train, slots)
    )
    make_recorder: Callable[[MemoryStore], MemoryRecorder] = MemoryRecorder
    show_every: float = 3600.0
    enough: Callable[[], bool] = lambda: False
    changes: dict[str, Any] = field(default_factory=dict)
    controls: Controls = field(default_factory=Controls)
    notices: list[Notice] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    records: tuple[TrialRecord, ...] = ()
    attempts: list[optuna.trial.FrozenTrial] = field(default_factory=list)
    remaining: int = 0

    def run(self) -> str:
        made = definition(**self.changes)
        study = opened(self.folder, **self.changes)
        recorder = self.make_recorder(self.store)
        recorder.fail_next(self.outage[0], midway=self.outage[1])
        info = SweepInfo("s", study.uid, "digits")
        outbox = Outbox(
            study, recorder, info, made.targets, made.epoch, self.said.append, self.show_every
        )
        executor = self.make_executor(self.train, self.slots, self.controls)
        try:
            reason = self._scheduler(made, study, executor, outbox).run()
            self.remaining = outbox.close("finished", {"trials": 1})
        except Killed:
            outbox.abandon()
            die(study)
            raise
        finally:
            executor.close()
            self.records = study.records()
            self.attempts = study._study.get_trials()
        study.close()
        return reason

    def _scheduler(
        self, made: SweepDefinition, study: SweepStudy, executor: InlineExecutor, outbox: Outbox
    ) -> Scheduler:
        def observe(notice: Notice) -> None:
            self.notices.append(notice)
            self.watch(notice)

        def make_spec(ticket: Ticket) -> TrialSpec:
            return TrialSpec(
                attempt=ticket.attempt,
                study="s",
                origin=ticket.origin,
                data="",
                fingerprint="",
                model="mlp",
                params=ticket.params,
                split=made.split,
                seed=ticket.seed,
                epochs=made.epochs,
                epoch=made.epoch,
                targets=tuple(t.text for t in made.targets),
            )

        return Scheduler(
            study=study,
            executor=executor,
            outbox=outbox,
            pruning=Pruning(made.pruner, study, made.targets, made.epochs),
            targets=made.targets,
            rule=made.epoch,
            make_spec=make_spec,
            total=made.trials if self.total is None else self.total,
            deadline=self.deadline,
            observe=observe,
            controls=self.controls,
            enough=self.enough,
        )

    def outcome(self) -> list[tuple[Any, ...]]:
        """What two runs have in common when they are equal."""
        return [
            (r.state, r.variant, r.params, r.seed, plain_figures(r.epochs), r.reason)
            for r in self.records
        ]

    def states(self) -> list[str]:
        return [r.state for r in self.records]

    def runs(self) -> list[str]:
        """Attempts that runs show, in order; every one of them whole."""
        found = [r for r in self.store.runs.values() if r.tags["tuner.kind"] == "trial"]
        assert {r.status for r in found} <= {"FINISHED", "FAILED"}
        return [r.tags["tuner.attempt"] for r in found]


# --- the plain course -----------------------------------------------------------------------------


@pytest.mark.parametrize("slots", [1, 2, 3])
def test_a_sweep_ends_with_its_trials(tmp_path: Path, slots: int) -> None:
    sweep = Sweep(tmp_path, slots=slots, changes={"trials": 7})
    assert sweep.run() == "done"
    assert sweep.states() == ["complete"] * 7
    assert sorted(sweep.runs()) == sorted(r.attempt for r in sweep.records)
    assert all(r.run_id in sweep.store.runs for r in sweep.records)
    kinds = [type(n) for n in sweep.notices]
    assert (kinds.count(Started), kinds.count(Progressed), kinds.count(Ended)) == (7, 21, 7)
    assert {n.slot for n in sweep.notices} == set(range(slots))
    assert all(TrialSpec.from_json(r.spec).params == r.params for r in sweep.records)
    again = Sweep(tmp_path, store=sweep.store, changes={"trials": 7})
    assert again.run() == "done"
    assert (again.notices, again.outcome()) == ([], sweep.outcome())
    more = Sweep(tmp_path, total=9, store=sweep.store)
    assert more.run() == "done"
    assert more.outcome()[:7] == sweep.outcome()
    assert len(more.runs()) == 9


def test_figures_are_those_of_the_spec(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    sweep.run()
    for record in sweep.records:
        alone = run_epochs(TrialSpec.from_json(record.spec), _Deaf(), FakeEngine)
        assert plain_figures(alone.epochs) == plain_figures(record.epochs)


class _Deaf:
    def epoch(self, metrics: Any) -> None: ...

    def stop_after(self, epoch: int) -> bool:
        return False

    def suggest(self, name: str, kind: str, bounds: dict[str, object]) -> int:
        raise AssertionError


def test_a_grid_ends_early_and_says_so(tmp_path: Path) -> None:
    space = {"units": {"values": [8, 16]}}
    sweep = Sweep(tmp_path, changes={"sampler": "grid", "space": space, "trials": 9})
    assert sweep.run() == "exhausted"
    assert [r.params["units"] for r in sweep.records] == [8, 16]


def test_a_model_is_answered_and_its_parameters_kept(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path, train=asks)
    sweep.run()
    assert sweep.states() == ["complete"] * 4
    kernels = [r.params["kernel"] for r in sweep.records]
    assert set(kernels) <= {3, 5, 7}
    assert [t.params["kernel"] for t in sweep.attempts] == kernels


def test_what_is_hopeless_is_stopped_but_no_variant(tmp_path: Path) -> None:
    def by_width(spec: TrialSpec, link: Link) -> TrialResult:
        curve = [int(str(spec.params["units"]))] * spec.epochs
        return run_epochs(replace(spec, params={**spec.params, "curve": curve}), link, FakeEngine)

    changes = {
        "epochs": 9,
        "trials": 11,
        "space": {"dropout": {"min": 0, "max": 0.5}},
        "fixed": {"units": 50},
        "variants": {**{f"v{i}": {"units": 70 + i} for i in range(8)}, "low": {"units": 40}},
    }
    sweep = Sweep(tmp_path, by_width, changes=changes)
    sweep.run()
    assert sweep.states() == ["complete"] * 9 + ["pruned"] * 2
    for record in sweep.records[9:]:
        assert [e.epoch for e in record.epochs] == [1, 2, 3]
        assert record.reason is not None
        assert record.reason.startswith("percentile: val 0.5000 after 3 epochs")


# --- what goes wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize(("units", "status"), [(65, "nan"), (67, "oom")])
def test_what_cannot_be_trained_is_pruned_with_a_large_violation(
    tmp_path: Path, units: int, status: str
) -> None:
    changes = {"trials": 2, "variants": {"v": {"units": units}}}
    sweep = Sweep(tmp_path, picky, changes=changes)
    assert sweep.run() == "done"
    assert sweep.states() == ["pruned", "complete"]
    assert sweep.attempts[0].user_attrs["status"] == status
    assert sweep.attempts[0].constraints == {
        "val_accuracy >= 0.9": LARGE_VIOLATION,
        "train_accuracy < 0.95": LARGE_VIOLATION,
    }
    assert sweep.attempts[1].constraints != sweep.attempts[0].constraints


def test_a_trial_that_fails_is_tried_three_times(tmp_path: Path) -> None:
    changes = {"variants": {"good": {"units": 64}, "bad": {"units": 63}}}
    sweep = Sweep(tmp_path, picky, changes=changes)
    assert sweep.run() == "done"
    assert sweep.states() == ["complete", "failed", "complete", "complete"]
    assert sweep.records[1].reason == "ValueError: 63 units are too many"
    assert len(sweep.attempts) == 4 + 2
    assert len({t.user_attrs["seed"] for t in sweep.attempts}) == 4
    assert len(sweep.runs()) == 4, "attempts that were repeated are not shown"


def test_when_nothing_works_it_ends(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path, fails, changes={"trials": 50})
    with pytest.raises(TrainingError) as caught:
        sweep.run()
    first, second = str(caught.value).splitlines()
    assert first == "the first 3 trials all fail: ValueError: no such layer."
    assert ".tuner/logs" in second
    assert len(sweep.attempts) == 7  # three attempts at each of two trials, one at the third


class Losing(InlineExecutor):
    """Loses its first trial; with `signalled`, because a signal reaches parent and workers."""

    def __init__(self, train: Trainer, slots: int, controls: Controls, signalled: bool) -> None:
        super().__init__(train, slots)
        self._controls = controls
        self._signalled = signalled
        self._lost = ""

    def submit(self, spec: TrialSpec) -> None:
        self._lost = self._lost or spec.attempt
        super().submit(spec)

    def poll(self, timeout: float) -> list[Event]:
        if self._lost in ("", "gone"):
            return super().poll(timeout)
        attempt, self._lost = self._lost, "gone"
        self.cancel(attempt)
        self._controls.hand_back = self._signalled
        return [TrialLost(attempt, "the worker ended by signal 15")]


def test_a_lost_trial_is_repeated_at_once(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path / "1", make_executor=lambda t, s, c: Losing(t, s, c, signalled=False))
    assert sweep.run() == "done"
    plain = Sweep(tmp_path / "2")
    plain.run()
    assert sweep.outcome() == plain.outcome()
    assert len(sweep.attempts) == 5
    assert sweep.attempts[0].user_attrs["reason"] == "the worker ended by signal 15"


def test_a_worker_ended_by_the_same_signal_uses_up_no_attempt(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path, make_executor=lambda t, s, c: Losing(t, s, c, signalled=True))
    assert sweep.run() == "handed back"
    assert sweep.states() == ["waiting"]
    assert sweep.attempts[0].user_attrs["handed_back"] is True


# --- ending early ---------------------------------------------------------------------------------


@pytest.mark.parametrize("slots", [1, 2])
def test_drain_lets_running_trials_finish(tmp_path: Path, slots: int) -> None:
    sweep = Sweep(tmp_path, slots=slots)

    def watch(notice: Notice) -> None:
        if isinstance(notice, Progressed):
            sweep.controls.drain = True

    sweep.watch = watch
    assert sweep.run() == "drained"
    assert sweep.states() == ["complete"] * slots
    _goes_on(sweep, tmp_path)


def test_hand_back_gives_running_trials_up(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path, slots=2)

    def watch(notice: Notice) -> None:
        if isinstance(notice, Progressed):
            sweep.controls.hand_back = True

    sweep.watch = watch
    assert sweep.run() == "handed back"
    assert set(sweep.states()) == {"waiting"}
    assert [r.reason for r in sweep.records] == ["interrupted"] * 2
    _goes_on(sweep, tmp_path)


def test_a_deadline_hands_back(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path, deadline=time.monotonic())
    assert sweep.run() == "timeout"
    assert sweep.states() == ["waiting"]
    _goes_on(sweep, tmp_path)


def _goes_on(sweep: Sweep, folder: Path) -> None:
    """The next run ends as an undisturbed one would have, in figures and in runs."""
    after = Sweep(folder, store=sweep.store)
    assert after.run() == "done"
    plain = Sweep(folder / "plain")
    plain.run()
    assert after.outcome() == plain.outcome()
    assert sorted(after.runs()) == sorted(r.attempt for r in after.records)


# --- outages of the tracking store ----------------------------------------------------------------


@pytest.mark.parametrize("midway", [False, True])
@pytest.mark.parametrize("failures", [1, 2, 5, 1000])
def test_an_outage_loses_and_doubles_nothing(tmp_path: Path, failures: int, midway: bool) -> None:
    sweep = Sweep(tmp_path, outage=(failures, midway))
    assert sweep.run() == "done"
    assert sweep.states() == ["complete"] * 4
    assert len(sweep.said) == 1
    if failures == 1:
        assert sweep.remaining == 0, "asked again at the end"
    if failures == 1000:
        assert sweep.remaining == 4
    after = Sweep(tmp_path, store=sweep.store)
    assert after.run() == "done"
    assert (after.remaining, after.said) == (0, [])
    assert sorted(after.runs()) == sorted(r.attempt for r in after.records)
    assert len([r for r in after.store.runs.values() if r.tags["tuner.kind"] == "sweep"]) == 1


def test_an_outage_in_the_middle_of_a_trial_leaves_half_a_run_to_be_completed(
    tmp_path: Path,
) -> None:
    recorder_fails = [1]
    real = MemoryRecorder.record

    def record(self: MemoryRecorder, view: Any, *, new: bool = False) -> str:
        if recorder_fails.pop() if recorder_fails else 0:
            self.fail_next(1, midway=True)
        return real(self, view, new=new)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryRecorder, "record", record)
        sweep = Sweep(tmp_path)
        assert sweep.run() == "done"
    assert len(sweep.said) == 1
    assert sweep.remaining == 0
    assert sorted(sweep.runs()) == sorted(r.attempt for r in sweep.records)


# --- deaths ---------------------------------------------------------------------------------------


@contextmanager
def dying(writes: int, torn: bool) -> Iterator[list[int]]:
    """Die at the journal's line number `writes`, with those before it written; maybe in it."""
    left = [writes]
    real = JournalFile.append_logs

    def append_logs(self: Any, logs: list[dict[str, Any]]) -> None:
        before = left[0]
        left[0] -= len(logs)
        if left[0] > 0:
            return real(self, logs)
        if before > 1:
            real(self, logs[: before - 1])
        if torn and before > 0:
            with Path(self._file_path).open("ab") as file:
                file.write(b'{"op_code":8,"worker_id":"a-1')
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JournalFile, "append_logs", append_logs)
        yield left


DISTURBED: dict[str, Any] = {
    "trials": 14,
    "epochs": 4,
    "space": {
        "l2": {"min": 1e-6, "max": 1e-1, "log": True, "or": 0},
        "dropout": {"min": 0.0, "max": 0.7},
        "optimizer": {"values": ["sgd", "adam"]},
        "momentum": {"min": 0.0, "max": 0.99, "when": {"optimizer": "sgd"}},
        "units": {"values": [64, 75, 128, 256, 512, 1024]},
    },
    "variants": {"inside": {"units": 75}, "outside": {"units": 77}, "also": {"l2": 0}},
}
GRID: dict[str, Any] = {
    **DISTURBED,
    "sampler": "grid",
    "space": {
        "optimizer": {"values": ["sgd", "adam"]},
        "momentum": {"values": [0.0, 0.9], "when": {"optimizer": "sgd"}},
        "units": {"values": [64, 75, 128, 256]},
    },
}
SWEEPS = {
    "tpe": DISTURBED,
    "random": {**DISTURBED, "sampler": "random"},
    "qmc": {**DISTURBED, "sampler": "qmc"},
    "grid": GRID,
}


@pytest.mark.parametrize("every", [79, 101])
@pytest.mark.parametrize("name", list(SWEEPS))
def test_a_sweep_that_dies_again_and_again_equals_an_undisturbed_one(
    tmp_path: Path, name: str, every: int
) -> None:
    """Death at some write of the journal, at another one of a trial each time."""
    changes = SWEEPS[name]
    plain = Sweep(tmp_path / "plain", picky, changes=changes)
    reason = plain.run()
    assert {"complete", "pruned"} <= set(plain.states())
    store = MemoryStore()
    deaths = 0
    while True:
        sweep = Sweep(tmp_path / "killed", picky, changes=changes, store=store)
        with dying(every, torn=deaths % 2 == 0):
            try:
                assert sweep.run() == reason
                break
            except Killed:
                deaths += 1
                assert deaths < 30
    assert deaths >= 3
    assert sweep.outcome() == plain.outcome()
    assert sorted(sweep.runs()) == sorted(r.attempt for r in sweep.records)


@pytest.mark.parametrize("sampler", ["tpe", "qmc"])
def test_death_at_each_write_of_a_trial(tmp_path: Path, sampler: str) -> None:
    changes = {"sampler": sampler, "trials": 3, "epochs": 2, "variants": {"v": {"units": 64}}}
    plain = Sweep(tmp_path / "plain", changes=changes)
    with dying(10_000, torn=False) as left:
        plain.run()
    writes = 10_000 - left[0]
    for at in range(1 + (sampler == "qmc"), writes + 1, 4):
        folder, store = tmp_path / str(at), MemoryStore()
        with dying(at, torn=at % 8 < 4), pytest.raises(Killed):
            Sweep(folder, changes=changes, store=store).run()
        sweep = Sweep(folder, changes=changes, store=store)
        assert sweep.run() == "done"
        assert sweep.outcome() == plain.outcome(), f"died at write {at} of {writes}"
        assert sorted(sweep.runs()) == sorted(r.attempt for r in sweep.records)
