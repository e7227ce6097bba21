"""Pictures of what the course computes. Plain data in, a :class:`Picture` out.

Every picture carries ``sentence``, which says in words what it shows, and shows both when it is
displayed. Colours are Okabe and Ito's, and always come with a line style, a marker or words.

Over training
    :func:`curves` of :class:`Series`; :class:`LiveCurves`, which grow in a panel.
Results
    :class:`Results` (settings by conditions by seeds), as :func:`table` or as :func:`dots`.
Time
    :func:`timeline` of :class:`Bar`, made of steps by :func:`bars_of_spans` (measured) and
    :func:`bars_of_slots` (ideal).
For panels
    :class:`Redrawn` makes a view out of any function that returns a picture; :class:`Stacked`
    puts pictures one under the other; :func:`tables_of` a picture are the numbers behind it.

A picture of one's own is made with ``draw`` (text, shapes, arrows and axes in one look). What some
lessons alone show is drawn in their rooms. Nothing but pictures imports matplotlib.
"""

from dnilab.doors import open_doors
from dnilab.pictures.curves import Series, curves
from dnilab.pictures.live import LiveCurves, Redrawn
from dnilab.pictures.numbers import tables_of
from dnilab.pictures.style import Picture, Stacked, show
from dnilab.pictures.table import Results, Table, table
from dnilab.pictures.timeline import Bar, bars_of_slots, bars_of_spans, timeline

open_doors(__name__)
