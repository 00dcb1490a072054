"""n-gram conversion: equal to scikit-learn, and the same bytes whatever the resources."""

import gzip
import random
import time

import numpy as np
import pytest

import ooc_train
from ooc_train.conversion.kinds.ngram import scoring, selection, statistics
from ooc_train.conversion.kinds.terms import indexing
from ooc_train.conversion.resources import MemoryPlan
from ooc_train.conversion.text.tokens import tokenize
from tests.corpora import (
    PLANS,
    Oracle,
    assert_same,
    random_rows,
    read_split,
    read_terms,
    text_of,
    train_order,
    write_rows,
)


@pytest.mark.parametrize("fraction", [0.0, 0.25])
def test_every_split_equals_scikit_learn(tmp_path, fraction):
    rows, test_rows = random_rows(300), random_rows(90, seed=1)
    train = write_rows(tmp_path / "train.csv", rows)
    test = write_rows(tmp_path / "test.csv", test_rows)
    report = ooc_train.convert(train, tmp_path / "o.h5", test=[test], validation_fraction=fraction)
    kept, drawn = train_order(len(rows), fraction)
    assert len(drawn) == round(fraction * 300)
    oracle = Oracle([text_of(rows[i]) for i in kept], [rows[i][0] for i in kept])
    assert read_terms(tmp_path / "o.h5") == oracle.terms
    expected = {"train": [rows[i] for i in kept], "test": test_rows}
    if drawn:
        expected["validation"] = [rows[i] for i in drawn]
    for split, split_rows in expected.items():
        matrix, labels = read_split(tmp_path / "o.h5", split)
        assert labels == [row[0] for row in split_rows]
        assert_same(matrix, oracle.transform([text_of(row) for row in split_rows]))
    assert report["rows"] == len(kept)
    assert report["n_features"] == len(oracle.terms)
    assert report["kept_terms"] == len(oracle.scores)


def test_without_shuffling_rows_lie_in_the_order_of_their_source(tmp_path):
    rows = random_rows(120)
    train = write_rows(tmp_path / "train.csv", rows)
    ooc_train.convert(train, tmp_path / "o.h5", shuffle=False)
    kept = sorted(train_order(len(rows), 0.1)[0])
    assert read_split(tmp_path / "o.h5", "train")[1] == [rows[i][0] for i in kept]
    with ooc_train.open(tmp_path / "o.h5") as store:
        assert not store.is_shuffled


def test_selection_and_ties_equal_select_k_best(tmp_path):
    """Many columns tie at the cut: rows that occur twice give terms that share every value."""
    rows = random_rows(60, n_classes=2)
    rows += [("1", f"only{i} here{i}", f"and{i} there{i}") for i in range(30) for _ in range(2)]
    train = write_rows(tmp_path / "train.csv", rows)
    ooc_train.convert(train, tmp_path / "o.h5", validation_fraction=0, top_k=150)
    kept, _ = train_order(len(rows), 0)
    oracle = Oracle([text_of(rows[i]) for i in kept], [rows[i][0] for i in kept], top_k=150)
    at_cut = np.isclose(oracle.scores, np.sort(oracle.scores)[-150], rtol=1e-9)
    assert at_cut.sum() > 20
    assert 0 < at_cut[oracle.selected].sum() < at_cut.sum()
    assert read_terms(tmp_path / "o.h5") == oracle.terms
    assert_same(
        read_split(tmp_path / "o.h5", "train")[0],
        oracle.transform([text_of(rows[i]) for i in kept]),
    )


def convert_with(plan, monkeypatch, tmp_path, **options):
    monkeypatch.setattr(MemoryPlan, "divide", lambda *_, **__: plan)
    output = tmp_path / "o.h5"
    report = ooc_train.convert(tmp_path / "train.csv", output, force=True, **options)
    return output.read_bytes(), report


@pytest.mark.slow
def test_the_same_bytes_whatever_threads_blocks_tables_and_buckets(tmp_path, monkeypatch):
    write_rows(tmp_path / "train.csv", random_rows(400))
    test = write_rows(tmp_path / "test.csv", random_rows(50, seed=1))
    results = []
    for plan in PLANS:
        results.append(convert_with(plan, monkeypatch, tmp_path, test=[test]))
        time.sleep(1)  # a time stamp would show
    assert results[0][0] == results[1][0] == results[2][0]
    assert {report["workers"] for _, report in results} == {1, 2, 3}


def test_gaps_of_many_rows_between_occurrences(tmp_path):
    """A partition's record says how many rows were passed over: more than fit need a mark."""
    rare = [0, 254, 255, 600, 1999]
    rows = [("12"[i % 2], "", "rare gem" if i in rare else f"w{i}") for i in range(2000)]
    write_rows(tmp_path / "train.csv", rows)
    ooc_train.convert(tmp_path / "train.csv", tmp_path / "o.h5", validation_fraction=0)
    assert read_terms(tmp_path / "o.h5") == ["gem", "rare", "rare gem"]
    matrix, _ = read_split(tmp_path / "o.h5", "train")
    kept, _ = train_order(2000, 0)
    assert sorted(kept[i] for i in np.flatnonzero(matrix.getnnz(axis=1))) == rare


