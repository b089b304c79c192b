"""A result as the HTML that a notebook shows; every text in it is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from tuner.report.selection import Entry, Outcome
from tuner.report.sentences import sentence
from tuner.report.wording import SHORT, configuration, figure_text

ROWS = 10
USUAL = ("val_accuracy", "train_accuracy")


def result_html(outcome: Outcome) -> str:
    """The study, its sentence, and the first trials that meet or, without any, come nearest."""
    found = outcome.meets or outcome.nearest
    shown = found[:ROWS]
    head = "meet the targets" if outcome.meets else "nearest to the targets"
    more = f", {len(shown)} of {len(found)}" if len(shown) < len(found) else ""
    parts = [f"<p><b>{escape(outcome.study)}</b> · {escape(sentence(outcome))}</p>"]
    if outcome.banner:
        parts.append(f"<p><b>{escape(outcome.banner)}</b></p>")
    if shown:
        parts.append(f"<table><caption>{head}{more}</caption>{_rows(outcome, shown)}</table>")
    return f"<div>{''.join(parts)}</div>"


def _rows(outcome: Outcome, shown: Iterable[Entry]) -> str:
    asked = [target.metric for target in outcome.targets]
    metrics = [*USUAL, *dict.fromkeys(m for m in asked if m not in USUAL)]
    tested = any(entry.confirmation for entry in shown)
    names = ["trial", *(SHORT[m] for m in metrics), "epoch", *(["fresh seeds"] * tested)]
    head = "".join(f"<th>{escape(name)}</th>" for name in (*names, "configuration"))
    body = ""
    for entry in shown:
        who = f"{entry.trial}" + (f" ({entry.variant})" if entry.variant else "")
        cells = [who, *(figure_text(m, entry.figure(m), outcome.targets) for m in metrics)]
        cells.append("" if entry.chosen is None else str(entry.chosen.epoch))
        if tested:
            proof = entry.confirmation
            cells.append(f"{proof.passes}/{proof.seeds} {proof.verdict}" if proof else "")
        cells.append(configuration(entry.params))
        body += f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
    return f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
