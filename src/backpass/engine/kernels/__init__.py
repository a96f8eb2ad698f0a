"""What every kernel is made with: the `@kernel` decorator, arithmetic and matrix products for compiled code."""

from backpass.engine.kernels.arithmetic import (
    erf,
    exp,
    expm1,
    gaussian,
    log,
    log1p_of_unit,
    normal_tail_ratio,
    tanh,
)
from backpass.engine.kernels.calls import flat, scratch
from backpass.engine.kernels.compiler import Kernel, Vector, apart, elementwise, exact_helper, helper, kernel
from backpass.engine.kernels.matrix import (
    add_column_sums,
    multiply,
    multiply_left_transposed,
    multiply_right_transposed,
)
from backpass.engine.kernels.random import random_bits, random_bits_32
from backpass.engine.kernels.segments import back_through, bias_and

__all__ = [
    "Kernel",
    "Vector",
    "add_column_sums",
    "apart",
    "back_through",
    "bias_and",
    "elementwise",
    "erf",
    "exact_helper",
    "exp",
    "expm1",
    "flat",
    "gaussian",
    "helper",
    "kernel",
    "log",
    "log1p_of_unit",
    "multiply",
    "multiply_left_transposed",
    "multiply_right_transposed",
    "normal_tail_ratio",
    "random_bits",
    "random_bits_32",
    "scratch",
    "tanh",
]
