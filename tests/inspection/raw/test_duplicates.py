"""Duplicates: exact ones against a count in memory, near ones against all pairs of texts."""

import itertools
from collections import Counter, defaultdict

import numpy as np
import pytest

from ooc_train.conversion.kinds.terms.grams import extract_grams
from ooc_train.conversion.sources.rows import DenseNumbers, SparseNumbers, SpelledLabels, TextRows
from ooc_train.conversion.storage.job import JobFolder
from ooc_train.conversion.text.tokens import tokenize
from ooc_train.inspection.raw import duplicates
from ooc_train.inspection.raw.duplicates import find_duplicates
from ooc_train.inspection.raw.fingerprints import hashes_of, signatures_of
from ooc_train.inspection.raw.row_columns import RowColumns

SPLITS = ("train", "validation", "test")


def terms_of(text):
    words = text.split()
    return {*words, *itertools.pairwise(words)}


def similarity(one, other):
    one, other = terms_of(one), terms_of(other)
    return len(one & other) / len(one | other)


def search(folder, texts, labels, n_rows, memory_bytes=10**7, pieces=7):
    """What is found among texts, given in some pieces."""
    with JobFolder(folder) as job:
        columns = RowColumns(job, are_signed=True)
        for part in np.array_split(np.arange(len(texts)), pieces):
            rows = TextRows.of([texts[i].encode() for i in part])
            tokens = tokenize(rows.text, rows.text_offsets, "word", 0)
            columns.append(
                3, part + 1, np.array(labels, np.int32)[part], hashes_of(rows),
                signatures_of(extract_grams(tokens, (1, 2))),
            )  # fmt: skip
        return find_duplicates(columns, dict(zip(SPLITS, n_rows, strict=True)), job, memory_bytes)


def random_texts(n, seed=0, n_words=300, length=30):
    rng = np.random.default_rng(seed)
    return [
        " ".join(f"w{word:03}" for word in rng.integers(n_words, size=rng.integers(5, length)))
        for _ in range(n)
    ]


@pytest.mark.parametrize("memory_bytes", [10**7, 1])
def test_exact_duplicates_are_those_that_a_count_in_memory_finds(
    tmp_path, monkeypatch, memory_bytes
):
    monkeypatch.setattr(duplicates, "_ROWS_AT_ONCE", 500)
    rng = np.random.default_rng(1)
    pool = random_texts(1500)
    # Some texts very often, as "n/a" is: more often than rows fit into memory.
    picks = np.where(rng.random(6000) < 0.4, 0, rng.integers(1500, size=6000))
    texts, labels = [pool[i] for i in picks], rng.integers(3, size=6000)
    n_rows = (3500, 500, 2000)
    found = search(tmp_path, texts, labels, n_rows, memory_bytes)
    bounds = np.cumsum([0, *n_rows])
    of_split = {name: texts[a:b] for name, a, b in zip(SPLITS, bounds, bounds[1:], strict=False)}
    for name, own in of_split.items():
        assert found.repeated[name] == len(own) - len(set(own))
    train = set(of_split["train"])
    assert found.leaked == {
        name: 0 if name == "train" else sum(text in train for text in of_split[name])
        for name in SPLITS
    }
    classes = defaultdict(set)
    for text, label in zip(texts, labels, strict=True):
        classes[text].add(int(label))
    assert found.conflicting == sum(len(some) > 1 for some in classes.values())
    for kind in ("repeated", "leaked"):
        assert len(found.examples[kind]) == duplicates.EXAMPLES
        for pair in found.examples[kind]:
            assert texts[pair.row] == texts[pair.other]
            assert pair.other < pair.row
            assert pair.similarity == 1
            assert (pair.row >= bounds[1] > pair.other) == (kind == "leaked") or kind == "repeated"


def edited(text, n_changed, rng):
    words = text.split()
    for place in rng.choice(len(words), n_changed, replace=False):
        words[place] = f"x{rng.integers(10**6)}"
    return " ".join(words)


