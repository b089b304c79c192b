"""Data sets that come with an installed package: no file, no network."""

from __future__ import annotations

import numpy as np

from tuner.data.dataset import Dataset

DIGITS = "1,797 handwritten digits, 8×8 grey pixels, 10 classes"
TEST_FRACTION = 0.2
TEST_SEED = 20_000  # fixed for good: another number is another test split and another fingerprint


def load_digits() -> Dataset:
    """The digits of scikit-learn as uint8 pixels from 0 to 16; a stratified fifth is the test."""
    from sklearn.datasets import load_digits as load
    from sklearn.model_selection import train_test_split

    bunch = load()
    x = bunch.images.astype(np.uint8)
    y = bunch.target.astype(np.uint8)
    train, test = train_test_split(
        np.arange(len(y)), test_size=TEST_FRACTION, stratify=y, random_state=TEST_SEED
    )
    train, test = np.sort(train), np.sort(test)
    return Dataset(
        name="digits",
        x_train=x[train],
        y_train=y[train],
        x_test=x[test],
        y_test=y[test],
        class_names=tuple(str(digit) for digit in range(10)),
        kind="image",
        scale=16.0,
        description=DIGITS,
        source="scikit-learn",
    )
