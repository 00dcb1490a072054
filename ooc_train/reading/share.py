"""A part of a split for one of several processes, see `shared_batches`."""

from ooc_train.errors import OptionError
from ooc_train.kinds import Layout
from ooc_train.reading import adapters
from ooc_train.reading.batches import Batches
from ooc_train.reading.rows import Readable
from ooc_train.reading.shared_batches import SharedBatches


class Share:
    """Part ``number``, from 0, of ``n`` equal parts of each epoch of a split.

    It has the batches and the adapters of a `Split`.  Each process reads all windows, and takes its
    own rows of them.
    """

    to_numpy = adapters.to_numpy
    to_scipy = adapters.to_scipy
    to_tf_dataset = adapters.to_tf_dataset
    to_keras = adapters.to_keras
    to_torch = adapters.to_torch

    def __init__(self, split: Readable, number: int, n: int) -> None:
        """Raises OptionError unless there is such a part, and rows for all of them."""
        if not 0 <= number < n:
            raise OptionError(f"of {n} parts there are the numbers 0 to {n - 1}, not {number}")
        if split.n_rows < n:
            raise OptionError(f"{split.where} has fewer rows than {n}, the number of parts")
        self.rows_of_all, self.number, self.n = split, number, n
        self.name, self.where = split.name, split.where
        self.layout: Layout = split.layout
        self.n_rows = split.n_rows // n

    def __len__(self) -> int:
        return self.n_rows

    def batches(
        self, batch_size: int, *, seed: int | None = None, epoch: int = 0, by_length: bool = False
    ) -> SharedBatches:
        """The part's rows in batches of ``batch_size``; the last may be shorter.

        The order depends on ``seed`` and ``epoch``, which must be the same in all processes.
        """
        whole = Batches(self.rows_of_all, batch_size, seed, epoch, by_length)
        return SharedBatches(whole, self.number, self.n)
