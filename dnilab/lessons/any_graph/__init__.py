"""Notebook 10: any graph of modules, and networks with different clocks."""
