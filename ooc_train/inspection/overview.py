"""The overview of a file as one picture: rows by class, lengths of rows, most frequent terms.

These are the figures of `explore_data` in Google's guide, for converted rows, in bounded memory.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ooc_train.atomic import output_file
from ooc_train.dtypes import I64
from ooc_train.errors import OutputError
from ooc_train.file.group import FileGroup
from ooc_train.outputs import OutputOptions, check_outputs
from ooc_train.reading.split import LABELS_AT_ONCE, Split
from ooc_train.reading.splits import RaggedSplit
from ooc_train.reading.store import Store
from ooc_train.reading.store import open as open_store
from ooc_train.report.drawing import check_library
from ooc_train.report.panels import (
    FORMATS,
    ClassPanel,
    LengthPanel,
    Panel,
    TermPanel,
    draw_panels,
)

MOST_CLASSES, MOST_TERMS = 30, 30
_TERM_COUNTS = {"term_df": "rows", "term_counts": "occurrences"}


def draw_overview(path: Path, picture: Path, *, force: bool = OutputOptions.force) -> None:
    """Draw the file at ``path`` to ``picture``, whole or not at all.

    The suffix of ``picture`` is its format, one of `FORMATS`.  Memory: some 60 MB of matplotlib,
    and megabytes of labels and offsets at a time.

    An existing picture is replaced with ``force`` only.  Raises OutputError if the format is
    another, the picture cannot be written, or matplotlib is not installed; InputError or
    FormatError as `store.open`.
    """
    check_outputs({"the plot": picture}, [path], force=force)
    if picture.suffix not in FORMATS:
        raise OutputError(f"{picture} is no picture; its name must end in {', '.join(FORMATS)}")
    check_library(picture)
    with open_store(path) as store:
        panels = panels_of(store)
    with output_file(picture, "the plot", force=force) as part:
        draw_panels(panels, part, picture.suffix)


def panels_of(store: Store) -> list[Panel]:
    """The panels of a file.  Reads labels and row offsets."""
    splits = {name: split for name, split in store.splits.items() if len(split)}
    panels: list[Panel] = [_class_panel(store.class_names, splits)]
    train = splits["train"]
    if isinstance(train, RaggedSplit):
        panels.append(LengthPanel(row_lengths(train)))
    terms = most_frequent(store.group("vectorizer"), MOST_TERMS)
    return [*panels, terms] if terms else panels


def row_lengths(split: RaggedSplit) -> I64:
    """The number of rows with 0 entries, 1, 2 and so on: ``(longest + 1,) int64``.

    Reads offsets alone.  Memory: some megabytes of offsets at a time.
    """
    counts = np.zeros(1, np.int64)
    for start in range(0, len(split), LABELS_AT_ONCE):
        lengths = split.entries_by_row(start, min(start + LABELS_AT_ONCE, len(split)))
        more = np.bincount(lengths, minlength=len(counts))
        more[: len(counts)] += counts
        counts = more
    return counts


def most_frequent(vectorizer: FileGroup, n: int) -> TermPanel | None:
    """The ``n`` most frequent terms; ``None`` if the vectorizer has none.

    Ties are in the order of the columns.  Memory: 8 bytes a term.
    """
    for name, unit in _TERM_COUNTS.items():
        if name in vectorizer:
            counts = vectorizer.read(name).astype(np.int64)
            best = np.argsort(-counts, kind="stable")[:n]
            terms = vectorizer.some_strings("terms", best.tolist())
            return TermPanel(unit, terms, counts[best])
    return None


def _class_panel(names: Sequence[str], splits: dict[str, Split]) -> ClassPanel:
    """The panel of the largest classes: their rows in each split."""
    counts = {name: split.class_counts() for name, split in splits.items()}
    order = np.argsort(-counts["train"], kind="stable")[:MOST_CLASSES]
    return ClassPanel(
        [names[i] for i in order.tolist()],
        {name: of_split[order] for name, of_split in counts.items()},
        n_more=len(names) - len(order),
    )
