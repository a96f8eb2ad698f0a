"""What a row becomes depends on its values and on what was learnt, not on other rows or the kind of file."""

import tempfile
from pathlib import Path

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from backpass.cli.columns.column import Column
from backpass.cli.columns.dates import moment
from backpass.cli.columns.kinds import learn
from backpass.cli.columns.numbers import Number
from backpass.cli.features import Features
from backpass.datasets.readers import read

WORDS = [
    "007",
    "7",
    "012",
    "A12",
    "1.0",
    "22",
    "True",
    "TRUE",
    "NA",
    "None",
    "nan",
    "red",
    "red one",
    "2020-01-01",
    "?",
]
DAYS = some.datetimes(pandas.Timestamp("1700-01-01").to_pydatetime(), pandas.Timestamp("2250-01-01").to_pydatetime())
EACH = {
    "floats": some.floats(-(2.0**100), 2.0**100, width=32),
    "whole": some.integers(-(2**53), 2**53),
    "codes": some.integers(0, 3).map(float),
    "truths": some.booleans(),
    "days": DAYS.map(lambda day: pandas.Timestamp(day).normalize()),
    "moments": DAYS.map(pandas.Timestamp),
    "zoned": DAYS.map(lambda day: pandas.Timestamp(day.replace(microsecond=0), tz="UTC").tz_convert("Asia/Kolkata")),
    "spans": some.timedeltas(pandas.Timedelta("-900 days"), pandas.Timedelta("900 days")).map(pandas.Timedelta),
    "words": some.sampled_from(WORDS),
    "texts": some.text("abcxyz 0123.äß", max_size=12),
    "thousands": some.integers(-(10**9), 10**9).map("{:,}".format),
    "money": some.integers(0, 10**6).map("${:,}".format),
    "percents": some.integers(0, 100).map("{} %".format),
    "decimal commas": some.integers(0, 10**6).map(lambda number: f"{number // 100},{number % 100:02}"),
    "day first": DAYS.map(lambda day: f"{day:%d/%m/%Y}"),
    "times": some.times().map(lambda time: f"{time:%H:%M}"),
}


def matrix(features, path, rows):
    """What the rows of a file become."""
    frame = rows.reset_index(drop=True)
    (frame.to_csv if path.suffix == ".csv" else frame.to_parquet)(path, index=False)
    table = read(path, as_before=LEARNT[0])
    return features.transform(features.frame_of(table), table.row)


LEARNT = [None]


@pytest.mark.parametrize("kind", EACH)
@settings(max_examples=12, deadline=None)
@given(data=some.data())
def test_a_row_becomes_the_same_bits_whatever_file_it_stands_in(kind, data):
    values = data.draw(some.lists(EACH[kind] | some.none(), min_size=12, max_size=50))
    frame = pandas.DataFrame({"a": pandas.Series(values, dtype=object).infer_objects(), "b": np.arange(len(values))})
    if frame["a"].isna().all() or (frame["a"].dropna().astype(str).str.strip() == "").all():
        return
    with tempfile.TemporaryDirectory() as folder:
        table_path, csv, parquet = (Path(folder, name) for name in ("t.csv", "n.csv", "n.parquet"))
        frame.to_csv(table_path, index=False)
        table = read(table_path)
        LEARNT[0] = table.reading
        features, whole = Features.of(table.frame, np.arange(len(frame)), 0, table.reading.decimal or ".", table.row)
        assert np.array_equal(matrix(features, csv, frame), whole)
        assert np.array_equal(matrix(features, parquet, frame), whole)
        order = np.array(data.draw(some.permutations(range(len(frame)))))
        assert np.array_equal(matrix(features, csv, frame.iloc[order]), whole[order])
        cut = data.draw(some.integers(1, len(frame) - 1))
        for part in (order[:cut], order[cut:], *order[:2, None]):
            for path in (csv, parquet):
                assert np.array_equal(matrix(features, path, frame.iloc[part]), whole[part]), part


def test_predictions_row_by_row_are_those_of_the_whole_file(command, mixed):
    mixed = mixed.drop(columns=["nothing"])
    mixed.to_csv("t.csv", index=False)
    command("train", "t.csv", "--target", "label", "--epochs", 5, "--out", "run")
    whole = command("predict", "run", "t.csv").out.splitlines()
    mixed.to_parquet("t.parquet")
    assert command("predict", "run", "t.parquet").out.splitlines() == whole
    for rows in ([3], [7], [59], [5, 4, 3], range(20, 37), range(59, -1, -1)):
        for ending in ("csv", "parquet"):
            part = mixed.iloc[list(rows)].reset_index(drop=True)
            getattr(part, f"to_{ending}")(f"part.{ending}", index=False)
            said = command("predict", "run", f"part.{ending}")
            assert said.out.splitlines()[1:] == [whole[1 + row] for row in rows], said.err


