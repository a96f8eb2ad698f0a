"""`backpass bench`: measure, always against a peer in the same run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

bench = typer.Typer(help="Measure speed, against peers in the same run.", no_args_is_help=True)


@bench.command()
def fusion(
    rounds: int = typer.Option(15, min=1, help="Timings of each; medians are shown."),
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures there.")] = None,
) -> None:
    """Time each fused step against its pair, and both against the notebook's arithmetic."""
    from backpass.bench import fusion

    figures = fusion.main(rounds)
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


@bench.command()
def train(
    cases: str = typer.Option("spiral,digits", help="Cases to run, separated by commas."),
    peers: str = typer.Option("torch,jax", help="Peers to compare with."),
    repeats: int = typer.Option(5, min=1, help="Runs of each; medians are shown."),
    threads: int = typer.Option(2, min=1, help="Threads that each may use."),
) -> None:
    """Time training steps in turn with PyTorch and JAX (extra "bench")."""
    from backpass.bench import train

    train.main(cases.split(","), peers.split(","), repeats, threads)
