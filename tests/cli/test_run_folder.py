"""Run folders that were changed by somebody: nothing in them is trusted."""

import json
import os
from pathlib import Path

import numpy as np
import pandas
import pytest
import safetensors
import safetensors.numpy

from backpass.cli.run_folder import NewRunFolder
from tests.cli.runs import QUICK


@pytest.fixture(scope="module")
def trained():
    """A run folder's files, made once."""
    return {}


@pytest.fixture
def run(command, trained):
    if not trained:
        command("train", "iris", *QUICK, "--out", "run")
        trained |= {path.name: path.read_bytes() for path in Path("run").iterdir()}
    Path("run").mkdir(exist_ok=True)
    for name, content in trained.items():
        (Path("run") / name).write_bytes(content)
    return Path("run")


def changed(path, **arrays):
    """Write a preprocessor anew with other arrays; None takes one out."""
    held = safetensors.numpy.load_file(path) | arrays
    safetensors.numpy.save_file({name: array for name, array in held.items() if array is not None}, path)


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"mean": None}, "filling, indicated, mean, scale are expected"),
        ({"more": np.ones(3)}, "it holds filling, indicated, mean, more, scale"),
        ({"mean": np.ones(3)}, "mean has shape (3,); (4,) is expected"),
        ({"mean": np.ones((4, 1))}, "mean has shape (4, 1)"),
        ({"mean": np.full(4, np.nan)}, "not finite"),
        ({"scale": np.array([1.0, 0, 1, 1])}, "scale holds numbers that are not above 0"),
        ({"scale": np.ones(4, np.int64)}, "scale holds int64"),
        ({"indicated": np.array([9]), "mean": np.ones(5), "scale": np.ones(5)}, "columns that there are not"),
        ({"indicated": np.array([[1]]), "mean": np.ones(5), "scale": np.ones(5)}, "indicated has shape (1, 1)"),
        ({"indicated": np.array([0]), "mean": np.ones(5), "scale": np.ones(5)}, "takes 4 inputs"),
    ],
)
def test_a_preprocessor_that_was_changed_is_refused(run, refused, arrays, told):
    changed(run / "preprocessor.safetensors", **arrays)
    assert told in refused("predict", "run", "iris")
    assert refused("evaluate", "run", "iris")


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"0.grams": np.frombuffer(b"[1]", np.uint8)}, "grams is [1]"),
        ({"0.grams": np.frombuffer(b'["a","a"]', np.uint8)}, "grams is ['a', 'a']"),
        ({"0.grams": np.frombuffer(b"[" * 100_000, np.uint8)}, "is refused"),
        ({"0.grams": np.frombuffer(b"\xff", np.uint8)}, "is refused"),
        ({"0.rarity": np.ones(3, np.float32)}, "rarity (3,)"),
        ({"0.directions": np.ones((30, 3), np.float32)}, "directions (30, 3)"),
        ({"0.directions": None}, "0.directions"),
    ],
)
def test_a_text_columns_state_that_was_changed_is_refused(command, refused, arrays, told):
    frame = pandas.DataFrame({"a": [f"word {i}" for i in range(60)], "y": [1.5, 2.5, 4] * 20})
    frame.to_csv("t.csv", index=False)
    command("train", "t.csv", "--target", "y", *QUICK, "--out", "run")
    changed(Path("run/preprocessor.safetensors"), **arrays)
    assert told in refused("predict", "run", "t.csv")


def test_a_run_of_an_older_backpass_is_told_to_train_again(run, refused):
    record = json.loads((run / "run.json").read_text())
    record["data"]["numbers"] = record["data"].pop("kinds") and record["data"]["features"]
    (run / "run.json").write_text(json.dumps(record))
    for command in ("predict", "evaluate"):
        assert "older backpass" in (told := refused(command, "run", "iris"))
        assert "train again" in told


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused_by_name(run, refused, value):
    tensors = safetensors.numpy.load_file(run / "model.safetensors")
    with safetensors.safe_open(run / "model.safetensors", "np") as file:
        metadata = file.metadata()
    tensors["dense2.weights"][1, 2] = value
    safetensors.numpy.save_file(tensors, run / "model.safetensors", metadata)
    for arguments in (("predict", "run", "iris"), ("evaluate", "run", "iris"), ("show", "run")):
        assert "dense2" in refused(*arguments)


