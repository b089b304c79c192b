"""What the tracking store is shown, when and by whom: real journal and threads, runs in memory."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from stubs import die, opened, picky, slow, steady
from studies import GOOD, begin, tell
from test_scheduler import Killed, Losing, Sweep

from tuner.errors import TrackingError
from tuner.search import courier, outbox
from tuner.search.courier import Courier
from tuner.search.outbox import Outbox
from tuner.search.scheduler import Ended, Notice, Progressed, Started
from tuner.tracking.base import GIVEN_UP, CloseStatus, Summary, SweepInfo, TrialView
from tuner.tracking.memory import MemoryRecorder, MemoryRun, MemoryStore
from tuner.tracking.naming import Point
from tuner.trial import EpochMetrics


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def trial_runs(store: MemoryStore) -> list[MemoryRun]:
    return [r for r in store.runs.values() if r.tags["tuner.kind"] == "trial"]


class Slow(MemoryRecorder):
    """Answers nothing until it is let; notes which thread calls."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        super().__init__(store)
        self.may = threading.Event()
        self.threads: set[str] = set()
        self.left = False

    def record(self, view: TrialView, *, new: bool = False) -> str:
        self.threads.add(threading.current_thread().name)
        self.may.wait()
        return super().record(view, new=new)

    def leave(self) -> None:
        self.left = True


def make(folder: Path, recorder: MemoryRecorder, said: list[str]) -> tuple[Any, Outbox]:
    """An open study and its outbox."""
    study = opened(folder)
    info = SweepInfo("s", study.uid, "digits")
    return study, Outbox(study, recorder, info, study._definition.targets, "best", said.append)


def test_a_store_that_hangs_holds_nobody_up(tmp_path: Path) -> None:
    recorder = Slow()
    said: list[str] = []
    study, box = make(tmp_path, recorder, said)
    for _ in range(3):
        tell(study, begin(study), GOOD)
        box.flush()
    assert [r.state for r in study.records()] == ["complete"] * 3
    assert {r.run_id for r in study.records()} == {None}
    recorder.may.set()
    assert box.close("finished", {}) == 0
    assert all(r.run_id for r in study.records())
    assert len(trial_runs(recorder.store)) == 3
    assert recorder.threads == {"recorder"}
    assert said == []
    study.close()


def test_in_haste_a_store_that_hangs_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "HASTE", 0.1)
    recorder = Slow()
    study, box = make(tmp_path, recorder, [])
    tell(study, begin(study), GOOD)
    box.flush()
    assert box.close("interrupted", {}, haste=True) == 1
    assert recorder.left
    assert not recorder.may.is_set()
    study.close()
    recorder.may.set()  # too late: the study says that nothing shows the trial

    study, box = make(tmp_path, MemoryRecorder(recorder.store), [])
    assert box.close("finished", {}) == 0
    assert [r.tags["tuner.attempt"] for r in trial_runs(recorder.store)] == [f"{study.uid}:0"]
    study.close()


def test_patience_is_for_the_next_sign_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "PATIENCE", 0.1)
    study, box = make(tmp_path, recorder := Slow(), [])
    tell(study, begin(study), GOOD)
    assert box.close("finished", {}) == 1
    recorder.may.set()
    study.close()


def test_an_outage_is_told_by_the_thread_that_asks(tmp_path: Path) -> None:
    recorder = MemoryRecorder()
    recorder.fail_next(1000)
    told: list[str] = []
    study = opened(tmp_path)
    info = SweepInfo("s", study.uid, "digits")
    box = Outbox(
        study, recorder, info, (), "best", lambda _: told.append(threading.current_thread().name)
    )
    tell(study, begin(study), GOOD)
    box.flush()
    assert box.close("finished", {}) == 1
    assert told == [threading.current_thread().name]
    study.close()


class Refusing(MemoryRecorder):
    """Refuses trials with these numbers, and to end the sweep's run if told so."""

    refused: tuple[int, ...] = ()
    closes = True

    def __init__(self, store: MemoryStore | None = None) -> None:
        super().__init__(store)
        self.asked: list[int] = []

    def record(self, view: TrialView, *, new: bool = False) -> str:
        self.asked.append(view.record.number)
        if view.record.number in self.refused:
            raise TrackingError("refused")
        return super().record(view, new=new)

    def close_sweep(self, status: CloseStatus, summary: Summary) -> None:
        if not self.closes:
            raise TrackingError("cannot be closed")
        super().close_sweep(status, summary)


