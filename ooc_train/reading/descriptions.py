"""Descriptions of what is read: a line for `repr`, and a table for notebooks."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from ooc_train.counts import counted, rows_by_split
from ooc_train.kinds import Layout

_SHOWN_CLASSES = 10
_NOUNS: dict[Layout, str] = {"sparse": "sparse rows", "dense": "dense rows", "ragged": "sequences"}


def megabytes(n_bytes: float) -> str:
    """A size in words.

    >>> megabytes(1_234_567)
    '1.2 MB'
    """
    return f"{n_bytes / 1e6:,.1f} MB"


def counted_rows(layout: Layout, n_rows: int, width: int | None) -> str:
    """Rows of a layout, with their columns, or the length that sequences are padded to.

    >>> counted_rows("sparse", 5, 20000), counted_rows("ragged", 1, 500)
    ('5 sparse rows of 20,000 columns', '1 sequence of up to 500 words')
    """
    noun = _NOUNS[layout] if n_rows != 1 else _NOUNS[layout][:-1]
    of = "" if width is None else f" of {counted(width, 'column')}"
    if layout == "ragged" and width is not None:
        of = f" of up to {counted(width, 'word')}"
    return f"{n_rows:,} {noun}{of}"


def split_line(split: Any, max_length: int | None) -> str:
    """A `Split` in a line."""
    rows = counted_rows(split.layout, split.n_rows, max_length or split.n_columns)
    size = megabytes(split.row_bytes * split.n_rows)
    classes = counted(split.n_classes, "class")
    return f"<split {split.name!r} of {split.path}: {rows}, {classes}, {size}>"


def store_line(store: Any) -> str:
    """An open file, a `Store`, in a line."""
    rows = rows_by_split({name: split.n_rows for name, split in store.splits.items()})
    closed = "" if store.is_open else ", closed"
    return (
        f"<file {store.path}: {store.features} features, {counted(store.n_columns, 'column')}, "
        f"{classes_line(store.class_labels)}; {rows}{closed}>"
    )


def classes_line(labels: Sequence[str]) -> str:
    """The classes, by their labels if they are few.

    >>> classes_line(["neg", "pos"])
    '2 classes (neg, pos)'
    """
    named = f" ({', '.join(labels)})" if len(labels) <= _SHOWN_CLASSES else ""
    return f"{counted(len(labels), 'class')}{named}"


def store_table(store: Any) -> str:
    """An open file, a `Store`, as HTML: its splits, and its classes."""
    head = f"{store.features} features, {counted(store.n_columns, 'column')}"
    return "".join(
        [
            f"<p><b>{escape(str(store.path))}</b>: {escape(head)}, "
            f"{escape(classes_line(store.class_labels))}</p>",
            "<table><tr><th>split</th><th>rows</th><th>in memory</th></tr>",
            *_lines(store),
            "</table>",
        ]
    )


def _lines(store: Any) -> Iterator[str]:
    for name, split in store.splits.items():
        size = megabytes(split.row_bytes * split.n_rows)
        yield f"<tr><td>{name}</td><td>{split.n_rows:,}</td><td>{size}</td></tr>"
