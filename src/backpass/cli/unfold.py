"""`backpass unfold`: one number of a training step as the sum of what it comes from."""

from __future__ import annotations

import json
import sys

import typer
from rich.console import Console

from backpass.audit import unfold as unfolded
from backpass.cli.evaluate import samples_of
from backpass.cli.reading_options import Decimal, Encoding, Run, Separator, asked
from backpass.cli.run_folder import RunFolder

UNWRAPPED = 10_000  # columns, for what is no terminal: nobody can search in lines that were cut up


def unfold(
    run: Run,
    data: str = typer.Argument(help="A built-in name or a file with the run's columns and its target."),
    entry: str = typer.Argument(help='What to unfold, such as "dense1.dweights[0, 1]" or "loss".'),
    depth: int = typer.Option(2, min=1, help="Levels of terms: those of the entry are the first."),
    most: int = typer.Option(8, min=1, help="Terms shown of each number, the largest first."),
    separator: Separator = "",
    decimal: Decimal = "",
    encoding: Encoding = "",
    as_json: bool = typer.Option(False, "--json", help="Print JSON instead, for a program to read."),
) -> None:
    """Print the exact terms whose sum is one number, and theirs in turn, down to the loss.

    The number is that of one training step on all rows of the table, with the weights of the run.
    """
    trained = RunFolder.load(run)
    table = trained.read(data, asked(separator, decimal, encoding))
    X, y = samples_of(trained, table)
    unfolding = unfolded(trained.network, X, y, entry)
    if as_json:
        typer.echo(json.dumps(unfolding.to_dict(depth, most), allow_nan=False))
    else:
        width = None if sys.stdout.isatty() else UNWRAPPED
        Console(highlight=False, width=width).print(unfolding.tree(depth, most))
