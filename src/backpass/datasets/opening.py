"""The bytes of a file, unpacked within a bound, and what kind of file they are."""

from __future__ import annotations

import os
import sys
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any

STDIN = "-"
TEXTS = (".csv", ".tsv", ".txt")
KINDS = (*TEXTS, ".jsonl", ".parquet", ".feather", ".xlsx", ".npz")
PACKED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".zip": "zip"}
ALSO = {".tab": ".tsv", ".ndjson": ".jsonl", ".arrow": ".feather", ".xlsm": ".xlsx"}
READABLE = f"{', '.join(KINDS)} files, also as {', '.join(PACKED)}"

BEGINNINGS = {  # what files begin with, whatever they are called
    b"\x1f\x8b": ".gz",
    b"BZh": ".bz2",
    b"\x28\xb5\x2f\xfd": ".zst",
    b"PK\x03\x04": ".zip",
    b"PAR1": ".parquet",
    b"ARROW1": ".feather",
    b"FEA1": ".feather",
    b"\xd0\xcf\x11\xe0": ".xls",
}

HARMLESS = 64 << 20  # bytes that any machine has
LARGEST_RATIO = 200  # of unpacked to packed: tables reach 10, sparse ones 100, a gzip bomb 1000


@dataclass
class Source:
    """One file, unpacked.

    Attributes
    ----------
    path : str
        As it was asked for; errors begin with it.
    name : str
        Without folder and endings.
    kind : str
        One of `KINDS`.
    content : bytes-like
    """

    path: str
    name: str
    kind: str
    content: Any


def most_bytes() -> int:
    """A quarter of this machine's memory: a table needs about three times the bytes of its file."""
    sizes = [16 << 30]
    with suppress(AttributeError, ValueError, OSError):
        sizes.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):  # of a container
        with suppress(OSError, ValueError):
            sizes.append(int(Path(limit).read_text()))
    return max(min(sizes) // 4, HARMLESS)


def open_source(path: str) -> Source:
    """What is in a file, or comes from standard input.

    Raises FileNotFoundError, OSError, ValueError of one line.
    """
    if path == STDIN:
        stream: Any = getattr(sys.stdin, "buffer", sys.stdin)
        content = within(stream, most_bytes(), "standard input", "this machine's memory; pass a file")
        return unpacked("standard input", "stdin", [], content)
    place = Path(path)
    if not place.is_file():
        raise ValueError(f"{path} is a folder; pass a file, or a pattern such as {Path(path) / '*.csv'}")
    name, endings = named(place.name)
    try:
        if place.stat().st_size > most_bytes():
            raise ValueError(f"{path} has {shown(place.stat().st_size)}, too many for this machine's memory")
        content = place.read_bytes()
    except OSError as error:
        raise OSError(f"{path} cannot be read: {error.strerror}") from None
    return unpacked(path, name, endings, content)


def named(name: str) -> tuple[str, list[str]]:
    """A file's name without what its endings say, and these, the last one first.

    >>> named("Sales.2024.CSV.gz")
    ('Sales.2024', ['.gz', '.csv'])
    """
    endings: list[str] = []
    while (ending := Path(name).suffix.lower()) and (len(endings) == 0 or endings[-1] in PACKED):
        if endings and ALSO.get(ending, ending) not in (*KINDS, *PACKED):
            break  # sales.2024.gz
        endings.append(ALSO.get(ending, ending))
        name = name[: -len(ending)]
    return name, endings


def unpacked(path: str, name: str, endings: list[str], content: bytes) -> Source:
    """The source of a content that may be packed, once."""
    if not content:
        raise ValueError(f"{path} is empty")
    kind = begins_as(content)
    if kind in PACKED and kind != ".zip":
        content, endings = expanded(path, PACKED[kind], content), endings[1:] if endings[:1] == [kind] else endings
    elif kind == ".zip" and (kind := kind_of_archive(path, content)) == ".zip":
        held, content = member(path, content)
        name, endings = named(held) if name == "stdin" else (name, named(held)[1])
    elif endings and endings[0] in PACKED:
        raise ValueError(f"{path} is no {endings[0]} file, or is cut off")
    if kind in PACKED:
        if not content:
            raise ValueError(f"{path} is empty")
        kind = begins_as(content)
        if kind == ".zip":
            kind = kind_of_archive(path, content)
        if kind in PACKED:
            raise ValueError(f"{path} is packed twice; unpack it first")
    if kind == ".xls":
        raise ValueError(f"{path} is an old Excel workbook (.xls); save it as .xlsx or .csv")
    asked = endings[0] if endings else ""
    if asked and asked not in KINDS:
        raise ValueError(f"{path} ends in {asked!r}; {READABLE} can be read")
    if not kind:
        if asked and asked not in (*TEXTS, ".jsonl"):
            raise ValueError(f"{path} is no {asked} file, or is cut off")
        kind = asked or (".jsonl" if content.lstrip()[:1] == b"{" else ".txt")
    return Source(path, name, kind, content)


def begins_as(content: bytes) -> str:
    """The kind whose files begin so, or an empty string."""
    return next((kind for mark, kind in BEGINNINGS.items() if content[: len(mark)] == mark), "")


def within(stream: IO[bytes], most: int, path: str, beyond: str) -> bytes:
    """All that a stream holds; ValueError as soon as it is more than `most` bytes."""
    parts, size = [], 0
    while part := stream.read(1 << 20):
        size += len(part)
        if size > most:
            raise ValueError(f"{path} holds more than {shown(most)}, {beyond}")
        parts.append(part)
    return b"".join(parts)


def bound(packed: int) -> tuple[int, str]:
    """How many bytes may come out of so many, and what to say of more."""
    by_ratio, by_memory = max(HARMLESS, LARGEST_RATIO * packed), most_bytes()
    if by_memory < by_ratio:
        return by_memory, "too many for this machine's memory"
    return by_ratio, f"more than {LARGEST_RATIO} times its size; if it is no bomb, unpack it first"


def expanded(path: str, codec: str, content: bytes) -> bytes:
    import pyarrow

    most, beyond = bound(len(content))
    try:
        with pyarrow.CompressedInputStream(pyarrow.BufferReader(content), codec) as stream:
            return within(stream, most, path, beyond)
    except OSError as error:
        raise ValueError(f"{path} is no {codec} file, or is cut off: {first_line(error)}") from None


def archive(path: str, content: Any) -> zipfile.ZipFile:
    """A zip whose members stay within the bound, all together. ValueError for a broken one, and for a bomb."""
    try:
        opened = zipfile.ZipFile(BytesIO(content))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path} is no {Path(path).suffix.lower() or '.zip'} file, or is cut off: {first_line(error)}"
        ) from None
    most, beyond = bound(len(content))
    if sum(each.file_size for each in opened.infolist()) > most:
        raise ValueError(f"{path} holds more than {shown(most)}, {beyond}")
    return opened


