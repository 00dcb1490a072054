"""The cost of a conversion and of an epoch on this machine, estimated from a trial on some rows."""

import itertools
import time
from pathlib import Path
from typing import Any

from ooc_train.compiling import NotCompiledError, compiled_by, refuse
from ooc_train.conversion.convert import convert
from ooc_train.conversion.options import RowOptions
from ooc_train.conversion.plan import RowPlan
from ooc_train.errors import OocTrainError
from ooc_train.inspection.raw.sample import RowSample
from ooc_train.progress import Progress
from ooc_train.reading.store import Store
from ooc_train.reading.store import open as open_store
from ooc_train.training.options import TrainingOptions
from ooc_train.training.plan import TrainingPlan
from ooc_train.training.steps.choice import trainer_for

_GROWTH = 0.74
"""The kept terms grow with the rows to about this power (measured up to 3.6 million rows)."""
_TRAINING_SECONDS = 0.5
_WARMING_STEPS = 5
_IDLE_PHASES = ("checking", "compiling", "preparing")
"""The phases of a conversion that take as long for many rows as for a few."""
_PROCESS_BYTES, _COPIES = 100_000_000, 5
"""The memory of a training beside its weights, and how many times it holds these at most."""


def estimated_cost(
    sample: RowSample,
    labels: list[str],
    plan: RowPlan,
    options: RowOptions,
    n_train_rows: int,
    n_text_bytes: int,
    folder: Path,
    progress: Progress,
) -> dict[str, Any] | None:
    """Estimates for all rows, from a conversion of the ``sample`` and some steps of training.

    Returns ``sample_rows``, ``convert_seconds``, ``temporary_bytes``, ``output_bytes``,
    ``epoch_seconds`` and ``training_bytes`` of memory; or ``None`` if the sample cannot be
    converted by itself.  The seconds of an epoch are ``None`` where TensorFlow would train, or
    kernels of training are not compiled yet; so is the memory where TensorFlow would.

    Memory: that of `convert`.  Disk: some 30 MB in ``folder``.
    """
    source, output = folder / "sample.jsonl", folder / "sample.h5"
    sample.write(source, labels)
    progress.start("trying", None, "")
    try:
        done = convert(
            source,
            output,
            text="text",
            label="label",
            features=plan.features,
            validation_fraction=0,
            memory_bytes=options.memory_bytes,
            workers=options.workers,
            temp_dir=folder,
            **options.given_parameters,
        )
    except OocTrainError:  # such as too few rows for any term to occur twice
        return None
    ratio = n_text_bytes / max(1, sample.n_bytes)
    seconds = done["phase_seconds"]
    with open_store(output, verify=False) as store:
        row_bytes = store["train"].row_bytes * len(store["train"])
        rate, training_bytes = _training(store)
    fixed = sum(seconds.get(phase, 0.0) for phase in _IDLE_PHASES)
    return {
        "sample_rows": len(sample),
        "convert_seconds": fixed + (done["seconds"] - fixed) * max(1.0, ratio),
        "temporary_bytes": int(done["spill_bytes"] * ratio),
        "output_bytes": int(
            row_bytes * ratio + (done["output_bytes"] - row_bytes) * max(1.0, ratio) ** _GROWTH
        ),
        "epoch_seconds": n_train_rows / rate if rate else None,
        "training_bytes": training_bytes,
    }


def _training(store: Store) -> tuple[float | None, int | None]:
    """The rows a second of some training steps, if kernels compute them, and the memory of all."""
    plan = TrainingPlan.of(store, TrainingOptions(epochs=1))
    if plan.needs_keras:
        return None, None
    model: Any = plan.spec.model(plan.shape, **plan.model_options)
    n_weights = sum(weight.nbytes for weight in model.get_weights())
    memory = _PROCESS_BYTES + _COPIES * n_weights
    trainer = trainer_for(plan, model)
    batches = itertools.cycle(store["train"].batches(plan.options.batch_size or 128, seed=0))
    n_rows, began = 0, 0.0
    try:
        with compiled_by(refuse):
            for step, batch in enumerate(batches):
                if step == _WARMING_STEPS:
                    n_rows, began = 0, time.perf_counter()
                trainer.step(trainer.prepare(batch, step))
                n_rows += len(batch.labels)
                if step > _WARMING_STEPS and time.perf_counter() - began > _TRAINING_SECONDS:
                    break
    except NotCompiledError:  # it is not worth some ten seconds here
        return None, memory
    return n_rows / (time.perf_counter() - began), memory
