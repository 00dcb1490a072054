"""The error of a loss that is not finite: where, for which rows, and which checkpoint is usable.

A loss that rises to ten times its first value is an error, too: no such training is of use.
"""

import math

import numpy as np

from ooc_train.dtypes import I64
from ooc_train.errors import FormatError, InputError, OocTrainError, OptionError
from ooc_train.reading.rows import Batch
from ooc_train.training.run.checkpoints import CheckpointFolder, read_checkpoint
from ooc_train.training.standing import Standing

_N_NAMED = 256
_MOST_RISE = 10
_CHECK_STEPS = 64  # a single batch may be an odd one


class LossLimit:
    """The mean loss, of an epoch so far, above which a training has diverged.

    It is ten times the first loss, or that of guessing among ``n_classes`` if this is higher.
    """

    def __init__(self, n_classes: int, learning_rate: float) -> None:
        self._least, self._learning_rate = math.log(max(2, n_classes)), learning_rate
        self._first: float | None = None

    def check(self, loss: float, standing: Standing, n_steps: int) -> None:
        """Raise OptionError if the mean loss is above the limit, at every 64th step and the last.

        ``loss`` is that of the step just done, of ``n_steps``, which the first call keeps as the
        first; after a resumed epoch, that epoch's takes its place.
        """
        if self._first is None:
            before = standing.history[0]["loss"] if standing.history else loss
            self._first = max(before, self._least)
        is_due = standing.step % _CHECK_STEPS == 0 or standing.step == n_steps
        if is_due and standing.totals.loss > _MOST_RISE * self._first:
            raise OptionError(
                f"the loss has risen to {standing.totals.loss:.4g} by step {standing.step:,} of "
                f"epoch {standing.epoch + 1}, from {self._first:.4g} at first, with learning rate "
                f"{self._learning_rate:g}; try a smaller --learning-rate"
            )


def divergence(
    what: str,
    batch: Batch,
    rows: I64,
    split: str,
    *,
    learning_rate: float,
    checkpoints: CheckpointFolder,
) -> OocTrainError:
    """The error of a batch whose loss is not finite: InputError if its values are not, either.

    ``what`` says where the training was; ``rows`` are the numbers of the batch's rows in the split.
    """
    bad = [i for i in range(len(rows)) if not batch.rows[i : i + 1].is_finite()]
    before = _last_finite(checkpoints)
    if bad:
        return InputError(
            f"{what}: values of split {split!r} are not finite in {_named(rows[bad])}; convert the "
            f"source again without them; {before}"
        )
    return OptionError(
        f"{what} with learning rate {learning_rate:g}, in a batch of split {split!r} with "
        f"{_named(rows)}; try a smaller --learning-rate; {before}"
    )


def _last_finite(checkpoints: CheckpointFolder) -> str:
    """The newest checkpoint whose weights are finite, in words."""
    for path in checkpoints.files():
        try:
            arrays = read_checkpoint(path).arrays
        except FormatError:
            continue
        trained = [array for name, array in arrays.items() if name.startswith("trainer/")]
        if all(np.isfinite(array).all() for array in trained):
            return f"the last checkpoint with finite weights is {path}"
    return "there is no checkpoint from before"


def _named(rows: I64) -> str:
    """The numbers of rows in ascending order; if there are many, the first of them.

    >>> _named(np.array([7, 4, 8, 5]))
    'rows 4, 5, 7, 8'
    """
    numbers = ", ".join(map(str, sorted(rows.tolist())[:_N_NAMED]))
    more = f" and {len(rows) - _N_NAMED} more" if len(rows) > _N_NAMED else ""
    return f"rows {numbers}{more}"
