"""Notebook 08: truncated backpropagation, and a guess at the cut."""
