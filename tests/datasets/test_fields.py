"""Any table of texts that csv.writer writes is read back as it was; the quick way and the careful one give the same."""

import csv
import io

import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backpass.datasets import fields
from backpass.datasets.opening import Source
from backpass.datasets.reading import SEPARATORS, Reading
from backpass.datasets.text import read_text

ENCODINGS = {
    "utf-8": st.characters(exclude_categories=["Cs", "Cc"]),
    "utf-16": st.characters(exclude_categories=["Cs", "Cc"]),
    "cp1252": st.sampled_from("abcXYZ0159äöüßéñÅ€’ ,;|\t\n\"'.-#"),
}


def written(rows, separator, encoding, quoting, end):
    text = io.StringIO()
    csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=end).writerows(rows)
    return text.getvalue().encode(encoding)


@st.composite
def tables(draw):
    encoding = draw(st.sampled_from(list(ENCODINGS)))
    letters = ENCODINGS[encoding] | st.sampled_from("\"\n,;\t|'. ")
    width, height = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    rows = [[draw(st.text(letters, max_size=6)) for _ in range(width)] for _ in range(height)]
    return encoding, rows


@settings(max_examples=300, deadline=None)
@given(tables(), st.sampled_from(list(SEPARATORS.values())), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans())
def test_any_table_is_read_back_with_its_separator(table, separator, end, all_quoted):
    encoding, rows = table
    names = [f"name {place}" for place in range(len(rows[0]))]
    # csv.writer does not quote a field that holds a line's end of another kind
    quoting = csv.QUOTE_ALL if all_quoted or end == "\r" else csv.QUOTE_MINIMAL
    content = written([names, *rows], separator, encoding, quoting, end)
    # a row of one empty field is an empty line, for csv.writer writes "" for it, and that is a missing value
    asked = Reading(separator=separator, encoding=encoding, preamble=0, units=False)
    frame, reading = read_text(Source("t.csv", "t", ".csv", content), asked, Reading(), [])
    assert list(frame) == names
    assert (reading.separator, reading.encoding) == (separator, encoding)
    found = [[None if pandas.isna(value) else value for value in row] for row in frame.to_numpy().tolist()]
    assert found == [[field.strip() or None for field in row] for row in rows]


SAFE = st.text(st.sampled_from("abcdefgXYZäöü. -'/"), max_size=8)
FIELD = (
    SAFE | st.integers(-9999, 9999).map(str) | st.floats(-1e3, 1e3).map(lambda x: f"{x:.2f}") | st.just("x, y; z | w")
)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(2, 4).flatmap(
        lambda width: st.lists(st.lists(FIELD, min_size=width, max_size=width), min_size=1, max_size=9)
    ),
    st.sampled_from(list(SEPARATORS.values())),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"]),
)
def test_a_table_of_words_and_numbers_is_found_out_or_refused(rows, separator, encoding):
    """Never silently something else."""
    names = [f"name{place}" for place in range(len(rows[0]))]
    content = written([names, *rows], separator, encoding, csv.QUOTE_MINIMAL, "\n")
    frame, _ = read_text(Source("t.csv", "t", ".csv", content), Reading(), Reading(), [])
    assert list(frame) == names
    found = [[None if pandas.isna(value) else value for value in row] for row in frame.to_numpy().tolist()]
    assert found == [[field.strip() or None for field in row] for row in rows]


RAW = st.text(st.sampled_from('ab1 "";,\n\r'), max_size=30)


@settings(max_examples=1000, deadline=None)
@given(RAW, st.integers(1, 3))
def test_the_quick_way_is_the_careful_one(text, width):
    """Whatever stands in the text: the quick way gives what the careful one gives, or leaves it to it."""
    quick = fields.quick(text.encode(), ";", width)
    if quick is not None:
        careful = fields.careful("t.csv", text, ";", width, 0)
        assert [column.to_pylist() for column in quick] == [column.to_pylist() for column in careful]


def test_long_fields_are_read():
    text = "x" * 200_000 + ';1\n" y";2\n'
    columns = fields.careful("t.csv", text, ";", 2, 1)
    assert len(columns[0][0].as_py()) == 200_000
    assert csv.field_size_limit() == 131_072


@pytest.mark.parametrize("separator", SEPARATORS.values())
def test_pandas_reads_the_same(separator):
    frame = pandas.DataFrame({"a": ["u, v", 'w "x"', None, "z;\ny"], "b": ["1", "2", "3", "4"]})
    content = frame.to_csv(index=False, sep=separator).encode()
    found, _ = read_text(Source("t.csv", "t", ".csv", content), Reading(), Reading(), [])
    pandas.testing.assert_frame_equal(found, pandas.read_csv(io.BytesIO(content), sep=separator, dtype="str"))
