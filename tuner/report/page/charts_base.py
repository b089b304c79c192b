"""What all charts share: points, the five kinds of trials and their marks, axes, one look.

A chart is plain data first, a Plotly figure (a dictionary) second. Colours are names of the style
sheet's variables, `var(--meets)`; the page's script puts in their values, so that one figure serves
light and dark. A point carries its trial's number, and the page knows the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from tuner.report.selection import Entry

Kind = Literal["misses", "pruned", "meets", "confirmed", "variant"]
Figure = dict[str, Any]

KINDS: tuple[Kind, ...] = ("misses", "pruned", "meets", "confirmed", "variant")
"""From the back to the front: what matters is drawn on top."""

WORDS: dict[Kind, str] = {
    "misses": "misses",
    "pruned": "pruned",
    "meets": "meets",
    "confirmed": "confirmed",
    "variant": "named variant",
}
_SYMBOLS: dict[Kind, str] = {
    "misses": "circle",
    "pruned": "circle-open",
    "meets": "circle",
    "confirmed": "star",
    "variant": "diamond",
}
_SIZES: dict[Kind, int] = {"misses": 8, "pruned": 7, "meets": 10, "confirmed": 16, "variant": 12}
_GOLDEN = 0.618033988749895


@dataclass(frozen=True)
class Point:
    """A trial in a chart."""

    trial: int
    kind: Kind
    x: float
    y: float


def kind_of(entry: Entry) -> Kind:
    """The one mark of a trial; a variant keeps its own, whatever its verdict."""
    if entry.variant:
        return "variant"
    if entry.confirmation is not None and entry.confirmation.verdict == "confirmed":
        return "confirmed"
    if entry.verdict == "meets":
        return "meets"
    return "pruned" if entry.state == "pruned" else "misses"


def color(kind: Kind) -> str:
    """The variable that holds its colour."""
    return f"var(--{kind})"


def dots(points: Sequence[Point], size: float = 1.0, axis: str = "") -> list[Figure]:
    """One trace a kind, those that matter last; `axis` such as `2` names another pair of axes."""
    found = []
    dense = 0.75 if len(points) > 400 else 1.0
    for kind in KINDS:
        some = [p for p in points if p.kind == kind]
        if not some:
            continue
        trace: Figure = {
            "type": "scatter",
            "mode": "markers",
            "name": WORDS[kind],
            "x": [tidy(p.x) for p in some],
            "y": [tidy(p.y) for p in some],
            "customdata": [p.trial for p in some],
            "marker": {
                "symbol": _SYMBOLS[kind],
                "size": round(_SIZES[kind] * size * dense, 1),
                "color": color(kind),
                "line": {
                    "width": 1.4 if kind == "pruned" else 1,
                    "color": color(kind) if kind == "pruned" else "var(--paper)",
                },
            },
            "hoverinfo": "none",
            "showlegend": False,
            "cliponaxis": True,
            "meta": {"role": "dots"},
        }
        if axis:
            trace |= {"xaxis": f"x{axis}", "yaxis": f"y{axis}"}
        found.append(trace)
    return found


def line(
    x: Sequence[float | None],
    y: Sequence[float | None],
    color: str,
    **more: Any,
) -> Figure:
    """A line without hover; `more` are keys of the trace, `line` among them."""
    own = {"color": color, "width": 2, **more.pop("line", {})}
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [None if v is None else tidy(v) for v in x],
        "y": [None if v is None else tidy(v) for v in y],
        "line": own,
        "hoverinfo": "skip",
        "showlegend": False,
        **more,
    }


def axis(title: str = "", **more: Any) -> Figure:
    """A quiet axis."""
    return {
        "title": {"text": plain(title), "standoff": 10, "font": {"size": 13}},
        "gridcolor": "var(--grid)",
        "linecolor": "var(--rule)",
        "zeroline": False,
        "ticks": "",
        "tickfont": {"size": 12},
        "automargin": True,
        "fixedrange": True,
        **more,
    }


def layout(x: Figure, y: Figure, **more: Any) -> Figure:
    """The look of every chart."""
    return {
        "xaxis": x,
        "yaxis": y,
        "margin": {"l": 56, "r": 16, "t": 16, "b": 48},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "var(--sans)", "color": "var(--soft)", "size": 12},
        "hovermode": "closest",
        "hoverdistance": 24,
        "dragmode": False,
        "showlegend": False,
        **more,
    }


def note(text: str, x: float, y: float, **more: Any) -> Figure:
    """A few words in the chart."""
    return {
        "text": plain(text),
        "x": tidy(x),
        "y": tidy(y),
        "showarrow": False,
        "font": {"size": 12, "color": "var(--soft)"},
        **more,
    }


def plain(text: str) -> str:
    """Text that Plotly shows as it is: it takes a part of HTML for markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def tidy(value: float) -> float | int:
    """Six significant digits are more than a screen shows, and a smaller file."""
    return value if isinstance(value, int) else float(f"{value:.6g}")


def jitter(trial: int, reach: float = 0.28) -> float:
    """A shift in [-reach, reach] that is the trial's own, so that equal values lie side by side."""
    return reach * (2 * ((trial * _GOLDEN) % 1.0) - 1)


def lowest_shown(values: Sequence[float], reach: float) -> float:
    """The least accuracy of a chart that is about the better half of the trials.

    The poorest would press the others into a line. Shown is whatever lies below the median by at
    most `reach` times the distance from the median to the best, and by two points in any case.

    Args:
        values: at least one.
        reach: how far below the median a chart looks.
    """
    if len(values) < 8:
        return min(values)
    middle = median(values)
    return max(min(values), middle - max(reach * (max(values) - middle), 0.02))


def span(values: Iterable[float], room: float = 0.05, least: float = 0.0) -> tuple[float, float]:
    """From the least to the greatest of the values, with some room on both sides.

    Args:
        values: at least one.
        room: share of the width to add on each side.
        least: the least width.
    """
    known = list(values)
    low, high = min(known), max(known)
    if high - low < least:
        middle = (low + high) / 2
        low, high = middle - least / 2, middle + least / 2
    reach = (high - low) * room
    return low - reach, high + reach
