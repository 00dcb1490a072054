"""Feeds: how batches of rows go through a Keras model, one class for each way.

`SparseFeed` takes sparse rows through a stack of dense layers without making them dense: same
layers, same results, in less time.  `DenseFeed` gives them to any other model as a matrix, and
`SequenceFeed` gives padded word ids to any model.

In all of them dropout is a function of a seed alone, not of a generator's state, so that resuming
needs only the number of steps.
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from ooc_train.dtypes import F32
from ooc_train.kinds import Layout
from ooc_train.reading.rows import Rows, SequenceRows, SparseRows
from ooc_train.training.models.backend import keras, tf

Features = Any
"""Rows as TensorFlow takes them: a dense or sparse tensor, or an array."""


class Feed(ABC):
    """A model, and how rows are given to it."""

    rows_at_once: int = 128
    """Rows to predict at a time, as many as a usual step has."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model

    @property
    @abstractmethod
    def signature(self) -> tf.TypeSpec:
        """The type of features of any number of rows, so that steps are compiled once."""

    @abstractmethod
    def features(self, rows: Rows) -> Features:
        """``rows`` as `forward` takes them."""

    @abstractmethod
    def forward(self, features: Features, *, dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """The model's outputs for the rows: ``(n, n_outputs) float32``.

        With a ``dropout_seed``, ``(2,)`` integers, as in training; without, as in inference.
        """


class SparseFeed(Feed):
    """Sparse rows through a Sequential model that begins with Dense, dropout before it or not.

    Dropout of a sparse row's stored values equals dropout of the dense row, since all other values
    are zero anyway.  The Dense layer becomes a product of a sparse and a dense matrix; from there
    on everything is dense.
    """

    rows_at_once = 1024

    @staticmethod
    def takes(model: keras.Model) -> bool:
        """Whether this feed can be used for a model."""
        if not isinstance(model, keras.Sequential):
            return False
        first: Any = next((layer for layer in model.layers if not _drops(layer)), None)
        return (
            type(first) is keras.layers.Dense
            and first.compute_dtype == "float32"
            and first.use_bias
            and first.activity_regularizer is None
        )

    @property
    def signature(self) -> tf.TypeSpec:
        """Sparse matrices of the model's columns."""
        return tf.SparseTensorSpec(self.model.input_shape, tf.float32)

    def features(self, rows: SparseRows) -> tf.SparseTensor:  # type: ignore[override]
        """See `sparse_tensor`."""
        return sparse_tensor(rows)

    def forward(self, features: Features, *, dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """The outputs, layer by layer."""
        training = dropout_seed is not None
        if training:
            _seed_layers(self.model, dropout_seed)
        hidden: tf.Tensor | None = None
        for number, layer in enumerate(self.model.layers):
            if hidden is not None:
                hidden = layer(hidden, training=training)
            elif not _drops(layer):
                hidden = tf.sparse.sparse_dense_matmul(features, layer.kernel) + layer.bias
                hidden = layer.activation(hidden)
            elif training:
                # Negative, so that no other layer gets the same seed, see `_seed_layers`.
                seed = tf.random.experimental.stateless_fold_in(dropout_seed, -1 - number)
                values = dropout(features.values, rate=layer.rate, seed=seed)
                features = features.with_values(values)
        return hidden


class MatrixFeed(Feed):
    """Rows as a matrix through any model, called as it is."""

    def __init__(self, model: keras.Model, width: int | None) -> None:
        super().__init__(model)
        self._width = width

    def forward(self, features: Features, *, dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """The outputs of the model as it is."""
        if dropout_seed is None:
            return self.model(features, training=False)
        _seed_layers(self.model, dropout_seed)
        return self.model(features, training=True)


class DenseFeed(MatrixFeed):
    """Sparse or dense rows as ``(n, n_columns) float32``.  Memory: that of the matrix."""

    @property
    def signature(self) -> tf.TypeSpec:
        """Matrices of all columns."""
        return tf.TensorSpec((None, self._width), tf.float32)

    def features(self, rows: Rows) -> Features:
        """The dense rows."""
        return rows.to_dense()


class SequenceFeed(MatrixFeed):
    """Rows of word ids as ``(n, width) int32``; without a width, as wide as the longest row."""

    @property
    def signature(self) -> tf.TypeSpec:
        """Matrices of the width, or of any."""
        return tf.TensorSpec((None, self._width), tf.int32)

    def features(self, rows: SequenceRows) -> Features:  # type: ignore[override]
        """The padded rows."""
        longest = min(int(rows.lengths.max(initial=1)), rows.length)
        return rows.to_dense(longest if self._width is None else self._width)


def feed_for(model: keras.Model, layout: Layout, width: int | None) -> Feed:
    """The feed of ``model`` for rows of a layout.

    ``width`` is the number of columns, or the length that sequences are padded to; with ``None``,
    the length of the longest row in a batch.
    """
    if layout == "ragged":
        return SequenceFeed(model, width)
    if layout == "dense" or not SparseFeed.takes(model):
        return DenseFeed(model, width)
    return SparseFeed(model)


def sparse_tensor(rows: SparseRows) -> tf.SparseTensor:
    """``rows`` as a tensor.  Memory: 20 bytes an entry."""
    coordinates = np.empty((rows.n_entries, 2), np.int64)
    coordinates[:, 0] = rows.row_numbers()
    coordinates[:, 1] = rows.indices
    return tf.SparseTensor(coordinates, rows.values, (len(rows), rows.n_columns))


def dropout(values: tf.Tensor, *, rate: float, seed: tf.Tensor) -> tf.Tensor:
    """``values`` set to 0 with probability ``rate``, the others scaled by ``1 / (1 - rate)``.

    ``seed`` is ``(2,)`` integers: the same seed drops the same values.
    """
    kept = tf.random.stateless_uniform(tf.shape(values), seed) >= rate
    return tf.where(kept, values / (1 - rate), 0)


def _drops(layer: keras.layers.Layer) -> bool:
    """Whether a layer is Keras's dropout of single values, and nothing derived from it."""
    return type(layer) is keras.layers.Dropout and layer.noise_shape is None


def _seed_layers(model: keras.Model, seed: tf.Tensor) -> None:
    """Give each random layer of ``model`` a seed of its own for its next call."""
    weights = {id(weight) for weight in model.weights}
    states = [variable for variable in model.variables if id(variable) not in weights]
    for number, state in enumerate(states):
        own = tf.random.experimental.stateless_fold_in(seed, number)
        state.assign(tf.cast(own, state.dtype))


def class_probabilities(output: tf.Tensor) -> tf.Tensor:
    """``(n, n_classes)`` probabilities from a model's output, one sigmoid unit or a softmax."""
    if output.shape[-1] == 1:
        return tf.concat([1 - output, output], axis=1)
    return output


def predict_rows(model: keras.Model, rows: Rows, *, pads_as_needed: bool = False) -> F32:
    """The probabilities of the classes for each row: ``(n_rows, n_classes) float32``.

    ``model`` is one of Keras.  Sequences are padded to ``rows.length``;
    with ``pads_as_needed``, rows of near length go through the model together and are padded to the
    longest of them.  Memory: the rows, and one step: the model takes a few rows at a time.
    """
    feed = feed_for(model, rows.layout, None if pads_as_needed else rows.width)
    order = np.argsort(rows.lengths, kind="stable") if pads_as_needed else np.arange(len(rows))
    parts = []
    for start in range(0, max(len(rows), 1), feed.rows_at_once):
        features = feed.features(rows.take(order[start : start + feed.rows_at_once]))
        parts.append(class_probabilities(feed.forward(features)).numpy())
    probabilities = np.concatenate(parts)
    probabilities[order] = probabilities.copy()  # back in the order of the rows
    return probabilities
