"""The page of rows, converted or not, which `ooc_train.report` draws."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ooc_train.atomic import output_file
from ooc_train.inspection.column_terms import telling_columns
from ooc_train.inspection.describe import inspect
from ooc_train.inspection.overview import row_lengths
from ooc_train.inspection.raw.advice import advice_for
from ooc_train.reading.split import Split
from ooc_train.reading.splits import RaggedSplit
from ooc_train.reading.store import Store
from ooc_train.reading.store import open as open_store
from ooc_train.report.drawing import check_library, draw

_INTERNAL = ("hash_seed",)
_FREQUENT = 30
_TERM_COUNTS = ("term_df", "term_counts")


def write_exploration(report: Mapping[str, Any], title: str, page: Path, *, force: bool) -> None:
    """Write the page of a report of `explore`.  Raises OutputError as `draw`."""
    content = {
        **report,
        "page": "data",
        "title": title,
        "said": f"{report['rows']:,} rows, not converted; read in {report['seconds']:.1f} s",
        "unit": "words" if report["guide"] else "entries",
        "advice": advice_for(report),
    }
    _write(content, page, force=force)


def write_description(path: Path, page: Path, *, force: bool) -> None:
    """Write the page of a converted file.

    The terms by class are those of at most 100,000 train rows.  Memory: some megabytes, and 8 bytes
    for each class and column.  Raises OutputError as `draw`, and InputError or FormatError as
    `store.open`.
    """
    check_library(page)
    found = inspect(path)
    with open_store(path) as store:
        content = _content_of(store, found)
    _write(content, page, force=force)


def _write(content: dict[str, Any], page: Path, *, force: bool) -> None:
    check_library(page)
    with output_file(page, "the page", force=force) as part:
        draw(content, part, page)


def _content_of(store: Store, found: Mapping[str, Any]) -> dict[str, Any]:
    splits = {name: split for name, split in store.splits.items() if len(split)}
    rows = {name: split.class_counts().tolist() for name, split in splits.items()}
    details = {
        "features": f"{found['features']}, {found['n_features']:,} columns",
        **{
            name.replace("_", " "): value
            for name, value in found["vectorizer"].items()
            if name not in _INTERNAL
        },
        "size": f"{found['bytes'] / 1e6:,.1f} MB",
        "written by": found["producer"],
        "seed": found["provenance"].get("seed"),
    }
    return {
        "page": "data",
        "title": store.path.name,
        "said": f"{sum(map(len, splits.values())):,} converted rows, {store.features} features",
        "unit": "tokens" if store.features == "sequence" else "entries",
        "advice": [],
        "classes": [
            {"name": name, "rows": {split: rows[split][number] for split in splits}}
            for number, name in enumerate(store.class_names)
        ],
        "splits": {name: _described(split, name == "train") for name, split in splits.items()},
        "terms": _terms_of(store, np.array(rows["train"])),
        "details": {name: value for name, value in details.items() if value is not None},
    }


def _described(split: Split, measured: bool) -> dict[str, Any]:
    if not (measured and isinstance(split, RaggedSplit)):
        return {"rows": len(split)}
    counts = row_lengths(split)
    lengths = {int(length): int(counts[length]) for length in np.flatnonzero(counts)}
    return {"rows": len(split), "lengths": lengths}


def _terms_of(store: Store, class_rows: Any) -> dict[str, Any] | None:
    """The most frequent terms, and of n-grams those that tell most about the largest classes."""
    vectorizer = store.group("vectorizer")
    name = next((name for name in _TERM_COUNTS if name in vectorizer), None)
    if name is None:
        return None
    counts = vectorizer.read(name).astype(np.int64)
    best = np.argsort(-counts, kind="stable")[:_FREQUENT]
    total = int(counts.sum()) if name == "term_counts" else int(class_rows.sum())
    frequent = [
        {"term": term, "rows": n_rows, "share": n_rows / total}
        for term, n_rows in zip(
            vectorizer.some_strings("terms", best.tolist()), counts[best].tolist(), strict=True
        )
    ]
    return {"missed_rows": 0, "frequent": frequent, "telling": telling_columns(store)}
