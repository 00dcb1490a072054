"""Crafted files: each is refused with one sentence, whoever sealed it, before it does any harm.

A craft edits a whole file, and seals it with the package's own checksums, as an attacker can.
"""

import json
import os
import re
import shutil
import struct
import subprocess
import sys

import h5py
import numpy as np
import pytest

import ooc_train
from ooc_train.conversion.vectorizer import load_vectorizer
from ooc_train.errors import FormatError, InputError, OptionError
from ooc_train.file import checksums
from ooc_train.file.chunk_tree import chunks_near
from ooc_train.file.structure import arrays_of
from ooc_train.inspection.describe import inspect
from ooc_train.inspection.overview import panels_of
from ooc_train.inspection.verify import verify
from ooc_train.reading.store import open as open_store
from tests.corpora import random_rows, write_rows
from tests.files import reseal

INPUTS = {
    "ngram": {"features": "ngram"},
    "sequence": {"features": "sequence"},
    "lz4": {"features": "sequence", "compression": "lz4"},
    "zstd": {"features": "ngram", "compression": "zstd"},
    "int8": {"features": "dense", "dtype": "int8"},
    "sparse": {"features": "sparse"},
}


@pytest.fixture(scope="module")
def wholes(tmp_path_factory):
    """A whole file of each kind, with two splits."""
    folder = tmp_path_factory.mktemp("whole")
    random = np.random.default_rng(0)
    texts = write_rows(folder / "texts.csv", random_rows(120))
    np.save(folder / "dense.npy", random.standard_normal((90, 3)).astype(np.float32))
    np.save(folder / "labels.npy", random.integers(3, size=90))
    rows = (f"{i % 2} {1 + i % 7}:1.5 {9 + i % 5}:2\n" for i in range(90))
    (folder / "rows.svm").write_text("".join(rows))
    for name, options in INPUTS.items():
        source = {"int8": folder / "dense.npy", "sparse": folder / "rows.svm"}.get(name, texts)
        labels = {"labels": [folder / "labels.npy"]} if name == "int8" else {}
        ooc_train.convert(source, folder / f"{name}.h5", **options, **labels)
    return folder


@pytest.fixture
def crafted(wholes, tmp_path):
    """A function that makes a copy of a whole file and edits it."""

    def make(kind, craft, *, sealed=True):
        path = tmp_path / "crafted.h5"
        path.write_bytes((wholes / f"{kind}.h5").read_bytes())
        with h5py.File(path, "r+") as file:
            craft(file)
            if sealed:
                reseal(file)
        return path

    return make


def uses(path, *, checked=True):
    """Everything that people do with a data file, but training."""
    with open_store(path, verify=checked) as store:
        for split in store.splits.values():
            for rows, labels in split.batches(32, seed=0):
                assert len(rows) == len(labels)
            store.samples(split.name)
        panels_of(store)
        load_vectorizer(store.handle)


def commands(path):
    """What the commands inspect and inspect --verify call."""
    inspect(path)
    if damaged := verify(path)["damaged"]:
        raise FormatError(f"{path}: {damaged[0]['text']}")


def refusals(path):
    """The sentences of those uses that refuse the file.  Any other exception is a failure."""
    found = []
    for use in (uses, lambda path: uses(path, checked=False), commands):
        try:
            use(path)
        except FormatError as error:
            found.append(str(error))
    return found


@pytest.mark.parametrize("kind", INPUTS)
def test_a_whole_file_is_refused_by_nobody(wholes, kind):
    assert refusals(wholes / f"{kind}.h5") == []


def test_a_file_that_is_sealed_again_is_refused_by_nobody(crafted):
    for kind in INPUTS:
        assert refusals(crafted(kind, lambda file: None)) == []


# ---- The crafts.


def put(name, array, **options):
    """Put an array in the place of another."""

    def craft(file):
        if name in file:
            del file[name]
        file.create_dataset(name, data=array, **options)

    return craft


