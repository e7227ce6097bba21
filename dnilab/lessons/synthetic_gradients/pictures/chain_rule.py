"""The chain rule of notebook 01 as pictures: every product forward and backward, with shapes.

h_k = f(h_{k-1} W_k + b_k) with f = tanh below the top and the identity at the top, and back:
da_k = g_k * slope_k, dW_k = h_{k-1}^T da_k, g_{k-1} = da_k W_k^T.  g is the gradient of the
summed loss (Rumelhart, Hinton and Williams 1986).
"""

from __future__ import annotations

from collections.abc import Sequence

from dnilab.checks import whole_number
from dnilab.lessons.synthetic_gradients.pictures.shapes import Term, shapes
from dnilab.pictures.style import Picture

Row = list[Term | str]


def _check(sizes: Sequence[int]) -> tuple[int, ...]:
    sizes = tuple(whole_number("sizes", size, 1) for size in sizes)
    if not 3 <= len(sizes) <= 5:
        raise ValueError(f"sizes has {len(sizes)} widths; it accepts 3 to 5, input to output")
    return sizes


def _activation(k: int, sizes: Sequence[int]) -> Term:
    """h_k, which is x for k = 0."""
    return Term("x" if k == 0 else f"h{k}", ("B", sizes[k]))


def forward_rows(sizes: Sequence[int]) -> tuple[list[Row], list[str]]:
    """The chains of :func:`forward_shapes`, and a note on each."""
    sizes = _check(sizes)
    top = len(sizes) - 1
    rows, notes = [], []
    for k in range(1, top + 1):
        W = Term(f"W{k}", (sizes[k - 1], sizes[k]), "weight")
        b = Term(f"b{k}", (sizes[k],), "weight")
        row: Row = [_activation(k - 1, sizes), "@", W, "+", b, "="]
        if k < top:
            row += [Term(f"a{k}", ("B", sizes[k])), "->"]
        rows.append([*row, _activation(k, sizes)])
        notes.append(f"layer {k}, " + ("tanh" if k < top else "the output"))
    return rows, notes


def backward_rows(sizes: Sequence[int]) -> tuple[list[Row], list[str]]:
    """The chains of :func:`backward_shapes`, and a note on each."""
    sizes = _check(sizes)
    top = len(sizes) - 1
    rows: list[Row] = []
    notes = []
    for k in range(top, 0, -1):
        at_output = Term(f"g{k}", ("B", sizes[k]), "gradient")
        below = at_output  # at the top, where h = a, it is da as well
        if k < top:
            below = Term(f"da{k}", ("B", sizes[k]), "gradient")
            rows.append([at_output, "*", Term(f"slope{k}", ("B", sizes[k])), "=", below])
            notes.append(f"layer {k}: through the tanh, slope 1 − h²")
        dW = Term(f"dW{k}", (sizes[k - 1], sizes[k]), "gradient")
        h = _activation(k - 1, sizes)
        rows.append([Term(f"{h.name}.T", h.shape[::-1]), "@", below, "=", dW])
        notes.append(f"layer {k}: gradient of its weights")
        if k > 1:
            weights = Term(f"W{k}.T", (sizes[k], sizes[k - 1]), "weight")
            sent = Term(f"g{k - 1}", ("B", sizes[k - 1]), "gradient")
            rows.append([below, "@", weights, "=", sent])
            notes.append(f"layer {k}: the gradient it sends down")
    return rows, notes


def forward_shapes(sizes: Sequence[int] = (24, 128, 64, 12)) -> Picture:
    """Layer by layer: input times weights plus bias, with a shape under each array.

    ``sizes``: three to five widths, input to output.
    Raises ValueError for a width below 1 or another number of widths.
    """
    rows, notes = forward_rows(sizes)
    return shapes(rows, notes=notes, title="Forward")


def backward_shapes(sizes: Sequence[int] = (24, 128, 64, 12)) -> Picture:
    """From the top down: slope, gradient of the weights, and the gradient that is sent down.

    Arguments and errors as in :func:`forward_shapes`.
    """
    rows, notes = backward_rows(sizes)
    return shapes(rows, notes=notes, title="Backward", letter=32)
