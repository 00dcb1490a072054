"""Dense features: the numbers of the source in the order of the rule, whatever the resources."""

import csv
import gzip
import io

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import sparse

import ooc_train
from ooc_train.conversion.resources import MemoryPlan
from ooc_train.conversion.sources.columns import Cells
from ooc_train.conversion.sources.numerals import number, parse_table
from ooc_train.errors import InputError, OptionError
from tests.corpora import train_order

N, COLUMNS = 300, 5


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(N, COLUMNS)).astype(np.float32), rng.integers(3, size=N) - 1


def write_npy(folder, values, labels):
    np.save(folder / "rows.npy", values)
    np.save(folder / "labels.npy", labels)
    return "rows.npy", {"labels": [folder / "labels.npy"]}


def write_npy_by_column(folder, values, labels):
    np.save(folder / "rows.npy", np.asfortranarray(values.astype(np.float64)))
    (folder / "labels.txt").write_text("".join(f'"{label}"\n' for label in labels))
    return "rows.npy", {"labels": [folder / "labels.txt"]}


def write_npz(folder, values, labels):
    np.savez(folder / "rows.npz", x=values, y=labels.astype(np.float64), z=labels)
    return "rows.npz", {}


def write_compressed_npz(folder, values, labels):
    np.savez_compressed(folder / "rows.npz", here=values, there=labels.astype("U2"))
    return "rows.npz", {"columns": ["here"], "label": "there"}


def write_parquet(folder, values, labels):
    columns = {f"c{i}": values[:, i] for i in range(COLUMNS)}
    pq.write_table(pa.table({"label": labels, **columns}), folder / "rows.parquet")
    return "rows.parquet", {"features": "dense"}


def write_lists(folder, values, labels):
    columns = {
        "embedding": pa.array(values[:, :3].tolist(), pa.list_(pa.float32())),
        "fixed": pa.array(values[:, 3:].tolist(), pa.list_(pa.float64(), 2)),
        "text": ["x"] * N,
        "stars": labels,
    }
    pq.write_table(pa.table(columns), folder / "rows.parquet", row_group_size=70)
    return "rows.parquet", {"columns": ["embedding", "fixed"], "label": "stars"}


def write_csv(folder, values, labels):
    text = io.StringIO()
    csv.writer(text).writerows([label, *map(repr, row)] for label, row in zip(
        labels.tolist(), values.tolist(), strict=True))  # fmt: skip
    (folder / "rows.csv").write_text(text.getvalue())
    return "rows.csv", {"features": "dense"}


