"""The structure of a sweep file as pydantic models, and their errors in a person's words.

Only names, types and lone bounds are judged here; `definition_checks` knows what values mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from tuner.definition_yaml import KeyPath, Problems
from tuner.errors import nearest
from tuner.parameters import show
from tuner.reading import LARGEST, WORDS

_Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
_Count = Annotated[int, Field(ge=1, le=1_000_000)]
_Side = Annotated[int, Field(ge=1, le=LARGEST)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class EarlyStoppingModel(_Strict):
    """The mapping under `early_stopping`."""

    monitor: Literal["val_loss", "val_accuracy"] = Field(
        default="val_loss", description="val_loss or val_accuracy"
    )
    patience: _Count = Field(description="a number of epochs, 1 or more")


class QuestionModel(_Strict):
    """One entry of `questions`."""

    ask: _Word = Field(description="the question in words")
    of: _Word | Annotated[list[_Word], Field(min_length=1)] = Field(
        description="the name of a variant, a list of names, or search"
    )
    than: _Word | Annotated[list[_Word], Field(min_length=1)] = Field(
        default_factory=list, description="the name of a variant, or a list of names"
    )
    by: _Word = Field(
        default="targets",
        description="targets, causes, a figure such as val_loss, or epochs to a target",
    )


class FileModel(_Strict):
    """The top level of a sweep file. A field's description says what it accepts."""

    dataset: _Word = Field(
        description="the name of a data set, such as digits, or a path to data of your own"
    )
    label: _Word | None = Field(default=None, description="the name of a column")
    text: _Word | None = Field(default=None, description="the name of a column")
    words: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=WORDS, description="a whole number from 1 to 100000"
    )
    missing: Literal["refuse", "impute", "drop"] = Field(
        default="refuse", description="refuse, impute or drop"
    )
    image_size: Annotated[list[_Side], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="a height and a width in pixels, such as [32, 32]"
    )
    colour: Literal["grey", "rgb"] | None = Field(default=None, description="grey or rgb")
    ignore: list[_Word] = Field(default_factory=list, description="a list of names of columns")
    model: _Word = Field(
        default="mlp", description="mlp, cnn, or a model of your own as package.module:attribute"
    )
    engine: Literal["compiled", "fit"] = Field(default="compiled", description="compiled or fit")
    epochs: _Count = Field(default=30, description="a whole number from 1 to 1000000")
    epoch: Literal["best", "last"] = Field(default="best", description="best or last")
    trials: _Count = Field(default=50, description="a whole number from 1 to 1000000")
    split: Literal["stratified", "tail"] = Field(
        default="stratified", description="stratified or tail"
    )
    validation: Annotated[float, Field(gt=0, lt=1)] | Literal["test"] = Field(
        default=0.2, description="a share between 0 and 1 such as 0.2, or test"
    )
    sampler: Literal["tpe", "random", "qmc", "grid"] = Field(
        default="tpe", description="one of tpe, random, qmc, grid"
    )
    pruner: Literal["overfit", "percentile", "median", "halving", "none"] = Field(
        default="overfit", description="one of overfit, percentile, median, halving, none"
    )
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(
        default=0, description="a whole number from 0 to 4294967295"
    )
    targets: list[Any] | _Word = Field(
        description="a list of targets such as `val_accuracy >= 0.9`"
    )
    space: dict[str, Any] = Field(
        default_factory=dict, description="a mapping from parameters to what is tried"
    )
    fixed: dict[str, Any] = Field(
        default_factory=dict, description="a mapping from parameters to values"
    )
    variants: dict[str, Any] = Field(
        default_factory=dict, description="a mapping from names to configurations"
    )
    early_stopping: EarlyStoppingModel | None = Field(
        default=None, description="a mapping such as {monitor: val_loss, patience: 5}"
    )
    seeds: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=1, description="a whole number from 1 to 1000"
    )
    test: Literal["compare"] | None = Field(default=None, description="compare")
    diagnostics: list[Literal["gradients", "misclassified", "curves"]] = Field(
        default_factory=list, description="a list with some of gradients, misclassified and curves"
    )
    questions: list[Any] = Field(
        default_factory=list, description="a list of questions, each with `ask` and `of`"
    )


class DomainModel(_Strict):
    """One entry of `space`. It only judges: defaults of what is left out are not read."""

    min: Any = None
    max: Any = None
    log: bool = Field(default=False, description="true or false")
    step: Any = None
    steps: Annotated[int, Field(ge=2, le=100_000)] = Field(
        default=2, description="a number of grid points, from 2 to 100000"
    )
    otherwise: Any = Field(default=None, alias="or")
    values: Annotated[list[Any], Field(min_length=1)] = Field(
        default_factory=list, description="a list with at least one value"
    )
    when: Annotated[dict[str, Any], Field(min_length=1)] = Field(
        default_factory=dict, description="a mapping from a parameter to its value or values"
    )


