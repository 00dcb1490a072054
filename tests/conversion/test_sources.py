"""All sources of text give the same rows and the same rejects; broken ones say what is wrong."""

import bz2
import csv
import gzip
import io
import json
import math
import re
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

import ooc_train
from ooc_train.conversion import disk
from ooc_train.conversion.kinds.terms import indexing
from ooc_train.conversion.sources.columns import Chosen
from ooc_train.conversion.sources.files import compression, paths
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.rejects import MAX_ROW_BYTES, Blank, Reject
from ooc_train.conversion.sources.find import find_source
from ooc_train.conversion.sources.formats.json_lines import JsonLinesFile
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.texts import TextSource
from ooc_train.conversion.text.tokens import tokenize
from ooc_train.errors import BudgetError, InputError, OptionError
from ooc_train.extras import pip_install
from ooc_train.progress import Silent
from tests.corpora import random_rows

NAMES = ("label", "title", "body")
OPTIONS = {"text": ("title", "body"), "label": "label"}
COMPRESS = {
    ".gz": gzip.compress,
    ".bz2": lambda data: bz2.compress(data, 1),  # blocks of 100 kB
    ".zst": zstandard.ZstdCompressor().compress,
}


def write_csv(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([NAMES, *rows])
    return path


def write_jsonl(path, rows):
    lines = [json.dumps(dict(zip(NAMES, row, strict=True)), ensure_ascii=i % 2) for i, row in
             enumerate(rows)]  # fmt: skip
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path


def write_parquet(path, rows, **options):
    columns = zip(*rows, strict=True)
    pq.write_table(pa.table(dict(zip(NAMES, columns, strict=True))), path, **options)
    return path


WRITERS = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}


def read(source, block_bytes=500):
    """All rows as (label, text, line), and all rejects; the progress sums to the file."""
    rows, rejects, n_bytes = [], [], 0
    for piece, progress in source.read(block_bytes):
        n_bytes += progress
        if isinstance(piece, Reject):
            rejects.append(piece)
        if isinstance(piece, Reject | Blank):
            continue
        distinct, numbers = piece.labels
        labels = [distinct[number].decode("utf-8", "replace") for number in numbers]
        texts = [piece.text_bytes(i) for i in range(len(piece))]
        rows += list(zip(labels, texts, piece.lines.tolist(), strict=True))
    return rows, rejects, n_bytes


def find(path, **options):
    return find_source(path, LayoutOptions(**{**OPTIONS, **options}))


@pytest.mark.parametrize("kind", WRITERS)
def test_all_kinds_of_files_give_the_same_rows(tmp_path, kind):
    rows = random_rows(200)
    source = find(WRITERS[kind](tmp_path / f"rows.{kind}", rows))
    found, rejects, n_bytes = read(source)
    assert [row[:2] for row in found] == [(r[0], f"{r[1]}, {r[2]}".encode()) for r in rows]
    assert not rejects
    assert n_bytes == source.n_bytes
    first = 2 if kind == "csv" else 1
    assert [row[2] for row in found] == list(range(first, first + 200))
    assert source.layout["format"] == kind
    assert str(source.place(7)).endswith("row 7" if kind == "parquet" else "line 7")


@pytest.mark.slow
def test_the_converted_file_is_the_same_from_all(tmp_path):
    rows = random_rows(200)
    arrays = []
    for kind, write in WRITERS.items():
        path = write(tmp_path / f"rows.{kind}", rows)
        ooc_train.convert(path, tmp_path / f"{kind}.h5", **OPTIONS, test=[path])
        with ooc_train.open(tmp_path / f"{kind}.h5") as store:
            arrays.append([store[split].read(0, 150).to_dense() for split in ("train", "test")])
    for other in arrays[1:]:
        assert all(map(np.array_equal, arrays[0], other))


# JSON Lines

VALUES = st.one_of(
    st.none(),
    st.text(alphabet='ab"\\\n\ud800\u00e9\u65e5\U0001f600 ', max_size=6),
    st.integers(-(10**9), 10**9),
    st.integers(-(10**25), 10**25),
    st.floats(),
    st.booleans(),
    st.lists(st.integers(), max_size=2),
)


