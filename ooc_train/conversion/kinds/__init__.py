"""The kinds of features: one folder or file each, and the table of them."""
