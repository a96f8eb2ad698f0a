"""Files with types: whatever wrote them, the columns are of a few plain types."""

import datetime
import io
import json
import zipfile
from decimal import Decimal

import numpy as np
import openpyxl
import pandas
import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest

from backpass.datasets.readers import read

DAY = datetime.date(2024, 2, 29)
NOON = datetime.datetime(2024, 2, 29, 12)
STR = pandas.StringDtype(na_value=np.nan)
COLUMNS = {  # an Arrow array: the type it is read as, and the values
    "int8": (pyarrow.array([1, -2], pyarrow.int8()), "int64", [1, -2]),
    "missing": (pyarrow.array([1, None], pyarrow.int32()), "Int64", [1, None]),
    "large": (pyarrow.array([2**62 + 1, None]), "Int64", [2**62 + 1, None]),
    "uint64": (pyarrow.array([2**63, 1], pyarrow.uint64()), "float64", [2.0**63, 1]),
    "half": (pyarrow.array(np.array([0.5, 2], np.float16)), "float64", [0.5, 2]),
    "float": (pyarrow.array([0.5, None], pyarrow.float32()), "float64", [0.5, None]),
    "decimal": (pyarrow.array([Decimal("0.1"), None]), "float64", [0.1, None]),
    "bool": (pyarrow.array([True, False]), "bool", [True, False]),
    "maybe": (pyarrow.array([True, None]), "boolean", [True, None]),
    "text": (pyarrow.array([" 007", None]), STR, ["007", None]),
    "empty": (pyarrow.array(["", "x"], pyarrow.large_string()), STR, [None, "x"]),
    "dictionary": (pyarrow.array(["u", None]).dictionary_encode(), STR, ["u", None]),
    "codes": (pyarrow.array([3, 5]).dictionary_encode(), "int64", [3, 5]),
    "date32": (pyarrow.array([DAY, None]), "datetime64[us]", [pandas.Timestamp(DAY), None]),
    "second": (pyarrow.array([NOON, None], pyarrow.timestamp("s")), "datetime64[us]", [pandas.Timestamp(NOON), None]),
    "nano": (pyarrow.array([NOON, None], pyarrow.timestamp("ns")), "datetime64[us]", [pandas.Timestamp(NOON), None]),
    "zone": (
        pyarrow.array([NOON, None], pyarrow.timestamp("ms", "Europe/Berlin")),
        "datetime64[us]",
        [pandas.Timestamp(NOON), None],  # in UTC, as Arrow took it
    ),
    "far": (pyarrow.array([datetime.datetime(2999, 1, 1)]), "datetime64[us]", [pandas.Timestamp("2999-01-01")]),
    "duration": (
        pyarrow.array([datetime.timedelta(hours=30), None]),
        "timedelta64[us]",
        [pandas.Timedelta(hours=30), None],
    ),
    "time": (pyarrow.array([datetime.time(12, 30), None], pyarrow.time32("s")), STR, ["12:30:00", None]),
    "nothing": (pyarrow.nulls(2), "float64", [None, None]),
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("kind", ["parquet", "feather"])
def test_columns_are_plain_whatever_wrote_them(tmp_path, name, kind):
    array, dtype, values = COLUMNS[name]
    path = tmp_path / f"t.{kind}"
    table = pyarrow.table({name: array, "y": pyarrow.array(range(len(array)))})
    {"parquet": pyarrow.parquet.write_table, "feather": pyarrow.feather.write_feather}[kind](table, path)
    column = read(path).frame[name]
    assert column.dtype == dtype
    assert [None if pandas.isna(value) else value for value in column] == values


@pytest.mark.parametrize("backend", ["pyarrow", "numpy_nullable"])
def test_what_pandas_writes_of_its_own_types_is_read(tmp_path, backend):
    frame = pandas.DataFrame({"a": np.arange(4.5), "b": list("uvwxy"), "c": pandas.date_range("2024", periods=5)})
    frame["d"] = frame["b"].astype("category")
    frame.convert_dtypes(dtype_backend=backend).to_parquet(tmp_path / "t.parquet")
    found = read(tmp_path / "t.parquet").frame
    assert found["a"].dtype.kind in "if"
    assert [found[name].tolist() for name in "abd"] == [frame[name].tolist() for name in "abd"]
    assert (found["c"] == frame["c"]).all()


NESTED = {
    "list": pyarrow.array([[1, 2], None]),
    "struct": pyarrow.array([{"u": 1}, None]),
    "bytes": pyarrow.array([b"u", None]),
    "map": pyarrow.array([[("u", 1)], None], pyarrow.map_(pyarrow.string(), pyarrow.int64())),
}


@pytest.mark.parametrize("name", NESTED)
def test_nested_columns_are_refused_by_name(tmp_path, name):
    table = pyarrow.table({"fine": pyarrow.array([1, 2]), name: NESTED[name], "when": pyarrow.array([NOON, NOON])})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(TypeError, match=rf"t\.parquet: {name} holds .* values") as caught:
        read(tmp_path / "t.parquet")
    assert "\n" not in str(caught.value)


def test_a_zone_is_told(tmp_path):
    pandas.DataFrame({"t": pandas.to_datetime(["2024-01-01 12:00+02:00"])}).to_parquet(tmp_path / "t.parquet")
    table = read(tmp_path / "t.parquet")
    assert table.frame["t"][0] == pandas.Timestamp("2024-01-01 10:00")
    assert "UTC" in table.notes[0]


def test_a_parquet_beyond_memory_is_refused_by_its_own_figures(tmp_path, monkeypatch):
    from backpass.datasets import typed

    pandas.DataFrame({"a": np.zeros(1_000_000)}).to_parquet(tmp_path / "t.parquet")
    monkeypatch.setattr(typed, "most_bytes", lambda: 1_000_000)
    with pytest.raises(ValueError, match="too many for this machine's memory"):
        read(tmp_path / "t.parquet")


@pytest.mark.parametrize("kind", ["parquet", "feather", "npz", "xlsx"])
@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"PAR1", b"ARROW1" + bytes(50), b"PK\x03\x04" + bytes(30)])
def test_what_is_no_such_file_is_one_line(tmp_path, kind, content):
    (tmp_path / f"t.{kind}").write_bytes(content)
    with pytest.raises(ValueError, match=rf"t\.{kind} is no") as caught:
        read(tmp_path / f"t.{kind}")
    assert "\n" not in str(caught.value)


