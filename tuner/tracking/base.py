"""What a recorder is, whatever the store; what its runs hold stands in `tuner.tracking.naming`.

The rule: a recorder is a view. Recording the same attempt again changes nothing, so that a crash or
an outage is mended by replaying.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from tuner.trial import EpochMetrics, Repeat, TrialRecord

Verdict = Literal["meets", "misses"]
CloseStatus = Literal["finished", "interrupted", "failed"]
RunStatus = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]
ENDED = ("complete", "pruned", "failed")
GIVEN_UP = "given up"
"""`tuner.state` of an attempt that was shown while it ran and stands for no trial."""
Summary = Mapping[str, float | int | str]


@dataclass(frozen=True)
class SweepInfo:
    """What the parent run of a sweep says about it.

    Attributes:
        study: the study's name.
        study_uid: identity of the study, unique over all studies of a store.
        dataset: the data set's name.
        user: login name, or an empty text.
        definition: the sweep's definition as plain JSON.
        targets: target texts.
        command: the command line.
        versions: package name to version.
        fingerprint: of the data.
        seed: the study's seed.
    """

    study: str
    study_uid: str
    dataset: str
    user: str = ""
    definition: dict[str, Any] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    command: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    fingerprint: str = ""
    seed: int = 0


@dataclass(frozen=True)
class TrialView:
    """A trial together with what the targets say about it.

    Attributes:
        record: the trial; its state is complete, pruned, failed or running.
        chosen: the epoch that stands for it, or None where no epoch was finished.
        verdict: None for a failed trial and for a running one.
        windows: first and last epoch of each run of epochs that meet all targets.
        violations: target text to violation, None where a figure is unmeasured.
    """

    record: TrialRecord
    chosen: EpochMetrics | None = None
    verdict: Verdict | None = None
    windows: tuple[tuple[int, int], ...] = ()
    violations: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class RepeatView:
    """A repeat of a trial together with what the targets say about it.

    Attributes:
        record: the trial that was repeated.
        repeat: the training that repeats it; it has ended.
        passes: whether it meets all targets at the epoch that counts; None where that is not asked.
    """

    record: TrialRecord
    repeat: Repeat
    passes: bool | None = None


class Recorder(Protocol):
    """Shows a sweep and its trials in a tracking store.

    Every method raises TrackingError when the store cannot be reached or refuses; the same call
    may then be made again, and makes anew the run of a trial that somebody has deleted.
    `open_sweep`, or an `attach` that finds the sweep's run, comes first; the others raise
    RuntimeError before it. One thread uses a recorder.
    """

    def open_sweep(self, info: SweepInfo) -> str:
        """The sweep's run, found by `study_uid` or made, and RUNNING; returns its id."""
        ...

    def attach(self, info: SweepInfo) -> str | None:
        """The sweep's run as it stands, in whatever experiment, for the calls below; its id.

        Nothing of the run is changed, its status included, and none is made. None where there is
        none: then nothing can be written. A store that would be a file or a server is not made
        either; any other database that has no tables yet is given MLflow's.
        """
        ...

    def record(self, view: TrialView, *, new: bool = False) -> str:
        """The trial's run, found by its attempt or made; returns its id.

        With `new`, no run of this attempt can have been made by anybody else, and none is looked
        for.

        A run that has ended is left alone; one that shows the running trial or is half written is
        completed. Raises ValueError for a trial that has not ended.
        """
        ...

    def progress(self, view: TrialView, *, new: bool = False) -> str:
        """The RUNNING run of a running trial, found or made, with its points so far; its id.

        A run that has ended is left alone. Raises ValueError for a trial that does not run.
        """
        ...

    def give_up(self, attempt: str, reason: str) -> None:
        """End the run of this attempt as KILLED, if it has one that is RUNNING."""
        ...

    def unfinished(self) -> list[str]:
        """Attempts of this sweep whose runs are RUNNING."""
        ...

    def record_repeat(self, view: RepeatView, trial_run: str) -> str:
        """The run of a repeat, below that of its trial, found by its attempt or made; its id.

        A run that has ended is left alone, one that is half written is completed.
        """
        ...

    def annotate(self, run_id: str, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
        """Add figures and texts to a run, which may have ended; the same again changes nothing.

        Another figure of the same name becomes the latest one, another text takes the place of the
        old one. Figures that are not finite are left out; names are made legal.
        """
        ...

    def add_artifacts(self, run_id: str, files: Mapping[str, Path]) -> None:
        """Keep copies of files beside a run, which may have ended; a file of that name is replaced.

        Args:
            run_id: the run.
            files: artifact path, such as `report/fashion.html`, to local file.

        Raises ValueError for an artifact path that is not below the run, and, beyond what every
        method raises, TrackingError where the run's artifacts lie out of reach.
        """
        ...

    def find(self, attempt: str) -> str | None:
        """Id of the run of this attempt, half written or not, or None."""
        ...

    def close_sweep(self, status: CloseStatus, summary: Summary) -> None:
        """End the sweep's run: numbers become metrics, texts become tags. It may be reopened."""
        ...

    def leave(self) -> None:
        """Be used no more, whatever is going on; the one call that another thread may make.

        What is asked afterwards does nothing in the store; it may raise TrackingError.
        """
        ...
