"""Files as people have them are read as they are."""

import pandas
import pytest

from backpass.datasets.readers import Reading, read
from tests.datasets.files_people_have import FILES


@pytest.mark.parametrize("case", FILES)
def test_what_stands_in_a_file_is_what_is_read(tmp_path, case):
    file = FILES[case]
    (tmp_path / file.name).write_bytes(file.content)
    table = read(tmp_path / file.name)
    first = [None if pandas.isna(value) else value for value in table.frame.iloc[0]]
    assert (str(table.reading), list(table.frame), first, len(table.frame)) == (
        file.said,
        file.columns,
        file.first,
        file.rows,
    )
    assert set(table.frame.dtypes) == {pandas.StringDtype(na_value=float("nan"))}


@pytest.mark.parametrize("case", FILES)
def test_each_row_alone_is_read_as_the_file_was(tmp_path, case):
    """What was decided once holds for one row of the same kind."""
    file = FILES[case]
    (tmp_path / file.name).write_bytes(file.content)
    whole = read(tmp_path / file.name)
    reading = Reading.from_dict(whole.reading.to_dict())
    assert read(tmp_path / file.name, as_before=reading).reading == whole.reading


@pytest.mark.parametrize("case", [case for case in FILES if "within" not in case or case == "semicolons within texts"])
def test_each_row_alone_is_read_as_among_the_others(tmp_path, case):
    """What was decided once holds for a file of one row, which alone could be read in several ways."""
    file = FILES[case]
    (tmp_path / file.name).write_bytes(file.content)
    whole = read(tmp_path / file.name)
    encoding = {"utf-8": "utf-8-sig"}.get(str(whole.reading.encoding), str(whole.reading.encoding))
    lines = [line for line in file.content.decode(encoding).splitlines() if line.strip()]
    for row in range(file.rows):
        text = "\n".join([*lines[: -file.rows], lines[row - file.rows]])
        (tmp_path / file.name).write_bytes(text.encode(str(whole.reading.encoding)))
        alone = read(tmp_path / file.name, as_before=whole.reading)
        pandas.testing.assert_frame_equal(alone.frame, whole.frame.iloc[[row]].reset_index(drop=True))
        assert alone.reading == whole.reading


NUMBERS = {
    ("a;b\n1.234,5;2\n", ";"): (",", {"1.234,5": 1234.5, "1,5": 1.5, "-1.234": -1234, "1.5": None, "1,5e-3": 0.0015}),
    ("a,b\n1.5,2\n", ","): (".", {"1.5": 1.5, "1,234": 1234, "1,234.5": 1234.5, "1,5": None, "1.234,5": None, "+5": 5}),
    ('a,b\n"1,5",2\n', ","): (",", {"1,5": 1.5, "1.234": 1234}),
    ('a,b\n"1,234",2\n', ","): (".", {"1,234": 1234, "nan": None, "inf": None, "": None, "1_0": None, "0x1": None}),
    ("a;b\n3;2\n", ";"): (".", {"3": 3, "1,234": None}),  # nothing tells what it would be
    ("a\tb\n1,234\t2\n950\t3\n", "\t"): (".", {"1,234": 1234}),
    ("a;b\n1.234;2\n950;3\n", ";"): (",", {"1.234": 1234}),
    ("a;b\n1.234;2\n5.678;3\n", ";"): (".", {"1.234": 1.234}),
    ("a;b\n1,234;2\n5,678;3\n", ";"): (",", {"1,234": 1.234}),
    ("a;b\n1 234,5;2\n950,25;3\n", ";"): (",", {"1 234,5": 1234.5, "1\u202f234": 1234}),
    ("a;b\n1'234.50;2\n950.25;3\n", ";"): (".", {"1'234.50": 1234.5, "1’234": 1234}),
    ("a;b;c\n€ 5,50;12.30;1\n€ 7,25;13.45;2\n", ";"): (",", {"5,50": 5.5}),
    ("a;b\n01.02.2020;3\n", ";"): (".", {"3": 3}),
    ("a;b\n5,5 %;3\n?;4\n6,5 %;4\n7,5 %;4\n8,5 %;4\n9,5 %;5\n1,25 %;5\n2,5 %;5\n3,5 %;5\n4,5 %;5\n", ";"): (
        ",",
        {"5,5": 5.5},
    ),
}


@pytest.mark.parametrize(("text", "separator"), NUMBERS)
def test_marks_in_numbers(tmp_path, text, separator):
    (tmp_path / "t.csv").write_text(text)
    reading = read(tmp_path / "t.csv").reading
    decimal, numbers = NUMBERS[text, separator]
    assert (reading.separator, reading.decimal) == (separator, decimal)
    found = reading.numbers(pandas.Series(list(numbers), dtype="str"))
    assert [None if pandas.isna(number) else number for number in found] == list(numbers.values())


