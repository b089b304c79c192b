"""How long does the page of a thousand trials take to write, and how large is it?

    python benchmarks/page.py [--rounds 3] [--trials 1000] [--data-dir DATA] [--quick]

Makes a study of Fashion-MNIST: three trials are really trained, by `tuner sweep`, and meet its
targets; the others, of the shipped space and 30 epochs, are proposed by the sampler and have
made-up curves that miss. Then `tuner report --html` runs as a user types it, a process of its own
each time. *first* has to predict the validation rows of the three winners, *again* finds that done.
Both copy the page to the sweep's MLflow run, which is the default. Medians over the rounds. The
last line of stdout is one JSON object.
"""

from __future__ import annotations

import math
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from common import (
    BenchmarkError,
    clean_environment,
    data_dir,
    parser,
    positive,
    print_json,
    print_table,
    run,
    say,
)

from tuner.commands.report import restored
from tuner.search.opening import open_study
from tuner.search.records import summaries
from tuner.trial import EpochMetrics, TrialResult, TrialSpec
from tuner.workspace import Workspace

EPOCHS = 30
QUICK = 60
NAME = "thousand"
TRAINED = 3
SMALL = "depth: 1, units: 64, batch_size: 256, optimizer: adam, learning_rate: 0.001"
SWEEP = f"""\
dataset: fashion
epochs: {EPOCHS}
pruner: none
targets: ["val_accuracy >= 0.84", "train_accuracy < 0.95"]
space:
  l2:            {{min: 1.0e-6, max: 1.0e-1, log: true, or: 0}}
  dropout:       {{min: 0.0, max: 0.7}}
  batch_size:    {{values: [64, 128, 256]}}
  optimizer:     {{values: [sgd, adam, rmsprop]}}
  momentum:      {{min: 0.0, max: 0.99, when: {{optimizer: sgd}}}}
  depth:         {{min: 1, max: 3}}
  units:         {{values: [64, 128, 256, 512]}}
  learning_rate: {{min: 1.0e-4, max: 1.0e-2, log: true}}
  schedule:      {{values: [constant, cosine]}}
  batch_norm:    {{values: [none, before_activation]}}
variants:
  first:  {{{SMALL}, dropout: 0.1}}
  second: {{{SMALL}, dropout: 0.2}}
  third:  {{{SMALL}, dropout: 0.3}}
"""


def tuner(folder: Path, *words: str) -> float:
    """Seconds that a command of tuner takes in `folder`."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "tuner", *words],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"tuner {' '.join(words)}: {done.stderr.strip()}")
    return time.perf_counter() - began


def curve(chance: random.Random) -> tuple[EpochMetrics, ...]:
    """Made-up figures that look like a training and never meet both targets."""
    top, over = chance.uniform(0.70, 0.835), chance.uniform(0.0, 0.1)
    rows = []
    for number in range(1, EPOCHS + 1):
        done = number / EPOCHS
        val = min(top - 0.2 * math.exp(-5 * done) + chance.gauss(0, 0.002), 0.8399)
        train = val - 0.01 + (over + 0.01) * done
        measured = number % 5 == 0
        rows.append(
            EpochMetrics(
                epoch=number,
                val_accuracy=val,
                val_loss=1.2 - val + 0.3 * max(0.0, done - 0.6) ** 2,
                train_accuracy=train if measured else None,
                train_loss=1.2 - train if measured else None,
                train_accuracy_running=train - 0.01,
                train_loss_penalised=1.25 - train,
                val_loss_penalised=1.25 - val,
                learning_rate=0.001 * (1 - done),
                parameters=chance.randint(50_000, 900_000),
                seconds=chance.uniform(0.2, 2.0),
                timestamp=time.time(),
            )
        )
    return tuple(rows)


def fill(folder: Path, trials: int) -> None:
    """Bring the study in `folder` to so many trials, without training."""
    (summary,) = summaries(Workspace(folder))
    pattern = summary.records[0].spec
    study = open_study(Workspace(folder), NAME, restored(summary), summary.identity, summary.base)
    chance = random.Random(0)
    with closing(study):
        study.set_requested(trials)
        while (ticket := study.next(trials)) is not None:
            own = {"attempt": ticket.attempt, "origin": ticket.origin, "params": ticket.params}
            seed = {"seed": ticket.seed, "keep_weights": None}
            study.start(ticket, TrialSpec.from_json({**pattern, **own, **seed}))
            rows = curve(chance)
            now = time.time()
            result = TrialResult("complete", "", rows, now - 20.0, now, "made up")
            best = max(row.val_accuracy or 0.0 for row in rows)
            study.finish(ticket.attempt, result, objective=best, violations={})


def main() -> int:
    options = parser(__doc__, 3, data=True)
    options.add_argument("--trials", type=positive, default=1000, help="default: 1000")
    given = options.parse_args()
    data = data_dir(given.data_dir)
    trials = QUICK if given.quick else given.trials
    first, again, sizes = [], [], []
    with tempfile.TemporaryDirectory(prefix="page-") as name:
        folder = Path(name)
        (folder / "sweeps").mkdir()
        (folder / "sweeps" / f"{NAME}.yaml").write_text(SWEEP, encoding="utf-8")
        say(f"{TRAINED} trials are trained …")
        tuner(folder, "sweep", NAME, "--trials", str(TRAINED), "--data-dir", str(data))
        say(f"{trials - TRAINED} more are made up …")
        fill(folder, trials)
        report = ("report", NAME, "--html", "page.html", "--format", "json")
        for number in range(1, given.rounds + 1):
            (summary,) = summaries(Workspace(folder))
            uid = summary.records[0].attempt.partition(":")[0]
            shutil.rmtree(Workspace(folder).predictions(uid), ignore_errors=True)
            first.append(tuner(folder, *report))
            again.append(tuner(folder, *report))
            sizes.append((folder / "page.html").stat().st_size)
            say(f"round {number}/{given.rounds}: {first[-1]:.1f} s, again {again[-1]:.1f} s")
    print_table(
        f"The page of {trials:,} trials",
        ("", "seconds"),
        [
            ("first, winners predicted", f"{statistics.median(first):.1f}"),
            ("again", f"{statistics.median(again):.1f}"),
            ("size, MB", f"{statistics.median(sizes) / 1e6:.2f}"),
        ],
    )
    print_json(
        "page",
        quick=given.quick,
        trials=trials,
        rounds=given.rounds,
        first=statistics.median(first),
        again=statistics.median(again),
        bytes=int(statistics.median(sizes)),
    )
    return 0


if __name__ == "__main__":
    run(main)
