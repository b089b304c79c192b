"""The questions of a sweep at the top of its page: asked, a verdict, and what it rests on.

The rule: words and figures are those of `report.answers`; here they are only set apart, a line for
each variant or pair where an answer has several, so that they can be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tuner.report.answers import WORDS, Answer
from tuner.report.page.words import capital, typeset


@dataclass(frozen=True)
class Line:
    """One sentence of an answer: what it says, and the figures behind it, which may be empty."""

    said: str
    figures: str = ""


@dataclass(frozen=True)
class Asked:
    """A question and its answer.

    Attributes:
        ask: in words.
        verdict: one of `answers.Verdict`, for its colour; `word`: the same for a person.
        lines: at least one.
    """

    ask: str
    verdict: str
    word: str
    lines: tuple[Line, ...]


def asked_of(answers: Sequence[Answer]) -> tuple[Asked, ...]:
    """All questions, in their order."""
    return tuple(
        Asked(
            ask=answer.question.ask,
            verdict=answer.verdict,
            word=WORDS[answer.verdict],
            lines=tuple(_line(answer, text) for text in answer.parts or (answer.text,)),
        )
        for answer in answers
    )


def _line(answer: Answer, text: str) -> Line:
    """A sentence, parted at the colon behind what it says; a name may hold a colon itself."""
    names = [*answer.question.of, *answer.question.than]
    begun = max((len(n) for n in names if text.startswith(n)), default=0)
    at = text.find(": ", begun) if answer.parts else -1
    if at < 0:
        return Line(typeset(text if begun else capital(text)))
    return Line(typeset(text[:at]), typeset(text[at + 2 :]))
