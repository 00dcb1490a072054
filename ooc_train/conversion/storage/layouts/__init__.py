"""Each layout of rows as records on their way, and as the arrays of a split."""