def test_near_duplicates_are_those_of_all_pairs(tmp_path):
    rng = np.random.default_rng(2)
    train = random_texts(400, 3, length=60)
    train = [text for text in train if len(text.split()) > 30]
    test = [
        edited(text, n, rng) for n, text in zip(itertools.cycle((1, 2, 20)), train, strict=False)
    ]
    others = random_texts(300, 9)
    test += others
    found = search(
        tmp_path, train + test, [0] * (len(train) + len(test)), (len(train), 0, len(test))
    )
    best = [max(similarity(text, other) for other in train) for text in test]
    surely = sum(value >= 0.92 for value in best)
    perhaps = sum(value >= 0.6 for value in best)
    assert surely > 50
    assert 0.97 * surely <= found.nearly_leaked["test"] <= perhaps
    assert found.leaked["test"] == 0
    for pair in found.examples["nearly_leaked"]:
        assert abs(similarity((train + test)[pair.row], train[pair.other]) - pair.similarity) < 0.25


def test_an_exact_duplicate_is_no_near_one(tmp_path):
    texts = random_texts(30, 4) * 3
    found = search(tmp_path, texts, [0] * 90, (30, 30, 30))
    assert Counter(found.nearly_leaked) == Counter(found.nearly_repeated)
    assert sum(found.nearly_leaked.values()) == 0
    assert found.leaked == {"train": 0, "validation": 30, "test": 30}


def test_a_band_of_all_rows_takes_bounded_time_and_finds_them(tmp_path):
    base = " ".join(f"w{i}x" for i in range(60))
    texts = [f"{base} number{i}" for i in range(3000)]
    found = search(tmp_path, texts, [0] * 3000, (2000, 0, 1000), memory_bytes=200_000)
    assert found.nearly_repeated["train"] > 1900
    assert found.nearly_leaked["test"] > 500  # of those in one piece with a train row


def test_rows_without_words_are_not_like_each_other(tmp_path):
    found = search(tmp_path, ["?", "!", ".", ","] * 2, [0] * 8, (4, 0, 4))
    assert found.leaked["test"] == 4
    assert sum(found.nearly_repeated.values()) == sum(found.nearly_leaked.values()) == 0


def test_signatures_agree_in_the_share_of_common_terms():
    rng = np.random.default_rng(5)
    base = random_texts(1, 6, 10**6, 300)[0] + " " + random_texts(1, 7, 10**6, 300)[0]
    pairs = [(base, edited(base, n, rng)) for n in (0, 5, 20, 60) for _ in range(40)]
    rows = TextRows.of([text.encode() for pair in pairs for text in pair])
    tokens = tokenize(rows.text, rows.text_offsets, "word", 0)
    signatures = signatures_of(extract_grams(tokens, (1, 2)))
    agreeing = (signatures[::2] == signatures[1::2]).mean(axis=1).reshape(4, 40).mean(axis=1)
    expected = np.array([similarity(*pair) for pair in pairs]).reshape(4, 40).mean(axis=1)
    np.testing.assert_allclose(agreeing, expected, atol=0.06)


def test_numbers_have_hashes_too():
    values = np.array([[1, 2], [3, 4], [1, 2]], np.float32)
    dense = DenseNumbers(values, SpelledLabels.none(3), np.arange(3))
    hashes = hashes_of(dense)
    assert hashes[0] == hashes[2] != hashes[1]
    indptr, columns = np.array([0, 2, 4, 6]), np.array([0, 1, 0, 2, 0, 1], np.int32)
    numbers = np.array([1, 2, 1, 2, 1, 2], np.float32)
    sparse = SparseNumbers(indptr, columns, numbers, SpelledLabels.none(3), np.arange(3))
    hashes = hashes_of(sparse)
    assert hashes[0] == hashes[2] != hashes[1]
