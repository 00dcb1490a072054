"""The file on disk: its specification, arrays, checksums and compression."""
