"""The one look of all pictures: a white sheet, its words, the marks of trials, quiet axes.

A colour means the same in every picture; colours that are easily taken for each other differ in
their marks as well. They are those of Okabe & Ito, which colour-blind readers can tell apart.
Lengths are inches, sizes of letters points.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.report.page.charts_base import KINDS, Kind, Point
from tuner.report.pictures import DIM, DPI, INK, NAME, SMALL, TEXT, TITLE, widest, written
from tuner.report.wording import one_line

WIDTH, HEIGHT = 8.0, 4.7
"""Of a sheet, and of what is drawn on it, unless a picture needs others."""

EDGE = 0.3
LABEL = 28
"""Letters of a name in a picture, at most."""

GRID, RULE, PAPER = "#e8eaed", "#9aa0a6", "white"
REGION = "#e3eff8"
LIMIT = "#8a4b08"
COLORS: dict[Kind, str] = {
    "misses": "#9aa0a6",
    "pruned": "#9aa0a6",
    "meets": "#0072b2",
    "confirmed": "#009e73",
    "variant": "#d55e00",
}
WORDS: dict[Kind, str] = {
    "misses": "misses",
    "pruned": "pruned",
    "meets": "meets the targets",
    "confirmed": "confirmed",
    "variant": "named variant",
}
MARKS: dict[Kind, str] = {
    "misses": "o",
    "pruned": "o",
    "meets": "o",
    "confirmed": "*",
    "variant": "D",
}
AREAS: dict[Kind, float] = {
    "misses": 22.0,
    "pruned": 18.0,
    "meets": 44.0,
    "confirmed": 190.0,
    "variant": 42.0,
}
MANY = 300
"""Dots from which on they are drawn smaller."""


class Sheet:
    """A white sheet with a title, a line below it, room for a drawing, and a caption at its foot.

    Args:
        study: its name is the first word.
        title: above all.
        said: one line on what is to be seen; names in it are short already.
        caption: how to read it.
        width: of the sheet, at least; a long title makes it wider.
        height: of the drawing.
        legend: leave room for what `legend` writes.
    """

    def __init__(
        self,
        study: str,
        title: str,
        said: str,
        caption: str = "",
        width: float = WIDTH,
        height: float = HEIGHT,
        *,
        legend: bool = True,
    ) -> None:
        from matplotlib.figure import Figure

        title = f"{short(study)}: {one_line(title, 70)}"
        least = max(_inches([title], TITLE, "bold"), _inches([said], TEXT))
        self.width = max(width, least + 2 * EDGE)
        lines = self._wrapped(caption)
        foot = EDGE + len(lines) * _line(SMALL)
        head = EDGE + _line(TITLE) + _line(TEXT) + (0.42 if legend else 0.15)
        self.height = head + height + foot
        self._foot = foot
        self._legend = self.height - head + 0.3
        self.figure: Any = Figure((self.width, self.height), dpi=DPI, facecolor=PAPER)
        top = self.height - EDGE
        self._write(top, title, TITLE, INK, weight="bold")
        self._write(top - _line(TITLE), said, TEXT, DIM)
        for number, line in enumerate(lines):
            self._write(EDGE + (len(lines) - number) * _line(SMALL), line, SMALL, DIM)

    def axes(self, left: float, bottom: float, width: float, height: float, **more: Any) -> Any:
        """Quiet axes; lengths from the left edge of the sheet and from the caption upwards."""
        place = (
            left / self.width,
            (self._foot + bottom) / self.height,
            width / self.width,
            height / self.height,
        )
        axes = self.figure.add_axes(place, **more)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            axes.spines[side].set_color(RULE)
        axes.tick_params(colors=RULE, labelcolor=DIM, labelsize=TEXT - 0.5, length=3)
        axes.set_axisbelow(True)
        axes.grid(visible=True, color=GRID, linewidth=0.8)
        return axes

    def whole(self, left: float = 0.95, bottom: float = 0.62, height: float = HEIGHT) -> Any:
        """One pair of axes over all of the drawing."""
        return self.axes(left, bottom, self.width - left - EDGE, height - bottom)

    def legend(self, handles: Sequence[Any]) -> None:
        """What marks and lines mean, in a row below the words."""
        if handles:
            self.figure.legend(
                handles=list(handles),
                loc="center left",
                bbox_to_anchor=(EDGE / self.width, self._legend / self.height),
                ncols=len(handles),
                frameon=False,
                fontsize=TEXT - 0.5,
                labelcolor=INK,
                borderpad=0,
                borderaxespad=0,
                handletextpad=0.4,
                columnspacing=1.4,
                handlelength=1.7,
            )

    def say_nothing(self, why: str, height: float = HEIGHT) -> None:
        """An empty frame of that height that says why it is empty."""
        axes = self.whole(left=EDGE, bottom=0.15, height=height)
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_visible(True)
            spine.set_color(GRID)
        axes.text(
            0.5,
            0.5,
            why,
            transform=axes.transAxes,
            ha="center",
            va="center",
            fontsize=NAME,
            color=DIM,
        )

    def written(self, form: str) -> bytes:
        """The file."""
        return written(self.figure, form)

    def _write(self, y: float, text: str, size: float, color: str, **more: Any) -> None:
        x, y = EDGE / self.width, y / self.height
        self.figure.text(x, y, text, fontsize=size, color=color, va="top", **more)

    def _wrapped(self, text: str) -> list[str]:
        if not text:
            return []
        room = 0.96 * (self.width - 2 * EDGE) / _inches([text], SMALL)
        return textwrap.wrap(text, max(int(room * len(text)), 20))


def dots(axes: Any, points: Sequence[Point], clip_low: float | None = None) -> list[Any]:
    """The marks of trials, those that matter on top; returns what the legend shows.

    Args:
        axes: where.
        points: trials.
        clip_low: y below which a trial is drawn as an arrow at that height; None: none is.
    """
    few = len(points) <= MANY
    handles = []
    for depth, kind in enumerate(KINDS, 3):
        some = [p for p in points if p.kind == kind]
        if not some:
            continue
        small = 1.0 if few or kind in ("confirmed", "variant") else 0.6
        face = PAPER if kind == "pruned" else COLORS[kind]
        edge = COLORS[kind] if kind == "pruned" else PAPER
        look = {
            "facecolors": face,
            "edgecolors": edge,
            "linewidths": 0.9 if few else 0.6,
            "zorder": depth,
        }
        inside = [p for p in some if clip_low is None or p.y >= clip_low]
        below = [p for p in some if clip_low is not None and p.y < clip_low]
        handles.append(
            axes.scatter(
                [p.x for p in inside],
                [p.y for p in inside],
                s=AREAS[kind] * small,
                marker=MARKS[kind],
                label=WORDS[kind],
                **look,
            )
        )
        if below:
            axes.scatter(
                [p.x for p in below],
                [clip_low] * len(below),
                s=26 * small,
                marker="v",
                clip_on=False,
                **look,
            )
    return handles[::-1]


def limit_line(
    axes: Any, value: float, text: str | None = None, *, upright: bool = False
) -> list[Any]:
    """A target's limit; with its words, returns what the legend shows."""
    draw = axes.axvline if upright else axes.axhline
    line = draw(
        value, color=LIMIT, linewidth=1.0, linestyle=(0, (4, 3)), zorder=2, label=text or ""
    )
    return [line] if text else []


