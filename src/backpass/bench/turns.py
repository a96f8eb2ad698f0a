"""Measuring in turn, each time in a Python of its own: what disturbs one disturbs all, and nobody finds what another
left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Any

from backpass.checks import one_of

Figures = dict[str, Any]
Runs = dict[str, list[Figures]]  # of each peer


def fresh_process(*arguments: str, **environment: str) -> tuple[str, list[str]]:
    """The last line that a new Python prints, and the lines that it says on stderr; OSError if it fails."""
    finished = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    said = finished.stderr.strip().splitlines()
    printed = finished.stdout.splitlines()
    if finished.returncode or not printed:
        raise OSError(f"{' '.join(arguments[-3:])} failed: {said[-1] if said else 'no message'}")
    return printed[-1], said


def fresh_figures(module: str, *arguments: str, **environment: str) -> Figures:
    """What a module of `backpass.bench` prints as JSON when it is run."""
    return json.loads(fresh_process("-m", f"backpass.bench.{module}", *arguments, **environment)[0])


def import_seconds(module: str) -> float:
    script = f"import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
    return float(fresh_process("-c", script)[0])


def in_turn(names: Iterable[str], rounds: int, measure: Callable[[str], Figures]) -> Runs:
    """A B C, A B C, ..."""
    runs: Runs = {name: [] for name in names}
    for _ in range(rounds):
        for name, each in runs.items():
            each.append(measure(name))
    return runs


def installed(peers: Iterable[str], known: Iterable[str]) -> list[str]:
    """Ourselves, and those of the peers that are here; ValueError for one that is not among the known."""
    for peer in peers:
        one_of(peer, "peer", list(known))
    return ["backpass", *(peer for peer in peers if peer != "backpass" and find_spec(peer) is not None)]
