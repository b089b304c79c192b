"""The command `tuner` itself, to which the commands of the other modules are added."""

from __future__ import annotations

import click

from tuner import __version__
from tuner.cli.options import examples

EPILOG = (
    "Exit codes: 0 a configuration meets the targets, or the command did its work; 1 error; "
    "2 usage; 3 none meets; 130 interrupted; 143 ended by SIGTERM."
)


SECTIONS = {
    "Search": ("sweep", "train", "init"),
    "Prove and use": ("confirm", "export", "predict"),
    "Look": ("report", "list", "status", "show", "compare", "data", "ui"),
    "Keep house": ("delete", "clean", "doctor", "completion"),
}


class Sections(click.Group):
    """A group whose help lists its commands by what they are for."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one list a section; what stands in none comes last."""
        known = [name for names in SECTIONS.values() for name in names]
        rest = tuple(name for name in self.list_commands(ctx) if name not in known)
        for title, names in {**SECTIONS, "Other": rest}.items():
            commands = {name: self.get_command(ctx, name) for name in names}
            rows = [
                (name, command.get_short_help_str(limit=300))
                for name, command in commands.items()
                if command is not None and not command.hidden
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


@click.group(cls=Sections, context_settings={"help_option_names": ["-h", "--help"]}, epilog=EPILOG)
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
