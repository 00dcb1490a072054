"""Ranges of files: the rows that begin in each are those of the whole, wherever it is divided."""

import codecs
import csv
import gc
import gzip
import io
import itertools
import math
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ooc_train
from ooc_train.conversion.resources import MemoryPlan
from ooc_train.conversion.sources.columns import Chosen
from ooc_train.conversion.sources.corpus import Blocks, Corpus, Parts
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.formats import delimited_kernel
from ooc_train.conversion.sources.formats.arrays import open_npy_file
from ooc_train.conversion.sources.formats.delimited import DelimitedFile
from ooc_train.conversion.sources.formats.delimited_kernel import Dialect
from ooc_train.conversion.sources.formats.json_lines import JsonLinesFile, open_json_lines
from ooc_train.conversion.sources.formats.parquet import open_parquet
from ooc_train.conversion.sources.formats.svmlight import SvmlightFile
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.numbers import DenseSource, SparseSource, find_dense
from ooc_train.conversion.sources.partitions import PartitionedFile
from ooc_train.conversion.sources.parts import Division, SourcePart, look
from ooc_train.conversion.sources.source import Source
from ooc_train.conversion.sources.texts import TextSource
from ooc_train.errors import InputError
from tests.conversion.test_delimited import InMemory
from tests.conversion.test_executors import PLAN

# Python 3.10 writes no NUL.
FIELDS = st.text('12,"\n\r ' + ("\0" if sys.version_info >= (3, 11) else ""), max_size=6)
LINES = st.lists(st.sampled_from(["1,2,3", "4,5", "", "6,x,7", '8,"9,0",1', '"1,2,3', '"2",3,4"']))


class Listed:
    """Rejects in the order in which they are listed."""

    count = 0
    examples = "some"

    def __init__(self):
        self.rows = []

    def add(self, place, reject):
        self.count += 1
        self.rows.append((place.number, reject.reason, reject.raw))


def csv_source(data, *, has_header=False):
    file = DelimitedFile(
        file=InMemoryFile(Path("rows.csv"), data=data),
        format="csv",
        names=("label", "a", "b") if has_header else (),
        dialect=Dialect(","),
        n_fields=3,
        max_row_bytes=1000,
    )
    return DenseSource(file, Chosen((1, 2), 0, numbers=True), len(data), 2)


def svmlight_source(data):
    file = InMemoryFile(Path("rows.svm"), data=data)
    file = SvmlightFile(file=file, format="svmlight", names=(), max_row_bytes=1000)
    return SparseSource(file, Chosen((), numbers=True), len(data))


def json_source(data):
    file = InMemoryFile(Path("rows.jsonl"), data=data)
    file = JsonLinesFile(
        file=file,
        format="jsonl",
        names=("text", "label"),
        paths=(("text",), ("label",)),
        max_row_bytes=60,
    )
    return TextSource(file, Chosen((0,), 1), len(data))


class InMemoryFile(InMemory):
    """A file that is not on the disk, and has a size."""

    @property
    def n_bytes(self):
        return len(self.data)

    @property
    def stamp(self):
        return len(self.data), hash(self.data)


class Dividing(Division):
    """A division of all that can be divided, however large the parts are."""

    def divides(self, source):
        return source.is_divisible


def array_source(values, labels):
    """An array, and one of labels beside it."""
    files = []
    for array in (values, labels):
        data = io.BytesIO()
        np.save(data, array)
        files.append(InMemoryFile(Path("rows.npy"), data=data.getvalue()))
    options = LayoutOptions(labels=files[1])
    return find_dense(open_npy_file(files[0], options), options, 10.0)


def parquet_source(rows, group_rows, partition):
    """Columns ``label`` and ``x``, in row groups of some numbers of rows."""
    pyarrow, parquet = map(pytest.importorskip, ("pyarrow", "pyarrow.parquet"))
    schema, data = pyarrow.schema({"label": "string", "x": "float"}), io.BytesIO()
    with parquet.ParquetWriter(data, schema) as writer:
        for n in itertools.cycle(group_rows):
            some, rows = rows[:n], rows[n:]
            columns = [list(column) for column in zip(*some, strict=True)] or [[], []]
            writer.write_table(pyarrow.table(columns, schema))
            if not rows:
                break
    options = LayoutOptions(label="label")
    file = open_parquet(InMemoryFile(Path("rows.parquet"), data=data.getvalue()), options)
    if partition:
        file = PartitionedFile.of(file, {"day": b"3"})
        options = LayoutOptions(label="label", text=("x", "day"))
    return find_dense(file, options, 10.0)


