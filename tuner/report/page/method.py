"""How it was measured: data, training, search, machine, cost, and the commands that repeat it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tuner.definition import SweepDefinition
from tuner.report.page.words import day, goals
from tuner.report.selection import Outcome
from tuner.report.wording import SCORE_NAMES, duration_text, listed, one_line, plural
from tuner.trial import Repeat, TrialRecord

SEEDS = 6


@dataclass(frozen=True)
class Circumstances:
    """What the record does not hold, as the caller knows it.

    Attributes:
        fingerprint: of the data.
        rows: validation rows, or None where the data is not at hand.
        versions: of packages, as they are now.
        made: when the page is made, seconds since 1970.
    """

    fingerprint: str = ""
    rows: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    made: float = 0.0


@dataclass(frozen=True)
class Group:
    """Some facts under one heading: (term, what it is)."""

    title: str
    facts: tuple[tuple[str, str], ...]


def method(
    outcome: Outcome, definition: SweepDefinition, circumstances: Circumstances
) -> tuple[Group, ...]:
    """All groups, in the order in which they are shown."""
    records = [e.record for e in outcome.entries]
    return (
        Group("Data and splits", _data(definition, circumstances)),
        Group("Training", _training(definition, outcome)),
        Group("Search", _search(definition, outcome)),
        Group("Machine and versions", _machine(records, circumstances)),
        Group("Cost", _cost(outcome)),
    )


def training_seconds(outcome: Outcome) -> float:
    """Wall time of all trainings, one after another: trials and repeats."""
    trials = [e.seconds for e in outcome.entries if e.seconds is not None]
    return math.fsum(trials) + repeat_seconds(outcome)


def repeat_seconds(outcome: Outcome) -> float:
    """Wall time of all repeats, further seeds of variants included."""
    return _seconds(r for e in outcome.entries for r in e.record.repeats)


def _seconds(repeats: Iterable[Repeat]) -> float:
    return math.fsum(max(0.0, r.ended - r.started) for r in repeats)


def definition_yaml(definition: SweepDefinition) -> str:
    """The sweep file of the study."""
    import yaml

    text: str = yaml.safe_dump(
        definition.to_json(), sort_keys=False, allow_unicode=True, default_flow_style=None, width=96
    )
    return text


def commands(outcome: Outcome) -> tuple[str, ...]:
    """What repeats the sweep from the definition on the page, and looks at it."""
    name = shlex.quote(outcome.study)
    file = shlex.quote(f"{outcome.study}.yaml")
    return (
        f"tuner sweep {file} --trials {outcome.counts.requested} --workers 1",
        f"tuner report {name}",
        f"tuner confirm {name}",
    )


def _data(definition: SweepDefinition, circumstances: Circumstances) -> tuple[tuple[str, str], ...]:
    split = definition.split
    cut = {
        "stratified": f"{100 * split.fraction:g} % of the training rows, every class in "
        f"proportion, shuffled by seed {split.seed}",
        "tail": f"the last {100 * split.fraction:g} % of the training rows",
        "test": "the test rows themselves: a declared exception",
    }[split.kind]
    rows = f" ({circumstances.rows:,} rows)" if circumstances.rows else ""
    found = [("data set", definition.data_name), ("validation", cut + rows)]
    if circumstances.rows:
        # The largest that a share can have; at 90 % it is three fifths of that.
        error = math.sqrt(0.9 * 0.1 / circumstances.rows)
        found.append(
            ("noise", f"at 90 % the standard error on these rows is {100 * error:.2f} points")
        )
    if split.kind != "test":
        who = "variants and confirmed trials" if definition.test else "confirmed trials"
        found.append(("test", f"read for {who} alone, after everything was chosen"))
    if circumstances.fingerprint:
        found.append(("fingerprint", circumstances.fingerprint))
    return tuple(found)


def _training(definition: SweepDefinition, outcome: Outcome) -> tuple[tuple[str, str], ...]:
    rule = {
        "best": f"of those that meet all targets the one with the highest "
        f"{SCORE_NAMES[outcome.objective]}, else the one with the least violation",
        "last": "the last",
    }[definition.epoch]
    found = [
        ("targets", goals(outcome.targets)),
        ("model", definition.model),
        ("epochs", f"{definition.epochs_text} in a full trial"),
        ("epoch that counts", rule),
        ("figures", "inference mode, train and validation on the same weights; losses without L2"),
        ("engine", definition.engine),
    ]
    if stopping := _stopping(definition):
        found.append(("early stopping", stopping))
    return tuple(found)


def _stopping(definition: SweepDefinition) -> str:
    """When a trial ends by itself; empty where none does."""
    rule, fixed = definition.early_stopping, definition.fixed.get("patience")
    monitor = rule.monitor if rule else "val_loss"
    usual = fixed if fixed is not None else rule.patience if rule else None
    if "patience" in definition.space.names:
        return f"{monitor}, patience searched"
    parts = [] if usual is None else [f"patience {usual}"]
    for name, params in definition.variants.items():
        own = params.get("patience")
        if own is not None and own != usual:
            parts.append(f"{one_line(name, 60)}: patience {own}")
    return f"{monitor}, {'; '.join(parts)}" if parts else ""


def _search(definition: SweepDefinition, outcome: Outcome) -> tuple[tuple[str, str], ...]:
    seeds = sorted({e.record.seed for e in outcome.entries})
    shown = [str(s) for s in seeds[:SEEDS]]
    if len(seeds) > SEEDS:
        shown.append(f"{len(seeds) - SEEDS} more")
    found = [
        ("sampler", definition.sampler),
        ("pruner", definition.pruner),
        ("seed of the study", str(definition.seed)),
        (plural("seed", len(seeds)) + " of trials", listed(shown) if shown else "none"),
        ("searched", listed([p.name for p in definition.space.parameters]) or "nothing"),
    ]
    variants = [e.variant for e in outcome.entries if e.variant]
    if variants:
        found.append(("named variants", listed([one_line(v, 60) for v in variants])))
    if definition.seeds > 1:
        found.append(("trainings of each variant", f"{definition.seeds}, on seeds that all share"))
    return tuple(found)


def _machine(
    records: Sequence[TrialRecord], circumstances: Circumstances
) -> tuple[tuple[str, str], ...]:
    devices = list(dict.fromkeys(r.device for r in records if r.device))
    started = [r.started for r in records if r.started is not None]
    ended = [r.ended for r in records if r.ended is not None]
    found = [(plural("device", len(devices)), listed(devices) or "not recorded")]
    if started and ended:
        found.append(("from", day(min(started))))
        found.append(("to", day(max(ended))))
    used = list(dict.fromkeys(_packages(r.versions) for r in records if r.versions))
    if used:
        found.append(("versions", "; then ".join(used)))
    here = _packages(circumstances.versions)
    if here and used != [here]:
        found.append(("versions where this page was made", here))
    return tuple(found)


def _packages(versions: Mapping[str, str]) -> str:
    return " · ".join(f"{name} {version}" for name, version in versions.items())


def _cost(outcome: Outcome) -> tuple[tuple[str, str], ...]:
    trials = training_seconds(outcome) - repeat_seconds(outcome)
    seeds = _seconds(r for e in outcome.entries for r in e.record.seeds)
    again = _seconds(r for e in outcome.entries for r in e.record.proofs)
    sure = len(outcome.confirmed)
    found = [
        ("wall time of the sweep", duration_text(outcome.seconds)),
        ("training of all trials", duration_text(trials)),
    ]
    if seeds:
        found.append(("training of variants on further seeds", duration_text(seeds)))
    if again:
        found.append(("training of repeats", duration_text(again)))
    found.append(
        (
            "per configuration that meets",
            f"{trials / len(outcome.meets):,.0f} s" if outcome.meets else "none meets",
        )
    )
    found.append(
        (
            "per confirmed configuration",
            f"{(trials + again) / sure:,.0f} s" if sure else "none is confirmed",
        )
    )
    return tuple(found)