@pytest.mark.parametrize("refused", [(0,), (0, 2), tuple(range(8))])
def test_what_the_store_refuses_at_the_end_is_left_out(
    tmp_path: Path, refused: tuple[int, ...]
) -> None:
    recorder = Refusing()
    recorder.refused = refused
    said: list[str] = []
    study, box = make(tmp_path, recorder, said)
    for _ in range(8):
        tell(study, begin(study), GOOD)
    assert box.close("finished", {}) == len(refused)
    assert len(trial_runs(recorder.store)) == 8 - len(refused)
    if len(refused) == 8:  # a store that takes nothing is soon left; once is before the end
        assert len(recorder.asked) <= 1 + courier.LAST_FAILURES
    assert recorder.store.runs[recorder._parent].status == "FINISHED"
    assert len(said) == 1
    assert said[0].startswith("refused\nThe sweep is over; its trials are kept")
    study.close()


def test_one_trial_that_the_store_refuses_waits_behind_all_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "RETRY_AFTER", 0.0)
    recorder = Refusing()
    recorder.refused = (0,)
    said: list[str] = []
    study, box = make(tmp_path, recorder, said)
    for _ in range(3):
        tell(study, begin(study), GOOD)
    box.flush()
    for _ in range(3000):
        if len(trial_runs(recorder.store)) == 2 and said:
            break
        time.sleep(0.01)
        box.hear()
    assert len(trial_runs(recorder.store)) == 2
    assert len(said) == 1
    assert "The sweep goes on" in said[0]
    recorder.refused = ()
    assert box.close("finished", {}) == 0
    study.close()


@pytest.mark.parametrize("before", [True, False])
def test_a_sweep_whose_run_cannot_be_ended_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    monkeypatch.setattr(courier, "RETRY_AFTER", 0.0)
    recorder = Refusing()
    recorder.closes = False
    recorder.refused = (0,) if before else ()
    said: list[str] = []
    study, box = make(tmp_path, recorder, said)
    tell(study, begin(study), GOOD)
    box.flush()
    for _ in range(3000 * before):
        if said:
            break
        time.sleep(0.01)
        box.hear()
    assert box.close("finished", {}) == before
    assert len(said) == 1 + before
    assert said[-1].startswith("cannot be closed\nThe sweep is over, but its run")
    assert not any("goes on" in text for text in said[before:])
    study.close()


def test_a_mistake_of_ours_is_no_outage(tmp_path: Path) -> None:
    class Broken(MemoryRecorder):
        def record(self, view: TrialView, *, new: bool = False) -> str:
            raise ZeroDivisionError("ours")

    study, box = make(tmp_path, Broken(), [])
    tell(study, begin(study), GOOD)
    with pytest.raises(ZeroDivisionError, match="ours"):
        box.close("finished", {})
    study.close()


# --- trials that run ------------------------------------------------------------------------------


def whole(store: MemoryStore) -> dict[str, tuple[str, dict[str, str], list[Point]]]:
    """What is shown of each trial, by its name; moments and states apart."""
    return {
        r.name: (r.status, r.params, [Point(p.name, p.value, 0, p.step) for p in r.points])
        for r in trial_runs(store)
        if r.status != "KILLED"
    }


def test_a_trial_is_shown_while_it_runs(tmp_path: Path) -> None:
    store = MemoryStore()
    seen: list[tuple[str, int]] = []
    live: dict[str, MemoryRun] = {}
    begun: dict[str, float] = {}
    shown = threading.Event()

    class Watched(MemoryRecorder):
        def progress(self, view: TrialView, *, new: bool = False) -> str:
            run_id = super().progress(view, new=new)
            run = live[run_id] = self.store.runs[run_id]
            seen.append((run.status, len({p.step for p in run.points})))
            assert run.tags["tuner.state"] == "running"
            assert run.params["seed"] == str(view.record.seed)
            shown.set()
            return run_id

    def watch(notice: Notice) -> None:
        if isinstance(notice, Started):
            begun[notice.ticket.attempt] = time.time()
        if isinstance(notice, Progressed) and notice.metrics.epoch == 2:
            shown.wait(30)  # a trial's run is there before the trial is over

    def prepared(spec: Any, link: Any) -> Any:
        time.sleep(0.05)  # as long as data and compilation take
        return steady(spec, link)

    sweep = Sweep(
        tmp_path / "live", prepared, store=store, watch=watch, make_recorder=Watched, show_every=0.0
    )
    assert sweep.run() == "done"
    assert seen
    assert {status for status, _ in seen} == {"RUNNING"}
    assert sorted(sweep.runs()) == sorted(r.attempt for r in sweep.records)
    for run in live.values():  # shown late, but not as if it had begun late
        assert run.start is not None
        assert run.start <= begun[run.tags["tuner.attempt"]] * 1000 + 1
    plain = Sweep(tmp_path / "plain")
    plain.run()
    drop = ("seconds", "duration_seconds")
    for name, (status, params, points) in whole(plain.store).items():
        ours = whole(store)[name]
        assert ours[:2] == (status, params)
        assert [p for p in ours[2] if p.name not in drop] == [
            p for p in points if p.name not in drop
        ]