def test_jsonl(tmp_path):
    rows = [
        {"n": 1, "x": 1.5, "flag": True, "code": "007", "mixed": 1, "late": None},
        {"n": 2, "x": None, "flag": False, "code": None, "mixed": "?", "more": 3},
    ]
    (tmp_path / "t.jsonl").write_text("\n\n".join(map(json.dumps, rows)) + "\n")
    frame = read(tmp_path / "t.jsonl").frame
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "n": "int64",
        "x": "float64",
        "flag": "bool",
        "code": "str",
        "mixed": "str",
        "late": "float64",
        "more": "Int64",
    }
    assert frame["mixed"].tolist() == ["1", "?"]
    assert frame["more"].isna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"a": 1, "c": [1]}', "c holds a list in row 1"),
        ('{"a": {"b": 1}}', "a holds a nested object in row 1"),
        ("[1]", r"no JSON object in row 1 \(line 3\)"),
        ('{"a": 1', r"no JSON object in row 1 \(line 3\)"),
        ('{"a": 1, "a": 2}', "the key 'a' stands twice"),
        ("[" * 100_000, "no JSON object in row 1"),
        ('{"a": ' + "1" * 5000 + "}", "no JSON object in row 1"),
    ],
)
def test_odd_jsonl_is_refused_by_row(tmp_path, line, message):
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n\n' + line + "\n")
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        read(tmp_path / "t.jsonl")
    assert "\n" not in str(caught.value)


def workbook(path, *rows, others=()):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for name in others:
        book.create_sheet(name).append(["x"])
    book.save(path)


def test_a_workbook(tmp_path):
    workbook(
        tmp_path / "t.xlsx",
        ["Report of 2024"],
        [],
        ["name ", "n", "x", "day", "flag", "mixed"],
        ["u", 1, 1.5, DAY, True, 7],
        ["v", 2, None, DAY, False, "?"],
        others=["notes"],
    )
    table = read(tmp_path / "t.xlsx")
    assert {name: str(dtype) for name, dtype in table.frame.dtypes.items()} == {
        "name": "str",
        "n": "int64",
        "x": "float64",
        "day": "datetime64[us]",
        "flag": "bool",
        "mixed": "str",
    }
    assert table.frame["mixed"].tolist() == ["7", "?"]
    assert "2 sheets" in table.notes[0]
    assert str(table.reading) == "1 line above the header passed over"


def test_units_in_a_workbook(tmp_path):
    workbook(tmp_path / "t.xlsx", ["a", "b"], ["kg", "m"], [1, 2.5], [3, 4.5])
    table = read(tmp_path / "t.xlsx")
    assert table.frame.to_numpy().tolist() == [[1, 2.5], [3, 4.5]]
    assert str(table.reading) == "a line of units left out"


def test_a_cell_far_from_the_others_is_refused(tmp_path):
    """Laid out, this workbook of 5 KB has 17 billion cells; the library ends the process."""
    book = openpyxl.Workbook()
    book.active["A1"] = "a"
    book.active["XFD1048576"] = 3
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(ValueError, match="down to row 1048576 and across 16384 columns"):
        read(tmp_path / "t.xlsx")


def test_an_empty_workbook_is_one_line(tmp_path):
    workbook(tmp_path / "t.xlsx")
    with pytest.raises(ValueError, match="all its sheets are empty"):
        read(tmp_path / "t.xlsx")
    workbook(tmp_path / "t.xlsx", ["a", "b"])
    with pytest.raises(ValueError, match="has no rows"):
        read(tmp_path / "t.xlsx")


def test_a_shape_that_lies_is_one_line(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**13, 2)})
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as archive:
        archive.writestr("X.npy", header.getvalue() + bytes(16))
    with pytest.raises(ValueError, match=r"t\.npz") as caught:
        read(tmp_path / "t.npz")
    assert "\n" not in str(caught.value)


def test_decimals_are_the_nearest_floats(tmp_path):
    """As they would be in a csv; Arrow's own cast is off by a bit in some of these."""
    rng = np.random.default_rng(0)
    values = [Decimal(int(rng.integers(-(10**17), 10**17))).scaleb(-int(rng.integers(0, 17))) for _ in range(500)]
    table = pyarrow.table({"a": pyarrow.array(values, pyarrow.decimal128(38, 18))})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet").frame["a"].tolist() == [float(value) for value in values]
