"""Axes with lines, dots and an image, on Pillow: what a run's pictures need, in a tenth of what matplotlib takes.

All sizes are in pixels of the finished picture; it is drawn `FINE` times as large and made small at the end, which
makes its edges smooth. docs/decisions/0019 has the figures.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

FINE = 2
Colour = str | tuple[int, int, int]
BLACK, GREY, PALE = "#222222", "#777777", "#e4e4e4"
# Pillow's own font has ASCII; the first of these that a machine has, and that has all of a text, writes the rest.
FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "Arial.ttf",
    "arial.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSansSC-Regular.otf",
    "SourceHanSansSC-Regular.otf",
    "wqy-zenhei.ttc",
    "wqy-microhei.ttc",
    "DroidSansFallbackFull.ttf",
    "DroidSansFallback.ttf",
    "PingFang.ttc",
    "msyh.ttc",
    "simhei.ttf",
    "Arial Unicode.ttf",
)


@cache
def font(name: str, size: float) -> Any:
    """None where this machine has none of that name."""
    try:
        return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)
    except OSError:
        return None


@cache
def font_for(text: str, size: float) -> Any:
    """The first font that has every character of a text; Pillow's own, if none has."""
    for name in ("", *FONTS):
        found = font(name, size)
        if found is not None and has_all(found, text):
            return found
    return font("", size)


def has_all(found: Any, text: str) -> bool:
    absent = bytes(found.getmask("\U0010ffff"))  # what a font draws for a character that it lacks
    return all(bytes(found.getmask(character)) != absent for character in set(text) if not character.isspace())


