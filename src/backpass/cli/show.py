"""`backpass show`: what is inside a run folder."""

from __future__ import annotations

import math
from itertools import pairwise

import typer
from rich.console import Console
from rich.table import Table as Grid

from backpass.cli.run_folder import RunFolder
from backpass.cli.targets import listed
from backpass.cli.train import figures_table
from backpass.files.model import layer_names


def show(run: str = typer.Argument(help="A run folder that backpass train left.")) -> None:
    """Print a run's layers, shapes, parameters, figures and options."""
    trained = RunFolder.load(run)
    network, record, target = trained.network, trained.record, trained.target
    console = Console(highlight=False, markup=False, emoji=False)  # names are what they are, brackets and all

    grid = Grid()
    for heading in ("layer", "inputs", "output", "weights, biases"):
        grid.add_column(heading)
    grid.add_column("parameters", justify="right")
    names = layer_names(network.layers)
    for name, layer, (inputs, output) in zip(names, network.layers, pairwise(network.widths), strict=True):
        shapes = layer.parameter_shapes().values()
        size = sum(math.prod(shape) for shape in shapes)
        grid.add_row(name, f"(N, {inputs})", f"(N, {output})", ", ".join(map(str, shapes)), f"{size}" if size else "")
    grid.add_section()
    grid.add_row("all", "", "", f"{network.dtype}", f"{network.parameters.size}")
    console.print(grid)
    console.print(figures_table({part: record["figures"][part] for part in ("train", "test")}, target))

    data = record["data"]
    typer.echo(f"data       {data['source']}, {data['rows']} rows")
    typer.echo(f"features   {len(data['features'])}: {listed(data['features'])}")
    what = f"classes {listed(target.classes)}" if target.classifies else f"mean {target.mean:g}, scale {target.scale:g}"
    typer.echo(f"target     {target.name}: {target.task}, {what}")
    typer.echo(f"loss       {network.loss!r}")
    typer.echo(f"epochs     {record['figures']['epochs']}, of which {record['figures']['kept_epoch']} is kept")
    options = {name: value for name, value in record["options"].items() if value is not None}
    typer.echo(f"options    {', '.join(f'{name} {spelt(value)}' for name, value in options.items())}")
    typer.echo(f"versions   {', '.join(f'{name} {value}' for name, value in record['versions'].items())}")


def spelt(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
