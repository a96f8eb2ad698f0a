"""How the rows are split, and what is learnt from which of them."""

import numpy as np
import pandas
import pytest

from backpass.cli.learning import prepare
from backpass.cli.splitting import split
from backpass.cli.targets import Target
from backpass.datasets.readers import Table, read


def test_columns_and_target_are_standardised_on_the_training_part_alone():
    _, target, parts = prepare(read("diabetes"), "progression", "auto", 0.2, 0)
    train, test = parts["train"], parts["test"]
    assert np.allclose(train.X.mean(axis=0), 0)
    assert np.allclose(train.X.std(axis=0), 1)
    assert not np.allclose(test.X.mean(axis=0), 0, atol=0.01)
    assert target.mean == train.encoded.mean()
    assert target.scale == train.encoded.std()


def test_a_column_without_values_in_the_training_part_is_no_feature():
    frame = pandas.DataFrame({"a": np.arange(40.0), "b": np.nan, "y": np.arange(40) * 0.5})
    _, _, parts = prepare(Table("t", frame), "y", "auto", 0.2, 0)
    frame.loc[parts["test"].frame.index, "b"] = 1.0
    features, _, parts = prepare(Table("t", frame), "y", "auto", 0.2, 0)
    assert features.columns == ["a"]
    assert parts["test"].X.shape[1] == 1


def test_a_missing_value_is_told_to_the_network():
    frame = pandas.DataFrame({"a": [1.0, np.nan] * 20, "y": ["u", "v"] * 20})
    _, _, parts = prepare(Table("t", frame), "y", "auto", 0.2, 0)
    assert parts["train"].X.shape[1] == 2


def test_parts_share_no_row_and_lose_none():
    encoded = np.repeat([0, 1, 2], [50, 30, 20])
    learning, held_out = split(encoded, 20, Target("y", "classification", [0, 1, 2]), 0)
    assert sorted([*learning, *held_out]) == list(range(100))
    assert len(held_out) == 20


def test_every_class_is_in_both_parts_in_its_share():
    encoded = np.repeat([0, 1, 2], [50, 30, 20])
    _, held_out = split(encoded, 20, Target("y", "classification", [0, 1, 2]), 0)
    assert np.bincount(encoded[held_out]).tolist() == [10, 6, 4]


@pytest.mark.parametrize("encoded", [[0, 1], [0, 0, 1], [0, 0, 0, 0, 0, 1], [0, 1, 2, 3]])
def test_too_few_rows_of_a_class_are_split_all_the_same(encoded):
    classes = sorted(set(encoded))
    learning, held_out = split(np.array(encoded), 1, Target("y", "classification", classes), 0)
    assert len(held_out) == 1
    assert len(learning) == len(encoded) - 1


def test_a_share_close_to_all_leaves_a_row_to_learn_from():
    learning, held_out = split(np.zeros(3), 3, Target("y", "regression"), 0)
    assert (len(learning), len(held_out)) == (1, 2)


@pytest.mark.parametrize("rows", [2, 3, 10, 101, 1797])
@pytest.mark.parametrize("classes", [0, 2, 3, 10])
def test_rows_are_split_as_scikit_learn_does(rows, classes):
    from sklearn.model_selection import train_test_split

    for seed in range(3):
        encoded = np.random.default_rng(seed).integers(0, classes, rows) if classes else np.arange(rows) / 7
        held_out = max(1, rows // 5)
        counts = np.unique(encoded, return_counts=True)[1]
        stratified = classes and counts.min() >= 2 and len(counts) <= min(held_out, rows - held_out)
        wanted = train_test_split(
            np.arange(rows), test_size=held_out, random_state=seed, stratify=encoded if stratified else None
        )
        target = Target("y", "classification" if classes else "regression", list(range(classes)))
        for mine, theirs in zip(split(encoded, held_out, target, seed), wanted, strict=True):
            assert np.array_equal(mine, theirs)
