"""The models that can be trained by name: plain Keras models, loaded anywhere without this package.

They are what a run saves.  Training does not always call them as they are, see `feeding`.
"""

from collections.abc import Iterator

import numpy as np

from ooc_train.dtypes import F32
from ooc_train.training.models.backend import keras
from ooc_train.training.models.user import DataShape, build_user_model
from ooc_train.training.options import DROPOUT_RATE, EMBEDDING_DIMENSION, LAYERS, UNITS

FILTERS = 64
KERNEL_SIZE = 3
POOL_SIZE = 3


def build_mlp(
    n_columns: int,
    n_classes: int,
    *,
    seed: int,
    layers: int = LAYERS,
    units: int = UNITS,
    dropout_rate: float = DROPOUT_RATE,
) -> keras.Model:
    """The multi-layer perceptron of Google's text-classification guide.

    Takes ``(n, n_columns) float32``.  Two classes: one sigmoid unit, the probability of the
    second; more: softmax over all.  ``layers``, as in the guide, counts the output layer.  Initial
    weights are drawn from ``seed``, not from Keras's global state, which stays untouched.
    """
    *hidden_seeds, output_seed = np.random.SeedSequence(seed).generate_state(layers).tolist()
    hidden = []
    for number, hidden_seed in enumerate(hidden_seeds, start=1):
        name = "hidden" if number == 1 else f"hidden_{number}"
        hidden += [
            _dense(units, "relu", hidden_seed, name),
            keras.layers.Dropout(dropout_rate, name=f"{name}_dropout"),
        ]
    return keras.Sequential(
        [
            keras.Input((n_columns,), name="features"),
            keras.layers.Dropout(dropout_rate, name="input_dropout"),
            *hidden,
            _output(n_classes, output_seed),
        ],
        name="mlp",
    )


def build_sepcnn(
    n_columns: int,
    n_classes: int,
    *,
    seed: int,
    dimension: int = EMBEDDING_DIMENSION,
    embeddings: F32 | None = None,
    dropout_rate: float = DROPOUT_RATE,
) -> keras.Model:
    """The separable convolutional network of Google's text-classification guide, two blocks.

    Takes ``(n, any length) int32`` word ids below ``n_columns``, 0 being padding on the left,
    and gives the same for a row however far it is padded: rows are turned round, so that pooling
    windows count from their end; padding is set to zero after each convolution; and the average
    runs over what is no padding.  A separable convolution is a depthwise and a pointwise layer
    here, which is the same and takes less time.

    ``embeddings``, ``(n_columns, any dimension) float32``, are the first layer's initial weights;
    without them it has ``dimension`` dimensions, drawn at random.  All is drawn from ``seed``, as
    in `build_mlp`.  Depthwise kernels are uniform in ±1, which suits the 3 values that each output
    sums: Keras's default takes a depthwise kernel to mix all channels, and with it this network
    does not learn.  Pointwise kernels are He-uniform.
    """
    seeds = iter(np.random.SeedSequence(seed).generate_state(16).tolist())
    dimension = dimension if embeddings is None else embeddings.shape[1]
    ids = keras.Input((None,), dtype="int32", name="ids")
    # Padding at the end, so that the last pooling window is whole whatever the length, and that a
    # row's first word has padding beside it whatever the length: embeddings need no mask then.
    ends = keras.ops.pad(keras.ops.flip(ids, axis=1), [[0, 0], [0, POOL_SIZE - 1]])
    mask = keras.ops.expand_dims(keras.ops.cast(ends != 0, "float32"), axis=2)
    embedding = keras.layers.Embedding(
        n_columns, dimension, embeddings_initializer=_uniform(0.05, next(seeds)), name="embedding"
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
    model = keras.Model(ids, _output(n_classes, next(seeds))(hidden), name="sepcnn")
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
    """A separable convolution with relu, and zeros again where there is padding."""
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
    units, activation = (1, "sigmoid") if n_classes == 2 else (n_classes, "softmax")
    return _dense(units, activation, seed, "output")


def _dense(units: int, activation: str, seed: int, name: str) -> keras.layers.Layer:
    initializer = keras.initializers.GlorotUniform(seed=seed)
    return keras.layers.Dense(units, activation, kernel_initializer=initializer, name=name)


def _uniform(limit: float, seed: int) -> keras.initializers.Initializer:
    return keras.initializers.RandomUniform(-limit, limit, seed=seed)


def build_model(
    name: str,
    shape: DataShape,
    *,
    dimension: int = EMBEDDING_DIMENSION,
    embeddings: F32 | None = None,
    layers: int = LAYERS,
    units: int = UNITS,
    dropout_rate: float = DROPOUT_RATE,
) -> keras.Model:
    """The model of that name, or that the user's function of that name makes.

    ``dimension`` and ``embeddings`` are for sepcnn, ``layers`` and ``units`` for mlp, and
    ``dropout_rate`` for both.  Raises OptionError as
    `build_user_model` does.
    """
    if name == "mlp":
        return build_mlp(
            shape.n_columns,
            shape.n_classes,
            seed=shape.seed,
            layers=layers,
            units=units,
            dropout_rate=dropout_rate,
        )
    if name == "sepcnn":
        return build_sepcnn(
            shape.n_columns,
            shape.n_classes,
            seed=shape.seed,
            dimension=dimension,
            embeddings=embeddings,
            dropout_rate=dropout_rate,
        )
    return build_user_model(name, shape)
