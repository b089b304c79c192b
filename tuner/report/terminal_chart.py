"""Curves over epochs as lines of text: in braille dots, or in letters where those cannot be shown.

Pure: series in, lines out. What was not measured is a gap and is never joined across; every series
and limit is named at its right end, so that the chart reads without colour.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from rich.text import Text

_BLANK = 0x2800
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # by column, then by row from the top
_TALL = 4  # dots in a cell of braille
_LEAST = 12  # columns of a plot that still shows something
_FAR = 2.0  # a limit this many times the curves' own span away would flatten them


@dataclass(frozen=True)
class Series:
    """One curve: its figure by epoch, None where there is none.

    Attributes:
        name: what stands at its right end; the first letter draws it where braille cannot.
        values: by epoch, 1-based; an absent epoch is a gap like None.
        style: a colour for terminals that have them.
    """

    name: str
    values: Mapping[int, float | None]
    style: str = ""

    def points(self) -> dict[int, float]:
        """The finite figures by epoch."""
        known = {e: v for e, v in self.values.items() if v is not None and math.isfinite(v)}
        return dict(sorted(known.items()))


@dataclass(frozen=True)
class Limit:
    """A horizontal line, such as a target's."""

    value: float
    label: str


@dataclass(frozen=True)
class _Grid:
    """Where epochs and figures fall, in dots (braille: 2 by 4 a cell; letters: 1 by 1)."""

    first: int
    last: int
    low: float
    high: float
    columns: int
    rows: int
    wide: int
    tall: int

    def x(self, epoch: int) -> int:
        steps, room = self.last - self.first, self.columns * self.wide - 1
        done = epoch - self.first
        if steps == 0:
            return 0
        each = room // steps  # whole dots an epoch make an even curve, where that wastes little
        return done * each if each > 1 or each * steps > room * 2 // 3 else done * room // steps

    def y(self, value: float) -> int:
        """Dots from the top; a figure outside is drawn at the edge."""
        share = (self.high - value) / (self.high - self.low)
        return min(max(round(share * (self.rows * self.tall - 1)), 0), self.rows * self.tall - 1)

    def row(self, value: float) -> int:
        return self.y(value) // self.tall

    def column(self, epoch: int) -> int:
        return self.x(epoch) // self.wide


def chart(
    series: Sequence[Series],
    limits: Sequence[Limit] = (),
    *,
    width: int = 80,
    height: int = 10,
    marked: int | None = None,
    windows: Iterable[tuple[int, int]] = (),
    plain: bool = False,
) -> list[Text]:
    """The curves as lines of text, none of them wider than `width`.

    Args:
        series: curves; a later one is drawn over an earlier one.
        limits: horizontal lines. One far away from all curves is named at the edge instead.
        width: characters in a line.
        height: lines of the plot; the axis and the epochs below it come on top.
        marked: the epoch that stands for the trial, marked below the axis.
        windows: runs of epochs that the axis shows thick.
        plain: letters and ASCII only.
    """
    drawn = [(s, points) for s in series if (points := s.points())]
    if not drawn:
        return []
    figures = [v for _, points in drawn for v in points.values()]
    low, high = _extent(figures, [limit.value for limit in limits])
    left = _ticks(low, high)
    margin = max(len(text) for text in left)
    names = [s.name for s, _ in drawn] + [_named(limit, low, high, plain) for limit in limits]
    columns = max(width - margin - 2 - max(map(len, names)) - 1, _LEAST)
    # The axis spans every epoch that was trained, also those without a figure.
    epochs = [e for s in series for e in s.values]
    scale = (1, 1) if plain else (2, _TALL)
    grid = _Grid(min(epochs), max(epochs), low, high, columns, height, *scale)
    grid = replace(grid, columns=grid.column(grid.last) + 1)
    cells = _letters(grid, drawn, limits) if plain else _braille(grid, drawn, limits)
    right = _labels(grid, drawn, limits, plain)
    lines = []
    for row in range(height):
        tick = {0: left[0], height - 1: left[1]}.get(row, "")
        line = Text(f"{tick:>{margin}} {_glyph('┤' if tick else '│', plain)}", style="dim")
        for glyph, style in cells[row]:
            line.append(glyph, style or "not dim")
        text, style = right.get(row, ("", ""))
        line.append(f" {text}" if text else "", style or "not dim")
        line.rstrip()
        lines.append(line)
    return lines + _axis(grid, margin, marked, tuple(windows), plain, width)


