"""The models: the table of them, their networks, and those of the user's own."""
