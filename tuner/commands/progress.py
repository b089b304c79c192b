"""What a person sees while a sweep runs: a live display on a terminal, plain lines elsewhere.

The rule: everything here goes to stderr; stdout is for the result. `NO_COLOR` is honoured by rich.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from tuner.epochs import Choice
from tuner.report.wording import SHORT, configuration, duration_text, plural, trials_text
from tuner.search.scheduler import Ended, Notice, Progressed, Started


class Observer(Protocol):
    """Watches one sweep; used as a context."""

    def __enter__(self) -> Observer: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def __call__(self, notice: Notice) -> None: ...

    def say(self, text: str) -> None:
        """Print one line that must not be missed."""
        ...


def make_observer(
    console: Console,
    study: str,
    total: int,
    done: int,
    meets: int,
    workers: int,
    verbosity: int,
    metric: str = "val_accuracy",
) -> Observer:
    """The observer for this console: live on a terminal, else plain lines, or none.

    Args:
        console: where it is shown.
        study, total, done, meets, workers: what the counts begin with.
        verbosity: below 0 nothing is shown; above 0 a line an epoch as well.
        metric: what the study maximises.
    """
    tally = _Tally(study, total, done, meets, workers, metric)
    if verbosity < 0:
        return Silent(console)
    if console.is_terminal and not console.is_dumb_terminal:
        return Display(console, tally, epochs=verbosity > 0)
    return Lines(console, tally, epochs=verbosity > 0)


class _Tally:
    """Counts that every observer shows."""

    def __init__(
        self, study: str, total: int, done: int, meets: int, workers: int, metric: str
    ) -> None:
        self.study = study
        self.metric = metric
        self.total = total
        self.done = done
        self.meets = meets
        self.best: float | None = None
        self.workers = workers
        self._first_done = done
        self._begun = time.monotonic()

    def add(self, notice: Ended) -> None:
        if notice.state != "failed":
            self.done += 1
        choice = notice.choice
        if choice is None or notice.state == "failed":
            return
        self.meets += choice.meets
        value = choice.metrics.figure(self.metric)
        if value is not None and (self.best is None or value > self.best):
            self.best = value

    def time_left(self) -> str:
        """`about 4 min left`, from the trials of this process; empty before the first ended."""
        here = self.done - self._first_done
        if here <= 0:
            return ""
        rate = (time.monotonic() - self._begun) / here
        return f"about {duration_text(rate * max(0, self.total - self.done))} left"


class Silent:
    """Says only what must be said."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> Silent:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def __call__(self, notice: Notice) -> None:
        pass

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class Lines(Silent):
    """One plain line a finished trial, for logs and pipes."""

    def __init__(self, console: Console, tally: _Tally, *, epochs: bool = False) -> None:
        super().__init__(console)
        self._tally = tally
        self._epochs = epochs

    def __enter__(self) -> Lines:
        left = self._tally.total - self._tally.done
        if left > 0:
            workers = f"{self._tally.workers} {plural('worker', self._tally.workers)}"
            self.say(f"{self._tally.study}  {trials_text(left)} to train, {workers} starting …")
        return self

    def __call__(self, notice: Notice) -> None:
        if isinstance(notice, Progressed) and self._epochs:
            self.say(f"{self._tally.study}  {progress_text(notice, self._tally.metric)}")
        if not isinstance(notice, Ended):
            return
        self._tally.add(notice)
        tally = self._tally
        text = f"{tally.study} {tally.done}/{tally.total}  {ended_text(notice, tally.metric)}"
        left = tally.time_left()
        tail = f"  · {tally.meets} meet{f', {left}' if left else ''}"
        self.say(text if tally.total == 1 else f"{text}{tail}")


class Display(Silent):
    """A bar, the best so far, and a line per worker, redrawn in place."""

    def __init__(self, console: Console, tally: _Tally, *, epochs: bool = False) -> None:
        super().__init__(console)
        self._tally = tally
        self._epochs = epochs
        self._slots = dict.fromkeys(range(tally.workers), "importing TensorFlow")
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.completed}/{task.total} trials"),
            console=console,
            expand=True,
        )
        self._task = self._bar.add_task(tally.study, total=tally.total, completed=tally.done)
        self._live = Live(self._render(), console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Display:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def __call__(self, notice: Notice) -> None:
        if isinstance(notice, Started):
            self._slots[notice.slot] = f"{name_of(notice)}  starting"
        elif isinstance(notice, Progressed):
            line = progress_text(notice, self._tally.metric)
            if self._epochs:
                self.say(line)
            self._slots[notice.slot] = f"{line}  {configuration(notice.ticket.params)}"
        else:
            self._slots[notice.slot] = "idle"
            self._tally.add(notice)
            self._bar.update(self._task, completed=self._tally.done)
            self.say(ended_text(notice, self._tally.metric))
        self._live.update(self._render())

    def _render(self) -> RenderableType:
        tally = self._tally
        facts = [f"{tally.meets} meet the targets"]
        if tally.best is not None:
            facts.insert(0, f"best {SHORT[tally.metric]} {share(tally.best)}")
        left = tally.time_left()
        if left:
            facts.append(left)
        workers = [
            Text(f"  worker {slot + 1}  {line}", no_wrap=True, overflow="ellipsis", style="dim")
            for slot, line in sorted(self._slots.items())
        ]
        return Group(self._bar, Text("  " + " · ".join(facts)), *workers)


def name_of(notice: Notice) -> str:
    """`trial 7`, or the variant's name with its number."""
    ticket = notice.ticket
    return f"trial {ticket.origin}" + (f" ({ticket.variant})" if ticket.variant else "")


def progress_text(notice: Progressed, metric: str = "val_accuracy") -> str:
    """`trial 7  epoch 12  val 0.8932  train 0.9410`; `epoch 12 of 60` where that is its own.

    Args:
        metric: what the study maximises, shown beside val where it is another.
    """
    m, planned = notice.metrics, notice.ticket.params.get("epochs")
    of = "" if planned is None else f" of {planned}"
    text = f"{name_of(notice)}  epoch {m.epoch}{of}  val {share(m.val_accuracy)}"
    if metric != "val_accuracy":
        text += f"  {SHORT[metric]} {share(m.figure(metric))}"
    return text if m.train_accuracy is None else f"{text}  train {share(m.train_accuracy)}"


def ended_text(notice: Ended, metric: str = "val_accuracy") -> str:
    """One line on an ended trial."""
    parts = [name_of(notice)]
    choice = notice.choice
    if choice is not None:
        parts.append(figures_text(choice, metric))
        if notice.state != "failed":
            parts.append("meets" if choice.meets else "misses")
    if notice.state != "complete":
        parts.append(f"{notice.state}: {notice.reason}")
    parts.append(configuration(notice.ticket.params))
    return "  ".join(parts)


def figures_text(choice: Choice, metric: str = "val_accuracy") -> str:
    """`val 0.8932 train 0.9410 at epoch 27`, with what else the study maximises in between."""
    m = choice.metrics
    text = f"val {share(m.val_accuracy)}"
    if metric != "val_accuracy":
        text += f" {SHORT[metric]} {share(m.figure(metric))}"
    return f"{text} train {share(m.train_accuracy)} at epoch {m.epoch}"


def share(value: float | None) -> str:
    """An accuracy with four digits, or a dash for one that was not measured."""
    return "–" if value is None else f"{value:.4f}"
