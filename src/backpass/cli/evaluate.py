"""`backpass evaluate`: how right a trained network is about samples whose target is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import typer
from rich.console import Console

from backpass.cli.run_folder import RunFolder
from backpass.cli.targets import listed
from backpass.cli.train import figures_table
from backpass.datasets.builtin import BUILTIN
from backpass.datasets.readers import Table, read


def evaluate(
    run: str = typer.Argument(help="A run folder that backpass train left."),
    data: str = typer.Argument(help="A built-in name or a file with the run's columns and its target."),
) -> None:
    """Print the loss, and the accuracy or r2, over all rows of a table.

    A regression's loss is of the target standardised as in training.
    """
    trained, table = RunFolder.load(run), read(data)
    X, y = samples_of(trained, table)
    figures = trained.network.evaluate(X, y)
    Console(highlight=False).print(figures_table({table.name: {"rows": len(X), **figures}}, trained.target))
    if trained.record["data"]["source"] == (data if data in BUILTIN else str(Path(data).absolute())):
        typer.echo("most of these rows are what the run was trained on; backpass show has the test part's figures")


def samples_of(trained: RunFolder, table: Table) -> tuple[np.ndarray, np.ndarray]:
    """X and y of a table as the network takes them. ValueError for columns that are missing, or do not fit."""
    target, name = trained.target, trained.target.name if table.named else table.target
    frame = trained.features.frame_of(table)
    if name not in table.frame:
        raise ValueError(
            f"{table.name} has no column {name!r}, the target; it has {listed(table.frame.columns, most=30)}"
        )
    y = target.for_network(target.encode(table.labels(str(name)) if target.classifies else table.frame[name]))
    trained.load_features()
    return trained.features.transform(frame), y
