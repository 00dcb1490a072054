"""The names of classes in the metadata that Hugging Face's data sets write to Arrow and Parquet.

The key ``huggingface`` has the types of the columns as JSON.  A column of the type ``ClassLabel``
holds numbers, of which ``k`` stands for the name ``k``, counted from 0, and -1 for no label.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ooc_train.conversion.sources.labels import plain_label, unfit_label
from ooc_train.conversion.sources.rows import SpelledLabels

_KEY = b"huggingface"
_TYPE, _CLASS_LABEL = "_type", "ClassLabel"
_NO_LABEL = -1


def class_names_in(
    metadata: Mapping[bytes, bytes] | None,
) -> dict[tuple[str, ...], tuple[str, ...]]:
    """The names of the classes in each column of such a type, by the column's path.

    Names that do not tell classes apart are left out.

    >>> types = b'{"info": {"features": {"y": {"names": ["no", "yes"], "_type": "ClassLabel"}}}}'
    >>> class_names_in({b"huggingface": types})
    {('y',): ('no', 'yes')}
    """
    try:
        features = json.loads((metadata or {}).get(_KEY, b"{}"))["info"]["features"]
        return dict(_class_labels(features, ()))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):  # written by others
        return {}


def _class_labels(
    features: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    for name, feature in features.items():
        if not isinstance(feature, dict):
            continue
        if feature.get(_TYPE) == _CLASS_LABEL and _are_names(feature.get("names")):
            yield (*path, name), tuple(feature["names"])
        elif _TYPE not in feature:
            yield from _class_labels(feature, (*path, name))


def _are_names(names: Any) -> bool:
    """Whether the names tell classes apart."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return False
    labels = {plain_label(name.strip().encode("utf-8", "surrogatepass")) for name in names}
    return len(labels) == len(names) and not any(map(unfit_label, labels))


def named_labels(
    labels: SpelledLabels, names: Sequence[str], reasons: dict[int, str]
) -> SpelledLabels:
    """Labels by their names, given their numbers; rows with another number are given a reason."""
    spelled = []
    for k, label in enumerate(labels.distinct):
        number = int(label) if label else _NO_LABEL
        if _NO_LABEL <= number < len(names):
            spelled.append(b"" if number == _NO_LABEL else names[number].encode())
            continue
        spelled.append(label)
        for row in np.flatnonzero(labels.numbers == k).tolist():
            reasons.setdefault(row, f"the label {number} is the number of no class name")
    return labels._replace(distinct=spelled)