# What other tools call our keys; the words follow "unknown key; ".
FOREIGN_TOP = {
    "method": "the sampler is named by `sampler`: tpe, random, qmc or grid",
    "algorithm": "the sampler is named by `sampler`: tpe, random, qmc or grid",
    "search_alg": "the sampler is named by `sampler`: tpe, random, qmc or grid",
    "tuner": "the sampler is named by `sampler`: tpe, random, qmc or grid",
    "metric": "what to reach stands under `targets`: - val_accuracy >= 0.9",
    "goal": "what to reach stands under `targets`: - val_accuracy >= 0.9",
    "objective": "what to reach stands under `targets`: - val_accuracy >= 0.9",
    "target": "write `targets`, a list",
    "parameters": "the search space is `space`; values that stay are `fixed`",
    "search_space": "the search space is `space`",
    "param_space": "the search space is `space`",
    "config": "the search space is `space`; values that stay are `fixed`",
    "early_terminate": "stopping poor trials is `pruner: overfit`",
    "earlyStopping": "stopping poor trials is `pruner`; Keras's own is `early_stopping`",
    "scheduler": "stopping poor trials is `pruner: overfit`",
    "run_cap": "the number of trials is `trials`",
    "count": "the number of trials is `trials`",
    "n_trials": "the number of trials is `trials`",
    "num_trials": "the number of trials is `trials`",
    "max_trials": "the number of trials is `trials`",
    "num_samples": "the number of trials is `trials`",
    "maxTrialCount": "the number of trials is `trials`",
    "maxFailedTrialCount": "leave it out; a trial that fails is tried three times by itself",
    "parallelTrialCount": "leave it out; the command line has `--workers`",
    "max_concurrent_trials": "leave it out; the command line has `--workers`",
    "executions_per_trial": "leave it out; `tuner confirm` repeats the winners on fresh seeds",
    "max_epochs": "the epochs of a trial are `epochs`",
    "program": "leave it out; `model` says what is trained",
    "command": "leave it out; `model` says what is trained",
    "name": "leave it out; the file's name is the sweep's, `--name` names a study",
    "project": "leave it out; `--name` names a study",
    "labels": "the column with the answer is named by `label`",
    "color": "write `colour`: grey or rgb",
    "size": "the size of pictures is `image_size`: [height, width]",
    "drop": "columns that are left out are named by `ignore`",
    "question": "write `questions`, a list",
    "repeats": "trainings of each variant are `seeds`",
}
FOREIGN_DOMAIN = {
    "value": "a value that stays belongs under `fixed`",
    "default": "leave it out; a parameter that is not searched is set under `fixed`",
    "distribution": "leave it out; `log: true` makes a range logarithmic",
    "sampling": "leave it out; `log: true` makes a range logarithmic",
    "scale": "leave it out; `log: true` makes a range logarithmic",
    "type": "leave it out; the parameter knows its type",
    "parameterType": "leave it out; the parameter knows its type",
    "feasibleSpace": "write its keys here: min, max or values",
    "low": "write `min`",
    "lower": "write `min`",
    "min_value": "write `min`",
    "high": "write `max`",
    "upper": "write `max`",
    "max_value": "write `max`",
    "choices": "write `values`",
    "categories": "write `values`",
    "list": "write `values`",
    "q": "write `step`",
    "condition": "write `when: {optimizer: sgd}`",
    "parent": "write `when: {optimizer: sgd}`",
}


def plain_schema(found: Mapping[str, Any]) -> dict[str, Any]:
    """What pydantic says of a key as JSON Schema, without titles and the null of what is left out.

    A default of null goes as well: it is that of a key that is not there.
    """
    kept = {k: v for k, v in found.items() if k not in ("title", "description", "$ref")}
    if kept.get("default", 0) is None:
        del kept["default"]
    kinds = [kind for kind in kept.get("anyOf", []) if kind != {"type": "null"}]
    if len(kinds) == 1:
        del kept["anyOf"]
        kept = {**kinds[0], **kept}
    return kept


def structure(
    model: type[BaseModel],
    raw: Mapping[str, Any],
    path: KeyPath,
    foreign: Mapping[str, str],
    problems: Problems,
) -> dict[str, Any]:
    """The sound fields of `raw` by alias, as given; a line for each of the others."""
    fields = {f.alias or name: f for name, f in model.model_fields.items()}
    try:
        model.model_validate(raw)
    except ValidationError as error:
        wrong: dict[str, str] = {}
        for entry in error.errors(include_url=False, include_context=False):
            wrong.setdefault(str(entry["loc"][0]), entry["type"])
        for name, kind in wrong.items():
            here = (*path, name)
            if name == "early_stopping" and isinstance(raw.get(name), Mapping):
                structure(EarlyStoppingModel, raw[name], here, {}, problems)
            elif kind == "extra_forbidden":
                hint = f"; {foreign[name]}" if name in foreign else nearest(name, fields)
                known = "" if hint else f"; known are {', '.join(fields)}"
                problems.add(here, f"unknown key{hint}{known}")
            elif kind == "missing":
                problems.add(here, f"is missing; give {fields[name].description}")
            else:
                allowed = fields[name].description
                problems.add(here, f"must be {allowed}, not {show(raw[name])}")
        return {key: value for key, value in raw.items() if key not in wrong}
    return dict(raw)
