"""Small files in the package's format, made without the conversion half: the tests' data."""

import contextlib
import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from ooc_train.file import checksums, schema
from ooc_train.file.handle import Handle
from ooc_train.file.index import Index
from ooc_train.file.output import Appender
from ooc_train.file.shards import shard_of


@dataclass(frozen=True)
class Toy:
    """Rows of random columns, some of which only rows of one class have.

    Each class has ``n_signal`` columns of its own, and each of a row's entries falls on one of
    them with probability ``signal``.  Row ``i`` has 0 to ``2 * mean_entries`` entries.
    """

    n_classes: int = 2
    n_columns: int = 60
    mean_entries: int = 6
    n_signal: int = 5
    signal: float = 0.5

    def rows(self, n_rows, rng):
        """Labels ``(n,)``, indptr, indices and values of ``n_rows`` rows."""
        labels = rng.integers(self.n_classes, size=n_rows)
        lengths = rng.integers(2 * self.mean_entries + 1, size=n_rows)
        row_of = np.repeat(np.arange(n_rows), lengths)
        own = labels[row_of] * self.n_signal + rng.integers(self.n_signal, size=len(row_of))
        other = rng.integers(self.n_columns, size=len(row_of))
        columns = np.where(rng.random(len(row_of)) < self.signal, own, other)
        # Each column once a row, ascending, as the format demands.
        cells = np.unique(row_of * self.n_columns + columns)
        indptr = np.searchsorted(cells, np.arange(n_rows + 1) * self.n_columns)
        values = rng.uniform(0.2, 1, len(cells)).astype(np.float32)
        return labels, indptr, cells % self.n_columns, values


def without_compiling(said: str) -> str:
    """What a command has said, without the line of kernels that no process compiled before."""
    return "".join(
        line for line in said.splitlines(keepends=True) if not line.startswith("compiling ")
    )


def write_toy(
    path: Path,
    *,
    toy: Toy = Toy(),
    seed: int = 0,
    sort: bool = False,
    features: str = "ngram",
    **n_rows,
) -> Path:
    """A complete file at ``path`` with splits of the sizes given, such as ``train=100``.

    With ``sort`` the rows of each split lie in the order of their classes.  ``features`` other than
    ``"ngram"`` have no terms.
    """
    splits = {}
    for number, (name, n) in enumerate(n_rows.items()):
        rows = toy.rows(n, np.random.default_rng([seed, number]))
        splits[name] = _sorted(*rows) if sort else rows
    return write_file(
        path, splits, n_classes=toy.n_classes, n_columns=toy.n_columns, features=features
    )


def write_file(
    path: Path, splits: dict, *, n_classes: int, n_columns: int, features: str = "ngram"
) -> Path:
    """A complete file at ``path`` with, for each split, labels, indptr, indices and values."""
    with schema.create_file(str(path)) as file:
        write_head(file, features, n_classes)
        for name, rows in splits.items():
            _write_split(file, name, rows, n_classes=n_classes, n_columns=n_columns)
        if features == "ngram":
            write_vectorizer(file, n_columns)
        else:
            write_numeric_vectorizer(file, n_columns)
        complete(file)
    return path


@dataclass(frozen=True)
class SequenceToy:
    """Rows of word ids, some of which only rows of one class have.

    The first ``n_signal`` ids of each class are its own, and each word of a row is one of them
    with probability ``signal``.  Rows have 0 to ``longest`` words.
    """

    n_classes: int = 2
    n_terms: int = 60
    longest: int = 12
    n_signal: int = 5
    signal: float = 0.4

    def rows(self, n_rows, rng):
        """Labels ``(n,)``, indptr and tokens of ``n_rows`` rows."""
        labels = rng.integers(self.n_classes, size=n_rows)
        lengths = rng.integers(self.longest + 1, size=n_rows)
        row_of = np.repeat(np.arange(n_rows), lengths)
        own = labels[row_of] * self.n_signal + rng.integers(self.n_signal, size=len(row_of))
        other = rng.integers(self.n_terms, size=len(row_of))
        tokens = 1 + np.where(rng.random(len(row_of)) < self.signal, own, other)
        return labels, np.concatenate([[0], np.cumsum(lengths)]), tokens


