"""The playground of notebook 06: move a slider, compare convergence.

``playground()`` is the last line of a cell, or a page of its own (``make playground``).
"""

from dnilab.widgets.playground.panel import Playground, playground

__all__ = ["Playground", "playground"]
