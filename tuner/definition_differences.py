"""In which parts two sweeps are not the same study, a line for each, for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """One line for each part in which two identities differ, `space.l2: … → …`."""
    lines: list[str] = []
    for key in dict.fromkeys([*new, *old]):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if isinstance(before, Mapping) and isinstance(after, Mapping) and key != "early_stopping":
            for part in dict.fromkeys([*after, *before]):
                one, two = before.get(part), after.get(part)
                if one != two:
                    words = f"{_words(key, one)} → {_words(key, two)}"
                    lines.append(f"{key}.{part}: {words}")
        else:
            lines.append(f"{key}: {_words(key, before)} → {_words(key, after)}")
    return lines


def _words(key: str, value: Any) -> str:
    """One side of a difference, for a person."""
    if value is None:
        return {"space": "not searched", "fixed": "not fixed"}.get(key, "none")
    if key == "space" and isinstance(value, Mapping):
        return _domain_words(value)
    if key == "data" and isinstance(value, str):
        return value[:12]
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {v}" for k, v in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(str(v) for v in value) or "none"
    return str(value)


def _domain_words(raw: Mapping[str, Any]) -> str:
    if "values" in raw:
        text = f"[{', '.join(str(v) for v in raw['values'])}]"
    else:
        text = f"{raw.get('min')}..{raw.get('max')}"
    for key, value in raw.items():
        if key == "log":
            text += " log"
        elif key in ("step", "steps", "or"):
            text += f" {key} {value}"
    conditions = raw.get("when", {})
    if conditions:
        parts = [f"{p} is {' or '.join(str(v) for v in vs)}" for p, vs in conditions.items()]
        text += f" when {' and '.join(parts)}"
    return text
