"""The steps of `ooc-train` on batches that are all prepared before: training without reading.

The same trainer steps over the first batches of an epoch, at most MOST_BATCHES, again and again.
"""

import argparse
import itertools
import json
import time
from pathlib import Path
from typing import Any

import ooc_train
from ooc_train.reading.store import Store
from ooc_train.training.options import TrainingOptions
from ooc_train.training.plan import TrainingPlan
from ooc_train.training.steps.choice import trainer_for

MOST_BATCHES = 1000
BATCH_SIZE = 128


def measure(store: Store, n_epochs: int) -> dict[str, Any]:
    """Seconds and rows/s of the steps of ``n_epochs`` epochs."""
    options = TrainingOptions(epochs=n_epochs, batch_size=BATCH_SIZE)
    plan = TrainingPlan.of(store, options)
    trainer = trainer_for(plan, plan.spec.model(plan.shape))
    split = store["train"]
    batches = split.batches(options.batch_size, seed=options.seed)
    prepared = [
        (len(batch.rows), trainer.prepare(batch, step))
        for step, batch in enumerate(itertools.islice(batches, MOST_BATCHES))
    ]
    trainer.step(prepared[0][1])  # compiles, or loads what was compiled
    epochs = []
    for _ in range(n_epochs):
        began, n_rows, loss_sum = time.perf_counter(), 0, 0.0
        for size, batch in itertools.islice(itertools.cycle(prepared), len(batches)):
            loss_sum += trainer.step(batch)[0] * size
            n_rows += size
        seconds = time.perf_counter() - began
        figures = {"seconds": seconds, "rows_per_second": n_rows / seconds}
        epochs.append(figures | {"loss": loss_sum / n_rows})
    return {"rows": len(split), "epochs": epochs}


def main() -> None:
    """Measure on the command line's file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--report", type=Path, required=True)
    options = parser.parse_args()
    with ooc_train.open(options.data) as store:
        report = measure(store, options.epochs)
    options.report.write_text(json.dumps(report), "utf-8")


if __name__ == "__main__":
    main()
