"""Dialects of CSV, encodings and formats: given by options, or found in the bytes, and said."""

import csv
import gzip
import io
import json
import lzma
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ooc_train
from ooc_train.conversion.sources.files.encoding import spelling_of
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.ranges import RangeEnd
from ooc_train.conversion.sources.files.rejects import Blank, Reject
from ooc_train.conversion.sources.find import find_source
from ooc_train.conversion.sources.formats.delimited_kernel import Dialect, Parser, read_rows
from ooc_train.conversion.sources.formats.json_array import ArrayLines
from ooc_train.conversion.sources.formats.table import format_of
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.errors import InputError, OptionError

FIELDS = st.text(alphabet='ab",;\\ \n é', max_size=8)
TABLES = st.lists(st.tuples(FIELDS, FIELDS), min_size=1, max_size=9)
TEXTS = ["good film, really", "bad film", "fine, fine film", 'a "quoted" word'] * 10
ROWS = [(str(1 + i % 2), f"{text} {i % 5}") for i, text in enumerate(TEXTS)]


def parsed(data, dialect, n_columns=2, block_bytes=64):
    """The fields of all rows, and the reasons of rejects."""
    parser = Parser(dialect, n_columns, range(n_columns))
    rows, reasons = [], []
    for piece in read_rows(io.BytesIO(data), parser, block_bytes):
        if isinstance(piece, Reject):
            reasons.append(piece.reason)
        elif not isinstance(piece, RangeEnd):
            rows += [
                tuple(piece.cells.cell(row, k) for k in range(n_columns))
                for row in range(len(piece.lines))
            ]
    return rows, reasons


def rows_of(path, **layout):
    """Labels and texts of the rows of a file, its remarks, and the reasons of rejects."""
    source = find_source(path, LayoutOptions(**layout))
    rows, reasons = [], []
    for piece, _ in source.read(2**16):
        if isinstance(piece, Reject):
            reasons.append((piece.line, piece.reason))
        if isinstance(piece, Reject | Blank):
            continue
        labels = [piece.labels.distinct[k].decode() for k in piece.labels.numbers]
        texts = [piece.text_bytes(row).decode() for row in range(len(piece))]
        rows += zip(labels, texts, strict=True)
    return rows, list(source.file.remarks), reasons


def written(path, rows, encoding="utf-8", **dialect):
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, **{"lineterminator": "\n", **dialect}).writerows(rows)
    return path


# The kernel, beside the standard library's


@given(TABLES, st.sampled_from(",;|\t"), st.booleans(), st.integers(8, 90))
def test_escapes_equal_the_csv_module(table, delimiter, quotes, block_bytes):
    options = {"delimiter": delimiter, "escapechar": "\\", "lineterminator": "\n"}
    options |= {"quoting": csv.QUOTE_ALL, "doublequote": False} if quotes else {}
    options |= {} if quotes else {"quoting": csv.QUOTE_NONE, "quotechar": None}
    text = io.StringIO(newline="")
    csv.writer(text, **options).writerows(table)
    del options["lineterminator"]
    expected = [
        tuple(row) for row in csv.reader(io.StringIO(text.getvalue(), newline=""), **options)
    ]
    rows, reasons = parsed(
        text.getvalue().encode(), Dialect(delimiter, quotes, "\\"), block_bytes=block_bytes
    )
    assert not reasons
    assert [tuple(field.decode() for field in row) for row in rows] == expected


@given(st.lists(st.tuples(*[st.text(alphabet='ab" é', max_size=6)] * 2), min_size=1, max_size=9))
def test_without_quotes_a_quote_is_a_character(table):
    data = "".join(f"{left}\t{right}\n" for left, right in table).encode()
    rows, reasons = parsed(data, Dialect("\t", quotes=False))
    assert not reasons
    assert [tuple(field.decode() for field in row) for row in rows] == table


