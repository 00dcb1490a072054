"""Whether what a command makes of false input is consistent in itself, by means of its own.

Nothing here uses the package: files are read by h5py, in the way that their specification says.
"""

import csv
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from benchmarks.measure.weights import weights

_SPLITS = ("train", "validation", "test")
_TOLERANCE = 1e-3


def of_nothing(_places: Mapping[str, Path]) -> None:
    """Nothing is wrong with a command that only says whether a file is whole."""


def of_rows(path: Path) -> str | None:
    """What is wrong with the rows of a converted file, in words."""
    with h5py.File(path) as file:
        n_classes = len(file["classes/labels/offsets"]) - 1
        for name in _SPLITS:
            if name in file and (problem := _of_split(file[name], n_classes, _n_columns(file))):
                return f"split {name} {problem}"
    return None


def _n_columns(file: h5py.File) -> int:
    """The columns of rows, or one more than the highest token."""
    vectorizer = file["vectorizer"]
    if "n_columns" in vectorizer.attrs:
        return int(vectorizer.attrs["n_columns"])
    return len(vectorizer["term_hashes"]) + (file.attrs["features"] == "sequence")


def _of_split(split: h5py.Group, n_classes: int, n_columns: int) -> str | None:
    labels = split["labels"][...]
    if labels.dtype.kind != "u" or (labels >= n_classes).any():
        return "has labels of no class"
    if "features" in split:
        is_right = split["features"].shape == (len(labels), n_columns)
        return None if is_right else "has features of another shape"
    indptr = [int(each) for each in split["indptr"]]
    columns = split["tokens" if "tokens" in split else "indices"][...]
    if indptr != sorted(indptr) or (indptr[0], indptr[-1]) != (0, len(columns)):
        return "has offsets that do not ascend"
    lowest = int("tokens" in split)
    if ((columns < lowest) | (columns >= n_columns)).any():
        return "has columns out of range"
    return None


def of_predictions(path: Path) -> str | None:
    """What is wrong with a table of predictions, in words."""
    with path.open(newline="") as file:
        rows = [*csv.DictReader(file)]
    for row in rows:
        found = [float(value) for name, value in row.items() if name.startswith("p_")]
        if not found or abs(sum(found) - 1) > _TOLERANCE or min(found) < 0:
            return f"probabilities that are none: {found}"
    return None if rows else "no predictions"


def of_run(path: Path) -> str | None:
    """What is wrong with a run, in words."""
    found = weights(path / "model.keras").values()
    is_finite = all(np.isfinite(np.frombuffer(array, "<f4")).all() for array in found)
    return None if is_finite else "weights that are not finite"


def of_evaluation(path: Path) -> str | None:
    """What is wrong with the report of an evaluation, in words."""
    report = json.loads(path.read_text("utf-8"))
    n_counted = sum(map(sum, report["confusion"]))
    if not _is_share(report["accuracy"]) or not math.isfinite(report["loss"]):
        return f"an accuracy of {report['accuracy']} and a loss of {report['loss']}"
    return None if n_counted == report["rows"] else f"{n_counted} of {report['rows']} rows"


def _is_share(number: Any) -> bool:
    return isinstance(number, float) and 0 <= number <= 1
