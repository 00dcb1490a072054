"""Rows of a converted file with equal features, found in bounded memory: compared with a count."""

import itertools
from collections import Counter

import numpy as np
import pytest

import ooc_train
from ooc_train.cli import inspect as command
from ooc_train.inspection import row_duplicates
from tests.corpora import random_rows, write_rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A file of each layout: short rows, many of them equal, some without any feature."""
    folder = tmp_path_factory.mktemp("duplicates")
    rows = [(label, title, "") for label, title, _ in random_rows(400)]
    rows[3:6] = [("1", "?", ""), ("2", "!", ""), ("1", "?", "")]
    write_rows(folder / "train.csv", rows[:300])
    write_rows(folder / "test.csv", rows[300:])
    random = np.random.default_rng(0)
    np.save(folder / "x.npy", random.integers(3, size=(300, 4)).astype(np.float32))
    np.save(folder / "y.npy", random.integers(2, size=300))
    for kind in ("ngram", "sequence"):
        ooc_train.convert(
            folder / "train.csv", folder / f"{kind}.h5", test=folder / "test.csv", features=kind
        )
    ooc_train.convert(folder / "x.npy", folder / "dense.h5", labels=folder / "y.npy")
    return folder


def counted(path):
    """The duplicates, counted one row after another."""
    train, conflicts, n_empty = Counter(), {}, 0
    found = {"repeated": {}, "leaked": {}}
    with ooc_train.open(path) as data:
        for name, split in data.splits.items():
            rows, labels = split[:]
            seen = Counter()
            found["repeated"][name] = found["leaked"][name] = 0
            for features, label in zip(keys_of(rows), labels.tolist(), strict=True):
                if not any(features):
                    n_empty += 1
                    continue
                found["repeated"][name] += features in seen
                found["leaked"][name] += name != "train" and features in train
                seen[features] += 1
                conflicts.setdefault(features, set()).add(label)
            train = train or seen
    found["conflicting"] = sum(len(labels) > 1 for labels in conflicts.values())
    return found, n_empty


def keys_of(rows):
    if hasattr(rows, "tokens"):
        return [tuple(rows.tokens[i:j].tolist()) for i, j in itertools.pairwise(rows.indptr)]
    return [tuple(row) for row in rows.to_dense().tolist()]


@pytest.mark.parametrize("kind", ["ngram", "sequence", "dense"])
def test_duplicates_are_those_that_a_count_finds(folder, monkeypatch, kind):
    monkeypatch.setattr(row_duplicates, "_BATCH_BYTES", 500)  # several batches
    expected, n_empty = counted(folder / f"{kind}.h5")
    found = ooc_train.inspect(folder / f"{kind}.h5", duplicates=True)["duplicates"]
    examples = found.pop("examples")
    assert found == expected
    assert found["repeated"]["train"] > 10
    assert found["conflicting"] > 1
    assert n_empty > 0
    with ooc_train.open(folder / f"{kind}.h5") as data:
        for one in (*examples["repeated"], *examples["leaked"]):
            (row, row_split), (other, other_split) = map(place, (one["row"], one["other"]))
            features = keys_of(data[row_split].read(row, row + 1))
            assert features == keys_of(data[other_split].read(other, other + 1))


def test_the_command_says_them_and_leaves_nothing_behind(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(row_duplicates, "usual_temp_dir", lambda: tmp_path)
    path = str(folder / "ngram.h5")
    assert command.main([path, "--duplicates", "--quiet"]) == 0
    assert command.main([path, "--duplicates"]) == 0
    assert list(tmp_path.iterdir()) == []
    said = capsys.readouterr().out
    expected, _ = counted(folder / "ngram.h5")
    n_leaked = expected["leaked"]["test"]
    assert f"{n_leaked} test rows ({n_leaked / 100:.1%}) with features that a train row has" in said
    assert f"{expected['conflicting']} groups of rows with the same features, but several" in said
    assert "terms by f_classif between the class and all others:" in said
    assert command.main([path, "--duplicates", "--html", str(tmp_path / "p.html")]) == 0
    page = (tmp_path / "p.html").read_text("utf-8")
    assert "test: features that a train row has" in page
    assert "near ones" not in page


def place(said):
    split, _, row = said.partition(" row ")
    return int(row.replace(",", "")), split
