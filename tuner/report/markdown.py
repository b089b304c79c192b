"""The outcome as Markdown, to paste into an issue, a lab report or a pull request.

The rule: what comes from a user or a library is escaped, so that no name can break a table or turn
into a link, and every table reads well as plain text, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tuner.report.answers import FIGURE_NAMES, Answer, spread_text
from tuner.report.confirmation import Confirmation, TargetBound
from tuner.report.diagnosis import Advice
from tuner.report.ranking import rank_text
from tuner.report.selection import Entry, Outcome, parameter_names, window_text
from tuner.report.sentences import next_command, sentence
from tuner.report.tables import caution_lines
from tuner.report.variants import Variant
from tuner.report.wording import (
    SHORT,
    configuration,
    duration_text,
    figure_text,
    listed,
    number_text,
    trials_text,
)
from tuner.targets import BY_CLASS, METRICS

_COMPARED = (
    *("val_accuracy", "train_accuracy", "val_loss", "val_loss_penalised", "train_loss"),
    *("test_accuracy", "test_loss"),
)

MOST = 10
"""Rows of a table of configurations."""

_SPECIAL = re.compile(r"[\\`*\[\]<|~]|(?<![^\W_])_|_(?![^\W_])")  # an _ within a word is none


def to_markdown(
    outcomes: Sequence[Outcome],
    advice: Sequence[Sequence[Advice]] = (),
    importance: Sequence[Mapping[str, float] | None] = (),
    compared: Sequence[tuple[Sequence[Variant], Sequence[Answer]]] = (),
) -> str:
    """One document: a section for each outcome; ends with a newline.

    Args:
        advice, importance: one for each outcome where they are known, in the same order.
        compared: of `answers.comparison_of`, the same.
    """
    parts = []
    for number, outcome in enumerate(outcomes):
        said = advice[number] if number < len(advice) else ()
        weights = importance[number] if number < len(importance) else None
        variants, answers = compared[number] if number < len(compared) else ((), ())
        parts.append(_section(outcome, said, weights or {}, variants, answers))
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """`text` on one line, with everything that Markdown would read as markup taken literally."""
    flat = " ".join(text.split()).replace("&", "&amp;")
    return _SPECIAL.sub(r"\\\g<0>", flat)


def code(text: str) -> str:
    """`text` as code on one line; backticks within it do not end it."""
    flat = " ".join(text.split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", flat)), default=0))
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def _section(
    outcome: Outcome,
    advice: Sequence[Advice],
    weights: Mapping[str, float],
    variants: Sequence[Variant],
    answers: Sequence[Answer],
) -> str:
    data = f" on {escaped(outcome.dataset)}" if outcome.dataset != outcome.study else ""
    goal = listed([escaped(t.text) for t in outcome.targets]) or "no targets"
    spent = f", {duration_text(outcome.seconds)} of training" if outcome.seconds else ""
    blocks = [
        f"# {escaped(outcome.study)}{data}: {goal}",
        f"**{escaped(sentence(outcome))}**",
        f"{trials_text(outcome.counts.finished)}: {_counts(outcome)}{spent}.",
    ]
    if outcome.what_if:
        blocks.append("No trial was searched for by these targets.")
    if outcome.banner:
        blocks.append(f"> **Note:** {escaped(outcome.banner)}")
    blocks += [f"**{escaped(a.question.ask)}** {escaped(a.said)}" for a in answers]
    blocks += _variants(variants, outcome)
    blocks += _configurations(outcome)
    blocks += _proofs(outcome)
    warned = caution_lines(outcome.meets[:MOST])
    if warned:
        lines = [f"- {escaped(line)}." for line in warned]
        blocks += ["## Cautions", "\n".join(lines)]
    if advice:
        lines = [f"- {escaped(a.text)}{_change(outcome, a)}" for a in advice]
        blocks += ["## What to change", "\n".join(lines)]
    if weights:
        rows = [[escaped(name), f"{100 * share:.0f} %"] for name, share in weights.items()]
        blocks += ["## Importance of parameters (PED-ANOVA)", table(["parameter", "share"], rows)]
    blocks.append(f"Next: {code(next_command(outcome, advice))}")
    return "\n\n".join(blocks)


def _counts(outcome: Outcome) -> str:
    counts = outcome.counts
    states = {
        "complete": counts.complete,
        "pruned": counts.pruned,
        "failed": counts.failed,
        "running": counts.running,
        "waiting": counts.waiting,
    }
    told = [f"{number} {state}" for state, number in states.items() if number]
    asked = f", {counts.requested} asked for" if counts.finished < counts.requested else ""
    return (", ".join(told) or "none") + asked


def _change(outcome: Outcome, advice: Advice) -> str:
    if advice.change is None:
        return ""
    return f" {code(advice.change)}"


def _variants(variants: Sequence[Variant], outcome: Outcome) -> list[str]:
    """The variants with their means and spreads over seeds."""
    if len(variants) < 2 and not any(len(v.trainings) > 1 for v in variants):
        return []
    tested = any(v.spread("test_accuracy") for v in variants)
    asked = {t.metric for t in outcome.targets}
    figures = [name for name in (*BY_CLASS, *_COMPARED) if name not in BY_CLASS or name in asked]
    figures = [name for name in figures if tested or not name.startswith("test_")]
    head = ["variant", "meets", *(FIGURE_NAMES[name] for name in figures), "best validation"]
    rows = []
    for one in variants:
        row = [escaped(one.name), f"{one.passes} of {len(one.trainings)}"]
        row += [spread_text(name, one.spread(name)) for name in figures]
        rows.append([*row, spread_text("val_accuracy", one.best_val)])
    text = "Means ± standard deviations over the seeds; the best validation is of any epoch."
    if tested:
        text += " Test figures were read after all trials and chose nothing."
    return ["## Variants", table(head, rows), text]


def _configurations(outcome: Outcome) -> list[str]:
    """The winners with every parameter, or the nearest misses with their configuration in words."""
    found = (outcome.meets or outcome.nearest)[:MOST]
    if not found:
        return []
    every = len(outcome.meets or outcome.nearest)
    cut = f" ({len(found)} of {every})" if len(found) < every else ""
    asked = [t.metric for t in outcome.targets]
    usual = ["val_accuracy", "train_accuracy", "accuracy_gap"]
    metrics = usual + [m for m in METRICS if m in asked and m not in usual]
    head = ["trial", *(SHORT[m] for m in metrics), "epoch", "window"]
    names = parameter_names(found)
    if outcome.meets:
        rows = [[*_row(outcome, e, metrics), *(_parameter(e, n) for n in names)] for e in found]
        title = f"## Configurations that meet the targets{cut}"
        order = [rank_text(outcome.objective)] if every > 1 else []
        return [title, table([*head, *map(escaped, names)], rows), *order]
    rows = [
        [*_row(outcome, e, metrics), _missed(outcome, e), escaped(configuration(e.params))]
        for e in found
    ]
    return [f"## Nearest to the targets{cut}", table([*head, "misses", "configuration"], rows)]


def _row(outcome: Outcome, entry: Entry, metrics: Sequence[str]) -> list[str]:
    name = f"{entry.trial} ({escaped(entry.variant)})" if entry.variant else str(entry.trial)
    figures = [figure_text(m, entry.figure(m), outcome.targets) for m in metrics]
    epoch = str(entry.chosen.epoch) if entry.chosen else "–"
    return [name, *figures, epoch, window_text(entry.windows) or "–"]


def _parameter(entry: Entry, name: str) -> str:
    value = entry.params.get(name)
    return "–" if value is None else escaped(number_text(value))


def _missed(outcome: Outcome, entry: Entry) -> str:
    missed = [t.text for t in outcome.targets if entry.violations[t.text] != 0]
    return escaped(listed(missed)) if missed else "pruned before its last epoch"


def _proofs(outcome: Outcome) -> list[str]:
    """What fresh seeds say, one row a trial that was put to the test."""
    placed = [e.trial for e in outcome.meets]
    tested = [(e, c) for e in outcome.entries if (c := e.confirmation) is not None]
    if not tested:
        return []
    tested.sort(key=lambda pair: (pair[0].trial not in placed, _position(pair[0], placed)))
    head = ["trial", "verdict", "passes", *(escaped(t.text) for t in outcome.targets), "own seed"]
    with_test = any(c.test is not None for _, c in tested)
    rows = []
    for entry, found in tested:
        row = [str(entry.trial), found.verdict, f"{found.passes} of {found.seeds}"]
        row += [_bound(one) for one in found.targets]
        row.append(
            {None: "not tried", "no": "does not reproduce"}.get(found.reproduces, "")
            or f"reproduces {found.reproduces}"
        )
        rows.append(row + ([_test(found)] if with_test else []))
    return [
        "## Trained again on fresh seeds",
        table([*head, *(["test accuracy"] if with_test else [])], rows),
        "Per target the mean over the seeds and its one-sided bound, corrected by Holm's procedure "
        "for the number of trials that were put to the test. Confirmed: the bound keeps every "
        "limit; marginal: only the means do; fluke: a mean does not.",
    ]


def _position(entry: Entry, placed: Sequence[int]) -> int:
    return placed.index(entry.trial) if entry.trial in placed else entry.trial


def _bound(one: TargetBound) -> str:
    metric = one.target.metric
    text = figure_text(metric, one.mean, [one.target])
    if one.bound is None:
        return text
    side = "at least" if one.target.is_floor else "at most"
    return f"{text} ({side} {figure_text(metric, one.bound, [one.target])})"


def _test(found: Confirmation) -> str:
    if found.test is None:
        return "not read"
    text = f"{found.test.accuracy:.4f}"
    if found.drop is None:
        return text
    where = "below" if found.drop >= 0 else "above"
    return f"{text} ({abs(found.drop):.4f} {where} validation)"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; cells are Markdown already. Columns are padded, to be read as text."""
    widths = [max(3, *(len(row[i]) for row in [head, *rows])) for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return f"| {' | '.join(padded)} |"

    rule = f"| {' | '.join('-' * width for width in widths)} |"
    return "\n".join([line(head), rule, *map(line, rows)])
