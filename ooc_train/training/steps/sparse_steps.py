"""Training steps of a `Network` over sparse rows, in kernels.

A batch has entries in a few percent of the columns, and a step works on the first layer's weights
of these columns alone.  Adam would move all others, too, by their moments; here a column makes up
for these moves when it is used again, see `Adam`.  The steps equal those of Adam on dense rows, but
for rounding, and for one part in 200 of a deferred move where gradients are as small as Adam's
epsilon.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ooc_train.dtypes import F32, F64, I32, AnyArray
from ooc_train.jit import kernel
from ooc_train.reading.rows import Batch
from ooc_train.training.models.network import Network
from ooc_train.training.steps import adam_kernels
from ooc_train.training.steps import network_kernels as kernels
from ooc_train.training.steps.adam_kernels import BETA_1, BETA_2, WEIGHT
from ooc_train.training.steps.network_trainer import (
    NetworkTrainer,
    copied,
    cut,
    empty_pages,
    flat,
)
from ooc_train.training.steps.trainer import State, StepOptions

CATCH_UP_STEPS = 1024
"""Steps after which all columns are brought up to date, each time."""


class Prepared(NamedTuple):
    """A batch as `SparseTrainer.step` takes it."""

    columns: I32
    """The used columns; ``by_row`` and ``by_column`` have numbers into them."""
    by_row: kernels.ByRow
    by_column: kernels.ByColumn
    targets: kernels.Targets
    layers: kernels.Layers


class _Weights(NamedTuple):
    """The weights that `SparseTrainer` trains, and their moments."""

    first: adam_kernels.Columns
    rest: F32
    """All but the first layer's: ``(3, n)``, in the order of `network_kernels.forward`."""


class _Room(NamedTuple):
    """Arrays that a step writes to before it reads them."""

    used: F32
    """``(n_used, n_units)``: the used columns' current weights."""
    slopes: F32
    """``(n_units,)``: the gradient of one column."""
    rest_gradient: F32
    """``(n,)``: that of all other weights."""


class _Gaps(NamedTuple):
    """The effect of steps without a gradient, see `Adam`."""

    drifts: F64
    decays: F32
    ratios: F64


class Adam:
    """The accumulated effect of Keras's Adam in steps without a gradient.

    After ``k`` steps without a gradient, the mean is ``beta_1 ** k`` times its value before them,
    and the variance ``beta_2 ** k`` times.  So the ``j``-th of these steps moves the weight by
    ``rate_j * (beta_1 / sqrt(beta_2)) ** j`` times mean / sqrt(variance), both from before (this
    leaves out epsilon, which does not shrink with the root).  `drifts` holds the sums of these
    factors over the last ``k`` steps, for each ``k``.  With weight decay each step also subtracts a
    share of the weight, its moves so far included; `drifts` holds the total share, too.
    """

    def __init__(self) -> None:
        powers = np.arange(CATCH_UP_STEPS + 1)
        self.ratios = (BETA_1 / BETA_2**0.5) ** powers
        """``(CATCH_UP_STEPS + 1,) float64``: the powers of ``beta_1 / sqrt(beta_2)``."""
        self.drifts = np.zeros((2, CATCH_UP_STEPS + 1))
        """``(2, CATCH_UP_STEPS + 1) float64``: by the number of steps without a gradient, the
        factor of mean / sqrt(variance) by which a weight moves, and the share that it loses."""
        decays = np.stack([BETA_1**powers, BETA_2 ** (powers / 2)])
        # Denormal numbers are slow to compute with, and these are too small to move a weight.
        self.decays: F32 = np.where(decays < 1e-30, 0, decays).astype(np.float32)
        """``(2, CATCH_UP_STEPS + 1)``: the factors of mean and deviation after such steps."""


