"""How a model is trained: the options that decide its weights, and nothing else."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ooc_train.errors import OptionError
from ooc_train.training.class_weights import parse_class_weight
from ooc_train.training.models.table import ADAM, DEFERRED_ADAM, MODELS, is_function

MOST_EPOCHS = 1000
PATIENCE = 2
FROZEN_EPOCHS = 1
"""Epochs that pretrained embeddings stay as they are, where nothing else is said."""
OPTIMIZERS = ("auto", ADAM, DEFERRED_ADAM)
VAL_LOSS, VAL_TOP_5 = "val_loss", "val_top_5_accuracy"
MONITORS = (VAL_LOSS, "val_accuracy", "val_macro_f1", VAL_TOP_5)
"""Figures of the validation rows; all but the loss are better the higher they are."""
CONSTANT, COSINE, PLATEAU = "constant", "cosine", "plateau"
SCHEDULES = (CONSTANT, COSINE, PLATEAU)
PLATEAU_FACTOR, PLATEAU_PATIENCE = 0.1, 1


@dataclass(frozen=True)
class TrainingOptions:
    """The options of `train` that decide a model's weights, checked as far as they can be alone.

    Raises OptionError if one is out of range, or if two contradict each other.
    """

    model: str = "auto"
    """``"mlp"`` for n-grams, ``"sepcnn"`` for sequences, ``"auto"`` for that of the two which fits,
    or a function of the user's as ``"package.module:function"``, see `models.table.DataShape`."""
    epochs: int | None = None
    """At the most; 1000 where a validation split says when to stop, needed where there is none."""
    batch_size: int = 128
    learning_rate: float = 1e-3
    seed: int = 0
    """Of the initial weights, the order of rows, and dropout."""
    optimizer: str = "auto"
    """``"adam"``, Keras's; ``"deferred-adam"``, several times as fast, for ``"mlp"`` on sparse
    rows, see `sparse_steps`; or ``"auto"``, the latter where it can be."""
    monitor: str = VAL_LOSS
    """Which figure of the validation rows says when to stop, which weights are best, and what a
    plateau is: one of `MONITORS`; the last is there from 20 classes on."""
    patience: int = PATIENCE
    """Epochs without a better one after which training stops."""
    class_weight: str | Mapping[str, float] | None = None
    """What the rows of each class count for in the loss: ``"balanced"``, or weights by the classes'
    labels, see `class_weights`."""
    label_smoothing: float = 0.0
    """The share of each row's probability that is wanted for all classes alike, as Keras's."""
    weight_decay: float = 0.0
    """What each step takes off the weights, as a share of them, over the learning rate: Keras's
    ``AdamW``."""
    global_clipnorm: float | None = None
    """The norm of all gradients together that steps are scaled down to, as Keras's."""
    lr_schedule: str = CONSTANT
    """``"constant"``; ``"cosine"``, which falls to 0 until the last of ``epochs``; or
    ``"plateau"``, which multiplies the learning rate by ``lr_factor`` (0.1 if not given) each time
    after ``lr_patience`` (1 if not given) epochs in which validation gained nothing."""
    warmup_steps: int = 0
    """Steps in which the learning rate rises from 0, whatever the schedule."""
    lr_factor: float | None = None
    lr_patience: int | None = None
    callbacks: Sequence[Any] = ()
    """Keras's, or the user's own; with these, ``"adam"`` is what ``"auto"`` chooses."""
    layers: int | None = None
    """Of mlp, the output's included, as the guide counts them; 2 if not given."""
    units: int | None = None
    """Of each hidden layer of mlp; 64 if not given."""
    dropout_rate: float | None = None
    """The share of values that mlp and sepcnn drop in training; 0.2 if not given."""
    bucket_by_length: bool = False
    """Of sequences: rows of near length make a batch, padded only as far as the longest of them."""
    embedding_dimension: int | None = None
    """Of the random word vectors that sepcnn begins with; 200 if not given."""
    embeddings: str | Path | None = None
    """A file of word vectors that sepcnn begins with instead, see `embeddings`."""
    freeze_embeddings: int | None = None
    """Epochs for which these stay as they are; 1 if not given.  They are trained with the rest
    afterwards, and only then may training stop early."""

    def __post_init__(self) -> None:
        if not is_function(self.model) and self.model not in ("auto", *MODELS):
            raise OptionError(
                f"there is no model {self.model!r}; choose of: auto, {', '.join(MODELS)}, or name "
                "a function of yours as package.module:function"
            )
        if self.optimizer not in OPTIMIZERS:
            raise OptionError(
                f"there is no optimizer {self.optimizer!r}; choose of: {', '.join(OPTIMIZERS)}"
            )
        if self.epochs is not None and self.epochs < 1:
            raise OptionError(f"the epochs must be at least 1, not {self.epochs}")
        if self.batch_size < 1:
            raise OptionError(f"the batch size must be at least 1, not {self.batch_size}")
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise OptionError(f"the learning rate must be above 0, not {self.learning_rate}")
        if not 0 <= self.seed < 2**32:
            raise OptionError(f"the seed must be from 0 to 4294967295, not {self.seed}")
        if self.class_weight is not None:
            parse_class_weight(self.class_weight)
        self._check_regularization()
        self._check_schedule()
        self._check_stopping()
        self._check_network()
        self._check_embeddings()

    def _check_regularization(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise OptionError(
                f"the label smoothing must be from 0 to below 1, not {self.label_smoothing}"
            )
        if not 0 <= self.weight_decay < math.inf:
            raise OptionError(f"the weight decay must be 0 or more, not {self.weight_decay}")
        if self.global_clipnorm is not None and not 0 < self.global_clipnorm < math.inf:
            raise OptionError(f"the clipping norm must be above 0, not {self.global_clipnorm}")

    def _check_schedule(self) -> None:
        if self.lr_schedule not in SCHEDULES:
            raise OptionError(
                f"there is no learning-rate schedule {self.lr_schedule!r}; choose of: "
                f"{', '.join(SCHEDULES)}"
            )
        if self.warmup_steps < 0:
            raise OptionError(f"the warm-up steps must be 0 or more, not {self.warmup_steps}")
        for name in ("lr_factor", "lr_patience"):
            if getattr(self, name) is not None and self.lr_schedule != PLATEAU:
                option = f"--{name.replace('_', '-')}"
                raise OptionError(f"{option} is for --lr-schedule {PLATEAU}; leave it out")
        if not 0 < self.plateau_factor < 1:
            raise OptionError(f"the factor must be between 0 and 1, not {self.plateau_factor}")
        if not self.plateau_patience >= 1:
            raise OptionError(f"the patience must be at least 1, not {self.plateau_patience}")

    def _check_stopping(self) -> None:
        if self.monitor not in MONITORS:
            raise OptionError(
                f"{self.monitor!r} cannot be monitored; choose of: {', '.join(MONITORS)}"
            )
        if self.patience < 1:
            raise OptionError(f"the patience must be at least 1, not {self.patience}")
        if self.lr_schedule == PLATEAU and self.plateau_patience >= self.patience:
            raise OptionError(
                f"training would end after {self.patience} epochs in vain, before the learning "
                f"rate is lowered after {self.plateau_patience}; give more --patience"
            )

    def _check_network(self) -> None:
        for name in ("layers", "units"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise OptionError(f"the {name} must be at least 1, not {value}")
        if self.dropout_rate is not None and not 0 <= self.dropout_rate < 1:
            raise OptionError(
                f"the dropout rate must be from 0 to below 1, not {self.dropout_rate}"
            )

    def _check_embeddings(self) -> None:
        if self.embedding_dimension is not None and self.embeddings is not None:
            raise OptionError(
                "--embedding-dimension is for random values, and --embeddings brings its own; "
                "leave one of them out"
            )
        if self.embedding_dimension is not None and self.embedding_dimension < 1:
            raise OptionError(
                f"the embedding dimension must be at least 1, not {self.embedding_dimension}"
            )
        if self.freeze_embeddings is not None and self.embeddings is None:
            raise OptionError("only pretrained embeddings can be frozen; give --embeddings too")
        if self.freeze_embeddings is not None and self.freeze_embeddings < 0:
            raise OptionError(f"the frozen epochs must be 0 or more, not {self.freeze_embeddings}")

    @property
    def plateau_factor(self) -> float:
        """What a plateau multiplies the learning rate by."""
        return PLATEAU_FACTOR if self.lr_factor is None else self.lr_factor

    @property
    def plateau_patience(self) -> int:
        """Epochs in vain that are a plateau."""
        return PLATEAU_PATIENCE if self.lr_patience is None else self.lr_patience

    @property
    def frozen_epochs(self) -> int:
        """Epochs for which the embeddings keep their pretrained values."""
        if self.embeddings is None:
            return 0
        return FROZEN_EPOCHS if self.freeze_embeddings is None else self.freeze_embeddings
