"""The network of `ooc-train`, by ``model.fit`` from a padded matrix in memory."""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import ooc_train
from ooc_train.training.backend import keras
from ooc_train.training.models import build_sepcnn

BATCH_SIZE = 128


class EpochSeconds(keras.callbacks.Callback):  # type: ignore[misc] # Keras has no types
    """Keeps the seconds of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._began = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras's
        """Start the clock."""
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras's
        """Stop it."""
        self.seconds.append(time.perf_counter() - self._began)


def fit(path: Path, n_epochs: int) -> dict[str, Any]:
    """Train on all rows of a converted file's train split; what was done."""
    with ooc_train.open(path) as data:
        split = data["train"]
        features = split.read(0, len(split)).to_dense()
        labels = split.read_labels(0, len(split))
        model = build_sepcnn(data.n_columns, data.n_classes, seed=0)
    kind = "binary" if data.n_classes == 2 else "sparse_categorical"
    model.compile(keras.optimizers.Adam(1e-3), f"{kind}_crossentropy", metrics=["accuracy"])
    clock = EpochSeconds()
    history = model.fit(
        features, labels, batch_size=BATCH_SIZE, epochs=n_epochs, verbose=0, callbacks=[clock]
    ).history
    epochs = [
        {"seconds": seconds, "rows_per_second": len(labels) / seconds, "loss": loss}
        for seconds, loss in zip(clock.seconds, history["loss"], strict=True)
    ]
    return {"rows": len(labels), "epochs": epochs}


def main() -> None:
    """Train on the command line's file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--report", type=Path, required=True)
    options = parser.parse_args()
    options.report.write_text(json.dumps(fit(options.data, options.epochs)), "utf-8")


if __name__ == "__main__":
    main()
