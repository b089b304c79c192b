from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.definition import (
    Overrides,
    SweepDefinition,
    available,
    differences,
    find,
    identity,
    load,
    parse,
    refuse_another,
    restore,
    shipped,
)
from tuner.definition_yaml import read
from tuner.errors import StudyError, TunerError, UsageError
from tuner.space import Choices, Range, resolve
from tuner.trial import EarlyStopping, Params, SplitSpec

HEAD = "dataset: digits\ntargets: [val >= 90%]\n"  # lines 1 and 2
WHOLE = HEAD + "space:\n  l2: {min: 0, max: 1}\n"  # lines 3 and 4


FASHION = (shipped() / "fashion.yaml").read_text()


def sweep(text: str, overrides: Overrides | None = None) -> SweepDefinition:
    return parse(text, "own.yaml", "own", overrides)


# --- valid ones -------------------------------------------------------------------------------


def test_the_shortest_definition_has_the_documented_defaults() -> None:
    own = sweep(WHOLE)
    assert (own.model, own.epochs, own.epoch, own.trials) == ("mlp", 30, "best", 50)
    assert (own.sampler, own.pruner, own.seed) == ("tpe", "overfit", 0)
    assert own.split == SplitSpec("stratified", 0.2, 0)
    assert own.early_stopping is None
    assert own.engine == "compiled"
    assert own.fixed == {}
    assert own.variants == {}
    assert [t.text for t in own.targets] == ["val_accuracy >= 0.9"]


def test_every_key_is_read() -> None:
    own = sweep(
        WHOLE
        + "model: mlp\nengine: fit\n"
        + "epochs: 3\nepoch: last\ntrials: 4\nsplit: tail\nvalidation: 0.25\n"
        + "sampler: random\npruner: none\nseed: 7\nfixed: {optimizer: sgd, dropout: 0}\n"
        + "early_stopping: {monitor: val_accuracy, patience: 2}\n"
        + "variants: {plain: , wide: {units: 512, l2: 2}}\n"
    )
    assert (own.epochs, own.epoch, own.trials, own.seed) == (3, "last", 4, 7)
    assert (own.sampler, own.pruner, own.engine) == ("random", "none", "fit")
    assert own.split == SplitSpec("tail", 0.25, 7)
    assert own.early_stopping == EarlyStopping("val_accuracy", 2)
    assert own.fixed == {"dropout": 0.0, "optimizer": "sgd"}
    assert list(own.variants) == ["plain", "wide"]
    assert own.variants["plain"]["units"] == 128
    assert own.variants["wide"]["units"] == 512
    assert own.variants["wide"]["l2"] == 2.0  # outside the space
    assert own.variants["wide"]["momentum"] == 0.0  # sgd is fixed


def test_the_test_split_is_a_declared_exception() -> None:
    assert sweep(WHOLE + "split: tail\nvalidation: test").split.kind == "test"


@pytest.mark.parametrize(
    ("entry", "domain"),
    [
        ("l2: {min: 1e-6, max: 1e-1, log: true, or: 0}", Range(1e-6, 0.1, True, alternative=0.0)),
        ("l2: {min: 1E-6, max: .1}", Range(1e-6, 0.1)),
        ("l2: {min: 0, max: 1, step: 0.1}", Range(0.0, 1.0, step=0.1)),
        ("depth: {min: 010, max: 1.2e1}", Range(10, 12, integer=True)),
        ("depth: {min: 1, max: 3, steps: 2}", Range(1, 3, integer=True, steps=2)),
        ("units: {values: [64, 128]}", Choices((64, 128), ordered=True)),
        ("units: [128, 64]", Choices((128, 64), ordered=False)),
        ("units: [64]", Choices((64,), ordered=False)),
        ("dropout: [0, 0.5]", Choices((0.0, 0.5), ordered=True)),
        ("optimizer: [adam, sgd]", Choices(("adam", "sgd"), ordered=False)),
        ("batch_norm: [none, before_activation]", Choices(("none", "before_activation"))),
    ],
)
def test_entries_of_a_space(entry: str, domain: Range | Choices) -> None:
    (parameter,) = sweep(f"{HEAD}space:\n  {entry}").space.parameters
    assert parameter.domain == domain
    assert parameter.when == ()


def test_parents_come_first_and_the_files_order_has_no_say() -> None:
    own = sweep(
        HEAD
        + "space:\n  momentum: [0, 0.9]\n  l2: {values: [0, 1], when: {schedule: cosine}}\n"
        + "  schedule: [constant, cosine]\n  optimizer: [sgd, adam]\n"
    )
    assert own.space.names == ("optimizer", "momentum", "schedule", "l2")


