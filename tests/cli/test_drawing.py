"""What is drawn stands where its numbers say, and says them."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpass.cli import drawing
from backpass.cli.drawing import FINE, Axes, Picture, Scale

numbers = st.floats(-1e30, 1e30, allow_nan=False)


def spread(values) -> bool:
    """Whether the values differ by more than float64 rounds them."""
    return max(values) == min(values) or max(values) - min(values) > 1e-9 * max(map(abs, values))


@given(st.lists(numbers, min_size=1, max_size=5).filter(spread))
def test_a_scale_has_room_for_all_values_and_a_few_round_ticks(values):
    scale = Scale.around(values)
    assert (np.abs(scale.place(values) - 0.5) < 0.5).all()
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 8
    assert all(scale.low - 1e-9 * abs(scale.low) <= tick <= scale.high + 1e-9 * abs(scale.high) for tick in ticks)


@given(st.lists(st.floats(1e-30, 1e30), min_size=2, max_size=5).filter(lambda values: max(values) > 20 * min(values)))
def test_a_logarithmic_scale_too(values):
    scale = Scale.around(values, logarithmic=True)
    assert (np.abs(scale.place(values) - 0.5) <= 0.5).all()
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 16
    assert all(math.isclose(float(f"{tick:.0e}"), tick) for tick in ticks), "one digit each"
    assert all(before < after for before, after in pairwise(ticks))


@pytest.mark.parametrize("last", [1, 2, 15, 40, 10**6])
def test_epochs_have_whole_ticks(last):
    ticks = Scale.around([1, last], whole=True).ticks()
    assert ticks
    assert all(tick == round(tick) for tick in ticks)


def colour_at(picture: Picture, x: int, y: int) -> tuple[int, ...]:
    return picture.image.getpixel((FINE * x, FINE * y))


def test_dots_and_images_stand_where_their_numbers_say():
    axes = Axes(Scale(0, 4), Scale(0, 2), 80, 40)
    picture = Picture(200, 100)
    rows = np.zeros((2, 1, 3), np.uint8)
    rows[1, 0] = 200, 0, 0  # the upper half
    axes.fill(rows)
    there, missing = np.array([1.0, np.nan]), np.array([0.5, 0.5])
    axes.dots(there, missing, np.array([[0, 0, 255]] * 2, np.uint8), 4, "white", 0)
    axes.put(picture, 50, 30)
    assert colour_at(picture, 50 + 20, 30 + 30) == (0, 0, 255)
    assert colour_at(picture, 50 + 70, 30 + 38) == (0, 0, 0)
    assert colour_at(picture, 50 + 70, 30 + 2) == (200, 0, 0)


def test_nothing_is_drawn_beyond_the_axes():
    axes = Axes(Scale(0, 1), Scale(0, 1), 80, 40)
    axes.curve([0.5, 0.5, -1e300], [-1e300, 1e300, 0.5], "#ff0000", marked=True)
    assert colour_at(axes.inside, 40, 20) == (255, 0, 0)
    picture = Picture(200, 100)
    axes.put(picture, 50, 30)
    outside = np.asarray(picture.image).copy()
    outside[FINE * 30 : FINE * 70, FINE * 50 : FINE * 130] = 0
    assert not (outside == [255, 0, 0]).all(axis=-1).any()


@pytest.mark.parametrize(
    "words", ["x", "gr\u00f6\u00dfe", "[red]", "$x^2$", "a\nb", "\u6e29\u5ea6", "\x00\x07", "x" * 5000]
)
def test_any_words_are_written_in_the_room_that_there_is(words):
    picture = Picture(300, 40)
    picture.text(10, 20, words, "lm", widest=200)
    written = np.asarray(picture.image).min(axis=-1) < 255
    assert written.any()
    assert not written[:, FINE * 212 :].any()


def test_what_pillows_own_font_lacks_is_written_in_another_of_this_machine(monkeypatch):
    asked = []

    class Font:
        def getmask(self, character):
            return [255, 1] if character == "\u6e29" else [255, 0]

    def font(name, size):
        asked.append(name)
        return drawing.ImageFont.load_default(size) if not name else Font() if name == drawing.FONTS[2] else None

    monkeypatch.setattr(drawing, "font", font)
    assert isinstance(drawing.font_for("\u6e29", 17), Font)
    assert asked == ["", *drawing.FONTS[:3]]
    assert drawing.font_for("\u6e29\u5ea6", 17).getname() == ("Aileron", "Regular"), "no font has both"
