"""`TrainingPlan`: the options of a training, resolved for one file, once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ooc_train.counts import counted
from ooc_train.errors import OptionError
from ooc_train.file.shards import data_files
from ooc_train.kinds import KINDS, Layout
from ooc_train.options import flag, saved
from ooc_train.reading.sampler import n_steps
from ooc_train.reading.store import Store
from ooc_train.remote.url import located
from ooc_train.training.class_weights import class_weights_for
from ooc_train.training.continuing import Origin
from ooc_train.training.inner_validations import InnerValidations
from ooc_train.training.input_budget import batches_ahead, prepared_row_bytes
from ooc_train.training.mix_shares import parse_mix
from ooc_train.training.mixing import Other, TrainRows, train_rows
from ooc_train.training.models.table import (
    ADAM,
    DEFERRED_ADAM,
    MODELS,
    DataShape,
    ModelSpec,
    name_of,
    spec_of,
)
from ooc_train.training.options import (
    AUTO,
    BATCH_OF_FEW,
    BATCH_SIZE,
    COSINE,
    FEW_ROWS,
    MOST_EPOCHS,
    PATIENCE,
    PLATEAU,
    VAL_LOSS,
    VAL_TOP_5,
    TrainingOptions,
)
from ooc_train.training.schedules import Schedule
from ooc_train.training.scores.tally import MIN_TOP_K_CLASSES
from ooc_train.training.steps.trainer import StepOptions
from ooc_train.version import __version__


@dataclass(frozen=True)
class TrainingPlan:
    """All decisions about a training, made once from its options and its file."""

    options: TrainingOptions
    """The options, for everything that has no field here: as given, but for the batch size."""
    model: str
    """The model's name, or the user's function."""
    spec: ModelSpec
    shape: DataShape
    layout: Layout
    """The layout of the file's rows."""
    rows: TrainRows
    """The rows that an epoch trains on."""
    origin: Origin | None
    """The run whose model it begins with; ``None`` for a new model."""
    n_devices: int
    """The devices that share the rows of each batch."""
    optimizer: str
    """The name of the optimizer, one of `OPTIMIZERS` but ``"auto"``."""
    steps: StepOptions
    schedule: Schedule
    epochs: int
    """The number of epochs, unless training stops early."""
    inner: InnerValidations
    """The validations inside each epoch."""
    train_width: int | None
    """The width that rows are padded to in training; ``None``: that of the longest in a batch."""
    validation_width: int | None
    """The same for rows that are evaluated."""
    n_ahead: int
    """The number of batches that may be prefetched."""
    settings: Mapping[str, Any]
    """The content of ``settings.json``, without the libraries' versions."""

    @classmethod
    def of(
        cls,
        store: Store,
        options: TrainingOptions,
        *,
        memory_bytes: int | None = None,
        others: Sequence[Other] = (),
        origin: Origin | None = None,
        n_devices: int = 1,
    ) -> "TrainingPlan":
        """The plan for the file ``store``, whose rows are mixed with those of ``others``.

        The model begins as that of ``origin``, where there is one.
        ``memory_bytes`` bounds a window of rows and the prefetched batches, see `input_budget`.
        Reads the train labels once if class weights are balanced.  Raises OptionError if the
        options do not fit the file, and BudgetError if ``memory_bytes`` is too little.
        """
        if origin:
            origin.check(store)
            options = origin.resolved(options)
        model, spec = _model(store, options)
        options = replace(options, batch_size=options.batch_size or _batch_size(store, model))
        optimizer = _optimizer(store, options, model, spec)
        _check_trainable(store, options)
        _check_devices(n_devices, options, model, spec)
        rows = train_rows(store, others, options.batch_size)
        steps, schedule = _steps(store, rows, options), _schedule(store, rows, options)
        pads_as_needed = options.bucket_by_length or spec.pads_freely
        width, layout = store["train"].width, store.layout
        row_bytes = prepared_row_bytes(
            store["train"],
            is_deferred=optimizer == DEFERRED_ADAM,
            is_sparse=layout == "sparse" and spec.is_network,
        )
        plan = cls(
            options=options,
            model=model,
            spec=spec,
            shape=_shape(store, options),
            layout=layout,
            rows=rows,
            origin=origin,
            n_devices=n_devices,
            optimizer=optimizer,
            steps=steps,
            schedule=schedule,
            epochs=options.epochs or MOST_EPOCHS,
            inner=InnerValidations.of(
                options.validate_every,
                n_steps=n_steps(len(rows), options.batch_size),
                n_train_rows=len(rows),
                n_validation_rows=_n_validation_rows(store),
            ),
            train_width=None if options.bucket_by_length else width,
            validation_width=None if pads_as_needed else width,
            n_ahead=batches_ahead(
                [store, *(other.store for other in others)],
                options.batch_size,
                row_bytes,
                memory_bytes,
            ),
            settings={},
        )
        return replace(plan, settings=_settings(store, plan, others))

    @property
    def needs_keras(self) -> bool:
        """Whether the steps are computed by Keras and TensorFlow."""
        return self.optimizer == ADAM

    @property
    def pads_as_needed(self) -> bool:
        """Whether rows that are evaluated are padded only to the longest in their batch.

        They are for models that give the same however far a row is padded.  A user's model may not
        do so: it gets rows padded as they were in training.
        """
        return self.validation_width is None

    @property
    def model_options(self) -> dict[str, Any]:
        """The options of the model, as far as they were given."""
        given = {name: getattr(self.options, name, None) for name in self.spec.options}
        return {name: value for name, value in given.items() if value is not None}


