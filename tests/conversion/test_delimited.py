"""The CSV parser: the standard library's is the oracle, and every kind of broken row."""

import csv
import io
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ooc_train.conversion.sources.columns import Chosen, Table
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.rejects import MAX_ROW_BYTES, Reject
from ooc_train.conversion.sources.formats.delimited import DelimitedFile
from ooc_train.conversion.sources.formats.delimited_kernel import Dialect, Parser

ZHANG = Chosen((1, 2), 0)
FIELDS = st.text(alphabet='ab",\n\r é日', max_size=12)
LONG_FIELDS = st.lists(st.tuples(st.integers(0, 130), FIELDS), max_size=4).map(
    lambda parts: "".join("x" * n + text for n, text in parts)
)
TABLES = st.lists(st.tuples(FIELDS, FIELDS, FIELDS), min_size=1, max_size=12)


@dataclass(frozen=True)
class InMemory(InputFile):
    """A file that is not on the disk."""

    data: bytes = b""

    def open_raw(self):
        return io.BytesIO(self.data)


def parse(data, chosen=ZHANG, *, n_fields=3, delimiter=",", names=(), block_bytes=1000):
    """All rows as (label, text, line), and all rejects; blank lines are passed over."""
    file = DelimitedFile(
        file=InMemory(Path("rows.csv"), data=data),
        format="csv",
        names=names,
        dialect=Dialect(delimiter),
        n_fields=n_fields,
    )
    rows, rejects = [], []
    for piece, _ in file.read(chosen, block_bytes):
        if isinstance(piece, Reject):
            rejects.append(piece)
        if not isinstance(piece, Table):
            continue
        distinct, numbers = piece.labels
        assert len(set(distinct)) == len(distinct)
        labels = [distinct[number] for number in numbers]
        text, offsets = piece.columns.joined(len(chosen.columns))
        texts = [text[i:j].tobytes() for i, j in itertools.pairwise(offsets.tolist())]
        rows += list(zip(labels, texts, piece.lines.tolist(), strict=True))
    return rows, rejects


@given(TABLES, st.sampled_from(["\n", "\r\n"]), st.integers(8, 200), st.booleans())
def test_equals_the_csv_module_whatever_the_block(table, newline, block_bytes, last_newline):
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator=newline).writerows(table)
    data = text.getvalue().encode()
    if not last_newline:
        data = data.removesuffix(newline.encode())
    rows, rejects = parse(data, block_bytes=block_bytes)
    assert not rejects
    assert [row[:2] for row in rows] == [
        (label.encode(), f"{title}, {body}".encode()) for label, title, body in table
    ]


@given(st.lists(st.tuples(*[st.text(alphabet='ab" é', max_size=8)] * 3), min_size=1, max_size=9))
def test_unquoted_fields_equal_the_csv_module(table):
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(table)
    expected = list(csv.reader(io.StringIO(text.getvalue(), newline="")))
    rows, rejects = parse(text.getvalue().encode(), block_bytes=16)
    assert not rejects
    assert [row[0].decode() for row in rows] == [fields[0] for fields in expected]


@given(st.lists(st.tuples(FIELDS, LONG_FIELDS, LONG_FIELDS), min_size=1, max_size=4))
def test_long_fields_equal_the_csv_module(table):
    text, lines, line = io.StringIO(newline=""), [], 1
    for row in table:
        lines.append(line)
        csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(row)
        line = text.getvalue().count("\n") + 1
    rows, rejects = parse(text.getvalue().encode(), block_bytes=100)
    assert not rejects
    assert rows == [
        (label.encode(), f"{title}, {body}".encode(), line)
        for (label, title, body), line in zip(table, lines, strict=True)
    ]


@pytest.mark.parametrize("n", range(60, 70))
def test_a_nul_byte_is_found_wherever_it_is(n):
    for field in (b"x" * n + b"\0", b"x" * n + b"\0" + b"x" * n):
        for row in (b'1,"' + field + b'",b', b"1," + field + b",b", b"1,a," + field):
            _, rejects = parse(row + b"\n" + GOOD)
            assert [reject.reason for reject in rejects] == ["the row contains a NUL byte"]