def write(axes: Any, text: str, at: tuple[float, float], **look: Any) -> None:
    """Words with a white rim, so that they can be read on lines; `look` as for `annotate`."""
    from matplotlib.patheffects import withStroke

    rim = withStroke(linewidth=2.2, foreground=PAPER)
    # Letters with an effect are outlines: no words in an .svg, and in a .png a little elsewhere. So
    # they are nothing but paper, and the words are written over them.
    under = {**look, "color": PAPER, "arrowprops": None}
    axes.annotate(text, at, **under, path_effects=[rim])
    axes.annotate(text, at, **look)


def percent(axis: Any, bins: int = 7) -> None:
    """Shares as percentages, with as many decimals as the ticks need."""
    axis.get_major_locator().set_params(nbins=bins)
    axis.set_major_formatter(
        lambda value, at: f"{float(f'{100 * value:.6g}'):g}\u202f%".replace("-", "−")
    )


def titled(axes: Any, x: str, y: str) -> None:
    """What the axes show."""
    axes.set_xlabel(x, fontsize=TEXT, color=INK, labelpad=6)
    axes.set_ylabel(y, fontsize=TEXT, color=INK, labelpad=6)


@dataclass(frozen=True)
class Label:
    """A few words beside a point."""

    text: str
    x: float
    y: float
    color: str = INK


