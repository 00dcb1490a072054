"""Files of rows of extreme sizes: long rows and cells, stray quotes, bombs, absurd shapes.

Holes and repeated pieces make most of them, so that they are written in seconds.
"""

import bz2
import functools
import gzip
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MB = 10**6
Write = Callable[[Path], None]
_WORD_BYTES = 7
_GOOD = "".join(f'{k % 3},"red green blue black {k} white early late"\n' for k in range(400))
_GOOD_JSON = "".join(
    json.dumps({"label": k % 3, "text": f"red green {k} blue"}) + "\n" for k in range(400)
)


@dataclass(frozen=True, kw_only=True)
class Extreme:
    """A file of rows: ``write`` makes it at a path, and what lies beside it.

    Commands read ``file``, or have it as standard input.  ``options`` are those of ooc-convert, in
    which ``{folder}`` is the folder of the file.  ``n_rows`` are in it, if that can be said.
    ``read_as`` are the options with which ooc-predict reads texts; `None` if there are none.
    """

    name: str
    file: str
    write: Write
    options: tuple[str, ...] = ("--features", "ngram")
    n_rows: int | None = None
    read_as: tuple[str, ...] | None = ()
    is_standard_input: bool = False


def words(n_bytes: int, number: int = 0) -> bytes:
    """Words of six letters, most of them different; the same for the same ``number``."""
    draw = np.random.default_rng(number)
    letters = draw.integers(97, 123, n_bytes, np.uint8)
    letters[_WORD_BYTES - 1 :: _WORD_BYTES] = 32
    return letters.tobytes()


# ---- Files of pieces.


def _pieces(make: Callable[[], Iterator[bytes]]) -> Write:
    def write(path: Path) -> None:
        with path.open("wb") as file:
            file.writelines(make())

    return write


def _hole(n_bytes: int, start: bytes = b"", end: bytes = b"") -> Write:
    """Bytes of zero that take no space on the disk."""

    def write(path: Path) -> None:
        with path.open("wb") as file:
            file.write(start)
            file.truncate(n_bytes)
            file.seek(n_bytes)
            file.write(end)

    return write


def _repeated(piece: bytes, times: int, start: bytes = b"", end: bytes = b"\n") -> Write:
    return _pieces(lambda: (each for each in (start, *[piece] * times, end)))


def _bomb(compress: Callable[[bytes], bytes], piece: bytes, times: int) -> Write:
    """A piece many times, compressed once: the formats let files follow each other."""

    def write(path: Path) -> None:
        _repeated(compress(piece), times, end=b"")(path)

    return write


def _zstd(content: bytes) -> bytes:
    import zstandard  # noqa: PLC0415 - an extra of the package

    return zstandard.ZstdCompressor().compress(content)


def _rows(n_rows: int, n_bytes: int, before: str, after: str = "\n") -> Write:
    """Long rows of words; in ``before`` is a place for the class."""

    def pieces() -> Iterator[bytes]:
        for number in range(n_rows):
            yield before.format(number % 3).encode() + words(n_bytes, number) + after.encode()

    return _pieces(pieces)


def _long_labels(before: str, between: str, after: str) -> Write:
    def pieces() -> Iterator[bytes]:
        for number in range(40):
            label = (b"%d" % number) + b"x" * (7 * MB)
            yield before.encode() + label + between.encode() + b"red green" + after.encode()

    return _pieces(pieces)


def _ties(path: Path) -> None:
    """Rows of words that occur in one row of each class, so that all terms tie."""
    lines = [words(700, number) for number in range(4000)]
    with path.open("wb") as file:
        file.writelines(b"%d,%b\n" % (label, line) for label in (0, 1) for line in lines)


def _svmlight(n_rows: int, n_columns: int) -> Write:
    def pieces() -> Iterator[bytes]:
        row = b" ".join(b"%d:0.5" % column for column in range(1, n_columns + 1))
        for number in range(n_rows):
            yield b"%d " % (number % 3) + row + b"\n"

    return _pieces(pieces)


def _deep_json(path: Path) -> None:
    deep = '{"label": 1, "text": ' + "[" * 100_000 + "]" * 100_000 + "}\n"
    path.write_text(_GOOD_JSON + deep + _GOOD_JSON)


def _many_keys(path: Path) -> None:
    keys = ", ".join(f'"key{number}": 1' for number in range(500_000))
    path.write_text(_GOOD_JSON + '{"label": 1, "text": "red", ' + keys + "}\n")


# ---- Parquet.


def _parquet(columns: Callable[[], dict[str, object]], **how: object) -> Write:
    def write(path: Path) -> None:
        import pyarrow  # noqa: PLC0415 - an extra of the package
        import pyarrow.parquet  # noqa: PLC0415

        pyarrow.parquet.write_table(pyarrow.table(columns()), path, **how)

    return write


def _repeated_cells(n_rows: int, n_bytes: int) -> dict[str, object]:
    import pyarrow  # noqa: PLC0415 - an extra of the package

    indices = pyarrow.array(np.zeros(n_rows, np.int32))
    cells = pyarrow.DictionaryArray.from_arrays(indices, ["x" * n_bytes])
    return {"label": np.arange(n_rows) % 3, "text": cells}


