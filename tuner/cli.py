"""The command line: parse, call one use case, turn errors into exit codes.

The rule: nothing heavy is imported before a command runs, so that `--help` answers at once.
"""

from __future__ import annotations

import inspect
import io
import os
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tuner import __version__
from tuner.errors import TunerError, UsageError

FORMATS = click.Choice(["table", "json", "csv"])
EPILOG = "Exit codes: 0 a configuration meets the targets, 1 error, 2 usage, 3 none meets."


UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


class Seconds(click.ParamType[float]):
    """A length of time such as `90`, `45s`, `30m` or `2h`, as seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", str(value))
        if found is None or float(found[1]) <= 0:
            self.fail(f"{value!r} is no time; write 90s, 30m or 2h", param, ctx)
        return float(found[1]) * UNITS[found[2]]


def examples(*lines: str) -> Callable[[Any], Any]:
    """Append examples to a command's help; a test runs them."""
    text = "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)

    def add(function: Any) -> Any:
        function.__doc__ = f"{inspect.cleandoc(function.__doc__)}\n\n{text}"
        return function

    return add


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EPILOG)
@click.version_option(__version__, "--version", prog_name="tuner")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
@examples(
    "tuner sweep digits --trials 20",
    "tuner sweep fashion --trials 50 --data-dir data",
    "tuner report fashion --format json",
)
def cli(ctx: click.Context, debug: bool) -> None:
    """Find the Keras configurations that meet your targets, such as
    "val >= 90% with train < 95%".

    Optuna proposes configurations, worker processes train them, MLflow shows every trial, and the
    result lists those that meet all targets at one epoch, or the nearest misses.
    """
    ctx.obj = {"debug": debug}


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
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="TUNER_DATA_DIR",
    show_envvar=True,
    help="Where fashion_mnist.npz and the like lie.",
)
@click.option("--dry-run", is_flag=True, help="Show the first proposals and train nothing.")
@click.option("--format", "form", type=FORMATS, default="table", show_default=True)
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


@cli.command()
@click.argument("names", nargs=-1, required=True, metavar="STUDY...")
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="TEXT",
    help="Judge by these targets instead of the study's; trains nothing. Repeatable.",
)
@click.option("--format", "form", type=FORMATS, default="table", show_default=True)
@click.option("--exit-zero", is_flag=True, help="Exit 0 also when no configuration meets.")
@examples(
    "tuner report digits",
    "tuner report digits --format json",
    'tuner report digits --target "val >= 95%"',
)
def report(names: tuple[str, ...], targets: tuple[str, ...], form: str, exit_zero: bool) -> int:
    """Show which configurations of a study meet its targets, or the nearest misses."""
    from tuner.commands.report import ReportRequest, run_report

    return run_report(ReportRequest(names, Path.cwd(), targets, form, exit_zero))


@cli.command()
@click.argument("names", nargs=-1, metavar="[STUDY...]")
@click.option("--format", "form", type=FORMATS, default="table", show_default=True)
@examples("tuner status", "tuner status digits --format json")
def status(names: tuple[str, ...], form: str) -> int:
    """Show where the studies of this directory stand, also while they run."""
    from tuner.commands.status import run_status

    return run_status(Path.cwd(), names, form)


def main() -> None:
    """Run the command line; the process ends with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without ≥ shows ? instead
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; errors go to stderr."""
    debug = "--debug" in arguments or os.environ.get("TUNER_DEBUG") == "1"
    try:
        code = cli.main(args=arguments, prog_name="tuner", standalone_mode=False)
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except TunerError as error:
        if debug:
            raise
        click.echo(f"tuner: {error}", err=True)
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output has gone, as in `tuner report fashion | head -1`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if debug:
            raise
        place = f"{error.filename}: " if error.filename else ""
        click.echo(
            f"tuner: {place}{error.strerror or error}.\n"
            "Is there room on the disk, and may you write in this directory and its .tuner folder?",
            err=True,
        )
        return 1
    except Exception as error:
        if debug:
            raise
        click.echo(
            f"tuner: this is a bug: {type(error).__name__}: {error}\n"
            "Run it again with `tuner --debug …` for the traceback. Finished trials are kept.",
            err=True,
        )
        return 1
    return code if isinstance(code, int) else 0
