"""Predictions on new rows: converted with the run's own vectorizer, then given to its model.

There is one way from text to features, `ooc_train.conversion`, so what a model sees here is bit for
bit what it was trained and evaluated on.  `inputs` reads rows, `predictor` and `networks` turn
them into probabilities, `outputs` writes these, and `predicting` does all three.
"""

from ooc_train.prediction.predicting import predict
from ooc_train.prediction.predictor import Predictor, load

__all__ = ["Predictor", "load", "predict"]
