"""The playground of notebook 06: move a slider, compare convergence.

``playground()`` is the last line of a cell, or a page of its own (``make playground``).
"""

from dnilab.lessons.playground.panel.panel import Playground, playground
