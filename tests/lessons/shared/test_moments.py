"""An ordering drawn: what is in the boxes, the sentence, the bars; and that it can be read."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from dnilab.lessons.shared.moments import MOMENTS, locks_words, ordering, ordering_diagram
from dnilab.lessons.update_orderings.pictures import BLUE_BOX, RED_BOX
from dnilab.orderings import (
    Wiring,
    backprop,
    blue_box,
    complete_unlock,
    direct_feedback,
    ideal_timeline,
    instants,
    local_loss,
    pipeline,
    sequential,
    sparse,
)
from dnilab.pictures import (
    Bar,
    Picture,
    Stacked,
    bars_of_slots,
    bars_of_spans,
    timeline,
)
from dnilab.training import Span
from tests.lessons.synthetic_gradients.test_diagrams import overflowing
from tests.pictures.legible import faults, is_drawn

SIGNALS = ("generator", "generator", "truth")
PROGRAMS = {
    "backprop": backprop(3),
    "red": sequential(3),
    "blue": blue_box(3),
    "pipeline": pipeline(((1,), (2, 3)), staleness=2),
    "five": sequential(5),
    "nine": backprop(9),
    "nine apart": pipeline([(k,) for k in range(1, 10)]),
    "unlock": complete_unlock(((1, 2), (3, 4))),
    "sparse": sparse(3),
    "feedback": direct_feedback(3),
    "local loss": local_loss(((1,), (2, 3))),
    "a join": sequential(Wiring((((0, 0),), ((1, 0),), ((1, 0), (2, 0))), SIGNALS)),
}


def boxes(program, number, stage=None):
    diagram = ordering_diagram(
        program, instants(program)[number - 1], title="An ordering", stage=stage
    )
    return {box.name: (box.lines, box.look) for box in diagram.boxes}


class TestBoxes:
    def test_blue_box_in_its_third_stage(self):
        assert boxes(blue_box(3), 3, BLUE_BOX) == {
            "forward_update 1": (("I", "batch 0 done"), "done"),
            "forward_update 2": (("II", "batch 0 done"), "done"),
            "forward_update 3": (("III", "works on batch 0"), "busy"),
            "fit 1": (("III", "works on batch 0"), "busy"),
            "fit 2": (("IV", "waits for $τ_{2}$"), "waiting"),
        }

    def test_backprop_while_module_3_goes_forward(self):
        found = boxes(backprop(3), 3)
        assert [name for name, (_, look) in found.items() if look == "waiting"] == [
            f"{op} {k}" for op in ("backward", "update") for k in (1, 2, 3)
        ]
        assert found["backward 1"][0] == ("waits for $g_{1}$",)
        assert found["backward 3"][0] == ("waits for $h_{3}$",)

    def test_the_numbers_are_those_of_the_program(self):
        places = {(s.op, s.module): str(n) for n, s in enumerate(sequential(3).workers[0], 1)}
        assert places == RED_BOX

    @pytest.mark.parametrize("name", PROGRAMS)
    def test_the_words_stay_in_their_box(self, name):
        program = PROGRAMS[name]
        for instant in instants(program)[::5]:
            assert overflowing(ordering_diagram(program, instant, title="An ordering")) == []


class TestWords:
    def test_locks(self):
        assert locks_words(backprop(3)) == "Locks held: forward, update and backward."
        assert locks_words(sequential(3)) == "Locks held: forward; not held: update and backward."

    def test_sentence(self):
        said = ordering(
            sequential(3), instants(sequential(3))[2], title="Red Box", stage=RED_BOX
        ).sentence
        assert said.startswith("Red Box, moment 3. At work: fit of generator 1 (batch 0).")
        assert "Waiting: fit of generator 2 (batch 0) for τ2." in said
        assert "Locks held: forward" in said

    def test_a_prediction_is_waited_for(self):
        program = PROGRAMS["unlock"]
        said = ordering(program, instants(program)[0], title="Unlock").sentence
        assert "fit of the input model of module 2 (batch 0) for h1 and h_hat1;" in said

    def test_a_message_is_called_by_what_was_heard(self):
        program = PROGRAMS["a join"]
        said = " ".join(ordering(program, one, title="J").sentence for one in instants(program, 4))
        assert "forward and update of module 3 (batch 0) for h1 and h2;" in said
        assert "fit of generator 1 (batch 0) for τ1" in said
        assert "fit of generator 2 (batch 0) for τ2" in said

    def test_a_signal_is_called_by_its_name(self):
        def said(name):
            return ordering(PROGRAMS[name], instants(PROGRAMS[name])[0], title="S").sentence

        assert "fit of readout 1 (batch 0) for g_hat1;" in said("local loss")
        assert "backward of module 1 (batch 0) for the error;" in said("feedback")

    def test_the_pullback_is_told_where_nothing_else_is_missing(self):
        first = instants(backprop(3))[0]
        said = ordering(backprop(3), first, title="B").sentence
        assert "backward of module 3 (batch 0) for h3;" in said


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("number", [1, 4, 12])
def test_legible(name, number):
    program = PROGRAMS[name]
    stage = {"red": RED_BOX, "blue": BLUE_BOX}.get(name)
    names = ["main thread", "fits of 1", "fits of 2"] if name == "blue" else []
    picture = ordering(
        program, instants(program)[number - 1], title="An ordering", stage=stage, names=names
    )
    assert faults(picture) == []
    assert is_drawn(picture.png())


def test_its_table_has_every_step_of_the_strip():
    (table,) = ordering(backprop(3), instants(backprop(3))[0], title="B").tables
    assert table.head == ("moment", "worker", "step", "module", "batch")
    assert table.body[0] == ("1", "worker 1", "forward", "1", "0")
    assert [int(row[0]) for row in table.body] == list(range(1, MOMENTS + 1))


class TestBars:
    def test_of_spans(self):
        spans = [
            Span(1, "fit", 1, 7, 3_000_000_000, 4_000_000_000),
            Span(0, "forward_update", 2, 8, 0, 1_000_000_000),
        ]
        first, second = bars_of_spans(spans, ["below"])
        assert (first.worker, first.kind, first.start, first.end) == (
            "below", "forward and update", 0.0, 1.0,
        )  # fmt: skip
        assert (second.worker, second.kind, second.module, second.batch) == (
            "worker 2",
            "fit",
            1,
            0,
        )
        assert first.batch == 1

    def test_of_slots(self):
        times = {(s.op, s.module): 2.0 for s in sequential(3).steps()}
        bars = bars_of_slots(ideal_timeline(sequential(3), times, batches=1))
        assert [(b.start, b.end) for b in bars] == [(0, 2), (2, 4), (4, 6), (6, 8), (8, 10)]


class TestStacked:
    def test_is_its_parts(self):
        bars = [Bar("worker", 0.0, 1.0, "forward")]
        parts = [timeline(bars), timeline(bars, title="Two")]
        stacked = Stacked(parts, first="Both.")
        assert isinstance(stacked, Picture)
        assert stacked.pixels == (700, parts[0].pixels[1] + parts[1].pixels[1])
        assert stacked.sentence == f"Both. {parts[0].sentence} {parts[1].sentence}"
        image, below = (np.asarray(Image.open(io.BytesIO(p.png()))) for p in (stacked, parts[1]))
        assert image.shape[:2] == stacked.pixels[::-1]
        assert np.array_equal(image[parts[0].pixels[1] :], below)
        twice = Image.open(io.BytesIO(stacked.png(scale=2)))
        assert twice.size == (1400, 2 * stacked.pixels[1])

    def test_widths(self):
        with pytest.raises(ValueError, match="500, 700"):
            Stacked([Picture(700), Picture(500)])
        with pytest.raises(ValueError, match="one or more"):
            Stacked([])
