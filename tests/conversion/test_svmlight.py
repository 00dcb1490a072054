"""Sparse features from svmlight files: scikit-learn's reader is the oracle."""

import bz2
import csv
import io

import h5py
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

import ooc_train
from ooc_train.cli.convert import main as convert_main
from ooc_train.conversion.resources import MemoryPlan
from ooc_train.conversion.sources.files.rejects import MAX_ROW_BYTES
from ooc_train.conversion.sources.formats.svmlight import tables
from ooc_train.errors import InputError, OptionError
from tests.corpora import train_order

N, COLUMNS = 300, 40


def matrix(seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(N, COLUMNS)) * (rng.random((N, COLUMNS)) < 0.2)
    values[5] = 0
    return values, rng.integers(3, size=N) - 1


def write(path, values, labels, *, zero_based=False):
    dump_svmlight_file(values, labels, str(path), zero_based=zero_based, comment="made up")
    return path


def read(path, split="train"):
    with ooc_train.open(path) as store:
        batch = store[split].read_slices([(0, len(store[split]))])
        rows = batch.rows
        found = scipy.sparse.csr_matrix(
            (rows.values, rows.indices.astype(np.int64), rows.indptr), (len(rows), store.n_columns)
        )
        return found, [store.class_labels[label] for label in batch.labels.tolist()]


@pytest.mark.parametrize("zero_based", [False, True])
def test_every_split_equals_scikit_learn(tmp_path, zero_based):
    train = write(tmp_path / "train.svm", *matrix(), zero_based=zero_based)
    test = write(tmp_path / "test.svm", *matrix(1), zero_based=zero_based)
    report = ooc_train.convert(train, tmp_path / "o.h5", test=[test])
    kept, drawn = train_order(N, 0.1)
    for split, path, numbers in (
        ("train", train, kept),
        ("validation", train, drawn),
        ("test", test, range(N)),
    ):
        expected, labels = load_svmlight_file(str(path), n_features=COLUMNS, dtype=np.float32)
        found, found_labels = read(tmp_path / "o.h5", split)
        assert abs(found - expected[list(numbers)]).nnz == 0
        assert found.nnz == expected[list(numbers)].nnz
        assert found_labels == [str(int(label)) for label in labels[list(numbers)]]
    assert (report["features"], report["n_features"]) == ("sparse", COLUMNS)
    assert report["empty_rows"] == 2
    with h5py.File(tmp_path / "o.h5") as file:
        assert file.attrs["features"] == "sparse"
        assert (
            file["vectorizer"].attrs["parameters"] == f'{{"zero_based": {str(zero_based).lower()}}}'
        )
    assert ooc_train.verify(tmp_path / "o.h5")["damaged"] == []
    assert ooc_train.inspect(tmp_path / "o.h5")["kept_terms"] is None


def test_the_command_says_how_many_rows_are_empty(tmp_path, capsys):
    (tmp_path / "rows.svm").write_text("1 1:1 3:2\n0 2:1\n1\n0 1:3\n1 2:2\n0 3:1\n")
    command = [tmp_path / "rows.svm", "-o", tmp_path / "o.h5", "--validation-fraction", "0"]
    assert convert_main([str(part) for part in command]) == 0
    assert "1 row without a column that is not zero; kept" in capsys.readouterr().out


PLANS = [
    MemoryPlan(
        n_workers=1, block_bytes=2**20, table_bytes=2**24, bucket_bytes=2**24, dictionary_bytes=0
    ),
    MemoryPlan(
        n_workers=3, block_bytes=197, table_bytes=2**20, bucket_bytes=500, dictionary_bytes=0
    ),
]


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_resources_or_compression(tmp_path, monkeypatch):
    train = write(tmp_path / "train.svm", *matrix())
    packed = tmp_path / "packed" / "train.svm.bz2"
    packed.parent.mkdir()
    packed.write_bytes(bz2.compress(train.read_bytes()))
    contents = []
    for plan, path in ((PLANS[0], train), (PLANS[1], train), (PLANS[0], packed)):
        monkeypatch.setattr(MemoryPlan, "divide", lambda *_, plan=plan, **__: plan)
        output = tmp_path / "o.h5"
        ooc_train.convert(path, output, force=True)
        with h5py.File(output) as file:
            contents.append([file[f"train/{name}"][...].tobytes() for name in
                             ("labels", "indptr", "indices", "values")])  # fmt: skip
    assert contents[0] == contents[1] == contents[2]


def test_columns_that_no_train_row_has_are_left_out_and_counted(tmp_path):
    values, labels = matrix()
    train = write(tmp_path / "train.svm", values[:, :-3], labels)
    test = write(tmp_path / "test.svm", values, labels)
    report = ooc_train.convert(train, tmp_path / "o.h5", test=[test])
    assert report["n_features"] == COLUMNS - 3
    assert report["ignored_entries"] == np.count_nonzero(values[:, -3:]) > 0
    expected, _ = load_svmlight_file(str(test), dtype=np.float32)
    assert abs(read(tmp_path / "o.h5", "test")[0] - expected[:, :-3]).nnz == 0


def test_where_columns_begin_can_be_said(tmp_path):
    train = write(tmp_path / "train.svm", *matrix())
    ooc_train.convert(train, tmp_path / "o.h5", zero_based=True)
    assert read(tmp_path / "o.h5")[0].shape[1] == COLUMNS + 1
    write(train, *matrix(), zero_based=True)
    with pytest.raises(InputError, match="a row has a column 0, and columns were said to begin"):
        ooc_train.convert(train, tmp_path / "p.h5", zero_based=False)


