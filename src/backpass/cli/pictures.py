"""The pictures of a run: its curves, and what it predicts over the plane of two features."""

from __future__ import annotations

import colorsys
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.cli.drawing import GREY, Axes, Picture, Scale

if TYPE_CHECKING:
    from backpass.cli.learning import Part
    from backpass.cli.run_folder import RunFolder

FINENESS = 300  # points of the grid along each side of the plane
MOST_POINTS = 2000  # more dots hide the regions
BLUE, ORANGE = "#1f77b4", "#ff7f0e"
TEN = (BLUE, ORANGE, "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf")
PALER = ("#aec7e8", "#ffbb78", "#98df8a", "#ff9896", "#c5b0d5", "#c49c94", "#f7b6d2", "#c7c7c7", "#dbdb8d", "#9edae5")
VIRIDIS = ("#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725")
DARKER = 0.85  # dots than the region of their class
DOTS: dict[str, tuple[float, str, float]] = {"train": (3.5, "white", 0.5), "test": (4.2, "black", 1.0)}


@contextmanager
def or_a_line(path: Path) -> Iterator[None]:
    """Draw inside it: a picture that fails costs a line on stderr, never the training before it."""
    try:
        yield
    except Exception as error:  # whatever stands in somebody's table
        path.unlink(missing_ok=True)
        print(f"backpass: {path.name} is not drawn: {' '.join(str(error).split())}", file=sys.stderr)


def curves(path: Path, rows: list[dict[str, float]], kept: int, title: str) -> None:
    """The losses of all epochs, and the validation part's accuracy or r2 where there is one."""
    others = [name for name in rows[0] if name not in ("epoch", "loss", "validation_loss")]
    width, height, left, top = 520, 340, 90, 80
    picture = Picture((1 + len(others)) * (left + width + 40), top + height + 60)
    picture.text(picture.image.width / 4, 22, title, "mm", 16, widest=width)
    marked = len(rows) < 20
    across = Scale.around([row["epoch"] for row in rows], whole=True)
    for place, names in enumerate((["loss", "validation_loss"], *([name] for name in others))):
        drawn = {name: [row[name] for row in rows] for name in names if name in rows[0]}
        values = [value for each in drawn.values() for value in each]
        logarithmic = place == 0 and min(values) > 0 and max(values) > 20 * min(values)
        least = max(-1, min(values)) - 0.02
        up = Scale(least, 1) if names[0].endswith("r2") else Scale.around(values, logarithmic)
        axes = Axes(across, up, width, height)
        axes.grid()
        axes.mark(kept)
        corner = left + place * (left + width + 40)
        legend = corner
        for name, held in drawn.items():
            colour = ORANGE if name.startswith("validation") else BLUE
            axes.curve([row["epoch"] for row in rows], held, colour, marked)
            picture.line([(legend, top - 20), (legend + 24, top - 20)], colour, 2)
            picture.text(legend + 30, top - 20, "validation" if colour == ORANGE else "training", "lm")
            legend += 115
        for x in range(legend, legend + 24, 6):
            picture.line([(x, top - 20), (x + 2, top - 20)], GREY, 1.5)
        picture.text(legend + 30, top - 20, f"kept: epoch {kept}", "lm")
        axes.put(picture, corner, top, "epoch", names[0].removeprefix("validation_"))
    picture.save(path)