REFUSED = {
    b"a,b\n1,2,3\n4,5,6\n": "has 3 fields in row 0 (line 2), where its header names 2",
    b"a,b\n1,2\n3,4,5\n": "has 3 fields in row 1 (line 3), where its header names 2",
    b"a,b\nu,v\nw\n": "has 1 field in row 1 (line 3), where its header names 2",
    b'a,b\n"u\nv",1\nw,2,3\n': "has 3 fields in row 1 (line 4), where its header names 2",
    b"text\nhello, you\nbye, me\n": "has 2 fields in row 0 (line 2), where its header names 1",
    b'a,b\n1,2\n3,"u\n5,6\n': "has a quote that is not closed in row 1 (line 3)",
    b'a\n1\n"u\n5\n': "has a quote that is not closed in row 1 (line 3)",
    b'a,b\n1,2\n3,"u"v"\n5,6\n': "has a quote within quotes that is not doubled in row 1 (line 3)",
    b"5.1,3.5,a\n4.9,3,b\n4.7,3.2,a\n": "has no line of names: it begins with 5.1, 3.5, a",
    b"5,0,0,0,9\n4,0,1,0,8\n": "has no line of names: it begins with 5, 0, 0, 0, ...",
    b"a,b;c,d\nu,v;w,x\n": "can be read as 3 columns by commas or 2 columns by semicolons",
    b"a,b\n": "has no rows",
    b"": "is empty",
    b"\xef\xbb\xbf\n": "is empty",
    b"a,b\n1,\x002\n": "is no text: it holds a zero byte in line 2",
    b"a,b,a\n1,2,3\n": "has two columns named 'a'; rename one",
    ("a,b\n" + "é,ü\nñ,ö\nx,y\nà,ç\nô,û\n").encode() + b"\xf6,1\n": "is in utf-8 but for the byte f6 in line 7",
    "город;цена\nМосква;1\nОмск;2\n".encode("cp1251"): "is in neither utf-8 nor a Western encoding",
    "名前,値\n東京,1\n大阪,2\n".encode("shift_jis"): "is in neither utf-8 nor a Western encoding",
    "miasto;cena\nŁódź;1\nWrocław;2\nBiałystok;3\n".encode("cp1250"): "is in neither utf-8 nor a Western encoding",
    b"\xd0\xcf\x11\xe0rest": "is an old Excel workbook",
}


@pytest.mark.parametrize("content", REFUSED)
def test_what_cannot_be_read_for_certain_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"t\.csv") as caught:
        read(tmp_path / "t.csv")
    assert REFUSED[content] in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "cut off" not in str(caught.value)


def test_no_row_is_taken_for_units_where_there_were_none(tmp_path):
    (tmp_path / "old.csv").write_text("code,y\nA,1.5\n7,2.5\nB,3\n")
    (tmp_path / "new.csv").write_text("code\nA\n7\n9\n")
    before = read(tmp_path / "old.csv").reading
    assert read(tmp_path / "new.csv", as_before=before).frame["code"].tolist() == ["A", "7", "9"]
    (tmp_path / "new.csv").write_text("code,z\nA,x\n7,x\n9,y\n")
    assert len(read(tmp_path / "new.csv").frame) == 3


def test_what_is_asked_for_is_obeyed(tmp_path):
    (tmp_path / "t.csv").write_bytes("имя;v,w\nМосква;1,234\n".encode("cp1251"))
    table = read(tmp_path / "t.csv", Reading(separator="semicolon", decimal="comma", encoding="cp1251"))
    assert list(table.frame) == ["имя", "v,w"]
    assert str(table.reading) == "semicolons, decimal commas, cp1251"
    assert read(tmp_path / "t.csv", as_before=table.reading).reading == table.reading
    (tmp_path / "t.csv").write_bytes("имя;v,w\nМосква;1,234\n".encode())
    with pytest.raises(ValueError, match=r"t\.csv is not in ascii: line 1 holds .*; --encoding"):
        read(tmp_path / "t.csv", Reading(encoding="ascii"))


def test_a_file_of_another_dialect_is_read_anew_and_that_is_said(tmp_path):
    (tmp_path / "old.csv").write_text("a;b\n1.234,5;x\n2;z\n")
    (tmp_path / "new.csv").write_text("a,b\n1.234,x\n2,z\n")
    before = read(tmp_path / "old.csv").reading
    table = read(tmp_path / "new.csv", as_before=before)
    assert table.reading.numbers(table.frame["a"]).tolist() == [1.234, 2]
    assert "not written as before" in table.notes[-1]


@pytest.mark.parametrize(
    "held",
    [
        [],
        {"separator": 5},
        {"separator": "x"},
        {"decimal": ";"},
        {"encoding": "hex"},
        {"encoding": "no such"},
        {"preamble": True},
        {"other": 1},
        {"thousands": "x"},
    ],
)
def test_odd_readings_are_refused(held):
    with pytest.raises((ValueError, TypeError)) as caught:
        Reading.from_dict(held)
    assert "\n" not in str(caught.value)
