"""Files as bytes: whole lines whatever the blocks, byte-order marks, and the table of formats."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ooc_train.conversion.sources.columns import Cells
from ooc_train.conversion.sources.files.buffer import Buffer, line_blocks
from ooc_train.conversion.sources.files.encoding import BYTE_ORDER_MARK
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.listing import listed
from ooc_train.conversion.sources.files.rejects import MAX_ROW_BYTES
from ooc_train.conversion.sources.formats.table import FORMATS, format_of, formats_of
from ooc_train.kinds import KINDS

BYTES = st.lists(
    st.sampled_from([b"a", b"bc", b"\n", b"\xef", b"\xbb\xbf", BYTE_ORDER_MARK]), max_size=40
).map(b"".join)


class Trickle(io.RawIOBase):
    """A stream that gives no more than three bytes a call, as a pipe may."""

    def __init__(self, data):
        self._inner = io.BytesIO(data)

    def readinto(self, target):
        return self._inner.readinto(memoryview(target)[:3])


@given(BYTES, st.integers(1, 30), st.sampled_from([io.BytesIO, Trickle]))
def test_blocks_are_whole_lines(data, block_bytes, stream):
    blocks = list(line_blocks(stream(data), block_bytes))
    assert all(block.endswith(b"\n") for block in blocks)
    expected = data.removeprefix(BYTE_ORDER_MARK)
    if expected and not expected.endswith(b"\n"):
        expected += b"\n"
    assert b"".join(blocks) == expected


@pytest.mark.parametrize("block_bytes", [1000, 2**22, MAX_ROW_BYTES, MAX_ROW_BYTES + 9])
@pytest.mark.parametrize("length", [MAX_ROW_BYTES - 1, MAX_ROW_BYTES, MAX_ROW_BYTES + 1, 2**25])
def test_a_line_that_is_too_long_can_be_told_by_its_length(block_bytes, length):
    data = b"before\n" + length * b"x" + b"\nafter\n"
    lines = b"".join(line_blocks(io.BytesIO(data), block_bytes)).split(b"\n")
    assert [len(line) for line in lines] == [6, min(length, MAX_ROW_BYTES + 1), 5, 0]


@given(BYTES, st.lists(st.integers(0, 9)), st.integers(1, 20))
def test_a_buffer_gives_every_byte_once(data, drops, n_bytes):
    buffer = Buffer(Trickle(data), n_bytes)
    found = b""
    while buffer.fill():
        n = min([*drops[:1], len(buffer.data)])
        drops = drops[1:]
        if n == 0:
            assert buffer.grow()
        found += buffer.data[:n].tobytes()
        buffer.drop(n)
    assert buffer.is_last
    assert found == data.removeprefix(BYTE_ORDER_MARK)


def test_a_sample_is_as_long_as_asked_for_without_the_mark(tmp_path):
    (tmp_path / "f").write_bytes(BYTE_ORDER_MARK + b"0123456789")
    assert InputFile(tmp_path / "f").sample(9) == b"012345678"
    assert InputFile(tmp_path / "f").sample(11) == b"0123456789"


@given(st.lists(st.tuples(st.binary(max_size=5), st.binary(max_size=5)), max_size=9))
def test_cells_are_joined_and_their_labels_are_numbered(rows):
    cells = Cells.of([cell for row in rows for cell in row], 2)
    text, offsets = cells.joined(2)
    assert text.tobytes() == b"".join(b", ".join(row) for row in rows)
    assert np.diff(offsets).tolist() == [len(a) + len(b) + 2 for a, b in rows]
    distinct, numbers = cells.labels(1)
    assert [distinct[number] for number in numbers] == [b for _, b in rows]
    assert len(set(distinct)) == len(distinct)


# The table


def test_every_suffix_belongs_to_one_format():
    suffixes = [suffix for kind in FORMATS.values() for suffix in kind.suffixes]
    assert len(set(suffixes)) == len(suffixes)
    for name, kind in FORMATS.items():
        for suffix in kind.suffixes:
            assert format_of(InputFile(Path(f"rows{suffix.upper()}.gz"))) == name


def test_every_kind_of_features_has_a_format():
    assert all(formats_of(kind.source) for kind in KINDS.values())


@pytest.mark.parametrize("name", FORMATS)
def test_every_opener_exists(name):
    assert callable(FORMATS[name].open)


def test_the_table_costs_nothing_to_look_at():
    code = (
        "import sys, ooc_train.conversion.sources.formats.table as table; table.file_formats();"
        "print([m for m in ('numpy', 'numba', 'pyarrow', 'orjson') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_pattern_passes_over_names_that_begin_with_an_underscore(tmp_path):
    (tmp_path / "_temporary").mkdir()
    for name in ("_SUCCESS", "part-0.csv", "part-1.csv", "_temporary/part-2.csv"):
        (tmp_path / name).touch()
    found = listed(tmp_path / "*")
    assert [path.name for path in found.paths] == ["part-0.csv", "part-1.csv"]
    assert found.note == f"{tmp_path}/*: 2 others, such as _SUCCESS, are passed over"
    assert len(listed(tmp_path / "**" / "*.csv").paths) == 2
    assert [path.name for path in listed(tmp_path / "_SUCC*").paths] == ["_SUCCESS"]
