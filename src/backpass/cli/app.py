"""All commands, by name. A command's file is imported when that command is asked for."""

from __future__ import annotations

import importlib
from typing import Any

import typer
from typer.core import TyperGroup

import backpass

COMMANDS = {  # what `backpass --help` says of each, which is the first line of its own help
    "train": "Train a network on a table, and leave a run folder.",
    "predict": "Write predictions as CSV: one row a sample, and the probability of each class.",
    "evaluate": "Print the loss, and the accuracy or r2, over all rows of a table that have a target.",
    "show": "Print a run's layers, shapes, parameters, figures and options.",
    "audit": "Hold a backward pass against its forward pass, and name what is wrong with it.",
    "unfold": "Print the exact terms whose sum is one number, and theirs in turn, down to the loss.",
    "tour": "Walk through the notebook on backpropagation, with its numbers recomputed.",
    "warm-up": "Compile every kernel for float32 and float64 into the cache of this machine.",
    "bench": "Measure speed, against peers in the same run.",
}


class Commands(TyperGroup):
    """The group of all commands, none of which is imported to be listed: that would take as long as NumPy's import."""

    def __init__(self, **options: Any):
        super().__init__(**options)
        self.commands: Any = dict.fromkeys(COMMANDS)  # the names that a misspelt one is held against

    def get_command(self, context: Any, name: str) -> Any:
        return command(name) if name in COMMANDS else None

    def format_commands(self, context: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def command(name: str) -> Any:
    """The function, or the group, that has the name of its file."""
    word = name.replace("-", "_")
    found = getattr(importlib.import_module(f"backpass.cli.{word}"), word)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(name)(found)
        found = alone
    return typer.main.get_command(found)


app = typer.Typer(
    cls=Commands,
    name="backpass",
    help="Neural networks whose backward pass you can read, check and watch.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"backpass {backpass.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", callback=show_version, is_eager=True, help="Print the version."),
) -> None:
    pass
