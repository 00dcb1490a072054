"""Steps of a trainer, without a loop, and what they are made on."""

import numpy as np

from ooc_train.reading.rows import Batch, SparseRows
from ooc_train.training.models.network import Network
from ooc_train.training.models.table import MODELS, DataShape
from ooc_train.training.steps.trainer import Trainer
from tests.files import Toy

N_COLUMNS = 30


def train_on(trainer: Trainer, batch: Batch) -> tuple[float, int]:
    """Mean loss and correct rows of one step."""
    return trainer.step(trainer.prepare(batch, trainer.n_steps))


def network(sizes, n_columns=N_COLUMNS, *, rate=0.0):
    """Layers of the sizes, the last being the output, with random weights and biases."""
    made, random = Network([n_columns, *sizes], rate), np.random.default_rng(0)
    made.set_weights([random.normal(0, 0.3, w.shape).astype("f4") for w in made.get_weights()])
    return made


def toy_batch(n_rows=40, *, n_classes=2, mean_entries=6, seed=0):
    toy = Toy(n_columns=N_COLUMNS, n_classes=n_classes, mean_entries=mean_entries)
    labels, indptr, indices, values = toy.rows(n_rows, np.random.default_rng(seed))
    return Batch(SparseRows(indptr, indices, values, N_COLUMNS), labels)


def build(model, n_columns, n_classes, *, seed=0, **options):
    """The model of that name."""
    return MODELS[model].model(DataShape("any", n_columns, None, n_classes, seed), **options)
