"""Commands that read what there is and change nothing."""

from __future__ import annotations

from pathlib import Path

import click

from tuner.cli.group import cli
from tuner.cli.options import FORMATS, complete_studies, examples, format_option


@cli.command()
@click.argument(
    "names", nargs=-1, required=True, metavar="STUDY...", shell_complete=complete_studies
)
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="TEXT",
    help="Judge by these targets instead of the study's; trains nothing. Repeatable.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice([*FORMATS.choices, "markdown"]),
    default="table",
    show_default=True,
    help="Form of the result.",
)
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write the page: charts, the winners' mistakes, how it was measured, all in one file "
    "that works offline.",
)
@click.option(
    "--pictures",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Also write the charts as PNG and SVG files.",
)
@click.option(
    "--mlflow-url",
    metavar="URL",
    help="Where MLflow's pages are, for the page's links to runs; the server of "
    "MLFLOW_TRACKING_URI by default.",
)
@click.option(
    "--mlflow/--no-mlflow",
    "record",
    default=True,
    show_default=True,
    help="Keep copies of page and pictures beside the sweep's run in MLflow.",
)
@click.option("--exit-zero", is_flag=True, help="Exit 0 also when no configuration meets.")
@examples(
    "tuner report digits",
    "tuner report digits --html digits.html",
    "tuner report digits --format json",
    'tuner report digits --target "val >= 95%"',
    "tuner report digits --pictures pictures --no-mlflow",
)
def report(
    names: tuple[str, ...],
    targets: tuple[str, ...],
    form: str,
    html: Path | None,
    pictures: Path | None,
    mlflow_url: str | None,
    record: bool,
    exit_zero: bool,
) -> int:
    """Show which configurations of a study meet its targets, or the nearest misses.

    Everything comes from the record and nothing is trained, also with other targets. For the page,
    kept weights of the first three trials say which of their validation rows they get wrong.
    """
    from tuner.commands.report import ReportRequest, run_report
    from tuner.commands.report_files import FilesRequest

    files = FilesRequest(html, pictures, mlflow_url, record)
    return run_report(ReportRequest(names, Path.cwd(), targets, form, exit_zero, files))


@cli.command()
@click.argument("names", nargs=-1, metavar="[STUDY...]", shell_complete=complete_studies)
@format_option
@examples("tuner status", "tuner status digits --format json")
def status(names: tuple[str, ...], form: str) -> int:
    """Show where the studies of this directory stand, also while they run.

    Counts what runs, waits and has failed; `tuner list` shows what each study was made for.
    """
    from tuner.commands.status import run_status

    return run_status(Path.cwd(), names, form)


@cli.command("list")
@format_option
@examples("tuner list", "tuner list --format csv")
def list_studies(form: str) -> int:
    """List the studies of this directory, those used last first.

    A row has the data set, the trials, how many meet, and the targets where there is room. The
    definitions that could be started stand below. `tuner status` counts what runs and waits.
    """
    from tuner.commands.listing import run_list

    return run_list(Path.cwd(), form)


@cli.command()
@click.argument("study", shell_complete=complete_studies)
@click.argument("trial", default="best", required=False)
@click.option("--loss", is_flag=True, help="Draw the losses, too; a wide terminal always does.")
@format_option
@examples(
    "tuner show digits", "tuner show digits baseline --loss", "tuner show digits 0 --format json"
)
def show(study: str, trial: str, loss: bool, form: str) -> int:
    """Show everything about one trial of STUDY, with its curves.

    TRIAL is a number, the name of a variant, or `best`: the winner, or the nearest miss where no
    trial meets the targets. JSON has all epochs, and CSV is one row an epoch.
    """
    from tuner.commands.show import ShowRequest, run_show

    return run_show(ShowRequest(study, Path.cwd(), trial, loss, form))


@cli.command()
@click.argument("names", nargs=-1, metavar="[STUDY[:TRIAL]]...", shell_complete=complete_studies)
@click.option(
    "--by",
    type=click.Choice(["user", "study"]),
    help="One row a user, or a study, of the whole MLflow store or of what is named.",
)
@format_option
@examples(
    "tuner compare digits",
    "tuner compare digits:best digits:baseline",
    "tuner compare digits --format csv",
    "tuner compare --by user",
)
def compare(names: tuple[str, ...], by: str | None, form: str) -> int:
    """Put studies, or trials such as `digits:7` or `digits:baseline`, side by side.

    Several studies make a row each, and no name means all of this directory. One study alone shows
    its best trial beside its variants. With --by, the table is of everybody who records in the
    MLflow store that MLFLOW_TRACKING_URI names, as for a class.
    """
    from tuner.commands.compare import CompareRequest, run_compare

    return run_compare(CompareRequest(names, Path.cwd(), by, form))
