"""`Trainer`: the interface of the code that computes training steps."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ooc_train.dtypes import F32, AnyArray
from ooc_train.reading.rows import Batch
from ooc_train.training.models.model import Model

Prepared = Any
"""A batch as a trainer's `step` takes it."""
State = dict[str, AnyArray]


@dataclass
class Totals:
    """Sums over the rows of an epoch so far."""

    n_rows: int = 0
    loss_sum: float = 0.0
    n_correct: int = 0

    def add(self, *, n_rows: int, mean_loss: float, n_correct: int = 0) -> None:
        """Count one more batch."""
        self.n_rows += n_rows
        self.loss_sum += mean_loss * n_rows
        self.n_correct += n_correct

    @property
    def loss(self) -> float:
        """Mean over rows."""
        return self.loss_sum / self.n_rows

    @property
    def accuracy(self) -> float:
        """Share of rows whose most probable class is theirs."""
        return self.n_correct / self.n_rows


@dataclass(frozen=True)
class StepOptions:
    """The loss that steps minimize, and how they move the weights."""

    learning_rate: float = 1e-3
    seed: int = 0
    """The seed of dropout."""
    class_weights: F32 | None = None
    """``(n_classes,) float32``: factors of the loss of each class's rows, as Keras has them."""
    label_smoothing: float = 0.0
    weight_decay: float = 0.0
    global_clipnorm: float | None = None


class Trainer(ABC):
    """A model, its optimizer, and the training step.

    A step depends on its number, the options, its rows and the `state`, and on nothing else.
    """

    optimizer: Any = None
    """Keras's optimizer; ``None`` if none moves the weights."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.n_steps = 0
        """Steps done so far."""

    @abstractmethod
    def prepare(self, batch: Batch, step: int) -> Prepared:
        """Prepare a batch for the step of a number, counted from 0: the argument of `step`.

        The result depends on the arguments alone, so another thread can call this ahead of the
        steps.
        """

    @abstractmethod
    def step(self, prepared: Prepared) -> tuple[float, int]:
        """Train on one batch; return its mean weighted loss and correct rows before the update."""

    @abstractmethod
    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the learning rate of the steps from now on."""

    @abstractmethod
    def thaw(self) -> None:
        """From now on train frozen weights, too."""

    @abstractmethod
    def sync(self) -> None:
        """Give the model the weights after the steps so far.

        To be called before the model is used or saved; until then its weights may be older.
        """

    def weights(self) -> list[AnyArray]:
        """The weights after the steps so far, as the model's ``get_weights`` gives them.

        Nothing writes to the arrays later.
        """
        arrays: list[AnyArray] = self.model.get_weights()
        return arrays

    @abstractmethod
    def state(self) -> State:
        """Copies of everything that later steps depend on, the number of steps done included."""

    @abstractmethod
    def restore(self, state: Mapping[str, AnyArray]) -> None:
        """Continue from the `state` of another trainer of the same model and options."""
