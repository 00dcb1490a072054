"""The external shuffle: every row once, in order, bucket by bucket, unpacked by the workers."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import ooc_train
from ooc_train.conversion.kinds.sequence.sequence_shuffle import LabelledSequences, SequenceShuffle
from ooc_train.conversion.resources import MemoryPlan, Resources
from ooc_train.conversion.storage.shuffle import Buckets, LabelledRows, RowShuffle
from ooc_train.progress import Silent
from tests.corpora import random_rows, write_rows


@pytest.mark.parametrize("n_rows", [1, 15, 16, 17, 100])
@pytest.mark.parametrize("bucket_bytes", [100, 10**6])
def test_buckets_give_every_row_in_its_place(tmp_path, n_rows, bucket_bytes):
    places = np.random.default_rng(0).permutation(n_rows)
    lengths = np.arange(n_rows) % 5
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    entries = np.arange(offsets[-1], dtype=np.int32)
    labels, everything = places.astype(np.int32), np.arange(n_rows)
    sizes = {"expected_bytes": 8 * len(entries), "bucket_bytes": bucket_bytes}
    expected = [entries[offsets[i] : offsets[i + 1]].tolist() for i in np.argsort(places)]
    with RowShuffle(tmp_path, n_rows, len(entries), **sizes) as sparse:
        sparse.write(
            places, LabelledRows(labels, offsets, entries, entries * np.float32(2)), everything
        )
        pieces = [sparse.read(b, entries) for b in range(sparse.n_buckets)]
        assert np.concatenate([piece.labels for piece in pieces]).tolist() == list(range(n_rows))
        assert rows_of(pieces, "columns") == expected
        assert rows_of(pieces, "values") == [[2 * entry for entry in row] for row in expected]
    with SequenceShuffle(tmp_path, n_rows, **sizes) as ragged:
        ragged.write(places, LabelledSequences(labels, offsets, entries), everything)
        ids = entries + np.int32(1)
        pieces = [ragged.read(b, ids, 3) for b in range(ragged.n_buckets)]
        assert rows_of(pieces, "tokens") == [[entry + 1 for entry in row[-3:]] for row in expected]


def rows_of(pieces, name):
    """The rows' entries of all pieces, as lists."""
    return [
        getattr(piece, name)[i:j].tolist()
        for piece in pieces
        for i, j in zip(piece.offsets[:-1], piece.offsets[1:], strict=True)
    ]


def test_few_bytes_are_shared_among_the_workers_and_many_stay_within_a_bucket(tmp_path):
    for expected_bytes, least in ((10, 16), (100_000, 1000)):
        buckets = Buckets(tmp_path, 5000, expected_bytes=expected_bytes, bucket_bytes=100)
        with buckets:
            assert least <= buckets.n_buckets <= 2 * least


@pytest.mark.parametrize("features", ["ngram", "sequence"])
def test_workers_unpack_buckets(tmp_path, monkeypatch, features):
    threads, read_packed = set(), Buckets.read_packed

    def noted(self, bucket):
        threads.add(threading.current_thread())
        return read_packed(self, bucket)

    monkeypatch.setattr(Buckets, "read_packed", noted)
    source = write_rows(tmp_path / "train.csv", random_rows(100))
    ooc_train.convert(source, tmp_path / "o.h5", features=features)
    assert threads
    assert threading.main_thread() not in threads


def test_no_more_is_under_way_than_the_plan_says(tmp_path):
    plan = MemoryPlan(
        n_workers=2, block_bytes=1, table_bytes=1, bucket_bytes=1, dictionary_bytes=2**16
    )
    begun, taken = [], 0
    with ThreadPoolExecutor(8) as pool:
        resources = Resources(plan, pool, tmp_path, Silent())
        for _ in resources.in_order(begun.append, range(50)):
            taken += 1
            assert len(begun) - taken <= plan.n_workers + 1
