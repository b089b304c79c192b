"""What a confirmation found, for a person: one block a trial, one row a repeat.

The rule: the figures come first, the verdict last, and nothing is shown so short that it would seem
to be on the other side of a limit.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from tuner.epochs import meets
from tuner.report.confirmation import Confirmation, TargetBound, judged_repeats
from tuner.report.selection import Entry, Outcome
from tuner.report.tables import new_table
from tuner.report.wording import (
    SCORE_NAMES,
    brief,
    figure_text,
    listed,
    plural,
    trials_text,
)
from tuner.targets import Target
from tuner.trial import Repeat

STYLES = {"confirmed": "bold green", "marginal": "bold yellow", "fluke": "bold red"}
SPLITS = {"own": "its own", "same": "its own", "fresh": "fresh"}


@dataclass(frozen=True)
class ConfirmationBlock:
    """One tested trial: its repeats, their bounds, its verdict."""

    outcome: Outcome
    entry: Entry

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        found = self.entry.confirmation
        if found is None:
            return
        targets = self.outcome.targets
        name = f" ({self.entry.variant})" if self.entry.variant else ""
        yield Text.assemble((f"trial {self.entry.trial}{name}", "bold"), f" at epoch {found.epoch}")
        yield self._table(found, targets)
        yield Text.assemble((found.verdict, STYLES[found.verdict]), f": {verdict_text(found)}")
        for line in notes(self.outcome, self.entry):
            yield Text(f"  {line}")

    def _table(self, found: Confirmation, targets: Sequence[Target]) -> Table:
        table = new_table()
        table.add_column("repeat")
        table.add_column("split")
        for target in targets:
            table.add_column(brief(target), justify="right")
        table.add_column("")
        for number, repeat in enumerate(judged_repeats(found.repeats), 1):
            table.add_row(
                f"seed {number}",
                SPLITS[repeat.kind],
                *(_figure(repeat, target, targets) for target in targets),
                "passes" if _passes(repeat, targets) else "misses",
            )
        table.add_row("mean", "", *(_share(b, b.mean, targets) for b in found.targets), "")
        bounds = (_share(b, b.bound, targets) for b in found.targets)
        table.add_row(f"{found.level:.1%} bound", "", *bounds, found.verdict, style="bold")
        return table


def verdict_text(found: Confirmation) -> str:
    """Why the verdict is what it is, in words."""
    seeds = f"{found.passes} of {found.seeds} fresh {plural('seed', found.seeds)} pass"
    if found.same_split:
        seeds += " on the trial's own validation split"
    low, high = found.interval
    share = f"{seeds} (95 % interval of the share {low:.0%} to {high:.0%})"
    if found.verdict == "confirmed":
        return f"the bound meets every target; {share}"
    if found.verdict == "marginal":
        short = [str(b.target) for b in found.targets if not _bound_meets(b)]
        held = listed(short) if short else "the targets together"
        return f"the means meet every target, but the bound does not hold for {held}; {share}"
    missed = listed([str(b.target) for b in found.targets if not b.met_by_mean])
    return f"the mean misses {missed}; {share}"


def notes(outcome: Outcome, entry: Entry) -> list[str]:
    """What else belongs to a verdict: reproduction, correction, the test split."""
    found = entry.confirmation
    if found is None:
        return []
    lines = []
    if found.reproduces == "exactly":
        lines.append("its own seed gives the same figures again")
    elif found.reproduces is not None and found.difference is not None:
        word = "nearly the same figures" if found.reproduces == "closely" else "other figures"
        lines.append(f"its own seed gives {word} (accuracy differs by {found.difference:.4f})")
    elif found.reproduces is not None:
        lines.append("its own seed did not come to the judged epoch again")
    if found.changed and found.reproduces != "exactly":
        lines.append(f"what differed in that repetition: {'; '.join(found.changed)}")
    if found.family > 1:
        lines.append(
            f"one of {found.family} trials put to the test: bounds are corrected for that (Holm)"
        )
    own = [e for e in found.best_epochs if e != found.epoch]
    if own:
        epochs = ", ".join(map(str, found.best_epochs))
        lines.append(f"each seed's own best epoch, which decides nothing: {epochs}")
    if found.test is not None and found.drop is not None:
        where = "below" if found.drop >= 0 else "above"
        lines.append(
            f"test accuracy {found.test.accuracy:.4f} on {found.test.rows:,} rows, "
            f"{abs(found.drop) * 100:.2f} points {where} the mean on validation; "
            f"{trials_text(found.test.looked_at)} had been looked at before"
        )
        for metric, (value, drop) in found.drops().items():
            where = "below" if drop >= 0 else "above"
            lines.append(
                f"test {SCORE_NAMES[metric]} {value:.4f}, {abs(drop) * 100:.2f} points {where} "
                "the mean on validation"
            )
    return lines


def confirmation_sentence(outcome: Outcome, tested: Sequence[Entry]) -> str:
    """One plain sentence on what was put to the test."""
    if not tested:
        return f"No trial of {outcome.study} was put to the test."
    by_verdict: dict[str, list[Entry]] = {}
    for entry in tested:
        if entry.confirmation is not None:
            by_verdict.setdefault(entry.confirmation.verdict, []).append(entry)
    confirmed = by_verdict.get("confirmed", [])
    count = f"{len(confirmed)} of {trials_text(len(tested))} put to the test"
    text = f"{count} {'is' if len(confirmed) == 1 else 'are'} confirmed"
    if confirmed:
        text += f": {listed([str(e.trial) for e in confirmed])}"
    rest = [
        f"{len(found)} {word if len(found) == 1 else words}"
        for word, words, found in (
            ("is marginal", "are marginal", by_verdict.get("marginal", [])),
            ("was a fluke", "were flukes", by_verdict.get("fluke", [])),
            ("could not be repeated", "could not be repeated", unrepeated(tested)),
        )
        if found
    ]
    return f"{'; '.join([text, *rest])}."


def unrepeated(tested: Sequence[Entry]) -> list[Entry]:
    """Trials without a verdict, because their repeats failed."""
    return [e for e in tested if e.confirmation is None and e.record.untold is not None]


def next_after_confirm(outcome: Outcome, tested: Sequence[Entry], seeds: int) -> str:
    """What a person would type next."""
    name = shlex.quote(outcome.study)
    found = {e.confirmation.verdict: e for e in reversed(tested) if e.confirmation is not None}
    if "confirmed" in found:
        return f"tuner export {name} --trial {found['confirmed'].trial}"
    if "marginal" in found:
        return f"tuner confirm {name} --trial {found['marginal'].trial} --seeds {2 * seeds}"
    return f"tuner sweep {name} --add {max(outcome.counts.requested, 1)}"


def _bound_meets(found: TargetBound) -> bool:
    return found.bound is not None and found.target.met_by(found.bound)


def _passes(repeat: Repeat, targets: Sequence[Target]) -> bool:
    return repeat.judged is not None and meets(repeat.judged, targets)


def _figure(repeat: Repeat, target: Target, targets: Sequence[Target]) -> Text:
    value = None if repeat.judged is None else repeat.judged.figure(target.metric)
    style = "" if target.met_by(value) else "red"
    return Text(_four(target, value, targets), style=style)


def _share(found: TargetBound, value: float | None, targets: Sequence[Target]) -> Text:
    style = "" if found.target.met_by(value) else "red"
    return Text(_four(found.target, value, targets), style=style)


def _four(target: Target, value: float | None, targets: Sequence[Target]) -> str:
    """Four decimals where that is true to the limits: a thousandth is what seeds differ by."""
    if value is None or target.metric == "parameters":
        return figure_text(target.metric, value, targets)
    text = f"{value:.4f}"
    honest = all(t.met_by(float(text)) == t.met_by(value) for t in targets if t is target)
    return text if honest else figure_text(target.metric, value, targets)