def test_text_that_looks_like_a_number_stays_the_text_it_was(command):
    rows = ["007", "012", "A12"] * 40
    Path("t.csv").write_text("code,y\n" + "".join(f"{code},{10 * len(set(code))}\n" for code in rows))
    command("train", "t.csv", "--target", "y", "--epochs", 20, "--out", "run")
    Path("all.csv").write_text("code\n007\n012\nA12\n")
    Path("two.csv").write_text("code\n007\n012\n")
    Path("spreadsheet.csv").write_text("code\n7\n12\n")
    expected = command("predict", "run", "all.csv").out.splitlines()[:3]
    assert command("predict", "run", "two.csv").out.splitlines() == expected
    assert command("predict", "run", "spreadsheet.csv").out.splitlines() == expected


@pytest.mark.parametrize(
    ("values", "kind", "numbers"),
    [
        (["1", "2.5", None], "Number", [1, 2.5, np.nan]),
        (["1,234", "5"], "Number", [1234, 5]),
        (["1.234,5", "2"], "Number", [1234.5, 2]),
        (["$5", "-$1,000.50", "7"], "Number", [5, -1000.5, 7]),
        (["5 EUR", "7EUR"], "Number", [5, 7]),
        (["(5)", "6"], "Number", [-5, 6]),
        (["5%", "12 %"], "Number", [5, 12]),
        (["1", "?", "3"], "Number", [1, np.nan, 3]),
        (["1", "NA", "null", "3"], "Number", [1, np.nan, np.nan, 3]),
        (["True", "FALSE", "nan"], "Boolean", [1, 0, np.nan]),
        (["12:30", "0:01"], "Duration", [45000, 60]),
        (["1 days 02:00:00", "-1 days +23:59:59"], "Duration", [93600, -1]),
        (["5%", "5"], "Category", None),
        (["$5", "€5"], "Category", None),
        (["1", "six"], "Category", None),
        (["1_000", "2"], "Category", None),
        (["low", "None"], "Category", None),
        (["1.2.10", "1.3.11"], "Category", None),
        (["13/04/2020", "04/13/2020"], "Category", None),
        ([f"remark {index}" for index in range(40)], "Text", None),
    ],
)
def test_a_column_is_of_the_kind_that_takes_all_its_values(values, kind, numbers):
    learnt, parsed = learn(Column(pandas.Series(values, name="a", dtype="str")), ".")
    assert type(learnt).__name__ == kind
    if numbers is not None:
        assert np.array_equal(learnt.encode(parsed)[:, 0], numbers, equal_nan=True)


SAME = """2024-03-31 13:45:00, 2024-03-31T13:45, 2024-03-31T13:45:00Z, 2024-03-31 15:45:00.000+02:00,
31 Mar 2024 1:45 PM, March 31 2024 13:45, 20240331T134500, 2024/03/31 13:45,
1711892700, 1711892700000, 31/03/2024 13:45"""
SAME = [text.strip() for text in SAME.split(",")]


@pytest.mark.parametrize("text", SAME)
def test_spellings_of_one_moment_are_one_moment(text):
    assert moment(text, "") == moment(SAME[0], "")


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("no date", ""),
        ("03/04/2020", ""),
        ("31/01/2020", "month first"),
        ("2020-02-30", ""),
        ("43831", ""),
        ("2020", ""),
        ("2020-01-01 25:00", ""),
        ("24-01-31", "day first"),
        ("0000-00-00", ""),
        ("99999999999", ""),
        ("2020-01-01x", ""),
    ],
)
def test_what_is_no_date_or_can_be_two_is_none(text, order):
    assert moment(text, order) is None


@pytest.mark.parametrize("spelt", ["{} 00:00:00", "{}T00:00:00", "{}T00:00:00Z", "{} 00:00:00.000000"])
def test_dates_spelt_otherwise_are_the_same_dates(command, spelt):
    days = pandas.date_range("2020-01-01", periods=60).strftime("%Y-%m-%d")
    frame = pandas.DataFrame({"day": days, "y": np.arange(60) / 10})
    frame.to_csv("t.csv", index=False)
    command("train", "t.csv", "--target", "y", "--epochs", 5, "--out", "run")
    frame.assign(day=[spelt.format(day) for day in days]).to_csv("new.csv", index=False)
    assert command("predict", "run", "new.csv").out == command("predict", "run", "t.csv").out