def _huge_cell() -> dict[str, object]:
    return {"label": [0, 1, 2], "text": ["red", "x" * (500 * MB), "green"]}


def _different_cells() -> dict[str, object]:
    texts = [words(4 * MB, number).decode() for number in range(100)]
    return {"label": np.arange(100) % 3, "text": texts}


def _row_of_numbers() -> dict[str, object]:
    import pyarrow  # noqa: PLC0415 - an extra of the package

    numbers = pyarrow.array(np.zeros(2 * 20 * MB, np.float32))
    return {"label": [0, 1], "x": pyarrow.FixedSizeListArray.from_arrays(numbers, 20 * MB)}


# ---- Arrays.


def _npy_header(shape: tuple[int, ...], kind: str) -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    padded = text + " " * (117 - len(text)) + "\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded.encode()


def _npy(shape: tuple[int, ...], n_bytes: int, labels: str = "<i8") -> Write:
    """An array of float32 of a shape, ``n_bytes`` long, with two labels of a type."""

    def write(path: Path) -> None:
        header = _npy_header(shape, "<f4")
        _hole(len(header) + n_bytes, header)(path)
        of_labels = _npy_header((2,), labels)
        size = 2 * np.dtype(labels).itemsize
        _hole(len(of_labels) + size, of_labels)(path.with_name("labels.npy"))

    return write


def _npz(path: Path) -> None:
    """Two rows of 100 million numbers that are all zero, compressed."""
    n_columns = 100 * MB
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("x.npy", "w", force_zip64=True) as file:
            file.write(_npy_header((2, n_columns), "<f4"))
            for _ in range(8):
                file.write(bytes(n_columns))
        with archive.open("y.npy", "w") as file:
            file.write(_npy_header((2,), "<i8") + np.arange(2).tobytes())


def _class_folders(path: Path) -> None:
    for name in ("good", "bad"):
        (path / name).mkdir(parents=True)
        for number in range(5):
            (path / name / f"{number}.txt").write_text(f"red green {name} early")
    _hole(500 * MB, end=b"x")(path / "bad" / "huge.txt")


# ---- The table.

_NAMED = ("--text", "text", "--label", "label", "--features", "ngram")
_TEXT = ("--text", "text")
_SEQUENCE = ("--features", "sequence")
_DENSE = ("--features", "dense", "--label", "label")
_ARRAYS = ("--labels", "{folder}/labels.npy")
_csv = functools.partial(Extreme, file="rows.csv")
_json = functools.partial(Extreme, file="rows.jsonl", options=_NAMED, read_as=_TEXT)
_table = functools.partial(Extreme, file="rows.parquet", options=_NAMED, read_as=_TEXT)
_numbers = functools.partial(Extreme, read_as=None)
_CSV_ROW, _JSON_ROW = "{},", '{{"label": {}, "text": "'
_LINES = b"1,red green blue black white early late\n" * 250
_ZEROS = bytes(100 * MB)

