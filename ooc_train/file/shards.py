"""The files of an index, open for reading as one.

A `ShardedFile` is to rows what a `Handle` is: `joined` reads the arrays of its files as one.  What
all of them share, classes and vectorizer, is taken from the first.
"""

import contextlib
import functools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ooc_train.atomic import target_of
from ooc_train.errors import FormatError, InputError
from ooc_train.file.handle import REPLACED, Handle, damage_errors, open_file
from ooc_train.file.header import Header
from ooc_train.file.index import (
    BEGINNING_BYTES,
    MAX_INDEX_BYTES,
    Index,
    Shard,
    is_index,
    read_index,
)
from ooc_train.file.samples import MOST_SAMPLES, Samples
from ooc_train.file.schema import SPLIT_NAMES
from ooc_train.memory import available_bytes
from ooc_train.remote.parts import Requests
from ooc_train.remote.stream import open_url
from ooc_train.remote.url import Url


class ShardedFile:
    """An index and the files that it names, all of them open and compared with it.

    Raises InputError for a shard that is missing, or of another conversion than the index says.
    Memory: that of each file's structure.
    """

    def __init__(self, path: Path, index: Index, *, verify: bool) -> None:
        self.path, self.index, self.verify = path, index, verify
        self.handles: list[Handle] = []
        requests = Requests()
        try:
            for shard in index.shards:
                handle = _opened(path, shard, verify=verify, requests=requests)
                self.handles.append(handle)
                _check_shard(path, shard, index.shared, handle)
            self._check_alike()
        except BaseException:
            self.close()
            raise
        self.header: Header = replace(self.shared.header, fingerprint=index.fingerprint)

    @property
    def shared(self) -> Handle:
        """The file whose classes and vectorizer are those of all."""
        return self.handles[0]

    @property
    def is_open(self) -> bool:
        """Whether rows can still be read."""
        return self.shared.is_open

    @functools.cached_property
    def is_too_large(self) -> bool:
        """Whether the files are larger together than the page cache can be, when this was asked."""
        if isinstance(self.path, Url):
            return False  # what was read leaves by itself
        return sum(handle.n_bytes for handle in self.handles) > available_bytes()

    @property
    def split_names(self) -> list[str]:
        """The splits that any shard has."""
        return [name for name in SPLIT_NAMES if any(name in it.split_names for it in self.handles)]

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the rows of all conversions came from; the columns are those of the first."""
        shards = self.index.shards
        firsts = [
            handle.provenance
            for number, handle in enumerate(self.handles)
            if not number or shards[number].conversion != shards[number - 1].conversion
        ]
        joined = dict(firsts[0])
        for more in firsts[1:]:
            with damage_errors(self.path):
                sources = {split: [*files] for split, files in joined["sources"].items()}
                for split, files in more["sources"].items():
                    sources[split] = [*sources.get(split, []), *files]
                counts = {name: joined[name] + more[name] for name in _COUNTS}
                joined |= {"sources": sources, **counts}
        return joined

    def holders(self, split: str) -> Sequence[Handle]:
        """The files that have rows of a split, in their order; one at least."""
        holding = [handle for handle in self.handles if split in handle.split_names]
        return [handle for handle in holding if handle.n_rows[split]] or holding[:1]

    def samples(self) -> Samples:
        """The texts that the first shards keep of some rows, as many as one file may have.

        Raises ValueError where they are damaged.
        """
        found: dict[str, dict[int, str]] = {split: {} for split in self.split_names}
        n_before = dict.fromkeys(found, 0)
        for handle in self.handles:
            for split, texts in handle.samples().items():
                for row, text in texts.items():
                    if len(found[split]) < MOST_SAMPLES:
                        found[split][n_before[split] + row] = text
            for split, n_rows in handle.n_rows.items():
                n_before[split] += n_rows
        return found

    def close(self) -> None:
        """Close all files."""
        for handle in self.handles:
            handle.close()

    def _check_alike(self) -> None:
        first = replace(self.shared.header, fingerprint="")
        for handle in self.handles[1:]:
            if replace(handle.header, fingerprint="") != first:
                raise FormatError(
                    f"the shard {handle.path} of {self.path} has other features than the first; "
                    "convert the sources again with ooc-convert"
                )


DataFile = Handle | ShardedFile
"""A file of rows that is open for reading, or several that an index names."""
_DATA_SUFFIXES = (".h5", ".hdf5")
_COUNTS = ("replaced_rows", "empty_rows")


def open_data(path: Path, *, verify: bool, fingerprint: str | None = None) -> DataFile:
    """The file at ``path``, or, where that is an index, the files that it names.

    Raises as `handle.open_file`, FormatError for a damaged index, and as `ShardedFile`.
    """
    index = index_at(path)
    if index is None:
        return open_file(path, verify=verify, fingerprint=fingerprint)
    if fingerprint not in (None, index.fingerprint):
        raise InputError(f"{path} {REPLACED}")
    return ShardedFile(path, index, verify=verify)


def index_at(path: Path) -> Index | None:
    """The index at a path; ``None`` for any other file.  Raises FormatError for a damaged one."""
    text = _index_text(path)
    return None if text is None else read_index(path, text)


def data_files(path: Path) -> list[Path]:
    """The file at a path, and where that is an index here, the files that it names."""
    if isinstance(path, Url):  # which no output is
        return [path]
    with contextlib.suppress(FormatError):
        index = index_at(path)
        if index:
            return [path, *(_place(path, shard) for shard in index.shards)]
    return [path]


def shard_of(handle: Handle, conversion: int) -> Shard:
    """The entry for an open file in an index, under the name that the file has now."""
    return Shard(
        file=handle.path.name,
        bytes=handle.n_bytes,
        fingerprint=handle.header.fingerprint,
        rows=handle.n_rows,
        conversion=conversion,
    )


def _index_text(path: Path) -> bytes | None:
    """The content of an index; ``None`` for all other files, also those that cannot be read."""
    if isinstance(path, Url):
        return _index_text_at(path)
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            if not is_index(file.read(BEGINNING_BYTES)):
                return None
            file.seek(0)
            return file.read(MAX_INDEX_BYTES)
    except OSError:
        return None


def _index_text_at(url: Url) -> bytes | None:
    """The content of an index at a URL; ``None`` for all other files.

    Those whose names end as converted files' are not looked into: it would be a request more.
    Raises InputError if it cannot be read.
    """
    if url.suffix in _DATA_SUFFIXES:
        return None
    with open_url(url) as file:
        beginning = file.read(BEGINNING_BYTES)
        return beginning + file.read(MAX_INDEX_BYTES) if is_index(beginning) else None


def _place(path: Path, shard: Shard) -> Path:
    """The path of a shard: beside the index, or where that is a link, beside what it leads to."""
    if isinstance(path, Url):
        return path.beside(shard.file)
    beside = path.with_name(shard.file)
    return beside if beside.exists() else target_of(path).with_name(shard.file)


def _opened(path: Path, shard: Shard, *, verify: bool, requests: Requests) -> Handle:
    """A shard of the index at ``path``."""
    place = _place(path, shard)
    if not isinstance(place, Url) and not place.exists():
        raise InputError(
            f"{path} names the shard {shard.file}, which is missing; put it beside the index again"
        )
    return open_file(place, verify=verify, requests=requests)


def _check_shard(path: Path, shard: Shard, shared: str, handle: Handle) -> None:
    """Compare an open shard with what the index at ``path`` says of it."""
    found = replace(shard_of(handle, shard.conversion), file=shard.file)
    if found != shard or handle.shared_summary() != shared:
        raise InputError(
            f"the shard {handle.path} is not the one that {path} names, but of another conversion; "
            "put the right one beside the index again"
        )