class SparseTrainer(NetworkTrainer):
    """Trains a network over sparse rows with `Adam`.

    Memory: three times the weights, and a few megabytes for a batch.
    """

    def __init__(self, network: Network, options: StepOptions) -> None:
        super().__init__(network, options)
        self._adam = Adam()
        first, *rest = network.take_weights()
        self._shapes = [array.shape for array in rest]
        n_columns, n_units = first.shape
        self._table = np.zeros((n_columns, 3, n_units), np.float32)
        self._table[:, WEIGHT] = first
        self._updated = np.zeros(n_columns, np.int64)
        self._columns = adam_kernels.Columns(self._table, self._updated)
        self._rest = np.zeros((3, sum(array.size for array in rest)), np.float32)
        self._rest_gradient = np.empty(self._rest.shape[1], np.float32)
        self._room = np.empty((0, n_units), np.float32)
        self._slopes = np.empty(n_units, np.float32)
        self._rest[WEIGHT] = flat(rest)

    def prepare(self, batch: Batch, step: int) -> Prepared:
        """The entries by row and by column, after dropout, and the labels."""
        rows: Any = batch.rows
        key, layers = self._layers(step)
        entries = kernels.prepare_rows(
            rows.indptr, rows.indices, rows.values, rows.n_columns, self._rate, key
        )
        return Prepared(*entries, self._targets(batch), layers)

    def step(self, prepared: Prepared) -> tuple[float, int]:
        """Train on one batch; return its mean weighted loss and correct rows before the update."""
        adam = self._adam
        loss, n_correct = _step(
            prepared,
            _Weights(self._columns, self._rest),
            _Gaps(adam.drifts, adam.decays, adam.ratios),
            self.n_steps,
            self._move(),
            self._options.global_clipnorm or np.inf,
            _Room(self._room_for(len(prepared.columns)), self._slopes, self._rest_gradient),
        )
        self.n_steps += 1
        if self.n_steps % CATCH_UP_STEPS == 0:
            adam_kernels.catch_up(self._columns, self.n_steps, adam.drifts, adam.decays)
        return loss, n_correct

    def weights(self) -> list[AnyArray]:
        """The weights after the steps so far, as the network's ``get_weights`` gives them."""
        columns = np.arange(len(self._table), dtype=np.int32)
        first = empty_pages((len(self._table), int(self._sizes[0])))
        adam_kernels.current_weights(self._columns, columns, self.n_steps, self._adam.drifts, first)
        return [first, *cut(self._rest[WEIGHT].copy(), self._shapes)]

    def state(self) -> State:
        """The weights with their moments, the last update of each column, and the drifts."""
        return {
            "n_steps": np.array(self.n_steps),
            "table": copied(self._table),
            "updated": self._updated.copy(),
            "rest": self._rest.copy(),
            "drifts": self._adam.drifts.copy(),
        }

    def restore(self, state: Mapping[str, AnyArray]) -> None:
        """Continue from the `state` of another trainer of the same model and options.

        Raises ValueError for columns whose last update the kernels could not make up for.
        """
        self.n_steps = int(state["n_steps"])
        updated, caught_up = state["updated"], self.n_steps - self.n_steps % CATCH_UP_STEPS
        if not caught_up <= updated.min() <= updated.max() <= self.n_steps:
            raise ValueError("a column was updated after the last step, or too long ago")
        self._table[:] = state["table"]
        self._updated[:] = state["updated"]
        self._rest[:] = state["rest"]
        self._adam.drifts[:] = state["drifts"]

    def _room_for(self, n_columns: int) -> F32:
        """A matrix for the weights of ``n_columns``, in memory that is kept between steps."""
        if len(self._room) < n_columns:
            n_units = self._room.shape[1]
            self._room = np.empty((n_columns + n_columns // 4, n_units), np.float32)
        return self._room[:n_columns]


@kernel
def _step(
    prepared: Prepared,
    weights: _Weights,
    gaps: _Gaps,
    n_steps: int,
    move: adam_kernels.Move,
    norm: float,
    room: _Room,
) -> tuple[float, int]:
    """A whole step: each return to Python would wait for the thread that prepares batches."""
    columns, by_row, by_column, targets, layers = prepared
    first, rest = weights
    drifts, decays, ratios = gaps
    used, slopes, rest_gradient = room
    adam_kernels.current_weights(first, columns, n_steps, drifts, used)
    loss, n_correct, delta = kernels.gradients(
        by_row, targets, used, rest[WEIGHT], layers, rest_gradient
    )
    gradients, scale = adam_kernels.ColumnGradients(by_column, delta, slopes), np.float32(1)
    if norm < np.inf:
        scale = adam_kernels.clip_columns(gradients, rest_gradient, norm)
    adam_kernels.update_columns(first, columns, n_steps, decays, used, gradients, scale, move)
    adam_kernels.update(rest, rest_gradient, move)
    adam_kernels.count(drifts, ratios, move)
    return loss, n_correct
