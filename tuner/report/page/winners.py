"""What the winners get wrong on their validation rows, ready to be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tuner.data.prepared import Prepared
from tuner.epochs import choose
from tuner.report.page.examples import Example, examples_of
from tuner.report.page.mistakes import (
    EXAMPLES,
    ClassScore,
    Pair,
    class_scores,
    confused_pairs,
    confusion,
    predicted_of,
    worst,
)
from tuner.report.page.words import named
from tuner.report.selection import Entry
from tuner.targets import parse_targets
from tuner.trial import TrialSpec


@dataclass(frozen=True)
class WinnerMistakes:
    """One trial's mistakes.

    Attributes:
        trial, label: its number, and what a person calls it.
        epoch: the epoch whose weights were kept.
        rows, wrong: validation rows, and how many of them it got wrong.
        on_test: the validation rows are the test rows.
        classes: names.
        matrix: counts, a row a true class.
        scores: of each class, the worst recognised first.
        pairs: the most confused ones.
        examples: the surest mistakes.
        kind: of the data: `image`, `text` or `table`.
        words_alone: texts are not kept, so that examples are sets of words.
    """

    trial: int
    label: str
    epoch: int
    rows: int
    wrong: int
    on_test: bool
    classes: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]
    scores: tuple[ClassScore, ...]
    pairs: tuple[Pair, ...]
    examples: tuple[Example, ...]
    kind: str
    words_alone: bool


def mistakes_of(
    entries: Sequence[Entry], predictions: Mapping[int, Path], prepared: Prepared | None
) -> tuple[WinnerMistakes, ...]:
    """The mistakes of those `entries` for which there are predictions.

    Args:
        entries: trials, in the order in which they are shown.
        predictions: by trial, what `training.inference.predict` wrote.
        prepared: the data of all of them; None where it is not at hand, and nothing can be shown.
    """
    if prepared is None:
        return ()
    known = [e for e in entries if e.trial in predictions]
    return tuple(_mistakes(e, predictions[e.trial], prepared) for e in known)


def _mistakes(entry: Entry, file: Path, prepared: Prepared) -> WinnerMistakes:
    with np.load(file, allow_pickle=False) as kept:
        rows = kept["rows"].astype(np.int64)
        labels = kept["labels"].astype(np.int64)
        probabilities = kept["probabilities"]
    spec = TrialSpec.from_json(entry.record.spec)
    # The weights are those of the study's own choice, whatever other targets are looked at.
    targets = tuple(target for text in spec.targets for target in parse_targets(text))
    choice = choose(entry.record.epochs, targets, spec.epoch)
    predicted = predicted_of(probabilities)
    matrix = confusion(labels, predicted, prepared.n_classes)
    scores = sorted(
        class_scores(matrix), key=lambda s: (1.0 if s.accuracy is None else s.accuracy, s.label)
    )
    # Words take more room than pictures.
    shown = worst(labels, probabilities, EXAMPLES if prepared.kind == "image" else EXAMPLES // 2)
    examples = examples_of(prepared, spec.split.kind, rows, shown)
    return WinnerMistakes(
        trial=entry.trial,
        label=named(entry),
        epoch=choice.metrics.epoch if choice else 0,
        rows=len(labels),
        wrong=int(np.count_nonzero(predicted != labels)),
        on_test=spec.split.kind == "test",
        classes=prepared.class_names,
        matrix=tuple(tuple(int(v) for v in line) for line in matrix),
        scores=tuple(scores),
        pairs=confused_pairs(matrix),
        examples=examples,
        kind=prepared.kind,
        words_alone=prepared.kind == "text" and not all(e.verbatim for e in examples),
    )
