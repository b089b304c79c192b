"""What several commands share: kinds of values, options, and examples in help texts."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

FORMATS = click.Choice(["table", "json", "csv"])
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


format_option = click.option(
    "--format", "form", type=FORMATS, default="table", show_default=True, help="Form of the result."
)
data_dir_option = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="TUNER_DATA_DIR",
    show_envvar=True,
    help="Where fashion_mnist.npz, imdb.parquet and the like lie.",
)
