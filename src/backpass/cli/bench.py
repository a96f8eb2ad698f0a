"""`backpass bench`: measure, always against a peer in the same run."""

from __future__ import annotations

import typer

bench = typer.Typer(help="Measure speed, against peers in the same run.", no_args_is_help=True)


@bench.command()
def fusion() -> None:
    """Time each fused step against its pair, and both against the notebook's arithmetic."""
    from backpass.bench import fusion

    fusion.main()


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
