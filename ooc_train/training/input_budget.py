"""What rows on their way into a model may take of memory: a window, and batches made ahead.

The window is the file's, since the order of rows must not depend on the memory at hand; a budget
decides how many batches wait for their steps.
"""

from ooc_train.errors import BudgetError
from ooc_train.memory import usable_bytes
from ooc_train.reading.sampler import WINDOW_SLICES, slice_rows_for
from ooc_train.reading.splits import Split
from ooc_train.reading.store import Store
from ooc_train.training.options import DEFERRED_ADAM, SPARSE, TrainingOptions

DEFAULT_AHEAD_BYTES = 8_000_000
MOST_AHEAD = 32
"""Batches made ahead; more of them would help against nothing."""
FLOOR_BYTES = 400_000_000
"""Under less, TensorFlow and the network on n-grams do not run: the kernel kills them."""
# Of an entry of sparse rows: by row and by column with numbers, or a tensor's coordinates.
_PREPARED_ENTRY_BYTES, _TENSOR_ENTRY_BYTES = 28, 20
_WINDOW_MARGIN = 1.25  # for windows of long rows


def batches_ahead(store: Store, options: TrainingOptions, memory_bytes: int | None) -> int:
    """How many batches may be made ahead of their steps, at least 1.

    ``memory_bytes`` is for a window and all batches there are at a time; ``None`` for as much as
    that usually takes.  Raises BudgetError, with the least that would do, where it is too little.
    """
    split = store["train"]
    batch_bytes = options.batch_size * (split.row_bytes + _prepared_row_bytes(store, options))
    if memory_bytes is None:
        return int(min(max(DEFAULT_AHEAD_BYTES // batch_bytes, 1), MOST_AHEAD))
    # One batch is in use, and one in the making.
    fixed_bytes = _window_bytes(split) + 2 * batch_bytes
    n_ahead = int((memory_bytes - fixed_bytes) // batch_bytes)
    if n_ahead < 1:
        least = -(-(fixed_bytes + batch_bytes) // 1_000_000)
        raise BudgetError(
            f"{memory_bytes / 1e6:,.1f} MB do not hold a window of {store.path} and three batches; "
            f"give --memory at least {least:.0f}MB, or a smaller --batch-size"
        )
    return min(n_ahead, MOST_AHEAD)


def check_floor() -> None:
    """Raise BudgetError where this process may use less than TensorFlow takes."""
    usable = usable_bytes()
    if usable < FLOOR_BYTES:
        raise BudgetError(
            f"this process may use {usable / 1e6:,.0f} MB of memory, the machine's or its "
            f"cgroup's, and training takes at least {FLOOR_BYTES / 1e6:,.0f} MB; train where there "
            "is more"
        )


def _window_bytes(split: Split) -> float:
    n_rows = min(split.n_rows, slice_rows_for(split.row_bytes) * WINDOW_SLICES)
    return _WINDOW_MARGIN * n_rows * split.row_bytes


def _prepared_row_bytes(store: Store, options: TrainingOptions) -> float:
    """What an average row takes as a step takes it."""
    split, features = store["train"], store.features
    n_entries = split.n_entries / split.n_rows
    if options.optimizer_for(features) == DEFERRED_ADAM:
        return _PREPARED_ENTRY_BYTES * n_entries
    if options.model_for(features) == "mlp" and features in SPARSE:
        return _TENSOR_ENTRY_BYTES * n_entries
    return 4 * split.width
