"""The file format: one HDF5 file with the rows of every split and the vectorizer that made them.

This docstring is the specification of format version 2.

Why a format of our own inside HDF5: any HDF5 library can read slices of flat arrays that lie
contiguously, and a program can map them into memory at their offset; a row costs two integers
besides its entries; and a file is useful without this package
(``h5py.File(path)["train/values"]``).

Root
    Attributes: ``format`` = ``"ooc-train"``, ``format_version`` = 2, ``features`` (the kind of
    features: a name in the table of kinds, ``"ngram"``, ``"sequence"``, ``"dense"`` or
    ``"sparse"``), ``order`` = ``"shuffled"`` or ``"source"`` (the order of the train rows),
    ``compression`` = ``"none"``, ``"lz4"`` or ``"zstd"``, ``producer`` (package and version),
    ``provenance`` (JSON text: source names and sizes, options, counts), ``complete`` = 1 (written
    after everything but the checksums).  Features of texts may have ``samples`` (JSON text), the
    texts of some rows for people to read, by split and then by the number of the row: at most 200
    of a split, cut to 600 bytes.  Readers that do not know it ignore it.

``classes/labels``, ``classes/names``
    String lists (below) of equal length, with one entry for each class: the label as the source
    spells it, each another, and the name shown to people.  A row's label is an index into both.

``train``, ``validation``, ``test``
    One group for each split.  ``train`` always exists.  Sparse rows, n-grams among them, have:

    =========  ==============  ==============================  =================================
    dataset    shape           dtype                           content
    =========  ==============  ==============================  =================================
    labels     (n_rows,)       uint8, or uint16 above 256      index of the row's class
                               classes
    indptr     (n_rows + 1,)   int64                           row ``i`` owns the entries
                                                               ``indptr[i]:indptr[i + 1]``
    indices    (n_entries,)    uint16, or uint32 above 65,536  columns, ascending within a row
                               columns
    values     (n_entries,)    float32                         values of the entries
    =========  ==============  ==============================  =================================

    Ragged rows, which are sequences, have ``tokens`` (n_entries,) instead of ``indices`` and
    ``values``: uint16, or uint32 above 65,535 terms, a row's tokens in their order.  Tokens begin
    with 1; 0 pads the rows of a batch and never occurs in the file.

    Dense rows have ``labels`` and ``features`` (n_rows, n_columns): float32, float16, or int8 from
    -127 to 127, which a reader multiplies by the scale of the column.

    Train rows lie in a seeded random order, so that contiguous slices are unbiased samples, unless
    ``order`` is ``"source"``.  Rows of other splits lie in the order of their source.

``vectorizer``
    Everything that is needed to make the same features of new rows.  Attributes ``parameters``
    (JSON text: how text becomes terms, and which terms are kept) and ``n_documents`` (the train
    rows that the statistics come from).  For n-grams:

    ==================  =======================  =================================================
    ``terms``           string list, n_features  column ``j`` counts ``terms[j]``; code-point order
    ``term_hashes``     (n_features,) uint64     hash of each term
    ``term_df``         (n_features,) uint32     document frequency of each term
    ``kept_hashes``     (n_kept,) uint64         hash of every term with enough documents,
                                                 ascending; a row's norm runs over all of these
    ``kept_df``         (n_kept,) uint32         document frequency of each of these
    ==================  =======================  =================================================

    For sequences, besides these attributes ``max_length``, the number of tokens of the longest
    train row: batches are padded to it, and longer rows of other splits truncated at their
    beginning.

    ==================  =======================  =================================================
    ``terms``           string list, n_terms     token ``j + 1`` is ``terms[j]``; by falling
                                                 count, ties by first appearance
    ``term_hashes``     (n_terms,) uint64        hash of each term
    ``term_counts``     (n_terms,) uint64        occurrences of each term in the train rows
    ==================  =======================  =================================================

    For dense and sparse rows, which are numbers already: attributes ``parameters`` (``dtype``, or
    whether the source counts columns from 0), ``n_documents`` as above, and ``n_columns``.  Dense
    int8 rows also have ``scales`` (n_columns,) float32: a 127th of the largest absolute train value
    of each column, 1 where all are zero.

    Any kind may say ``n_columns``; without it, a column stands for each term.

A *string list* is a group of ``bytes`` (uint8, the UTF-8 texts one after another) and
``offsets`` (int64, one more than there are strings): variable-length HDF5 strings are 20 times
slower to read and cannot be mapped.

``checksums``
    The checksums of the array at a path lie at the same path below this group: ``(n_blocks,)
    uint64``, the XXH3-64 of each *block* of the array.  A block is as many rows as fit 65,536
    bytes, at least one; the last block has the rows that are left.  The attribute ``summary`` is
    the XXH3-128, in hexadecimal, of everything else in the order of `checksums.summary`: paths,
    types, shapes, attributes, and the checksums of the blocks.

Nothing else is in a file: no other objects, no attributes at datasets, no links but hard ones, no
named types, no external or virtual storage.  Attributes are single numbers or texts of at most
2 MiB, the texts of the classes take at most 16 MiB, and a chunk at most 64 MiB.  `structure` checks
all of this.

All datasets are little-endian.  They are contiguous, except that with a ``compression`` those of
splits, if they have rows, are chunked: one block to a chunk, the chunks in their order, with HDF5's
registered filter 32004 (LZ4) or 32015 (Zstandard), and for numbers of 4 bytes and more its filter 2
(shuffle) before it.  Checksums do not depend on the compression.  No dataset carries time stamps,
and nothing in the file depends on the machine, the memory budget or the number of threads: the same
input, options and seed give the same bytes.

Versions: 1 was the first; 2 has checksums, ``order`` and ``compression``.  A reader refuses every
version that it does not know; it never guesses.
"""