@pytest.mark.parametrize("how", ["handed back", "lost", "died"])
def test_no_run_seems_to_go_on_for_ever(tmp_path: Path, how: str) -> None:
    """A run that showed a trial which came to nothing ends, at the latest with the next sweep."""
    store = MemoryStore()
    sweep = Sweep(tmp_path, slow, store=store, show_every=0.0)
    reason = "interrupted"

    def interrupt(notice: Notice) -> None:
        if isinstance(notice, Progressed) and trial_runs(store):
            sweep.controls.hand_back = True

    def death(notice: Notice) -> None:
        if isinstance(notice, Progressed) and trial_runs(store):
            raise Killed

    if how == "handed back":
        sweep.watch = interrupt
        assert sweep.run() == "handed back"
        assert [r.status for r in trial_runs(store)] == ["KILLED"]
    elif how == "died":
        sweep.watch = death
        with pytest.raises(Killed):
            sweep.run()
        assert "RUNNING" in [r.status for r in trial_runs(store)]
        reason = "the process that trained it is gone"
    else:
        sweep.make_executor = lambda t, s, c: LostLater(t, s, c, signalled=False)
        assert sweep.run() == "done"
        reason = "the worker ended by signal 15"
    after = Sweep(tmp_path, steady, store=store)
    assert after.run() == "done"
    ended = [r.status for r in trial_runs(store)]
    assert ended.count("FINISHED") == 4
    assert set(ended) == {"FINISHED", "KILLED"}
    (killed,) = (r for r in trial_runs(store) if r.status == "KILLED")
    assert killed.tags["tuner.state"] == GIVEN_UP
    assert killed.tags["tuner.reason"] == reason
    assert killed.tags["tuner.attempt"] not in {r.attempt for r in after.records}


class LostLater(Losing):
    """Loses its first trial once that is shown."""

    def poll(self, timeout: float) -> Any:
        if self._lost in ("", "gone"):
            return super().poll(timeout)
        lost, self._lost = self._lost, ""
        events = super().poll(timeout)
        late = any(getattr(e, "metrics", EpochMetrics(0, 0, 0)).epoch == 2 for e in events)
        self._lost = lost
        return super().poll(timeout) if late else events


def test_what_failed_for_good_is_shown_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up: list[str] = []
    give_up = Courier.give_up

    def noting(self: Courier, attempt: str, reason: str) -> None:
        given_up.append(attempt)
        give_up(self, attempt, reason)

    monkeypatch.setattr(Courier, "give_up", noting)

    def fails_late(spec: Any, link: Any) -> Any:
        if spec.params["units"] != 63:
            return steady(spec, link)
        slow(spec, link)
        raise ValueError("late")

    changes = {"trials": 2, "variants": {"bad": {"units": 63}}}
    sweep = Sweep(tmp_path, fails_late, changes=changes, show_every=0.0)
    assert sweep.run() == "done"
    assert sweep.states() == ["failed", "complete"]
    by_attempt = {r.tags["tuner.attempt"]: r.status for r in trial_runs(sweep.store)}
    last = sweep.records[0].attempt
    assert len(given_up) == 2
    assert last not in given_up, "not even for a moment"
    assert by_attempt.pop(last) == "FAILED"
    assert by_attempt.pop(sweep.records[1].attempt) == "FINISHED"
    assert list(by_attempt.values()) == ["KILLED", "KILLED"], "the attempts before the last"


# --- whose trials these are -----------------------------------------------------------------------


def test_trials_of_another_living_process_are_left_to_it(tmp_path: Path) -> None:
    there, here = opened(tmp_path), opened(tmp_path)
    tell(there, begin(there), GOOD)
    tell(here, begin(here), GOOD)
    assert [r.origin for r in here.unrecorded()] == [1]
    die(there)
    assert [r.origin for r in here.unrecorded()] == [0, 1]
    here.close()


def test_each_ended_trial_comes_once(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path, picky, changes={"trials": 6, "variants": {"bad": {"units": 63}}})
    ended: list[int] = []
    sweep.watch = lambda n: ended.append(n.ticket.origin) if isinstance(n, Ended) else None
    sweep.run()
    study = opened(tmp_path, trials=6, variants={"bad": {"units": 63}})
    study.unrecorded()
    assert sorted(r.origin for r in study.ended) == [r.origin for r in sweep.records]
    assert {(r.attempt, r.state) for r in study.ended} == {
        (r.attempt, r.state) for r in sweep.records
    }
    study.close()
