"""`questions`, `seeds` and `test` of a sweep file, checked against the rest of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from tuner.definition_schema import FileModel, QuestionModel, structure
from tuner.definition_yaml import KeyPath, Problems
from tuner.errors import nearest
from tuner.parameters import show
from tuner.questions import CAUSES, SEARCH, By, Question
from tuner.text import is_printable

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
    raw: Any,
    space: Collection[str],
    names: Collection[str],
    model: FileModel | None,
    problems: Problems,
) -> tuple[Question, ...]:
    """The sound questions of a file's list.

    Args:
        raw: the list, as given.
        space: names of searched parameters.
        names: of the variants, those with mistakes of their own included.
        model: the file's keys, or None where they are not sound.
        problems: what is wrong is added here.
    """
    found = []
    for number, given in enumerate(raw if isinstance(raw, list) else []):
        path: KeyPath = ("questions", number)
        if not isinstance(given, Mapping):
            problems.add(path, f"must have the keys `ask` and `of`, not be {show(given)}")
            continue
        before = len(problems.found)
        sound = structure(QuestionModel, given, path, FOREIGN_QUESTION, problems)
        if len(problems.found) > before:
            continue
        ask = " ".join(sound["ask"].split())
        if not is_printable(ask):
            problems.add((*path, "ask"), f"has characters that cannot be printed: {ask!r}")
        of = _names(sound["of"], [*names, SEARCH], (*path, "of"), problems)
        than = _names(sound.get("than", []), names, (*path, "than"), problems)
        # What belongs to one name is compared with another; nothing is compared by default.
        usual = "val_accuracy" if than else "targets"
        try:
            by = By.parse(sound.get("by", usual))
        except ValueError as error:
            problems.add((*path, "by"), str(error))
            continue
        if len(problems.found) > before:
            continue
        question = Question(ask, of, than, by)
        if SEARCH in of and SEARCH not in names:
            _check_search(question, space, sound, path, problems)
        else:
            _check(question, model, path, problems)
        found.append(question)
    return tuple(found)


def check_comparison(model: FileModel | None, names: Collection[str], problems: Problems) -> None:
    """What `seeds` and `test: compare` need.

    Args:
        model: the file's keys, or None where they are not sound.
        names: of the variants, those with mistakes of their own included.
        problems: what is wrong is added here.
    """
    if model is None:
        return
    if model.seeds > 1 and not names:
        problems.add(("seeds",), "trains variants on more than one seed; name some in `variants`")
    if model.test is not None and model.validation == "test":
        problems.add(
            ("test",),
            "validation is the test split already (validation: test); leave one of the two out",
        )
    elif model.test is not None and not names:
        problems.add(("test",), "compares variants on the test split; name some in `variants`")


def _names(raw: Any, known: Collection[str], path: KeyPath, problems: Problems) -> tuple[str, ...]:
    names = [raw] if isinstance(raw, str) else list(raw)
    for place, name in enumerate(names):
        here = path if isinstance(raw, str) else (*path, place)
        if name not in known:
            known_are = f"; known are {', '.join(known)}" if known else "; this sweep has none"
            guess = nearest(name, known) or known_are
            problems.add(here, f"no variant is called {show(name)}{guess}")
        elif name in names[:place]:
            problems.add(here, f"{show(name)} is listed twice")
    return tuple(names)


def _check_search(
    question: Question,
    space: Collection[str],
    given: Mapping[str, Any],
    path: KeyPath,
    problems: Problems,
) -> None:
    """What holds of a question about the trials that are no variants."""
    if len(question.of) > 1:
        problems.add((*path, "of"), "search stands alone; ask of the variants in another question")
    elif question.than:
        problems.add((*path, "than"), "the search is compared with nothing; leave `than` out")
    elif question.by.kind != "targets":
        problems.add((*path, "by"), "the search is judged by the targets; leave `by` out")
    elif not space:
        problems.add((*path, "of"), "nothing is searched; name parameters in `space`, or a variant")


def _check(question: Question, model: FileModel | None, path: KeyPath, problems: Problems) -> None:
    """What holds between the keys of one question, and between it and the file."""
    by, compared = question.by, question.by.kind in ("figure", "time")
    if compared and not question.than:
        problems.add((*path, "by"), f"`{by.text}` compares variants; name the others under `than`")
    if not compared and question.than:
        problems.add((*path, "by"), f"`{by.text}` compares nothing; leave `than` out")
    both = [name for name in question.than if name in question.of]
    if both:
        problems.add((*path, "than"), f"{show(both[0])} cannot be compared with itself")
    if model is None:
        return
    if by.name.startswith("test_") and model.test is None:
        text = f"{by.name} needs `test: compare`"
        if model.validation == "test":
            own = by.name.replace("test_", "val_")
            text = f"validation is the test split here (validation: test); write {own}"
        problems.add((*path, "by"), text)
    if by.kind == CAUSES and "gradients" not in model.diagnostics:
        problems.add((*path, "by"), "causes need `diagnostics: [gradients]`")
