"""Arrays and labels that are damaged or lie about their sizes: one sentence, little memory."""

import gzip
import io
import struct
import warnings
import zipfile

import numpy as np
import pytest

from ooc_train.conversion.sources import label_files
from ooc_train.conversion.sources.files import npy
from ooc_train.conversion.sources.files.rejects import Reject
from ooc_train.conversion.sources.find import find_source
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.errors import InputError, OocTrainError

VALUES = np.arange(12, dtype=np.float32).reshape(4, 3)
LABELS = np.array(["a", "b", "a", "b"])
BLOCK_BYTES = 2**20


def saved(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def with_header(header, content=b"", *, version=1, length=None):
    size, code = {1: (2, "<H"), 2: (4, "<I")}[version]
    length = struct.pack(code, len(header) if length is None else length)
    assert len(length) == size
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + content


def described(descr="'<f4'", shape="(4, 3)", content=48, order="False"):
    header = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}"
    return with_header(header.encode(), b"\0" * content)


def rows_of(path, *, labels=None, block_bytes=BLOCK_BYTES, **options):
    """The values, the labels and the rejects of a file of features."""
    source = find_source(path, LayoutOptions(labels=labels, **options), gives="dense")
    values, spelled, rejects = [], [], []
    for piece, _ in source.read(block_bytes):
        if isinstance(piece, Reject):
            rejects.append(piece)
        else:
            values += piece.values.tolist()
            spelled += [piece.labels.distinct[i] for i in piece.labels.numbers]
    return values, spelled, rejects


def read_features(tmp_path, content, name="rows.npy", **options):
    (tmp_path / name).write_bytes(content)
    return rows_of(tmp_path / name, needs_label=False, **options)


