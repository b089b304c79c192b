"""The references are those of the code: generated, up to date, and as strict as they say."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import click
import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from test_definition_mistakes import HEAD, INVALID, WHOLE

from tuner.cli import cli
from tuner.cli.reference import REGENERATE, main, pages, walk
from tuner.data.registry import names
from tuner.definition import available, parse
from tuner.definition_page import sweep_file_page
from tuner.definition_reference import json_schema, schema_text, target_pattern
from tuner.definition_schema import FOREIGN_DOMAIN, FOREIGN_TOP, DomainModel, FileModel
from tuner.definition_words import DOMAIN_KEYS, EFFECT, KEYS, PRUNERS, SAMPLERS
from tuner.definition_yaml import read
from tuner.errors import DefinitionError, TargetError
from tuner.parameters import CATALOGUE
from tuner.reading import Reading
from tuner.report.jsonout import to_json
from tuner.report.selection import frame, select
from tuner.targets import ALIASES, METRICS, OPS, parse_targets

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
VALIDATOR = jsonschema.Draft202012Validator(json_schema())


def accepted(text: str) -> bool:
    """Whether tuner takes a definition."""
    try:
        parse(text, "own.yaml", "own")
    except DefinitionError:
        return False
    return True


def complaints(text: str) -> list[str]:
    """What the schema says about a text that can be read."""
    raw, problems = read(text)
    assert not problems.found
    return [error.message for error in VALIDATOR.iter_errors(raw)]


# Up to date


@pytest.mark.parametrize("name", ["commands.md", "sweep-file.md", "sweep.schema.json"])
def test_the_generated_files_are_up_to_date(name: str) -> None:
    written = (DOCS / name).read_text(encoding="utf-8")
    assert written == pages()[name], f"docs/{name} is out of date; run: {REGENERATE}"


def test_regenerating_writes_all_of_them(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 0
    assert {p.name: p.read_text(encoding="utf-8") for p in tmp_path.iterdir()} == pages()
    assert main([]) == 2


# The schema


def test_the_schema_is_one_and_plain_json() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    assert json.loads(schema_text()) == json_schema()


def test_every_key_is_in_the_schema_with_its_default() -> None:
    found = json_schema()["properties"]
    assert list(found) == list(FileModel.model_fields)
    for name, field in FileModel.model_fields.items():
        assert found[name]["description"]
        if isinstance(field.default, str | int | float):
            assert found[name]["default"] == field.default
    space = found["space"]["properties"]
    assert list(space) == [name for name, p in CATALOGUE.items() if p.kind != "layers"]
    assert found["dataset"]["examples"] == sorted(names(), key=found["dataset"]["examples"].index)


@pytest.mark.parametrize("file", available(ROOT).values(), ids=available(ROOT))
def test_the_shipped_definitions_are_valid(file: Path) -> None:
    assert complaints(file.read_text(encoding="utf-8")) == []


COMPARED = WHOLE + "variants: {baseline: {}, dropout: {dropout: 0.3}}\n"

VALID = [
    WHOLE,
    COMPARED + "seeds: 5\ntest: compare\ndiagnostics: [gradients, curves, misclassified]",
    COMPARED + "seeds: 1\ntest:\ndiagnostics: []\nquestions: []",
    HEAD + "space: {l2: [0]}\nseeds: 1\nvariants:",
    COMPARED + "questions: [{ask: x, of: search}, {ask: x, of: [baseline, dropout], by: targets}]",
    COMPARED + "questions: [{ask: x, of: dropout, than: [baseline], by: seconds to VAL>90 %}]",
    COMPARED + "validation: test\nquestions: [{ask: x, of: dropout, than: baseline, by: val_loss}]",
    COMPARED + "test: compare\nquestions: [{ask: x, of: dropout, than: baseline, by: test_loss}]",
    COMPARED + "diagnostics: [gradients]\nquestions: [{ask: x, of: dropout, by: causes}]",
    WHOLE + "  epochs: {min: 10, max: 60, step: 10}\n  loss: [categorical_crossentropy]",
    WHOLE + "  patience: [1, 2]\n  initializer: [zeros, he_normal, glorot_uniform]\nepochs: 3",
    WHOLE + "variants: {a: {epochs: 9, patience: 2.0}, b: {loss: binary_crossentropy}}",
    HEAD + "space: {l2: [0, 0.1]}",
    HEAD + "variants: {plain: , wide: {units: 512, l2: 2}}",
    HEAD + "space:\nvariants: {plain: {}}",
    WHOLE + "variants: {7b: {}, best of all: {}, Best: {}, no-BN 🚀: {}, '##1': {}, -7: {}}",
    "dataset: digits\ntargets: VAL>90% With 0.95≥train\nspace: {units: [1]}",
    "dataset: digits\ntargets: [gap < -1%, params <= 1e5, val_loss < .5]\nspace: {units: [1]}",
    WHOLE + "epochs:\nseed: 4294967295\nvalidation: test\nsplit: tail\nfixed:",
    WHOLE + "early_stopping: {patience: 3}\nepoch: last",
    WHOLE + "early_stopping:\n",
    WHOLE + "fixed: {layers: [128, 64.0], batch_size: 32.0}",
    WHOLE + "  dropout: {min: 0, max: 0.6, step: 0.2, or: 0.7, when: {optimizer: adam}}",
    WHOLE + "  momentum: {min: 0, max: 0.9, when: {optimizer: [sgd]}}\n  optimizer: [sgd, adam]",
    WHOLE + "  momentum: [0, 0.9]\n  optimizer: {values: [sgd, adam]}",
    WHOLE + "  momentum: [0, 0.9]\nfixed: {optimizer: sgd}",
    WHOLE + "fixed: {momentum: 0.5, optimizer: sgd}",
    WHOLE + "variants: {a: {momentum: 0.5, optimizer: sgd}, b: {layers: [4]}}",
    WHOLE + "fixed: {optimizer: sgd}\nvariants: {a: {momentum: 0.5}}",
    HEAD + "sampler: grid\nspace: {depth: {min: 0, max: 3}, l2: {min: 0, max: 1, step: 0.25}}",
    HEAD + "sampler: grid\nspace: {l2: {min: 1e-4, max: 1, log: true, steps: 4, or: 0}}",
]


@pytest.mark.parametrize("text", VALID)
def test_what_tuner_accepts_is_valid(text: str) -> None:
    assert accepted(text)
    assert complaints(text) == []


# What needs arithmetic, or more than one entry of the space, is beyond a schema.
BEYOND = {
    "contradict: no val_accuracy meets both",
    "not inf",
    "not nan",
    "1 is above max, 0.5",
    "write it under `fixed`",
    "inside the range",
    "arrive at max",
    "too small",
    "l2 is never 2.0 in this sweep: see space.l2",
    "depth is never 2 in this sweep: it is 1 unless space or fixed says otherwise",
    "schedule is never 'cosine' in this sweep: fixed at 'constant'",
    "it has no value of its own unless space or fixed says otherwise",
    "in a circle: dropout → schedule → activation → dropout",
    "momentum acts only with optimizer: sgd",
    "a depth of at least 1",
    "acts only with optimizer: sgd, and this variant has adam",
    "nothing to search beside the variants; give at most 1",
    "more than 100000 configurations",
    "is for data of your own, and digits is a named data set",
    "must be mlp, cnn, or package.module:attribute",
    "such as models:build",
    "is a parameter of model: cnn",
}
READABLE = [
    (text, words)
    for text, _, words in INVALID
    if words != "the file is empty" and not read(text)[1].found
]


@pytest.mark.parametrize(("text", "words"), READABLE)
def test_what_tuner_refuses_is_invalid(text: str, words: str) -> None:
    assert bool(complaints(text)) == (words not in BEYOND)


def test_most_mistakes_are_within_the_schema() -> None:
    refused = [words for _, words in READABLE if words not in BEYOND]
    assert len(refused) >= 100
    assert {words for _, words in READABLE} >= BEYOND


@pytest.mark.parametrize("key", [*FOREIGN_TOP, "zzz"])
def test_keys_of_other_tools_are_refused(key: str) -> None:
    assert any(key in line for line in complaints(f"{WHOLE}{key}: 3"))


@pytest.mark.parametrize("key", FOREIGN_DOMAIN)
def test_keys_of_other_tools_are_refused_in_the_space(key: str) -> None:
    assert complaints(f"{HEAD}space: {{l2: {{min: 0, max: 1, {key}: 3}}}}")


@settings(deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.sampled_from([0, 1, 2, 64, 0.5, "sgd", "cosine", "val > 0", "zeros", "search"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        *("l2", "min", "max", "values", "when", "optimizer", "units", "momentum"),
                        *("log", "epochs", "patience", "initializer", "loss", "ask", "of"),
                    ]
                ),
                inner,
                max_size=3,
            )
        ),
        max_leaves=10,
    ),
    st.sampled_from([*KEYS, "zzz"]),
)
def test_whatever_tuner_accepts_is_valid(value: Any, key: str) -> None:
    raw: dict[str, Any] = {"dataset": "digits", "targets": ["val > 0"], "space": {"l2": [0, 1]}}
    text = yaml.safe_dump({**raw, key: value}, sort_keys=False)
    if accepted(text):
        assert complaints(text) == []


# Target texts


WORDS = [*METRICS, *ALIASES, *OPS, "≥", "≤", "and", "WITH", "&", "&&", ",", "%", " ", "or", "=="]
NUMBERS = ["0.9", "90", "90%", "-.5", "1e-3", "100 %", "9e1%", "1.", "+0.25", "50000", "101"]


@settings(deadline=None, max_examples=500)
@given(st.lists(st.sampled_from([*WORDS, *NUMBERS]), max_size=9), st.sampled_from(["", " "]))
def test_the_pattern_takes_every_target_that_parses(parts: list[str], between: str) -> None:
    text = between.join(parts)
    try:
        parse_targets(text)
    except TargetError:
        return
    assert re.search(target_pattern(), text)


@pytest.mark.parametrize("metric", [*METRICS, *ALIASES, "Val_Accuracy", "GAP"])
@pytest.mark.parametrize("op", [*OPS, "≥", "≤"])
@pytest.mark.parametrize("limit", ["0.5", "1e-1", "1"])
def test_the_pattern_takes_both_directions(metric: str, op: str, limit: str) -> None:
    for text in (f"{metric} {op} {limit}", f" {limit}{op}{metric} "):
        assert parse_targets(text)
        assert re.search(target_pattern(), text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "val",
        "val 0.9",
        "val >= ",
        "val => 0.9",
        "val == 0.9",
        "val >= 90",
        "val >= 101%",
        "gap < 5",
        "val >= 0.9 or train < 0.95",
        "val >= 0.9 train < 0.95",
        "val >= 0.9,, train < 0.95",
        "val >= 0.9 and",
        "vla >= 0.9",
        "test >= 0.9",
        "accuracy >= 0.9",
        "val_loss < 5%",
        "parameters < 50k",
        "0.8 < val < 0.9",
        "val > train",
    ],
)
def test_the_pattern_refuses_what_does_not_parse(text: str) -> None:
    with pytest.raises(TargetError):
        parse_targets(text)
    assert not re.search(target_pattern(), text)


# The page of the sweep file


def test_every_word_has_its_meaning() -> None:
    assert list(KEYS) == list(FileModel.model_fields)
    domain = [field.alias or name for name, field in DomainModel.model_fields.items()]
    assert list(DOMAIN_KEYS) == domain
    for key, words in (("sampler", SAMPLERS), ("pruner", PRUNERS)):
        assert list(words) == list(get_args(FileModel.model_fields[key].annotation))
    assert set(EFFECT) <= set(CATALOGUE)


def with_data(raw: dict[str, Any]) -> dict[str, Any]:
    """The same on data of one's own, where a key is only for that."""
    names = {field.name for field in fields(Reading)}
    return {**raw, "dataset": "data/own.csv"} if names & raw.keys() else raw


