"""The models that can be trained by name: plain Keras models of dense rows.

They are what a run saves, and load anywhere without this package.  Training does not call them
with dense rows but layer by layer with sparse ones, see `feeding`.
"""

from collections.abc import Callable

import numpy as np

from ooc_train.training.backend import keras

HIDDEN_UNITS = 64
DROPOUT_RATE = 0.2


def build_mlp(n_columns: int, n_classes: int, *, seed: int) -> keras.Model:
    """The multi-layer perceptron of Google's text-classification guide.

    Takes ``(n, n_columns) float32``.  Two classes: one sigmoid unit, the probability of the
    second; more: softmax over all.  The guide's ``layers=2`` counts the output layer.  Initial
    weights are drawn from ``seed``, not from Keras's global state, which stays untouched.
    """
    hidden_seed, output_seed = np.random.SeedSequence(seed).generate_state(2).tolist()
    units, activation = (1, "sigmoid") if n_classes == 2 else (n_classes, "softmax")
    return keras.Sequential(
        [
            keras.Input((n_columns,), name="features"),
            keras.layers.Dropout(DROPOUT_RATE, name="input_dropout"),
            _dense(HIDDEN_UNITS, "relu", hidden_seed, "hidden"),
            keras.layers.Dropout(DROPOUT_RATE, name="hidden_dropout"),
            _dense(units, activation, output_seed, "output"),
        ],
        name="mlp",
    )


def _dense(units: int, activation: str, seed: int, name: str) -> keras.layers.Layer:
    initializer = keras.initializers.GlorotUniform(seed=seed)
    return keras.layers.Dense(units, activation, kernel_initializer=initializer, name=name)


BUILDERS: dict[str, Callable[..., keras.Model]] = {"mlp": build_mlp}
"""For each name, a function of the numbers of columns and of classes, and of ``seed``."""
