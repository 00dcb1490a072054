"""Predictions on new rows: converted with the run's own vectorizer, then given to its model.

There is one way from text to features, `ooc_train.conversion`, so what a model sees here is bit for
bit what it was trained and evaluated on.
"""
