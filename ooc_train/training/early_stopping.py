"""Early stopping: when training ends, and which weights are kept."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ooc_train.dtypes import AnyArray
from ooc_train.training.models.model import Model
from ooc_train.training.options import PATIENCE, VAL_LOSS
from ooc_train.training.steps.trainer import State


def monitored(figures: Mapping[str, Any], name: str) -> float:
    """The monitored figure of a validation; negated unless it is the loss, so lower is better.

    >>> monitored({"val_loss": 0.5, "val_accuracy": 0.75}, "val_accuracy")
    -0.75
    """
    value: float = figures[name]
    return value if name == VAL_LOSS else -value


class BestWeights:
    """The best of the values that it was offered, and the weights that had it.

    Memory: one copy of the weights, once there was an offer.
    """

    def __init__(self) -> None:
        self.value = math.inf
        self.epoch: float = 0
        """When the weights were these, in epochs from the beginning; 0 before the first offer."""
        self.weights: list[AnyArray] = []

    def offer(self, value: float, epoch: float, weights: Callable[[], list[AnyArray]]) -> None:
        """Take the weights if their value, see `monitored`, is the best so far.

        They are not copied; nothing may write to these arrays later.
        """
        if value < self.value:
            self.value, self.epoch = value, epoch
            self.weights = weights()

    def give_to(self, model: Model) -> None:
        """Give ``model`` these weights."""
        model.set_weights(self.weights)

    def state(self) -> State:
        """The best value, its epoch, and the weights."""
        weights = {f"weights/{i}": weight for i, weight in enumerate(self.weights)}
        return weights | {"best_value": np.array(self.value), "best_epoch": np.array(self.epoch)}

    def restore(self, state: Mapping[str, AnyArray]) -> None:
        """Continue from a `state`.  Raises ValueError for one that cannot be."""
        self.value, self.epoch = float(state["best_value"]), state["best_epoch"].item()
        n_weights = sum(name.startswith("weights/") for name in state)
        if not 0 <= self.epoch < math.inf or (n_weights > 0) != (self.epoch > 0):
            raise ValueError(f"its best epoch is {self.epoch:g}, with {n_weights} arrays")
        self.weights = [state[f"weights/{i}"] for i in range(n_weights)]


class EarlyStopping:
    """The best end of an epoch so far, and whether training is over.

    Stops as Keras's callback does with this ``patience`` and ``restore_best_weights``, but the
    first ``n_exempt`` epochs do not count as epochs without improvement.  Memory: one copy of the
    weights.
    """

    def __init__(self, n_exempt: int = 0, *, patience: int = PATIENCE) -> None:
        self.best = BestWeights()
        self._patience = patience
        self._n_exempt = n_exempt
        self._n_epochs = 0

    @property
    def best_epoch(self) -> int:
        """The number of the best epoch, from 1; 0 before the first."""
        return int(self.best.epoch)

    def after_epoch(self, value: float, weights: Callable[[], list[AnyArray]]) -> None:
        """Note the value after one more epoch, and the weights if it is the best; see `offer`."""
        self._n_epochs += 1
        self.best.offer(value, self._n_epochs, weights)

    @property
    def is_over(self) -> bool:
        """Whether ``patience`` epochs have passed without improvement."""
        return self._n_epochs - max(self.best_epoch, self._n_exempt) >= self._patience

    def state(self) -> State:
        """The best value, epoch and weights, and the number of epochs."""
        return self.best.state() | {"n_epochs": np.array(self._n_epochs)}

    def restore(self, state: Mapping[str, AnyArray]) -> None:
        """Continue from a `state`.  Raises ValueError for one that cannot be."""
        self.best.restore(state)
        self._n_epochs = int(state["n_epochs"])
        if self.best_epoch > self._n_epochs:
            raise ValueError(f"its best epoch is {self.best_epoch} of {self._n_epochs}")
