"""From trial records to the outcome of a study: who meets the targets, who comes nearest, and why.

Verdicts come from the raw figures of the chosen epoch alone, never from the study's own ranking.
Trials that failed or have not ended are listed but never judged.
"""

from __future__ import annotations

import json
import math
from bisect import insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

from tuner import epochs as epoch_rules
from tuner.counts import TrialCounts
from tuner.report.confirmation import Confirmation, confirmations
from tuner.report.degenerate import Caution, beyond, cautions
from tuner.report.ranking import Candidate, Rank, ranks
from tuner.targets import METRICS, Target, objective_metric, unique
from tuner.trial import (
    EpochMetrics,
    EpochRule,
    Params,
    ParamValue,
    TrialRecord,
    TrialState,
)

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["meets", "misses"]

NEAREST = 10
"""How many misses an outcome keeps, and how many decide which target binds."""

TEST_BANNER = (
    "Validation is the test split (validation: test): it chose the winner, so its figures are "
    "optimistic and this sweep cannot be confirmed."
)


@dataclass(frozen=True)
class Entry:
    """One logical trial, judged.

    Attributes:
        trial: its origin, the number that a user knows.
        variant: name of the variant, or None for a sampled trial.
        state: as the study keeps it.
        params: the complete configuration.
        chosen: the figures of the epoch that stands for the trial; None where it is not judged.
        windows: runs of epochs that meet every target, as (first, last), 1-based.
        violations: by target text, in units of the target's scale; None where unmeasured.
        total_violation: their sum, unmeasured ones left out; None where the trial is not judged.
        verdict: None where the trial is not judged: it failed, has not ended, or has no epoch.
        only_if_stopped: the chosen epoch of a trial that meets there but not at its last, or None.
        run_id: the tracking run that shows it, or None.
        seconds: wall time, or None.
        record: what all of it was read from.
        confirmation: what its repeats prove; None where it was not put to the test.
        rank: where it stands among the judged trials of its study, and why; None where it is not
            judged.
        cautions: why a configuration that meets may not be what was wanted.
    """

    trial: int
    variant: str | None
    state: TrialState
    params: Params
    chosen: EpochMetrics | None
    windows: tuple[tuple[int, int], ...]
    violations: Mapping[str, float | None]
    total_violation: float | None
    verdict: Verdict | None
    only_if_stopped: int | None
    run_id: str | None
    seconds: float | None
    record: TrialRecord
    confirmation: Confirmation | None = None
    rank: Rank | None = None
    cautions: tuple[Caution, ...] = ()

    def figure(self, metric: str) -> float | None:
        """The chosen epoch's figure; None where unmeasured, not finite or not judged."""
        value = None if self.chosen is None else self.chosen.figure(metric)
        return value if value is not None and math.isfinite(value) else None


@dataclass(frozen=True)
class Outcome:
    """What a study has shown so far.

    Attributes:
        study, dataset: names.
        targets: what was asked, without repetitions.
        counts: logical trials by state.
        meets: every trial that meets all targets: confirmed ones first, flukes last, and within
            that by rank (see `ranking.RANK_TEXT`).
        nearest: at most ten misses: fully measured ones first, then the least total violation.
        binding_target: text of the target with the largest median violation among `nearest`.
        best: the highest `objective` of all judged trials, whether it meets or not.
        entries: one for every record, by trial number.
        banner: a warning that belongs above every table, or None.
        seconds: time during which at least one trial was running.
        what_if: the targets are not the study's own: nothing was searched for by them.
    """

    study: str
    dataset: str
    targets: tuple[Target, ...]
    counts: TrialCounts
    meets: tuple[Entry, ...]
    nearest: tuple[Entry, ...]
    binding_target: str | None
    best: Entry | None
    entries: tuple[Entry, ...]
    banner: str | None
    seconds: float
    what_if: bool = False

    @property
    def objective(self) -> str:
        """The figure that decides between trials which the targets do not tell apart."""
        return objective_metric(self.targets)

    @property
    def judged(self) -> int:
        """How many trials have a verdict."""
        return sum(entry.verdict is not None for entry in self.entries)

    @property
    def confirmed(self) -> tuple[Entry, ...]:
        """Trials whose repeats prove that they meet: those of `meets` first, in its order.

        A trial whose own figures miss can be among the others: its own draw was bad luck.
        """
        sure = [e for e in self.entries if e.confirmation and e.confirmation.verdict == "confirmed"]
        return tuple(sorted(sure, key=lambda e: (e.verdict != "meets", *_by_proof(e))))


