"""What a program has in hand, tables, rows and arrays, is converted and predicted as files are."""

import decimal
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ooc_train
from ooc_train.conversion.sources.files.paths import InputPaths
from ooc_train.conversion.sources.formats.arrow import n_bytes, serialized, text_lengths
from ooc_train.conversion.sources.in_hand import inputs_of
from ooc_train.errors import BudgetError, InputError, OptionError
from tests.corpora import random_rows

OPTIONS = {"features": "ngram", "validation_fraction": 0, "force": True, "shuffle": False}
NUMBERS = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
SIDES = (NUMBERS[:, 0] > 0).astype(int)


def dicts():
    rows = [{"stars": label, "text": text, "n": k} for k, (label, _, text) in
            enumerate(random_rows(90))]  # fmt: skip
    rows[4]["stars"] = None
    rows[8]["text"] = None
    return rows


def frame():
    return pd.DataFrame(dicts())


def table():
    return pa.Table.from_pylist(dicts())


class Dataset:
    """What a data set of Hugging Face has."""

    def with_format(self, kind):
        assert kind == "arrow"
        return self

    def iter(self, n_rows):
        assert n_rows
        for first in range(0, 90, 40):
            yield table().slice(first, 40)


class Cursor:
    """What a cursor of ADBC has."""

    def fetch_record_batch(self):
        return table().to_reader()


def with_types(text, stars):
    given = table()
    columns = [given["stars"].cast(stars) if stars else given["stars"].dictionary_encode(),
               given["text"].cast(text), given["n"].cast(pa.decimal128(21, 2))]  # fmt: skip
    return pa.table(columns, names=["stars", "text", "n"])


GIVEN = {
    "table of pandas": frame,
    "table with categories": lambda: frame().astype({"stars": "category"}),
    "several tables": lambda: (frame()[first : first + 40] for first in range(0, 90, 40)),
    "table of pyarrow": table,
    "batch": lambda: table().combine_chunks().to_batches()[0],
    "reader": lambda: table().to_reader(7),
    "views": lambda: with_types(pa.string_view(), pa.string_view()),
    "large texts and a dictionary": lambda: with_types(pa.large_string(), None),
    "whole decimals": lambda: with_types(pa.string(), pa.decimal128(5, 2)),
    "whole floats": lambda: with_types(pa.binary(), pa.float64()),
    "data set": Dataset,
    "cursor": Cursor,
    "dicts": dicts,
    "an iterator of dicts": lambda: iter(dicts()),
    "pairs": lambda: [(row["text"], row["stars"]) for row in dicts()],
    "zip": lambda: zip(table()["text"].to_pylist(), table()["stars"].to_pylist(), strict=True),
}


def write_json_lines(path):
    path.write_text("".join(json.dumps(row) + "\n" for row in dicts()), "utf-8")
    return path


def converted(given, output, **options):
    """What is in the file, the report, and the rejected rows."""
    report = ooc_train.convert(given, output, **{**OPTIONS, **options})
    rejected = output.with_name(f"{output.name}.rejected.csv")
    with ooc_train.open(output) as store:
        split = store["train"]
        rows = split.read(0, len(split))
        values = rows.values if options.get("features") == "dense" else rows.to_dense()
        return values, store.provenance, report, rejected.read_text("utf-8").splitlines()[1:]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lines")
    path = write_json_lines(folder / "rows.jsonl")
    return converted(path, folder / "o.h5", label="stars")[0]


@pytest.mark.parametrize("kind", GIVEN)
def test_rows_of_a_program_are_those_of_a_file(tmp_path, expected, kind):
    given = GIVEN[kind]()
    label = "label" if kind in ("pairs", "zip") else "stars"
    values, provenance, report, rejected = converted(given, tmp_path / "o.h5", label=label)
    assert np.array_equal(values, expected)
    assert (report["rows"], report["rejected_rows"]) == (89, 1)
    name = f"the {type(given).__name__}"
    assert provenance["sources"]["train"] == [{"name": name}]  # the size depends on how it is read
    assert rejected[0].startswith(f"{name},5,no label,")