def values_of(block):
    rows, labels = block.rows, block.labels
    if hasattr(rows, "text"):
        return block.first_row, [rows.text_bytes(row) for row in range(len(rows))], labels
    entries = rows.values.tolist()
    if hasattr(rows, "offsets"):
        entries = [
            list(zip(rows.columns[i:j].tolist(), rows.values[i:j].tolist(), strict=True))
            for i, j in itertools.pairwise(rows.offsets.tolist())
        ]
    return block.first_row, entries, labels


def read_twice(source, division=None):
    """What two readings of a corpus tell, and how many parts were read again."""
    rejects, n_again = Listed(), 0
    corpus = Corpus({"train": [source]}, rejects, 64)
    told = []
    for _ in range(2):
        labels, rows, n_bytes = [], [], 0
        for run in corpus.runs(division) if division else [Blocks(corpus.blocks())]:
            for item in run:
                found = look(values_of, item)
                instead = run.again(item, found)
                if instead is not None:
                    n_again += 1
                    found = look(values_of, instead)
                noted = run.noted(item, found)
                labels += noted.labels.tolist()
                n_bytes += noted.n_bytes
                in_task = []
                for first_row, values, classes in noted.found:
                    assert not corpus.read_once or not division or first_row == len(rows)
                    rows += values
                    in_task += classes.tolist()
                if noted.new:
                    assert not corpus.read_once
                    first, numbers = noted.new
                    in_task = [k if k < first else numbers[k - first] for k in in_task]
                assert in_task == noted.labels.tolist()
        classes = corpus.met_classes()  # which arrays number in any order
        told.append(([classes[number] for number in labels], rows))
        assert not division or n_bytes == source.n_bytes
    (file,) = corpus.files
    return (told, sorted(classes), sorted(rejects.rows), file.report), n_again


def outcome(source, division=None):
    try:
        return read_twice(source, division)[0]
    except InputError as error:
        return str(error)


DIVISIONS = st.builds(
    Dividing, st.integers(1, 40), st.sampled_from([1, 100, 10**6]), st.integers(1, 60)
)


@settings(max_examples=60)
@given(st.lists(st.tuples(FIELDS, FIELDS, FIELDS), max_size=12), DIVISIONS, st.booleans())
def test_quoted_rows_are_the_same_in_ranges(table, division, has_header):
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([("label", "a", "b"), *table])
    source = csv_source(text.getvalue().encode(), has_header=has_header)
    assert outcome(source, division) == outcome(source)


