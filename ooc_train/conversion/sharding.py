"""A converted data set cut into shards: files with ranges of every split's rows, and an index.

The rows of all splits are first held in temporary files, in their order, since HDF5 must know how
many entries a file has before it is written.  Then each shard is a task of its own, which copies
its ranges, and what all shards share, the classes and the vectorizer.
"""

import contextlib
import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ooc_train.conversion.options import MOST_SHARDS
from ooc_train.conversion.resources import Resources
from ooc_train.conversion.storage.job import DiskArray
from ooc_train.conversion.storage.layouts.arrays import Piece, SplitArrays
from ooc_train.conversion.storage.writing import (
    SplitWriter,
    Written,
    array_names,
    hold,
)
from ooc_train.counts import counted
from ooc_train.dtypes import AnyArray, Integers
from ooc_train.errors import InputError, OptionError, OutputError
from ooc_train.file.handle import Handle, open_file
from ooc_train.file.index import MAX_SHARDS, Index, Shard
from ooc_train.file.output import OutputFile
from ooc_train.file.samples import SAMPLES, Samples, samples_in, samples_text
from ooc_train.file.shards import data_files, index_at, shard_of
from ooc_train.memory import parse_size
from ooc_train.together import Together

_COPY_BYTES = 2**24  # of which nothing is in memory but pages of the temporary file
_CHANGED_BYTES = 2**22
_FINGERPRINT_DIGITS = 8


@dataclass(frozen=True)
class HeldSplit:
    """The rows of a split in temporary files, in the order of the split."""

    name: str
    n_rows: int
    n_classes: int
    arrays: SplitArrays
    columns: Sequence[DiskArray]
    """Of the arrays in their order, flat; of ``indptr`` without the first offset, 0."""

    @property
    def n_bytes(self) -> int:
        """The size of all rows."""
        return sum(len(column) * np.dtype(column.dtype).itemsize for column in self.columns)

    def bounds(self, number: int, n_shards: int) -> tuple[int, int]:
        """The first row of shard ``number``, and the end of its rows."""
        return self.n_rows * number // n_shards, self.n_rows * (number + 1) // n_shards

    def write(self, output: OutputFile, number: int, n_shards: int) -> None:
        """Write the rows of shard ``number`` to its file."""
        start, stop = self.bounds(number, n_shards)
        ends = self._ends
        before, last = (int(ends[row - 1]) if len(ends) and row else 0 for row in (start, stop))
        with output.errors():
            group = self.arrays.create(
                output.hdf5, self.name, stop - start, last - before, n_classes=self.n_classes
            )
        for name, column in zip(array_names(self.arrays, group), self.columns, strict=True):
            items = column.mapped
            if name == "indptr":
                _copy([np.zeros(1, np.int64)], items[start:stop], before, group[name], output)
            elif name == "labels" or not len(ends):
                row_items = math.prod(group[name].shape[1:])
                part = items[start * row_items : stop * row_items]
                _copy([], part.reshape(-1, *group[name].shape[1:]), 0, group[name], output)
            else:
                _copy([], items[before:last], 0, group[name], output)

    @property
    def _ends(self) -> AnyArray:
        """The end of each row's entries; empty where all rows are equally long."""
        has_offsets = len(self.columns) > 1 + len(self.arrays.names)
        return self.columns[1].mapped if has_offsets else np.empty(0, np.int64)


class HeldSplits(SplitWriter):
    """Holds splits in temporary files, in ``held``, where a `SplitWriter` writes them."""

    def __init__(
        self,
        held: list[HeldSplit],
        folder: Path,
        output: OutputFile,
        ranks: Integers,
        resources: Resources,
    ) -> None:
        super().__init__(output, ranks, resources)
        self._held, self._folder, self._n_classes = held, folder, len(ranks)

    def _put(
        self,
        split: str,
        n_rows: int,
        n_entries: int | None,  # noqa: ARG002 - each shard has its own
        arrays: SplitArrays,
        pieces: Iterable[Piece],
        written: Written,
    ) -> None:
        columns = [column.array() for column in hold(pieces, self._folder, split, written)]
        self._held.append(HeldSplit(split, n_rows, self._n_classes, arrays, columns))


