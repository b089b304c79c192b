"""A study as pandas tables, for people who go on with it in Python.

The rule: what a table has in common with `--format csv` has the name that it has there
(`selection.frame`). Missing is missing, never 0, and a column has its type without any row, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from tuner.epochs import meets
from tuner.report.confirmation import judged_repeats
from tuner.report.selection import Entry, Outcome, frame
from tuner.trial import EpochMetrics, Repeat

if TYPE_CHECKING:
    import pandas as pd

FIGURES = tuple(f.name for f in fields(EpochMetrics) if f.name != "epoch")


def trials_frame(outcome: Outcome) -> pd.DataFrame:
    """One row a logical trial, by number: `selection.frame`, and of each target its violation.

    Those columns are called `violation.` and the target's text, and are in units of its scale;
    missing where the figure was not measured or the trial is not judged.
    """
    rows = frame(outcome)
    place = list(rows).index("total_violation") + 1
    for number, target in enumerate(outcome.targets):
        values = [entry.violations.get(target.text) for entry in outcome.entries]
        rows.insert(place + number, f"violation.{target.text}", _floats(values))
    return rows


def chosen_rows(outcome: Outcome, entries: Iterable[Entry]) -> pd.DataFrame:
    """The rows of `trials_frame` for `entries`, in their order."""
    places = {entry.trial: place for place, entry in enumerate(outcome.entries)}
    found = trials_frame(outcome).iloc[[places[entry.trial] for entry in entries]]
    return found.reset_index(drop=True)


def epochs_frame(outcome: Outcome) -> pd.DataFrame:
    """One row an epoch of all trials, by trial and epoch.

    Columns: `trial`, `variant`, `epoch` (1-based), `chosen` (the epoch that stands for its trial),
    `meets` (all targets at once), then the figures of the epoch, such as `val_accuracy`, with
    `accuracy_gap`, `seconds` and `timestamp`.
    """
    import pandas as pd

    rows = [(entry, epoch) for entry in outcome.entries for epoch in entry.record.epochs]
    chosen = [e.chosen is not None and e.chosen.epoch == epoch.epoch for e, epoch in rows]
    columns: dict[str, Any] = {
        "trial": pd.Series([e.trial for e, _ in rows], dtype="int64"),
        "variant": pd.Series([e.variant for e, _ in rows], dtype="string"),
        "epoch": pd.Series([epoch.epoch for _, epoch in rows], dtype="int64"),
        "chosen": pd.Series(chosen, dtype="bool"),
        "meets": pd.Series([meets(epoch, outcome.targets) for _, epoch in rows], dtype="bool"),
    }
    return pd.DataFrame(columns | _figures([epoch for _, epoch in rows]))


def repeats_frame(outcome: Outcome) -> pd.DataFrame:
    """One row a training that repeats a trial, by trial, in the order in which they ended.

    Columns: `trial`, `variant`, `kind` (`fresh`: a fresh seed and split; `same`: a fresh seed on
    the trial's own split; `own`: the trial's own seed; `seed`: a variant on a further seed),
    `seed`, `split_seed`, `status`, `counts` (the trial's verdict is made of it), `epoch` (at which
    it is judged), `passes` (meets all targets there), then the figures of that epoch.
    """
    import pandas as pd

    rows: list[tuple[Entry, Repeat]] = []
    counting: list[bool] = []
    for entry in outcome.entries:
        decides = [id(r) for r in judged_repeats(entry.record.proofs)]
        for repeat in entry.record.repeats:
            rows.append((entry, repeat))
            counting.append(id(repeat) in decides)
    passes = [
        None if r.judged is None else meets(r.judged.finite(), outcome.targets) for _, r in rows
    ]
    columns: dict[str, Any] = {
        "trial": pd.Series([e.trial for e, _ in rows], dtype="int64"),
        "variant": pd.Series([e.variant for e, _ in rows], dtype="string"),
        "kind": pd.Series([r.kind for _, r in rows], dtype="string"),
        "seed": pd.Series([r.seed for _, r in rows], dtype="int64"),
        "split_seed": pd.Series([r.split.seed for _, r in rows], dtype="int64"),
        "status": pd.Series([r.status for _, r in rows], dtype="string"),
        "counts": pd.Series(counting, dtype="bool"),
        "epoch": pd.Series([r.epoch for _, r in rows], dtype="int64"),
        "passes": pd.Series(passes, dtype="boolean"),
    }
    return pd.DataFrame(columns | _figures([r.judged for _, r in rows]))


def _figures(epochs: Iterable[EpochMetrics | None]) -> dict[str, Any]:
    """Every figure as a column, the gap behind the accuracies."""
    import pandas as pd

    finite = [None if epoch is None else epoch.finite() for epoch in epochs]
    found: dict[str, Any] = {}
    for name in ("accuracy_gap", *FIGURES):
        values = [None if epoch is None else getattr(epoch, name) for epoch in finite]
        found[name] = pd.Series(values, dtype="Int64") if name == "parameters" else _floats(values)
    return found


def _floats(values: Iterable[float | None]) -> Any:
    import pandas as pd

    return pd.Series(list(values), dtype="float64")