@pytest.mark.parametrize("behind", [b"\0", b'"', b",", b"\n"])
@pytest.mark.parametrize("row", [b"1,a,b", b'"1","a","b"'])
def test_bytes_behind_the_data_do_not_matter(row, behind):
    buffer = np.frombuffer(bytearray(row + 64 * behind), np.uint8)
    parsed, rejects, consumed = Parser(Dialect(","), 3, (1, 2)).parse(buffer[: len(row)], True, 99)
    assert not rejects
    assert (parsed.cells.row_bytes(0, 2), consumed) == (b"a, b", len(row))


@given(TABLES)
def test_lines_are_physical_lines(table):
    text = io.StringIO(newline="")
    lines, line = [], 1
    for row in table:
        lines.append(line)
        csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(row)
        line = text.getvalue().count("\n") + 1
    rows, _ = parse(text.getvalue().encode(), block_bytes=32)
    assert [row[2] for row in rows] == lines


GOOD = b'"9","good","row"\n'


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b'"1","two columns"\n', "found 2 columns, expected 3"),
        (b"1,a,b,c\n", "found 4 columns, expected 3"),
        (b'"1","nul \x00","b"\n', "the row contains a NUL byte"),
        (b"1,nul \x00,b\n", "the row contains a NUL byte"),
        (b'"1","a "stray" quote","b"\n', "text follows a closing quote"),
        (b'"1","never closed,b\n', "text follows a closing quote"),  # it meets the next row's quote
    ],
)
@pytest.mark.parametrize("block_bytes", [8, 20, 1000])
def test_a_bad_row_costs_itself_alone(bad, reason, block_bytes):
    rows, rejects = parse(GOOD + bad + GOOD, block_bytes=block_bytes)
    assert [row[2] for row in rows] == [1, 3]
    assert len(rejects) == 1
    assert rejects[0].line == 2
    assert rejects[0].reason.startswith(reason)
    assert rejects[0].raw == bad.rstrip()


def test_a_quote_open_at_the_end_of_the_file_costs_one_line():
    rows, rejects = parse(GOOD + b'1,"open,x\n2,a,b\n')
    assert [(row[0], row[2]) for row in rows] == [(b"9", 1), (b"2", 3)]
    assert rejects[0] == Reject(2, "a quote is opened and never closed", b'1,"open,x')


def test_line_numbers_go_on_behind_a_quoted_newline():
    _, rejects = parse(b'"1","a\nb\nc","d"\n"2","x"\n')
    assert rejects[0].line == 4


def test_many_rejects_in_one_block_are_all_reported():
    rows, rejects = parse(b"x\n" * 1000 + GOOD, block_bytes=10_000)
    assert len(rejects) == 1000
    assert rows[0][2] == 1001


@pytest.mark.parametrize("block_bytes", [8, 64])
def test_byte_order_mark_blank_lines_and_header(block_bytes):
    data = b"\xef\xbb\xbf\r\nlabel,title,body\n\n1,a,b\n"
    rows, rejects = parse(data, block_bytes=block_bytes, names=("label", "title", "body"))
    assert rows == [(b"1", b"a, b", 4)]
    assert not rejects


def test_other_columns_and_delimiters():
    rows, _ = parse(b"x\t1\ty\tz\n", Chosen((3, 0), 1), n_fields=4, delimiter="\t")
    assert rows == [(b"1", b"z, x", 1)]
    rows, _ = parse(b"a line\nanother\n", Chosen((0,)), n_fields=1)
    assert [row[1] for row in rows] == [b"a line", b"another"]


def test_a_row_of_unbounded_length_is_rejected_and_reading_goes_on():
    long = b'"1","' + b"word " * (MAX_ROW_BYTES // 4) + b'","b"\n'
    rows, rejects = parse(GOOD + long + GOOD, block_bytes=2**16)
    assert [row[2] for row in rows] == [1, 3]
    assert "longer than 8,388,608 bytes" in rejects[0].reason
    assert rejects[0].line == 2


def test_a_long_row_below_the_limit_is_read():
    body = b"word " * 200_000
    rows, rejects = parse(GOOD + b'"1","t","' + body + b'"\n' + GOOD, block_bytes=4096)
    assert not rejects
    assert rows[1][1] == b"t, " + body