@pytest.mark.parametrize(
    ("text", "name", "when"),
    [
        # momentum waits for sgd by itself; a condition that always holds is none
        ("momentum: [0, 0.9]\n  optimizer: [sgd, adam]", "momentum", (("optimizer", ("sgd",)),)),
        ("momentum: [0, 0.9]\n  optimizer: [sgd]", "momentum", ()),
        ("momentum: [0, 0.9]\nfixed: {optimizer: sgd}", "momentum", ()),
        ("units: [4, 8]\n  depth: {min: 0, max: 2}", "units", (("depth", (1, 2)),)),
        ("units: [4, 8]\n  depth: {min: 1, max: 2}", "units", ()),
        (
            "l2: {values: [0, 1], when: {depth: [2, 3]}}\n  depth: [1, 2, 3]",
            "l2",
            (("depth", (2, 3)),),
        ),
    ],
)
def test_conditions(text: str, name: str, when: tuple[object, ...]) -> None:
    parameter = sweep(f"{HEAD}space:\n  {text}").space.get(name)
    assert parameter is not None
    assert parameter.when == when


def test_variants_may_be_all_there_is() -> None:
    own = sweep(HEAD + "variants: {a: {}, b: {layers: [8]}}")
    assert own.space.parameters == ()
    assert own.trials == 2


def test_layers_of_a_variant_replace_fixed_depth_and_the_other_way_round() -> None:
    deep = sweep(WHOLE + "fixed: {depth: 2, units: 8}\nvariants: {a: {layers: [4]}}").variants["a"]
    assert deep["layers"] == [4]
    assert not {"depth", "units"} & deep.keys()
    flat = sweep(WHOLE + "fixed: {layers: [4]}\nvariants: {a: {depth: 2}}").variants["a"]
    assert (flat["depth"], flat["units"]) == (2, 128)
    assert "layers" not in flat


def test_targets_may_be_one_text_and_repetitions_count_once() -> None:
    own = sweep(WHOLE.replace("[val >= 90%]", "val >= 90% with train < 95%, val >= 0.9"))
    assert [t.text for t in own.targets] == ["val_accuracy >= 0.9", "train_accuracy < 0.95"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-6", 1e-6),
        ("-1.5E+3", -1500.0),
        (".5", 0.5),
        ("010", 10),
        ("1:30", "1:30"),
        ("no", "no"),
        ("on", "on"),
        ("True", True),
        ("none", "none"),
        ("~", None),
        ("-.inf", float("-inf")),
        ("2001-01-01", "2001-01-01"),
        ("'1'", "1"),
        ("{no: 1, 2: 3}", {"no": 1, "2": 3}),
        ("[&a [1], *a]", [[1], [1]]),
    ],
)
def test_scalars_are_read_as_yaml_1_2(text: str, value: object) -> None:
    got, found = read(text)
    assert found.sorted() == []
    assert got == value
    assert type(got) is type(value)


# --- files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["digits", "fashion"])
def test_shipped_definitions_are_sound(name: str, tmp_path: Path) -> None:
    path = find(name, tmp_path)
    own = load(path)
    assert (own.name, own.source, own.dataset) == (name, "built-in", name)
    assert path.parent == shipped()
    assert "baseline" in own.variants
    comments = [line for line in path.read_text().splitlines() if "#" in line]
    assert len(comments) >= 15


def test_the_users_own_come_first(tmp_path: Path) -> None:
    folder = tmp_path / "sweeps"
    folder.mkdir()
    (folder / "digits.yaml").write_text(WHOLE)
    (folder / "mine.yml").write_text(WHOLE)
    known = available(tmp_path)
    assert known["digits"] == folder / "digits.yaml"
    assert list(known) == sorted([*available(tmp_path / "elsewhere"), "mine"])
    assert find("mine", tmp_path) == folder / "mine.yml"
    own = load(find("digits", tmp_path))
    assert own.source == str(folder / "digits.yaml")


