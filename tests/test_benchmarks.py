"""The benchmarks: what they compute from what they measured, and that they run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.definition import load
from tuner.parameters import complete
from tuner.trial import EpochMetrics, TrialRecord

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
try:
    import common
    import memory
    import peers
    import peers_account
    import peers_plan
    import roofline
finally:
    sys.path.remove(str(BENCHMARKS))

NEEDS_DATA = ("peers", "epoch", "roofline", "breakdown", "page")


def listed() -> list[str]:
    """The benchmarks that `make bench` runs."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    (line,) = re.findall(r"^BENCHMARKS := (.*)$", text, re.M)
    return str(line).split()


def last_object(text: str) -> dict[str, Any]:
    """The JSON object in the last line."""
    found: dict[str, Any] = json.loads(text.splitlines()[-1], parse_constant=pytest.fail)
    return found


def run_benchmark(name: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(BENCHMARKS / f"{name}.py"), *options],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


# What they all share


def test_medians_and_ratios() -> None:
    rounds = [
        {"ours": 2.0, "theirs": 9.0},
        {"ours": 1.0, "theirs": 8.0},
        {"ours": 5.0, "theirs": 4},
    ]
    assert common.medians(rounds) == {"ours": 2.0, "theirs": 8.0}
    assert common.ratios({"ours": 2.0, "theirs": 8.0}, "ours") == {"theirs": 4.0}


