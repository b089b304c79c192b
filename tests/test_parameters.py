"""Loss, initializer, epochs and patience as parameters: a trial's own, wherever they are read."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stubs import FakeEngine, definition, opened, spec
from studies import BETTER, begin, make, open_named
from test_figures import outcome_of, record
from test_pictures import svg_texts
from test_training import Alone

from tuner.cli import run
from tuner.commands.plan import Plan, make_plan
from tuner.commands.progress import progress_text
from tuner.commands.running import make_spec
from tuner.definition import Overrides, SweepDefinition, parse
from tuner.errors import DefinitionError, UsageError
from tuner.gradients import GradientLog
from tuner.models.mlp import losses_for
from tuner.parameters import CATALOGUE, complete, epochs_of
from tuner.report.figures.curves import curves
from tuner.report.page.charts_search import label_of
from tuner.report.page.method import Circumstances, method
from tuner.report.selection import select
from tuner.report.wording import configuration
from tuner.search.opening import open_study
from tuner.search.pruners import Pruning
from tuner.search.pruning import Peer, schedule_of
from tuner.search.records import summaries
from tuner.search.repeats import plan_repeats, plan_seeds, spec_of
from tuner.search.sampling import variant_seed
from tuner.search.scheduler import Progressed
from tuner.search.study import SweepStudy
from tuner.search.ticket import Ticket
from tuner.targets import parse_targets
from tuner.training.loop import run_epochs
from tuner.trial import EarlyStopping, EpochMetrics, Params, TrialRecord, TrialResult
from tuner.workspace import Workspace

NEW = ("initializer", "loss", "epochs", "patience")


# In a configuration


def test_what_nobody_names_is_absent() -> None:
    assert set(NEW) <= set(CATALOGUE)
    assert not set(NEW) & complete({}).keys()
    own: Params = {"initializer": "zeros", "loss": "categorical_crossentropy", "epochs": 3}
    assert {**complete({}), **own}.items() == complete(own).items()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("initializer", "he_normal", None),
        ("initializer", "ones", "must be one of glorot_uniform, he_normal, zeros, not 'ones'"),
        ("loss", "mse", "must be one of sparse_categorical_crossentropy, categorical_crossentropy"),
        ("epochs", 60.0, None),
        ("epochs", 0, "must be a whole number of at least 1 and at most 1e+06, not 0"),
        ("epochs", 2.5, "not 2.5"),
        ("patience", 1, None),
        ("patience", 0, "not 0"),
        ("patience", None, "not nothing"),
    ],
)
def test_values(name: str, value: Any, words: str | None) -> None:
    if words is None:
        assert CATALOGUE[name].accept(value) == value
        return
    with pytest.raises(ValueError, match="must be") as caught:
        CATALOGUE[name].accept(value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"initializer": "zeros"}, "init zeros"),
        (
            {"activation": "relu", "initializer": "he_normal", "dropout": 0},
            "relu · init he_normal · no dropout",
        ),
        ({"loss": "categorical_crossentropy"}, "one-hot"),
        ({"loss": "sparse_categorical_crossentropy"}, "sparse"),
        ({"loss": "binary_crossentropy"}, "binary"),
        ({"epochs": 60, "patience": 2, "batch_size": 32}, "batch 32 · 60 epochs · patience 2"),
        ({"epochs": 1}, "1 epoch"),
    ],
)
def test_short_words(params: Params, text: str) -> None:
    assert configuration(params) == text


def test_labels_of_charts() -> None:
    assert [label_of(n) for n in NEW] == [
        "initializer",
        "data loss",
        "epochs of a trial",
        "patience",
    ]


# The loss and the number of classes

TEXT = """
dataset: digits
epochs: 5
trials: 7
targets: [val_accuracy >= 0.9]
space:
  units: {values: [16, 32]}
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    made = Workspace(tmp_path).create()
    (tmp_path / "sweeps").mkdir()
    return made


def plan(workspace: Workspace, more: str, **changes: Any) -> Plan:
    (workspace.root / "sweeps" / "own.yaml").write_text(TEXT + more)
    return make_plan(workspace, "own", Overrides(**changes), None, None)


BINARY = "binary_crossentropy"


