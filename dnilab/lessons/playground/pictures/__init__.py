"""What the playground alone shows: the network, a sweep as a map, runs compared seed by seed."""

from dnilab.lessons.playground.pictures.network import network
from dnilab.lessons.playground.pictures.pairs import pairs
from dnilab.lessons.playground.pictures.sweep import (
    NOT_RUN,
    SCORES,
    WAITING,
    Axis,
    Cell,
    SweepMap,
    cell_of,
    draw_map,
    luminance,
    sweep_map,
    sweep_table,
)