@pytest.mark.parametrize("key", KEYS)
def test_the_example_of_a_key_is_a_definition(key: str) -> None:
    example = yaml.safe_load(KEYS[key].example)
    assert list(example) == [key]
    text = json.dumps(with_data({**yaml.safe_load(COMPARED), **example}))
    assert accepted(text)
    assert complaints(text) == []


def test_the_examples_of_the_page_are_definitions() -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", sweep_file_page(), re.M | re.S)
    found = [raw for block in blocks if (raw := yaml.safe_load(block))]
    assert len(found) == len(KEYS) + 2
    for raw in found:
        known = {**yaml.safe_load(COMPARED), "space": {"activation": ["relu"]}}
        text = json.dumps(with_data({**known, **raw}))
        assert accepted(text)
        assert complaints(text) == []


# The page of the commands


def test_every_command_and_option_is_on_the_page() -> None:
    text = pages()["commands.md"]
    for words, command in walk():
        section = text.split(f"\n## {words}\n")[1].split("\n## ")[0]
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert all(name in section for name in parameter.opts)
    assert {words.split()[1] for words, _ in walk() if " " in words} == {
        name for name, command in cli.commands.items() if not command.hidden
    }


# The page about the report


def test_every_key_and_column_of_a_report_is_documented() -> None:
    text = (DOCS / "report.md").read_text(encoding="utf-8")
    told, _, columns = text.partition("\n## JSON\n")[2].partition("\n## CSV\n")
    outcome = select("study", "data", [], (), "best", 0)
    raw = json.loads((ROOT / "tests/golden/report.json").read_text(encoding="utf-8"))
    keys = {*raw, *raw["meets"][0], *raw["trials"], *raw["targets"][0], *raw["summary"], *METRICS}
    assert set(to_json(outcome)) <= keys
    assert sorted(key for key in keys if f"`{key}`" not in told) == []
    found = ["study", "dataset", *frame(outcome).columns]
    assert [name for name in found if f"`{name}`" not in columns] == []
