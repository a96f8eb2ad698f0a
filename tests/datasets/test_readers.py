"""Tables from files."""

from decimal import Decimal

import numpy as np
import pandas
import pytest

from backpass.datasets.readers import read


def test_a_csv_keeps_its_columns(tmp_path):
    (tmp_path / "t.csv").write_text("\ufeffa, b,c\n1, x,\n2, y,3.5\n", encoding="utf-8")
    table = read(tmp_path / "t.csv")
    assert table.name == "t"
    assert list(table.frame) == ["a", "b", "c"]
    assert table.frame["b"].tolist() == ["x", "y"]
    assert table.frame["c"].isna().tolist() == [True, False]


def test_endings_may_be_in_capitals(tmp_path):
    (tmp_path / "T.CSV").write_text("a\n1\n")
    assert len(read(tmp_path / "T.CSV").frame) == 1


def test_a_parquet_with_numbers_for_names_and_an_index_is_read(tmp_path):
    pandas.DataFrame({0: [1, 2], 1: [3, 4]}, index=[7, 9]).to_parquet(tmp_path / "t.parquet")
    table = read(tmp_path / "t.parquet")
    assert list(table.frame) == ["0", "1"]
    assert table.frame.index.tolist() == [0, 1]


def test_decimals_are_numbers(tmp_path):
    pandas.DataFrame({"a": [Decimal("1.5"), None, Decimal("2")], "b": ["u", "v", None]}).to_parquet(
        tmp_path / "t.parquet"
    )
    frame = read(tmp_path / "t.parquet").frame
    assert frame["a"].dtype == np.float64
    assert frame["b"].tolist()[:2] == ["u", "v"]


def test_an_npz_is_read_whatever_its_bytes_look_like(tmp_path):
    X = np.arange(6).reshape(2, 3)
    np.savez(tmp_path / "t.npz", X=np.asfortranarray(X.astype(">i2")), y=np.array(["u", "v"]))
    table = read(tmp_path / "t.npz")
    assert table.frame[["x0", "x1", "x2"]].to_numpy().tolist() == X.tolist()
    assert (table.target, table.frame["y"].tolist(), table.named) == ("y", ["u", "v"], False)


def test_a_column_named_twice_is_refused(tmp_path):
    import pyarrow
    import pyarrow.parquet

    array = pyarrow.array([1, 2])
    pyarrow.parquet.write_table(pyarrow.Table.from_arrays([array, array], names=["a", "a"]), tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=r"t\.parquet"):
        read(tmp_path / "t.parquet")


def test_a_file_named_like_a_built_in_does_not_hide_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "iris").write_text("mine")
    assert len(read("iris").frame) == 150


@pytest.mark.parametrize("text", ["a,b\n1,2,3\n4,5,6\n", "a,b\n1,2\n3,4,5\n"])
def test_rows_with_more_fields_than_the_header_are_refused(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=r"t\.csv") as caught:
        read(tmp_path / "t.csv")
    assert "\n" not in str(caught.value)


def test_commas_at_the_end_of_rows_are_no_fields(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,02,\n3,04,\n")
    table = read(tmp_path / "t.csv")
    assert table.frame.to_numpy().tolist() == [["1", "02"], ["3", "04"]]


def test_a_csv_column_named_twice_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("a,b, a\n1,2,3\n")
    with pytest.raises(ValueError, match=r"t\.csv has two columns named 'a'; rename one"):
        read(tmp_path / "t.csv")


@pytest.mark.parametrize("index", [[0, 1, 2], [17, 3, 250], [3, 2, 1], ["Fiat 128", "Mazda RX4", "Volvo"]])
def test_an_index_without_a_name_is_left_out(tmp_path, index):
    pandas.DataFrame({"a": [5, 6, 5]}, index=index).to_csv(tmp_path / "t.csv")
    table = read(tmp_path / "t.csv")
    assert list(table.frame) == ["a"]
    assert "no name" in table.notes[0]
    pandas.read_csv(tmp_path / "t.csv").to_csv(tmp_path / "again.csv", index=False)  # pandas names it "Unnamed: 0"
    assert list(read(tmp_path / "again.csv").frame) == ["a"]
    one = (tmp_path / "t.csv").read_text().splitlines()[:2]
    (tmp_path / "one.csv").write_text("\n".join(one))
    assert list(read(tmp_path / "one.csv", as_before=table.reading).frame) == ["a"]


@pytest.mark.parametrize("column", [[1, 1, 2], [0.5, 1.5, 2], ["u", "v", "u"]])
def test_another_column_without_a_name_stays(tmp_path, column):
    pandas.DataFrame({"a": [5, 6, 5]}, index=column).to_csv(tmp_path / "t.csv")
    table = read(tmp_path / "t.csv")
    assert list(table.frame) == ["Unnamed: 0", "a"]
    assert "Unnamed: 0" in table.notes[0]
    lines = (tmp_path / "t.csv").read_text().splitlines()
    (tmp_path / "one.csv").write_text("\n".join(lines[:2]))
    assert list(read(tmp_path / "one.csv", as_before=table.reading).frame) == ["Unnamed: 0", "a"]


def test_an_index_with_a_name_is_a_column_in_every_file(tmp_path):
    frame = pandas.DataFrame({"a": [5, 6]}, index=pandas.Index([7, 9], name="key"))
    frame.to_csv(tmp_path / "t.csv")
    frame.to_parquet(tmp_path / "t.parquet")
    assert set(read(tmp_path / "t.csv").frame) == set(read(tmp_path / "t.parquet").frame) == {"a", "key"}