def _extent(figures: Sequence[float], limits: Iterable[float]) -> tuple[float, float]:
    """The lowest and highest figure shown: all of the curves, and the limits that are near."""
    low, high = min(figures), max(figures)
    span = high - low or abs(high) / 10 or 1.0
    near = [v for v in limits if low - _FAR * span <= v <= high + _FAR * span]
    low, high = min([low, *near]), max([high, *near])
    return (low, high) if high > low else (low - span / 2, high + span / 2)


def _ticks(low: float, high: float) -> tuple[str, str]:
    """The top and the bottom of the scale, with as many digits as it takes to tell them apart."""
    for digits in range(0 if abs(high) >= 100 else 2, 12):
        texts = f"{high:.{digits}f}", f"{low:.{digits}f}"
        if abs(float(texts[0]) - high) <= (high - low) / 20 >= abs(float(texts[1]) - low):
            return texts
    return f"{high:.3g}", f"{low:.3g}"


def _named(limit: Limit, low: float, high: float, plain: bool) -> str:
    """A limit's label, with an arrow where the limit lies outside the scale."""
    if low <= limit.value <= high:
        return limit.label
    above, below = ("^", "v") if plain else ("↑", "↓")
    return f"{above if limit.value > high else below} {limit.label}"


_Cells = list[list[tuple[str, str]]]
_Drawn = Sequence[tuple[Series, dict[int, float]]]


