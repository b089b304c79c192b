"""Every error that a user can cause, as one tree.

    TunerError                    exit code 1
    ├── UsageError                exit code 2: the command line asks for something impossible
    ├── TargetError               a target text that does not parse, or targets that contradict
    ├── DefinitionError           a sweep file: all of its mistakes at once
    ├── DataError                 a data set that is missing, damaged or not what it claims
    ├── StudyError                a study that cannot be opened, or is another one
    ├── WorkspaceError            a working directory that cannot be used
    ├── ModelError                a model of the user's own that cannot be loaded, built or trained
    ├── TrainingError             a trial that failed for good, and would fail again
    └── TrackingError             a tracking store that cannot be reached

The rule: a message is one or two lines that say what is wrong, where, and what to do. `cli` prints
it without a traceback; anything outside this tree is a bug and is reported as one.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class TunerError(Exception):
    """An error that the user can mend; its text is all they see."""

    exit_code = 1

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows in the place of a traceback: IPython asks for it by this name."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(TunerError):
    """The command line asks for something that cannot be."""

    exit_code = 2


class TargetError(TunerError):
    """A target text that does not parse, or targets that no figure can meet together."""

    exit_code = 2


class DefinitionError(TunerError):
    """One or more mistakes in a sweep definition, all reported together.

    Args:
        source: what the reader has to open: a file's path, or the option's name.
        problems: one line each, beginning with its place (`line 7, space.l2.min: …`).
    """

    exit_code = 2

    def __init__(self, source: str, problems: Iterable[str]) -> None:
        self.source = source
        self.problems = tuple(problems)
        head = "1 mistake" if len(self.problems) == 1 else f"{len(self.problems)} mistakes"
        super().__init__("\n".join([f"{source}: {head}", *(f"  {p}" for p in self.problems)]))


class DataError(TunerError):
    """A data set that is missing, damaged, or not what it claims to be."""


class StudyError(TunerError):
    """A study that cannot be opened, or that was made by another definition."""


class WorkspaceError(TunerError):
    """The working directory cannot hold the study, the tracking store or the data."""


class ModelError(TunerError):
    """A model of the user's own that cannot be loaded, built or trained."""


class TrainingError(TunerError):
    """Trials fail in a way that another attempt would not mend."""


class TrackingError(TunerError):
    """The tracking store cannot be reached or refuses a run."""


def nearest(word: str, known: Iterable[str]) -> str:
    """The hint ` (did you mean fashion?)` for a mistyped name, or an empty text."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else ""
