"""`questions`, `seeds` and `test` of a sweep file, checked against the rest of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.definition_schema import FileModel, QuestionModel, structure
from tuner.definition_yaml import KeyPath, Problems
from tuner.errors import nearest
from tuner.parameters import show
from tuner.questions import CAUSES, SEARCH, By, Question
from tuner.trial import Params

FOREIGN_QUESTION = {
    "question": "write `ask`",
    "text": "write `ask`",
    "variant": "write `of`",
    "variants": "write `of`",
    "versus": "write `than`",
    "vs": "write `than`",
    "compare": "write `of` and `than`",
    "metric": "write `by`",
    "figure": "write `by`",
}


def read_questions(
    raw: Any, variants: Mapping[str, Params], model: FileModel | None, problems: Problems
) -> tuple[Question, ...]:
    """The sound questions of a file's list."""
    found = []
    for number, given in enumerate(raw if isinstance(raw, list) else []):
        path: KeyPath = ("questions", number)
        if not isinstance(given, Mapping):
            problems.add(path, f"must be a mapping such as {{ask: …, of: …}}, not {show(given)}")
            continue
        before = len(problems.found)
        sound = structure(QuestionModel, given, path, FOREIGN_QUESTION, problems)
        if len(problems.found) > before:
            continue
        than = _names(sound.get("than", []), variants, (*path, "than"), problems)
        # What belongs to one name is compared with another; nothing is compared by default.
        usual = "val_accuracy" if than else "targets"
        try:
            by = By.parse(sound.get("by", usual))
        except ValueError as error:
            problems.add((*path, "by"), str(error))
            continue
        of = _names(sound["of"], {**variants, SEARCH: {}}, (*path, "of"), problems)
        if len(problems.found) == before:
            question = Question(sound["ask"], of, than, by)
            _check(question, variants, model, path, problems)
            found.append(question)
    return tuple(found)


def check_comparison(
    model: FileModel | None, variants: Mapping[str, Params], problems: Problems
) -> None:
    """What `seeds` and `test: compare` need."""
    if model is None:
        return
    if model.seeds > 1 and not variants:
        problems.add(("seeds",), "trains variants on more than one seed; name some in `variants`")
    if model.test is not None and model.validation == "test":
        problems.add(("test",), "validation is the test split already (validation: test)")
    elif model.test is not None and not variants:
        problems.add(("test",), "compares variants on the test split; name some in `variants`")


def _names(
    raw: Any, known: Mapping[str, Params], path: KeyPath, problems: Problems
) -> tuple[str, ...]:
    names = [raw] if isinstance(raw, str) else list(raw)
    for place, name in enumerate(names):
        here = path if isinstance(raw, str) else (*path, place)
        if name not in known:
            listed = ", ".join(known) or "none"
            guess = nearest(name, known) or f"; known are {listed}"
            problems.add(here, f"no variant is called {show(name)}{guess}")
        elif name in names[:place]:
            problems.add(here, f"{show(name)} is listed twice")
    return tuple(names)


def _check(
    question: Question,
    variants: Mapping[str, Params],
    model: FileModel | None,
    path: KeyPath,
    problems: Problems,
) -> None:
    """What holds between the keys of one question, and between it and the file."""
    by, compared = question.by, question.by.kind in ("figure", "time")
    if compared and not question.than:
        problems.add(path, f"compares by {by.text}; name the other variants under `than`")
    if not compared and question.than:
        problems.add((*path, "by"), f"{by.text} compares nothing; leave `than` out")
    if SEARCH in question.of and SEARCH not in variants and by.kind != "targets":
        problems.add((*path, "of"), "the search is judged by the targets; leave `by` out")
    both = sorted(set(question.of) & set(question.than))
    if both:
        problems.add((*path, "than"), f"{show(both[0])} cannot be compared with itself")
    if model is None:
        return
    if by.name.startswith("test_") and model.test is None:
        problems.add((*path, "by"), f"{by.name} needs `test: compare`")
    if by.kind == CAUSES and "gradients" not in model.diagnostics:
        problems.add((*path, "by"), "causes need `diagnostics: [gradients]`")