def refused(named: str) -> str:
    return (
        f"{named}: that does not fit the 10 classes of digits.\n"
        "Write sparse_categorical_crossentropy or categorical_crossentropy, or leave the loss out."
    )


@pytest.mark.parametrize(
    ("more", "changes", "named"),
    [
        (f"fixed: {{loss: {BINARY}}}", {}, f"fixed.loss is {BINARY}"),
        ("", {"fixes": (f"loss={BINARY}",)}, f"fixed.loss is {BINARY}"),
        (f"  loss: [categorical_crossentropy, {BINARY}]", {}, f"space.loss is {BINARY}"),
        (f"variants: {{a: {{}}, b: {{loss: {BINARY}}}}}", {}, f"variants.b.loss is {BINARY}"),
        (f"fixed: {{loss: {BINARY}}}\nvariants: {{a: {{}}}}", {}, f"fixed.loss is {BINARY}"),
        (
            f"  loss: [{BINARY}]\nvariants: {{a: {{loss: {BINARY}}}}}",
            {},
            f"space.loss is {BINARY}; variants.a.loss is {BINARY}",
        ),
    ],
)
def test_a_loss_that_does_not_fit_is_refused_before_training(
    workspace: Workspace, more: str, changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(UsageError) as caught:
        plan(workspace, more, **changes)
    assert str(caught.value) == refused(named)


@pytest.mark.parametrize(
    "more",
    [
        "",
        "fixed: {loss: categorical_crossentropy}",
        "  loss: [categorical_crossentropy, sparse_categorical_crossentropy]",
        "variants: {a: {loss: sparse_categorical_crossentropy}}",
    ],
)
def test_a_loss_that_fits_is_taken(workspace: Workspace, more: str) -> None:
    assert plan(workspace, more).data.n_classes == 10


def test_losses_by_the_number_of_classes() -> None:
    assert losses_for(2) == (BINARY,)
    assert BINARY not in losses_for(3)
    assert {*losses_for(2), *losses_for(3)} == set(CATALOGUE["loss"].choices)


def test_a_loss_by_hand_is_refused_and_leaves_nothing(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", "digits", "--fix", f"loss={BINARY}"]) == 2
    err = capsys.readouterr().err
    assert refused(f"--fix loss is {BINARY}").replace("\n", " ") in " ".join(err.split())
    assert not workspace.journal.exists() or summaries(workspace) == []


# A trial's own epochs and patience: what it is trained with


def specs(workspace: Workspace, more: str, count: int, **changes: Any) -> list[Any]:
    made = plan(workspace, more, **changes)
    study = open_study(workspace, made.study, made.definition, made.identity, made.base)
    try:
        tickets = [study.next(7) or pytest.fail("no trial") for _ in range(count)]
        return [make_spec(workspace, made, study, ticket) for ticket in tickets]
    finally:
        study.close()


def test_a_trial_is_trained_for_its_own_epochs(workspace: Workspace) -> None:
    more = "variants: {a: {}, b: {epochs: 9}, c: {patience: 2}, d: {epochs: 3, patience: 1}}"
    found = specs(workspace, more, 5)
    assert [s.epochs for s in found] == [5, 9, 5, 3, 5]
    stops = [None, None, EarlyStopping("val_loss", 2), EarlyStopping("val_loss", 1), None]
    assert [s.early_stopping for s in found] == stops
    assert [s.params.get("epochs") for s in found] == [None, 9, None, 3, None]


def test_a_patience_keeps_what_the_sweep_watches(workspace: Workspace) -> None:
    more = (
        "early_stopping: {monitor: val_accuracy, patience: 5}\nvariants: {a: {}, b: {patience: 2}}"
    )
    assert [s.early_stopping for s in specs(workspace, more, 2)] == [
        EarlyStopping("val_accuracy", 5),
        EarlyStopping("val_accuracy", 2),
    ]


def test_epochs_are_searched(workspace: Workspace) -> None:
    found = specs(workspace, "  epochs: [2, 4, 8]\nsampler: random", 7)
    assert {s.epochs for s in found} <= {2, 4, 8}
    assert len({s.epochs for s in found}) > 1
    assert all(s.epochs == s.params["epochs"] for s in found)


def test_epochs_are_fixed_by_an_option(workspace: Workspace) -> None:
    (found,) = specs(workspace, "  epochs: [2, 4, 8]", 1, fixes=("epochs=3",))
    assert found.epochs == 3


@pytest.mark.parametrize(
    ("more", "fixes", "line"),
    [
        ("fixed: {epochs: 9}", (), "--epochs 2: fixed.epochs decides (line 8, fixed.epochs)"),
        ("  epochs: [2, 4]", (), "--epochs 2: space.epochs decides (line 8, space.epochs)"),
        ("", ("epochs=9",), "--epochs 2: fixed.epochs decides (--fix epochs=9)"),
    ],
)
def test_an_option_that_would_change_nothing_is_refused(
    more: str, fixes: tuple[str, ...], line: str
) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse(TEXT + more, "own.yaml", "own", Overrides(epochs=2, fixes=fixes))
    assert caught.value.problems == (f"{line}; --fix epochs=2 does",)
    own = parse(TEXT + more, "own.yaml", "own", Overrides(fixes=("epochs=2",)))
    assert epochs_of(own.fixed, own.epochs) == 2


def test_what_is_trained_again_has_the_same_epochs(tmp_path: Path) -> None:
    study = opened(tmp_path, variants={"a": {"epochs": 7, "patience": 2}})
    ticket = study.next(4)
    assert ticket is not None
    stop = EarlyStopping("val_loss", 2)
    plain = spec(ticket.attempt, epochs=7, early_stopping=stop)
    wanted = replace(plain, params=ticket.params)
    study.start(ticket, wanted)
    result = run_epochs(wanted, Alone(), FakeEngine)
    assert study.finish(ticket.attempt, result, objective=0.5, violations={})
    (done,) = study.records()
    study.close()
    again = spec_of(done, tmp_path)
    assert (again.epochs, again.params["epochs"], again.early_stopping) == (7, 7, stop)
    repeats = plan_repeats(done, 3, again, 2, tmp_path)
    assert [p.spec.epochs for p in repeats] == [7, 7, 7]
    assert [p.spec.early_stopping for p in repeats] == [stop, None, None]  # to reach the epoch
    # Its own seed is none of those that variants share: all three of them are trained.
    seeds = plan_seeds(done, again, 0, 3, tmp_path, weights=False)
    assert [(p.spec.epochs, p.spec.early_stopping) for p in seeds] == [(7, stop)] * 3
    shared = replace(done, seed=variant_seed(0, 0))
    assert [p.repeat.index for p in plan_seeds(shared, again, 0, 3, tmp_path, weights=False)] == [
        1,
        2,
    ]


# Early stopping by patience


@pytest.mark.parametrize(
    ("curve", "ended", "verdict"),
    [
        ([80, 92, 91, 90, 99, 99], 4, "meets"),  # the last that was trained, not the best
        ([80, 95, 89, 88, 99, 99], 4, "misses"),
        ([80, 85, 88, 90, 91, 92], 6, "meets"),
    ],
)
def test_a_trial_that_stops_itself_is_judged_at_its_own_last_epoch(
    curve: list[int], ended: int, verdict: str
) -> None:
    stop = EarlyStopping("val_loss", 2)
    wanted = spec(epochs=6, epoch="last", early_stopping=stop, curve=curve)
    result = run_epochs(wanted, Alone(), FakeEngine)
    assert (result.status, len(result.epochs)) == ("complete", ended)
    assert result.epochs[-1].train_accuracy is not None
    done = TrialRecord(0, 0, "u:0", "complete", {"patience": 2}, epochs=result.epochs)
    targets = parse_targets("val_accuracy >= 0.9")
    (entry,) = select("s", "d", [done], targets, "last", 1).entries
    assert entry.chosen is not None
    assert (entry.chosen.epoch, entry.verdict, entry.state) == (ended, verdict, "complete")


# Pruning


def ticket(params: Params) -> Ticket:
    return Ticket(99, 99, "u:99", params, 0, None)


def history(count: int, val: float) -> list[EpochMetrics]:
    return [EpochMetrics(e, val, 0.5, val) for e in range(1, count + 1)]


def first_stop(pruning: Pruning, params: Params, val: float = 0.4) -> int | None:
    return next((e for e in range(1, 100) if pruning.reason(ticket(params), history(e, val))), None)


@pytest.mark.parametrize(
    ("own", "stops"), [({}, 10), ({"epochs": 6}, 2), ({"epochs": 60}, 20), ({"epochs": 7}, 3)]
)
def test_a_third_is_of_the_trials_own_epochs(tmp_path: Path, own: Params, stops: int) -> None:
    study = opened(tmp_path)
    for number in range(8):
        study.rivals.add(Peer("constant", (0.6 + number / 100,) * 60))
    pruning = Pruning("overfit", study, parse_targets("val >= 90%"), 30)
    assert first_stop(pruning, {"schedule": "constant", **own}) == stops
    study.close()


def test_nothing_is_stopped_at_its_own_end(tmp_path: Path) -> None:
    study = opened(tmp_path)
    pruning = Pruning("overfit", study, parse_targets("val >= 90% with train < 95%"), 30)
    bad = [EpochMetrics(e, 0.85, 0.5, 0.96) for e in range(1, 7)]
    assert pruning.reason(ticket({"epochs": 7}), bad) is not None
    assert pruning.reason(ticket({"epochs": 6}), bad) is None
    assert pruning.reason(ticket({}), bad) is not None
    study.close()


def test_decays_over_other_epochs_are_no_rivals(tmp_path: Path) -> None:
    """A cosine over 9 epochs has cooled down where one over 90 has not."""
    short: Params = {"schedule": "cosine", "epochs": 9}
    long: Params = {"schedule": "cosine", "epochs": 90}
    assert schedule_of(short) != schedule_of(long)
    assert schedule_of({"schedule": "constant", "epochs": 9}) == "constant"
    assert schedule_of({"schedule": "cosine"}) == "cosine"
    assert schedule_of({}) is None
    study = opened(tmp_path)
    for _ in range(8):
        study.rivals.add(Peer(schedule_of(short), (0.8,) * 9))
    pruning = Pruning("overfit", study, parse_targets("val >= 90%"), 30)
    assert first_stop(pruning, short) == 3
    assert first_stop(pruning, long) is None
    study.close()


def reported(study: SweepStudy, vals: Sequence[float]) -> Ticket:
    """A running trial with these accuracies."""
    taken = begin(study, planned=30)
    for epoch, val in enumerate(vals, 1):
        study.report(taken.attempt, EpochMetrics(epoch, val, 0.5))
    return taken


@pytest.mark.parametrize("name", ["percentile", "median", "halving"])
@pytest.mark.parametrize(("own", "third"), [({}, 10), ({"epochs": 6}, 2), ({"epochs": 18}, 6)])
def test_optunas_pruners_wait_for_a_third_of_the_trials_own_epochs(
    tmp_path: Path, name: str, own: Params, third: int
) -> None:
    study = open_named(tmp_path, "s", epochs=30)
    pruning = Pruning(name, study, parse_targets("val >= 90%"), 30)
    for number in range(9):
        vals = [0.7 + number / 100] * 30
        good = reported(study, vals)
        for e in range(1, 31):  # halving keeps at each rung what it has seen there
            shown = replace(good, params={**good.params, **own})
            pruning.reason(shown, history(e, vals[0]))
        epochs = tuple(EpochMetrics(e, v, 0.5) for e, v in enumerate(vals, 1))
        done = TrialResult("complete", epochs=epochs)
        assert study.finish(good.attempt, done, objective=vals[-1], violations={})
    stopped = None
    taken = begin(study, planned=30)
    for epoch in range(1, 31):
        study.report(taken.attempt, EpochMetrics(epoch, 0.4, 0.5))
        shown = replace(taken, params={**taken.params, **own})
        if pruning.reason(shown, history(epoch, 0.4)):
            stopped = epoch
            break
    assert stopped is not None
    assert third <= stopped <= third + 1
    study.close()


# What people see


def test_the_end_of_a_trial_is_told_where_it_is_its_own() -> None:
    metrics = EpochMetrics(12, 0.8932, 0.3, 0.9410)
    plain, own = (
        progress_text(Progressed(ticket(params), 0, metrics)) for params in ({}, {"epochs": 60})
    )
    assert plain == "trial 99  epoch 12  val 0.8932  train 0.9410"
    assert own == "trial 99  epoch 12 of 60  val 0.8932  train 0.9410"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "3"),
        ({"fixed": {"epochs": 9}}, "9"),
        ({"variants": {"a": {"epochs": 5}}}, "3 to 5"),
        ({"variants": {"a": {"epochs": 3}}}, "3"),
        ({"space": {"epochs": [10, 60, 30]}}, "10 to 60"),
        ({"space": {"epochs": {"min": 10, "max": 20, "or": 100}}}, "10 to 100"),
        ({"space": {"epochs": [10, 60]}, "variants": {"a": {}}}, "3 to 60"),
        ({"space": {}, "variants": {"a": {"epochs": 5}}, "trials": 1}, "5"),
    ],
)
def test_the_method_says_how_long(changes: dict[str, Any], text: str) -> None:
    own = definition(**changes)
    assert own.epochs_text == text
    assert method_rows(own)["epochs"] == f"{text} in a full trial"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, None),
        ({"early_stopping": {"patience": 5}}, "val_loss, patience 5"),
        ({"fixed": {"patience": 2}}, "val_loss, patience 2"),
        ({"variants": {"a": {"patience": 2}, "b": {}}}, "val_loss, a: patience 2"),
        (
            {
                "early_stopping": {"monitor": "val_accuracy", "patience": 5},
                "variants": {"a": {"patience": 2}, "b": {"patience": 5}},
            },
            "val_accuracy, patience 5; a: patience 2",
        ),
        ({"space": {"patience": [1, 2]}}, "val_loss, patience searched"),
    ],
)
def test_the_method_says_when_a_trial_ends_itself(
    changes: dict[str, Any], text: str | None
) -> None:
    assert method_rows(definition(**changes)).get("early stopping") == text