def change(name, edit):
    """Replace an array by what ``edit`` makes of it."""

    def craft(file):
        array = edit(file[name][...])
        del file[name]
        file[name] = array

    return craft


def say(name, value, group="/"):
    """Give an attribute another value."""

    def craft(file):
        if value is None:
            del file[group].attrs[name]
        else:
            file[group].attrs[name] = value

    return craft


def parameter(**values):
    """Give parameters of the vectorizer other values."""

    def craft(file):
        attributes = file["vectorizer"].attrs
        attributes["parameters"] = json.dumps(json.loads(attributes["parameters"]) | values)

    return craft


def link(name, target):
    """Put a link in the place of an object."""

    def craft(file):
        del file[name]
        file[name] = target

    return craft


def external(file):
    names = file["classes/names"]
    n_bytes = len(names["bytes"])
    del names["bytes"]
    names.create_dataset("bytes", (n_bytes,), "u1", external=[("/etc/passwd", 0, n_bytes)])


def virtual(file):
    names = file["classes/names"]
    layout = h5py.VirtualLayout(names["bytes"].shape, "u1")
    terms = file["vectorizer/terms/bytes"]
    layout[:] = h5py.VirtualSource(".", terms.name, terms.shape)[: len(names["bytes"])]
    del names["bytes"]
    names.create_virtual_dataset("bytes", layout)


def named_type(file):
    file["type"] = np.dtype("u1")
    labels = file["train/labels"][...]
    del file["train/labels"]
    file.create_dataset("train/labels", data=labels, dtype=file["type"])


def in_itself(file):
    file["test"] = file["/"]


def deep(file):
    group = file["vectorizer"]
    for _ in range(500):
        group = group.create_group("g")


def many(file):
    for number in range(300):
        file[f"vectorizer/{number}"] = np.zeros(1)


def many_attributes(file):
    for number in range(1000):
        file["vectorizer"].attrs[f"a{number}"] = number


def promised(name, shape, dtype, **options):
    """An array that takes no room in the file, and much in memory."""

    def craft(file):
        if name in file:
            del file[name]
        file.create_dataset(name, shape, dtype, **options)

    return craft


def wrapped(indptr):
    """Offsets whose differences wrap around, so that none of these is negative."""
    n = len(indptr) // 2
    lies = [2**62, 2**63 - 1, -(2**62), -5]
    return np.array([*[0] * n, *lies, *[indptr[-1]] * (len(indptr) - n - len(lies))])


def wide_labels(labels):
    """Labels that are negative as signed integers."""
    return labels.astype(np.uint64) - np.uint64(2**33)


def colliding(hashes):
    """Hashes of which all have the same address in a table."""
    return (np.arange(1, len(hashes) + 1, dtype=np.uint64) << np.uint64(32)) | np.uint64(5)


def edited(place, value):
    """An edit of one number of an array."""

    def edit(array):
        array[place] = value
        return array

    return edit


def short_chunks(file):
    """Chunks of fewer rows than the format has, which HDF5 can read."""
    import hdf5plugin

    tokens = file["train/tokens"][...]
    del file["train/tokens"]
    file.create_dataset("train/tokens", data=tokens, chunks=(16,), **hdf5plugin.LZ4())


def without_scales(file):
    del file["vectorizer/scales"]


