"""The panel of notebook 09: what it trains, draws and says."""

from __future__ import annotations

import numpy as np

from dnilab.lessons.convolutions.experiments import ConvolutionSettings, guessed_images
from dnilab.lessons.convolutions.panel import at_the_pixels, guess_panel
from tests.pictures.legible import faults

SMALL = ConvolutionSettings(hidden=(3, 4, 5), batch_size=400)
ROWS = (0, 5)


def test_each_image_stands_over_its_gradients() -> None:
    data = SMALL.data()
    seen = guessed_images(SMALL.stack(data), data.x_train[:200], data.y_train[:200], 1, ROWS)
    picture = at_the_pixels(data, ROWS, seen, title="Two digits", note="")
    assert faults(picture) == []
    labels = [f"“{np.argmax(data.y_train[row])}”" for row in ROWS]
    texts = [text.get_text() for ax in picture.axes for text in ax.texts]
    assert [text for text in texts if text in labels] == labels
    drawn = [image.get_array() for image in picture.axes[-1].images]
    assert len(drawn) == 6
    np.testing.assert_array_equal(drawn[1], data.x_train[5].reshape(8, 8))
    np.testing.assert_array_equal(drawn[2], seen.true_at_pixels[0])
    np.testing.assert_array_equal(drawn[5], seen.guess_at_pixels[1])


def test_the_panel() -> None:
    panel = guess_panel(SMALL, ROWS)
    try:
        panel.controls["module"].value = 3
        panel.controls["kind"].value = "convolutional"
        panel.start()
        panel.wait()
        assert panel.message == ""
        assert panel.sentence.startswith("After 3.0 epochs: test error")
        assert "cosine at h3" in panel.sentence
        settings, moment = panel.snapshot
        assert (settings.generator, settings.epochs, moment.seen.module) == ("convolutional", 3, 3)
    finally:
        panel.close()
