"""backpass unfold: the terms of one number, from a run folder and a table."""

import json

import numpy as np
import pandas
import pytest

from backpass.audit import unfold
from backpass.cli.evaluate import samples_of
from backpass.cli.run_folder import RunFolder
from backpass.datasets.readers import read
from tests.cli.runs import QUICK

ENTRY = "dense1.dweights[0, 1]"


def test_the_tree_is_that_of_the_library(command):
    command("train", "iris", *QUICK, "--out", "run")
    result = command("unfold", "run", "iris", ENTRY, "--depth", 3, "--most", 4)
    trained = RunFolder.load("run")
    unfolding = unfold(trained.network, *samples_of(trained, read("iris")), ENTRY)
    assert result.out == f"{unfolding.outline(3, 4)}\n"
    assert result.err == ""
    assert f"{150 - 4} more terms" in result.out


def test_json_is_one_object_with_the_same_numbers(command):
    command("train", "iris", *QUICK, "--out", "run")
    described = json.loads(command("unfold", "run", "iris", ENTRY, "--json", "--depth", 2, "--most", 4).out)
    assert described["name"] == ENTRY
    assert described["count"] == 150
    assert len(described["terms"]) == 4
    assert [child["name"] for child in described["children"]] == [
        term["factors"][1]["name"] for term in described["terms"]
    ]


def test_a_regression_over_many_rows_stays_short(command):
    X = np.linspace(0, 1, 10_000)
    pandas.DataFrame({"a": X, "y": 5000 + 1000 * X}).to_csv("t.csv", index=False)
    command("train", "t.csv", "--target", "y", "--epochs", 1, "--out", "run")
    result = command("unfold", "run", "t.csv", "loss")
    assert result.code == 0, result.err
    assert result.out.startswith("loss = ")
    assert len(result.out.split("\n")) < 30
    assert "9992 more terms" in result.out


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("dense1.dweights[99, 0]", "dense1.dweights has shape (4, 64); index 99 is outside axis 0"),
        ("dense9.output[0, 0]", "there is no dense9; there are dense1,"),
        ("dense1.dweights 0 1", "write a name and an index"),
    ],
)
def test_what_is_no_entry_is_refused_in_one_line(command, refused, entry, message):
    command("train", "iris", *QUICK, "--out", "run")
    assert message in refused("unfold", "run", "iris", entry)
