"""`backpass warm-up`: compile everything now, so that no later run has to (container images, CI)."""

from __future__ import annotations

import time

import numpy as np
import typer

from backpass.engine.kernels import cache, compiler


def warm_up() -> None:
    """Compile every kernel for float32 and float64 into the cache of this machine."""
    start = time.perf_counter()
    compiler.prepare_calls()
    made = 0
    for loop in compiler.RAW:
        loop.address()
        made += 1
    for each in compiler.ALL:
        for dtype in (np.float32, np.float64):
            each.address(dtype)
            made += 1
    seconds = time.perf_counter() - start
    typer.echo(f"{made} kernels are ready in {cache.cache_folder()} ({seconds:.1f} s)")
