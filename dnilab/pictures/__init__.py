"""Pictures of what the course computes. Plain data in, a :class:`Picture` out.

Every picture carries ``sentence``, which says in words what it shows, and shows both when it is
displayed. Colours are Okabe and Ito's, and always come with a line style, a marker or words.

Over training
    :func:`curves` of :class:`Series`; :class:`LiveCurves`, which grow in a panel.
Results
    :class:`Results` (settings by conditions by seeds), as :func:`table` or as :func:`dots`.
Diagrams
    :func:`locks`, with :class:`Moment` for moments of one's own; :func:`decoupled_module`;
    :func:`decoupled_stack`; :func:`shapes` of chains of :class:`Term`.
Time
    :func:`timeline` of :class:`Bar`.
For panels
    :class:`Redrawn` makes a view out of any function that returns a picture.

Only this package imports matplotlib.
"""

from dnilab.pictures.curves import Series, curves
from dnilab.pictures.dots import dots
from dnilab.pictures.live import LiveCurves, Redrawn
from dnilab.pictures.network import Moment, decoupled_module, decoupled_stack, lock_moment, locks
from dnilab.pictures.shapes import Term, shapes
from dnilab.pictures.style import Picture, show
from dnilab.pictures.table import Results, Table, table
from dnilab.pictures.timeline import Bar, timeline

__all__ = [
    "Bar",
    "LiveCurves",
    "Moment",
    "Picture",
    "Redrawn",
    "Results",
    "Series",
    "Table",
    "Term",
    "curves",
    "decoupled_module",
    "decoupled_stack",
    "dots",
    "lock_moment",
    "locks",
    "shapes",
    "show",
    "table",
    "timeline",
]
