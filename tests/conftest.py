"""Every test starts from the same environment, whatever the shell around it holds.

Variables that change what tuner, MLflow, Optuna or Keras do are taken away, and colours and the
terminal's width are fixed. Two stay: `TUNER_DATA_DIR`, made absolute, names real data that tests
read and never write; `TUNER_UPDATE_GOLDEN` rewrites expected texts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

PREFIXES = ("MLFLOW_", "TUNER_", "KERAS_")
NAMES = ("OPTUNA_STORAGE", "FORCE_COLOR", "CLICOLOR_FORCE", "PYTHONOPTIMIZE")
KEPT = ("TUNER_DATA_DIR", "TUNER_UPDATE_GOLDEN")


def pytest_configure() -> None:
    if os.environ.get("TUNER_DATA_DIR"):
        os.environ["TUNER_DATA_DIR"] = str(Path(os.environ["TUNER_DATA_DIR"]).resolve())


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name not in KEPT and (name.startswith(PREFIXES) or name in NAMES):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    # Tests talk to MLflow directly, too, and that would report home.
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")


@pytest.fixture(scope="module")
def warm() -> Iterator[None]:
    """Commands that a test runs in its own process find everything warm (see `inside`)."""
    from inside import warmth

    with warmth():
        yield


@pytest.fixture
def data_dir() -> Path:
    """The folder with the real data files; skips where there is none."""
    folder = os.environ.get("TUNER_DATA_DIR")
    if not folder:
        pytest.skip("TUNER_DATA_DIR is unset: no real data")
    if not Path(folder).is_dir():
        pytest.skip(f"TUNER_DATA_DIR is {folder}, which is no folder: no real data")
    return Path(folder)
