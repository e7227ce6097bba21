"""How far credit travels: what the picture says in words, and what is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.lessons.through_time.pictures import Reach, credit_picture


def words_on(picture):
    return [text.get_text() for ax in picture.axes for text in ax.texts]


class TestReach:
    def test_cuts(self):
        assert Reach(18, 4, False).cuts == (4, 8, 12, 16)
        assert Reach(8, 4, False).cuts == (4,)
        assert Reach(8, 8, False).cuts == Reach(8, None, True).cuts == ()
        assert Reach(3, 1, False).cuts == (1, 2)

    def test_without_a_guess_it_is_thrown_away(self):
        sentence = Reach(18, 4, False).sentence
        assert "4 cuts" in sentence
        assert "goes back to step 16 and is thrown away there" in sentence

    def test_with_a_guess_it_goes_on(self):
        cosine = (0.5, 0.25, 0.25, 0.6, 1.0, 1.0)
        sentence = Reach(6, 4, True, cosine).sentence
        assert "There is one cut" in sentence
        assert "thrown away" not in sentence
        assert "a cosine of 0.5 with the true one at step 0" in sentence
        assert "of 0.4 on average over the steps before the last cut" in sentence

    def test_nothing_cut(self):
        assert "Nothing is cut" in Reach(6, None, False).sentence

    def test_a_segment_of_one_step(self):
        assert "reaches step 3 and" in Reach(4, 1, False).sentence

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ((1, 1, False), "steps is 1"),
            ((41, 1, False), "steps is 41"),
            ((4, 0, False), "unroll is 0"),
            ((4, 1, True, (1.0,)), "cosine has 1 numbers; it accepts 4"),
        ],
    )
    def test_refuses(self, arguments, said):
        with pytest.raises(ValueError, match=said):
            Reach(*arguments)


class TestPicture:
    def test_a_generator_stands_at_every_cut(self):
        assert words_on(credit_picture(Reach(18, 4, True))).count("$M$") == 4
        assert words_on(credit_picture(Reach(18, None, True))).count("$M$") == 0

    def test_only_without_a_guess_something_is_thrown_away(self):
        assert "thrown away" in words_on(credit_picture(Reach(18, 4, False)))
        assert "thrown away" not in words_on(credit_picture(Reach(18, 4, True)))

    def test_the_bars_are_the_cosines(self):
        cosine = (0.5, -0.2, 0.75, 1.0)
        picture = credit_picture(Reach(4, 2, True, cosine))
        bars = [patch for patch in picture.axes[1].patches if hasattr(patch, "get_height")]
        heights = [bar.get_height() for bar in bars]
        np.testing.assert_allclose(np.array(heights) / heights[-1], cosine)

    def test_the_curve_is_what_it_was_given(self):
        picture = credit_picture(Reach(4, 2, False), updates=(10, 20), bits=(1.0, 0.1), most=100)
        (line,) = [one for one in picture.axes[-1].lines if len(one.get_xdata()) == 2][:1]
        assert list(line.get_xdata()) == [10, 20]
        assert list(line.get_ydata()) == [1.0, 0.1]
        assert "After 20 updates 0.1 bits of error are left" in picture.sentence
        assert picture.sentence.endswith("solved.")

    def test_a_run_at_chance_is_called_so(self):
        picture = credit_picture(Reach(4, 2, False), updates=(10,), bits=(0.99,), most=100)
        assert picture.sentence.endswith("chance.")

    @pytest.mark.parametrize("steps", [2, 3, 18, 40])
    @pytest.mark.parametrize("unroll", [1, 4, None])
    @pytest.mark.parametrize("guess", [True, False])
    def test_it_can_be_drawn_and_no_words_stick_out(self, steps, unroll, guess):
        picture = credit_picture(
            Reach(steps, unroll, guess, (0.5,) * steps), title="Title", updates=(), bits=(), most=9
        )
        picture.canvas.draw()
        width, height = picture.pixels
        for ax in picture.axes[:-1]:
            for text in ax.texts:
                box = text.get_window_extent()
                assert box.x0 >= 0
                assert box.x1 <= width
                assert box.y0 >= 0
                assert box.y1 <= height

    def test_curves_of_unequal_length_are_refused(self):
        with pytest.raises(ValueError, match="bits has 1 numbers; it accepts 2"):
            credit_picture(Reach(4, 2, True), updates=(1, 2), bits=(1.0,), most=5)
