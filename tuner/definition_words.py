"""The words of the reference of sweep files: what each key and each choice is for.

The rule: nothing here says what is allowed or what a default is; the models and the catalogue do.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Meaning:
    """What a key is for, in a sentence or two, and an example as it stands in a file."""

    text: str
    example: str


KEYS: dict[str, Meaning] = {
    "dataset": Meaning(
        "The data set to train on: a name that `tuner data` lists, or a path to [data of your "
        "own](data.md): a `.npz`, `.csv` or `.parquet` file, or a folder with a folder of pictures "
        "for each class. A relative path is looked up in the working directory, then in the data "
        "directory (`--data-dir`, `TUNER_DATA_DIR`).",
        "dataset: data/wine.csv",
    ),
    "label": Meaning(
        "Of a table: the column with the answer, in words or whole numbers. Left out it is the one "
        "column that is called label, target, class or y.",
        "label: species",
    ),
    "text": Meaning(
        "Of a table: the column with texts, which are read as the words that they contain; other "
        "columns are then left out. A column called text is taken without being named.",
        "text: review",
    ),
    "words": Meaning(
        "How many words of texts are kept at most: the most frequent of the training rows.",
        "words: 5000",
    ),
    "missing": Meaning(
        "What becomes of missing values in a table. `refuse`: they are counted and refused. "
        "`impute`: a number becomes the median of the training rows, a category one of its own. "
        "`drop`: their rows are left out. A missing label or text is never imputed.",
        "missing: impute",
    ),
    "image_size": Meaning(
        "Of a folder of pictures: height and width that all of them are brought to. Pictures of "
        "one size need none.",
        "image_size: [32, 32]",
    ),
    "colour": Meaning(
        "Of a folder of pictures: `grey` or `rgb`. Left out, pictures are grey where all of them "
        "are.",
        "colour: grey",
    ),
    "ignore": Meaning(
        "Of a table: columns that are left out, such as an id or a date.",
        "ignore: [id, date]",
    ),
    "model": Meaning(
        "What is trained: `mlp`, a multilayer perceptron; `cnn`, a small convolutional network for "
        "images; or a model of your own as `package.module:attribute`, a `build(hp)` function or a "
        "KerasTuner `HyperModel`.",
        "model: cnn",
    ),
    "engine": Meaning(
        "How epochs are run. `compiled`: a whole epoch as one compiled function over the Keras "
        "model and optimizer, several times faster. `fit`: plain Keras `model.fit`, the reference. "
        "A study stays with one engine; one from before there was a choice goes on with `fit`.",
        "engine: fit",
    ),
    "epochs": Meaning(
        "Passes over the training rows in a full trial; learning-rate schedules span them.",
        "epochs: 30",
    ),
    "epoch": Meaning(
        "Which epoch stands for a trial. `best`: of the epochs that meet all targets the one with "
        "the best val_accuracy (or figure by class, where a target names one), and where none "
        "does, the one that comes closest. `last`: the last; a trial that was stopped early then "
        "never meets.",
        "epoch: best",
    ),
    "trials": Meaning(
        "Configurations trained in all, variants included. It may change while a study goes on; "
        "`--trials` and `--add` replace it.",
        "trials: 50",
    ),
    "split": Meaning(
        "How validation rows are cut from the training rows. `stratified`: drawn by `seed` from "
        "every class in proportion. `tail`: the last rows, as Keras's `validation_split` does.",
        "split: tail",
    ),
    "validation": Meaning(
        "The share of the training rows that is held out for validation. `test` validates on the "
        "test split itself: a declared exception, with a banner on every report, because the test "
        "split then chooses the winner.",
        "validation: 0.25",
    ),
    "sampler": Meaning("Who proposes configurations.", "sampler: random"),
    "pruner": Meaning(
        "Who stops trials before their last epoch. A variant, and a trial that has met the "
        "targets, is never stopped.",
        "pruner: none",
    ),
    "seed": Meaning(
        "Decides the split, the proposals and each trial's own seed.",
        "seed: 7",
    ),
    "targets": Meaning(
        "What a configuration has to reach, all at one and the same epoch: a list of texts, or one "
        "text with several targets in it. What the search maximises beside them is val_accuracy, "
        "or the first of val_balanced_accuracy and val_macro_f1 that a target names.",
        'targets: ["val >= 90%", "train < 95%"]',
    ),
    "space": Meaning(
        "The parameters that are searched, and what is tried of each. It may be left out where "
        "`variants` has something to compare.",
        "space: {l2: {min: 1.0e-6, max: 1.0e-1, log: true, or: 0}, units: [64, 128]}",
    ),
    "fixed": Meaning(
        "Parameters held at one value in every trial. What neither `space` nor `fixed` names has "
        "its default.",
        "fixed: {optimizer: sgd, layers: [128, 64]}",
    ),
    "variants": Meaning(
        "Configurations with a name, trained first, and never pruned. What one leaves out comes "
        "from `fixed`, then from the defaults; its values may lie outside the space.",
        "variants: {baseline: {l2: 0, dropout: 0}, wide: {units: 1024}}",
    ),
    "early_stopping": Meaning(
        "Ends a trial when `monitor` has not improved for `patience` epochs, as in Keras. The "
        "trial counts as complete; by default no trial is ended that way.",
        "early_stopping: {monitor: val_loss, patience: 5}",
    ),
}

KEYS |= {
    "seeds": Meaning(
        "Trainings of each variant, its own included, each on a seed that all variants share and "
        "all on the same split: tables show means and spreads, and variants are compared seed by "
        "seed. They come after all trials, count towards none, and may be asked for later.",
        "seeds: 5",
    ),
    "test": Meaning(
        "`compare` measures the variants on the test split once all trials are there, one figure a "
        "seed. It chooses nothing: tables mark it as not used for selection.",
        "test: compare",
    ),
    "diagnostics": Meaning(
        "What is kept beside the figures, as artifacts in MLflow and on the page. `gradients`: "
        "mean and spread of each variable's gradient after every epoch, how far it moves and which "
        "units are dead, with the cause where a loss does not fall. `misclassified`: which "
        "validation rows are wrong, for trials whose weights are kept. `curves`: a picture a "
        "trial.",
        "diagnostics: [gradients, curves]",
    ),
    "questions": Meaning(
        "What the variants are to answer. The answers, with the figures behind them, stand first "
        "in the result and on the page.",
        "questions:\n"
        "  - ask: Does dropout raise validation accuracy?\n"
        "    of: dropout\n"
        "    than: baseline\n"
        "  - ask: And does it take more epochs?\n"
        "    of: dropout\n"
        "    than: baseline\n"
        "    by: epochs to val >= 95%",
    ),
}

QUESTION_KEYS: dict[str, str] = {
    "ask": "the question in words",
    "of": "the variant that it is about; `search` stands for all other trials. Of several variants "
    "each is answered for itself: yes or no where all agree",
    "than": "the variant, or variants, that each of them is compared with",
    "by": "`targets`: does it meet them? `causes`: why does its loss not fall? A figure, such as "
    "`val_loss`: is it better than the others'? `epochs to TARGET` or `seconds to TARGET` (by the "
    "clock, beside whatever else the machine does): does it get there sooner? Left out it is "
    "`targets`, or `val_accuracy` where there is `than`",
}

DOMAIN_KEYS: dict[str, str] = {
    "min": "the low end of a range, itself included",
    "max": "the high end of a range, itself included",
    "log": "`true`: drawn evenly in the logarithm, so that 1e-5 is as likely as 1e-2; min > 0",
    "step": "values are min, min + step, …, max; not with `log`, not with `steps`",
    "steps": "number of points that the sampler `grid` makes of the range, ends included; other "
    "samplers ignore it",
    "or": "one value outside the range that may be drawn instead, such as 0 beside a `log` range",
    "values": "a list of what is tried; ascending numbers count as ordered",
    "when": "the parameter is drawn only where another one has this value, or one of these values",
}

SAMPLERS: dict[str, str] = {
    "tpe": "learns from finished trials where to look (tree-structured Parzen estimator); the "
    "first 10 trials are random",
    "random": "draws each trial independently",
    "qmc": "a scrambled Sobol sequence: spreads over the space more evenly than `random`",
    "grid": "every combination of `values`, `step` or `steps`, conditions kept; ends early when "
    "all are done",
}

PRUNERS: dict[str, str] = {
    "overfit": "a trial whose train accuracy broke its ceiling while val missed its floor for 5 "
    "epochs in a row; and, from a third of the epochs on, one whose best val is in the lowest "
    "quarter of at least 8 trials of the same schedule, unless it is within 0.02 of the val floor",
    "percentile": "from a third of the epochs on, and after 8 trials, the lowest quarter (Optuna)",
    "median": "from a third of the epochs on, and after 5 trials, what is below the median "
    "(Optuna)",
    "halving": "from a third of the epochs on, about half of the trials at each rung: Optuna's "
    "successive halving",
    "none": "nothing",
}

EFFECT: dict[str, str] = {
    "l2": "hidden layers only, never biases or the output",
    "dropout": "hidden layers only",
    "momentum": "only with `optimizer: sgd`",
    "units": "only at a depth of 1 or more",
    "depth": "unless `layers` is fixed",
    "layers": "only in `fixed` and `variants`; replaces `depth` and `units`",
    "batch_norm": "hidden layers only",
    "activation": "hidden layers only",
    "initializer": "kernels of hidden layers and output; biases begin at 0",
    "class_weight": "built-in models only",
}
"""When a parameter acts, for those that do not always."""
