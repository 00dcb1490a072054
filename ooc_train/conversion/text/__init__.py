"""Text to words: decoding, folding, lower case, tokens, and tables of strings."""
