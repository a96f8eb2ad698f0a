"""`backpass predict`: what a trained network says of new samples."""

from __future__ import annotations

import csv
import io

import typer

from backpass.cli.run_folder import RunFolder
from backpass.datasets.readers import read
from backpass.files.model import write_whole


def predict(
    run: str = typer.Argument(help="A run folder that backpass train left."),
    data: str = typer.Argument(help="A built-in name or a file with the columns that the run was trained on."),
    output: str = typer.Option("", "--output", "-o", help="File to write; stdout, if not given."),
) -> None:
    """Write predictions as CSV: one row a sample, and the probability of each class.

    Columns that the run was not trained on, such as the target, are left out.
    """
    trained = RunFolder.load(run)
    table = read(data)
    frame = trained.features.frame_of(table)
    trained.load_features()
    X = trained.features.transform(frame)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    predictions = trained.target.from_network(trained.network.predict(X))
    if trained.target.classifies:
        writer.writerow(["prediction", *(f"probability_{label}" for label in trained.target.classes)])
        # as strings: the shortest that give back the same float32, where Python would spell out a float64
        for label, probabilities in zip(predictions, trained.network.predict_proba(X).astype(str), strict=True):
            writer.writerow([label, *probabilities])
    else:
        writer.writerow(["prediction"])
        writer.writerows([repr(value)] for value in predictions)
    if not output:
        typer.echo(text.getvalue(), nl=False)
        return
    write_whole(output, text.getvalue().encode())
    typer.echo(f"{output} holds {len(predictions)} predictions")
