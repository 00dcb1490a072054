"""Batches as a ``tf.data.Dataset``."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from ooc_train.reading.batches import EpochBatches
from ooc_train.reading.rows import Rows, SequenceRows, SparseRows


def tf_dataset(batches: EpochBatches, form: str) -> tf.data.Dataset:
    """The dataset of `adapters.to_tf_dataset`; each iteration is the epoch after the last one."""
    epochs = itertools.count()

    def one_epoch() -> Iterator[tuple[Any, Any]]:
        for rows, labels in batches.at_epoch(next(epochs)):
            yield features_of(rows, form), labels

    features = _spec(batches.split.read(0, 0), form)
    dataset = tf.data.Dataset.from_generator(
        one_epoch, output_signature=(features, tf.TensorSpec((None,), tf.int64))
    )
    counted = dataset.apply(tf.data.experimental.assert_cardinality(len(batches)))
    return counted.prefetch(tf.data.AUTOTUNE)


def features_of(rows: Rows, form: str) -> Any:
    """Rows as TensorFlow takes them: a sparse or ragged tensor, or a dense array."""
    if form == "sparse" and isinstance(rows, SparseRows):
        cells = np.stack([rows.row_numbers(), rows.indices], axis=1)
        return tf.SparseTensor(cells, rows.values, (len(rows), rows.n_columns))
    if form == "ragged" and isinstance(rows, SequenceRows):
        return tf.RaggedTensor.from_row_splits(
            rows.tokens.astype(np.int32), rows.indptr, validate=False
        )
    return rows.to_dense()


def _spec(no_rows: Rows, form: str) -> tf.TypeSpec:
    """The type of the features of any batch, from a batch without rows."""
    if form == "ragged":
        return tf.RaggedTensorSpec((None, None), tf.int32, ragged_rank=1)
    shape = (None, no_rows.width)
    if form == "sparse":
        return tf.SparseTensorSpec(shape, tf.float32)
    return tf.TensorSpec(shape, no_rows.to_dense().dtype)
