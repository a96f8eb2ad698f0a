"""`backpass predict`: what a trained network says of new samples."""

from __future__ import annotations

import csv
import io

import typer

from backpass.cli.answers import answers
from backpass.cli.reading_options import Data, Decimal, Encoding, Run, Separator, asked
from backpass.cli.run_folder import RunFolder
from backpass.files.model import write_whole


def predict(
    run: Run,
    data: Data,
    output: str = typer.Option("", "--output", "-o", help="File to write; stdout, if not given."),
    separator: Separator = "",
    decimal: Decimal = "",
    encoding: Encoding = "",
) -> None:
    """Write predictions as CSV: one row a sample, and the probability of each class.

    Columns that the run was not trained on, such as the target, are left out. Files are read as the run's were.
    """
    trained = RunFolder.load(run)
    table = trained.read(data, asked(separator, decimal, encoding))
    frame = trained.features.frame_of(table)
    X = trained.features.transform(frame, table.row, trained.decimal_of(table))
    said = answers(trained, X, frame, table.row)
    for note in table.notes:  # beside what is written, which a program may read
        typer.echo(note, err=True)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if trained.target.classifies:
        predictions = trained.target.from_network(said.argmax(axis=1))
        writer.writerow(["prediction", *(f"probability_{label}" for label in trained.target.classes)])
        # as strings: the shortest that give back the same float32, where Python would spell out a float64
        for label, probabilities in zip(predictions, said.astype(str), strict=True):
            writer.writerow([label, *probabilities])
    else:
        predictions = trained.target.from_network(said)
        writer.writerow(["prediction"])
        writer.writerows([repr(value)] for value in predictions)
    if not output:
        typer.echo(text.getvalue(), nl=False)
        return
    write_whole(output, text.getvalue().encode())
    typer.echo(f"{output} holds {len(predictions)} predictions")
