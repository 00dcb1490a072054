"""The external shuffle: every row once, in order, bucket by bucket, unpacked by the workers."""

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import ooc_train
from benchmarks.corpus.generate import write_corpus
from ooc_train.conversion.kinds.terms import token_file
from ooc_train.conversion.resources import MemoryPlan, Resources
from ooc_train.conversion.storage import job, shuffle, spill
from ooc_train.conversion.storage.layouts.counted import CountedArrays, pack_counts
from ooc_train.conversion.storage.layouts.dense import DenseArrays, pack_dense
from ooc_train.conversion.storage.layouts.ragged import RaggedArrays, pack_ragged
from ooc_train.conversion.storage.layouts.sparse import SparseArrays, pack_sparse
from ooc_train.conversion.storage.shuffle import Buckets, ShuffledSplit
from ooc_train.progress import Silent
from ooc_train.reading.rows import SequenceRows, SparseRows
from ooc_train.tasks import Pool
from tests.corpora import random_rows, write_rows


@pytest.fixture(params=[1, 15, 16, 17, 100])
def places(request):
    return np.random.default_rng(0).permutation(request.param)


@pytest.fixture(params=[100, 10**6])
def shuffled(request, tmp_path, places):
    """What puts records into buckets, in two blocks, and unpacks them as tasks do."""

    def unpack(records, arrays):
        n_rows, n_bytes = len(places), records.items.nbytes
        sizes = {"expected_bytes": n_bytes, "bucket_bytes": request.param}
        split = ShuffledSplit(Buckets.divide(tmp_path, "train", n_rows, **sizes))
        labels = places.astype(np.int32)
        for chosen in (np.arange(0, n_rows, 2), np.arange(1, n_rows, 2)):
            split.segments.append(split.buckets.write(places[chosen], labels, records, chosen))
        tasks = pickle.loads(pickle.dumps(list(split.tasks())))
        pieces = [arrays.unpack(task.read()) for task in tasks]
        found = np.concatenate([piece.labels for piece in pieces])
        assert found.tolist() == list(range(n_rows))
        return pieces

    return unpack


def ragged(places):
    """Offsets of rows of 0 to 4 entries, the entries, and those of each row in its place."""
    offsets = np.concatenate(([0], np.cumsum(np.arange(len(places)) % 5)))
    entries = np.arange(offsets[-1], dtype=np.int32)
    rows = [entries[offsets[i] : offsets[i + 1]].tolist() for i in np.argsort(places)]
    return offsets, entries, rows


def doubled(entries):
    return (2 * entries).astype(np.float32)


def rows_of(pieces, number=0):
    """The rows' entries of all pieces, as lists."""
    return [
        piece.arrays[number][i:j].tolist()
        for piece in pieces
        for i, j in zip(piece.offsets[:-1], piece.offsets[1:], strict=True)
    ]


def test_sparse_rows_come_in_their_places(places, shuffled):
    offsets, entries, expected = ragged(places)
    rows = SparseRows(offsets, entries, doubled(entries), len(entries))
    arrays = SparseArrays(len(entries))
    pieces = shuffled(pack_sparse(rows), arrays)
    assert rows_of(pieces) == expected
    assert rows_of(pieces, 1) == [[2 * entry for entry in row] for row in expected]