def test_a_fitted_file_gives_columns_and_classes(tmp_path):
    values, labels = matrix()
    train = write(tmp_path / "train.svm", values, labels)
    ooc_train.convert(train, tmp_path / "a.h5")
    few = write(tmp_path / "few.svm", values[:50, : COLUMNS - 5], np.abs(labels[:50]))
    options = {"vectorizer": tmp_path / "a.h5", "validation_fraction": 0, "shuffle": False}
    ooc_train.convert(few, tmp_path / "b.h5", **options)
    found, found_labels = read(tmp_path / "b.h5")
    assert found.shape == (50, COLUMNS)
    assert found_labels == np.abs(labels[:50]).astype(str).tolist()
    with ooc_train.open(tmp_path / "b.h5") as store:
        assert store.class_labels == ["-1", "0", "1"]


# Lines

PAIRS = st.dictionaries(
    st.integers(0, 70_000),
    st.one_of(
        st.floats(-(2.0**100), 2.0**100, width=32).map(lambda value: str(np.float32(value))),
        st.floats(-1e6, 1e6).map(repr),
        st.sampled_from(["0", "1", "-0.5e-3", "+2.", "1e-30", "0.1234567890123456789"]),
    ),
    max_size=8,
)
LINES = st.tuples(
    st.sampled_from(["1", "-1", "+1", "0", "12", "1.0"]),
    st.sampled_from([" ", "  ", "\t", " \t "]),
    PAIRS,
    st.sampled_from(["", " ", "# comment 3:4", " # 1:x", "\r"]),
)


@given(st.lists(LINES, min_size=1, max_size=6), st.integers(0, 3))
def test_lines_equal_scikit_learn(lines, n_blank):
    text = "\n" * n_blank
    for label, space, pairs, end in lines:
        entries = [f"{column}:{pairs[column]}" for column in sorted(pairs)]
        text += label + space + space.join(entries) + end + "\n"
    found = list(tables(text.encode(), 1))
    assert not any(table.reasons for table in found)
    lengths = [n for table in found for n in np.diff(table.columns.offsets)]
    expected, labels = load_svmlight_file(
        io.BytesIO(text.encode()), dtype=np.float32, n_features=70_001, zero_based=True
    )
    assert lengths == np.diff(expected.indptr).tolist()
    assert [c for table in found for c in table.columns.columns] == expected.indices.tolist()
    assert [v for table in found for v in table.columns.values] == expected.data.tolist()
    spelled = [float(t.labels.distinct[number]) for t in found for number in t.labels.numbers]
    assert spelled == labels.tolist()
    numbers = [line for table in found for line in table.lines]
    assert numbers == list(range(n_blank + 1, n_blank + 1 + len(lines)))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1 3:1 2:5", "'2:5' does not ascend, its column is after 3"),
        ("1 3:1 3:5", "'3:5' does not ascend, its column is after 3"),
        ("1 3:x", "'3:x' is not column:value"),
        ("1 3:1_0", "'3:1_0' is not column:value"),
        ("1 3", "'3' is not column:value"),
        ("1 -1:2", "'-1:2' is not column:value"),
        ("1 4294967296:2", "'4294967296:2' has a column above 2,147,483,646"),
        ("1 3:nan", "'3:nan' is not a finite number"),
        ("1 3:1e39", "'3:1e39' is not a finite number"),
        ("3:1", "no label"),
        ("1,2 3:1", "'1,2' is more than one label"),
        ("1 1:" + "0" * MAX_ROW_BYTES, "the row is longer than 8,388,608 bytes"),
    ],
)
@pytest.mark.slow
def test_lines_that_are_no_row(tmp_path, line, reason):
    good = "1 1:0.5 qid\n".replace(" qid", "") + "0 qid:7 1:0.25 2:1e-30 # x\n"
    (tmp_path / "rows.svm").write_text(f"{good * 2}\n{line}\n{good}")
    options = {"validation_fraction": 0, "shuffle": False, "max_rejects": 1}
    report = ooc_train.convert(tmp_path / "rows.svm", tmp_path / "o.h5", **options)
    assert (report["rows"], report["rejected_rows"]) == (6, 1)
    with (tmp_path / "o.h5.rejected.csv").open(newline="", encoding="utf-8") as file:
        csv.field_size_limit(2**24)
        (reject,) = csv.DictReader(file)
    assert (reject["line"], reject["reason"]) == ("6", reason)
    assert reject["row"][:50] == line[:50]
    found, labels = read(tmp_path / "o.h5")
    assert np.array_equal(found.toarray(), np.float32([[0.5, 0], [0.25, 1e-30]] * 3))
    assert labels == ["1", "0"] * 3


@pytest.mark.parametrize(
    ("content", "options", "error", "message"),
    [
        ("", {}, InputError, "rows.svm is empty; it must hold one row a line"),
        ("# only\n\n", {}, InputError, "rows.svm is empty; it must hold one row a line"),
        ("some text\n", {}, InputError, "is not svmlight: 'text' is not column:value"),
        ("1\n2\n", {}, InputError, "no train row has a column that is not zero; check the files"),
        ("1 1:1\n", {}, InputError, "all rows have the label '1'"),
        ("1 1:1\n", {"label": "1"}, OptionError, "has the label first in every row; leave out"),
        ("1 1:1\n", {"labels": ["l"]}, OptionError, "--labels cannot be used with --features spar"),
        (
            "1 1:1\n",
            {"features": "dense"},
            OptionError,
            "is svmlight, which holds sparse numbers and no dense",
        ),
    ],
)
def test_files_that_cannot_be_used(tmp_path, content, options, error, message):
    (tmp_path / "rows.svm").write_text(content)
    with pytest.raises(error, match=message):
        ooc_train.convert(tmp_path / "rows.svm", tmp_path / "o.h5", **options)
    assert not (tmp_path / "o.h5").exists()