@pytest.mark.parametrize("value", ["no date", "43831", "31/31/2020", "03/04/2020"])
def test_what_is_no_date_is_named_and_never_missing(command, refused, value):
    frame = pandas.DataFrame({"day": pandas.date_range("2020-01-01", periods=30).astype(str), "y": np.arange(30) / 7})
    frame.to_csv("t.csv", index=False)
    command("train", "t.csv", "--target", "y", "--epochs", 1, "--out", "run")
    frame.loc[4, "day"] = value
    frame.to_csv("new.csv", index=False)
    for name in ("predict", "evaluate"):
        assert f"day holds '{value}' in row 4; a date such as 2024-01-31 is expected" in refused(name, "run", "new.csv")
    assert f"day holds '{value}' in row 4" in refused("unfold", "run", "new.csv", "loss")


def test_which_of_day_and_month_stands_first_is_learnt_from_the_whole_column(command, refused):
    days = pandas.date_range("2020-01-01", periods=40)
    frame = pandas.DataFrame({"day": days.strftime("%d/%m/%Y"), "y": np.arange(40) / 7})
    frame.to_csv("t.csv", index=False)
    command("train", "t.csv", "--target", "y", "--epochs", 1, "--out", "run")
    expected = command("predict", "run", "t.csv").out.splitlines()
    frame.assign(day=days.strftime("%Y-%m-%d")).to_csv("iso.csv", index=False)
    assert command("predict", "run", "iso.csv").out.splitlines() == expected
    frame.iloc[:3].to_csv("few.csv", index=False)  # 01/01, 02/01, 03/01: nothing here tells
    assert command("predict", "run", "few.csv").out.splitlines() == expected[:4]
    frame.assign(day=days.strftime("%m/%d/%Y")).to_csv("other.csv", index=False)
    assert "day holds '01/13/2020' in row 12" in refused("predict", "run", "other.csv")


def test_an_order_that_nothing_tells_is_told_in_a_line(command):
    frame = pandas.DataFrame({"day": ["03/04/2020", "05/06/2020", "07/08/2021"] * 10, "y": np.arange(30) / 7})
    frame.to_csv("t.csv", index=False)
    assert (
        "day: '03/04/2020' is read with the month first"
        in command("train", "t.csv", "--target", "y", "--epochs", 1).out
    )


def test_numbers_are_read_to_the_last_bit():
    values = np.random.default_rng(0).normal(size=1000) * 10.0 ** np.arange(-250, 250).repeat(2)
    values = values[np.abs(values) < 1e38]
    parsed = Number().parse(Column(pandas.Series([repr(float(value)) for value in values], dtype="str")))
    assert np.array_equal(parsed, values)


def test_a_word_that_was_not_seen_is_none_of_those_that_were():
    for seen in (["u", "v"], ["u", "v", "w"]):
        frame = pandas.DataFrame({"a": seen * 10})
        features, _ = Features.of(frame, np.arange(len(frame)), 0)
        known, new = features.transform(frame.iloc[: len(seen)]), features.transform(pandas.DataFrame({"a": ["x"]}))
        assert not (known == new).all(axis=1).any()


def test_rows_that_overflow_in_the_network_are_named_with_their_column(command, refused):
    random = np.random.default_rng(0)
    frame = pandas.DataFrame(random.normal(size=(60, 2)), columns=["a", "b"]).assign(y=random.normal(size=60))
    frame.to_csv("t.csv", index=False)
    for task, run in (("regression", "numbers"), ("classification", "labels")):
        frame.assign(y=frame["y"] if task == "regression" else frame["y"] > 0).to_csv("t.csv", index=False)
        assert command("train", "t.csv", "--target", "y", "--epochs", 1, "--out", run).code == 0
        new = frame.assign(y=frame["y"] if task == "regression" else frame["y"] > 0)
        new.loc[7, "b"] = 3e38
        new.to_csv("new.csv", index=False)
        for name in ("predict", "evaluate"):
            assert "b holds values too far from the training part's: 3e+38 in row 7" in refused(name, run, "new.csv")


def test_rows_without_a_target_are_left_out_with_a_line_that_counts_them(command, refused):
    frame = pandas.DataFrame({"a": np.arange(40.0), "y": np.arange(40) / 7})
    frame.loc[[3, 9], "y"] = np.nan
    frame.to_csv("t.csv", index=False)
    assert "y has no value in row 3 (and 1 more); drop such rows" in refused(
        "train", "t.csv", "--target", "y", "--strict"
    )
    result = command("train", "t.csv", "--target", "y", "--epochs", 1, "--out", "run")
    assert "2 rows without y are left out, the first: row 3\n" in result.out
    result = command("evaluate", "run", "t.csv")
    assert "2 rows without y are left out, the first: row 3\n" in result.out
    assert "38" in result.out
    assert "row 3" in refused("evaluate", "run", "t.csv", "--strict")
    frame.loc[5, "a"] = np.inf
    frame.to_csv("t.csv", index=False)
    assert "a holds inf in row 5;" in refused("evaluate", "run", "t.csv"), "rows are those of the file"


