"""Panels: move a control, and the picture and its sentence follow.

- :class:`Panel` runs a function of the controls off the controls' thread and draws what it gives.
- :class:`Slider`, :class:`Choice`, :class:`Toggle` say what can be set.
- :class:`View` is what a panel draws with (:class:`dnilab.pictures.LiveCurves` for curves that
  grow, :class:`dnilab.pictures.Redrawn` for any function that returns a picture).

Only this package imports ipywidgets.
"""

from dnilab.doors import open_doors
from dnilab.widgets.controls import Choice, Slider, Toggle
from dnilab.widgets.panel import Panel, View

open_doors(__name__)
