"""One training step: what computes it, and what feeds it."""
