"""`backpass train`: from a table to a trained network, in a folder with all that belongs to it."""

from __future__ import annotations

import csv
import io
import json
import math
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

import backpass
from backpass.cli import run_folder
from backpass.cli.features import Features
from backpass.cli.learning import Interrupt, Part, activations, learn, prepare
from backpass.cli.reading_options import Data, Decimal, Encoding, Separator, asked, source_of
from backpass.cli.run_folder import NewRunFolder, RunFolder
from backpass.cli.targets import TASKS, Target, listed
from backpass.datasets.readers import read
from backpass.optimizers.optimizer import OPTIMIZERS

MOST_EPOCHS = 10**9  # each leaves a row in the history
MOST_REMARKS = 5
MOST_NOTES = 10


def widths_of(hidden: str) -> list[int]:
    try:
        widths = [int(width) for width in hidden.split(",")] if hidden.strip() else []
    except ValueError:
        widths = [0]
    if any(width < 1 for width in widths):
        raise typer.BadParameter(
            f"{hidden!r} is no list of layer widths; write for example 64,64", param_hint="--hidden"
        )
    return widths


def one_of(choices: Any) -> Any:
    def check(value: str) -> str:
        if value.lower() not in choices:
            raise typer.BadParameter(f"{value!r} is not one of {', '.join(choices)}")
        return value.lower()

    return check


def positive(value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise typer.BadParameter(f"{value} is not a number above 0")
    return value


def share(value: float) -> float:
    if not 0 < value < 1:
        raise typer.BadParameter(f"{value} is not between 0 and 1")
    return value


BY_BATCHES = sorted(name for name, optimizer in OPTIMIZERS.items() if hasattr(optimizer, "kernel"))  # not L-BFGS


def names(choices: Any) -> str:
    return f"One of {', '.join(choices)}."


def train(
    data: Data,
    target: str = typer.Option("", help="Column to predict. Built-in data and .npz files know theirs."),
    task: str = typer.Option("auto", callback=one_of(TASKS), help=names(TASKS)),
    hidden: str = typer.Option("64,64", help="Widths of the hidden layers; an empty string for none."),
    activation: str = typer.Option("relu", callback=one_of(activations()), help=names(activations())),
    epochs: int = typer.Option(
        200, min=1, max=MOST_EPOCHS, help="Passes over the training part. The best one's weights are kept."
    ),
    batch_size: int = typer.Option(32, min=1, help="Samples a step."),
    learning_rate: float = typer.Option(0.003, callback=positive, help="Size of the steps, above 0."),
    optimizer: str = typer.Option("adam", callback=one_of(BY_BATCHES), help=names(BY_BATCHES)),
    test_size: float = typer.Option(0.2, callback=share, help="Share of the rows held out for the test figures."),
    seed: int = typer.Option(0, min=0, max=2**32 - 1, help="The same seed gives the same model, to the bit."),
    strict: bool = typer.Option(False, "--strict", help="Refuse rows without a target, which are left out otherwise."),
    separator: Separator = "",
    decimal: Decimal = "",
    encoding: Encoding = "",
    threads: int | None = typer.Option(None, min=1, help="Most threads to use. As many as help, if not given."),
    out: str = typer.Option("", help="The run folder. A new one in runs/, if not given."),
) -> None:
    """Train a network on a table, and leave a run folder.

    Classification or regression is read off the target. A fifth of the training part only chooses the epoch that is
    kept. A regression's loss is of the standardised target. Ctrl-C ends training at once and keeps what was learnt.
    """
    options: dict[str, Any] = {
        "task": task,
        "hidden": widths_of(hidden),
        "activation": activation,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "optimizer": optimizer,
        "test_size": test_size,
        "seed": seed,
        "threads": threads,
    }
    table = read(data, asked(separator, decimal, encoding))
    wanted = target or table.target
    if not wanted:
        columns = listed(table.frame.columns, most=30)
        raise typer.BadParameter(f"name the column to predict: {columns}", param_hint="--target")
    if not table.named and wanted != table.target:
        raise typer.BadParameter(f"an .npz file's target is {table.target}, not {wanted}", param_hint="--target")
    features, kind, parts = prepare(table, wanted, task, test_size, seed, strict)
    if str(table.reading):
        typer.echo(f"{table.name} was read with {table.reading}")
    for note in noted(table.notes):
        typer.echo(note)
    typer.echo(inferred(kind, features))
    try:
        with Interrupt() as interrupt, NewRunFolder(Path(out) if out else None, table.name) as folder:
            with ProgressBar(interrupt) as bar:
                network, history, kept, found = learn(parts["train"], kind, options, [interrupt, bar])
            run = RunFolder(Path(), network, features, kind, {}, table.reading)
            run.record = record(source_of(data), run, parts, options, history, kept)
            fill(folder, run, parts, history, kept, f"{table.name}: {kind.name}")
            run.path = folder.finish()
    except KeyboardInterrupt:
        typer.echo("backpass: interrupted; nothing is kept", err=True)
        raise typer.Exit(1) from None
    if history.stopped:
        when = f"after epoch {history.epochs}" if history.epochs else "within epoch 1"
        typer.echo(f"Ctrl-C: stopped {when} of {epochs}; what was learnt is kept")
    if kept < history.epochs:
        typer.echo(f"epoch {kept} of {history.epochs} is kept: it did best on the validation part")
    Console(highlight=False).print(figures_table(run.record["figures"], kind))
    for line in found.lines()[:MOST_REMARKS]:
        typer.echo(f"health: {line}")
    following = f"backpass predict {quoted(run.path)} {' '.join(map(quoted, data))} -o predictions.csv"
    typer.echo(f"{run.path} holds the run; next: {following}")


def inferred(target: Target, features: Features) -> str:
    """What the table was taken for, in one line."""
    what = f", {len(target.classes)} classes" if target.classifies else ""
    return f"{target.task} of {target.name}{what}; columns: {features.summary()}"


def noted(notes: list[str]) -> list[str]:
    """The first notes; how many more there are."""
    more = [f"and {len(notes) - MOST_NOTES} more such lines"] if len(notes) > MOST_NOTES + 1 else []
    return notes[: MOST_NOTES + (not more)] + more


def record(
    source: str, run: RunFolder, parts: dict[str, Part], options: dict[str, Any], history: backpass.History, kept: int
) -> dict[str, Any]:
    """What run.json holds."""
    figures: dict[str, Any] = {
        name: {"rows": len(part), **run.network.evaluate(part.X, part.y)} for name, part in parts.items()
    }
    packages = ("numpy", "scipy", "numba", "scikit-learn", "pandas", "safetensors")
    return {
        "data": {
            "source": source,
            "reading": run.reading.to_dict(),
            "rows": sum(len(part) for part in parts.values()),
            "features": run.features.columns,
            "kinds": [kind.as_json() for kind in run.features.kinds],
            "target": run.target.as_json(),
        },
        "options": options,
        "versions": {
            "backpass": backpass.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in packages},
        },
        "figures": {**figures, "epochs": history.epochs, "kept_epoch": kept},
    }


