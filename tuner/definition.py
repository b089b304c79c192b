"""Sweep definitions: found by name, read, changed by the command line, checked, and compared.

A `SweepDefinition` is always sound: `load` and `parse` raise one `DefinitionError` that holds all
mistakes, those of overrides included, because overrides are applied before anything is checked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from tuner.asked import Asked, in_space
from tuner.definition_checks import check
from tuner.definition_differences import differences
from tuner.definition_overrides import Overrides, apply
from tuner.definition_yaml import read
from tuner.errors import DefinitionError, StudyError, UsageError, nearest
from tuner.parameters import epochs_of, is_own, show
from tuner.questions import Question
from tuner.reading import Reading, name_of
from tuner.space import Range, Space, grid
from tuner.targets import Target
from tuner.trial import EarlyStopping, EpochRule, Params, SplitSpec

__all__ = [
    "Overrides",
    "SweepDefinition",
    "available",
    "differences",
    "find",
    "identity",
    "load",
    "parse",
    "refuse_another",
    "restore",
]

COMPARING = ("seeds", "test", "diagnostics", "questions")
"""Keys that say what is compared and looked at; like variants, they may change as it goes on."""

ENGINE_BEFORE = "fit"
"""What holds for studies from before there was a choice of engines."""


@dataclass(frozen=True)
class SweepDefinition:
    """One sweep, checked.

    Attributes:
        name: the file's name without its ending.
        source: the path it was read from, or `built-in`.
        dataset: a data set's name or a path; whether it exists is the registry's business.
        model: `mlp`, `cnn`, or one of the user's own as `package.module:attribute`.
        epochs: of a full trial, >= 1.
        epoch: which epoch stands for a trial.
        trials: logical trials of the study, variants included, >= 1.
        split: how validation rows are chosen; its seed is `seed`.
        sampler: `tpe`, `random`, `qmc` or `grid`.
        pruner: `overfit`, `percentile`, `median`, `halving` or `none`.
        seed: of the study, 0 to 2³² - 1.
        targets: at least one, without contradictions.
        space: the searched parameters; empty where only variants are compared.
        fixed: values that hold for every trial, as given.
        variants: complete configurations by name, in the file's order.
        early_stopping: or None.
        engine: `compiled` (a whole epoch as one compiled function) or `fit` (Keras's `model.fit`).
        seeds: trainings of each variant, on seeds that all of them share, >= 1.
        test: `compare` (variants on the test split, once all trials are there) or None.
        diagnostics: some of `gradients`, `misclassified` and `curves`.
        questions: what the variants are to answer.
        asked: what a model of the user's own asks for; in `space`, unless it is fixed.
        reading: how data of the user's own is read.
    """

    name: str
    source: str
    dataset: str
    model: str
    epochs: int
    epoch: EpochRule
    trials: int
    split: SplitSpec
    sampler: str
    pruner: str
    seed: int
    targets: tuple[Target, ...]
    space: Space
    fixed: Params = field(default_factory=dict)
    variants: dict[str, Params] = field(default_factory=dict)
    early_stopping: EarlyStopping | None = None
    engine: str = "compiled"
    seeds: int = 1
    test: Literal["compare"] | None = None
    diagnostics: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    asked: tuple[Asked, ...] = ()
    reading: Reading = field(default_factory=Reading)

    @property
    def searches(self) -> bool:
        """Whether it has trials beside its variants; a model of one's own may ask at any time."""
        return bool(self.space.parameters) or is_own(self.model)

    @property
    def data_name(self) -> str:
        """The data set's name for a person: of a path its last part, without ending."""
        return name_of(self.dataset)

    @property
    def epochs_text(self) -> str:
        """Epochs of a full trial, over the whole sweep: `30`, or `10 to 60`."""
        usual = epochs_of(self.fixed, self.epochs)
        found = {epochs_of(params, usual) for params in self.variants.values()}
        searched = self.space.get("epochs")
        if searched is None:
            found |= {usual} if self.space.parameters else set()
        elif isinstance(searched.domain, Range):
            ends = (searched.domain.low, searched.domain.high, searched.domain.alternative)
            found |= {int(end) for end in ends if isinstance(end, int | float)}
        else:
            found |= {epochs_of({"epochs": value}, usual) for value in searched.domain.values}
        low, high = min(found), max(found)
        return f"{low}" if low == high else f"{low} to {high}"

    def to_json(self) -> dict[str, Any]:
        """The same as keys of a sweep file: `parse` of its JSON text gives this definition back."""
        raw: dict[str, Any] = {
            "dataset": self.dataset,
            **self.reading.to_json(),
            "model": self.model,
            "engine": self.engine,
            "epochs": self.epochs,
            "epoch": self.epoch,
            "trials": self.trials,
            "split": "tail" if self.split.kind == "tail" else "stratified",
            "validation": "test" if self.split.kind == "test" else self.split.fraction,
            "sampler": self.sampler,
            "pruner": self.pruner,
            "seed": self.seed,
            "targets": [target.text for target in self.targets],
            "space": without(self.space, self.asked).to_json(),
            "fixed": self.fixed,
            "variants": self.variants,
        }
        if self.early_stopping is not None:
            raw["early_stopping"] = asdict(self.early_stopping)
        if self.seeds > 1:
            raw["seeds"] = self.seeds
        if self.test is not None:
            raw["test"] = self.test
        if self.diagnostics:
            raw["diagnostics"] = list(self.diagnostics)
        if self.questions:
            raw["questions"] = [question.to_json() for question in self.questions]
        return raw

    def to_record(self) -> dict[str, Any]:
        """What a study keeps, for `restore`: `to_json`, and what the model asks for."""
        asked = {"asked": [one.to_json() for one in self.asked]} if self.asked else {}
        return {**self.to_json(), **asked}


# --- finding ----------------------------------------------------------------------------------


def shipped() -> Path:
    """The folder of the definitions that come with the package."""
    package = Path(__file__).parent
    installed = package / "sweeps"
    return installed if installed.is_dir() else package.parent / "sweeps"


def available(folder: Path) -> dict[str, Path]:
    """Definitions by name, sorted: the shipped ones, and over them those in `folder`/sweeps."""
    found: dict[str, Path] = {}
    for place in (shipped(), folder / "sweeps"):
        for ending in ("*.yml", "*.yaml"):
            found.update((path.stem, path) for path in place.glob(ending) if path.is_file())
    return dict(sorted(found.items()))


def find(name: str, folder: Path) -> Path:
    """The file that `name` stands for, seen from the working directory `folder`.

    A path that ends in .yaml or .yml is taken as it is; then come the names of available
    definitions, then any other file that exists.

    Raises:
        UsageError: there is none; the message lists those there are.
    """
    path = folder / name
    known = available(folder)
    as_path = path.suffix in (".yaml", ".yml")
    if not as_path and name in known:
        return known[name]
    try:
        if path.is_file():
            return path
    except OSError:  # a name longer than the file system takes
        pass
    if as_path:
        raise UsageError(f"{name}: no such file{nearest(path.stem, known)}")
    listed = ", ".join(known) or "none"
    raise UsageError(
        f"no sweep is called {show(name)}{nearest(name, known)}\n"
        f"known are {listed}; a file of your own is named by its path, such as sweeps/own.yaml"
    )


# --- reading ----------------------------------------------------------------------------------


def load(path: Path, overrides: Overrides | None = None) -> SweepDefinition:
    """Read, change by `overrides` and check the file at `path`.

    Raises:
        DefinitionError: every mistake of the file and the overrides, each with its place.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"byte {error.start + 1}: is not UTF-8 text; save the file as UTF-8"
        raise DefinitionError(str(path), [problem]) from None
    except OSError as error:
        raise DefinitionError(str(path), [f"cannot be read: {error.strerror}"]) from None
    definition = parse(text, str(path), path.stem, overrides)
    built_in = path.resolve().parent == shipped().resolve()
    return replace(definition, source="built-in") if built_in else definition


def parse(
    text: str, source: str, name: str, overrides: Overrides | None = None, kept: bool = False
) -> SweepDefinition:
    """The definition that YAML `text` describes; `source` is what errors name.

    What a study has `kept` may hold names of variants that are refused by now.

    Raises:
        DefinitionError: as for `load`.
    """
    raw, problems = read(text)
    if raw is None and not problems.found:
        problems.add((), "the file is empty; the least is dataset, targets and space")
    elif raw is not None and not isinstance(raw, dict):
        problems.add((), f"must be keys such as `dataset: digits`, not {show(raw)}")
    if not isinstance(raw, dict):
        raise DefinitionError(source, problems.sorted())
    apply(raw, problems, overrides or Overrides())
    model, draft = check(raw, problems, kept)
    if problems.found or model is None:
        raise DefinitionError(source, problems.sorted())
    stopping = model.early_stopping
    test = model.validation == "test"
    searches = bool(draft.space.parameters) or is_own(model.model)
    trials = model.trials if searches else min(model.trials, len(draft.variants))
    return SweepDefinition(
        name=name,
        source=source,
        dataset=model.dataset,
        model=model.model,
        epochs=model.epochs,
        epoch=model.epoch,
        trials=trials,
        split=SplitSpec(
            kind="test" if test else model.split,
            fraction=SplitSpec.fraction if model.validation == "test" else model.validation,
            seed=model.seed,
        ),
        sampler=model.sampler,
        pruner=model.pruner,
        seed=model.seed,
        targets=draft.targets,
        space=draft.space,
        fixed=draft.fixed,
        variants=draft.variants,
        early_stopping=EarlyStopping(stopping.monitor, stopping.patience) if stopping else None,
        engine="fit" if is_own(model.model) else model.engine,
        seeds=model.seeds,
        test=model.test,
        diagnostics=tuple(dict.fromkeys(model.diagnostics)),
        questions=draft.questions,
        reading=draft.reading,
    )


def restore(
    raw: Mapping[str, Any], study: str, overrides: Overrides | None = None
) -> SweepDefinition:
    """The definition that a study keeps as `to_record`, changed by `overrides`.

    A study that was kept before there was a choice of engines was trained by `fit`.
    """
    # Not escaped: YAML reads the two halves of an escaped emoji as two characters.
    keys = {key: value for key, value in raw.items() if key != "asked"}
    if is_own(str(raw.get("model"))):
        keys.pop("engine", None)
    else:
        keys = {"engine": ENGINE_BEFORE, **keys}
    text = json.dumps(keys, ensure_ascii=False)
    found = parse(text, f"study {study}", study, overrides, kept=True)
    return asking(found, [Asked.from_json(one) for one in raw.get("asked", ())])


def asking(definition: SweepDefinition, asked: Iterable[Asked]) -> SweepDefinition:
    """The definition with what its model asks for in its space, but for what is fixed.

    Raises:
        UsageError: a grid cannot be made of it.
    """
    asked = tuple(asked)
    own = without(definition.space, definition.asked).parameters
    held = {*definition.fixed, *(parameter.name for parameter in own)}
    space = Space((*own, *in_space(asked, held)), definition.model)
    if asked and definition.sampler == "grid":
        try:
            grid(space, definition.fixed)
        except ValueError as error:
            raise UsageError(
                f"{definition.name}: no grid can be made of what the model asks for: {error}.\n"
                "Use another sampler, or hold it under fixed."
            ) from error
    return replace(definition, space=space, asked=asked)


def without(space: Space, asked: Iterable[Asked]) -> Space:
    """The space without what a model asks for: what the sweep file itself searches."""
    names = {one.name for one in asked}
    return Space(tuple(p for p in space.parameters if p.name not in names), space.model)


# --- comparing --------------------------------------------------------------------------------


def identity(definition: SweepDefinition, fingerprint: str) -> dict[str, Any]:
    """What makes two sweeps the same study, as plain JSON.

    The order of keys in the file, the writing of its numbers, its name, the number of trials and
    the variants have no part in it; the order of targets neither.
    """
    return {
        "data": fingerprint,
        "model": definition.model,
        "engine": definition.engine,
        "epochs": definition.epochs,
        "epoch": definition.epoch,
        "split": asdict(definition.split),
        "space": definition.space.to_json(),
        "fixed": dict(sorted(definition.fixed.items())),
        "sampler": definition.sampler,
        "pruner": definition.pruner,
        "seed": definition.seed,
        "early_stopping": definition.early_stopping and asdict(definition.early_stopping),
        "targets": sorted(target.text for target in definition.targets),
    }


def refuse_another(study: str, known: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise StudyError, naming what differs, where a study's identity is not the wanted one.

    An identity without an engine is from before there was a choice: it is that of `fit`.
    """
    changed = differences({"engine": ENGINE_BEFORE, **known}, json.loads(json.dumps(wanted)))
    if changed:
        raise StudyError(
            f"study {study} exists with another definition: {'; '.join(changed)}.\n"
            f"Give the new one a name of its own: --name {study}-2"
        )
