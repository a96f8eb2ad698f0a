"""What enters is checked, cast and made contiguous here, once; inside, no code asks again.

Every error is one line: the argument's name, what was wrong with it, what would be right.
"""

from __future__ import annotations

from typing import Any

import numpy as np

FLOATS = FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
INT64 = np.dtype(np.int64)


class NotFinite(ValueError, FloatingPointError):
    """Numbers that were right to enter have led to some that are not finite: a FloatingPointError, as in `fit`."""


def numbers(values: Any, name: str) -> np.ndarray:
    """Any array-like of real numbers as an array; TypeError for strings, complex numbers and ragged lists."""
    if hasattr(values, "toarray"):
        raise TypeError(f"{name} is a sparse matrix; pass {name}.toarray()")
    if np.ma.is_masked(values):
        raise TypeError(f"{name} has masked entries; fill or drop them first")
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"{name} has rows of different lengths; every row needs the same number of columns") from None
    if array.dtype.kind == "O":
        # float("1.5") and float(numpy's complex numbers) work, so these are looked for
        wrong: list[Any] = [
            value for value in array.flat if isinstance(value, str | bytes | complex | np.complexfloating)
        ]
        try:
            array = array.astype(np.float64) if not wrong else array
        except (TypeError, ValueError):
            wrong = [value for value in array.flat if not isinstance(value, int | float | np.number)] or [array]
        except OverflowError:
            raise ValueError(f"{name} holds a whole number that is too large for a float") from None
        if wrong:
            shown = " ".join(repr(wrong[0]).split())
            raise TypeError(f"{name} holds {shown} where a number belongs; encode categories as numbers first")
    if array.dtype.kind in "US":
        raise TypeError(f"{name} holds strings such as {str(array.ravel()[:1])[2:-2]!r} where numbers belong")
    if array.dtype.kind == "c":
        raise TypeError(f"{name} holds complex numbers; pass real ones")
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} has dtype {array.dtype}; pass real numbers")
    return array


def matrix(values: Any, name: str, *, dtype: Any = None, columns: int | None = None) -> np.ndarray:
    """A C-contiguous (N, columns) array of float32 or float64, the values' own dtype where none is given."""
    if (
        values.__class__ is np.ndarray
        and values.ndim == 2
        and (values.dtype is dtype or (dtype is None and (values.dtype is FLOAT32 or values.dtype is FLOAT64)))
        and (columns is None or values.shape[1] == columns)
        and values.size > 0
        and values.flags.carray
    ):
        return values  # as it comes from the part before: 0.2 microseconds instead of 3
    array = numbers(values, name)
    if array.ndim != 2:
        hint = f"; {name}.reshape(1, -1) is one sample, {name}.reshape(-1, 1) is one feature" if array.ndim == 1 else ""
        raise ValueError(f"{name} has shape {array.shape}; pass a matrix (samples, features){hint}")
    if array.shape[1] == 0:
        raise ValueError(f"{name} has shape {array.shape}; at least one column is needed")
    if columns is not None and array.shape[1] != columns:
        raise ValueError(f"{name} has {array.shape[1]} columns; {columns} are expected")
    if dtype is None:
        dtype = np.result_type(array.dtype, np.float32) if array.dtype.kind == "f" else np.float64
        dtype = dtype if np.dtype(dtype) in FLOATS else np.float64
    with np.errstate(over="ignore"):
        cast = np.require(array, dtype, ("C_CONTIGUOUS", "ALIGNED"))
    if cast.dtype != array.dtype and np.isinf(cast).any() and (lost := np.isinf(cast) & np.isfinite(array)).any():
        place = tuple(np.argwhere(lost)[0])
        raise ValueError(f"{name} holds {array[place]} in row {place[0]}, which is beyond {cast.dtype}; scale it down")
    return cast


def first_not_finite(array: np.ndarray) -> tuple[int, ...] | None:
    """Where NaN or infinity stands first, if anywhere."""
    # The sum is NaN or infinite if any entry is: one pass without a temporary. It may also overflow.
    with np.errstate(over="ignore", invalid="ignore"):
        suspicious = not np.isfinite(array.sum())
    if suspicious and not (good := np.isfinite(array)).all():
        return tuple(map(int, np.argwhere(~good)[0]))
    return None


def finite(array: np.ndarray, name: str) -> np.ndarray:
    """The array itself; ValueError naming the first row that holds NaN or infinity."""
    if (place := first_not_finite(array)) is not None:
        where = f"row {place[0]}" + (f", column {place[1]}" if array.ndim == 2 else "")
        raise ValueError(f"{name} holds {array[place]} in {where}; replace or drop what is missing or infinite")
    return array


