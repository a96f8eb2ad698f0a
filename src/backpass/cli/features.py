"""Columns become numbers: each by its kind, then what is missing is filled in, then all are standardised.

What is learnt of a table stands in run.json (which kinds the columns are) and in a few arrays: nothing that could run.
A value's numbers depend on the value and on what was learnt, never on the rows around it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backpass.cli.columns.column import Column
from backpass.cli.columns.kind import Kind, missing_in
from backpass.cli.columns.kinds import KINDS, learn
from backpass.cli.columns.numbers import LARGEST, Boolean, Number
from backpass.cli.targets import listed
from backpass.datasets.readers import Table

if TYPE_CHECKING:
    from pandas import DataFrame

Row = Callable[[int], str]  # says where the row at a place stands
NUMBERED: Row = "row {}".format
ARRAYS = ("filling", "indicated", "mean", "scale")
MOST_BYTES = 2**31  # of a preprocessor file


class Features:
    """The columns that a network is fed with, and how they become numbers.

    D, the columns of the matrix: those of each kind in turn; then, for each column whose training part has missing
    values that its kind does not tell apart itself, one that is 1 where a value is missing.

    Attributes
    ----------
    columns : list of str
        The columns that are needed.
    kinds : list of Kind
        What each of them is.
    filling : ndarray (D - I,)
        What stands for a missing value: the training part's mean.
    indicated : ndarray (I,) int64
        The columns, by their place in `columns`, whose missing values are told to the network.
    mean, scale : ndarray (D,)
        Of the training part.
    """

    def __init__(self, columns: list[str], kinds: list[Kind]):
        if len(kinds) != len(columns):
            raise TypeError(f"there are {len(kinds)} kinds for {len(columns)} columns")
        self.columns, self.kinds = columns, kinds
        self.filling = self.mean = self.scale = np.empty(0)
        self.indicated = np.empty(0, np.int64)

    @classmethod
    def of(
        cls, frame: DataFrame, training: np.ndarray, seed: int, decimal: str = ".", row: Row = NUMBERED
    ) -> tuple[Features, np.ndarray]:
        """Learn the kinds from all rows, all else from those of the training part; and all rows as numbers (N, D).

        All columns that hold any value in the training part. ValueError if none does, TypeError for complex numbers.
        """
        features, blocks, missing = cls([], []), [], []
        for column in columns_of(frame, row):
            kind, values = learn(column, decimal)
            gaps = missing_in(values)
            if gaps[training].all():
                continue
            kind.fit(values[training], seed)
            features.columns.append(column.name)
            features.kinds.append(kind)
            blocks.append(kind.encode(values))
            missing.append(gaps)
        if not blocks:
            raise ValueError("the table has no column to learn from, or none that holds a value")
        encoded = np.concatenate(blocks, axis=1)
        features._fit(encoded, np.stack(missing), training)
        return features, features._scaled(encoded, missing, frame, row)

    def _fit(self, encoded: np.ndarray, missing: np.ndarray, training: np.ndarray) -> None:
        """Take means and scales from the training part."""
        part = encoded[training]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of columns without any value, which a category's may be
            self.filling = np.nan_to_num(np.nanmean(part, axis=0))
        told = np.repeat(missing[:, training].any(axis=1), [kind.width for kind in self.kinds])
        first = np.cumsum([0, *[kind.width for kind in self.kinds[:-1]]])
        # a kind that has a column for what is missing leaves no gaps
        self.indicated = np.flatnonzero(told[first] & np.isnan(part[:, first]).any(axis=0))
        filled = np.where(np.isnan(part), self.filling, part)
        filled = np.concatenate([filled, missing[self.indicated][:, training].T], axis=1)
        self.mean, self.scale = filled.mean(axis=0), filled.std(axis=0)
        # what rounding leaves of a column with one value is no spread (scikit-learn's bound)
        epsilon, rows = np.finfo(np.float64).eps, len(filled)
        self.scale[self.scale**2 <= rows * epsilon * self.scale**2 + (rows * epsilon * self.mean) ** 2] = 1.0

    def transform(self, frame: DataFrame, row: Row = NUMBERED, decimal: str | None = None) -> np.ndarray:
        """Numbers (N, D). ValueError naming the column, the row and the value that its kind cannot read.

        `decimal` overrules the mark before the decimals that the columns had in training.
        """
        blocks, missing = [], []
        for column, kind in zip(columns_of(frame[self.columns], row), self.kinds, strict=True):
            values = kind.parse(column, decimal)
            blocks.append(kind.encode(values))
            missing.append(missing_in(values))
        return self._scaled(np.concatenate(blocks, axis=1), missing, frame, row)

    def _scaled(self, encoded: np.ndarray, missing: list[np.ndarray], frame: DataFrame, row: Row) -> np.ndarray:
        gaps = np.isnan(encoded)
        encoded[gaps] = np.broadcast_to(self.filling, encoded.shape)[gaps]
        told = [missing[place][:, None] for place in self.indicated]
        output = np.concatenate([encoded, *told], axis=1) if told else encoded
        output -= self.mean
        with np.errstate(over="ignore"):
            output /= self.scale
        beyond = ~(np.abs(output) <= LARGEST)
        if beyond.any():
            place, column = (int(each[0]) for each in np.nonzero(beyond))
            raise self.too_far(frame, place, column, row)
        return output

    def too_far(self, frame: DataFrame, place: int, column: int, row: Row) -> ValueError:
        """The error about a value too large for a network of float32; `column` is the matrix's."""
        told = next(columns_of(frame[[self.source(column)]], row)).told(place)
        return ValueError(f"{self.source(column)} holds values too far from the training part's: {told}")

    def source(self, column: int) -> str:
        """The column of the table that a column of the matrix comes from."""
        owners = np.repeat(np.arange(len(self.kinds)), [kind.width for kind in self.kinds])
        return self.columns[int(np.concatenate([owners, self.indicated])[column])]

    @property
    def plain(self) -> bool:
        """Whether all columns are numbers, or yes and no: what an array can hold and a plane can show."""
        return all(isinstance(kind, Number | Boolean) for kind in self.kinds)

    def plane(self, frame: DataFrame) -> DataFrame:
        """What a picture shows of the rows: the two columns as numbers, where there are two that are; else none."""
        from pandas import DataFrame

        if len(self.columns) != 2 or not self.plain:
            return DataFrame(index=frame.index)
        columns = columns_of(frame[self.columns], NUMBERED)
        parsed = [kind.parse(column) for column, kind in zip(columns, self.kinds, strict=True)]
        return DataFrame(np.stack(parsed, axis=1), columns=self.columns, index=frame.index)

    def frame_of(self, table: Table) -> DataFrame:
        """The columns that are needed, in order; others are left out. ValueError naming those that are missing."""
        frame = table.frame
        if not table.named:  # an array's columns are told by their place
            if not self.plain:
                words = [
                    n
                    for n, kind in zip(self.columns, self.kinds, strict=True)
                    if not isinstance(kind, Number | Boolean)
                ]
                raise ValueError(f"{table.name} holds numbers only; the run needs text or dates: {listed(words)}")
            frame = frame.drop(columns=[table.target], errors="ignore")
            if frame.shape[1] != len(self.columns):
                raise ValueError(f"X has {frame.shape[1]} columns; {len(self.columns)} are expected")
            return frame.set_axis(self.columns, axis="columns")
        missing = [name for name in self.columns if name not in frame]
        if missing:
            raise ValueError(f"{table.name} has no column {listed(missing)}; it has {listed(frame.columns)}")
        return frame[self.columns]

    def summary(self) -> str:
        """3 as numbers, 2 as categories"""
        counts = [(kind.word, sum(type(each) is kind for each in self.kinds)) for kind in KINDS]
        return ", ".join(f"{count} as {word}" for word, count in counts if count)

    @property
    def notes(self) -> list[str]:
        """What was decided and a user should know, a line each."""
        return [note for kind in self.kinds for note in kind.notes]

    def dumps(self) -> bytes:
        """What was learnt, but for the kinds' fields, as a safetensors file."""
        from safetensors.numpy import save

        arrays = {name: getattr(self, name) for name in ARRAYS}
        for place, kind in enumerate(self.kinds):
            arrays |= {f"{place}.{name}": array for name, array in kind.arrays().items()}
        return save({name: np.ascontiguousarray(array) for name, array in arrays.items()})

    def load(self, path: Path) -> None:
        """Read what `dumps` made. ValueError for what does not belong to these columns."""
        from safetensors import SafetensorError, safe_open

        if not path.is_file():
            raise FileNotFoundError(f"{path} is no file; a run folder has one")
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"{path} is refused: it has {path.stat().st_size} bytes")
        try:
            with safe_open(path, "np") as file:
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dict
            self._adopt(arrays)
        except (SafetensorError, OSError, KeyError, ValueError, TypeError, RecursionError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ValueError(f"{path} is refused: {reason:.200}") from None

    def _adopt(self, arrays: dict[str, np.ndarray]) -> None:
        wanted = {*ARRAYS, *(f"{place}.{name}" for place, kind in enumerate(self.kinds) for name in kind.state)}
        if set(arrays) != wanted:
            raise ValueError(f"it holds {listed(sorted(arrays))}; {listed(sorted(wanted))} are expected")
        for name, array in arrays.items():
            whole = name == "indicated" or name.endswith(".grams")
            if array.dtype.kind not in ("iu" if whole else "f") or not np.isfinite(array).all():
                raise ValueError(f"{name} holds {array.dtype} that are not what is expected, or not finite")
        width = sum(kind.width for kind in self.kinds)
        told = arrays["indicated"]
        shapes = {
            "filling": (width,),
            "mean": (width + told.size,),
            "scale": (width + told.size,),
            "indicated": (told.size,),
        }
        for name, shape in shapes.items():
            if arrays[name].shape != shape:
                raise ValueError(f"{name} has shape {arrays[name].shape}; {shape} is expected")
            setattr(self, name, arrays[name])
        if (np.diff(told) < 1).any() or (told.size and not 0 <= told[0] <= told[-1] < len(self.kinds)):
            raise ValueError("indicated names columns that there are not")
        if not (self.scale > 0).all():
            raise ValueError("scale holds numbers that are not above 0")
        for place, kind in enumerate(self.kinds):
            kind.adopt({name: arrays[f"{place}.{name}"] for name in kind.state})


def columns_of(frame: DataFrame, row: Row) -> Iterator[Column]:
    return (Column(values, row) for _, values in frame.items())