def spelled(label):
    """A label as the rules of the format have it."""
    if isinstance(label, bool) or label is None:
        return {True: "true", False: "false", None: ""}[label]
    if isinstance(label, float):
        if math.isnan(label):
            return ""
        return str(int(label)) if label.is_integer() else None
    return None if isinstance(label, list) else str(label)


def as_read(text):
    """Half a surrogate pair is broken UTF-8."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def jsonl(tmp_path_factory, data, *, text=("t",), label="l"):
    path = tmp_path_factory.mktemp("jsonl") / "rows.jsonl"
    path.write_bytes(data)
    names = (*text, label)
    paths = tuple((name,) for name in names)
    file = JsonLinesFile(file=InputFile(path), format="jsonl", names=names, paths=paths)
    return TextSource(file, Chosen(tuple(range(len(text))), len(text)), len(data))


@given(
    st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=8),
    st.booleans(),
    st.sampled_from(["\n", "\r\n", "\n\n"]),
    st.integers(1, 80),
)
def test_json_lines_equal_the_json_module(tmp_path_factory, table, ascii_only, end, block_bytes):
    lines = [json.dumps({"l": label, "x": 1, "t": text}, ensure_ascii=ascii_only)
             for label, text in table]  # fmt: skip
    data = "".join(f"{line}{end}" for line in lines).encode("utf-8", "surrogatepass")
    found, rejects, _ = read(jsonl(tmp_path_factory, data), block_bytes)
    expected = {
        number: (spelled(label), "" if text is None or text != text else str(text))  # noqa: PLR0124
        for number, (label, text) in enumerate(table)
        if not isinstance(text, bool | list) and spelled(label) is not None
    }
    assert len(found) + len(rejects) == len(table)
    step = 2 if end == "\n\n" else 1
    assert [row[2] for row in found] == [1 + step * number for number in expected]
    for row, (label, text) in zip(found, expected.values(), strict=True):
        assert row[1].decode("utf-8", "replace") == as_read(text)
        assert row[0] == as_read(label)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"l": 1, "t": "open', "not JSON: Unterminated string starting at at character 15"),
        (b'{"l": 1, "t": "x"} {}', "not JSON: Extra data at character 20"),
        (b'["l", "t"]', "found an array, not an object"),
        (b"null", "found null, not an object"),
        (b'{"l": [1], "t": "x"}', "the label 'l' is an array, not a string or whole number"),
        (b'{"l": 1.5, "t": "x"}', "the label 'l' is a number, not a string or whole number"),
        (b'{"l": 1, "t": {}}', "the field 't' is an object, not a text"),
        (b'{"l": 1, "t": "a\\u0000b"}', "the row contains a NUL byte"),
        (b'{"l": 1, "t": ' + b"[" * 200_000, "not JSON that can be read"),
        (b'{"l": 1, "t": "' + b"x" * MAX_ROW_BYTES + b'"}', "the row is longer than 8,388,608"),
    ],
)
def test_lines_that_are_no_row(tmp_path_factory, line, reason):
    good = b'{"l": 1, "t": "good"}\n'
    found, rejects, _ = read(jsonl(tmp_path_factory, good + line + b"\n" + good), 2**20)
    assert [row[2] for row in found] == [1, 3]
    assert [reject.line for reject in rejects] == [2]
    assert rejects[0].reason.startswith(reason)
    assert line.startswith(rejects[0].raw[:100])


def test_a_line_that_is_too_long_is_none_however_little_it_says(tmp_path_factory):
    line = b'{"l": 1, "t": "x", "more": "' + b"x" * MAX_ROW_BYTES + b'"}\n'
    for block_bytes in (2**20, 2**25):
        found, rejects, _ = read(jsonl(tmp_path_factory, line + b" \t\r\n"), block_bytes)
        assert not found
        assert [(r.line, r.reason) for r in rejects] == [
            (1, "the row is longer than 8,388,608 bytes")
        ]


def test_broken_utf8_stays_as_it_is_and_fields_may_be_missing(tmp_path_factory):
    data = b'\xef\xbb\xbf{"l": "a", "t": "caf\xe9"}\n{"t": NaN, "u": "x"}\n{"l": "b"}'
    found, rejects, _ = read(jsonl(tmp_path_factory, data, text=("t", "u")))
    assert found == [("a", b"caf\xe9, ", 1), ("", b", x", 2), ("b", b", ", 3)]
    assert not rejects


def test_broken_utf8_in_json_lines_is_counted(tmp_path):
    lines = [b'{"label": %d, "text": "some words caf\xe9"}\n' % (i % 2) for i in range(20)]
    (tmp_path / "rows.jsonl").write_bytes(b"".join(lines) + b'{"label": null, "text": "x"}\n')
    report = ooc_train.convert(tmp_path / "rows.jsonl", tmp_path / "o.h5")
    assert report["replaced_rows"] == 20
    with (tmp_path / "o.h5.rejected.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["line"], row["reason"]) == ("21", "no label")


@pytest.mark.parametrize(
    ("content", "options", "error", "message"),
    [
        ("", {}, InputError, "rows.jsonl is empty; it must hold one JSON object a line"),
        ("[\n{}\n]", {}, InputError, "rows.jsonl is empty; it must hold one JSON object a line"),
        ("{\n}\n", {}, InputError, r"line 1: not JSON: .* puts each on a line"),
        ("7", {}, InputError, "line 1: found a number, not an object; one JSON object"),
        ('{"a": 1}', {}, OptionError, "name the field of the labels with --label; there are 'a'"),
        ('{"label": 1}', {}, OptionError, "name the field of the text with --text; there are"),
        ('{"label": 1, "t": ""}', {"text": ("u",)}, InputError,
         "there is no field 'u'; the fields are 'label', 't'"),
        ('{"label": 1}', {"text": ("label",)}, OptionError, "must name different fields"),
        ('{"label": 1, "text": ""}', {"header": True}, OptionError, "leave out --header"),
    ],
)  # fmt: skip
def test_json_lines_that_cannot_be_used_at_all(tmp_path, content, options, error, message):
    (tmp_path / "rows.jsonl").write_text(content)
    with pytest.raises(error, match=message):
        find_source(tmp_path / "rows.jsonl", LayoutOptions(**options))


# Parquet


def test_parquet_of_all_types_and_several_row_groups(tmp_path):
    table = pa.table(
        {
            "label": pa.array([1.0, 2.0, None, 2.5, 1.0]),
            "number": pa.array([1, None, 3, 4, 5], pa.int16()),
            "category": pa.array(["x", "y", None, "y", "x"]).dictionary_encode(),
            "bytes": pa.array([b"a", b"\xff", b"c", b"d", b"nul\0"]),
        }
    )
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=2)
    source = find(tmp_path / "rows.parquet", text=("number", "category", "bytes"))
    found, rejects, _ = read(source, 1)
    assert found == [("1", b"1, x, a", 1), ("2", b", y, \xff", 2), ("", b"3, , c", 3)]
    assert [(reject.line, reject.reason) for reject in rejects] == [
        (4, "the label 2.5 is not a string or whole number"),
        (5, "the row contains a NUL byte"),
    ]


def test_a_parquet_row_that_is_too_long(tmp_path):
    table = pa.table({"label": [1, 2], "text": ["x" * (MAX_ROW_BYTES + 1), "y"]})
    pq.write_table(table, tmp_path / "rows.parquet")
    found, rejects, _ = read(find(tmp_path / "rows.parquet", text=()))
    assert found == [("2", b"y", 2)]
    assert (rejects[0].line, rejects[0].reason) == (1, "the row is longer than 8,388,608 bytes")


@pytest.mark.parametrize(
    ("columns", "options", "error", "message"),
    [
        ({"label": [1]}, {}, OptionError, "name the column of the text with --text; there are"),
        ({"label": [1], "text": [[1]]}, {}, InputError, "'text' holds list<element: int64>, where"),
        (
            {"label": [1], "text": [""]},
            {"label": "l"},
            InputError,
            "no column 'l'; the columns are",
        ),
        ({"label": [], "text": []}, {}, InputError, "rows.parquet is empty; it holds no rows"),
    ],
)
def test_parquet_that_cannot_be_used(tmp_path, columns, options, error, message):
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    with pytest.raises(error, match=message):
        find_source(tmp_path / "rows.parquet", LayoutOptions(**options))


def test_damaged_parquet(tmp_path):
    path = write_parquet(tmp_path / "rows.parquet", random_rows(4000), write_page_checksum=True)
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(InputError, match="rows.parquet cannot be read as Parquet"):
        find(path)
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + b"x" * 50 + whole[middle + 50 :])
    with pytest.raises(InputError, match="rows.parquet cannot be read as Parquet"):
        ooc_train.convert(path, tmp_path / "o.h5", **OPTIONS)
    assert [found.name for found in tmp_path.iterdir()] == ["rows.parquet"]
    path.rename(tmp_path / "rows.parquet.gz")
    with pytest.raises(InputError, match="Parquet is compressed within; decompress the file first"):
        find(tmp_path / "rows.parquet.gz")


@pytest.mark.parametrize(("package", "extra"), [("pyarrow", "parquet"), ("zstandard", "zstd")])
def test_packages_that_are_not_installed(tmp_path, monkeypatch, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    name = {"parquet": "rows.parquet", "zstd": "rows.csv.zst"}[extra]
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(OptionError, match=re.escape(pip_install(extra=extra))):
        find(tmp_path / name)


# Compression


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_compressed_files_and_concatenations_of_such(tmp_path, suffix, kind):
    data = WRITERS[kind](tmp_path / f"rows.{kind}", random_rows(3000)).read_bytes()
    path = tmp_path / f"rows.{kind}{suffix}"
    path.write_bytes(COMPRESS[suffix](data[:1000]) + COMPRESS[suffix](data[1000:]))
    source = find(path)
    found, rejects, n_bytes = read(source, 10_000)
    assert found == read(find(tmp_path / f"rows.{kind}"))[0]
    assert not rejects
    assert n_bytes == source.n_bytes
    assert source.text_bytes > source.n_bytes


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.slow
def test_damaged_and_cut_compressed_files(tmp_path, suffix, kind):
    data = WRITERS[kind](tmp_path / f"rows.{kind}", random_rows(9000)).read_bytes()
    whole, path = COMPRESS[suffix](data), tmp_path / f"rows.{kind}{suffix}"
    middle = len(whole) // 2
    for damaged in (
        whole[:middle],
        whole[:-5],
        whole[:middle] + b"x" * 200 + whole[middle + 200 :],
    ):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=rf"{path.name} cannot be (read to its|decompressed)"):
            read(find(path))


def test_zstandard_frames_are_read_with_little_memory(monkeypatch):
    """Whatever the reads: a small buffer, frames that end anywhere, an empty one."""
    monkeypatch.setattr(compression, "_ZSTD_BYTES", 3)
    parts = [b"", b"x" * 1000, random_rows_text()]
    stream = io.BytesIO(b"".join(map(COMPRESS[".zst"], parts)))
    with compression.COMPRESSIONS[".zst"].open(stream) as opened:
        assert opened.read() == b"".join(parts)


def random_rows_text():
    return "".join(",".join(row) for row in random_rows(50)).encode()


# Patterns, standard input, --format


def test_patterns_are_sorted_and_must_match(tmp_path, monkeypatch):
    for number in (2, 10, 1):
        write_csv(tmp_path / f"part{number}.csv", random_rows(20, seed=number))
    monkeypatch.chdir(tmp_path)
    ooc_train.convert("part*.csv", "o.h5", **OPTIONS, test=["part[12].csv"])
    with ooc_train.open("o.h5") as store:
        sources = store.provenance["sources"]
        assert [file["name"] for file in sources["train"]] == [
            "part1.csv",
            "part10.csv",
            "part2.csv",
        ]
        assert [file["name"] for file in sources["test"]] == ["part1.csv", "part2.csv"]
    with pytest.raises(InputError, match=r"no file matches none\*.csv; check the pattern"):
        ooc_train.convert("none*.csv", "other.h5")
    write_csv(tmp_path / "odd[1].csv", random_rows(20))
    ooc_train.convert("odd[1].csv", "odd.h5", **OPTIONS)  # a name that looks like a pattern


class Stdin:
    def __init__(self, data):
        self.buffer = io.BytesIO(data)


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.slow
def test_standard_input_equals_a_file(tmp_path, monkeypatch, kind):
    path = WRITERS[kind](tmp_path / f"rows.{kind}", random_rows(100))
    ooc_train.convert(path, tmp_path / "a.h5", **OPTIONS)
    monkeypatch.setattr(sys, "stdin", Stdin(path.read_bytes()))
    ooc_train.convert("-", tmp_path / "b.h5", **OPTIONS, format=None if kind == "csv" else kind)
    with ooc_train.open(tmp_path / "a.h5") as a, ooc_train.open(tmp_path / "b.h5") as b:
        assert np.array_equal(a["train"].read(0, 90).to_dense(), b["train"].read(0, 90).to_dense())
        assert b.provenance["sources"]["train"][0]["name"] == "standard input"
    assert {found.name for found in tmp_path.iterdir()} == {path.name, "a.h5", "b.h5"}


def test_standard_input_that_cannot_be_used(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Stdin(b""))
    with pytest.raises(InputError, match="standard input is empty; it must hold one row a line"):
        ooc_train.convert("-", tmp_path / "o.h5")
    monkeypatch.setattr(sys, "stdin", Stdin(b"1,a\n2,b\n"))
    with pytest.raises(OptionError, match="can be read once only"):
        ooc_train.convert("-", tmp_path / "o.h5", test=["-"])
    monkeypatch.setattr(sys, "stdin", Stdin(b"1,a\n2,b\n1\n"))
    with pytest.raises(InputError, match="standard input, line 3: found 1 columns, expected 2"):
        ooc_train.convert("-", tmp_path / "o.h5", max_rejects=0)
    (tmp_path / "o.h5.rejected.csv").unlink()
    assert not list(tmp_path.iterdir())


def test_standard_input_that_arrives_is_not_kept(tmp_path, monkeypatch):
    """What is read once is converted on the way, to the bytes of a file's conversion."""
    source = write_csv(tmp_path / "standard input", random_rows(2000))
    options = {**OPTIONS, "format": "csv", "features": "sequence"}
    ooc_train.convert(source, tmp_path / "a.h5", **options)
    monkeypatch.setattr(sys, "stdin", Stdin(source.read_bytes()))
    source.unlink()
    read_before = []

    class Watcher(Silent):
        def start(self, phase, total, unit):
            if phase == "reading":
                read_before.append((sys.stdin.buffer.tell(), total))
            assert not list(tmp_path.rglob("stdin"))

    ooc_train.convert("-", tmp_path / "b.h5", **options, progress=Watcher())
    assert read_before == [(2**16 + 3, None)]  # the sample
    assert (tmp_path / "b.h5").read_bytes() == (tmp_path / "a.h5").read_bytes()


