"""The JSON Schema of a sweep file, for editors and other tools.

The rule: names, types, bounds and defaults come from the models and the catalogue that judge sweep
files; nothing is said twice. The schema refuses nothing that `definition.parse` accepts. It cannot
say everything that `parse` refuses: that min is below max, or that targets contradict each other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from tuner.definition_checks import TAKEN
from tuner.definition_schema import DomainModel, FileModel, plain_schema
from tuner.definition_words import DOMAIN_KEYS, KEYS, QUESTION_KEYS
from tuner.parameters import CATALOGUE, Hyperparameter
from tuner.questions import CAUSES, FIGURES, TARGETS
from tuner.targets import ALIASES, DOMAINS, METRICS, OPS
from tuner.text import CONTROLS

Schema = dict[str, Any]

# --- targets ----------------------------------------------------------------------------------


def _any_case(word: str) -> str:
    """`val` in capitals or not, without a flag: JSON Schema has none."""
    letters = (f"[{c.upper()}{c}]" if c.isalpha() else c for c in word)
    return "".join(letters).replace(" ", r"\s+")


def _one_of(words: Iterable[str]) -> str:
    longest_first = sorted(words, key=lambda w: (-len(w), w))
    return f"(?:{'|'.join(_any_case(word) for word in longest_first)})"


def target_pattern() -> str:
    """A regular expression for a target text, for tools that know nothing but those.

    It matches whatever `parse_targets` reads, and refuses most of what that refuses: unknown
    metrics and operators, `or`, a missing number, and `val >= 90` without its percent sign.
    """
    clause = _clause_pattern()
    joiner = rf"\s*(?:&&?|,|\b{_one_of(['and', 'with'])}\b)\s*"
    return rf"^\s*{clause}(?:{joiner}{clause})*\s*$"


def _clause_pattern() -> str:
    """One target of the text."""
    shares = {m for m, (_, high) in DOMAINS.items() if high is not None}
    plain = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
    power = rf"{plain}[eE][+-]?[0-9]+"
    up_to_1 = r"[+-]?(?:0+\.?[0-9]*|\.[0-9]+|0*1(?:\.0*)?)"
    up_to_100 = r"[+-]?(?:0*[0-9]{1,2}(?:\.[0-9]*)?|\.[0-9]+|0*100(?:\.0*)?)"
    share = rf"(?:(?:{power}|{up_to_100})\s*%|{power}|{up_to_1})"
    count = rf"(?:{power}|{plain})"
    op = f"(?:{'|'.join(['≥', '≤', *sorted(OPS, key=len, reverse=True)])})"
    clauses = []
    for limited, limit in ((shares, share), (set(METRICS) - shares, count)):
        metric = _one_of([*limited, *(a for a, m in ALIASES.items() if m in limited)])
        clauses += [rf"{metric}\s*{op}\s*{limit}", rf"{limit}\s*{op}\s*{metric}"]
    return f"(?:{'|'.join(clauses)})"


# --- the schema -------------------------------------------------------------------------------


def json_schema() -> Schema:
    """The JSON Schema (draft 2020-12) of a sweep file, as plain JSON values."""
    raw = FileModel.model_json_schema(by_alias=True)
    stopping = raw["$defs"]["EarlyStoppingModel"]
    properties: Schema = {}
    for name, found in raw["properties"].items():
        needed = name in raw["required"]
        own = _SPECIAL[name]() if name in _SPECIAL else plain_schema(found)
        if name == "early_stopping":
            own = _without_titles(stopping)
        if "default" in found and found["default"] is not None:
            own = {**own, "default": found["default"]}
        description = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", KEYS[name].text).replace("`", "")
        properties[name] = {"description": description, **(own if needed else _or_null(own))}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A sweep of tuner",
        "description": "What is trained and searched, and what a configuration has to reach.",
        "type": "object",
        "required": raw["required"],
        "properties": properties,
        "additionalProperties": False,
        "anyOf": [_filled("space"), _filled("variants")],
        "allOf": [*_exclusions(), *_momentum(), _grid(), *_comparison()],
        "$defs": {
            "target": {
                "type": "string",
                "pattern": target_pattern(),
                "patternErrorMessage": "write metric, operator and number, as in val >= 90%; "
                f"metrics are {', '.join(METRICS)}",
            },
            "when": _when(),
            **{f"value_{name}": _value(p) for name, p in CATALOGUE.items()},
        },
    }


def schema_text() -> str:
    """The schema as the text of a file."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _without_titles(schema: Mapping[str, Any]) -> Schema:
    found: Schema = {k: v for k, v in schema.items() if k not in ("title", "description")}
    found["properties"] = {
        name: {k: v for k, v in entry.items() if k != "title"}
        for name, entry in schema["properties"].items()
    }
    return found


