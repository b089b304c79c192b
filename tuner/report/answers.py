"""The questions of a sweep, answered: yes, no, or not shown, with the figures behind it.

The rule: an answer says no more than its figures carry. A difference counts where its interval
leaves out 0; a target counts as met by a variant where every seed meets it. One seed answers
nothing by comparison.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tuner.definition import SweepDefinition
from tuner.questions import SEARCH, By, Question
from tuner.report.causes import NAMES, Findings, findings_of
from tuner.report.selection import Entry, Outcome
from tuner.report.variants import Difference, Spread, Variant, difference, variants_of
from tuner.report.wording import SCORE_NAMES, amount_text, listed, plural, trials_text
from tuner.targets import Target

Verdict = Literal["yes", "no", "open", "seen", "waiting"]

WORDS: dict[Verdict, str] = {
    "yes": "Yes",
    "no": "No",
    "open": "Not shown",
    "seen": "What is seen",
    "waiting": "Not yet",
}

FIGURE_NAMES = {
    **SCORE_NAMES,
    "train_accuracy": "train accuracy",
    "test_accuracy": "test accuracy",
    "val_loss": "validation loss",
    "val_loss_penalised": "validation loss with penalty",
    "train_loss": "train loss",
    "train_loss_penalised": "train loss as Keras prints it",
    "test_loss": "test loss",
    "accuracy_gap": "gap",
}
_POINTS = (*SCORE_NAMES, "train_accuracy", "test_accuracy", "accuracy_gap")


@dataclass(frozen=True)
class Answer:
    """One question with its answer.

    Attributes:
        question: what was asked.
        verdict: see `WORDS`.
        text: a sentence or two with the figures, without the verdict's word.
        differences: what a comparison rests on.
        parts: the sentences of `text` one by one, where it has one for each variant or pair.
    """

    question: Question
    verdict: Verdict
    text: str
    differences: tuple[Difference, ...] = ()
    parts: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """`No: …`, in full."""
        return f"{WORDS[self.verdict]}: {self.text}"


def comparison_of(
    outcome: Outcome, definition: SweepDefinition
) -> tuple[tuple[Variant, ...], tuple[Answer, ...]]:
    """The variants that there are, and the answers to the sweep's questions."""
    found = variants_of(outcome, definition.variants, definition.epoch)
    return found, answers_of(outcome, definition.questions, found)


def answers_of(
    outcome: Outcome, questions: Sequence[Question], variants: Sequence[Variant]
) -> tuple[Answer, ...]:
    """An answer to each question, in order."""
    by_name = {variant.name: variant for variant in variants}
    return tuple(_answer(outcome, question, by_name) for question in questions)


def unasked(variants: Sequence[Variant]) -> tuple[Answer, ...]:
    """What a sweep with seeds answers that asks nothing: each variant against the first."""
    if len(variants) < 2 or all(len(v.trainings) < 2 for v in variants):
        return ()
    first, others = variants[0].name, tuple(v.name for v in variants[1:])
    questions = [
        Question(f"Each against {first}", others, (first,), By.parse(name))
        for name in ("val_accuracy", "val_loss")
    ]
    return tuple(_compared(q, variants[1:], variants[:1]) for q in questions)


def _answer(outcome: Outcome, question: Question, known: dict[str, Variant]) -> Answer:
    if question.of == (SEARCH,) and SEARCH not in known:
        return _of_search(outcome, question)
    lacking = [name for name in (*question.of, *question.than) if name not in known]
    if lacking:
        were = "has" if len(lacking) == 1 else "have"
        return Answer(question, "waiting", f"{listed(lacking)} {were} not been trained yet.")
    of = [known[name] for name in question.of]
    if question.by.kind == "targets":
        return _of_targets(outcome, question, of)
    if question.by.kind == "causes":
        return _in_parts(question, "seen", [_causes(v) for v in of])
    return _compared(question, of, [known[name] for name in question.than])


def _in_parts(
    question: Question,
    verdict: Verdict,
    parts: Sequence[str],
    differences: tuple[Difference, ...] = (),
) -> Answer:
    return Answer(question, verdict, " ".join(parts), differences, tuple(parts))


# --- by the targets ---------------------------------------------------------------------------


def _of_targets(outcome: Outcome, question: Question, of: Sequence[Variant]) -> Answer:
    passes = [(v.passes, len(v.trainings)) for v in of]
    verdict: Verdict = "open"
    if all(met == total for met, total in passes):
        verdict = "yes"
    elif all(met == 0 for met, _ in passes):
        verdict = "no"
    return _in_parts(question, verdict, [_judged(v, outcome.targets) for v in of])


