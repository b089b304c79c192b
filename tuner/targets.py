"""Targets: what a configuration has to reach, as text, as values, and as distances.

The language is `metric op number`, joined by `and`, `with`, `&` or `,`; a text is parsed once, and
only `Target` values travel on. An error shows the user's own text and points into it.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tuner.errors import TargetError, nearest

DOMAINS: dict[str, tuple[int, int | None]] = {
    "train_accuracy": (0, 1),
    "val_accuracy": (0, 1),
    "train_loss": (0, None),
    "val_loss": (0, None),
    "accuracy_gap": (-1, 1),
    "parameters": (0, None),
    "val_balanced_accuracy": (0, 1),
    "val_macro_f1": (0, 1),
}
"""What a target can limit, and between which figures it lies; None: no upper end."""

METRICS = tuple(DOMAINS)

BY_CLASS = ("val_balanced_accuracy", "val_macro_f1")
"""Figures that give every class the same weight, however few rows it has."""

SCORES = ("val_accuracy", *BY_CLASS)
"""Figures that a study can maximise, see `objective_metric`."""

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}
OPS = tuple(_COMPARE)

LARGE_VIOLATION = 1000.0
"""The violation of a figure that is not finite or was not measured: far beyond any accuracy's."""

_MOST = 1e12  # no violation is above it, so that sums over targets stay finite
_STRICT = 1e-9  # what `>` and `<` add, so that a figure equal to the limit has a violation

# Short names that a target may use, in any case; of a name in two words, any space lies between.
ALIASES = {
    "train": "train_accuracy",
    "train_acc": "train_accuracy",
    "val": "val_accuracy",
    "val_acc": "val_accuracy",
    "validation": "val_accuracy",
    "balanced_accuracy": "val_balanced_accuracy",
    "balanced accuracy": "val_balanced_accuracy",
    "macro_f1": "val_macro_f1",
    "macro f1": "val_macro_f1",
    "gap": "accuracy_gap",
    "params": "parameters",
}
_FLIPPED = {">=": "<=", ">": "<", "<=": ">=", "<": ">"}


@dataclass(frozen=True)
class Target:
    """One limit on one figure.

    Attributes:
        text: the canonical form, such as `val_accuracy >= 0.9`; it parses back to this target.
        metric: one of `METRICS`.
        op: one of `OPS`.
        value: the limit: a share in [0, 1] for accuracies, in [-1, 1] for the gap.
    """

    text: str
    metric: str
    op: str
    value: float

    def __post_init__(self) -> None:
        if self.metric not in METRICS or self.op not in OPS or not math.isfinite(self.value):
            raise ValueError(f"not a target: {self.metric} {self.op} {self.value}")

    @classmethod
    def of(cls, metric: str, op: str, value: float) -> Target:
        """The target with its canonical text."""
        number = float(value) + 0.0  # turns -0.0 into 0.0
        return cls(f"{metric} {op} {repr(number).removesuffix('.0')}", metric, op, number)

    def __str__(self) -> str:
        return self.text

    @property
    def is_floor(self) -> bool:
        """Whether larger figures are better (`>=`, `>`)."""
        return self.op in (">=", ">")

    @property
    def is_ceiling(self) -> bool:
        """Whether smaller figures are better (`<=`, `<`)."""
        return not self.is_floor

    @property
    def needs_train(self) -> bool:
        """Whether the figure is measured on the training split."""
        return self.metric in ("train_accuracy", "train_loss", "accuracy_gap")

    @property
    def scale(self) -> float:
        """The distance that counts as a violation of 1: 0.01 for shares and the gap, 0.05 for
        losses, a tenth of the limit for counts (1 where the limit is 0)."""
        if self.metric == "parameters":
            return abs(self.value) / 10 or 1.0
        return 0.05 if self.metric.endswith("_loss") else 0.01

    def met_by(self, figure: float | None) -> bool:
        """Whether `figure` keeps the limit; a figure that is None or not finite never does."""
        if figure is None or not math.isfinite(figure):
            return False
        return _COMPARE[self.op](figure, self.value)

    def violation(self, figure: float | None) -> float:
        """How far `figure` is from keeping the limit, in units of `scale`.

        0 exactly where `met_by` is true, otherwise above 0 and finite. None (unmeasured) and
        non-finite figures give `LARGE_VIOLATION`; a caller who treats them otherwise asks first.
        """
        if self.met_by(figure):
            return 0.0
        if figure is None or not math.isfinite(figure):
            return LARGE_VIOLATION
        shortfall = abs(figure - self.value) + (_STRICT if self.op in (">", "<") else 0.0)
        return min(shortfall / self.scale, _MOST)

    def margin(self, figure: float | None) -> float:
        """The signed distance to the limit in units of `scale`, positive on the side that meets.

        None and non-finite figures give `-LARGE_VIOLATION`.
        """
        if figure is None or not math.isfinite(figure):
            return -LARGE_VIOLATION
        distance = figure - self.value if self.is_floor else self.value - figure
        return max(-_MOST, min(distance / self.scale, _MOST))


