"""What a proof leaves behind, and what it does not touch: weights, runs, and the test split."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from stubs import definition
from studies import BETTER, GOOD, begin, epochs, open_named, tell
from test_confirmation import planted, proving
from test_steering import trial

from tuner.commands import proof_record, running, until
from tuner.commands.confirm import _counting
from tuner.commands.goals import Goal, is_decided
from tuner.commands.proof_record import record_proofs
from tuner.commands.proving import prove, read_test_split
from tuner.commands.until import Until
from tuner.definition import SweepDefinition
from tuner.executors.inline import InlineExecutor
from tuner.report.selection import select
from tuner.search.records import RUN_PREFIX, repeat_key
from tuner.search.repeats import weights_file
from tuner.search.scheduler import Controls, Ended
from tuner.search.study import SweepStudy
from tuner.search.ticket import Ticket
from tuner.trial import Repeat, SplitSpec, TrialRecord, TrialResult
from tuner.workspace import Workspace

VALS = (0.92, 0.921, 0.922)


def made_for(**changes: Any) -> SweepDefinition:
    return replace(definition(**changes), name="s")


def note(study: SweepStudy, record: TrialRecord, *repeats: Repeat) -> None:
    for repeat in repeats:
        study.note(repeat_key(record.number, repeat.kind, repeat.index), repeat.to_json())


def fresh(vals: Sequence[float], epoch: int) -> list[Repeat]:
    """Repeats that are judged at `epoch`, with these figures there."""
    found = []
    for index, val in enumerate(vals):
        (row,) = trial(0, val).epochs
        row = replace(row, epoch=epoch, train_accuracy=0.93 + index / 1e4)
        made = ("fresh", index, index, SplitSpec(seed=index), epoch, "complete", (row,))
        found.append(Repeat(*made))  # type: ignore[arg-type]
    return found


# --- weights ------------------------------------------------------------------------------------


def test_weights_of_what_was_put_to_the_test_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later sweep keeps the best few, and what a proof was made with besides."""
    monkeypatch.setattr(running, "KEPT_WEIGHTS", 1)
    study = open_named(tmp_path, "s", trials=3, epochs=3)
    folder = Workspace(tmp_path).weights(study.uid)
    folder.mkdir(parents=True)

    def told(result: Any) -> Ticket:
        ticket = begin(study, total=3)
        file = folder / f"trial-{ticket.origin}.npz"
        file.write_bytes(b"weights")
        rows = epochs(result.rows)
        best = max(row.val_accuracy or 0.0 for row in rows)
        made = TrialResult("complete", "", rows, 1.0, 2.0, "here", weights=str(file))
        assert study.finish(ticket.attempt, made, objective=best, violations={})
        return ticket

    with closing(study):
        told(GOOD)
        told(GOOD)
        note(study, study.records()[0], *fresh(VALS, 3))
        ticket = told(BETTER)
        job: Any = type("Job", (), {})()
        job.study, job.plan = study, type("Plan", (), {"definition": made_for(epochs=3)})()
        observing = running._Observing(lambda notice: None, job)  # type: ignore[arg-type]
        observing(Ended(ticket, 0, "complete", None, None))
        kept = sorted(file.name for file in folder.iterdir())
    assert kept == ["trial-0.npz", "trial-2.npz"]


# --- the test split -----------------------------------------------------------------------------


def test_the_test_split_is_not_read_with_the_weights_of_another_network(tmp_path: Path) -> None:
    """The trial's weights are gone and its own seed gave others: those are no substitute."""
    study = open_named(tmp_path, "s", trials=1, epochs=3)
    asked: list[Any] = []
    with closing(study), closing(InlineExecutor(planted(0.93), 1)) as executor:
        tell(study, begin(study, total=1), GOOD)
        doing = proving(tmp_path, study, made_for(trials=1, epochs=3), executor)
        data = replace(doing.plan.data, shapes={"x_train": (1,), "y_train": (1,), "x_test": (1,)})
        doing = replace(
            doing,
            plan=replace(doing.plan, data=data),
            predict=lambda request: asked.append(request),
        )
        (record,) = study.records()
        own = weights_file(doing.folder, record, "own", 0)
        own.parent.mkdir(parents=True)
        own.write_bytes(b"another network")
        assert prove(doing, [0], 4) == "done"
        assert asked == []
        assert study.records()[0].test is None


