"""What backpropagation did to each variable of a trial: how large its gradients are, and were.

The rule: a gradient that is exactly 0, or not finite, is said to be so in words; a chart on a
logarithmic axis has no place for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuner.gradients import GradientLog, Row
from tuner.report.answers import findings_text
from tuner.report.causes import NAMES, Findings
from tuner.report.figures.diagnosing import WIDE, drawing, logarithmic, number_of
from tuner.report.figures.look import (
    EDGE,
    LIMIT,
    RULE,
    Sheet,
    name_width,
    short,
    titled,
    whole_numbers,
)
from tuner.report.page.charts_base import span
from tuner.report.page.words import capital
from tuner.report.pictures import DIM, INK, SMALL, TEXT

BAR = "#56b4e9"
NAMED_KERNELS = 14
OTHERS = "biases and others"

_NOTHING = 1e-38
"""Below this a gradient is drawn as 0: single precision ends there."""


def gradient_chart(
    study: str, name: str, log: GradientLog, findings: Findings, form: str = "png"
) -> bytes:
    """Mean and standard deviation of each variable's gradient at the end; the latter over epochs.

    Args:
        study, name: for the title, which says the finding.
        log: what was noted.
        findings: of the same training.
        form: `png` or `svg`.
    """
    loss = "not finite" if findings.loss is None else f"{findings.loss:.4g}"
    with drawing():
        bars = max(0.25 * len(log.variables), 0.75)
        over, between = 2.7, 0.85
        tall = 0.55 + over + between + bars + 0.3
        sheet = Sheet(
            study,
            f"{short(name)}: {_found(findings)}",
            f"train loss at the end {loss}; guessing costs {findings.guess:.4g}",
            f"{capital(findings_text(findings))} Gradients are of the data loss on the first "
            "training rows, in inference mode; epoch 0 is before training. Where a gradient is "
            "exactly 0 the lower chart has no point.",
            width=WIDE,
            height=tall if log.epochs else 3.0,
            legend=False,
        )
        if not log.epochs or not log.variables:
            sheet.say_nothing("No gradients were noted.", 3.0)
            return sheet.written(form)
        room = name_width(log.variables) + 0.15
        note = 0.8
        each = (sheet.width - 2 * EDGE - room - 2 * note - 0.15) / 2
        last = log.epochs[-1]
        for number, (rows, word) in enumerate(((log.mean, "mean"), (log.std, "deviation"))):
            left = EDGE + room + number * (each + note + 0.15)
            axes = sheet.axes(left, 0.55 + over + between, each, bars)
            title = "mean of the gradient" if word == "mean" else "standard deviation"
            axes.set_title(
                f"{title}, epoch {last}", fontsize=TEXT + 0.5, color=INK, loc="left", pad=6
            )
            _bars(axes, rows[-1])
            axes.set_yticks(range(len(log.variables)), log.variables)
            axes.tick_params(axis="y", length=0, labelcolor=INK, labelleft=number == 0)
        _over_epochs(sheet, log, over)
        return sheet.written(form)


def _found(findings: Findings) -> str:
    """`vanishing gradients`, `the loss falls`: a few words for a title."""
    causes = ", ".join(NAMES[c.kind] for c in findings.causes)
    if findings.falls:
        return f"the loss falls, in spite of {causes}" if causes else "the loss falls"
    return causes or "no cause is seen"


def _bars(axes: Any, row: Row) -> None:
    """A horizontal bar a variable, the first one on top, each with its figure."""
    values = [0.0 if v is None or abs(v) < _NOTHING else v for v in row]
    places = range(len(values))
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.barh(places, values, height=0.64, color=BAR, zorder=2)
    axes.axvline(0.0, color=RULE, linewidth=0.9, zorder=3)
    axes.set_ylim(len(values) - 0.5, -0.5)
    low, high = span([0.0, *values], 0.04)
    axes.set_xlim(*((low, high) if high > low else (-1.0, 1.0)))
    axes.xaxis.get_major_locator().set_params(nbins=4)
    axes.xaxis.set_major_formatter(lambda value, at: number_of(value))
    if high == low:
        axes.set_xticks([])
    for place, value in enumerate(row):
        axes.annotate(
            "not finite" if value is None else number_of(value, 3),
            (1.0, place),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL + 0.5,
            color=LIMIT if value is None else DIM,
            annotation_clip=False,
        )


def _over_epochs(sheet: Sheet, log: GradientLog, over: float) -> None:
    """The spread of each kernel's gradient over the epochs, and of the others in grey."""
    import matplotlib

    kernels = log.kernels()
    shown = _some(kernels)
    names = [f"{log.variables[k]}: 0" for k in shown]
    others = [at for at in range(len(log.variables)) if at not in kernels]
    legend = [*names, OTHERS] if others else names
    wide = sheet.width - 2 * EDGE - 0.75 - name_width(legend, SMALL + 0.5) - 0.6
    axes = sheet.axes(EDGE + 0.75, 0.55, wide, over)
    axes.set_title(
        "standard deviation over the epochs", fontsize=TEXT + 0.5, color=INK, loc="left", pad=6
    )
    titled(axes, "epoch", "")
    handles = []
    seen: list[float] = []
    shades = matplotlib.colormaps["viridis"]
    for at in (*others, *kernels):
        points = [
            (epoch, v)
            for epoch, row in zip(log.epochs, log.std, strict=True)
            if (v := row[at]) is not None and v >= _NOTHING
        ]
        seen += [v for _, v in points]
        kernel = at in kernels
        depth = kernels.index(at) / max(len(kernels) - 1, 1) if kernel else 0.0
        (line,) = axes.plot(
            [e for e, _ in points],
            [v for _, v in points],
            color=shades(0.85 * depth) if kernel else "#c9ced4",
            linewidth=1.6 if kernel else 0.8,
            marker="o",
            markersize=3 if kernel else 1.5,
            label=_called(log, at, points) if kernel else OTHERS,
            zorder=4 if kernel else 2,
        )
        if at in shown or (others and at == others[0]):
            handles.append(line)
    axes.set_xlim(log.epochs[0] - 0.4, log.epochs[-1] + 0.4)
    whole_numbers(axes.xaxis)
    if seen:
        logarithmic(axes, seen)
    else:
        axes.set_yticks([])
        where = {"transform": axes.transAxes, "ha": "center", "va": "center"}
        axes.text(0.5, 0.5, "every gradient is 0 or not finite", fontsize=TEXT, color=DIM, **where)
    look: dict[str, Any] = {"frameon": False, "fontsize": SMALL + 0.5, "labelcolor": INK}
    handles = handles[1:] + handles[:1] if others else handles
    axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.01, 0.5), **look)


def _called(log: GradientLog, at: int, points: Sequence[Any]) -> str:
    """A kernel's name; where nothing of it can be drawn, with the reason."""
    if points:
        return log.variables[at]
    broken = any(row[at] is None for row in log.std)
    return f"{log.variables[at]}: {'–' if broken else '0'}"


def _some(kernels: Sequence[int]) -> list[int]:
    """All kernels, or evenly chosen ones, the first and the last among them."""
    if len(kernels) <= NAMED_KERNELS:
        return list(kernels)
    step = (len(kernels) - 1) / (NAMED_KERNELS - 1)
    return [kernels[round(number * step)] for number in range(NAMED_KERNELS)]
