"""Pictures of data: examples of each class, chosen rows, and the words that speak for a class.

Matplotlib without pyplot: no window, no settings of the user's own and no state between pictures.
Values in, the bytes of a .png or .svg out; the same values give the same bytes. What that takes,
`alone` and `written`, serves `tuner.report.figures` as well.
"""

from __future__ import annotations

import io
import logging
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuner.data.dataset import Array
from tuner.report.wording import one_line

FORMS = ("png", "svg")

DPI = 160
TITLE, NAME, TEXT, SMALL = 13.0, 10.5, 9.0, 7.5  # sizes of letters in points
INK, DIM, BAR = "#1a1a1a", "#5f6368", "#6f9bd1"
MARGIN, GAP = 32, 10  # pixels, as all lengths here
EXAMPLE_SIDE, CHOSEN_SIDE = 112, 168  # an image's longer side, at most
NARROWEST, CHOSEN_WIDTH, BAR_WIDTH = 640, 1500, 240
LONGEST = 36  # letters of a name
PANELS = 3  # classes of words side by side


@dataclass(frozen=True)
class Tile:
    """An image (height, width) or (height, width, channels), and what stands beside it."""

    image: Array
    text: str


@dataclass(frozen=True)
class Bar:
    """A word, the length of its bar, and what stands at its end."""

    word: str
    value: float
    note: str


def examples(
    title: str,
    caption: str,
    classes: Sequence[tuple[str, Sequence[Tile]]],
    scale: float,
    form: str,
) -> bytes:
    """One line of images a class, its name in front and each tile's text below it.

    Args:
        title: above all.
        caption: below all; how grey values are drawn is added.
        classes: name and tiles of each class; a class without a tile keeps its line.
        scale: values go from 0 to this.
        form: one of `FORMS`.
    """
    classes = [(_cut(name), line) for name, line in classes]
    tiles = [tile for _, line in classes for tile in line]
    with alone():
        look = _Look(tiles, scale, EXAMPLE_SIDE)
        left = MARGIN + widest([name for name, _ in classes], NAME) + 2 * GAP
        most = max(len(line) for _, line in classes)
        page = _Page(left + most * (look.width + GAP) - GAP + MARGIN, title)
        for name, line in classes:
            page.write(left - 2 * GAP, page.y + look.height / 2, name, NAME, ha="right")
            for column, tile in enumerate(line):
                x = left + column * (look.width + GAP)
                look.draw(page, tile.image, x)
                y = page.y + look.height + _line(SMALL) / 2
                page.write(x + look.width / 2, y, tile.text, SMALL, DIM, ha="center")
            page.y += look.height + _line(SMALL) + GAP
        return page.finish(f"{caption} {look.words}".strip(), form)