OUTSIDE = [
    ("external storage", "ngram", external, "an object has rows in another file"),
    ("a virtual array", "ngram", virtual, "an array|messages of the types"),
    ("an external link", "ngram", link("classes/names", h5py.ExternalLink("/o.h5", "x")), "."),
    ("a soft link", "ngram", link("classes/names", h5py.SoftLink("/classes/labels")), "no link of"),
    ("a dangling link", "ngram", link("vectorizer/terms", h5py.SoftLink("/none")), "no link of"),
    ("a named type", "ngram", named_type, "shared|messages"),
    ("a group in itself", "ngram", in_itself, "more objects"),
    ("references", "ngram", put("train/labels", [], dtype=h5py.ref_dtype), "of a type"),
    ("regions", "ngram", put("train/labels", [], dtype=h5py.regionref_dtype), "of a type"),
    ("texts", "ngram", put("train/labels", ["a"], dtype=h5py.string_dtype()), "of a type"),
    ("records", "ngram", put("train/labels", np.zeros(2, "i4,f4")), "of a type"),
    ("big-endian", "ngram", change("train/indptr", lambda a: a.astype(">i8")), "of a type"),
    ("an unknown object", "ngram", put("train/more", np.zeros(3)), "train/more is an object that"),
    ("an unknown split", "ngram", put("dev/labels", np.zeros(3)), "dev is an object that"),
    ("an attribute of an array", "ngram", say("a", 1, "train/labels"), "object has attributes"),
    ("a list as attribute", "ngram", say("a", [1, 2]), "neither a number nor a text"),
    ("an array that may grow", "ngram", put("train/labels", [0], maxshape=(None,)), "may grow"),
]

SIZES = [
    ("groups in groups", "ngram", deep, "more objects"),
    ("many objects", "ngram", many, "no group of a few|more objects|names"),
    ("many attributes", "ngram", many_attributes, "too long"),
    ("nested JSON", "ngram", say("provenance", "[" * 10**5), "nested too deeply|no object"),
    ("long JSON", "ngram", say("provenance", "[" + "[]," * 3 * 10**6), "no heap of texts"),
]

BOMBS = [
    (
        "checksums",
        "ngram",
        promised("checksums/train/labels", (2**36,), "<u8"),
        "is not stored",
    ),
    ("class names", "ngram", promised("classes/names/bytes", (2**34,), "u1"), "is not stored"),
    (
        "compressed names",
        "ngram",
        promised("classes/names/bytes", (2**34,), "u1", chunks=(2**20,), compression="gzip"),
        "is in chunks",
    ),
    (
        "rows in chunks",
        "zstd",
        promised("train/values", (2**40,), "<f4", chunks=(2**29,), shuffle=True),
        "has the shape",
    ),
    ("one number as names", "ngram", put("classes/names/bytes", np.uint8(1)), "the shape"),
    ("dense rows", "int8", promised("train/features", (90, 2**30), "i1"), "is not stored"),
]

ROWS = [
    ("labels of 64 bits", "ngram", change("train/labels", wide_labels), "the type uint64"),
    ("labels above", "ngram", change("train/labels", edited(3, 9)), "a label of no class"),
    ("labels in 2-d", "ngram", change("train/labels", lambda a: a[:, None]), "the shape"),
    ("wrapped offsets", "ngram", change("train/indptr", wrapped), "does not ascend"),
    ("wrapped offsets", "lz4", change("train/indptr", wrapped), "does not ascend"),
    ("descending offsets", "sequence", change("train/indptr", edited(9, 0)), "does not ascend"),
    ("columns above", "ngram", change("train/indices", edited(-1, 65_535)), "a column too high"),
    ("columns above", "zstd", change("train/indices", edited(-1, 65_535)), "a column too high"),
    ("padding", "sequence", change("train/tokens", edited(4, 0)), "the token of no term"),
    ("tokens above", "lz4", change("train/tokens", edited(4, 65_535)), "the token of no term"),
    ("short chunks", "lz4", short_chunks, "chunks of another kind"),
    ("columns of 64 bits", "sparse", change("train/indices", np.int64), "the type int64"),
    ("values of 64 bits", "sparse", change("train/values", np.float64), "the type float64"),
    ("no column", "sparse", say("n_columns", 0, "vectorizer"), "0 columns"),
    ("columns below 0", "sparse", say("n_columns", -1, "vectorizer"), "-1 columns"),
    ("many columns", "sparse", say("n_columns", 2**40, "vectorizer"), "columns"),
    ("fewer columns", "int8", say("n_columns", 2, "vectorizer"), "the shape"),
    ("integers without scales", "int8", without_scales, "the type int8"),
    ("scales of 16 bits", "int8", change("vectorizer/scales", np.float16), "the type float16"),
]

