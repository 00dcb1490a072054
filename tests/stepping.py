"""Steps of a trainer, without a loop."""

from ooc_train.rows import Batch
from ooc_train.training.steps import Trainer


def train_on(trainer: Trainer, batch: Batch) -> tuple[float, int]:
    """Mean loss and correct rows of one step."""
    return trainer.step(trainer.prepare(batch, trainer.n_steps))