def method_rows(own: SweepDefinition) -> dict[str, str]:
    outcome = select("s", "digits", [], own.targets, own.epoch, 0)
    groups = method(outcome, own, Circumstances())
    return {name: text for group in groups for name, text in group.facts}


def test_curves_end_where_a_trial_would() -> None:
    short, long = (
        replace(record(n, val=0.5, epochs=4), params={"epochs": planned})
        for n, planned in ((0, 4), (1, 9))
    )
    plain = record(2, val=0.5, epochs=4)
    texts = svg_texts(curves(outcome_of(short, long, plain), 30).written("svg"))
    assert texts.count("meets at no epoch") == 1
    assert "stopped after 4 of 9 epochs" in texts
    assert "stopped after 4 of 30 epochs" in texts


def test_a_dry_run_says_how_long(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace.root / "sweeps" / "own.yaml").write_text(TEXT + "  epochs: [2, 4, 8]\n")
    assert run(["sweep", "own", "--dry-run"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "7 trials of 2 to 8 epochs" in out


# `tuner show` and the gradients


LOG = GradientLog(
    variables=("dense_1/kernel", "dense_1/bias", "out/kernel", "out/bias"),
    layers=("hidden 1",),
    classes=10,
)
for _epoch in range(4):
    LOG = LOG.with_epoch(
        _epoch,
        mean=[0.0, 0.0, 0.0, 0.1],
        std=[0.0, 0.0, 0.0, 0.1],
        size=[0.0, 0.0, 0.0, 0.1],
        change=[None] * 4,
        silent=[1.0],
    )


@pytest.mark.parametrize("noted", [True, False])
def test_show_says_what_the_gradients_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], noted: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    if noted:
        study = open_named(tmp_path, "s", diagnostics=["gradients"])
        taken = begin(study)
        rows = tuple(EpochMetrics(e, 0.1, 2.303, 0.1, 2.303, 0.1, 2.303) for e in (1, 2, 3))
        done = TrialResult("complete", epochs=rows, gradients=LOG)
        assert study.finish(taken.attempt, done, objective=0.1, violations={})
        study.close()
    else:
        make(tmp_path, "s", BETTER)
    assert run(["show", "s", "0", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["finding"]
    assert run(["show", "s", "0"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    if not noted:
        assert found is None
        assert "gradients" not in shown
        return
    assert (found["falls"], found["loss"]) == (False, 2.303)
    assert [cause["kind"] for cause in found["causes"]] == ["symmetry"]
    assert found["text"].startswith("the loss stays at 2.3")
    assert f"gradients {found['text']}" in shown
