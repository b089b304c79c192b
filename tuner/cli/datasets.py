"""The command that shows data sets."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from tuner.cli.group import cli
from tuner.cli.options import data_dir_option, examples, format_option
from tuner.cli.own_data import reading_options
from tuner.reading import NAMED, Reading


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    found = [CompletionItem(name) for name in NAMED if name.startswith(incomplete)]
    # The shell itself completes paths, which may lead to data of the user's own.
    return found or [CompletionItem(incomplete, type="file")]


@cli.command()
@click.argument("name", required=False, metavar="[DATASET]", shell_complete=_complete)
@click.option(
    "--index",
    metavar="ROWS",
    help="Show these rows, counted from 0, with their labels: 5,20,789 or 0-9.",
)
@click.option(
    "--split",
    type=click.Choice(["train", "test"]),
    help="Which rows --index counts. [default: train]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the picture here, as .png or .svg. [default: DATASET-examples.png and the like]",
)
@click.option("--no-picture", is_flag=True, help="Write no picture.")
@reading_options
@data_dir_option
@format_option
@examples(
    "tuner data",
    "tuner data digits",
    "tuner data digits --index 5,20,789 --out some.svg",
    "tuner data digits --index 0-9 --split test --no-picture",
    "tuner data wine.csv --label cultivar",
)
def data(
    name: str | None,
    index: str | None,
    split: str | None,
    out: Path | None,
    no_picture: bool,
    reading: Reading,
    data_dir: Path | None,
    form: str,
) -> int:
    """List the data sets, or show what is in DATASET, a name or a path to data of your own.

    Data of your own is a .npz, .csv or .parquet file, or a folder with a folder of pictures for
    each class; what is inferred of it is shown before anything is trained. The options from --label
    to --ignore say what cannot be inferred, and are keys of a sweep file.

    For a data set it prints shapes, values and the rows of each class and split, and writes a
    picture into this directory: examples of each class, or for texts the words that speak most for
    each class. With --index it shows single rows instead, such as images with their labels.
    """
    from tuner.commands.data import DataRequest, run_data

    return run_data(
        DataRequest(
            name=name,
            folder=Path.cwd(),
            data_dir=data_dir,
            index=index,
            split=split,
            out=out,
            picture=not no_picture,
            reading=reading,
            format=form,
        )
    )
