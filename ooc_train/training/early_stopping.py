"""When to stop, and which weights to keep."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ooc_train.training.checkpoints import AnyArray
from ooc_train.training.options import PATIENCE
from ooc_train.training.steps import State

if TYPE_CHECKING:
    from ooc_train.training.backend import keras


class EarlyStopping:
    """The lowest validation loss, and the weights that had it.

    As Keras's callback with ``patience=2`` and ``restore_best_weights``; the first
    ``n_exempt`` epochs do not count as those in vain.  Memory: one copy of the weights.
    """

    def __init__(self, n_exempt: int = 0) -> None:
        self.best_loss = math.inf
        self.best_epoch = 0
        self._n_exempt = n_exempt
        self._n_epochs = 0
        self._weights: list[AnyArray] = []

    def after_epoch(self, loss: float, model: "keras.Model") -> None:
        """Take the validation loss after one more epoch, and the model's weights if they are best.

        Weights are taken as they are; the model's arrays must not be written to later.
        """
        self._n_epochs += 1
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, self._n_epochs
            self._weights = model.get_weights()

    @property
    def is_over(self) -> bool:
        """Whether too many epochs have been in vain."""
        return self._n_epochs - max(self.best_epoch, self._n_exempt) >= PATIENCE

    def restore_best(self, model: "keras.Model") -> None:
        """Give ``model`` the weights of the best epoch."""
        model.set_weights(self._weights)

    def state(self) -> State:
        """All that it knows."""
        weights = {f"weights/{i}": weight for i, weight in enumerate(self._weights)}
        return weights | {
            "best_loss": np.array(self.best_loss),
            "best_epoch": np.array(self.best_epoch),
            "n_epochs": np.array(self._n_epochs),
        }

    def restore(self, state: Mapping[str, AnyArray]) -> None:
        """Go on from a `state`."""
        self.best_loss = float(state["best_loss"])
        self.best_epoch, self._n_epochs = int(state["best_epoch"]), int(state["n_epochs"])
        n_weights = sum(name.startswith("weights/") for name in state)
        self._weights = [state[f"weights/{i}"] for i in range(n_weights)]
