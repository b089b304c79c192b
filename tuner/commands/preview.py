"""`tuner sweep --dry-run`: what the first trials would be, without training any."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from tuner.commands.plan import Plan
from tuner.data.splits import split
from tuner.errors import UsageError
from tuner.report.selection import TEST_BANNER
from tuner.report.wording import configuration
from tuner.search.preview import Proposal, proposals


def print_preview(plans: Sequence[Plan], form: str, command: str) -> None:
    """Print the proposals that do not depend on results.

    Args:
        plans: what would run.
        form: `table` or `json`.
        command: the command line, to suggest it again without `--dry-run`.
    """
    if form == "csv":
        raise UsageError("--dry-run prints a table or json, not csv.")
    found = {plan.study: proposals(plan.definition) for plan in plans}
    if form == "json":
        click.echo(json.dumps({study: [p.__dict__ for p in ps] for study, ps in found.items()}))
        return
    console = Console(highlight=False)
    for plan in plans:
        _print_one(console, plan, found[plan.study])
    words = " ".join(word for word in command.split() if word != "--dry-run")
    console.print(Text(f"Nothing was trained. Next: {words}"), soft_wrap=True)


def _print_one(console: Console, plan: Plan, listed: Sequence[Proposal]) -> None:
    definition = plan.definition
    targets = " and ".join(target.text for target in definition.targets)
    data = plan.data
    console.print(Text(f"{plan.study} · {definition.data_name} ({data.source}) · {targets}"))
    console.print(
        Text(
            f"{_rows(plan)}; "
            f"{definition.trials} trials of {definition.epochs_text} epochs; "
            f"sampler {definition.sampler}, pruner {definition.pruner}, seed {definition.seed}"
        )
    )
    if definition.split.kind == "test":
        console.print(Text(f"! {TEST_BANNER}", style="bold yellow"))
    for proposal in listed:
        name = f" ({proposal.variant})" if proposal.variant else ""
        line = Text(f"trial {proposal.trial}{name}  {configuration(proposal.params)}")
        console.print(Padding(line, (0, 0, 0, 2)))
    rest = definition.trials - len(listed)
    if rest > 0 and definition.sampler == "grid":
        console.print(Text("  and the grid ends there"))
    elif rest > 0:
        console.print(Text(f"  … {rest} more, proposed from the results of these"))


def _rows(plan: Plan) -> str:
    """`1,437 training rows: 1,149 train, 288 validation (20 %, stratified)`."""
    data, spec = plan.data, plan.definition.split
    train, validation = split(data.y_train, spec)
    text = f"{len(data.y_train):,} training rows"
    if spec.kind == "test":
        return f"{text}, all of them train; the {data.shapes['x_test'][0]:,} test rows validate"
    share = f"{spec.fraction * 100:.3g} %, {spec.kind}"
    return f"{text}: {len(train):,} train, {len(validation):,} validation ({share})"
