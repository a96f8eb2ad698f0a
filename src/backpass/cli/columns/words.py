"""Columns of categories (few words that come again) and of text (many)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backpass.cli.columns.column import Column, means_missing
from backpass.cli.columns.kind import Kind, missing_in, of_type, texts_of

MOST_CATEGORIES = 40  # different words, from which on a column counts as text
PARTS = 30  # numbers that a text becomes
GRAMS = (3, 4)  # letters that stand together in a word
MOST_GRAMS = 30_000  # of a column: 4 MB in the run folder


class Lookup:
    """Finds a word among those that are known: as it is written, else as the only one that is the same number or truth.

    So 7 of a parquet file is found as the "007" of a csv file, and 22.0 as "22"; where both "7" and "007" are known,
    each is itself.
    """

    def __init__(self, words: Iterable[Any]):
        self.places = {str(word): place for place, word in enumerate(words)}
        self.numbers: dict[Any, int] = {}
        for word, place in self.places.items():
            if (number := number_of(word)) is not None:
                self.numbers[number] = -1 if number in self.numbers else place

    def __call__(self, word: str) -> int:
        """The word's place, -1 for one that is not known."""
        place = self.places.get(word)
        return self.numbers.get(number_of(word), -1) if place is None else place


def number_of(word: str) -> Any:
    """The number or truth that a word is, None for no such."""
    if word.lower() in ("true", "false"):
        return word.lower()
    try:
        number = float(word) if word.isascii() and "_" not in word else np.nan
    except ValueError:
        return None
    return number if np.isfinite(number) else None


@dataclass
class Category(Kind):
    """Few words: a column for each that the training part holds, missing among them; one column for two.

    A word that was not seen is none of them: 0 in all columns, between the two where there are two.

    Attributes
    ----------
    seen : list
        In order; None, the last, where the training part has missing values.
    """

    word = "categories"

    seen: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        texts_of([each for each in of_type(self.seen, list, "seen") if each is not None], "seen")
        if None in self.seen[:-1]:
            raise TypeError(f"seen is {self.seen!r:.60}")
        self._find = Lookup(each for each in self.seen if each is not None)

    @property
    def width(self) -> int:  # type: ignore[override]
        return len(self.seen) if len(self.seen) > 2 else 1

    @classmethod
    def learn(cls, column: Column, decimal: str) -> tuple[Category, np.ndarray] | None:
        if len({text for text in column.codes[1] if text}) >= MOST_CATEGORIES:
            return None
        return (kind := cls()), kind.parse(column)

    def parse(self, column: Column, decimal: str | None = None) -> np.ndarray:
        return column.texts()

    def fit(self, values: np.ndarray, seed: int) -> None:
        missing = missing_in(values)
        self.seen = sorted(set(values[~missing])) + [None] * bool(missing.any())
        self.__post_init__()

    def encode(self, values: np.ndarray) -> np.ndarray:
        found = {word: self._place(word) for word in set(values)}
        places = np.array([found[word] for word in values], np.int64)
        if len(self.seen) > 2:
            return (places[:, None] == np.arange(len(self.seen))).astype(np.float64)
        return np.where(places < 0, np.nan, places)[:, None]

    def _place(self, word: str | None) -> int:
        place = -1 if word is None else self._find(word)
        if place < 0 and self.seen[-1:] == [None] and (word is None or means_missing(word)):
            return len(self.seen) - 1
        return place


@dataclass
class Text(Kind):
    """Many words: which letters stand together in them, weighed by how rare that is, in as few numbers as tell most.

    (TF-IDF of 3- and 4-grams within words, truncated singular value decomposition: what skrub's StringEncoder does.)
    """

    word = "text"
    state = ("grams", "rarity", "directions")
    width = PARTS

    @classmethod
    def learn(cls, column: Column, decimal: str) -> tuple[Text, np.ndarray]:
        return (kind := cls()), kind.parse(column)

    def parse(self, column: Column, decimal: str | None = None) -> np.ndarray:
        return column.texts()

    def fit(self, values: np.ndarray, seed: int) -> None:
        from sklearn.decomposition import TruncatedSVD

        there = values[~missing_in(values)]
        vectorizer = self._vectorizer(max_features=MOST_GRAMS)
        weights = vectorizer.fit_transform(there)
        if min(weights.shape) > PARTS:
            directions = TruncatedSVD(PARTS, random_state=seed).fit(weights).components_
        else:
            directions = np.eye(PARTS, weights.shape[1])
        grams = list(vectorizer.get_feature_names_out())
        self._take(grams, vectorizer.idf_.astype(np.float32), directions.astype(np.float32))

    def _take(self, grams: list[str], rarity: np.ndarray, directions: np.ndarray) -> None:
        self.grams = np.frombuffer(json.dumps(grams).encode(), np.uint8)
        self.rarity, self.directions = rarity, np.ascontiguousarray(directions)
        self._weigher = self._vectorizer(vocabulary={gram: place for place, gram in enumerate(grams)})
        self._weigher.idf_ = rarity

    @staticmethod
    def _vectorizer(**options: Any) -> Any:
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(analyzer="char_wb", ngram_range=GRAMS, dtype=np.float32, **options)

    def encode(self, values: np.ndarray) -> np.ndarray:
        encoded = np.full((len(values), PARTS), np.nan)
        there = ~missing_in(values)
        if there.any():
            encoded[there] = self._weigher.transform(values[there]) @ self.directions.T
        return encoded

    def adopt(self, arrays: dict[str, np.ndarray]) -> None:
        grams = texts_of(json.loads(arrays["grams"].astype(np.uint8).tobytes()), "grams")
        rarity, directions = arrays["rarity"], arrays["directions"]
        if rarity.shape != (len(grams),) or directions.shape != (PARTS, len(grams)) or not grams:
            raise ValueError(f"{len(grams)} grams, rarity {rarity.shape}, directions {directions.shape}")
        self._take(grams, rarity, directions)