def test_terms_repeated_thousands_of_times_in_one_row(tmp_path):
    """Squared counts times squared idf outgrow any fixed-point number of 64 bits."""
    rows = [("1", "", "again and " * 70_000), ("2", "", "again other words")]
    rows += [(str(1 + i % 2), "", "again and other words here") for i in range(20)]
    write_rows(tmp_path / "train.csv", rows)
    ooc_train.convert(tmp_path / "train.csv", tmp_path / "o.h5", validation_fraction=0)
    kept, _ = train_order(len(rows), 0)
    oracle = Oracle([text_of(rows[i]) for i in kept], [rows[i][0] for i in kept])
    assert read_terms(tmp_path / "o.h5") == oracle.terms
    assert_same(
        read_split(tmp_path / "o.h5", "train")[0],
        oracle.transform([text_of(rows[i]) for i in kept]),
    )


def test_two_terms_with_one_hash_repeat_the_fit(tmp_path, monkeypatch):
    """With a hash of 7 bits under the first seed the result is that of the full hash."""
    write_rows(tmp_path / "train.csv", random_rows(200))
    ooc_train.convert(tmp_path / "train.csv", tmp_path / "full.h5")

    def weak(text, offsets, analyzer, seed):
        tokens = tokenize(text, offsets, analyzer, seed)
        return tokens if seed else tokens._replace(hashes=tokens.hashes >> 57 << 57 | 1)

    monkeypatch.setattr(indexing, "tokenize", weak)
    report = ooc_train.convert(tmp_path / "train.csv", tmp_path / "weak.h5")
    assert report["attempts"] == 2
    assert read_terms(tmp_path / "weak.h5") == read_terms(tmp_path / "full.h5")
    for split in ("train", "validation"):
        assert_same(
            read_split(tmp_path / "weak.h5", split)[0],
            read_split(tmp_path / "full.h5", split)[0],
            0,
        )


@pytest.mark.slow
def test_sources_of_every_layout_give_the_same_rows(tmp_path):
    rows = random_rows(80)
    plain = write_rows(tmp_path / "train.csv", rows)
    first, second = (
        write_rows(tmp_path / f"{name}.csv", part)
        for name, part in (("a", rows[:30]), ("b", rows[30:]))
    )
    packed = tmp_path / "train.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    tabs = tmp_path / "train.tsv"
    tabs.write_text("".join("\t".join(row) + "\n" for row in rows), "utf-8")
    named = tmp_path / "named.csv"
    named.write_text(
        "body,stars,id,title\n" + "".join(f'"{b}",{s},7,"{t}"\n' for s, t, b in rows), "utf-8"
    )
    ooc_train.convert(plain, tmp_path / "plain.h5")
    expected = read_terms(tmp_path / "plain.h5"), read_split(tmp_path / "plain.h5", "train")
    for source, options in [
        ([first, second], {}),
        (packed, {}),
        (tabs, {}),
        (named, {"text": ["title", "body"], "label": "stars"}),
        (named, {"text": ["4", "1"], "label": "2", "header": True}),
    ]:
        ooc_train.convert(source, tmp_path / "o.h5", force=True, **options)
        assert read_terms(tmp_path / "o.h5") == expected[0]
        matrix, labels = read_split(tmp_path / "o.h5", "train")
        assert labels == expected[1][1]
        assert_same(matrix, expected[1][0], 0)


def test_validation_files_are_not_drawn_from(tmp_path):
    train = write_rows(tmp_path / "train.csv", random_rows(100))
    rows = random_rows(40, seed=2)
    held = write_rows(tmp_path / "held.csv", rows)
    report = ooc_train.convert(train, tmp_path / "o.h5", validation=[held])
    assert (report["rows"], report["validation_rows"]) == (100, 40)
    assert read_split(tmp_path / "o.h5", "validation")[1] == [row[0] for row in rows]


def test_the_order_of_rows_hides_that_of_the_source(tmp_path):
    """Sorted by class in, shuffled out: contiguous slices hold all classes."""
    rows = sorted(random_rows(600, n_classes=4))
    write_rows(tmp_path / "train.csv", rows)
    ooc_train.convert(tmp_path / "train.csv", tmp_path / "o.h5", validation_fraction=0)
    labels = read_split(tmp_path / "o.h5", "train")[1]
    for start in range(0, 600, 100):
        assert len(set(labels[start : start + 100])) == 4


def test_classes_sort_as_numbers_or_as_strings(tmp_path):
    rows = [(label, "", "same words here") for label in ["10", "9", "2", "-1"] * 3]
    write_rows(tmp_path / "train.csv", rows)
    report = ooc_train.convert(tmp_path / "train.csv", tmp_path / "o.h5", validation_fraction=0)
    assert report["classes"] == ["-1", "2", "9", "10"]
    rows = [(label, "", "same words here") for label in ["b", "10", "9", "B"] * 3]
    write_rows(tmp_path / "train.csv", rows)
    report = ooc_train.convert(
        tmp_path / "train.csv", tmp_path / "o.h5", validation_fraction=0, force=True
    )
    assert report["classes"] == ["10", "9", "B", "b"]


