"""Pipes, devices and dirty files as sources: read to the end, or refused in one sentence."""

import bz2
import contextlib
import gzip
import io
import json
import os
import sys
import threading
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ooc_train
from ooc_train.conversion.sources.files.compression import COMPRESSIONS
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.paths import streamed
from ooc_train.conversion.sources.files.rejects import Blank
from ooc_train.conversion.sources.find import find_source
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.errors import InputError, OocTrainError

GOOD = b"".join(b"%d,some words of text number %d\n" % (1 + i % 2, i % 7) for i in range(40))


@pytest.fixture
def pipe(tmp_path):
    """A function that makes a pipe of a name, to which bytes are written once it is opened."""
    threads = []

    def make(name, content):
        os.mkfifo(tmp_path / name)
        threads.append(threading.Thread(target=(tmp_path / name).write_bytes, args=(content,)))
        threads[-1].start()
        return tmp_path / name

    yield make
    for thread in threads:
        thread.join()


def convert(path, **options):
    options = {"validation_fraction": 0, "features": "ngram", **options}
    return ooc_train.convert(path, path.with_name("o.h5"), **options)


@pytest.mark.parametrize("features", ["ngram", "auto"])
def test_a_pipe_is_read_as_a_file_is(tmp_path, pipe, features):
    (tmp_path / "a.csv").write_bytes(GOOD)
    expected = convert(tmp_path / "a.csv", features=features)
    found = convert(pipe("b.csv", GOOD), features=features, force=True)
    assert found["rows"] == 40
    assert found["n_features"] == expected["n_features"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv", "o.h5"]


def test_two_pipes_that_are_written_one_after_the_other(tmp_path):
    for name in ("a.csv", "b.csv"):
        os.mkfifo(tmp_path / name)
    many = GOOD * 100  # more than a pipe holds

    def write():
        for name in ("a.csv", "b.csv"):
            (tmp_path / name).write_bytes(many)

    writer = threading.Thread(target=write)
    writer.start()
    report = convert(tmp_path / "a.csv", test=[tmp_path / "b.csv"])
    writer.join()
    assert (report["rows"], report["test_rows"]) == (4000, 4000)


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv", "-"])
def test_a_compressed_pipe_whatever_its_name(tmp_path, pipe, monkeypatch, name):
    packed = gzip.compress(GOOD)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(packed)))
    source = name if name == "-" else pipe(name, packed)
    report = ooc_train.convert(
        source, tmp_path / "o.h5", validation_fraction=0, features="ngram", force=True
    )
    assert report["rows"] == 40
    assert {path.name for path in tmp_path.iterdir()} == {name, "o.h5"} - {"-"}


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="/dev/zero is a device and no file; copy what it gives"):
        ooc_train.convert("/dev/zero", tmp_path / "o.h5", features="ngram")
    (tmp_path / "a.csv").write_bytes(GOOD)
    with pytest.raises(InputError, match="/dev/zero has a NUL character; it is to hold the"):
        convert(tmp_path / "a.csv", classes="/dev/zero")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match=r"folder.csv is a folder; name the files in it"):
        convert(tmp_path / "folder.csv", features="dense")
    os.mkfifo(tmp_path / "a.npy")
    with pytest.raises(InputError, match=r"a.npy is a pipe and no file; copy what it gives"):
        InputFile(tmp_path / "a.npy").open_raw()
    assert streamed(tmp_path / "a.npy").pipe is None


def test_names_of_classes_are_not_read_without_end(tmp_path):
    (tmp_path / "a.csv").write_bytes(GOOD)
    (tmp_path / "names").write_bytes(b"name\n" * 2**21)
    with pytest.raises(InputError, match="names has more than 8,388,608 bytes; it is to hold the"):
        convert(tmp_path / "a.csv", classes=tmp_path / "names")


# Compression


