"""Opening a study: made once, refused where it is another one, and in use from the first moment."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import optuna

from tuner.definition import SweepDefinition, refuse_another
from tuner.locks import locked
from tuner.search import owners
from tuner.search.sampling import quiet
from tuner.search.storage import open_storage
from tuner.search.study import SweepStudy
from tuner.workspace import Workspace


def open_study(
    workspace: Workspace,
    name: str,
    definition: SweepDefinition,
    identity: dict[str, Any],
    base: dict[str, Any] | None = None,
) -> SweepStudy:
    """Open the study called `name`, or create it.

    Args:
        workspace: the working directory.
        name: of the study.
        definition: what it searches.
        identity: what makes it this study and no other (`definition.identity`).
        base: the sweep file without the options of the command line, to notice when it changes.

    Raises:
        StudyError: it exists with another identity; the message names the keys that differ.
    """
    quiet()
    owner = owners.Owner(workspace.owners)  # first: what is opened is in use from then on
    try:
        study = _stored(workspace, name, definition, identity, base)
    except BaseException:
        owner.close()
        raise
    return SweepStudy(workspace, study, definition, owner)


def _stored(
    workspace: Workspace,
    name: str,
    definition: SweepDefinition,
    identity: dict[str, Any],
    base: dict[str, Any] | None,
) -> optuna.Study:
    """The study in the journal, made if need be."""
    storage = open_storage(workspace.journal, workspace.lock("journal"))
    with locked(workspace.lock("ask")):
        study = optuna.create_study(
            study_name=name, storage=storage, direction="maximize", load_if_exists=True
        )
        known = study.user_attrs
        if "identity" in known:
            refuse_another(name, known["identity"], identity)
            if known["definition"] != definition.to_record():
                study.set_user_attr("definition", definition.to_record())
        else:
            study.set_user_attr("uid", known.get("uid") or uuid4().hex[:12])
            study.set_user_attr("dataset", definition.data_name)
            study.set_user_attr("definition", definition.to_record())
            study.set_user_attr("base", base)
            study.set_user_attr("identity", identity)  # last: its presence says all is there
    return study
