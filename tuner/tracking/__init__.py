"""Where trials are shown: a view of the study that can be replayed, and is never read for verdicts.

`base` says what a recorder is and what a run holds, `memory` keeps runs in dicts, `mlflow` writes
them to an MLflow store.
"""
