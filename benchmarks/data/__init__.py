"""Rows to measure on: files in the package's format, and parts of real data."""
