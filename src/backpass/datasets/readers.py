"""Tables from files: .csv, .parquet, .npz. What cannot be read is told in one line."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass import checks
from backpass.datasets.builtin import BUILTIN, builtin

if TYPE_CHECKING:
    from pandas import DataFrame, Series


@dataclass
class Table:
    """Samples, one row each.

    Attributes
    ----------
    name : str
        The built-in's, or the file's without its ending.
    frame : DataFrame (N, columns)
        All columns, the target's among them.
    target : str, optional
        The column to predict, where the data say which.
    named : bool
        Whether the columns have names of their own; an array's are told apart by their place.
    notes : list of str
        What was done to the columns, in words.
    written : callable, optional
        Returns a column's text, where the file has any.
    """

    name: str
    frame: DataFrame
    target: str | None = None
    named: bool = True
    notes: list[str] = field(default_factory=list)
    written: Callable[[str], Series] | None = None

    def labels(self, column: str) -> Series:
        """A column as it was written: 007 and TRUE are no number and no boolean where they are names."""
        values = self.frame[column]
        if self.written is None or values.dtype.kind not in "iufb":
            return values
        text = self.written(column)
        return values if (text == values.astype(str)).all() else text


def read(data: str | Path) -> Table:
    """The table behind a built-in name or a path.

    Raises FileNotFoundError, OSError, ValueError, TypeError for what is missing, empty, cut off, or no table.
    """
    if str(data) in BUILTIN:
        frame, target = builtin(str(data))
        return Table(str(data), frame, target)
    path = Path(data)
    if not path.exists():
        raise FileNotFoundError(f"{path} is no file, and no built-in data set ({', '.join(BUILTIN)})")
    if not path.is_file():
        raise ValueError(f"{path} is a folder; pass a {', '.join(READERS)} file")
    if path.suffix.lower() not in READERS:
        raise ValueError(f"{path} ends in {path.suffix!r}; {', '.join(READERS)} files can be read")
    if not path.stat().st_size:
        raise ValueError(f"{path} is empty")
    table = READERS[path.suffix.lower()](path)
    if not len(table.frame):
        raise ValueError(f"{path} has no rows; at least one sample is needed")
    table.frame.columns = table.frame.columns.astype(str)
    refuse_twice(path, table.frame.columns)
    return table


def unreadable(path: Path, error: Exception) -> Exception:
    """A library's error in one line of ours."""
    if isinstance(error, OSError) and error.strerror:
        return OSError(f"{path} cannot be read: {error.strerror}")
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return ValueError(f"{path} is no {path.suffix.lower()} file, or is cut off: {lines[0]}")


def read_csv(path: Path) -> Table:
    import pandas

    def parsed(**options: Any) -> DataFrame:
        return pandas.read_csv(path, low_memory=False, skipinitialspace=True, index_col=False, **options)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pandas.errors.ParserWarning)  # else fields beyond the header are cut
            frame = parsed()
        header = parsed(header=None, nrows=1, dtype=str, keep_default_na=False).iloc[0]
    except pandas.errors.ParserWarning:
        raise ValueError(f"{path} has rows with more fields than its header names") from None
    except Exception as error:  # a broken file makes these libraries raise whatever their parsers stumble over
        raise unreadable(path, error) from None
    refuse_twice(path, header[header != ""])
    table = Table(path.stem, frame, written=lambda column: parsed(usecols=[column], dtype=str)[column].str.strip())
    if header[0] == "" and np.array_equal(frame.iloc[:, 0], np.arange(len(frame))):
        table.frame = frame.iloc[:, 1:]
        table.notes.append(f"the first column of {path} has no name and counts the rows; it is left out")
    return table


def refuse_twice(path: Path, names: Any) -> None:
    twice = names[names.duplicated()]
    if len(twice):
        raise ValueError(f"{path} has two columns named {next(iter(twice))!r}; rename one")


def read_parquet(path: Path) -> Table:
    import pandas

    try:
        frame = pandas.read_parquet(path)
    except Exception as error:
        raise unreadable(path, error) from None
    for name in frame.columns:
        if is_decimal(frame[name]):
            frame[name] = frame[name].astype(float)
    return Table(path.stem, frame.reset_index(drop=True))


def is_decimal(column: Any) -> bool:
    """Whether a column holds exact decimal numbers, which pandas keeps as Python objects."""
    from pandas.api.types import infer_dtype

    return infer_dtype(column, skipna=True) == "decimal"


def read_npz(path: Path) -> Table:
    """X (N, D), and y (N,) if it is there."""
    import zipfile

    from pandas import DataFrame

    if not zipfile.is_zipfile(path):  # else NumPy takes it for a pickle
        raise ValueError(f"{path} is no .npz file, or is cut off")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = list(arrays)
            held: dict[str, Any] = {name: arrays[name] for name in ("X", "y") if name in names}
    except Exception as error:
        if "allow_pickle" in str(error):
            raise ValueError(f"{path} holds Python objects; save X and y as numbers or strings") from None
        raise unreadable(path, error) from None
    if "X" not in held:
        raise ValueError(f"{path} holds no array X; it holds {', '.join(names) or 'nothing'}")
    X = checks.matrix(held["X"], "X", dtype=np.float64)
    frame = DataFrame(X, columns=[f"x{column}" for column in range(X.shape[1])])
    if "y" in held:
        y = held["y"][:, 0] if held["y"].ndim == 2 and held["y"].shape[1] == 1 else held["y"]
        if y.ndim != 1:
            raise ValueError(f"y has shape {y.shape}; pass one label or number a sample, ({len(X)},)")
        checks.same_length(X, "X", y, "y")
        frame["y"] = y.astype(y.dtype.newbyteorder("="))
    return Table(path.stem, frame, "y", named=False)


READERS: dict[str, Callable[[Path], Table]] = {".csv": read_csv, ".parquet": read_parquet, ".npz": read_npz}
