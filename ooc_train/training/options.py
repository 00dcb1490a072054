"""The options of `train`: those that decide a model's weights, and those of one run."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ooc_train.errors import OptionError
from ooc_train.kinds import KINDS
from ooc_train.memory import parse_size
from ooc_train.options import (
    SHARE,
    Limits,
    above,
    at_least,
    check,
    declaration,
    flag,
    from_to,
    option,
)
from ooc_train.outputs import OutputOptions
from ooc_train.training.mix_shares import mix_given, parse_mix
from ooc_train.training.models.table import (
    ADAM,
    DEFERRED_ADAM,
    MODELS,
    NUMPY_ADAM,
    check_function,
    is_function,
)
from ooc_train.training.run.interval import DEFAULT_EVERY, Interval

MOST_EPOCHS = 1000
MOST_LAYERS = 100
BATCH_SIZE, BATCH_OF_FEW, FEW_ROWS = 128, 32, 5000
"""The guide's batches, and those of so few train rows, which make better models of them."""
PATIENCE = 2
FROZEN_EPOCHS = 1
"""Epochs that pretrained embeddings stay as they are, where nothing else is said."""
AUTO = "auto"
OPTIMIZERS = (AUTO, ADAM, DEFERRED_ADAM, NUMPY_ADAM)
VAL_LOSS, VAL_TOP_5 = "val_loss", "val_top_5_accuracy"
MONITORS = (VAL_LOSS, "val_accuracy", "val_macro_f1", VAL_TOP_5)
"""Figures of the validation rows; all but the loss are better the higher they are."""
CONSTANT, COSINE, PLATEAU = "constant", "cosine", "plateau"
SCHEDULES = (CONSTANT, COSINE, PLATEAU)
PLATEAU_FACTOR, PLATEAU_PATIENCE = 0.1, 1
BALANCED = "balanced"
_MODEL, _STEPS = "model", "optimization"
_STOPPING, _RATE = "early stopping", "learning rate"
_RUN = "run"


def _default_models() -> str:
    """The models that ``auto`` stands for, in words."""
    models = dict.fromkeys(kind.default_model for kind in KINDS.values())
    kinds = {
        model: [name for name, kind in KINDS.items() if kind.default_model == model]
        for model in models
    }
    return ", and ".join(f"{model} for {', '.join(names)}" for model, names in kinds.items())


