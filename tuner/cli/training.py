"""Commands that train."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from tuner.cli.group import cli
from tuner.cli.options import (
    Seconds,
    Workers,
    complete_sweeps,
    data_dir_option,
    engine_option,
    examples,
    format_option,
    quiet_option,
    verbose_option,
    verbosity_of,
)
from tuner.cli.own_data import reading_options
from tuner.errors import UsageError
from tuner.reading import Reading


@cli.command()
@click.argument("names", nargs=-1, metavar="NAME...", shell_complete=complete_sweeps)
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
    "--seeds",
    type=click.IntRange(1, 1000),
    help="Trainings of each variant, instead of the file's number.",
)
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
@click.option(
    "--sampler",
    type=click.Choice(["tpe", "random", "qmc", "grid"]),
    help="Who proposes configurations, instead of the file's.",
)
@click.option(
    "--pruner",
    type=click.Choice(["overfit", "percentile", "median", "halving", "none"]),
    help="Who stops poor trials, instead of the file's.",
)
@engine_option
@click.option(
    "--workers",
    type=Workers(),
    default="auto",
    show_default=True,
    metavar="[NUMBER|auto]",
    help="Worker processes: auto is one a core, as far as memory allows; 1 repeats exactly from "
    "--seed.",
)
@click.option(
    "--timeout", type=Seconds(), help="Stop after this time, such as 30m; report what there is."
)
@click.option(
    "--until-met",
    type=click.IntRange(1),
    metavar="K",
    help="End as soon as K trials meet the targets.",
)
@click.option(
    "--until-confirmed",
    type=click.IntRange(1),
    metavar="K",
    help="Put trials that meet to the test as they come (as `tuner confirm`); end when K are "
    "confirmed.",
)
@data_dir_option
@click.option("--dry-run", is_flag=True, help="Show the first proposals and train nothing.")
@format_option
@click.option("--exit-zero", is_flag=True, help="Exit 0 also when no configuration meets.")
@quiet_option
@verbose_option
@examples(
    "tuner sweep digits --trials 20",
    'tuner sweep digits --set "units=[16,32,64]" --fix optimizer=adam --name small --trials 5',
    'tuner sweep digits --target "val >= 96% with train < 99%" --name relaxed --timeout 30m',
    "tuner sweep digits --trials 30 --until-met 3 --name quick",
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
    seeds: int | None,
    sets: tuple[str, ...],
    fixes: tuple[str, ...],
    sampler: str | None,
    pruner: str | None,
    engine: str | None,
    workers: int | None,
    timeout: float | None,
    until_met: int | None,
    until_confirmed: int | None,
    data_dir: Path | None,
    dry_run: bool,
    form: str,
    exit_zero: bool,
    quiet: bool,
    verbose: bool,
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
    if until_met is not None and until_confirmed is not None:
        raise UsageError("--until-confirmed includes --until-met: give one of them.")
    from tuner.commands.goals import Goal
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
                seeds=seeds,
                sampler=sampler,
                pruner=pruner,
                engine=engine,
            ),
            folder=Path.cwd(),
            data_dir=data_dir,
            study=study,
            add=add,
            timeout=timeout,
            workers=workers,
            format=form,
            exit_zero=exit_zero,
            verbosity=verbosity_of(quiet, verbose),
            dry_run=dry_run,
            goal=Goal(until_met, until_confirmed),
            command=shlex.join(["tuner", *sys.argv[1:]]),
        )
    )


@cli.command()
@click.argument("name", metavar="NAME", shell_complete=complete_sweeps)
@click.option(
    "--fix",
    "fixes",
    multiple=True,
    metavar="KEY=VALUE",
    help="A parameter's value, such as l2=1e-3 or layers=[128,64]; repeatable.",
)
@click.option(
    "--from",
    "start",
    metavar="TRIAL",
    help="Start from this trial's configuration: its number, its name, or `best`.",
)
@click.option("--as", "label", metavar="LABEL", help="Name of the trial [default: by-hand-1, …].")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Seed of weights and batches.")
@click.option("--epochs", type=click.IntRange(1), help="Epochs; takes a --name of its own.")
@engine_option
@click.option("--name", "study", metavar="STUDY", help="Name of the study [default: NAME].")
@data_dir_option
@format_option
@click.option("--exit-zero", is_flag=True, help="Exit 0 also when it does not meet the targets.")
@quiet_option
@examples(
    "tuner train digits --fix l2=1e-3 --fix dropout=0.3",
    "tuner train digits --from best --fix dropout=0 --as no-dropout",
    'tuner train digits --fix "layers=[128,64]" --epochs 5 --name try',
)
def train(
    name: str,
    fixes: tuple[str, ...],
    start: str | None,
    label: str | None,
    seed: int | None,
    epochs: int | None,
    engine: str | None,
    study: str | None,
    data_dir: Path | None,
    form: str,
    exit_zero: bool,
    quiet: bool,
) -> int:
    """Train one configuration of your own, as a trial of study NAME.

    What --fix leaves out comes from the definition's `fixed`, then from the defaults, or from the
    trial that --from names. The trial is judged, recorded and shown like any other.
    """
    from tuner.commands.train import TrainRequest, run_train
    from tuner.definition import Overrides

    return run_train(
        TrainRequest(
            name=name,
            fixes=fixes,
            folder=Path.cwd(),
            start=start,
            label=label,
            seed=seed,
            overrides=Overrides(epochs=epochs, engine=engine),
            data_dir=data_dir,
            study=study,
            format=form,
            exit_zero=exit_zero,
            verbosity=verbosity_of(quiet, False),
            command=shlex.join(["tuner", *sys.argv[1:]]),
        )
    )


@cli.command()
@click.argument("name", metavar="NAME")
@click.option(
    "--dataset",
    metavar="DATASET",
    help="The data set, or a path to data of your own [default: NAME, if it is one, else digits].",
)
@click.option("--from", "start", metavar="SWEEP", help="Begin with a copy of this definition.")
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="TEXT",
    help='Such as "val >= 90% with train < 95%"; repeatable.',
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@reading_options
@data_dir_option
@examples(
    "tuner init mine",
    'tuner init clothes --dataset fashion --target "val >= 91% with train < 96%"',
    "tuner init wide --from fashion",
    "tuner init wine --dataset wine.csv --label cultivar",
)
def init(
    name: str,
    dataset: str | None,
    start: str | None,
    targets: tuple[str, ...],
    force: bool,
    reading: Reading,
    data_dir: Path | None,
) -> int:
    """Write sweeps/NAME.yaml: a definition to start from, with a comment on every key.

    For data of your own, the first target and the space go by what is in it. The options from
    --label to --ignore say how it is read, and are written into the file.

    Editors that know YAML check it as you type: a JSON Schema is written beside it.
    """
    from tuner.commands.init import run_init

    return run_init(Path.cwd(), name, dataset, start, targets, force, reading, data_dir)
