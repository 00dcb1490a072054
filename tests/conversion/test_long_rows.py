"""Rows and labels of any length: read, rejected, or refused for the memory that they take."""

import csv
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import ooc_train
from ooc_train.conversion.resources import MemoryPlan, Resources, TextNeeds
from ooc_train.conversion.sources.files.rejects import MAX_LABEL_BYTES, MAX_ROW_BYTES, Place
from ooc_train.conversion.sources.find import find_source
from ooc_train.conversion.sources.formats import delimited_kernel, delimited_sample, json_lines
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.room import Room
from ooc_train.conversion.sources.rows import TextRows
from ooc_train.errors import BudgetError, InputError
from ooc_train.memory import measure
from ooc_train.progress import Silent
from ooc_train.tasks import Pool

GOOD = [b"%d,some words of text number %d" % (1 + i % 2, i % 7) for i in range(40)]


def convert(folder, name, lines, **options):
    path = folder / name
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    options = {"validation_fraction": 0, "features": "ngram", **options}
    return ooc_train.convert(path, folder / "o.h5", **options)


def rejected(folder):
    csv.field_size_limit(10**6)
    with (folder / "o.h5.rejected.csv").open(newline="", encoding="utf-8") as file:
        return [(int(row["line"]), row["reason"], row["row"]) for row in csv.DictReader(file)]


# The longest row


def row_of(name, n_bytes):
    """A row of ``n_bytes`` in the format of a file called ``name``."""
    before, after = {
        "a.csv": (b"1,", b""),
        "a.tsv": (b"1\t", b""),
        "a.jsonl": (b'{"label":1,"text":"', b'"}'),
        "a.svm": (b"1 3:0.", b""),
    }[name]
    return before + b"1" * (n_bytes - len(before) - len(after)) + after


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.svm"])
@pytest.mark.parametrize("block_bytes", [50, 100, 101, 3000])
def test_a_row_is_as_long_as_it_is_whatever_the_blocks(tmp_path, name, block_bytes):
    lengths = [100, 101, 99, 2000, 100, 500, 30]
    (tmp_path / name).write_bytes(b"\n".join(row_of(name, n) for n in lengths))
    source = find_source(
        tmp_path / name,
        LayoutOptions(max_row_bytes=100),
        gives="sparse" if name == "a.svm" else "text",
    )
    kept, rejects = [], []
    for piece, _ in source.read(block_bytes):
        if hasattr(piece, "reason"):
            rejects.append((piece.line, piece.reason.split(" (")[0], len(piece.raw)))
        else:
            kept += piece.lines.tolist()
    assert kept == [1, 3, 5, 7]
    assert [reject[:2] for reject in rejects] == [
        (line, "the row is longer than 100 bytes") for line in (2, 4, 6)
    ]
    assert all(n_bytes > 100 for *_, n_bytes in rejects)


@pytest.mark.parametrize("block_bytes", [40, 90, 10_000])
def test_a_record_that_is_too_long_costs_its_first_line_whatever_the_blocks(tmp_path, block_bytes):
    path = tmp_path / "a.csv"
    path.write_bytes(b'1,a\n2,"open\n' + b"1,line of text\n" * 10 + b'1,"b"\n2,c\n')
    source = find_source(path, LayoutOptions(max_row_bytes=80))
    found = [piece for piece, _ in source.read(block_bytes)]
    (reject,) = [piece for piece in found if hasattr(piece, "reason")]
    assert reject == (2, "the row is longer than 80 bytes (does a quote never close?)", b'2,"open')
    lines = [line for piece in found if piece is not reject for line in piece.lines.tolist()]
    assert lines == [1, *range(3, 15)]


def test_a_long_row_in_the_list_of_rejects_is_truncated(tmp_path):
    lines = [*GOOD, b"1,a," + b"x" * 50_000]
    assert convert(tmp_path, "a.csv", lines)["rejected_rows"] == 1
    ((line, reason, row),) = rejected(tmp_path)
    assert (line, reason) == (41, "found 3 columns, expected 2")
    assert row == "1,a," + "x" * 9_996 + "... (40,004 more bytes)"


