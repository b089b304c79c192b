"""One contract over every executor, then what processes alone must do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import stubs
from stubs import dotted, environment, obey, spec

from tuner.commands import running
from tuner.errors import TrainingError
from tuner.executors import processes, recycling
from tuner.executors.base import EpochDone, Event, Executor, SuggestAsked, TrialDone, TrialLost
from tuner.executors.inline import InlineExecutor
from tuner.executors.lines import Line
from tuner.executors.processes import ProcessExecutor
from tuner.trial import EarlyStopping, TrialSpec
from tuner.workspace import Workspace

PATIENCE = 30.0  # a guard against hanging, far beyond what anything here takes
Make = Callable[[int], Executor]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, ProcessExecutor]]:
    """Process executors by slots: starting one for each test would take most of the time."""
    executors: dict[int, ProcessExecutor] = {}
    yield executors
    for executor in executors.values():
        executor.close()


@pytest.fixture(params=["inline", pytest.param("process", marks=pytest.mark.slow)])
def make(
    request: pytest.FixtureRequest, tmp_path: Path, kept: dict[int, ProcessExecutor]
) -> Iterator[Make]:
    """Gives executors of one kind, with nothing running on them."""
    inline: list[InlineExecutor] = []

    def build(slots: int = 1) -> Executor:
        if request.param == "inline":
            inline.append(InlineExecutor(obey, slots))
            return inline[-1]
        if slots not in kept:
            kept[slots] = ProcessExecutor(slots, tmp_path / "logs", trainer=dotted(obey))
        return kept[slots]

    yield build
    for executor in inline:
        executor.close()
    for slots, executor in list(kept.items()):
        if executor.idle < slots:
            kept.pop(slots).close()


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Callable[..., ProcessExecutor]]:
    made: list[ProcessExecutor] = []

    def build(slots: int = 1, trainer: str = dotted(obey)) -> ProcessExecutor:
        made.append(ProcessExecutor(slots, tmp_path / "logs", trainer=trainer))
        return made[-1]

    yield build
    for executor in made:
        executor.close()


def drive(
    executor: Executor,
    specs: list[TrialSpec],
    stop: Callable[[str, int], bool] = lambda attempt, epoch: False,
    delay: float = 0.0,
) -> list[Event]:
    """Run `specs` to their ends, deciding on each epoch, `delay` seconds late."""
    waiting, open_, events = list(specs), set[str](), list[Event]()
    end = time.monotonic() + PATIENCE
    while waiting or open_:
        assert time.monotonic() < end, f"no end of {open_} after {events}"
        while waiting and executor.idle:
            one = waiting.pop(0)
            open_.add(one.attempt)
            executor.submit(one)
        for event in executor.poll(0.1):
            events.append(event)
            if isinstance(event, EpochDone):
                time.sleep(delay)
                epoch = event.metrics.epoch
                executor.decide(event.attempt, epoch, stop=stop(event.attempt, epoch))
            elif isinstance(event, SuggestAsked):
                executor.answer(event.attempt, 5)
            else:
                open_.remove(event.attempt)
    return events


def until(executor: Executor, wanted: type[Event]) -> Any:
    """The first event of a kind, nothing decided on the way."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for event in executor.poll(0.1):
            if isinstance(event, wanted):
                return event
    raise AssertionError(f"no {wanted.__name__} came")


def results(events: list[Event]) -> dict[str, TrialDone]:
    done = [e for e in events if isinstance(e, TrialDone)]
    assert len({e.attempt for e in done}) == len(done), "more than one end of one trial"
    return {e.attempt: e for e in done}


def ran_on(executor: ProcessExecutor, attempt: str, do: str = "where", **params: Any) -> int:
    """Run a trial of `where` or `grows`; which process it ran in."""
    ended = results(drive(executor, [spec(attempt, do=do, **params)]))
    return int(ended[attempt].result.message)


# --- the contract ---------------------------------------------------------------------------------