def _share(text: str) -> str | float:
    """A number as such, and other text as it is."""
    try:
        return float(text)
    except ValueError:
        return text


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """The options of `train` that decide a model's weights, checked as far as they can be alone.

    Raises OptionError if one is out of range, or if two contradict each other.
    """

    model: str | Callable[[Any], Any] = option(
        "auto",
        f"{', '.join(MODELS)}, or a function of yours as package.module:function; auto is "
        f"{_default_models()}",
        metavar="NAME",
        group=_MODEL,
    )
    epochs: int | None = option(
        None,
        "most epochs to train for",
        fallback=f"{MOST_EPOCHS}; required without a validation split",
        limits=at_least(1),
        group=_STOPPING,
    )
    batch_size: int = option(  # None until the plan has looked at the file
        None,
        "rows in each step",
        fallback=f"{BATCH_SIZE}; {BATCH_OF_FEW} for mlp on sparse rows, where there are at most "
        f"{FEW_ROWS} train rows",
        limits=at_least(1),
        group=_STEPS,
    )
    optimizer: str = option(
        "auto",
        "deferred-adam (mlp on sparse rows) and numpy-adam (mlp on dense rows) are faster and need "
        "no TensorFlow; adam is Keras's; auto is adam only if neither can be used",
        choices=OPTIMIZERS,
        group=_STEPS,
    )
    learning_rate: float = option(1e-3, "learning rate of Adam", limits=above(0), group=_RATE)
    seed: int = option(
        0,
        "seed of the initial weights, the order of rows and dropout",
        limits=from_to(0, 2**32 - 1),
        group=_STEPS,
    )
    monitor: str = option(
        VAL_LOSS,
        "the validation figure that decides when to stop, which weights are best, and what a "
        "plateau is; val_top_5_accuracy needs 20 classes or more",
        choices=MONITORS,
        group=_STOPPING,
    )
    patience: int = option(
        PATIENCE, "stop after N epochs without improvement", limits=at_least(1), group=_STOPPING
    )
    validate_every: str | float = option(
        AUTO,
        "also score the weights after each such share of an epoch, as 0.1, on a sample of the "
        "validation rows; 1 scores them only at the end of an epoch, on all rows; auto chooses a "
        "share, down to 0.1, that takes about 3 % of the time",
        metavar="SHARE",
        parse=_share,
        group=_STOPPING,
    )
    class_weight: str | Mapping[str, float] | None = option(
        None,
        "weight of each class's rows in the loss: balanced gives every class the same total "
        "weight; 1=2,2=0.5 gives these classes these weights, and all others 1",
        fallback="1 for all",
        metavar="WEIGHTS",
        group=_STEPS,
    )
    label_smoothing: float = option(
        0.0,
        "share of each row's target probability that is spread evenly over all classes, such as "
        "0.1; validation is scored without it",
        limits=SHARE,
        group=_STEPS,
    )
    weight_decay: float = option(
        0.0,
        "decoupled weight decay, as in AdamW: each step subtracts this share of the weights, times "
        "the learning rate",
        limits=at_least(0),
        group=_STEPS,
    )
    global_clipnorm: float | None = option(
        None,
        "scale gradients down so that their norm, all taken together, is at most F",
        fallback="no clipping",
        limits=above(0),
        group=_STEPS,
    )
    lr_schedule: str = option(
        CONSTANT,
        "cosine falls to 0 by the last of --epochs; plateau lowers the learning rate when "
        "validation has not improved",
        choices=SCHEDULES,
        group=_RATE,
    )
    warmup_steps: int = option(
        0,
        "steps in which the learning rate rises from 0, with any schedule",
        limits=at_least(0),
        group=_RATE,
    )
    lr_factor: float | None = option(
        None,
        "with the plateau schedule, the factor of the learning rate at each plateau",
        fallback=PLATEAU_FACTOR,
        limits=Limits("between 0 and 1", lambda value: 0 < value < 1),
        group=_RATE,
    )
    lr_patience: int | None = option(
        None,
        "with the plateau schedule, the number of epochs without improvement that make a plateau; "
        "fewer than --patience",
        fallback=PLATEAU_PATIENCE,
        limits=at_least(1),
        group=_RATE,
    )
    callbacks: Sequence[Any] = option(
        (),
        "Keras's callbacks, or the user's own; with callbacks, auto chooses the optimizer adam",
        on_command_line=False,
        group=_STEPS,
    )
    layers: int | None = option(
        None,
        "layers of mlp, the output layer included, as in Google's guide",
        fallback=MODELS["mlp"].options["layers"],
        limits=from_to(1, MOST_LAYERS),
        group=_MODEL,
    )
    units: int | None = option(
        None,
        "units in each hidden layer of mlp",
        fallback=MODELS["mlp"].options["units"],
        limits=at_least(1),
        group=_MODEL,
    )
    dropout_rate: float | None = option(
        None,
        "share of values that mlp and sepcnn drop in training",
        fallback=MODELS["mlp"].options["dropout_rate"],
        limits=SHARE,
        group=_MODEL,
    )
    bucket_by_length: bool = option(
        False,
        "make batches of sequences of similar length and pad them no further, which is faster",
        group=_STEPS,
    )
    embedding_dimension: int | None = option(
        None,
        "length of sepcnn's word vectors, which begin at random",
        fallback=MODELS["sepcnn"].options["embedding_dimension"],
        limits=at_least(1),
        group=_MODEL,
    )
    embeddings: str | os.PathLike[str] | None = option(
        None,
        "pretrained word vectors for sepcnn, as text of GloVe, word2vec or fastText, plain or .gz",
        group=_MODEL,
    )
    freeze_embeddings: int | None = option(
        None,
        "epochs in which the pretrained word vectors are frozen; afterwards they are trained with "
        "the rest, and only then may training stop early",
        fallback=FROZEN_EPOCHS,
        limits=at_least(0),
        saved=False,  # settings have the epochs themselves, `frozen_epochs`
        group=_MODEL,
    )

    init_from: str | os.PathLike[str] | None = option(
        None,
        "a complete run whose model training begins with, in place of a new one, on rows of the "
        "same vectorizer; classes are matched by their labels, and new ones begin as in a new "
        "model; the optimizer begins anew",
        metavar="RUN",
        group=_MODEL,
    )
    mix: Sequence[str] = option(
        (),
        "other converted files, each with the share of every batch's rows that its train rows "
        "have, such as old.h5:0.3; an epoch has the rows of the file itself once",
        metavar="FILE:SHARE",
        given=mix_given,
        group=_STEPS,
    )

    def __post_init__(self) -> None:
        check(self)
        parse_mix(self.mix)
        if not isinstance(self.model, str):
            check_function(self.model)
        elif not is_function(self.model) and self.model not in ("auto", *MODELS):
            names = ", ".join(("auto", *MODELS))
            raise declaration(TrainingOptions, "model").error(
                f"{names}, or a function of yours as package.module:function", self.model
            )
        if self.class_weight is not None:
            parse_class_weight(self.class_weight)
        every = self.validate_every
        if every != AUTO and (isinstance(every, str) or not 0 < every <= 1):
            raise declaration(TrainingOptions, "validate_every").error(
                f"{AUTO}, or a share of an epoch above 0, at most 1", every
            )
        self._check_schedule()
        self._check_embeddings()

    def _check_schedule(self) -> None:
        for name in ("lr_factor", "lr_patience"):
            if getattr(self, name) is not None and self.lr_schedule != PLATEAU:
                raise OptionError(f"{flag(name)} is for --lr-schedule {PLATEAU}; leave it out")
        if self.lr_schedule == PLATEAU and self.plateau_patience >= self.patience:
            raise OptionError(
                f"training would stop after {self.patience} epochs without improvement, before the "
                f"learning rate is lowered after {self.plateau_patience}; give more --patience"
            )

    def _check_embeddings(self) -> None:
        if self.init_from is not None and self.embeddings is not None:
            raise OptionError(
                "--init-from brings the run's word vectors, and --embeddings new ones; leave one "
                "of them out"
            )
        if self.embedding_dimension is not None and self.embeddings is not None:
            raise OptionError(
                "--embedding-dimension is for random word vectors, and --embeddings brings its "
                "own; leave one of them out"
            )
        if self.freeze_embeddings is not None and self.embeddings is None:
            raise OptionError("only pretrained embeddings can be frozen; give --embeddings too")

    @property
    def plateau_factor(self) -> float:
        """The factor by which a plateau multiplies the learning rate."""
        return PLATEAU_FACTOR if self.lr_factor is None else self.lr_factor

    @property
    def plateau_patience(self) -> int:
        """Epochs without improvement that are a plateau."""
        return PLATEAU_PATIENCE if self.lr_patience is None else self.lr_patience

    @property
    def frozen_epochs(self) -> int:
        """Epochs in which the pretrained embeddings are frozen."""
        if self.embeddings is None:
            return 0
        return FROZEN_EPOCHS if self.freeze_embeddings is None else self.freeze_embeddings


