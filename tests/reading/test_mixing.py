"""How well the reader mixes rows, also those that lie in the order of a sorted source."""

import h5py
import numpy as np
import pytest

from benchmarks.studies.order import BATCH_SIZE, mean_entropy
from ooc_train.reading.sampler import WINDOW_SLICES, finer
from ooc_train.reading.store import open as open_store
from tests.files import Toy, reseal, write_toy


@pytest.mark.parametrize("slice_rows", [1, 7, 16, 100, 256])
def test_finer_windows_are_no_larger(slice_rows):
    shorter, more = finer(slice_rows)
    assert 1 <= shorter <= slice_rows
    assert shorter * more <= slice_rows * WINDOW_SLICES
    assert more > WINDOW_SLICES or slice_rows == 1


def test_the_reader_mixes_a_sorted_source(tmp_path):
    """Its batches have nearly all classes, unless the file claims to be shuffled."""
    toy = Toy(n_classes=100, n_columns=600)
    path = write_toy(tmp_path / "sorted.h5", toy=toy, sort=True, train=40_000, test=9)
    shares = {}
    for claim in ("shuffled", "source"):
        with h5py.File(path, "r+") as file:
            file.attrs["order"] = claim
            reseal(file)
        with open_store(path) as store:
            assert store["train"].is_shuffled == (claim == "shuffled")
            assert not store["test"].is_shuffled
            batches = store["train"].batches(BATCH_SIZE, seed=0)
            labels = np.concatenate([labels for _, labels in batches])
        true = np.random.default_rng(0).permutation(labels)
        shares[claim] = mean_entropy(labels) / mean_entropy(true)
    assert shares["source"] > 0.97
    assert shares["shuffled"] < 0.95
