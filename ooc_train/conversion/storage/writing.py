"""The rows of all splits, from their buckets into the file."""

import contextlib
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from ooc_train.conversion.resources import Resources
from ooc_train.conversion.storage.job import Column
from ooc_train.conversion.storage.layouts.arrays import Piece, SplitArrays
from ooc_train.conversion.storage.shuffle import BucketOfRows, ShuffledSplit
from ooc_train.dtypes import AnyArray, Integers
from ooc_train.file.output import OutputFile

_COPY_ITEMS = 2**20


@dataclass
class Written:
    """Figures of a split: its entries, those of its longest row, and its clipped values.

    ``n_spilled`` bytes of temporary files were written.
    """

    n_entries: int = 0
    longest: int = 0
    n_clipped: int = 0
    n_spilled: int = 0


class SplitWriter:
    """Writes splits.  ``ranks`` (n_classes,) are the labels that the file has for the classes.

    Memory: two buckets for each worker, and four.
    """

    def __init__(self, output: OutputFile, ranks: Integers, resources: Resources) -> None:
        self._output = output
        self._ranks = ranks
        self._resources = resources

    def write(self, split: str, rows: ShuffledSplit, arrays: SplitArrays) -> Written:
        """Write a split, bucket by bucket."""
        written = Written()
        unpack, plan = functools.partial(_unpacked, arrays), self._resources.plan
        tasks = self._resources.large_in_order(
            unpack, rows.tasks(), _bucket_size, plan.bucket_bytes
        )
        pieces = self._noted(tasks, written)
        n_entries = arrays.n_entries(rows)
        self._put(split, rows.n_rows, n_entries, arrays, pieces, written)
        return written

    def _put(
        self,
        split: str,
        n_rows: int,
        n_entries: int | None,
        arrays: SplitArrays,
        pieces: Iterable[Piece],
        written: Written,
    ) -> None:
        if n_entries is None:
            self._write_uncounted(split, n_rows, arrays, pieces, written)
        else:
            group = self._create(split, n_rows, n_entries, arrays)
            self._write_counted(group, arrays, pieces)

    def _create(self, split: str, n_rows: int, n_entries: int, arrays: SplitArrays) -> h5py.Group:
        with self._output.errors():
            return arrays.create(
                self._output.hdf5, split, n_rows, n_entries, n_classes=len(self._ranks)
            )

    def _noted(self, pieces: Iterable[Piece], written: Written) -> Iterator[Piece]:
        """The pieces with labels and offsets as they lie in the file; counts entries."""
        for piece in pieces:
            offsets = piece.offsets
            if offsets is not None:
                n_entries = int(offsets[-1])
                written.longest = max(written.longest, int(np.diff(offsets).max(initial=0)))
                offsets = offsets[1:] + written.n_entries
                written.n_entries += n_entries
            written.n_clipped += piece.n_clipped
            yield piece._replace(labels=self._ranks[piece.labels], offsets=offsets)
            self._resources.progress.advance(len(piece.labels))

    def _write_counted(
        self, group: h5py.Group, arrays: SplitArrays, pieces: Iterable[Piece]
    ) -> None:
        with contextlib.ExitStack() as stack:
            appenders = [
                stack.enter_context(
                    self._output.appender(group[name], self._resources.threads.executor)
                )
                for name in array_names(arrays, group)
            ]
            if "indptr" in group:
                appenders[1].append(np.zeros(1))
            for piece in pieces:
                for appender, items in zip(appenders, _parts(piece), strict=True):
                    appender.append(items)

    def _write_uncounted(
        self,
        split: str,
        n_rows: int,
        arrays: SplitArrays,
        pieces: Iterable[Piece],
        written: Written,
    ) -> None:
        """Write by way of temporary files: HDF5 must know the number of entries first."""
        columns = hold(pieces, self._resources.folder, split, written)
        group = self._create(split, n_rows, written.n_entries, arrays)
        for number, name in enumerate(array_names(arrays, group)):
            items = columns[number].array().mapped if columns else np.empty(0)
            self._copy(items, group[name])

    def _copy(self, items: AnyArray, dataset: h5py.Dataset) -> None:
        with self._output.appender(dataset, self._resources.threads.executor) as target:
            if dataset.name.endswith("/indptr"):
                target.append(np.zeros(1))
            for start in range(0, len(items), _COPY_ITEMS):
                target.append(items[start : start + _COPY_ITEMS])


def _bucket_size(bucket: BucketOfRows) -> int:
    return bucket.n_bytes


def _unpacked(arrays: SplitArrays, bucket: BucketOfRows) -> Piece:
    return arrays.unpack(bucket.read())


def hold(pieces: Iterable[Piece], folder: Path, split: str, written: Written) -> list[Column]:
    """Write pieces to temporary files, one for each part of a piece; none if there is no piece."""
    columns: list[Column] = []
    for piece in pieces:
        parts = _parts(piece)
        if not columns:
            paths = [folder / f"{split}-{number}" for number in range(len(parts))]
            for path in paths:
                path.unlink(missing_ok=True)  # of a writer that was killed
            columns = [Column(path, part.dtype) for path, part in zip(paths, parts, strict=True)]
        for column, items in zip(columns, parts, strict=True):
            column.append(items.reshape(-1))
            written.n_spilled += items.nbytes
    return columns


def array_names(arrays: SplitArrays, group: h5py.Group) -> list[str]:
    """The arrays of a split, in the order of a piece's parts."""
    return ["labels", *(["indptr"] if "indptr" in group else []), *arrays.names]


def _parts(piece: Piece) -> list[AnyArray]:
    offsets = [] if piece.offsets is None else [piece.offsets]
    return [piece.labels, *offsets, *piece.arrays]