def test_a_stream_is_kept_only_where_it_is_read_twice(tmp_path, monkeypatch, expected):
    kept = []
    spooled = InputPaths._spooled

    def noted(paths, stream, name):
        kept.append(name)
        found = spooled(paths, stream, name)
        assert found.is_relative_to(tmp_path / "temporary")
        return found

    monkeypatch.setattr(InputPaths, "_spooled", noted)
    (tmp_path / "temporary").mkdir()
    options = {"label": "stars", "temp_dir": tmp_path / "temporary"}
    converted(iter(dicts()), tmp_path / "o.h5", **options)
    converted(table().to_reader(), tmp_path / "o.h5", test=frame(), **options)
    converted(iter(dicts()), tmp_path / "o.h5", **{**options, "features": "auto"})
    assert kept == []
    for given in (iter(dicts()), table().to_reader()):
        path = tmp_path / "again.h5"
        made = {"features": "auto", "vectorizer": tmp_path / "o.h5", "force": True}
        values = converted(given, path, **options, **made)[0]
        assert np.array_equal(values, expected)
    assert kept == ["the list_iterator", "the RecordBatchReader"]
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize("kind", ["fixed", "lists", "columns", "array"])
def test_numbers_of_a_program(tmp_path, kind):
    lists = pa.array(NUMBERS.tolist(), pa.list_(pa.float32()))
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(NUMBERS.ravel()), 3)
    given = {
        "fixed": lambda: pa.table({"vector": fixed, "label": SIDES}),
        "lists": lambda: pa.table({"vector": lists, "label": SIDES}),
        "columns": lambda: pd.DataFrame(NUMBERS, columns=[*"abc"]).assign(label=SIDES),
        "array": lambda: NUMBERS,
    }[kind]()
    options = {"labels": SIDES, "test": NUMBERS[:5], "test_labels": list(SIDES[:5])}
    report = ooc_train.convert(given, tmp_path / "o.h5", **(options if kind == "array" else {}),
                               **{**OPTIONS, "features": "dense"})  # fmt: skip
    with ooc_train.open(tmp_path / "o.h5") as store:
        assert np.array_equal(store["train"].read(0, 60).values, NUMBERS)
        assert store["train"].read_labels(0, 60).tolist() == SIDES.tolist()
    assert report["test_rows"] == (5 if kind == "array" else 0)


@pytest.mark.parametrize("labels", [
    SIDES.astype(str).tolist(), pd.Series(SIDES), SIDES.astype(bool), SIDES.astype(object).tolist(),
], ids=["strings", "series", "booleans", "list"])  # fmt: skip
def test_labels_of_a_program(tmp_path, labels):
    report = ooc_train.convert(NUMBERS, tmp_path / "o.h5", labels=labels)
    are_booleans = getattr(labels, "dtype", None) == np.bool_
    assert report["classes"] == (["false", "true"] if are_booleans else ["0", "1"])


def test_rows_without_a_label_in_an_array_of_labels_are_rejected(tmp_path):
    labels = [None, float("nan"), *["a", "b"] * 29]
    report = ooc_train.convert(NUMBERS, tmp_path / "o.h5", labels=labels)
    assert (report["classes"], report["rejected_rows"]) == (["a", "b"], 2)
    with pytest.raises(InputError, match="the labels has 59 labels for 60 rows"):
        ooc_train.convert(NUMBERS, tmp_path / "o.h5", labels=[0, *SIDES[:58]], force=True)


