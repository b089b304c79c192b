"""One job that needs Keras, done by a short-lived child, so that the caller never imports it.

The rule: a request goes in and an answer comes out as JSON; large arrays travel as files that the
request names. What libraries print goes to a log. A mistake that a user can mend comes back as the
same error of our own tree; anything else says where its log is.

    run_errand("tuner.training.inference:predict", {...}, workspace.logs)
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tuner import errors

POLL_SECONDS = 0.1


def run_errand(
    function: str,
    request: Mapping[str, Any],
    logs: Path,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """What `function` answers to `request`, computed in a process of its own.

    The child ends with this process, in whatever way it ends.

    Args:
        function: dotted path `package.module:function` of a function from dict to dict.
        request: plain JSON values.
        logs: folder for what the child prints; the log of a job that went well is removed.
        stop: asked while the child works; true ends it.

    Raises:
        TunerError: what the function raised, of the same class.
        TrainingError: the child ended otherwise.
    """
    logs.mkdir(parents=True, exist_ok=True)
    package_root = str(Path(__file__).parents[2])
    environment = {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH")])),
    }
    with tempfile.TemporaryDirectory(prefix="tuner-") as folder:
        asked, answered = Path(folder, "request.json"), Path(folder, "answer.json")
        asked.write_text(json.dumps(dict(request)), encoding="utf-8")
        log = logs / f"errand-{os.getpid()}.log"
        # -P: a keras.py in the user's working directory is not Keras.
        command = [sys.executable, "-P", "-m", __spec__.name, function, str(asked), str(answered)]
        with log.open("wb") as printed:
            child = subprocess.Popen(  # noqa: S603
                command, env=environment, stdin=subprocess.PIPE, stdout=printed, stderr=printed
            )
            try:
                while child.poll() is None and not stop():
                    with suppress(subprocess.TimeoutExpired):
                        child.wait(POLL_SECONDS)
            finally:
                if child.poll() is None:
                    child.kill()
                    child.wait()
                if child.stdin is not None:
                    child.stdin.close()
        try:
            answer: dict[str, Any] = json.loads(answered.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise errors.TrainingError(
                f"the process for {function.rpartition(':')[2]} ended without an answer "
                f"({child.returncode}).\nWhat it printed is in {log}."
            ) from None
        if "error" in answer:
            raise getattr(errors, answer["error"])(*answer["arguments"])
        with suppress(OSError):
            log.unlink()
        found: dict[str, Any] = answer["answer"]
        return found


def _end_with_parent() -> None:
    """Nothing ever comes through standard input; its end is the death of whoever started us."""
    with suppress(OSError):
        while os.read(0, 4096):
            pass
    os._exit(1)


def main(argv: Sequence[str]) -> int:
    """Entry of the child: `function`, the file of the request, the file for the answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides, and ends this process
    threading.Thread(target=_end_with_parent, daemon=True).start()
    function, asked, answered = argv[0], Path(argv[1]), Path(argv[2])
    module, name = function.split(":")
    request = json.loads(asked.read_text(encoding="utf-8"))
    try:
        answer: dict[str, Any] = {"answer": getattr(importlib.import_module(module), name)(request)}
    except errors.DefinitionError as error:
        arguments = [error.source, list(error.problems)]
        answer = {"error": type(error).__name__, "arguments": arguments}
    except errors.TunerError as error:
        answer = {"error": type(error).__name__, "arguments": [str(error)]}
    aside = answered.with_suffix(".part")
    aside.write_text(json.dumps(answer), encoding="utf-8")
    os.replace(aside, answered)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
