"""Sparse batches through a plain Keras model of dense rows: same layers, same results.

The model begins with dropout layers (or none) and a dense layer.  Dropout on a sparse row equals
dropout on the dense row when done on the stored values, since the others are zero either way;
the dense layer becomes a product of a sparse with a dense matrix; from there on all is dense.
"""

import numpy as np

from ooc_train.rows import FloatArray, SparseRows
from ooc_train.training.backend import keras, tf


def sparse_tensor(rows: SparseRows) -> tf.SparseTensor:
    """``rows`` as TensorFlow takes them.  Memory: 20 bytes an entry."""
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


def forward(
    model: keras.Model, features: tf.SparseTensor, *, dropout_seed: tf.Tensor | None = None
) -> tf.Tensor:
    """What ``model`` makes of the dense form of ``features``: ``(n, n_outputs) float32``.

    With a ``dropout_seed``, of ``(2,)`` integers, as in training; otherwise as in inference.  What
    is dropped is a function of that seed alone, not of a generator's state: nothing to save.
    """
    training = dropout_seed is not None
    hidden: tf.Tensor | None = None
    for number, layer in enumerate(model.layers):
        if isinstance(layer, keras.layers.Dropout):
            if training:
                seed = tf.random.experimental.stateless_fold_in(dropout_seed, number)
                if hidden is None:
                    values = dropout(features.values, rate=layer.rate, seed=seed)
                    features = features.with_values(values)
                else:
                    hidden = dropout(hidden, rate=layer.rate, seed=seed)
        elif hidden is None:
            hidden = tf.sparse.sparse_dense_matmul(features, layer.kernel) + layer.bias
            hidden = layer.activation(hidden)
        else:
            hidden = layer(hidden, training=training)
    return hidden


def class_probabilities(output: tf.Tensor) -> tf.Tensor:
    """``(n, n_classes)`` probabilities from a model's output, one sigmoid unit or a softmax."""
    if output.shape[-1] == 1:
        return tf.concat([1 - output, output], axis=1)
    return output


def predict_rows(model: keras.Model, rows: SparseRows) -> FloatArray:
    """Probabilities of the classes for each row: ``(n_rows, n_classes) float32``.

    ``model`` is a run's, see `run_folder.Run.load_model`.  Memory: some 30 bytes an entry and
    the hidden layer's outputs, 256 bytes a row; so call it with some thousand rows at a time.
    """
    probabilities: FloatArray = class_probabilities(forward(model, sparse_tensor(rows))).numpy()
    return probabilities