def kind_of_archive(path: str, content: bytes) -> str:
    """.xlsx and .npz are archives, too."""
    names = archive(path, content).namelist()
    if "xl/workbook.xml" in names:
        return ".xlsx"
    if names and all(name.endswith(".npy") for name in names):
        return ".npz"
    return ".zip"


def member(path: str, content: bytes) -> tuple[str, bytes]:
    """The name and the bytes of the one table in a zip."""
    opened = archive(path, content)
    held = [
        each
        for each in opened.infolist()
        if not each.is_dir()
        and not each.filename.startswith("__MACOSX/")
        and not Path(each.filename).name.startswith(".")
    ]
    if len(held) != 1:
        names = [each.filename for each in held]
        listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        raise ValueError(f"{path} holds {len(names)} files{': ' * bool(names)}{listed}; one table is expected")
    if held[0].flag_bits & 1:
        raise ValueError(f"{path} is locked with a password; unpack it first")
    try:
        with opened.open(held[0]) as stream:
            return Path(held[0].filename).name, within(stream, *bound(len(content))[:1], path, bound(len(content))[1])
    except Exception as error:  # zipfile, zlib, bz2 and lzma each have errors of their own for a broken file
        if isinstance(error, ValueError) and str(error).startswith(path):
            raise
        raise ValueError(
            f"{path} is no {Path(path).suffix.lower() or '.zip'} file, or is cut off: {first_line(error)}"
        ) from None


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def shown(size: int) -> str:
    """
    >>> shown(3 << 20)
    '3 MB'
    """
    return f"{size >> 20} MB" if size >= 1 << 20 else f"{size} bytes"