def samples(array: np.ndarray, name: str) -> np.ndarray:
    if not len(array):
        raise ValueError(f"{name} has no rows; at least one sample is needed")
    return array


def same_length(first: Any, first_name: str, second: Any, second_name: str) -> None:
    if len(first) != len(second):
        raise ValueError(f"{first_name} has {len(first)} rows and {second_name} has {len(second)}; they must be equal")


def weights(values: Any, name: str, rows: Any, rows_name: str) -> np.ndarray:
    """One weight a sample (N,) as float64, the largest 1; ValueError for what is below 0, or nothing but 0."""
    array = finite(np.require(numbers(values, name), np.float64, ("C_CONTIGUOUS", "ALIGNED")), name)
    if array.ndim != 1:
        raise ValueError(f"{name} has shape {array.shape}; pass one number a sample, ({len(rows)},)")
    same_length(rows, rows_name, array, name)
    if (array < 0).any() or not array.any():
        what = f"{array.min()} in row {int(array.argmin())}" if (array < 0).any() else "nothing but 0"
        raise ValueError(f"{name} holds {what}; weights are at least 0 and not all 0")
    return array / array.max()  # only their ratios matter, and sums of these neither overflow nor vanish


def labels(values: np.ndarray, name: str, classes: int) -> np.ndarray:
    """Class indices (N,) as int64; ValueError naming the first that is not in 0 ... classes - 1."""
    if values.dtype.kind == "f":
        finite(values, name)
    if len(values):
        low, high = values.min(), values.max()
        if low < 0 or high >= classes:
            row = int(np.argmax((values < 0) | (values >= classes)))
            raise ValueError(f"{name} holds label {values[row]} in row {row}; labels are 0 to {classes - 1}")
    if values.dtype.kind == "f" and (np.floor(values) != values).any():
        row = int(np.argmax(np.floor(values) != values))
        raise ValueError(f"{name} holds {values[row]} in row {row}; labels are whole numbers from 0 to {classes - 1}")
    return np.require(values, np.int64, ("C_CONTIGUOUS", "ALIGNED"))


def scalar(value: Any) -> Any:
    """The number in an array of no dimensions, as `array.max()` and files give it; anything else as it is."""
    return value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value


def one_of(value: Any, name: str, choices: Any) -> Any:
    try:
        known = value in choices
    except TypeError:  # a list, say
        known = False
    if not known:
        raise ValueError(f"{name} is {value!r}; choose one of {', '.join(map(str, choices))}")
    return value


def positive_integer(value: Any, name: str) -> int:
    value = scalar(value)
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} is {value!r}; pass a whole number of at least 1")
    if value < 1:
        raise ValueError(f"{name} is {value}; it must be at least 1")
    return int(value)


def real(value: Any, name: str, *, low: float, high: float = np.inf, open_low: bool = False) -> float:
    """A finite number between low and high; `high` itself is not allowed where it is finite."""
    value = scalar(value)
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} is {value!r}; pass a number")
    too_low = value <= low if open_low else value < low
    if not np.isfinite(value) or too_low or value >= high:
        span = f"above {low:g}" if open_low else f"at least {low:g}"
        raise ValueError(f"{name} is {value}; it must be {span}{f' and below {high:g}' if np.isfinite(high) else ''}")
    return float(value)


def float_dtype(value: Any, name: str = "dtype") -> np.dtype[Any]:
    try:
        dtype = np.dtype(value)
    except TypeError:
        dtype = np.dtype(object)
    if value is None or dtype not in FLOATS:  # NumPy takes None for float64
        raise TypeError(f"{name} is {value!r}; pass float32 or float64")
    return dtype


def generator(random_state: Any) -> np.random.RandomState | np.random.Generator:
    """As in scikit-learn: None (unseeded), an int, a RandomState or a Generator."""
    if isinstance(random_state, np.random.RandomState | np.random.Generator):
        return random_state
    if random_state is None:
        return np.random.RandomState()
    random_state = scalar(random_state)
    if isinstance(random_state, bool) or not isinstance(random_state, int | np.integer):
        raise TypeError(f"random_state is {random_state!r}; pass None, an int, a RandomState or a Generator")
    if not 0 <= random_state < 2**32:
        raise ValueError(f"random_state is {random_state}; an int must be from 0 to {2**32 - 1}")
    return np.random.RandomState(random_state)


def draw_seed(generator: np.random.RandomState | np.random.Generator) -> int:
    """A whole number from 0 to 2^31 - 2, the next that the generator draws."""
    draw: Any = getattr(generator, "integers", None) or generator.randint  # type: ignore[union-attr]
    return int(draw(0, 2**31 - 1))
