"""Repeats of a trial: what is trained again, on which seeds and splits, and where that is kept.

The rule: a repeat is planned from the trial's record alone, so that an old trial can be repeated
without its sweep file. Each that ends is noted in the study at once; what is stored is not trained
again, so that an interrupted confirmation goes on where it stopped. Repeats with one index share
their split over all trials: candidates are compared on the same rows.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tuner.definition import ENGINE_BEFORE
from tuner.epochs import choose
from tuner.errors import StudyError
from tuner.executors.base import EpochDone, Executor, SuggestAsked, TrialDone
from tuner.search.sampling import derive_seed, variant_seed
from tuner.search.scheduler import POLL_SECONDS, Controls, StopReason
from tuner.targets import parse_targets
from tuner.trial import (
    UNTOLD,
    EpochMetrics,
    Repeat,
    RepeatKind,
    SplitSpec,
    TrialRecord,
    TrialResult,
    TrialSpec,
)

MOST_ATTEMPTS = 3


@dataclass(frozen=True)
class Planned:
    """One repeat that is to be trained.

    Attributes:
        record: the trial.
        repeat: what it will be; without figures yet.
        spec: what a worker needs.
    """

    record: TrialRecord
    repeat: Repeat
    spec: TrialSpec


def spec_of(record: TrialRecord, data: Path) -> TrialSpec:
    """The spec that a trial was trained by, with its data at `data`.

    Raises:
        StudyError: the record has none, as that of a trial which never began.
    """
    if not record.spec:
        raise StudyError(f"trial {record.origin} was never trained: there is nothing to repeat.")
    raw = {"engine": ENGINE_BEFORE, **record.spec}
    return replace(TrialSpec.from_json(raw), data=str(data.resolve()))


def plan_repeats(
    record: TrialRecord,
    epoch: int,
    spec: TrialSpec,
    seeds: int,
    folder: Path,
    *,
    same_split: bool = False,
    own: bool = True,
) -> list[Planned]:
    """The repeats of a trial that are still to be trained, the one of its own seed first.

    Args:
        record: the trial.
        epoch: its chosen epoch, at which repeats are judged.
        spec: as from `spec_of`.
        seeds: how many fresh seeds.
        folder: where weights of the judged epoch are kept.
        same_split: keep the trial's own split instead of cutting fresh ones.
        own: repeat the trial's own seed as well.

    Raises:
        StudyError: the trial was validated on the test split.
    """
    if spec.split.kind == "test":
        raise StudyError(
            f"trial {record.origin} was validated on the test split (validation: test), so that "
            "nothing is left to confirm it on.\nSweep with `validation: 0.2`, under another name."
        )
    stored = {(r.kind, r.index) for r in record.repeats if r.status not in UNTOLD}
    kind: RepeatKind = "same" if same_split else "fresh"
    wanted: list[tuple[RepeatKind, int]] = [("own", 0)] if own else []
    wanted += [(kind, index) for index in range(seeds)]
    return [
        _planned(record, epoch, spec, which, index, folder)
        for which, index in wanted
        if (which, index) not in stored
    ]


def weights_file(folder: Path, record: TrialRecord, kind: str, index: int) -> Path:
    """Where the weights of a repeat lie while they may be needed."""
    return folder / f"repeat-{record.origin}-{kind}-{index}.npz"


def plan_seeds(
    record: TrialRecord, spec: TrialSpec, seed: int, seeds: int, folder: Path, *, weights: bool
) -> list[Planned]:
    """The trainings of a variant on the shared seeds that are still missing.

    Each is judged like a trial of its own, by the sweep's own rule. The first seed is the variant's
    own, unless it was trained before there were seeds to share. Where weights are kept, a training
    that has none, and no figures of the test split, is made again.

    Args:
        record: the variant.
        spec: as from `spec_of`.
        seed: of the study.
        seeds: how many trainings, the variant's own included.
        folder: where weights are kept.
        weights: keep those of each chosen epoch.
    """
    scored = {score.seed for score in record.scores}
    stored = {
        r.index
        for r in record.seeds
        if r.status not in UNTOLD
        and (
            not weights
            or r.status != "complete"
            or r.seed in scored
            or weights_file(folder, record, "seed", r.index).is_file()
        )
    }
    found = []
    for index in range(seeds):
        own = variant_seed(seed, index)
        if index in stored or own == record.seed:
            continue
        file = weights_file(folder, record, "seed", index)
        made = replace(
            spec,
            attempt=f"{record.attempt}:seed:{index}",
            seed=own,
            diagnostics=(),
            asks=False,
            keep_weights=str(file.resolve()) if weights else None,
        )
        found.append(Planned(record, Repeat("seed", index, own, spec.split, 0, "failed"), made))
    return found


def _planned(
    record: TrialRecord,
    epoch: int,
    spec: TrialSpec,
    kind: RepeatKind,
    index: int,
    folder: Path,
) -> Planned:
    seed, split, stopping = spec.seed, spec.split, spec.early_stopping
    if kind != "own":
        seed = derive_seed(record.seed, f"repeat {kind}", index)
        stopping = None  # it has to reach the judged epoch
    if kind == "fresh":
        cut = derive_seed(spec.split.seed, "repeat split", index)
        split = SplitSpec("stratified", spec.split.fraction, cut)
    made = replace(
        spec,
        attempt=f"{record.attempt}:{kind}:{index}",
        seed=seed,
        split=split,
        early_stopping=stopping,
        diagnostics=(),
        asks=False,
        judge_epoch=epoch,
        keep_weights=str(weights_file(folder, record, kind, index).resolve()),
    )
    repeat = Repeat(kind, index, seed, split, epoch, status="failed")
    return Planned(record, repeat, made)


@dataclass(frozen=True)
class RepeatEnded:
    """A repeat ended and is stored."""

    planned: Planned
    repeat: Repeat


@dataclass(frozen=True)
class RepeatProgressed:
    """A repeat finished an epoch."""

    planned: Planned
    metrics: EpochMetrics


def run_repeats(
    executor: Executor,
    planned: Iterable[Planned],
    keep: Callable[[Planned, Repeat], None],
    observe: Callable[[RepeatEnded | RepeatProgressed], None],
    controls: Controls,
    deadline: float | None = None,
    futile: Callable[[Planned], bool] = lambda planned: False,
) -> StopReason:
    """Train repeats until none is left; returns why it ended.

    Args:
        executor: where they run.
        planned: what to train, in this order.
        keep: stores a repeat that ended.
        observe: called with what a person may want to see.
        controls: set by signal handlers; a drain lets what runs finish.
        deadline: `time.monotonic()` at which what runs is given up, or None.
        futile: asked before a repeat begins; true leaves it out.

    A repeat that fails three times, or for lack of memory, is kept as such, and the others of its
    trial are left out.
    """
    waiting = deque(planned)
    running: dict[str, Planned] = {}
    attempts: dict[str, int] = {}
    while True:
        while waiting and executor.idle > 0 and not (controls.drain or controls.hand_back):
            item = waiting.popleft()
            if futile(item):
                continue
            running[item.spec.attempt] = item
            executor.submit(item.spec)
        if controls.hand_back or (deadline is not None and time.monotonic() >= deadline):
            for attempt in running:
                executor.cancel(attempt)
            return "handed back" if controls.hand_back else "timeout"
        if not running:
            return "drained" if controls.drain and waiting else "done"
        for event in executor.poll(POLL_SECONDS):
            item_or_none = running.get(event.attempt)
            if item_or_none is None:
                continue
            item = item_or_none
            if isinstance(event, EpochDone):
                executor.decide(event.attempt, event.metrics.epoch, stop=False)
                observe(RepeatProgressed(item, event.metrics))
            elif isinstance(event, SuggestAsked):
                executor.answer(event.attempt, item.spec.params[event.name])
            elif isinstance(event, TrialDone) and event.result.status not in UNTOLD:
                del running[event.attempt]
                repeat = _ended(item, event.result)
                keep(item, repeat)
                observe(RepeatEnded(item, repeat))
            else:  # lost, an exception of the trainer's, or lack of memory
                del running[event.attempt]
                why = event.result.message if isinstance(event, TrialDone) else event.reason
                attempts[event.attempt] = attempts.get(event.attempt, 0) + 1
                if attempts[event.attempt] < MOST_ATTEMPTS:
                    waiting.appendleft(item)
                    continue
                now = time.time()
                repeat = replace(item.repeat, message=why, started=now, ended=now)
                waiting = deque(w for w in waiting if w.record.origin != item.record.origin)
                keep(item, repeat)
                observe(RepeatEnded(item, repeat))


def _ended(planned: Planned, result: TrialResult) -> Repeat:
    repeat = planned.repeat
    if repeat.kind == "seed":
        spec = planned.spec
        targets = tuple(target for text in spec.targets for target in parse_targets(text))
        choice = choose(result.epochs, targets, spec.epoch)
        repeat = replace(repeat, epoch=choice.metrics.epoch if choice else 0)
    return replace(
        repeat,
        status=result.status,
        epochs=result.epochs,
        started=result.started,
        ended=result.ended,
        device=result.device,
        versions=result.versions,
        message=result.message,
    )


def in_order(plans: Sequence[Sequence[Planned]]) -> list[Planned]:
    """All repeats of several trials: first what tells most, one of each trial in turn."""
    longest = max((len(plan) for plan in plans), default=0)
    return [plan[at] for at in range(longest) for plan in plans if at < len(plan)]
