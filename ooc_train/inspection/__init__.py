"""What a file holds, whether it is undamaged, and how it looks."""
