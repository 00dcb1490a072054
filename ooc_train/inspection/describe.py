"""The description of a file: its splits, classes, features, sizes and provenance."""

from pathlib import Path
from typing import Any

from ooc_train.bars import usual_progress
from ooc_train.file.group import FileGroup
from ooc_train.file.handle import Handle, damage_errors
from ooc_train.file.schema import FORMAT_VERSION
from ooc_train.file.shards import shard_of
from ooc_train.inspection.column_terms import column_terms
from ooc_train.json_text import json_object
from ooc_train.progress import Progress
from ooc_train.reading.split import Split
from ooc_train.reading.store import Store
from ooc_train.reading.store import open as open_store


def inspect(
    path: str | Path,
    *,
    terms: bool = False,
    duplicates: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Describe a converted file: its features, classes, provenance, and the rows of each split.

    Sizes are in bytes.  ``class_counts`` of a split are its rows by class.  ``kept_terms`` is
    ``None`` for features that are not made of text.  Of an index, ``shards`` has the ``file``,
    ``bytes`` and ``rows`` of each.

    With ``terms`` there are also ``terms``: the most ``frequent``, and for the largest classes
    those that are most ``telling`` by the ``score`` that selected them, see `telling_columns`; they
    are ``None`` for rows of numbers.  With ``duplicates`` all rows are read, and ``duplicates`` has
    those of equal features: of each split how many are ``repeated`` in it, and how many are
    ``leaked``, train rows, too; ``conflicting`` ones of several classes, and ``examples``.

    Memory: some megabytes of labels at a time; for ``terms`` 16 bytes for each class and column, at
    most 128 MB, and for ``duplicates`` 64 MB, and 40 bytes a row on the disk.  Raises InputError or
    FormatError as `store.open`.
    """
    with open_store(path) as store:
        found = _description(store)
        if terms:
            found["terms"] = column_terms(store)
        if duplicates:
            from ooc_train.inspection.row_duplicates import (  # noqa: PLC0415 - it loads Numba
                row_duplicates,
            )

            progress = progress or usual_progress()
            found["duplicates"] = row_duplicates(store, progress)
            progress.finish()
        return found


def _description(store: Store) -> dict[str, Any]:
    vectorizer = store.group("vectorizer")
    with damage_errors(store.path):
        parameters = json_object(vectorizer.attributes["parameters"])
    return {
        "path": str(store.path),
        "bytes": store.n_bytes,
        "producer": store.producer,
        "format_version": FORMAT_VERSION,
        "features": store.features,
        "n_features": store.n_columns,
        "kept_terms": _n_kept_terms(vectorizer),
        "vectorizer": parameters,
        "classes": [
            {"label": label, "name": name}
            for label, name in zip(store.class_labels, store.class_names, strict=True)
        ],
        "splits": {name: _describe(split) for name, split in store.splits.items()},
        "provenance": store.provenance,
        **({"shards": [_described(handle) for handle in store.shards]} if store.shards else {}),
    }


def _described(shard: Handle) -> dict[str, Any]:
    """The size of a shard, and its rows by split."""
    found = shard_of(shard, 0)
    return {"file": found.file, "bytes": found.bytes, "rows": found.rows}


def _n_kept_terms(vectorizer: FileGroup) -> int | None:
    """The number of terms that the values depend on; ``None`` for features that are not of text."""
    for name in ("kept_hashes", "term_hashes"):  # for sequences, the kept terms are the selected
        if name in vectorizer:
            return len(vectorizer.array(name))
    return None


def _describe(split: Split) -> dict[str, Any]:
    return {
        "rows": len(split),
        "entries": split.n_entries,
        "entries_per_row": split.n_entries / max(1, len(split)),
        "bytes": int(split.row_bytes * len(split)),
        "class_counts": split.class_counts().tolist(),
    }
