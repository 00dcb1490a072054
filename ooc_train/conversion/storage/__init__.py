"""Rows on their way to the file: spilled, placed in random order, written."""