_SIDES = (
    (0, 7, "center", "bottom"), (8, 0, "left", "center"), (-8, 0, "right", "center"),
    (0, -7, "center", "top"), (6, 6, "left", "bottom"), (-6, 6, "right", "bottom"),
    (6, -6, "left", "top"), (-6, -6, "right", "top"),
    (14, 14, "left", "bottom"), (-14, 14, "right", "bottom"),
    (14, -14, "left", "top"), (-14, -14, "right", "top"),
    (0, 24, "center", "bottom"), (0, -24, "center", "top"),
)  # fmt: skip


def label(axes: Any, labels: Iterable[Label], avoid: Iterable[tuple[float, float]]) -> None:
    """Write words beside points where nothing is in their way; those without room are left out.

    Args:
        axes: with its limits set.
        labels: the most important first; the first one is always written.
        avoid: (x, y) of marks that no label may cover.
    """
    pixels = DPI / 72
    marks = [axes.transData.transform(at) for at in avoid]
    frame = axes.get_window_extent()
    taken: list[tuple[float, float, float, float]] = []
    for number, one in enumerate(labels):
        x, y = axes.transData.transform((one.x, one.y))
        wide = widest([one.text], SMALL + 0.5) + 2
        high = 1.3 * (SMALL + 0.5) * pixels
        for dx, dy, ha, va in _SIDES:
            left = x + dx * pixels - {"left": 0, "center": wide / 2, "right": wide}[ha]
            low = y + dy * pixels - {"bottom": 0, "center": high / 2, "top": high}[va]
            box = (left, low, left + wide, low + high)
            inside = frame.x0 <= left and box[2] <= frame.x1 and frame.y0 <= low
            free = inside and box[3] <= frame.y1 and not any(_overlap(box, b) for b in taken)
            if free and not any(_holds(box, mark, 4 * pixels) for mark in marks):
                break
        else:
            if number:
                continue
            dx, dy, ha, va = _SIDES[1] if x < (frame.x0 + frame.x1) / 2 else _SIDES[2]
        taken.append(box)
        far = abs(dx) + abs(dy) > 15
        write(
            axes,
            one.text,
            (one.x, one.y),
            xytext=(dx, dy),
            textcoords="offset points",
            ha=ha,
            va=va,
            fontsize=SMALL + 0.5,
            color=one.color,
            zorder=10,
            arrowprops={"arrowstyle": "-", "color": RULE, "linewidth": 0.6, "shrinkB": 3}
            if far
            else None,
        )


def _overlap(a: Sequence[float], b: Sequence[float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _holds(box: Sequence[float], mark: Sequence[float], reach: float) -> bool:
    return box[0] - reach < mark[0] < box[2] + reach and box[1] - reach < mark[1] < box[3] + reach


def name_width(names: Iterable[str], size: float = TEXT) -> float:
    """Inches that the longest of the names takes."""
    return _inches(list(names) or [""], size)


def short(text: str, most: int = LABEL) -> str:
    """A name on one line that is not too long."""
    return one_line(text, most)


def fitted(text: str, room: float, size: float, weight: str = "normal") -> str:
    """A name on one line, cut where it would be wider than so many inches."""
    text = short(text, 60)
    while len(text) > 4 and _inches([text], size, weight) > room:
        text = short(text, min(len(text) - 1, int(len(text) * 0.95)))
    return text


def whole_numbers(axis: Any) -> None:
    """Ticks at whole numbers only."""
    axis.get_major_locator().set_params(integer=True, min_n_ticks=1, nbins=8)


def ticks_by(axis: Any, text: Callable[[float], str]) -> None:
    """Ticks whose texts are made from their value."""
    axis.set_major_formatter(lambda value, at: text(value))


def _inches(texts: list[str], size: float, weight: str = "normal") -> float:
    return widest(texts, size, weight) / DPI


def _line(size: float) -> float:
    return 1.6 * size / 72