def select(
    study: str,
    dataset: str,
    records: Sequence[TrialRecord],
    targets: Sequence[Target],
    rule: EpochRule,
    requested: int,
) -> Outcome:
    """Judge every record and rank the verdicts.

    Args:
        study, dataset: names, only passed on.
        records: one a logical trial, in any order.
        targets: what to meet; with none, every trial that has an epoch meets.
        rule: which epoch stands for a trial. With `last`, a pruned trial never meets, since it
            has no last epoch; with `best`, its figures count like any other's.
        requested: how many logical trials were asked for.
    """
    wanted = unique(targets)
    tested = confirmations(records, wanted, rule)
    entries = _ranked(
        [
            replace(judge(record, wanted, rule), confirmation=tested.get(record.origin))
            for record in sorted(records, key=lambda r: r.origin)
        ],
        wanted,
    )
    metric = objective_metric(wanted)
    judged = sorted((e for e in entries if e.verdict is not None), key=partial(_by_figure, metric))
    misses = (e for e in judged if e.verdict == "misses")
    nearest = tuple(sorted(misses, key=partial(_by_distance, metric)))
    return Outcome(
        study=study,
        dataset=dataset,
        targets=wanted,
        counts=TrialCounts.of(requested, records),
        meets=tuple(sorted((e for e in judged if e.verdict == "meets"), key=_by_proof)),
        nearest=nearest[:NEAREST],
        binding_target=_binding(nearest[:NEAREST], wanted),
        best=judged[0] if judged else None,
        entries=entries,
        banner=TEST_BANNER if any(_validates_on_test(r) for r in records) else None,
        seconds=busy_seconds(records),
    )


class Shortlist:
    """The trials of a study whose weights are kept, up to date trial by trial.

    Whoever meets, by `objective_metric`, then the nearest misses, `longest` in all. While no more
    than `longest` meet these are the trials that `select` places first; beyond that it is their
    figures that decide, since a rank hangs on all trials of a study and would change with each.

    Args:
        targets, rule: as for `select`.
        longest: how many are kept.
    """

    def __init__(self, targets: Sequence[Target], rule: EpochRule, longest: int) -> None:
        self._targets = unique(targets)
        self._rule = rule
        self._longest = longest
        self._metric = objective_metric(targets)
        self._meets: list[Entry] = []
        self._nearest: list[Entry] = []

    def add(self, record: TrialRecord) -> list[TrialRecord]:
        """Take in a trial that has ended; returns those that have no place now, maybe itself."""
        entry = judge(record, self._targets, self._rule)
        if entry.verdict is None:
            return [record]
        before = self._kept()
        if entry.verdict == "meets":
            insort(self._meets, entry, key=partial(_by_figure, self._metric))
        else:
            insort(self._nearest, entry, key=partial(_by_distance, self._metric))
        del self._meets[self._longest :], self._nearest[NEAREST:]
        kept = {e.trial for e in self._kept()}
        return [e.record for e in [*before, entry] if e.trial not in kept]

    def _kept(self) -> list[Entry]:
        return [*self._meets, *self._nearest][: self._longest]


def judge(record: TrialRecord, targets: Sequence[Target], rule: EpochRule) -> Entry:
    """The entry of one record; only complete and pruned trials that have an epoch get a verdict."""
    choice = None
    if record.state in ("complete", "pruned"):
        choice = epoch_rules.choose(record.epochs, targets, rule)
    verdict: Verdict | None = None
    if choice is not None:
        cut_short = rule == "last" and record.state == "pruned"
        verdict = "meets" if choice.meets and not cut_short else "misses"
    stop = None
    if verdict == "meets":
        stop = epoch_rules.only_if_stopped(record.epochs, targets, rule)
    return Entry(
        trial=record.origin,
        variant=record.variant,
        state=record.state,
        params=record.params,
        chosen=None if choice is None else choice.metrics,
        windows=() if choice is None else epoch_rules.windows(record.epochs, targets),
        violations={} if choice is None else choice.violations,
        total_violation=None if choice is None else choice.total,
        verdict=verdict,
        only_if_stopped=stop,
        run_id=record.run_id,
        seconds=record.seconds,
        record=record,
    )


def busy_seconds(records: Iterable[TrialRecord]) -> float:
    """Seconds during which at least one trial ran: pauses between two sessions do not count."""
    spans = sorted(
        (r.started, r.ended) for r in records if r.started is not None and r.ended is not None
    )
    total, until = 0.0, -math.inf
    for start, end in spans:
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def window_text(windows: Iterable[tuple[int, int]], dash: str = "–", joint: str = ", ") -> str:
    """`24–30, 33`: runs of epochs for a person."""
    return joint.join(str(a) if a == b else f"{a}{dash}{b}" for a, b in windows)