DAMAGED = "rows.npy has a damaged header; make the file again"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (with_header(b"", version=2, length=2**32 - 1), DAMAGED),
        (with_header(b"{'descr': '<f4', 'shape': ("), DAMAGED),
        (with_header(b"(" * 9000), DAMAGED),
        (with_header(b"[1, 2]"), DAMAGED),
        (with_header(b"\xff\xfe"), DAMAGED),
        (with_header(b"{}"), DAMAGED),
        (described(shape="(-4, -3)"), DAMAGED),
        (described(shape="(4, True)"), DAMAGED),
        (described(shape="4"), DAMAGED),
        (described(shape="()"), DAMAGED),
        (described(shape=f"({'1, ' * 65})"), DAMAGED),
        (described(shape=f"(1{'0' * 4000}, 3)"), DAMAGED),
        (described(descr="7"), DAMAGED),
        (described(descr="'<q9'"), DAMAGED),
        (described(descr="'<U0'"), DAMAGED),
        (described(descr="'|O'"), "rows.npy holds object, where numbers or strings are expected"),
        (described(descr="[('a', '<f4')]"), r"rows.npy holds \[\('a', '<f4'\)\], where numbers"),
        (described(descr="'|V4'"), r"rows.npy holds \|V4, where numbers or strings are expected"),
        (described(descr="'<c8'"), "rows.npy holds complex64, where numbers or strings"),
        (described(shape="(9223372036854775807, 9223372036854775807)"), "rows.npy is truncated;"),
        (described(content=47), "rows.npy is truncated; make the file again"),
        (described(content=49), "rows.npy goes on behind the 4 rows that its header declares;"),
        (saved(VALUES) + saved(VALUES), "rows.npy goes on behind the 4 rows that its header decl"),
        (b"\x93NUMPY\x03\0", "rows.npy is not an array that can be read; write it with numpy.sav"),
        (b"\x93NUMPY", "rows.npy is not an .npy array; write it with numpy.save"),
    ],
)
def test_headers(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read_features(tmp_path, content)


def test_the_header_of_python_2(tmp_path):
    values, _, _ = read_features(tmp_path, described(shape="(4L, 3L)"))
    assert values == [[0.0] * 3] * 4


def test_no_more_is_read_of_a_header_than_one_can_have(tmp_path):
    """The length is believed of no compressed file either, which could go on for ever."""
    header = with_header(b" " * 20_000, version=2)
    stream = io.BytesIO(header)
    with pytest.raises(InputError, match="damaged header"):
        npy.ArrayStream("rows", stream)
    assert stream.tell() < 20


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (described(content=47), "rows.npy.gz is truncated; make the file again"),
        (described(content=49), "rows.npy.gz goes on behind the 4 rows that its header declares;"),
        (described(shape="(4000000000000000000, 3)"), "rows.npy.gz is truncated;"),
    ],
)
def test_sizes_of_compressed_arrays(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read_features(tmp_path, gzip.compress(content), "rows.npy.gz")
    with pytest.raises(InputError, match="rows.npy.gz cannot be read to its end: "):
        read_features(tmp_path, gzip.compress(saved(VALUES))[:-9], "rows.npy.gz")


@pytest.mark.parametrize("name", ["rows.npy.gz", "rows.npz"])
def test_compressed_arrays_in_fortrans_order(tmp_path, name):
    array = np.asfortranarray(VALUES)
    file = io.BytesIO()
    np.savez(file, x=array)
    content = file.getvalue() if name == "rows.npz" else gzip.compress(saved(array))
    assert read_features(tmp_path, content, name)[0] == VALUES.tolist()
    with pytest.raises(InputError, match="lies in Fortran's order in a compressed file, so that "):
        read_features(tmp_path, content, name, block_bytes=12)
    assert read_features(tmp_path, saved(array), block_bytes=12)[0] == VALUES.tolist()


def archive(members, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as target, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # duplicate names
        for name, content in members:
            target.writestr(name, content)
    return file.getvalue()


X, Y = ("x.npy", saved(VALUES)), ("y.npy", saved(LABELS))
PAIR = archive([X, Y])
IN_DIRECTORY = PAIR.index(b"PK\1\2")


def patched(place, value):
    """The archive with other bytes at a place in the first entry of its directory."""
    start = IN_DIRECTORY + place
    return PAIR[:start] + value + PAIR[start + len(value) :]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (archive([X, Y, X]), "rows.npz has two arrays of one name; make the file again"),
        (archive([X, Y], zipfile.ZIP_BZIP2), "'x' is encrypted, or compressed as NumPy does not"),
        (archive([X, Y], zipfile.ZIP_LZMA), "'x' is encrypted, or compressed as NumPy does not"),
        (patched(8, b"\1"), "array 'x' is encrypted, or compressed as NumPy does not"),
        (patched(24, struct.pack("<I", 150)), "array 'x' cannot be read to its end: Bad CRC-32"),
        (patched(24, struct.pack("<I", 2**31)), "array 'x' goes on behind the 4 rows"),
        (patched(24, struct.pack("<I", len(X[1]) + 1)), "array 'x' goes on behind the 4 rows"),
        (patched(42, struct.pack("<I", 2**31)), "array 'x' cannot be read to its end: "),
        (patched(16, b"\0\0\0\0"), "array 'x' cannot be read to its end: Bad CRC-32"),
        (patched(46, b"\xff"), "rows.npz has no arrays features and labels, or x and y, but"),
        (archive([("x.npy", saved(VALUES) + b"!"), Y]), "array 'x' goes on behind the 4 rows"),
        (archive([X, ("y.npy", saved(LABELS[:3]))]), "'y' has 3 labels for 4 rows"),
        (archive([X, ("y.npy", saved(VALUES))]), r"'y' has the shape \(4, 3\); labels are one"),
        (
            archive([(f"{'x' * 250}{i}", b"") for i in range(4000)]),
            "rows.npz cannot be read as .np",
        ),
    ],
)
def test_archives(tmp_path, content, message):
    (tmp_path / "rows.npz").write_bytes(content)
    with pytest.raises(InputError, match=message):
        rows_of(tmp_path / "rows.npz")


def test_names_in_archives_that_are_no_utf8(tmp_path):
    content = archive([("ä.npy", X[1]), Y]).replace("ä".encode(), b"\xff\xff")
    (tmp_path / "rows.npz").write_bytes(content)
    with pytest.raises(InputError, match="rows.npz cannot be read as .npz: 'utf-8' codec can't"):
        rows_of(tmp_path / "rows.npz")


# Labels


