"""The questions that a sweep is to answer about its variants, as plain values.

A question names a variant, what it is compared with, and by which figure; `report.answers` answers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from tuner.errors import TargetError
from tuner.targets import Target, parse_targets

FIGURES: dict[str, bool] = {
    "val_accuracy": True,
    "val_balanced_accuracy": True,
    "val_macro_f1": True,
    "train_accuracy": True,
    "test_accuracy": True,
    "val_loss": False,
    "val_loss_penalised": False,
    "train_loss": False,
    "train_loss_penalised": False,
    "test_loss": False,
    "accuracy_gap": False,
}
"""What variants are compared by, and whether more of it is better."""

SEARCH = "search"
"""Stands for all trials that are no variants."""

TARGETS, CAUSES = "targets", "causes"
Kind = Literal["targets", "causes", "figure", "time"]

_TIMES = re.compile(r"(epochs|seconds) to (.+)", re.DOTALL)


@dataclass(frozen=True)
class By:
    """What a question is judged by.

    Attributes:
        kind: `targets` (does it meet them?), `causes` (why does the loss not fall?), `figure` or
            `time` (how long until a target is met?).
        name: the figure, or `epochs` or `seconds`; empty for the other kinds.
        target: of a `time`, what has to be reached.
    """

    kind: Kind
    name: str = ""
    target: Target | None = None

    @property
    def more_is_better(self) -> bool:
        return FIGURES.get(self.name, False)

    @property
    def text(self) -> str:
        """As it stands in a file."""
        if self.kind == "time" and self.target is not None:
            return f"{self.name} to {self.target.text}"
        return self.name or self.kind

    @classmethod
    def parse(cls, text: str) -> By:
        """Read `targets`, `causes`, a figure, or `epochs to val_accuracy >= 0.95`.

        Raises:
            ValueError: it is none of these; the message says what is possible.
        """
        if text in (TARGETS, CAUSES):
            return cls("targets" if text == TARGETS else "causes")
        if text in FIGURES:
            return cls("figure", text)
        found = _TIMES.fullmatch(text)
        if found is None:
            raise ValueError(
                f"must be targets, causes, one of {', '.join(FIGURES)}, or such as "
                f"`epochs to val_accuracy >= 0.95`, not {text!r}"
            )
        try:
            targets = parse_targets(found[2])
        except TargetError as error:
            raise ValueError(str(error)) from None
        if len(targets) != 1:
            raise ValueError("must name one target to be reached")
        return cls("time", found[1], targets[0])


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        ask: in words, as a person would ask it.
        of: the variants it is about, or `search` alone.
        than: the variants that each of them is compared with; empty where nothing is.
        by: what decides.
    """

    ask: str
    of: tuple[str, ...]
    than: tuple[str, ...] = ()
    by: By = By("targets")

    def to_json(self) -> dict[str, Any]:
        """The same as keys of a sweep file."""
        than = {"than": list(self.than)} if self.than else {}
        return {"ask": self.ask, "of": list(self.of), **than, "by": self.by.text}
