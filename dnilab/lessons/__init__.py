"""Rooms: what serves one lesson stands together, by the same jobs as in the house.

A room imports the core, and never another room; the core imports no room.  Whatever lesson is
imported, what its checkers find right is kept (``progress``).
"""

from dnilab.exercises import listeners
from dnilab.lessons.progress.kept import keep

listeners.append(keep)