import functools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ooc_train.dtypes import AnyArray
from ooc_train.errors import InputError
from ooc_train.file.checksums import block_length
from ooc_train.file.compression import compress_chunks
from ooc_train.file.filters import NONE
from ooc_train.file.objects import MAX_TEXT_BYTES
from ooc_train.json_text import json_text

FORMAT_NAME = "ooc-train"
FORMAT_VERSION = 2
SPLIT_NAMES = ("train", "validation", "test")
VECTORIZER_FILE = "vectorizer.h5"
"""The file of a run folder that holds classes and vectorizer, and no split."""


def vectorizer_file(path: str | os.PathLike[str]) -> Path:
    """The file with the vectorizer at a path: a converted file, or the one in a run folder."""
    found = Path(path)
    return found / VECTORIZER_FILE if found.is_dir() else found


MAX_CLASSES = 65_536
MAX_CLASSES_BYTES = 2**24
MAX_COLUMNS = 2**31 - 1


def create_file(path: str, *, compression: str = "none") -> h5py.File:
    """A new HDF5 file at ``path`` whose bytes depend on its content alone.

    HDF5 writes arrays at once: by default it keeps small pieces back until an array is closed, and
    h5py hides errors at that point.
    """
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    # Later versions of the library's own format put the time into every group's header.
    access.set_libver_bounds(h5py.h5f.LIBVER_EARLIEST, h5py.h5f.LIBVER_V110)
    access.set_sieve_buf_size(0)
    file = h5py.File(h5py.h5f.create(os.fsencode(path), h5py.h5f.ACC_TRUNC, fapl=access))
    file.attrs["compression"] = compression
    return file


def create_dataset(
    group: h5py.Group,
    name: str,
    shape: tuple[int, ...],
    dtype: npt.DTypeLike,
    *,
    compression: str = NONE,
) -> h5py.Dataset:
    """An empty dataset, contiguous or with a ``compression`` in chunks, for an Appender to fill."""
    little_endian = np.dtype(dtype).newbyteorder("<")
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    if compression == NONE or not shape[0]:
        # Allocated now, so that the place of a dataset does not depend on when it is filled.
        layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    else:
        chunk = (min(block_length(shape, little_endian), shape[0]), *shape[1:])
        compress_chunks(layout, compression, chunk, little_endian)
    return group.create_dataset(name, shape, little_endian, track_times=False, dcpl=layout)


def label_dtype(n_classes: int) -> np.dtype[Any]:
    """The smallest integer type for indices of ``n_classes`` classes."""
    return np.dtype(np.uint8 if n_classes <= 256 else np.uint16)


