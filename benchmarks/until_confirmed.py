"""How long until the first configuration that meets, and until the first that is confirmed?

    python benchmarks/until_confirmed.py --folder DIR [--seeds 5] [--trials 60] [--data-dir DATA]

Runs `tuner sweep NAME --until-confirmed 1` by TPE and by random sampling on the same space, a study
for each sampler and seed, one after the other, and reads the answers off the studies. A study that
is in the folder already is only read, so that what was interrupted goes on. Minutes are from the
start of the first trial, with the machine's workers, pauses between two commands left out; trials
are counted in the order in which they ended. A run that did not get there within its trials counts
as more than them, in medians too. The last line of stdout is one JSON object.
"""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common import (
    BenchmarkError,
    data_dir,
    parser,
    positive,
    print_json,
    print_table,
    run,
    say,
)

from tuner.commands.report import outcome_of
from tuner.report.selection import Outcome, busy_seconds
from tuner.search.records import StudySummary, summaries
from tuner.trial import Repeat
from tuner.workspace import Workspace

SAMPLERS = ("tpe", "random")


@dataclass(frozen=True)
class Course:
    """How one sweep went; infinite where it did not get there.

    Attributes:
        met_trials, met_minutes: until the first trial that meets had ended.
        confirmed_trials, confirmed_minutes: until the first was confirmed.
        tested: trials put to the test until then.
        val, train: means of the confirmed one over its fresh seeds.
        trials: in all.
    """

    met_trials: float
    met_minutes: float
    confirmed_trials: float
    confirmed_minutes: float
    tested: int
    val: float
    train: float
    trials: int


def course(outcome: Outcome) -> Course:
    """Read off a study when what had happened."""
    ended = sorted(
        (e for e in outcome.entries if e.record.ended), key=lambda e: e.record.ended or 0
    )
    records = [e.record for e in ended]
    met = next((n for n, e in enumerate(ended, 1) if e.verdict == "meets"), None)
    tested = [e for e in ended if e.confirmation is not None]
    confirmed = next(
        (e for e in tested if e.confirmation and e.confirmation.verdict == "confirmed"), None
    )
    met_minutes = math.inf if met is None else busy_seconds(records[:met]) / 60
    count, minutes, val, train = math.inf, math.inf, math.nan, math.nan
    if confirmed is not None and confirmed.confirmation is not None:
        proven = confirmed.confirmation
        at = max(r.ended for r in proven.repeats)
        before = [r for r in records if (r.ended or 0) <= at]
        proofs = sum(_seconds(e.record.repeats) for e in tested)
        count, minutes = len(before), (busy_seconds(before) + proofs) / 60
        val, train = proven.mean("val_accuracy") or val, proven.mean("train_accuracy") or train
    return Course(
        met_trials=math.inf if met is None else met,
        met_minutes=met_minutes,
        confirmed_trials=count,
        confirmed_minutes=minutes,
        tested=len(tested),
        val=val,
        train=train,
        trials=len(ended),
    )


def _seconds(repeats: Sequence[Repeat]) -> float:
    """Time during which at least one repeat ran."""
    spans = sorted((r.started, r.ended) for r in repeats)
    total, until = 0.0, -math.inf
    for start, end in spans:
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def sweep(folder: Path, name: str, sampler: str, seed: int, trials: int, data: Path) -> None:
    """One sweep, in `folder`, under the name of its sampler and seed."""
    command = [sys.executable, "-m", "tuner", "sweep", name, "--name", f"{sampler}-{seed}"]
    command += ["--sampler", sampler, "--seed", str(seed), "--trials", str(trials), "--exit-zero"]
    command += ["--until-confirmed", "1", "--data-dir", str(data), "--quiet", "--format", "json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"{sampler}-{seed}: {done.stderr.strip()}")


def median(values: Sequence[float]) -> float:
    """The middle one; infinite values count as larger than any."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


def text(value: float, digits: int = 0) -> str:
    return "–" if not math.isfinite(value) else f"{value:.{digits}f}"


def main() -> int:
    options = parser(__doc__, None, data=True)
    options.add_argument("--folder", type=Path, required=True, help="where the studies are kept")
    options.add_argument("--sweep", default="fashion", help="default: fashion")
    options.add_argument("--seeds", type=positive, default=5, help="default: 5")
    options.add_argument("--trials", type=positive, default=60, help="most trials; default: 60")
    given = options.parse_args()
    data = data_dir(given.data_dir)
    given.folder.mkdir(parents=True, exist_ok=True)
    seeds = range(1, (2 if given.quick else given.seeds) + 1)
    found: dict[str, StudySummary] = {}
    courses: dict[str, list[Course]] = {sampler: [] for sampler in SAMPLERS}
    rows = []
    for seed in seeds:
        for sampler in SAMPLERS:
            name = f"{sampler}-{seed}"
            found = {s.name: s for s in summaries(Workspace(given.folder))}
            if name not in found:
                say(f"{name} …")
                sweep(given.folder, given.sweep, sampler, seed, given.trials, data)
                found = {s.name: s for s in summaries(Workspace(given.folder))}
            one = course(outcome_of(found[name]))
            courses[sampler].append(one)
            rows.append([sampler, str(seed), *_cells(one)])
    for sampler in SAMPLERS:
        middle = {
            key: median([getattr(c, key) for c in courses[sampler]])
            for key in ("met_trials", "met_minutes", "confirmed_trials", "confirmed_minutes")
        }
        rows.append(
            [
                sampler,
                "median",
                text(middle["met_trials"]),
                text(middle["met_minutes"], 1),
                text(middle["confirmed_trials"]),
                text(middle["confirmed_minutes"], 1),
                "",
                "",
                "",
            ]
        )
    head = ["sampler", "seed", "trials to meet", "minutes", "to confirmed", "minutes"]
    print_table(
        f"{given.sweep}: until the first that meets, and the first confirmed",
        [*head, "tested", "mean val", "mean train"],
        rows,
    )
    print_json(
        "until_confirmed",
        quick=given.quick,
        courses={s: [vars(c) for c in courses[s]] for s in SAMPLERS},
    )
    return 0


def _cells(one: Course) -> list[str]:
    return [
        text(one.met_trials),
        text(one.met_minutes, 1),
        text(one.confirmed_trials),
        text(one.confirmed_minutes, 1),
        str(one.tested),
        text(one.val, 4),
        text(one.train, 4),
    ]


if __name__ == "__main__":
    run(main)
