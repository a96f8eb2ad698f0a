"""Matrix products into arrays that exist already, by BLAS (`dgemm`, `sgemm`).

`accumulate` adds to what is in `out`. Shapes: N samples, D inputs, M neurons.
"""

from __future__ import annotations

from backpass.engine.kernels.calls import flat
from backpass.engine.kernels.compiler import exact_helper, helper
from backpass.engine.kernels.segments import add_segment, begin_sums, end_sums, segment


def gemm(transpose_a, transpose_b, m, n, k, a, stride_a, b, stride_b, accumulate, c, stride_c):  # type: ignore[no-untyped-def]
    """BLAS's own call, column-major: c (m, n) = a (m, k) b (k, n), added to c if `accumulate`."""
    left, right = a.reshape(-1, stride_a).T, b.reshape(-1, stride_b).T
    product = (left.T if transpose_a else left)[:m, :k] @ (right.T if transpose_b else right)[:k, :n]
    c.reshape(-1, stride_c).T[:m, :n] = product + (c.reshape(-1, stride_c).T[:m, :n] if accumulate else 0)


@helper
def multiply(inputs, weights, out, accumulate):  # type: ignore[no-untyped-def]
    """out (N, M) = inputs (N, D) @ weights (D, M)"""
    N, D, M = inputs.shape[0], inputs.shape[1], weights.shape[1]
    gemm(False, False, M, N, D, weights, M, inputs, D, accumulate, out, M)


@helper
def multiply_left_transposed(inputs, dvalues, out, accumulate):  # type: ignore[no-untyped-def]
    """out (D, M) = inputs.T (D, N) @ dvalues (N, M)"""
    N, D, M = inputs.shape[0], inputs.shape[1], dvalues.shape[1]
    gemm(False, True, M, D, N, dvalues, M, inputs, D, accumulate, out, M)


@helper
def multiply_right_transposed(dvalues, weights, out, accumulate):  # type: ignore[no-untyped-def]
    """out (N, D) = dvalues (N, M) @ weights.T (M, D)"""
    N, D, M = dvalues.shape[0], weights.shape[0], dvalues.shape[1]
    gemm(True, False, D, N, M, weights, M, dvalues, M, accumulate, out, D)


@exact_helper
def add_sums_of_three(matrix, out):  # type: ignore[no-untyped-def]
    """`add_column_sums` for at most 3 columns, sample after sample as NumPy does it: the notebook's last digits."""
    N, M = matrix.shape
    zero = matrix.dtype.type(0)
    first = second = third = zero
    for n in range(N):
        first += matrix[n, 0]
        second += matrix[n, 1] if M > 1 else zero
        third += matrix[n, 2] if M > 2 else zero
    out[0, 0] += first
    if M > 1:
        out[0, 1] += second
    if M > 2:
        out[0, 2] += third


@helper
def add_column_sums(matrix, out, scratch):  # type: ignore[no-untyped-def]
    """out (1, M) += the sum of matrix (N, M) over its rows"""
    if matrix.shape[1] <= 3:
        add_sums_of_three(matrix, out)
        return
    numbers, length = flat(matrix), segment(matrix.shape[1])
    sums = begin_sums(flat(out), scratch)
    for begin in range(0, numbers.size, length):
        add_segment(numbers[begin : begin + length], sums)
    end_sums(sums, flat(out))