def write_sequences(
    path: Path, *, toy: SequenceToy = SequenceToy(), seed: int = 0, **n_rows
) -> Path:
    """A complete file of sequences at ``path`` with splits of the sizes given."""
    splits = {
        name: toy.rows(n, np.random.default_rng([seed, number]))
        for number, (name, n) in enumerate(n_rows.items())
    }
    return write_sequence_file(path, splits, n_classes=toy.n_classes, n_terms=toy.n_terms)


def write_sequence_file(path: Path, splits: dict, *, n_classes: int, n_terms: int) -> Path:
    """A complete file at ``path`` with, for each split, labels, indptr and tokens."""
    with schema.create_file(str(path)) as file:
        write_head(file, "sequence", n_classes)
        for name, (labels, indptr, tokens) in splits.items():
            group = schema.create_sequence_split(
                file,
                name,
                n_rows=len(labels),
                n_tokens=len(tokens),
                n_terms=n_terms,
                n_classes=n_classes,
            )
            fill(group, labels=labels, indptr=indptr, tokens=tokens)
        group = file.create_group("vectorizer")
        group.attrs["parameters"] = json.dumps({"top_k": n_terms + 1})
        group.attrs["n_documents"] = 1000
        group.attrs["max_length"] = int(np.diff(splits["train"][1]).max(initial=0))
        write_strings(group, "terms", [f"term{k}" for k in range(n_terms)])
        for name in ("term_hashes", "term_counts"):
            write_array(group, name, np.arange(n_terms, dtype=np.uint64))
        complete(file)
    return path


def write_dense(
    path: Path,
    *,
    n_columns: int = 7,
    seed: int = 0,
    n_classes: int = 3,
    dtype: str = "float32",
    **n_rows,
):
    """A complete file of dense rows at ``path`` with splits of the sizes given."""
    with schema.create_file(str(path)) as file:
        write_head(file, "dense", n_classes)
        for number, (name, n) in enumerate(n_rows.items()):
            random = np.random.default_rng([seed, number])
            labels = random.integers(n_classes, size=n).astype(np.uint8)
            group = file.create_group(name)
            write_array(group, "labels", labels)
            values = random.standard_normal((n, n_columns))
            values = np.rint(20 * values).astype(dtype) if dtype == "int8" else values.astype(dtype)
            write_array(group, "features", values)
        write_numeric_vectorizer(file, n_columns)
        if dtype == "int8":
            write_array(file["vectorizer"], "scales", np.linspace(0.01, 1, n_columns, dtype="f4"))
        complete(file)
    return path


def repack(path: Path, target: Path, compression: str) -> Path:
    """The file at ``path`` once more, with another ``compression``."""
    with h5py.File(path) as old, schema.create_file(str(target)) as new:
        for name, value in old.attrs.items():
            new.attrs[name] = value
        new.attrs["compression"] = compression
        for name in old:
            if name not in (checksums.GROUP, *schema.SPLIT_NAMES):
                old.copy(name, new)
        for split in (name for name in schema.SPLIT_NAMES if name in old):
            for name, array in old[split].items():
                add_array(new.require_group(split), name, array[...], compression)
        seal(new)
    return target


def add_array(group: h5py.Group, name: str, rows: np.ndarray, compression: str) -> h5py.Dataset:
    dataset = schema.create_dataset(group, name, rows.shape, rows.dtype, compression=compression)
    with Appender(dataset) as target:
        target.append(rows)
    return dataset


def seal(file: h5py.File) -> None:
    """Write the checksums of all arrays that have none, from what the file holds."""
    checksums.seal(file, _ReadBack(file))


class _ReadBack(dict):
    """The checksums of a file's arrays by their paths, computed when they are asked for."""

    def __init__(self, file: h5py.File) -> None:
        self._file = file

    def __missing__(self, path: str) -> list[int]:
        array = self._file[path]
        length = checksums.block_length(array.shape, array.dtype)
        return checksums.checksums(np.ascontiguousarray(array), length) if array.size else []


def reseal(file: h5py.File) -> None:
    """Write the checksums of what a file holds now."""
    if checksums.GROUP in file:
        del file[checksums.GROUP]
    seal(file)


def complete(file: h5py.File) -> None:
    """Mark a file as complete, and seal it."""
    file.attrs["complete"] = 1
    seal(file)


def write_array(group: h5py.Group, name: str, array: np.ndarray) -> None:
    schema.create_dataset(group, name, array.shape, array.dtype)[...] = array


def write_strings(parent: h5py.Group, name: str, strings: list[str]) -> None:
    group = parent.create_group(name)
    for part, array in schema.string_arrays(strings).items():
        write_array(group, part, array)


