"""Rows looked at before any conversion: what they are, what is odd, what they would cost."""
