"""`backpass evaluate`: how right a trained network is about samples whose target is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import typer
from rich.console import Console

from backpass.cli.answers import answers
from backpass.cli.columns.column import Column
from backpass.cli.learning import with_target
from backpass.cli.reading_options import Data, Decimal, Encoding, Run, Separator, asked, source_of
from backpass.cli.run_folder import RunFolder
from backpass.cli.targets import listed
from backpass.cli.train import figures_table
from backpass.datasets.readers import Table


def evaluate(
    run: Run,
    data: Data,
    strict: bool = typer.Option(False, "--strict", help="Refuse rows without a target, which are left out otherwise."),
    separator: Separator = "",
    decimal: Decimal = "",
    encoding: Encoding = "",
) -> None:
    """Print the loss, and the accuracy or r2, over all rows of a table that have a target.

    A regression's loss is of the target standardised as in training.
    """
    trained = RunFolder.load(run)
    table = trained.read(data, asked(separator, decimal, encoding))
    X, _, figures = judged(trained, table, strict)
    for note in table.notes:
        typer.echo(note)
    Console(highlight=False).print(figures_table({table.name: {"rows": len(X), **figures}}, trained.target))
    if trained.record["data"]["source"] == source_of(data):
        typer.echo("most of these rows are what the run was trained on; backpass show has the test part's figures")


def judged(trained: RunFolder, table: Table, strict: bool) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
    """X, y and the figures. ValueError naming what is too large for them."""
    X, y, frame, row = _samples(trained, table, strict)
    try:
        figures: dict[str, float] = trained.network.evaluate(X, y)
    except ValueError:
        figures = {"loss": math.nan}
    if all(map(math.isfinite, figures.values())):
        return X, y, figures
    said = answers(trained, X, frame, row)  # raises, where a row is too large
    place = 0 if trained.target.classifies else int(np.abs(said - y).argmax())
    raise ValueError(
        f"{trained.target.name} in {row(place)} is too far from what is predicted: the loss is no finite number"
    )


def samples_of(trained: RunFolder, table: Table, strict: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """X and y of a table as the network takes them. ValueError for columns that are missing, or do not fit."""
    return _samples(trained, table, strict)[:2]


def _samples(trained: RunFolder, table: Table, strict: bool) -> tuple[np.ndarray, np.ndarray, Any, Any]:
    target, name = trained.target, str(trained.target.name if table.named else table.target)
    trained.features.frame_of(table)  # what is missing there is told first
    if name not in table.frame:
        raise ValueError(
            f"{table.name} has no column {name!r}, the target; it has {listed(table.frame.columns, most=30)}"
        )
    decimal = trained.decimal_of(table)
    kept, row = with_target(table, target, name, strict)
    y = target.for_network(target.encode(Column(kept[name], row), decimal))
    frame = trained.features.frame_of(table).loc[kept.index]
    return trained.features.transform(frame, row, decimal), y, frame, row
