"""Generated rows end to end, everywhere: sorted by class they train as well as shuffled."""

import csv

import pytest

import ooc_train
from benchmarks.corpus.generate import write_corpus

N_TRAIN, N_TEST = 6000, 2000


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "all.csv"
    write_corpus(str(path), N_TRAIN + N_TEST)
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def accuracy(folder, train, test):
    for name, part in (("train", train), ("test", test)):
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows(part)
    ooc_train.convert(
        folder / "train.csv", folder / "o.h5", test=[folder / "test.csv"], validation_fraction=0
    )
    ooc_train.train(folder / "o.h5", folder / "run", epochs=6)
    return ooc_train.evaluate(folder / "run", folder / "o.h5")["accuracy"]


@pytest.mark.slow
def test_rows_sorted_by_class_train_as_well_as_mixed_ones(rows, tmp_path):
    train, test = rows[:N_TRAIN], rows[N_TRAIN:]
    results = []
    for order in (train, sorted(train)):
        folder = tmp_path / str(len(results))
        folder.mkdir()
        results.append(accuracy(folder, order, test))
    mixed, by_class = results
    assert mixed > 0.6
    assert by_class > mixed - 0.03
