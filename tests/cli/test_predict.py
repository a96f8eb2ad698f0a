"""backpass predict, evaluate and show: a run folder is all they need."""

from pathlib import Path

import numpy as np
import pandas
import pytest

from backpass.cli import targets
from backpass.cli.run_folder import RunFolder
from backpass.cli.targets import Target
from backpass.datasets.readers import read
from tests.cli.runs import QUICK, record_of


def test_probabilities_carry_the_names_of_the_classes(command):
    command("train", "iris", "--out", "run")
    result = command("predict", "run", "iris", "-o", "p.csv")
    assert result.out == "p.csv holds 150 predictions\n"
    predicted = pandas.read_csv("p.csv")
    assert list(predicted) == ["prediction", "probability_setosa", "probability_versicolor", "probability_virginica"]
    assert np.allclose(predicted.iloc[:, 1:].sum(axis=1), 1, atol=1e-5)
    best = predicted.iloc[:, 1:].idxmax(axis=1).str.removeprefix("probability_")
    assert best.tolist() == predicted["prediction"].tolist()


def test_predictions_go_to_stdout_where_no_file_is_named(command):
    command("train", "iris", *QUICK, "--out", "run")
    command("predict", "run", "iris", "-o", "p.csv")
    result = command("predict", "run", "iris")
    assert result.out == Path("p.csv").read_text()
    assert result.err == ""


def test_a_regression_predicts_on_the_scale_of_the_data(command):
    X = np.linspace(0, 1, 200)
    pandas.DataFrame({"a": X, "y": 5000 + 1000 * X}).to_csv("t.csv", index=False)
    command("train", "t.csv", "--target", "y", "--out", "run")
    command("predict", "run", "t.csv", "-o", "p.csv")
    predicted = pandas.read_csv("p.csv")
    assert list(predicted) == ["prediction"]
    assert np.abs(predicted["prediction"] - (5000 + 1000 * X)).max() < 100


def test_predictions_do_not_depend_on_order_and_extra_columns(command, mixed):
    mixed.to_parquet("mixed.parquet")
    command("train", "mixed.parquet", "--target", "label", *QUICK, "--out", "run")
    expected = command("predict", "run", "mixed.parquet").out
    shuffled = mixed.drop(columns=["label", "amount", "nothing"]).assign(amount=1.0, extra="x")
    shuffled[sorted(shuffled)].to_parquet("other.parquet")
    without = command("predict", "run", "other.parquet")
    assert without.code == 0, without.err
    assert without.out.count("\n") == expected.count("\n")


def test_a_missing_target_does_not_matter_to_predict(command):
    frame = pandas.DataFrame({"a": np.arange(20), "y": ["u", "v"] * 10})
    frame.to_csv("t.csv", index=False)
    command("train", "t.csv", "--target", "y", *QUICK, "--out", "run")
    frame.drop(columns="y").to_csv("new.csv", index=False)
    assert command("predict", "run", "new.csv").out == command("predict", "run", "t.csv").out


def test_unseen_categories_and_missing_values_are_predicted(command, mixed):
    mixed.to_csv("mixed.csv", index=False)
    command("train", "mixed.csv", "--target", "label", *QUICK, "--out", "run")
    mixed = mixed.astype({"kind": object, "when": object})
    mixed.loc[0, "colour"] = "ultraviolet"
    mixed.loc[1, "when"] = None
    mixed.loc[2, ["size", "count", "kind", "comment"]] = None
    mixed.to_csv("new.csv", index=False)
    result = command("predict", "run", "new.csv")
    assert result.code == 0, result.err
    assert result.err == ""
    assert "nan" not in result.out
    mixed["colour"] = np.nan
    mixed["comment"] = 7
    mixed.to_csv("new.csv", index=False)
    assert command("predict", "run", "new.csv").code == 0