def test_spaces_around_quoted_fields():
    dialect = Dialect(",", spaces=True)
    rows, reasons = parsed(b'1, "a, b" ,\r\n2,  c,"d" \n3, "', dialect, 3)
    assert rows == [(b"1", b"a, b", b""), (b"2", b"  c", b"d")]
    assert reasons == ["a quote is opened and never closed"]


@pytest.mark.parametrize("block_bytes", [8, 16, 1000])
def test_byte_order_marks_inside_joined_files(tmp_path, block_bytes):
    mark = b"\xef\xbb\xbf"
    rows, reasons = parsed(mark + b"1,a\n" + mark + b'"2","b"\n', Dialect(","), 2, block_bytes)
    assert rows == [(b"1", b"a"), (b"2", b"b")]
    assert not reasons


# What is found


@pytest.mark.parametrize(
    ("delimiter", "remark"),
    [
        (",", []),
        (";", ["fields are separated by semicolons"]),
        ("|", ["fields are separated by bars"]),
        ("\t", ["fields are separated by tabs", "fields are quoted"]),
    ],
)
@pytest.mark.parametrize("header", [(), (("label", "text"),)])
def test_the_delimiter_is_found_and_said(tmp_path, delimiter, remark, header):
    path = written(tmp_path / "a.csv", [*header, *ROWS], delimiter=delimiter)
    layout = {"text": ("text",), "label": "label"} if header else {}
    assert rows_of(path, **layout) == (ROWS, remark, [])


def test_a_comma_of_a_sentence_separates_no_fields(tmp_path):
    rows = [(label, f"a film, {text.replace(',', '')}") for label, text in ROWS if '"' not in text]
    (tmp_path / "a.csv").write_text("".join(f"{label};{text}\n" for label, text in rows))
    assert rows_of(tmp_path / "a.csv")[0] == rows
    (tmp_path / "b.csv").write_text("".join(f"{label},a; b\n" for label, _ in rows))
    assert rows_of(tmp_path / "b.csv")[1] == []


def test_the_delimiter_that_makes_the_names(tmp_path):
    rows = [("text;more", "label"), ("a;b", "1"), ("c;d", "2")]
    path = written(tmp_path / "a.csv", rows, quoting=csv.QUOTE_NONE)
    assert rows_of(path, text=("text;more",), label="label") == (
        [("1", "a;b"), ("2", "c;d")],
        [],
        [],
    )
    assert rows_of(path, text=("text;more",), label="label", delimiter=",")[2] == []
    with pytest.raises(InputError, match=r"there is no column 'text'; the columns are 'text;more'"):
        rows_of(path, text=("text",), label="label", delimiter=",")


def test_a_line_that_names_the_delimiter(tmp_path):
    (tmp_path / "a.csv").write_text("sep=|\nlabel|text\n1|a, b\n2|c, d\n3\n")
    rows, remarks, rejects = rows_of(tmp_path / "a.csv", text=("text",), label="label")
    assert rows == [("1", "a, b"), ("2", "c, d")]
    assert remarks == ["fields are separated by bars"]
    assert rejects == [(5, "found 1 columns, expected 2")]


def test_tabs_without_quotes(tmp_path):
    rows = [("1", '"he said'), ("2", 'and left"'), ("1", "so"), ("2", '"all of it"')] * 9
    (tmp_path / "a.tsv").write_text("".join(f"{label}\t{text}\n" for label, text in rows))
    assert rows_of(tmp_path / "a.tsv") == (rows, [], [])
    assert len(rows_of(tmp_path / "a.tsv", quoting="standard")[0]) < len(rows)


def test_tabs_with_quotes_below_a_header_without(tmp_path):
    (tmp_path / "a.tsv").write_text("label\ttext\n" + '"1"\t"a, b"\n"2"\t"c"\n')
    rows, remarks, _ = rows_of(tmp_path / "a.tsv", text=("text",), label="label")
    assert (rows, remarks) == ([("1", "a, b"), ("2", "c")], ["fields are quoted"])
    (tmp_path / "a.tsv").write_text('1\ta title\n2\t"one title"\n')  # which says little
    assert rows_of(tmp_path / "a.tsv") == ([("1", "a title"), ("2", '"one title"')], [], [])


