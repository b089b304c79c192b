"""What in a sweep to change: few lines, each with the counts that it is founded on.

The rule: an advice is given only where the best trials differ from the rest, or from what the space
would give by chance, by more than luck explains. Where the targets themselves are out of reach, it
says how far the study came, and promises nothing.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import Literal

from tuner import epochs as epoch_rules
from tuner.definition import SweepDefinition, restore
from tuner.definition_overrides import Overrides
from tuner.errors import TunerError
from tuner.parameters import epochs_of
from tuner.report.degenerate import holds_back, what_is_lost
from tuner.report.evidence import chance_of_draws, chance_of_fewer, chance_of_more, slope
from tuner.report.selection import Entry, Outcome
from tuner.report.widening import beyond_end
from tuner.report.wording import SHORT, figure_text, listed, number_text, one_line
from tuner.space import Choices, Parameter, Range
from tuner.targets import Target, objective_metric
from tuner.trial import EpochMetrics, ParamValue

AdviceKind = Literal["unreached", "conflict", "bound", "epochs", "choice"]

MOST = 4
"""How many lines of advice there are at most."""

BEST = 10
"""The trials that count as the best: those with the largest margin of their own, whether they meet
or not. Not the first by rank: neighbours have a say in that, so that the best would be alike."""

FEWEST = 20
"""Judged trials below which the best of them prove nothing about the space."""

LUCK = 0.05
"""How often luck alone may look like a reason, over all tests of one study (Bonferroni)."""

_SHARE = 0.6  # of the best, before they are said to be at an end
_WENT = 0.5  # of the rest, before the sampler is said to have gone there
_END = 0.05  # of a range, counted from its end
_LATE = 0.9  # of the planned epochs, from which on a trial ends at the end
_GAIN = 0.0005  # of the objective an epoch that is worth training longer for


@dataclass(frozen=True)
class Advice:
    """One thing to know about the sweep, or to change in it.

    Attributes:
        kind: `unreached` (a target that no epoch of any trial meets), `conflict` (targets that no
            epoch meets together), `bound` (the best trials are at an end of what is tried),
            `epochs` (they still improve when training ends) or `choice` (none of them uses it).
        text: one plain sentence.
        change: what to type after `tuner sweep NAME`, such as `--epochs 60`; None where there is
            nothing to type.
    """

    kind: AdviceKind
    text: str
    change: str | None


def diagnose(outcome: Outcome, definition: SweepDefinition) -> tuple[Advice, ...]:
    """What the trials of `outcome` say about the space and the targets, the most telling first.

    Args:
        outcome: of the study that `definition` describes; nothing is said of a what-if's space.
    """
    judged = sorted(
        (e for e in outcome.entries if e.rank), key=lambda e: _by_margin(e, outcome.objective)
    )
    if not judged:
        return ()
    found: list[Advice] = []
    if not outcome.meets:
        found += _out_of_reach(judged, outcome.targets)
    if len(judged) >= FEWEST:
        best, rest = judged[:BEST], judged[BEST:]
        found += _too_short(best, outcome, definition)
        found += _pressed(best, rest, definition)
        found += _unused(best, rest, definition)
    return tuple(found[:MOST])


def next_sweep(outcome: Outcome, advice: Sequence[Advice]) -> str | None:
    """The command that follows the first advice with a change; None where there is none."""
    change = next((a.change for a in advice if a.change), None)
    if change is None:
        return None
    name = shlex.quote(outcome.study)
    return f"tuner sweep {name} {change} --name {shlex.quote(f'{outcome.study}-wider')}"


def _by_margin(entry: Entry, metric: str) -> tuple[float, float, int]:
    margin = entry.rank.margin if entry.rank else 0.0
    return -margin, -(entry.figure(metric) or 0.0), entry.trial


def _luck(definition: SweepDefinition) -> float:
    """What one test may leave to luck: there is one an end of a range, and one a choice."""
    domains = [p.domain for p in definition.space.parameters]
    unordered = [len(d.values) for d in domains if isinstance(d, Choices) and not d.ordered]
    return LUCK / max(1, 2 * (len(domains) - len(unordered)) + sum(unordered))


# --- targets ----------------------------------------------------------------------------------


def _out_of_reach(judged: Sequence[Entry], targets: Sequence[Target]) -> list[Advice]:
    """Targets that were never met, alone or together; at most one line."""
    epochs = [(e.trial, epoch) for e in judged for epoch in e.record.epochs]
    for target in targets:
        if not any(target.met_by(epoch.figure(target.metric)) for _, epoch in epochs):
            return _unreached(target, epochs, targets)
    for one, two in combinations(targets, 2):
        if not any(epoch_rules.meets(epoch, (one, two)) for _, epoch in epochs):
            return [_conflict((one, two), epochs)]
    return [_conflict(targets, epochs)] if len(targets) > 2 else []


def _unreached(
    target: Target, epochs: Sequence[tuple[int, EpochMetrics]], targets: Sequence[Target]
) -> list[Advice]:
    alone = _extreme(target, epochs)
    if alone is None:
        return []
    value, trial = alone
    text = f"No trial reached {target.text} at any epoch: the nearest is {_shown(target, value)}"
    text += f" (trial {trial})"
    others = [t for t in targets if t != target]
    together = _extreme(target, [(n, e) for n, e in epochs if epoch_rules.meets(e, others)])
    if others and together is None:
        text += f", and never together with {listed([t.text for t in others])}"
    elif together is not None and together[0] != value:
        met = listed([t.text for t in others])
        text += f", and {_shown(target, together[0])} while {met} {_hold(len(others))}"
    return [Advice("unreached", f"{text}.", None)]


def _conflict(targets: Sequence[Target], epochs: Sequence[tuple[int, EpochMetrics]]) -> Advice:
    names = listed([t.text for t in targets])
    each = "each" if len(targets) == 2 else "two at a time"
    text = (
        f"{names} are met {each}, but never {'both' if len(targets) == 2 else 'all'} at one epoch"
    )
    *others, last = sorted(targets, key=lambda t: t.metric == objective_metric(targets))
    together = _extreme(last, [(n, e) for n, e in epochs if epoch_rules.meets(e, others)])
    if together is not None:
        met = listed([t.text for t in others])
        text += f": where {met} {_hold(len(others))}, {SHORT[last.metric]} comes to"
        text += f" {_shown(last, together[0])} (trial {together[1]})"
    return Advice("conflict", f"{text}.", None)


def _extreme(
    target: Target, epochs: Iterable[tuple[int, EpochMetrics]]
) -> tuple[float, int] | None:
    """The figure nearest to the target, or deepest inside it, and its trial."""
    known = [
        (f, -trial)
        for trial, epoch in epochs
        if (f := epoch.figure(target.metric)) is not None and math.isfinite(f)
    ]
    if not known:
        return None
    value, trial = max(known, key=lambda k: (k[0] if target.is_floor else -k[0], k[1]))
    return value, -trial


def _shown(target: Target, value: float) -> str:
    return figure_text(target.metric, value, [target])


def _hold(count: int) -> str:
    return "holds" if count == 1 else "hold"


# --- epochs -----------------------------------------------------------------------------------


def _too_short(
    best: Sequence[Entry], outcome: Outcome, definition: SweepDefinition
) -> list[Advice]:
    """Whether the best end at the last epoch with the objective still rising, and room on train."""
    if "epochs" in definition.space.names or definition.early_stopping is not None:
        return []  # how long to train is part of what is searched, or left to each trial
    usual = epochs_of(definition.fixed, definition.epochs)
    late = [
        entry
        for entry in best
        if entry.chosen is not None
        and entry.chosen.epoch >= _LATE * usual
        and epochs_of(entry.params, usual) == usual
        and "patience" not in entry.params
        and entry.state == "complete"
        and not any(entry.violations[t.text] for t in outcome.targets if holds_back(t))
    ]
    metric = outcome.objective
    gains = [g for e in late if (g := _gain(e.record.epochs, metric)) is not None]
    if len(gains) < _SHARE * len(best):
        return []
    mean = fmean(gains)
    error = math.sqrt(math.fsum((g - mean) ** 2 for g in gains) / (len(gains) - 1) / len(gains))
    if mean < _GAIN or mean < 2 * error:
        return []
    text = (
        f"{len(gains)} of the best {len(best)} end at epoch {usual} while {what_is_lost(metric)} "
        f"still gains {mean:.4f} an epoch: train longer."
    )
    more = f"--fix epochs={2 * usual}" if "epochs" in definition.fixed else f"--epochs {2 * usual}"
    return [Advice("epochs", text, more)]


def _gain(epochs: Sequence[EpochMetrics], metric: str) -> float | None:
    """By how much a figure gains an epoch over the last third of the training, at least 4."""
    count = max(4, len(epochs) // 3)
    last = sorted(epochs, key=lambda e: e.epoch)[-count:]
    known = [
        (e.epoch, value)
        for e in last
        if (value := e.figure(metric)) is not None and math.isfinite(value)
    ]
    if len(known) < 4:
        return None
    return slope(known)


# --- the space --------------------------------------------------------------------------------


def _pressed(
    best: Sequence[Entry], rest: Sequence[Entry], definition: SweepDefinition
) -> list[Advice]:
    """Ordered parameters of which the best are at an end, where there is more beyond it."""
    found = []
    for parameter in definition.space.parameters:
        for upper in (False, True):
            at_end = _end_test(parameter, upper)
            if at_end is None or not _told_apart(parameter, at_end, best, rest, definition):
                continue
            change = beyond_end(parameter, upper)
            if change is None or not _parses(definition, change):
                continue
            here, of, there, others = _counts(parameter, at_end, best, rest)
            side = "upper" if upper else "lower"
            values = _words(parameter, upper)
            text = (
                f"{here} of the best {of} have {parameter.name} {values}, the {side} end of what "
                f"is tried ({there} of the other {others} do): try beyond it."
            )
            found.append((here / of, Advice("bound", text, _option(change))))
    return [advice for _, advice in sorted(found, key=lambda f: -f[0])]


def _unused(
    best: Sequence[Entry], rest: Sequence[Entry], definition: SweepDefinition
) -> list[Advice]:
    """Choices that none of the best uses though many others do."""
    found, luck = [], _luck(definition)
    for parameter in definition.space.parameters:
        domain = parameter.domain
        if not isinstance(domain, Choices) or domain.ordered or len(domain.values) < 2:
            continue
        idle = []
        for value in domain.values:
            here, of, there, others = _counts(parameter, _equals(value), best, rest)
            if of == len(best) and not here and chance_of_fewer(here, of, there, others) <= luck:
                idle.append((value, there, others))
        left = [v for v in domain.values if v not in [value for value, _, _ in idle]]
        if not idle or not left:
            continue
        names = " or ".join(number_text(value) for value, _, _ in idle)
        there, others = sum(n for _, n, _ in idle), idle[0][2]
        text = (
            f"None of the best {len(best)} has {parameter.name} {one_line(names, 60)} "
            f"({there} of the other {others} {'does' if there == 1 else 'do'}): leave "
            f"{'it' if len(idle) == 1 else 'them'} out."
        )
        change = f"{parameter.name}=[{', '.join(map(number_text, left))}]".replace(" ", "")
        found.append(
            Advice("choice", text, _option(change) if _parses(definition, change) else None)
        )
    return found


def _end_test(parameter: Parameter, upper: bool) -> Callable[[ParamValue], bool] | None:
    """Whether a value is at that end; None for what has no order."""
    domain = parameter.domain
    if isinstance(domain, Choices):
        if not domain.ordered or len(domain.values) < 3:
            return None
        return _equals(domain.values[-1 if upper else 0])

    def near(value: ParamValue) -> bool:
        if isinstance(value, str | bool | list) or value == domain.alternative:
            return False
        if domain.log:
            low, high, place = math.log(domain.low), math.log(domain.high), math.log(value)
        else:
            low, high, place = domain.low, domain.high, float(value)
        share = (place - low) / (high - low)
        return share >= 1 - _END if upper else share <= _END

    def near_or_outside(value: ParamValue) -> bool:
        # A variant may lie outside the range, where its logarithm may not exist.
        return domain.contains(value) and near(value)

    return near_or_outside


def _equals(wanted: ParamValue) -> Callable[[ParamValue], bool]:
    return lambda value: value == wanted


def _counts(
    parameter: Parameter,
    test: Callable[[ParamValue], bool],
    best: Sequence[Entry],
    rest: Sequence[Entry],
) -> tuple[int, int, int, int]:
    """(passing, having) of the best, then of the rest; who lacks the parameter is not counted."""
    both = []
    for entries in (best, rest):
        values = [e.params[parameter.name] for e in entries if parameter.name in e.params]
        both += [sum(map(test, values)), len(values)]
    return both[0], both[1], both[2], both[3]


def _told_apart(
    parameter: Parameter,
    at_end: Callable[[ParamValue], bool],
    best: Sequence[Entry],
    rest: Sequence[Entry],
    definition: SweepDefinition,
) -> bool:
    """Whether the best are at the end more often than the rest, or than the space explains.

    Where the sampler itself went there, the rest are at the end, too, and only the space says what
    luck would do.
    """
    here, of, there, others = _counts(parameter, at_end, best, rest)
    if of < 0.8 * len(best) or here < _SHARE * of:
        return False
    if others and chance_of_more(here, of, there, others) <= _luck(definition):
        return True
    domain = parameter.domain
    expected = 1 / len(domain.values) if isinstance(domain, Choices) else _share_of(domain)
    if definition.sampler != "tpe" or there < _WENT * others:
        return False
    return chance_of_draws(here, of, expected) <= _luck(definition) / 10


def _share_of(domain: Range) -> float:
    """The share of draws that lie within the end of a range by chance."""
    if not domain.integer or domain.log:
        return _END
    return max(_END, 1 / (math.floor((domain.high - domain.low) / (domain.step or 1)) + 1))


def _words(parameter: Parameter, upper: bool) -> str:
    domain = parameter.domain
    if isinstance(domain, Choices):
        return number_text(domain.values[-1 if upper else 0])
    end = number_text(domain.high if upper else domain.low)
    return end if domain.integer else f"near {end}"


def _option(change: str) -> str:
    return f"--set {shlex.quote(change)}" if "'" in change else f'--set "{change}"'


def _parses(definition: SweepDefinition, change: str) -> bool:
    """Whether the sweep can be run with that change."""
    try:
        restore(definition.to_json(), definition.name, Overrides(sets=(change,)))
    except TunerError:
        return False
    return True
