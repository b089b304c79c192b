"""From a recorded trial to the files of an exported model.

The rule: a model is written aside, loaded again by another process that counts what it gets right,
and only then takes its name. What lies beside it is described in `tuner.exported`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from tuner.commands.repeating import data_of, train_again
from tuner.data.prepared import Prepared
from tuner.errors import DataError, StudyError, TunerError, UsageError
from tuner.executors.errand import run_errand
from tuner.exported import (
    ENDING,
    ExportedModel,
    card_of,
    read_description,
    sidecar_of,
    vocabulary_of,
)
from tuner.parameters import is_own
from tuner.report.jsonout import entry_json
from tuner.report.model_card import CardFacts, model_card
from tuner.report.script import ScriptFacts, is_exported, script
from tuner.report.selection import Entry, Outcome
from tuner.report.trial_view import trial_name
from tuner.search.records import StudySummary
from tuner.search.repeats import spec_of
from tuner.trial import EpochMetrics, TrialSpec
from tuner.versions import versions
from tuner.workspace import Workspace, write_aside

ROWS = {"image": "images", "text": "texts", "table": "rows"}


@dataclass(frozen=True)
class Job:
    """A trial to be exported.

    Attributes:
        workspace: the working directory; the model's file is named from there.
        summary, outcome, entry: the trial in its study.
        chosen: the figures of the epoch that stands for it.
        spec: what it was trained by, with its data where it lies now.
        data: prepared.
        data_dir: the user's own data sets, or None.
        say: called with a line about what takes a while.
    """

    workspace: Workspace
    summary: StudySummary
    outcome: Outcome
    entry: Entry
    chosen: EpochMetrics
    spec: TrialSpec
    data: Prepared
    data_dir: Path | None
    say: Callable[[str], None]


@dataclass(frozen=True)
class Model:
    """An exported model.

    Attributes:
        file: as the user would type it.
        target: where it is.
        described: what lies beside it.
        card: the text of its model card.
        weights: how many it has.
        size: of the file, in bytes.
        check: what `training.export.check_model` counted.
        sentence: the same in words.
        retrained: its weights had to be trained again.
    """

    file: Path
    target: Path
    described: ExportedModel
    card: str
    weights: int
    size: int
    check: dict[str, Any]
    sentence: str
    retrained: bool


def job_of(
    workspace: Workspace,
    summary: StudySummary,
    outcome: Outcome,
    entry: Entry,
    data_dir: Path | None,
    say: Callable[[str], None],
) -> Job:
    """The job of exporting a judged trial, with its data brought back.

    Raises:
        DataError: the data set is missing, or holds other rows than the study was made on.
    """
    assert entry.chosen is not None
    data = data_of(workspace.create(), summary, data_dir, say)
    spec = spec_of(entry.record, data.path)
    return Job(workspace, summary, outcome, entry, entry.chosen.finite(), spec, data, data_dir, say)


def refuse_strangers(model: Path) -> None:
    """Raise UsageError where a file would be replaced that no export wrote."""
    written = (model, sidecar_of(model), card_of(model), vocabulary_of(model))
    beside = [path for path in written if path.exists()]
    if not beside:
        return
    try:
        read_description(sidecar_of(model))
    except TunerError as error:
        raise UsageError(
            f"{beside[0].name} is there already and was not written by an export.\n"
            f"Choose another name with --out, since it would be replaced."
        ) from error


def refuse_other_script(file: Path) -> None:
    """Raise UsageError where a script would be replaced that no export wrote."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError):
        text = "not ours"
    if text.strip() and not is_exported(text):
        raise UsageError(
            f"{file.name} is there already and was not written by an export.\n"
            "Choose another name with --code, since it would be replaced."
        )


# --- the model --------------------------------------------------------------------------------


