"""Rows of numbers, dense or sparse, as they are."""
