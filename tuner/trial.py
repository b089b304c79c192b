"""The values that pass between the parent, the workers, the study and the recorders.

Plain frozen dataclasses that turn into JSON and back without loss; nothing here computes, trains or
stores. A `TrialSpec` determines its result on the same hardware; an `EpochMetrics` is one row of
figures; a `TrialResult` is what a worker says at the end; a `TrialRecord` is what the study keeps.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from tuner.gradients import GradientLog
from tuner.scores import TestScore, VariantScore

ParamValue = str | int | float | bool | list[int]
Params = dict[str, ParamValue]

SplitKind = Literal["stratified", "tail", "test"]
EpochRule = Literal["best", "last"]
ResultStatus = Literal["complete", "stopped", "nan", "oom", "invalid", "failed"]
RepeatKind = Literal["own", "fresh", "same", "seed"]
TrialState = Literal["waiting", "running", "complete", "pruned", "failed"]


@dataclass(frozen=True)
class SplitSpec:
    """How validation rows are cut from the training rows.

    Attributes:
        kind: `stratified` (shuffled, every class in proportion), `tail` (the last rows, as Keras's
            `validation_split` does) or `test` (the test split itself: a declared exception).
        fraction: share of the training rows used for validation, in (0, 1); unused by `test`.
        seed: seed of the shuffle; unused by `tail` and `test`.
    """

    kind: SplitKind = "stratified"
    fraction: float = 0.2
    seed: int = 0


@dataclass(frozen=True)
class EarlyStopping:
    """Stop training when `monitor` has not improved for `patience` epochs, as in Keras."""

    monitor: Literal["val_loss", "val_accuracy"]
    patience: int


@dataclass(frozen=True)
class TrialSpec:
    """All that determines a trial's result, as plain JSON.

    Attributes:
        attempt: identity of this attempt, unique over all studies of a store.
        study: the study's name.
        origin: number of the logical trial; a retry has the origin of the trial it repeats.
        data: folder of prepared arrays (see `data.prepared`), readable by the worker.
        fingerprint: fingerprint of those arrays; a worker refuses any other.
        model: `mlp`, `cnn`, or a model of the user's own as `package.module:attribute`.
        params: the complete configuration.
        split: how validation rows are chosen.
        seed: seed of the weights, the batch order and dropout.
        epochs: how many epochs a full trial has; learning-rate schedules span them.
        epoch: which epoch stands for the trial.
        targets: target texts; they choose the epoch and say when train is worth measuring.
        early_stopping: or None.
        engine: `compiled` (a whole epoch as one compiled function) or `fit` (Keras's `model.fit`).
        threads: threads for one arithmetic operation.
        keep_weights: file for the weights of the chosen epoch, or None.
        diagnostics: what is noted beside the figures; only `gradients` is the worker's business.
        measure_every: the training split is measured at least every so many epochs.
        asks: whether the worker may ask for what `params` do not say (models of the user's own).
        judge_epoch: the epoch that is measured in full and whose weights are kept, whatever the
            targets say of it; None in a search, where `epoch` and the targets choose.
    """

    attempt: str
    study: str
    origin: int
    data: str
    fingerprint: str
    model: str
    params: Params
    split: SplitSpec
    seed: int
    epochs: int
    epoch: EpochRule
    targets: tuple[str, ...]
    early_stopping: EarlyStopping | None = None
    engine: str = "compiled"
    threads: int = 1
    keep_weights: str | None = None
    judge_epoch: int | None = None
    diagnostics: tuple[str, ...] = ()
    measure_every: int = 5
    asks: bool = False

    @property
    def shape(self) -> str:
        """What decides a compilation: trials of one shape share it within a worker."""
        p = self.params
        layers = [p.get(name) for name in ("layers", "units", "depth")]
        layers += [p[name] for name in ("filters", "kernel") if name in p]
        switches = [p.get(name) in (None, 0) for name in ("l2", "dropout")]
        rest = [p.get(name) for name in ("activation", "batch_norm", "optimizer")]
        rest += [p[name] for name in ("initializer", "loss") if name in p]
        rest += ["weighted classes"] if p.get("class_weight") == "balanced" else []
        return json.dumps([self.fingerprint, self.model, layers, switches, rest])

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> TrialSpec:
        values = dict(raw)
        values["split"] = SplitSpec(**values["split"])
        values["targets"] = tuple(values["targets"])
        values["diagnostics"] = tuple(values.get("diagnostics", ()))
        if values.get("early_stopping"):
            values["early_stopping"] = EarlyStopping(**values["early_stopping"])
        return cls(**values)


@dataclass(frozen=True)
class EpochMetrics:
    """The figures of one epoch. Accuracies are in [0, 1]; unmeasured or non-finite is None.

    Attributes:
        epoch: 1-based.
        val_accuracy, val_loss: on the validation split, inference mode, data loss without penalty.
        train_accuracy, train_loss: the same on the training split and the same weights; None when
            this epoch was not measured.
        train_accuracy_running: Keras's average over the epoch while weights moved, dropout active.
        train_loss_penalised: Keras's own training loss of the epoch, L2 penalty included.
        val_loss_penalised: val_loss plus the L2 penalty of the same weights.
        val_balanced_accuracy: mean of the recalls of the classes that the validation split has, as
            val_accuracy otherwise; None in records of older versions.
        val_macro_f1: mean of the F1 of the classes that it has or that are predicted; likewise.
        learning_rate: at the end of the epoch.
        parameters: count of all weights of the model.
        seconds: training and measuring, wall time.
        timestamp: end of the epoch, seconds since 1970.
    """

    epoch: int
    val_accuracy: float | None
    val_loss: float | None
    train_accuracy: float | None = None
    train_loss: float | None = None
    train_accuracy_running: float | None = None
    train_loss_penalised: float | None = None
    val_loss_penalised: float | None = None
    learning_rate: float | None = None
    parameters: int = 0
    seconds: float = 0.0
    timestamp: float = 0.0
    val_balanced_accuracy: float | None = None
    val_macro_f1: float | None = None

    @property
    def accuracy_gap(self) -> float | None:
        """Train minus validation accuracy, or None where one was not measured."""
        if self.train_accuracy is None or self.val_accuracy is None:
            return None
        return self.train_accuracy - self.val_accuracy

    def figure(self, metric: str) -> float | None:
        """The figure that a target names (see `targets.METRICS`), or None."""
        value = getattr(self, metric)
        return None if value is None else float(value)

    def finite(self) -> EpochMetrics:
        """The same with every non-finite figure turned into None."""
        bad: dict[str, Any] = {
            f.name: None
            for f in fields(self)
            if isinstance(v := getattr(self, f.name), float) and not math.isfinite(v)
        }
        return replace(self, **bad) if bad else self


def to_columns(epochs: Sequence[EpochMetrics]) -> dict[str, list[Any]]:
    """Rows of figures as columns, the compact form that a trial's attribute holds."""
    return {f.name: [getattr(e, f.name) for e in epochs] for f in fields(EpochMetrics)}


def from_columns(columns: Mapping[str, Sequence[Any]]) -> tuple[EpochMetrics, ...]:
    """The inverse of `to_columns`; columns that this version does not know are ignored."""
    known = [f.name for f in fields(EpochMetrics) if f.name in columns]
    return tuple(
        EpochMetrics(**dict(zip(known, row, strict=True)))
        for row in zip(*(columns[name] for name in known), strict=True)
    )


@dataclass(frozen=True)
class TrialResult:
    """What a worker reports when a trial ends.

    Attributes:
        status: `complete`, `stopped` (the parent asked for it), `nan` (loss no longer finite),
            `oom` (memory did not suffice), `invalid` (the model of the user's own does not
            work with this configuration) or `failed`.
        message: one line for a person; empty when complete.
        epochs: all epochs that count, in order.
        started, ended: seconds since 1970.
        device: what it ran on, as the framework names it.
        weights: file that holds the weights of the chosen epoch, or None.
        timings: seconds by phase: `data`, `compile`, `train`, `evaluate`, `wait`, `save`.
        versions: of the packages that trained it.
        gradients: what was noted of them, where that was asked for.
    """

    status: ResultStatus
    message: str = ""
    epochs: tuple[EpochMetrics, ...] = ()
    started: float = 0.0
    ended: float = 0.0
    device: str = ""
    weights: str | None = None
    timings: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    gradients: GradientLog | None = None


UNTOLD = ("failed", "oom", "invalid")
"""How a repeat can end that says nothing of its configuration; the next command tries it again."""


@dataclass(frozen=True)
class Repeat:
    """One training that repeats a trial, to see whether its figures were luck.

    Attributes:
        kind: `own` (the trial's seed and split: does it reproduce?), `fresh` (a fresh seed on a
            freshly cut validation split), `same` (a fresh seed on the trial's own split) or `seed`
            (a variant on the next seed of its sweep: a training like its own, no test of it).
        index: 0-based, among the repeats of this kind.
        seed, split: what this training used.
        epoch: the trial's chosen epoch, at which the repeat is judged; of a `seed` its own.
        status: as in `TrialResult`.
        epochs: all figures.
        started, ended: seconds since 1970.
        device: what it ran on.
        message: one line where it did not complete; empty otherwise.
        run_id: the tracking run that shows it, or None.
        versions: of the packages that trained it; empty for repeats of older versions.
    """

    kind: RepeatKind
    index: int
    seed: int
    split: SplitSpec
    epoch: int
    status: ResultStatus
    epochs: tuple[EpochMetrics, ...] = ()
    started: float = 0.0
    ended: float = 0.0
    device: str = ""
    message: str = ""
    run_id: str | None = None
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def judged(self) -> EpochMetrics | None:
        """The figures at the epoch that counts; None where it never came so far."""
        return next((e for e in self.epochs if e.epoch == self.epoch), None)

    def to_json(self) -> dict[str, Any]:
        raw = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "run_id"}
        return {**raw, "split": asdict(self.split), "epochs": to_columns(self.epochs)}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Repeat:
        known = {f.name for f in fields(cls)}
        values = {key: value for key, value in raw.items() if key in known}
        values["split"] = SplitSpec(**values["split"])
        values["epochs"] = from_columns(values["epochs"])
        return cls(**values)


@dataclass(frozen=True)
class TrialRecord:
    """One logical trial as the study keeps it: what reports, verdicts and recorders read.

    Attributes:
        number: number of the attempt that counts, in the study's store.
        origin: number of the logical trial; what a user calls "trial 7".
        attempt: identity of that attempt, `<study uid>:<number>`; a recorder's key.
        state: `pruned` covers a curve without hope, a loss that is not finite, and lack of memory.
        reason: why it was pruned or failed; None otherwise.
        variant: name of the variant, or None for a sampled trial.
        params: the complete configuration.
        epochs: all figures.
        seed: the trial's seed.
        started, ended: seconds since 1970; None before.
        run_id: the tracking run that shows it, or None while it is not recorded.
        spec: the TrialSpec as JSON, to repeat the trial from its record alone.
        device: what it ran on.
        weights: file with the weights of the chosen epoch, or None.
        attempts: how many attempts it took so far; those given back in order do not count.
        timings, versions: as in `TrialResult`; empty for trials of older versions.
        repeats: trainings that `confirm` made of it, in the order in which they ended.
        test: what it reached on the test split; None unless it was confirmed.
        gradients: as in `TrialResult`.
        scores: of a variant, what its trainings reached on the test split.
    """

    number: int
    origin: int
    attempt: str
    state: TrialState
    params: Params
    reason: str | None = None
    variant: str | None = None
    epochs: tuple[EpochMetrics, ...] = ()
    seed: int = 0
    started: float | None = None
    ended: float | None = None
    run_id: str | None = None
    spec: dict[str, Any] = field(default_factory=dict)
    device: str = ""
    weights: str | None = None
    attempts: int = 1
    timings: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    repeats: tuple[Repeat, ...] = ()
    test: TestScore | None = None
    gradients: GradientLog | None = None
    scores: tuple[VariantScore, ...] = ()

    @property
    def seeds(self) -> tuple[Repeat, ...]:
        """Of a variant, its trainings on further seeds, whichever ended first."""
        return tuple(sorted((r for r in self.repeats if r.kind == "seed"), key=lambda r: r.index))

    @property
    def proofs(self) -> tuple[Repeat, ...]:
        """The repeats that put it to the test."""
        return tuple(r for r in self.repeats if r.kind != "seed")

    @property
    def untold(self) -> str | None:
        """Why repeats of it say nothing, as when memory did not suffice; None where they do."""
        messages = [r.message or r.status for r in self.proofs if r.status in UNTOLD]
        return messages[-1] if messages else None

    @property
    def seconds(self) -> float | None:
        """Wall time of the attempt, or None while it is not known."""
        if self.started is None or self.ended is None:
            return None
        return self.ended - self.started