def write_csv_with_header(folder, values, labels):
    lines = ["id,a,b,c,d,e,kind"]
    lines += [f"x,{','.join(map(str, row))},{label}" for row, label in zip(
        values, labels, strict=True)]  # fmt: skip
    (folder / "rows.csv.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    return "rows.csv.gz", {"columns": list("abcde"), "label": "kind"}


WRITERS = [
    write_npy, write_npy_by_column, write_npz, write_compressed_npz, write_parquet, write_lists,
    write_csv, write_csv_with_header,
]  # fmt: skip


def read(path, split="train"):
    with ooc_train.open(path) as store:
        batch = store[split].read_slices([(0, len(store[split]))])
        labels = [store.class_labels[label] for label in batch.labels.tolist()]
        return batch.rows.values, labels


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.slow
def test_all_kinds_of_files_give_the_numbers_in_the_order_of_the_rule(tmp_path, rows, write):
    values, labels = rows
    name, options = write(tmp_path, values, labels)
    report = ooc_train.convert(tmp_path / name, tmp_path / "o.h5", **options)
    kept, drawn = train_order(N, 0.1)
    for split, numbers in (("train", kept), ("validation", drawn)):
        found, found_labels = read(tmp_path / "o.h5", split)
        assert np.array_equal(found, values[numbers])
        assert found_labels == [str(label) for label in labels[numbers]]
    assert (report["features"], report["n_features"], report["rows"]) == ("dense", 5, 270)
    assert report["classes"] == ["-1", "0", "1"]
    with ooc_train.open(tmp_path / "o.h5") as store:
        assert store.provenance["layout"]["format"] == name.split(".")[1]


PLANS = [
    MemoryPlan(
        n_workers=1, block_bytes=2**20, table_bytes=2**24, bucket_bytes=2**24, dictionary_bytes=0
    ),
    MemoryPlan(
        n_workers=3, block_bytes=97, table_bytes=2**20, bucket_bytes=500, dictionary_bytes=0
    ),
]


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
@pytest.mark.parametrize("write", [write_npy, write_csv])
@pytest.mark.slow
def test_the_bytes_do_not_depend_on_resources(tmp_path, rows, monkeypatch, write, dtype):
    name, options = write(tmp_path, *rows)
    test = {"test": [tmp_path / name]}
    if "labels" in options:
        test["test_labels"] = options["labels"]
    contents = []
    for plan in PLANS:
        monkeypatch.setattr(MemoryPlan, "divide", lambda *_, plan=plan, **__: plan)
        output = tmp_path / "o.h5"
        ooc_train.convert(tmp_path / name, output, **options, **test, dtype=dtype, force=True)
        contents.append(output.read_bytes())
    assert contents[0] == contents[1]
    assert ooc_train.verify(output)["damaged"] == []


def test_the_order_of_the_source(tmp_path, rows):
    name, options = write_npy(tmp_path, *rows)
    ooc_train.convert(tmp_path / name, tmp_path / "o.h5", **options, shuffle=False)
    assert np.array_equal(read(tmp_path / "o.h5")[0], rows[0][sorted(train_order(N, 0.1)[0])])


def test_float16(tmp_path, rows):
    values, labels = rows
    values[7, 2], values[8, 3] = 65_519, -65_520
    name, options = write_npy(tmp_path, values, labels)
    options |= {"validation_fraction": 0, "shuffle": False}
    report = ooc_train.convert(tmp_path / name, tmp_path / "o.h5", **options, dtype="float16")
    assert report["rejected_rows"] == 1
    expected = np.delete(values, 8, axis=0).astype(np.float16).astype(np.float32)
    assert np.array_equal(read(tmp_path / "o.h5")[0], expected)
    (reject,) = rejected(tmp_path)
    assert (reject["line"], reject["reason"]) == ("9", "column 4 is -65520, too large for --dtype")


def test_int8_has_a_scale_of_the_train_rows_for_each_column(tmp_path, rows):
    values, labels = rows
    values[:, 4] = 0
    name, options = write_npy(tmp_path, values, labels)
    np.save(tmp_path / "test.npy", 2 * values)
    options |= {"test": [tmp_path / "test.npy"], "test_labels": options["labels"]}
    report = ooc_train.convert(tmp_path / name, tmp_path / "o.h5", **options, dtype="int8")
    kept, drawn = train_order(N, 0.1)
    scales = np.abs(values[kept]).max(axis=0) / np.float32(127)
    scales[4] = 1
    with h5py.File(tmp_path / "o.h5") as file:
        assert np.array_equal(file["vectorizer/scales"], scales)
        assert file["train/features"].dtype == np.int8
        assert file["train/features"][...].max() == 127
    n_clipped = 0
    for split, split_values in (
        ("train", values[kept]),
        ("validation", values[drawn]),
        ("test", 2 * values),
    ):
        integers = np.rint(split_values / scales)
        n_clipped += (np.abs(integers) > 127).sum()
        expected = np.clip(integers, -127, 127).astype(np.float32) * scales
        found = read(tmp_path / "o.h5", split)[0]
        assert np.array_equal(found, expected)
        if split == "train":
            assert (np.abs(found - split_values) <= 0.5001 * scales).all()
    assert 0 < n_clipped == report["clipped_values"]


def test_a_fitted_file_gives_type_scales_and_classes(tmp_path, rows):
    values, labels = rows
    name, options = write_npy(tmp_path, values, labels)
    ooc_train.convert(tmp_path / name, tmp_path / "a.h5", **options, dtype="int8")
    few = labels[:40] > 0
    write_npz(tmp_path, values[:40] / 2, np.where(few, 1, -1))
    fitted = {"vectorizer": tmp_path / "a.h5", "validation_fraction": 0, "shuffle": False}
    ooc_train.convert(tmp_path / "rows.npz", tmp_path / "b.h5", **fitted)
    with h5py.File(tmp_path / "a.h5") as a, h5py.File(tmp_path / "b.h5") as b:
        assert np.array_equal(a["vectorizer/scales"], b["vectorizer/scales"])
        assert dict(a["vectorizer"].attrs) == dict(b["vectorizer"].attrs)
    assert read(tmp_path / "b.h5")[1] == np.where(few, "1", "-1").tolist()
    np.savez(tmp_path / "c.npz", x=values[:, 1:], y=labels)
    with pytest.raises(InputError, match="rows have 4 columns, and .* have 5; name the columns"):
        ooc_train.convert(tmp_path / "c.npz", tmp_path / "c.h5", **fitted)


# Rows and files that cannot be used


def rejected(tmp_path):
    with (tmp_path / "o.h5.rejected.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("write", [write_npy, write_npz, write_parquet, write_lists])
def test_rows_with_nan_or_infinity_are_rejected_and_the_others_placed(tmp_path, rows, write):
    values, labels = rows
    values[10, 1], values[200, 0] = np.nan, -np.inf
    name, options = write(tmp_path, values, labels)
    report = ooc_train.convert(tmp_path / name, tmp_path / "o.h5", **options)
    assert report["rejected_rows"] == 2
    assert [(row["line"], row["reason"]) for row in rejected(tmp_path)] == [
        ("11", "column 2 is nan, not a finite number"),
        ("201", "column 1 is -inf, not a finite number, or too large for 32 bits"),
    ]
    kept = np.array(train_order(N - 2, 0.1)[0])
    left = np.delete(np.arange(N), [10, 200])
    found, found_labels = read(tmp_path / "o.h5")
    assert np.array_equal(found, values[left[kept]])
    assert found_labels == [str(label) for label in labels[left[kept]]]


def test_the_scales_are_those_of_the_rows_that_are_train_rows_in_the_end(tmp_path):
    """A row that cannot be used moves all others, some from train to validation."""
    rng = np.random.default_rng(0)
    values = rng.random((60, 60), np.float32) + np.diag(np.full(60, 1000, np.float32))
    more = rng.random((30, 60), np.float32)
    np.save(tmp_path / "first.npy", values)
    np.save(tmp_path / "second.npy", more)
    np.save(tmp_path / "unfit.npy", np.concatenate([more, np.full((1, 60), np.nan, np.float32)]))
    for name, n_rows in (("first", 60), ("second", 30), ("unfit", 31)):
        np.save(tmp_path / f"{name}.labels.npy", np.arange(n_rows) % 2)
    scales = []
    for second in ("second", "unfit"):
        sources = [tmp_path / f"{name}.npy" for name in ("first", second)]
        labels = [tmp_path / f"{name}.labels.npy" for name in ("first", second)]
        output = tmp_path / f"{second}.h5"
        report = ooc_train.convert(sources, output, labels=labels, dtype="int8")
        assert report["rejected_rows"] == (second == "unfit")
        with h5py.File(output) as file:
            scales.append(file["vectorizer/scales"][...])
    np.testing.assert_array_equal(*scales)


def test_an_unknown_label_among_test_rows_after_train_rows_that_were_rejected(tmp_path, rows):
    values, labels = rows
    values[3, 3] = np.inf
    name, options = write_npy(tmp_path, values, labels)
    np.savez(tmp_path / "test.npz", x=values[10:13], y=[0, 7, 1])
    options |= {"test": [tmp_path / "test.npz"]}
    report = ooc_train.convert(tmp_path / name, tmp_path / "o.h5", **options)
    assert (report["test_rows"], report["rejected_rows"]) == (2, 2)
    assert np.array_equal(read(tmp_path / "o.h5", "test")[0], values[[10, 12]])


def test_the_format_that_is_said_counts_for_numbers_too(tmp_path, rows):
    values, labels = rows
    lines = ["\t".join(map(str, [label, *row])) for label, row in zip(labels, values, strict=True)]
    (tmp_path / "rows.txt").write_text("\n".join(lines))
    options = {"features": "dense", "validation_fraction": 0, "shuffle": False}
    ooc_train.convert(tmp_path / "rows.txt", tmp_path / "o.h5", format="tsv", **options)
    assert np.array_equal(read(tmp_path / "o.h5")[0], values)
    with ooc_train.open(tmp_path / "o.h5") as store:
        assert store.provenance["layout"]["format"] == "tsv"


def test_csv_rows_that_are_no_numbers(tmp_path, rows):
    name, options = write_csv(tmp_path, *rows)
    with (tmp_path / name).open("a") as file:
        file.write("1,2,3,4,5\n1,2,3,x,5,6\n1,2,,3,4,5\n,1,2,3,4,5\n1,2,3,4,5,nan\n1,1_0,2,3,4,5\n")
    report = ooc_train.convert(tmp_path / name, tmp_path / "o.h5", **options)
    assert report["rows"] == 270
    assert sorted((row["line"], row["reason"]) for row in rejected(tmp_path)) == [
        ("301", "found 5 columns, expected 6"),
        ("302", "'x' is not a number"),
        ("303", "'' is not a number"),
        ("304", "no label"),
        ("305", "column 5 is nan, not a finite number"),
        ("306", "'1_0' is not a number"),
    ]


def test_parquet_rows_with_null_or_lists_of_another_length(tmp_path):
    table = pa.table(
        {
            "label": ["a", "b", "a", None, "b", "a"],
            "x": pa.array([1, 2, None, 4, 5, 6], pa.int64()),
            "y": pa.array([[1.0], [2.0], [3.0], [4.0], [5.0, 5.0], [6.0]]),
            "z": pa.array([[1.0], None, [3.0], [4.0], [5.0], [6.0]], pa.list_(pa.float32(), 1)),
        }
    )
    try:
        pq.write_table(table, tmp_path / "rows.parquet")
    except pa.ArrowNotImplementedError as error:
        pytest.skip(f"this release of pyarrow does not write such rows: {error}")
    with pytest.raises(
        InputError,
        match="all rows have the label 'a'.*4 other rows could not be used, and .*rejected.csv",
    ):
        ooc_train.convert(tmp_path / "rows.parquet", tmp_path / "o.h5", features="dense")
    assert sorted((row["line"], row["reason"]) for row in rejected(tmp_path)) == [
        ("2", "column 'z' is null"),
        ("3", "column 1 is nan, not a finite number"),
        ("4", "no label"),
        ("5", "column 'y' has 2 numbers, not 1"),
    ]


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


VALUES = np.zeros((4, 2), np.float32)


@pytest.mark.parametrize(
    ("content", "labels", "message"),
    [
        (npy(VALUES)[:-3], npy(np.arange(4)), "rows.npy is truncated"),
        (b"not numpy", npy(np.arange(4)), "rows.npy is not an .npy array; write it with numpy"),
        (npy(VALUES)[:20], npy(np.arange(4)), "rows.npy (has a damaged header|is not)"),
        (npy(VALUES[0]), npy(np.arange(4)), r"has features of the shape \(2,\) and type float32"),
        (npy(VALUES[:0]), npy(np.arange(0)), "rows.npy is empty; it holds no rows"),
        (npy(np.array([["a", "b"]] * 4)), npy(np.arange(4)), "shape .* and type <U1; rows of num"),
        (npy(VALUES), npy(np.arange(5)), "labels has 5 labels for 4 rows"),
        (npy(VALUES), npy(np.zeros((4, 2))), r"labels has the shape \(4, 2\); labels are one for"),
        (
            npy(VALUES),
            npy(np.array([0, 1.5, 1, 0])),
            ", row 2: the label 1.5 is not a whole number",
        ),
        (npy(VALUES), b"a\nb\na\n", "labels has 3 labels for 4 rows"),
        (npy(VALUES), b"a\nb\na\nb\n\nb\n", "labels has more than 4 labels for 4 rows"),
        (npy(VALUES), b"", "labels has 0 labels for 4 rows"),
    ],
)
def test_arrays_that_cannot_be_used(tmp_path, content, labels, message):
    (tmp_path / "rows.npy").write_bytes(content)
    name = "labels.npy" if labels.startswith(b"\x93NUMPY") else "labels.txt"
    (tmp_path / name).write_bytes(labels)
    with pytest.raises(InputError, match=message.replace("labels has", rf"{name} has")):
        ooc_train.convert(
            tmp_path / "rows.npy",
            tmp_path / "o.h5",
            labels=[tmp_path / name],
            validation_fraction=0,
        )
    assert not (tmp_path / "o.h5").exists()


def test_objects_are_never_unpickled(tmp_path):
    np.save(tmp_path / "rows.npy", np.array([[print]], object), allow_pickle=True)
    (tmp_path / "labels").write_text("1\n")
    with pytest.raises(InputError, match="holds object, where numbers or strings are expected"):
        ooc_train.convert(tmp_path / "rows.npy", tmp_path / "o.h5", labels=[tmp_path / "labels"])


def test_damaged_archives(tmp_path, rows):
    write_npz(tmp_path, *rows)
    whole = (tmp_path / "rows.npz").read_bytes()
    for damaged, message in (
        (whole[:500], "rows.npz cannot be read as .npz: "),
        (whole[:1000] + b"x" * 9 + whole[1009:], "array 'x' cannot be read to its end: Bad CRC-32"),
        (b"not a zip", "rows.npz cannot be read as .npz: "),
    ):
        (tmp_path / "rows.npz").write_bytes(damaged)
        with pytest.raises(InputError, match=message):
            ooc_train.convert(tmp_path / "rows.npz", tmp_path / "o.h5")
    np.savez(tmp_path / "rows.npz", a=rows[0], b=rows[1])
    with pytest.raises(
        InputError, match="has no arrays features and labels, .* but 'a', 'b'; name"
    ):
        ooc_train.convert(tmp_path / "rows.npz", tmp_path / "o.h5")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, OptionError, "rows.npy holds no labels; give a file of them with --labels"),
        ({"label": "1", "labels": ["l"]}, OptionError, "is one array, without names; leave out"),
        (
            {"labels": ["a", "b"]},
            OptionError,
            "labels come from 2 files, and rows from 1 file",
        ),
        (
            {"features": "ngram"},
            OptionError,
            "npy is npy, which holds dense numbers and no text; formats",
        ),
        ({"features": "dense", "text": ["a"]}, OptionError, "--text cannot be used with --feature"),
        ({"features": "ngram", "columns": ["a"]}, OptionError, "--columns cannot be used with"),
        ({"dtype": "float64"}, OptionError, "--dtype must be one of float32, float16, int8"),
        (
            {"top_k": 9, "labels": ["l"]},
            OptionError,
            "become dense features, which have no --top",
        ),
        ({"labels": ["gone.npy"]}, InputError, "gone.npy does not exist; check the path"),
    ],
)
def test_options_that_do_not_fit(tmp_path, options, error, message):
    np.save(tmp_path / "rows.npy", VALUES)
    with pytest.raises(error, match=message):
        ooc_train.convert(tmp_path / "rows.npy", tmp_path / "o.h5", **options)


