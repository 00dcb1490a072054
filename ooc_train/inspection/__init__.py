"""Files seen by people: their contents, whether they are undamaged, and their overview."""
