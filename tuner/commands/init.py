"""`tuner init`: a definition to start from, with a comment on every key.

The values are those of the data set's shipped definition, so that the file works as it is written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import click
import yaml

from tuner import definition as definitions
from tuner.commands.init_own import (
    first_epochs,
    first_space,
    first_targets,
    reading_lines,
    scalar,
)
from tuner.data.obtain import obtain
from tuner.data.own import find
from tuner.data.registry import ENTRIES, names
from tuner.definition import SweepDefinition
from tuner.definition_reference import schema_text
from tuner.errors import DataError, UsageError, WorkspaceError
from tuner.reading import Reading, is_path, options_of
from tuner.targets import parse_targets, unique
from tuner.workspace import Workspace, write_aside

SCHEMA = "sweep.schema.json"
TRIALS = 30
"""Of a first sweep on data that nobody has tried."""

HEAD = Template(
    """# yaml-language-server: $$schema=$schema
# The sweep $name$origin.
#
#   tuner sweep $name --dry-run        what would be tried
#   tuner sweep $name                  search
#   tuner sweep $name --trials 10      the same, shorter

"""
)

BODY = Template(
    """dataset: $dataset # $description
model: mlp                # mlp: perceptron | cnn: for images | package.module:attribute: your own
engine: compiled          # compiled: fast | fit: plain Keras model.fit, the reference
epochs: $epochs # passes over the training rows in a full trial
epoch: best               # best | last: which epoch's figures and weights stand for a trial
trials: $trials # configurations trained in all, variants included
split: stratified         # how validation rows are cut from training rows: stratified | tail
validation: 0.2           # their share
sampler: tpe              # who proposes configurations: tpe | random | qmc | grid
pruner: overfit           # who stops poor ones: overfit | percentile | median | halving | none
seed: 0                   # the same seed proposes the same configurations
# early_stopping: {monitor: val_loss, patience: 5}       # stop a trial when this stands still

# A configuration meets the targets when one and the same epoch meets all of them. Metrics:
# val_accuracy, train_accuracy, val_loss, train_loss, accuracy_gap (train - val), parameters, and
# with the same weight for every class val_balanced_accuracy, val_macro_f1.
targets:
$targets

# What is tried. `values` are tried as they are; a range is `min` to `max`, where `log` spreads over
# orders of magnitude, `or` adds one value beside it, and `when` leaves a parameter out unless
# another one has that value. Leave a line out to keep the default.
space:
$space

# Held at one value: `activation: tanh`, say, or `layers: [128, 64]` in place of depth and units.
fixed: {}

# Configurations with a name, trained first, to compare the others with.
variants:
  baseline: {l2: 0, dropout: 0}