def chosen(
    title: str,
    caption: str,
    tiles: Sequence[Tile],
    scale: float,
    form: str,
    across: int | None = None,
) -> bytes:
    """Tiles in reading order, each with its text above it; arguments as those of `examples`.

    Args:
        across: tiles in a line; None for as many as fit.
    """
    tiles = [Tile(tile.image, _cut(tile.text)) for tile in tiles]
    with alone():
        look = _Look(tiles, scale, CHOSEN_SIDE)
        each = max(look.width, widest([tile.text for tile in tiles], NAME)) + 2 * GAP
        columns = min(across or max(CHOSEN_WIDTH // each, 1), len(tiles))
        page = _Page(2 * MARGIN + columns * each, title)
        for first in range(0, len(tiles), columns):
            for column, tile in enumerate(tiles[first : first + columns]):
                middle = MARGIN + column * each + each // 2
                page.write(middle, page.y, tile.text, NAME, ha="center")
                look.draw(page, tile.image, middle - look.width // 2, below=_line(NAME) // 2 + GAP)
            page.y += look.height + 2 * _line(NAME)
        return page.finish(f"{caption} {look.words}".strip(), form)


def words(
    title: str, caption: str, classes: Sequence[tuple[str, Sequence[Bar]]], form: str
) -> bytes:
    """A chart of bars for each class, side by side and on one scale."""
    classes = [(_cut(n), [Bar(_cut(b.word), b.value, b.note) for b in some]) for n, some in classes]
    bars = [bar for _, some in classes for bar in some]
    with alone():
        room = widest([bar.word for bar in bars], TEXT) + GAP
        each = room + BAR_WIDTH + GAP + widest([bar.note for bar in bars], SMALL) + 4 * GAP
        columns = min(len(classes), PANELS)
        page = _Page(2 * MARGIN + columns * each - 4 * GAP, title)
        longest = max((bar.value for bar in bars), default=0.0)
        unit = BAR_WIDTH / longest if longest > 0 else 0.0  # no word speaks for any class
        for first in range(0, len(classes), columns):
            line = classes[first : first + columns]
            for column, (name, some) in enumerate(line):
                zero = MARGIN + column * each + room
                page.write(zero, page.y, name, NAME, weight="bold")
                for row, bar in enumerate(some):
                    y = page.y + (row + 1.5) * _line(TEXT)
                    page.write(zero - GAP, y, bar.word, TEXT, ha="right")
                    page.bar(zero, y, max(bar.value, 0.0) * unit)
                    end = zero + max(bar.value, 0.0) * unit + GAP
                    page.write(end, y, bar.note, SMALL, DIM)
            page.y += (max(len(some) for _, some in line) + 2) * _line(TEXT)
        return page.finish(caption, form)


class _Look:
    """How the images of one picture are drawn: all in one size, and pixels stay squares."""

    def __init__(self, tiles: Sequence[Tile], scale: float, side: int) -> None:
        high = max(tile.image.shape[0] for tile in tiles)
        wide = max(tile.image.shape[1] for tile in tiles)
        longest = max(high, wide)
        self.scale = scale
        self.step = -(-longest // side)  # of an image with too many pixels every so many
        zoom = max(side // longest, 1)
        self.height, self.width = -(-high // self.step) * zoom, -(-wide // self.step) * zoom
        grey = [_shown(tile.image) for tile in tiles]
        grey = [image for image in grey if image.ndim == 2]
        # On white paper a dark ground is a frame of its own: ink is what stands out from it.
        edges = [np.concatenate([i[0], i[-1], i[:, 0], i[:, -1]]) for i in grey]
        self.ink = bool(edges) and float(np.median(np.concatenate(edges))) < scale / 2
        ends = ("white", "black") if self.ink else ("black", "white")
        self.words = f"0 is {ends[0]}, {scale:g} {ends[1]}." if grey else ""

    def draw(self, page: _Page, image: Array, x: float, below: float = 0.0) -> None:
        """Draw at x, and `below` the page's y."""
        shown = _shown(image)[:: self.step, :: self.step]
        top = page.y + below
        if shown.ndim == 3:
            shown = np.clip(shown / self.scale, 0.0, 1.0)
        page.axes.imshow(
            shown,
            cmap="gray_r" if self.ink else "gray",
            vmin=0.0,
            vmax=self.scale,
            interpolation="nearest",
            aspect="auto",
            extent=(x, x + self.width, top + self.height, top),
        )


def _shown(image: Array) -> Array:
    """Three channels are colours; of any other number the first is shown, in grey."""
    if image.ndim == 3 and image.shape[2] != 3:
        return image[:, :, 0]
    return image


class _Page:
    """A white page that grows downwards; `y` is where it goes on, in pixels from the top."""

    def __init__(self, width: int, title: str) -> None:
        from matplotlib.figure import Figure

        least = widest([title], TITLE, "bold") + 2 * MARGIN
        self.width = max(width, least, NARROWEST)
        self.y = float(MARGIN + _line(TITLE) // 2)
        self.figure = Figure(dpi=DPI, facecolor="white")
        self.axes: Any = self.figure.add_axes((0.0, 0.0, 1.0, 1.0))
        self.axes.axis("off")
        self.write(MARGIN, self.y, title, TITLE, weight="bold")
        self.y += _line(TITLE) + GAP

    def write(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        color: str = INK,
        ha: str = "left",
        weight: str = "normal",
    ) -> None:
        """Text with its middle at height y. A dollar is a dollar and begins no formula."""
        self.axes.text(
            x,
            y,
            text,
            fontsize=size,
            color=color,
            ha=ha,
            va="center",
            weight=weight,
            parse_math=False,
        )

    def bar(self, x: float, y: float, length: float) -> None:
        """A bar to the right, its middle at height y."""
        from matplotlib.patches import Rectangle

        high = 0.72 * _line(TEXT)
        self.axes.add_patch(Rectangle((x, y - high / 2), length, high, color=BAR, linewidth=0))

    def finish(self, caption: str, form: str) -> bytes:
        """The file, with the caption at its foot."""
        self.y += GAP
        # Lines differ in width for their letters; a little room lets the widest one fit, too.
        room = 0.94 * (self.width - 2 * MARGIN) / widest([caption], TEXT)
        for line in textwrap.wrap(caption, max(int(room * len(caption)), 1)):
            self.y += _line(TEXT)
            self.write(MARGIN, self.y - _line(TEXT) / 2, line, TEXT, DIM)
        height = self.y + MARGIN
        self.figure.set_size_inches(self.width / DPI, height / DPI)
        self.axes.set_xlim(0, self.width)
        self.axes.set_ylim(height, 0)
        return written(self.figure, form)


def written(figure: Any, form: str) -> bytes:
    """A figure as a file of one of `FORMS`."""
    out = io.BytesIO()
    # Without a date the same picture is the same file.
    metadata = {"Date": None} if form == "svg" else {}
    figure.savefig(out, format=form, dpi=DPI, metadata=metadata)
    return out.getvalue()


def _cut(text: str) -> str:
    """The text on one line and no longer than a name may be."""
    return one_line(text, LONGEST)


def _line(size: float) -> int:
    """Height of a line of letters of that size."""
    return round(1.7 * size * DPI / 72)


def widest(texts: Sequence[str], size: float, weight: str = "normal") -> int:
    """Width in pixels of the longest of the texts, of which there is at least one."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(dpi=DPI)
    canvas: Any = FigureCanvasAgg(figure)
    renderer = canvas.get_renderer()
    written = [
        figure.text(0, 0, text, fontsize=size, weight=weight, parse_math=False) for text in texts
    ]
    return round(max(text.get_window_extent(renderer).width for text in written)) + 1


@contextmanager
def alone() -> Iterator[None]:
    """Matplotlib with its own defaults: neither a user's settings nor earlier pictures count."""
    # Where it may keep no cache it says so each time, which helps nobody here.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    import matplotlib

    with warnings.catch_warnings(), matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams["svg.hashsalt"] = "tuner"
        # A letter that its fonts lack is a box in the picture, and no more than that.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield
