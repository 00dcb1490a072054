"""The weight of each class's rows in the loss, from what the user asks for."""

from collections.abc import Mapping

import numpy as np

from ooc_train.dtypes import F32
from ooc_train.errors import OptionError
from ooc_train.reading.store import Store
from ooc_train.suggestions import did_you_mean
from ooc_train.training.mixing import TrainRows
from ooc_train.training.options import parse_class_weight


def class_weights_for(
    asked: str | Mapping[str, float] | None, store: Store, rows: TrainRows
) -> F32 | None:
    """The weight of each class of a file, ``(n_classes,) float32``; ``None`` where all are equal.

    Balanced weights are scikit-learn's, ``n_rows / (n_classes * rows of the class)``, so that the
    mean over the ``rows`` that an epoch trains on is 1.  Classes that are not named weigh
    1.  Raises OptionError for a label that the file lacks.
    """
    if asked is None:
        return None
    weights = parse_class_weight(asked)
    if isinstance(weights, str):
        counts = rows.class_counts()
        return (counts.sum() / (len(counts) * np.maximum(counts, 1))).astype(np.float32)
    unknown = [label for label in weights if label not in store.class_labels]
    if unknown:
        labels = ", ".join(store.class_labels[:10])
        more = ", ..." if len(store.class_labels) > 10 else ""
        raise OptionError(
            f"{store.path} has no class {unknown[0]!r} to give a weight to; its labels are "
            f"{labels}{more}{did_you_mean(unknown[0], store.class_labels)}"
        )
    return np.array([weights.get(label, 1) for label in store.class_labels], np.float32)
