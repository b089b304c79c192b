"""Commands that train."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from tuner.cli.group import cli
from tuner.cli.options import Seconds, data_dir_option, examples, format_option
from tuner.errors import UsageError


@cli.command()
@click.argument("names", nargs=-1, metavar="NAME...")
@click.option("--all", "everything", is_flag=True, help="Every definition there is.")
@click.option(
    "--trials", type=click.IntRange(1), help="Total of the study, earlier trials included."
)
@click.option("--add", type=click.IntRange(1), help="So many trials more than the study has.")
@click.option("--name", "study", metavar="STUDY", help="Name of the study [default: NAME].")
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="TEXT",
    help='Instead of the file\'s targets, such as "val >= 90% with train < 95%"; repeatable.',
)
@click.option("--epochs", type=click.IntRange(1), help="Epochs of a full trial.")
@click.option("--seed", type=click.IntRange(0), help="Seed of the study.")
@click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="KEY=RANGE",
    help="Search this range instead: l2=1e-5..1e-2:log or units=[64,128]; repeatable.",
)
@click.option(
    "--fix",
    "fixes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Hold a parameter at a value: optimizer=adam; repeatable.",
)
@click.option("--sampler", type=click.Choice(["tpe", "random", "qmc", "grid"]))
@click.option("--pruner", type=click.Choice(["overfit", "percentile", "median", "halving", "none"]))
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Worker processes [default: as many as fit; 1 repeats exactly from --seed].",
)
@click.option(
    "--timeout", type=Seconds(), help="Stop after this time, such as 30m; report what there is."
)
@data_dir_option
@click.option("--dry-run", is_flag=True, help="Show the first proposals and train nothing.")
@format_option
@click.option("--exit-zero", is_flag=True, help="Exit 0 also when no configuration meets.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@examples(
    "tuner sweep digits --trials 20",
    "tuner sweep digits --set units=[16,32,64] --fix optimizer=adam --name small --trials 5",
    'tuner sweep digits --target "val >= 96% with train < 99%" --name relaxed --timeout 30m',
    "tuner sweep digits --dry-run",
)
def sweep(
    names: tuple[str, ...],
    everything: bool,
    trials: int | None,
    add: int | None,
    study: str | None,
    targets: tuple[str, ...],
    epochs: int | None,
    seed: int | None,
    sets: tuple[str, ...],
    fixes: tuple[str, ...],
    sampler: str | None,
    pruner: str | None,
    workers: int | None,
    timeout: float | None,
    data_dir: Path | None,
    dry_run: bool,
    form: str,
    exit_zero: bool,
    quiet: bool,
) -> int:
    """Search configurations for NAME: a definition, a file, or a study to go on with.

    The same command again goes on where the study stopped. Several names make one study each.
    """
    from tuner.definition import Overrides, available

    if everything:
        names = tuple(available(Path.cwd()))
    if not names:
        known = ", ".join(available(Path.cwd()))
        raise UsageError(f"which sweep? Known are {known}, or give a file's path, or --all.")
    if trials is not None and add is not None:
        raise UsageError("--trials is the study's total and --add asks for more: give one of them.")
    from tuner.commands.sweep import SweepRequest, run_sweep

    return run_sweep(
        SweepRequest(
            names=names,
            overrides=Overrides(
                sets=sets,
                fixes=fixes,
                targets=targets,
                trials=trials,
                epochs=epochs,
                seed=seed,
                sampler=sampler,
                pruner=pruner,
            ),
            folder=Path.cwd(),
            data_dir=data_dir,
            study=study,
            add=add,
            timeout=timeout,
            workers=workers,
            format=form,
            exit_zero=exit_zero,
            quiet=quiet,
            dry_run=dry_run,
            command=shlex.join(["tuner", *sys.argv[1:]]),
        )
    )