@pytest.mark.parametrize("word", ["None", "NA", "N/A", "n/a", "null", "NULL", "nan", "#N/A"])
def test_labels_that_other_programs_take_for_missing_stay_labels(command, word):
    Path("t.csv").write_text("a,y\n" + "".join(f"{i},{[word, 'low', 'high'][i % 3]}\n" for i in range(60)))
    result = command("train", "t.csv", "--target", "y", "--epochs", 1, "--out", "run")
    assert f"y: {word!r} is a label like others (20 rows); only an empty field holds none\n" in result.out
    assert f"probability_{word}" in command("predict", "run", "t.csv").out
    assert command("evaluate", "run", "t.csv").code == 0


@pytest.mark.parametrize("spelt", ["{:,}", "${}", "{}%", "{} EUR"])
def test_amounts_are_a_regression_with_a_line(command, spelt):
    prices = [spelt.format(number * 1000) for number in range(1, 41)]
    pandas.DataFrame({"a": np.arange(40), "price": prices}).to_csv("t.csv", index=False)
    result = command("train", "t.csv", "--target", "price", "--out", "run")
    assert f"price holds amounts such as {prices[0]!r}; they are read as numbers\nregression of price" in result.out
    predicted = np.array(command("predict", "run", "t.csv").out.split()[1:], float)
    assert np.abs(predicted - 1000 * np.arange(1, 41)).mean() < 1000


def test_a_text_target_with_a_label_a_row_asks_for_the_task(command, refused):
    pandas.DataFrame({"a": np.arange(40), "y": [f"word {i}" for i in range(40)]}).to_csv("t.csv", index=False)
    assert "say --task classification" in refused("train", "t.csv", "--target", "y")
    assert command("train", "t.csv", "--target", "y", "--task", "classification", "--epochs", 1).code == 0


def test_how_text_is_read_can_be_said_and_is_stored(command, refused):
    rows = [f"{i},5;{i % 7};{2 * i},25" for i in range(60)]
    Path("t.csv").write_text("a;b;y\n" + "\n".join(rows) + "\n")
    result = command("train", "t.csv", "--target", "y", "--epochs", 2, "--out", "run")
    assert "t was read with semicolons, decimal commas\n" in result.out
    said = ("--separator", "semicolon", "--decimal", "comma", "--encoding", "utf-8")
    command("train", "t.csv", "--target", "y", "--epochs", 2, "--out", "said", *said)
    whole = command("predict", "run", "t.csv").out
    assert command("predict", "said", "t.csv").out == whole
    Path("one.csv").write_text("a;b;y\n" + rows[5] + "\n")
    assert command("predict", "run", "one.csv").out.splitlines()[1] == whole.splitlines()[6]
    Path("plain.csv").write_text("a,b\n5.5,5\n")
    assert (
        command("predict", "run", "plain.csv", "--separator", ",", "--decimal", ".").out.splitlines()[1]
        == (whole.splitlines()[6])
    )
    assert command("predict", "run", "t.csv", "--decimal", "x").code == 2


def test_several_files_and_standard_input_are_one_table(command, monkeypatch):
    import io
    import sys

    frame = pandas.DataFrame({"a": np.arange(60.0), "y": np.arange(60) / 7})
    frame.to_csv("whole.csv", index=False)
    for part in range(3):
        frame.iloc[20 * part : 20 * part + 20].to_csv(f"part{part}.csv", index=False)
    command("train", "whole.csv", "--target", "y", "--epochs", 2, "--out", "run")
    assert command("train", "part*.csv", "--target", "y", "--epochs", 2, "--out", "parts").code == 0
    whole = command("predict", "run", "whole.csv").out
    assert command("predict", "parts", "part0.csv", "part1.csv", "part2.csv").out == whole
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path("whole.csv").read_bytes())))
    said = command("predict", "run", "-")
    assert said.out == whole, said.err


def test_a_file_name_in_brackets_is_printed_as_it_is(command):
    frame = pandas.DataFrame({"a": np.arange(20.0), "y": np.arange(20) / 7})
    for name in ("data [test].csv", "data [red]x.csv"):
        frame.to_csv(name, index=False)
        command("train", name, "--target", "y", "--epochs", 1, "--out", "run")
        assert name.removesuffix(".csv") in command("evaluate", "run", name).out
