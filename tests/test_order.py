"""How good the order of rows is: the reader's own, and what the benchmark says of it."""

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.studies import order
from ooc_train.reading.sampler import SLICE_ROWS, WINDOW_SLICES, finer
from ooc_train.reading.store import open as open_store
from tests.files import Toy, reseal, write_toy

README = Path(__file__).parents[1] / "benchmarks/README.md"


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    folder = tmp_path_factory.mktemp("order")
    assert main(["order", "--rows", "100000", "--out", str(folder)]) == 0
    return json.loads((folder / "order.json").read_text())


def test_rows_in_the_order_of_their_source_are_mixed_as_a_true_shuffle_mixes_them(record):
    (found,) = [s for s in record["settings"] if s["setting"] == order.IN_SOURCE_ORDER]
    assert all(share > 0.95 for share in found["entropy"].values())
    assert abs(found["correlation_with_file"]) < 0.05
    assert abs(found["correlation_of_epochs"]) < 0.05


def test_larger_windows_mix_better(record):
    shares = [s["entropy"]["10"] for s in record["settings"] if s["slice_rows"] == SLICE_ROWS]
    assert shares == sorted(shares)
    assert shares[0] < 0.1
    assert shares[-1] > 0.9


def test_the_entropy_is_that_of_the_labels():
    one_class = np.zeros(256, np.int64)
    assert order.mean_entropy(one_class) == 0
    assert order.mean_entropy(np.arange(256) % 4) == pytest.approx(np.log(4))
    assert order.mean_entropy(np.arange(256)) == pytest.approx(np.log(order.BATCH_SIZE))
    half = np.concatenate([one_class[:128], np.arange(128) % 2])
    assert order.mean_entropy(half) == pytest.approx(np.log(2) / 2)


def test_the_table_in_the_readme_has_the_settings_that_there_are():
    text = README.read_text("utf-8")
    table = text[text.index("### What `order` gave") :]
    rows = re.findall(r"^\| (\d+) \| ([\d,]+) \|", table, re.MULTILINE)[: len(order.SETTINGS)]
    assert [(int(a), int(b.replace(",", ""))) for a, b in rows] == [
        tuple(s) for s in order.SETTINGS
    ]


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
            batches = store["train"].batches(order.BATCH_SIZE, seed=0)
            labels = np.concatenate([labels for _, labels in batches])
        true = np.random.default_rng(0).permutation(labels)
        shares[claim] = order.mean_entropy(labels) / order.mean_entropy(true)
    assert shares["source"] > 0.97
    assert shares["shuffled"] < 0.95
