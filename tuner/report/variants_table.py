"""Variants and answers for a terminal, and the same as plain JSON.

The rule: a mean never stands without its spread and the number of seeds; data loss and the loss
with the L2 penalty are columns of their own; what comes from the test split is marked as such.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import ConsoleRenderable, Group, RenderableType
from rich.table import Table
from rich.text import Text

from tuner.questions import FIGURES
from tuner.report.answers import WORDS, Answer, Verdict, findings_in, findings_text, unasked
from tuner.report.tables import new_table
from tuner.report.variants import Difference, Spread, Variant
from tuner.report.wording import SCORE_NAMES
from tuner.targets import BY_CLASS, Target

ACCURACIES = (("val", "val_accuracy"), ("train", "train_accuracy"))
LOSSES = (
    ("val loss", "val_loss"),
    ("with penalty", "val_loss_penalised"),
    ("train loss", "train_loss"),
)
ON_TEST = "test: measured after all trials, on rows that chose nothing"
TOGETHER = (
    "means of paired differences; 95 % intervals that hold for a whole column together "
    "(Bonferroni), wider than that of a single question"
)
BEST = "best val: of any epoch of each seed, which flatters it"
STYLES: Mapping[Verdict, str] = {"yes": "bold green", "no": "bold red", "open": "bold yellow"}


def figure(spread: Spread | None) -> str:
    """`0.9757±0.0012`, `0.9757` for one seed, `–` for none."""
    if spread is None:
        return "–"
    many = abs(spread.mean) >= 100 or (spread.sd or 0.0) >= 100
    text = f"{spread.mean:.3g}" if many else f"{spread.mean:.4f}"
    if spread.sd is None:
        return text
    return f"{text}±{spread.sd:.2g}" if many else f"{text}±{spread.sd:.4f}"


def variants_block(
    variants: Sequence[Variant], targets: Sequence[Target] = ()
) -> ConsoleRenderable:
    """Two tables: accuracies and losses, a row a variant.

    Args:
        targets: figures by class have a third table where these name them.
    """
    named = [m for m in BY_CLASS if any(t.metric == m for t in targets)]
    seeds = sorted({len(v.trainings) for v in variants})
    over = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    several = f", mean ± spread over {over} seeds" if seeds[-1] > 1 else ""
    parts: list[RenderableType] = [Text(f"Variants{several}", "bold")]
    tested = any(v.spread("test_accuracy") for v in variants)
    table = _table("meets", *(name for name, _ in ACCURACIES), "best val", *["test"] * tested)
    for variant in variants:
        row = [f"{variant.passes}/{len(variant.trainings)}"]
        row += [figure(variant.spread(by)) for _, by in ACCURACIES]
        row.append(figure(variant.best_val))
        row += [figure(variant.spread("test_accuracy"))] * tested
        table.add_row(Text(variant.name), *row)
    parts.append(table)
    if named:
        table = _table(*(SCORE_NAMES[metric] for metric in named))
        for variant in variants:
            table.add_row(Text(variant.name), *(figure(variant.spread(m)) for m in named))
        parts += [Text(), table]
    table = _table(*(name for name, _ in LOSSES), *["test loss"] * tested)
    for variant in variants:
        row = [figure(variant.spread(by)) for _, by in LOSSES]
        row += [figure(variant.spread("test_loss"))] * tested
        table.add_row(Text(variant.name), *row)
    parts += [Text(), table, Text(BEST, "dim"), *([Text(ON_TEST, "dim")] if tested else [])]
    if len(variants) > 1 and seeds[-1] > 1:
        parts += [Text(), *_differences(variants)]
    return Group(*parts)


def _differences(variants: Sequence[Variant]) -> list[RenderableType]:
    """Every other variant against the first, by accuracy and by loss."""
    table = _table("val accuracy", "val loss")
    for accuracy, loss in zip(*(a.differences for a in unasked(variants)), strict=True):
        table.add_row(Text(accuracy.of), _interval(accuracy), _interval(loss))
    head = f"Against {variants[0].name}, seed by seed"
    return [Text(head, "bold"), table, Text(TOGETHER, "dim")]


def _interval(found: Difference) -> Text:
    """`+0.0043 (+0.0021 to +0.0065)`, in colour where the interval leaves out 0."""
    if found.low is None or found.high is None:
        return Text("–" if found.pairs == 0 else f"{found.mean:+.4f}")
    style = {True: "green", False: "red", None: ""}[found.ahead]
    return Text(f"{found.mean:+.4f} ({found.low:+.4f} to {found.high:+.4f})", style)


def _table(*heads: str) -> Table:
    table = new_table()
    table.add_column("variant", overflow="fold", min_width=8)
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def answers_block(answers: Iterable[Answer]) -> ConsoleRenderable:
    """Each question, its verdict and the figures behind it."""
    parts = []
    for answer in answers:
        text = Text(f"{answer.question.ask}\n", "bold")
        text.append(WORDS[answer.verdict], STYLES.get(answer.verdict, "bold"))
        text.append(f": {answer.text}\n", "not bold")
        parts.append(text)
    return Group(*parts)


def variant_json(variant: Variant) -> dict[str, Any]:
    """A variant with its figures over seeds, each training's own among them."""
    findings = findings_in(variant.entry)
    return {
        "variant": variant.name,
        "trial": variant.trial,
        "params": dict(variant.params),
        "seeds": len(variant.trainings),
        "passes": variant.passes,
        "figures": {name: _spread(variant.spread(name)) for name in FIGURES},
        "best_val_accuracy": _spread(variant.best_val),
        "finding": None if findings is None else findings_text(findings),
        "causes": None if findings is None else [cause.kind for cause in findings.causes],
        "trainings": [
            {
                "seed": one.seed,
                "epoch": None if one.chosen is None else one.chosen.epoch,
                "meets": one.meets,
                "val_accuracy": None if one.chosen is None else one.chosen.val_accuracy,
                "train_accuracy": None if one.chosen is None else one.chosen.train_accuracy,
                "val_loss": None if one.chosen is None else one.chosen.val_loss,
                "val_loss_penalised": None if one.chosen is None else one.chosen.val_loss_penalised,
                "best_val_accuracy": None if one.best is None else one.best.val_accuracy,
                "best_epoch": None if one.best is None else one.best.epoch,
                "test_accuracy": None if one.score is None else one.score.accuracy,
                "test_loss": None if one.score is None else one.score.loss,
            }
            for one in variant.trainings
        ],
    }


def answer_json(answer: Answer) -> dict[str, Any]:
    """A question with its answer."""
    return {
        **answer.question.to_json(),
        "verdict": answer.verdict,
        "answer": answer.text,
        "differences": [_difference(one) for one in answer.differences],
    }


def _spread(spread: Spread | None) -> dict[str, Any] | None:
    return None if spread is None else {"mean": spread.mean, "sd": spread.sd, "seeds": spread.count}


def _difference(found: Difference) -> dict[str, Any]:
    return {
        "of": found.of,
        "than": found.than,
        "by": found.by.text,
        "pairs": found.pairs,
        "mean": found.mean,
        "low": found.low,
        "high": found.high,
        "level": found.level,
        "ahead": found.ahead,
    }
