"""What the commands refuse: exit code 2 for wrong usage, else 1 and one line on stderr."""

import os

import numpy as np
import pandas
import pytest

from backpass import Network
from tests.cli.runs import QUICK


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--hidden", "a"),
        ("--hidden", "8,,8"),
        ("--hidden", "8,0"),
        ("--hidden", "-8"),
        ("--hidden", "8.5"),
        ("--activation", "dense"),
        ("--activation", "swoosh"),
        ("--optimizer", "x"),
        ("--task", "x"),
        ("--epochs", "0"),
        ("--epochs", "1.5"),
        ("--batch-size", "0"),
        ("--learning-rate", "0"),
        ("--learning-rate", "-1"),
        ("--learning-rate", "nan"),
        ("--learning-rate", "inf"),
        ("--test-size", "0"),
        ("--test-size", "1"),
        ("--test-size", "-0.1"),
        ("--seed", "-1"),
        ("--seed", str(2**32)),
        ("--threads", "0"),
    ],
)
def test_wrong_usage_ends_with_2(command, tmp_path, option, value):
    result = command("train", "iris", option, value)
    assert result.code == 2
    assert option in result.err
    assert "Traceback" not in result.err
    assert list(tmp_path.iterdir()) == []


def test_a_table_without_target_is_wrong_usage_and_lists_its_columns(command):
    pandas.DataFrame({"a": [1], "b": [2]}).to_csv("t.csv", index=False)
    result = command("train", "t.csv")
    assert result.code == 2
    assert "--target" in result.err
    assert "a, b" in result.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("a,y\n", "has no rows"),
        ("a,y\n1,2\n", "at least two classes"),
        ('a,y\n1,"2\n3,4\n', "a quote that is not closed in row 0"),
        ("a,y\n1,2\n3,4,5,6\n", "4 fields in row 1"),
        ("a,b\n1,2\n", "no column 'y'; it has a, b"),
        ("a,y\n1,\n2,\n3,\n", "y has no value in any row"),
        ("a,y\n1,0.5\n2,inf\n3,1\n", "y holds inf in row 1"),
        ("a,y\n1,0\ninf,1\n3,1\n", "a holds inf in row 1"),
        ("a,y\n1,0\n1e300,1\n3,1\n", "a holds 1e+300 in row 1"),
        ("a,y\n1,u\n2,u\n3,u\n", "y is 'u' in every row"),
        ("y\n0\n1\n1\n", "no column to learn from"),
        ("a,y\n,0\n,1\n,1\n", "no column to learn from"),
        ("a,y\n1,2\n2,2\n3,2\n", "y is 2 in every row"),
    ],
)
def test_tables_that_cannot_be_learnt_from(refused, tmp_path, text, told):
    (tmp_path / "t.csv").write_text(text)
    assert told in refused("train", "t.csv", "--target", "y")
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.parametrize(
    ("target", "told"),
    [(["u", "v", "w"], "y holds 'u' in row 0"), ([2.0, 2.0, 2.0], "y is 2 in every row"), ([1j, 2, 3], "y holds")],
)
def test_targets_that_are_no_numbers_are_no_regression(refused, target, told):
    pandas.DataFrame({"a": [1, 2, 3], "y": target}).to_csv("t.csv", index=False)
    assert told in refused("train", "t.csv", "--target", "y", "--task", "regression")


def test_dates_are_no_target(refused):
    pandas.DataFrame({"a": range(9), "y": pandas.date_range("2020", periods=9)}).to_parquet("t.parquet")
    assert "y holds datetime64" in refused("train", "t.parquet", "--target", "y")


@pytest.mark.parametrize("ending", ["parquet", "npz"])
def test_files_of_noise_are_told(refused, tmp_path, ending):
    (tmp_path / f"t.{ending}").write_bytes(np.random.RandomState(0).bytes(1000))
    assert f"t.{ending} is no .{ending} file, or is cut off" in refused("train", f"t.{ending}", "--target", "y")


