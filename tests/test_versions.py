"""Which versions trained something is in the record, and said where a repetition differs."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
from pages import confirmed, outcome, record
from stubs import definition
from studies import GOOD, begin, epochs, open_named

from tuner.definition import SweepDefinition
from tuner.report.confirmation_table import notes
from tuner.report.page.method import Circumstances, method
from tuner.report.page.proof import proofs
from tuner.search.records import summaries
from tuner.trial import Repeat, SplitSpec, TrialRecord, TrialResult
from tuner.versions import changes, versions
from tuner.workspace import Workspace

OLD = {"python": "3.11.7", "keras": "3.15.1", "optuna": "5.0.0"}
NEW = {**OLD, "keras": "3.16.0", "optuna": "5.1.0"}


def test_versions_are_those_at_hand() -> None:
    found = versions()
    assert list(found)[:2] == ["python", "tuner"]
    assert found["python"] == platform.python_version()
    assert found["keras"] == version("keras")
    found.clear()  # a caller's own copy
    assert versions()


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (OLD, OLD, ()),
        (OLD, NEW, ("keras 3.15.1, then 3.16.0",)),  # the search's own library trains nothing
        (OLD, {"python": "3.12.1"}, ("python 3.11.7, then 3.12.1", "keras 3.15.1, then not there")),
        ({"python": "3.11.7"}, OLD, ("keras not there, then 3.15.1",)),
        ({}, NEW, ()),  # of an older tuner: nothing is known
        (OLD, {}, ()),
    ],
)
def test_what_changed(
    before: Mapping[str, str], after: Mapping[str, str], said: tuple[str, ...]
) -> None:
    assert changes(before, after) == said


def test_a_study_keeps_the_versions_of_each_trial(tmp_path: Path) -> None:
    study = open_named(tmp_path, "s", trials=1, epochs=3)
    with closing(study):
        ticket = begin(study)
        result = TrialResult("complete", "", epochs(GOOD.rows), 1.0, 2.0, "here", versions=OLD)
        assert study.finish(ticket.attempt, result, objective=0.92, violations={})
    (summary,) = summaries(Workspace(tmp_path))
    assert summary.records[0].versions == OLD


def test_a_repeat_keeps_its_versions_and_an_older_one_is_read() -> None:
    repeat = Repeat("own", 0, 3, SplitSpec(), 2, "complete", versions=NEW)
    assert Repeat.from_json(repeat.to_json()).versions == NEW
    raw = repeat.to_json()
    del raw["versions"]
    assert Repeat.from_json(raw).versions == {}


def repeated(same_figures: bool) -> TrialRecord:
    """A trial of one machine, whose own seed was repeated on another with a newer Keras."""
    trial = confirmed(replace(record(3, 0.91, 0.02), versions=OLD), [0.91] * 4, 0.02)
    own = replace(trial.repeats[0], versions=NEW, device="GPU:0")
    if not same_figures:
        moved = (replace(e, val_accuracy=(e.val_accuracy or 0) - 0.01) for e in own.epochs)
        own = replace(own, epochs=tuple(moved))
    return replace(trial, repeats=(own, *trial.repeats[1:]))


@pytest.mark.parametrize("same_figures", [True, False])
def test_a_repetition_that_differs_says_what_else_did(same_figures: bool) -> None:
    shown = outcome([repeated(same_figures)])
    (entry,) = shown.entries
    assert entry.confirmation is not None
    assert entry.confirmation.reproduces == ("exactly" if same_figures else "no")
    said = "device cpu (1 thread), then GPU:0; keras 3.15.1, then 3.16.0"
    for lines in (notes(shown, entry), proofs(shown)[0].summary):
        assert any(said in line for line in lines) is not same_figures


def facts(trials: list[TrialRecord], here: Mapping[str, str]) -> dict[str, str]:
    made: SweepDefinition = definition(trials=2)
    groups = method(outcome(trials), made, Circumstances(versions=here))
    return dict(next(g.facts for g in groups if g.title == "Machine and versions"))


def test_the_page_says_with_what_the_trials_were_trained() -> None:
    old, new = (replace(record(n, 0.9, 0.02), versions=v) for n, v in enumerate((OLD, NEW)))
    text = "python 3.11.7 · keras 3.15.1 · optuna 5.0.0"
    assert facts([old], OLD)["versions"] == text
    assert "versions where this page was made" not in facts([old], OLD)
    found = facts([old, new], NEW)
    assert found["versions"].split("; then ") == [text, found["versions where this page was made"]]
    unknown = facts([replace(old, versions={})], OLD)
    assert "versions" not in unknown
    assert unknown["versions where this page was made"] == text