@pytest.mark.parametrize(
    ("content", "options", "error", "message"),
    [
        ("a,b,label\n1,2,0\n", {}, InputError, "line 1: 'b' is not a number; say --header if the"),
        ("a,b\n1,2\n", {"header": True}, OptionError, "name the column of the labels with --label"),
        ("label,a,b\n1,2,3\n", {"columns": ["c"]}, InputError, "there is no column 'c'; the colu"),
        ("1,2\n", {"labels": ["l"]}, OptionError, "has its labels in a column; name it with --lab"),
    ],
)
def test_csv_that_cannot_be_used(tmp_path, content, options, error, message):
    (tmp_path / "rows.csv").write_text(content)
    with pytest.raises(error, match=message):
        ooc_train.convert(tmp_path / "rows.csv", tmp_path / "o.h5", features="dense", **options)


def test_sources_with_different_columns(tmp_path):
    for n in (2, 3):
        np.savez(tmp_path / f"rows{n}.npz", x=np.zeros((4, n)), y=np.arange(4))
    with pytest.raises(InputError, match="rows3.npz has 3 columns of features, and .*rows2.npz 2;"):
        ooc_train.convert(tmp_path / "rows*.npz", tmp_path / "o.h5")


# Numerals

NUMERALS = st.one_of(
    st.floats().map(repr),
    st.floats(width=32).map(lambda value: str(np.float32(value))),
    st.floats(-1e6, 1e6).map("{:.20f}".format),
    st.integers(-(10**25), 10**25).map(str),
    st.from_regex(r"[+-]?[0-9]{0,22}\.?[0-9]{0,22}(?:[eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.floats(1e-9, 1, width=64).map("{:.24f}".format),  # zeros in front
    st.sampled_from(["0." + 18 * "0" + "123456789012345678", 30 * "0" + "1.5", "."]),
    st.sampled_from(["1.00000005960464477539", "16777217", "0.1e", "1e+", "nan", "-inf", "1 2"]),
)
BETWEEN = "7.76957964897155769"  # two float32, as is the product of its digits and a power of ten


@example([[BETWEEN, "0"]])
@given(st.lists(st.lists(NUMERALS, min_size=2, max_size=2), min_size=1, max_size=5))
def test_numerals_are_what_python_and_numpy_make_of_them(table):
    cells = Cells.of([numeral.encode() for row in table for numeral in row], 2)
    values, problems = parse_table(cells, 2)
    for i, row in enumerate(table):
        expected = [number(field.encode()) for field in row]
        assert (i in problems) == (None in expected)
        if None not in expected:
            with np.errstate(over="ignore"):
                assert np.array_equal(values[i], np.float32(expected), equal_nan=True)
        for field, value in zip(row, expected, strict=True):
            assert value is None or np.isnan(value) or value == float(field)


def test_a_sparse_matrix_of_scipy_is_named(tmp_path):
    sparse.save_npz(tmp_path / "rows.npz", sparse.csr_matrix(np.eye(4)))
    with pytest.raises(InputError, match="rows.npz is a sparse matrix of SciPy; write it and its"):
        ooc_train.convert(tmp_path / "rows.npz", tmp_path / "o.h5")


def test_a_vectorizer_of_numbers_takes_no_text_and_the_other_way_round(tmp_path):
    texts = tmp_path / "texts.csv"
    texts.write_text("label,text\n" + "a,one two\nb,two three\n" * 20)
    (tmp_path / "rows.csv").write_text("label,x,y\n" + "a,1,2\nb,2,3\n" * 20)
    (tmp_path / "rows.svm").write_text("1 1:1\n2 2:1\n" * 20)
    (tmp_path / "rows.txt").write_text("1 1:1\n2 2:1\n" * 20)
    columns = {"columns": ["x", "y"], "label": "label"}
    words = {"text": "text", "label": "label"}
    ooc_train.convert(tmp_path / "rows.csv", tmp_path / "dense.h5", **columns)
    ooc_train.convert(tmp_path / "rows.svm", tmp_path / "sparse.h5")
    ooc_train.convert(texts, tmp_path / "text.h5", **words)
    for fitted, rows, options, taken, found in (
        ("dense", texts, words, r"numbers \(dense features\)", "text"),
        ("sparse", texts, words, r"numbers \(sparse features\)", "text"),
        ("sparse", texts, {}, r"numbers \(sparse features\)", "text"),
        ("text", tmp_path / "rows.csv", columns, r"text \(ngram features\)", "numbers"),
    ):
        given = {**options, "vectorizer": tmp_path / f"{fitted}.h5"}
        with pytest.raises(OptionError, match=rf"takes {taken}, and these rows are {found}; name"):
            ooc_train.convert(rows, tmp_path / "o.h5", **given)
    fitted = tmp_path / "sparse.h5"
    report = ooc_train.convert(tmp_path / "rows.txt", tmp_path / "o.h5", vectorizer=fitted)
    assert report["features"] == "sparse"


def test_numbers_of_either_type_give_the_same_bytes(tmp_path, rows):
    write_npy(tmp_path, *rows)
    options = {"labels": tmp_path / "labels.npy"}
    for name, fraction in (("int", 0), ("float", 0.0), ("numpy", np.float32(0))):
        output = tmp_path / f"{name}.h5"
        ooc_train.convert(tmp_path / "rows.npy", output, validation_fraction=fraction, **options)
    contents = {(tmp_path / f"{name}.h5").read_bytes() for name in ("int", "float", "numpy")}
    assert len(contents) == 1
