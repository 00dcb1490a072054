"""The training half: models trained from converted files, and evaluated.

TensorFlow is imported when it is first needed, not by importing this package.
"""

from ooc_train.training.models.table import DataShape as DataShape