@settings(max_examples=60)
@given(LINES, DIVISIONS, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_broken_rows_are_the_same_in_ranges(lines, division, newline, has_mark):
    data = codecs.BOM_UTF8 * has_mark + newline.join(["1,2,3", *lines]).encode()
    source = csv_source(data)
    assert outcome(source, division) == outcome(source)


@settings(max_examples=60)
@given(LINES, DIVISIONS, st.booleans())
def test_sparse_rows_are_the_same_in_ranges(lines, division, has_end):
    rows = [line.replace(",", " ").replace("x", "#").replace('"', "1:") for line in lines]
    data = "\n".join(["1 2:3", *rows]).encode() + b"\n" * has_end
    source = svmlight_source(data)
    assert outcome(source, division) == outcome(source)


JSON_LINES = st.lists(
    st.sampled_from([
        '{"text": "a", "label": 1}', '{"text": "b, c", "label": "x"}', "", "  ", '{"text": 1}',
        '{"text": "cut', "[]", '{"text": "' + 80 * "long" + '", "label": 2}', '{"label": 3}',
    ])
)  # fmt: skip


@settings(max_examples=60)
@given(JSON_LINES, DIVISIONS, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans())
def test_json_rows_are_the_same_in_ranges(lines, division, newline, has_mark, has_end):
    text = newline.join(['{"text": "first", "label": 0}', *lines]) + newline * has_end
    source = json_source(codecs.BOM_UTF8 * has_mark + text.encode())
    assert outcome(source, division) == outcome(source)


LABELS = st.sampled_from(["a", "b", " a ", "1.0", "1", "c\0", "", None])
NUMBERS = st.sampled_from([1.0, 2.5, -3.0, 11.0, None, math.nan, math.inf])
TABLES = st.lists(st.tuples(LABELS, NUMBERS), min_size=1, max_size=14)


@settings(max_examples=60)
@given(
    TABLES, DIVISIONS, st.integers(0, 1000), st.lists(st.integers(1, 5), min_size=1), st.booleans()
)
def test_row_groups_are_the_same_in_ranges(rows, division, n_bytes, group_rows, partition):
    source = parquet_source(rows, group_rows, partition)
    division = division._replace(n_bytes=division.n_bytes + n_bytes)
    assert outcome(source, division) == outcome(source)


@settings(max_examples=60)
@given(TABLES, DIVISIONS, st.sampled_from("CF"), st.sampled_from(["f4", "f8"]))
def test_rows_of_arrays_are_the_same_in_ranges(rows, division, order, kind):
    values = np.array([[x or 0, 1] for _, x in rows], kind, order=order)
    source = array_source(values, np.array([label or "" for label, _ in rows]))
    assert outcome(source, division) == outcome(source)


def test_the_metadata_of_one_parquet_file_are_kept_for_its_next_part():
    """A cycle with them would stay until Python looks for cycles, for each file."""
    sources = [parquet_source([("a", 1.0)] * n, [10], partition=False) for n in (20, 30)]
    metadata = pytest.importorskip("pyarrow.parquet").FileMetaData
    gc.collect()
    gc.disable()
    try:
        for source in sources:
            for part in source.ranges(1):
                assert list(source.read_range(100, part))
        assert sum(isinstance(found, metadata) for found in gc.get_objects()) == 1
        source.file.forget()
        assert not any(isinstance(found, metadata) for found in gc.get_objects())
    finally:
        gc.enable()


def test_row_groups_that_are_far_too_large_are_not_read_in_parts():
    source = parquet_source([("a", 1.0)] * 100, [10] * 9 + [90], partition=False)
    a_row = source.n_bytes / 100
    assert Division(round(10 * a_row), 10**6, 10**6).divides(source)
    assert not Division(round(2 * a_row), 10**6, 10**6).divides(source)
    assert not Division(round(10 * a_row), 10**6, 9).divides(source)


def test_a_json_array_is_not_divided(tmp_path):
    path = tmp_path / "rows.jsonl"
    lines = '{"text": "a", "label": 1}\n{"text": "b", "label": 0}'
    for text, is_divisible in ((lines, True), (f"[{lines}]".replace("\n", ","), False)):
        path.write_text(text)
        assert open_json_lines(InputFile(path), LayoutOptions()).is_divisible == is_divisible


def test_every_border_of_quoted_newlines(monkeypatch):
    """Most first rows are guessed wrongly here: every line within a field is a row as well."""
    monkeypatch.setattr(delimited_kernel, "_FITTING_ROWS", 1)
    row = '1,"2\n1,2,3\n1,2,4\n1,2,5\n",7\n2,8,9\n'
    data = (4 * row).encode()
    source = csv_source(data)
    expected, _ = read_twice(source)
    n_wrong = 0
    for n_bytes in range(1, len(data) + 1):
        found, n_again = read_twice(source, Division(n_bytes, 10**6, 1))
        assert found == expected
        n_wrong += n_again
    assert n_wrong > 50


def test_few_guesses_are_wrong_where_texts_have_newlines():
    row = b'1,"some words, and more\nof them, or others\n""quoted"", too",7\n'
    data = 300 * row
    text = TextSource(csv_source(data).file, Chosen((1, 2), 0), len(data))
    _, n_again = read_twice(text, Division(1000, 10**6, 1))
    assert n_again == 0


@pytest.fixture
def small(monkeypatch):
    """Many tasks of few rows, and no trial beforehand."""
    monkeypatch.setattr(MemoryPlan, "divide", lambda *_, **__: PLAN)
    monkeypatch.setattr("ooc_train.conversion.convert.convert_few_rows", lambda *_: None)


def write_tables(folder):
    """A table of numbers with all that is refused, a compressed one, and one of test rows."""
    values = np.random.default_rng(0).normal(size=(900, 4))
    lines = [
        ",".join([f'"{k % 3}\n"' if k % 50 == 0 else str(k % 3), *(f"{v:.4g}" for v in row)])
        for k, row in enumerate(values)
    ]
    for k in range(20, 600, 20):
        lines[k] = ["1,2", "", "1,2,3,4,none", ",1,2,3,4", '1,"2"3,4,5,6', "7,1,2,3,4"][k // 20 % 6]
    header = "label,a,b,c,d"
    (folder / "a.csv").write_text("\n".join([header, *lines[:500]]))
    (folder / "b.csv.gz").write_bytes(gzip.compress("\n".join([header, *lines[500:550]]).encode()))
    (folder / "c.csv").write_text("\n".join([header, *lines[550:700]]))
    (folder / "test.csv").write_text("\n".join([header, *lines[700:], "8,1,2,3,4", "9,0,0,0,0"]))
    return [folder / name for name in ("a.csv", "b.csv.gz", "c.csv")]


def told(report):
    """What a report tells of rows."""
    return {key: report[key] for key in ("rows", "test_rows", "rejected_rows", "classes", "files")}


def converted(folder, name, **options):
    """The file, the list of rejects and what the report tells of rows."""
    report = ooc_train.convert(
        write_tables(folder),
        folder / f"{name}.h5",
        test=[folder / "test.csv"],
        features="dense",
        label="label",
        max_rejects=100,
        rejects=folder / f"{name}.csv",
        **options,
    )
    return (folder / f"{name}.h5").read_bytes(), (folder / f"{name}.csv").read_text(), told(report)


@pytest.mark.usefixtures("small")
def test_ranges_and_workers_change_no_byte(tmp_path, monkeypatch):
    again = counted(monkeypatch, SourcePart, "alone")
    with monkeypatch.context() as patch:
        patch.setattr(Source, "is_divisible", False)
        file, rejects, of_rows = converted(tmp_path, "whole", dtype="int8")
    assert not again
    for n_workers, block_bytes in ((1, 200), (3, 500), (2, 4000), (3, 100_000)):
        plan = replace(PLAN, n_workers=n_workers, block_bytes=block_bytes)
        monkeypatch.setattr(MemoryPlan, "divide", lambda *_, plan=plan, **__: plan)
        found = converted(tmp_path, f"{block_bytes}", dtype="int8")
        assert found[0] == file
        assert sorted(found[1].split("\n")) == sorted(rejects.split("\n"))
        assert found[2] == of_rows
        lines = [int(row["line"]) for row in csv.DictReader(io.StringIO(found[1], newline=""))]
        assert sum(a > b for a, b in itertools.pairwise(lines)) <= 3  # files, in their order
    assert again  # some first rows were guessed wrongly


def counted(monkeypatch, of, name):
    """The calls of a method, as they are made."""
    calls, original = [], getattr(of, name)

    def call(*given):
        calls.append(given)
        return original(*given)

    monkeypatch.setattr(of, name, call)
    return calls


def converted_tables(folder, name, *, with_rejects):
    """The file, the list of rejects and what the report tells of rows sorted by their class.

    Parts that are under way together meet classes that none of them knows.
    """
    pyarrow, parquet = map(pytest.importorskip, ("pyarrow", "pyarrow.parquet"))
    values = np.random.default_rng(0).normal(size=(900, 4)).astype(np.float32)
    labels = np.repeat([f"class {7 * k % 20}" for k in range(20)], 45)
    if with_rejects:
        values[::70, 2], labels[100] = np.nan, ""
    columns = {**dict(zip("wxyz", values.T, strict=True)), "label": labels}
    train, test = (pyarrow.table({k: v[some] for k, v in columns.items()})
                   for some in (slice(0, 900), slice(100, 900, 3)))  # fmt: skip
    parquet.write_table(train, folder / "train.parquet", row_group_size=60)
    parquet.write_table(test, folder / "test.parquet", row_group_size=50)
    report = ooc_train.convert(
        folder / "train.parquet",
        folder / f"{name}.h5",
        test=[folder / "test.parquet"],
        features="dense",
        dtype="int8",
        max_rejects=100,
        rejects=folder / f"{name}.csv",
    )
    rejects = folder / f"{name}.csv"
    return (
        (folder / f"{name}.h5").read_bytes(),
        sorted(rejects.read_text().split("\n")) if with_rejects else not rejects.exists(),
        told(report),
    )


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("with_rejects", [False, True])
def test_row_groups_and_workers_change_no_byte(tmp_path, monkeypatch, with_rejects):
    """Rows are placed as they are read, and read again if one of them is refused."""
    with monkeypatch.context() as patch:
        patch.setattr(Source, "is_divisible", False)
        expected = converted_tables(tmp_path, "whole", with_rejects=with_rejects)
    again, read = counted(monkeypatch, SourcePart, "alone"), counted(monkeypatch, Parts, "noted")
    monkeypatch.setattr(Division, "divides", Dividing.divides)
    monkeypatch.setattr(Source, "held_bytes", 0)  # so that several are under way
    for n_workers, block_bytes in ((1, 1000), (3, 4000), (2, 100_000)):
        plan = replace(PLAN, n_workers=n_workers, block_bytes=block_bytes)
        monkeypatch.setattr(MemoryPlan, "divide", lambda *_, plan=plan, **__: plan)
        found = converted_tables(tmp_path, f"{block_bytes}", with_rejects=with_rejects)
        assert found == expected
    assert not again
    assert len(read) > 40


@pytest.mark.usefixtures("small")
def test_errors_name_the_line(tmp_path):
    header, rows = "label,a,b,c,d", ["0,2,3,4,5", "1,2,3,4,5"] * 250
    options = {"features": "dense", "label": "label"}
    path, index = tmp_path / "a.csv", tmp_path / "o.json"
    path.write_text("\n".join([header, *rows, "1,none,2,3,4", *rows]))
    first = {"max_rejects": 0, "rejects": tmp_path / "first.csv"}
    with pytest.raises(InputError, match="a.csv, line 502: 'none' is not a number"):
        ooc_train.convert(path, index, shards=1, **first, **options)
    path.write_text("\n".join([header, *rows]))
    ooc_train.convert(path, index, shards=1, **options)
    path.write_text("\n".join([header, *rows, "x,1,2,3,4", *rows]))
    with pytest.raises(InputError, match=f"a.csv, line 502: label 'x' is no class of {index}"):
        ooc_train.convert(path, index, append=True)


@pytest.mark.usefixtures("small")
def test_what_a_worker_does_not_have_is_read_here(tmp_path, monkeypatch):
    expected = converted(tmp_path, "there")
    begun = threading.get_ident()
    is_here = InputFile.stamp.fget
    elsewhere = property(lambda file: threading.get_ident() == begun and is_here(file))
    monkeypatch.setattr(InputFile, "stamp", elsewhere)
    again = counted(monkeypatch, SourcePart, "alone")
    assert converted(tmp_path, "here") == expected
    assert len(again) > 10


@pytest.mark.usefixtures("small")
def test_a_file_that_changes_between_two_readings(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    lines = [f"{k % 2},{k},1" for k in range(2000)]
    path.write_text("\n".join(["label,a,b", *lines]))
    settle = Corpus._end

    def changed(corpus):
        settle(corpus)
        path.write_text("\n".join(["label,a,b", *lines[:1500], *lines[:499], "1,2"]))

    monkeypatch.setattr(Corpus, "_end", changed)
    with pytest.raises(InputError, match="the input changed while it was being read"):
        ooc_train.convert(path, tmp_path / "o.h5", features="dense", label="label")