def test_input_that_arrives_in_any_order_of_threads_is_written_in_order(tmp_path, monkeypatch):
    """Workers that finish out of order must not change a row's place."""
    write_rows(tmp_path / "train.csv", random_rows(300))
    monkeypatch.setattr(MemoryPlan, "divide", lambda *_, **__: PLANS[1])
    ooc_train.convert(tmp_path / "train.csv", tmp_path / "o.h5")

    def dawdle(*arguments):
        time.sleep(random.random() / 100)
        return tokenize(*arguments)

    monkeypatch.setattr(indexing, "tokenize", dawdle)
    ooc_train.convert(tmp_path / "train.csv", tmp_path / "slow.h5")
    assert (tmp_path / "slow.h5").read_bytes() == (tmp_path / "o.h5").read_bytes()


@pytest.mark.parametrize(
    "options",
    [
        {"ngrams": (1, 1)},
        {"ngrams": (2, 3)},
        {"min_df": 5},
        {"min_df": 0.05, "max_df": 0.3},
        {"max_df": 40},
        {"min_df": 1, "top_k": 50},
        {"score": "chi2", "top_k": 70},
        {"score": "none", "top_k": 70},
        {"analyzer": "char", "ngrams": (1, 3), "top_k": 300},
        {"analyzer": "char", "min_df": 5, "score": "chi2"},
    ],
    ids=str,
)
@pytest.mark.slow
def test_options_mean_what_they_mean_in_scikit_learn(tmp_path, options):
    rows = random_rows(200)
    write_rows(tmp_path / "train.csv", rows)
    ooc_train.convert(tmp_path / "train.csv", tmp_path / "o.h5", validation_fraction=0, **options)
    kept, _ = train_order(len(rows), 0)
    texts, labels = [text_of(rows[i]) for i in kept], [rows[i][0] for i in kept]
    oracle = Oracle(texts, labels, **options)
    assert read_terms(tmp_path / "o.h5") == oracle.terms
    assert_same(read_split(tmp_path / "o.h5", "train")[0], oracle.transform(texts))


@pytest.mark.parametrize("score", ["f_classif", "chi2", "none"])
@pytest.mark.slow
def test_terms_that_cannot_be_among_the_best_are_not_summed_up(tmp_path, monkeypatch, score):
    monkeypatch.setattr(selection, "_LEAST_PRUNED", 0)
    summed = []

    def class_sums(partition, where, hashes, *others, **more):
        summed.append(len(hashes))
        return statistics.class_sums(partition, where, hashes, *others, **more)

    monkeypatch.setattr(scoring, "class_sums", class_sums)
    rows = random_rows(500)
    write_rows(tmp_path / "train.csv", rows)
    report = ooc_train.convert(
        tmp_path / "train.csv", tmp_path / "o.h5", validation_fraction=0, top_k=10, score=score
    )
    kept, _ = train_order(len(rows), 0)
    oracle = Oracle(
        [text_of(rows[i]) for i in kept], [rows[i][0] for i in kept], top_k=10, score=score
    )
    assert read_terms(tmp_path / "o.h5") == oracle.terms
    assert sum(summed) < report["kept_terms"]


def test_the_number_of_workers_is_the_users(tmp_path):
    write_rows(tmp_path / "train.csv", random_rows(100))
    report = ooc_train.convert(tmp_path / "train.csv", tmp_path / "o.h5", workers=3)
    assert report["workers"] == 3


@pytest.mark.parametrize("analyzer", ["word", "char"])
def test_a_frozen_vectorizer_gives_the_rows_of_its_own_conversion(tmp_path, analyzer):
    """What was the test split of one conversion is the train split of another."""
    train = write_rows(tmp_path / "train.csv", random_rows(300))
    later = random_rows(80, seed=1)
    test = write_rows(tmp_path / "test.csv", later)
    ooc_train.convert(train, tmp_path / "first.h5", test=[test], top_k=100, analyzer=analyzer)
    write_rows(tmp_path / "later.csv", [*later, ("9", "no such", "class")])
    report = ooc_train.convert(
        tmp_path / "later.csv",
        tmp_path / "second.h5",
        vectorizer=tmp_path / "first.h5",
        validation_fraction=0,
    )
    assert (report["rows"], report["rejected_rows"], report["n_features"]) == (80, 1, 100)
    order, _ = train_order(80, 0)
    expected, labels = read_split(tmp_path / "first.h5", "test")
    found, found_labels = read_split(tmp_path / "second.h5", "train")
    assert_same(found, expected[order], 0)
    assert found_labels == [labels[i] for i in order]
    assert read_terms(tmp_path / "second.h5") == read_terms(tmp_path / "first.h5")
    ooc_train.train(tmp_path / "first.h5", tmp_path / "run", epochs=1)
    assert ooc_train.evaluate(tmp_path / "run", tmp_path / "second.h5", split="train")["rows"] == 80
