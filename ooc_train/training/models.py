"""The models that can be trained by name: plain Keras models of dense rows.

They are what a run saves, and load anywhere without this package.  Training does not call them
with dense rows but layer by layer with sparse ones, see `feeding`.
"""

from collections.abc import Callable

from ooc_train.training.backend import keras

HIDDEN_UNITS = 64
DROPOUT_RATE = 0.2


def build_mlp(n_columns: int, n_classes: int) -> keras.Model:
    """The multi-layer perceptron of Google's text-classification guide.

    Takes ``(n, n_columns) float32``.  Two classes: one sigmoid unit, the probability of the
    second; more: softmax over all.  The guide's ``layers=2`` counts the output layer.
    """
    if n_classes == 2:
        output = keras.layers.Dense(1, activation="sigmoid", name="probability")
    else:
        output = keras.layers.Dense(n_classes, activation="softmax", name="probabilities")
    return keras.Sequential(
        [
            keras.Input((n_columns,), name="features"),
            keras.layers.Dropout(DROPOUT_RATE, name="input_dropout"),
            keras.layers.Dense(HIDDEN_UNITS, activation="relu", name="hidden"),
            keras.layers.Dropout(DROPOUT_RATE, name="hidden_dropout"),
            output,
        ],
        name="mlp",
    )


BUILDERS: dict[str, Callable[[int, int], keras.Model]] = {"mlp": build_mlp}
"""For each name, a function of the numbers of columns and of classes."""
