"""PyTorch's own loop over np.memmap: a Dataset, its DataLoader, Adam, and the network of ooc-train.

Rows are taken by batches of their numbers in random order, the fastest way that a DataLoader has.
"""

import time
from pathlib import Path
from typing import Any

from benchmarks.peers import reporting
from benchmarks.peers.reporting import Phases

try:
    import h5py
    import numpy as np
    import torch
    from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler
except ImportError as missing:
    reporting.not_installed(missing)

PACKAGES = ("torch", "h5py", "numpy")
BATCH_SIZE, UNITS, DROPOUT, LEARNING_RATE = 128, 64, 0.2, 1e-3


class MappedRows(Dataset):  # type: ignore[misc] # PyTorch is not installed where types are checked
    """Dense rows and labels of a converted file, by lists of their numbers."""

    def __init__(self, path: Path) -> None:
        with h5py.File(path) as file:
            features, self.labels = file["train/features"], file["train/labels"][:].astype(np.int64)
            place = {"shape": features.shape, "offset": features.id.get_offset()}
            self.n_classes = len(file["classes/labels/offsets"]) - 1
            self.features = np.memmap(path, mode="r", dtype=features.dtype, **place)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: list[int]) -> tuple[Any, Any]:
        return torch.from_numpy(self.features[rows]), torch.from_numpy(self.labels[rows])


def network(n_columns: int, n_classes: int) -> Any:
    """The network that ooc-train trains by default."""
    return torch.nn.Sequential(
        torch.nn.Dropout(DROPOUT),
        torch.nn.Linear(n_columns, UNITS),
        torch.nn.ReLU(),
        torch.nn.Dropout(DROPOUT),
        torch.nn.Linear(UNITS, n_classes),
    )


def fit(rows: Any, n_epochs: int) -> list[dict[str, float]]:
    """Train; the seconds, rows/s and mean loss of each epoch."""
    torch.manual_seed(0)
    model = network(rows.features.shape[1], rows.n_classes)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    batches = BatchSampler(RandomSampler(rows), BATCH_SIZE, drop_last=False)
    loader, epochs = DataLoader(rows, sampler=batches, batch_size=None), []
    for _ in range(n_epochs):
        began, total = time.perf_counter(), 0.0
        for features, labels in loader:
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(features), labels)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(labels)
        seconds = time.perf_counter() - began
        figures = {"rows_per_second": len(rows) / seconds, "loss": total / len(rows)}
        epochs.append({"seconds": seconds, **figures})
    return epochs


def main() -> None:
    """Train on the command line's file."""
    parser = reporting.parser(__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args()
    phases = Phases()
    phases.end("imports")
    rows = MappedRows(options.data)
    epochs = fit(rows, options.epochs)
    phases.end("training")
    reporting.write(options.report, {"rows": len(rows), "epochs": epochs}, phases, PACKAGES)


if __name__ == "__main__":
    main()