def read_strings(parent: h5py.Group, name: str) -> list[str]:
    """The strings of a string list, in order."""
    blob, offsets = parent[name]["bytes"][...].tobytes(), parent[name]["offsets"][...].tolist()
    return [blob[i:j].decode("utf-8") for i, j in itertools.pairwise(offsets)]


def write_head(file: h5py.File, features: str, n_classes: int) -> None:
    schema.write_header(file, features=features, producer="tests", provenance={"source": "toy"})
    labels = [str(k + 1) for k in range(n_classes)]
    write_strings(file, "classes/labels", labels)
    write_strings(file, "classes/names", [f"class {label}" for label in labels])


def fill(group: h5py.Group, **arrays) -> None:
    for name, array in arrays.items():
        if len(array):
            group[name][...] = array


def write_vectorizer(file: h5py.File, n_columns: int) -> None:
    group = file.create_group("vectorizer")
    group.attrs["parameters"] = json.dumps({"ngrams": [1, 2]})
    group.attrs["n_documents"] = 1000
    write_strings(group, "terms", [f"term{k:06}" for k in range(n_columns)])
    for name in ("term_hashes", "kept_hashes"):
        write_array(group, name, np.arange(n_columns, dtype=np.uint64))
    for name in ("term_df", "kept_df"):
        write_array(group, name, np.full(n_columns, 2, np.uint32))


def write_numeric_vectorizer(file: h5py.File, n_columns: int) -> None:
    group = file.create_group("vectorizer")
    group.attrs["parameters"] = json.dumps({"dtype": "float32"})
    group.attrs["n_documents"] = 1000
    group.attrs["n_columns"] = n_columns


def _sorted(labels, indptr, indices, values):
    order = np.argsort(labels, kind="stable")
    lengths = np.diff(indptr)[order]
    entries = np.concatenate([np.arange(indptr[i], indptr[i + 1]) for i in order])
    return (
        labels[order],
        np.concatenate([[0], np.cumsum(lengths)]),
        indices[entries],
        values[entries],
    )


def _write_split(file, name, rows, *, n_classes, n_columns):
    labels, indptr, indices, values = rows
    group = schema.create_sparse_split(
        file,
        name,
        n_rows=len(labels),
        n_entries=len(indices),
        n_columns=n_columns,
        n_classes=n_classes,
    )
    fill(group, labels=labels, indptr=indptr, indices=indices, values=values)


def cut(path: Path, bounds: dict[str, list[int]], compression: str = "none") -> Path:
    """An index beside the file at ``path``, whose shards have its rows.

    ``bounds`` are, for each split, the first rows of all shards but the first.
    """
    with h5py.File(path) as old:
        sizes = {name: len(old[name]["labels"]) for name in schema.SPLIT_NAMES if name in old}
        edges = {name: [0, *bounds[name], n_rows] for name, n_rows in sizes.items()}
        paths = []
        for number in range(len(edges["train"]) - 1):
            paths.append(path.with_name(f"{path.stem}-{number}.h5"))
            with schema.create_file(str(paths[-1])) as new:
                for name, value in old.attrs.items():
                    new.attrs[name] = value
                new.attrs["compression"] = compression
                for name in ("classes", "vectorizer"):
                    old.copy(name, new)
                for name, edge in edges.items():
                    part = _part(old[name], edge[number], edge[number + 1])
                    for array, rows in part.items():
                        add_array(new.require_group(name), array, rows, compression)
                seal(new)
    return write_index(path.with_suffix(".json"), paths)


def write_index(path: Path, shards: list[Path]) -> Path:
    """An index at ``path`` of these files."""
    with contextlib.ExitStack() as stack:
        handles = [stack.enter_context(contextlib.closing(Handle(shard))) for shard in shards]
        found = [shard_of(handle, 0) for handle in handles]
        path.write_text(Index(handles[0].shared_summary(), found).text())
    return path


def _part(group: h5py.Group, start: int, stop: int) -> dict[str, np.ndarray]:
    """The arrays of some rows of a split."""
    if "indptr" not in group:
        return {name: array[start:stop] for name, array in group.items()}
    indptr = group["indptr"][start : stop + 1]
    by_row = {"labels": group["labels"][start:stop], "indptr": indptr - indptr[0]}
    return by_row | {
        name: array[indptr[0] : indptr[-1]] for name, array in group.items() if name not in by_row
    }
