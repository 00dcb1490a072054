"""The weight in the loss of the rows of each class, as the user asks for it.

>>> parse_class_weight("spam=2,ham=0.5")
{'spam': 2.0, 'ham': 0.5}
"""

import math
from collections.abc import Mapping

import numpy as np

from ooc_train.dtypes import F32
from ooc_train.errors import OptionError
from ooc_train.reading.store import Store

BALANCED = "balanced"
ClassWeight = str | Mapping[str, float]
"""``"balanced"``, or weights by the classes' labels; also as text, ``"1=2,2=0.5"``."""


def parse_class_weight(asked: ClassWeight) -> str | dict[str, float]:
    """Weights by label, or ``"balanced"``.

    Raises OptionError for what is neither, and for weights that are not above 0.
    """
    if asked == BALANCED:
        return BALANCED
    try:
        pairs = _pairs(asked) if isinstance(asked, str) else asked.items()
        weights = {str(label): float(weight) for label, weight in pairs}
    except (AttributeError, TypeError, ValueError):
        raise OptionError(
            f"{asked!r} is no class weight; write {BALANCED}, or weights by label, such as "
            "1=2,2=0.5"
        ) from None
    for label, weight in weights.items():
        if not (weight > 0 and math.isfinite(weight)):
            raise OptionError(f"the class weight of {label} must be above 0, not {weight:g}")
    return weights


def class_weights_for(asked: ClassWeight | None, store: Store) -> F32 | None:
    """The weight of each class of a file, ``(n_classes,) float32``; ``None`` where all are equal.

    Balanced weights are scikit-learn's, ``n_rows / (n_classes * rows of the class)``, so that the
    mean over the train rows is 1.  Classes that are not named weigh 1.  Raises OptionError for a
    label that the file lacks.
    """
    if asked is None:
        return None
    weights = parse_class_weight(asked)
    if isinstance(weights, str):
        counts = store["train"].class_counts()
        return (counts.sum() / (len(counts) * np.maximum(counts, 1))).astype(np.float32)
    unknown = [label for label in weights if label not in store.class_labels]
    if unknown:
        labels = ", ".join(store.class_labels[:10])
        more = ", ..." if len(store.class_labels) > 10 else ""
        raise OptionError(
            f"{store.path} has no class {unknown[0]!r} to give a weight to; its labels are "
            f"{labels}{more}"
        )
    return np.array([weights.get(label, 1) for label in store.class_labels], np.float32)


def _pairs(text: str) -> list[tuple[str, str]]:
    parts = [part.rpartition("=") for part in text.split(",")]
    if not all(equals for _, equals, _ in parts):
        raise ValueError
    return [(label, weight) for label, _, weight in parts]
