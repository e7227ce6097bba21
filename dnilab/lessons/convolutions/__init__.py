"""Notebook 09: modules that are convolutions."""
