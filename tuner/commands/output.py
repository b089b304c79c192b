"""Results on stdout, in the format that was asked for; nothing else ever goes there."""

from __future__ import annotations

import codecs
import io
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from tuner.definition import SweepDefinition
from tuner.report.answers import Answer
from tuner.report.diagnosis import Advice
from tuner.report.jsonout import finite
from tuner.report.selection import Outcome
from tuner.report.sentences import best_advice, next_command, page_command, sentence
from tuner.report.tables import outcome_table, summary_table
from tuner.report.variants import Variant

_PLAIN = {"–": "-", "—": "-", "·": "|", "×": "x", "…": "...", "“": '"', "”": '"', "≥": ">="}


def result_console() -> Console:
    """A console on stdout; what its encoding lacks is written in the nearest ASCII."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        codecs.register_error("tuner.plain", _nearest_ascii)
        sys.stdout.reconfigure(errors="tuner.plain")
    return Console(highlight=False)


def notes_console() -> Console:
    """A console on stderr, for progress and notes.

    In a notebook it writes plain lines: rich would make an HTML output of each, and a live display
    needs widgets there.
    """
    console = Console(stderr=True)
    if console.is_jupyter:
        return Console(stderr=True, force_jupyter=False, force_terminal=False)
    return console


def _nearest_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN.get(glyph, "?") for glyph in lacking), error.end


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object; figures that are not finite become null."""
    click.echo(json.dumps(finite(value), indent=2, ensure_ascii=False, allow_nan=False))


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print rows as CSV; with no rows the header stands alone."""
    import pandas as pd

    # As objects, so that a whole number stays one where another row has none.
    frame = pd.DataFrame(rows, columns=list(columns), dtype=object)
    click.echo(frame.to_csv(index=False, lineterminator="\n"), nl=False)


def print_closing(console: Console, sentence: str, command: str) -> None:
    """The plain sentence and the next command that end every result for a person."""
    console.print(Text(sentence))
    console.print(Text(f"Next: {command}"), soft_wrap=True)


def print_outcomes(
    outcomes: Sequence[Outcome], form: str, definitions: Sequence[SweepDefinition] = ()
) -> None:
    """Print one result for all outcomes.

    Args:
        form: `table`, `json`, `csv` or `markdown`.
        definitions: of the outcomes' studies, in the same order; without them there is no advice
            on what to change, and no importance of parameters.
    """
    from tuner.report.answers import comparison_of
    from tuner.report.diagnosis import diagnose

    advice: list[Sequence[Advice]] = [() for _ in outcomes]
    if definitions:
        advice = list(map(diagnose, outcomes, definitions))
    compared = list(map(comparison_of, outcomes, definitions)) or [((), ()) for _ in outcomes]
    if form == "json":
        from tuner.report.jsonout import dumped, to_json

        weights = _importance(outcomes, definitions)
        variants, answers = zip(*compared, strict=True)
        click.echo(dumped(list(map(to_json, outcomes, advice, weights, variants, answers))))
    elif form == "csv":
        from tuner.report.jsonout import to_csv

        click.echo(to_csv(outcomes), nl=False)
    elif form == "markdown":
        from tuner.report.markdown import to_markdown

        weights = _importance(outcomes, definitions)
        click.echo(to_markdown(outcomes, advice, weights, compared), nl=False)
    else:
        _print_tables(outcomes, advice, compared)


def _importance(
    outcomes: Sequence[Outcome], definitions: Sequence[SweepDefinition]
) -> Sequence[dict[str, float] | None]:
    if not definitions:
        return [None for _ in outcomes]
    return list(map(importance_of, outcomes, definitions))


def importance_of(outcome: Outcome, definition: SweepDefinition) -> dict[str, float]:
    """How much each searched parameter matters to the margin, most important first."""
    from tuner.search.importance import importance

    scores = {e.trial: e.rank.margin for e in outcome.entries if e.rank is not None}
    return importance([e.record for e in outcome.entries], definition.space.names, scores)


def _print_tables(
    outcomes: Sequence[Outcome],
    advice: Sequence[Sequence[Advice]],
    compared: Sequence[tuple[Sequence[Variant], Sequence[Answer]]],
) -> None:
    from tuner.report.variants_table import answers_block, variants_block

    console = result_console()
    for outcome, (variants, answers) in zip(outcomes, compared, strict=True):
        console.print(outcome_table(outcome))
        console.print()
        if len(variants) > 1 or any(len(v.trainings) > 1 for v in variants):
            console.print(variants_block(variants, outcome.targets))
            console.print()
        if answers:
            console.print(answers_block(answers))
    if len(outcomes) > 1:
        console.print(summary_table(outcomes))
        console.print()
    for outcome, found in zip(outcomes, advice, strict=True):
        prefix = f"{outcome.study}: " if len(outcomes) > 1 else ""
        console.print(Text(prefix + sentence(outcome)))
        best = best_advice(found)
        if best is not None and not outcome.meets:
            console.print(Text(prefix + best.text))
    commands = [
        page_command(outcome) if answers and _is_done(outcome) else next_command(outcome, found)
        for outcome, found, (_, answers) in zip(outcomes, advice, compared, strict=True)
    ]
    for command in dict.fromkeys(commands):
        console.print(Text(f"Next: {command}"), soft_wrap=True)


def _is_done(outcome: Outcome) -> bool:
    """Whether all that was asked for is there, so that its questions are answered."""
    counts = outcome.counts
    return counts.finished >= counts.requested and not counts.running and not outcome.what_if