@pytest.mark.parametrize(
    ("name", "lines", "message"),
    [
        ("a.csv", [b"1," + b"x" * 300], r"a.csv, line 1: the row is longer than 200 bytes"),
        ("a.csv", [b"", b"1,\0", b"2,\0"], "a.csv, line 2: the row contains a NUL byte; no row"),
        ("a.csv", [b"," * 2**19], "a.csv: found 524,289 columns, more than 524,288 .--delimiter"),
        ("a.jsonl", [b'{"text": "' + b"x" * 300], "a.jsonl, line 1: the row is longer than 200"),
        ("a.jsonl", [b""] * 2000, "a.jsonl begins with 1,001 bytes of blank lines; take them out"),
        ("a.csv", [b""] * 2000, "a.csv begins with 1,001 bytes of blank lines; take them out"),
    ],
)
def test_files_whose_beginning_has_no_row(tmp_path, monkeypatch, name, lines, message):
    monkeypatch.setattr("ooc_train.conversion.sources.files.input_file.MAX_ROW_BYTES", 1000)
    monkeypatch.setattr("ooc_train.conversion.sources.files.input_file._SAMPLE_BYTES", 64)
    path = tmp_path / name
    path.write_bytes(b"\n".join([*lines, b""]) + b"x" * 5000 * (len(lines) == 1))
    longest = MAX_ROW_BYTES if b"," * 99 in lines[0] else 200
    with pytest.raises(InputError, match=message):
        find_source(path, LayoutOptions(max_row_bytes=longest))


def test_a_first_row_that_is_too_long_is_passed_over_where_others_follow(tmp_path):
    report = convert(tmp_path, "a.csv", [b"1," + b"x" * 300, *GOOD], max_row_bytes=200)
    assert (report["rows"], report["rejected_rows"]) == (40, 1)
    lines = [json.dumps({"label": i % 2, "text": f"some text {i % 3}"}).encode() for i in range(9)]
    report = convert(
        tmp_path,
        "a.jsonl",
        [b'{"a": "' + b"x" * 300 + b'"}', *lines],
        max_row_bytes=200,
        force=True,
    )
    assert (report["rows"], report["rejected_rows"]) == (9, 1)


def test_a_header_that_cannot_be_read_hides_no_row(tmp_path):
    with pytest.raises(InputError, match="a.csv, line 2 is no header: text follows a closing"):
        convert(tmp_path, "a.csv", [b"", b'label,"te"xt', *GOOD], header=True, label="1")


@pytest.mark.parametrize("cut", [2**16 - 1, 2**16, 2**16 + 1, 2**16 + 3])
def test_svmlight_rows_are_recognised_wherever_a_sample_ends(tmp_path, cut):
    entries = b" ".join(b"%d:%d" % (k, k % 9 + 1) for k in range(1, 30_000))
    label = b"1" * (2**16 + 20 - cut)  # so that the sample ends within an entry, at each place
    path = tmp_path / "a.svm"
    path.write_bytes(b"".join(label + b" " + entries + b"\n" for _ in range(2)))
    source = find_source(path, LayoutOptions(), gives="sparse")
    (rows,) = [piece for piece, _ in source.read(2**23)]
    assert np.diff(rows.offsets).tolist() == [29_999] * 2


def test_a_nul_byte_in_svmlight_is_no_space(tmp_path):
    path = tmp_path / "a.svm"
    path.write_bytes(b"1 1:1\n1\0 1:1\n1 \0 1:1\n1 1:1\0\n\0\0\n1 1:1 # \0\n \0 1 1:1\n")
    rejects, lines = [], []
    for piece, _ in find_source(path, LayoutOptions(), gives="sparse").read(2**20):
        if hasattr(piece, "reason"):
            rejects.append((piece.line, piece.reason))
        else:
            lines += piece.lines.tolist()
    assert lines == [1, 6]
    assert rejects == [(line, "the row contains a NUL byte") for line in (2, 3, 4, 5, 7)]


def test_short_svmlight_rows_take_no_more_memory_than_their_text(tmp_path):
    path = tmp_path / "a.svm"
    path.write_bytes(b"1\n2 1:1\n" * 10_000)
    found = [piece for piece, _ in find_source(path, LayoutOptions(), gives="sparse").read(2**20)]
    assert max(map(len, found)) <= 8 * 10_000 // 32 + 1
    assert [line for piece in found for line in piece.lines] == list(range(1, 20_001))


@pytest.mark.parametrize("n_values", [10, 11])
def test_json_rows_of_too_many_values(tmp_path, monkeypatch, n_values):
    monkeypatch.setattr(json_lines, "MAX_VALUES", 24)
    monkeypatch.setattr(json_lines, "_LONG_BYTES", 200)
    text = r",:\",:\\" * 30  # commas and colons in texts do not count
    row = {"label": 1, "text": text} | {str(i): i for i in range(n_values)}
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(row) + '\n{"label": 1, "text": "b"}\n')
    reasons = [
        p.reason for p, _ in find_source(path, LayoutOptions()).read(999) if "reason" in dir(p)
    ]
    assert reasons == ["the row has more than 24 values"] * (n_values - 10)


