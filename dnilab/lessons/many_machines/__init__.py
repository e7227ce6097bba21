"""Notebook 11: modules that live in processes of their own."""
