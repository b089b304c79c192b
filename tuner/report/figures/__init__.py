"""Pictures of an outcome, drawn by Matplotlib alone, for MLflow, for a paper, for a slide.

Values in, the bytes of .png or .svg files out; the same values give the same bytes. What is drawn
comes from the data of the page's charts, so that page and pictures say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tuner.definition import SweepDefinition
from tuner.report.figures.confirming import confirmation
from tuner.report.figures.confusing import confusion
from tuner.report.figures.curves import curves
from tuner.report.figures.look import Sheet
from tuner.report.figures.searching import importance as importance_picture
from tuner.report.figures.searching import progress
from tuner.report.figures.trials import accuracy, capacity
from tuner.report.page.answer import tested
from tuner.report.pictures import FORMS, alone
from tuner.report.selection import Outcome


def pictures(
    outcome: Outcome,
    definition: SweepDefinition,
    importance: Mapping[str, float],
    predictions: Mapping[int, Path],
    classes: Sequence[str],
    form: str,
) -> dict[str, bytes]:
    """All pictures of an outcome, by the name of a file without its ending.

    `accuracy`, `curves`, `progress` and `capacity` are always there, and say so where there is
    nothing to draw; `importance` is where it is given, `confirmation` where a trial was put to the
    test, `confusion-N` for each trial N with predictions.

    Args:
        outcome: what the study has shown.
        definition: of the sweep.
        importance: share of each parameter, the most important first; may be empty.
        predictions: by trial, an .npz with `labels` (m,) and `probabilities` (m, classes), as
            `training.inference.predict` writes it.
        classes: names by label; a label without one is shown as its number.
        form: `png` or `svg`.

    Raises ValueError for another form, OSError for a file that cannot be read.
    """
    if form not in FORMS:
        raise ValueError(f"not one of {', '.join(FORMS)}: {form}")
    drawers: dict[str, Callable[[], Sheet]] = {
        "accuracy": lambda: accuracy(outcome),
        "curves": lambda: curves(outcome, definition.epochs),
        "progress": lambda: progress(outcome),
        "capacity": lambda: capacity(outcome),
    }
    if importance:
        drawers["importance"] = lambda: importance_picture(outcome, importance)
    if tested(outcome):
        drawers["confirmation"] = lambda: confirmation(outcome)
    entries = {entry.trial: entry for entry in outcome.entries}
    drawn = {}
    with alone():
        import matplotlib

        matplotlib.rcParams["text.parse_math"] = False  # a dollar is a dollar
        for name, draw in drawers.items():
            drawn[name] = draw().written(form)
        for trial, file in predictions.items():
            drawn[f"confusion-{trial}"] = confusion(outcome, entries[trial], file, classes).written(
                form
            )
    return drawn
