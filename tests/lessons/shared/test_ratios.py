"""How many times as fast: the bars, and the words."""

from __future__ import annotations

import pytest

from dnilab.lessons.shared.ratios import ratios
from tests.pictures.legible import faults


class TestRatios:
    def test_sentence_and_look(self):
        picture = ratios({"threads": 1.789}, {"ideal on 2 cores": 1.9}, title="Speed", note="n")
        assert picture.sentence == (
            "Speed relative to backpropagation in line, where 1 is as fast: "
            "threads: 1.79 and ideal on 2 cores: 1.90."
        )
        assert faults(picture) == []
        (ax,) = picture.axes
        assert [bar.get_width() for bar in ax.patches] == [1.789, 1.9]
        assert ax.patches[1].get_hatch()
        assert not ax.patches[0].get_hatch()
        assert picture.tables[0].body == (("threads", "1.79"), ("ideal on 2 cores", "1.90"))

    @pytest.mark.parametrize("limit", [1.65, 1.9, 3.0, 1.2])
    def test_a_limit_is_a_stroke_that_covers_no_number(self, limit):
        picture = ratios({"threads": 1.6, "in line": 1.0}, limits={"threads": limit})
        assert f"threads: 1.60 (limit {limit:.2f}) and in line: 1.00." in picture.sentence
        assert faults(picture) == []
        assert picture.tables[0].body[0] == ("threads", "1.60", f"{limit:.2f}")
        (ax,) = picture.axes
        stroke = ax.patches[1]
        assert stroke.get_x() + stroke.get_width() / 2 == pytest.approx(limit)
        words = next(text for text in ax.texts if text.get_text() == "1.60")
        assert not words.get_window_extent().overlaps(stroke.get_window_extent())

    @pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
    def test_bad(self, value):
        with pytest.raises(ValueError, match="'a'"):
            ratios({"a": value})

    def test_none(self):
        with pytest.raises(ValueError, match="measured is empty"):
            ratios({})
