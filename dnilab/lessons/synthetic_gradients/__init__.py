"""Notebooks 00 to 04: the chain rule, and the guess that takes its place."""