def test_what_stands_above_a_header_is_told(tmp_path):
    (tmp_path / "a.csv").write_text("# of May\nlabel,text\n1,a\n2,b\n")
    message = "line 1 is no header: found 1 columns, expected 2; the header names each column"
    with pytest.raises(InputError, match=message):
        rows_of(tmp_path / "a.csv", text=("text",), label="label")


def test_an_encrypted_archive_is_told(tmp_path):
    path = zipped(tmp_path / "a.zip", ["a.csv"])
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="it is encrypted; unpack it with its password"):
        rows_of(path)


@pytest.mark.parametrize("quoting", [csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC, csv.QUOTE_MINIMAL])
def test_tabs_with_quotes_that_are_seen(tmp_path, quoting):
    rows = [(label, f'{text}\t"more"\n') for label, text in ROWS]
    path = written(tmp_path / "a.tsv", rows, delimiter="\t", quoting=quoting)
    assert rows_of(path) == (rows, ["fields are quoted"], [])


def test_most_rows_decide_the_columns_and_the_escape(tmp_path):
    lines = [f'{label},"{text.replace(chr(34), chr(92) + chr(34))}"\n' for label, text in ROWS]
    (tmp_path / "a.csv").write_text("".join(["1,an odd one\n", *lines[3:]]))
    rows, remarks, rejects = rows_of(tmp_path / "a.csv")
    assert (rows[1:], rejects) == (ROWS[3:], [])
    assert remarks == ["a backslash stands before quotes inside fields"]
    (tmp_path / "b.csv").write_text("".join(["1,a,b,c\n", *(f"{a},b\n" for a, _ in ROWS)]))
    rows, _, rejects = rows_of(tmp_path / "b.csv")
    assert len(rows) == len(ROWS)
    assert rejects == [(1, "found 4 columns, expected 2")]


def test_a_header_that_is_repeated_is_no_row(tmp_path):
    rows = [("label", "text"), ("1", "a"), ("label", "text"), ("2", "text"), ("label", "b")]
    path = written(tmp_path / "a.csv", rows)
    found = rows_of(path, text=("text",), label="label")
    assert found[0] == [("1", "a"), ("2", "text"), ("label", "b")]
    assert found[2] == [(3, "the header again")]
    written(tmp_path / "b.csv", [("text",), ("a",), ("text",)])
    texts = rows_of(tmp_path / "b.csv", text=("text",), needs_label=False)
    assert ([text for _, text in texts[0]], texts[2]) == (["a", "text"], [])


# Encodings


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_utf_16_is_recognised(tmp_path, encoding, name):
    rows = [(label, f"{text} é 日本") for label, text in ROWS]
    path = tmp_path / name
    if name == "a.csv":
        written(path, rows, encoding)
    else:
        lines = (json.dumps({"label": a, "text": b}) for a, b in rows)
        path.write_text("\n".join(lines), encoding)
    if encoding[-2:] in ("le", "be") and name == "a.csv":
        rows = [(label, text.replace("日本", "")) for label, text in rows]
        written(path, rows, encoding)  # without a mark it is told by its NUL bytes
    assert rows_of(path)[0] == rows


@given(st.text(alphabet="ab\r\n é日𝄞", max_size=50), st.sampled_from(["utf-16", "utf-32", "cp932"]))
def test_any_piece_of_a_text_is_decoded(text, encoding):
    data = (
        text.replace("é", "e").replace("𝄞", "日" if encoding == "cp932" else "𝄞").encode(encoding)
    )
    spelling = spelling_of(data, encoding)._replace(ends_with_return=False)
    assert spelling.stream(io.BytesIO(data)).read().decode() == data.decode(encoding)


