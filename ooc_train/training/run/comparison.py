"""Whether two files have the same vectorizer, the same classes and the same columns."""

from collections.abc import Mapping
from typing import Any

import h5py

from ooc_train.file.provenance import column_names

_AT_ONCE = 2**17
_WORDS = {
    "terms": "terms",
    "term_df": "document frequencies",
    "term_counts": "counts of the terms",
    "scales": "scales of the columns",
    "parameters": "vectorizer's parameters",
    "n_documents": "numbers of documents",
    "max_length": "longest rows",
    "n_columns": "numbers of columns",
}
"""The parts of a vectorizer in words, in the order in which differences are reported."""


def difference(run: h5py.File, data: h5py.File, *, classes: bool) -> str | None:
    """The difference between the vectorizers of two files, in words, if there is one.

    With ``classes``, these are compared, too.  Memory: a few megabytes.
    """
    if run.attrs["features"] != data.attrs["features"]:
        return f"it has {data.attrs['features']} features, not {run.attrs['features']}"
    if classes and not _same(run["classes/labels"], data["classes/labels"]):
        return "the classes differ"
    own, other = run["vectorizer"], data["vectorizer"]
    names = dict.fromkeys([*_WORDS, *own.attrs, *other.attrs, *own, *other])
    for name in names:
        same_values = own.attrs.get(name) == other.attrs.get(name)
        if not (same_values and _same(own.get(name), other.get(name))):
            return f"the {_WORDS.get(name, name)} differ"
    return None


def _same(one: Any, other: Any) -> bool:
    """Whether two datasets, or groups of them, hold the same bytes, or neither exists."""
    if isinstance(one, h5py.Group) and isinstance(other, h5py.Group):
        return set(one) == set(other) and all(_same(one[name], other[name]) for name in one)
    if not (isinstance(one, h5py.Dataset) and isinstance(other, h5py.Dataset)):
        return one is other is None
    starts = range(0, len(one), _AT_ONCE)
    return (one.shape, one.dtype) == (other.shape, other.dtype) and all(
        one[start : start + _AT_ONCE].tobytes() == other[start : start + _AT_ONCE].tobytes()
        for start in starts
    )


def columns_difference(
    one: Mapping[str, Any], other: Mapping[str, Any], n_columns: int
) -> str | None:
    """The difference between the names of dense columns in two provenances, if there is one."""
    own, its = (column_names(found.get("layout", {})) for found in (one, other))
    if not own or not its or not len(own.columns) == len(its.columns) == n_columns:
        return None  # the names are those of lists of numbers, or of arrays
    for k, (mine, theirs) in enumerate(zip(own.columns, its.columns, strict=True), 1):
        if mine != theirs:
            return f"feature {k} is the column {theirs!r}, not {mine!r}"
    return None
