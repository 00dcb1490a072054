"""A toy source format, a toy kind of features and a toy model: one file and one entry each."""
