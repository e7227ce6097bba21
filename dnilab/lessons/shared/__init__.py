"""What a few lessons share, and not all: so it is no part of the core, and no room owns it.

``cells``: of recurrent networks (notebooks 08, 10).  ``rivals``: pipelined backpropagation and late
truth as programs (11, 12, 14).  ``timing``: whoever is measured takes turns (05, 11, 12).
``ratios``: a picture of the speeds (05, 12).  ``diagram``: boxes and arrows as plain data (01, 02,
08, 10).  ``moments``: one moment of an ordering, drawn (02, 05, 06).  ``files``: checkpoints and
sweeps (06, 11).
"""
