"""backpass train: what it learns, what it leaves behind."""

import importlib
import warnings
from pathlib import Path

import numpy as np
import pandas
import pytest

from backpass import Dense, Embedding, Network
from backpass.cli import pictures
from backpass.datasets.readers import read
from backpass.layers.layer import LAYERS
from tests.cli.runs import QUICK, record_of

train_command = importlib.import_module("backpass.cli.train")


@pytest.mark.parametrize(
    ("data", "figure", "least"),
    [
        ("spiral", "accuracy", 0.85),
        ("digits", "accuracy", 0.95),
        ("iris", "accuracy", 0.9),
        ("wine", "accuracy", 0.95),
        ("breast-cancer", "accuracy", 0.9),
        ("diabetes", "r2", 0.25),
    ],
)
def test_defaults_do_well_on_built_in_data(command, data, figure, least):
    result = command("train", data)
    assert result.code == 0, result.err
    assert f"runs/{data}-1" in result.out
    assert result.err == ""
    figures = record_of(f"runs/{data}-1")["figures"]
    assert figures["test"][figure] >= least
    assert f"{figures['test'][figure]:.4f}" in result.out


def test_a_run_folder_holds_what_was_promised(command, tmp_path):
    command("train", "spiral", "--epochs", 3, "--out", "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "model.safetensors", "preprocessor.safetensors", "history.csv", "curves.png", "regions.png", "run.json",
    }  # fmt: skip
    record = record_of("run")
    assert list(record) == ["data", "options", "versions", "figures"]
    assert {"loss", "accuracy"} <= set(record["figures"]["train"]) & set(record["figures"]["test"])
    assert record["options"]["hidden"] == [64, 64]
    history = pandas.read_csv("run/history.csv")
    assert history["epoch"].tolist() == [1, 2, 3]
    assert list(history) == ["epoch", "loss", "validation_loss", "validation_accuracy"]
    for picture in ("curves.png", "regions.png"):
        assert (tmp_path / "run" / picture).read_bytes().startswith(b"\x89PNG")
    assert Network.load("run/model.safetensors").widths == [2, 64, 64, 64, 64, 3, 3]


def test_regions_are_drawn_only_for_two_numeric_features(command, tmp_path):
    command("train", "iris", *QUICK, "--out", "run")
    assert not (tmp_path / "run/regions.png").exists()
    pandas.DataFrame({"a": [1, 2, 3, None] * 5, "b": [1.5, 2, 3, 4] * 5, "y": np.arange(20) * 0.5}).to_csv("t.csv")
    frame = pandas.read_csv("t.csv")[["a", "b", "y"]]
    frame.to_csv("t.csv", index=False)
    assert command("train", "t.csv", "--target", "y", *QUICK, "--out", "two").code == 0
    assert (tmp_path / "two/regions.png").exists()
    frame.assign(b="u").to_csv("t.csv", index=False)
    assert command("train", "t.csv", "--target", "y", *QUICK, "--out", "two").code == 0
    assert not (tmp_path / "two/regions.png").exists(), "a picture of the run that was here before"


