"""Families of faults: each module has the faults of one kind, and says whether it can run here."""
