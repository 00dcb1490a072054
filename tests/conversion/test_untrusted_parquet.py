"""Parquet files that are damaged, or that take much more memory than they have bytes."""

import io
import struct
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.rejects import Reject
from ooc_train.conversion.sources.find import find_source
from ooc_train.conversion.sources.formats import parquet_pages
from ooc_train.conversion.sources.formats.arrow import n_bytes
from ooc_train.conversion.sources.formats.parquet_reader import open_reader
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.errors import BudgetError, InputError, OocTrainError
from tests.conversion import crafted_parquet as crafted

MEMORY = 200_000_000
N_ROWS = 60


def rows_of(path, *, gives="text", block_bytes=2**20, memory_bytes=MEMORY, **options):
    """The rows, the labels and the rejects of a file."""
    options = LayoutOptions(memory_bytes=memory_bytes, **options)
    source = find_source(path, options, gives=gives)
    rows, labels, rejects = [], [], []
    for piece, _ in source.read(block_bytes):
        if isinstance(piece, Reject):
            rejects.append((piece.line, piece.reason))
            continue
        labels += [piece.labels.distinct[i] for i in piece.labels.numbers]
        if gives == "text":
            rows += [piece.text_bytes(row) for row in range(len(piece))]
        else:
            rows += piece.values.tolist()
    return rows, labels, rejects


def table():
    """Columns of all kinds, with nulls, texts that repeat and texts that do not."""
    rows = range(N_ROWS)
    words = ["a", "bb", "ccc", "dddd ee", "f" * 50]
    return pa.table(
        {
            "label": ["x" if i % 7 else None for i in rows],
            "text": [words[i % 5] + str(i % 9) for i in rows],
            "number": pa.array([float(i) if i % 5 else None for i in rows], pa.float32()),
            "list": pa.array([[1.0 * i, 2.0, 3.0] for i in rows], pa.list_(pa.float32())),
            "pair": pa.array([[i, i + 1] for i in rows], pa.list_(pa.int16(), 2)),
            "tags": [["a"] * (i % 4) for i in rows],
            "struct": [{"q": f"z{i % 3}", "r": i} for i in rows],
            "category": pa.array([words[i % 5] for i in rows]).dictionary_encode(),
            "map": pa.array([[("k", i)] for i in rows], pa.map_(pa.string(), pa.int64())),
        }
    )


WAYS = {
    "usual": {},
    "plain": {"compression": "NONE", "use_dictionary": False},
    "second": {"compression": "ZSTD", "data_page_version": "2.0"},
    "groups": {"row_group_size": 17, "write_page_index": True, "compression": "GZIP"},
    "encodings": {
        "use_dictionary": False,
        "column_encoding": {"text": "DELTA_BYTE_ARRAY", "label": "DELTA_LENGTH_BYTE_ARRAY"},
    },
    "small": {"dictionary_pagesize_limit": 40, "data_page_size": 64, "write_batch_size": 8},
    "foreign": {"compression": "LZ4", "store_schema": False},
}


@pytest.mark.parametrize("way", WAYS)
def test_footer_and_pages_are_those_that_pyarrow_reads(tmp_path, way):
    pq.write_table(table(), tmp_path / "rows.parquet", **WAYS[way])
    metadata = pq.read_metadata(tmp_path / "rows.parquet")
    with (tmp_path / "rows.parquet").open("rb") as file:
        footer = parquet_pages.read_footer(file, parquet_pages.footer_length(file))
        assert footer.n_rows == [
            metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)
        ]
        for group in range(metadata.num_row_groups):
            for column in range(metadata.num_columns):
                stored, found = (
                    footer.column(group, column),
                    metadata.row_group(group).column(column),
                )
                assert (stored.n_stored, stored.n_bytes, stored.n_values) == (
                    found.total_compressed_size,
                    found.total_uncompressed_size,
                    found.num_values,
                )
                pages = list(parquet_pages.read_pages(file, stored))
                assert sum(page.n_values for page in pages if not page.is_dictionary) == (
                    stored.n_values
                )
                assert any(page.is_dictionary for page in pages) == found.has_dictionary_page
                assert 0 < sum(page.n_stored for page in pages) < stored.n_stored


@pytest.mark.parametrize("way", WAYS)
def test_rows_do_not_depend_on_blocks(tmp_path, way):
    path = tmp_path / "rows.parquet"
    pq.write_table(table(), path, **WAYS[way])
    expected = table()
    texts = [text.encode() for text in expected["text"].to_pylist()]
    for block_bytes in (1, 300, 2**20):
        rows, labels, _ = rows_of(path, block_bytes=block_bytes)
        assert rows == texts
        assert labels == [(label or "").encode() for label in expected["label"].to_pylist()]
    options = {"text": ("list", "pair"), "label": "label", "gives": "dense"}
    for block_bytes in (1, 2**20):
        rows, _, _ = rows_of(path, block_bytes=block_bytes, **options)
        assert rows == [[i, 2.0, 3.0, i, i + 1] for i in range(N_ROWS)]
    source = find_source(path, LayoutOptions(needs_label=False, carry=True))
    carried = [row for piece, _ in source.read(500) for row in piece.carried]
    assert carried == expected.drop_columns(["text"]).to_pylist()


