"""Scores of a model on labelled rows."""
