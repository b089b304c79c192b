"""`Sweep`: what `tuner sweep` runs, from a script or a notebook.

The rule: a sweep is what the command line would make of the same words. A name takes the options
of the command line, a sweep that is made here takes the keys of a sweep file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner import definition as definitions
from tuner.api import memory
from tuner.api.asking import at_least_one, usual_data_dir
from tuner.api.imports import import_search
from tuner.api.interrupts import interruptible
from tuner.api.keys import definition_of, domains, model_name, plain, target_texts
from tuner.api.result import Result
from tuner.api.words import in_python
from tuner.definition import Overrides, SweepDefinition
from tuner.errors import UsageError
from tuner.reading import is_path, name_of
from tuner.targets import Target
from tuner.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

    from tuner.commands.plan import Plan

PathLike = str | os.PathLike[str]
LONGEST = 200  # characters of one keyword's value, where a sweep says what it is


class Sweep:
    """A search for configurations that meet targets, ready to run.

    With `sweep`, it is a shipped definition, the path of a sweep file, or a study that is there:

        Sweep("digits", trials=20, set={"units": [16, 32]}, fix={"optimizer": "adam"})

    With `dataset`, it is made here, by the keys of a sweep file:

        Sweep(dataset="digits", targets="val >= 95% with train < 99%",
              space={"dropout": {"min": 0, "max": 0.7}, "units": [32, 64]}, epochs=10, name="mine")

    Args:
        sweep: a name or a path.
        dataset: a data set's name, a path to data of your own, a DataFrame (name its column with
            the answer by `label`), or arrays: `(x, y)`, `(x_train, y_train, x_test, y_test)`, or
            what `keras.datasets` gives. What is in memory is kept in `.tuner/inputs/`.
        targets: such as `"val >= 95% with train < 99%"`, or a list.
        set: with `sweep`: ranges that are searched instead, as `--set`.
        fix: with `sweep`: parameters that are held at a value, as `--fix`.
        space, fixed, variants: with `dataset`: as in a sweep file.
        model: with `dataset`: `mlp`, another name, or a function or class that can be imported.
        trials: of the study in all, earlier ones included.
        epochs, seed, seeds, sampler, pruner, engine: as in a sweep file.
        name: of the study; by default that of the sweep, or of the data.
        folder: the working directory, which holds the record, the MLflow runs and the data.
        data_dir: where `fashion_mnist.npz` and the like lie; by default `TUNER_DATA_DIR`.
        keys: with `dataset`: any other key of a sweep file, such as `label` or `validation`.

    Raises:
        UsageError: there is no such sweep, or a keyword has no place here.
        DefinitionError: the keywords make no sweep; all mistakes at once.
        TargetError: a target does not parse.
    """

    def __init__(
        self,
        sweep: PathLike | None = None,
        *,
        dataset: PathLike | tuple[Any, ...] | pd.DataFrame | None = None,
        targets: str | Target | Sequence[str | Target] | None = None,
        set: Mapping[str, Any] | None = None,
        fix: Mapping[str, Any] | None = None,
        space: Mapping[str, Any] | None = None,
        fixed: Mapping[str, Any] | None = None,
        variants: Mapping[str, Mapping[str, Any]] | None = None,
        model: str | Callable[..., Any] | type | None = None,
        trials: int | None = None,
        epochs: int | None = None,
        seed: int | None = None,
        seeds: int | None = None,
        sampler: str | None = None,
        pruner: str | None = None,
        engine: str | None = None,
        name: str | None = None,
        folder: PathLike = ".",
        data_dir: PathLike | None = None,
        **keys: Any,
    ) -> None:
        given = {"space": space, "fixed": fixed, "variants": variants, "model": model, **keys}
        options: dict[str, Any] = {
            "trials": trials,
            "epochs": epochs,
            "seed": seed,
            "seeds": seeds,
            "sampler": sampler,
            "pruner": pruner,
            "engine": engine,
        }
        own = {key: value for key, value in given.items() if value is not None}
        said = {"sweep": sweep, "dataset": dataset, "targets": targets, "set": set, "fix": fix}
        said |= {**own, **options, "name": name}
        self._given = {key: value for key, value in said.items() if value is not None}
        self.folder = Path(folder).absolute()
        self.data_dir = usual_data_dir() if data_dir is None else Path(data_dir).absolute()
        self._overrides = Overrides()
        self._definition: SweepDefinition | None = None
        self._data: Any = None
        with in_python():
            _refuse_both(sweep, dataset, own, {"set": set, "fix": fix}, self.folder)
            texts = None if targets is None else target_texts(targets)
            options = {key: plain(value, key) for key, value in options.items()}
            if sweep is not None:
                self._study = name
                self._sweep = os.fspath(sweep)
                if self._sweep.endswith((".yaml", ".yml")):
                    self._sweep = self._seen_from_folder(self._sweep)
                self._overrides = Overrides(
                    sets=_ranges(domains(set or {}, "set")),
                    fixes=_values(plain(fix or {}, "fix")),
                    targets=tuple(texts or ()),
                    **options,
                )
                self._check_named()
            else:
                self._sweep = self._study = name or _name_for(dataset)
                own |= {key: value for key, value in options.items() if value is not None}
                if texts is not None:
                    own["targets"] = texts
                self._make(dataset, own)

    def __repr__(self) -> str:
        return f"Sweep({', '.join(f'{key}={_short(value)}' for key, value in self._given.items())})"

    def run(
        self,
        *,
        workers: int | None = None,
        timeout: float | None = None,
        add: int | None = None,
        until_met: int | None = None,
        until_confirmed: int | None = None,
        progress: bool = True,
    ) -> Result:
        """Train what is missing, in worker processes, and return what the study has found.

        A study goes on where it stopped. An interruption (Ctrl-C, or a notebook's stop button)
        lets running trials finish and returns the result so far; a second one hands them back.

        Args:
            workers: worker processes; None: one a core, as far as memory allows. 1 repeats exactly.
            timeout: seconds, after which running trials are handed back.
            add: so many trials more than the study has, instead of a total.
            until_met: end as soon as so many trials meet the targets.
            until_confirmed: put trials that meet to the test as they come, and end when so many are
                confirmed.
            progress: print a line a trial on stderr.

        Raises:
            DataError: the data is missing, or cannot be trained on.
            StudyError: the study was made by another definition, or is damaged.
            TrainingError: trials fail in a way that another attempt would not mend.
        """
        import_search()
        from tuner.commands.goals import Goal
        from tuner.commands.output import notes_console
        from tuner.commands.sweep import SweepRequest, planned, sweep_all

        with in_python(), interruptible() as interruption:
            self._check_run(workers, timeout, add, until_met, until_confirmed)
            request = SweepRequest(
                names=(self._sweep,),
                overrides=self._overrides,
                folder=self.folder,
                data_dir=self.data_dir,
                study=self._study,
                add=add,
                timeout=timeout,
                workers=workers,
                verbosity=0 if progress else -1,
                goal=Goal(until_met, until_confirmed),
                command=f"{self!r}.run()",
                more="run(add=10)",
            )
            console = notes_console()
            with planned(request, self._plan, console) as (plans, presence):
                swept = sweep_all(request, plans, console, presence, interruption)
        (outcome,) = swept.outcomes
        return Result(outcome.study, self.folder, outcome, self.data_dir)

    # Before anything runs.

    def _check_named(self) -> None:
        """Find the sweep, and its mistakes where it is a file that no study goes on from."""
        if self._sweep in Workspace(self.folder).study_names():
            return
        path = definitions.find(self._sweep, self.folder)
        if (self._study or path.stem) not in Workspace(self.folder).study_names():
            definitions.load(path, self._overrides)

    def _make(self, dataset: Any, own: dict[str, Any]) -> None:
        """Make the definition; data in memory is written when the sweep runs."""
        if "space" in own:
            own["space"] = domains(own["space"])
        if "model" in own:
            own["model"] = model_name(own["model"])
        keys = {key: plain(value, key) for key, value in own.items()}
        if memory.is_in_memory(dataset):
            self._data = dataset
            if isinstance(dataset, tuple):
                memory.named_arrays(dataset)  # raises
            keys["dataset"] = f"./{self._study}.npz"  # until it is known where it lies
        else:
            keys["dataset"] = self._seen_from_folder(plain(dataset, "dataset"))
        self._keys = keys
        self._definition = definition_of(str(self._study), keys)

    def _seen_from_folder(self, given: Any) -> Any:
        """A path as the working directory sees it, where that is not the current one."""
        if not isinstance(given, str) or not is_path(given) or self.folder == Path.cwd():
            return given
        return str(Path(given).absolute()) if Path(given).exists() else given

    def _plan(self, workspace: Workspace, say: Callable[[str], None]) -> list[Plan]:
        from tuner.commands.plan import make_plan, plan_of

        if self._definition is None:
            return [
                make_plan(workspace, self._sweep, self._overrides, self.data_dir, self._study, say)
            ]
        definition = self._definition
        if self._data is not None:
            path = memory.keep(self._data, definition.name, workspace)
            definition = definition_of(definition.name, {**self._keys, "dataset": path})
        return [plan_of(workspace, definition, self.data_dir, say)]

    def _check_run(
        self,
        workers: int | None,
        timeout: float | None,
        add: int | None,
        until_met: int | None,
        until_confirmed: int | None,
    ) -> None:
        numbers = {
            "workers": workers,
            "timeout": timeout,
            "add": add,
            "until_met": until_met,
            "until_confirmed": until_confirmed,
        }
        for name, number in numbers.items():
            at_least_one(name, number)
        if add is not None and self._overrides.trials is not None:
            raise UsageError("trials is the study's total and add asks for more: give one of them.")
        if until_met is not None and until_confirmed is not None:
            raise UsageError("until_confirmed includes until_met: give one of them.")


def _refuse_both(
    sweep: Any, dataset: Any, own: Mapping[str, Any], changes: Mapping[str, Any], folder: Path
) -> None:
    """Raise UsageError where it is not clear what is meant, or a keyword has no place."""
    if sweep is None and dataset is None:
        known = ", ".join(definitions.available(folder))
        raise UsageError(
            f"which sweep? Known are {known}, or give a file's path,\n"
            "or make one here: Sweep(dataset=…, targets=…, space=…)"
        )
    if sweep is not None and not isinstance(sweep, str | os.PathLike):
        raise UsageError(
            f"sweep is of type {type(sweep).__name__}: give a name or a path; data is `dataset=`."
        )
    if sweep is not None and dataset is not None:
        raise UsageError("dataset makes a sweep here, and a named one has its own: give one.")
    if sweep is not None and own:
        listed = ", ".join(own)
        raise UsageError(
            f"{listed}: a named sweep has its own; it is changed by set={{…}} and fix={{…}}, as "
            "on the command line.\nA sweep that is made here begins with dataset=…"
        )
    if sweep is None:
        wrong = [name for name, value in changes.items() if value is not None]
        if wrong:
            raise UsageError(
                f"{' and '.join(wrong)}: for a named sweep only; this one has space={{…}} and "
                "fixed={…}."
            )


def _ranges(given: Mapping[str, Any]) -> tuple[str, ...]:
    """`NAME=…` as `--set` takes it; a text is that already, such as `1e-5..1e-2:log`."""
    return tuple(
        f"{name}={domain if isinstance(domain, str) else json.dumps(domain)}"
        for name, domain in given.items()
    )


def _values(given: Any) -> tuple[str, ...]:
    """`NAME=VALUE` as `--fix` takes it."""
    if not isinstance(given, Mapping):
        raise UsageError('fix: write a mapping from parameters, such as {"optimizer": "adam"}.')
    return tuple(f"{name}={json.dumps(value)}" for name, value in given.items())


def _short(value: Any) -> str:
    """A keyword's value, in one line and without data."""
    if memory.is_in_memory(value):
        return f"<{type(value).__name__}>"
    text = " ".join(repr(value).split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _name_for(dataset: Any) -> str:
    """What a study is called that was given no name."""
    if memory.is_table(dataset):
        return "table"
    return "arrays" if isinstance(dataset, tuple) else name_of(os.fspath(dataset))