@pytest.mark.parametrize("name", ["labels.npy", "labels.txt", "labels.txt.gz"])
def test_labels_come_in_pieces(tmp_path, monkeypatch, name):
    """However many labels a block of rows has, few are in memory; none is lost between pieces."""
    monkeypatch.setattr(label_files, "_PIECE_BYTES", 20)
    n_rows = 50
    labels = np.array([f"l{i * i % 7}" for i in range(n_rows)])
    lines = "".join(f"{label}\n" for label in labels).encode()
    content = {"npy": saved(labels), "txt": lines, "gz": gzip.compress(lines)}
    (tmp_path / name).write_bytes(content[name.rpartition(".")[2]])
    np.save(tmp_path / "rows.npy", np.zeros((n_rows, 2)))
    _, found, _ = rows_of(tmp_path / "rows.npy", labels=tmp_path / name)
    assert found == [label.encode() for label in labels]


def test_labels_of_absurd_sizes(tmp_path, monkeypatch):
    np.save(tmp_path / "rows.npy", VALUES)
    (tmp_path / "labels.npy").write_bytes(described("'<U2000000'", "(4,)", 32_000_000))
    with pytest.raises(InputError, match="has labels of 8,000,000 bytes; a label has at most 1,0"):
        rows_of(tmp_path / "rows.npy", labels=tmp_path / "labels.npy")
    (tmp_path / "labels.npy").write_bytes(described("'<U1'", "(4,)", 12) + b"\xff\xff\xff\xff")
    with pytest.raises(InputError, match="labels.npy, row 4: the label has a character that is no"):
        rows_of(tmp_path / "rows.npy", labels=tmp_path / "labels.npy")
    (tmp_path / "labels.txt").write_bytes(b"a\nb\n" + b"x" * 10_000 + b"\nb\n")
    _, found, _ = rows_of(tmp_path / "rows.npy", labels=tmp_path / "labels.txt")
    assert found == [b"a", b"b", b"x" * 2000, b"b"]  # which is longer than a label can be
    monkeypatch.setattr(label_files, "_MOST_DISTINCT_BYTES", 1000)
    with pytest.raises(InputError, match="labels.txt has more than 1,000 bytes of different labe"):
        rows_of(tmp_path / "rows.npy", labels=tmp_path / "labels.txt")


# Damage of all kinds

N_MUTATIONS = 400
N_ROWS = 40


def mutated(content, rng):
    """A file with one to three changes, most of them in its header or its directory."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        near = min(len(content), 140)
        place = int(
            rng.choice([rng.integers(near), rng.integers(len(content)), -rng.integers(near)])
        )
        place %= len(content)
        some = rng.integers(256, size=rng.integers(1, 20), dtype=np.uint8).tobytes()
        match rng.integers(6):
            case 0:
                content[place : place + 1] = some[:1]
            case 1:
                del content[place : place + len(some)]
            case 2:
                content[place:place] = some
            case 3:
                content[place : place + 4] = rng.choice([2**31 - 1, 2**32 - 1, 0], 1).tobytes()[:4]
            case 4:
                content[place : place + 1] = bytes(rng.choice(list(b"9-(),'LeUOVS0"), 1).tolist())
            case 5:
                del content[max(place, 40) :]
    return bytes(content)


@pytest.mark.filterwarnings("error")
def test_damaged_files_are_read_whole_or_refused_with_a_sentence(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(N_ROWS, 3)).astype(np.float32)
    labels = np.arange(N_ROWS) % 2
    files = [saved(values), saved(np.asfortranarray(values)), saved(values.astype(np.int16))]
    label_arrays = [saved(labels), saved(labels.astype("S2")), saved(labels.astype("U2"))]
    members = [("x.npy", files[0]), ("y.npy", label_arrays[0])]
    archives = [archive(members), archive(members, zipfile.ZIP_DEFLATED)]
    n_read = 0
    for number in range(N_MUTATIONS):
        first, second = files[number % 3], label_arrays[number // 3 % 3]
        if number % 4 == 0:
            options = {"path": tmp_path / "rows.npz"}
            options["path"].write_bytes(mutated(archives[number // 4 % 2], rng))
        else:
            options = {"path": tmp_path / "rows.npy", "labels": tmp_path / "labels.npy"}
            damaged = number % 2
            options["path"].write_bytes(mutated(first, rng) if damaged else first)
            options["labels"].write_bytes(second if damaged else mutated(second, rng))
        try:
            found, spelled, rejects = rows_of(**options)
        except OocTrainError as error:
            message = str(error)
            assert "\n" not in message
            assert len(message.replace(str(tmp_path), "")) < 400
        else:
            n_read += 1
            assert len(found) + len(rejects) == len(spelled) + len(rejects) == N_ROWS
    assert n_read > N_MUTATIONS // 20