def test_a_row_is_predicted_alike_whatever_rows_stand_around_it(command):
    values = {"a": np.arange(60), "flag": [True, None, False] * 20, "code": ["A1", "22", "33"] * 20}
    frame = pandas.DataFrame({**values, "y": ["u", "v", "w"] * 20})
    frame.to_csv("t.csv", index=False)
    command("train", "t.csv", "--target", "y", "--out", "run")
    whole = command("predict", "run", "t.csv").out.splitlines()[1:]
    few = frame.iloc[[1, 2, 4, 5]].astype({"code": object})
    few.loc[5, "code"] = None  # now 22 and 33 are numbers beside a missing one
    few.to_csv("few.csv", index=False)
    assert pandas.read_csv("few.csv")["code"].dtype == np.float64
    assert command("predict", "run", "few.csv").out.splitlines()[1:4] == [whole[row] for row in (1, 2, 4)]


def test_missing_feature_columns_are_named(command, refused):
    frame = pandas.DataFrame({"a": np.arange(20), "b": 1, "c": 2, "y": ["u", "v"] * 10})
    frame.to_csv("t.csv", index=False)
    command("train", "t.csv", "--target", "y", *QUICK, "--out", "run")
    frame[["b"]].to_csv("new.csv", index=False)
    assert "no column a, c" in refused("predict", "run", "new.csv")


def test_text_in_a_column_of_numbers_is_named(command, refused):
    frame = pandas.DataFrame({"a": np.arange(20), "y": ["u", "v"] * 10})
    frame.to_csv("t.csv", index=False)
    command("train", "t.csv", "--target", "y", *QUICK, "--out", "run")
    frame["a"] = ["1", "2", "three", "4"] * 5
    frame.to_csv("new.csv", index=False)
    assert "a holds 'three' in row 2" in refused("predict", "run", "new.csv")


def test_arrays_are_matched_by_place(command, refused):
    command("train", "iris", *QUICK, "--out", "run")
    X = np.array([[5.1, 3.5, 1.4, 0.2], [6.0, 2.2, 5.0, 1.5]])
    np.savez("new.npz", X=X)
    assert command("predict", "run", "new.npz").out.count("\n") == 3
    np.savez("new.npz", X=X[:, :3])
    assert "X has 3 columns; 4 are expected" in refused("predict", "run", "new.npz")


def test_evaluate_repeats_the_figures_of_the_run(command):
    from sklearn.datasets import load_iris

    X, y = load_iris(return_X_y=True)
    np.savez("t.npz", X=X, y=y)
    command("train", "t.npz", "--out", "run")
    figures = record_of("run")["figures"]
    result = command("evaluate", "run", "t.npz")
    whole = (figures["train"]["accuracy"] * 120 + figures["test"]["accuracy"] * 30) / 150
    assert f"{whole:.4f}" in result.out
    assert "was trained on" in result.out


def test_evaluate_names_a_label_that_training_did_not_see(command, refused):
    frame = pandas.DataFrame({"a": np.arange(20), "y": ["u", "v"] * 10})
    frame.to_csv("t.csv", index=False)
    command("train", "t.csv", "--target", "y", *QUICK, "--out", "run")
    frame.loc[4, "y"] = "w"
    frame.to_csv("new.csv", index=False)
    assert "y holds 'w' in row 4; the classes are u, v" in refused("evaluate", "run", "new.csv")
    frame.drop(columns="y").to_csv("new.csv", index=False)
    assert "no column 'y'" in refused("evaluate", "run", "new.csv")


def test_show_tells_layers_shapes_parameters_and_figures(command):
    command("train", "iris", "--hidden", "7", "--activation", "tanh", *QUICK, "--out", "run")
    result = command("show", "run")
    assert result.code == 0
    for wanted in ("dense1", "tanh1", "softmax1", "(N, 4)", "(4, 7), (1, 7)", "35", "59", "float32"):
        assert wanted in result.out
    assert f"{record_of('run')['figures']['test']['loss']:.4f}" in result.out
    assert "setosa, versicolor, virginica" in result.out


