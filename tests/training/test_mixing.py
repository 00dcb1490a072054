"""Batches that are mixed of several files: shares, order, and all rows of the file itself."""

import itertools

import numpy as np
import pytest

from ooc_train.errors import FormatError, OptionError
from ooc_train.reading.store import open as open_store
from ooc_train.training.mix_shares import mix_given, parse_mix
from ooc_train.training.mixing import Other, train_rows
from ooc_train.training.train import train
from tests.files import write_dense, write_toy
from tests.training.test_continuing import relabelled

SIZE = 20
OLD, OLDER = 0.3, 0.15  # 6 and 3 rows of 20


@pytest.fixture
def mixed(tmp_path):
    """110 rows of the file itself, 11 in each batch, and two other files, one of other classes."""
    paths = [
        write_dense(tmp_path / "new.h5", train=115, seed=1),
        write_dense(tmp_path / "old.h5", train=50, seed=2),
        relabelled(write_dense(tmp_path / "older.h5", train=31, seed=3), ["3", "1", "2"]),
    ]
    stores = [open_store(path) for path in paths]
    rows = train_rows(stores[0], [Other(stores[1], OLD), Other(stores[2], OLDER)], SIZE)
    yield rows, [store["train"] for store in stores]
    for store in stores:
        store.close()


def values_of(split):
    return [row.tobytes() for row in split.read(0, len(split)).values]


def batches_of(rows, epoch=0, step=0, seed=4):
    return list(rows.batches(SIZE, seed=seed, epoch=epoch).from_step(step))


def sources(batch, splits):
    """How many rows of a batch are of each file."""
    found = [row.tobytes() for row in batch.rows.values]
    return [sum(row in known for row in found) for known in map(set, map(values_of, splits))]


def test_every_batch_holds_the_shares_and_every_epoch_all_rows(mixed):
    rows, splits = mixed
    seen = []
    for epoch in range(3):
        batches = batches_of(rows, epoch)
        assert len(batches) == len(rows.batches(SIZE)) == 11
        assert sum(len(batch.labels) for batch in batches) == len(rows)
        for batch in batches[:-1]:
            assert sources(batch, splits) == [11, 6, 3]
        assert sources(batches[-1], splits) == [5, 2, 1]
        own = values_of(splits[0])
        taken = [row.tobytes() for batch in batches for row in batch.rows.values]
        assert sorted(row for row in taken if row in own) == sorted(own)
        seen.append([row for row in taken if row not in own])
    assert seen[0] != seen[1]
    assert set(itertools.chain(*seen)) == {*values_of(splits[1]), *values_of(splits[2])}


def test_other_files_are_read_pass_after_pass(mixed):
    rows, _ = mixed
    part = rows.parts[0]
    found = list(itertools.islice(part.batches(4, 0), 24))
    for k in range(0, 24, 8):  # 50 rows are 8 whole batches of 6
        once = [row.tobytes() for batch in found[k : k + 8] for row in batch.rows.values]
        assert len(set(once)) == 48
    for first in (1, 7, 8, 19):
        later = next(part.batches(4, first))
        assert later.rows.values.tobytes() == found[first].rows.values.tobytes()


def test_an_epoch_from_any_step_is_the_rest_of_it(mixed):
    rows, _ = mixed
    for epoch in (0, 2):
        whole = batches_of(rows, epoch)
        for step in (1, 5, 10, 11):
            rest = batches_of(rows, epoch, step)
            assert len(rest) == 11 - step
            for mine, its in zip(rest, whole[step:], strict=True):
                assert mine.rows.values.tobytes() == its.rows.values.tobytes()
                assert mine.labels.tobytes() == its.labels.tobytes()


def test_labels_are_those_of_the_file_itself(mixed):
    rows, (new, old, older) = mixed
    expected = {}
    for split, classes in ((new, [0, 1, 2]), (old, [0, 1, 2]), (older, [2, 0, 1])):
        labels = np.array(classes)[split.read_labels(0, len(split))]
        expected |= dict(zip(values_of(split), labels.tolist(), strict=True))
    for batch in batches_of(rows):
        for row, label in zip(batch.rows.values, batch.labels.tolist(), strict=True):
            assert expected[row.tobytes()] == label


def test_row_numbers_are_of_the_file_itself(mixed):
    rows, splits = mixed
    batches = rows.batches(SIZE, seed=4, epoch=1)
    numbers = batches.row_numbers(3)
    batch = next(batches.from_step(3))
    assert values_of(splits[0])[numbers[2]] == batch.rows.values[2].tobytes()


def test_balanced_weights_count_what_an_epoch_holds(mixed):
    rows, _ = mixed
    counts = np.zeros(3)
    for epoch in range(80):
        for batch in batches_of(rows, epoch):
            counts += np.bincount(batch.labels, minlength=3)
    np.testing.assert_allclose(rows.class_counts(), counts / 80, rtol=0.02)


def test_sparse_rows_are_mixed(tmp_path):
    new, old = (write_toy(tmp_path / f"{k}.h5", seed=k, train=90) for k in range(2))
    options = {"epochs": 1, "class_weight": "balanced", "batch_size": 16}
    report = train(new, tmp_path / "run", mix=f"{old}:0.5", **options)
    assert report["steps"] == -(-90 // 8)
    assert report["rows"] == 90
    with pytest.raises(OptionError, match="--mix was 1.h5:0.5 and is 1.h5:0.25"):
        train(new, tmp_path / "run", mix=f"{old}:0.25", resume=True, **options | {"epochs": 2})


@pytest.mark.parametrize(
    ("mix", "error", "message"),
    [
        ("old.h5", OptionError, "--mix must be a file and a share between 0 and 1"),
        ("old.h5:2", OptionError, "--mix must be a file and a share between 0 and 1"),
        ({"old.h5": 0}, OptionError, "--mix must be a file and a share between 0 and 1"),
        ("old.h5:nan", OptionError, "--mix must be a file and a share between 0 and 1"),
        (["old.h5:0.5", "older.h5:0.5"], OptionError, "gives 1 of each batch to other files"),
        (["old.h5:0.01"], OptionError, "is no row of .*old.h5: split 'train'; give a larger"),
        (["old.h5:0.98"], OptionError, "leaves no row of .*new.h5"),
        (["few.h5:0.5"], OptionError, "has 5 rows, fewer than the 10 that its share"),
        (["other.h5:0.5"], FormatError, "cannot be mixed with .*new.h5: the numbers of columns"),
        (["more.h5:0.5"], FormatError, "has the class '4', which .*new.h5 lacks"),
    ],
)
def test_what_cannot_be_mixed(tmp_path, monkeypatch, mix, error, message):
    monkeypatch.chdir(tmp_path)
    write_dense(tmp_path / "new.h5", train=50)
    write_dense(tmp_path / "old.h5", train=50)
    write_dense(tmp_path / "few.h5", train=5)
    write_dense(tmp_path / "other.h5", train=50, n_columns=8)
    write_dense(tmp_path / "more.h5", train=50, n_classes=4)
    with pytest.raises(error, match=message):
        train("new.h5", "run", mix=mix, epochs=1, batch_size=20)
    assert not (tmp_path / "run").exists()


def test_shares_are_texts_or_numbers_by_file():
    assert parse_mix(mix_given({"a:b.h5": 0.25, "c": 0.5})) == parse_mix(["a:b.h5:0.25", "c:0.5"])
    assert mix_given(("a:0.1",)) == ("a:0.1",)
