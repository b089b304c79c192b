"""A model card in Markdown: what an exported model is, how good it is, and how far to trust that.

After Mitchell et al. 2019, "Model Cards for Model Reporting". The rule: every figure comes from the
record, an unproven one says so, and names of the user's own making are escaped.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuner.exported import ExportedModel
from tuner.report.confirmation_table import notes, verdict_text
from tuner.report.selection import Entry, Outcome
from tuner.report.trial_view import margin_text, trial_name
from tuner.report.wording import (
    configuration,
    duration_text,
    figure_text,
    moment,
    plural,
    trials_text,
    value_text,
)
from tuner.trial import SplitSpec

_LIMITS: dict[str, tuple[str, ...]] = {
    "image": (
        "It knows pictures like those it was trained on: of this size, one thing each, centred and "
        "light or dark in the same places. On a photograph it gives an answer as confidently, and "
        "that means little.",
    ),
    "text": (
        "It sees which words of its vocabulary a text contains, not how often nor in which order, "
        "and nothing of words that it does not know. Irony and negation are lost on it.",
    ),
    "table": ("It takes the columns in the order of its training rows and cannot check that.",),
}


_OWN_TABLE = (
    "It takes tables with the columns that it was trained on, by name; values far from those "
    "of the training rows get an answer all the same, and that means little.",
)


@dataclass(frozen=True)
class CardFacts:
    """What a card is made of.

    Attributes:
        outcome, entry: the trial in its study.
        model: what lies beside the exported model.
        file: name of the model's file.
        description: of the data set, one line.
        source: where its arrays came from, without a folder.
        split: how validation rows were chosen.
        rows: how many there are: `train`, `validation`, and `test` where there is one.
        weights: how many the model has.
        check: what loading the file in a fresh process showed, a sentence.
        retrained: the weights were trained again for the export.
        versions: package to version, at the time of the export.
    """

    outcome: Outcome
    entry: Entry
    model: ExportedModel
    file: str
    description: str
    source: str
    split: SplitSpec
    rows: Mapping[str, int]
    weights: int
    check: str
    retrained: bool
    versions: Mapping[str, str]


def model_card(facts: CardFacts) -> str:
    """The card, with a final newline."""
    sections = (
        (f"{escaped(facts.outcome.study)}, {escaped(trial_name(facts.entry))}", _what(facts)),
        ("How good it is", _figures(facts)),
        ("How far to trust that", _trust(facts)),
        ("Use", _use(facts)),
        ("Data", _data(facts)),
        ("Configuration", _configuration(facts)),
        ("How it was measured", _measured(facts)),
        ("Limits", _limits(facts)),
        ("Doing it again", _again(facts)),
    )
    parts = [
        f"{'#' if number == 0 else '##'} {title}\n\n{text}"
        for number, (title, text) in enumerate(sections)
    ]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """The text as Markdown shows it literally, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|!~&])", r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    """A text without backticks, as a target's is, shown literally."""
    return f"`{text}`"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _what(facts: CardFacts) -> str:
    model, epochs = facts.model, facts.entry.record.spec.get("epochs")
    classes = len(model.class_names)
    goal = " and ".join(_code(t.text) for t in facts.outcome.targets)
    searched = f"a search of {trials_text(len(facts.outcome.entries))}"
    if goal:
        searched += f" for {goal}"
    return (
        f"{_kind(facts)} with {facts.weights:,} weights that sorts "
        f"{ {'image': 'pictures', 'text': 'texts', 'table': 'rows'}[model.kind] } into {classes} "
        f"classes. It was found on {escaped(model.dataset)} by {searched}, and these are its "
        f"weights after epoch {model.epoch} of {epochs}."
    )


def _kind(facts: CardFacts) -> str:
    name = str(facts.entry.record.spec.get("model", "mlp"))
    known = {"mlp": "A multilayer perceptron", "cnn": "A convolutional network"}
    return known.get(name, f"The model {_code(name)}")


