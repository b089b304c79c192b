"""Hyperparameter sweeps for Keras classifiers that must meet targets."""

__version__ = "0.1.0"
