"""Equal parts of an epoch for several processes: a partition of its order, with equal steps."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import ooc_train
from ooc_train.errors import OptionError
from ooc_train.reading.batches import Batches, _Numbered
from ooc_train.reading.share import Share
from tests.files import SequenceToy, write_dense, write_sequences

N_ROWS = 300


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("share")
    return write_sequences(folder / "a.h5", toy=SequenceToy(longest=30), train=N_ROWS, test=7)


@pytest.fixture(scope="module")
def train(path):
    with (
        pytest.MonkeyPatch.context() as patch,
        ooc_train.open(path) as store,
    ):
        patch.setattr("ooc_train.reading.batches.slice_rows_for", lambda row_bytes: 3)
        yield _Numbered(store["train"])  # whose labels are the numbers of the rows


def numbers(batches):
    return [labels.tolist() for _, labels in batches]


@settings(max_examples=60)
@given(
    n=st.integers(1, 9),
    batch_size=st.integers(1, 70),
    seed=st.one_of(st.none(), st.integers(0, 3)),
    epoch=st.integers(0, 3),
    by_length=st.booleans(),
)
@example(n=7, batch_size=300, seed=0, epoch=0, by_length=False)
@example(n=3, batch_size=100, seed=0, epoch=0, by_length=False)
def test_parts_are_disjoint_and_alike(train, n, batch_size, seed, epoch, by_length):
    by_length = by_length and seed is not None
    options = {"seed": seed, "epoch": epoch, "by_length": by_length}
    parts = [Share(train, i, n).batches(batch_size, **options) for i in range(n)]
    found = [numbers(part) for part in parts]
    assert {len(part) for part in parts} == {len(batches) for batches in found}
    assert len({tuple(map(len, batches)) for batches in found}) == 1  # equal steps, of equal sizes
    together = [row for batches in found for batch in batches for row in batch]
    assert len(set(together)) == len(together) > N_ROWS - n  # disjoint, and nearly all rows
    assert {sum(map(len, batches)) for batches in found} == {N_ROWS // n}
    assert found == [numbers(part) for part in parts]  # the same again
    if not by_length:
        one = numbers(Batches(train, n * batch_size, seed, epoch))
        for step, batches in enumerate(zip(*found, strict=True)):
            joined = list(itertools.chain(*batches))
            assert joined == one[step][: len(joined)]
            assert len(one[step]) - len(joined) < n


@settings(max_examples=30)
@given(n=st.integers(1, 5), batch_size=st.integers(1, 40), every=st.integers(1, 4), data=st.data())
def test_any_steps_of_a_part(train, n, batch_size, every, data):
    part = Share(train, n - 1, n).batches(batch_size, seed=1)
    step = data.draw(st.integers(0, len(part)))
    assert numbers(part.from_step(step, every)) == numbers(part)[step::every]


def test_other_rows_are_left_out_in_each_epoch(train):
    left = set()
    for epoch in range(4):
        seen = {
            row
            for i in range(7)
            for batch in numbers(Share(train, i, 7).batches(10, seed=0, epoch=epoch))
            for row in batch
        }
        left.add(tuple({*range(N_ROWS)} - seen))
    assert len(left) > 1


def test_parts_in_the_adapters(path):
    with ooc_train.open(path) as store:
        split = store["train"]
        for i in range(2):
            share = split.shard(i, 2)
            assert len(share) == N_ROWS // 2
            batches = [*share.batches(16, seed=0, epoch=1)]
            adapted = [*share.to_numpy(16, epoch=1)]
            assert len(adapted) == len(batches)
            for (rows, labels), (features, others) in zip(batches, adapted, strict=True):
                assert (labels == others).all()
                assert (rows.to_dense() == features).all()


def gradient(weights, features, labels):
    """Of the mean loss of softmax regression."""
    scores = np.exp(features @ weights)
    scores /= scores.sum(axis=1, keepdims=True)
    scores[np.arange(len(labels)), labels] -= 1
    return features.T @ scores / len(labels)


def train_in_step(number, path, gradients, barrier):
    """What each process of DistributedDataParallel does: its own batches, the mean gradient."""
    weights = np.zeros_like(gradients[number])
    with ooc_train.open(path) as store:
        part = store["train"].shard(number, len(gradients))
        for epoch in range(2):
            for features, labels in part.to_numpy(32, epoch=epoch):
                gradients[number] = gradient(weights, features, labels)
                barrier.wait()  # one that has a batch less would be waited for until the timeout
                weights -= 0.1 * gradients.mean(axis=0)
                barrier.wait()
    return weights


def test_processes_in_step_train_like_one_with_larger_batches(tmp_path):
    """Threads stand for the processes."""
    n, path = 2, tmp_path / "a.h5"
    write_dense(path, n_columns=20, train=N_ROWS + 1)  # rest: a shorter batch, and a row
    with ooc_train.open(path) as store:
        one = np.zeros((20, len(store.class_names)))
        for epoch in range(2):
            for features, labels in store["train"].to_numpy(n * 32, epoch=epoch):
                used = len(labels) // n * n
                one -= 0.1 * gradient(one, features[:used], labels[:used])
    barrier, gradients = threading.Barrier(n, timeout=60), np.zeros((n, *one.shape))
    with ThreadPoolExecutor(n) as pool:
        parts = [pool.submit(train_in_step, i, path, gradients, barrier) for i in range(n)]
        for part in parts:
            np.testing.assert_allclose(part.result(), one, rtol=1e-6, atol=1e-9)
    assert np.abs(one).max() > 0.01


def test_parts_that_there_are_not(path):
    with ooc_train.open(path) as store:
        for number, n in [(2, 2), (-1, 2), (0, 0)]:
            with pytest.raises(OptionError, match=f"of {n} parts"):
                store["train"].shard(number, n)
        with pytest.raises(OptionError, match="fewer rows than 8"):
            store["test"].shard(0, 8)


def test_parts_of_pytorch_agree_on_the_epoch(path):
    torch = pytest.importorskip("torch")
    with ooc_train.open(path) as store:
        seen = []
        for i in range(3):
            dataset = store["train"].shard(i, 3).to_torch(16)
            for epoch in range(2):
                dataset.set_epoch(epoch)
                loader = torch.utils.data.DataLoader(dataset, batch_size=None, num_workers=2)
                found = [labels.numpy() for _, labels in loader]
                wanted = [
                    labels
                    for _, labels in store["train"].shard(i, 3).batches(16, seed=0, epoch=epoch)
                ]
                assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))
                seen.append(len(found))
            unsaid = torch.utils.data.DataLoader(
                store["train"].shard(i, 3).to_torch(16), batch_size=None, num_workers=1
            )
            with pytest.raises(OptionError, match="call set_epoch"):
                next(iter(unsaid))
        assert len(set(seen)) == 1