def test_paths_are_taken_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(WHOLE)
    (tmp_path / "plain").write_text(WHOLE)
    assert find("own.yaml", tmp_path) == tmp_path / "own.yaml"
    assert find(str(tmp_path / "own.yaml"), Path("/")) == tmp_path / "own.yaml"
    assert find("plain", tmp_path) == tmp_path / "plain"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fashoin", "no sweep is called 'fashoin' (did you mean fashion?)\nknown are backprop, "),
        ("zzz", "known are backprop, batchnorm, digits, fashion"),
        ("digit.yaml", "digit.yaml: no such file (did you mean digits?)"),
        ("", "no sweep is called ''"),
        ("..", "no sweep is called"),
        ("x" * 5000, "no sweep is called"),
    ],
)
def test_an_unknown_name_lists_the_known(name: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        find(name, tmp_path)
    assert words in str(caught.value)


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("# é".encode("latin-1"))
    for path, words in ((latin, "not UTF-8"), (tmp_path / "no.yaml", "cannot be read: No such")):
        with pytest.raises(TunerError) as caught:
            load(path)
        assert str(path) in str(caught.value)
        assert words in str(caught.value)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_text(WHOLE.replace("\n", "\r\n"), encoding="utf-8-sig", newline="")
    assert load(path).dataset == "digits"


# --- identity ---------------------------------------------------------------------------------


def shuffled(value: Any, rng: random.Random) -> Any:
    """The same mapping with its keys in another order, at every level."""
    if not isinstance(value, dict):
        return value
    keys = list(value)
    rng.shuffle(keys)
    return {key: shuffled(value[key], rng) for key in keys}


@settings(deadline=None, max_examples=40)
@given(st.randoms(use_true_random=False), st.booleans(), st.integers(20, 200))
def test_identity_does_not_depend_on_the_order_or_the_formatting_of_a_file(
    rng: random.Random, flow: bool, width: int
) -> None:
    raw, _ = read(FASHION)
    raw = shuffled(raw, rng)
    rng.shuffle(raw["targets"])
    written = yaml.safe_dump(raw, sort_keys=False, default_flow_style=flow, width=width)
    own, other = sweep(FASHION), sweep(written)
    assert identity(own, "f") == identity(other, "f")
    assert own.space == other.space  # and so a sampler asks for the same in the same order
    assert json.dumps(identity(own, "f")) == json.dumps(identity(other, "f"))


def test_identity_does_not_depend_on_how_a_number_is_written() -> None:
    one = sweep(HEAD + "space: {l2: {min: 1e-6, max: 1, or: 0}, units: [64, 128]}")
    two = sweep(HEAD + "space: {l2: {min: 0.000001, max: 1.0, or: 0.0}, units: [64.0, 1.28e2]}")
    assert identity(one, "f") == identity(two, "f")


def test_trials_variants_and_names_are_no_part_of_the_identity() -> None:
    one = parse(WHOLE, "a.yaml", "a")
    two = parse(WHOLE + "trials: 7\nvariants: {plain: {}}", "b.yaml", "b")
    assert identity(one, "f") == identity(two, "f")


@pytest.mark.parametrize(
    ("overrides", "lines"),
    [
        (Overrides(), []),
        (Overrides(trials=3), []),
        (Overrides(epochs=3), ["epochs: 30 → 3"]),
        (
            Overrides(sets=("l2=1e-5..1e-2:log",)),
            ["space.l2: 1e-06..0.1 log or 0.0 → 1e-05..0.01 log"],
        ),
        (
            Overrides(fixes=("optimizer=adam",)),
            [
                "space.momentum: 0.0..0.99 when optimizer is sgd → not searched",
                "space.optimizer: [sgd, adam, rmsprop] → not searched",
                "fixed.optimizer: not fixed → adam",
            ],
        ),
        (Overrides(engine="fit"), ["engine: compiled → fit"]),
        (Overrides(seed=1), ["seed: 0 → 1", "split.seed: 0 → 1"]),
        (
            Overrides(targets=("val > 0.5",)),
            ["targets: train_accuracy < 0.95, val_accuracy >= 0.9 → val_accuracy > 0.5"],
        ),
    ],
)
def test_differences_are_said_in_words(overrides: Overrides, lines: list[str]) -> None:
    old, new = (identity(sweep(FASHION, o), "f") for o in (Overrides(), overrides))
    assert sorted(differences(json.loads(json.dumps(old)), new)) == sorted(lines)


@pytest.mark.parametrize(("engine", "refused"), [("fit", False), ("compiled", True)])
def test_an_identity_without_an_engine_is_one_of_fit(engine: str, refused: bool) -> None:
    wanted = identity(sweep(WHOLE, Overrides(engine=engine)), "f")
    old = {key: value for key, value in wanted.items() if key != "engine"}
    if not refused:
        refuse_another("own", old, wanted)
        return
    with pytest.raises(StudyError) as caught:
        refuse_another("own", old, wanted)
    assert "definition: engine: fit → compiled.\n" in str(caught.value)


@pytest.mark.parametrize("engine", ["compiled", "fit"])
def test_a_kept_definition_is_restored_with_its_engine(engine: str) -> None:
    own = sweep(FASHION, Overrides(engine=engine))
    kept = json.loads(json.dumps(own.to_json()))
    again = restore(kept, "own")
    assert again == replace(own, source="study own")
    del kept["engine"]
    assert restore(kept, "own") == replace(again, engine="fit")


def test_differences_cover_data_and_early_stopping() -> None:
    old = identity(sweep(WHOLE), "0123456789abcdef")
    new = identity(sweep(WHOLE + "early_stopping: {patience: 3}"), "fedcba9876543210")
    assert differences(old, new) == [
        "data: 0123456789ab → fedcba987654",
        "early_stopping: none → monitor val_loss, patience 3",
    ]


def test_a_shipped_space_resolves_to_complete_configurations() -> None:
    own = sweep(FASHION)
    rng = random.Random(0)
    for _ in range(50):
        drawn: Params = resolve(
            own.space,
            own.fixed,
            lambda p: rng.choice(
                p.domain.values if isinstance(p.domain, Choices) else (p.domain.low, p.domain.high)
            ),
        )
        assert own.space.contains(drawn, own.fixed)
        assert ("momentum" in drawn) == (drawn["optimizer"] == "sgd")
