"""What the repeats say: the table of confirmations, in figures and in plain words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tuner.epochs import choose, meets
from tuner.report.confirmation import Confirmation
from tuner.report.page.answer import bound_text, tested
from tuner.report.page.words import NAMES, SHARES, capital, figure, goal, named, share
from tuner.report.selection import Entry, Outcome
from tuner.report.wording import plural
from tuner.targets import Target
from tuner.trial import Repeat

HOLM = (
    "The more trials are put to the test, the likelier one of them passes by luck. So the bounds "
    "are stricter than 95 % where several were tested (Holm's step-down procedure): the chance "
    "that any of them is confirmed wrongly stays at 5 %, over all of them together, where seeds "
    "and trials were fixed beforehand; looking again with more seeds or more trials adds to it."
)
JUDGED = (
    "Every repeat is judged at the epoch of the original trial; its own best epoch is shown beside "
    "it and decides nothing. Confirmed: the bound of every target keeps its limit. Marginal: only "
    "the means do. Fluke: a mean does not. The bounds are about seeds and splits of this data set."
)

_KINDS = {"own": "same seed, same split", "fresh": "fresh seed and split", "same": "fresh seed"}


@dataclass(frozen=True)
class RepeatRow:
    """One training: what it was, its figures in the order of the targets, whether it passes."""

    name: str
    seed: int
    figures: tuple[str, ...]
    best_epoch: str
    passes: bool | None


@dataclass(frozen=True)
class Bound:
    """One target: its name with the limit, mean ± sd, what is vouched for, and whether it holds."""

    goal: str
    mean: str
    bound: str
    holds: bool


@dataclass(frozen=True)
class Proof:
    """One trial that was put to the test.

    Attributes:
        trial, title, verdict: what it is.
        summary: plain sentences.
        bounds: by target.
        columns: heads of the figures of `rows`.
        rows: its repeats.
    """

    trial: int
    title: str
    verdict: str
    summary: tuple[str, ...]
    bounds: tuple[Bound, ...]
    columns: tuple[str, ...]
    rows: tuple[RepeatRow, ...]


def proofs(outcome: Outcome) -> tuple[Proof, ...]:
    """One for each trial that was put to the test: confirmed ones first, then by number."""
    order = {"confirmed": 0, "marginal": 1, "fluke": 2}
    entries = sorted(
        tested(outcome),
        key=lambda e: (order[e.confirmation.verdict] if e.confirmation else 3, e.trial),
    )
    return tuple(
        _proof(e, e.confirmation, outcome.targets) for e in entries if e.confirmation is not None
    )


def _proof(entry: Entry, found: Confirmation, targets: Sequence[Target]) -> Proof:
    return Proof(
        trial=entry.trial,
        title=capital(named(entry)),
        verdict=found.verdict,
        summary=_summary(found),
        bounds=tuple(
            Bound(
                goal=goal(b.target),
                mean=_mean(b.target, b.mean, b.sd),
                bound=bound_text(b),
                holds=b.bound is not None and b.target.met_by(b.bound),
            )
            for b in found.targets
        ),
        columns=tuple(NAMES[t.metric] for t in targets),
        rows=tuple(_row(r, targets) for r in found.repeats),
    )


def _mean(target: Target, mean: float, sd: float) -> str:
    text = figure(target.metric, mean, [target], 2)
    if not math.isfinite(sd):
        return text
    if target.metric in (*SHARES, "accuracy_gap"):
        return f"{text} ± {100 * sd:.2f}"
    return f"{text} ± {sd:.3g}"


def _summary(found: Confirmation) -> tuple[str, ...]:
    low, high = found.interval
    split = "on its own validation split" if found.same_split else "on freshly cut splits"
    said = [
        f"{found.passes} of {found.seeds} {plural('training', found.seeds)} {split} meet all "
        f"targets at epoch {found.epoch}; of all such trainings {100 * low:.0f} to "
        f"{100 * high:.0f} % would.",
        f"Bounds at {100 * found.level:.3g} %: {_family(found.family)}.",
    ]
    if found.reproduces is not None:
        said.append(
            {
                "exactly": "Its own seed gave exactly the same figures again.",
                "closely": "Its own seed gave nearly the same figures again.",
                "no": "Its own seed did not give its figures again.",
            }[found.reproduces]
        )
        if found.changed and found.reproduces != "exactly":
            said.append(f"What differed in that repetition: {'; '.join(found.changed)}.")
    test = found.test
    if test is not None:
        drop = found.drop
        text = f"Test: {share(test.accuracy, 2)} on {test.rows:,} rows that chose nothing"
        if drop is not None:
            side = "below" if drop >= 0 else "above"
            text += f", {abs(100 * drop):.2f} points {side} the mean on validation"
        looked = (
            f"; {test.looked_at} trials had been judged by validation before"
            if test.looked_at
            else ""
        )
        before = (
            f", and the test rows read for {test.read_before} other "
            f"{plural('trial', test.read_before)}"
            if test.read_before
            else ""
        )
        said.append(f"{text}{looked}{before}.")
    return tuple(said)


def _family(size: int) -> str:
    return "it was the only trial put to the test" if size == 1 else f"{size} trials were tested"


def _row(repeat: Repeat, targets: Sequence[Target]) -> RepeatRow:
    judged = repeat.judged
    best = choose(repeat.epochs, targets, "best")
    return RepeatRow(
        name=_KINDS[repeat.kind],
        seed=repeat.seed,
        figures=tuple(
            figure(t.metric, None if judged is None else judged.figure(t.metric), [t], 2)
            for t in targets
        ),
        best_epoch="–"
        if best is None
        else f"{best.metrics.epoch} ({share(best.metrics.val_accuracy)})",
        passes=None if judged is None else meets(judged, targets),
    )