def test_what_no_character_is_becomes_invalid_and_is_counted(tmp_path):
    (tmp_path / "a.csv").write_bytes("1,é and more\n2,\x81 and more\n".encode("latin-1") * 9)
    report = ooc_train.convert(
        tmp_path / "a.csv", tmp_path / "a.h5", encoding="cp1252", validation_fraction=0
    )
    assert report["replaced_rows"] == 9
    (tmp_path / "b.csv").write_bytes(b"n\xe9,a b\nn\xe8,c d\n" * 9)
    with pytest.raises(InputError, match=r"label 'n\\xe9' is not valid UTF-8; name its enc"):
        ooc_train.convert(tmp_path / "b.csv", tmp_path / "b.h5", max_rejects=0)
    with pytest.raises(OptionError, match="'rot13' is no encoding of text, such as utf-16"):
        ooc_train.convert(tmp_path / "a.csv", tmp_path / "b.h5", encoding="rot13")


def test_returns_that_end_lines(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"label,text\r1,a\r2,b\r3\r")
    rows, _, rejects = rows_of(tmp_path / "a.csv", text=("text",), label="label")
    assert (rows, rejects) == ([("1", "a"), ("2", "b")], [(4, "found 1 columns, expected 2")])
    (tmp_path / "b.csv").write_bytes(b'1,"a\rb"\n2,c')
    assert rows_of(tmp_path / "b.csv")[0] == [("1", "a\rb"), ("2", "c")]


# Formats, by their first bytes


def zipped(path, names):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, "".join(f"{label},{i}\n" for i, (label, _) in enumerate(ROWS)))
    return path


def test_compressions_whatever_the_name(tmp_path):
    expected = [(label, str(i)) for i, (label, _) in enumerate(ROWS)]
    assert rows_of(zipped(tmp_path / "a.zip", ["a.csv"]))[0] == expected
    assert rows_of(zipped(tmp_path / "a.csv", ["a.csv"]))[0] == expected
    data = "".join(f"{label},{text}\n" for label, text in expected).encode()
    (tmp_path / "a.csv.xz").write_bytes(lzma.compress(data))
    assert rows_of(tmp_path / "a.csv.xz")[0] == expected
    with pytest.raises(
        InputError, match=r"b.zip cannot be decompressed: the archive holds 2 files"
    ):
        rows_of(zipped(tmp_path / "b.zip", ["a.csv", "b.csv"]))
    (tmp_path / "a.csv.xz").write_bytes(lzma.compress(data)[:-20])
    with pytest.raises(InputError, match=r"a.csv.xz cannot be"):
        rows_of(tmp_path / "a.csv.xz")


def test_text_is_not_compressed_whatever_its_name(tmp_path):
    """Browsers decompress what they download, and keep the name."""
    (tmp_path / "a.csv.gz").write_text("1,größer\n" * 200, encoding="utf-8")
    assert rows_of(tmp_path / "a.csv.gz")[0] == [("1", "größer")] * 200
    (tmp_path / "b.csv.gz").write_bytes(b"1,\0\n" * 9)
    with pytest.raises(InputError, match="b.csv.gz cannot be read to its end: Not a gzipped file"):
        rows_of(tmp_path / "b.csv.gz")


def test_what_macos_adds_to_an_archive_is_no_file_of_it(tmp_path):
    names = ["rows/", "rows/a.csv", "__MACOSX/rows/._a.csv"]
    assert rows_of(zipped(tmp_path / "a.zip", names))[0][0] == (ROWS[0][0], "0")


