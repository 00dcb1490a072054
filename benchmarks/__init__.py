"""Benchmarks of the package against its peers, and the corpus that they run on."""
