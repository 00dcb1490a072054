"""The separable convolutional network, a plain Keras model that loads without this package."""

from collections.abc import Iterator

import numpy as np

from ooc_train.dtypes import F32
from ooc_train.training.models.backend import keras
from ooc_train.training.models.table import DataShape

FILTERS = 64
KERNEL_SIZE = 3
POOL_SIZE = 3


def build_sepcnn(
    shape: DataShape,
    *,
    embedding_dimension: int,
    embeddings: F32 | None,
    dropout_rate: float,
) -> keras.Model:
    """The separable convolutional network of Google's text-classification guide, two blocks.

    Takes ``(n, any length) int32`` word ids below ``n_columns``, 0 being padding on the left, and
    gives the same for a row however far it is padded: rows are reversed, so that pooling windows
    count from their end; padding is set to zero after each convolution; and the mean runs over the
    values that are not padding.  A separable convolution is a depthwise and a pointwise layer here,
    which is the same and takes less time.

    ``embeddings``, ``(n_columns, any dimension) float32``, are the first layer's initial weights;
    without them it has ``embedding_dimension`` dimensions, drawn at random.  All weights are drawn
    from the shape's seed, not from Keras's global state, which stays untouched.  Depthwise kernels
    are uniform in ±1, which suits the 3 values that each output sums: Keras's default assumes that
    a depthwise kernel mixes all channels, and with it this network does not learn.  Pointwise
    kernels are He-uniform.
    """
    seeds = iter(np.random.SeedSequence(shape.seed).generate_state(16).tolist())
    if embeddings is not None:
        embedding_dimension = embeddings.shape[1]
    ids = keras.Input((None,), dtype="int32", name="ids")
    # Padding at the end, so that the last pooling window is whole whatever the length, and that a
    # row's first word has padding beside it whatever the length: embeddings need no mask then.
    ends = keras.ops.pad(keras.ops.flip(ids, axis=1), [[0, 0], [0, POOL_SIZE - 1]])
    mask = keras.ops.expand_dims(keras.ops.cast(ends != 0, "float32"), axis=2)
    embedding = keras.layers.Embedding(
        shape.n_columns,
        embedding_dimension,
        embeddings_initializer=_uniform(0.05, next(seeds)),
        name="embedding",
    )
    block_dropout = keras.layers.Dropout(dropout_rate, seed=next(seeds), name="block_dropout")
    hidden = block_dropout(embedding(ends))
    for number in (1, 2):
        hidden = _convolution(hidden, mask, FILTERS, seeds, f"block1_conv{number}")
    hidden = keras.layers.MaxPooling1D(POOL_SIZE, name="pool")(hidden)
    mask = keras.layers.MaxPooling1D(POOL_SIZE, name="pool_mask")(mask)
    for number in (1, 2):
        hidden = _convolution(hidden, mask, 2 * FILTERS, seeds, f"block2_conv{number}")
    n_valid = keras.ops.maximum(keras.ops.sum(mask, axis=1), 1)
    output_dropout = keras.layers.Dropout(dropout_rate, seed=next(seeds), name="output_dropout")
    hidden = output_dropout(keras.ops.sum(hidden, axis=1) / n_valid)
    model = keras.Model(ids, _output(shape.n_classes, next(seeds))(hidden), name="sepcnn")
    if embeddings is not None:
        embedding.set_weights([embeddings])
    return model


def _convolution(
    hidden: keras.KerasTensor,
    mask: keras.KerasTensor,
    filters: int,
    seeds: Iterator[int],
    name: str,
) -> keras.KerasTensor:
    """A separable convolution with relu; padding is set to zero again."""
    depthwise = keras.layers.DepthwiseConv1D(
        KERNEL_SIZE,
        padding="same",
        use_bias=False,
        depthwise_initializer=_uniform(1, next(seeds)),
        name=f"{name}_depthwise",
    )
    pointwise = keras.layers.Dense(
        filters,
        "relu",
        kernel_initializer=keras.initializers.HeUniform(seed=next(seeds)),
        name=f"{name}_pointwise",
    )
    return pointwise(depthwise(hidden)) * mask


def _output(n_classes: int, seed: int) -> keras.layers.Layer:
    """The output layer: for two classes one sigmoid unit, for more a softmax over all."""
    units, activation = (1, "sigmoid") if n_classes == 2 else (n_classes, "softmax")
    initializer = keras.initializers.GlorotUniform(seed=seed)
    return keras.layers.Dense(units, activation, kernel_initializer=initializer, name="output")


def _uniform(limit: float, seed: int) -> keras.initializers.Initializer:
    return keras.initializers.RandomUniform(-limit, limit, seed=seed)
