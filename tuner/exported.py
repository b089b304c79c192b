"""What lies beside an exported model, and what it says.

    fashion-trial-35.keras             the model
    fashion-trial-35.json              what `tuner predict` has to know of it: an `ExportedModel`
    fashion-trial-35.vocabulary.json   of models that read text: the word of each column
    fashion-trial-35.md                the model card, for people

The rule: the files share the model's name up to its ending, so that they are moved together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from tuner.errors import StudyError

SCHEMA = 1
ENDING = ".keras"


@dataclass(frozen=True)
class ExportedModel:
    """What is known of an exported model.

    Attributes:
        study, trial, variant: where it comes from.
        dataset: the data set's name.
        kind: `image`, `table` or `text`.
        class_names: one a label, in the order of the model's outputs; for two classes the model has
            one output, the probability of the second.
        input_shape: of one row.
        dtype: of the rows that it was trained on, as numpy spells it.
        scale: by what the model divides them; for images also the brightest pixel.
        fingerprint: of the data.
        epoch: whose weights these are, 1-based.
        metrics: the figures of that epoch, null where unmeasured.
        sha256: of the model's file.
        vocabulary: name of the file with the words, beside this one, or None.
        edge: of images, the mean brightness of their border in the training rows, 0 to 1, or None.
        encoder: of data of the user's own, how columns of a table become features, or what the
            column with texts is called (`data.encoding`); None for a named data set.
        details: params, targets, verdict, confirmation, test, split, seed and versions, for people
            and programs; nothing here reads them.
    """

    study: str
    trial: int
    variant: str | None
    dataset: str
    kind: str
    class_names: tuple[str, ...]
    input_shape: tuple[int, ...]
    dtype: str
    scale: float
    fingerprint: str
    epoch: int
    metrics: dict[str, float | None]
    sha256: str
    vocabulary: str | None = None
    edge: float | None = None
    encoder: dict[str, Any] | None = None
    details: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> ExportedModel:
        """The inverse of `to_json`; raises KeyError, TypeError or ValueError for anything else.

        What an older export did not write is at its default.
        """
        if raw["schema"] != SCHEMA:
            raise ValueError(f"schema {raw['schema']!r}, but {SCHEMA} is known")
        needed = {
            f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING
        }
        names = [f.name for f in fields(cls) if f.name in needed or f.name in raw]
        values = {name: raw[name] for name in names}
        values["class_names"] = tuple(map(str, values["class_names"]))
        values["input_shape"] = tuple(map(int, values["input_shape"]))
        values["scale"] = float(values["scale"])
        if not isinstance(values.get("encoder"), dict | None):
            raise ValueError("its encoder is no mapping")
        return cls(**values)


def sidecar_of(model: Path) -> Path:
    """The description of the model in that file."""
    return model.with_suffix(".json")


def vocabulary_of(model: Path) -> Path:
    """The words of the model in that file."""
    return model.with_suffix(".vocabulary.json")


def card_of(model: Path) -> Path:
    """The model card of the model in that file."""
    return model.with_suffix(".md")


def read_description(sidecar: Path) -> ExportedModel:
    """The description in that file.

    Raises:
        StudyError: it is missing or holds something else.
    """
    try:
        return ExportedModel.from_json(json.loads(sidecar.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise StudyError(
            f"{sidecar} is missing: it says what the model's outputs mean.\n"
            "`tuner export` writes it beside the model; keep the two together."
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(
            f"{sidecar} does not describe a model ({error!r}).\nExport the model again."
        ) from error


def read_vocabulary(description: ExportedModel, folder: Path) -> tuple[str, ...] | None:
    """The word of each column of a model that reads text, from the file in `folder`; else None.

    Raises:
        StudyError: the file is missing or holds something else.
    """
    if description.vocabulary is None:
        return None
    file = folder / Path(description.vocabulary).name
    try:
        words = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StudyError(
            f"{file} cannot be read: it holds the words that the model knows.\n"
            "`tuner export` writes it beside the model; keep them together."
        ) from error
    if not isinstance(words, list) or len(words) != description.input_shape[0]:
        raise StudyError(f"{file} is not the list of words.\nExport the model again.")
    return tuple(map(str, words))
