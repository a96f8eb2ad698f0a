"""`backpass bench profile`: where each microsecond of a training step goes, call by call.

A step is a walk along a table of records, so that each call of it can be repeated alone, on the arrays that the last
step has left. What the step takes beyond the sum of its calls is the loop's own: patching addresses, clearing and
adding up gradients. With two threads every partition is walked by whoever is free.
"""

from __future__ import annotations

import ctypes
import time
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from backpass.bench.cases import CASES, Case
from backpass.bench.peers.backpass import made
from backpass.bench.results import machine
from backpass.checks import one_of
from backpass.engine import loop
from backpass.engine.kernels import atomics
from backpass.engine.kernels.calls import RECORD_WORDS, call
from backpass.engine.kernels.compiler import ALL, NATIVE, raw_kernel
from backpass.engine.plan import Plan
from backpass.stepping import CompiledSteps

SECONDS, ROUNDS, CHUNKS = 0.01, 9, 40


@raw_kernel
def repeat(record: int, often: int) -> None:
    """Call the kernel of a record so many times."""
    mode = atomics.flush_denormals()
    for _ in range(often):
        call(record)
    atomics.restore_mode(mode)


@dataclass(frozen=True)
class Part:
    """A call of a step: how often it is made, and what that takes on one thread."""

    name: str
    rows: int
    calls: int
    microseconds: float


def microseconds(record: int) -> float:
    """Of one call."""
    run, often, times = NATIVE(repeat.address()), 1, [0.0]
    while times[0] < SECONDS / 4:
        often *= 4
        times[0] = seconds_of(run, record, often)
    often = max(1, int(often * SECONDS / times[0]))
    return 1e6 * median(seconds_of(run, record, often) for _ in range(ROUNDS)) / often


def seconds_of(run: Any, record: int, often: int) -> float:
    start = time.perf_counter()
    run(record, often)
    return time.perf_counter() - start


def parts(plan: Plan) -> list[Part]:
    """The calls of a plan that has made a step, in their order. Afterwards its numbers are good for nothing more."""
    dtype = plan.chain.dtype
    names = {kernel.addresses[dtype.char]: kernel.name for kernel in ALL if dtype.char in kernel.addresses}
    word = {name: int(plan.words[getattr(loop, name)]) for name in ("PARTITIONS", "ROWS", "BLOCK", "SLICES")}
    blocks = word["PARTITIONS"] * -(-(word["ROWS"] // word["PARTITIONS"]) // word["BLOCK"])
    calls = (plan.words[loop.TABLE_BYTES] // 8 - loop.WORKER_WORDS) // RECORD_WORDS  # products included
    found = []
    for address, count, often in (
        (plan.words[loop.TABLE] + 8 * loop.WORKER_WORDS, calls, blocks),
        (plan.words[loop.ADDS], plan.words[loop.ADD_COUNT], word["PARTITIONS"] - 1),
        (plan.words[loop.FINISH], plan.words[loop.FINISH_COUNT], 1),
        (plan.words[loop.SLICE_RECORDS], plan.words[loop.SLICE_COUNT], word["SLICES"]),
    ):
        for index in range(count if often else 0):
            record = int(address) + index * 8 * RECORD_WORDS
            words = (ctypes.c_int64 * RECORD_WORDS).from_address(record)
            name = names[words[0]].split(".", 2)[2].removesuffix("_kernel")  # without backpass.layers and its like
            found.append(Part(name, words[1], often, often * microseconds(record)))
    return found


def profile(case: Case, threads: int) -> tuple[list[Part], float]:
    """Parts of a step on one thread, and the microseconds of the whole on so many."""
    network, optimizer = made(case)
    X, targets = network.samples(case.X), network.targets(case.y, case.X)
    options: dict[str, Any] = {"epochs": 10**6, "batch": case.batch, "shuffle": False, "threads": threads}
    times: list[float] = []
    with CompiledSteps(network, X, targets, optimizer, **options) as steps:
        for _ in range(CHUNKS):
            steps.advance_a_while(steps.total)
            times.append(steps.seconds)
        return parts(steps.plan) if threads == 1 else [], 1e6 * median(times[CHUNKS // 2 :])


def main(name: str) -> dict[str, Any]:
    """Measure a case, print a table; returns the figures."""
    case = CASES[one_of(name, "case", CASES)]()
    found, one = profile(case, 1)
    _, two = profile(case, 2)
    table = Table(box=SIMPLE, collapse_padding=True)
    for heading in ("call", "rows", "calls", "us/step", "share"):
        table.add_column(heading, justify="left" if heading == "call" else "right", no_wrap=True)
    together = sum(part.microseconds for part in found)
    for part in found:
        share = f"{part.microseconds / together:.0%}"
        table.add_row(part.name, str(part.rows or ""), str(part.calls), f"{part.microseconds:.2f}", share)
    console = Console()
    console.print(f"{name}: {case.described}, float32; on one thread", table, sep="\n", highlight=False)
    console.print(f"All calls {together:.1f}, the step {one:.1f} on one thread, {two:.1f} on two.", highlight=False)
    return {"machine": machine(), "parts": [asdict(part) for part in found], "one": one, "two": two}