class Picture:
    """A white sheet that is written and drawn on."""

    def __init__(self, width: int, height: int):
        self.image = Image.new("RGB", (FINE * width, FINE * height), "white")
        self.draw = ImageDraw.Draw(self.image)

    def text(self, x: float, y: float, words: Any, anchor: str, size: float = 13, widest: float = 1000) -> None:
        """One line of text; `anchor` is Pillow's, such as "mm" for its middle. What does not fit ends in dots."""
        line = " ".join(str(words).split())[: round(widest)]  # no letter is narrower than a pixel
        written = font_for(line, FINE * size)
        while line and written.getlength(line) > FINE * widest:
            line = line.removesuffix("...")[:-1] + "..." if len(line) > 4 else ""
        self.draw.text((FINE * x, FINE * y), line, fill=BLACK, font=written, anchor=anchor)

    def upright(self, x: float, y: float, words: Any, widest: float) -> None:
        """A line of text that reads upwards, its middle at (x, y)."""
        line = Picture(math.ceil(widest), 24)
        line.text(widest / 2, 12, words, "mm", widest=widest)
        turned = line.image.rotate(90, expand=True)
        self.image.paste(turned, (round(FINE * x) - turned.width // 2, round(FINE * y) - turned.height // 2))

    def line(self, points: list[tuple[float, float]], colour: Colour, width: float = 1) -> None:
        self.draw.line([(FINE * x, FINE * y) for x, y in points], fill=colour, width=round(FINE * width), joint="curve")

    def dot(self, x: float, y: float, radius: float, colour: Colour | None, edge: Colour | None, width: float) -> None:
        x, y, radius = FINE * x, FINE * y, FINE * radius
        box = (x - radius, y - radius, x + radius, y + radius)
        self.draw.ellipse(box, fill=colour, outline=edge, width=round(FINE * width))

    def paste(self, other: Picture, x: int, y: int) -> None:
        self.image.paste(other.image, (FINE * x, FINE * y))

    def save(self, path: Path) -> None:
        self.image.reduce(FINE).save(path)


class Scale:
    """From numbers to places: 0 at `low`, 1 at `high`, by logarithms if so wanted; `whole`: ticks at integers only."""

    def __init__(self, low: float, high: float, logarithmic: bool = False, whole: bool = False):
        self.low, self.high, self.logarithmic, self.whole = low, high, logarithmic, whole

    @classmethod
    def around(cls, values: Any, logarithmic: bool = False, whole: bool = False, margin: float = 0.04) -> Scale:
        """One that has room for all values but NaN, and a little around them."""
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        if logarithmic:
            return cls(low * (low / high) ** margin, high * (high / low) ** margin, True)
        room = margin * (high - low) or 0.5 * abs(high) or 0.5
        return cls(low - room, high + room, whole=whole)

    def place(self, values: Any) -> np.ndarray:
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, values = math.log(low), math.log(high), np.log(values)
        return (np.asarray(values, np.float64) - low) / (high - low)

    def ticks(self, most: int = 7) -> list[float]:
        """Round numbers along it."""
        if self.logarithmic:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            for digits in ((1,), (1, 3), (1, 2, 5)):
                found = [
                    digit * 10.0**power
                    for power in range(first, last + 1, max(1, (last - first) // most))
                    for digit in digits
                    if self.low <= digit * 10.0**power <= self.high
                ]
                if len(found) >= 3:
                    break
            return found
        step = 10.0 ** math.floor(math.log10((self.high - self.low) / most))
        step *= next(factor for factor in (1, 2, 5, 10) if (self.high - self.low) / (factor * step) <= most)
        step = max(step, 1) if self.whole else step
        return [number * step for number in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]


def spelt(tick: float) -> str:
    return f"{tick:,.0f}" if 1000 <= abs(tick) < 1e6 and tick == round(tick) else f"{tick:.6g}"


class Axes:
    """A box with two scales, which is drawn in and then put in its place on a picture."""

    def __init__(self, across: Scale, up: Scale, width: int, height: int):
        self.across, self.up, self.width, self.height = across, up, width, height
        self.inside = Picture(width, height)  # a picture of its own: nothing goes beyond it

    def places(self, xs: Any, ys: Any) -> list[tuple[float, float]]:
        x, y = self.width * self.across.place(xs), self.height * (1 - self.up.place(ys))
        far = 20 * (self.width + self.height)  # what lies outside need not be true, and must not overflow
        return list(zip(np.clip(x, -far, far).tolist(), np.clip(y, -far, far).tolist(), strict=True))

    def grid(self) -> None:
        for tick in self.across.ticks():
            self.inside.line(self.places([tick, tick], [self.up.low, self.up.high]), PALE)
        for tick in self.up.ticks():
            self.inside.line(self.places([self.across.low, self.across.high], [tick, tick]), PALE)

    def curve(self, xs: Any, ys: Any, colour: Colour, marked: bool) -> None:
        points = self.places(xs, ys)
        self.inside.line(points, colour, 1.8)
        for x, y in points if marked else ():
            self.inside.dot(x, y, 3, colour, None, 0)

    def mark(self, x: float) -> None:
        """A dotted line from the bottom to the top."""
        ((at, _),) = self.places([x], [self.up.low])
        for y in range(0, self.height, 6):
            self.inside.line([(at, y), (at, y + 2)], GREY, 1.5)

    def fill(self, colours: np.ndarray) -> None:
        """An image (H, W, 3) of uint8 over the whole box, its first row at the bottom."""
        size = self.inside.image.size
        self.inside.image.paste(Image.fromarray(colours[::-1].copy()).resize(size, Image.Resampling.BILINEAR))

    def dots(self, xs: Any, ys: Any, colours: np.ndarray, radius: float, edge: Colour, width: float) -> None:
        """One dot for each pair of numbers that are both there; colours (N, 3) of uint8."""
        there = np.isfinite(xs) & np.isfinite(ys)
        for (x, y), colour in zip(self.places(xs[there], ys[there]), colours[there].tolist(), strict=True):
            self.inside.dot(x, y, radius, tuple(colour), edge, width)

    def put(
        self, picture: Picture, left: int, top: int, across: str = "", up: str = "", ticks_right: bool = False
    ) -> None:
        """Onto a picture, with the frame, the numbers and the names of the axes around it."""
        picture.paste(self.inside, left, top)
        right, bottom = left + self.width, top + self.height
        picture.line([(left, top), (left, bottom), (right, bottom)], BLACK)
        for tick in self.across.ticks() if across else ():
            x = left + self.width * float(self.across.place(tick))
            picture.line([(x, bottom), (x, bottom + 4)], BLACK)
            picture.text(x, bottom + 7, spelt(tick), "mt", 12)
        for tick in self.up.ticks():
            y = top + self.height * (1 - float(self.up.place(tick)))
            if ticks_right:
                picture.text(right + 6, y, spelt(tick), "lm", 12)
            else:
                picture.line([(left - 4, y), (left, y)], BLACK)
                picture.text(left - 7, y, spelt(tick), "rm", 12)
        picture.text(left + self.width / 2, bottom + 34, across, "mm", widest=self.width)
        picture.upright(right + 70 if ticks_right else left - 66, top + self.height / 2, up, self.height)