def _judged(variant: Variant, targets: Sequence[Target]) -> str:
    total = len(variant.trainings)
    who = f"{variant.name} meets {listed([t.text for t in targets])}"
    text = f"{who} in {variant.passes} of {total} {plural('seed', total)}"
    figures = []
    for target in targets:
        spread = _metric(variant, target.metric)
        if spread is not None:
            side = "" if target.met_by(spread.mean) else f", {_beyond(target, spread.mean)}"
            name = FIGURE_NAMES.get(target.metric, target.metric)
            figures.append(f"{name} {spread_text(target.metric, spread)}{side}")
    return f"{text}{': ' + '; '.join(figures) if figures else ''}."


def _metric(variant: Variant, metric: str) -> Spread | None:
    if metric == "parameters":
        count = variant.entry.figure("parameters")
        return None if count is None else Spread(count, None, 1)
    return variant.spread(metric)


def _beyond(target: Target, mean: float) -> str:
    amount = abs(mean - target.value)
    side = "below" if target.is_floor else "above"
    if target.metric in _POINTS:
        return f"{_points(amount)} {side} the limit"
    return f"{amount_text(target.metric, amount)} {side} the limit"


def _of_search(outcome: Outcome, question: Question) -> Answer:
    sampled = [e for e in outcome.entries if e.variant is None and e.verdict is not None]
    if not sampled:
        return Answer(question, "waiting", "no trial of the search has finished yet.")
    count = trials_text(len(sampled))
    goal = listed([t.text for t in outcome.targets])
    meets = [e for e in outcome.meets if e.variant is None]
    if not meets:
        nearest = next((e for e in outcome.nearest if e.variant is None), None)
        has = f"has {_figures(outcome, nearest)}" if nearest else ""
        near = f"; the nearest, trial {nearest.trial}, {has}" if nearest else ""
        return Answer(question, "no", f"none of the {count} of the search meets {goal}{near}.")
    first = meets[0]
    verb = "meets" if len(meets) == 1 else "meet"
    text = (
        f"{len(meets)} of the {count} of the search {verb} {goal}; the first, trial "
        f"{first.trial}, has {_figures(outcome, first)}.{_given_up(meets)}"
    )
    return Answer(question, "yes", text)


def _figures(outcome: Outcome, entry: Entry) -> str:
    shown = dict.fromkeys((outcome.objective, "val_accuracy", "train_accuracy"))
    found = [
        f"{FIGURE_NAMES[name]} {100 * value:.1f} %"
        for name in shown
        if (value := entry.figure(name)) is not None
    ]
    return listed(found)


def _given_up(meets: Sequence[Entry]) -> str:
    """What a winner is that meets by having learned little, for someone who has not met one."""
    warned = [e for e in meets if e.cautions]
    if not warned:
        return ""
    all_of = "All of them" if len(warned) == len(meets) else f"{len(warned)} of them"
    if len(meets) == 1:
        all_of = "It"
    verb = "stays" if len(meets) == 1 else "stay"
    text = f" {all_of} {verb} under the limit on train by learning less, not by generalising better"
    lost = sorted(c.given_up for e in warned for c in e.cautions if c.given_up)
    if lost:
        least, most = _points(lost[0]), _points(lost[-1])
        amount = most if least == most else f"{least.removesuffix(' points')} to {most}"
        text += f": without that limit this sweep reaches {amount} more on validation"
    return f"{text}."


# --- by comparison ----------------------------------------------------------------------------


def _compared(question: Question, of: Sequence[Variant], than: Sequence[Variant]) -> Answer:
    pairs = [(one, other) for one in of for other in than]
    found = tuple(difference(a, b, question.by, len(pairs)) for a, b in pairs)
    parts = [_difference_text(a, b, d) for (a, b), d in zip(pairs, found, strict=True)]
    each = {_over_all([d for d in found if d.of == one.name]) for one in of}
    return _in_parts(question, each.pop() if len(each) == 1 else "seen", parts, found)


def _over_all(found: Sequence[Difference]) -> Verdict:
    """Of one variant: yes where it is ahead of all others, no where it is behind one."""
    ahead = [_is_ahead(d) for d in found]
    if all(a is True for a in ahead):
        return "yes"
    return "no" if any(a is False for a in ahead) else "open"


def _is_ahead(found: Difference) -> bool | None:
    """As `Difference.ahead`; of a time also where one always gets there and the other never."""
    if found.pairs == 0 and found.by.kind == "time":
        (never_of, of), (never_than, than) = zip(found.missing, found.trainings, strict=True)
        if (never_of, never_than) == (0, than):
            return True
        if (never_of, never_than) == (of, 0):
            return False
    return found.ahead