REFUSED = {
    "a number": (5, "rows cannot be read from an int; give paths, a table"),
    "a list of numbers": ([1, 2], "rows cannot be read from a list of int; give"),
    "columns": ({"text": ["a"], "label": ["1"]}, "rows cannot be read from a dict; give"),
    "a column": (pa.chunked_array([["a"]]), "the ChunkedArray is one column without a name;"),
    "triples": ([("a", "b", "c")], "rows cannot be read from a list of tuple; give"),
    "a mixture": ([("a", "1"), 7], "the list, row 2 is 7, an int, and neither a dict nor a pair"),
    "an empty table": (table().slice(0, 0), "the Table is empty; it holds no rows"),
    "other tables": ([table(), table().drop_columns("text")], "the list: table 2 has not the col"),
    "a missing column": (table().drop_columns("text"), "the Table: name the column of the text"),
    "columns of one name": (
        pd.DataFrame([["a", "b"]], columns=["text", "text"]),
        "the DataFrame cannot be read as a table of Arrow: Duplicate column names",
    ),
    "lists": (pa.table({"text": [["a"]], "stars": ["1"]}), "'text' holds large_list<item: string>"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_understood_is_refused_by_its_name(tmp_path, what):
    given, message = REFUSED[what]
    with pytest.raises((InputError, OptionError), match=message):
        ooc_train.convert(given, tmp_path / "o.h5", features="ngram", label="stars")
    assert not (tmp_path / "o.h5").exists()


def test_rows_are_told_by_their_numbers(tmp_path):
    for given in (dicts(), table()):
        name = f"the {type(given).__name__}"
        with pytest.raises(InputError, match=f"such as {name}, row 5: no label;"):
            converted(given, tmp_path / "o.h5", label="stars", max_rejects=0)


def test_a_null_among_lists_may_hide_numbers(tmp_path):
    numbers = pa.array(NUMBERS[:20].ravel())
    lists = pa.ListArray.from_arrays(pa.array([*range(0, 61, 3)], pa.int32()), numbers,
                                     mask=pa.array([k == 1 for k in range(20)]))  # fmt: skip
    given = pa.table({"vector": lists, "label": SIDES[:20]})
    values, _, _, rejected = converted(given, tmp_path / "o.h5", features="dense")
    assert np.array_equal(values, np.delete(NUMBERS[:20], 1, axis=0))
    assert len(rejected) == 1


def test_an_open_file_is_refused(tmp_path):
    path = write_json_lines(tmp_path / "rows.jsonl")
    with (
        path.open("rb") as file,
        pytest.raises(InputError, match="read from a BufferedReader; give paths"),
    ):
        ooc_train.convert(file, tmp_path / "o.h5")
    with pytest.raises(OptionError, match="there are no training rows"):
        ooc_train.convert([], tmp_path / "o.h5")


def test_an_error_of_the_program_stays_its_own(tmp_path):
    def rows():
        yield from dicts()
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        ooc_train.convert(rows(), tmp_path / "o.h5", **OPTIONS, label="stars")


def test_long_rows_and_values_that_json_lacks(tmp_path):
    rows = dicts()
    rows[0]["text"] = "a long row " * 1000
    rows[1] |= {"text": "half of \ud800 a pair", "stars": np.int64(1)}
    rows[2] |= {"text": decimal.Decimal("1.5")}
    rows[3] |= {"n": np.zeros(3), "when": pd.NaT, 7: object()}
    _, _, report, rejected = converted(rows, tmp_path / "o.h5", label="stars", max_row_bytes=5000)
    assert (report["rejected_rows"], report["replaced_rows"]) == (3, 1)
    assert [row.split(",")[:3] for row in rejected] == [
        ["the list", "1", '"the row is longer than 5'],
        ["the list", "3", "\"the field 'text' is an object"],
        ["the list", "5", "no label"],
    ]


def test_huge_batches_are_cut_and_views_counted_by_their_texts():
    texts = pa.array([f"{k} " + "x" * 5000 for k in range(2000)], pa.string_view())
    batch = pa.record_batch({"text": texts})
    assert n_bytes(texts.slice(10, 3)) == 3 * (5003 + 8)
    few = pa.array(["a", None, "ccc", "a text that is not in its view"], pa.string_view())
    assert text_lengths(few.slice(1)).tolist() == [0, 3, 30]
    pieces = list(serialized(batch.schema, [batch]))
    assert max(map(len, pieces)) < 2**21
    back = pa.ipc.open_stream(b"".join(pieces)).read_all()
    assert back["text"].to_pylist() == texts.to_pylist()


def test_inputs_are_taken_as_they_are_the_second_time():
    (first,) = inputs_of(frame())
    assert inputs_of([first]) == [first]


# Files of Arrow.


@pytest.mark.parametrize("kind", ["stream", "file"])
def test_files_of_arrow(tmp_path, expected, kind):
    path = tmp_path / "rows.arrow"
    new = {"stream": pa.ipc.new_stream, "file": pa.ipc.new_file}[kind]
    with new(path, table().schema) as writer:
        writer.write_table(table(), 10)
    values, provenance, _, _ = converted(path, tmp_path / "o.h5", label="stars")
    assert np.array_equal(values, expected)
    assert provenance["layout"]["format"] == "arrow"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="rows.arrow cannot be read as Arrow: "):
        converted(path, tmp_path / "o.h5", label="stars")
    path.write_bytes(b"no file of Arrow")
    with pytest.raises(InputError, match="rows.arrow cannot be read as Arrow: "):
        converted(path, tmp_path / "o.h5", label="stars")


def test_a_file_of_arrow_that_is_cut_between_two_batches_is_truncated(tmp_path):
    path = tmp_path / "rows.arrow"
    with pa.ipc.new_file(path, table().schema) as writer:
        writer.write_table(table(), 10)
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex(b"\xff\xff\xff\xff\0\0\0\0")])  # the end of the batches
    with pytest.raises(InputError, match="the file has no footer; it may be truncated"):
        converted(path, tmp_path / "o.h5", label="stars")


@pytest.mark.parametrize(
    "kind", ["views", "large texts and a dictionary", "whole decimals", "whole floats"]
)
def test_files_of_parquet_may_hold_what_a_program_has(tmp_path, expected, kind):
    path = tmp_path / "rows.parquet"
    pq.write_table(GIVEN[kind](), path)
    assert np.array_equal(converted(path, tmp_path / "o.h5", label="stars")[0], expected)


