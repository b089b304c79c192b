"""A trial as a short plain Keras script: load the data, build the model, `model.fit`, evaluate.

The rule: the script needs nothing of this package and repeats what the trial was trained with: the
same rows, the same split, the same network, optimizer and schedule, up to the chosen epoch. What
differs are the random numbers that draw weights, batches and dropout masks, so that its figures are
the trial's within the noise between two seeds.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuner.data import builtin, reviews
from tuner.data.keras_fetch import MODULES
from tuner.data.keras_sets import SETS
from tuner.errors import DataError
from tuner.models.mlp import loss_name
from tuner.report.script_model import WIDTH, network
from tuner.trial import EpochMetrics, ParamValue, SplitSpec

WEIGHTS = (
    "counts = np.bincount(y_train)  # a class weighs the more, the fewer rows it has",
    "weights = {n: len(y_train) / np.sum(counts > 0) / c for n, c in enumerate(counts) if c}",
)
KERAS = "keras.datasets"
"""How the source of a data set begins that came through Keras."""


@dataclass(frozen=True)
class ScriptFacts:
    """What a script is made of.

    Attributes:
        study, trial: where it comes from.
        dataset: the data set's name.
        source: where its arrays came from, as `Dataset.source`.
        input_shape: of one row of features.
        classes: how many classes.
        scale: features are divided by it inside the model.
        params: the complete configuration.
        split: how validation rows are chosen.
        seed: the trial's.
        epochs: of a full trial; a schedule spans them.
        chosen: the figures of the epoch that stands for the trial, which is the script's last.
        model: `mlp` or `cnn`.
    """

    study: str
    trial: int
    dataset: str
    source: str
    input_shape: tuple[int, ...]
    classes: int
    scale: float
    params: Mapping[str, ParamValue]
    split: SplitSpec
    seed: int
    epochs: int
    chosen: EpochMetrics
    model: str = "mlp"


def is_exported(text: str) -> bool:
    """Whether a text begins as those of `script` do."""
    return re.match(r'"""Trial \d+ of the study .+ as plain Keras\.', text) is not None


def script(facts: ScriptFacts) -> str:
    """The text of the script, formatted, with a final newline.

    Raises:
        DataError: no script knows how to load the data set.
        ValueError: the configuration's loss does not fit the number of classes.
    """
    loading = _loading(facts)
    blocks = [
        _docstring(facts),
        _imports(facts, loading),
        _constants(facts),
        *loading.blocks,
        _splitting(facts),
        _model(facts),
        _training(facts),
        _evaluation(facts),
    ]
    return _joined(blocks)


def _joined(blocks: Sequence[Sequence[str]]) -> str:
    """Blocks with an empty line between them, two around a function."""
    lines: list[str] = []
    function = False
    for block in blocks:
        after, function = function, block[0].startswith("def ")
        if lines:
            lines += ["", ""] if function or after else [""]
        lines += block
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class _Loading:
    """Code that makes `x` and `y`, and `x_test` and `y_test` where validation is the test split."""

    blocks: Sequence[Sequence[str]]
    modules: frozenset[str]


def _docstring(facts: ScriptFacts) -> list[str]:
    figures = [
        f"{name} accuracy {value:.4f}"
        for name, value in (
            ("validation", facts.chosen.val_accuracy),
            ("training", facts.chosen.train_accuracy),
        )
        if value is not None
    ]
    said = (
        f"Recorded at epoch {facts.chosen.epoch} of {facts.epochs}: {' and '.join(figures)}. Other "
        "random numbers draw weights, batches and dropout here, so that the figures are the same "
        "within the noise between two seeds. Accuracies are measured in inference mode."
    )
    return [
        f'"""Trial {facts.trial} of the study {_plain(facts.study)} as plain Keras.',
        "",
        *textwrap.wrap(said, WIDTH),
        '"""',
    ]


def _plain(text: str) -> str:
    """The text as it can stand in a docstring's first line."""
    clean = "".join(c for c in text if c.isprintable() and c not in '\\"')
    return clean if len(clean) <= 50 else f"{clean[:49]}…"


def _imports(facts: ScriptFacts, loading: _Loading) -> list[str]:
    standard = {
        "collections": "from collections import Counter",
        "math": "import math",
        "os": "import os",
        "pathlib": "from pathlib import Path",
        "re": "import re",
    }
    needed = loading.modules | ({"math"} if facts.params["schedule"] == "cosine" else set())
    first = sorted((standard[name] for name in needed & set(standard)), key=_import_order)
    third = ["import keras", "import numpy as np", "from keras import layers"]
    if "pandas" in loading.modules:
        third.append("import pandas as pd")
    if "digits" in loading.modules:
        third.append("from sklearn.datasets import load_digits")
    if "digits" in loading.modules or facts.split.kind == "stratified":
        third.append("from sklearn.model_selection import train_test_split")
    return [*first, *([""] if first else []), *sorted(third, key=_import_order)]