def export_model(job: Job, file: Path) -> Model:
    """Write the model and what lies beside it.

    Args:
        job: the trial.
        file: ends in `.keras`.

    Raises:
        StudyError: the kept weights are not those of the record.
        TrainingError: they were not kept, and the trial cannot be trained again.
    """
    target = job.workspace.root / file
    # Keras goes by the ending, and process ids repeat in containers.
    aside = target.with_name(f".{target.stem}.{os.getpid()}.{uuid4().hex[:8]}{ENDING}")
    with tempfile.TemporaryDirectory(prefix="tuner-") as folder:
        try:
            weights, retrained = weights_of(job, Path(folder))
            job.say("Writing the model …")
            written = run_errand(
                "tuner.training.export:write_model",
                {"spec": job.spec.to_json(), "weights": str(weights), "out": str(aside)},
                job.workspace.logs,
            )
            job.say(f"Loading it again and counting {ROWS[job.data.kind]} …")
            check = run_errand(
                "tuner.training.export:check_model",
                {"spec": job.spec.to_json(), "model": str(aside)},
                job.workspace.logs,
            )
            sentence = _judge(job, check, weights, retrained)
            mark = hashlib.sha256(aside.read_bytes()).hexdigest()
            described = _describe(job, file, mark, written["edge"])
            card = model_card(
                _card_facts(job, file, described, written["weights"], check, sentence, retrained)
            )
            words = job.data.vocabulary
            if words is not None:
                _write_json(vocabulary_of(target), list(words))
            _write_json(sidecar_of(target), described.to_json())
            write_aside(card_of(target), card.encode())
            # Last: a model without its description would be taken for a stranger's.
            os.replace(aside, target)
        finally:
            with suppress(OSError):
                aside.unlink()
    return Model(
        file,
        target,
        described,
        card,
        written["weights"],
        written["bytes"],
        check,
        sentence,
        retrained,
    )


def weights_of(job: Job, folder: Path) -> tuple[Path, bool]:
    """The file with the weights of the chosen epoch, and whether they had to be trained again.

    Args:
        folder: where they are written in that case.

    Raises:
        StudyError: they were not kept, and the trial is not one to train again.
        TrainingError: it cannot be trained again.
    """
    if job.entry.record.weights is not None:
        return Path(job.entry.record.weights), False
    if job.spec.split.kind == "test":
        raise StudyError(
            f"the weights of {trial_name(job.entry)} were not kept, and a trial that was validated "
            "on the test split is not trained again.\nTrials with weights: the first ones of "
            f"tuner report {shlex.quote(job.outcome.study)}"
        )
    job.say(
        f"The weights of {trial_name(job.entry)} were not kept: training it again from its record …"
    )
    file = folder / "weights.npz"
    train_again(job.workspace, job.summary, job.entry.record, file, job.say, job.data_dir)
    return file, True


def _judge(job: Job, check: dict[str, Any], weights: Path, retrained: bool) -> str:
    """What the count says of the file, as a sentence.

    Raises:
        StudyError: the model is not that of the record.
    """
    rows, hits = int(check["rows"]), int(check["hits"])
    what = ROWS[job.data.kind]
    said = f"Loaded again in a fresh process, it gets {hits:,} of {rows:,} validation {what} right"
    recorded = job.chosen.val_accuracy
    if recorded is None:
        return f"{said}; the record has no figure to compare that with."
    expected = round(recorded * rows)
    if hits == expected:
        return f"{said}: exactly as recorded."
    if retrained:
        return (
            f"{said}; the record says {expected:,}. It was trained again, and other hardware or "
            "another version gives slightly other weights."
        )
    if abs(hits - expected) <= check["ties"]:
        return (
            f"{said}; the record says {expected:,}. Of {check['ties']} {what} the two best classes "
            "are equal to within rounding."
        )
    raise StudyError(
        f"the weights kept of trial {job.entry.trial} get {hits:,} of {rows:,} validation {what} "
        f"right, but its record says {expected:,}: they are not its own, and nothing was exported."
        f"\nDelete {weights} and export again: the trial is then trained again."
    )


