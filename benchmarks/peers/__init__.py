"""Other systems, each a script of its own that knows nothing of this package.

A script takes the files of rows and writes `--output`; with `--report FILE` it says in JSON what it
did (`rows`, `seconds`, `phase_seconds`, `versions`).  Its status is 69 if what it needs is not
installed, and the last line of its output names that.
"""
