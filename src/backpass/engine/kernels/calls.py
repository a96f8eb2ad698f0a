"""Calling kernels through records, from compiled code and from Python, and reading memory at an address.

The functions without a body are stubs: `intrinsics.py` says what they mean in compiled code.
"""

from __future__ import annotations

import ctypes

import numpy as np

from backpass.engine.kernels.compiler import FIRST_ARGUMENT, MOST_ARGUMENTS, WORDS_PER_ARGUMENT, helper, raw_kernel

RECORD_WORDS = FIRST_ARGUMENT + WORDS_PER_ARGUMENT * MOST_ARGUMENTS
SCRATCH = 2048  # as many weights as are turned over


def call(record: int) -> int:  # type: ignore[empty-body]
    """Call the kernel whose address stands first in the record at this address; 0, or a status if it failed."""


def integers_at(address: int, size: int) -> np.ndarray:  # type: ignore[empty-body]
    """The `size` int64 at an address, as an array."""


def floats_at(address: int, size: int) -> np.ndarray:  # type: ignore[empty-body]
    """The `size` float64 at an address, as an array."""


def copy_bytes(target: int, source: int, size: int) -> None:
    """Copy memory."""


def zero_bytes(target: int, size: int) -> None:
    """Fill memory with zeros."""


def flat(array: np.ndarray) -> np.ndarray:
    """A matrix's memory as one row, for loops that do not care where its rows end."""
    return array.reshape(-1)


def scratch(matrix: np.ndarray) -> np.ndarray:
    """SCRATCH numbers of the matrix's dtype on the stack. They end with the function that asks for them."""
    return np.empty(SCRATCH, matrix.dtype)


def one_by_one() -> None:
    """In a loop: do not vectorise it. Compiling `multiply_right_transposed` took 0.6 s more for each kernel."""


def local_record() -> int:  # type: ignore[empty-body]
    """Address of RECORD_WORDS words on the stack."""


# Where CPython keeps the items of a tuple, and NumPy the fields of an array (PyArrayObject_fields in its C API):
# data pointer, number of dimensions (an int), pointer to the dimensions.
TUPLE_SIZE, TUPLE_ITEMS = object.__basicsize__, tuple.__basicsize__
ARRAY_DATA = object.__basicsize__
ARRAY_NDIM, ARRAY_SHAPE, ARRAY_STRIDES, ARRAY_FLAGS = (ARRAY_DATA + offset for offset in (8, 16, 24, 48))
CONTIGUOUS_AND_ALIGNED = 0x0101


def check_layout() -> None:
    """RuntimeError on a Python or NumPy that keeps these things elsewhere, instead of reading at random."""
    array = np.zeros((2, 3), np.float64)
    together = (array,)
    read = ctypes.c_int64.from_address
    places = ARRAY_DATA, ARRAY_NDIM, ARRAY_SHAPE, ARRAY_FLAGS, ARRAY_STRIDES
    fields = [read(id(array) + offset).value for offset in places]
    found = (
        read(id(together) + TUPLE_SIZE).value,
        read(id(together) + TUPLE_ITEMS).value,
        fields[0],
        fields[1] & 0xFF,
        read(fields[2]).value,
        fields[3] & CONTIGUOUS_AND_ALIGNED,
        read(fields[4]).value,
    )
    if found != (1, id(array), array.ctypes.data, 2, 2, CONTIGUOUS_AND_ALIGNED, 24):
        raise RuntimeError("this Python or NumPy keeps its arrays in a way that backpass does not know; report it")


@helper
def item(arrays, index):  # type: ignore[no-untyped-def]
    """Address of an array of a tuple that is given by its `id`."""
    return integers_at(arrays + TUPLE_ITEMS, index + 1)[index]


@helper
def data_of(array):  # type: ignore[no-untyped-def]
    """Address of an array's memory."""
    return integers_at(array + ARRAY_DATA, 1)[0]


@helper
def rows_of(array):  # type: ignore[no-untyped-def]
    return integers_at(integers_at(array + ARRAY_SHAPE, 1)[0], 1)[0]


@helper
def row_bytes_of(array):  # type: ignore[no-untyped-def]
    return integers_at(integers_at(array + ARRAY_STRIDES, 1)[0], 1)[0]


@helper
def together(array):  # type: ignore[no-untyped-def]
    """Whether an array is C-contiguous and aligned."""
    return integers_at(array + ARRAY_FLAGS, 1)[0] & CONTIGUOUS_AND_ALIGNED == CONTIGUOUS_AND_ALIGNED


@raw_kernel
def call_with_arrays(kernel: int, arrays: int) -> None:
    """Call a kernel with a tuple of NumPy arrays, given by its `id`. N is the first array's number of rows."""
    count = integers_at(arrays + TUPLE_SIZE, 1)[0]
    items = integers_at(arrays + TUPLE_ITEMS, count)
    address = local_record()
    record = integers_at(address, RECORD_WORDS)
    record[0] = kernel
    for index in range(count):
        ndim = integers_at(items[index] + ARRAY_NDIM, 1)[0] & 0xFF
        shape = integers_at(integers_at(items[index] + ARRAY_SHAPE, 1)[0], ndim)
        if not together(items[index]):
            raise ValueError("not contiguous")
        entry = FIRST_ARGUMENT + WORDS_PER_ARGUMENT * index
        record[entry] = data_of(items[index])
        record[entry + 1] = shape[0]
        record[entry + 2] = shape[1] if ndim == 2 else 1
    record[1] = record[FIRST_ARGUMENT + 1]
    if call(address) != 0:
        raise IndexError("outside an array")
