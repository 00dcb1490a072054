"""Files at a URL: their names, the stores that hold them, and their bytes by ranges."""