@pytest.mark.parametrize("run", ["nowhere", "."])
@pytest.mark.parametrize("name", ["predict", "evaluate", "show"])
def test_what_is_no_run_folder_is_told(refused, name, run):
    assert run in refused(name, run, *(["iris"] if name != "show" else []))


def test_output_that_cannot_be_written_is_told(command, refused):
    command("train", "iris", *QUICK, "--out", "run")
    assert "nowhere/p.csv cannot be written" in refused("predict", "run", "iris", "-o", "nowhere/p.csv")


@pytest.mark.parametrize("written", [["007", "012"], ["TRUE", "FALSE"], ["1.10", "2.35"], ["+1", "-1"]])
def test_labels_come_back_as_the_csv_has_them(command, written):
    rows = [f"{index},{written[index % 2]}" for index in range(40)]
    Path("t.csv").write_text("\n".join(["a,y", *rows]) + "\n")
    command("train", "t.csv", "--target", "y", "--task", "classification", *QUICK, "--out", "run")
    head, *lines = command("predict", "run", "t.csv").out.splitlines()
    assert sorted(head.split(",")[1:]) == sorted(f"probability_{label}" for label in written)
    assert {line.split(",")[0] for line in lines} <= set(written)
    assert command("evaluate", "run", "t.csv").code == 0
    Path("part.csv").write_text("\n".join(["a,y", *rows[1::2]]) + "\n")
    assert command("evaluate", "run", "part.csv").code == 0


def test_labels_that_are_numbers_alone_are_found_among_strings(command):
    Path("t.csv").write_text("a,y\n" + "1,a\n2,1\n" * 20)
    command("train", "t.csv", "--target", "y", *QUICK, "--out", "run")
    Path("part.csv").write_text("a,y\n" + "2,1\n" * 20)
    result = command("evaluate", "run", "part.csv")
    assert result.code == 0, result.err


def test_numbers_are_written_in_full(command):
    command("train", "iris", *QUICK, "--out", "run")
    command("train", "diabetes", *QUICK, "--out", "numbers")
    trained = RunFolder.load("run")
    X = trained.features.transform(trained.features.frame_of(read("iris")))
    command("predict", "run", "iris", "-o", "p.csv")
    written = pandas.read_csv("p.csv", dtype={f"probability_{name}": np.float32 for name in trained.target.classes})
    alone = np.concatenate([trained.network.predict_proba(row[None]) for row in X])
    assert np.array_equal(written.iloc[:, 1:].to_numpy(), alone)
    trained = RunFolder.load("numbers")
    X = trained.features.transform(trained.features.frame_of(read("diabetes")))
    lines = command("predict", "numbers", "diabetes").out.splitlines()[1:]
    alone = np.concatenate([trained.network.predict(row[None]) for row in X])
    assert list(map(float, lines)) == trained.target.from_network(alone)


def test_an_npz_is_no_table_with_text(command, refused):
    pandas.DataFrame({"a": np.arange(20), "b": ["p", "q"] * 10, "y": ["u", "v"] * 10}).to_csv("t.csv", index=False)
    command("train", "t.csv", "--target", "y", *QUICK, "--out", "run")
    np.savez("new.npz", X=np.ones((3, 2)))
    assert "holds numbers only; the run needs text or dates: b" in refused("predict", "run", "new.npz")


def test_a_folder_is_no_output(command, refused):
    command("train", "iris", *QUICK, "--out", "run")
    assert refused("predict", "run", "iris", "-o", "/") == "backpass: / is a folder; name a file\n"


def test_labels_of_many_rows_are_encoded_at_once():
    labels = pandas.Series(np.random.default_rng(0).choice(["u", "v", "w"], 200_000))
    target = Target("y", "classification", ["u", "v", "w"])
    called = []
    targets.plain, original = lambda value: called.append(value) or original(value), targets.plain
    try:
        encoded = target.encode(labels)
    finally:
        targets.plain = original
    assert len(called) == 3
    assert [target.classes[index] for index in encoded] == labels.tolist()
