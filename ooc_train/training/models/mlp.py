"""The multi-layer perceptron, a plain Keras model that loads anywhere without this package.

Training does not always call its layers as they are, see `steps.feeds` and `steps.sparse_steps`.
"""

import numpy as np

from ooc_train.training.models.backend import keras
from ooc_train.training.models.layers import dense, output
from ooc_train.training.models.table import DataShape


def build_mlp(shape: DataShape, *, layers: int, units: int, dropout_rate: float) -> keras.Model:
    """The multi-layer perceptron of Google's text-classification guide.

    Takes ``(n, n_columns) float32``.  Two classes: one sigmoid unit, the probability of the
    second; more: softmax over all.  ``layers``, as in the guide, counts the output layer.  Initial
    weights are drawn from the shape's seed, not from Keras's global state, which stays untouched.
    """
    seeds = np.random.SeedSequence(shape.seed).generate_state(layers)
    *hidden_seeds, output_seed = seeds.tolist()
    hidden = []
    for number, hidden_seed in enumerate(hidden_seeds, start=1):
        name = "hidden" if number == 1 else f"hidden_{number}"
        hidden += [
            dense(units, "relu", hidden_seed, name),
            keras.layers.Dropout(dropout_rate, name=f"{name}_dropout"),
        ]
    return keras.Sequential(
        [
            keras.Input((shape.n_columns,), name="features"),
            keras.layers.Dropout(dropout_rate, name="input_dropout"),
            *hidden,
            output(shape.n_classes, output_seed),
        ],
        name="mlp",
    )
