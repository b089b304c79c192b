"""From the study to the tracking store, so that an outage or a crash loses and doubles nothing.

The rule: the study knows which trials a run shows; whatever is not shown is recorded at the next
chance. A store that fails is reported once and asked again at the end, never by the trial.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from tuner.epochs import choose
from tuner.errors import TrackingError
from tuner.report.selection import judge
from tuner.search.study import SweepStudy
from tuner.targets import Target
from tuner.tracking.base import CloseStatus, Recorder, SweepInfo, TrialView
from tuner.trial import EpochRule, TrialRecord

RETRY_AFTER = 60.0


def view(record: TrialRecord, targets: Sequence[Target], rule: EpochRule) -> TrialView:
    """What a recorder shows of a trial; the figures of a failed one too, but no verdict on it."""
    entry = judge(record, targets, rule)
    choice = choose(record.epochs, targets, rule)
    return TrialView(
        record=record,
        chosen=None if choice is None else choice.metrics,
        verdict=entry.verdict,
        windows=entry.windows,
        violations=dict(entry.violations),
    )


class Outbox:
    """Records finished trials of `study` with `recorder`.

    Args:
        study: where the trials are.
        recorder: the tracking store.
        info: what the parent run says of the sweep.
        targets: the study's targets.
        rule: which epoch stands for a trial.
        notice: called with one line when the store fails.
    """

    def __init__(
        self,
        study: SweepStudy,
        recorder: Recorder,
        info: SweepInfo,
        targets: Sequence[Target],
        rule: EpochRule,
        notice: Callable[[str], None],
    ) -> None:
        self._study = study
        self._recorder = recorder
        self._info = info
        self._targets = targets
        self._rule = rule
        self._notice = notice
        self._open = False
        self._silent_until = 0.0
        self._complained = False

    def flush(self, *, force: bool = False) -> int:
        """Record what is not recorded yet; returns how many trials remain.

        Args:
            force: ask the store even if it failed a moment ago.
        """
        waiting = self._study.unrecorded()
        if not force and time.monotonic() < self._silent_until:
            return len(waiting)
        try:
            if not self._open:
                self._recorder.open_sweep(self._info)
                self._open = True
            while waiting:
                run_id = self._recorder.record(view(waiting[0], self._targets, self._rule))
                self._study.mark_recorded(waiting[0], run_id)
                waiting.pop(0)
        except TrackingError as error:
            self._silent_until = time.monotonic() + RETRY_AFTER
            if not self._complained:
                self._complained = True
                self._notice(
                    f"{error}\nThe sweep goes on; its trials are kept in the study and are "
                    "recorded when the store answers, at the latest by the next run."
                )
        return len(waiting)

    def close(self, status: CloseStatus, summary: dict[str, float | int | str]) -> int:
        """Flush once more and end the parent run; returns how many trials remain unrecorded."""
        remaining = self.flush(force=True)
        if self._open:
            try:
                self._recorder.close_sweep(status, summary)
            except TrackingError as error:
                self._notice(str(error))
        return remaining