def unique(targets: Iterable[Target]) -> tuple[Target, ...]:
    """The targets without exact repetitions, in the order of their first mention."""
    return tuple(dict.fromkeys(targets))


def measures_train(targets: Iterable[Target]) -> bool:
    """Whether any target needs figures of the training split."""
    return any(target.needs_train for target in targets)


def objective_metric(targets: Iterable[Target]) -> str:
    """What a study with these targets maximises, and orders by what is equal to them otherwise.

    The first of `BY_CLASS` that a target names; val_accuracy where none does.
    """
    return next((target.metric for target in targets if target.metric in BY_CLASS), "val_accuracy")


# --- the language -----------------------------------------------------------------------------

_TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<number>[+-]?\.?[0-9](?:[eE][+-](?=[0-9])|[\w.])*)   # greedy, so that `50k` is one mistake
    | (?P<word>[^\W\d](?:[\w.-]*\w)?)
    | (?P<op>[<>=!≥≤≠]+)
    | (?P<joiner>&&?|,)
    | (?P<percent>%)
    | (?P<unknown>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else repr(self.text)


def parse_targets(text: str) -> tuple[Target, ...]:
    """Read `metric op number` clauses, joined by `and`, `with`, `&`, `&&` or `,`.

    targets = clause, { joiner, clause }
    clause  = metric, op, limit | limit, op, metric
    limit   = number, [ "%" ]

    Raises:
        TargetError: the first line says what is wrong; the text follows, with `^` under the place
            and `~` under what was read of the clause before it.
    """
    return _Parser(text).targets()


class _Parser:
    """A cursor over the tokens of one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[_Token] = []
        for match in _TOKEN.finditer(text):
            kind = match.lastgroup or "unknown"
            if match.group().lower() in ("and", "with"):
                kind = "joiner"
            if kind != "space":
                self.tokens.append(_Token(kind, match.group(), match.start()))
        self.tokens.append(_Token("end", "", len(text.rstrip())))
        self.place = 0
        self.clause_at = 0

    def peek(self, ahead: int = 0) -> _Token:
        return self.tokens[min(self.place + ahead, len(self.tokens) - 1)]

    def take(self) -> _Token:
        token = self.peek()
        self.place += 1
        return token

    def error(self, message: str, at: int) -> TargetError:
        since = min(self.clause_at, at)
        shown = "".join(c if c.isprintable() else " " for c in self.text.rstrip())
        return TargetError(f"{message}\n  {shown}\n  {' ' * since}{'~' * (at - since)}^")

    def targets(self) -> tuple[Target, ...]:
        found = [self.clause()]
        while (joiner := self.take()).kind != "end":
            if joiner.kind != "joiner":
                raise self.error(self._after_clause(joiner), joiner.at)
            found.append(self.clause())
        return tuple(found)

    def _after_clause(self, token: _Token) -> str:
        if token.kind == "op":
            return f"one comparison a target: join a second one with 'and', found {token}"
        if token.text.lower() == "or":
            return "all targets are met together: 'or' is not possible, write 'and'"
        return f"unexpected {token} after a target: join targets with 'and' or ','"

    def clause(self) -> Target:
        """metric op limit | limit op metric"""
        first = self.peek()
        self.clause_at = first.at
        if first.kind == "word":
            metric = self.metric()
            op = self.operator(self.peek(-1))
            return Target.of(metric, op, self.limit(metric, *self.number(op)))
        if first.kind == "number":
            number, percent = self.number("")
            op = self.operator(percent or number)
            if (word := self.peek()).kind != "word":
                raise self.error(f"expected a metric after '{op}', found {word}", word.at)
            metric = self.metric()
            return Target.of(metric, _FLIPPED[op], self.limit(metric, number, percent))
        message = f"expected a metric, found {first}: write for example val >= 0.9"
        if first.kind == "end" and self.place:
            message = f"a target is missing after {self.peek(-1)}"
        elif first.kind == "joiner" and self.place:
            message = f"two joiners in a row: leave out {first}"
        raise self.error(message, first.at)

    def metric(self) -> str:
        token = self.take()
        word = token.text.lower()
        if (both := f"{word} {self.peek().text.lower()}") in ALIASES:
            self.take()
            return ALIASES[both]
        if word in METRICS or word in ALIASES:
            return ALIASES.get(word, word)
        if word in ("accuracy", "loss"):
            raise self.error(f"{token} of which split? Write train_{word} or val_{word}", token.at)
        if word == "f1":
            raise self.error(f"{token} of which average? Write macro_f1", token.at)
        if re.match(r"test(_|$)", word):
            raise self.error(f"{token} is no target: write val, test never chooses", token.at)
        hint = nearest(word, [*METRICS, *ALIASES])
        known = f"known are {', '.join(METRICS)}, and train, val, gap, params for short"
        raise self.error(f"unknown metric {token}{hint}; {known}", token.at)

    def operator(self, before: _Token) -> str:
        token = self.take()
        op = {"≥": ">=", "≤": "<="}.get(token.text, token.text)
        if op not in OPS:
            raise self.error(self._no_operator(token, before), token.at)
        if (second := self.peek()).kind == "op":
            joined = op + second.text
            advice = f"write {joined} without a space" if joined in OPS else f"leave out {second}"
            raise self.error(f"two operators in a row: {advice}", second.at)
        return op

    def _no_operator(self, token: _Token, before: _Token) -> str:
        expected = ">=, >, <= or <"
        if token.kind == "end":
            return f"an operator is missing after {before}: expected {expected}"
        if token.kind == "op":
            advice = {"=>": "write >=", "=<": "write <="}.get(token.text, f"expected {expected}")
            return f"unknown operator {token}: {advice}"
        name = f"{before.text}_{token.text}".lower()  # `val accuracy`, `val balanced accuracy`
        meant = next((metric for metric in METRICS if metric.startswith(name)), None)
        hint = f" (did you mean {meant}?)" if meant and token.kind == "word" else ""
        return f"expected {expected} after {before}, found {token}{hint}"

    def number(self, op: str) -> tuple[_Token, _Token | None]:
        """A number, and its percent sign if there is one."""
        token = self.take()
        if token.kind == "end":
            raise self.error(f"a number is missing after '{op}'", token.at)
        if token.kind != "number":
            metric = token.text.lower() in (*METRICS, *ALIASES)
            hint = ": to compare train with val, limit accuracy_gap" if metric else ""
            raise self.error(f"expected a number after '{op}', found {token}{hint}", token.at)
        if not _NUMBER.fullmatch(token.text):
            raise self.error(f"{token} is no number: write 0.9, 90%, 50000 or 1e-3", token.at)
        comma, rest = self.peek(), self.peek(1)
        if rest.kind == "number" and self.text.startswith(f"{token.text},{rest.text}", token.at):
            # `0,9` and `50,000` look like two targets; only an operator makes the second one real
            after = self.peek(3) if self.peek(2).kind == "percent" else self.peek(2)
            if after.kind != "op":
                advice = "write 0.9 with a point and 50000 without a separator"
                raise self.error(f"a comma begins another target: {advice}", comma.at)
        return token, self.take() if self.peek().kind == "percent" else None

    def limit(self, metric: str, number: _Token, percent: _Token | None) -> float:
        """The number as a limit of `metric`, checked against what the metric can be."""
        low, high = DOMAINS[metric]
        if percent and high is None:
            raise self.error(f"{metric} takes a plain number, without '%'", percent.at)
        value = float(number.text)
        if percent:  # shifting the decimal text rounds once: 0.7% is 0.007
            value = value / 100 if "e" in number.text.lower() else float(f"{number.text}e-2")
        if not math.isfinite(value):
            raise self.error(f"{number} is too large for a limit", number.at)
        if high is not None and not low <= value <= high:
            guess = percent is None and low <= value / 100 <= high
            advice = f"did you mean {number.text}%?" if guess else f"{low * 100}% to {high * 100}%"
            raise self.error(f"{metric} lies between {low} and {high}: {advice}", number.at)
        return value
