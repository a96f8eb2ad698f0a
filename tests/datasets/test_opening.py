"""Packed files, and what is no file: standard input, patterns, several files. Bombs are one line."""

import bz2
import gzip
import io
import sys
import zipfile

import pyarrow
import pytest

from backpass.datasets import opening
from backpass.datasets.readers import read

TEXT = b"a;b\n1,5;x\n2,5;y\n"


def zipped(*members, compression=zipfile.ZIP_DEFLATED):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return held.getvalue()


def zstd(content):
    return pyarrow.Codec("zstd").compress(content).to_pybytes()


PACKED = {
    "t.csv.gz": gzip.compress(TEXT),
    "t.CSV.GZ": gzip.compress(TEXT),
    "t.csv.bz2": bz2.compress(TEXT),
    "t.csv.zst": zstd(TEXT),
    "t.csv.zip": zipped(("folder/x.csv", TEXT), ("__MACOSX/folder/._x.csv", b"\0")),
    "t.zip": zipped(("../../x.txt", TEXT)),
    "t.gz": gzip.compress(TEXT),
    "t.csv": gzip.compress(TEXT),  # as a server may call it
    "two.gz": gzip.compress(TEXT) + gzip.compress(b"4;z\n"),
}


@pytest.mark.parametrize("name", PACKED)
def test_packed_files_are_read(tmp_path, name):
    (tmp_path / name).write_bytes(PACKED[name])
    table = read(tmp_path / name)
    assert table.frame["a"].tolist()[:2] == ["1,5", "2,5"]
    assert str(table.reading) == "semicolons, decimal commas"
    assert table.name == name.split(".")[0]


@pytest.mark.parametrize("name", ["t.csv.gz", "t.csv.bz2", "t.csv.zst", "t.zip"])
@pytest.mark.parametrize("broken", ["cut", "other", "empty"])
def test_broken_packed_files_are_one_line(tmp_path, name, broken):
    content = {"cut": PACKED[name][: len(PACKED[name]) // 2], "other": b"no such file", "empty": b""}[broken]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match="is empty" if broken == "empty" else "or is cut off") as caught:
        read(tmp_path / name)
    assert "\n" not in str(caught.value)


ZEROS = bytes(1 << 20)


def bombs():
    big = b"a,b\n" + b"0,0\n" * (20 << 14)  # 1.25 MB
    return {
        "t.csv.gz": gzip.compress(big),
        "t.csv.bz2": bz2.compress(big),
        "t.csv.zst": zstd(big),
        "t.zip": zipped(("t.csv", big)),
        "t.npz": zipped(("X.npy", big)),
        "t.xlsx": zipped(("xl/workbook.xml", b""), ("xl/worksheets/sheet1.xml", big)),
    }


def test_a_bomb_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "HARMLESS", 1 << 20)
    for name, content in bombs().items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match="more than 1 MB, more than 200 times its size") as caught:
            read(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_no_more_is_unpacked_than_memory_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "most_bytes", lambda: 1000)
    for pack, name in ((gzip.compress, "t.csv.gz"), (lambda text: zipped(("t.csv", text)), "t.zip")):
        (tmp_path / name).write_bytes(pack(b"a,b\n" + b"1,2\n" * 1000))
        with pytest.raises(ValueError, match="more than 1000 bytes, too many for this machine's memory"):
            read(tmp_path / name)
    (tmp_path / "t.csv").write_bytes(b"a,b\n" + b"1,2\n" * 1000)
    with pytest.raises(ValueError, match="4004 bytes, too many for this machine's memory"):
        read(tmp_path / "t.csv")


def test_a_size_that_lies_is_no_way_around_the_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "HARMLESS", 1 << 20)
    content = bytearray(zipped(("t.csv", b"a,b\n" + b"0,0\n" * (20 << 14))))
    place = content.rindex(b"PK\x01\x02")
    content[place + 24 : place + 28] = (1000).to_bytes(4, "little")  # what the directory says of its size
    (tmp_path / "t.zip").write_bytes(content)
    with pytest.raises(ValueError, match=r"t\.zip"):
        read(tmp_path / "t.zip")


def test_an_archive_holds_one_table(tmp_path):
    (tmp_path / "t.zip").write_bytes(zipped(("a.csv", TEXT), ("b.csv", TEXT)))
    with pytest.raises(ValueError, match=r"holds 2 files: a\.csv, b\.csv; one table is expected"):
        read(tmp_path / "t.zip")
    (tmp_path / "t.zip").write_bytes(zipped(("a.csv.gz", gzip.compress(TEXT))))
    with pytest.raises(ValueError, match="packed twice"):
        read(tmp_path / "t.zip")


def test_standard_input_is_read(monkeypatch):
    for content in (TEXT, gzip.compress(TEXT), zipped(("t.csv", TEXT))):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        table = read("-")
        assert table.frame["b"].tolist() == ["x", "y"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"a": 1}\n')))
    assert read("-").frame["a"].tolist() == [1]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(ValueError, match="standard input is empty"):
        read("-")


def test_several_files_are_one_table(tmp_path):
    (tmp_path / "a 1.csv").write_text("x,y\n1,2\n")
    (tmp_path / "a 2.csv").write_text("y,x\n4,3\n6,5\n")
    for data in (
        [tmp_path / "a 1.csv", str(tmp_path / "a 2.csv")],
        str(tmp_path / "a*.csv"),
        [tmp_path / "a [12].csv"],
    ):
        table = read(data)
        assert table.frame.to_numpy().tolist() == [["1", "2"], ["3", "4"], ["5", "6"]]
        assert table.frame.index.tolist() == [0, 1, 2]
        assert table.row(0).endswith("a 1.csv")
        assert table.row(2) == f"row 1 of {tmp_path / 'a 2.csv'}"
    assert read(tmp_path / "a 1.csv").row(0) == "row 0"


def test_decimal_commas_of_one_file_are_those_of_all(tmp_path):
    (tmp_path / "a.csv").write_text("x;y\n1.234;2\n")
    (tmp_path / "b.csv").write_text("x;y\n1,5;2\n")
    table = read(str(tmp_path / "*.csv"))
    assert table.reading.numbers(table.frame["x"]).tolist() == [1234, 1.5]


def test_other_columns_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text("x,z\n1,2\n")
    with pytest.raises(ValueError, match=r"b\.csv has no column 'y', which .*a\.csv has"):
        read([tmp_path / "a.csv", tmp_path / "b.csv"])
    (tmp_path / "b.jsonl").write_text('{"x": 1, "y": 2}\n')
    with pytest.raises(ValueError, match=r"b\.jsonl is of another kind"):
        read([tmp_path / "a.csv", tmp_path / "b.jsonl"])


def test_a_file_with_brackets_in_its_name_is_no_pattern(tmp_path):
    (tmp_path / "data [test].csv").write_text("x,y\n1,2\n")
    assert read(tmp_path / "data [test].csv").name == "data [test]"
    with pytest.raises(FileNotFoundError, match="no file is named like"):
        read(tmp_path / "other [test].csv")


@pytest.mark.parametrize("name", ["t.json", "t.xls", "t.doc", "t"])
def test_other_endings(tmp_path, name):
    (tmp_path / name).write_text("x,y\n1,2\n")
    if name == "t":
        assert list(read(tmp_path / name).frame) == ["x", "y"]
        return
    with pytest.raises(ValueError, match=r"ends in .*\.csv, \.tsv"):
        read(tmp_path / name)