def _describe(job: Job, file: Path, mark: str, edge: float | None) -> ExportedModel:
    entry, data = job.entry, job.data
    judged = entry_json(entry)
    return ExportedModel(
        study=job.outcome.study,
        trial=entry.trial,
        variant=entry.variant,
        dataset=data.name,
        kind=data.kind,
        class_names=data.class_names,
        input_shape=data.input_shape,
        dtype=data.dtypes["x_train"],
        scale=data.scale,
        fingerprint=data.fingerprint,
        epoch=job.chosen.epoch,
        metrics=judged["metrics"],
        sha256=mark,
        vocabulary=vocabulary_of(file).name if data.kind == "text" else None,
        edge=edge,
        encoder=data.encoder,
        details={
            "params": dict(entry.params),
            "targets": [target.text for target in job.outcome.targets],
            "verdict": entry.verdict,
            "confirmation": judged["confirmation"],
            "test": None if entry.record.test is None else entry.record.test.to_json(),
            "split": asdict(job.spec.split),
            "seed": job.spec.seed,
            "versions": versions(),
        },
    )


def _card_facts(
    job: Job,
    file: Path,
    described: ExportedModel,
    weights: int,
    check: dict[str, Any],
    sentence: str,
    retrained: bool,
) -> CardFacts:
    rows = {"train": int(check["train_rows"]), "validation": int(check["rows"])}
    if job.data.has_test:
        rows["test"] = job.data.shapes["x_test"][0]
    return CardFacts(
        outcome=job.outcome,
        entry=job.entry,
        model=described,
        file=file.name,
        description=job.data.description,
        source=job.data.source.split(" in ")[0],  # a folder is nobody's business
        split=job.spec.split,
        rows=rows,
        weights=weights,
        check=sentence,
        retrained=retrained,
        versions=versions(),
    )


def _write_json(path: Path, value: Any) -> None:
    write_aside(path, f"{json.dumps(value, indent=1, ensure_ascii=False)}\n".encode())


# --- the script and the registry --------------------------------------------------------------


def script_of(job: Job) -> str:
    """The trial as a plain Keras script; raises DataError where its data set is not known."""
    data = job.data
    if is_own(job.spec.model):
        raise UsageError(
            f"no script can be written for model: {job.spec.model}: the code is yours already.\n"
            "Leave --code away; the model itself takes raw input."
        )
    if data.encoder is not None:
        raise DataError(
            f"no script can be written for {data.name}: how data of your own is read is more than "
            "a page.\nLeave --code away; the model itself takes raw input."
        )
    return script(
        ScriptFacts(
            study=job.outcome.study,
            trial=job.entry.trial,
            dataset=data.name,
            source=data.source,
            input_shape=data.input_shape,
            classes=data.n_classes,
            scale=data.scale,
            params=job.entry.params,
            split=job.spec.split,
            seed=job.spec.seed,
            epochs=job.spec.epochs,
            chosen=job.chosen,
            model=job.spec.model,
        )
    )


def register_model(job: Job, model: Model, name: str, alias: str) -> dict[str, Any]:
    """Put an exported model into MLflow's registry.

    Returns:
        `name`, `version`, `alias`, `run_id`, `address` (of the store) and `uri` (to load it by).

    Raises:
        TrackingError: the store cannot be reached or refuses.
    """
    job.say("Registering it in MLflow …")
    record = job.entry.record
    found = run_errand(
        "tuner.tracking.registry:register",
        {
            "folder": str(job.workspace.root),
            "model": str(model.target),
            "card": model.card,
            "name": name,
            "alias": alias,
            "data": str(job.data.path),
            "run_id": record.run_id,
            "study_uid": record.attempt.split(":")[0],
        },
        job.workspace.logs,
    )
    return {**found, "uri": f"models:/{found['name']}@{found['alias']}"}
