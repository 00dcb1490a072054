"""Other systems, each a script of its own that knows nothing of this package.

They run as modules, `python -m benchmarks.peers.NAME`, in environments that `python -m benchmarks
peers` makes.  With `--report FILE` a script says in JSON what it did (`rows`, `seconds`,
`phase_seconds`, `versions`, and whatever else it measured).  Its status is 69 if what it needs is
not installed, and the last line of its output names that.
"""
