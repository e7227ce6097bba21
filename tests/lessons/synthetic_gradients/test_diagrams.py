"""Diagrams: what they say, that their boxes are apart and their words can be read."""

import itertools

import pytest

from dnilab.lessons.shared.diagram import Arrow, Box, Diagram, draw_diagram, math
from dnilab.lessons.synthetic_gradients.pictures.network import (
    decoupled_module,
    decoupled_stack,
    lock_moment,
    locks,
)
from dnilab.lessons.synthetic_gradients.pictures.shapes import Term, check_chain, shapes
from dnilab.pictures.draw import text_width
from dnilab.pictures.style import SMALL
from tests.pictures.legible import faults, is_drawn

SIZES = [(24, 128, 64, 12), (64, 10, 10), (64, 128, 128, 128, 10), (784, 256, 256, 256, 256, 10)]


def apart(diagram):
    """Whether no box lies on another or leaves the canvas."""
    for a, b in itertools.combinations(diagram.boxes, 2):
        if abs(a.x - b.x) < (a.width + b.width) / 2 and abs(a.y - b.y) < (a.height + b.height) / 2:
            return False
    return all(
        box.x - box.width / 2 >= 0
        and box.x + box.width / 2 <= diagram.width
        and box.y - box.height / 2 >= 0
        and box.y + box.height / 2 <= diagram.height
        for box in diagram.boxes
    )


def test_boxes_on_each_other_would_be_found():
    one = Box("a", 100, 50, 60, 30, ("a",))
    assert apart(Diagram(200, 100, (one, Box("b", 170, 50, 60, 30, ("b",)))))
    assert not apart(Diagram(200, 100, (one, Box("b", 140, 50, 60, 30, ("b",)))))
    assert not apart(Diagram(120, 100, (one,)))


def overflowing(diagram):
    """The boxes whose words are wider than they are."""
    picture = draw_diagram(diagram)
    found = []
    for box in diagram.boxes:
        for place, line in enumerate(box.lines):
            if text_width(picture, line, box.size if place == 0 else SMALL) > box.width - 2:
                found.append(box.name)
    return found


def test_words_too_wide_for_their_box_would_be_found():
    diagram = Diagram(200, 100, (Box("a", 100, 50, 30, 30, ("a long word",)),))
    assert overflowing(diagram) == ["a"]


# -- locks -----------------------------------------------------------------------------------


def states(lock, phase):
    """The looks of the three boxes of a phase, layer 1 first."""
    boxes = {box.name: box for box in locks().diagram.boxes}
    return [boxes[f"{lock}: {phase} {k}"].look for k in (1, 2, 3)]


def waits(lock):
    """Who waits for whom, as (who, whom), each (operation, layer)."""
    waiting = lock_moment(lock).waiting
    return {((w.step.op, w.step.module), (w.maker.op, w.maker.module)) for w in waiting}


def test_the_forward_lock():
    assert states("forward", "forward") == ["busy", "waiting", "waiting"]
    assert states("forward", "update") == ["idle"] * 3
    assert waits("forward") == {
        (("forward", 2), ("forward", 1)),
        (("forward", 3), ("forward", 2)),
    }


def test_the_update_lock_waits_for_forward_runs_above():
    assert states("update", "forward") == ["done", "done", "busy"]
    assert states("update", "update") == ["waiting"] * 3
    whom = ("update", 1)
    chain = [whom]
    while whom in dict(waits("update")):  # each waits for one, which waits in turn
        whom = dict(waits("update"))[whom]
        chain.append(whom)
    assert chain == [
        ("update", 1),
        ("backward", 1),
        ("backward", 2),
        ("backward", 3),
        ("forward", 3),
    ]


def test_the_backward_lock_waits_for_backward_runs_above():
    assert states("backward", "forward") == ["done"] * 3
    assert states("backward", "backward") == ["waiting", "waiting", "busy"]
    assert (("backward", 1), ("backward", 2)) in waits("backward")


def test_a_lock_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="lock is 'sideways'"):
        lock_moment("sideways")


def test_locks_can_be_read():
    picture = locks()
    assert faults(picture) == []
    assert is_drawn(picture.png())
    assert apart(locks().diagram)
    assert overflowing(locks().diagram) == []


