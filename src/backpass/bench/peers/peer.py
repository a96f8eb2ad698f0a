"""What a peer is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from backpass.bench.cases import Case

Run = Callable[[int], None]  # train so many steps more, whole epochs
Loss = Callable[[], float]  # on all data, as backpass defines it, without dropout


def every_case(case: Case) -> bool:
    return True


@dataclass(frozen=True)
class Peer:
    """`start` makes a network with the case's first weights, for a number of threads."""

    start: Callable[[Case, int], tuple[Run, Loss]]
    module: str  # whose import is timed
    suits: Callable[[Case], bool] = every_case  # others it sits out
    sets_threads: bool = True