def regions(path: Path, run: RunFolder, parts: dict[str, Part], title: str) -> None:
    """What the network predicts over the plane of its two features, and the samples on top."""
    from pandas import DataFrame

    columns = run.features.columns
    corners = np.concatenate([plane(part.frame, columns) for part in parts.values()])
    scales = [Scale.around(corners[:, i], margin=0.06) for i in (0, 1)]
    across, up = (np.linspace(scale.low, scale.high, FINENESS) for scale in scales)
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    inputs = run.features.transform(DataFrame(grid, columns=columns))
    width, height, left, top = 560, 520, 90, 50
    axes = Axes(scales[0], scales[1], width, height)
    held = np.concatenate([part.encoded for part in parts.values()])  # the corners of the plane may go far beyond
    colours = class_colours(len(run.target.classes))
    if run.target.classifies:
        probabilities = run.network.predict_proba(inputs)
        best = probabilities.argmax(axis=1)
        sure = probabilities.max(axis=1)[:, None]
        paint = 1 - (0.15 + 0.45 * sure) * (1 - colours[best])  # the surer, the stronger the colour
    else:
        values = np.array(run.target.from_network(run.network.predict(inputs)))
        paint = 0.2 + 0.8 * spectrum(values, held)
    axes.fill(of_bytes(paint).reshape(FINENESS, FINENESS, 3))
    for name, part in parts.items():
        dots, encoded = plane(part.frame, columns)[:MOST_POINTS], part.encoded[:MOST_POINTS]
        paint = colours[encoded] * DARKER if run.target.classifies else spectrum(encoded, held)
        axes.dots(dots[:, 0], dots[:, 1], of_bytes(paint), *DOTS[name])
    picture = Picture(left + width + 190, top + height + 60)
    picture.text(left + width / 2, 24, title, "mm", 16, widest=width)
    axes.put(picture, left, top, columns[0], columns[1])
    corner = left + width + 24
    if not run.target.classifies:
        bar = Axes(Scale(0, 1), Scale.around(held, margin=0), 20, height - 80)
        shades = np.linspace(bar.up.low, bar.up.high, 256)
        bar.fill(of_bytes(spectrum(shades, held)).reshape(256, 1, 3))
        bar.put(picture, corner, top, up=run.target.name, ticks_right=True)
        entries = []
    elif len(colours) <= 20:
        picture.text(corner, top + 8, run.target.name, "lm", widest=150)
        entries = list(zip(run.target.classes, map(tuple, of_bytes(colours * DARKER).tolist()), strict=True))
    else:
        picture.text(corner, top + 8, f"{len(colours)} classes", "lm")
        entries = []
    rows: list[Any] = [(label, colour, "white", 0.0) for label, colour in entries]
    rows += [("training part", None, GREY, 1.0), ("test part", None, "black", 1.0)]
    for place, (label, colour, edge, line) in enumerate(rows):
        y = top + 32 + 22 * place if run.target.classifies else top + height - 40 + 22 * place
        picture.dot(corner + 6, y, 4.2, colour, edge, line)
        picture.text(corner + 18, y, label, "lm", widest=140)
    picture.save(path)


def plane(frame: Any, columns: list[str]) -> np.ndarray:
    """(N, 2) float64, NaN where a value is missing."""
    return frame[columns].astype(np.float64).to_numpy(na_value=np.nan)


def of_bytes(colours: np.ndarray) -> np.ndarray:
    return np.rint(255 * np.clip(colours, 0, 1)).astype(np.uint8)


def rgb(names: Any) -> np.ndarray:
    """(K, 3) of "#rrggbb", from 0 to 1."""
    return np.array([list(bytes.fromhex(name[1:])) for name in names]).reshape(-1, 3) / 255


def spectrum(values: np.ndarray, shared: np.ndarray) -> np.ndarray:
    """(N, 3) from purple for the least of the shared values to yellow for the largest."""
    low, high = float(shared.min()), float(shared.max())
    place = np.clip((values - low) / ((high - low) or 1), 0, 1) * (len(VIRIDIS) - 1)
    return np.stack([np.interp(place, np.arange(len(VIRIDIS)), channel) for channel in rgb(VIRIDIS).T], axis=-1)


def class_colours(classes: int) -> np.ndarray:
    """(C, 3), told apart for up to 20 classes."""
    if classes > 20:
        return np.array([colorsys.hsv_to_rgb(place / classes, 1, 1) for place in range(classes)])
    return rgb(TEN if classes <= 10 else [name for pair in zip(TEN, PALER, strict=True) for name in pair])[:classes]
