"""The pictures of a run: its curves, and what it predicts over the plane of two features."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from backpass.cli.learning import Part
from backpass.cli.run_folder import RunFolder

FINENESS = 300  # points of the grid along each side of the plane
MOST_POINTS = 2000  # more dots hide the regions
GREY = "#777777"
FONTS = (  # the first, and those of other scripts where a machine has them
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Droid Sans Fallback",
    "PingFang SC",
    "Microsoft YaHei",
    "SimHei",
)
DARKER = 0.85  # dots than the region of their class
DOTS = {
    "train": {"s": 16, "edgecolors": "white", "linewidths": 0.4, "zorder": 2},
    "test": {"s": 22, "edgecolors": "black", "linewidths": 0.9, "zorder": 3},
}


@contextmanager
def or_a_line(path: Path) -> Iterator[None]:
    """Draw inside it: a picture that fails costs a line on stderr, never the training before it."""
    from matplotlib import font_manager, rc_context

    present = {font.name for font in font_manager.fontManager.ttflist}
    try:
        with warnings.catch_warnings(), rc_context({"font.family": [n for n in FONTS if n in present]}):
            warnings.simplefilter("ignore")  # of glyphs that no font here has
            yield
    except Exception as error:  # the names in somebody's table reach deep into matplotlib
        path.unlink(missing_ok=True)
        print(f"backpass: {path.name} is not drawn: {' '.join(str(error).split())}", file=sys.stderr)


def literal(text: Any) -> str:
    """Text in which $ is no beginning of a formula."""
    return str(text).replace("$", r"\$")


def figure(columns: int, width: float, height: float) -> tuple[Any, Any]:
    """A figure that needs no display, and its row of axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(made)
    axes = made.subplots(1, columns, squeeze=False)[0]
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
    return made, axes


def curves(path: Path, rows: list[dict[str, float]], kept: int, title: str) -> None:
    """The losses of all epochs, and the validation part's accuracy or r2 where there is one."""
    epochs = [row["epoch"] for row in rows]
    others = [name for name in rows[0] if name not in ("epoch", "loss", "validation_loss")]
    made, axes = figure(1 + len(others), 5.5 * (1 + len(others)), 4)
    marker = "o" if len(rows) < 20 else ""
    for name, label in (("loss", "training"), ("validation_loss", "validation")):
        if name in rows[0]:
            axes[0].plot(epochs, [row[name] for row in rows], label=label, marker=marker, markersize=3)
    axes[0].set_ylabel("loss")
    losses = [row[name] for row in rows for name in ("loss", "validation_loss") if name in row]
    if min(losses) > 0 and max(losses) > 20 * min(losses):
        axes[0].set_yscale("log")
    for each, name in zip(axes[1:], others, strict=True):
        each.plot(epochs, [row[name] for row in rows], color="C1", label="validation", marker=marker, markersize=3)
        each.set_ylabel(name.removeprefix("validation_"))
        if name.endswith("r2"):
            each.set_ylim(max(-1, min(row[name] for row in rows)), 1)
    for each in axes:
        each.set_xlabel("epoch")
        each.axvline(kept, color=GREY, linestyle=":", label=f"kept: epoch {kept}")
        each.xaxis.get_major_locator().set_params(integer=True)
        each.grid(alpha=0.25)
        each.legend(frameon=False)
    made.suptitle(literal(title))
    made.savefig(path, dpi=120)


def regions(path: Path, run: RunFolder, parts: dict[str, Part], title: str) -> None:
    """What the network predicts over the plane of its two features, and the samples on top."""
    from pandas import DataFrame

    columns = run.features.columns
    corners = np.concatenate([plane(part.frame, columns) for part in parts.values()])
    low, high = np.nanmin(corners, axis=0), np.nanmax(corners, axis=0)
    margin = np.where(high > low, 0.06 * (high - low), 0.5)
    across, up = (np.linspace(low[i] - margin[i], high[i] + margin[i], FINENESS) for i in (0, 1))
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    inputs = run.features.transform(DataFrame(grid, columns=columns))
    made, (axes,) = figure(1, 7.2, 5.6)
    if run.target.classifies:
        colours = class_colours(len(run.target.classes))
        probabilities = run.network.predict_proba(inputs)
        best = probabilities.argmax(axis=1)
        sure = probabilities.max(axis=1)[:, None]
        paint = 1 - (0.15 + 0.45 * sure) * (1 - colours[best])  # the surer, the stronger the colour
        axes.imshow(
            paint.reshape(FINENESS, FINENESS, 3),
            extent=(across[0], across[-1], up[0], up[-1]),
            origin="lower",
            aspect="auto",
            interpolation="bilinear",
        )
    else:
        values = np.array(run.target.from_network(run.network.predict(inputs)))
        held = np.concatenate([part.encoded for part in parts.values()])  # the corners of the plane may go far beyond
        shared = {"vmin": held.min(), "vmax": held.max(), "cmap": "viridis"}
        surface = axes.pcolormesh(across, up, values.reshape(FINENESS, FINENESS), shading="auto", alpha=0.8, **shared)
        made.colorbar(surface, ax=axes, label=literal(run.target.name))
    for name, part in parts.items():
        dots, encoded = plane(part.frame, columns)[:MOST_POINTS], part.encoded[:MOST_POINTS]
        style: dict[str, Any] = {"c": colours[encoded] * DARKER} if run.target.classifies else {"c": encoded, **shared}
        axes.scatter(dots[:, 0], dots[:, 1], **style, **DOTS[name])
    axes.set(xlabel=literal(columns[0]), ylabel=literal(columns[1]), title=literal(title))
    axes.set_xlim(across[0], across[-1])
    axes.set_ylim(up[0], up[-1])
    legend(axes, run, colours if run.target.classifies else None)
    made.savefig(path, dpi=120)


def plane(frame: Any, columns: list[str]) -> np.ndarray:
    """(N, 2) float64, NaN where a value is missing."""
    return frame[columns].astype(np.float64).to_numpy(na_value=np.nan)


def legend(axes: Any, run: RunFolder, colours: np.ndarray | None) -> None:
    """Which colour is which class, and which dots were held out."""
    from matplotlib.lines import Line2D

    dot: dict[str, Any] = {"linestyle": "", "marker": "o", "markersize": 6}
    entries = []
    if colours is not None and len(colours) <= 20:
        for label, colour in zip(run.target.classes, colours, strict=True):
            entries.append(Line2D([], [], color=colour * DARKER, label=literal(label), **dot))
    entries.append(Line2D([], [], markerfacecolor="none", markeredgecolor=GREY, label="training part", **dot))
    entries.append(Line2D([], [], markerfacecolor="none", markeredgecolor="black", label="test part", **dot))
    if colours is None:
        axes.figure.legend(handles=entries, loc="outside lower center", frameon=False, ncols=2)
    else:
        title = literal(run.target.name) if len(entries) > 2 else f"{len(colours)} classes"
        axes.figure.legend(handles=entries, loc="outside right upper", frameon=False, title=title)


def class_colours(classes: int) -> np.ndarray:
    """(C, 3), told apart for up to 20 classes."""
    from matplotlib import colormaps

    if classes > 20:
        return colormaps["hsv"](np.linspace(0, 1, classes, endpoint=False))[:, :3]
    return colormaps["tab10" if classes <= 10 else "tab20"](np.arange(classes))[:, :3]