@pytest.mark.parametrize("name", ["model.safetensors", "preprocessor.safetensors", "run.json"])
@pytest.mark.parametrize("damage", ["cut", "empty", "missing", "noise"])
def test_damaged_files_are_told_in_one_line(run, refused, name, damage):
    content = (run / name).read_bytes()
    if damage == "missing":
        (run / name).unlink()
    else:
        (run / name).write_bytes({"cut": content[: len(content) // 2], "empty": b"", "noise": os.urandom(500)}[damage])
    assert "run" in refused("predict", "run", "iris")


@pytest.mark.parametrize("record", [[], {}, {"data": {}}, {"data": {"features": 3}}, None, {"data": None}])
def test_a_run_json_of_another_shape_is_told(run, refused, record):
    (run / "run.json").write_text(json.dumps(record))
    assert "run.json" in refused("show", "run")


def test_a_model_of_another_run_is_told(run, command, refused):
    command("train", "digits", *QUICK, "--out", "other")
    (run / "model.safetensors").write_bytes(Path("other/model.safetensors").read_bytes())
    assert "does not fit" in refused("predict", "run", "iris")


def test_every_kind_of_column_is_stored(command, mixed):
    mixed.to_parquet("mixed.parquet")
    result = command("train", "mixed.parquet", "--target", "amount", *QUICK, "--out", "run")
    assert result.code == 0, result.err


def test_an_unfinished_folder_is_removed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with NewRunFolder(None, "x") as folder:
        (folder / "model.safetensors").write_text("half")
    assert list(tmp_path.iterdir()) == [], "the folders on the way neither"


def test_two_runs_that_end_at_once_get_a_folder_each(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        folder = NewRunFolder(None, "x")
        monkeypatch.setattr(os, "getpid", lambda name=name: name)
        with folder:
            (folder / "run.json").write_text(name)
            folder.finish()
    assert {path.read_text() for path in tmp_path.glob("runs/x-*/run.json")} == {"a", "b"}


def test_csv_and_parquet_of_one_table_give_runs_that_take_each_others_data(command):
    frame = pandas.DataFrame({"a": range(30), "b": ["u", "v", "w"] * 10, "y": [1.5, 2.5, 3.5] * 10})
    frame.to_csv("t.csv", index=False)
    frame.to_parquet("t.parquet")
    command("train", "t.csv", "--target", "y", *QUICK, "--out", "run")
    assert command("predict", "run", "t.csv").out == command("predict", "run", "t.parquet").out


def keys_of(record, path=()):
    """Every key of a run.json but those of options and versions, which are only shown."""
    for key, value in record.items():
        yield (*path, key)
        if isinstance(value, dict) and key not in ("options", "versions"):
            yield from keys_of(value, (*path, key))


ODD = [None, -1, "x", [], [[]], {}, [1], ["a", "a"], {"a": {}}, float("nan"), True, 10**400]


def test_whatever_stands_in_run_json_is_told_in_one_line(run, command):
    whole = (run / "run.json").read_text()
    for keys in keys_of(json.loads(whole)):
        for odd in ["missing", *ODD]:
            record = json.loads(whole)
            holder = record
            for key in keys[:-1]:
                holder = holder[key]
            if odd == "missing":
                del holder[keys[-1]]
            else:
                holder[keys[-1]] = odd
            (run / "run.json").write_text(json.dumps(record))
            for arguments in (("show", "run"), ("evaluate", "run", "iris")):
                result = command(*arguments)  # an exception that main lets through fails the test
                assert result.code in (0, 1), (keys, odd, result)
                assert result.code == (result.err.count("\n") == 1), (keys, odd, result)
                if odd == "missing" and keys[-1] not in ("classes", "mean", "scale"):
                    assert result.code == 1, keys


def test_a_run_json_nested_too_deeply_is_told(run, refused):
    (run / "run.json").write_text('{"data":' * 100_000)
    assert "run.json" in refused("show", "run")
    (run / "run.json").write_text("[" * 100_000)
    assert "run.json" in refused("predict", "run", "iris")
