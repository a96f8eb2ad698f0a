"""The floor under a step: its matrix products alone, by the BLAS that the engine uses, and nothing else.

Each product is repeated inside compiled code, so that calls cost nothing. What counts is the best of three ways to use
two cores: one thread, the rows split between two threads that each have their own BLAS, and BLAS's own two.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from backpass.bench.cases import Case
from backpass.engine.kernels import kernel, multiply, multiply_left_transposed, multiply_right_transposed
from backpass.engine.kernels.blas import cython_blas

SECONDS, ROUNDS = 0.02, 7
Call = Callable[[np.ndarray], None]  # a product, repeated as often as a number says


@kernel
def forward_kernel(inputs, weights, output, settings):  # type: ignore[no-untyped-def]
    for _ in range(int(settings[0])):
        multiply(inputs, weights, output, False)


@kernel
def dweights_kernel(inputs, dvalues, weights, settings):  # type: ignore[no-untyped-def]
    for _ in range(int(settings[0])):
        multiply_left_transposed(inputs, dvalues, weights, False)


@kernel
def dinputs_kernel(dvalues, weights, dinputs, settings):  # type: ignore[no-untyped-def]
    for _ in range(int(settings[0])):
        multiply_right_transposed(dvalues, weights, dinputs, False)


def products(case: Case, rows: int) -> list[Call]:
    """A step's products for so many rows of a batch, each as a function of how often it is repeated."""
    generator = np.random.RandomState(0)

    def matrix(*shape: int) -> np.ndarray:
        return generator.standard_normal(shape).astype(np.float32)

    calls: list[Call] = []
    for index, (D, M) in enumerate(zip(case.sizes[:-1], case.sizes[1:], strict=True)):
        inputs, weights, output, gradient = matrix(rows, D), matrix(D, M), matrix(rows, M), matrix(D, M)
        calls.append(lambda often, a=inputs, b=weights, c=output: forward_kernel(a, b, c, often))  # type: ignore[misc]
        calls.append(lambda often, a=inputs, b=output, c=gradient: dweights_kernel(a, b, c, often))  # type: ignore[misc]
        if index:
            back = matrix(rows, D)
            calls.append(lambda often, a=output, b=weights, c=back: dinputs_kernel(a, b, c, often))  # type: ignore[misc]
    return calls


def microseconds(run: Call) -> float:
    """Of one repetition: the best of some rounds, since a floor is what nothing gets below."""
    often, seconds = np.array([1.0]), 0.0
    while seconds < SECONDS:
        often *= 2
        start = time.perf_counter()
        run(often)
        seconds = time.perf_counter() - start
    best = seconds
    for _ in range(ROUNDS):
        start = time.perf_counter()
        run(often)
        best = min(best, time.perf_counter() - start)
    return 1e6 * best / float(often[0])


def side_by_side(pool: ThreadPoolExecutor, pair: tuple[Call, ...]) -> Call:
    def run(often: np.ndarray) -> None:
        for started in [pool.submit(call, often) for call in pair]:
            started.result()

    return run


def measure_floor(case: Case) -> dict[str, float]:
    """Microseconds of a step's products in each way, the best of them, and what a large product reaches."""
    cython_blas()  # threadpoolctl finds only libraries that are loaded
    found: dict[str, float] = {}
    with threadpool_limits(1, "blas"):
        found["one thread"] = sum(map(microseconds, products(case, case.batch)))
        if case.batch >= 2:
            pairs = zip(*(products(case, case.batch // 2) for _ in range(2)), strict=True)
            with ThreadPoolExecutor(2) as pool:
                found["split"] = sum(microseconds(side_by_side(pool, pair)) for pair in pairs)
        square = 1024
        largest = products(Case("peak", (square, square), np.zeros((1, 1)), np.zeros(1, np.int64), square), square)[0]
        of_a_core = 2e-3 * square**3 / microseconds(largest)
    with threadpool_limits(2, "blas"):
        found["BLAS's own two"] = sum(map(microseconds, products(case, case.batch)))
        of_two_cores = 2e-3 * square**3 / microseconds(largest)
    rates = {"gflops_of_a_core": of_a_core, "gflops_of_two_cores": of_two_cores}
    return {"microseconds": min(found.values()), **rates, **found}