def frame(outcome: Outcome) -> pd.DataFrame:
    """One row a logical trial, by trial number.

    Columns: `trial`, `variant`, `state`, `verdict` (meets, misses, or missing: not judged); the
    figures of the chosen epoch under their target names; `epoch` (1-based), `window` (such as
    `24..30 33`, a form that no spreadsheet takes for a date), `only_if_stopped`,
    `total_violation`, `rank` (1 is the best), `confirmation` (its verdict), `passes`, `seeds`,
    `test_accuracy`, `seconds`, `run_id`, `reason`; then every parameter as `param.NAME`, lists as
    JSON. Missing is missing, never 0.
    """
    import pandas as pd

    entries = outcome.entries
    columns: dict[str, pd.Series[Any]] = {}

    def add(name: str, values: Sequence[Any], dtype: str = "string") -> None:
        columns[name] = pd.Series(list(values), dtype=dtype)

    add("trial", [e.trial for e in entries], "int64")
    add("variant", [e.variant for e in entries])
    add("state", [e.state for e in entries])
    add("verdict", [e.verdict for e in entries])
    for metric in METRICS:
        whole = metric == "parameters"
        figures = [e.figure(metric) for e in entries]
        add(metric, [int(f) if whole and f is not None else f for f in figures], _kind(whole))
    add("epoch", [None if e.chosen is None else e.chosen.epoch for e in entries], "Int64")
    add("window", [window_text(e.windows, "..", " ") or None for e in entries])
    add("only_if_stopped", [e.only_if_stopped for e in entries], "Int64")
    add("total_violation", [e.total_violation for e in entries], "float64")
    add("rank", [None if e.rank is None else e.rank.place for e in entries], "Int64")
    proofs = [e.confirmation for e in entries]
    add("confirmation", [None if p is None else p.verdict for p in proofs])
    add("passes", [None if p is None else p.passes for p in proofs], "Int64")
    add("seeds", [None if p is None else p.seeds for p in proofs], "Int64")
    tests = [None if p is None or p.test is None else p.test.accuracy for p in proofs]
    add("test_accuracy", tests, "float64")
    add("seconds", [e.seconds for e in entries], "float64")
    add("run_id", [e.run_id for e in entries])
    add("reason", [e.record.reason for e in entries])
    for name in parameter_names(entries):
        values = [e.params.get(name) for e in entries]
        plain = [json.dumps(v) if isinstance(v, list) else v for v in values]
        add(f"param.{name}", plain, _param_dtype(plain))
    return pd.DataFrame(columns)


def parameter_names(entries: Iterable[Entry]) -> tuple[str, ...]:
    """Every parameter that any entry has, in the order of their first mention."""
    return tuple(dict.fromkeys(name for entry in entries for name in entry.params))


def _kind(whole: bool) -> str:
    return "Int64" if whole else "float64"


def _param_dtype(values: Sequence[ParamValue | None]) -> str:
    given = [v for v in values if v is not None]
    if all(isinstance(v, bool) for v in given):
        return "boolean"
    if any(isinstance(v, bool | str) for v in given):
        return "object"
    return _kind(all(isinstance(v, int) for v in given))


def _ranked(entries: Sequence[Entry], targets: Sequence[Target]) -> tuple[Entry, ...]:
    """The entries with their ranks and cautions."""
    candidates = {
        entry.trial: Candidate(
            entry.params, entry.chosen, entry.record.epochs, entry.verdict == "meets"
        )
        for entry in entries
        if entry.chosen is not None and entry.verdict is not None
    }
    found = dict(zip(candidates, ranks(tuple(candidates.values()), targets), strict=True))
    best = beyond([e.record for e in entries if e.verdict is not None], targets)
    return tuple(
        replace(
            entry,
            rank=found.get(entry.trial),
            cautions=cautions(entry.record, entry.chosen, targets, best)
            if entry.chosen is not None and entry.verdict == "meets"
            else (),
        )
        for entry in entries
    )


def _by_proof(entry: Entry) -> tuple[int, int]:
    order = {"confirmed": 0, "marginal": 1, "fluke": 2}
    proven = 1 if entry.confirmation is None else order[entry.confirmation.verdict]
    return proven, entry.rank.place if entry.rank else 0


def _by_figure(metric: str, entry: Entry) -> tuple[float, float, int]:
    score, gap = entry.figure(metric), entry.figure("accuracy_gap")
    return (
        math.inf if score is None else -score,
        math.inf if gap is None else gap,
        entry.trial,
    )


def _by_distance(metric: str, entry: Entry) -> tuple[bool, float, float, float, int]:
    # As when an epoch is chosen: what was not measured is no sign of being near.
    unmeasured = None in entry.violations.values()
    return (unmeasured, entry.total_violation or 0.0, *_by_figure(metric, entry))


def _binding(nearest: Sequence[Entry], targets: Sequence[Target]) -> str | None:
    found: tuple[float, str] | None = None
    for target in targets:
        known = [v for e in nearest if (v := e.violations[target.text]) is not None]
        if any(known) and (found is None or median(known) > found[0]):
            found = (median(known), target.text)
    return None if found is None else found[1]


def _validates_on_test(record: TrialRecord) -> bool:
    split = record.spec.get("split")
    return isinstance(split, Mapping) and split.get("kind") == "test"
