"""Pages of a run: one HTML file that opens anywhere, offline."""
