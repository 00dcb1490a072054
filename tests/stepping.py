"""Steps of a trainer, without a loop, and what they are made on."""

import numpy as np

from ooc_train.reading.rows import Batch, SparseRows
from ooc_train.training.models.backend import keras
from ooc_train.training.models.table import MODELS, DataShape
from ooc_train.training.steps.trainer import Trainer
from tests.files import Toy

N_COLUMNS = 30


def train_on(trainer: Trainer, batch: Batch) -> tuple[float, int]:
    """Mean loss and correct rows of one step."""
    return trainer.step(trainer.prepare(batch, trainer.n_steps))


def network(sizes, n_columns=N_COLUMNS, *, rate=0.0):
    """Layers of the sizes, the last being the output, with random weights and biases."""
    keras.utils.set_random_seed(0)
    layers = [keras.Input((n_columns,)), keras.layers.Dropout(rate)]
    for size in sizes[:-1]:
        layers += [keras.layers.Dense(size, "relu"), keras.layers.Dropout(rate)]
    layers += [keras.layers.Dense(sizes[-1], "sigmoid" if sizes[-1] == 1 else "softmax")]
    model = keras.Sequential(layers)
    random = np.random.default_rng(0)
    model.set_weights([random.normal(0, 0.3, w.shape).astype("f4") for w in model.get_weights()])
    return model


def toy_batch(n_rows=40, *, n_classes=2, mean_entries=6, seed=0):
    toy = Toy(n_columns=N_COLUMNS, n_classes=n_classes, mean_entries=mean_entries)
    labels, indptr, indices, values = toy.rows(n_rows, np.random.default_rng(seed))
    return Batch(SparseRows(indptr, indices, values, N_COLUMNS), labels)


def build(model, n_columns, n_classes, *, seed=0, **options):
    """The model of that name."""
    return MODELS[model].model(DataShape("any", n_columns, None, n_classes, seed), **options)
