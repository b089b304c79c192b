"""Commands that put results to the test."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from tuner.cli.group import cli
from tuner.cli.options import (
    Workers,
    complete_studies,
    data_dir_option,
    examples,
    format_option,
    quiet_option,
    verbosity_of,
)


@cli.command()
@click.argument("study", metavar="NAME", shell_complete=complete_studies)
@click.option(
    "--seeds",
    type=click.IntRange(3),
    default=5,
    show_default=True,
    help="Fresh seeds a trial; more of them narrow the bounds, and those trained before count.",
)
@click.option(
    "--top",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="How many of the trials that meet, by rank.",
)
@click.option(
    "--trial",
    "trials",
    multiple=True,
    metavar="TRIAL",
    help="This trial instead: its number or its variant's name; repeatable.",
)
@click.option(
    "--same-split",
    is_flag=True,
    help="Keep the trial's own validation split, instead of cutting fresh ones.",
)
@click.option(
    "--workers",
    type=Workers(),
    default="auto",
    show_default=True,
    metavar="[NUMBER|auto]",
    help="Worker processes.",
)
@data_dir_option
@format_option
@click.option("--exit-zero", is_flag=True, help="Exit 0 also when none is confirmed.")
@quiet_option
@examples(
    "tuner confirm digits",
    "tuner confirm digits --top 1 --seeds 3 --format json",
    "tuner confirm digits --trial best --same-split",
)
def confirm(
    study: str,
    seeds: int,
    top: int,
    trials: tuple[str, ...],
    same_split: bool,
    workers: int | None,
    data_dir: Path | None,
    form: str,
    exit_zero: bool,
    quiet: bool,
) -> int:
    """Train the winners of a study again on fresh seeds before anyone believes them.

    Each trial is repeated by its own seed first, which shows whether it reproduces, then by fresh
    seeds on freshly cut validation rows, all judged at the trial's own epoch. Confirmed: the 95 %
    bound of the mean meets every target (Holm's correction over all trials put to the test);
    marginal: the mean does; fluke: it does not. Only then, and for confirmed trials alone, the
    test split is read, once. An interrupted confirmation goes on where it stopped.

    Exits 0 where a trial is confirmed, 3 where none is.
    """
    from tuner.commands.confirm import ConfirmRequest, run_confirm

    return run_confirm(
        ConfirmRequest(
            name=study,
            folder=Path.cwd(),
            seeds=seeds,
            top=top,
            trials=trials,
            same_split=same_split,
            workers=workers,
            data_dir=data_dir,
            format=form,
            exit_zero=exit_zero,
            verbosity=verbosity_of(quiet, False),
            command=shlex.join(["tuner", *sys.argv[1:]]),
        )
    )
