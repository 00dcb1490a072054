"""Duplicates among the rows of a converted file: rows whose features are the same.

The texts are not in the file.  So rows of different texts are duplicates, too, where the words that
differ are no terms, and rows without any feature are left out.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from ooc_train.conversion.disk import check_disk, disk_errors, usual_temp_dir
from ooc_train.conversion.storage.job import JobFolder
from ooc_train.dtypes import U8, U64, AnyArray
from ooc_train.inspection.raw.duplicates import Pair, find_duplicates
from ooc_train.inspection.raw.fingerprints import byte_hashes
from ooc_train.inspection.raw.row_columns import RowColumns
from ooc_train.progress import Progress
from ooc_train.reading.rows import Rows, SequenceRows, SparseRows
from ooc_train.reading.store import Store
from ooc_train.training.scores.row_text import describe_row

_BATCH_BYTES, _SORT_BYTES = 2**22, 2**26
_ROW_BYTES = 40
"""The disk that a row takes in temporary files."""


def row_duplicates(store: Store, progress: Progress) -> dict[str, Any]:
    """The exact duplicates in a file, as `explore` reports those of texts.

    Memory: 64 MB.  Disk: 40 bytes a row, in the system's folder for temporary files.
    """
    temp_dir, n_rows = usual_temp_dir(), {name: len(split) for name, split in store.splits.items()}
    with disk_errors(Path("rows"), temp_dir), JobFolder(temp_dir) as folder:
        check_disk(temp_dir, sum(n_rows.values()) * _ROW_BYTES)
        rows = RowColumns(folder, are_signed=False)
        progress.start("reading", sum(n_rows.values()), "row")
        for number, split in enumerate(store.splits.values()):
            step = max(1, int(_BATCH_BYTES / max(1.0, split.row_bytes)))
            for start in range(0, len(split), step):
                stop = min(start + step, len(split))
                batch = split.read_slices([(start, stop)])
                hashes = _hashes(batch.rows, number, start)
                numbers = np.arange(start, stop)
                rows.append(number, numbers, batch.labels.astype(np.int32), hashes, None)
                progress.advance(stop - start)
        progress.start("comparing", None, "")
        found = find_duplicates(rows, n_rows, folder, _SORT_BYTES)
        report = {
            name: value for name, value in asdict(found).items() if not name.startswith("nearly")
        }
        return report | {"examples": _described(store, found.examples, rows)}


def _hashes(rows: Rows, split: int, first_row: int) -> U64:
    """The hash of each row's features: ``(n_rows,) uint64``; another for each row without any."""
    if isinstance(rows, SparseRows):
        columns = _entry_hashes(rows.indptr, rows.indices.astype(np.uint32))
        hashes = columns ^ (_entry_hashes(rows.indptr, rows.values) * np.uint64(3))
        is_empty = np.diff(rows.indptr) == 0
    elif isinstance(rows, SequenceRows):
        hashes = _entry_hashes(rows.indptr, rows.tokens.astype(np.uint32))
        is_empty = np.diff(rows.indptr) == 0
    else:
        dense = rows.to_dense()
        hashes = _entry_hashes(np.arange(len(dense) + 1) * dense.shape[1], dense.reshape(-1))
        is_empty = ~dense.any(axis=1)
    for row in np.flatnonzero(is_empty).tolist():
        hashes[row] = xxhash.xxh3_64_intdigest(f"{split} {first_row + row}".encode())
    return hashes


def _entry_hashes(offsets: AnyArray, entries: AnyArray) -> U64:
    data: U8 = np.ascontiguousarray(entries).view(np.uint8)
    return byte_hashes(data, offsets * entries.itemsize)


def _described(
    store: Store, pairs: Mapping[str, Sequence[Pair]], rows: RowColumns
) -> dict[str, list[dict[str, Any]]]:
    """The pairs of each kind: the places of both rows, and what is known of their text."""
    names = list(store.splits)

    def place_and_text(row: int) -> tuple[str, str | None]:
        name, number = names[rows.place(row)[0]], rows.place(row)[1]
        known = store.samples(name).get(number)
        return f"{name} row {number:,}", known or describe_row(store, store[name], number) or None

    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in pairs}
    for kind, pair in itertools.chain.from_iterable(
        ((kind, pair) for pair in some) for kind, some in pairs.items()
    ):
        (row, text), (other, other_text) = map(place_and_text, (pair.row, pair.other))
        found[kind].append(
            {"row": row, "other": other, "similarity": 1.0, "text": text, "other_text": other_text}
        )
    return found