def _import_order(line: str) -> tuple[bool, str]:
    return line.startswith("from"), line


def _constants(facts: ScriptFacts) -> list[str]:
    batch = f"BATCH = {facts.params['batch_size']}"
    lines = [f"SEED = {facts.seed}", batch]
    if facts.params["schedule"] == "cosine":
        lines.append(f"PLANNED = {facts.epochs}  # epochs over which the learning rate falls to 0")
        lines.append(f"EPOCHS = {facts.chosen.epoch}  # the epoch that stands for the trial")
    else:
        lines.append(
            f"EPOCHS = {facts.chosen.epoch}  # the epoch that stands for the trial, "
            f"of {facts.epochs} in all"
        )
    return lines


# --- data -------------------------------------------------------------------------------------


def _loading(facts: ScriptFacts) -> _Loading:
    if facts.dataset == "digits":
        return _digits(facts)
    if facts.dataset in SETS:
        return _images(facts)
    if facts.dataset == "imdb":
        return _reviews(facts)
    raise DataError(
        f"no script can be written for data set {facts.dataset}: how it is loaded is not known.\n"
        "Leave --code away."
    )


def _on_test(facts: ScriptFacts) -> bool:
    return facts.split.kind == "test"


def _digits(facts: ScriptFacts) -> _Loading:
    test = "test" if _on_test(facts) else "_"
    lines = [
        "# Data: digits of 8x8 grey pixels, from 0 to 16. A fifth is set aside as test rows.",
        "digits = load_digits()",
        'x, y = digits.images.astype("uint8"), digits.target',
        *_call(
            f"rows, {test} = train_test_split",
            f"np.arange(len(y)), test_size={builtin.TEST_FRACTION}, stratify=y, "
            f"random_state={builtin.TEST_SEED}",
        ),
    ]
    if _on_test(facts):
        lines.append("x_test, y_test = x[np.sort(test)], y[np.sort(test)]")
    lines.append("x, y = x[np.sort(rows)], y[np.sort(rows)]")
    return _Loading([lines], frozenset({"digits"}))


def _images(facts: ScriptFacts) -> _Loading:
    known = SETS[facts.dataset]
    target = "(x_test, y_test)" if _on_test(facts) else "_"
    lines = [
        f"# Data: {known.file} from the folder TUNER_DATA_DIR, else what Keras downloads.",
        'folder = os.environ.get("TUNER_DATA_DIR")',
        "if folder:",
        f'    with np.load(Path(folder) / "{known.file}") as file:',
        '        x, y = file["x_train"], file["y_train"]',
        *(['        x_test, y_test = file["x_test"], file["y_test"]'] if _on_test(facts) else []),
        "else:",
        f"    (x, y), {target} = keras.datasets.{MODULES[facts.dataset]}.load_data()",
    ]
    return _Loading([lines], frozenset({"os", "pathlib"}))


def _reviews(facts: ScriptFacts) -> _Loading:
    """Rows of words: of the texts themselves, or of Keras's reviews, which are numbers of words."""
    words = facts.input_shape[0]
    through_keras = facts.source.startswith(KERAS)
    modules = {"collections"}
    if through_keras:
        target = "(test_reviews, y_test)" if _on_test(facts) else "_"
        load = [
            "# Data: film reviews as Keras has them, lists of numbers that stand for words.",
            *_call(
                f"(train_reviews, y), {target} = keras.datasets.imdb.load_data",
                "start_char=None, oov_char=None, index_from=0",
            ),
        ]
        cut: list[str] = []
        of_review = "review"
    else:
        modules |= {"os", "pathlib", "re", "pandas"}
        load = [
            f"# Data: film reviews in {reviews.FILE}, in the folder TUNER_DATA_DIR.",
            f'table = pd.read_parquet(Path(os.environ["TUNER_DATA_DIR"]) / "{reviews.FILE}")',
            'train_reviews, y = table[table["split"] == "train"][["text", "label"]].to_numpy().T',
            'y = y.astype("uint8")',
        ]
        if _on_test(facts):
            load += [
                'test_reviews, y_test = table[table["split"] == "test"][["text", "label"]]'
                ".to_numpy().T",
                'y_test = y_test.astype("uint8")',
            ]
        cut = [
            "def words_of(text):",
            '    """The words of a text: lower case, without HTML tags."""',
            '    text = re.sub(r"<[^<>]*>", " ", text).lower().replace("\\u2019", "\'")',
            '    return re.findall(r"[^\\W_]+(?:\'[^\\W_]+)*", text)',
        ]
        of_review = "words_of(review)"
    rows = [
        "def rows_of(texts):",
        '    """One row a text, one column a word: 1 where the text contains it."""',
        '    rows = np.zeros((len(texts), len(column)), "uint8")',
        "    for row, review in zip(rows, texts, strict=True):",
        f"        row[[column[word] for word in {of_review} if word in column]] = 1",
        "    return rows",
    ]
    make = [
        f"# The {words:,} words that are most frequent in the training reviews are the columns.",
        f"counts = Counter(word for review in train_reviews for word in {of_review})",
        "ranked = sorted(counts, key=lambda word: (-counts[word], word))",
        f"column = {{word: number for number, word in enumerate(ranked[:{words}])}}",
        "x = rows_of(train_reviews)",
        *(["x_test = rows_of(test_reviews)"] if _on_test(facts) else []),
    ]
    return _Loading([block for block in (load, cut, rows, make) if block], frozenset(modules))


