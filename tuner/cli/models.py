"""Commands that make a model of a trial and ask it."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from tuner.cli.group import cli
from tuner.cli.options import complete_studies, data_dir_option, examples, format_option

FILE = click.Path(path_type=Path)


@cli.command()
@click.argument("study", metavar="NAME", shell_complete=complete_studies)
@click.option(
    "--trial",
    default="best",
    show_default=True,
    metavar="TRIAL",
    help="Its number, its variant's name, or best: the winner, a confirmed one first, or the "
    "nearest miss where no trial meets the targets.",
)
@click.option(
    "--out",
    type=FILE,
    metavar="FILE.keras",
    help="Write the model here. [default: NAME-trial-N.keras]",
)
@click.option(
    "--code",
    type=FILE,
    metavar="FILE.py",
    help="Write the training as a plain Keras script, which needs nothing of tuner; with this "
    "option alone, no model is written.",
)
@click.option(
    "--register",
    metavar="MODEL",
    help="Put the model into MLflow's model registry under this name, as a new version.",
)
@click.option(
    "--alias",
    metavar="ALIAS",
    help="Alias of the registered version. [default: champion]",
)
@data_dir_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Form of the result.",
)
@examples(
    "tuner export digits --out digits.keras --register digits",
    "tuner export digits --trial baseline --out baseline.keras --format json",
    "tuner export digits --code winner.py",
)
def export(
    study: str,
    trial: str,
    out: Path | None,
    code: Path | None,
    register: str | None,
    alias: str | None,
    data_dir: Path | None,
    form: str,
) -> int:
    """Write a trial of the study NAME as a Keras model that takes raw input.

    It has the weights of the trial's chosen epoch, and another process loads it again and counts
    what it gets right before it gets its name. A model card for people and a description for
    `tuner predict` are written beside it. Weights that were not kept are trained again from the
    record.
    """
    from tuner.commands.export import ExportRequest, run_export

    return run_export(
        ExportRequest(
            study=study,
            folder=Path.cwd(),
            trial=trial,
            out=out,
            code=code,
            register=register,
            alias=alias,
            data_dir=data_dir,
            format=form,
        )
    )


def _complete_model(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    return [CompletionItem(incomplete, type="file")]


@cli.command()
@click.argument("model", shell_complete=_complete_model)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=_complete_model)
@click.option(
    "--top",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="How many classes a row is answered with, most probable first.",
)
@click.option("--invert", is_flag=True, help="Turn light into dark in pictures.")
@format_option
@examples(
    "tuner predict digits.keras picture.png",
    "tuner predict models:/digits@champion rows.csv --top 3",
    "tuner predict digits.keras rows.csv --format csv",
)
def predict(model: str, files: tuple[str, ...], top: int, invert: bool, form: str) -> int:
    """Ask an exported model what pictures, rows or texts are.

    MODEL is a .keras file of `tuner export`, with its description beside it, or a registered model
    such as models:/digits@champion. A FILE is a picture (.png, .jpg), a table (.csv, .parquet), an
    array of rows (.npy, .npz, or FILE.npz:NAME for one array of several), or a text (.txt, or - for
    standard input; in a table, its column `text`).

    A model of data of your own takes raw rows: the columns that it was trained on by name, in any
    order. Others are left out, and what is missing is imputed where training did that; both are
    said.
    """
    from tuner.commands.predict import PredictRequest, run_predict

    return run_predict(
        PredictRequest(
            model=model, files=files, folder=Path.cwd(), top=top, invert=invert, format=form
        )
    )
