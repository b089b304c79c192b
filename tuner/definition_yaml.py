"""YAML text as plain values, with the place of every key; no judgement about what they mean.

Numbers, booleans and null are read as YAML 1.2 does: `1e-6` is a number, `no` and `on` are words,
`010` is ten. Keys are always text. Tags, merge keys and aliases that contain themselves are
refused, so nothing but mappings, lists and scalars comes out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

KeyPath = tuple[str | int, ...]

_CORE = "tag:yaml.org,2002:"
_MAX_DEPTH = 12
_MAX_NODES = 20_000


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars of YAML 1.2 instead of 1.1."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (PyYAML's own way to declare it)


for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    (
        "float",
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        list("-+0123456789."),
    ),
):
    _Loader.add_implicit_resolver(_CORE + _tag, re.compile(_pattern), _first)


def path_text(path: KeyPath) -> str:
    """`space.l2.values[1]` for a path of keys and positions."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


@dataclass
class Places:
    """Where each value was written: a line of the file, or an option of the command line."""

    lines: dict[KeyPath, int] = field(default_factory=dict)
    options: dict[KeyPath, str] = field(default_factory=dict)

    def claim(self, path: KeyPath, option: str) -> None:
        """From now on `path`, and all below it, comes from `option` (`--trials 0`)."""
        self.forget(path)
        self.options[path] = option

    def forget(self, path: KeyPath) -> None:
        """Drop what is known about `path` and all below it."""
        self.lines = {p: n for p, n in self.lines.items() if p[: len(path)] != path}
        self.options = {p: o for p, o in self.options.items() if p[: len(path)] != path}

    def line(self, path: KeyPath) -> int | None:
        """The line of `path`, or of the nearest thing around it; None if it is an option's."""
        for prefix in _prefixes(path):
            if prefix in self.options:
                return None
            if prefix in self.lines:
                return self.lines[prefix]
        return 1

    def at(self, path: KeyPath) -> str:
        """The words for a place: `line 7, space.l2.min` or `--trials 0`."""
        for prefix in _prefixes(path):
            if prefix in self.options:
                option = self.options[prefix]
                return option if prefix == path else f"{option}, {path_text(path)}"
            if prefix in self.lines:
                break
        text = path_text(path)
        return f"line {self.line(path)}, {text}" if text else f"line {self.line(path)}"


def _prefixes(path: KeyPath) -> Iterator[KeyPath]:
    return (path[:n] for n in range(len(path), -1, -1))


@dataclass
class Problems:
    """Mistakes found so far, each with its place."""

    places: Places = field(default_factory=Places)
    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, path: KeyPath, text: str) -> None:
        """Note a mistake at `path`; several lines of `text` are kept together below its place."""
        if "\n" in text:
            text = "\n" + "\n".join(f"    {line}" for line in text.splitlines())
        else:
            text = f" {text}"
        self.found.append((self.places.line(path) or 0, f"{self.places.at(path)}:{text}"))

    def sorted(self) -> list[str]:
        """Each mistake once: those of options first, then in the order of the file's lines."""
        return list(dict.fromkeys(text for _, text in sorted(self.found, key=lambda f: f[0])))


def read(text: str) -> tuple[Any, Problems]:
    """The value that `text` denotes, and the mistakes in how it is written.

    Text that is not YAML at all gives None and one mistake with its line and column.
    """
    problems = Problems()
    reader: _Reader | None = None
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
        reader = _Reader(problems)
        return (None if node is None else reader.value(node, ()), problems)
    except yaml.MarkedYAMLError as error:
        problems.found = [(0, _malformed(error))]
    except (yaml.YAMLError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else _one_line(error)
        problems.found = [(0, f"line 1: not valid YAML: {reason}")]
    except _TooMuchError as error:
        problems.found = [(0, f"line {error.args[0]}: {error.args[1]}")]
    return None, problems


def _malformed(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "line 1"
    problem = error.problem or error.context or "cannot be read"
    if "'\\t'" in problem:
        problem += "; indent with spaces, not tabs"
    elif "mapping values are not allowed" in problem:
        problem += "; is the line indented like its neighbours?"
    elif problem.endswith("but got '?'"):
        problem += "; put a text with a question mark inside { } in quotes"
    elif "expected a single document" in (error.context or ""):
        problem = "a second `---` document; a file holds one sweep"
    return f"{place}: not valid YAML: {problem}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]


class _TooMuchError(Exception):
    """The text is larger or deeper than any sweep: args are the line and the words."""


class _Reader:
    """Turns composed nodes into values and notes the line of each."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.nodes = 0

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        line = node.start_mark.line + 1
        self.problems.places.lines.setdefault(path, line)
        self.nodes += 1
        # An alias that contains itself never ends; one that multiplies itself ends too late.
        if len(path) > _MAX_DEPTH:
            raise _TooMuchError(line, "nested too deeply for a sweep")
        if self.nodes > _MAX_NODES:
            raise _TooMuchError(line, "too large for a sweep")
        if isinstance(node, yaml.MappingNode) and node.tag == _CORE + "map":
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == _CORE + "seq":
            return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, path)
        self.problems.add(path, f"the tag {node.tag} is not allowed here")
        return None

    def mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.add(path, f"the key on line {line} is not a word")
                continue
            key = str(key_node.value)
            here = (*path, key)
            if key == "<<":
                self.problems.add(path, f"`<<` on line {line} is not supported; write the keys out")
                continue
            if key in values:
                first = self.problems.places.lines[here]
                self.problems.places.forget(here)
                self.problems.places.lines[here] = line
                self.problems.add(here, f"is given twice, first on line {first}; keep one")
            self.problems.places.lines[here] = line
            values[key] = self.value(value_node, here)
        return values

    def scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        text = str(node.value)
        kind = node.tag.removeprefix(_CORE)
        try:
            if kind == "null":
                return None
            if kind == "bool":
                return text.lower() == "true"
            if kind == "int":
                return int(text)
            if kind == "float":
                return float(re.sub(r"\.(?=inf|nan)", "", text.lower()))
        except ValueError:
            self.problems.add(path, f"is no {kind} that can be read")
            return None
        if kind != "str":
            self.problems.add(path, f"the tag {node.tag} is not allowed here")
            return None
        return text