# Labels


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        (b"x" * (MAX_LABEL_BYTES + 1), "the label is longer than 1,000 bytes"),
        (b"\xff", r"label '\xff' is not valid UTF-8; name its encoding, such as --encoding cp1252"),
        (
            b"caf\xe9",
            r"label 'caf\xe9' is not valid UTF-8; name its encoding, such as --encoding cp1252",
        ),
    ],
)
def test_labels_that_name_no_class(tmp_path, label, reason):
    odd = [label + b",some words of text", b"x" * MAX_LABEL_BYTES + b",some words"]
    report = convert(tmp_path, "a.csv", [odd[0], *GOOD, *odd, odd[1]])
    assert report["classes"] == ["1", "2", "x" * MAX_LABEL_BYTES]
    assert [found[:2] for found in rejected(tmp_path)] == [(1, reason), (42, reason)]
    taken = tmp_path / "taken"
    taken.mkdir()
    vectorizer = tmp_path / "o.h5"
    assert convert(taken, "a.csv", [*GOOD, *odd], vectorizer=vectorizer)["rejected_rows"] == 1
    assert rejected(taken)[0][:2] == (41, reason)


def test_labels_in_json_that_name_no_class(tmp_path):
    labels = ["a", "a\0", "b", "\ud800", "a"]
    lines = [json.dumps({"label": x, "text": f"some words {i}"}) for i, x in enumerate(labels)]
    report = convert(tmp_path, "a.jsonl", [line.encode() for line in lines])
    assert report["classes"] == ["a", "b"]
    assert [found[:2] for found in rejected(tmp_path)] == [
        (2, "the label contains a NUL character"),
        (
            4,
            r"label '\xed\xa0\x80' is not valid UTF-8; name its encoding, such as --encoding "
            "cp1252",
        ),
    ]


def test_labels_of_all_classes_together_are_limited(tmp_path):
    lines = [b"%0900d,some words" % i for i in range(9400)]
    with pytest.raises(InputError, match=r"more than 8,388,608 bytes of different labels.*--label"):
        convert(tmp_path, "a.csv", lines)


# Memory


def test_a_row_that_the_budget_is_too_small_for_is_named(tmp_path):
    lines = [*GOOD, b"1," + b"ab " * 2_600_000]
    with pytest.raises(BudgetError) as found:
        convert(tmp_path, "a.csv", lines, memory_bytes=measure().anon_bytes + 13 * 10**7)
    message = str(found.value)
    assert "a.csv, line 41: a row of 7,800,000 bytes takes up to 289 MB" in message
    assert "give --memory" in message
    assert "--max-row-bytes" in message
    assert not (tmp_path / "o.h5").exists()


def test_a_longest_row_that_the_budget_cannot_hold_is_refused_at_once(tmp_path):
    with pytest.raises(BudgetError, match="budget of 300 MB is too small"):
        convert(tmp_path, "a.csv", GOOD, memory_bytes=3 * 10**8, max_row_bytes=10**8)


def test_room_is_what_a_block_takes():
    room = Room(100, 10, lambda n_bytes: f"get {n_bytes}")
    rows = TextRows.of([b"abc", b"abcdefg"], first_line=5)
    room.check(rows, lambda line: Place("f", line))
    with pytest.raises(BudgetError, match="f, line 6: a row of 8 bytes .* 0 MB are left.*get 80"):
        room.check(TextRows.of([b"abc", b"abcdefgh"], first_line=5), lambda line: Place("f", line))


def test_large_items_are_under_way_alone(tmp_path):
    under_way, most = 0, []
    counted = threading.Lock()

    def work(size):
        nonlocal under_way
        with counted:
            under_way += size
            most.append((size, under_way))
        time.sleep(0.01)
        with counted:
            under_way -= size

    sizes = [100, 100, 100, 250, 100, 400, 100, 100, 300, 300]
    with ThreadPoolExecutor(4) as pool:
        resources = Resources(
            MemoryPlan(2, 100, 0, 0, 0), Pool(pool, 2), Pool(pool, 2), tmp_path, tmp_path, Silent()
        )
        list(resources.in_order(work, sizes, int))
    assert [size for size, _ in most] == sizes
    assert all(together <= max(337, size) for size, together in most)


def test_a_long_row_takes_more_than_a_block_where_terms_are_looked_up():
    needs = TextNeeds(least_bytes=3, usual_bytes=5, terms_a_token=2)
    assert (needs.block_multiple, needs.row_multiple) == (24, 37)


# As in a file


def test_the_first_rows_are_those_that_are_read():
    text = b'\n1,a\n2,"b\n3"\n\0,c\nx\n4,d\n5,"e'
    sample = delimited_sample.Sample(text, sys.maxsize, is_whole=False)
    found = sample.rows(delimited_kernel.Dialect(","), 2)
    assert found.fields == [[b"1", b"a"], [b"2", b"b\n3"]]
    assert found.lines[:2] == [2, 3]
    assert not found.is_all
