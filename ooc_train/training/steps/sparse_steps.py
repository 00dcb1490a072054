"""Steps of a multi-layer perceptron over sparse rows, in kernels: TensorFlow takes no part in them.

A batch has entries in some percent of the columns, and a step works on the first layer's weights of
these alone.  Adam moves all others too, by what their moments remember of earlier gradients; here
that is made up for when a column comes up again, see `Adam`.  The steps are those of Adam on dense
rows, but for rounding, and for one part in 200 of such a later move where gradients are as small as
Adam's epsilon.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ooc_train.dtypes import F32, F64, I32, I64, AnyArray
from ooc_train.jit import kernel
from ooc_train.reading.rows import Batch
from ooc_train.training.models.backend import keras
from ooc_train.training.steps import adam_kernels
from ooc_train.training.steps import sparse_kernels as kernels
from ooc_train.training.steps.adam_kernels import WEIGHT
from ooc_train.training.steps.trainer import State, StepOptions, Trainer

BETA_1, BETA_2 = 0.9, 0.999
CATCH_UP_STEPS = 1024
"""All columns are brought up to date each time after so many steps."""


class Prepared(NamedTuple):
    """A batch as `SparseTrainer.step` takes it."""

    columns: I32
    """The used ones, as numbered in ``by_row`` and ``by_column``."""
    by_row: kernels.ByRow
    by_column: kernels.ByColumn
    targets: kernels.Targets
    layers: kernels.Layers


class _Weights(NamedTuple):
    """What `SparseTrainer` trains, see there."""

    table: F32
    updated: I64
    rest: F32


class _Gaps(NamedTuple):
    """What steps without a gradient come to, see `Adam`."""

    drifts: F64
    decays: F32
    ratios: F64


class Adam:
    """The step sizes of Keras's Adam, and what they come to in steps without a gradient.

    After ``k`` such steps the mean of the gradient is ``beta_1 ** k`` times what it was, and the
    variance ``beta_2 ** k`` times.  So in the ``j``-th of them the weight moves by ``rate_j *
    (beta_1 / sqrt(beta_2)) ** j`` times the mean divided by the root of the variance, both as they
    were before (leaving aside epsilon, which does not shrink with the root); and `drifts` has
    the sums of these factors, for steps that end now.  With weight decay each step also takes a
    share off the weight, and off what it has moved by so far; `drifts` has what is lost by then.
    """

    def __init__(self, options: StepOptions) -> None:
        self.learning_rate = options.learning_rate
        self._weight_decay = options.weight_decay
        powers = np.arange(CATCH_UP_STEPS + 1)
        self.ratios = (BETA_1 / BETA_2**0.5) ** powers
        """``(CATCH_UP_STEPS + 1,) float64``: those powers."""
        self.drifts = np.zeros((2, CATCH_UP_STEPS + 1))
        """``(2, CATCH_UP_STEPS + 1) float64``: by the number of steps without a gradient, what a
        weight moves by for its moments, and what share of itself it loses."""
        decays = np.stack([BETA_1**powers, BETA_2**powers])
        # What is too small to move a weight, and slow to compute with, is nothing.
        self.decays: F32 = np.where(decays < 1e-30, 0, decays).astype(np.float32)
        """``(2, CATCH_UP_STEPS + 1)``: what is left of mean and variance after such steps."""

    def move(self, n_steps: int) -> adam_kernels.Move:
        """What the step after ``n_steps`` does, the moments' bias at the beginning included."""
        number = n_steps + 1
        correction = (1 - BETA_2**number) ** 0.5 / (1 - BETA_1**number)
        return adam_kernels.Move(
            np.float32(self.learning_rate * correction),
            np.float32(self.learning_rate * self._weight_decay),
        )


