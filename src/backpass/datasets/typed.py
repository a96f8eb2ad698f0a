"""Tables whose columns have types: parquet, feather, jsonl, xlsx, npz. Whatever wrote them, these come out:

float64 | int64, Int64 | bool, boolean | str | datetime64[us], naive, in UTC | timedelta64[us]

Int64 and boolean only where something is missing; it is NaN or NaT in the others.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass import checks
from backpass.datasets.fields import stripped
from backpass.datasets.names import named_frame
from backpass.datasets.opening import Source, archive, first_line, most_bytes, shown

if TYPE_CHECKING:
    from pandas import DataFrame

INDEX = re.compile(r"__index_level_\d+__")


def plain_frame(path: str, table: Any, notes: list[str]) -> DataFrame:
    """An Arrow table with plain columns. ValueError for a name that stands twice, TypeError for nested columns."""
    columns = [plain(path, name, column, notes) for name, column in zip(table.column_names, table.columns, strict=True)]
    return named_frame(path, table.column_names, columns, notes)[0]


def plain(path: str, name: str, column: Any, notes: list[str]) -> Any:
    """One column as pandas holds it, of one of the few types above."""
    import pandas
    import pyarrow
    import pyarrow.compute as compute
    from pyarrow import types

    kind = column.type
    if isinstance(kind, pyarrow.BaseExtensionType):
        column = pyarrow.chunked_array([chunk.storage for chunk in column.chunks], kind.storage_type)
        kind = column.type
    if types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        column = stripped(column.cast(pyarrow.large_string()))
        return pandas.array(column, dtype=pandas.StringDtype(na_value=np.nan))
    if types.is_boolean(kind):
        return column.to_pandas() if not column.null_count else pandas.array(column.to_pylist(), dtype="boolean")
    if types.is_uint64(kind) and (compute.max(column).as_py() or 0) > np.iinfo(np.int64).max:
        kind = pyarrow.float64()
    if types.is_integer(kind):
        numbers = column.cast(pyarrow.int64())
        if not column.null_count:
            return numbers.to_numpy()
        return pandas.arrays.IntegerArray(compute.fill_null(numbers, 0).to_numpy(), column.is_null().to_numpy())
    if types.is_floating(kind) or types.is_null(kind):
        return column.cast(pyarrow.float64(), safe=False).to_numpy()
    if types.is_decimal(kind):  # Arrow's own cast is off by a bit in 3 of 100
        return column.cast(pyarrow.string()).cast(pyarrow.float64()).to_numpy()
    if types.is_date(kind) or types.is_timestamp(kind):
        if getattr(kind, "tz", None) is not None:
            notes.append(f"{name} has the zone {kind.tz}; its times are taken in UTC")
        try:
            return (
                column.cast(pyarrow.timestamp("us", getattr(kind, "tz", None)), safe=False)
                .cast(pyarrow.timestamp("us"), safe=False)
                .to_numpy()
            )
        except pyarrow.ArrowInvalid as error:
            raise ValueError(f"{path}: {name} cannot be read: {first_line(error)}") from None
    if types.is_duration(kind):
        return column.cast(pyarrow.duration("us"), safe=False).to_numpy()
    if types.is_time(kind):
        texts = compute.replace_substring_regex(column.cast(pyarrow.string()), r"(\.\d*?)0+$", r"\1")
        return plain(path, name, compute.replace_substring_regex(texts, r"\.$", ""), notes)
    raise TypeError(f"{path}: {name} holds {kind} values; numbers, texts, dates and yes or no can be read")


def read_parquet(source: Source, notes: list[str]) -> DataFrame:
    import pyarrow
    import pyarrow.parquet

    try:
        held = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(source.content))
        about = held.metadata
        size = sum(about.row_group(group).total_byte_size for group in range(about.num_row_groups))
        within_memory(source.path, max(size, about.num_rows * about.num_columns * 8))
        table = held.read()
    except (pyarrow.ArrowException, OSError, MemoryError) as error:
        raise broken(source, error) from None
    return plain_frame(source.path, without_index(table), notes)


def without_index(table: Any) -> Any:
    """Without the index that pandas wrote; one with a name is a column, as it is in a csv."""
    return table.select([place for place, name in enumerate(table.column_names) if not INDEX.fullmatch(name)])


def read_feather(source: Source, notes: list[str]) -> DataFrame:
    import pyarrow
    import pyarrow.feather

    try:
        table = pyarrow.feather.read_table(pyarrow.BufferReader(source.content), memory_map=False)
    except (pyarrow.ArrowException, OSError, MemoryError, ValueError) as error:
        raise broken(source, error) from None
    return plain_frame(source.path, without_index(table), notes)


def broken(source: Source, error: Exception) -> Exception:
    if isinstance(error, MemoryError):
        return ValueError(f"{source.path} is too large for this machine's memory")
    return ValueError(f"{source.path} is no {source.kind} file, or is cut off: {first_line(error)}")


def within_memory(path: str, size: int) -> None:
    if size > most_bytes():
        raise ValueError(f"{path} holds {shown(size)}, too many for this machine's memory")


def read_jsonl(source: Source, notes: list[str]) -> DataFrame:
    """One object a line; its keys are the columns. What a line lacks is missing."""
    try:
        lines = bytes(source.content).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{source.path} is not in UTF-8: {error.reason} at byte {error.start}") from None
    columns: dict[str, list[Any]] = {}
    row = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            held = json.loads(line, object_pairs_hook=once)
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"{source.path} holds no JSON object in row {row} (line {number}): {first_line(error)}"
            ) from None
        if not isinstance(held, dict):
            raise ValueError(f"{source.path} holds no JSON object in row {row} (line {number})")
        for name, value in held.items():
            if isinstance(value, dict | list):
                what = "list" if isinstance(value, list) else "nested object"
                raise TypeError(f"{source.path}: {name} holds a {what} in row {row}; one value is expected")
            column = columns.setdefault(name, [])
            column.extend([None] * (row - len(column)))
            column.append(value)
        row += 1
    for column in columns.values():
        column.extend([None] * (row - len(column)))
    held = [of_values(column) for column in columns.values()]
    return named_frame(source.path, list(columns), held, notes)[0]


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys differ; json keeps the last of the same ones silently."""
    held = dict(pairs)
    if len(held) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} stands twice")
    return held