@dataclass(frozen=True, kw_only=True)
class RunOptions(OutputOptions):
    """The options of `train` that change no weight: how a run is written, resumed and watched.

    Raises OptionError if one is out of range, or if two contradict each other.
    """

    memory_bytes: int | None = option(
        None,
        "memory for a window of rows and the prefetched batches, such as 64MB; the model "
        "and its optimizer, and TensorFlow where it is used, come on top",
        fallback="up to 40 MB",
        spelled=("--memory",),
        metavar="SIZE",
        parse=parse_size,
        group=_RUN,
    )
    verify: bool = option(
        True, "do not compare rows with their checksums when they are first read", group=_RUN
    )
    checkpoint_every: str | int = option(
        DEFAULT_EVERY,
        "how often the state of the training is saved, besides each epoch's end: 30s, 5m, 1h, "
        "or 500 for every 500 steps",
        metavar="TIME|STEPS",
        parse=str,
        group=_RUN,
    )
    resume: bool = option(
        False,
        "continue from the run's last checkpoint; only --epochs may be more than before",
        group=_RUN,
    )
    devices: int = option(
        1,
        "GPUs that share the rows of every batch, for sepcnn and models of your own; without GPUs, "
        "parts of the processor, to try it out",
        limits=at_least(1),
        group=_RUN,
    )
    tensorboard: bool = option(
        False, "also write each epoch's figures for TensorBoard to the run folder", group=_RUN
    )

    def __post_init__(self) -> None:
        check(self)
        if self.force and self.resume:
            raise OptionError("--force begins anew and --resume continues; leave one of them out")
        _ = self.interval

    @property
    def interval(self) -> Interval:
        """From one checkpoint to the next."""
        return Interval.parse(self.checkpoint_every)


def parse_class_weight(asked: str | Mapping[str, float]) -> str | dict[str, float]:
    """Weights by label, or ``"balanced"``.

    Raises OptionError for other text, and for weights that are not above 0.

    >>> parse_class_weight("spam=2,ham=0.5")
    {'spam': 2.0, 'ham': 0.5}
    """
    if asked == BALANCED:
        return BALANCED
    try:
        pairs = _pairs(asked) if isinstance(asked, str) else asked.items()
        weights = {str(label): float(weight) for label, weight in pairs}
    except (TypeError, ValueError):
        raise declaration(TrainingOptions, "class_weight").error(
            f"{BALANCED}, or weights by label such as 1=2,2=0.5", asked
        ) from None
    for label, weight in weights.items():
        if not (weight > 0 and math.isfinite(weight)):
            raise OptionError(f"the class weight of {label} must be above 0, not {weight:g}")
    return weights


def _pairs(text: str) -> list[tuple[str, str]]:
    parts = [part.rpartition("=") for part in text.split(",")]
    if not all(equals for _, equals, _ in parts):
        raise ValueError
    return [(label, weight) for label, _, weight in parts]
