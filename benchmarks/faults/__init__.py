"""Faults put into the package's commands, and what became of the files and the user's rows."""
