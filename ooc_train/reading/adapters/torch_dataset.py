"""Batches as a PyTorch ``IterableDataset``."""

from collections.abc import Iterator

import torch
from torch.utils.data import IterableDataset, get_worker_info

from ooc_train.errors import OptionError
from ooc_train.reading.batches import EpochBatches
from ooc_train.reading.rows import Rows, SparseRows
from ooc_train.reading.shared_batches import SharedBatches

_UNSAID = -1


class TorchDataset(IterableDataset):  # type: ignore[misc]
    """Whole batches, for ``DataLoader(dataset, batch_size=None)``; every iteration is an epoch.

    In a loader with ``n`` workers, each gives every ``n``-th batch: each row comes once an epoch,
    in the same order for any number of workers.  Every worker reads the whole split, 32 MB at a
    time.

    Epochs are counted from 0.  Workers cannot count, because PyTorch makes new ones for every
    epoch: unless `set_epoch` says it, the epoch is the seed that their loader has drawn.
    """

    def __init__(self, batches: EpochBatches, form: str) -> None:
        super().__init__()
        self._batches = batches
        self._form = form
        # In memory that workers share, so that it reaches those that run already, too.
        self._said_epoch = torch.tensor(_UNSAID).share_memory_()
        self._n_iterations = 0

    def __repr__(self) -> str:
        return f"<PyTorch dataset of {self._batches!r}>"

    def __len__(self) -> int:
        return len(self._batches)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch whose order all iterations have that begin from now on."""
        self._said_epoch.fill_(epoch)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        worker = get_worker_info()
        number, n_workers = (worker.id, worker.num_workers) if worker else (0, 1)
        epoch = int(self._said_epoch)
        if epoch == _UNSAID:
            if worker and isinstance(self._batches, SharedBatches):
                raise OptionError(
                    "the workers of several processes do not know the epoch, and each would have "
                    "an order of its own; call set_epoch before each epoch"
                )
            drawn = worker.seed - worker.id if worker else 0  # the same for all workers
            epoch = drawn + self._n_iterations
        self._n_iterations += 1
        for rows, labels in self._batches.at_epoch(epoch).from_step(number, every=n_workers):
            yield _tensor(rows, self._form), torch.from_numpy(labels)


def _tensor(rows: Rows, form: str) -> torch.Tensor:
    if form == "sparse" and isinstance(rows, SparseRows):
        return torch.sparse_csr_tensor(
            torch.from_numpy(rows.indptr),
            torch.from_numpy(rows.indices.astype("i8")),
            torch.from_numpy(rows.values),
            size=(len(rows), rows.n_columns),
            check_invariants=False,
        )
    return torch.from_numpy(rows.to_dense())
