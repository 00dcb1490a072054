"""The training half: models trained from converted files, and evaluated.

TensorFlow is imported when it is first needed, not by importing this package.
"""

from ooc_train.training.evaluation import evaluate
from ooc_train.training.fitting import train
from ooc_train.training.options import TrainingOptions
from ooc_train.training.run_folder import Run, open_run
from ooc_train.training.user_models import DataShape

__all__ = ["DataShape", "Run", "TrainingOptions", "evaluate", "open_run", "train"]