def _or_null(schema: Schema) -> Schema:
    """A key with nothing behind it counts as left out."""
    found = dict(schema)
    if isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
        if "const" in found:
            found["enum"] = [found.pop("const")]
        if "enum" in found:
            found["enum"] = [*found["enum"], None]
    elif "anyOf" in found:
        found["anyOf"] = [*found["anyOf"], {"type": "null"}]
    return found


def _dataset() -> Schema:
    return {"type": "string", "pattern": r"\S", "examples": ["digits", "fashion", "mnist", "imdb"]}


def _targets() -> Schema:
    text = {"$ref": "#/$defs/target"}
    return {"anyOf": [{"type": "array", "minItems": 1, "items": text}, text]}


def _space() -> Schema:
    return {
        "type": "object",
        "properties": {
            name: {"description": p.description, "anyOf": _domains(p)}
            for name, p in CATALOGUE.items()
            if p.kind != "layers"
        },
        "additionalProperties": False,
    }


def _fixed() -> Schema:
    return {"type": "object", **_configuration()}


def _variants() -> Schema:
    own = {
        "type": ["object", "null"],
        **_configuration(),
        "if": {"required": ["momentum", "optimizer"]},
        "then": {"properties": {"optimizer": {"const": "sgd"}}},
    }
    name = {"pattern": rf"^(?!(?:{TAKEN})$)(?=.*\S)[^{CONTROLS}]+$"}
    return {"type": "object", "propertyNames": name, "additionalProperties": own}


def _test() -> Schema:
    return {"type": "string", "enum": ["compare"]}


def _diagnostics() -> Schema:
    words = {"enum": list(get_args(get_args(FileModel.model_fields["diagnostics"].annotation)[0]))}
    return {"type": "array", "items": words}


def _questions() -> Schema:
    text: Schema = {"type": "string", "pattern": r"\S"}
    names = {"anyOf": [text, {"type": "array", "items": text, "minItems": 1, "uniqueItems": True}]}
    keys: Schema = {
        "ask": text,
        "of": names,
        "than": names,
        "by": {"anyOf": [{"enum": [TARGETS, CAUSES, *FIGURES]}, _time()]},
    }
    return {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["ask", "of"],
            "properties": {
                key: {"description": QUESTION_KEYS[key].replace("`", ""), **schema}
                for key, schema in keys.items()
            },
            "additionalProperties": False,
            # What compares nothing has no `than`; everything else that is said has one.
            "if": {"properties": {"by": {"enum": [TARGETS, CAUSES]}}, "required": ["by"]},
            "then": {"properties": {"than": False}},
            "else": {"dependentRequired": {"by": ["than"]}},
        },
    }


def _time() -> Schema:
    """`epochs to val >= 95%`: how long until one target is reached."""
    return {"type": "string", "pattern": rf"^(?:epochs|seconds) to \s*{_clause_pattern()}\s*$"}


_SPECIAL = {
    "dataset": _dataset,
    "targets": _targets,
    "space": _space,
    "fixed": _fixed,
    "variants": _variants,
    "test": _test,
    "diagnostics": _diagnostics,
    "questions": _questions,
}


def _configuration() -> Schema:
    """A mapping from parameters to values, in which `layers` stands alone for the shape."""
    return {
        "properties": {
            name: {"description": p.description, "$ref": f"#/$defs/value_{name}"}
            for name, p in CATALOGUE.items()
        },
        "additionalProperties": False,
        "dependentSchemas": {"layers": {"properties": {"depth": False, "units": False}}},
    }


def _value(parameter: Hyperparameter) -> Schema:
    """One value of a parameter, its default noted."""
    if parameter.kind == "choice":
        found: Schema = {"enum": list(parameter.choices)}
    elif parameter.kind == "layers":
        width = {"type": "integer", "minimum": 1, "maximum": 10**9}
        found = {"type": "array", "items": width, "minItems": 1}
    else:
        found = {"type": "integer" if parameter.kind == "int" else "number"}
        if parameter.low is not None:
            found["exclusiveMinimum" if parameter.low_open else "minimum"] = _tidy(parameter.low)
        high = 10**9 if parameter.kind == "int" and parameter.high is None else parameter.high
        if high is not None:
            found["exclusiveMaximum" if parameter.high_open else "maximum"] = _tidy(high)
    if parameter.default is not None:
        found["default"] = parameter.default
    return found


def _tidy(number: float) -> float:
    return int(number) if number == int(number) else number