EXTREMES = (
    _csv(name="10 GB of NUL bytes", write=_hole(10_000 * MB)),
    _csv(name="a device of zeros", file="/dev/zero", write=lambda _: None),
    _csv(name="10 GB of NUL bytes on standard input", write=_hole(10_000 * MB),
         is_standard_input=True),
    _csv(name="10 GB of NUL bytes in 10 MB of gzip", file="rows.csv.gz",
         write=_bomb(gzip.compress, _ZEROS, 100)),
    _csv(name="10 GB of NUL bytes in zstd", file="rows.csv.zst", write=_bomb(_zstd, _ZEROS, 100)),
    _csv(name="10 GB of NUL bytes in bzip2", file="rows.csv.bz2",
         write=_bomb(bz2.compress, _ZEROS, 100)),
    _csv(name="rows of 7 MB", write=_rows(40, 7 * MB, _CSV_ROW), n_rows=40),
    _csv(name="rows of 7 MB to sequences", write=_rows(40, 7 * MB, _CSV_ROW), n_rows=40,
         options=_SEQUENCE),
    _csv(name="rows of 4 MB", write=_rows(40, 4 * MB, _CSV_ROW), n_rows=40),
    _csv(name="rows of 1 MB", write=_rows(40, 1 * MB, _CSV_ROW), n_rows=40),
    _csv(name="rows of 1 MB to characters", write=_rows(40, 1 * MB, _CSV_ROW), n_rows=40,
         options=("--features", "ngram", "--analyzer", "char", "--ngrams", "1,3")),
    Extreme(name="tab-separated rows of 7 MB", file="rows.tsv", write=_rows(40, 7 * MB, "{}\t"),
            n_rows=40, options=("--label", "1", "--text", "2", "--features", "ngram")),
    _json(name="rows of 7 MB", write=_rows(40, 7 * MB, _JSON_ROW, '"}\n'), n_rows=40),
    _csv(name="labels of 7 MB", write=_long_labels('"', '","', '"\n')),
    _json(name="labels of 7 MB", write=_long_labels('{"label": "', '", "text": "', '"}\n')),
    _csv(name="a stray quote before 300 MB", write=_repeated(_LINES, 30_000, start=b'1,"open ')),
    _csv(name="a stray quote in 300 MB",
         write=_repeated(_LINES, 30_000, start=_GOOD.encode() + b'1,"open ')),
    _csv(name="a stray quote in 100 MB",
         write=_repeated(_LINES, 10_000, start=_GOOD.encode() + b'1,"open ')),
    _csv(name="a first line of 500 MB", write=_hole(500 * MB, b"1,", b"\n" + _GOOD.encode())),
    _csv(name="a first line of words of 500 MB",
         write=_repeated(words(MB), 500, b"1,", b"\n" + _GOOD.encode())),
    _csv(name="a line of 500 MB after 400 rows",
         write=_repeated(words(MB), 500, _GOOD.encode() + b"1,"), n_rows=401),
    _json(name="200 MB of newlines at the beginning",
          write=_repeated(b"\n" * MB, 200, end=_GOOD_JSON.encode())),
    _json(name="200 MB of newlines after rows",
          write=_repeated(b"\n" * MB, 200, start=_GOOD_JSON.encode())),
    _json(name="a line of 300 MB",
          write=_repeated(words(MB), 300, _GOOD_JSON.encode() + b'{"label": 1, "text": "',
                          b'"}\n')),
    _json(name="a value 100,000 deep", write=_deep_json),
    _json(name="a row of 500,000 keys", write=_many_keys),
    _csv(name="a header of 1,000,000 columns", options=("--header", *_NAMED), read_as=None,
         write=_repeated(b"column,", 1_000_000, end=b"label,text\n" + _GOOD.encode())),
    _csv(name="8,000,000 commas", write=_repeated(b"," * MB, 8, start=_GOOD.encode() + b"1")),
    _csv(name="1,000,000 labels", n_rows=1_000_000,
         write=_pieces(lambda: (b"label%d,red green\n" % k for k in range(1_000_000)))),
    _csv(name="2,000,000 rows of a word", n_rows=2_000_000,
         write=_pieces(lambda: (b"%d,ab\n" % (k % 3) for k in range(2_000_000)))),
    _csv(name="terms that all tie", write=_ties, n_rows=8000),
    _csv(name="terms that all tie, to sequences", write=_ties, n_rows=8000, options=_SEQUENCE),
    _csv(name="300 MB of rows in gzip", file="rows.csv.gz", n_rows=30_000 * 250,
         write=_bomb(gzip.compress, _LINES.replace(b"1,", b"0,", 1) * 1000, 30)),
    _table(name="a cell of 500 MB", write=_parquet(_huge_cell, compression="snappy"), n_rows=3),
    # A terabyte of texts from some KB: a prediction would read it all, in days.
    _table(name="2,000,000 rows of a 500 KB cell", n_rows=2_000_000, read_as=None,
           write=_parquet(lambda: _repeated_cells(2_000_000, 500_000))),
    _table(name="600 rows of a 500 KB cell in LZ4", n_rows=600,
           write=_parquet(lambda: _repeated_cells(600, 500_000), compression="lz4")),
    _table(name="a dictionary of 400 MB", n_rows=100,
           write=_parquet(_different_cells, dictionary_pagesize_limit=10**9)),
    _table(name="a page of 400 MB", n_rows=100,
           write=_parquet(_different_cells, use_dictionary=False, data_page_size=10**9)),
    _numbers(name="Parquet rows of 20,000,000 numbers", file="rows.parquet", options=_DENSE,
             write=_parquet(_row_of_numbers)),
    _numbers(name="rows of 50,000,000 numbers", file="rows.npy", options=_ARRAYS,
             write=_npy((2, 50 * MB), 400 * MB)),
    _numbers(name="an array of 2^62 rows", file="rows.npy", options=_ARRAYS,
             write=_npy((2**62, 4), 64)),
    _numbers(name="an array of 2^31 columns", file="rows.npy", options=_ARRAYS,
             write=_npy((2, 2**31), 2**34)),
    _numbers(name="labels of 10,000,000 letters", file="rows.npy", options=_ARRAYS,
             write=_npy((2, 4), 32, "<U10000000")),
    _numbers(name="rows of 100,000,000 numbers, compressed", file="rows.npz", options=(),
             write=_npz),
    _numbers(name="svmlight rows of 6 MB", file="rows.svm", options=(), n_rows=30,
             write=_svmlight(30, 450_000)),
    _numbers(name="an svmlight row of 300 MB", file="rows.svm", options=(),
             write=_repeated(b"7:1 " * (MB // 4), 300, b"0 1:1\n1 2:1\n" * 400 + b"0 ")),
    _numbers(name="an svmlight file of a row of 300 MB", file="rows.svm", options=(),
             write=_repeated(b"7:1 " * (MB // 4), 300, b"0 ")),
    _numbers(name="a text of 500 MB in a folder", file="folder", write=_class_folders, n_rows=11),
)  # fmt: skip
"""The inputs, the cheapest first."""