def test_counts_become_values_of_renumbered_columns_or_are_left_out(places, shuffled):
    offsets, entries, rows = ragged(places)
    terms = (entries * 40_000 // max(1, len(entries))).astype(np.int32)  # some take two items
    counts = np.array([1, 2, 255, 256, 70_000], np.int32)[entries % 5]
    term_of = dict(zip(entries.tolist(), terms.tolist(), strict=True))
    count_of = dict(zip(entries.tolist(), counts.tolist(), strict=True))
    column_of = np.where(np.arange(40_000) % 3 > 0, 40_000 - np.arange(40_000), -1)
    idf = np.random.default_rng(1).random(40_000)
    of_rows = np.random.default_rng(2).random(len(places))
    arrays = CountedArrays(40_001, column_of.astype(np.int32), idf, 0)
    pieces = shuffled(pack_counts(terms, counts, offsets, of_rows), arrays)
    expected = [
        sorted(
            (int(column_of[term_of[e]]), np.float32(count_of[e] * idf[term_of[e]] * of_rows[i]))
            for e in row
            if term_of[e] % 3
        )
        for i, row in zip(np.argsort(places), rows, strict=True)
    ]
    assert rows_of(pieces) == [[column for column, _ in row] for row in expected]
    assert rows_of(pieces, 1) == [[value for _, value in row] for row in expected]


def test_tokens_are_renumbered_left_out_and_truncated(places, shuffled):
    offsets, entries, rows = ragged(places)
    packed = pack_ragged(SequenceRows(offsets, entries, 0, 0))
    token_of = np.where(entries % 7 > 0, entries + 1, 0).astype(np.int32)
    pieces = shuffled(packed, RaggedArrays(len(entries), 3, token_of))
    assert rows_of(pieces) == [[e + 1 for e in row if e % 7][-3:] for row in rows]
    same = shuffled(
        pack_ragged(SequenceRows(offsets, entries + 1, 0, 0)), RaggedArrays(len(entries), 9)
    )
    assert rows_of(same) == [[entry + 1 for entry in row] for row in rows]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_dense_rows_come_in_their_places(places, shuffled, dtype):
    values = np.arange(3 * len(places)).reshape(-1, 3).astype(dtype)
    pieces = shuffled(pack_dense(values), DenseArrays(3, dtype))
    found = np.concatenate([piece.arrays[0] for piece in pieces])
    assert found.dtype == dtype
    assert np.array_equal(found, values[np.argsort(places)])


def test_few_bytes_are_shared_among_the_workers_and_many_stay_within_a_bucket(tmp_path):
    for expected_bytes, least in ((10, 16), (100_000, 1000)):
        sizes = {"expected_bytes": expected_bytes, "bucket_bytes": 100}
        buckets = Buckets.divide(tmp_path, "train", 5000, **sizes)
        assert least <= buckets.n_buckets <= 2 * least


@pytest.mark.parametrize(("features", "most"), [("ngram", 1.5), ("sequence", 1.2)])
def test_temporary_files_take_little_more_than_the_text(tmp_path, monkeypatch, features, most):
    """Also where memory is short, so that blocks are small and some words have no number."""
    source, written, append = tmp_path / "train.csv", [], job.append
    write_corpus(str(source), 5000)
    plan = MemoryPlan(
        n_workers=2,
        block_bytes=2**18,
        table_bytes=2**20,
        bucket_bytes=2**18,
        dictionary_bytes=2_500_000,
    )
    monkeypatch.setattr(MemoryPlan, "divide", lambda *_, **__: plan)

    def noted(path, items):
        if path.name.startswith(("tokens", "grams", "rows", "train-", "validation-")):
            written.append(items.nbytes)
        return append(path, items)

    for module in (job, spill, token_file):
        monkeypatch.setattr(module, "append", noted)
    report = ooc_train.convert(source, tmp_path / "o.h5", features=features)
    assert report["spill_bytes"] <= most * source.stat().st_size
    # But for the few rows with which kernels are compiled.
    assert report["spill_bytes"] == pytest.approx(sum(written), rel=1e-3)


@pytest.mark.parametrize("features", ["ngram", "sequence"])
def test_workers_unpack_buckets(tmp_path, monkeypatch, features):
    threads, read = set(), shuffle.BucketOfRows.read

    def noted(self):
        threads.add(threading.current_thread())
        return read(self)

    monkeypatch.setattr(shuffle.BucketOfRows, "read", noted)
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
        resources = Resources(
            plan,
            Pool(pool, plan.n_workers),
            Pool(pool, plan.n_workers),
            tmp_path,
            tmp_path,
            Silent(),
        )
        for _ in resources.in_order(begun.append, range(50)):
            taken += 1
            assert len(begun) - taken <= plan.n_workers + 1