def files_read(data: str | Path, options: TrainingOptions) -> list[Path]:
    """All files that a training reads: the data, what is mixed in, and pretrained embeddings."""
    mixed = [path for path, _ in parse_mix(options.mix)]
    given = [located(path) for path in (data, *mixed, options.embeddings) if path is not None]
    return [file for path in given for file in data_files(path)]


def _model(store: Store, options: TrainingOptions) -> tuple[str, ModelSpec]:
    """The model's name, or the user's function, and its entry, which fit the file and options."""
    features = store.features
    default_model = KINDS[features].default_model
    asked = default_model if options.model == "auto" else options.model
    model, spec = name_of(asked), spec_of(asked)
    if store.layout not in spec.optimizers:
        takes = spec.kinds[0]
        raise OptionError(
            f"the model {model} takes {takes} features, and the file has {features} features; "
            f"choose {default_model}, or convert with --features {takes}"
        )
    if options.bucket_by_length and store.layout != "ragged":
        raise OptionError(
            f"--bucket-by-length is for sequences, and the file has {features} features; "
            "leave it out"
        )
    if options.bucket_by_length and options.mix:
        raise OptionError(
            "--bucket-by-length makes batches of rows of near length, and --mix of rows of several "
            "files; leave one of them out"
        )
    for name in dict.fromkeys(name for entry in MODELS.values() for name in entry.options):
        if getattr(options, name) is not None and name not in spec.options:
            models = " or ".join(other for other, entry in MODELS.items() if name in entry.options)
            raise OptionError(f"{flag(name)} is for the model {models}, not {model}; leave it out")
    return model, spec


def _batch_size(store: Store, model: str) -> int:
    """The rows in each step, where the options leave it open (`benchmarks.studies.defaults`)."""
    is_few = model == "mlp" and store.layout == "sparse" and len(store["train"]) <= FEW_ROWS
    return BATCH_OF_FEW if is_few else BATCH_SIZE


def _optimizer(store: Store, options: TrainingOptions, model: str, spec: ModelSpec) -> str:
    """The optimizer's name, which fits the model, the file and the callbacks."""
    usable = spec.optimizers[store.layout]
    asked = options.optimizer
    if asked != "auto" and asked not in usable:
        takers = [
            (name, kind)
            for name, entry in MODELS.items()
            for kind in entry.kinds
            if asked in entry.optimizers[KINDS[kind].layout]
        ]
        models, kinds = (" or ".join(dict.fromkeys(names)) for names in zip(*takers, strict=True))
        raise OptionError(
            f"{asked} is for the model {models} on {kinds} features, not {model} on "
            f"{store.features} features; choose {' or '.join(usable)}"
        )
    if asked not in ("auto", ADAM) and options.callbacks:
        raise OptionError(
            f"{asked} keeps weights and learning rate to itself, where callbacks look for the "
            f"model's; choose {ADAM}"
        )
    if asked != "auto":
        return asked
    return ADAM if options.callbacks else usable[0]