def _braille(grid: _Grid, drawn: _Drawn, limits: Iterable[Limit]) -> _Cells:
    bits = [[0] * grid.columns for _ in range(grid.rows)]
    styles = [[""] * grid.columns for _ in range(grid.rows)]

    def dot(x: int, y: int, style: str) -> None:
        if 0 <= x < grid.columns * 2:
            bits[y // _TALL][x // 2] |= _DOTS[x % 2][y % _TALL]
            styles[y // _TALL][x // 2] = style

    for limit in limits:
        if grid.low <= limit.value <= grid.high:
            for x in range(0, grid.columns * 2, 4):
                dot(x, grid.y(limit.value), "dim")
    for series, points in drawn:
        for x, y in _path(grid, points):
            dot(x, y, series.style)
        for epoch in _alone(points):  # one dot would be lost
            x, y = grid.x(epoch), grid.y(points[epoch])
            other = y + 1 if y + 1 < grid.rows * _TALL else y - 1
            for place in ((x, y), (x, other), (x + 1, y), (x + 1, other)):
                dot(*place, series.style)
    return [
        [(chr(_BLANK + bit) if bit else " ", style) for bit, style in zip(*row, strict=True)]
        for row in zip(bits, styles, strict=True)
    ]


def _path(grid: _Grid, points: Mapping[int, float]) -> Iterable[tuple[int, int]]:
    """Every dot of the curve; epochs that follow each other are joined."""
    for epoch, value in points.items():
        x, y = grid.x(epoch), grid.y(value)
        yield x, y
        if epoch + 1 not in points:
            continue
        x_next, y_next = grid.x(epoch + 1), grid.y(points[epoch + 1])
        steps = max(abs(x_next - x), abs(y_next - y), 1)
        for step in range(1, steps):
            yield x + round(step * (x_next - x) / steps), y + round(step * (y_next - y) / steps)


def _alone(points: Mapping[int, float]) -> list[int]:
    return [e for e in points if e - 1 not in points and e + 1 not in points]


def _letters(grid: _Grid, drawn: _Drawn, limits: Iterable[Limit]) -> _Cells:
    cells: _Cells = [[(" ", "")] * grid.columns for _ in range(grid.rows)]
    for limit in limits:
        if grid.low <= limit.value <= grid.high:
            row = grid.y(limit.value)
            cells[row] = [("-" if x % 2 == 0 else " ", "dim") for x in range(grid.columns)]
    for series, points in drawn:
        for epoch, value in points.items():
            row, column = grid.y(value), grid.x(epoch)
            taken = cells[row][column][0] not in (" ", "-", series.name[0])
            cells[row][column] = ("*" if taken else series.name[0], series.style)
    return cells


def _labels(
    grid: _Grid, drawn: _Drawn, limits: Iterable[Limit], plain: bool
) -> dict[int, tuple[str, str]]:
    """What stands to the right of each row; limits keep theirs, names move to a free one."""
    found: dict[int, tuple[str, str]] = {}

    def place(row: int, text: str, style: str, down: bool) -> None:
        rows = sorted(range(grid.rows), key=lambda r: (abs(r - row), (r < row) == down))
        free = next((r for r in rows if r not in found), None)
        if free is not None:
            found[free] = (text, style)

    for limit in limits:
        text = _named(limit, grid.low, grid.high, plain)
        place(grid.row(limit.value), text, "dim", down=limit.value > grid.high)
    ends = [(points[max(points)], series) for series, points in drawn]
    for value, series in sorted(ends, key=lambda end: -end[0]):  # from the top, to keep their order
        place(grid.row(value), series.name, series.style, down=True)
    return found


def _axis(
    grid: _Grid,
    margin: int,
    marked: int | None,
    windows: tuple[tuple[int, int], ...],
    plain: bool,
    width: int,
) -> list[Text]:
    """The axis, the epochs below it, and the mark of the chosen one."""
    end = grid.column(grid.last) + 1
    axis = [_glyph("─", plain)] * end
    for first, last in windows:
        for column in range(grid.column(first), grid.column(last) + 1):
            axis[column] = _glyph("━", plain)
    numbers = [" "] * (end + len(str(grid.last)))
    for epoch in _numbered(grid):
        text, at = str(epoch), grid.column(epoch)
        if all(c == " " for c in numbers[max(at - 1, 0) : at + len(text) + 1]):
            numbers[at : at + len(text)] = text
    pad = " " * (margin + 2)
    corner = _glyph("└", plain)
    lines = [
        Text(f"{pad[:-1]}{corner}{''.join(axis)}", style="dim"),
        Text(f"{pad}{''.join(numbers)}".rstrip(), style="dim"),
    ]
    if marked is not None:
        lines.append(Text(_mark(margin + 2 + grid.column(marked), marked, width, plain)))
    if windows:
        lines.append(Text(f"{pad}{_glyph('━', plain) * 2} all targets met", style="dim"))
    return lines


def _mark(at: int, epoch: int, width: int, plain: bool) -> str:
    """The line with the mark in column `at`, and as much of its meaning as fits beside it."""
    sign = _glyph("▲", plain)
    for words in (f"epoch {epoch} stands for the trial", f"epoch {epoch}"):
        if at + 2 + len(words) <= width:
            return f"{' ' * at}{sign} {words}"
        if at > len(words):
            return f"{words:>{at - 1}} {sign}"
    return f"{' ' * at}{sign}"


def _numbered(grid: _Grid) -> list[int]:
    """The epochs whose numbers are written: the ends first, then round ones between them."""
    span = grid.last - grid.first
    steps = (digit * 10**power for power in range(9) for digit in (1, 2, 5))
    step = next(s for s in steps if span // s <= 6)
    round_ones = [e for e in range(grid.first, grid.last + 1) if e % step == 0]
    return list(dict.fromkeys([grid.first, grid.last, *round_ones]))


def _glyph(glyph: str, plain: bool) -> str:
    ascii_of = {"┤": "+", "│": "|", "─": "-", "━": "=", "└": "+", "▲": "^"}
    return ascii_of[glyph] if plain else glyph
