"""The top of the page: one plain sentence, how far to trust it, and the configurations."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from tuner.report.confirmation import Confirmation, TargetBound
from tuner.report.page.words import (
    NAMES,
    amount,
    capital,
    figure,
    goal,
    goals,
    named,
    share,
    trials_listed,
)
from tuner.report.selection import Entry, Outcome, window_text
from tuner.report.wording import (
    configuration,
    duration_text,
    listed,
    one_line,
    plural,
    trials_text,
)
from tuner.scores import TestScore
from tuner.targets import Target

CARDS = 3


@dataclass(frozen=True)
class Gauge:
    """One target on a card: a bar from one side of its limit to the other.

    Attributes:
        name, text, limit: `train`, `94.1 %`, `< 95 %`.
        met: whether the figure keeps the limit; None where it was not measured.
        at: where the figure lies, 0 to 1, with the limit in the middle and better to the right.
        bound: what its repeats vouch for, such as `at most 94.6 %`, or empty.
    """

    name: str
    text: str
    limit: str
    met: bool | None
    at: float
    bound: str = ""


@dataclass(frozen=True)
class Snippet:
    """Text to copy: the word on its button, and the text."""

    word: str
    text: str


@dataclass(frozen=True)
class Card:
    """One configuration.

    Attributes:
        trial, title: its number, `trial 7`.
        kind: a mark of `charts_base.KINDS`, for its colour.
        badge: one or two words: what is known of it.
        configuration: in one line.
        gauges: its targets.
        facts: short phrases: epoch, window, weights.
        proof: what its repeats and the test rows say; empty where it was not put to the test.
        cautions: why it may not be what was wanted.
        snippets: to copy.
        link: its run in MLflow, or empty.
    """

    trial: int
    title: str
    kind: str
    badge: str
    configuration: str
    gauges: tuple[Gauge, ...]
    facts: tuple[str, ...]
    proof: tuple[str, ...]
    cautions: tuple[str, ...]
    snippets: tuple[Snippet, ...]
    link: str = ""


@dataclass(frozen=True)
class Fact:
    """A large figure and what it is."""

    figure: str
    name: str
    note: str = ""


def headline(outcome: Outcome) -> str:
    """The answer in one plain sentence."""
    counts = outcome.counts
    if not counts.finished:
        return f"No trial of {outcome.study} has finished yet."
    if not outcome.judged:
        return f"None of {trials_text(counts.finished)} came far enough to be judged."
    asked = goals(outcome.targets)
    of = f"{trials_text(counts.finished)}"
    sure = outcome.confirmed
    if sure:
        verb = "is" if len(sure) == 1 else "are"
        text = f"{capital(trials_listed(sure))} {verb} confirmed to meet {asked}"
        return f"{text}." if outcome.meets else f"{text}; by its own figures none of {of} does."
    if not outcome.meets:
        return f"None of {of} meets {asked}."
    verb = "meets" if len(outcome.meets) == 1 else "meet"
    text = f"{len(outcome.meets)} of {of} {verb} {asked}"
    return f"{text}; none is confirmed{'' if tested(outcome) else ' yet'}."


def lead(outcome: Outcome) -> tuple[str, ...]:
    """The sentences below it: who is best or nearest, and what that is worth."""
    counts = outcome.counts
    if not outcome.judged:
        reasons = [r for e in outcome.entries if (r := e.record.reason)]
        return (f"The first one says: {one_line(reasons[0])}.",) if reasons else ()
    said = []
    if outcome.meets:
        said.append(_leader(outcome, outcome.meets[0]))
        said.append(_trust(outcome))
    else:
        said.append(_nearest(outcome))
        said.extend([_trust(outcome)] if outcome.confirmed else [])
        if outcome.binding_target is not None and len(outcome.targets) > 1:
            binding = next(t for t in outcome.targets if t.text == outcome.binding_target)
            said.append(
                f"What holds the nearest back is {goal(binding)}: it is the target that binds."
            )
    if counts.finished < counts.requested:
        said.append(f"{counts.finished} of the {counts.requested} trials have finished so far.")
    return tuple(s for s in said if s)


def candidates_of(outcome: Outcome) -> tuple[Entry, ...]:
    """The configurations that are shown first, and every other one that is confirmed."""
    meets = outcome.meets[:CARDS]
    others = tuple(e for e in outcome.confirmed if e.verdict != "meets")
    shown = {e.trial for e in others}
    nearest = tuple(e for e in outcome.nearest if e.trial not in shown)[:CARDS]
    return (*meets, *others) if meets else (*others, *nearest)


def tested(outcome: Outcome) -> list[Entry]:
    """The trials that were put to the test."""
    return [e for e in outcome.entries if e.confirmation is not None]


def facts(outcome: Outcome, seconds: float) -> tuple[Fact, ...]:
    """The row of large figures.

    Args:
        outcome: of the study.
        seconds: training time of all trials and repeats together.
    """
    counts = outcome.counts
    others = [(counts.pruned, "pruned"), (counts.failed, "failed"), (counts.running, "running")]
    states = [f"{counts.complete} complete", *(f"{n} {word}" for n, word in others if n)]
    found = [
        Fact(f"{counts.finished:,}", plural("trial", counts.finished), ", ".join(states)),
        Fact(f"{len(outcome.meets):,}", "meets" if len(outcome.meets) == 1 else "meet"),
    ]
    best = next(iter(outcome.meets), outcome.best)
    if best is not None:
        metric = outcome.objective
        words = f"best {NAMES[metric]}{' that meets' if outcome.meets else ''}"
        top = max(
            (v for e in outcome.meets or (best,) if (v := e.figure(metric)) is not None),
            default=None,
        )
        found.append(Fact(figure(metric, top, outcome.targets), words))
    sure, those = len(outcome.confirmed), len(tested(outcome))
    note = f"of {those} put to the test" if those else "none put to the test yet"
    found.insert(2, Fact(str(sure), "confirmed", note))
    each = [
        f"{duration_text(seconds / n)} for each that {word}"
        for n, word in ((len(outcome.meets), "meets"), (sure, "is confirmed"))
        if n
    ]
    found.append(Fact(duration_text(seconds), "of training", each[-1] if each else ""))
    return tuple(found)


def card(outcome: Outcome, entry: Entry, kind: str, link: str) -> Card:
    """The card of one configuration."""
    proof = entry.confirmation
    badge: str = entry.verdict or entry.state
    if proof is not None:
        badge = proof.verdict
    elif entry.verdict == "meets":
        badge = "meets, not confirmed"
    elif entry.verdict == "misses" and entry.total_violation is not None:
        badge = "misses"
    return Card(
        trial=entry.trial,
        title=capital(named(entry)),
        kind=kind,
        badge=badge,
        configuration=configuration(entry.params),
        gauges=tuple(_gauge(entry, t, proof) for t in outcome.targets),
        facts=_card_facts(entry),
        proof=() if proof is None else _proof(proof, outcome.targets),
        cautions=tuple(f"{capital(c.text)}." for c in entry.cautions),
        snippets=_snippets(outcome, entry),
        link=link,
    )


def bound_text(bound: TargetBound) -> str:
    """`at least 90.1 %`: what the repeats vouch for; empty without a bound."""
    if bound.bound is None:
        return ""
    side = "at least" if bound.target.is_floor else "at most"
    return f"{side} {figure(bound.target.metric, bound.bound, [bound.target], 2)}"


def test_figures(test: TestScore, targets: Sequence[Target]) -> str:
    """`89.5 %`, or `89.5 % with balanced accuracy 84.2 %` where a target names that."""
    more = [
        f"{NAMES[metric]} {figure(metric, value)}"
        for metric, value in test.by_class.items()
        if value is not None and any(t.metric == metric for t in targets)
    ]
    return share(test.accuracy) + (f" with {listed(more)}" if more else "")


def _leader(outcome: Outcome, best: Entry) -> str:
    metric = outcome.objective
    val = figure(metric, best.figure(metric), outcome.targets)
    if metric != "val_accuracy":
        val = f"{NAMES[metric]} {val}"
    on = "the test rows" if outcome.banner else "validation"
    text = f"{capital(named(best))}{' leads' if len(outcome.meets) > 1 else ''}: {val} on {on}"
    train = best.figure("train_accuracy")
    if train is not None:
        text += f", {figure('train_accuracy', train, outcome.targets)} on train"
    epochs = best.record.spec.get("epochs")
    text += f", at epoch {best.chosen.epoch if best.chosen else 0}"
    text += f" of {epochs}" if epochs else ""
    if best.only_if_stopped is not None:
        text += ", if training is stopped there"
    return f"{text}."


def _trust(outcome: Outcome) -> str:
    if outcome.banner:
        return ""  # the banner says it
    sure = outcome.confirmed
    if sure and sure[0].confirmation is not None:
        first = sure[0].confirmation
        bounds = [
            f"{NAMES[b.target.metric]} {text}" for b in first.targets if (text := bound_text(b))
        ]
        text = (
            f"Trained again on {first.seeds} fresh seeds, trial {first.trial} passed "
            f"{first.passes} times; on average it has {listed(bounds)}, at "
            f"{100 * first.level:.3g} % confidence."
        )
        if first.test is not None:
            reached = test_figures(first.test, outcome.targets)
            text += f" On the test rows, which chose nothing, it reaches {reached}."
        return text
    those = tested(outcome)
    if those:
        marginal = [e for e in those if e.confirmation and e.confirmation.verdict == "marginal"]
        held = (
            f"the means of {trials_listed(marginal)} meet, but their bounds do not yet: more seeds "
            "may settle it"
            if marginal
            else "the figures did not hold up"
        )
        return (
            f"{capital(trials_listed(those))} {'was' if len(those) == 1 else 'were'} trained again "
            f"on fresh seeds, and {held}: see what the repeats say below."
        )
    if outcome.judged > 1:
        return (
            f"It was chosen among {trials_text(outcome.judged)} on one validation split: a part of "
            "that figure is luck, until fresh seeds have confirmed it."
        )
    return ""


def _nearest(outcome: Outcome) -> str:
    nearest = outcome.nearest[0]
    misses = [
        f"{NAMES[t.metric]} by {amount(t.metric, abs(value - t.value))}"
        for t in outcome.targets
        if nearest.violations[t.text]
        and (value := nearest.figure(t.metric)) is not None
        and value != t.value
    ]
    missing = [NAMES[t.metric] for t in outcome.targets if nearest.violations[t.text] is None]
    said = []
    if misses:
        said.append(f"misses {listed(misses)}")
    if missing:
        said.append(f"was not measured for {listed(missing)}")
    if not said:
        said.append(
            "was stopped before its last epoch could count"
            if nearest.state == "pruned"
            else "is at the very limit"
        )
    return f"The nearest, {named(nearest)}, {' and '.join(said)}."


def _gauge(entry: Entry, target: Target, proof: Confirmation | None) -> Gauge:
    value = entry.figure(target.metric)
    bound = next((b for b in proof.targets if b.target == target), None) if proof else None
    return Gauge(
        name=NAMES[target.metric],
        text=figure(target.metric, value, [target]),
        limit=goal(target).removeprefix(NAMES[target.metric].replace(" ", "\u00a0")).strip(),
        met=None if value is None else target.met_by(value),
        # Three units of the target's scale to either side: three points of accuracy.
        at=min(max(0.5 + target.margin(value) / 6, 0.02), 0.98),
        bound=bound_text(bound) if bound else "",
    )


def _card_facts(entry: Entry) -> tuple[str, ...]:
    if entry.chosen is None:
        return ()
    found = [f"epoch {entry.chosen.epoch} of {entry.record.spec.get('epochs', '?')}"]
    if entry.windows:
        found.append(f"meets at {window_text(entry.windows)}")
    if entry.only_if_stopped is not None:
        found.append("only if stopped there")
    weights = entry.figure("parameters")
    if weights:
        found.append(f"{weights:,.0f} weights")
    return tuple(found)


def _proof(proof: Confirmation, targets: Sequence[Target]) -> tuple[str, ...]:
    low, high = proof.interval
    found = [
        f"{proof.passes} of {proof.seeds} fresh trainings meet "
        f"(likely {100 * low:.0f} to {100 * high:.0f} % of all)"
    ]
    if proof.test is not None:
        found.append(f"{test_figures(proof.test, targets)} on the test rows")
    return tuple(found)


def _snippets(outcome: Outcome, entry: Entry) -> tuple[Snippet, ...]:
    if not entry.params:
        return ()
    study = shlex.quote(outcome.study)
    seed = f" --seed {entry.record.seed}" if entry.record.seed else ""
    return (
        Snippet("YAML", yaml_of(outcome, entry)),
        Snippet("train again", f"tuner train {study} --from {entry.trial}{seed}"),
        Snippet("export", f"tuner export {study} --trial {entry.trial}"),
    )


def yaml_of(outcome: Outcome, entry: Entry) -> str:
    """The configuration as a block of a sweep file."""
    import yaml

    figures = [
        f"{NAMES[m]} {figure(m, entry.figure(m))}"
        for m in dict.fromkeys((outcome.objective, "val_accuracy", "train_accuracy"))
    ]
    epoch = f" at epoch {entry.chosen.epoch}" if entry.chosen else ""
    head = one_line(f"{outcome.study}, {named(entry)}: {', '.join(figures)}{epoch}", 200)
    body = yaml.safe_dump(
        {"fixed": dict(entry.params)}, sort_keys=False, allow_unicode=True, default_flow_style=False
    )
    return f"# {head}\n{body}"