def _check_devices(n_devices: int, options: TrainingOptions, model: str, spec: ModelSpec) -> None:
    """Raise OptionError where several devices cannot share a step."""
    if n_devices > 1 and spec.is_network:
        raise OptionError(
            f"--devices is for sepcnn and models of your own: a step of {model} takes less time "
            "than adding up its gradients; leave it out"
        )
    if n_devices > options.batch_size:
        raise OptionError(
            f"--devices {n_devices} leaves no row to some devices in a batch of "
            f"{options.batch_size}; give fewer, or a larger --batch-size"
        )


def _steps(store: Store, rows: TrainRows, options: TrainingOptions) -> StepOptions:
    return StepOptions(
        learning_rate=options.learning_rate,
        seed=options.seed,
        class_weights=class_weights_for(options.class_weight, store, rows),
        label_smoothing=options.label_smoothing,
        weight_decay=options.weight_decay,
        global_clipnorm=options.global_clipnorm,
    )


def _schedule(store: Store, rows: TrainRows, options: TrainingOptions) -> Schedule:
    """The schedule of learning rates, which fits the file and the epochs."""
    if options.lr_schedule == PLATEAU:
        if not _n_validation_rows(store):
            raise OptionError(
                f"{store.path} has no validation split whose plateaus could lower the learning "
                "rate; choose another --lr-schedule, or convert with --validation-fraction"
            )
        return Schedule(
            options.learning_rate,
            options.warmup_steps,
            factor=options.plateau_factor,
            patience=options.plateau_patience,
            n_exempt=options.frozen_epochs,
        )
    if options.lr_schedule == COSINE:
        if options.epochs is None:
            raise OptionError("the cosine schedule ends with the last epoch; give --epochs")
        total = options.epochs * n_steps(len(rows), options.batch_size)
        if total <= options.warmup_steps:
            raise OptionError(
                f"the training has {counted(total, 'step')}, which leaves none after "
                f"--warmup-steps {options.warmup_steps}; give fewer of these, or more --epochs"
            )
        decay_steps = total - options.warmup_steps
        return Schedule(options.learning_rate, options.warmup_steps, decay_steps)
    return Schedule(options.learning_rate, options.warmup_steps)


def _check_trainable(store: Store, options: TrainingOptions) -> None:
    """Raise OptionError where the file lacks the rows or classes that the options need."""
    if not len(store["train"]):
        raise OptionError(f"{store.path} has no train rows; convert a source that has some")
    is_validated = _n_validation_rows(store) > 0
    given = (options.monitor, options.patience, options.validate_every)
    if not is_validated and given != (VAL_LOSS, PATIENCE, AUTO):
        raise OptionError(
            f"{store.path} has no validation split to stop early by; leave out --monitor, "
            "--patience and --validate-every, or convert with --validation-fraction"
        )
    if options.monitor == VAL_TOP_5 and store.n_classes < MIN_TOP_K_CLASSES:
        raise OptionError(
            f"{options.monitor} is for {MIN_TOP_K_CLASSES} classes or more, and {store.path} has "
            f"{store.n_classes}; choose another --monitor"
        )
    if options.epochs is None and not is_validated:
        raise OptionError(
            f"{store.path} has no validation split to stop early by; give --epochs, or convert "
            "with --validation-fraction"
        )


def _n_validation_rows(store: Store) -> int:
    return len(store.splits.get("validation", ()))


def _shape(store: Store, options: TrainingOptions) -> DataShape:
    return DataShape(
        store.features, store.n_columns, store.max_length, store.n_classes, options.seed
    )


def _settings(store: Store, plan: TrainingPlan, others: Sequence[Other]) -> dict[str, Any]:
    """Facts of the file, and all options by name as JSON can hold them."""
    options = plan.options
    return {
        "version": __version__,
        "data": store.path.name,
        "fingerprint": store.fingerprint,
        "features": store.features,
        "n_columns": store.n_columns,
        "max_length": store.max_length,
        "n_classes": store.n_classes,
        **saved(options),
        "model": plan.model,
        "epochs": plan.epochs,
        "optimizer": plan.optimizer,
        "pads_as_needed": plan.pads_as_needed,
        "frozen_epochs": options.frozen_epochs,
        "schedule_epochs": options.epochs if options.lr_schedule == COSINE else None,
        "callbacks": [type(callback).__name__ for callback in options.callbacks],
        "embeddings": located(options.embeddings).name if options.embeddings else None,
        **(plan.origin.settings if plan.origin else {"init_from": None, "init_from_digest": None}),
        "mix": [f"{other.store.path.name}:{other.share}" for other in others],
        "mix_fingerprints": [other.store.fingerprint for other in others],
    }
