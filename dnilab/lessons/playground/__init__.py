"""Notebook 06, and the sweeps of notebook 11: many settings, compared."""