def test_the_same_seed_gives_the_same_bits(command, tmp_path, mixed):
    mixed.to_parquet("mixed.parquet")
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        assert command("train", "mixed.parquet", "--target", "label", *QUICK, "--seed", seed, "--out", name).code == 0
    a, b, c = ((tmp_path / name / "model.safetensors").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_one_thread_or_two_give_the_same_bits(command, tmp_path):
    for threads in (1, 2):
        command("train", "digits", "--epochs", 2, "--batch-size", 300, "--threads", threads, "--out", threads)
    assert (tmp_path / "1/model.safetensors").read_bytes() == (tmp_path / "2/model.safetensors").read_bytes()


def test_the_kept_weights_are_those_of_the_best_epoch(command):
    command("train", "diabetes", "--epochs", 60, "--out", "run")
    history = pandas.read_csv("run/history.csv")
    assert record_of("run")["figures"]["kept_epoch"] == history["epoch"][history["validation_loss"].argmin()]
    assert history["validation_loss"].argmin() < 50, "this data set is overfitted soon"


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(("target", "figure"), [("label", "accuracy"), ("amount", "r2")])
def test_mixed_columns_are_learnt_from(command, mixed, ending, target, figure):
    getattr(mixed, f"to_{ending}")(f"mixed.{ending}", index=False)
    result = command("train", f"mixed.{ending}", "--target", target, "--out", "run")
    assert result.code == 0, result.err
    record = record_of("run")
    assert record["figures"]["train"][figure] > 0.6
    assert "nothing" not in record["data"]["features"], "it held no value"
    assert command("evaluate", "run", f"mixed.{ending}").code == 0


@pytest.mark.parametrize(
    "column", ["size", "on", "colour", "when", "zoned", "took", "maybe", "whole", "kind", "comment", "same"]
)
def test_a_single_feature_of_any_kind_goes_through_the_run_folder(command, mixed, column):
    mixed[[column, "label"]].to_parquet("one.parquet")
    assert command("train", "one.parquet", "--target", "label", *QUICK, "--out", "run").code == 0
    result = command("predict", "run", "one.parquet")
    assert result.code == 0, result.err
    assert result.out.count("\n") == len(mixed) + 1


@pytest.mark.parametrize(
    "labels",
    [["no", "yes"], [False, True], [3, 7], [0.5, 1.5], [1.0, 2.0], ["a", 1]],
    ids=["strings", "booleans", "from-3", "floats", "whole-floats", "mixed"],
)
def test_labels_keep_their_names(command, labels):
    frame = pandas.DataFrame({"a": np.arange(40), "y": [labels[0]] * 20 + [labels[1]] * 20})
    frame.to_csv("t.csv", index=False)
    result = command("train", "t.csv", "--target", "y", "--task", "classification", "--out", "run")
    assert result.code == 0, result.err
    command("predict", "run", "t.csv", "-o", "p.csv")
    predicted = pandas.read_csv("p.csv")
    names = sorted(map(str, labels))
    assert sorted(predicted.columns[1:]) == [f"probability_{name}" for name in names]
    right = predicted["prediction"].astype(str) == pandas.read_csv("t.csv")["y"].astype(str)
    assert right.mean() > 0.9


@pytest.mark.parametrize(
    ("values", "task"),
    [
        ([0, 1] * 10, "classification"),
        ([1.0, 2.0] * 10, "classification"),
        (["a", "b"] * 10, "classification"),
        ([True, False] * 10, "classification"),
        (list(range(20)), "regression"),
        ([0.5, 1.5] * 10, "regression"),
    ],
)
def test_the_task_is_read_off_the_target(command, values, task):
    pandas.DataFrame({"a": np.arange(20), "y": values}).to_csv("t.csv", index=False)
    command("train", "t.csv", "--target", "y", *QUICK, "--out", "run")
    assert record_of("run")["data"]["target"]["task"] == task


def test_the_task_can_be_said(command):
    command("train", "digits", "--task", "regression", *QUICK, "--out", "run")
    assert "r2" in record_of("run")["figures"]["test"]


@pytest.mark.parametrize(
    "layer",
    [
        name
        for name, part in LAYERS.items()
        if part.suits is not None and not part.distribution and not issubclass(part, Dense | Embedding)
        if part.__module__.startswith("backpass.")
    ],
)
def test_every_layer_that_works_on_each_number_alone_is_an_activation(command, layer):
    assert command("train", "iris", "--activation", layer.lower(), "--hidden", 5, *QUICK, "--out", "run").code == 0
    assert type(Network.load("run/model.safetensors").layers[1]).__name__ == layer


def test_options_reach_the_network(command):
    command(
        "train",
        "wine",
        "--hidden",
        "",
        "--optimizer",
        "sgd",
        "--learning-rate",
        0.5,
        "--test-size",
        0.5,
        *QUICK,
        "--out",
        "run",
    )
    assert [type(layer).__name__ for layer in Network.load("run/model.safetensors").layers] == ["Dense", "Softmax"]
    record = record_of("run")
    assert record["options"]["learning_rate"] == 0.5
    assert record["figures"]["test"]["rows"] == 89


def test_npz_arrays_are_trained_on(command):
    X = np.random.default_rng(0).normal(size=(80, 3))
    np.savez("t.npz", X=np.asfortranarray(X.astype(">f4")), y=X[:, :1] * 2 + 5)
    assert command("train", "t.npz", "--out", "run").code == 0
    assert record_of("run")["figures"]["test"]["r2"] > 0.9


def test_new_runs_get_new_folders(command, tmp_path):
    for _ in range(3):
        command("train", "iris", *QUICK)
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["iris-1", "iris-2", "iris-3"]


def test_a_run_folder_is_written_anew_and_keeps_what_else_is_in_it(command, tmp_path):
    command("train", "spiral", *QUICK, "--out", "run")
    (tmp_path / "run/notes.txt").write_text("mine")
    assert command("train", "iris", *QUICK, "--out", "run").code == 0
    assert (tmp_path / "run/notes.txt").read_text() == "mine"
    assert record_of("run")["data"]["source"] == "iris"
    assert not (tmp_path / "run/regions.png").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["run"], "nothing unfinished is left"


def test_a_folder_that_is_no_run_is_not_touched(refused, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/model.safetensors").write_text("precious")
    assert "mine is not empty" in refused("train", "iris", *QUICK, "--out", "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["model.safetensors"]
    assert (tmp_path / "mine/model.safetensors").read_text() == "precious"


def test_a_failed_training_leaves_nothing(refused, tmp_path):
    message = refused("train", "iris", "--optimizer", "sgd", "--learning-rate", 1e30, "--out", "run")
    assert "step" in message
    assert list(tmp_path.iterdir()) == []


def test_a_line_says_what_was_inferred(command, mixed):
    mixed.to_parquet("mixed.parquet")
    result = command("train", "mixed.parquet", "--target", "label", *QUICK)
    record = record_of("runs/mixed-1")["data"]
    kinds = [kind["kind"] for kind in record["kinds"]]
    assert len(kinds) == len(record["features"])
    assert (
        "classification of label, 2 classes; columns: 5 as numbers, 2 as yes or no, 2 as dates, 1 as durations, "
        "2 as categories, 1 as text\n"
    ) in result.out
    assert "regression of progression; columns: 10 as numbers" in command("train", "diabetes", *QUICK).out


def test_an_index_that_pandas_wrote_is_no_feature(command):
    pandas.DataFrame({"a": np.arange(20) % 7, "y": ["u", "v"] * 10}).to_csv("t.csv")
    result = command("train", "t.csv", "--target", "y", *QUICK, "--out", "run")
    assert "has no name and counts or names the rows; it is left out\n" in result.out
    assert record_of("run")["data"]["features"] == ["a"]


NAMES = ["$x", "a$b$c", r"$\frac{$", "温度", "_under", "a\nb", "^"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_pictures_are_drawn_whatever_the_names_are(command, name, task):
    y = [1.5, 2.5] * 10 if task == "regression" else [name, "other"] * 10
    pandas.DataFrame({name: np.arange(20), "b": 1.0 * np.arange(20) ** 2, name + "y": y}).to_parquet("t.parquet")
    result = command("train", "t.parquet", "--target", name + "y", *QUICK, "--out", "run")
    assert (result.code, result.err) == (0, "")
    assert {path.name for path in Path("run").glob("*.png")} == {"curves.png", "regions.png"}


def test_a_picture_that_fails_does_not_lose_the_training(command, monkeypatch):
    def failing(*arguments):
        raise RuntimeError("no\nfont")

    monkeypatch.setattr(pictures, "Picture", failing)
    result = command("train", "spiral", *QUICK, "--out", "run")
    assert result.code == 0
    assert result.err == "backpass: curves.png is not drawn: no font\nbackpass: regions.png is not drawn: no font\n"
    assert record_of("run")["figures"]


@pytest.mark.parametrize("record", ["", "{}", '{"data": 1}', "[" * 100000])
def test_a_folder_with_another_run_json_is_not_ours(refused, tmp_path, record):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/run.json").write_text(record)
    assert "mine is not empty and no run folder" in refused("train", "iris", *QUICK, "--out", "mine")
    assert (tmp_path / "mine/run.json").read_text() == record


def test_a_folder_where_a_file_is_to_be_is_told_before_training(command, refused, monkeypatch):
    command("train", "iris", *QUICK, "--out", "run")
    Path("run/model.safetensors").unlink()
    Path("run/model.safetensors").mkdir()
    monkeypatch.setattr(train_command, "learn", None)
    assert "run/model.safetensors is a folder" in refused("train", "iris", *QUICK, "--out", "run")
    assert record_of("run")["data"]["source"] == "iris"


def test_a_failed_run_leaves_no_folders_on_the_way(refused, tmp_path):
    refused("train", "iris", "--optimizer", "sgd", "--learning-rate", 1e30, "--out", "a/b/run")
    refused("train", "iris", "--optimizer", "sgd", "--learning-rate", 1e30)
    assert list(tmp_path.iterdir()) == []


def test_a_library_that_warns_is_not_heard(command, monkeypatch):
    def warning(*arguments):
        warnings.warn("mind the gap", stacklevel=1)
        return read(*arguments)

    monkeypatch.setattr(train_command, "read", warning)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        assert command("train", "iris", *QUICK).code == 0
    assert heard == []