def test_each_spec_ends_once_with_its_epochs_in_order(make: Make) -> None:
    executor = make(2)
    assert (executor.slots, executor.idle) == (2, 2)
    specs = [spec(f"u:{i}", epochs=3 + i % 2, seed=i) for i in range(5)]
    events = drive(executor, specs)
    ends = results(events)
    assert set(ends) == {s.attempt for s in specs}
    for one in specs:
        seen = [e for e in events if e.attempt == one.attempt]
        rows = [e.metrics for e in seen if isinstance(e, EpochDone)]
        assert [row.epoch for row in rows] == list(range(1, one.epochs + 1))
        assert seen[-1] is ends[one.attempt]
        assert ends[one.attempt].result.status == "complete"
        assert ends[one.attempt].result.epochs == tuple(rows)
    assert executor.idle == 2


def test_a_spec_arrives_whole(make: Make) -> None:
    sent = spec(
        "u:é", do="echo", layers=[3, 4], l2=1e-7, early_stopping=EarlyStopping("val_loss", 3)
    )
    (event,) = drive(make(1), [sent])
    assert isinstance(event, TrialDone)
    assert TrialSpec.from_json(json.loads(event.result.message)) == sent


@pytest.mark.parametrize(
    ("do", "epoch", "delay"),
    [
        ("steady", 1, 0.0),
        ("steady", 2, 0.15),
        ("steady", 3, 0.0),
        ("slow", 1, 0.15),
        ("slow", 2, 0.0),
    ],
)
def test_a_stop_after_an_epoch_gives_that_many(
    make: Make, do: str, epoch: int, delay: float
) -> None:
    events = drive(make(1), [spec(do=do)], lambda _, e: e >= epoch, delay)
    result = results(events)["u:0"].result
    assert result.status == "stopped"
    assert [e.epoch for e in result.epochs] == list(range(1, epoch + 1))
    assert [e.metrics.epoch for e in events if isinstance(e, EpochDone)] == list(
        range(1, epoch + 1)
    )


def test_a_worker_is_never_more_than_one_epoch_ahead(make: Make) -> None:
    executor = make(1)
    executor.submit(spec())
    assert until(executor, EpochDone).metrics.epoch == 1
    assert executor.poll(0.3) == []  # epoch 2 is trained, but not told before the decision
    executor.decide("u:0", 1, stop=False)
    assert until(executor, EpochDone).metrics.epoch == 2
    assert executor.poll(0.3) == []


def test_decisions_that_come_too_late_concern_no_one(make: Make) -> None:
    executor = make(1)
    first = drive(executor, [spec("u:0")], lambda _, e: e == 4)  # the last epoch: needs none
    assert results(first)["u:0"].result.status == "complete"
    executor.decide("u:0", 1, stop=True)
    executor.answer("u:0", 3)
    second = drive(executor, [spec("u:1")])
    assert results(second)["u:1"].result.status == "complete"
    executor.submit(spec("u:2"))
    assert until(executor, EpochDone).metrics.epoch == 1
    executor.decide("u:1", 1, stop=True)
    executor.decide("u:2", 7, stop=True)
    executor.decide("u:2", 1, stop=False)
    assert until(executor, EpochDone).metrics.epoch == 2


