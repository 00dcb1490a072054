"""The order of rows, beside a true shuffle."""

import json
import re

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.studies import order
from ooc_train.reading.sampler import SLICE_ROWS
from tests.benchmarks.runs import ROOT, check_what_is_written, linux

README = ROOT / "benchmarks/README.md"
TINY = ["order", "--rows", "20000"]


@linux
def test_it_prints_what_it_writes(tiny):
    check_what_is_written(tiny, "order")


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
    table = text[text.index("### The order of rows") :]
    rows = re.findall(r"^\| (\d+) \| ([\d,]+) \|", table, re.MULTILINE)[: len(order.SETTINGS)]
    assert [(int(a), int(b.replace(",", ""))) for a, b in rows] == [
        tuple(s) for s in order.SETTINGS
    ]
