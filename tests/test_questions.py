"""What variants are compared by: `seeds`, `test`, `diagnostics` and `questions` of a sweep file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.commands.plan import Plan, make_plan
from tuner.definition import (
    COMPARING,
    Overrides,
    SweepDefinition,
    available,
    identity,
    load,
    parse,
    restore,
)
from tuner.definition_questions import FOREIGN_QUESTION
from tuner.definition_reference import json_schema
from tuner.definition_schema import QuestionModel
from tuner.definition_words import QUESTION_KEYS
from tuner.definition_yaml import read
from tuner.errors import DefinitionError
from tuner.questions import FIGURES, By, Question
from tuner.search.opening import open_study
from tuner.search.records import summaries
from tuner.targets import Target
from tuner.workspace import Workspace

ROOT = Path(__file__).parents[1]
VALIDATOR = jsonschema.Draft202012Validator(json_schema())
HEAD = "dataset: digits\ntargets: [val >= 90%]\n"  # lines 1 and 2
SPACE = "space: {dropout: [0, 0.5]}\n"
VARIANTS = "variants: {plain: {}, wide: {units: 512}}\n"
BOTH = HEAD + SPACE + VARIANTS  # lines 1 to 4
ASK = BOTH + "questions:\n  - ask: Is it so?\n"  # lines 5 and 6


def sweep(text: str, overrides: Overrides | None = None) -> SweepDefinition:
    return parse(text, "own.yaml", "own", overrides)


def problems(text: str, overrides: Overrides | None = None) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        sweep(text, overrides)
    return list(caught.value.problems)


def complaints(text: str) -> list[str]:
    """What the JSON Schema says of a text that can be read."""
    raw, found = read(text)
    assert not found.found
    return [error.message for error in VALIDATOR.iter_errors(raw)]


# What is read


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("of: wide", Question("Is it so?", ("wide",))),
        ("of: [wide]", Question("Is it so?", ("wide",))),
        ("of: [wide, plain]", Question("Is it so?", ("wide", "plain"))),
        ("of: wide\n    by: targets", Question("Is it so?", ("wide",), (), By("targets"))),
        ("of: search", Question("Is it so?", ("search",))),
        (
            "of: wide\n    than: plain",
            Question("Is it so?", ("wide",), ("plain",), By("figure", "val_accuracy")),
        ),
        (
            "of: wide\n    than: [plain]\n    by: val_loss",
            Question("Is it so?", ("wide",), ("plain",), By("figure", "val_loss")),
        ),
        (
            "of: wide\n    than: plain\n    by: epochs to val >= 95%",
            Question(
                "Is it so?",
                ("wide",),
                ("plain",),
                By("time", "epochs", Target.of("val_accuracy", ">=", 0.95)),
            ),
        ),
        (
            "of: wide\n    than: plain\n    by: seconds to train_loss < 0.5",
            Question(
                "Is it so?",
                ("wide",),
                ("plain",),
                By("time", "seconds", Target.of("train_loss", "<", 0.5)),
            ),
        ),
        ("of: wide\n    by: causes\ndiagnostics: [gradients]", By("causes")),
        ("of: wide\n    than: plain\n    by: test_loss\ntest: compare", By("figure", "test_loss")),
    ],
)
def test_a_question_is_read(text: str, question: Question | By) -> None:
    (found,) = sweep(f"{ASK}    {text}\n").questions
    assert question in (found, found.by)
    assert complaints(f"{ASK}    {text}\n") == []


def test_without_the_keys_nothing_is_compared() -> None:
    own = sweep(BOTH)
    assert (own.seeds, own.test, own.diagnostics, own.questions) == (1, None, (), ())
    empty = sweep(BOTH + "seeds:\ntest:\ndiagnostics:\nquestions:\n")
    assert replace(empty) == own
    assert not set(COMPARING) & own.to_json().keys()


def test_a_question_of_several_lines_is_one_line() -> None:
    (found,) = sweep(BOTH + "questions:\n- ask: >\n    Is it\n    so?\n  of: wide\n").questions
    assert found.ask == "Is it so?"


def test_a_variant_called_search_is_a_variant() -> None:
    text = HEAD + "variants: {search: {}, plain: {}}\nquestions:\n- ask: x\n  of: search\n"
    (found,) = sweep(text + "  than: plain\n").questions
    assert (found.of, found.than) == (("search",), ("plain",))


@pytest.mark.parametrize("by", [By("targets"), By("causes"), *(By("figure", f) for f in FIGURES)])
def test_what_decides_is_read_back(by: By) -> None:
    assert By.parse(by.text) == by
    assert by.more_is_better == by.name.endswith(("accuracy", "f1"))


@pytest.mark.parametrize("file", available(ROOT).values(), ids=available(ROOT))
def test_a_shipped_definition_comes_back_from_its_json(file: Path) -> None:
    own = load(file)
    again = restore(json.loads(json.dumps(own.to_json())), own.name)
    assert replace(again, source=own.source) == own


NAMES = ["plain", "wide", "third one"]


@st.composite
def comparing(draw: st.DrawFn) -> dict[str, Any]:
    """Sound values for the keys, as a file would have them."""
    on_test, gradients = draw(st.booleans()), draw(st.booleans())
    figures = [f for f in FIGURES if on_test or not f.startswith("test_")]
    times = ["epochs to val >= 95%", "seconds to train_loss < 0.5"]
    asked = []
    for _ in range(draw(st.integers(0, 4))):
        one: dict[str, Any] = {"ask": draw(st.text(st.characters(codec="ascii"), min_size=1))}
        one["ask"] = "".join(c for c in one["ask"] if c.isprintable()).strip() or "?"
        of = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True))
        one["of"] = of[0] if len(of) == 1 and draw(st.booleans()) else of
        rest = [name for name in NAMES if name not in of]
        if draw(st.booleans()):
            one["than"] = draw(st.lists(st.sampled_from(rest), min_size=1, unique=True))
            one["by"] = draw(st.sampled_from([*figures, *times]))
        elif draw(st.booleans()):
            one["by"] = draw(st.sampled_from(["targets", "causes"] if gradients else ["targets"]))
        asked.append(one)
    diagnostics = draw(st.lists(st.sampled_from(["misclassified", "curves"]), unique=True))
    return {
        "seeds": draw(st.sampled_from([None, 1, 2, 1000])),
        "test": "compare" if on_test else None,
        "diagnostics": [*diagnostics, *(["gradients"] if gradients else [])],
        "questions": asked,
    }


@settings(deadline=None)
@given(comparing())
def test_sound_keys_are_accepted_and_come_back(keys: dict[str, Any]) -> None:
    raw = {
        "dataset": "digits",
        "targets": ["val > 0"],
        "variants": {name: {} for name in NAMES},
        **keys,
    }
    own = sweep(json.dumps(raw))
    assert [error.message for error in VALIDATOR.iter_errors(raw)] == []
    kept = json.loads(json.dumps(own.to_json()))
    assert replace(restore(kept, "own"), source=own.source) == own
    assert [error.message for error in VALIDATOR.iter_errors(kept)] == []


# Mistakes: the text, the whole line about it, and whether the JSON Schema refuses it as well


def of(rest: str, more: str = "") -> str:
    return f"{ASK}    {rest}\n{more}"


FIGURE_WORDS = (
    "must be targets, causes, one of val_accuracy, val_balanced_accuracy, val_macro_f1, "
    "train_accuracy, test_accuracy, val_loss, "
    "val_loss_penalised, train_loss, train_loss_penalised, test_loss, accuracy_gap, or such as "
    "`epochs to val_accuracy >= 0.95`, not "
)
ONE_WORD = "must be targets, causes, a figure such as val_loss, or epochs to a target, not "
A_NAME = "must be the name of a variant, a list of names, or search, not "
SOME_NAMES = "must be the name of a variant, or a list of names, not "

MISTAKES: list[tuple[str, str, bool]] = [
    # seeds
    (BOTH + "seeds: 0", "line 5, seeds: must be a whole number from 1 to 1000, not 0", True),
    (BOTH + "seeds: 1001", "line 5, seeds: must be a whole number from 1 to 1000, not 1001", True),
    (BOTH + "seeds: 2.5", "line 5, seeds: must be a whole number from 1 to 1000, not 2.5", True),
    (
        BOTH + "seeds: five",
        "line 5, seeds: must be a whole number from 1 to 1000, not 'five'",
        True,
    ),
    (
        BOTH + "seeds: [1, 2]",
        "line 5, seeds: must be a whole number from 1 to 1000, not [1, 2]",
        True,
    ),
    (
        HEAD + SPACE + "seeds: 2",
        "line 4, seeds: trains variants on more than one seed; name some in `variants`",
        True,
    ),
    (
        HEAD + SPACE + "variants: {}\nseeds: 2",
        "line 5, seeds: trains variants on more than one seed; name some in `variants`",
        True,
    ),
    (
        BOTH + "repeats: 3",
        "line 5, repeats: unknown key; trainings of each variant are `seeds`",
        True,
    ),
    # test
    (BOTH + "test: yes", "line 5, test: must be compare, not 'yes'", True),
    (BOTH + "test: true", "line 5, test: must be compare, not true", True),
    (
        HEAD + SPACE + "test: compare",
        "line 4, test: compares variants on the test split; name some in `variants`",
        True,
    ),
    (
        BOTH + "test: compare\nvalidation: test",
        "line 5, test: validation is the test split already (validation: test); leave one of the "
        "two out",
        True,
    ),
    # diagnostics
    (
        BOTH + "diagnostics: gradients",
        "line 5, diagnostics: must be a list with some of gradients, misclassified and curves, not "
        "'gradients'",
        True,
    ),
    (
        BOTH + "diagnostics: [curves, gradient]",
        "line 5, diagnostics: must be a list with some of gradients, misclassified and curves, not "
        "['curves', 'gradient']",
        True,
    ),
    (
        BOTH + "diagnostics: [3]",
        "line 5, diagnostics: must be a list with some of gradients, misclassified and curves, not "
        "[3]",
        True,
    ),
    # the list of questions
    (
        BOTH + "questions: Is it so?",
        "line 5, questions: must be a list of questions, each with `ask` and `of`, not 'Is it so?'",
        True,
    ),
    (
        BOTH + "questions: {ask: x, of: wide}",
        "line 5, questions: must be a list of questions, each with `ask` and `of`, not a mapping",
        True,
    ),
    (
        BOTH + "questions:\n  - Is it so?",
        "line 6, questions[0]: must have the keys `ask` and `of`, not be 'Is it so?'",
        True,
    ),
    (
        BOTH + "questions: [ ]\nquestion: x",
        "line 6, question: unknown key; write `questions`, a list",
        True,
    ),
    (
        BOTH + "questions: [null]",
        "line 5, questions[0]: must have the keys `ask` and `of`, not be nothing",
        True,
    ),
    # the keys of a question
    (
        BOTH + "questions:\n  - of: wide",
        "line 6, questions[0].ask: is missing; give the question in words",
        True,
    ),
    (
        ASK,
        "line 6, questions[0].of: is missing; give the name of a variant, a list of names, or "
        "search",
        True,
    ),
    (
        of("of: wide\n    zzz: 3"),
        "line 8, questions[0].zzz: unknown key; known are ask, of, than, by",
        True,
    ),
    (
        of("of: wide\n    thn: plain"),
        "line 8, questions[0].thn: unknown key (did you mean than?)",
        True,
    ),
    (
        of("of: wide\n    versus: plain"),
        "line 8, questions[0].versus: unknown key; write `than`",
        True,
    ),
    (
        BOTH + "questions: [{ask: 7, of: wide}]",
        "line 5, questions[0].ask: must be the question in words, not 7",
        True,
    ),
    (
        BOTH + "questions: [{ask: ' ', of: wide}]",
        "line 5, questions[0].ask: must be the question in words, not ' '",
        True,
    ),
    (
        BOTH + "questions: [{ask: , of: wide}]",
        "line 5, questions[0].ask: must be the question in words, not nothing",
        True,
    ),
    (
        BOTH + 'questions: [{ask: "\\e[31m", of: wide}]',
        r"line 5, questions[0].ask: has characters that cannot be printed: '\x1b[31m'",
        False,
    ),
    # names
    (of("of: 7"), f"line 7, questions[0].of: {A_NAME}7", True),
    (of("of:"), f"line 7, questions[0].of: {A_NAME}nothing", True),
    (of("of: []"), f"line 7, questions[0].of: {A_NAME}[]", True),
    (of("of: {wide: 1}"), f"line 7, questions[0].of: {A_NAME}a mapping", True),
    (of("of: [wide, 7]"), f"line 7, questions[0].of: {A_NAME}['wide', 7]", True),
    (of("of: wide\n    than: 7"), f"line 8, questions[0].than: {SOME_NAMES}7", True),
    (of("of: wide\n    than:"), f"line 8, questions[0].than: {SOME_NAMES}nothing", True),
    (of("of: wide\n    than: []"), f"line 8, questions[0].than: {SOME_NAMES}[]", True),
    (
        of("of: wdie"),
        "line 7, questions[0].of: no variant is called 'wdie' (did you mean wide?)",
        False,
    ),
    (
        of("of:\n      - wide\n      - zzz"),
        "line 9, questions[0].of[1]: no variant is called 'zzz'; known are plain, wide, search",
        False,
    ),
    (
        of("of: wide\n    than: zzz"),
        "line 8, questions[0].than: no variant is called 'zzz'; known are plain, wide",
        False,
    ),
    (
        HEAD + SPACE + "questions:\n  - ask: x\n    of: search\n    than: zzz",
        "line 7, questions[0].than: no variant is called 'zzz'; this sweep has none",
        False,
    ),
    (of("of: [wide, wide]"), "line 7, questions[0].of[1]: 'wide' is listed twice", True),
    (
        of("of: wide\n    than: [plain, plain]"),
        "line 8, questions[0].than[1]: 'plain' is listed twice",
        True,
    ),
    (
        of("of: wide\n    than: wide"),
        "line 8, questions[0].than: 'wide' cannot be compared with itself",
        False,
    ),
    (
        of("of: [wide, plain]\n    than: [plain]"),
        "line 8, questions[0].than: 'plain' cannot be compared with itself",
        False,
    ),
    # the search
    (
        of("of: [search, wide]"),
        "line 7, questions[0].of: search stands alone; ask of the variants in another question",
        False,
    ),
    (
        of("of: search\n    than: wide"),
        "line 8, questions[0].than: the search is compared with nothing; leave `than` out",
        False,
    ),
    (
        of("of: search\n    by: val_loss"),
        "line 8, questions[0].by: the search is judged by the targets; leave `by` out",
        True,
    ),
    (
        of("of: search\n    by: causes", "diagnostics: [gradients]"),
        "line 8, questions[0].by: the search is judged by the targets; leave `by` out",
        False,
    ),
    (
        of("of: wide\n    than: search"),
        "line 8, questions[0].than: no variant is called 'search'; known are plain, wide",
        False,
    ),
    (
        HEAD + VARIANTS + "questions:\n  - ask: x\n    of: search",
        "line 6, questions[0].of: nothing is searched; name parameters in `space`, or a variant",
        False,
    ),
    # what decides
    (of("of: wide\n    by: 7"), f"line 8, questions[0].by: {ONE_WORD}7", True),
    (of("of: wide\n    by:"), f"line 8, questions[0].by: {ONE_WORD}nothing", True),
    (of("of: wide\n    by: [val_loss]"), f"line 8, questions[0].by: {ONE_WORD}['val_loss']", True),
    (of("of: wide\n    by: speed"), f"line 8, questions[0].by: {FIGURE_WORDS}'speed'", True),
    (of("of: wide\n    by: Targets"), f"line 8, questions[0].by: {FIGURE_WORDS}'Targets'", True),
    (of("of: wide\n    by: epochs"), f"line 8, questions[0].by: {FIGURE_WORDS}'epochs'", True),
    (
        of("of: wide\n    than: plain\n    by: hours to val > 0.9"),
        f"line 9, questions[0].by: {FIGURE_WORDS}'hours to val > 0.9'",
        True,
    ),
    (
        of("of: wide\n    than: plain\n    by: epochs to speed > 1"),
        "line 9, questions[0].by:\n"
        "    unknown metric 'speed'; known are train_accuracy, val_accuracy, train_loss, val_loss, "
        "accuracy_gap, parameters, val_balanced_accuracy, val_macro_f1, and train, val, gap, "
        "params for short\n"
        "      speed > 1\n"
        "      ^",
        True,
    ),
    (
        of("of: wide\n    than: plain\n    by: epochs to val >= 90"),
        "line 9, questions[0].by:\n"
        "    val_accuracy lies between 0 and 1: did you mean 90%?\n"
        "      val >= 90\n"
        "      ~~~~~~~^",
        True,
    ),
    (
        of("of: wide\n    than: plain\n    by: epochs to val > 0.9 and train > 0.9"),
        "line 9, questions[0].by: must name one target to be reached",
        True,
    ),
    (
        of("of: wide\n    than: plain\n    by: targets"),
        "line 9, questions[0].by: `targets` compares nothing; leave `than` out",
        True,
    ),
    (
        of("of: wide\n    than: plain\n    by: causes", "diagnostics: [gradients]"),
        "line 9, questions[0].by: `causes` compares nothing; leave `than` out",
        True,
    ),
    (
        of("of: wide\n    by: val_loss"),
        "line 8, questions[0].by: `val_loss` compares variants; name the others under `than`",
        True,
    ),
    (
        of("of: wide\n    by: epochs to val > 0.9"),
        "line 8, questions[0].by: `epochs to val_accuracy > 0.9` compares variants; name the "
        "others under `than`",
        True,
    ),
    (
        of("of: wide\n    than: plain\n    by: test_accuracy"),
        "line 9, questions[0].by: test_accuracy needs `test: compare`",
        True,
    ),
    (
        of("of: wide\n    than: plain\n    by: test_loss", "validation: test"),
        "line 9, questions[0].by: validation is the test split here (validation: test); write "
        "val_loss",
        True,
    ),
    (
        of("of: wide\n    by: causes"),
        "line 8, questions[0].by: causes need `diagnostics: [gradients]`",
        True,
    ),
    (
        of("of: wide\n    by: causes", "diagnostics: [curves]"),
        "line 8, questions[0].by: causes need `diagnostics: [gradients]`",
        True,
    ),
]


@pytest.mark.parametrize(("text", "line", "in_schema"), MISTAKES)
def test_a_mistake_is_named_with_its_line(text: str, line: str, in_schema: bool) -> None:
    assert problems(text) == [line]
    assert bool(complaints(text)) == in_schema


def test_a_question_mark_inside_braces_needs_quotes() -> None:
    (line,) = problems(BOTH + "questions:\n  - {ask: Is it so?, of: wide}\n")
    assert line.startswith("line 6, column 19: not valid YAML")
    assert line.endswith("; put a text with a question mark inside { } in quotes")
    (found,) = sweep(BOTH + "questions:\n  - {ask: 'Is it so?', of: wide}\n").questions
    assert found.ask == "Is it so?"


@pytest.mark.parametrize("key", FOREIGN_QUESTION)
def test_keys_that_others_would_write_lead_to_ours(key: str) -> None:
    (line,) = problems(of(f"of: wide\n    {key}: plain"))
    assert line == f"line 8, questions[0].{key}: unknown key; {FOREIGN_QUESTION[key]}"
    assert complaints(of(f"of: wide\n    {key}: plain"))


def test_a_broken_variant_is_one_mistake() -> None:
    """What asks for it has none of its own."""
    text = HEAD + "variants: {wide: {unit: 5}}\nseeds: 2\ntest: compare\n"
    text += "questions:\n  - ask: x\n    of: wide\n"
    assert problems(text) == ["line 3, variants.wide.unit: unknown parameter (did you mean units?)"]


def test_all_mistakes_of_the_questions_come_at_once() -> None:
    text = BOTH + (
        "seeds: 0\nquestions:\n  - ask: x\n    of: zzz\n"
        "  - ask: y\n    of: wide\n    by: val_loss\n  - {of: wide}\n"
    )
    assert [line.partition(":")[0] for line in problems(text)] == [
        "line 5, seeds",
        "line 8, questions[0].of",
        "line 11, questions[1].by",
        "line 12, questions[2].ask",
    ]


def test_an_option_is_named_as_the_place() -> None:
    assert problems(HEAD + SPACE, Overrides(seeds=3)) == [
        "--seeds 3: trains variants on more than one seed; name some in `variants`"
    ]
    assert sweep(BOTH + "seeds: 5", Overrides(seeds=3)).seeds == 3


def test_every_key_of_a_question_has_its_meaning() -> None:
    assert list(QUESTION_KEYS) == list(QuestionModel.model_fields)


KEY = st.sampled_from(["ask", "of", "than", "by", "if"])
ANY = st.none() | st.sampled_from(
    [
        *(True, 0, 2, 1.5, "", " ", "wide", "plain", "search", "compare", "test", "gradients"),
        *("targets", "causes", "val_loss", "test_loss", "epochs to val > 0.5", "seconds to x"),
    ]
)
VALUE = st.recursive(
    ANY, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEY, inner, max_size=4)
)


@settings(deadline=None, max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from([*COMPARING, "validation"]),
        VALUE | st.lists(st.dictionaries(KEY, ANY | st.lists(ANY, max_size=2)), max_size=2),
        max_size=5,
    )
)
def test_the_schema_refuses_nothing_that_is_accepted(keys: dict[str, Any]) -> None:
    raw = {**read(BOTH)[0], **keys}
    found: tuple[str, ...] = ()
    try:
        sweep(json.dumps(raw))
    except DefinitionError as error:
        found = error.problems
    assert [line for line in found if not line.startswith("line ")] == []
    if not found:
        assert [error.message for error in VALIDATOR.iter_errors(raw)] == []


# They may change while a study goes on

COMPARED: dict[str, str] = {
    "seeds": "seeds: 5\n",
    "test": "test: compare\n",
    "diagnostics": "diagnostics: [gradients, curves]\n",
    "questions": "questions:\n  - ask: Is it so?\n    of: wide\n",
}


def test_they_are_no_part_of_the_identity() -> None:
    assert list(COMPARED) == list(COMPARING)
    plain = identity(sweep(BOTH), "f")
    for text in (*COMPARED.values(), "".join(COMPARED.values())):
        assert sweep(BOTH + text) != sweep(BOTH)
        assert identity(sweep(BOTH + text), "f") == plain


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path).create()
    (tmp_path / "sweeps").mkdir()
    write(made, BOTH)
    return made


def write(workspace: Workspace, text: str) -> None:
    (workspace.root / "sweeps" / "own.yaml").write_text(text)


def plan(workspace: Workspace, **changes: Any) -> Plan:
    return make_plan(workspace, "own", Overrides(**changes), None, None)


def keep(workspace: Workspace, made: Plan) -> None:
    """Open the study of a plan, as a sweep does."""
    open_study(workspace, made.study, made.definition, made.identity, made.base).close()


@pytest.mark.parametrize("key", COMPARED)
def test_a_key_may_come_and_go_in_a_file(workspace: Workspace, key: str) -> None:
    def of_file(text: str) -> Any:
        return getattr(sweep(text), key)

    keep(workspace, plan(workspace, epochs=3))
    write(workspace, BOTH + COMPARED[key])
    later = plan(workspace)
    assert getattr(later.definition, key) == of_file(BOTH + COMPARED[key])
    assert later.definition.epochs == 3  # and options of the beginning are kept
    keep(workspace, later)
    (summary,) = summaries(workspace)
    assert key in summary.definition
    write(workspace, BOTH)
    again = plan(workspace)
    assert getattr(again.definition, key) == of_file(BOTH)
    keep(workspace, again)
    assert key not in summaries(workspace)[0].definition


def test_a_question_may_come_with_its_variant(workspace: Workspace) -> None:
    keep(workspace, plan(workspace))
    more = BOTH.replace("variants: {", "variants: {narrow: {units: 4}, ")
    write(workspace, more + "questions:\n  - ask: x\n    of: narrow\n    than: wide\n")
    found = plan(workspace).definition
    assert {"narrow", "wide", "plain"} == set(found.variants)
    assert [q.of for q in found.questions] == [("narrow",)]


def test_seeds_of_the_command_line_are_for_now(workspace: Workspace) -> None:
    keep(workspace, plan(workspace, seeds=4))
    assert summaries(workspace)[0].definition["seeds"] == 4
    assert plan(workspace).definition.seeds == 1  # the file's
    (workspace.root / "sweeps" / "own.yaml").unlink()
    assert plan(workspace).definition.seeds == 4
