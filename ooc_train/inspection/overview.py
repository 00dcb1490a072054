"""What is in a file as one picture: rows by class, lengths of rows, and the most frequent terms.

The figures of the guide's `explore_data` (class, length and n-gram distributions), of the converted
rows and without holding them: labels and row offsets are read a piece at a time.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from ooc_train.atomic import reason, replacing
from ooc_train.dtypes import I64
from ooc_train.errors import OutputError
from ooc_train.file.schema import read_some_strings
from ooc_train.reading.splits import LABELS_AT_ONCE, RaggedSplit, Split
from ooc_train.reading.store import Store
from ooc_train.reading.store import open as open_store
from ooc_train.report.drawing import check_library

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".png", ".svg", ".pdf")
MOST_CLASSES, MOST_TERMS = 30, 30
_INCHES_A_BAR, _LEAST_INCHES, _INCHES_WIDE = 0.2, 3.5, 4.5
_TERM_COUNTS = {"term_df": "rows", "term_counts": "occurrences"}
_LONGEST_NAME = 30
_LEAST_BARS = 8  # that there is room for: two would be as thick as a fist


def draw_overview(path: Path, picture: Path) -> None:
    """Draw the file at ``path`` to ``picture``, PNG, SVG or PDF as its name says, whole or not.

    Memory: matplotlib's some 60 MB, and megabytes of labels and offsets at a time.  Raises
    OutputError for another kind of picture, where it cannot be written, and without matplotlib;
    InputError or FormatError as `store.open`.
    """
    if picture.suffix not in FORMATS:
        raise OutputError(f"{picture} is no picture; its name must end in {', '.join(FORMATS)}")
    check_library(picture)
    with open_store(path) as store:
        panels = _panels(store)
    try:
        with replacing(picture) as part:
            _draw(panels, part, picture.suffix.removeprefix("."))
    except OSError as error:
        raise OutputError(f"{picture} cannot be written: {reason(error)}") from error


def row_lengths(split: RaggedSplit) -> I64:
    """How many rows have 0 entries, 1, 2 and so on: (longest + 1,).  Reads offsets alone."""
    counts = np.zeros(1, np.int64)
    for start in range(0, len(split), LABELS_AT_ONCE):
        lengths = split.entries_by_row(start, min(start + LABELS_AT_ONCE, len(split)))
        more = np.bincount(lengths, minlength=len(counts))
        more[: len(counts)] += counts
        counts = more
    return counts


def most_frequent(vectorizer: h5py.Group, n: int) -> tuple[str, list[str], I64] | None:
    """Of the ``n`` most frequent terms what is counted, strings and counts; ``None`` without any.

    Terms that are as frequent come in the order of their columns.
    """
    for name, what in _TERM_COUNTS.items():
        if name in vectorizer:
            counts = vectorizer[name][...].astype(np.int64)
            best = np.argsort(-counts, kind="stable")[:n]
            return what, read_some_strings(vectorizer, "terms", best.tolist()), counts[best]
    return None


def _panels(store: Store) -> list[tuple[str, dict[str, Any]]]:
    """The pictures by kind, with what is in them."""
    splits = {name: split for name, split in store.splits.items() if len(split)}
    panels: list[tuple[str, dict[str, Any]]] = [("classes", _classes(store.class_names, splits))]
    train = splits["train"]
    if isinstance(train, RaggedSplit):
        panels.append(("lengths", {"counts": row_lengths(train)}))
    terms = most_frequent(store.file["vectorizer"], MOST_TERMS)
    if terms:
        panels.append(("terms", dict(zip(("what", "strings", "counts"), terms, strict=True))))
    return panels


def _classes(names: Sequence[str], splits: dict[str, Split]) -> dict[str, Any]:
    """The rows of the largest classes by split."""
    counts = {name: split.class_counts() for name, split in splits.items()}
    order = np.argsort(-counts["train"], kind="stable")[:MOST_CLASSES]
    return {
        "names": [names[i] for i in order.tolist()],
        "counts": {name: of_split[order] for name, of_split in counts.items()},
        "n_more": len(names) - len(order),
    }


def _draw(panels: Sequence[tuple[str, dict[str, Any]]], path: Path, kind: str) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - in an extra, and slow to load
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter  # noqa: PLC0415

    n_bars = max(len(content.get("names", content.get("strings", ()))) for _, content in panels)
    size = (_INCHES_WIDE * len(panels), max(_LEAST_INCHES, 1 + _INCHES_A_BAR * n_bars))
    with mpl.rc_context({"text.parse_math": False, "font.size": 8}):
        figure = Figure(figsize=size, layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, len(panels)))
        for place, (name, content) in zip(axes, panels, strict=True):
            _PANELS[name](place, content)
            place.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            place.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
            place.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, format=kind, dpi=150)


def _draw_classes(axes: "Axes", content: dict[str, Any]) -> None:
    height = 0.8 / len(content["counts"])
    places = np.arange(len(content["names"]))
    for i, (split, counts) in enumerate(content["counts"].items()):
        axes.barh(places + (i + 0.5) * height - 0.4, counts, height, label=split)
    _name_bars(axes, content["names"])
    more = f", and {content['n_more']:,} smaller classes" if content["n_more"] else ""
    axes.set(title=f"rows by class{more}", xlabel="rows")
    axes.legend(frameon=False)


def _draw_lengths(axes: "Axes", content: dict[str, Any]) -> None:
    counts = content["counts"]
    edges = np.unique(np.linspace(0, len(counts), min(len(counts), 50) + 1).astype(int))
    axes.stairs(np.add.reduceat(counts, edges[:-1]), edges, fill=True)
    median = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))
    axes.axvline(median, color="black", ls=":", label=f"median {median:,}")
    axes.set(title="lengths of train rows", xlabel="entries of a row", ylabel="rows")
    axes.legend(frameon=False)


def _draw_terms(axes: "Axes", content: dict[str, Any]) -> None:
    axes.barh(np.arange(len(content["strings"])), content["counts"])
    _name_bars(axes, content["strings"])
    axes.set(title="most frequent terms", xlabel=f"{content['what']} of the train split")


def _name_bars(axes: "Axes", names: Sequence[str]) -> None:
    short = [
        name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…" for name in names
    ]
    axes.set_yticks(np.arange(len(names)), short)
    axes.set_ylim(max(len(names), _LEAST_BARS) - 0.4, -0.6)


_PANELS = {"classes": _draw_classes, "lengths": _draw_lengths, "terms": _draw_terms}