def _figures(facts: CardFacts) -> str:
    chosen, targets = facts.entry.chosen, facts.outcome.targets
    assert chosen is not None
    test = facts.entry.record.test
    held_out = "test rows, used as validation" if facts.split.kind == "test" else "validation rows"
    rows = [
        (held_out, "validation", chosen.val_accuracy, chosen.val_loss, "val"),
        ("training rows", "train", chosen.train_accuracy, chosen.train_loss, "train"),
    ]
    lines = [
        [
            what,
            f"{facts.rows[part]:,}",
            figure_text(f"{short}_accuracy", accuracy, targets),
            figure_text(f"{short}_loss", loss, targets),
        ]
        for what, part, accuracy, loss, short in rows
    ]
    if test is not None:
        lines.append(["test rows", f"{test.rows:,}", f"{test.accuracy:.4f}", f"{test.loss:.4f}"])
    text = _table(("", "rows", "accuracy", "loss"), lines)
    if targets:
        asked = [
            [_code(t.text), figure_text(t.metric, facts.entry.figure(t.metric), targets), margin]
            for t in targets
            for margin in (margin_text(t, facts.entry.figure(t.metric)),)
        ]
        text += "\n\n" + _table(("asked for", "reached", ""), asked)
    return f"{text}\n\n{facts.check}"


def _trust(facts: CardFacts) -> str:
    entry, outcome = facts.entry, facts.outcome
    lines = []
    if outcome.banner:
        lines.append(outcome.banner)
    proof = entry.confirmation
    if proof is not None:
        lines.append(f"**{proof.verdict}** on fresh seeds: {escaped(verdict_text(proof))}.")
        for bound in proof.targets:
            reach = figure_text(bound.target.metric, bound.bound, (bound.target,))
            mean = figure_text(bound.target.metric, bound.mean, (bound.target,))
            lines.append(
                f"{_code(bound.target.text)}: mean {mean}, one-sided {proof.level:.1%} bound "
                f"{reach}, {bound.passes} of {len(bound.values)} seeds meet it."
            )
        lines += [f"{escaped(_sentence(line))}" for line in notes(outcome, entry)]
    elif not outcome.banner:
        lines.append(
            f"Not confirmed on fresh seeds: one of {trials_text(outcome.judged)} that were all "
            "judged on one validation split, so that its figure there is partly luck. `tuner "
            f"confirm {_quoted(outcome.study)} --trial {entry.trial}` puts it to the test."
        )
    if entry.verdict == "misses":
        lines.append("It misses what was asked for; it is exported all the same.")
    if entry.only_if_stopped is not None:
        lines.append(
            f"It meets the targets only if training is stopped at epoch {entry.only_if_stopped}; "
            "later epochs lose them."
        )
    for caution in entry.cautions:
        lines.append(f"Caution: {escaped(caution.text)}.")
    if facts.retrained:
        lines.append(
            "The weights of the search had not been kept: it was trained again from its record."
        )
    return _bullets(lines)


def _use(facts: CardFacts) -> str:
    model = facts.model
    shape = ", ".join(map(str, model.input_shape))
    code = [
        "import json",
        "import keras",
        "",
        f'model = keras.models.load_model("{facts.file}")',
        f'about = json.load(open("{_sidecar(facts)}", encoding="utf-8"))',
    ]
    if len(model.class_names) == 2:
        code += [
            "second = model.predict(rows)[:, 0]  # the probability of the second class",
            'labels = [about["class_names"][int(p > 0.5)] for p in second]',
        ]
    else:
        code += [
            "probabilities = model.predict(rows)",
            'labels = [about["class_names"][i] for i in probabilities.argmax(axis=1)]',
        ]
    example = {"image": "picture.png", "text": "text.txt", "table": "rows.csv"}[model.kind]
    what = f"`rows` is an array of the shape (n, {shape}) and the type {_type_name(model.dtype)}"
    if (model.encoder or {}).get("from") == "table":
        what += (
            f", which `tuner predict` makes of tables by what stands under `encoder` in "
            f"`{_sidecar(facts)}`; the model standardises them itself"
        )
    elif model.kind == "text":
        what += (
            ": 1 where a text contains the word of the column, 0 where not. The words are in "
            f"`{model.vocabulary}`, and `tuner predict` does all of it"
        )
    else:
        what += f", raw values up to {model.scale:g}: the model scales them itself"
    return "\n".join(
        (
            "```sh",
            f"tuner predict {_quoted(facts.file)} {example}",
            "```",
            "",
            "or in Python, without tuner:",
            "",
            "```python",
            *code,
            "```",
            "",
            f"{what}.",
        )
    )