def index_dtype(n_columns: int) -> np.dtype[Any]:
    """The smallest integer type for column numbers below ``n_columns``."""
    return np.dtype(np.uint16 if n_columns <= 65_536 else np.uint32)


def compression_of(file: h5py.File) -> str:
    """The compression of the splits' datasets."""
    return str(file.attrs["compression"])


def saved_bytes(file: h5py.File) -> int:
    """The bytes by which compression has made the splits' datasets smaller."""
    arrays = [array for name in SPLIT_NAMES for array in file.get(name, {}).values()]
    return sum(a.size * a.dtype.itemsize - a.id.get_storage_size() for a in arrays if a.chunks)


def create_sparse_split(
    file: h5py.File, name: str, *, n_rows: int, n_entries: int, n_columns: int, n_classes: int
) -> h5py.Group:
    """The group of a split of sparse rows, with empty datasets of the final size."""
    group = file.create_group(name)
    create = functools.partial(create_dataset, group, compression=compression_of(file))
    create("labels", (n_rows,), label_dtype(n_classes))
    create("indptr", (n_rows + 1,), np.int64)
    create("indices", (n_entries,), index_dtype(n_columns))
    create("values", (n_entries,), np.float32)
    return group


def create_sequence_split(
    file: h5py.File, name: str, *, n_rows: int, n_tokens: int, n_terms: int, n_classes: int
) -> h5py.Group:
    """The group of a split of sequences, with empty datasets of the final size."""
    group = file.create_group(name)
    create = functools.partial(create_dataset, group, compression=compression_of(file))
    create("labels", (n_rows,), label_dtype(n_classes))
    create("indptr", (n_rows + 1,), np.int64)
    create("tokens", (n_tokens,), index_dtype(n_terms + 1))
    return group


def create_dense_split(
    file: h5py.File,
    name: str,
    *,
    n_rows: int,
    n_columns: int,
    dtype: npt.DTypeLike,
    n_classes: int,
) -> h5py.Group:
    """The group of a split of dense rows, with empty datasets of the final size."""
    group = file.create_group(name)
    create = functools.partial(create_dataset, group, compression=compression_of(file))
    create("labels", (n_rows,), label_dtype(n_classes))
    create("features", (n_rows, n_columns), dtype)
    return group


def check_classes(labels: Sequence[str], names: Sequence[str]) -> None:
    """Raise InputError for labels or names of classes that are too long to be read again."""
    for what, texts in (("labels", labels), ("names", names)):
        if sum(len(text.encode()) for text in texts) > MAX_CLASSES_BYTES:
            raise InputError(
                f"the {what} of the classes take more than {MAX_CLASSES_BYTES:,} bytes together; "
                f"shorten them, or check which column has the labels"
            )


def string_arrays(strings: Sequence[str]) -> dict[str, AnyArray]:
    """The arrays of a string list, by name."""
    encoded = [string.encode("utf-8") for string in strings]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(item) for item in encoded], out=offsets[1:])
    return {"bytes": np.frombuffer(b"".join(encoded), np.uint8), "offsets": offsets}


def write_header(
    file: h5py.File, *, features: str, producer: str, provenance: object, shuffled: bool = True
) -> None:
    """Write the root's attributes, all but ``compression`` and ``complete``.

    Raises InputError for a ``provenance`` that is too long to be read again.
    """
    text = json_text(provenance, sort_keys=True)
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise InputError(
            f"the names of the source files take more than {MAX_TEXT_BYTES:,} bytes in the output; "
            f"join some of the files"
        )
    file.attrs["format"] = FORMAT_NAME
    file.attrs["format_version"] = FORMAT_VERSION
    file.attrs["features"] = features
    file.attrs["order"] = "shuffled" if shuffled else "source"
    file.attrs["producer"] = producer
    file.attrs["provenance"] = text


def header_of(file: h5py.File) -> dict[str, Any]:
    """The arguments with which `write_header` wrote the header of a file."""
    return {
        "features": file.attrs["features"],
        "producer": file.attrs["producer"],
        "provenance": json.loads(file.attrs["provenance"]),
        "shuffled": file.attrs["order"] == "shuffled",
    }