def _difference_text(of: Variant, than: Variant, found: Difference) -> str:
    by = found.by
    lacking = [
        f"{one.name} {_lacks(by)} in {count} of {len(one.trainings)} seeds"
        for one, count in zip((of, than), found.missing, strict=True)
        if count
    ]
    if found.pairs == 0:
        what = f"reach {by.target.text}" if by.target else f"have a {figure_name(by)}"
        return f"{listed(lacking) or f'no seed in which both {what}'}: no pair to compare."
    one, two = of.spread(by), than.spread(by)
    assert one is not None
    assert two is not None
    name = figure_name(by)
    text = (
        f"{of.name} {_against(found)} {than.name}: {name} {spread_text(by.name, one)} against "
        f"{spread_text(by.name, two)}, a difference of {signed(by.name, found.mean)}"
    )
    if found.low is not None and found.high is not None:
        text += f" ({interval_text(found)}, {found.pairs} pairs)"
    elif found.pairs == 1:
        text += " (one pair: no interval)"
    else:
        text += f" ({found.pairs} pairs, all alike: too few for an interval)"
    if by.name == "seconds":
        text += ", by the clock, beside whatever else the machine did"
    return f"{'; '.join([text, *lacking])}."


def _lacks(by: By) -> str:
    if by.target is not None:
        return f"never reaches {by.target.text}"
    if by.name.startswith("test_"):
        return "was not measured on the test rows"
    return f"has no {figure_name(by)}"


def _against(found: Difference) -> str:
    if found.ahead is None:
        return "cannot be told from"
    return "is better than" if found.ahead else "is worse than"


def figure_name(by: By) -> str:
    """`validation accuracy`, or `epochs to val_accuracy >= 0.95`."""
    return FIGURE_NAMES.get(by.name, by.text)


def interval_text(found: Difference) -> str:
    """`95 % interval -0.21 to +0.03 points`."""
    assert found.low is not None
    assert found.high is not None
    name = found.by.name
    low = signed(name, found.low).removesuffix(_unit(name))
    return f"{100 * found.level:.3g} % interval {low} to {signed(name, found.high)}"


def _unit(name: str) -> str:
    if name in _POINTS:
        return " points"
    return {"epochs": " epochs", "seconds": " s"}.get(name, "")


def signed(name: str, value: float) -> str:
    """A difference with its sign and unit: `+0.43 points`, `-0.012`."""
    if not math.isfinite(value):
        return "–"
    if name in _POINTS:
        return f"{100 * value:+.2f} points"
    if name in ("epochs", "seconds"):
        return f"{value:+.1f}{_unit(name)}"
    return f"{value:+.4f}"


def spread_text(name: str, spread: Spread | None) -> str:
    """`88.4 % ± 0.2`, `0.3512 ± 0.0040`, `3.2 ± 0.4`; `–` for None."""
    if spread is None or not math.isfinite(spread.mean):
        return "–"
    if name in _POINTS:
        text = f"{100 * spread.mean:.2f}{' points' if name == 'accuracy_gap' else ' %'}"
        return text if spread.sd is None else f"{text} ± {100 * spread.sd:.2f}"
    if name == "parameters":
        return f"{spread.mean:,.0f}"
    digits = 1 if name in ("epochs", "seconds") else 4
    text = f"{spread.mean:.{digits}f}"
    return text if spread.sd is None else f"{text} ± {spread.sd:.{digits}f}"


def _points(share: float) -> str:
    text = f"{100 * share:.1f}" if share >= 0.00095 else f"{100 * share:.1g}"
    return f"{text} {'point' if text == '1.0' else 'points'}"


# --- causes -----------------------------------------------------------------------------------


def findings_in(entry: Entry) -> Findings | None:
    """What the gradients of a trial say of its loss; None where they were not noted."""
    record = entry.record
    if record.gradients is None or not record.epochs:
        return None
    return findings_of(record.epochs, record.gradients)


def _causes(variant: Variant) -> str:
    found = findings_in(variant.entry)
    if found is None:
        return f"{variant.name}: its gradients were not noted."
    return f"{variant.name}: {findings_text(found)}"


def findings_text(found: Findings) -> str:
    """`the loss stays at 2.303 (guessing costs 2.303). Vanishing gradients: …`."""
    told = "; ".join(f"{NAMES[c.kind]}, since {c.text}" for c in found.causes)
    guess = f"{found.guess:.4g}"
    if found.falls:
        spite = f", in spite of {told}" if told else ""
        return f"the loss falls, to {found.loss:.4g} (guessing costs {guess}){spite}."
    if found.loss is None:
        begun = "the loss is no longer finite"
    elif found.loss > found.guess * 1.05:
        begun = f"the loss ends at {found.loss:.4g}, above the {guess} of guessing"
    elif found.loss > found.guess * 0.95:
        begun = f"the loss stays at {found.loss:.4g}, and guessing costs {guess}"
    else:
        begun = f"the loss ends at {found.loss:.4g}, and guessing costs {guess}"
    if not found.causes:
        return f"{begun}; the gradients show no cause."
    return f"{begun}: {told}."
