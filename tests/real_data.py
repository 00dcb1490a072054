"""Where the real data sets are; tests that need one skip with a reason where it is absent."""

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("OOC_TRAIN_DATA", Path(__file__).parents[2] / "shared" / "data"))


def data_set(name):
    """The train and the test file of a data set, plain or gzip."""
    for suffix in (".csv", ".csv.gz"):
        train, test = (FOLDER / name / f"{split}{suffix}" for split in ("train", "test"))
        if train.is_file() and test.is_file():
            return train, test
    pytest.skip(f"the data set {name} is not in {FOLDER}; name its folder in OOC_TRAIN_DATA")
