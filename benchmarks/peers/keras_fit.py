"""The network of `ooc-train`, trained by ``model.fit`` from rows in memory.

The rows come in one of three forms: one padded or dense matrix; the guide's generator, which makes
sparse rows dense a batch at a time; or one sparse tensor, without the dropout of its values, which
Keras does not offer for sparse tensors.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import ooc_train
from ooc_train.reading.rows import Rows, SparseRows
from ooc_train.training.models.backend import keras
from ooc_train.training.models.mlp import build_mlp, in_keras
from ooc_train.training.models.table import MODELS, DataShape
from ooc_train.training.steps.feeds import sparse_tensor

BATCH_SIZE = 128
MATRIX, GENERATOR, SPARSE = "matrix", "generator", "sparse"
Labels = npt.NDArray[np.int64]


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


def fit(path: Path, n_epochs: int, form: str) -> dict[str, Any]:
    """Train on all rows of a converted file's train split; what was done."""
    with ooc_train.open(path) as data:
        split = data["train"]
        rows, labels = split.read(0, len(split)), split.read_labels(0, len(split))
        model = _model(data.features, data.n_columns, data.n_classes, form)
    kind = "binary" if data.n_classes == 2 else "sparse_categorical"
    model.compile(
        keras.optimizers.Adam(1e-3),
        f"{kind}_crossentropy",
        metrics=["accuracy"],
        jit_compile=False if form == SPARSE else "auto",
    )
    clock = EpochSeconds()
    history = model.fit(
        **_input(rows, labels, form), epochs=n_epochs, verbose=0, callbacks=[clock]
    ).history
    epochs = [
        {"seconds": seconds, "rows_per_second": len(labels) / seconds, "loss": loss}
        for seconds, loss in zip(clock.seconds, history["loss"], strict=True)
    ]
    return {"rows": len(labels), "epochs": epochs}


def _model(features: str, n_columns: int, n_classes: int, form: str) -> Any:
    shape = DataShape(features, n_columns, None, n_classes, seed=0)
    if features == "sequence":
        return MODELS["sepcnn"].model(shape)
    model = in_keras(build_mlp(shape, **MODELS["mlp"].options))
    if form != SPARSE:
        return model
    return keras.Sequential([keras.Input((n_columns,), sparse=True), *model.layers[1:]])


def _input(rows: Rows, labels: Labels, form: str) -> dict[str, Any]:
    """The arguments of ``model.fit``."""
    if form == GENERATOR:
        n_steps = -(-len(labels) // BATCH_SIZE)
        return {"x": _generator(rows, labels), "steps_per_epoch": n_steps, "shuffle": False}
    if form == SPARSE:
        assert isinstance(rows, SparseRows)
        return {"x": sparse_tensor(rows), "y": labels, "batch_size": BATCH_SIZE}
    return {"x": rows.to_dense(), "y": labels, "batch_size": BATCH_SIZE}


def _generator(rows: Rows, labels: Labels) -> Iterator[tuple[npt.NDArray[Any], Labels]]:
    """The guide's: dense batches of rows in their order, again and again."""
    while True:
        for start in range(0, len(labels), BATCH_SIZE):
            part = slice(start, start + BATCH_SIZE)
            yield rows[part].to_dense(), labels[part]


def main() -> None:
    """Train on the command line's file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--form", default=MATRIX, choices=[MATRIX, GENERATOR, SPARSE])
    parser.add_argument("--report", type=Path, required=True)
    options = parser.parse_args()
    report = fit(options.data, options.epochs, options.form)
    options.report.write_text(json.dumps(report), "utf-8")


if __name__ == "__main__":
    main()
