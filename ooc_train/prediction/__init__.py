"""Predictions for new rows: encoded with the run's own vectorizer, then given to its model.

`inputs` reads the rows, with the sources of conversion.  `predictor` encodes them, with the
vectorizer's code for conversion, so that the model gets bit for bit what it was trained on.
`outputs` writes the predictions, and `predict` does all three.
"""