TEXTS = [
    ("offsets of texts", "ngram", change("classes/names/offsets", edited(1, 2**62)), "ascend"),
    ("texts that begin late", "ngram", change("classes/names/offsets", edited(0, 1)), "ascend"),
    ("offsets of terms", "ngram", change("vectorizer/terms/offsets", edited(1, -9)), "ascend"),
    ("one byte", "ngram", change("classes/names/bytes", lambda a: a[0]), "has the shape"),
    ("one label", "ngram", change("classes/labels/bytes", np.ones_like), "have the same label"),
    ("broken UTF-8", "ngram", change("classes/names/bytes", edited(0, 255)), "not UTF-8"),
]

VECTORIZERS = [
    ("few frequencies", "ngram", change("vectorizer/kept_df", lambda a: a[:5]), "the shape"),
    ("a frequency of 0", "ngram", change("vectorizer/kept_df", edited(0, 0)), "in no document"),
    ("a high one", "ngram", change("vectorizer/kept_df", edited(0, 999)), "in more than there"),
    ("hashes in 2-d", "ngram", change("vectorizer/kept_hashes", lambda a: a[:, None]), "the shape"),
    ("float hashes", "ngram", change("vectorizer/kept_hashes", np.float64), "the type float64"),
    ("descending", "ngram", change("vectorizer/kept_hashes", lambda a: a[::-1]), "do not ascend"),
    ("hashes that collide", "ngram", change("vectorizer/term_hashes", colliding), "not random"),
    ("one hash", "sequence", change("vectorizer/term_hashes", np.ones_like), "the same hash"),
    ("few hashes", "sequence", change("vectorizer/term_hashes", lambda a: a[:5]), "the shape"),
    ("no documents", "ngram", say("n_documents", 0, "vectorizer"), "n_documents|no document"),
    ("minus documents", "sequence", say("n_documents", -5, "vectorizer"), "n_documents"),
    ("half a document", "ngram", say("n_documents", 0.5, "vectorizer"), "n_documents is 0.5"),
    ("a length below 0", "sequence", say("max_length", -(2**62), "vectorizer"), "longest row"),
    ("a long length", "sequence", say("max_length", 2**30, "vectorizer"), "longest row"),
    ("a parameter too few", "int8", say("parameters", "{}", "vectorizer"), "not those of this"),
    ("a list", "int8", say("parameters", "[]", "vectorizer"), "a JSON text is no object"),
    ("no JSON", "int8", say("parameters", "{", "vectorizer"), "is damaged"),
    ("no text", "int8", say("parameters", 1, "vectorizer"), "parameters is 1"),
    ("no analyzer", "ngram", parameter(analyzer=None), "analyzer has no value"),
    ("an unknown analyzer", "ngram", parameter(analyzer="x"), "--analyzer must be"),
    ("long n-grams", "ngram", parameter(ngrams=[1, 10**9]), "--ngrams must be"),
    ("float n-grams", "ngram", parameter(ngrams=[1.5, 2.5]), "--ngrams must be"),
    ("a list as seed", "ngram", parameter(hash_seed=[1]), "the hash seed is"),
    ("a seed below 0", "sequence", parameter(hash_seed=-1), "the hash seed is -1"),
    ("another dtype", "int8", parameter(dtype="float32"), "integers, and no other"),
    ("no scale", "int8", change("vectorizer/scales", edited(0, np.nan)), "is not a number above 0"),
    ("a large scale", "int8", change("vectorizer/scales", edited(0, 3e38)), "or too large"),
]

