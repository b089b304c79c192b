"""The reference page of the sweep file, `docs/sweep-file.md`, as Markdown.

The rule: every name, default and bound on it is read from the code, so that it cannot fall behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tuner.definition_schema import EarlyStoppingModel, FileModel
from tuner.definition_words import (
    DOMAIN_KEYS,
    EFFECT,
    KEYS,
    PRUNERS,
    QUESTION_KEYS,
    SAMPLERS,
)
from tuner.parameters import ALIASES as PARAMETER_ALIASES
from tuner.parameters import CATALOGUE
from tuner.questions import FIGURES
from tuner.targets import ALIASES, DOMAINS, METRICS, Target
from tuner.trial import ParamValue

_OPENING = """\
# The sweep file

<!-- Generated from the code by `python -m tuner.cli.reference docs`: change it there. -->

A sweep file says what is trained, what is searched, and what a configuration has to reach. It is
YAML; `tuner sweep fashion` looks for `sweeps/fashion.yaml` in the working directory, then among
the definitions that come with tuner, and `tuner sweep path/to/own.yaml` takes any file. The least
is a data set, targets and a space:

```yaml
dataset: digits
targets: ["val >= 97%", "train < 99.9%"]
space:
  units: [16, 32, 64, 128]
  dropout: {min: 0, max: 0.6}
```

Numbers are read as YAML 1.2 reads them: `1e-6` is a number, `no` and `on` are words. A key that is
unknown, and a value that makes no sense, is refused before anything is trained, with its line; all
mistakes are reported at once.

**Editors.** [sweep.schema.json](sweep.schema.json) is a JSON Schema (draft 2020-12) of this file.
Editors with the YAML language server (VS Code with its YAML extension, Neovim, Emacs and others)
complete keys and mark mistakes when the first line names it, relative to the sweep file:

```yaml
# yaml-language-server: $schema=../docs/sweep.schema.json
```

The schema refuses nothing that tuner accepts, but tuner checks more: that `min` is below `max`,
that targets do not contradict each other, that a condition can hold at all.
`tuner sweep path/to/own.yaml --dry-run` checks a file without training anything.
"""

_DOMAIN_EXAMPLES = """\
```yaml
space:
  l2:            {min: 1.0e-6, max: 1.0e-1, log: true, or: 0}   # a range, or no penalty at all
  dropout:       {min: 0, max: 0.6, step: 0.1}                  # 0, 0.1, … 0.6
  depth:         {min: 1, max: 3}                               # whole numbers: 1, 2, 3
  units:         {values: [64, 128, 256]}                       # ascending numbers are ordered
  batch_size:    [64, 128]                                      # short for {values: [64, 128]}
  optimizer:     [sgd, adam, rmsprop]
  momentum:      {min: 0, max: 0.99, when: {optimizer: sgd}}    # drawn for sgd alone
  learning_rate: {min: 1.0e-4, max: 1.0e-2, log: true, steps: 5}
  schedule:      {values: [constant, cosine], when: {depth: [1, 2]}}
```
"""

_TARGETS = """\
```text
targets = target, { joiner, target }
target  = metric, op, limit | limit, op, metric
op      = ">=" | ">" | "<=" | "<" | "≥" | "≤"
limit   = number, [ "%" ]                         percent for accuracies and the gap only
joiner  = "and" | "with" | "&" | "&&" | ","
```