@pytest.mark.parametrize("ending", ["parquet", "npz"])
def test_files_that_are_cut_off_are_told(refused, tmp_path, ending):
    path = tmp_path / f"t.{ending}"
    if ending == "npz":
        np.savez(path, X=np.ones((50, 2)), y=np.arange(50))
    else:
        pandas.DataFrame({"a": np.arange(50), "y": 1}).to_parquet(path)
    path.write_bytes(path.read_bytes()[:-100])
    assert f"t.{ending} is no .{ending} file, or is cut off" in refused("train", path.name, "--target", "y")


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"Z": np.ones(3)}, "no array X; it holds Z"),
        ({"X": np.ones(3), "y": np.ones(3)}, "X has shape (3,)"),
        ({"X": np.ones((2, 3, 4)), "y": np.ones(2)}, "X has shape (2, 3, 4)"),
        ({"X": np.ones((3, 0)), "y": np.array([0, 1, 0])}, "at least one column is needed"),
        ({"X": np.ones((0, 2)), "y": np.ones(0)}, "no rows"),
        ({"X": np.array([["a"], ["b"]]), "y": np.ones(2)}, "X holds strings"),
        ({"X": np.ones((2, 1)) * 1j, "y": np.ones(2)}, "X holds complex numbers"),
        ({"X": np.ones((2, 1)), "y": np.ones(3)}, "X has 2 rows and y has 3"),
        ({"X": np.ones((2, 1)), "y": np.ones((2, 2))}, "y has shape (2, 2)"),
        ({"X": np.array([[1.0], [np.inf]]), "y": np.array([0, 1])}, "x0 holds inf in row 1"),
        ({"X": np.ones((3, 1)), "y": np.full(3, np.nan)}, "y has no value in any row"),
        ({"X": np.ones((3, 1))}, "no column 'y'"),
        ({"X": np.array([[{}]]), "y": np.ones(1)}, "Python objects"),
    ],
)
def test_arrays_that_cannot_be_learnt_from(refused, arrays, told):
    np.savez("t.npz", **arrays)
    assert told in refused("train", "t.npz")


def test_paths_that_lead_nowhere_are_told(refused, tmp_path):
    assert "spiral, digits" in refused("train", "digitz")
    (tmp_path / "t.docx").write_text("x")
    assert ".csv" in (told := refused("train", "t.docx"))
    assert ".parquet" in told
    (tmp_path / "t.csv").mkdir()
    assert "is a folder" in refused("train", "t.csv")


def test_a_file_that_may_not_be_read_is_told(refused, tmp_path):
    (tmp_path / "t.csv").write_text("a,y\n1,2\n")
    (tmp_path / "t.csv").chmod(0)
    tmp_path.chmod(0o755)
    user = os.geteuid()
    if user == 0:  # root may read everything, so be somebody else for a moment
        os.seteuid(65534)
    try:
        assert "Permission denied" in refused("train", "t.csv", "--target", "y")
    finally:
        os.seteuid(user)


def test_an_out_that_cannot_be_made_is_told_before_training(refused, tmp_path):
    (tmp_path / "file").write_text("x")
    assert "is a file" in refused("train", "iris", *QUICK, "--out", "file")
    assert "cannot hold a run folder" in refused("train", "iris", *QUICK, "--out", "file/run")
    assert (tmp_path / "file").read_text() == "x"


def test_more_neurons_than_memory_are_told(refused):
    assert "--hidden" in refused("train", "iris", "--hidden", "1000000,100000000")


def test_a_target_that_an_npz_does_not_have_is_wrong_usage(command):
    np.savez("t.npz", X=np.eye(20), y=np.arange(20) % 2)
    result = command("train", "t.npz", "--target", "x0")
    assert result.code == 2
    assert "--target" in result.err
    assert command("train", "t.npz", "--target", "y", *QUICK).code == 0


@pytest.mark.parametrize(
    "y", [[1e308, -1e308] * 10, [5e-324, 0.0] * 10, [1e200, -1e200] * 10], ids=["mean", "nearly-zero", "scale"]
)
def test_targets_that_cannot_be_standardised_are_told(refused, y):
    np.savez("t.npz", X=np.arange(20.0)[:, None], y=y)
    assert "y goes from" in refused("train", "t.npz", "--task", "regression")


def test_a_target_too_far_from_the_others_is_told(command, refused):
    frame = pandas.DataFrame({"a": np.arange(20), "y": np.arange(20) * 0.5e-30})
    frame.to_csv("t.csv", index=False)
    command("train", "t.csv", "--target", "y", *QUICK, "--out", "run")
    frame.assign(y=1e30).to_csv("new.csv", index=False)
    assert "y holds 1e+30" in refused("evaluate", "run", "new.csv")


def test_a_column_that_overflows_when_standardised_is_named(command, refused):
    frame = pandas.DataFrame({"a": np.arange(20), "b": np.arange(20) * 1e-30, "y": ["u", "v"] * 10})
    frame.to_csv("t.csv", index=False)
    command("train", "t.csv", "--target", "y", *QUICK, "--out", "run")
    frame.assign(b=1e30).to_csv("new.csv", index=False)
    assert "b holds values too far" in refused("predict", "run", "new.csv")


@pytest.mark.parametrize(
    ("option", "value"),
    [("--epochs", 10**9), ("--hidden", 10**12), ("--hidden", 10**30), ("--hidden", "8,9" + "0" * 18)],
)
def test_what_asks_for_too_much_memory_is_named(refused, monkeypatch, option, value):
    def full(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr(Network, "fit", full)
    assert f"{option} {value} asks for more memory" in refused("train", "iris", option, value)


def test_epochs_beyond_counting_are_wrong_usage(command):
    result = command("train", "iris", "--epochs", 10**20)
    assert result.code == 2
    assert "--epochs" in result.err


def test_an_interrupt_before_the_command_is_one_line(refused, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("backpass.cli.app.app", interrupted)
    assert refused("train", "iris") == "backpass: interrupted\n"
