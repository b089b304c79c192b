"""The reference of the commands as Markdown, from the commands themselves.

`python -m tuner.cli.reference docs` writes it, the reference of the sweep file and the JSON Schema;
tests say when one of them is out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from tuner.cli import cli
from tuner.cli.group import EPILOG
from tuner.definition_page import sweep_file_page
from tuner.definition_reference import schema_text
from tuner.workspace import write_aside

REGENERATE = "python -m tuner.cli.reference docs"

_OPENING = f"""\
# Commands

<!-- Generated from the code by `{REGENERATE}`: change it there. -->

All commands work on the studies of the working directory. Those that print results take
`--format table|json|csv`; then the result alone is on stdout, and progress and notes are on stderr.
`--help` after a command shows what stands here. The options of `tuner` itself come before the
command.
"""


def walk(
    command: click.Command = cli, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    """Every visible command with the words that call it, `tuner` itself first."""
    yield " ".join(("tuner", *path)), command
    if isinstance(command, click.Group):
        for name, below in sorted(command.commands.items()):
            if not below.hidden:
                yield from walk(below, (*path, name))


def examples_of(command: click.Command) -> list[str]:
    """The lines below `Examples:` in a command's help."""
    _, _, below = (command.help or "").partition("Examples:\n")
    return [line.strip() for line in below.splitlines() if line.strip()]


def commands_page() -> str:
    """The whole page, with a final newline."""
    found = list(walk())
    listed = "".join(
        f"- [{words}](#{words.replace(' ', '-')}): {command.get_short_help_str(200)}\n"
        for words, command in found[1:]
    )
    return "\n".join([_OPENING, listed, *(_section(words, command) for words, command in found)])


def _section(words: str, command: click.Command) -> str:
    context = click.Context(command, info_name=words, **command.context_settings)
    usage = " ".join([words, *command.collect_usage_pieces(context)])
    said = (command.help or "").partition("\b\nExamples:")[0].strip()
    parts = [f"## {words}\n", f"```text\n{usage}\n```\n", f"{said}\n"]
    options = [row for p in command.get_params(context) if (row := _option(p, context))]
    if options:
        parts.append("| option | meaning |\n| --- | --- |\n" + "".join(options))
    if examples := examples_of(command):
        parts.append("```sh\n" + "\n".join(examples) + "\n```\n")
    if command is cli:
        parts.append(f"{EPILOG}\n")
    return "\n".join(parts)


def _option(parameter: click.Parameter, context: click.Context) -> str:
    """The row of an option as `--help` describes it; empty for arguments and `--help`."""
    if not isinstance(parameter, click.Option) or "--help" in parameter.opts:
        return ""
    record = parameter.get_help_record(context)
    if record is None:
        return ""
    names, text = record
    return f"| `{_cell(names)}` | {_cell(text)} |\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def pages() -> dict[str, str]:
    """The generated files by name."""
    return {
        "commands.md": commands_page(),
        "sweep-file.md": sweep_file_page(),
        "sweep.schema.json": schema_text(),
    }


def main(arguments: Sequence[str]) -> int:
    """Write the generated files into the folder that is named."""
    if len(arguments) != 1:
        click.echo(f"usage: {REGENERATE}", err=True)
        return 2
    for name, text in pages().items():
        write_aside(Path(arguments[0]) / name, text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