def test_the_state_of_each_box_is_drawn_in_look_and_in_words():
    diagram = locks().diagram
    looks = {box.name: (box.look, box.lines) for box in diagram.boxes}
    assert looks["update: forward 1"] == ("done", ("done",))
    assert looks["update: forward 3"] == ("busy", ("works",))
    assert looks["update: update 3"] == ("waiting", (r"waits for $\mathrm{d}W_{3}$",))
    assert looks["forward: backward 1"] == ("idle", ("not yet",))
    assert diagram.sentence.startswith(
        "Forward lock: a layer waits for the output of the one below. At work: forward of layer 1; "
        "waiting: forward of layer 2 for h1 and forward of layer 3 for h2. Update lock"
    )
    assert "Done: forward of layers 1 and 2; at work: forward of layer 3; wait" in diagram.sentence


def test_a_waiting_arrow_goes_from_who_waits_to_whom():
    diagram = locks().diagram
    box = {box.name: box for box in diagram.boxes}
    ends = [arrow.points for arrow in diagram.arrows if arrow.look == "waits"]
    one, two = box["backward: backward 1"], box["backward: backward 2"]
    assert (one.side("right"), two.side("left")) in ends
    below, above = box["backward: update 1"], box["backward: backward 1"]
    assert (below.side("top"), above.side("bottom")) in ends
    assert len(ends) == sum(len(waits(lock)) for lock in ("forward", "update", "backward"))


# -- modules ---------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("context", [("h",), ("h", "y"), ("x", "h", "y")])
def test_a_module_can_be_read(sizes, context):
    for k in range(1, len(sizes) - 1):
        picture = decoupled_module(k, sizes, context=context)
        assert faults(picture) == []
        diagram = decoupled_module(k, sizes, context=context).diagram
        assert apart(diagram)
        assert overflowing(diagram) == []


def test_a_module_says_every_shape():
    words = decoupled_module(2, (24, 128, 64, 12), context=("h", "y")).sentence
    for part in (
        "h1 (B, 128) times W2 (128, 64) gives h2 (B, 64)",
        "M2 sees h2 and y and guesses the gradient, g_hat2 (B, 64)",
        "dW2 (128, 64)",
        "τ1 (B, 128), sent to the module below as the target of M1",
        "when τ2 (B, 64) comes from module 3, which computes it from the loss",
    ):
        assert part in words


def test_the_lowest_module_has_nobody_to_send_to():
    diagram = decoupled_module(1).diagram
    assert "below" not in diagram.sentence
    assert "which computes it from its own synthetic gradient g_hat2" in diagram.sentence
    assert {arrow.number for arrow in diagram.arrows} == {None, 1, 2, 3, 4}
    assert {arrow.number for arrow in decoupled_module(2).diagram.arrows} == {None, 1, 2, 3, 4, 5}


def test_the_top_module_has_no_generator():
    with pytest.raises(ValueError, match="k is 3; it accepts 1 to 2: the top module, 3, has no"):
        decoupled_module(3)
    with pytest.raises(ValueError, match="k is 0"):
        decoupled_module(0)


def test_arguments_of_modules_are_checked():
    with pytest.raises(ValueError, match="sizes has 2 widths"):
        decoupled_stack((24, 12))
    with pytest.raises(ValueError, match="sizes is 0"):
        decoupled_stack((24, 0, 12))
    with pytest.raises(ValueError, match="context is 'z'"):
        decoupled_stack(context=("z",))
    with pytest.raises(ValueError, match="context is empty"):
        decoupled_stack(context=())


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("context", [("h",), ("x", "h", "y")])
def test_a_stack_can_be_read(sizes, context):
    picture = decoupled_stack(sizes, context=context)
    assert faults(picture) == []
    assert is_drawn(picture.png())
    diagram = decoupled_stack(sizes, context=context).diagram
    assert apart(diagram)
    assert overflowing(diagram) == []
    modules = len(sizes) - 1
    assert sum(box.name.startswith("generator") for box in diagram.boxes) == modules - 1
    assert sum(arrow.look == "synthetic" for arrow in diagram.arrows) == modules - 1
    carried = [arrow.lines[0] for arrow in diagram.arrows if arrow.look == "message"]
    told = [f"$τ_{{{k}}}$" for k in range(1, modules)]
    if modules < 5:  # only below the top is it the truth; five leave no room to say so
        told[-1] += f" = $g_{{{modules - 1}}}$"
    assert carried == [*told, f"$g_{{{modules}}}$"]


