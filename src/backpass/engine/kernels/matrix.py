"""Matrix products into arrays that exist already, by BLAS (`dgemm`, `sgemm`).

`accumulate` adds to what is in `out`. Shapes: N samples, D inputs, M neurons.
"""

from __future__ import annotations

from backpass.engine.kernels.calls import SCRATCH, flat, one_by_one, scratch
from backpass.engine.kernels.compiler import helper

WEIGHTS_A_ROW = 64  # that are worth turning over


def gemm(transpose_a, transpose_b, m, n, k, a, stride_a, b, stride_b, accumulate, c, stride_c):  # type: ignore[no-untyped-def]
    """BLAS's own call, column-major: c (m, n) = a (m, k) b (k, n), added to c if `accumulate`."""
    left, right = a.reshape(-1, stride_a).T, b.reshape(-1, stride_b).T
    product = (left.T if transpose_a else left)[:m, :k] @ (right.T if transpose_b else right)[:k, :n]
    c.reshape(-1, stride_c).T[:m, :n] = product + (c.reshape(-1, stride_c).T[:m, :n] if accumulate else 0)


@helper
def multiply(inputs, weights, out, accumulate):  # type: ignore[no-untyped-def]
    """out (N, M) = inputs (N, D) @ weights (D, M)

    Of fewer rows of weights, with as many columns of the inputs; of none, out stays as it is: somebody else makes it.
    """
    N, D, M = inputs.shape[0], weights.shape[0], weights.shape[1]
    if D > 0:
        gemm(False, False, M, N, D, weights, M, inputs, inputs.shape[1], accumulate, out, M)


@helper
def multiply_left_transposed(inputs, dvalues, out, accumulate):  # type: ignore[no-untyped-def]
    """out (D, M) = inputs.T (D, N) @ dvalues (N, M); if out has fewer rows, only these are made."""
    N, D, M = inputs.shape[0], out.shape[0], dvalues.shape[1]
    gemm(False, True, M, D, N, dvalues, M, inputs, inputs.shape[1], accumulate, out, M)


@helper
def multiply_right_transposed(dvalues, weights, out, accumulate):  # type: ignore[no-untyped-def]
    """out (N, D) = dvalues (N, M) @ weights.T (M, D); of fewer rows of weights, as many columns of out are made.

    BLAS has quick ways for small products only where nothing is transposed, so small weights are, before it is called:
    150 x 3 x 64 takes 1.1 us instead of 1.9, 209 x 16 x 32 2.5 instead of 3.3.
    """
    N, D, M = dvalues.shape[0], weights.shape[0], dvalues.shape[1]
    numbers, row, as_they_lie = flat(weights), M, min(SCRATCH, WEIGHTS_A_ROW * N) < D * M
    if not as_they_lie:
        turned = scratch(weights)[: D * M]
        for m in range(M):
            for d in range(D):
                turned[m * D + d] = numbers[d * M + m]
                one_by_one()
        numbers, row = turned, D
    gemm(as_they_lie, False, D, N, M, numbers, row, dvalues, M, accumulate, out, out.shape[1])


@helper
def add_column_sums(matrix, out):  # type: ignore[no-untyped-def]
    """out (1, M) += the sum of matrix (N, M) over its rows, one after the other as NumPy does it.

    In segments 10,000 rows of 4 would take 20 us less, but every Dense 0.6 s more to compile.
    """
    for n in range(matrix.shape[0]):
        for m in range(matrix.shape[1]):
            out[0, m] += matrix[n, m]
