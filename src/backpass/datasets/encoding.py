"""In which bytes a text is: a byte order mark says it, UTF-8 proves itself, and what is left is Western or refused.

charset-normalizer, which was tried, takes 12 of 25 small Western files for Polish, Chinese or DOS (decision 0015).
"""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress

from backpass.datasets.reading import Reading

MARKS = {  # the longer ones first: the mark of UTF-32 begins as that of UTF-16
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xef\xbb\xbf": "utf-8",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
LOOKED_AT = 1 << 20  # bytes, for what is no proof but a count


def as_utf8(path: str, content: bytes, asked: Reading, before: Reading) -> tuple[bytes, str]:
    """The text in UTF-8, without a byte order mark, and the encoding that it was in.

    ValueError where it is in none that is known for certain, or not in the one that was asked for.
    """
    mark = next((mark for mark in MARKS if content.startswith(mark)), b"")
    encoding = (
        asked.encoding or MARKS.get(mark) or (without_mark(path, content) if b"\0" in content[:LOOKED_AT] else "")
    )
    if encoding and encoding != "utf-8":
        return recoded(path, content, encoding), encoding
    content = content.removeprefix(b"\xef\xbb\xbf")
    if content.isascii():
        return content, "utf-8"
    try:
        content.decode("utf-8")
        return content, "utf-8"
    except UnicodeDecodeError as error:
        if encoding:
            raise not_in(path, content, encoding, error.start) from None
        refuse_mixture(path, content, error.start)
    usual = [] if before.encoding in (None, "utf-8") else [str(before.encoding)]
    for encoding in (*usual, "cp1252", "latin-1"):
        with suppress(UnicodeError):
            text = content.decode(encoding)
            if encoding not in usual:
                refuse_nonsense(path, text[:LOOKED_AT])
            return text.encode(), encoding
    raise AssertionError("latin-1 has a letter for every byte")


def recoded(path: str, content: bytes, encoding: str) -> bytes:
    try:
        return content.decode(encoding).removeprefix("\ufeff").encode()
    except UnicodeError as error:
        raise not_in(path, content, encoding, getattr(error, "start", len(content))) from None


def not_in(path: str, content: bytes, encoding: str, start: int) -> ValueError:
    line = content.count(b"\n", 0, start) + 1
    return ValueError(
        f"{path} is not in {encoding}: line {line} holds what is no letter there; --encoding says another"
    )


def without_mark(path: str, content: bytes) -> str:
    """UTF-16 without a mark: of Latin letters nearly every second byte is zero. ValueError for bytes of no text."""
    sample = content[:LOOKED_AT]
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = len(sample) / 2
    if odd > 0.3 * half and even < 0.01 * half:
        return "utf-16-le"
    if even > 0.3 * half and odd < 0.01 * half:
        return "utf-16-be"
    line = content.count(b"\n", 0, content.index(0)) + 1
    raise ValueError(f"{path} is no text: it holds a zero byte in line {line}")


def refuse_mixture(path: str, content: bytes, start: int) -> None:
    """ValueError for UTF-8 with a few broken bytes, of which any other encoding would make nonsense."""
    text = content.decode("utf-8", errors="replace")
    broken = text.count("\ufffd")
    if len(re.findall(r"[^\x00-\x7f\ufffd]", text)) > 5 * broken:
        line, byte = content.count(b"\n", 0, start) + 1, content[start : start + 1].hex()
        raise ValueError(f"{path} is in utf-8 but for the byte {byte} in line {line}; mend it, or pass --encoding")


def refuse_nonsense(path: str, text: str) -> None:
    """ValueError for text that is Cyrillic, Greek, Chinese or Polish: words without a Latin letter, signs within words.

    >>> refuse_nonsense("t.csv", "Müller; Gänsemarkt; Ødegård; 5 m²")
    >>> refuse_nonsense("t.csv", "Wrocław".encode("cp1250").decode("cp1252"))
    Traceback (most recent call last):
    ValueError: t.csv is in neither utf-8 nor a Western encoding; --encoding says which (such as cp1250, shift_jis)
    """
    within_words = re.findall(r"(?<=[^\W\d_])[^\x00-\x7f](?=[^\W\d_])", text)
    signs = sum(unicodedata.category(letter)[0] not in "LMP" for letter in within_words)
    words = re.findall(r"[^\W\d_]{3,}", text)
    foreign = sum(not re.search("[a-zA-Z]", word) for word in words)
    if 10 * signs > len(within_words) or 10 * foreign > len(words):
        raise ValueError(
            f"{path} is in neither utf-8 nor a Western encoding; --encoding says which (such as cp1250, shift_jis)"
        )
