"""What every kernel is made with: the `@kernel` decorator, arithmetic and matrix products for compiled code."""

from backpass.engine.kernels.arithmetic import exp, log, log1p_of_unit, tanh
from backpass.engine.kernels.calls import flat
from backpass.engine.kernels.compiler import Kernel, Vector, helper, kernel
from backpass.engine.kernels.matrix import (
    add_column_sums,
    multiply,
    multiply_left_transposed,
    multiply_right_transposed,
)

__all__ = [
    "Kernel",
    "Vector",
    "add_column_sums",
    "exp",
    "flat",
    "helper",
    "kernel",
    "log",
    "log1p_of_unit",
    "multiply",
    "multiply_left_transposed",
    "multiply_right_transposed",
    "tanh",
]
