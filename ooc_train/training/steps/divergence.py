"""The error of a loss that is not finite: where, for which rows, and which checkpoint is usable."""

import numpy as np

from ooc_train.dtypes import I64
from ooc_train.errors import FormatError, InputError, OocTrainError, OptionError
from ooc_train.reading.rows import Batch
from ooc_train.training.run.checkpoints import CheckpointFolder, read_checkpoint

_N_NAMED = 256


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