def blocks_of(path, columns, block_bytes):
    with open_reader(InputFile(path), MEMORY) as reader:
        for block in reader.blocks(columns, block_bytes, range(len(reader.footer.n_rows))):
            yield (
                sum(batch.num_rows for batch in block),
                [column for batch in block for column in batch.columns],
            )


def test_texts_that_repeat_are_as_large_as_they_are(tmp_path):
    """A file of some kilobytes whose rows are 100 MB: blocks are bounded by what the rows take."""
    path = tmp_path / "rows.parquet"
    values = pa.array(["x" * 50_000, "y"]).take(pa.array([0] * 2000 + [1] * 2000))
    pq.write_table(pa.table({"label": pa.array([1] * 4000), "text": values}), path)
    assert path.stat().st_size < 20_000
    n_rows, most = 0, 2**20
    before = pa.total_allocated_bytes()
    for n, columns in blocks_of(path, [0, 1], most):
        n_rows += n
        assert sum(map(n_bytes, columns)) < 1.3 * most
        assert pa.total_allocated_bytes() < before + 8 * most
    assert n_rows == 4000


def test_a_row_that_is_too_long_is_not_copied(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"label": [1, 2, 1], "text": ["a", "x" * 9_000_000, "b"]}), path)
    rows, _, rejects = rows_of(path)
    assert rows == [b"a", b"b"]
    assert rejects == [(2, "the row is longer than 8,388,608 bytes")]


ONE_TEXT = ("text", crafted.TEXT, 0, 2, [crafted.page(crafted.texts(b"a", b"bc"), 2)])


def write(tmp_path, *columns, **options):
    path = tmp_path / "rows.parquet"
    path.write_bytes(crafted.parquet(columns, **options))
    return path


def text_pages(*pages, n_values=2):
    return ("text", crafted.TEXT, 0, n_values, list(pages))


A_PAGE = crafted.texts(b"a", b"bc")


def test_files_that_are_written_by_hand_are_files(tmp_path):
    assert rows_of(write(tmp_path, ONE_TEXT, n_rows=2), needs_label=False)[0] == [b"a", b"bc"]


@pytest.mark.parametrize(
    ("column", "options", "message"),
    [
        (
            text_pages(crafted.page(A_PAGE, 2, n_bytes=2**30)),
            {},
            "allow more memory, for ooc-convert",
        ),
        (text_pages(crafted.page(A_PAGE, 2, n_bytes=-1)), {}, "1: the header of a page is damage"),
        (text_pages(crafted.page(A_PAGE, 2**31 - 1)), {}, "has 2,147,483,647 values for 2 rows"),
        (text_pages(crafted.page(A_PAGE, 1)), {}, "row group 1: "),
        (text_pages(b"\xff" * 50), {}, "row group 1: "),
        (text_pages(crafted.page(A_PAGE, 2), n_values=3), {}, "row group 1: "),
        (text_pages(crafted.page(A_PAGE, 2), n_values=-1), {}, "has 0 values for 2 rows"),
        (ONE_TEXT, {"n_rows": 3}, "have not as many rows as it declares"),
        (ONE_TEXT, {"n_rows": -1, "n_group_rows": -1}, "have not as many rows as it declares"),
        (ONE_TEXT, {"n_group_rows": 3, "n_rows": 3}, "has 2 values for 3 rows"),
        (ONE_TEXT, {"n_stored": 2**62}, "the column 'text' lies outside the file"),
        (ONE_TEXT, {"n_stored": -(2**62)}, "the column 'text' lies outside the file"),
    ],
)
def test_lies_of_footers_and_pages(tmp_path, column, options, message):
    path = write(tmp_path, column, **{"n_rows": 2, "n_group_rows": 2, **options})
    with pytest.raises((InputError, BudgetError), match=message):
        rows_of(path, needs_label=False)


def test_footers_that_take_much_memory(tmp_path):
    n = 40_000
    schema = [crafted.element("s", n_children=n)] + [crafted.element("", 4) for _ in range(n)]
    path = write(tmp_path, ONE_TEXT, n_rows=2, schema=schema)
    with pytest.raises(BudgetError, match="the footer, which describes all .* takes 60 MB of mem"):
        rows_of(path)
    with path.open("r+b") as file:
        file.seek(-8, io.SEEK_END)
        file.write(struct.pack("<I", path.stat().st_size + 1))
    with pytest.raises(InputError, match="it has no footer; it may be truncated"):
        rows_of(path)


def test_two_columns_of_one_name(tmp_path):
    path = write(tmp_path, ONE_TEXT, ONE_TEXT, n_rows=2)
    with pytest.raises(
        InputError, match=r"2 columns are called 'text' \(1, 2\); rename all but one"
    ):
        rows_of(path, needs_label=False)


