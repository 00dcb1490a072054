"""The training half: models trained from converted files, and evaluated.

TensorFlow is imported when it is first needed, not by importing this package.
"""

from ooc_train.training.models.user import DataShape
from ooc_train.training.options import TrainingOptions
from ooc_train.training.run.folder import Run, open_run
from ooc_train.training.scores.evaluate import evaluate
from ooc_train.training.train import train

__all__ = ["DataShape", "Run", "TrainingOptions", "evaluate", "open_run", "train"]
