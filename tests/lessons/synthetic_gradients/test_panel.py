"""The panels of notebook 03: what their controls ask for, and what they say."""

from __future__ import annotations

import numpy as np

from dnilab.experiments import Settings
from dnilab.lessons.synthetic_gradients.panel.arrows import arrows_panel, moments
from dnilab.lessons.synthetic_gradients.panel.needs import needs_panel
from dnilab.lessons.synthetic_gradients.training.toy import BATCHES

QUICK = Settings(
    optimiser="sgd", rate=0.1, generator_rate=0.05, batch_size=10,
    examples=500, test_examples=100, hidden=(16, 12), bits=8, epochs=2,
)  # fmt: skip


def test_the_moment_that_is_asked_for():
    ((run, batch),) = moments({"batch": 7, "sees_y": False, "sign": 1})
    assert (run.sees_y, run.sign, batch) == (False, 1, 7)


def test_the_arrows_follow_the_controls(nothing_left):
    panel = arrows_panel()
    nothing_left.append(panel)
    panel.start()
    panel.wait()
    assert panel.message == ""
    assert panel.sentence.startswith("The generators see h and y and move towards")
    assert "After 50 batches." in panel.sentence
    before = panel.png
    for name, value, said in (
        ("batch", BATCHES, f"After {BATCHES} batches."),
        ("sees_y", False, "The generators see h alone"),
        ("sign", 1, "The guesses have run away"),
    ):
        panel.controls[name].value = value
        panel.wait()
        assert said in panel.sentence
        assert panel.png != before
        before = panel.png
    assert panel.message == ""


def test_what_a_synthetic_gradient_needs(nothing_left):
    panel = needs_panel(QUICK, 0.55)
    nothing_left.append(panel)
    panel.start()
    panel.wait()
    assert panel.message == ""
    (line,) = panel.snapshot
    assert line.x.tolist() == [0, 2]
    assert np.isfinite(line.y).all()
    shares = {"": line.y[0, -1]}
    for mistake in ("plus", "target / B"):
        panel.controls["mistake"].value = mistake
        panel.wait()
        shares[mistake] = panel.snapshot[0].y[0, -1]
    panel.controls["mistake"].value = ""
    panel.controls["sees_y"].value = False
    panel.wait()
    shares["h"] = panel.snapshot[0].y[0, -1]
    panel.controls["rate"].value = 0.01
    panel.wait()
    shares["rate"] = panel.snapshot[0].y[0, -1]
    assert len({str(share) for share in shares.values()}) == 5
