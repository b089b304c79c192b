"""Exported models in MLflow's model registry: put there under an alias, and asked from there.

The rule: `register` and `answer` run in a short-lived child (`executors.errand`), where settings of
MLflow that hold for a whole process are nobody else's. A model is logged to the run of its trial,
whose state and times stay as they are. What lies beside an exported model goes along with it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.errors import TrackingError, UsageError
from tuner.exported import read_description, vocabulary_of
from tuner.targets import BY_CLASS
from tuner.tracking.mlflow_connection import Connection, imported, local_path, where

ALIAS = "champion"
SIDECAR = "tuner.json"
CARD = "card.md"
URI = re.compile(r"models:/([^/@]+)(?:@([^/@]+)|/(\d+))")
"""`models:/NAME@ALIAS` or `models:/NAME/VERSION`."""

_ALIAS = re.compile(r"[A-Za-z_][\w\-]*")
_NOT_ALIAS = re.compile(r"(?i)latest|v\d+")
_REQUIRED = ("keras", "tensorflow", "numpy", "mlflow")
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


def check_names(model: str, alias: str) -> None:
    """Raise UsageError for a name or alias that MLflow would refuse at the end."""
    if not model.strip() or re.search(r"[/:]", model):
        raise UsageError(f"--register {model!r}: a model's name is not empty and has no / or :.")
    if not _ALIAS.fullmatch(alias) or _NOT_ALIAS.fullmatch(alias):
        raise UsageError(
            f"--alias {alias!r}: an alias is made of letters, digits, - and _, begins with a "
            "letter, and is neither latest nor a version such as v1."
        )


def register(request: Mapping[str, Any]) -> dict[str, Any]:
    """Log an exported model, register it and set the alias.

    Args:
        request: `folder` (the working directory, as for `Connection`), `model` (the `.keras` file,
            with its description beside it), `card` (the text of its card), `name` and `alias` in
            the registry, `data` (folder of the trial's prepared arrays), `run_id` (the trial's run,
            or null), `study_uid`.

    Returns:
        `name`, `version`, `alias`, `run_id` and `address` (of the store, without credentials).

    Raises:
        TrackingError: the store cannot be reached or refuses.
    """
    import numpy as np

    from tuner.data.prepared import Prepared
    from tuner.training.export import load_model

    file = Path(request["model"])
    described = read_description(file.with_suffix(".json"))
    model = load_model(file)
    example = np.ascontiguousarray(Prepared.open(Path(request["data"])).x_train[:1])
    answers = np.asarray(model(example, training=False))
    connection, client = _connected(Path(request["folder"]))
    mlflow = imported()
    from mlflow.models import Model, infer_signature

    with connection.told():
        run = _run_for(connection, client, request, described.study)
        mlflow.set_experiment(experiment_id=run.info.experiment_id)
        # Not by `mlflow.keras.log_model`, which wants an active run: that would open the trial's
        # run again and give it another end.
        logged = Model.log(
            artifact_path=None,
            name=re.sub(r"[^\w\- ]", "_", f"{described.study} trial {described.trial}"),
            flavor=_Flavor,
            flavor_name="keras",
            run_id=run.info.run_id,
            step=described.epoch,
            model=model,
            signature=infer_signature(example, answers),
            input_example=example,
            pip_requirements=_requirements(),
            metadata={"tuner": {"study": described.study, "trial": described.trial}},
        )
        with tempfile.TemporaryDirectory(prefix="tuner-") as folder:
            _gather(Path(folder), file, request["card"])
            client.log_model_artifacts(logged.model_id, folder)
        tags = _tags(described.study, described.trial, described.dataset, described.metrics)
        made = mlflow.register_model(logged.model_uri, request["name"], tags=tags)
        client.update_model_version(request["name"], made.version, description=request["card"])
        client.set_registered_model_alias(request["name"], request["alias"], made.version)
    return {
        "name": request["name"],
        "version": int(made.version),
        "alias": request["alias"],
        "run_id": str(run.info.run_id),
        "address": connection.address,
    }


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """As `training.answers.answer`, of a registered model.

    Args:
        request: as there, but `model` is a registry URI (see `URI`), and `folder` is the working
            directory.

    Returns:
        as there, and `described`: the model's description.

    Raises:
        TrackingError: there is no such model, or not one that tuner has registered.
    """
    from tuner.training import answers

    connection = Connection(Path(request["folder"]))
    if connection.file is not None and not connection.file.exists():
        raise TrackingError(_no_model(request["model"], connection))  # asking makes no store
    _connected(connection.folder)
    mlflow = imported()
    with tempfile.TemporaryDirectory(prefix="tuner-") as folder:
        with connection.told():
            try:
                place = Path(mlflow.artifacts.download_artifacts(request["model"], dst_path=folder))
            except mlflow.exceptions.MlflowException as error:
                if error.error_code in _ABSENT:
                    raise TrackingError(_no_model(request["model"], connection)) from error
                raise
        sidecar = place / SIDECAR
        if not sidecar.exists():
            raise TrackingError(
                f"{request['model']} was not registered by tuner: what its outputs mean is not "
                "beside it.\nRegister one with: tuner export STUDY --register NAME"
            )
        file = place / "data" / "model.keras"
        found = answers.answer({**request, "model": str(file), "sidecar": str(sidecar)})
        return {**found, "described": read_description(sidecar).to_json()}


def _connected(folder: Path) -> tuple[Connection, Any]:
    """The store of the working directory and its client; MLflow's own functions use it as well."""
    connection = Connection(folder)
    os.environ["MLFLOW_TRACKING_URI"] = connection.uri
    with connection.told(), connection.locked():
        return connection, connection.client()