def test_an_unfinished_proof_does_not_open_the_test_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three of five seeds can look confirmed; the split is read once all are there."""
    made = definition()
    records = [trial(0, 0.909, VALS), trial(1, 0.909, (*VALS, 0.921, 0.92)), trial(2, 0.909)]
    outcome = select("s", "digits", records, made.targets, made.epoch, 3)
    early = outcome.entries[0]
    assert early.confirmation is not None
    assert (early.confirmation.verdict, is_decided(early, 5)) == ("confirmed", False)
    read: list[Sequence[int]] = []
    monkeypatch.setattr(until, "read_test_split", lambda proving, origins: read.append(origins))
    job: Any = type("Job", (), {"outcome": lambda self: outcome, "deadline": None})()
    job.workspace = job.plan = job.study = None
    sweep = Until(Goal(confirmed=1), job, Console(), Controls(), lambda: None, -1)  # type: ignore[arg-type,return-value]
    sweep._begin(None, alone=True)  # type: ignore[arg-type]
    assert read == [[1]]


def test_nothing_is_read_for_a_fluke(tmp_path: Path) -> None:
    study = open_named(tmp_path, "s", trials=1, epochs=3)
    asked: list[Any] = []
    with closing(study), closing(InlineExecutor(planted(0.80), 1)) as executor:
        tell(study, begin(study, total=1), GOOD)
        doing = proving(tmp_path, study, made_for(trials=1, epochs=3), executor)
        doing = replace(doing, predict=lambda request: asked.append(request))  # type: ignore[arg-type,return-value]
        prove(doing, [0], 3, own=False)
        read_test_split(doing, [0])
    assert asked == []


# --- runs ---------------------------------------------------------------------------------------


class Recorded:
    """Stands where the recorder's process would; keeps what it is given."""

    seen: list[Repeat] = []  # noqa: RUF012

    def __init__(self, root: Path) -> None:
        pass

    def attach(self, info: Any) -> str:
        return "sweep"

    def record_repeat(self, view: Any, parent: str) -> str:
        self.seen.append(view.repeat)
        return f"run-{len(self.seen)}"

    def annotate(self, *given: Any) -> None:
        pass

    def leave(self) -> None:
        pass


def test_a_repeat_becomes_a_run_once_it_says_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that died is trained again under the same name; it must not stand in the way."""
    monkeypatch.setattr(proof_record, "RecorderApart", Recorded)
    monkeypatch.setattr(Recorded, "seen", [])
    study = open_named(tmp_path, "s", trials=1, epochs=3)
    with closing(study), closing(InlineExecutor(planted(0.93), 1)) as executor:
        tell(study, begin(study, total=1), GOOD)
        plan = proving(tmp_path, study, made_for(trials=1, epochs=3), executor).plan
        (record,) = study.records()
        study.note(f"{RUN_PREFIX}{record.number}", "run-of-trial")
        good = fresh(VALS, 3)
        note(study, record, good[0], replace(good[1], status="oom", epochs=()))
        record_proofs(Workspace(tmp_path), plan, study, "", print)
        assert [repeat.index for repeat in Recorded.seen] == [0]
        note(study, record, good[1])
        record_proofs(Workspace(tmp_path), plan, study, "", print)
        assert [repeat.index for repeat in Recorded.seen] == [0, 1]
        assert [r.run_id for r in study.records()[0].repeats] == ["run-1", "run-2"]


# --- what would not count -----------------------------------------------------------------------


def test_repeats_on_the_same_split_are_left_out_where_fresh_ones_decide() -> None:
    made = definition()
    same = trial(1, 0.909)
    same = replace(same, repeats=tuple(replace(r, kind="same") for r in fresh(VALS, 1)))
    records = [trial(0, 0.909, VALS), same, trial(2, 0.909), trial(3, 0.909, VALS[:1])]
    entries = select("s", "digits", records, made.targets, made.epoch, 4).entries
    origins, said = _counting(entries, same_split=True)
    assert origins == [1, 2, 3]
    assert said.startswith("Trial 0 was repeated on fresh splits")
    assert _counting(entries, same_split=False) == ([0, 1, 2, 3], "")
