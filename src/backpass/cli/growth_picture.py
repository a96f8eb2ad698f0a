"""The picture of `backpass bench growth`: a step's time by batch and by width, and the floor under it."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

from backpass.bench.growth import NETWORKS
from backpass.checks import one_of
from backpass.cli.drawing import GREY
from backpass.cli.pictures import or_a_line

LABELS = {"batch": "batch (samples)", "width": "width of both hidden layers (neurons)"}


def check_ending(path: Path) -> None:
    one_of(path.suffix.lower(), "the picture's ending", (".png", ".svg"))


def draw(path: Path, results: dict[str, Any]) -> None:
    """Of what `growth.main` returned: ours solid, the floor dashed, all axes logarithmic."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    path.parent.mkdir(parents=True, exist_ok=True)
    plain = FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
    with or_a_line(path):
        made = Figure(figsize=(11, 4.4), layout="constrained")
        FigureCanvasAgg(made)  # needs no display
        axes = made.subplots(1, len(results["grows"]))
        for each, (grows, growth) in zip(axes, results["grows"].items(), strict=True):
            sizes = [int(size) for size in growth["microseconds"]]
            times = [median(times) for times in growth["microseconds"].values()]
            each.plot(sizes, times, marker="o", markersize=4, label="backpass")
            each.plot(sizes, list(growth["floor"].values()), "--", color=GREY, label="floor: its matrix products alone")
            each.set_xscale("log", base=2)
            each.set_yscale("log")
            each.set_xticks(sizes[::2])
            for axis in (each.xaxis, each.yaxis):
                axis.set_major_formatter(plain)
            each.minorticks_off()
            each.grid(alpha=0.25)
            each.spines[["top", "right"]].set_visible(False)
            each.set(xlabel=LABELS[grows], ylabel="time per step (µs)", title=NETWORKS[grows])
            each.tick_params(axis="x", labelrotation=45)
            each.legend(frameon=False)
        made.savefig(path, dpi=120)
