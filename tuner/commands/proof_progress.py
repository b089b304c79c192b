"""What a person sees while trials are put to the test: a bar, or a plain line a repeat."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tuner.commands.progress import share
from tuner.epochs import meets
from tuner.report.wording import SHORT
from tuner.search.repeats import Planned, RepeatEnded, RepeatProgressed
from tuner.targets import BY_CLASS, Target

KINDS = {
    "own": "own seed",
    "fresh": "fresh seed and split",
    "same": "fresh seed, same split",
    "seed": "seed",
}


class ProofProgress:
    """Watches repeats; used as a context.

    Args:
        console: where it is shown; stderr.
        targets: by which a repeat passes.
        planned: what is to be trained.
        verbosity: below 0 nothing is shown.
        what: is done.
    """

    def __init__(
        self,
        console: Console,
        targets: Sequence[Target],
        planned: Sequence[Planned],
        verbosity: int,
        what: str = "confirming",
    ) -> None:
        self._console = console
        self._targets = targets
        self._quiet = verbosity < 0 or not planned
        self._total = len(planned)
        self._done = 0
        live = console.is_terminal and not console.is_dumb_terminal and not self._quiet
        self._bar: Progress | None = None
        if live:
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=None),
                TextColumn("{task.fields[done]}/{task.fields[all]}"),
                TimeRemainingColumn(),
                console=console,
                transient=True,
                expand=True,
            )
            epochs = sum(p.spec.epochs for p in planned)
            self._task = self._bar.add_task(what, total=epochs, done=0, all=self._total)

    def __enter__(self) -> ProofProgress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, notice: RepeatEnded | RepeatProgressed) -> None:
        if isinstance(notice, RepeatProgressed):
            if self._bar is not None:
                self._bar.advance(self._task)
            return
        self._done += 1
        if self._bar is not None:
            missing = notice.planned.spec.epochs - len(notice.repeat.epochs)
            self._bar.update(self._task, advance=missing, done=self._done)
        if not self._quiet:
            self.say(f"{self._done}/{self._total}  {repeat_text(notice, self._targets)}")

    def say(self, text: str) -> None:
        """Print one line that must not be missed."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def repeat_text(notice: RepeatEnded, targets: Sequence[Target]) -> str:
    """`trial 35  fresh seed and split 2  val 0.9031 train 0.9412 at epoch 27  passes`."""
    repeat = notice.repeat
    record = notice.planned.record
    who = f"trial {record.origin}" if repeat.kind != "seed" else str(record.variant)
    who = f"{who}  {KINDS[repeat.kind]}"
    if repeat.kind != "own":
        who += f" {repeat.index + 1}"
    judged = repeat.judged
    if judged is None:
        return f"{who}  {repeat.message or repeat.status}"
    named = [m for m in BY_CLASS if any(t.metric == m for t in targets)]
    shown = [f"{SHORT[m]} {share(judged.figure(m))}" for m in ("val_accuracy", *named)]
    figures = " ".join([*shown, f"train {share(judged.train_accuracy)}"])
    verdict = "passes" if meets(judged, targets) else "misses"
    return f"{who}  {figures} at epoch {judged.epoch}  {verdict}"
