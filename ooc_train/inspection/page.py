"""The page of rows, converted or not, which `ooc_train.report` draws."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ooc_train.atomic import output_file
from ooc_train.counts import counted
from ooc_train.inspection.overview import row_lengths
from ooc_train.inspection.raw.advice import advice_for
from ooc_train.reading.split import Split
from ooc_train.reading.splits import RaggedSplit
from ooc_train.reading.store import Store
from ooc_train.reading.store import open as open_store
from ooc_train.report.drawing import check_library, draw

_INTERNAL = ("hash_seed",)


def write_exploration(report: Mapping[str, Any], title: str, page: Path, *, force: bool) -> None:
    """Write the page of a report of `explore`.  Raises OutputError as `draw`."""
    rows = counted(report["rows"], "row")
    content = {
        **report,
        "page": "data",
        "title": title,
        "said": f"{rows}, not converted; read in {report['seconds']:.1f} s",
        "unit": "words" if report["guide"] else "entries",
        "advice": advice_for(report),
    }
    _write(content, page, force=force)


def write_description(path: Path, found: Mapping[str, Any], page: Path, *, force: bool) -> None:
    """Write the page of a converted file, which `inspect` has described, with its terms.

    Memory: some megabytes.  Raises OutputError as `draw`, and InputError or FormatError as
    `store.open`.
    """
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
    n_rows = counted(sum(map(len, splits.values())), "converted row")
    details = {
        "features": f"{found['features']}, {counted(found['n_features'], 'column')}",
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
        "said": f"{n_rows}, {store.features} features",
        "unit": "tokens" if store.features == "sequence" else "entries",
        "advice": [],
        "classes": [
            {"name": name, "rows": {split: rows[split][number] for split in splits}}
            for number, name in enumerate(store.class_names)
        ],
        "splits": {name: _described(split, name == "train") for name, split in splits.items()},
        "terms": found["terms"],
        "duplicates": found.get("duplicates"),
        "same": "features",
        "details": {name: value for name, value in details.items() if value is not None},
    }


def _described(split: Split, measured: bool) -> dict[str, Any]:
    if not (measured and isinstance(split, RaggedSplit)):
        return {"rows": len(split)}
    counts = row_lengths(split)
    lengths = {int(length): int(counts[length]) for length in np.flatnonzero(counts)}
    return {"rows": len(split), "lengths": lengths}