def _domains(parameter: Hyperparameter) -> list[Schema]:
    """What may stand behind a parameter of `space`: a list, `values`, or a range of numbers."""
    value = {"$ref": f"#/$defs/value_{parameter.name}"}
    listed = {"type": "array", "items": value, "minItems": 1, "uniqueItems": True}
    when = {"$ref": "#/$defs/when", "properties": {parameter.name: False}}
    chosen = {
        "type": "object",
        "required": ["values"],
        "properties": {"values": listed, "when": when},
        "additionalProperties": False,
    }
    if not parameter.numeric:
        return [chosen, listed]
    steps = DomainModel.model_json_schema(by_alias=True)["properties"]["steps"]
    step = {"type": "integer" if parameter.kind == "int" else "number", "exclusiveMinimum": 0}
    keys: Schema = {
        "min": value,
        "max": value,
        "log": {"type": "boolean", "default": False},
        "step": step,
        "steps": {"type": "integer", "minimum": steps["minimum"], "maximum": steps["maximum"]},
        "or": value,
        "when": when,
    }
    ranged = {
        "type": "object",
        "required": ["min", "max"],
        "properties": {
            key: {"description": DOMAIN_KEYS[key].replace("`", ""), **schema}
            for key, schema in keys.items()
        },
        "additionalProperties": False,
        "dependentSchemas": {"step": {"properties": {"steps": False}}},
        "if": {"required": ["log"], "properties": {"log": {"const": True}}},
        "then": {"properties": {"min": {"exclusiveMinimum": 0}, "step": False}},
    }
    return [ranged, chosen, listed]


def _when() -> Schema:
    properties: Schema = {}
    for name, parameter in CATALOGUE.items():
        if parameter.kind != "layers":
            value = {"$ref": f"#/$defs/value_{name}"}
            properties[name] = {"anyOf": [value, {"type": "array", "items": value, "minItems": 1}]}
    return {
        "description": DOMAIN_KEYS["when"],
        "type": "object",
        "minProperties": 1,
        "properties": properties,
        "additionalProperties": False,
    }


# --- between keys -----------------------------------------------------------------------------


def _filled(key: str) -> Schema:
    return {"required": [key], "properties": {key: {"type": "object", "minProperties": 1}}}


def _has(key: str, *names: str) -> Schema:
    """`key` is there as a mapping that has `names`."""
    return {
        "required": [key],
        "properties": {key: {"type": "object", "required": list(names)}},
    }


def _exclusions() -> list[Schema]:
    """What is held at a value is not searched, and `layers` leaves no depth or units to search."""
    found = []
    for name, parameter in CATALOGUE.items():
        searched = ("depth", "units") if parameter.kind == "layers" else (name,)
        refused = {"properties": dict.fromkeys(searched, False)}
        found.append({"if": _has("fixed", name), "then": {"properties": {"space": refused}}})
    return found


def _momentum() -> list[Schema]:
    """Momentum needs a sweep in which the optimizer can be sgd."""
    sgd = {"const": "sgd"}
    among: list[Schema] = [
        {"type": "array", "contains": sgd},
        {"type": "object", "properties": {"values": {"contains": sgd}}},
    ]
    possible = {
        "anyOf": [
            {"required": [key], "properties": {key: {"required": ["optimizer"], **schema}}}
            for key, schema in (
                ("fixed", {"properties": {"optimizer": sgd}}),
                ("space", {"properties": {"optimizer": {"anyOf": among}}}),
            )
        ]
    }
    return [{"if": _has(key, "momentum"), "then": possible} for key in ("space", "fixed")]


def _grid() -> Schema:
    """A grid needs to know the points of every range."""
    known = {"anyOf": [{"required": ["steps"]}, {"required": ["step"]}]}
    ranged: Schema = {"type": "object", "required": ["min"]}
    spread = {**ranged, "required": ["min", "log"], "properties": {"log": {"const": True}}}
    entries = {
        name: {"if": spread if p.kind == "int" else ranged, "then": known}
        for name, p in CATALOGUE.items()
        if p.numeric
    }
    return {
        "if": {"required": ["sampler"], "properties": {"sampler": {"const": "grid"}}},
        "then": {"properties": {"space": {"properties": entries}}},
    }


def _comparison() -> list[Schema]:
    """What is compared needs variants, figures of the test split, and gradients where they tell."""
    on_test = {"required": ["test"], "properties": {"test": {"const": "compare"}}}
    noted = {"contains": {"const": "gradients"}}
    several = {
        "required": ["seeds"],
        "properties": {"seeds": {"type": "integer", "minimum": 2}},
    }
    needs: list[tuple[Schema, Schema]] = [
        (_asks(CAUSES), {"required": ["diagnostics"], "properties": {"diagnostics": noted}}),
        (_asks(*(f for f in FIGURES if f.startswith("test_"))), on_test),
        (several, _filled("variants")),
        (on_test, _filled("variants")),
        (on_test, {"properties": {"validation": {"not": {"const": "test"}}}}),
    ]
    return [{"if": asked, "then": needed} for asked, needed in needs]


def _asks(*figures: str) -> Schema:
    """A question is answered by one of these."""
    entry = {"type": "object", "required": ["by"], "properties": {"by": {"enum": list(figures)}}}
    asked = {"type": "array", "contains": entry}
    return {"required": ["questions"], "properties": {"questions": asked}}
