"""Confirmations into MLflow: the repeats as runs under their trial's run, the verdict on it.

The rule: MLflow is a view. What a repeat's run is, and that it is there, is noted in the study, so
that an outage is mended by the next confirmation; a store that fails never fails the confirmation.
"""

from __future__ import annotations

from collections.abc import Callable

from tuner.commands.plan import Plan
from tuner.commands.running import sweep_info
from tuner.epochs import meets
from tuner.errors import TrackingError
from tuner.report.confirmation import Confirmation, confirmations
from tuner.search.records import RUN_PREFIX, repeat_key
from tuner.search.study import SweepStudy
from tuner.tracking.apart import RecorderApart
from tuner.tracking.base import RepeatView
from tuner.trial import UNTOLD
from tuner.workspace import Workspace


def record_proofs(
    workspace: Workspace,
    plan: Plan,
    study: SweepStudy,
    command: str,
    say: Callable[[str], None],
) -> None:
    """Show in MLflow whatever repeats and verdicts of a study are there.

    Args:
        workspace, plan, study: the study.
        command: the command line, for the record.
        say: called with one line where the store fails.
    """
    definition = plan.definition
    records = study.records()
    found = confirmations(records, definition.targets, definition.epoch)
    shown = [r for r in records if r.repeats and r.run_id]
    if not shown:
        return
    recorder = RecorderApart(workspace.root)
    try:
        if recorder.attach(sweep_info(plan, study, command)) is None:
            return
        for record in shown:
            assert record.run_id is not None
            for repeat in record.repeats:
                # One that failed is trained again under the same name; then it is a run.
                if repeat.run_id is None and repeat.status not in UNTOLD:
                    judged = repeat.judged
                    passes = None if judged is None else meets(judged, definition.targets)
                    run = recorder.record_repeat(RepeatView(record, repeat, passes), record.run_id)
                    key = repeat_key(record.number, repeat.kind, repeat.index)
                    study.note(f"{RUN_PREFIX}{key}", run)
            if record.origin in found:
                recorder.annotate(
                    record.run_id, figures(found[record.origin]), words(found[record.origin])
                )
    except TrackingError as error:
        say(
            f"{error}\nThe verdicts are kept in the study; the next `tuner confirm` shows them in "
            "MLflow."
        )
    finally:
        recorder.leave()


def figures(found: Confirmation) -> dict[str, float]:
    """The numbers of a verdict, as metrics of the trial's run."""
    numbers: dict[str, float | None] = {
        "confirm_passes": found.passes,
        "confirm_seeds": found.seeds,
        "confirm_p_value": found.p_value,
        "confirm_level": found.level,
        "confirm_family": found.family,
    }
    for bound in found.targets:
        name = bound.target.metric
        numbers |= {
            f"confirm_{name}_mean": bound.mean,
            f"confirm_{name}_sd": bound.sd,
            f"confirm_{name}_bound": bound.bound,
        }
    if found.test is not None:
        numbers |= {
            "test_accuracy": found.test.accuracy,
            "test_loss": found.test.loss,
            "test_drop": found.drop,
            "test_looked_at": found.test.looked_at,
            "test_balanced_accuracy": found.test.balanced_accuracy,
            "test_macro_f1": found.test.macro_f1,
        }
    return {name: float(value) for name, value in numbers.items() if value is not None}


def words(found: Confirmation) -> dict[str, str]:
    """The texts of a verdict, as tags of the trial's run."""
    texts = {
        "tuner.confirmation": found.verdict,
        "tuner.confirmation.passes": f"{found.passes}/{found.seeds}",
        "tuner.confirmation.epoch": str(found.epoch),
        "tuner.confirmation.split": "same" if found.same_split else "fresh",
    }
    if found.reproduces is not None:
        texts["tuner.confirmation.reproduces"] = found.reproduces
    return texts
