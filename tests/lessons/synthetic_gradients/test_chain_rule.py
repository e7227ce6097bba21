"""The chains that are drawn are the products of backpropagation."""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.lessons.synthetic_gradients.pictures.chain_rule import (
    backward_rows,
    backward_shapes,
    forward_rows,
    forward_shapes,
)
from dnilab.lessons.synthetic_gradients.pictures.shapes import Term

SIZES = (5, 4, 3, 2)
ROWS = 7


def evaluate(rows, values):
    """Compute the products as they are drawn; each row makes the array that it ends with."""
    for row in rows:
        made = row[-1]
        total = values[row[0].name]
        for operator, term in zip(row[1:-2:2], row[2:-1:2], strict=True):
            if operator == "@":
                total = total @ values[term.name]
            elif operator == "*":
                total = total * values[term.name]
            elif operator == "+":
                total = total + values[term.name]
        if row[-2] == "->":
            total = np.tanh(total)
        values[made.name] = total
        values[f"{made.name}.T"] = total.T
        assert total.shape == tuple(ROWS if part == "B" else part for part in made.shape)
    return values


def test_computed_as_drawn_they_are_the_gradients():
    from dnilab.network import SquaredError, Stack

    rng = np.random.default_rng(0)
    stack = Stack.build(SIZES, SquaredError(), rng)
    x, y = rng.normal(size=(ROWS, 5)), rng.normal(size=(ROWS, 2))
    values = {"x": x, "x.T": x.T}
    for k, module in enumerate(stack.modules, start=1):
        dense = module.body.layers[0]
        values |= {f"W{k}": dense.W, f"W{k}.T": dense.W.T, f"b{k}": dense.b}
    evaluate(forward_rows(SIZES)[0], values)
    for k in (1, 2):
        values[f"slope{k}"] = 1 - values[f"h{k}"] ** 2
    values["g3"] = values["h3"] - y
    evaluate(backward_rows(SIZES)[0], values)

    at_outputs, of_parameters = stack.gradients(x, y)
    for k in (1, 2, 3):
        np.testing.assert_allclose(values[f"g{k}"], at_outputs[k - 1], rtol=1e-12)
        dW = of_parameters[k - 1][0][: SIZES[k - 1] * SIZES[k]].reshape(SIZES[k - 1], SIZES[k])
        np.testing.assert_allclose(values[f"dW{k}"], dW, rtol=1e-12)


def test_each_picture_says_its_shapes():
    assert "x (B, 24) @ W1 (24, 128)" in forward_shapes().sentence
    assert "g3 (B, 12) @ W3.T (12, 64) = g2 (B, 64)" in backward_shapes().sentence


def test_gradients_look_like_gradients():
    rows, notes = backward_rows(SIZES)
    assert len(rows) == len(notes)
    for row in rows:
        for term in row:
            if isinstance(term, Term):
                assert (term.kind == "gradient") == term.name.startswith(("g", "d"))


@pytest.mark.parametrize("picture", [forward_shapes, backward_shapes])
@pytest.mark.parametrize(
    ("sizes", "said"),
    [((24, 12), "has 2 widths"), ((24, 0, 12), "sizes is 0"), ((1,) * 6, "sizes has 6 widths")],
)
def test_refuses(picture, sizes, said):
    with pytest.raises(ValueError, match=said):
        picture(sizes)