def _sidecar(facts: CardFacts) -> str:
    return facts.file.removesuffix(".keras") + ".json"


def _type_name(dtype: str) -> str:
    kinds = {"u": "uint", "i": "int", "f": "float", "b": "bool"}
    kind, size = dtype[-2:-1], dtype[-1:]
    return f"{kinds[kind]}{int(size) * 8}" if kind in kinds and size.isdigit() else dtype


def _data(facts: CardFacts) -> str:
    split, rows = facts.split, facts.rows
    ways = {
        "stratified": f"drawn from the training rows, every class in proportion, by the seed "
        f"{split.seed}",
        "tail": "the last of the training rows",
        "test": "the test split itself",
    }
    lines = [
        f"{escaped(facts.description)}; from {escaped(facts.source)}.",
        f"Fingerprint of the arrays: `{facts.model.fingerprint}`.",
        f"{rows['train']:,} rows to train on and {rows['validation']:,} to validate on: "
        f"{ways[split.kind]}.",
        f"Classes, in the order of the outputs: "
        f"{', '.join(escaped(name) for name in facts.model.class_names)}.",
    ]
    if split.kind != "test" and "test" in rows:
        compared = any(e.record.scores for e in facts.outcome.entries)
        who = "which nothing has read"
        if facts.entry.record.test is not None:
            who = "read once, after it was confirmed"
        elif compared:
            who = "read to compare the named variants, which chose nothing"
        lines.append(f"{rows['test']:,} test rows, {who}.")
    return _bullets(lines)


def _configuration(facts: CardFacts) -> str:
    params = facts.entry.params
    rows = [[f"`{name}`", escaped(value_text(value))] for name, value in params.items()]
    return f"{escaped(configuration(params))}\n\n{_table(('parameter', 'value'), rows)}"


def _measured(facts: CardFacts) -> str:
    record = facts.entry.record
    spec = record.spec
    lines = [
        "Accuracies and losses are those of one and the same weights, in inference mode: dropout "
        "off, losses without the L2 penalty.",
        f"Seed {record.seed}, {spec.get('epochs')} epochs in a full trial, engine "
        f"`{spec.get('engine', 'fit')}`, on {escaped(record.device or 'an unknown device')}.",
    ]
    if stop := spec.get("early_stopping"):
        lines.append(
            f"Training ends early where {escaped(stop['monitor'])} has not improved for "
            f"{stop['patience']} {plural('epoch', stop['patience'])}."
        )
    if record.ended is not None and record.seconds is not None:
        lines.append(f"Trained until {moment(record.ended)}, in {duration_text(record.seconds)}.")
    if record.versions:
        lines.append(f"Trained with {_packages(record.versions)}.")
    if facts.retrained or facts.versions != record.versions:
        lines.append(f"Exported with {_packages(facts.versions)}.")
    return _bullets(lines)


def _packages(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{escaped(name)} {escaped(version)}" for name, version in versions.items())


def _limits(facts: CardFacts) -> str:
    return _bullets(
        [
            *(
                _OWN_TABLE
                if (facts.model.encoder or {}).get("columns")
                else _LIMITS[facts.model.kind]
            ),
            "Its probabilities are not calibrated: 0.9 is not right in nine of ten cases.",
            f"It knows these {len(facts.model.class_names)} classes and always names one of them.",
        ]
    )


def _again(facts: CardFacts) -> str:
    study, trial = _quoted(facts.outcome.study), facts.entry.trial
    return "\n".join(
        (
            "```sh",
            f"tuner export {study} --trial {trial}",
            f"tuner export {study} --trial {trial} --code train.py    # as a plain Keras script",
            f"tuner train {study} --from {trial} --seed {facts.entry.record.seed}",
            "```",
        )
    )


def _quoted(text: str) -> str:
    return shlex.quote(text)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