@pytest.mark.parametrize("options", [{}, {"write_checksum": True}, {"write_content_size": False}])
@pytest.mark.parametrize("n_bytes", [0, 1, 300, 70_000, 2**20])
def test_zstandard_is_decompressed_block_by_block(options, n_bytes):
    zstandard = pytest.importorskip("zstandard")
    content = os.urandom(n_bytes // 2) + bytes(n_bytes - n_bytes // 2)
    frame = zstandard.ZstdCompressor(**options).compress(content)
    skipped = b"\x5a\x2a\x4d\x18\x05\0\0\0abcde"

    def read(data):
        with COMPRESSIONS[".zst"].open(io.BytesIO(data)) as stream:
            return stream.read()

    assert read(frame) == content
    assert read(skipped + frame + skipped + frame) == 2 * content
    for n_lost in (1, 3, len(frame) // 2):
        with pytest.raises(EOFError):
            read(frame[:-n_lost])


def test_a_small_zstandard_file_takes_little_memory():
    zstandard = pytest.importorskip("zstandard")
    compressor = zstandard.ZstdCompressor().compressobj()
    bomb = b"".join(compressor.compress(bytes(2**22)) for _ in range(16)) + compressor.flush()
    assert len(bomb) < 2**14
    with COMPRESSIONS[".zst"].open(io.BytesIO(bomb)) as stream:
        blocks = stream.raw._blocks
        assert max(map(len, blocks)) <= 2**17


# Dirty files

PIECES = {
    "a.csv": [b"1", b"2", b",", b'"', b'""', b"\n", b"\r\n", b"\0", b"\xff", b"text", b" "],
    "a.tsv": [b"1", b"\t", b'"', b"\n", b"\r", b"\0", b"\xc3", b"text", b"\xef\xbb\xbf"],
    "a.jsonl": [
        b'{"label":1,"text":"a"}', b"{", b"}", b"[", b"]", b'"label"', b'"text"', b":", b",", b"1",
        b'"a"', b"NaN", b"\n", b"\0", b"\xff", b'"\\ud800"', b"null", b"1e999",
    ],
    "a.svm": [
        b"1 1:1", b"2 ", b" ", b":", b"3", b"1:2", b"#", b"qid:1", b"\n", b"\0", b"\xff", b",",
        b"9" * 5000, b"nan", b"-", b"1:1e999",
    ],
}  # fmt: skip
COMPRESSED = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress}


def rows_expected(name, data, max_row_bytes):
    """The lines that are not blank, or that are too long to be looked at."""
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if name == "a.svm":
        lines = [line if len(line) > max_row_bytes else line.partition(b"#")[0] for line in lines]
    return [
        number
        for number, line in enumerate(lines, 1)
        if line.strip() or (name == "a.svm" and len(line) > max_row_bytes)
    ]


@pytest.mark.parametrize("name", PIECES)
@pytest.mark.parametrize("suffix", COMPRESSED)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_row_of_a_dirty_file_is_kept_or_rejected(tmp_path_factory, name, suffix, data):
    content = b"".join(data.draw(st.lists(st.sampled_from(PIECES[name]), max_size=40)))
    path = tmp_path_factory.getbasetemp() / f"{name}{suffix}"
    path.write_bytes(COMPRESSED[suffix](content))
    gives = "sparse" if name == "a.svm" else "text"
    # Of the encoding given: zeros may look like UTF-16, in which a line is another.
    max_row_bytes = data.draw(st.sampled_from([20, 2**23]))
    layout = LayoutOptions(max_row_bytes=max_row_bytes, encoding="utf-8")
    lines = {}
    for block_bytes in (8, 50, 2**20):
        try:
            source = find_source(path, layout, gives=gives)
            found = [piece for piece, _ in source.read(block_bytes)]
        except OocTrainError as error:
            assert str(path) in str(error)  # noqa: PT017 - it may be raised, and then says where
            return
        n_blank = sum(piece.n_lines for piece in found if isinstance(piece, Blank))
        found = [piece for piece in found if not isinstance(piece, Blank)]
        rejects = [(piece.line, piece.reason) for piece in found if hasattr(piece, "reason")]
        kept = [line for p in found if not hasattr(p, "reason") for line in p.lines.tolist()]
        lines[block_bytes] = (kept, sorted(rejects), n_blank)
        numbers = sorted([*kept, *(line for line, _ in rejects)])
        assert len(set(numbers)) == len(numbers)
        if getattr(source.file, "is_array", False):  # a row is an element
            assert n_blank == 0
            with contextlib.suppress(ValueError):
                assert numbers == list(range(1, len(json.loads(content)) + 1))
        elif name in ("a.jsonl", "a.svm"):  # a row is a line
            assert numbers == rows_expected(name, content, max_row_bytes)
            assert n_blank == len(io.BytesIO(content).readlines()) - len(numbers)
    assert lines[8] == lines[50] == lines[2**20]


@pytest.mark.parametrize("beginning", [b"[}{", b"[1]{", b'["a"}{'])
def test_brackets_of_an_array_that_do_not_match_are_refused(tmp_path, beginning):
    path = tmp_path / "a.json"
    path.write_bytes(beginning + b'{"label":1,"text":"a"}}')
    with pytest.raises(InputError, match="a.json, line 1: .*one JSON object a line is expected"):
        find_source(path, LayoutOptions(), gives="text")


@pytest.mark.parametrize("block_bytes", [8, 2**20])
def test_a_row_that_is_too_long_is_that_whatever_its_label(tmp_path, block_bytes):
    path = tmp_path / "a.svm"
    path.write_bytes(b"," + b"9" * 400 + b"\n1 1:1\n")
    source = find_source(path, LayoutOptions(max_row_bytes=20), gives="sparse")
    pieces = [piece for piece, _ in source.read(block_bytes)]
    assert [p.reason for p in pieces if hasattr(p, "reason")] == ["the row is longer than 20 bytes"]


def test_what_hangs_or_takes_quadratic_time_elsewhere(tmp_path):
    digits = b"1" * 200_000
    rows = {
        "a.svm": [b"1 1:" + digits + b"x", b"1 " + b"0" * 200_000 + b"x:1", b"1 " + digits + b":1"],
        "a.csv": [b"1," + digits + b"x"],
    }
    for name, lines in rows.items():
        (tmp_path / name).write_bytes(b"\n".join([b"1 1:1" if "svm" in name else b"1,1", *lines]))
        gives = "sparse" if "svm" in name else "dense"
        found = [
            p for p, _ in find_source(tmp_path / name, LayoutOptions(), gives=gives).read(2**20)
        ]
        reasons = [piece.reason for piece in found if hasattr(piece, "reason")]
        assert len(reasons) == len(lines)
        assert max(map(len, reasons)) < 200