`val >= 90% with train < 95%` is two targets, and so is the list `["val >= 0.9", "train < 0.95"]`.
All of them have to be met at one and the same epoch. There is no `or`. What contradicts itself is
refused. Figures are in inference mode (dropout off), on the weights at the end of the epoch, train
on the training rows and val on the validation rows; losses are without the L2 penalty. [Your own
targets](targets.md) says how to choose them.
"""

_FIGURES = f"""\
Figures: {", ".join(f"`{name}`" for name in FIGURES)}. Accuracies are better when they are higher,
everything else when it is lower. With several names under `than` the answer is yes where the
variant is ahead of all of them. An answer needs `seeds` of 2 or more: the differences are taken
seed by seed, and their mean has a 95 % interval (Student's t), corrected where one question makes
several comparisons (Bonferroni).
"""

_BETWEEN = """\
Some things hold between keys: a parameter stands in `space` or in `fixed`, not in both; `layers`
under `fixed` leaves no `depth` and no `units` to search; `momentum` needs an optimizer that can be
sgd; a `grid` needs `values`, `step` or `steps` for every range that is not of whole numbers. `when`
names other parameters, and values that they can have; a parameter whose condition does not
hold has its default. Several conditions hold together.

Names from other tools are recognised in the error message: {aliases}.
"""


def sweep_file_page() -> str:
    """The whole page, with a final newline."""
    parts = [
        _OPENING,
        "## Keys\n",
        _keys_table(),
        *(_key_section(name) for name in KEYS),
        "## Targets\n",
        _TARGETS,
        _table(("metric", "short", "lies between", "a violation of 1 is"), _metric_rows()),
        "## The space\n",
        _DOMAIN_EXAMPLES,
        "An entry of `space` is a list, or a mapping with these keys:\n",
        _table(("key", "meaning"), [(f"`{k}`", v) for k, v in DOMAIN_KEYS.items()]),
        "## Parameters\n",
        "What `space`, `fixed` and `variants` can name; elsewhere the default holds.\n",
        _table(("parameter", "meaning", "accepts", "default", "acts on"), _parameter_rows()),
        _BETWEEN.format(aliases=_aliases()),
        "## Samplers\n",
        _table(("`sampler`", "proposes"), [(f"`{k}`", v) for k, v in SAMPLERS.items()]),
        "With one worker the same `seed` gives the same proposals; with more, what is proposed "
        "depends on which trial ends first. `--sampler` and `--seed` replace what the file says.\n",
        "## Pruners\n",
        _table(("`pruner`", "stops"), [(f"`{k}`", v) for k, v in PRUNERS.items()]),
        "A pruned trial counts towards `trials` and keeps its figures; with `epoch: best` an epoch "
        "of it can still meet the targets.\n",
    ]
    return "\n".join(parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(_cell(c) for c in line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _keys_table() -> str:
    return _table(
        ("key", "accepts", "default"), [_key_row(name) for name in FileModel.model_fields]
    )


def _key_row(name: str) -> tuple[str, str, str]:
    field = FileModel.model_fields[name]
    return f"[`{name}`](#{name})", field.description or "", _default(name)


def _default(name: str) -> str:
    field = FileModel.model_fields[name]
    if field.is_required():
        return "needed"
    return _code(field.default) if isinstance(field.default, str | int | float) else "none"


def _key_section(name: str) -> str:
    text = f"### {name}\n\n{KEYS[name].text}\n\n```yaml\n{KEYS[name].example}\n```\n"
    if name == "early_stopping":
        text += "\n" + _table(("key", "accepts", "default"), _stopping_rows())
    if name == "questions":
        rows = [(f"`{k}`", v) for k, v in QUESTION_KEYS.items()]
        text += f"\n{_table(('key', 'meaning'), rows)}\n{_FIGURES}"
    return text


def _metric_rows() -> Iterable[tuple[str, ...]]:
    for metric in METRICS:
        low, high = DOMAINS[metric]
        short = ", ".join(f"`{a}`" for a, m in ALIASES.items() if m == metric)
        bounds = f"{low} and {high}" if high is not None else f"{low} and anything above"
        if metric == "parameters":
            scale = "a tenth of the limit"
        else:
            scale = f"{Target.of(metric, '<', 0.5).scale:g}"
        yield f"`{metric}`", short or "–", bounds, scale


def _parameter_rows() -> Iterable[tuple[str, ...]]:
    for name, parameter in CATALOGUE.items():
        default = "–" if parameter.default is None else _code(parameter.default)
        acts = EFFECT.get(name, "every model")
        yield f"`{name}`", parameter.description, parameter.allowed, default, acts


def _stopping_rows() -> Iterable[tuple[str, ...]]:
    for name, field in EarlyStoppingModel.model_fields.items():
        default = "needed" if field.is_required() else _code(field.default)
        yield f"`{name}`", field.description or "", default


def _aliases() -> str:
    return ", ".join(f"{other} ({own})" for other, own in PARAMETER_ALIASES.items())


def _code(value: ParamValue) -> str:
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
