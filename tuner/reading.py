"""How data of a user's own is to be read: what a sweep file and the command line can say of it.

The rule: what is not said is inferred from the data and shown by `tuner data`; nothing here is part
of a study's identity, because the fingerprint of the arrays says what came of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import PurePath
from typing import Any, Literal, get_args

NAMED = ("digits", "mnist", "fashion", "imdb")
"""Data sets that have a name; whatever else `dataset` holds is a path. A test holds it against
`data.registry`, which this room cannot see."""

WORDS = 10_000
LARGEST = 4096
"""Pixels along one side of a picture."""

Missing = Literal["refuse", "impute", "drop"]
Colour = Literal["grey", "rgb"]


@dataclass(frozen=True)
class Reading:
    """What is said of a path; the defaults leave all to the data.

    Attributes:
        label: column of a table with the answer.
        text: column of a table with texts.
        words: how many words of texts are kept at most.
        missing: what becomes of missing values: refused, imputed, or their rows left out.
        image_size: height and width that pictures of a folder are brought to.
        colour: `grey` or `rgb` pictures, whatever the files are.
        ignore: columns of a table that are left out.
    """

    label: str | None = None
    text: str | None = None
    words: int = WORDS
    missing: Missing = "refuse"
    image_size: tuple[int, int] | None = None
    colour: Colour | None = None
    ignore: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What differs from the defaults, as keys of a sweep file."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        default = Reading()
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in found.items()
            if value != getattr(default, name)
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Reading:
        """The inverse of `to_json`; other keys, such as a whole sweep file's, are passed over."""
        known = {f.name: raw[f.name] for f in fields(cls) if raw.get(f.name) is not None}
        for name in ("image_size", "ignore"):
            if name in known:
                known[name] = tuple(known[name])
        return cls(**known)

    @property
    def given(self) -> tuple[str, ...]:
        """Names of the keys that are not at their default."""
        return tuple(self.to_json())

    def contradictions(self) -> list[tuple[str, str]]:
        """What cannot hold together: the key that is to blame, and why."""
        found = []
        if self.label is not None and self.label == self.text:
            found.append(("text", f"{self.text} is the label already"))
        for key, name in (("label", self.label), ("text", self.text)):
            if name is not None and name in self.ignore:
                found.append(("ignore", f"{name} is the {key} column; keep one of the two"))
        return found


KEYS = tuple(f.name for f in fields(Reading))
MISSING: tuple[Missing, ...] = get_args(Missing)
COLOURS: tuple[Colour, ...] = get_args(Colour)


def is_path(dataset: str) -> bool:
    """Whether `dataset` is a path to data of the user's own rather than a data set's name."""
    return dataset not in NAMED


def name_of(dataset: str) -> str:
    """What a data set is called in tables and pages: a path by its last part without ending."""
    if not is_path(dataset):
        return dataset
    path = PurePath(dataset.replace("\\", "/"))
    ending = path.suffix.lower() in (".npz", ".csv", ".tsv", ".parquet")
    return (path.stem if ending else path.name) or dataset


def options_of(reading: Reading) -> list[str]:
    """What a reading says, as it would be typed on the command line."""
    found: list[str] = []
    for key, value in reading.to_json().items():
        option = f"--{key.replace('_', '-')}"
        if key == "image_size":
            found += [option, f"{value[0]}x{value[1]}"]
        elif key == "ignore":
            found += [word for column in value for word in (option, column)]
        else:
            found += [option, str(value)]
    return found


def file_name(name: str) -> str:
    """A data set's name as that of a sweep or a file: letters, digits, `-`, `_` and `.`."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")[:60] or "data"
