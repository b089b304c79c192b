"""One trial as a page for the terminal: figures, parameters, what there is to know, and curves.

It fits 80 columns; where the stream takes no more than ASCII, the curves are drawn in letters.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from tuner.report.answers import findings_in, findings_text
from tuner.report.confirmation_table import ConfirmationBlock
from tuner.report.ranking import Rank
from tuner.report.selection import Entry, Outcome, window_text
from tuner.report.terminal_chart import Limit, Series, chart
from tuner.report.trial_view import (
    TrialDetails,
    epochs_done,
    margin_text,
    metrics_shown,
    reason_text,
    seconds_per_epoch,
    trial_name,
)
from tuner.report.wording import (
    DOT,
    SHORT,
    brief,
    duration_text,
    figure_text,
    plural,
    value_text,
)
from tuner.targets import BY_CLASS

_SIDES: tuple[Literal["left", "right"], ...] = ("left", "right", "left", "left")
_STYLES = {"train": "magenta", "val": "cyan"}
_ROWS = {"accuracy": 10, "loss": 7}
_BESIDE = 120  # from this many characters on, both charts fit side by side


@dataclass(frozen=True)
class TrialPage:
    """One trial as `show` prints it; a rich renderable.

    Attributes:
        details: the trial.
        root: the working directory; paths in it are shown from there.
        store: the variable that names the tracking store, or an empty text for the usual one.
        loss: whether the losses are drawn, too.
    """

    details: TrialDetails
    root: Path = Path()
    store: str = ""
    loss: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, details = options.max_width, self.details
        yield _title(details.outcome, details.entry)
        figures = _figures(details.outcome, details.entry)
        parameters = _parameters(details.entry)
        both = Table.grid(padding=(0, 3, 0, 0))
        both.add_row(figures, parameters)
        natural = console.measure(both, options=options.update(width=10_000)).maximum
        yield from [both] if natural <= width else [figures, parameters]
        yield Text()
        yield _facts(self)
        if details.entry.confirmation is not None:
            yield Text()
            yield ConfirmationBlock(details.outcome, details.entry)
        yield from _charts(self, width, options.ascii_only or console.legacy_windows)


def _title(outcome: Outcome, entry: Entry) -> Text:
    head = [outcome.study, *([outcome.dataset] if outcome.dataset != outcome.study else [])]
    title = Text(DOT.join([*head, trial_name(entry)]), style="bold")
    verdict = {"meets": "meets the targets", "misses": "misses the targets", None: ""}
    parts = [entry.state, *filter(None, [verdict[entry.verdict]])]
    if entry.only_if_stopped is not None:
        parts[-1] += f" only if stopped at epoch {entry.only_if_stopped}"
    title.append(DOT + DOT.join(parts), "not bold")
    if reason := reason_text(entry):
        word = {"pruned": "pruned", "failed": "failed"}.get(entry.state, "last attempt")
        title.append(f"\n{word}: {reason}", "not bold")
    if outcome.banner:
        title.append(f"\n! {outcome.banner}", "yellow")
    for caution in entry.cautions:
        title.append(f"\n! {caution.text}", "yellow")
    return title.append("\n")


def _figures(outcome: Outcome, entry: Entry) -> RenderableType:
    if entry.chosen is None:
        return Text(epochs_done(entry))
    table = Table.grid(padding=(0, 2, 0, 0))
    for side in _SIDES:
        table.add_column(justify=side, no_wrap=True)
    for metric in metrics_shown(outcome.targets):
        asked = [t for t in outcome.targets if t.metric == metric]
        figure = entry.figure(metric)
        shown = [SHORT[metric], figure_text(metric, figure, outcome.targets)]
        if not asked:
            table.add_row(*shown)
        for target in asked:
            style = "green" if target.met_by(figure) else "yellow"
            limit = brief(target).removeprefix(SHORT[metric]).strip()
            table.add_row(*shown, limit, Text(margin_text(target, figure), style=style))
            shown = ["", ""]
    last = max(e.epoch for e in entry.record.epochs)
    planned = entry.record.spec.get("epochs", last)
    cut = f", {planned} planned" if planned != last else ""
    return _headed(f"Figures at epoch {entry.chosen.epoch} of {last}{cut}", table)


def _parameters(entry: Entry) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, value in entry.params.items():
        table.add_row(Text(name), Text(value_text(value)))
    return _headed("Parameters", table if entry.params else Text("not proposed yet"))


def _headed(heading: str, below: RenderableType) -> Table:
    whole = Table.grid()
    whole.add_row(Text(heading, style="dim"))
    whole.add_row(below)
    return whole


def _facts(page: TrialPage) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in facts(page):
        table.add_row(name, Text(text))
    return table


def facts(page: TrialPage) -> list[tuple[str, str]]:
    """What else there is to know, as pairs of a name and a text."""
    entry, record = page.details.entry, page.details.entry.record
    found = []
    if entry.windows:
        text = f"{plural('epoch', 2 if len(entry.windows) > 1 else 1)} {window_text(entry.windows)}"
        found.append(("meets at", text))
    if entry.rank is not None:
        found.append(("rank", _rank_text(entry.rank, page.details.outcome.judged)))
    if record.started is not None:
        word = "began" if record.ended is None else "trained"
        found.append((word, DOT.join(_times(entry))))
    if (finding := findings_in(entry)) is not None:
        found.append(("gradients", findings_text(finding)))
    found.append(("attempts", _attempts(entry)))
    found.append(("seed", str(record.seed)))
    found.append(("split", _split_text(page.details.split)))
    if fingerprint := page.details.fingerprint:
        found.append(("data", f"{page.details.outcome.dataset}{DOT}fingerprint {fingerprint}"))
    if record.ended is not None:
        found.append(("weights", _shown_path(record.weights, page.root)))
    found.append(("MLflow", _run_text(page)))
    return found


def _rank_text(rank: Rank, judged: int) -> str:
    """`2 of 50 · margin 0.17 · neighbours 0.04, weight 8.9 · score 0.06`."""
    parts = [f"{rank.place} of {judged}", f"margin {_signed(rank.margin)}"]
    if rank.neighbours is not None:
        parts += [
            f"neighbours {_signed(rank.neighbours)}, weight {rank.weight:.1f}",
            f"score {_signed(rank.score)}",
        ]
    return DOT.join(parts)


def _signed(value: float) -> str:
    return f"{value:+.2f}"


def _times(entry: Entry) -> list[str]:
    record = entry.record
    texts = []
    if record.started is not None:
        texts.append(datetime.fromtimestamp(record.started).strftime("%Y-%m-%d %H:%M"))
    if record.seconds is not None:
        texts.append(duration_text(record.seconds))
    if (each := seconds_per_epoch(record.epochs)) is not None:
        texts.append(f"{each:.2g} s an epoch" if each < 10 else f"{each:.0f} s an epoch")
    return [*texts, *filter(None, [record.device])]


def _attempts(entry: Entry) -> str:
    record = entry.record
    if record.number == record.origin:
        return str(record.attempts)
    return f"{record.attempts}, the last as number {record.number} of the journal"


def _split_text(split: dict[str, Any]) -> str:
    share = f"{100 * float(split.get('fraction', 0)):.3g} % of the training rows"
    words = {
        "stratified": f"{share} are validation, stratified, seed {split.get('seed')}",
        "tail": f"the last {share} are validation",
        "test": "validation is the test split",
    }
    return words.get(str(split.get("kind")), "unknown")


def _shown_path(path: str | None, root: Path) -> str:
    if path is None:
        return "not kept"
    found = Path(path)
    return str(found.relative_to(root) if found.is_relative_to(root) else found)


def _run_text(page: TrialPage) -> str:
    entry = page.details.entry
    if entry.run_id is None:
        ended = entry.state in ("complete", "pruned", "failed")
        return "not recorded; the next sweep of this study does" if ended else "when it has ended"
    name = entry.variant or f"trial {entry.trial}"
    where = f", in the store that {page.store} names" if page.store else ""
    return f"run {entry.run_id} (tuner ui shows it as “{name}”{where})"


def _charts(page: TrialPage, width: int, plain: bool) -> RenderResult:
    beside = width >= _BESIDE
    wanted = ["accuracy", *(["loss"] if page.loss or beside else [])]
    each = (width - 3) // 2 if beside else width
    drawn = [lines for what in wanted if (lines := _chart(page, what, each, plain))]
    if not beside or len(drawn) < 2:
        for lines in drawn:
            yield Text()
            yield from lines
        return
    grid = Table.grid(padding=(0, 3, 0, 0))
    grid.add_row(*(Text("\n").join(lines) for lines in drawn))
    yield Text()
    yield grid


def _chart(page: TrialPage, what: str, width: int, plain: bool) -> list[Text]:
    entry = page.details.entry
    epochs = entry.record.epochs
    series = [
        Series(part, {e.epoch: e.figure(f"{part}_{what}") for e in epochs}, style)
        for part, style in _STYLES.items()
    ]
    targets = page.details.outcome.targets
    named = [m for m in BY_CLASS if what == "accuracy" and any(t.metric == m for t in targets)]
    series += [Series(SHORT[m], {e.epoch: e.figure(m) for e in epochs}, "yellow") for m in named]
    limits = [
        Limit(t.value, brief(t).replace(" loss", ""))
        for t in targets
        if t.metric in (f"val_{what}", f"train_{what}", *named)
    ]
    lines = chart(
        series,
        limits,
        width=width,
        height=_ROWS[what],
        marked=None if entry.chosen is None else entry.chosen.epoch,
        windows=entry.windows if what == "accuracy" else (),
        plain=plain,
    )
    for line in lines:
        line.no_wrap, line.overflow = True, "crop"
    return [Text(what, style="dim"), *lines] if lines else []
