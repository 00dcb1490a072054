"""Figures as records, tables, targets and plots."""
