"""Options that say how data of the user's own is read, for commands that take a path to it."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import click

from tuner.reading import COLOURS, LARGEST, MISSING, WORDS, Reading


class Size(click.ParamType[tuple[int, int]]):
    """Height and width of pictures, such as `32x48`, or one number for both."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"\s*([0-9]{1,6})\s*(?:[x×,]\s*([0-9]{1,6})\s*)?", str(value))
        if found is None:
            self.fail(f"{value!r} is no size; write height x width, such as 32x32", param, ctx)
        size = (int(found[1]), int(found[2] or found[1]))
        if not all(1 <= side <= LARGEST for side in size):
            self.fail(f"{value!r}: each side has 1 to {LARGEST} pixels", param, ctx)
        return size


_OPTIONS = (
    click.option("--label", metavar="COLUMN", help="Of a table: the column with the answer."),
    click.option("--text", metavar="COLUMN", help="Of a table: the column with texts."),
    click.option(
        "--words",
        type=click.IntRange(1, 100_000),
        metavar="N",
        help=f"Of texts: how many words are kept at most. [default: {WORDS}]",
    ),
    click.option(
        "--missing",
        type=click.Choice(MISSING),
        help="Of a table: what becomes of missing values. [default: refuse]",
    ),
    click.option(
        "--image-size",
        type=Size(),
        metavar="HxW",
        help="Of a folder of pictures: height and width that all are brought to.",
    ),
    click.option(
        "--colour", type=click.Choice(COLOURS), help="Of a folder of pictures: grey or rgb."
    ),
    click.option(
        "--ignore",
        multiple=True,
        metavar="COLUMN",
        help="Of a table: a column that is left out; may be given several times.",
    ),
)


def reading_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; `function` gets what they say as `reading`."""

    @functools.wraps(function)
    def with_reading(
        label: str | None,
        text: str | None,
        words: int | None,
        missing: Any,
        image_size: tuple[int, int] | None,
        colour: Any,
        ignore: tuple[str, ...],
        **others: Any,
    ) -> Any:
        reading = Reading(
            label=label,
            text=text,
            words=words or WORDS,
            missing=missing or "refuse",
            image_size=image_size,
            colour=colour,
            ignore=ignore,
        )
        return function(reading=reading, **others)

    found: Callable[..., Any] = with_reading
    for option in reversed(_OPTIONS):
        found = option(found)
    return found