def of_values(values: list[Any]) -> Any:
    """Python's values as one column: where numbers stand beside words, all are texts, as they would be in a csv."""
    import datetime

    import pyarrow

    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} and kinds:
        if kinds == {int} and all(value is None or -(2**63) <= value < 2**63 for value in values):
            return plain("", "", pyarrow.chunked_array([pyarrow.array(values, pyarrow.int64())]), [])
        values = [None if value is None else float_of(value) for value in values]
        return np.array(values, np.float64)
    if kinds <= {datetime.datetime, datetime.date}:
        kind = pyarrow.timestamp("us") if kinds else pyarrow.float64()
        values = [
            each
            if each is None or isinstance(each, datetime.datetime)
            else datetime.datetime(each.year, each.month, each.day)
            for each in values
        ]
    elif kinds == {bool}:
        kind = pyarrow.bool_()
    elif kinds == {datetime.timedelta}:
        kind = pyarrow.duration("us")
    else:
        kind, values = pyarrow.string(), [None if value is None else text_of(value) for value in values]
    return plain("", "", pyarrow.chunked_array([pyarrow.array(values, kind)]), [])


def float_of(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def text_of(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


def read_npz(source: Source, notes: list[str]) -> DataFrame:
    """X (N, D), and y (N,) if it is there."""
    import io

    from pandas import DataFrame

    archive(source.path, source.content)
    path = source.path
    try:
        with np.load(io.BytesIO(source.content), allow_pickle=False) as arrays:
            names = list(arrays)
            held: dict[str, Any] = {name: arrays[name] for name in ("X", "y") if name in names}
    except MemoryError as error:
        raise broken(source, error) from None
    except Exception as error:  # a broken file makes NumPy raise whatever it stumbles over
        if "allow_pickle" in str(error):
            raise ValueError(f"{path} holds Python objects; save X and y as numbers or strings") from None
        raise broken(source, error) from None
    if "X" not in held:
        raise ValueError(f"{path} holds no array X; it holds {', '.join(names) or 'nothing'}")
    X = checks.matrix(held["X"], "X", dtype=np.float64)
    frame = DataFrame(X, columns=[f"x{column}" for column in range(X.shape[1])])
    if "y" in held:
        y = held["y"][:, 0] if held["y"].ndim == 2 and held["y"].shape[1] == 1 else held["y"]
        if y.ndim != 1:
            raise ValueError(f"y has shape {y.shape}; pass one label or number a sample, ({len(X)},)")
        checks.same_length(X, "X", y, "y")
        frame["y"] = of_values(y.tolist())
    return frame