class _Flavor:
    """MLflow's own way of saving a Keras model, into a folder that is there.

    MLflow 3.17 writes the input example before it makes the folder.
    """

    __name__ = "mlflow.keras"

    @staticmethod
    def save_model(path: str, **given: Any) -> None:
        import mlflow.keras

        Path(path).mkdir(parents=True, exist_ok=True)
        mlflow.keras.save_model(path=path, **given)


def _no_model(uri: str, connection: Connection) -> str:
    return (
        f"{uri} is not in the registry of {connection.address}.\n"
        "Register a model with: tuner export STUDY --register NAME"
    )


def _run_for(connection: Connection, client: Any, request: Mapping[str, Any], study: str) -> Any:
    """The run that the model is logged to: the trial's, else the sweep's, else a new one."""
    from mlflow.exceptions import MlflowException

    if request["run_id"]:
        try:
            run = client.get_run(request["run_id"])
        except MlflowException as error:
            if error.error_code not in _ABSENT:
                raise
        else:
            if _usable(connection, run):
                return run
    experiments = [e.experiment_id for e in client.search_experiments()]
    tags = {"tuner.kind": "sweep", "tuner.study_uid": request["study_uid"]}
    for run in client.search_runs(experiments, where(tags)) if experiments else ():
        if _usable(connection, run):
            return run
    name = f"{study} models"
    found = client.get_experiment_by_name(name)
    maker = connection.own_store() if connection.own else client
    made = found.experiment_id if found else maker.create_experiment(name)
    own = {"tuner.kind": "model", "tuner.study": study, "tuner.study_uid": request["study_uid"]}
    run = client.create_run(made, run_name=study, tags=own)
    client.set_terminated(run.info.run_id)
    return run


def _usable(connection: Connection, run: Any) -> bool:
    """Whether the run is there and its artifacts lie where this store keeps them.

    MLflow notes whole paths: runs of a copied directory would write into the one it was copied
    from.
    """
    if run.info.lifecycle_stage != "active":
        return False
    place = local_path(run.info.artifact_uri)
    if not connection.own or place is None:
        return True
    return place.resolve().is_relative_to(connection.folder)


def _requirements() -> list[str]:
    """What the model needs, in the versions at hand."""
    import importlib.metadata as metadata

    found = []
    for name in _REQUIRED:
        try:
            found.append(f"{name}=={metadata.version(name)}")
        except metadata.PackageNotFoundError:  # such as tensorflow under the name tensorflow-cpu
            continue
    return found


def _gather(folder: Path, file: Path, card: str) -> None:
    """What lies beside the model, under the names that it has in the registry."""
    words = vocabulary_of(file)
    shutil.copy(file.with_suffix(".json"), folder / SIDECAR)
    (folder / CARD).write_text(card, encoding="utf-8")
    if words.exists():
        shutil.copy(words, folder / words.name)


def _tags(
    study: str, trial: int, dataset: str, metrics: Mapping[str, float | None]
) -> dict[str, str]:
    own = {"tuner.study": study, "tuner.trial": str(trial), "tuner.dataset": dataset}
    shown = ("val_accuracy", "train_accuracy", *BY_CLASS)
    return own | {f"tuner.{k}": json.dumps(v) for k in shown if (v := metrics.get(k)) is not None}
