"""Run folders that were changed by somebody: nothing in them is trusted."""

import json
import os
import zipfile
from pathlib import Path

import pandas
import pytest

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


def test_a_preprocessor_of_other_types_is_refused_before_it_is_made(run, refused):
    import skops.io
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    skops.io.dump(make_pipeline(FunctionTransformer(os.mkdir)), run / "preprocessor.skops")
    assert "Untrusted types" in refused("predict", "run", "iris")
    assert refused("evaluate", "run", "iris")


def test_a_preprocessor_that_names_another_class_is_refused(run, refused):
    path = run / "preprocessor.skops"
    with zipfile.ZipFile(path) as file:
        held = {name: file.read(name) for name in file.namelist()}
    schema = held["schema.json"].decode()
    assert '"StandardScaler"' in schema
    held["schema.json"] = (
        schema.replace('"StandardScaler"', '"Popen"').replace("sklearn.preprocessing._data", "subprocess").encode()
    )
    with zipfile.ZipFile(path, "w") as file:
        for name, content in held.items():
            file.writestr(name, content)
    assert "subprocess.Popen" in refused("predict", "run", "iris")


def test_a_preprocessor_that_is_no_pipeline_is_refused(run, refused):
    import skops.io
    from sklearn.preprocessing import StandardScaler

    skops.io.dump(StandardScaler(), run / "preprocessor.skops")
    assert "no Pipeline" in refused("predict", "run", "iris")


@pytest.mark.parametrize("name", ["model.safetensors", "preprocessor.skops", "run.json"])
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


def test_every_kind_of_column_is_stored_with_trusted_types_only(command, mixed):
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