# Variants can be compared with each other, on several seeds, by questions that are answered first:
# seeds: 5                                               # trainings of each variant
# test: compare                                          # their figures on the test split, too
# diagnostics: [gradients, misclassified, curves]        # what is kept beside the figures
# questions:
#   - ask: Does the baseline meet the targets?
#     of: baseline             # than: another      by: val_accuracy    compares two
"""
)

PARAMETERS = {
    "l2": "penalty on large weights",
    "dropout": "share of outputs dropped",
    "batch_size": "rows in one step",
    "optimizer": "",
    "momentum": "",
    "depth": "hidden layers",
    "units": "width of every hidden layer",
    "learning_rate": "",
    "schedule": "cosine: decays to 0 at the end",
    "batch_norm": "also: after_activation",
    "activation": "",
    "initializer": "what draws the kernels: glorot_uniform | he_normal | zeros",
    "loss": "categorical_crossentropy: one-hot labels",
    "epochs": "of a trial, in place of the key above",
    "patience": "epochs without a lower val_loss that end a trial",
}
"""What may stand in `space`, in the order in which a person looks for it."""


def run_init(
    folder: Path,
    name: str,
    dataset: str | None,
    start: str | None,
    targets: Sequence[str],
    force: bool,
    reading: Reading | None = None,
    data_dir: Path | None = None,
) -> int:
    """Write `folder`/sweeps/`name`.yaml and the schema beside it; returns 0.

    Args:
        folder: the working directory.
        name: of the sweep.
        dataset: a data set's name, a path to data of the user's own, or None.
        start: a definition whose text is copied instead, or None.
        targets: target texts that replace those of the model.
        force: replace a file that is there.
        reading: how data of the user's own is read, or None.
        data_dir: where paths are looked up that do not lead anywhere from `folder`, or None.
    """
    reading = reading or Reading()
    _check_name(name)
    file = folder / "sweeps" / f"{name}.yaml"
    if file.exists() and not force:
        raise UsageError(f"{file} exists already: take another name, or replace it by --force.")
    if start is not None and dataset is not None:
        raise UsageError("--from copies a definition with its data set: leave --dataset out.")
    if options := options_of(reading):
        if start is not None:
            raise UsageError(f"--from copies a definition: write `{options[0][2:]}` in the copy.")
        if not is_path(dataset or name):
            raise UsageError(f"{options[0]} is for data of your own: name it by --dataset PATH.")
    asked = unique(target for text in targets for target in parse_targets(text))
    wanted = [target.text for target in asked]
    if start is not None:
        source = definitions.find(start, folder)
        text = _copied(source.read_text(encoding="utf-8-sig"), wanted)
    elif dataset is not None and is_path(dataset):
        text = _text_for_own(folder, dataset, reading, data_dir, wanted)
    else:
        text = _text_for(dataset or (name if name in names() else "digits"), wanted)
    origin = f", copied from {start}" if start else ""
    text = HEAD.substitute(name=name, schema=SCHEMA, origin=origin) + text
    definition = definitions.parse(text, str(file), name)  # whatever was put in is sound
    if asked and definition.targets != asked:
        raise UsageError(
            f"the targets of {start or name} cannot be replaced as they are written: leave "
            "--target out, and edit them in the copy."
        )
    try:
        write_aside(file, text.encode())
        write_aside(file.with_name(SCHEMA), schema_text().encode())
    except OSError as error:
        raise WorkspaceError(f"cannot write {file} ({error.strerror or error}).") from error
    click.echo(f"Wrote {file.relative_to(folder)}, {_summary(definition)}.")
    if (definitions.shipped() / file.name).is_file():
        click.echo(f"From now on `tuner sweep {name}` here means this file, not the shipped one.")
    click.echo(f"Next: tuner sweep {name} --dry-run")
    return 0


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[\w][\w.-]{0,59}", name) or name.endswith((".yaml", ".yml")):
        raise UsageError(
            f"{name!r} cannot name a sweep: use letters, digits, `-`, `_` and `.`, no folder and "
            "no ending."
        )


def _text_for(dataset: str, targets: Sequence[str]) -> str:
    """The body for a data set: the values of its shipped definition, every key with a comment."""
    like = definitions.load(definitions.shipped() / f"{dataset}.yaml")
    wanted = list(targets) or [target.text for target in like.targets]
    return _body(
        f"{dataset:<16}",
        ENTRIES[dataset].description,
        like.epochs,
        like.trials,
        wanted,
        like.space.to_json(),
    )


def _text_for_own(
    folder: Path, dataset: str, reading: Reading, data_dir: Path | None, targets: Sequence[str]
) -> str:
    """The body for data of the user's own, which is read for it."""
    try:
        find(dataset, folder, data_dir)
    except DataError as error:
        raise UsageError(str(error)) from error
    data = obtain(
        dataset,
        data_dir,
        Workspace(folder).create().data,
        lambda text: click.echo(text, err=True),
        reading,
        folder,
    )
    description = "\n".join([data.description, *reading_lines(data, reading)])
    return _body(
        f"{scalar(dataset):<16}",
        description,
        first_epochs(data),
        TRIALS,
        list(targets) or first_targets(data),
        first_space(data),
    )


def _body(
    dataset: str,
    description: str,
    epochs: int,
    trials: int,
    targets: Sequence[str],
    space: Mapping[str, Any],
) -> str:
    """The template, filled in; `description` may go on with lines of its own."""
    lines = []
    for name, comment in PARAMETERS.items():
        if name in space:
            entry = f"  {name + ':':<14} {_flow(space[name])}"
            lines.append(f"{entry:<65} # {comment}" if comment else entry)
    return BODY.substitute(
        dataset=dataset,
        description=description,
        epochs=f"{epochs:<17}",
        trials=f"{trials:<17}",
        targets="\n".join(f"  - {text}" for text in targets),
        space="\n".join(lines),
    )


def _flow(value: Any) -> str:
    """A value as YAML on one line, numbers as a person writes them."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and 0 < abs(value) < 1e-2:
        return f"{value:.1e}".replace("e-0", "e-")
    if value == 0:
        return "0"
    return str(value)


def _copied(text: str, targets: Sequence[str]) -> str:
    """The body of another definition, with other targets if any are given."""
    body = re.sub(r"\A(?:#.*\n)+\n?", "", text)
    if not targets:
        return body
    try:
        root = yaml.compose(body, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return body  # which is refused by all who read it
    if not isinstance(root, yaml.MappingNode):
        return body
    for key, value in root.value:
        start, end = value.start_mark.index, _end(value, body)
        if key.value != "targets" or start < key.end_mark.index:  # an alias of something above
            continue
        if root.flow_style:
            return f"{body[:start]}{json.dumps(list(targets))}{body[end:]}"
        margin = " " * key.start_mark.column
        lines = "".join(f"\n{margin}  - {target}" for target in targets)
        rest = body[end:].partition("\n")[2]  # without a comment on the targets there were
        return f"{body[: key.start_mark.index]}targets:{lines}\n{rest}"
    return body


def _end(node: yaml.Node, text: str) -> int:
    """Where the last character of a value is; YAML's own mark may lie beyond comments below it."""
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        return _end(node.value[-1], text)
    return len(text[: node.end_mark.index].rstrip())


def _summary(definition: SweepDefinition) -> str:
    targets = " and ".join(target.text for target in definition.targets)
    return f"{definition.trials} trials of {definition.data_name} for {targets}"