WORDS = [
    ("a text as version", "ngram", say("format_version", "2"), "format version '2'"),
    ("another format", "ngram", say("format", 1), "was not written by ooc-convert"),
    ("a list as kind", "ngram", say("features", [1]), "has None features"),
    ("no order", "ngram", say("order", "x"), "its order or its compression"),
    ("no compression", "ngram", say("compression", "rar"), "its order or its compression"),
    ("another compression", "lz4", say("compression", "zstd"), "chunks of another kind"),
    ("provenance a list", "ngram", say("provenance", "[]"), "a JSON text is no object"),
    ("provenance a number", "ngram", say("provenance", 1), "provenance is 1"),
    ("no producer", "ngram", say("producer", None), "producer is None"),
    ("samples a number", "ngram", say("samples", 1), "samples is 1"),
    ("samples a list", "ngram", say("samples", "[]"), "a JSON text is no object"),
    ("samples of no split", "ngram", say("samples", '{"text": {}}'), "samples are of no split"),
    ("samples a text", "ngram", say("samples", '{"train": "x"}'), "samples are of no split"),
    ("samples of no row", "ngram", say("samples", '{"train": {"108": "x"}}'), "of no row"),
    ("samples before all", "ngram", say("samples", '{"train": {"-1": "x"}}'), "of no row"),
    ("samples of numbers", "ngram", say("samples", '{"train": {"1": 1}}'), "of no row"),
    (
        "a row without end",
        "ngram",
        say("samples", f'{{"train": {{"{"9" * 5000}": ""}}}}'),
        "of no row",
    ),
    (
        "more names than labels",
        "ngram",
        change("classes/names/offsets", lambda a: np.append(a, a[-1])),
        "the shape",
    ),
]


def cases(*tables):
    return [
        pytest.param(*craft[1:], id=f"{craft[1]}-{craft[0]}".replace(" ", "-"))
        for table in tables
        for craft in table
    ]


@pytest.mark.parametrize(
    ("kind", "craft", "message"), cases(OUTSIDE, SIZES, ROWS, TEXTS, VECTORIZERS, WORDS)
)
def test_crafted_files(crafted, kind, craft, message):
    sentences = refusals(crafted(kind, craft))
    assert sentences
    for sentence in sentences:
        assert "crafted.h5" in sentence
        assert "\n" not in sentence
    assert any(re.search(message, sentence) for sentence in sentences), sentences


@pytest.mark.parametrize("length", [2**31, 40])
def test_a_text_that_is_longer_than_what_is_stored(wholes, tmp_path, length):
    """HDF5 allocates what the length says, before it looks whether so much is there."""
    content = bytearray((wholes / "ngram.h5").read_bytes())
    padded_name, type_and_space = 8, 24 + 8
    place = content.index(b"order\0\0\0") + padded_name + type_and_space
    assert struct.unpack_from("<I", content, place) == (len("shuffled"),)
    struct.pack_into("<I", content, place, length)
    (tmp_path / "crafted.h5").write_bytes(content)
    with pytest.raises(FormatError, match="a text of .* bytes is not where it should be"):
        open_store(tmp_path / "crafted.h5")


@pytest.mark.parametrize(("kind", "craft", "message"), cases(BOMBS))
def test_files_that_promise_much(crafted, kind, craft, message):
    path = crafted(kind, craft, sealed=False)
    with pytest.raises(FormatError, match=message):
        open_store(path)


def test_arrays_that_are_longer_than_the_file(wholes, tmp_path):
    """Their shapes agree with each other and with what HDF5 says of their places."""
    content = (wholes / "ngram.h5").read_bytes()
    with open_store(wholes / "ngram.h5") as store:
        arrays = arrays_of(store.handle.root)
    for name in ("train/indices", "train/values"):
        array, n_rows = arrays[name], 2**40
        places = [(array.position, n * array.dtype.itemsize) for n in (*array.shape, n_rows)]
        content = content.replace(*(struct.pack("<QQ", *place) for place in places))
        content = content.replace(*(struct.pack("<QQ", n, n) for n in (*array.shape, n_rows)))
    (tmp_path / "crafted.h5").write_bytes(content)
    with pytest.raises(FormatError, match="bytes at .* lie beyond its end"):
        open_store(tmp_path / "crafted.h5")


