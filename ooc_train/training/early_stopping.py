"""Early stopping: when training ends, and which weights are kept."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ooc_train.dtypes import AnyArray
from ooc_train.training.options import PATIENCE, VAL_LOSS
from ooc_train.training.steps.trainer import State

if TYPE_CHECKING:
    from ooc_train.training.models.backend import keras


def monitored(figures: Mapping[str, Any], name: str) -> float:
    """The monitored figure of an epoch; negated unless it is the loss, so that lower is better.

    >>> monitored({"val_loss": 0.5, "val_accuracy": 0.75}, "val_accuracy")
    -0.75
    """
    value: float = figures[name]
    return value if name == VAL_LOSS else -value


class EarlyStopping:
    """The best value of the monitored figure so far, and the weights that had it.

    Stops as Keras's callback does with this ``patience`` and ``restore_best_weights``, but the
    first ``n_exempt`` epochs do not count as epochs without improvement.  Memory: one copy of the
    weights.
    """

    def __init__(self, n_exempt: int = 0, *, patience: int = PATIENCE) -> None:
        self.best_value = math.inf
        self.best_epoch = 0
        self._patience = patience
        self._n_exempt = n_exempt
        self._n_epochs = 0
        self._weights: list[AnyArray] = []

    def after_epoch(self, value: float, model: "keras.Model") -> None:
        """Note the value after one more epoch, see `monitored`, and the weights if it is the best.

        The weights are not copied; the model's arrays must not be written to later.
        """
        self._n_epochs += 1
        if value < self.best_value:
            self.best_value, self.best_epoch = value, self._n_epochs
            self._weights = model.get_weights()

    @property
    def is_over(self) -> bool:
        """Whether ``patience`` epochs have passed without improvement."""
        return self._n_epochs - max(self.best_epoch, self._n_exempt) >= self._patience

    def restore_best(self, model: "keras.Model") -> None:
        """Give ``model`` the weights of the best epoch."""
        model.set_weights(self._weights)

    def state(self) -> State:
        """The best value, epoch and weights, and the number of epochs."""
        weights = {f"weights/{i}": weight for i, weight in enumerate(self._weights)}
        return weights | {
            "best_value": np.array(self.best_value),
            "best_epoch": np.array(self.best_epoch),
            "n_epochs": np.array(self._n_epochs),
        }

    def restore(self, state: Mapping[str, AnyArray]) -> None:
        """Continue from a `state`.  Raises ValueError for one that cannot be."""
        self.best_value = float(state["best_value"])
        self.best_epoch, self._n_epochs = int(state["best_epoch"]), int(state["n_epochs"])
        n_weights = sum(name.startswith("weights/") for name in state)
        if not 0 <= self.best_epoch <= self._n_epochs or (n_weights > 0) != (self.best_epoch > 0):
            raise ValueError(
                f"its best epoch is {self.best_epoch} of {self._n_epochs}, with {n_weights} arrays"
            )
        self._weights = [state[f"weights/{i}"] for i in range(n_weights)]