def test_decimals_are_numbers(tmp_path):
    given = pa.table({"a": NUMBERS[:, 0], "b": NUMBERS[:, 1]})
    given = given.cast(pa.schema([(name, pa.decimal128(9, 4)) for name in "ab"]), safe=False)
    halves = pa.array([i % 2 + i % 5 // 4 / 2 for i in range(len(given))])
    given = given.append_column("label", halves.cast(pa.decimal128(5, 2)))
    pq.write_table(given, tmp_path / "rows.parquet")
    options = {"features": "dense", "max_rejects": 999}
    values, _, report, rejected = converted(tmp_path / "rows.parquet", tmp_path / "o.h5", **options)
    is_whole = np.array([value.is_integer() for value in halves.to_pylist()])
    assert (report["classes"], len(rejected)) == (["0", "1"], np.count_nonzero(~is_whole))
    assert all("is not a string or whole number" in line for line in rejected)
    np.testing.assert_allclose(values, NUMBERS[is_whole, :2], atol=1e-4)


def test_a_file_whose_batches_are_too_large_is_refused(tmp_path):
    path = tmp_path / "rows.arrow"
    big = pa.table({"text": ["x" * 10**6] * 60, "label": ["a"] * 60})
    with pa.ipc.new_file(path, big.schema) as writer:
        writer.write_table(big)
    with pytest.raises(BudgetError, match="a batch of 60 MB is read at once, and 50 MB are all"):
        ooc_train.convert(path, tmp_path / "o.h5", memory="400MB")


# Predictions.


class Named:
    """A path that is neither text nor one of pathlib's."""

    def __init__(self, path):
        self._path = path

    def __fspath__(self):
        return str(self._path)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    ooc_train.convert(table(), folder / "o.h5", label="stars", features="ngram")
    ooc_train.train(folder / "o.h5", folder / "run", epochs=1)
    return folder / "run"


def test_a_predictor_takes_what_convert_takes(run, tmp_path):
    predictor = ooc_train.load(run)
    texts = [row["text"] or "" for row in dicts()]
    probabilities = predictor.predict_proba(texts)
    for kind in ("table of pandas", "several tables", "reader", "dicts", "pairs"):
        given = GIVEN[kind]()
        if kind == "pairs":
            given = [pair for pair in given if pair[0] is not None]
            expected = predictor.predict_proba([text for text, _ in given])
        else:
            expected = probabilities
        assert np.array_equal(predictor.predict_proba(given), expected), kind
    shuffled = frame()[["n", "text"]]
    assert np.array_equal(predictor.predict_proba(shuffled), probabilities)
    assert np.array_equal(predictor.predict_proba(table()["text"].fill_null("")), probabilities)
    assert np.array_equal(predictor.predict_proba(frame()["text"].fillna("")), probabilities)
    report = ooc_train.predict(Named(run), frame(), Named(tmp_path / "found.csv"))
    assert report["rows"] == 90
    assert pd.read_csv(tmp_path / "found.csv").columns[:2].tolist() == ["stars", "n"]


@pytest.mark.parametrize("name", ["text", None])
def test_a_series_is_a_table_of_one_column(run, tmp_path, name):
    texts = frame()["text"].fillna("").rename(name)
    report = ooc_train.predict(run, texts, tmp_path / "found.csv")
    assert report["files"][0]["name"] == "the Series"
    expected = ooc_train.load(run).predict(texts.tolist())
    assert pd.read_csv(tmp_path / "found.csv", dtype=str)["label"].tolist() == expected.tolist()
    with pytest.raises(InputError, match="the Series: there is no column 'text'; the column"):
        ooc_train.predict(run, texts.rename("review"), tmp_path / "other.csv")
    with pytest.raises(OptionError, match="the Series: name the column of the labels"):
        ooc_train.convert(texts, tmp_path / "o.h5")


@pytest.mark.parametrize(("given", "message"), [
    (5, "rows cannot be read from an int; give"),
    ({"text": ["a"]}, "rows cannot be read from a dict; give"),
    (frame().drop(columns="text"), "the DataFrame: there is no column 'text'; the columns are 'st"),
], ids=["number", "dict", "other columns"])  # fmt: skip
def test_a_predictor_refuses_by_name_what_it_does_not_understand(run, given, message):
    with pytest.raises(InputError, match=message):
        ooc_train.load(run).predict(given)


def test_numbers_of_tables_are_predicted_by_the_names_of_their_columns(tmp_path):
    given = pd.DataFrame(NUMBERS, columns=[*"abc"]).assign(label=SIDES)
    ooc_train.convert(given, tmp_path / "o.h5", features="dense")
    ooc_train.train(tmp_path / "o.h5", tmp_path / "run", epochs=1)
    predictor = ooc_train.load(tmp_path / "run")
    expected = predictor.predict_proba(NUMBERS)
    assert np.array_equal(predictor.predict_proba(given[["c", "label", "b", "a"]]), expected)
    with pytest.raises(InputError, match="there is no column 'b'"):
        predictor.predict(given[["a", "c"]])
    with pytest.raises(InputError, match="rows of numbers cannot be read from a list"):
        predictor.predict([{"a": 1}])