@pytest.mark.parametrize(
    ("params", "status", "epochs", "message"),
    [
        ({}, "complete", 4, ""),
        ({"nan_at": 1}, "nan", 1, "the loss is not finite in epoch 1"),
        ({"nan_at": 3}, "nan", 3, "the loss is not finite in epoch 3"),
        ({"oom_at": 1}, "oom", 0, "the model does not fit"),
        ({"oom_at": 3}, "oom", 2, "the model does not fit"),
        ({"do": "fails"}, "failed", 0, "ValueError: no such layer"),
        ({"do": "damaged"}, "failed", 0, "EOFError: No data left in file"),
        ({"do": "broken"}, "failed", 0, "BrokenPipeError: [Errno 32] Broken pipe"),
        ({"do": "nonsense"}, "failed", 0, "KeyError: 'nonsense'"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else None,
)
def test_how_trials_end(
    make: Make, params: dict[str, Any], status: str, epochs: int, message: str
) -> None:
    executor = make(1)
    result = results(drive(executor, [spec(**params)]))["u:0"].result
    assert (result.status, len(result.epochs), result.message) == (status, epochs, message)
    again = results(drive(executor, [spec("u:1")]))["u:1"].result
    assert again.status == "complete", "the worker serves on"


def test_a_figure_that_is_not_finite_arrives_as_none(make: Make) -> None:
    result = results(drive(make(1), [spec(nan_at=2)]))["u:0"].result
    assert [e.train_loss_penalised for e in result.epochs] == [0.1, None]


def test_suggest_goes_there_and_back(make: Make) -> None:
    events = drive(make(1), [spec(do="asks")])
    assert events[0] == SuggestAsked("u:0", "kernel", "int", {"low": 3, "high": 7, "step": 2})
    result = results(events)["u:0"].result
    assert (result.status, result.message, len(result.epochs)) == ("complete", "5", 4)


@pytest.mark.parametrize("do", ["asks", "slow", "naps"])
def test_cancel_silences_a_trial_and_frees_its_place(make: Make, do: str) -> None:
    executor = make(2)
    executor.submit(spec("u:0", do=do, epochs=30))
    executor.submit(spec("u:1", epochs=2))
    if do != "naps":
        until(executor, SuggestAsked if do == "asks" else EpochDone)
    executor.cancel("u:0")
    assert executor.idle >= 1
    executor.cancel("u:0")  # nothing to do
    executor.cancel("never heard of")
    executor.cancel("u:1")
    assert executor.idle == 2
    events = drive(executor, [spec("u:2"), spec("u:3")])
    assert {e.attempt for e in events} == {"u:2", "u:3"}
    assert {e.result.status for e in results(events).values()} == {"complete"}
    assert executor.poll(0.6 if do == "naps" else 0.0) == []


def test_cancelling_before_anything_was_polled(make: Make) -> None:
    executor = make(1)
    executor.submit(spec("u:0"))
    time.sleep(0.3)  # its first epoch may wait to be read
    executor.cancel("u:0")
    assert {e.attempt for e in drive(executor, [spec("u:1")])} == {"u:1"}


def test_close_ends_all_and_may_come_twice(make: Make) -> None:
    executor = make(2)
    executor.submit(spec("u:0", do="slow", epochs=50))
    until(executor, EpochDone)
    executor.close()
    executor.close()
    assert executor.idle == 0


# --- the loop behind them -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("curve", "rule", "kept"),
    [
        ([80, 91, 92, 91], "best", 3),
        ([80, 92, 91, 89], "best", 2),
        ([80, 84, 83, 82], "best", 4),  # the others were not measured on train
        ([80, 92, 91, 89], "last", 4),
    ],
)
def test_kept_weights_are_those_of_the_chosen_epoch(
    curve: list[int], rule: str, kept: int, tmp_path: Path
) -> None:
    executor = InlineExecutor(stubs.steady)
    file = tmp_path / "weights"
    asked = spec(curve=curve, epoch=rule, keep_weights=str(file))
    result = results(drive(executor, [asked]))["u:0"].result
    executor.close()
    assert result.weights == str(file)
    assert file.read_text() == str(kept)


@pytest.mark.parametrize(
    ("curve", "patience", "ends"),
    [([80, 81, 80, 80, 80], 2, 4), ([80, 79, 81, 80, 82], 2, 5), ([80, 80, 80, 80, 80], 1, 2)],
)
def test_early_stopping_counts_as_keras_does(curve: list[int], patience: int, ends: int) -> None:
    rule = EarlyStopping("val_accuracy", patience)
    executor = InlineExecutor(stubs.steady)
    asked = spec(curve=curve, epochs=5, early_stopping=rule)
    result = results(drive(executor, [asked]))["u:0"].result
    assert (result.status, len(result.epochs)) == ("complete", ends)
    assert result.epochs[-1].train_accuracy is not None, "the last epoch is always measured"
    stopped = drive(
        executor,
        [spec("u:1", curve=curve, epochs=5, early_stopping=rule)],
        lambda _, epoch: epoch == 2,
    )
    executor.close()
    assert results(stopped)["u:1"].result.status == "stopped", "the parent has the last word"


# --- processes ------------------------------------------------------------------------------------


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie that nobody has waited for has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return True


def eventually(what: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE
    while not what() and time.monotonic() < end:
        time.sleep(0.05)
    return what()


@pytest.mark.slow
def test_a_killed_worker_is_a_lost_trial_and_replaced(workers: Any) -> None:
    executor = workers()
    (before,) = executor.pids
    executor.submit(spec(do="slow", epochs=30))
    until(executor, EpochDone)
    os.kill(before, signal.SIGKILL)
    lost = until(executor, TrialLost)
    assert lost == TrialLost("u:0", "the worker ended by signal 9")
    assert executor.idle == 1
    (after,) = executor.pids
    assert after != before
    assert results(drive(executor, [spec("u:1")]))["u:1"].result.status == "complete"


@pytest.mark.slow
def test_a_worker_killed_while_idle_costs_no_trial(workers: Any) -> None:
    executor = workers()
    drive(executor, [spec()])
    (before,) = executor.pids
    os.kill(before, signal.SIGKILL)
    assert eventually(lambda: executor.poll(0.1) == [] and executor.pids != (before,))
    assert results(drive(executor, [spec("u:1")]))["u:1"].result.status == "complete"


@pytest.mark.slow
def test_a_crash_is_lost_after_its_epochs(workers: Any) -> None:
    executor = workers(2)
    events = drive(executor, [spec("u:0", do="crash"), spec("u:1"), spec("u:2", do="crash")])
    for attempt in ("u:0", "u:2"):
        first, last = [e for e in events if e.attempt == attempt]
        assert isinstance(first, EpochDone)
        assert last == TrialLost(attempt, "the worker ended by exit code 9")
    assert set(results(events)) == {"u:1"}
    assert results(drive(executor, [spec("u:3")]))["u:3"].result.status == "complete"


@pytest.mark.slow
def test_workers_are_replaced_after_so_many_trials(
    workers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recycling, "TRIALS_AT_MOST", 2)
    executor = workers()
    (first,) = executor.pids
    drive(executor, [spec("u:0")])
    assert executor.poll(0.0) == []
    assert executor._workers[0].successor is None
    drive(executor, [spec("u:1"), spec("u:2", do="where")])
    assert eventually(lambda: executor.poll(0.1) == [] and executor.pids != (first,))
    assert eventually(lambda: gone(first)), "the old worker ends by itself"
    assert len(executor.starts) == 2
    assert all(seconds > 0 for seconds in executor.starts)
    assert ran_on(executor, "u:3") == executor.pids[0]


@pytest.mark.slow
def test_a_worker_that_grows_is_replaced_and_serves_until_then(
    workers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.platform != "linux":
        pytest.skip("this system does not say what a process holds")
    monkeypatch.setattr(recycling, "EARLY_TRIALS", 2)
    executor = workers()
    pids = [ran_on(executor, f"u:{i}", do="grows", megabytes=30) for i in range(3)]
    assert len(set(pids)) == 1
    assert executor.memory[0] > 90_000_000
    # Its successor is on its way; meanwhile it runs what there is.
    busy = spec("u:3", do="grows", megabytes=1, seconds=2)
    executor.submit(busy)
    assert eventually(lambda: executor.poll(0.1) == [] and len(executor.starts) == 2)
    assert until(executor, TrialDone).result.message == str(pids[0])
    after = ran_on(executor, "u:4", do="grows", megabytes=1)
    assert after == executor.pids[0] != pids[0]
    assert executor.memory[0] < 90_000_000
    assert eventually(lambda: gone(pids[0]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "own", "seen"), [("mlp", None, "unset"), ("cnn", None, "1"), ("cnn", "0", "0")]
)
def test_convolutions_are_trained_with_onednn_unless_the_user_says_otherwise(
    model: str, own: str | None, seen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    if own is not None:
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", own)
    monkeypatch.setattr(running, "ProcessExecutor", partial(ProcessExecutor, trainer=dotted(obey)))
    monkeypatch.setattr(running, "worker_bytes", lambda data: 1)
    data: Any = None
    executor = running.start_executor(Workspace(tmp_path), data, model, 1)
    asks = spec("u:0", do="tells", name="TF_ENABLE_ONEDNN_OPTS")
    assert results(drive(executor, [asks]))["u:0"].result.message == seen
    executor.close()


@pytest.mark.slow
def test_without_room_for_two_the_old_one_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recycling, "TRIALS_AT_MOST", 1)
    executor = ProcessExecutor(1, tmp_path, trainer=dotted(obey), room=lambda: False)
    first = ran_on(executor, "u:0")
    assert executor.pids != (first,)
    assert ran_on(executor, "u:1") != first
    executor.close()


def test_room_is_not_asked_for_at_every_poll(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    executor = ProcessExecutor(0, tmp_path, room=lambda: bool(asked.append(False)))
    busy: Any = SimpleNamespace(
        successor=None, line=Line(lambda message: None, attempt="u:0", served=1000)
    )
    for _ in range(3):
        executor._renew(busy)
    assert len(asked) == 1
    monkeypatch.setattr(processes, "ROOM_EVERY", 0.0)
    executor._full_until = 0.0
    for _ in range(3):
        executor._renew(busy)
    assert len(asked) == 4
    executor.close()


@pytest.mark.slow
@pytest.mark.parametrize("whom", ["old", "fresh"])
def test_either_of_two_may_die(workers: Any, monkeypatch: pytest.MonkeyPatch, whom: str) -> None:
    monkeypatch.setattr(recycling, "TRIALS_AT_MOST", 1)
    executor = workers()
    old = ran_on(executor, "u:0")
    fresh = executor._workers[0].successor
    assert fresh is not None
    executor.submit(spec("u:1", do="hangs"))
    os.kill(old if whom == "old" else fresh.process.pid, signal.SIGKILL)
    if whom == "old":
        assert until(executor, TrialLost).attempt == "u:1"
        assert executor.pids == (fresh.process.pid,)
    else:
        assert eventually(
            lambda: executor.poll(0.1) == [] and executor._workers[0].successor is not fresh
        )
        executor.cancel("u:1")
    assert ran_on(executor, "u:2") != old


@pytest.mark.slow
def test_closing_ends_those_that_are_to_come(workers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recycling, "TRIALS_AT_MOST", 1)
    executor = workers()
    old = ran_on(executor, "u:0")
    fresh = executor._workers[0].successor
    assert fresh is not None
    its_pid = fresh.process.pid
    executor.close()
    assert gone(old)
    assert gone(its_pid)


@pytest.mark.parametrize(
    ("served", "memory", "most", "expected"),
    [
        (0, [], None, False),
        (39, [], None, False),
        (40, [], None, True),
        (1, [900], 500, False),  # it may need that
        (4, [900] * 4, 500, False),
        (5, [900] * 5, 500, False),  # every fresh process would, too
        (6, [900] * 5 + [1125], 500, False),
        (6, [900] * 5 + [1126], 500, True),
        (6, [100] * 5 + [500], 500, False),
        (6, [100] * 5 + [501], 500, True),
        (3, [900, 100, 900], 500, False),
        (5, [900] * 4 + [400], 500, False),
        (20, [100, *range(101, 120)], None, False),
        (21, [100] * 20 + [125], None, False),
        (21, [100] * 20 + [126], None, True),
        (21, [100, 200, *[100] * 18, 249], None, False),
        (21, [100, 200, *[100] * 18, 251], None, True),
        (30, [100] * 20 + [200] * 9 + [100], None, False),
        (500, [100] * 500, None, True),
    ],
)
def test_when_a_worker_has_grown(
    served: int, memory: list[int], most: int | None, expected: bool
) -> None:
    assert recycling.outgrown(served, memory, most) is expected


@pytest.mark.slow
def test_a_shape_goes_where_it_was_trained_last(workers: Any) -> None:
    executor = workers(2)
    assert eventually(lambda: executor.poll(0.1) == [] and len(executor.starts) == 2)
    for units in (1, 2):  # at once, so that each worker gets one
        executor.submit(spec(f"u:{units}", do="where", units=units))
    homes = {}
    while len(homes) < 2:
        for event in executor.poll(0.1):
            assert isinstance(event, TrialDone)
            homes[int(event.attempt[2:])] = int(event.result.message)
    assert len(set(homes.values())) == 2
    for number, units in enumerate((1, 2, 2, 1, 1, 2)):
        assert ran_on(executor, f"v:{number}", units=units) == homes[units]
    # Busy is busy: nobody waits for the right one.
    executor.submit(spec("w:0", do="hangs", units=1))
    assert ran_on(executor, "w:1", units=1) == homes[2]
    executor.cancel("w:0")
    assert ran_on(executor, "w:2", units=1) == homes[2], "it has trained that shape by now"


@pytest.mark.slow
def test_two_executors_never_hold_one_core(workers: Any) -> None:
    if sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs Linux and two cores")
    name = f"\0tuner-test/{os.getpid()}/{{}}"
    both = [workers(2), workers(2)]
    for executor in both:
        # At once, so that each worker gets one of the two.
        for place in range(2):
            executor.submit(spec(f"u:{place}", do="placed", name=name, units=place))
    for executor in both:
        ended: set[str] = set()
        while len(ended) < 2:
            ended |= {e.attempt for e in executor.poll(0.1) if isinstance(e, TrialDone)}
    held = [core for executor in both for core in executor.cores if core is not None]
    assert len(held) == len(set(held)) == min(4, len(os.sched_getaffinity(0)))
    # The cores of those that are killed are free at once.
    both[0].close()
    drive(both[1], [spec(f"v:{i}", do="placed", name=name) for i in range(4)])
    after = [core for core in both[1].cores if core is not None]
    assert len(after) == len(set(after)) >= 1


@pytest.mark.slow
def test_cancel_and_close_leave_no_worker_behind(workers: Any) -> None:
    executor = workers(2)
    first = executor.pids
    executor.submit(spec(do="slow", epochs=50))
    until(executor, EpochDone)
    executor.cancel("u:0")
    second = executor.pids
    executor.close()
    assert executor.pids == ()
    for pid in {*first, *second}:
        assert eventually(lambda pid=pid: gone(pid))  # type: ignore[misc]


@pytest.mark.slow
def test_what_workers_print_goes_to_a_file(
    workers: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    executor = workers()
    drive(executor, [spec("u:0", do="prints"), spec("u:1", do="fails")])
    executor.close()
    assert capfd.readouterr() == ("", "")
    (log,) = (tmp_path / "logs").iterdir()
    text = log.read_text()
    for line in ("on stdout", "on stderr", "on descriptor 2", "ValueError: no such layer"):
        assert line in text


@pytest.mark.slow
@pytest.mark.parametrize("trainer", ["stubs:not_there", "no_such_module:train"])
def test_workers_that_cannot_start_end_it(
    workers: Any, trainer: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    executor = workers(trainer=trainer)
    starts = [executor.pids]
    with pytest.raises(TrainingError) as caught:  # noqa: PT012
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            executor.poll(0.1)
            starts += [executor.pids] if executor.pids != starts[-1] else []
    first, second = str(caught.value).splitlines()
    assert first == "workers end before they can train (exit code 1)."
    assert str(tmp_path / "logs") in second
    assert len(starts) == processes.STARTS_IN_A_ROW
    assert capfd.readouterr().err == ""
    assert any("Error" in f.read_text() for f in (tmp_path / "logs").iterdir())


@pytest.mark.slow
def test_workers_die_with_their_parent(tmp_path: Path) -> None:
    code = f"""
import sys, time
from pathlib import Path
from stubs import dotted, obey, spec
from tuner.executors.base import EpochDone
from tuner.executors.processes import ProcessExecutor
executor = ProcessExecutor(3, Path({str(tmp_path)!r}), trainer=dotted(obey))
executor.submit(spec("u:0", do="hangs"))           # in the middle of an epoch
executor.submit(spec("u:1", do="steady"))          # waiting for a decision
while not any(isinstance(e, EpochDone) for e in executor.poll(0.1)):
    pass
print(*executor.pids, flush=True)
time.sleep(600)
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", code], env=environment(), stdout=subprocess.PIPE, text=True
    )
    try:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 3
        assert not any(gone(pid) for pid in pids)
        parent.kill()
        parent.wait()
        assert eventually(lambda: all(gone(pid) for pid in pids))
    finally:
        with suppress(ProcessLookupError):
            parent.kill()
        parent.wait()
        parent.stdout.close()
