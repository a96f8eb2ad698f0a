"""The options that say how a text file is to be read, and the data that a command names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from backpass.datasets.builtin import BUILTIN
from backpass.datasets.reading import Reading

Run = Annotated[str, typer.Argument(help="A run folder that backpass train left.")]
Data = Annotated[
    list[str],
    typer.Argument(help=f"One of {', '.join(BUILTIN)}; or files, which are read as one table; - for standard input."),
]
Separator = Annotated[
    str, typer.Option(help="What stands between the fields of a text file: comma, semicolon, tab, pipe.")
]
Decimal = Annotated[str, typer.Option(help="What stands before the decimals of a number: point or comma.")]
Encoding = Annotated[str, typer.Option(help="The bytes that a text file is written in, such as utf-8 or cp1252.")]


def asked(separator: str, decimal: str, encoding: str) -> Reading:
    """What was said of the files; the rest is found out, or known from the run."""
    try:
        return Reading(separator=separator or None, decimal=decimal or None, encoding=encoding or None)
    except ValueError as error:
        raise typer.BadParameter(f"--{error}") from None


def source_of(data: Sequence[str]) -> str:
    """What run.json calls the data."""
    return ", ".join(each if each in BUILTIN or each == "-" else str(Path(each).absolute()) for each in data)