def test_a_row_that_goes_on_through_many_pages(tmp_path):
    """No page is large, nor are rows on average; but one is, which only reading on tells."""
    n_short, n_pages, n_in_page = 20_000, 40, 100_000
    pages = [levels_page((0, n_short))]
    pages += [
        levels_page(*([(1, n_in_page)] if i else [(0, 1), (1, n_in_page - 1)]))
        for i in range(n_pages)
    ]
    column = ("v", crafted.FLOAT, crafted.REPEATED, n_short + n_pages * n_in_page, pages)
    path = write(tmp_path, column, n_rows=n_short + 1)
    rows, _, rejects = rows_of(path, gives="dense", needs_label=False)
    assert len(rows) == n_short
    assert rejects == [(n_short + 1, "column 'v' has 4000000 numbers, not 1")]
    with pytest.raises(BudgetError, match="row group 1: one of its rows takes more memory than"):
        rows_of(path, gives="dense", needs_label=False, memory_bytes=20_000_000)


def levels_page(*runs):
    """A page of zeros with their levels of repetition."""
    n_values = sum(n for _, n in runs)
    content = crafted.levels(*runs) + crafted.levels((1, n_values)) + bytes(4 * n_values)
    return crafted.page(content, n_values)


# Damage of all kinds

N_MUTATIONS = 300


def mutated(content, rng):
    content = bytearray(content)
    footer = int.from_bytes(content[-8:-4], "little")
    for _ in range(rng.integers(1, 4)):
        place = int(
            rng.choice([len(content) - 8 - rng.integers(footer), rng.integers(len(content))])
        )
        match rng.integers(4):
            case 0:
                content[place] = rng.integers(256)
            case 1:
                content[place] ^= 1 << int(rng.integers(8))
            case 2:
                large = [b"\xff\xff\xff\xff\x0f", b"\xfe\xff\xff\xff\x0f", b"\x80\x80\x80\x80\x08"]
                content[place : place + 5] = large[rng.integers(3)]
            case 3:
                content[place] = [0x15, 0x16, 0x18, 0x1C, 0x19, 0x2C, 0][rng.integers(7)]
    return bytes(content)


@pytest.mark.filterwarnings("error")
def test_damaged_files_are_read_whole_or_refused_with_a_sentence(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "rows.parquet"
    files = []
    for options in WAYS.values():
        pq.write_table(table(), path, **options)
        files.append(path.read_bytes())
    dense = {"gives": "dense", "text": ("number", "list", "pair"), "label": "label"}
    uses = [{}, dense, {"text": ("category", "number")}, {"needs_label": False, "carry": True}]
    n_read = 0
    for number in range(N_MUTATIONS):
        path.write_bytes(mutated(files[number % len(files)], rng))
        try:
            rows, labels, rejects = rows_of(path, block_bytes=300, **uses[number % len(uses)])
        except OocTrainError as error:
            message = str(error)
            assert "\n" not in message
            assert len(message.replace(str(tmp_path), "")) < 450
        else:
            n_read += 1
            assert len(rows) + len(rejects) == len(labels) + len(rejects) == N_ROWS
    assert n_read > N_MUTATIONS // 10


READ_HOSTILE = """
import sys
from pathlib import Path
from ooc_train.conversion.sources.find import find_source
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.errors import BudgetError
from ooc_train.memory import measure
def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1000
def read(path, gives):
    source = find_source(Path(path), LayoutOptions(memory_bytes=200_000_000), gives=gives)
    if source.held_bytes > 50_000_000:
        raise BudgetError("held")
    return sum(len(piece) for piece, _ in source.read(2**20))
print(read(sys.argv[1], "text"))
before = peak()
for path in sys.argv[2:]:
    try:
        read(path, "dense" if "list" in path else "text")
    except BudgetError:
        print(path, "refused", peak() - before)
"""


@pytest.mark.slow
def test_hostile_files_take_little_memory(tmp_path):
    """In a fresh process, whose peak is that of all of them."""
    usual, cell, lists = (tmp_path / f"{name}.parquet" for name in ("usual", "cell", "list"))
    pq.write_table(table(), usual)
    labels = pa.array([1, 2])
    pq.write_table(pa.table({"label": labels, "text": ["x", "y" * 300_000_000]}), cell)
    zeros = pa.array(np.zeros(15_000_001, np.float32))
    offsets = pa.array([0, 1, 15_000_001], pa.int32())
    values = pa.ListArray.from_arrays(offsets, zeros)
    pq.write_table(pa.table({"label": labels, "v": values}), lists)
    assert lists.stat().st_size < 2000
    command = [sys.executable, "-c", READ_HOSTILE, *map(str, (usual, cell, lists))]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")
    assert output[0] == str(N_ROWS)
    refused = [line.split() for line in output[1:] if line]
    assert [line[1] for line in refused] == ["refused"] * 2
    assert max(int(line[2]) for line in refused) < 30
