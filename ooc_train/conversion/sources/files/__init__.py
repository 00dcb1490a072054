"""Files as bytes: names and patterns, compression, whole rows of a stream, and rejected rows."""
