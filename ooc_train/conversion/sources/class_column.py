"""Whether the column that was taken for the class holds classes."""

from collections.abc import Sequence

import numpy as np

from ooc_train.conversion.sources.labels import alike
from ooc_train.conversion.sources.numerals import number
from ooc_train.conversion.sources.source import Source
from ooc_train.counts import counted
from ooc_train.dtypes import I64
from ooc_train.errors import InputError

_FEW_ROWS = 20
_MOST_OF_REAL_NUMBERS = 1000
_SHOWN_CHARACTERS = 50
_SHOWN_NULLS = 5
_NULLS = {"nan", "null", "none", "n/a", "na", "#n/a", "<na>", "nil"}


def check_class_column(sources: Sequence[Source], labels: Sequence[str], counts: I64) -> None:
    """Refuse what no classes are: a name for nearly every row, real numbers, or a header.

    ``labels`` are in the order in which they were met, ``counts`` their rows.  A column that an
    option named may have as many classes as it likes; real numbers are never classes.

    A long tail of rare classes passes: most rows are of classes that other rows have, too.
    """
    n_rows, n_classes = int(counts.sum()), len(labels)
    if n_rows < _FEW_ROWS:
        return
    most_real = min(_MOST_OF_REAL_NUMBERS, max(_FEW_ROWS, n_rows // 10))
    if n_classes > most_real and _are_real(labels):
        raise _error(sources, labels, n_rows, "real numbers are no classes")
    first = sources[0]
    if not (first.chosen.label_is_usual and first.file.is_table and first.chosen.label >= 0):
        return
    if 2 * n_classes > n_rows:
        raise _error(sources, labels, n_rows, "that is no class")
    if not first.file.names and _is_header(len(sources), labels, counts):
        raise InputError(
            f"{first.file.where} looks like a header: {labels[0]!r} is repeated nowhere, and the "
            f"others are, such as {labels[1]!r}; say --header, or name the "
            f"columns with --text and --label"
        )


def class_notes(labels: Sequence[str], n_rows: int) -> list[str]:
    """Notes on the classes of so many rows, where one may have meant others."""
    notes = []
    if n_rows >= _FEW_ROWS and 2 * len(labels) > n_rows:
        notes.append(
            f"there are {counted(len(labels), 'class')} in {counted(n_rows, 'row')}, such as "
            f"{labels[0][:_SHOWN_CHARACTERS]!r}: does --label name the right column?"
        )
    nulls = [label for label in labels if label.lower() in _NULLS]
    if nulls:
        told = ", ".join(map(repr, nulls[:_SHOWN_NULLS]))
        notes.append(f"labels that may mean that there is none name a class like others: {told}")
    first: dict[str, str] = {}
    pairs = [(other, one) for one in labels if (other := first.setdefault(alike(one), one)) != one]
    if pairs:
        one, other = pairs[0]
        more = f", and so do {len(pairs) - 1:,} more" if len(pairs) > 1 else ""
        notes.append(
            f"the classes {one!r} and {other!r} differ in case, spaces or kinds of characters "
            f"alone{more}; they are two classes"
        )
    return notes


def _are_real(labels: Sequence[str]) -> bool:
    """Whether all labels are numbers, and some of them not whole."""
    values = [number(label.encode()) for label in labels]
    return None not in values and not all(value.is_integer() for value in values if value)


def _is_header(n_files: int, labels: Sequence[str], counts: I64) -> bool:
    """Whether the first row of each file has a label of its own, among few others."""
    others = np.asarray(counts[1:])
    return (
        counts[0] <= n_files
        and number(labels[0].encode()) is None
        and len(others) > 1
        and bool((others > max(n_files, len(others))).all())
    )


def _error(sources: Sequence[Source], labels: Sequence[str], n_rows: int, why: str) -> InputError:
    """The error that names the column, and shows two of its values."""
    first = sources[0]
    column = f"column {first.chosen.label + 1}" if first.chosen.label >= 0 else "label"
    if first.file.names and first.chosen.label >= 0:
        column = f"{first.file.noun} {first.file.names[first.chosen.label]!r}"
    shown = " and ".join(f"{label[:_SHOWN_CHARACTERS]!r}" for label in labels[:2])
    remedy = ""
    if first.file.is_table and first.chosen.label >= 0:
        others = "--columns" if first.chosen.numbers else "--text"
        remedy = f"; name the columns with {others} and --label"
        remedy += "" if first.file.names else ", by names where the first row has them"
    return InputError(
        f"{first.path}: the {column} was taken for the class and has {len(labels):,} different "
        f"values in {counted(n_rows, 'row')}, such as {shown}; {why}{remedy}"
    )