# ---- Damage that nobody seals, and trees of chunks.


@pytest.mark.parametrize("kind", INPUTS)
def test_a_flipped_bit_in_any_array_is_found_by_who_uses_it(wholes, tmp_path, kind):
    whole, damaged = wholes / f"{kind}.h5", tmp_path / "crafted.h5"
    with open_store(whole) as store:
        arrays = arrays_of(store.handle.root)
    for name, array in arrays.items():
        content = bytearray(whole.read_bytes())
        places = [array.position + array.n_bytes // 2]
        if array.chunk:
            with open_store(whole) as store:
                (chunk,) = chunks_near(store.handle.content, array, 0)
            places = [chunk.position + chunk.n_bytes // 2]
        content[places[0]] ^= 1
        damaged.write_bytes(content)
        with pytest.raises(FormatError, match="damaged"):
            uses(damaged)
        assert name


def test_scales_are_compared_when_a_file_is_opened(wholes, tmp_path):
    content = bytearray((wholes / "int8.h5").read_bytes())
    with open_store(wholes / "int8.h5") as store:
        content[arrays_of(store.handle.root)["vectorizer/scales"].position] ^= 1
    (tmp_path / "crafted.h5").write_bytes(content)
    with pytest.raises(FormatError, match="the checksum differs in array 'vectorizer/scales'"):
        open_store(tmp_path / "crafted.h5")


def test_hashes_that_descend_between_two_pieces(crafted, monkeypatch):
    monkeypatch.setattr("ooc_train.file.group._PIECE_BYTES", 64)
    path = crafted("ngram", change("vectorizer/kept_hashes", lambda hashes: np.roll(hashes, 8)))
    with open_store(path) as store, pytest.raises(FormatError, match="do not ascend"):
        load_vectorizer(store.handle)


def node_of(path):
    """Where the tree of the chunks of ``train/indptr`` lies."""
    with open_store(path) as store:
        return arrays_of(store.handle.root)["train/indptr"].position


def in_place(**fields):
    """Edits of a node of a tree of chunks with one entry, whose position they may use."""
    places = {"level": (5, "<B"), "n_bytes": (24, "<I"), "mask": (28, "<I"), "first": (32, "<Q"),
              "child": (48, "<Q"), "n_entries": (6, "<H")}  # fmt: skip

    def edit(content, node):
        for name, value in fields.items():
            offset, form = places[name]
            struct.pack_into(form, content, node + offset, node if value == "itself" else value)

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (in_place(level=1, child="itself"), "the tree of chunks is damaged"),
        (in_place(level=255), "the tree of chunks is damaged"),
        (in_place(level=1), "there is no tree of chunks at"),
        (in_place(n_entries=65), "there is no tree of chunks at"),
        (in_place(n_entries=0), "a chunk is missing"),
        (in_place(child=2**63), "a chunk is missing"),
        (in_place(child=2**64 - 1), "a chunk is missing"),
        (in_place(n_bytes=2**32 - 1), "a chunk is missing"),
        (in_place(n_bytes=0), "a chunk is missing"),
        (in_place(mask=1), "a chunk is missing"),
        (in_place(first=2**63), "a chunk is missing"),
        (in_place(child=0), "a chunk cannot be decompressed"),
    ],
)
@pytest.mark.parametrize("kind", ["lz4", "zstd"])
def test_a_damaged_tree_of_chunks(wholes, tmp_path, kind, edit, message):
    content = bytearray((wholes / f"{kind}.h5").read_bytes())
    edit(content, node_of(wholes / f"{kind}.h5"))
    (tmp_path / "crafted.h5").write_bytes(content)
    for checked in (True, False):
        with pytest.raises(FormatError, match=f"split 'train' is damaged: {message}"):
            uses(tmp_path / "crafted.h5", checked=checked)


