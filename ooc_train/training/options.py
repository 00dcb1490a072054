"""How a model is trained: the options that decide its weights, and nothing else."""

import math
from dataclasses import dataclass

from ooc_train.errors import OptionError

MOST_EPOCHS = 1000
PATIENCE = 2
MODELS = {"auto": "mlp", "mlp": "mlp"}
"""What each value of ``model`` builds from n-gram features."""


@dataclass(frozen=True)
class TrainingOptions:
    """Checked options of `train`, which documents them."""

    model: str = "auto"
    epochs: int | None = None
    batch_size: int = 128
    learning_rate: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise OptionError(f"there is no model {self.model!r}; choose of: {', '.join(MODELS)}")
        if self.epochs is not None and self.epochs < 1:
            raise OptionError(f"the epochs must be at least 1, not {self.epochs}")
        if self.batch_size < 1:
            raise OptionError(f"the batch size must be at least 1, not {self.batch_size}")
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise OptionError(f"the learning rate must be above 0, not {self.learning_rate}")
        if not 0 <= self.seed < 2**32:
            raise OptionError(f"the seed must be from 0 to 4294967295, not {self.seed}")