def test_standard_input_that_would_have_to_be_read_again(tmp_path, monkeypatch):
    def weak(text, offsets, analyzer, seed):
        found = tokenize(text, offsets, analyzer, seed)
        return found if seed else found._replace(hashes=found.hashes >> 57 << 57 | 1)

    monkeypatch.setattr(indexing, "tokenize", weak)
    rows = "".join(f"{i % 2},word{i} other{i}\n" for i in range(300))
    monkeypatch.setattr(sys, "stdin", Stdin(rows.encode()))
    with pytest.raises(InputError, match="read a second time, .*; give its rows in a file"):
        ooc_train.convert("-", tmp_path / "o.h5", features="sequence")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("features", "row"), [("ngram", b"1,words of a row\n"), ("dense", b"1,0.5,0.25,0.125\n")]
)
def test_a_disk_too_small_for_standard_input(tmp_path, monkeypatch, features, row):
    monkeypatch.setattr(paths, "_CHECK_BYTES", 1000)
    monkeypatch.setattr(paths, "_PIECE_BYTES", 100)
    monkeypatch.setattr(sys, "stdin", Stdin(row * 1000))
    free = disk.shutil.disk_usage(tmp_path)._replace(free=2000)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: free)
    with pytest.raises(BudgetError, match="free some space, or give a folder on another disk"):
        ooc_train.convert("-", tmp_path / "o.h5", features=features)
    if features == "dense":  # it is copied
        assert sys.stdin.buffer.tell() < 3500
    assert not list(tmp_path.iterdir())


def test_the_format_that_is_said_wins(tmp_path):
    path = write_jsonl(tmp_path / "rows.csv", random_rows(5))
    assert read(find(path, format="jsonl"))[0][0][2] == 1
    with pytest.raises(OptionError, match="--format must be one of csv, tsv, jsonl, parquet"):
        ooc_train.convert(path, tmp_path / "o.h5", format="xml")
    (tmp_path / "texts" / "class").mkdir(parents=True)
    (tmp_path / "texts" / "class" / "1").touch()
    with pytest.raises(OptionError, match="is a folder .* leave out --text, --label, --header and"):
        find(tmp_path / "texts")