def test_formats_whatever_the_name(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 2)))
    (tmp_path / "a.npy").rename(tmp_path / "a.csv")
    np.savez(tmp_path / "b.npz", x=np.zeros((2, 2)))
    (tmp_path / "b.npz").rename(tmp_path / "b.zip")
    (tmp_path / "c.txt").write_text('{"label": 1, "text": "a"}\n')
    (tmp_path / "d.txt").write_text("__label__a some text\n")
    (tmp_path / "e.txt").write_text("1,a\n")
    found = [
        format_of(InputFile(tmp_path / n)) for n in ("a.csv", "b.zip", "c.txt", "d.txt", "e.txt")
    ]
    assert found == ["npy", "npz", "jsonl", "fasttext", "csv"]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x89HDF\r\n\x1a\n" + bytes(20), "an HDF5 file; give it to ooc-train"),
        (b"SQLite format 3\0" + bytes(90), "an SQLite database"),
        (bytes(257) + b"ustar" + bytes(300), "a tar archive; unpack it"),
        (b"%PDF-1.4\n", "a PDF document"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a picture"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "a picture"),
        (b"<!DOCTYPE html><html>\n", "a web page; download the file behind it"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b"\x80\x04\x95\x10\0\0\0", "a pickle of Python, which may run code"),
        (gzip.compress(gzip.compress(b"1,a\n", mtime=0), mtime=0), "compressed twice"),
        (b"Obj\x01\4\x14avro.codec", "an Avro file"),
        (b"ORC\n\3\0\0", "an ORC file"),
        (b"FEA1" + bytes(4), "an old Feather file"),
        (b"MATLAB 5.0 MAT-file", "a file of MATLAB"),
        (b"%%MatrixMarket matrix coordinate real general\n", "a matrix of Matrix Market"),
        (b"% rows\n\n@RELATION rows\n", "an ARFF file"),
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.txt", "a.parquet", "a.feather"])
def test_what_holds_no_rows_is_named(tmp_path, data, what, name):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=f"{name} is {what}"):
        rows_of(tmp_path / name)


def test_a_workbook_is_named(tmp_path):
    with pytest.raises(
        InputError, match=r"a.xlsx is a workbook or document; save its sheet as CSV"
    ):
        rows_of(zipped(tmp_path / "a.xlsx", ["[Content_Types].xml", "xl/workbook.xml"]))


def test_lines_of_fasttext(tmp_path):
    lines = [
        "__label__a some text",
        "",
        "__label__b\tx",
        "__label__a __label__b y",
        "z",
        "__label__b ",
    ]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    rows, _, rejects = rows_of(tmp_path / "a.txt")
    assert rows == [("a", "some text"), ("b", "x"), ("b", "")]
    assert rejects == [
        (4, "the line has more than one label"),
        (5, "the line does not begin with __label__ and a class"),
    ]
    assert [text for _, text in rows_of(tmp_path / "a.txt", needs_label=False)[0]][2:] == ["z", ""]


VALUES = st.recursive(
    st.one_of(st.none(), st.integers(), st.text(alphabet='a"\\[]{},\n', max_size=5)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner),
)


@given(
    st.lists(st.dictionaries(st.sampled_from("ab"), VALUES), max_size=5),
    st.sampled_from([None, 2]),
    st.integers(1, 40),
)
def test_arrays_of_objects_become_lines(rows, indent, n_bytes):
    stream = ArrayLines(io.BytesIO(json.dumps(rows, indent=indent).encode()))
    data = b"".join(iter(lambda: stream.read(n_bytes), b""))
    assert [json.loads(line) for line in data.split(b"\n") if line.strip()] == rows


def test_an_array_that_is_cut(tmp_path):
    objects = [{"label": label, "text": text} for label, text in ROWS]
    (tmp_path / "a.json").write_text(json.dumps(objects, indent=1))
    assert rows_of(tmp_path / "a.json")[0] == ROWS
    text = json.dumps(objects)
    (tmp_path / "a.json").write_text(text[: text.rindex("}") + 1])
    with pytest.raises(
        InputError, match="a.json cannot be read to its end: the JSON array does not"
    ):
        rows_of(tmp_path / "a.json")
    objects[2] = 7
    (tmp_path / "a.json").write_text(json.dumps(objects))
    assert rows_of(tmp_path / "a.json")[2] == [(3, "found a number, not an object")]
    (tmp_path / "a.json").write_text('{"label": {"0": 1}, "text": {"0": "a"}}')
    with pytest.raises(
        InputError, match="a.json is one object, with a column in each field; write"
    ):
        rows_of(tmp_path / "a.json")
