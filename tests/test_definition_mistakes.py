from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.definition import Overrides, SweepDefinition, parse
from tuner.errors import DefinitionError

HEAD = "dataset: digits\ntargets: [val >= 90%]\n"  # lines 1 and 2
WHOLE = HEAD + "space:\n  l2: {min: 0, max: 1}\n"  # lines 3 and 4


def problems(text: str, overrides: Overrides | None = None) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        parse(text, "own.yaml", "own", overrides)
    assert caught.value.exit_code == 2
    return list(caught.value.problems)


def sweep(text: str, overrides: Overrides | None = None) -> SweepDefinition:
    return parse(text, "own.yaml", "own", overrides)


# Each text holds one mistake; the two columns are its place and words of the line about it.
INVALID: list[tuple[str, str, str]] = [
    # the text itself
    ("", "line 1", "the file is empty"),
    ("# nothing\n", "line 1", "the file is empty"),
    ("- digits\n", "line 1", "must be keys such as `dataset: digits`, not ['digits']"),
    ("fashion", "line 1", "must be keys such as `dataset: digits`, not 'fashion'"),
    ("dataset: digits\ntargets: [a\nspace: 1", "line 3, column 6", "not valid YAML"),
    ("dataset: digits\n\tmodel: mlp", "line 2, column 1", "spaces, not tabs"),
    ("dataset: digits\n epochs: 3", "line 2, column 8", "indented like its neighbours"),
    (WHOLE + "---\nb: 1", "line 5, column 1", "a file holds one sweep"),
    (HEAD + "space: {l2: \x00}", "line 1", "not valid YAML"),
    (HEAD + "space: &a {l2: *a}", "line 3", "nested too deeply"),
    (WHOLE + "fixed: !!python/name:os.system {}", "line 5, fixed", "is not allowed here"),
    (WHOLE + "seed: !!timestamp 2001-01-01", "line 5, seed", "not allowed"),
    (WHOLE + "fixed: {<<: {dropout: 0}}", "line 5, fixed", "`<<` on line 5 is not supported"),
    (WHOLE + "fixed: {[a]: 0}", "line 5, fixed", "the key on line 5 is not a word"),
    # top-level keys
    ("targets: [val > 0]\nspace: {l2: [0, 1]}", "line 1, dataset", "is missing; give the name"),
    ("dataset: digits\nspace: {l2: [0, 1]}", "line 1, targets", "is missing; give a list"),
    (WHOLE + "epochs: 3\nepochs: 4", "line 6, epochs", "is given twice, first on line 5"),
    (WHOLE + "epcohs: 3", "line 5, epcohs", "unknown key (did you mean epochs?)"),
    (WHOLE + "epcohs:", "line 5, epcohs", "unknown key (did you mean epochs?)"),
    (WHOLE + "zzz: 3", "line 5, zzz", "unknown key; known are dataset, label, text"),
    (WHOLE + "method: bayes", "line 5, method", "named by `sampler`"),
    (WHOLE + "metric: {goal: maximize}", "line 5, metric", "stands under `targets`"),
    (WHOLE + "objective: val_acc", "line 5, objective", "stands under `targets`"),
    (WHOLE + "parameters: {}", "line 5, parameters", "the search space is `space`"),
    (WHOLE + "early_terminate: {}", "line 5, early_terminate", "`pruner: overfit`"),
    (WHOLE + "run_cap: 10", "line 5, run_cap", "the number of trials is `trials`"),
    (WHOLE + "max_trials: 10", "line 5, max_trials", "the number of trials is `trials`"),
    (WHOLE + "num_samples: 10", "line 5, num_samples", "the number of trials is `trials`"),
    (WHOLE + "maxFailedTrialCount: 3", "line 5, maxFailedTrialCount", "leave it out"),
    (
        WHOLE + "label: price",
        "line 5, label",
        "is for data of your own, and digits is a named data set",
    ),
    (WHOLE.replace("digits", "5"), "line 1, dataset", "must be the name of a data set"),
    (WHOLE.replace("digits", "' '"), "line 1, dataset", "not ' '"),
    (WHOLE + "model: resnet", "line 5, model", "must be mlp, cnn, or package.module:attribute"),
    (WHOLE + "model: 'my models:x'", "line 5, model", "such as models:build"),
    (WHOLE + "fixed: {filters: 8}", "line 5, fixed.filters", "is a parameter of model: cnn"),
    (WHOLE + "epochs: 0", "line 5, epochs", "a whole number from 1 to 1000000, not 0"),
    (WHOLE + "epochs: 2.5", "line 5, epochs", "not 2.5"),
    (WHOLE + "epochs: true", "line 5, epochs", "not true"),
    (WHOLE + "trials: -1", "line 5, trials", "a whole number from 1 to 1000000, not -1"),
    (WHOLE + "trials: 1_000", "line 5, trials", "not '1_000'"),
    (WHOLE + "epoch: first", "line 5, epoch", "must be best or last, not 'first'"),
    (WHOLE + "split: kfold", "line 5, split", "must be stratified or tail"),
    (WHOLE + "validation: 1", "line 5, validation", "a share between 0 and 1 such as 0.2, or test"),
    (WHOLE + "validation: 0.0", "line 5, validation", "not 0.0"),
    (WHOLE + "validation: none", "line 5, validation", "not 'none'"),
    (WHOLE + "sampler: bayes", "line 5, sampler", "one of tpe, random, qmc, grid, not 'bayes'"),
    (WHOLE + "engine: xla", "line 5, engine", "must be compiled or fit, not 'xla'"),
    (WHOLE + "pruner: no", "line 5, pruner", "median, halving, none, not 'no'"),
    (WHOLE + "seed: -1", "line 5, seed", "a whole number from 0 to 4294967295"),
    (WHOLE + "early_stopping: 3", "line 5, early_stopping", "a mapping such as {monitor"),
    (WHOLE + "early_stopping: {}", "line 5, early_stopping.patience", "is missing; give a number"),
    (
        WHOLE + "early_stopping:\n  monitor: loss\n  patience: 2",
        "line 6, early_stopping.monitor",
        "must be val_loss or val_accuracy, not 'loss'",
    ),
    (
        WHOLE + "early_stopping: {patience: 2, delta: 1}",
        "line 5, early_stopping.delta",
        "unknown key; known are monitor, patience",
    ),
    # targets
    (WHOLE.replace("[val >= 90%]", "[]"), "line 2, targets", "is empty; give at least one"),
    (WHOLE.replace("[val >= 90%]", "{val: 90}"), "line 2, targets", "must be a list of targets"),
    (WHOLE.replace("[val >= 90%]", "[0.9]"), "line 2, targets[0]", "must be a text such as"),
    (WHOLE.replace("90%", "90% or"), "line 2, targets[0]", "^"),
    (
        WHOLE.replace("[val >= 90%]", "\n  - val > 0.9\n  - vla > 0.9"),
        "line 4, targets[1]",
        "unknown metric 'vla' (did you mean val?)",
    ),
    (
        WHOLE.replace("[val >= 90%]", "[val > 0.9, val < 0.8]"),
        "line 2, targets",
        "contradict: no val_accuracy meets both",
    ),
    # the space: entries
    (HEAD, "line 1, space", "is empty; name a parameter to search, or variants"),
    (HEAD + "space: {}", "line 3, space", "is empty"),
    (HEAD + "space: [l2]", "line 3, space", "must be a mapping from parameters"),
    (HEAD + "space: {lr: [1, 2]}", "line 3, space.lr", "(did you mean learning_rate?)"),
    (HEAD + "space: {optimiser: [sgd]}", "line 3, space.optimiser", "(did you mean optimizer?)"),
    (HEAD + "space: {qqq: [1]}", "line 3, space.qqq", "unknown parameter; known are l2, dropout"),
    (WHOLE + "  l2: [0, 1]", "line 5, space.l2", "is given twice, first on line 4"),
    (HEAD + "space: {l2: 0.1}", "line 3, space.l2", "not 0.1; a value that stays belongs under"),
    (HEAD + "space: {l2: }", "line 3, space.l2", "must be {min: …, max: …} or {values: […]}"),
    (HEAD + "space: {l2: {}}", "line 3, space.l2", "is empty; give min and max, or values"),
    (HEAD + "space: {l2: {log: true}}", "line 3, space.l2", "is empty; give min and max"),
    (HEAD + "space: {layers: [[4], [8]]}", "line 3, space.layers", "cannot be searched"),
    (HEAD + "space: {l2: {value: 3}}", "line 3, space.l2.value", "belongs under `fixed`"),
    (HEAD + "space: {l2: {low: 0, max: 1}}", "line 3, space.l2.low", "write `min`"),
    (HEAD + "space: {l2: {mix: 0, max: 1}}", "line 3, space.l2.mix", "(did you mean min?)"),
    # ranges
    (HEAD + "space: {l2: {min: 0}}", "line 3, space.l2", "has no max"),
    (HEAD + "space: {l2: {max: 1}}", "line 3, space.l2", "has no min"),
    (HEAD + "space: {l2: {min: , max: 1}}", "line 3, space.l2.min", "not nothing"),
    (HEAD + "space: {l2: {min: 0, max: a}}", "line 3, space.l2.max", "of at least 0, not 'a'"),
    (HEAD + "space: {l2: {min: 0, max: .inf}}", "line 3, space.l2.max", "not inf"),
    (HEAD + "space: {l2: {min: .nan, max: 1}}", "line 3, space.l2.min", "not nan"),
    (HEAD + "space: {l2: {min: 1, max: 0.5}}", "line 3, space.l2.min", "1 is above max, 0.5"),
    (HEAD + "space: {l2: {min: 1, max: 1.0}}", "line 3, space.l2.min", "write it under `fixed`"),
    (HEAD + "space: {l2: {min: -1, max: 1}}", "line 3, space.l2.min", "at least 0, not -1"),
    (HEAD + "space: {dropout: {min: 0, max: 1}}", "line 3, space.dropout.max", "below 1, not 1"),
    (
        HEAD + "space:\n  l2:\n    min: 0\n    max: 1\n    log: true",
        "line 5, space.l2.min",
        "a logarithmic range starts above 0, not at 0; to try 0 as well add `or: 0`",
    ),
    (HEAD + "space: {l2: {min: 1, max: 2, log: yes}}", "line 3, space.l2.log", "true or false"),
    (HEAD + "space: {units: {min: 1.5, max: 3}}", "line 3, space.units.min", "a whole number"),
    (HEAD + "space: {units: {min: 8, max: 9, or: 8.5}}", "line 3, space.units.or", "whole number"),
    (HEAD + "space: {l2: {min: 0, max: 1, or: 0.5}}", "line 3, space.l2.or", "inside the range"),
    (HEAD + "space: {l2: {min: 0, max: 1, or: }}", "line 3, space.l2.or", "not nothing"),
    (HEAD + "space: {l2: {min: 0, max: 1, step: 0}}", "line 3, space.l2.step", "above 0, not 0"),
    (HEAD + "space: {l2: {min: 0, max: 1, step: }}", "line 3, space.l2.step", "not nothing"),
    (HEAD + "space: {l2: {min: 0, max: 1, step: 0.3}}", "line 3, space.l2.step", "arrive at max"),
    (HEAD + "space: {l2: {min: 0, max: 1, step: 1e-9}}", "line 3, space.l2.step", "too small"),
    (
        HEAD + "space: {l2: {min: 1, max: 3, log: true, step: 1}}",
        "line 3, space.l2.step",
        "a logarithmic range has no step",
    ),
    (
        HEAD + "space: {l2: {min: 0, max: 1, step: 0.5, steps: 3}}",
        "line 3, space.l2.step",
        "not both",
    ),
    (HEAD + "space: {l2: {min: 0, max: 1, steps: 1}}", "line 3, space.l2.steps", "from 2 to"),
    (HEAD + "space: {optimizer: {min: 0, max: 1}}", "line 3, space.optimizer", "has no range"),
    # values
    (HEAD + "space: {l2: {values: []}}", "line 3, space.l2.values", "at least one value"),
    (HEAD + "space: {l2: {values: }}", "line 3, space.l2.values", "not nothing"),
    (HEAD + "space: {l2: {values: 3}}", "line 3, space.l2.values", "at least one value, not 3"),
    (HEAD + "space: {l2: [0, 0.1, 0.0]}", "line 3, space.l2.values[2]", "0.0 is listed twice"),
    (HEAD + "space: {units: [64, 0]}", "line 3, space.units.values[1]", "at least 1, not 0"),
    (HEAD + "space: {units: [64, true]}", "line 3, space.units.values[1]", "not true"),
    (
        HEAD + "space:\n  optimizer:\n    values:\n      - sgd\n      - adamw",
        "line 7, space.optimizer.values[1]",
        "must be one of sgd, adam, rmsprop, not 'adamw'",
    ),
    (HEAD + "space: {batch_norm: [no, none]}", "line 3, space.batch_norm.values[0]", "not 'no'"),
    (HEAD + "space: {l2: {values: [0, 1], log: true}}", "line 3, space.l2.log", "no place beside"),
    (HEAD + "space: {l2: {values: [0, 1], max: 1}}", "line 3, space.l2.max", "no place beside"),
    # conditions
    (WHOLE + "  dropout: {values: [0, 0.1], when: }", "line 5, space.dropout.when", "a mapping"),
    (WHOLE + "  dropout: {values: [0, 0.1], when: {}}", "line 5, space.dropout.when", "a mapping"),
    (
        WHOLE + "  dropout: {values: [0, 0.1], when: {optimiser: sgd}}",
        "line 5, space.dropout.when.optimiser",
        "(did you mean optimizer?)",
    ),
    (
        WHOLE + "  dropout: {values: [0, 0.1], when: {l2: []}}",
        "line 5, space.dropout.when.l2",
        "is empty",
    ),
    (
        WHOLE + "  dropout: {values: [0, 0.1], when: {l2: 2}}",
        "line 5, space.dropout.when.l2",
        "l2 is never 2.0 in this sweep: see space.l2",
    ),
    (
        WHOLE + "  dropout: {values: [0, 0.1], when: {depth: 2}}",
        "line 5, space.dropout.when.depth",
        "depth is never 2 in this sweep: it is 1 unless space or fixed says otherwise",
    ),
    (
        WHOLE + "  dropout: {values: [0, 0.1], when: {schedule: [cosine]}}\nfixed: "
        "{schedule: constant}",
        "line 5, space.dropout.when.schedule[0]",
        "schedule is never 'cosine' in this sweep: fixed at 'constant'",
    ),
    (
        WHOLE + "  dropout: {values: [0, 0.1], when: {dropout: 0}}",
        "line 5, space.dropout.when.dropout",
        "cannot depend on itself",
    ),
    (
        WHOLE + "  dropout: {values: [0, 0.1], when: {layers: [4]}}",
        "line 5, space.dropout.when.layers",
        "cannot name layers",
    ),
    (
        HEAD + "space:\n"
        "  dropout: {values: [0, 0.1], when: {schedule: cosine}}\n"
        "  activation: {values: [relu, tanh], when: {dropout: 0}}\n"
        "  schedule: {values: [constant, cosine], when: {activation: relu}}",
        "line 4, space.dropout.when",
        "in a circle: dropout → schedule → activation → dropout",
    ),
    # loss, initializer, epochs and patience
    (HEAD + "space: {loss: [mse]}", "line 3, space.loss.values[0]", "must be one of sparse_cat"),
    (HEAD + "space: {init: [zeros]}", "line 3, space.init", "(did you mean initializer?)"),
    (HEAD + "space: {initializer: [ones]}", "line 3, space.initializer.values[0]", "not 'ones'"),
    (HEAD + "space: {initializer: {min: 0, max: 1}}", "line 3, space.initializer", "has no range"),
    (HEAD + "space: {epochs: [10, 0]}", "line 3, space.epochs.values[1]", "at least 1"),
    (HEAD + "space: {epochs: {min: 1.5, max: 3}}", "line 3, space.epochs.min", "a whole number"),
    (WHOLE + "fixed: {epochs: 1000001}", "line 5, fixed.epochs", "at most 1e+06, not 1000001"),
    (WHOLE + "fixed: {patience: 0}", "line 5, fixed.patience", "at least 1 and at most"),
    (WHOLE + "variants: {a: {patience: }}", "line 5, variants.a.patience", "not nothing"),
    (
        WHOLE + "  epochs: [1, 2]\nfixed: {epochs: 3}",
        "line 5, space.epochs",
        "also held at a value",
    ),
    (
        WHOLE + "  dropout: {values: [0, 0.1], when: {epochs: 3}}",
        "line 5, space.dropout.when.epochs",
        "it has no value of its own unless space or fixed says otherwise",
    ),
    # between parameters
    (WHOLE + "fixed: {l2: 0}", "line 4, space.l2", "also held at a value (line 5, fixed.l2)"),
    (WHOLE + "  depth: [1, 2]\nfixed: {layers: [4]}", "line 5, space.depth", "fixed.layers"),
    (WHOLE + "fixed: {layers: [4], units: 8}", "line 5, fixed.units", "replaced by fixed.layers"),
    (
        WHOLE + "  momentum: [0, 0.9]",
        "line 5, space.momentum",
        "acts only with optimizer: sgd, which this sweep never has: it is 'adam' unless",
    ),
    (
        WHOLE + "  momentum: [0, 0.9]\n  optimizer: [adam, rmsprop]",
        "line 5, space.momentum",
        "never has: see space.optimizer",
    ),
    (
        WHOLE + "  momentum: {values: [0, 0.9], when: {optimizer: adam}}\n  optimizer: [sgd, adam]",
        "line 5, space.momentum.when.optimizer",
        "momentum acts only with optimizer: sgd",
    ),
    (WHOLE + "fixed: {momentum: 0.9}", "line 5, fixed.momentum", "acts only with optimizer: sgd"),
    (WHOLE + "  units: [4, 8]\nfixed: {depth: 0}", "line 5, space.units", "a depth of at least 1"),
    # fixed and variants
    (WHOLE + "fixed: [1]", "line 5, fixed", "a mapping from parameters to values"),
    (WHOLE + "fixed: {dropuot: 0}", "line 5, fixed.dropuot", "(did you mean dropout?)"),
    (WHOLE + "fixed: {dropout: }", "line 5, fixed.dropout", "not nothing"),
    (WHOLE + "fixed: {dropout: 1.5}", "line 5, fixed.dropout", "below 1, not 1.5"),
    (WHOLE + "fixed: {layers: []}", "line 5, fixed.layers", "a list of widths such as [128, 64]"),
    (WHOLE + "variants: [a]", "line 5, variants", "a mapping from names to configurations"),
    (WHOLE + "variants: {a: 3}", "line 5, variants.a", "a mapping such as {l2: 0, dropout: 0}"),
    (WHOLE + "variants: {'': {}}", "line 5, variants.", "a variant needs a name"),
    (WHOLE + "variants: {best: {}}", "line 5, variants.best", "takes it for the best trial"),
    (WHOLE + "variants: {7: {}}", "line 5, variants.7", "cannot be called 7: `tuner show` takes"),
    (WHOLE + "variants: {'#07': {}}", "line 5, variants.#07", "for the trial of that number"),
    (WHOLE + 'variants: {"a\\e[31m": {}}', "line 5, variants", r"'a\x1b[31m' has characters that"),
    (WHOLE + 'variants: {"a\\n": {l3: 0}}', "line 5, variants", "that cannot be printed"),
    (WHOLE + 'variants: {"\\u202Ea": {}}', "line 5, variants", "that cannot be printed"),
    (WHOLE + "variants: {a: {dept: 1}}", "line 5, variants.a.dept", "(did you mean depth?)"),
    (WHOLE + "variants:\n  a: {depth: 99}", "line 6, variants.a.depth", "at most 20, not 99"),
    (WHOLE + "variants:\n  a: {}\n  a: {l2: 1}", "line 7, variants.a", "is given twice"),
    (
        WHOLE + "variants: {a: {layers: [4], depth: 1}}",
        "line 5, variants.a.layers",
        "replaces depth and units",
    ),
    (
        WHOLE + "variants: {a: {momentum: 0.9}}",
        "line 5, variants.a.momentum",
        "acts only with optimizer: sgd, and this variant has adam",
    ),
    (
        HEAD + "trials: 3\nvariants: {a: {}}",
        "line 3, trials",
        "nothing to search beside the variants; give at most 1",
    ),
    # the grid
    (WHOLE + "sampler: grid", "line 4, space.l2", "a grid needs to know its points"),
    (
        HEAD + "sampler: grid\nspace: {units: {min: 1, max: 999}, batch_size: {min: 1, max: 999}}",
        "line 4, space",
        "more than 100000 configurations",
    ),
]


