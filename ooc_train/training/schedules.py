"""The learning rate of each step: a function of its number and of the epochs before, nothing else.

Hence there is nothing to save of it.  The rates are those of Keras's ``CosineDecay``, with its
linear warm-up, and ``ReduceLROnPlateau``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ooc_train.errors import OptionError
from ooc_train.reading.store import Store
from ooc_train.training.options import COSINE, PLATEAU, TrainingOptions


@dataclass(frozen=True)
class Schedule:
    """Learning rates by step and by what validation has said.

    >>> cosine = Schedule(0.1, warmup_steps=2, decay_steps=4)
    >>> [round(cosine.rate(step), 3) for step in range(7)]
    [0.0, 0.05, 0.1, 0.085, 0.05, 0.015, 0.0]
    """

    learning_rate: float
    warmup_steps: int = 0
    """In which the rate rises from 0, in a line."""
    decay_steps: int | None = None
    """After these, in which it falls to 0, as half a wave of the cosine; ``None``: it stays."""
    factor: float = 1.0
    """What it is multiplied by after each plateau: ``patience`` epochs in vain."""
    patience: int = 1
    n_exempt: int = 0
    """Epochs at the beginning that do not count as those in vain."""

    @property
    def is_constant(self) -> bool:
        """Whether all steps have the same rate."""
        return not self.warmup_steps and self.decay_steps is None and self.factor == 1

    def rate(self, step: int, n_plateaus: int = 0) -> float:
        """That of a step, from 0, after so many plateaus."""
        rate = self.learning_rate * self.factor**n_plateaus
        if step < self.warmup_steps:
            return rate * step / self.warmup_steps
        if self.decay_steps is None:
            return rate
        share = min(1, (step - self.warmup_steps) / self.decay_steps)
        return rate * 0.5 * (1 + math.cos(math.pi * share))

    def n_plateaus(self, history: Sequence[float]) -> int:
        """How many there were in epochs of such values, of which lower ones are better."""
        best, n_in_vain, n_plateaus = math.inf, 0, 0
        for number, value in enumerate(history, start=1):
            if value < best:
                best, n_in_vain = value, 0
            elif number > self.n_exempt:
                n_in_vain += 1
            if n_in_vain == self.patience:
                n_in_vain, n_plateaus = 0, n_plateaus + 1
        return n_plateaus


def schedule_for(store: Store, options: TrainingOptions) -> Schedule:
    """The schedule of a training.

    Raises OptionError where it takes epochs or a validation split that are not there.
    """
    if options.lr_schedule == PLATEAU:
        if not len(store.splits.get("validation", ())):
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
        split = store["train"]
        n_batches = len(split.batches(options.batch_size, by_length=options.bucket_by_length))
        decay_steps = options.epochs * n_batches - options.warmup_steps
        if decay_steps < 1:
            raise OptionError(
                f"the training has {options.epochs * n_batches:,} steps, which leaves none after "
                f"--warmup-steps {options.warmup_steps}; give fewer of these, or more --epochs"
            )
        return Schedule(options.learning_rate, options.warmup_steps, decay_steps)
    return Schedule(options.learning_rate, options.warmup_steps)
