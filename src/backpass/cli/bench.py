"""`backpass bench`: measure, always against a peer in the same run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

bench = typer.Typer(
    help="Measure speed, against peers in the same run.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


Repeats = Annotated[int, typer.Option(min=1, help="Measurements of each, in turn; medians are shown.")]
JsonFile = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all runs there.")]


@bench.command()
def fusion(
    rounds: int = typer.Option(15, min=1, help="Timings of each; medians are shown."),
    json_file: JsonFile = None,
) -> None:
    """Time each fused step against its pair, and both against the notebook's arithmetic."""
    from backpass.bench import fusion, results

    results.prepare(json_file)
    results.write(json_file, fusion.main(rounds))


@bench.command()
def train(
    cases: str = typer.Option(
        "spiral,digits,table,images,wide,matrix_exponential,california", help="Cases to run, separated by commas."
    ),
    peers: str = typer.Option("torch,torch_compiled,jax,sklearn,numpy", help="Peers to compare with."),
    repeats: int = typer.Option(5, min=1, help="Runs of each; medians are shown."),
    threads: str = typer.Option("1,2", help="Numbers of threads that each is run with."),
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Keep all runs there, beside earlier ones.")
    ] = None,
) -> None:
    """Time training steps in turn with PyTorch, JAX, scikit-learn and NumPy (extra "bench") and the floor under all.

    The file is written after every case. Other cases in it stay, if processor, cores and versions are the same.
    """
    from backpass.bench import train

    try:
        counts = [int(count) for count in threads.split(",")]
    except ValueError:
        raise ValueError(f"threads is {threads!r}; pass whole numbers such as 1,2") from None
    train.main(cases.split(","), peers.split(","), repeats, counts, json_file)


@bench.command()
def table(json_file: Annotated[Path, typer.Argument(metavar="FILE", help="What `bench train --json` wrote.")]) -> None:
    """Print the README's table of training steps from the figures of a file."""
    from backpass.bench import step_table

    typer.echo(step_table.as_markdown(json.loads(json_file.read_text(encoding="utf-8"))))


@bench.command()
def profile(
    case: Annotated[str, typer.Argument(metavar="CASE", help="spiral, table, or another case of `bench train`.")],
    json_file: JsonFile = None,
) -> None:
    """Time each call of one of our training steps."""
    from backpass.bench import profile, results

    results.prepare(json_file)
    results.write(json_file, profile.main(case))


@bench.command()
def calls(
    peers: str = typer.Option("torch,jax,sklearn,numpy", help="Peers to compare with."),
    repeats: Repeats = 5,
    json_file: JsonFile = None,
) -> None:
    """Time one prediction and one tiny gradient from Python."""
    from backpass.bench import calls, results

    results.prepare(json_file)
    results.write(json_file, calls.main(peers.split(","), repeats))


@bench.command()
def start(
    peers: str = typer.Option("torch,jax,sklearn", help="Peers to compare with."),
    repeats: Repeats = 5,
    json_file: JsonFile = None,
) -> None:
    """Time imports, the first fit of a machine, the first step of a process, and what commands cost."""
    from backpass.bench import results, start

    results.prepare(json_file)
    results.write(json_file, start.main(peers.split(","), repeats))


@bench.command()
def memory(
    peers: str = typer.Option("torch,jax", help="Peers to compare with."),
    repeats: Repeats = 5,
    rows: int = typer.Option(1_000_000, min=1000, help="Rows that are trained on as one batch."),
    json_file: JsonFile = None,
) -> None:
    """Measure what training takes beyond the data."""
    from backpass.bench import memory, results

    results.prepare(json_file)
    results.write(json_file, memory.main(peers.split(","), repeats, rows))


@bench.command()
def busy(
    peers: str = typer.Option("torch", help="Peers to compare with."),
    repeats: Repeats = 7,
    json_file: JsonFile = None,
) -> None:
    """Time steps while another process, or another training, wants a core, too."""
    from backpass.bench import busy, results

    results.prepare(json_file)
    results.write(json_file, busy.main(peers.split(","), repeats))


@bench.command()
def estimators(
    repeats: Repeats = 5,
    quality: Annotated[
        bool, typer.Option("--quality", help="Compare test scores instead: 12 data sets, 5 seeds.")
    ] = False,
    json_file: JsonFile = None,
) -> None:
    """Time MLPClassifier's fit and predict against scikit-learn's."""
    from backpass.bench import estimator_quality, estimators, results

    results.prepare(json_file)
    results.write(json_file, estimator_quality.main() if quality else estimators.main(repeats))


@bench.command()
def growth(
    repeats: Repeats = 5,
    picture: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw it there, as PNG or SVG.")] = None,
    json_file: JsonFile = None,
) -> None:
    """Time steps of ever larger batches and ever wider networks, against the floor."""
    from backpass.bench import growth, results
    from backpass.cli import growth_picture

    results.prepare(json_file)
    if picture is not None:
        growth_picture.check_ending(picture)
    figures = growth.main(repeats)
    results.write(json_file, figures)
    if picture is not None:
        growth_picture.draw(picture, figures)