def fill(
    folder: NewRunFolder, run: RunFolder, parts: dict[str, Part], history: backpass.History, kept: int, title: str
) -> None:
    """Write the run folder's files."""
    from backpass.cli import pictures

    run.network.save(folder / run_folder.MODEL)
    (folder / run_folder.PREPROCESSOR).write_bytes(run.features.dumps())
    (folder / run_folder.HISTORY).write_text(csv_text(history.rows()), encoding="utf-8")
    if history.epochs:
        with pictures.or_a_line(folder / run_folder.CURVES):
            pictures.curves(folder / run_folder.CURVES, history.rows(), kept, title)
    if len(run.features.columns) == 2 and run.features.plain:
        with pictures.or_a_line(folder / run_folder.REGIONS):
            pictures.regions(folder / run_folder.REGIONS, run, parts, title)
    text = json.dumps(run.record, indent=2, ensure_ascii=False)
    (folder / run_folder.RUN).write_text(text + "\n", encoding="utf-8")


def csv_text(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["epoch", "loss"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def figures_table(figures: dict[str, Any], target: Target) -> Grid:
    """Loss and accuracy, or r2, of the named parts."""
    grid = Grid()
    grid.add_column("part")
    for heading in ("rows", "loss" if target.classifies else "loss (standardised target)", target.figure):
        grid.add_column(heading, justify="right")
    for name, part in figures.items():
        if isinstance(part, dict):
            grid.add_row(Text(name), str(part["rows"]), f"{part['loss']:.4f}", f"{part[target.figure]:.4f}")
    return grid


def quoted(path: Any) -> str:
    import shlex

    return shlex.quote(str(path))


class ProgressBar:
    """A bar on stderr, woken by the clock; nothing where stderr is no terminal."""

    def __init__(self, interrupt: Interrupt):
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        console = Console(stderr=True)
        self.interrupt = interrupt
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %  loss {task.fields[loss]:.4g}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            auto_refresh=False,  # it has no thread of its own: compiled code may have all cores
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task("", total=1, loss=math.nan, visible=False)

    def on_progress(self, done: float, epoch: int, epochs: int, loss: float) -> None:
        stopping = ", stopping (Ctrl-C again to abort)" if self.interrupt.asked and done < 1 else ""
        description = f"epoch {epoch}/{epochs}{stopping}"
        self.bar.update(self.task, description=description, completed=done, loss=loss, visible=True, refresh=True)

    def __enter__(self) -> ProgressBar:
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()