@pytest.mark.parametrize(("text", "place", "words"), INVALID)
def test_a_mistake_is_named_with_its_place(text: str, place: str, words: str) -> None:
    (line,) = problems(text)
    assert line.startswith(f"{place}:")
    assert words in line


def test_all_mistakes_come_at_once_in_the_order_of_their_lines() -> None:
    text = """\
dataset: 7
method: bayes
epochs: 0
targets: [vla > 1]
space:
  l2: {min: 1, max: 0}
  units: {values: [64, 64]}
  momentum: [0, 0.9]
fixed: {dropout: 2}
variants: {a: {l3: 0}}
"""
    found = problems(text, Overrides(seed=-1))
    places = [line.split(":")[0] for line in found]
    assert places == [
        "--seed -1",
        "line 1, dataset",
        "line 2, method",
        "line 3, epochs",
        "line 4, targets[0]",
        "line 6, space.l2.min",
        "line 7, space.units.values[1]",
        "line 8, space.momentum",
        "line 9, fixed.dropout",
        "line 10, variants.a.l3",
    ]


def test_the_error_names_the_file_and_counts() -> None:
    with pytest.raises(DefinitionError) as caught:
        sweep(WHOLE + "epochs: 0\ntrials: 0")
    assert str(caught.value).splitlines()[0] == "own.yaml: 2 mistakes"


def test_the_caret_of_a_target_stays_under_its_character() -> None:
    (line,) = problems(WHOLE.replace("[val >= 90%]", "val >= 90% with trian < 95%"))
    *_, text, caret = line.splitlines()
    assert text[caret.index("^") :].startswith("trian")


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["l2", "min", "max", "values", "when", "optimizer", "a"]),
                inner,
                max_size=3,
            )
        ),
        max_leaves=8,
    ),
    st.sampled_from(["targets", "space", "fixed", "variants", "early_stopping", "validation"]),
)
def test_any_value_anywhere_is_read_or_refused_in_words(value: Any, key: str) -> None:
    raw: dict[str, Any] = {"dataset": "digits", "targets": ["val > 0"], "space": {"l2": [0, 1]}}
    text = yaml.safe_dump({**raw, key: value}, sort_keys=False)
    found: tuple[str, ...] = ()
    try:
        sweep(text)
    except DefinitionError as error:
        found = error.problems
    assert [line for line in found if not line.startswith("line ")] == []


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("ad2: \n\t-[]{},&*!|>'\"%@#?.e\x07é"), max_size=40))
def test_any_text_is_refused_in_words(text: str) -> None:
    assert all(line.startswith("line ") for line in problems(text))
