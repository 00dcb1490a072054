"""The overview of rows as one picture: rows by class, lengths of rows, frequent and telling terms.

These are the figures of `explore_data` in Google's guide, and more, in bounded memory.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ooc_train.atomic import output_file
from ooc_train.counts import counted
from ooc_train.dtypes import I64
from ooc_train.file.group import FileGroup
from ooc_train.file.shards import data_files
from ooc_train.inspection.column_terms import telling_columns
from ooc_train.outputs import OutputOptions, check_outputs
from ooc_train.reading.split import LABELS_AT_ONCE
from ooc_train.reading.splits import RaggedSplit
from ooc_train.reading.store import Store
from ooc_train.reading.store import open as open_store
from ooc_train.report.panels import (
    ClassPanel,
    LengthPanel,
    Panel,
    TellingPanel,
    TermPanel,
    check_picture,
    draw_panels,
)

MOST_CLASSES, MOST_TERMS = 30, 20
MOST_TELLING_CLASSES, TERMS_OF_A_CLASS = 8, 5
_TERM_COUNTS = {"term_df": "rows", "term_counts": "occurrences"}


def draw_overview(path: Path, picture: Path, *, force: bool = OutputOptions.force) -> None:
    """Draw the file at ``path`` to ``picture``, whole or not at all.

    The suffix of ``picture`` is its format, one of `panels.FORMATS`.  Memory: some 60 MB of
    matplotlib, and megabytes of labels and offsets at a time.

    An existing picture is replaced with ``force`` only.  Raises OutputError if the format is
    another, the picture cannot be written, or matplotlib is not installed; InputError or
    FormatError as `store.open`.
    """
    check_outputs({"the plot": picture}, data_files(path), force=force)
    check_picture(picture)
    with open_store(path) as store:
        panels = panels_of(store)
        n_rows = sum(map(len, store.splits.values()))
        title = f"{path.name}: {counted(n_rows, 'row')}, {store.features} features"
    with output_file(picture, "the plot", force=force) as part:
        draw_panels(panels, part, picture.suffix, title)


def draw_exploration(
    report: Mapping[str, Any], title: str, picture: Path, *, force: bool = OutputOptions.force
) -> None:
    """Draw a report of `explore` to ``picture``, as `draw_overview` draws a file."""
    check_outputs({"the plot": picture}, force=force)
    check_picture(picture)
    names = [one["name"] for one in report["classes"]]
    counts = {
        split: np.array([one["rows"][split] for one in report["classes"]])
        for split in report["splits"]
    }
    panels: list[Panel] = [_class_panel(names, counts)]
    lengths = report["splits"]["train"].get("lengths")
    if lengths:
        rows = {int(length): n_rows for length, n_rows in lengths.items()}
        panels.append(LengthPanel(rows, "words" if report["guide"] else "entries"))
    terms = report["terms"]
    if terms:
        frequent = terms["frequent"][:MOST_TERMS]
        n_rows = np.array([one["rows"] for one in frequent])
        panels.append(TermPanel("rows", [one["term"] for one in frequent], n_rows))
        panels += _telling_panel(names, terms["telling"])
    with output_file(picture, "the plot", force=force) as part:
        draw_panels(panels, part, picture.suffix, f"{title}: {counted(report['rows'], 'row')}")


def panels_of(store: Store) -> list[Panel]:
    """The panels of a file.  Reads labels, row offsets, and of n-grams 100,000 train rows."""
    splits = {name: split for name, split in store.splits.items() if len(split)}
    counts = {name: split.class_counts() for name, split in splits.items()}
    panels: list[Panel] = [_class_panel(store.class_names, counts)]
    train = splits["train"]
    if isinstance(train, RaggedSplit):
        by_length = row_lengths(train)
        rows = {int(length): int(by_length[length]) for length in np.flatnonzero(by_length)}
        panels.append(LengthPanel(rows, "tokens" if store.features == "sequence" else "entries"))
    terms = most_frequent(store.group("vectorizer"), MOST_TERMS)
    if terms:
        panels += [terms, *_telling_panel(store.class_names, telling_columns(store))]
    return panels


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


def _class_panel(names: Sequence[str], counts: Mapping[str, I64]) -> ClassPanel:
    """The panel of the largest classes: their rows in each split."""
    order = np.argsort(-counts["train"], kind="stable")[:MOST_CLASSES]
    return ClassPanel(
        [names[i] for i in order.tolist()],
        {name: of_split[order] for name, of_split in counts.items()},
        n_more=len(names) - len(order),
    )


def _telling_panel(
    names: Sequence[str], telling: Sequence[Mapping[str, Any]]
) -> list[TellingPanel]:
    """The panel of the terms that tell most about some classes, if there are any."""
    some = {
        names[one["class"]]: [(term["term"], term["share"], term["elsewhere"]) for term in
                              one["terms"][:TERMS_OF_A_CLASS]]
        for one in telling[:MOST_TELLING_CLASSES]
    }  # fmt: skip
    return [TellingPanel(some)] if any(some.values()) else []
