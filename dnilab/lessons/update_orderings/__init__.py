"""Notebooks 05 and 07: who goes next, in depth and width."""