def test_the_last_line_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    common.print_table("Title", ["name", "figure"], [["a", 1], ["longer", "22.5"]])
    common.print_json("some", quick=True, ratio={"a": 1.23456789, "b": float("nan")}, rounds=12345)
    printed = capsys.readouterr().out
    assert printed.splitlines()[:5] == [
        "Title",
        "name    figure",
        "--------------",
        "a            1",
        "longer    22.5",
    ]
    found = last_object(printed)
    assert found["benchmark"] == "some"
    assert found["quick"] is True
    assert found["ratio"] == {"a": 1.235, "b": None}
    assert found["rounds"] == 12345
    assert {"cpu", "cores", "memory_bytes", "system"} == set(found["machine"])
    assert {"python", "tensorflow", "keras-tuner"} <= set(found["versions"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", found["date"])


@pytest.mark.parametrize("name", NEEDS_DATA)
@pytest.mark.parametrize("named", ["unset", "empty"])
def test_without_data_a_line_says_so(name: str, named: str, tmp_path: Path) -> None:
    folder = "" if named == "unset" else str(tmp_path)
    done = run_benchmark(name, "--quick", TUNER_DATA_DIR=folder)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.endswith("set TUNER_DATA_DIR or --data-dir to the folder with fashion_mnist.npz.")
    assert done.stdout == ""


def test_make_bench_runs_those_that_are_there() -> None:
    names = listed()
    assert set(NEEDS_DATA) <= set(names)
    assert [name for name in names if not (BENCHMARKS / f"{name}.py").is_file()] == []


@pytest.mark.parametrize("name", listed())
def test_every_benchmark_has_the_common_options(name: str) -> None:
    done = run_benchmark(name, "--help")
    assert done.returncode == 0
    assert f"python benchmarks/{name}.py" in done.stdout
    assert {"--quick", "--rounds"} <= set(re.findall(r"--[\w-]+", done.stdout))


def test_memory_takes_medians_over_rounds() -> None:
    same = {"trials": 200, "shapes": 60, "reckoned": 10**9}
    rounds = [{**same, "after_1": m, "starts": [float(m), 0.5]} for m in (4, 1)]
    found = memory.summed_up(rounds)
    assert found == {**same, "after_1": 2.5, "starts": [4.0, 0.5, 1.0, 0.5]}
    assert isinstance(found["trials"], int)  # a key of the table is made of it


def test_what_could_not_be_measured_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> int:
        raise common.BenchmarkError("it broke")

    with pytest.raises(SystemExit) as ended:
        common.run(fails)
    assert ended.value.code == 1
    assert capsys.readouterr().err == "benchmark: it broke\n"


# The twelve configurations


def test_the_configurations_are_balanced() -> None:
    assert len({json.dumps(config) for config in peers_plan.CONFIGS}) == 12
    for name in ("depth", "units", "batch_size", "optimizer"):
        assert sorted(Counter(c[name] for c in peers_plan.CONFIGS).values()) == [4, 4, 4]
    used = {n: sum(c[n] != 0 for c in peers_plan.CONFIGS) for n in ("dropout", "l2", "momentum")}
    assert used == {"dropout": 6, "l2": 6, "momentum": 4}
    for name, plain in (("batch_norm", "none"), ("schedule", "constant")):
        assert sum(config[name] != plain for config in peers_plan.CONFIGS) == 4


def test_our_sweep_file_holds_exactly_them(tmp_path: Path) -> None:
    job = replace(peers_plan.Job.of(tmp_path, quick=False), seed=3)
    file = tmp_path / "peers.yaml"
    file.write_text(peers_plan.sweep_file(job), encoding="utf-8")
    definition = load(file)
    assert (definition.trials, definition.epochs, definition.split) == (12, 10, job.split)
    assert definition.targets == load(ROOT / "sweeps" / "fashion.yaml").targets
    wanted = {peers_plan.variant(n): complete(c) for n, c in enumerate(peers_plan.CONFIGS)}
    assert definition.variants == wanted


def test_all_train_on_the_same_rows(data_dir: Path, tmp_path: Path) -> None:
    import numpy as np

    job = peers_plan.Job.of(data_dir, quick=True)
    plan = json.loads(peers_plan.write_plan(job, tmp_path).read_text(encoding="utf-8"))
    assert len(plan["configs"]) == peers_plan.QUICK_CONFIGS
    with np.load(plan["rows"]) as rows:
        train, validation = rows["train"], rows["validation"]
    assert (len(train), len(validation)) == (roofline.TRAIN_ROWS, roofline.VALIDATION_ROWS)
    assert len(np.union1d(train, validation)) == 60_000
    peers_plan.write_plan(replace(job, seed=1), tmp_path)
    with np.load(plan["rows"]) as rows:
        assert not np.array_equal(rows["train"], train)  # every seed cuts its own rows


@pytest.mark.slow
def test_the_peers_train_the_same_networks(tmp_path: Path) -> None:
    # In a process of its own: the peers' script knows nothing of how tuner sets up TensorFlow.
    script = f"""
import json, sys
sys.path[:0] = [{str(BENCHMARKS)!r}, {str(BENCHMARKS / "contenders")!r}]
import network, peers_plan
from tuner.models.mlp import build_model, build_optimizer
for config in peers_plan.CONFIGS:
    theirs = network.build(config, 48000, 10)
    ours = build_model({{**config, "activation": "relu"}}, (28, 28), 10, 255.0)
    steps = -(-48000 // config["batch_size"]) * 10
    optimizer = build_optimizer(config, steps)
    shapes = [[tuple(w.shape) for w in m.trainable_weights] for m in (ours, theirs)]
    assert shapes[0] == shapes[1], config
    configs = [{{**o.get_config(), "name": ""}} for o in (optimizer, theirs.optimizer)]
    assert json.dumps(configs[0]) == json.dumps(configs[1]), configs
    with_penalty = [layer for layer in theirs.layers if getattr(layer, "kernel_regularizer", None)]
    assert len(with_penalty) == (config["depth"] if config["l2"] else 0)
print("same")
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "same\n", done.stderr


def test_contenders_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert peers.chosen("optuna_fit,tuner") == ("tuner", "optuna_fit")
    with pytest.raises(SystemExit) as ended:
        peers.chosen("optuna_fit,keras_tunr")
    assert ended.value.code == 2
    assert "no contender keras_tunr: there are tuner, keras_tuner" in capsys.readouterr().err


def test_accuracies_are_means_over_rounds_for_each_configuration() -> None:
    finishes = [peers.Finish(1.0, 1.0, (0.5, 0.75)), peers.Finish(2.0, 1.0, (1.0, 0.25))]
    assert peers.mean_accuracies(finishes) == [0.75, 0.5]


def test_a_command_is_timed_and_its_end_kept(tmp_path: Path) -> None:
    code = "import os, sys; print(sorted(k for k in os.environ if k[:5] == 'KERAS')); sys.exit(4)"
    done = peers_plan.run_command([sys.executable, "-c", code], tmp_path, KERAS_X="1")
    assert done.code == 4
    assert 0 < done.seconds < 60
    assert done.cpu_seconds > 0
    assert peers_plan.last_lines(tmp_path) == "['KERAS_X']"


def test_what_a_failure_leaves_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    with peers_plan.fresh_folder("test") as gone:
        (gone / "file").touch()
    assert not gone.exists()
    with pytest.raises(common.BenchmarkError), peers_plan.fresh_folder("test") as kept:
        raise common.BenchmarkError
    assert kept.is_dir()
    assert str(kept) in capsys.readouterr().err
    kept.rmdir()


# Arithmetic


@pytest.mark.parametrize(
    ("layers", "trained", "evaluated", "wanted"),
    [
        ([4, 2], 1, 0, 2 * (8 + 8)),  # one layer: forward and gradient of the weights
        ([4, 2], 0, 1, 2 * 8),
        ([4, 3, 2], 10, 5, 2 * (10 * (3 * (12 + 6) - 12) + 5 * (12 + 6))),
        ([784, 128, 64, 10], 48_000, 0, 2 * 48_000 * (2 * 784 * 128 + 3 * (128 * 64 + 64 * 10))),
        ([784, 128, 64, 10], 0, 0, 0),
    ],
)
def test_flops(layers: list[int], trained: int, evaluated: int, wanted: int) -> None:
    assert peers_account.flops(layers, trained=trained, evaluated=evaluated) == wanted


@given(
    st.lists(st.integers(1, 300), min_size=2, max_size=5),
    st.integers(1, 256),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
)
def test_products_have_the_arithmetic_that_is_counted(
    layers: list[int], batch: int, trained: int, evaluated: int
) -> None:
    rows = peers_account.Rows(trained, evaluated)
    counts = peers_account.products(layers, batch, rows)
    counted = sum(count * product.flops for product, count in counts.items())
    whole = peers_account.flops(layers, trained=trained, evaluated=evaluated)
    assert counted == pytest.approx(whole)
    # At one rate for all, the floor is the arithmetic over that rate.
    rates = dict.fromkeys(counts, 1e9)
    assert peers_account.floor_seconds(counts, rates) == pytest.approx(whole / 1e9)


def test_products_of_a_small_network() -> None:
    counts = peers_account.products([5, 4, 3], 10, peers_account.Rows(30, 2048))
    product = peers_account.Product
    assert counts == {
        product(10, 5, 4, "forward"): 3,
        product(5, 10, 4, "weights"): 3,
        product(10, 4, 3, "forward"): 3,
        product(4, 10, 3, "weights"): 3,
        product(10, 3, 4, "inputs"): 3,
        product(2048, 5, 4, "forward"): 1,
        product(2048, 4, 3, "forward"): 1,
    }


def test_rows_count_what_was_measured() -> None:
    measured = (None, 0.5, None, 0.75)
    epochs = tuple(EpochMetrics(n, 0.5, 0.5, train_accuracy=a) for n, a in enumerate(measured, 1))
    found = peers_account.Rows.of(trial(0, 1, epochs=epochs), train=100, validation=10)
    assert found == peers_account.Rows(trained=400, evaluated=4 * 10 + 2 * 100)


# Where seconds went


def trial(begun: float, ended: float, **more: Any) -> TrialRecord:
    """A trial that trained for all of its time, unless it says otherwise."""
    more = {"timings": {"train": ended - begun}, **more}
    return TrialRecord(0, 0, "", "complete", {}, started=begun, ended=ended, **more)


def test_an_account_by_hand() -> None:
    records = [
        trial(
            105, 110, timings={"data": 0.5, "compile": 1, "train": 2, "evaluate": 1, "save": 0.1}
        ),
        trial(111, 119),
        trial(106, 117, timings={"train": 10, "wait": 0.5}),
    ]
    ran = peers_plan.Run(0, started=100, ended=120, cpu_seconds=0, workers=[101, 102])
    assert peers_account.at_once(records) == 2
    assert [[r.started for r in lane] for lane in peers_account.lanes(records)] == [
        [105, 111],
        [106],
    ]
    parts = peers_account.account(ran, records)
    assert parts == pytest.approx(
        {
            "start": 1 + 2,
            "import": 4 + 4,
            "data": 0.5,
            "compile": 1,
            "train": 2 + 8 + 10,
            "evaluate": 1,
            "save": 0.1,
            "wait": 0.5,
            "other": 0.4 + 0.5,
            "between": 1,
            "idle": 2,
            "finish": 1 + 1,
        }
    )
    assert sum(parts.values()) == pytest.approx(2 * 20)
    assert peers_account.summary(parts)["record"] == pytest.approx(0.1 + 0.5 + 1 + 2)
    # 14 and 13 seconds from the first trial of a worker to the end of the last, 1 of it compiling.
    assert peers_account.training_seconds(parts, 2) == pytest.approx((14 + 13 - 1) / 2)


seconds = st.floats(0.01, 5)
lane_of_trials = st.lists(st.tuples(seconds, seconds), min_size=1, max_size=5)


@given(st.lists(lane_of_trials, min_size=1, max_size=4), seconds, st.booleans())
def test_an_account_adds_up(
    gaps_and_lengths: list[list[tuple[float, float]]], end: float, starts_known: bool
) -> None:
    records: list[TrialRecord] = []
    for pairs in gaps_and_lengths:
        now = 1000.0
        for gap, length in pairs:
            timings = {"train": length / 2, "evaluate": length / 4}
            records.append(trial(now + gap, now + gap + length, timings=timings))
            now += gap + length
    last = max(record.ended or 0 for record in records)
    starts = [999.0] * len(gaps_and_lengths) if starts_known else []
    ran = peers_plan.Run(0, 990.0, last + end, 0, starts)
    workers = peers_account.at_once(records)
    parts = peers_account.account(ran, records)
    assert sum(parts.values()) == pytest.approx(workers * ran.seconds)
    assert min(parts.values()) > -1e-6
    summed = peers_account.summary(parts)
    assert sum(summed.values()) == pytest.approx(workers * ran.seconds)
    for lane in peers_account.lanes(records):
        assert all((a.ended or 0) <= (b.started or 0) for a, b in pairwise(lane))


def test_trials_without_timings_have_no_account() -> None:
    ran = peers_plan.Run(0, 0, 3, 0, [])
    with pytest.raises(common.BenchmarkError, match="does not say where its seconds went"):
        peers_account.account(ran, [trial(1, 2, timings={})])


# The real thing


@pytest.mark.slow
@pytest.mark.soak
def test_peers_train_alike(data_dir: Path) -> None:
    # KerasTuner cannot train without it.
    names = ["tuner", "optuna_fit" if find_spec("tensorboard") is None else "keras_tuner"]
    done = run_benchmark("peers", "--quick", "--contenders", ",".join(names))
    assert done.returncode == 0, done.stderr
    found = last_object(done.stdout)
    assert set(found["val_accuracy"]) == set(found["seconds"]) == set(names)
    assert set(found["ratio"]) == set(names) - {"tuner"}
    for name, ratio in found["ratio"].items():
        wanted = found["seconds"][name] / found["seconds"]["tuner"]
        assert ratio == pytest.approx(wanted, rel=1e-2)
    # Two epochs of three networks, each with its own random state.
    assert all(0.8 < accuracy < 0.9 for accuracy in found["val_accuracy"].values())
    assert "128x3 b64 rmsprop" in done.stdout


@pytest.mark.slow
def test_breakdown_adds_up(data_dir: Path) -> None:
    done = run_benchmark("breakdown", "--quick")
    assert done.returncode == 0, done.stderr
    found = last_object(done.stdout)
    assert sum(found["shares"].values()) == pytest.approx(1, abs=1e-3)
    whole = found["workers"] * found["wall_seconds"]
    assert sum(found["seconds"].values()) == pytest.approx(whole, rel=1e-2)
    named = ("import", "data", "compile", "train", "evaluate", "record", "idle")
    assert set(named) <= set(found["shares"])
    assert all(found["seconds"][part] > 0 for part in ("start", "import", "compile", "train"))


@pytest.mark.slow
def test_the_machine_is_measured() -> None:
    product = peers_account.Product
    wanted = [product(64, 32, 16, kind) for kind in ("forward", "weights", "inputs")]
    found = roofline.rates_at_once([*wanted, product(512, 512, 512, "forward")], 1, 1, 3, 0.01)
    assert len(found) == 4
    for rates in found:
        assert set(rates) == {"numpy", "tensorflow"}
        assert all(1e6 < rate < 1e15 for rate in rates.values())
    # A large product runs at a higher rate than a small one, or it was not the product.
    assert max(found[3].values()) > max(found[0].values())
