"""All commands, by name."""

from __future__ import annotations

import importlib

import typer

import backpass

app = typer.Typer(
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


for name in ("train", "predict", "evaluate", "show", "audit", "unfold", "tour", "warm_up"):
    app.command(name.replace("_", "-"))(getattr(importlib.import_module(f"backpass.cli.{name}"), name))
app.add_typer(importlib.import_module("backpass.cli.bench").bench, name="bench")
