"""What a study has found, as values: tables, its best trial, and what can be made of it.

The rule: a `Result` is a snapshot of the record and never changes. What trains, such as `confirm`,
returns another one.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.api.asking import at_least_one, notes, teller, usual_data_dir
from tuner.api.imports import import_search
from tuner.api.interrupts import interruptible
from tuner.api.keys import target_texts
from tuner.api.words import in_python
from tuner.errors import StudyError
from tuner.targets import Target

if TYPE_CHECKING:
    import pandas as pd

    from tuner.report.selection import Entry, Outcome

BEST = "best"


@dataclass(frozen=True)
class Trial:
    """One trial, judged.

    Attributes:
        trial: its number.
        variant: its name, where it has one.
        params: the complete configuration.
        metrics: by the names that targets have, at the epoch that stands for the trial; None where
            a figure was not measured.
        epoch: that epoch, 1-based; None where the trial has no figures.
        verdict: `meets`, `misses`, or None where it is not judged.
        confirmation: `confirmed`, `marginal`, `fluke`, or None where it was not put to the test.
    """

    trial: int
    variant: str | None
    params: dict[str, Any]
    metrics: dict[str, float | None]
    epoch: int | None
    verdict: str | None
    confirmation: str | None


@dataclass(frozen=True, repr=False, eq=False)
class Result:
    """What a study has found so far; made by `Sweep.run` and `load`.

    Attributes:
        study: the study's name.
        folder: the working directory that holds its record.
        outcome: all of it as the reports read it.
    """

    study: str
    folder: Path
    outcome: Outcome
    data_dir: Path | None = None

    def __repr__(self) -> str:
        return f"<tuner.Result {self.study}: {self.sentence}>"

    def _repr_html_(self) -> str:
        from tuner.api.html import result_html

        return result_html(self.outcome)

    # What it says.

    @property
    def sentence(self) -> str:
        """What was found in one plain sentence, and how far to trust it."""
        from tuner.report.sentences import sentence

        return sentence(self.outcome)

    @property
    def met(self) -> bool:
        """Whether a configuration meets all targets, by its own figures or on fresh seeds."""
        return bool(self.outcome.meets or self.outcome.confirmed)

    @property
    def finished(self) -> bool:
        """Whether all trials that were asked for are there; false after an interruption."""
        counts = self.outcome.counts
        return counts.finished >= counts.requested

    # Tables.

    @property
    def trials(self) -> pd.DataFrame:
        """One row a trial: the columns of `--format csv`, and each target's violation.

        Figures are those of the epoch that stands for the trial; parameters are `param.NAME`.
        """
        from tuner.report.frames import trials_frame

        return trials_frame(self.outcome)

    @property
    def meets(self) -> pd.DataFrame:
        """The rows of `trials` that meet all targets, confirmed ones first, then by rank."""
        from tuner.report.frames import chosen_rows

        return chosen_rows(self.outcome, self.outcome.meets)

    @property
    def nearest(self) -> pd.DataFrame:
        """The rows of `trials` that miss by the least, at most ten."""
        from tuner.report.frames import chosen_rows

        return chosen_rows(self.outcome, self.outcome.nearest)

    @property
    def epochs(self) -> pd.DataFrame:
        """One row an epoch of all trials, with `chosen` for the one that stands for its trial."""
        from tuner.report.frames import epochs_frame

        return epochs_frame(self.outcome)

    @property
    def repeats(self) -> pd.DataFrame:
        """One row a training that repeats a trial, as `confirm` makes them."""
        from tuner.report.frames import repeats_frame

        return repeats_frame(self.outcome)

    # Single trials.

    @property
    def best(self) -> Trial:
        """The winner: a confirmed trial first, else the first that meets, else the nearest miss.

        Raises:
            StudyError: no trial has figures yet.
        """
        return self.trial(BEST)

    def trial(self, trial: int | str) -> Trial:
        """The trial of that number or variant, or `best`.

        Raises:
            StudyError: there is none, or it has no figures to be the best by.
        """
        from tuner.report.jsonout import entry_json

        entry = self._entry(trial)
        if trial == BEST and entry.chosen is None:
            raise StudyError(f"no trial of {self.study} has figures yet: there is no best one.")
        judged = entry_json(entry)
        return Trial(
            trial=entry.trial,
            variant=entry.variant,
            params=judged["params"],
            metrics=judged["metrics"],
            epoch=judged["epoch"],
            verdict=entry.verdict,
            confirmation=None if entry.confirmation is None else entry.confirmation.verdict,
        )

    def _entry(self, trial: int | str) -> Entry:
        from tuner.commands.show import find_trial

        return find_trial(self.outcome, str(trial))

    # What can be done with it.

    def what_if(self, targets: str | Target | Sequence[str | Target]) -> Result:
        """The same trials judged by other targets; nothing is trained.

        Raises:
            TargetError, UsageError: the targets do not parse, or contradict each other.
        """
        from tuner.commands.report import read_targets

        with in_python():
            wanted = read_targets(target_texts(targets))
        return _loaded(self.study, self.folder, self.data_dir, wanted)

    def confirm(
        self,
        top: int = 3,
        seeds: int = 5,
        *,
        trials: Sequence[int | str] = (),
        same_split: bool = False,
        workers: int | None = None,
        progress: bool = True,
    ) -> Result:
        """Train winners again on fresh seeds and splits, to see which of them were luck.

        As `tuner confirm`, by the study's own targets: what is confirmed is measured on the test
        split as well. Repeats that are there already are not trained again.

        Args:
            top: how many of the trials that meet, best first.
            seeds: fresh seeds a trial.
            trials: these trials instead, by number or variant.
            same_split: keep each trial's own validation split.
            workers: worker processes; None for as many as fit.
            progress: print a line a repeat on stderr.

        Raises:
            StudyError: nothing is left to confirm a trial on, or another process does.
        """
        from tuner.commands.confirm import ConfirmRequest, confirm
        from tuner.commands.output import notes_console

        for name, number in (("top", top), ("seeds", seeds), ("workers", workers)):
            at_least_one(name, number)
        request = ConfirmRequest(
            name=self.study,
            folder=self.folder,
            seeds=seeds,
            top=top,
            trials=tuple(map(str, trials)),
            same_split=same_split,
            workers=workers,
            data_dir=self.data_dir,
            verbosity=0 if progress else -1,
            command=f"tuner.load({self.study!r}).confirm(top={top}, seeds={seeds})",
        )
        saying = (
            "Repeats that run finish; interrupt again to give them up.\n",
            "Giving up the repeats that run …\n",
        )
        with in_python(), interruptible(*saying) as interruption:
            confirm(request, notes_console(), interruption)
        return _loaded(self.study, self.folder, self.data_dir)

    def export(
        self,
        trial: int | str = BEST,
        out: str | os.PathLike[str] | None = None,
        *,
        progress: bool = True,
    ) -> Path:
        """Write a trial as a Keras model that takes raw input, as `tuner export`.

        Args:
            trial: its number, its variant's name, or `best`.
            out: the file. One that ends in `.py` becomes a plain Keras script instead. None:
                `STUDY-trial-N.keras` in the working directory of the study.
            progress: print what takes a while, and what has to be known, on stderr.

        Returns:
            the file's absolute path. A model's description and its card lie beside it.

        Raises:
            UsageError: the file cannot be written there, or is not one of an export.
            StudyError: there is no such trial, or it has no figures.
        """
        from tuner.commands.export import ExportRequest, export

        file = None if out is None else Path(out).absolute()
        script = file is not None and file.suffix == ".py"
        say = teller(progress)
        with in_python():
            job, done = export(
                ExportRequest(
                    study=self.study,
                    folder=self.folder,
                    trial=str(trial),
                    out=None if script else file,
                    code=file if script else None,
                    data_dir=self.data_dir,
                ),
                say,
            )
        for note in done.notes:
            say(note)
        written = done.code if done.model is None else done.model.target
        assert written is not None
        return job.workspace.root / written

    def load_model(self, trial: int | str = BEST) -> Any:
        """The Keras model of a trial, with the weights of its chosen epoch; takes raw input.

        This imports Keras and TensorFlow into this process, which nothing else here does. Weights
        that were not kept are trained again from the record, as `export` does.

        Raises:
            StudyError: there is no such trial, or it has no figures.
        """
        from tuner.commands.export import exportable
        from tuner.commands.exporting import job_of, weights_of
        from tuner.commands.report import find_studies, outcome_of
        from tuner.training.inference import restored
        from tuner.workspace import Workspace

        workspace = Workspace(self.folder)
        with in_python(), tempfile.TemporaryDirectory(prefix="tuner-") as folder:
            (summary,) = find_studies(workspace, [self.study])
            outcome = outcome_of(summary)
            entry = exportable(outcome, str(trial))
            job = job_of(workspace, summary, outcome, entry, self.data_dir, teller(True))
            weights, _ = weights_of(job, Path(folder))
            return restored(job.spec, job.data, weights)

    def report(
        self,
        out: str | os.PathLike[str] | None = None,
        *,
        mlflow_url: str | None = None,
        mlflow: bool = True,
        progress: bool = True,
    ) -> Path:
        """Write the page: charts, the winners' mistakes, how it was measured, all in one file.

        Args:
            out: the file; None: `STUDY.html` in the working directory of the study.
            mlflow_url: where MLflow's pages are, for links to runs.
            mlflow: keep a copy beside the sweep's run.
            progress: print what takes a while on stderr.

        Returns:
            the file's absolute path.

        Raises:
            UsageError: the file is a folder.
            WorkspaceError: it cannot be written.
        """
        from tuner.commands.report import find_studies
        from tuner.commands.report_files import FilesRequest, check_files, write_files
        from tuner.workspace import Workspace

        # A study may be called what no file can be.
        usual = self.folder / f"{self.study.replace(os.sep, '-').lstrip('.') or 'study'}.html"
        file = usual if out is None else Path(out).absolute()
        request = FilesRequest(html=file, mlflow_url=mlflow_url, record=mlflow)
        workspace = Workspace(self.folder)
        with in_python():
            check_files(request, [self.study])
            (summary,) = find_studies(workspace, [self.study])
            write_files(request, workspace, summary, self.outcome, notes(progress))
        return file


def load(study: str, folder: str | os.PathLike[str] = ".") -> Result:
    """The result of a study that is there, read from its record; nothing is trained.

    Args:
        study: its name.
        folder: the working directory it was made in.

    Raises:
        StudyError: there is none of that name; the message lists those there are.
    """
    return _loaded(study, Path(folder).absolute(), usual_data_dir())


def _loaded(
    study: str, folder: Path, data_dir: Path | None, targets: tuple[Target, ...] = ()
) -> Result:
    import_search()
    from tuner.commands.report import find_studies, outcome_of
    from tuner.workspace import Workspace

    (summary,) = find_studies(Workspace(folder), [study])
    return Result(study, folder, outcome_of(summary, targets), data_dir)