# -- formulas and shapes ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("x", "$x$"),
        ("W1", "$W_{1}$"),
        ("g_hat2", r"$\hat{g}_{2}$"),
        ("dW2", r"$\mathrm{d}W_{2}$"),
        ("h1.T", r"$h_{1}^{\top}$"),
        ("h_k", "$h_{k}$"),
        ("τ2", "$τ_{2}$"),
        ("d2", "$d_{2}$"),
        ("$a$", "$a$"),
        ("not a name!", "not a name!"),
    ],
)
def test_names_become_formulas(name, formula):
    assert math(name) == formula


X, W, H = Term("x", ("B", 24)), Term("W1", (24, 128), "weight"), Term("h1", ("B", 128))


def test_a_chain_that_fits():
    check_chain([X, "@", W, "+", Term("b1", (128,)), "=", Term("a1", ("B", 128)), "->", H])
    check_chain([Term("h1.T", (128, "B")), "@", Term("g2", ("B", 64)), "=", Term("dW2", (128, 64))])


@pytest.mark.parametrize(
    ("chain", "words"),
    [
        ([W, "@", X], r"W1 \(24, 128\) @ x \(B, 24\); it accepts equal inner dimensions"),
        ([X, "+", W], "equal shapes"),
        (
            [X, "@", W, "=", Term("h1", ("B", 64))],
            r"x @ W1 \(B, 128\) = h1 \(B, 64\); it accepts equal shapes",
        ),
        ([X, "@"], "beginning and ending with a Term"),
        ([], "it accepts Term"),
        (["@", X, "@"], "it accepts Term"),
    ],
)
def test_a_chain_that_does_not_fit_is_refused(chain, words):
    with pytest.raises(ValueError, match=words):
        check_chain(chain)


def test_terms_are_checked():
    with pytest.raises(ValueError, match="kind is 'thing'"):
        Term("x", (1, 2), "thing")
    with pytest.raises(ValueError, match="shape of x has 0"):
        Term("x", (0, 2))
    with pytest.raises(ValueError, match="shape of x is"):
        Term("x", (1, 2, 3))


def test_shapes_can_be_read_and_say_themselves():
    picture = shapes(
        [
            [X, "@", W, "+", Term("b1", (128,), "weight"), "=", Term("a1", ("B", 128))],
            [Term("h1.T", (128, "B")), "@", Term("g2", ("B", 64)), "=", Term("dW2", (128, 64))],
            [Term("a", (1, 1)), "*", Term("b", (1, 1)), "=", Term("c", (1, 1))],
        ],
        title="Products",
        notes=["forward", "gradient", "small"],
    )
    assert faults(picture) == []
    assert is_drawn(picture.png())
    assert picture.sentence.startswith(
        "forward: x (B, 24) @ W1 (24, 128) + b1 (128,) = a1 (B, 128). gradient: h1.T (128, B)"
    )


def test_a_long_chain_is_made_to_fit():
    chain = [Term("h1", ("B", 784))]
    for k in range(2, 8):
        chain += ["@", Term(f"W{k}", (784, 784), "weight")]
    assert faults(shapes([chain])) == []


def test_rows_and_notes_must_match():
    with pytest.raises(ValueError, match="rows is empty"):
        shapes([])
    with pytest.raises(ValueError, match="notes has 2 texts; it accepts 1"):
        shapes([[X]], notes=["a", "b"])


def test_an_arrow_and_a_box_of_ones_own():
    diagram = Diagram(
        200,
        100,
        (Box("a", 50, 50, 60, 30, ("a",)), Box("b", 150, 50, 60, 30, ("b",))),
        (Arrow(((80, 50), (120, 50)), "signal", ("c",), (100, 60), number=1),),
    )
    assert is_drawn(draw_diagram(diagram).png())
    assert diagram.boxes[0].side("top", 5) == (55, 65)
    with pytest.raises(ValueError, match="where is 'middle'"):
        diagram.boxes[0].side("middle")
