"""`backpass show`: what stands in a run is printed as it is."""

import numpy as np
import pandas

from backpass.cli import run_folder
from tests.cli.runs import QUICK


def test_brackets_and_colons_in_names_are_no_markup(command, monkeypatch):
    names = ["[red]a", "b[/red]", "[bold]y :smile:"]
    pandas.DataFrame({name: np.arange(20) % 7 for name in names}).to_csv("data [blue]x.csv", index=False)
    command("train", "data [blue]x.csv", "--target", names[2], *QUICK, "--task", "classification", "--out", "run")
    monkeypatch.setattr(
        "backpass.cli.show.layer_names", lambda layers: [f"[red]{n}[/] :smile:" for n in range(len(layers))]
    )
    shown = command("show", "run")
    assert shown.code == 0, shown.err
    for text in ("data [blue]x.csv", *names, "[red]0[/] :smile:", "[red]5[/] :smile:"):
        assert text in shown.out
    assert run_folder.RunFolder.load("run").record["data"]["features"] == names[:2]
