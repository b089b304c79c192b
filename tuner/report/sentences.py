"""What an outcome means in one plain sentence, and the command that a person would type next.

The rule: the sentence says how far its figures are to be trusted. A figure that chose its trial on
one validation split is called that, until fresh seeds or the test split say more.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from tuner.report.confirmation import Confirmation
from tuner.report.diagnosis import Advice, next_sweep
from tuner.report.selection import Entry, Outcome
from tuner.report.wording import (
    SCORE_NAMES,
    SHORT,
    amount_text,
    bracket,
    figure_text,
    listed,
    one_line,
    plural,
    trials_text,
)
from tuner.targets import Target


def sentence(outcome: Outcome) -> str:
    """One plain sentence that says what the outcome means, and how far to trust it."""
    counts = outcome.counts
    if not counts.finished:
        waiting = [f"{n} {word}" for n, word in _pending(outcome) if n]
        return f"No trial of {outcome.study} has finished yet{bracket(', '.join(waiting))}."
    if not outcome.judged:
        return _nothing_judged(outcome)
    asked = "" if counts.finished >= counts.requested else f" (of {counts.requested} asked for)"
    trials = f"{counts.finished} finished {plural('trial', counts.finished)}{asked}"
    if not asked:
        trials = trials_text(counts.finished)
    goal = listed([t.text for t in outcome.targets]) or "the empty list of targets"
    if outcome.meets:
        verb = "meets" if len(outcome.meets) == 1 else "meet"
        text = f"{len(outcome.meets)} of {trials} {verb} {goal}; {_winner(outcome)}."
        return " ".join([text, *_unlucky(outcome)])
    text = f"None of {trials} meets {goal}; the nearest, {_near(outcome, outcome.nearest[0])}"
    if outcome.binding_target is not None and len(outcome.targets) > 1:
        text += f"; {outcome.binding_target} is the target that binds"
    if outcome.banner:
        text += "; validation is the test split here"
    return " ".join([f"{text}.", *_unlucky(outcome)])


def _unlucky(outcome: Outcome) -> list[str]:
    """A sentence on each trial that misses by its own figures, and is confirmed on fresh seeds."""
    return [
        f"Trial {e.trial} misses by its own figures and is confirmed all the same: "
        f"{tried(found)} at epoch {found.epoch}, {listed(bounds(found))}."
        for e in outcome.confirmed
        if e.verdict != "meets" and (found := e.confirmation) is not None
    ]


def best_advice(advice: Sequence[Advice]) -> Advice | None:
    """The advice that comes first where there is room for one: one with something to type."""
    return next((a for a in advice if a.change), next(iter(advice), None))


def next_command(outcome: Outcome, advice: Sequence[Advice] = ()) -> str:
    """The command that a person would type next.

    Args:
        advice: of `diagnosis.diagnose`; the next sweep follows it where nothing meets.
    """
    name, counts = shlex.quote(outcome.study), outcome.counts
    if outcome.what_if:
        return f"tuner report {name}"  # back to what the study itself asks for
    if counts.running:
        return f"tuner status {name}"
    if counts.finished < counts.requested:
        return f"tuner sweep {name} --trials {counts.requested}"
    if not outcome.judged:
        return f"tuner report {name} --format csv"  # its column `reason` says what went wrong
    if not outcome.meets and outcome.confirmed:
        return f"tuner export {name} --trial {outcome.confirmed[0].trial}"
    if not outcome.meets:
        return next_sweep(outcome, advice) or _more(outcome)
    if not outcome.banner and outcome.targets:
        return _next_proof(outcome)
    if any(entry.run_id for entry in outcome.meets):
        return "tuner ui"
    return f"tuner report {name} --format json"


def page_command(outcome: Outcome) -> str:
    """What writes the page of a study."""
    name = shlex.quote(outcome.study)
    return f"tuner report {name} --html {shlex.quote(f'{outcome.study}.html')}"


def _next_proof(outcome: Outcome) -> str:
    """What to do about trials that meet: put them to the test, or take what is confirmed."""
    name, first = shlex.quote(outcome.study), outcome.meets[0]
    tested = {e.trial: c for e in outcome.meets if (c := e.confirmation)}
    if first.trial in tested and tested[first.trial].verdict == "confirmed":
        return f"tuner export {name}"
    marginal = next((t for t, c in tested.items() if c.verdict == "marginal"), None)
    if marginal is not None:
        return f"tuner confirm {name} --trial {marginal} --seeds {2 * tested[marginal].seeds}"
    waiting = [e for e in outcome.meets if not e.confirmation and e.record.untold is None]
    if waiting and first.record.untold is None:
        return f"tuner confirm {name}"  # flukes come last, so that it takes others
    if waiting:
        return f"tuner confirm {name} --trial {waiting[0].trial}"
    return _more(outcome)


def _more(outcome: Outcome) -> str:
    """As many trials again; where nothing but variants was trained, a look at them."""
    if all(entry.variant for entry in outcome.entries):
        return page_command(outcome)
    return f"tuner sweep {shlex.quote(outcome.study)} --add {max(outcome.counts.requested, 1)}"


def _winner(outcome: Outcome) -> str:
    best = outcome.meets[0]
    if best.confirmation is not None and best.confirmation.verdict == "confirmed":
        return _confirmed(outcome, best, best.confirmation)
    on = "the test split" if outcome.banner else "validation"
    name = "" if outcome.objective == "val_accuracy" else f"{SCORE_NAMES[outcome.objective]} "
    reached = f"{name}{_of(outcome, best, outcome.objective)}"
    text = f"trial {best.trial} reaches {reached} on {on} at epoch "
    text += str(best.chosen.epoch if best.chosen else 0)
    if best.only_if_stopped is not None:
        text += " (only if stopped there)"
    elif best.state == "pruned":
        text += " (pruned before its last)"
    if best.figure("train_accuracy") is not None:
        text += f" with train {_of(outcome, best, 'train_accuracy')}"
    if len(outcome.meets) > 1:
        text = "the first by rank, " + text.replace(" reaches", ", reaches", 1)
    if outcome.banner:
        return f"{text}: the test split chose it, so this figure is optimistic"
    return f"{text}: {standing(outcome, best)}"


def standing(outcome: Outcome, entry: Entry) -> str:
    """How far the figures of a trial that meets are to be trusted, where it is not confirmed."""
    found = entry.confirmation
    if found is not None:
        return f"{tried(found)}, so that it is {_article(found)}"
    among = f"chosen among {trials_text(outcome.judged)}" if outcome.judged > 1 else "a figure"
    text = f"{among} on one validation split, not confirmed on fresh seeds"
    verdicts = [e.confirmation.verdict for e in outcome.meets if e.confirmation]
    flukes, marginal = verdicts.count("fluke"), verdicts.count("marginal")
    said = [f"{flukes} {'was a fluke' if flukes == 1 else 'were flukes'}"] if flukes else []
    said += [f"{marginal} {'is' if marginal == 1 else 'are'} marginal"] if marginal else []
    return f"{text}; of those put to the test, {listed(said)}" if said else text


def tried(found: Confirmation) -> str:
    """`3 of 5 fresh seeds pass`."""
    verb = "passes" if found.passes == 1 else "pass"
    where = " on its own split" if found.same_split else ""
    return f"{found.passes} of {found.seeds} fresh {plural('seed', found.seeds)}{where} {verb}"


def _article(found: Confirmation) -> str:
    return "a fluke" if found.verdict == "fluke" else found.verdict


def _confirmed(outcome: Outcome, best: Entry, found: Confirmation) -> str:
    sure = [e for e in outcome.meets if e.confirmation and e.confirmation.verdict == "confirmed"]
    text = f"trial {best.trial} is confirmed"
    if len(sure) > 1:
        text = f"{len(sure)} are confirmed, trial {best.trial} first"
    text += f": {tried(found)} at epoch {found.epoch}, {listed(bounds(found))}"
    if found.test is not None and found.drop is not None:
        metric, name, value, drop = outcome.objective, "accuracy", found.test.accuracy, found.drop
        if metric in (by_class := found.drops()):
            name, (value, drop) = SCORE_NAMES[metric], by_class[metric]
        where = "below" if drop >= 0 else "above"
        text += f"; test {name} {figure_text(metric, value)}, {amount_text(metric, abs(drop))} "
        text += f"{where} validation"
    return text


def bounds(found: Confirmation) -> list[str]:
    """`val 0.903 (at least 0.901)` for each target: the mean over the repeats and its bound."""
    texts = []
    for one in found.targets:
        metric, side = one.target.metric, "at least" if one.target.is_floor else "at most"
        mean = figure_text(metric, one.mean, [one.target])
        limit = f" ({side} {figure_text(metric, one.bound, [one.target])})"
        texts.append(f"{SHORT[metric]} {mean}{'' if one.bound is None else limit}")
    return texts


def _near(outcome: Outcome, entry: Entry) -> str:
    missed = [t for t in outcome.targets if entry.violations[t.text]]
    unknown = [t for t in outcome.targets if entry.violations[t.text] is None]
    parts = []
    if missed:
        misses = [f"{t.text} {_short_by(t, entry.figure(t.metric))}" for t in missed]
        parts.append(f"misses {listed(misses)}")
    if unknown:
        parts.append(f"was not measured for {listed([t.text for t in unknown])}")
    if not parts:
        epoch = entry.chosen.epoch if entry.chosen else 0
        parts.append(f"was pruned at epoch {epoch}, before its last epoch could count")
    return f"trial {entry.trial}, {' and '.join(parts)}"


def _short_by(target: Target, figure: float | None) -> str:
    if figure is None:
        return "without a finite figure"
    if figure == target.value:
        return "by a hair (it is exactly at the limit)"
    return f"by {amount_text(target.metric, abs(figure - target.value))}"


def _nothing_judged(outcome: Outcome) -> str:
    counts = outcome.counts
    reasons = [r for e in outcome.entries if (r := e.record.reason) and e.verdict is None]
    first = f"; the first says: {one_line(reasons[0])}" if reasons else ""
    if counts.failed == counts.finished:
        all_of = "The only trial" if counts.failed == 1 else f"All {trials_text(counts.failed)}"
        return f"{all_of} failed{first}."
    return (
        f"None of {trials_text(counts.finished)} got through an epoch "
        f"({counts.pruned} pruned, {counts.failed} failed){first}."
    )


def _pending(outcome: Outcome) -> list[tuple[int, str]]:
    return [(outcome.counts.running, "running"), (outcome.counts.waiting, "waiting")]


def _of(outcome: Outcome, entry: Entry, metric: str) -> str:
    return figure_text(metric, entry.figure(metric), outcome.targets)
