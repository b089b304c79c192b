"""From `package.module:attribute` to a model of the user's own.

The rule: whatever is wrong with it is said in a line that names the reference: the module cannot be
found or fails to import, the attribute is missing, it is nothing that builds a model.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
import traceback
from pathlib import Path
from typing import Any

from tuner.errors import ModelError, nearest


def load_hypermodel(reference: str, folder: Path) -> Any:
    """The KerasTuner hypermodel that `reference` names, a `build(hp)` function wrapped as one.

    Args:
        reference: `package.module:attribute`.
        folder: where modules of the user's own are looked for first.

    Raises:
        ModelError: there is none, or it cannot be imported.
    """
    import keras_tuner

    found = load_attribute(reference, folder)
    if inspect.isclass(found) and issubclass(found, keras_tuner.HyperModel):
        found = _instance(found, reference)
    if isinstance(found, keras_tuner.HyperModel):
        return found
    if inspect.isclass(found) or not callable(found):
        what = f"the class {found.__name__}" if inspect.isclass(found) else type(found).__name__
        raise ModelError(
            f"model {reference} is {what}, but must be a KerasTuner HyperModel or a function "
            "build(hp) that returns a compiled Keras model."
        )
    _takes_hp(found, reference)
    return _wrapped(found)


def load_attribute(reference: str, folder: Path) -> Any:
    """The object that `reference` names.

    Raises:
        ModelError: the module or the attribute is missing, or the import fails.
    """
    name, _, attribute = reference.partition(":")
    place = str(folder)
    if place not in sys.path:
        sys.path.insert(0, place)
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise ModelError(
                f"model {reference}: there is no module {name}.\nIt is looked for in {folder} and "
                "among installed packages; name it as Python imports it, without .py."
            ) from error
        raise ModelError(f"model {reference}: {_why(error, name)}") from error
    except (Exception, SystemExit) as error:
        raise ModelError(f"model {reference}: {_why(error, name)}") from error
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            own = [n for n, v in vars(module).items() if getattr(v, "__module__", None) == name]
            known = f"; it has {', '.join(own[:8])}" if own else ""
            raise ModelError(f"model {reference}: {name} has no {part}{nearest(part, own)}{known}.")
        found = getattr(found, part)
    return found


def source_of(reference: str) -> str:
    """12 hexadecimal digits over the file of the model's module, once that is imported.

    Two trainings whose modules differ may differ in their figures. Empty where there is no file.
    """
    file = getattr(sys.modules.get(reference.partition(":")[0]), "__file__", None)
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:12] if file else ""
    except OSError:
        return ""


def where(error: BaseException, folder: Path) -> str:
    """` (models.py, line 12)`: the innermost line of the user's own in a traceback, or nothing."""
    library = Path(sys.prefix).resolve()  # it may lie in the folder
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        if file.is_relative_to(folder) and not file.resolve().is_relative_to(library):
            return f" ({file.relative_to(folder)}, line {frame.lineno})"
    return ""


def reason(error: BaseException) -> str:
    """`ValueError: …` in one line."""
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    text = f"{type(error).__name__}: {lines[0].strip()}" if lines else type(error).__name__
    return text[:300]


def _why(error: BaseException, module: str) -> str:
    if isinstance(error, SyntaxError):
        return f"{module} is not Python: {error.msg} (line {error.lineno})."
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if Path(f.filename).stem == module.rpartition(".")[2]]
    line = f" (line {own[-1].lineno})" if own else ""
    return f"{module} fails to import: {reason(error)}{line}."


def _instance(found: Any, reference: str) -> Any:
    """A HyperModel for its class, where it needs nothing to be made."""
    needed = [
        p.name
        for p in list(inspect.signature(found.__init__).parameters.values())[1:]
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if needed:
        raise ModelError(
            f"model {reference} is a class that needs {', '.join(needed)} to be made.\n"
            f"Make one in its module, such as model = {found.__name__}(…), and name that."
        )
    return found()


def _takes_hp(found: Any, reference: str) -> None:
    try:
        inspect.signature(found).bind(None)
    except TypeError:
        raise ModelError(
            f"model {reference} cannot be called with the hyperparameters alone: it must be a "
            "function build(hp)."
        ) from None
    except ValueError:  # one written in C has no signature
        return


def _wrapped(build: Any) -> Any:
    import keras_tuner

    class Built(keras_tuner.HyperModel):  # type: ignore[misc]
        def build(self, hp: Any) -> Any:
            return build(hp)

    return Built()