class SparseTrainer(Trainer):
    """A multi-layer perceptron over sparse rows, trained with `Adam`.

    Takes Sequential models of Dropout and Dense layers, relu after all of these but the last.
    What a step drops is a function of the seed, the number of the step and the place.  Memory:
    three times the weights, beside the model's own, and some megabytes for a batch.
    """

    def __init__(self, model: keras.Model, options: StepOptions) -> None:
        super().__init__(model)
        self._adam = Adam(options)
        self._options = options
        self._dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
        self._sizes = np.array([layer.units for layer in self._dense])
        self._rates = _dropout_rates(model)
        first, *rest = [variable.numpy() for variable in self._variables()]
        n_columns, n_units = first.shape
        self._table = np.zeros((n_columns, 3, n_units), np.float32)
        self._table[:, WEIGHT] = first
        self._updated = np.zeros(n_columns, np.int64)
        self._rest = np.zeros((3, sum(array.size for array in rest)), np.float32)
        self._rest_gradient = np.empty(self._rest.shape[1], np.float32)
        self._room = np.empty((2, 0, n_units), np.float32)
        self._class_weights = _class_weights(options, self._sizes[-1])
        self._rest[WEIGHT] = np.concatenate([array.ravel() for array in rest])

    def prepare(self, batch: Batch, step: int) -> Prepared:
        """Entries by row and by column, without those that are dropped."""
        rows: Any = batch.rows
        keys = kernels.keys_of(self._options.seed, step, len(self._rates))
        entries = kernels.prepare_rows(
            rows.indptr, rows.indices, rows.values, rows.n_columns, self._rates[0], keys[0]
        )
        layers = kernels.Layers(self._sizes, self._rates[1:], keys[1:])
        smoothing = np.float32(self._options.label_smoothing)
        targets = kernels.Targets(batch.labels, self._class_weights, smoothing)
        return Prepared(*entries, targets, layers)

    def step(self, prepared: Prepared) -> tuple[float, int]:
        """Train on one batch; its mean weighted loss and correct rows, before the update."""
        adam = self._adam
        loss, n_correct = _step(
            prepared,
            _Weights(self._table, self._updated, self._rest),
            _Gaps(adam.drifts, adam.decays, adam.ratios),
            self.n_steps,
            adam.move(self.n_steps),
            self._options.global_clipnorm or np.inf,
            self._room_for(len(prepared.columns)),
            self._rest_gradient,
        )
        self.n_steps += 1
        if self.n_steps % CATCH_UP_STEPS == 0:
            adam_kernels.catch_up(
                self._table, self._updated, self.n_steps, adam.drifts, adam.decays
            )
        return loss, n_correct

    def set_learning_rate(self, learning_rate: float) -> None:
        """That of the steps from now on."""
        self._adam.learning_rate = learning_rate

    def thaw(self) -> None:
        """Nothing is ever frozen."""

    def sync(self) -> None:
        """Give the model the current weights; changes nothing in what the steps work on."""
        columns = np.arange(len(self._table), dtype=np.int32)
        first = np.empty(self._dense[0].kernel.shape, np.float32)
        adam_kernels.current_weights(
            self._table, self._updated, columns, self.n_steps, self._adam.drifts, first
        )
        rest, start = self._rest[WEIGHT], 0
        self._dense[0].kernel.assign(first)
        for variable in self._variables()[1:]:
            size = int(np.prod(variable.shape))
            variable.assign(rest[start : start + size].reshape(variable.shape))
            start += size

    def state(self) -> State:
        """The weights with their moments, how far each column is, and the drifts."""
        return {
            "n_steps": np.array(self.n_steps),
            "table": self._table.copy(),
            "updated": self._updated.copy(),
            "rest": self._rest.copy(),
            "drifts": self._adam.drifts.copy(),
        }

    def restore(self, state: Mapping[str, AnyArray]) -> None:
        """Go on from where another trainer of the same model and options had that `state`."""
        self.n_steps = int(state["n_steps"])
        self._table[:] = state["table"]
        self._updated[:] = state["updated"]
        self._rest[:] = state["rest"]
        self._adam.drifts[:] = state["drifts"]

    def _room_for(self, n_columns: int) -> tuple[F32, F32]:
        """Two matrices for the weights of so many columns, of memory that is kept between steps."""
        if self._room.shape[1] < n_columns:
            n_units = self._room.shape[2]
            self._room = np.empty((2, n_columns + n_columns // 4, n_units), np.float32)
        return self._room[0, :n_columns], self._room[1, :n_columns]

    def _variables(self) -> list[keras.Variable]:
        """The first layer's weights, and all others in the order of `kernels.forward`."""
        first, *later = self._dense
        others = [variable for layer in later for variable in (layer.kernel, layer.bias)]
        return [first.kernel, first.bias, *others]


@kernel
def _step(
    prepared: Prepared,
    weights: _Weights,
    gaps: _Gaps,
    n_steps: int,
    move: adam_kernels.Move,
    norm: float,
    room: tuple[F32, F32],
    rest_gradient: F32,
) -> tuple[float, int]:
    """All of a step at once: each return to Python waits for the thread that prepares batches."""
    columns, by_row, by_column, targets, layers = prepared
    table, updated, rest = weights
    drifts, decays, ratios = gaps
    used, used_gradient = room
    adam_kernels.current_weights(table, updated, columns, n_steps, drifts, used)
    loss, n_correct = kernels.gradients(
        by_row, by_column, targets, used, rest[WEIGHT], layers, used_gradient, rest_gradient
    )
    if norm < np.inf:
        adam_kernels.clip(used_gradient, rest_gradient, norm)
    adam_kernels.update_columns(table, updated, columns, n_steps, decays, used, used_gradient, move)
    adam_kernels.update(rest, rest_gradient, move)
    adam_kernels.count(drifts, ratios, move)
    return loss, n_correct


def _class_weights(options: StepOptions, n_outputs: int) -> F32:
    """By class, the weight of its rows in the loss."""
    if options.class_weights is None:
        return np.ones(max(2, n_outputs), np.float32)
    return options.class_weights


def _dropout_rates(model: keras.Model) -> F32:
    """Dropout of what each Dense layer takes: ``(n_layers,) float32``."""
    rates, rate = [], 0.0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense):
            rates.append(rate)
            rate = 0.0
        else:
            rate = layer.rate
    return np.array(rates, np.float32)
