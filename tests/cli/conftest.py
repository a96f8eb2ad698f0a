"""The command in this process: its exit code, stdout and stderr, in a folder of its own."""

from __future__ import annotations

import sys
from typing import NamedTuple

import numpy as np
import pandas
import pytest

from backpass.cli import main


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def command(tmp_path, monkeypatch, capfd):
    """Call `command("train", "iris", ...)` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")

    def call(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["backpass", *map(str, arguments)])
        capfd.readouterr()
        try:
            main()
            code = 0
        except SystemExit as end:
            code = 0 if end.code is None else int(end.code)
        told = capfd.readouterr()
        err = "".join(line for line in told.err.splitlines(True) if "compiling for this machine" not in line)
        return Result(code, told.out, err)

    return call


@pytest.fixture
def refused(command):
    """Call what has to end with exit code 1 and one line on stderr, which is returned."""

    def call(*arguments: object) -> str:
        result = command(*arguments)
        assert result.code == 1, result
        assert result.err.startswith("backpass: ")
        assert result.err.count("\n") == 1, result.err
        return result.err

    return call


@pytest.fixture
def mixed() -> pandas.DataFrame:
    """60 rows of every kind of column that a table may have; `label` and `amount` can be learnt from them."""
    random = np.random.default_rng(0)
    N = 60
    size = random.normal(size=N)
    colour = random.choice(["red", "green", "blue"], N)
    when = pandas.date_range("2024-01-01", periods=N, freq="13h")
    return pandas.DataFrame(
        {
            "size": np.where(random.random(N) < 0.1, np.nan, size),
            "count": random.integers(0, 9, N),
            "on": random.choice([True, False], N),
            "colour": np.where(random.random(N) < 0.1, None, colour),
            "when": when.strftime("%Y-%m-%d %H:%M"),
            "zoned": when.tz_localize("Europe/Berlin"),
            "took": pandas.to_timedelta(random.integers(1, 999, N), unit="min"),
            "maybe": pandas.array(random.choice([True, None], N), dtype="boolean"),
            "whole": pandas.array(random.choice([1, 2, None], N), dtype="Int64"),
            "kind": pandas.Categorical(random.choice(["a", "b"], N)),
            "comment": [f"remark {index * 7919 % 1000} on {word}" for index, word in enumerate(colour)],
            "same": 3,
            "nothing": np.nan,
            "label": np.where(size > 0, "large, really", "small"),
            "amount": 100 + 10 * size + random.normal(size=N),
        }
    )