# ---- Random damage, and runs.


def mutated(content, random):
    """A file with some bits, a number, a piece or its tail changed, not in its unused room."""
    content = bytearray(content)
    used = np.flatnonzero(np.frombuffer(content, np.uint8))
    place, other = (int(at) for at in random.choice(used, 2))
    match int(random.integers(5)):
        case 0:
            content[place] ^= 1 << int(random.integers(8))
        case 1:
            content[place : place + 8] = random.bytes(len(content[place : place + 8]))
        case 2:
            number = random.choice([0, 2**31, 2**32, 2**62, len(content) - 8])
            struct.pack_into("<Q", content, min(place & ~7, len(content) - 8), int(number))
        case 3:
            piece = content[place : place + 64]
            content[other : other + len(piece)] = piece
        case _:
            del content[place:]
    return bytes(content)


def test_random_damage_is_refused_or_does_no_harm(wholes, tmp_path):
    """2,000 of these were tried by hand; here are some."""
    random = np.random.default_rng(0)
    for kind in INPUTS:
        whole = (wholes / f"{kind}.h5").read_bytes()
        for _ in range(15):
            (tmp_path / "crafted.h5").write_bytes(mutated(whole, random))
            refusals(tmp_path / "crafted.h5")


@pytest.fixture(scope="module")
def run(wholes):
    ooc_train.train(wholes / "ngram.h5", wholes / "run", epochs=1)
    return wholes / "run"


@pytest.mark.parametrize(
    ("kind", "craft", "message"), [case for case in cases(VECTORIZERS) if "ngram" in case.id]
)
def test_a_run_with_a_crafted_vectorizer(run, tmp_path, kind, craft, message):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    with h5py.File(copy / "vectorizer.h5", "r+") as file:
        craft(file)
        if checksums.GROUP in file:
            reseal(file)
    with pytest.raises(FormatError, match="vectorizer"):
        ooc_train.load(copy)


def test_training_takes_no_crafted_rows(crafted, tmp_path):
    for kind, craft, message in (case.values for case in cases(ROWS) if "ngram" in case.id):
        with pytest.raises(FormatError, match=message):
            ooc_train.train(crafted(kind, craft), tmp_path / "run", epochs=1)


@pytest.mark.slow
def test_kernels_stay_in_bounds_with_whatever_the_checks_let_pass(wholes, tmp_path):
    """In a process of its own, where kernels check bounds and are compiled without optimizing."""
    for kind in ("ngram", "sequence"):
        shutil.copy(wholes / f"{kind}.h5", tmp_path)
    variables = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_OPT": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.file.bounds", tmp_path],
        env=os.environ | variables,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


# ---- What cannot be read is not written.


def test_no_file_is_written_that_is_refused(tmp_path, monkeypatch):
    source = write_rows(tmp_path / "rows.csv", random_rows(60))
    monkeypatch.setattr("ooc_train.file.schema.MAX_TEXT_BYTES", 50)
    with pytest.raises(InputError, match="names of the source files take more than 50 bytes"):
        ooc_train.convert(source, tmp_path / "o.h5", features="ngram")
    monkeypatch.setattr("ooc_train.file.schema.MAX_CLASSES_BYTES", 1)
    with pytest.raises(InputError, match="the labels of the classes take more than 1 bytes"):
        ooc_train.convert(source, tmp_path / "o.h5", features="ngram")
    monkeypatch.setattr("ooc_train.file.compression.MAX_CHUNK_BYTES", 99)
    with pytest.raises(OptionError, match="more than 99 bytes cannot be compressed; leave out"):
        ooc_train.convert(source, tmp_path / "o.h5", features="ngram", compression="zstd")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]
