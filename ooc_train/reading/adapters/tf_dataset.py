"""Batches as a ``tf.data.Dataset``."""

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from ooc_train.reading.adapters.forms import checked_form
from ooc_train.reading.rows import Rows, SequenceRows, SparseRows

if TYPE_CHECKING:
    from ooc_train.reading.splits import Split


def tf_dataset(
    split: "Split", batch_size: int, seed: int | None, form: str | None
) -> tf.data.Dataset:
    """The dataset; see `Adapters.to_tf_dataset`."""
    form = checked_form(split, form, ("sparse", "dense", "ragged"))
    batches = split.batches(batch_size, seed=seed)
    epochs = itertools.count()

    def one_epoch() -> Iterator[tuple[Any, Any]]:
        for rows, labels in batches.at_epoch(next(epochs)):
            yield features_of(rows, form), labels

    dataset = tf.data.Dataset.from_generator(
        one_epoch, output_signature=(_spec(split, form), tf.TensorSpec((None,), tf.int64))
    )
    counted = dataset.apply(tf.data.experimental.assert_cardinality(len(batches)))
    return counted.prefetch(tf.data.AUTOTUNE)


def features_of(rows: Rows, form: str) -> Any:
    """Rows as TensorFlow takes them."""
    if form == "sparse" and isinstance(rows, SparseRows):
        cells = np.stack([rows.row_numbers(), rows.indices], axis=1)
        return tf.SparseTensor(cells, rows.values, (len(rows), rows.n_columns))
    if form == "ragged" and isinstance(rows, SequenceRows):
        return tf.RaggedTensor.from_row_splits(
            rows.tokens.astype(np.int32), rows.indptr, validate=False
        )
    return rows.to_dense()


def _spec(split: "Split", form: str) -> tf.TypeSpec:
    """The type of the features of any batch."""
    if form == "sparse":
        return tf.SparseTensorSpec((None, split.n_columns), tf.float32)
    if form == "ragged":
        return tf.RaggedTensorSpec((None, None), tf.int32, ragged_rank=1)
    dtype = tf.int32 if split.features == "sequence" else tf.float32
    return tf.TensorSpec((None, split.width), dtype)