def number_of_shards(wanted: int | str, splits: Sequence[HeldSplit]) -> int:
    """How many shards there are to be: as many as are ``wanted``, or as their size demands.

    Raises OptionError if there are more than train rows, or than an index may have.
    """
    if isinstance(wanted, str):
        n_bytes = sum(split.n_bytes for split in splits)
        found = max(1, -(-n_bytes // parse_size(wanted)))
        if found > MOST_SHARDS:
            raise OptionError(
                f"--shards {wanted} would make {found:,} shards of the {n_bytes / 1e9:,.1f} GB of "
                f"rows, and a conversion makes at most {MOST_SHARDS}; give a larger size"
            )
        return min(found, splits[0].n_rows)
    if wanted > splits[0].n_rows:
        raise OptionError(
            f"--shards {wanted} are more than the {counted(splits[0].n_rows, 'train row')}; give "
            f"fewer"
        )
    return wanted


@dataclass(frozen=True)
class ShardTask:
    """The task of writing any of the shards: small, but for the maps of `HeldSplit`.

    ``shared`` is a complete file without rows, whose classes and vectorizer each shard gets.
    """

    splits: Sequence[HeldSplit]
    shared: Path
    header: Mapping[str, Any]
    compression: str
    folder: Path
    n_shards: int

    def write(self, number: int) -> tuple[Path, int]:
        """Write a shard, from 0; its path, and the bytes that compression saves.

        Memory: some megabytes.
        """
        path = self.folder / f"{number}.h5"
        with (
            contextlib.closing(open_file(self.shared, verify=False)) as source,
            OutputFile(path, compression=self.compression) as output,
        ):
            for split in self.splits:
                split.write(output, number, self.n_shards)
            for group in ("classes", "vectorizer"):
                output.copy(source.hdf5[group])
            samples = self._samples(source, number)
            if samples:
                output.attribute(SAMPLES, samples_text(samples))
            return path, output.finish(self.header)

    def _samples(self, source: Handle, number: int) -> Samples:
        """The texts of rows of a shard, of those that the file without rows keeps of all."""
        n_rows = {split.name: split.n_rows for split in self.splits}
        of_all = samples_in(source.root.attributes, n_rows)
        found = {}
        for split in self.splits:
            start, stop = split.bounds(number, self.n_shards)
            texts = of_all.get(split.name, {})
            found[split.name] = {
                row - start: text for row, text in texts.items() if start <= row < stop
            }
        return {name: texts for name, texts in found.items() if texts}


def write_shards(task: ShardTask, resources: Resources) -> list[tuple[Path, int]]:
    """Write all shards, each by one thread; their paths, and what compression saves in each."""
    progress = resources.progress
    progress.start("writing shards", task.n_shards, "shard")
    found = []
    for written in resources.large_in_order(task.write, range(task.n_shards), _one, 1):
        found.append(written)
        progress.advance(1)
    return found


def _one(number: int) -> int:  # noqa: ARG001 - of all shards
    """The size of a task that takes little memory."""
    return 1


def publish_shards(
    paths: Sequence[Path], together: Together, output: Path, *, before: Index | None, force: bool
) -> list[Shard]:
    """Give shards their names, and publish them with their index; what the index says of them.

    They come behind those of ``before``, an index at ``output`` that they are appended to.  With
    ``force`` the shards of an index that is replaced are deleted.

    Raises InputError if the rows are in the index already, OutputError if it has changed.
    """
    old = [] if before or not force else _own_shards(output)
    known = before.shards if before else []
    if len(known) + len(paths) > MAX_SHARDS:
        raise OptionError(f"{output} would have more than {MAX_SHARDS} shards; convert anew")
    shards: list[Shard] = []
    shared = before.shared if before else ""
    for path in paths:
        with contextlib.closing(open_file(path, verify=False)) as handle:
            conversion = 1 + known[-1].conversion if known else 0
            shard = shard_of(handle, conversion)
            shared = shared or handle.shared_summary()
        _check_new(shard, known, output)
        digits = shard.fingerprint[:_FINGERPRINT_DIGITS]
        name = f"{output.stem}-{len(known) + len(shards):05d}-{digits}.h5"
        path.replace(together.members / name)
        shards.append(replace(shard, file=name))
    index = Index(shared, [*known, *shards])
    together.publish(
        index.text(),
        force=force or before is not None,
        check=functools.partial(_check_unchanged, output, before),
    )
    kept = {shard.file for shard in index.shards}
    for path in old:
        if path.name not in kept:
            path.unlink(missing_ok=True)
    return shards


def _check_unchanged(output: Path, before: Index | None) -> None:
    """Raise OutputError unless ``before``, if it was read, still is the index at ``output``."""
    found = index_at(output) if before else None
    if before and (found is None or found.fingerprint != before.fingerprint):
        raise OutputError(
            f"{output} was changed by another program meanwhile; append the rows again"
        )


def _check_new(shard: Shard, known: Sequence[Shard], output: Path) -> None:
    for other in known:
        if other.fingerprint == shard.fingerprint:
            raise InputError(f"these rows are in {output} already, as {other.file}; append others")


def _own_shards(output: Path) -> list[Path]:
    """The files that an index at ``output`` names, as far as they are those."""
    index = index_at(output)
    if index is None:
        return []
    found = []
    for shard, path in zip(index.shards, data_files(output)[1:], strict=True):
        with (
            contextlib.suppress(Exception),
            contextlib.closing(open_file(path, verify=False)) as it,
        ):
            if it.header.fingerprint == shard.fingerprint:
                found.append(path)
    return found


def _copy(
    first: Sequence[AnyArray],
    items: AnyArray,
    before: int,
    dataset: h5py.Dataset,
    output: OutputFile,
) -> None:
    """Fill a dataset with some first items, and with ``items`` minus ``before``."""
    n_bytes = _CHANGED_BYTES if before else _COPY_BYTES
    step = max(1, n_bytes // max(1, items[:1].nbytes))
    with output.appender(dataset) as target:
        for part in first:
            target.append(part)
        for start in range(0, len(items), step):
            part = items[start : start + step]
            target.append(part - before if before else part)
