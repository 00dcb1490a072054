"""The terms of all rows, on disk: what n-grams and sequences of words have in common."""