def _splitting(facts: ScriptFacts) -> list[str]:
    split = facts.split
    if split.kind == "test":
        return [
            "# Validation is the test split: its figure is optimistic, since it chose the trial.",
            "x_train, y_train, x_val, y_val = x, y, x_test, y_test",
        ]
    cut = ["x_train, y_train = x[train], y[train]", "x_val, y_val = x[validation], y[validation]"]
    if split.kind == "tail":
        return [
            "# Split: the last rows are for validation, as Keras's validation_split has it.",
            f"at = int(len(x) * (1 - {split.fraction!r}))",
            "train, validation = np.arange(at), np.arange(at, len(x))",
            *cut,
        ]
    return [
        "# Split: validation rows are drawn from every class in proportion.",
        *_call(
            "train, validation = train_test_split",
            f"np.arange(len(y)), test_size={split.fraction!r}, stratify=y, "
            f"random_state={split.seed}",
        ),
        *cut,
    ]


def _call(function: str, arguments: str) -> list[str]:
    """The call on one line where it fits, else on three."""
    line = f"{function}({arguments})"
    return [line] if len(line) <= WIDTH else [f"{function}(", f"    {arguments}", ")"]


# --- model ------------------------------------------------------------------------------------


def _model(facts: ScriptFacts) -> list[str]:
    return [
        "# Model: it takes the rows as they are, since it scales them itself.",
        "keras.utils.set_random_seed(SEED)",
        *network(facts.model, facts.params, facts.input_shape, facts.classes, facts.scale),
    ]


def _training(facts: ScriptFacts) -> list[str]:
    params = facts.params
    weighted = params.get("class_weight") == "balanced"
    lines = ["# Training.", *(WEIGHTS if weighted else [])]  # of labels that are numbers still
    loss = loss_name(params, facts.classes)
    if loss == "categorical_crossentropy":
        one_hot = "y_{0} = keras.utils.to_categorical(y_{0}, {1})"
        lines += [one_hot.format(part, facts.classes) for part in ("train", "val")]
    rate = repr(params["learning_rate"])
    if params["schedule"] == "cosine":
        lines += [
            "steps = math.ceil(len(x_train) / BATCH) * PLANNED",
            f"rate = keras.optimizers.schedules.CosineDecay({rate}, decay_steps=steps)",
        ]
        rate = "rate"
    name = {"sgd": "SGD", "rmsprop": "RMSprop", "adam": "Adam"}[str(params["optimizer"])]
    momentum = f", momentum={params['momentum']!r}" if name == "SGD" else ""
    return [
        *lines,
        f"optimizer = keras.optimizers.{name}({rate}{momentum})",
        f'model.compile(optimizer, loss="{loss}", metrics=["accuracy"])',
        *("model.fit(", "    x_train,", "    y_train,", "    batch_size=BATCH,"),
        *("    epochs=EPOCHS,", "    validation_data=(x_val, y_val),"),
        *(["    class_weight=weights,"] if weighted else []),
        *("    verbose=2,", ")"),
    ]


def _evaluation(facts: ScriptFacts) -> list[str]:
    return [
        "# Figures, in inference mode. What Keras prints while it trains is another accuracy:",
        "# an average over the epoch, while weights move and with dropout.",
        'parts = {"training": (x_train, y_train), "validation": (x_val, y_val)}',
        "for name, (features, labels) in parts.items():",
        "    _, accuracy = model.evaluate(features, labels, batch_size=1024, verbose=0)",
        '    print(f"{name} accuracy {accuracy:.4f}")',
    ]
