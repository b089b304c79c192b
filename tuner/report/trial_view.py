"""What there is to know about one trial: in words, as one JSON object, and as a row an epoch.

The figures are those of the chosen epoch and come from the judged entry; nothing is judged here.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tuner.report.answers import findings_in, findings_text
from tuner.report.jsonout import SCHEMA, entry_json, finite
from tuner.report.selection import Entry, Outcome
from tuner.report.sentences import bounds, standing, tried
from tuner.report.wording import (
    amount_text,
    bracket,
    figure_text,
    listed,
    moment,
    one_line,
    plural,
    trials_text,
)
from tuner.targets import BY_CLASS, Target
from tuner.trial import EpochMetrics

METRICS_SHOWN = (
    "val_accuracy",
    "train_accuracy",
    "accuracy_gap",
    "val_loss",
    "train_loss",
    "parameters",
)
"""The six figures that are always shown, those of most weight first."""


def metrics_shown(targets: Iterable[Target]) -> tuple[str, ...]:
    """What is shown of a trial: figures by class too, where targets name them."""
    named = [target.metric for target in targets if target.metric in BY_CLASS]
    return tuple(dict.fromkeys((*named, *METRICS_SHOWN)))


@dataclass(frozen=True)
class TrialDetails:
    """One trial in its study.

    Attributes:
        outcome: of the trial's study.
        entry: the trial, one of `outcome.entries`.
        identity: the study's identity, for trials that have not begun and so have no spec.
    """

    outcome: Outcome
    entry: Entry
    identity: Mapping[str, Any] = field(default_factory=dict)

    @property
    def split(self) -> dict[str, Any]:
        """How validation rows are chosen; empty where nothing says so."""
        return dict(self.entry.record.spec.get("split") or self.identity.get("split") or {})

    @property
    def fingerprint(self) -> str:
        """Of the data, or an empty text."""
        return str(self.entry.record.spec.get("fingerprint") or self.identity.get("data") or "")


# --- words ------------------------------------------------------------------------------------


def trial_name(entry: Entry) -> str:
    """`trial 7`, or `trial 0 (baseline)`."""
    return f"trial {entry.trial}{bracket(entry.variant or '')}"


def trial_sentence(outcome: Outcome, entry: Entry) -> str:
    """One plain sentence: what the trial is worth, and where it stands in its study."""
    who, reason = f"T{trial_name(entry)[1:]}", reason_text(entry)
    if entry.state in ("waiting", "running"):
        if entry.state == "waiting":
            return f"{who} waits for its turn{_because(reason)}."
        done = entry.record.epochs
        return f"{who} is running: {epochs_done(entry)}, and it is judged when it ends." + (
            f" Validation accuracy is {figure_text('val_accuracy', done[-1].val_accuracy)} now."
            if done
            else ""
        )
    if entry.chosen is None:
        what = "failed" if entry.state == "failed" else "was pruned before an epoch was finished"
        return f"{who} {what}{_because(reason)}."
    at = f"at epoch {entry.chosen.epoch}"
    if entry.verdict == "meets":
        only = ", only if stopped there" if entry.only_if_stopped is not None else ""
        met = (
            f"meets {_all(outcome)} {at}{only}"
            if outcome.targets
            else f"has no targets to meet {at}"
        )
        return f"{who} {met}; {_place(outcome, entry)}."
    missed = [_miss(t, entry) for t in outcome.targets if entry.violations[t.text] != 0]
    if not missed:
        return f"{who} met its targets {at} but was pruned before its last epoch could count."
    return f"{who} misses {listed(missed)} {at}; {_place(outcome, entry)}."


def next_after(outcome: Outcome, entry: Entry) -> str:
    """The command that a person would type after looking at `entry`."""
    study = shlex.quote(outcome.study)
    lead = leading(outcome)
    if lead is None or entry.state in ("waiting", "running"):
        return f"tuner status {study}"
    proof = entry.confirmation
    if proof is not None and proof.verdict == "confirmed" and entry.verdict == "meets":
        return f"tuner export {study} --trial {entry.trial}"
    if entry.trial != lead.trial:
        return f"tuner compare {study}:{entry.trial} {study}:best"
    if entry.verdict == "meets" and proof is None and outcome.targets and not outcome.banner:
        return f"tuner confirm {study} --trial {entry.trial}"
    if any(other.variant and other.trial != lead.trial for other in outcome.entries):
        return f"tuner compare {study}"
    return f"tuner report {study}"


def leading(outcome: Outcome) -> Entry | None:
    """What `best` stands for: the winner, else what is confirmed, else the nearest miss.

    None where nothing is judged.
    """
    return next(iter((*outcome.meets, *outcome.confirmed, *outcome.nearest)), None)


def margin_text(target: Target, figure: float | None) -> str:
    """`met by 0.004`, `missed by 0.011`, `met exactly` or `not measured`."""
    if figure is None:
        return "not measured"
    word = "met" if target.met_by(figure) else "missed"
    distance = abs(figure - target.value)
    return f"{word} by {amount_text(target.metric, distance)}" if distance else f"{word} exactly"


def _miss(target: Target, entry: Entry) -> str:
    figure = entry.figure(target.metric)
    if figure is None:
        return f"{target.text} (not measured)"
    distance = abs(figure - target.value)
    by = f" by {amount_text(target.metric, distance)}" if distance else " by a hair"
    return f"{target.text}{by}"


def _place(outcome: Outcome, entry: Entry) -> str:
    """Where the trial stands among those of its study that were judged."""
    trials, meeting = trials_text(outcome.judged), len(outcome.meets)
    if entry.verdict != "meets":
        near = [other.trial for other in outcome.nearest]
        if not outcome.meets and entry.trial == near[0]:
            return f"it is the nearest of {trials}, none of which meets the targets"
        return f"{meeting} of {trials} {'meets' if meeting == 1 else 'meet'} the targets"
    proof = entry.confirmation
    if proof is not None and proof.verdict == "confirmed":
        return f"it is confirmed: {tried(proof)} there, {listed(bounds(proof))}"
    rank = 1 + [other.trial for other in outcome.meets].index(entry.trial)
    if proof is not None:
        return f"{standing(outcome, entry)}; it is number {rank} of the {meeting} that meet"
    if rank > 1:
        return f"it is number {rank} of the {meeting} that meet, among {trials}"
    words = f"it is the first by rank of the {meeting} that meet, among {trials}"
    if meeting == 1:
        words = f"it alone of {trials} does" if outcome.judged > 1 else "a figure"
    on = "the test split" if outcome.banner else "one validation split"
    return f"{words} on {on}, not confirmed on fresh seeds"


def _all(outcome: Outcome) -> str:
    words = {1: outcome.targets[0].text if outcome.targets else "", 2: "both targets"}
    return words.get(len(outcome.targets), f"all {len(outcome.targets)} targets")


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def reason_text(entry: Entry) -> str:
    """Why it was pruned or failed, on one line; empty where there is nothing to say."""
    return one_line(entry.record.reason or "", 300)


def epochs_done(entry: Entry) -> str:
    """`9 of 30 epochs done`."""
    done, planned = len(entry.record.epochs), entry.record.spec.get("epochs")
    if planned is None:
        return f"{done} {plural('epoch', done)} done"
    return f"{done} of {planned} {plural('epoch', planned)} done"


def seconds_per_epoch(epochs: Sequence[EpochMetrics]) -> float | None:
    """The mean time of an epoch, or None where none was timed."""
    known = [e.seconds for e in epochs if e.seconds]
    return sum(known) / len(known) if known else None


# --- for programs -----------------------------------------------------------------------------


def trial_json(details: TrialDetails) -> dict[str, Any]:
    """Everything about the trial and all of its epochs; plain JSON values only."""
    outcome, entry, record = details.outcome, details.entry, details.entry.record
    raw = {
        "schema": SCHEMA,
        "study": outcome.study,
        "dataset": outcome.dataset,
        "targets": [asdict(target) for target in outcome.targets],
        **entry_json(entry),
        "state": entry.state,
        "reason": record.reason,
        "only_if_stopped": entry.only_if_stopped,
        "total_violation": entry.total_violation,
        "margins": [_margin_json(target, entry) for target in outcome.targets],
        "seed": record.seed,
        "split": details.split,
        "fingerprint": details.fingerprint,
        "epochs_planned": record.spec.get("epochs", details.identity.get("epochs")),
        "device": record.device,
        "versions": dict(record.versions),
        "started": moment(record.started),
        "ended": moment(record.ended),
        "seconds": record.seconds,
        "seconds_per_epoch": seconds_per_epoch(record.epochs),
        "weights": record.weights,
        "number": record.number,
        "attempt": record.attempt,
        "attempts": record.attempts,
        "spec": record.spec,
        "finding": _finding_json(entry),
        "epochs": [_epoch_json(epoch) for epoch in record.epochs],
        "summary": {
            "sentence": trial_sentence(outcome, entry),
            "next": next_after(outcome, entry),
        },
    }
    clean: dict[str, Any] = finite(raw)
    return clean


def _finding_json(entry: Entry) -> dict[str, Any] | None:
    found = findings_in(entry)
    return None if found is None else {**asdict(found), "text": findings_text(found)}


def trial_csv(details: TrialDetails) -> str:
    """One row an epoch: `study`, `trial`, its figures, and whether it is the chosen one."""
    import pandas as pd

    chosen = details.entry.chosen.epoch if details.entry.chosen else None
    rows = [
        {
            "study": details.outcome.study,
            "trial": details.entry.trial,
            **_epoch_json(epoch),
            "chosen": epoch.epoch == chosen,
        }
        for epoch in details.entry.record.epochs
    ]
    columns = ["study", "trial", *_epoch_json(EpochMetrics(1, None, None)), "chosen"]
    frame = pd.DataFrame(rows, columns=columns).astype(object)
    return str(frame.to_csv(index=False, lineterminator="\n"))


def _epoch_json(epoch: EpochMetrics) -> dict[str, Any]:
    figures = asdict(epoch)
    figures["accuracy_gap"] = epoch.accuracy_gap
    return figures


def _margin_json(target: Target, entry: Entry) -> dict[str, Any]:
    figure = entry.figure(target.metric)
    return {
        "target": target.text,
        "figure": figure,
        "met": None if figure is None else target.met_by(figure),
        "by": None if figure is None else abs(figure - target.value),
    }
