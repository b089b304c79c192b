"""The search: the study and its samplers (the only `import optuna`), pruning, the scheduler."""
