"""What variants reached over their seeds, for the runs of their own trials in MLflow.

The rule: values in, values out; the names are those that `tracking.naming` lists. A figure that no
seed has is left out, and so is the spread of a single one.
"""

from __future__ import annotations

from tuner.definition import SweepDefinition
from tuner.report.selection import Outcome
from tuner.report.variants import Variant, variants_of
from tuner.targets import BY_CLASS

FIGURES = (
    "val_accuracy",
    *BY_CLASS,
    "train_accuracy",
    "val_loss",
    "val_loss_penalised",
    "test_accuracy",
    "test_loss",
)


def compared(outcome: Outcome, definition: SweepDefinition) -> tuple[Variant, ...]:
    """The variants whose runs show more than a trial of their own: seeds, or the test split."""
    if definition.seeds == 1 and definition.test is None:
        return ()
    return variants_of(outcome, definition.variants, definition.epoch)


def seed_figures(variant: Variant) -> dict[str, float]:
    """The numbers over all trainings of a variant, as metrics of its run."""
    numbers = {
        "seeds_count": float(len(variant.trainings)),
        "seeds_passes": float(variant.passes),
    }
    for name in FIGURES:
        spread = variant.spread(name)
        if spread is not None:
            numbers[f"seeds_{name}_mean"] = spread.mean
            if spread.sd is not None:
                numbers[f"seeds_{name}_sd"] = spread.sd
    return numbers


def seed_words(variant: Variant) -> dict[str, str]:
    """The text on all trainings of a variant, as tags of its run."""
    return {"tuner.seeds": f"{variant.passes}/{len(variant.trainings)}"}
