"""Mistakes that no formula shows: results that change, arrays that are written over, values that are too old."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from backpass.audit.report import Finding
from backpass.audit.runs import Runs
from backpass.audit.subjects import Claims
from backpass.audit.variables import Values, gradient_of, holders, items_of, read, write


class Run:
    """One forward and backward of a part, and what was changed meanwhile that should not have been."""

    def __init__(self, runs: Runs, part: Any, values: Values, dvalues: np.ndarray):
        runs.rewind()
        self.inputs, self.dvalues = values["inputs"].copy(), dvalues.copy()
        self.output = np.array(runs.subject.forward(part, self.inputs))
        kept = getattr(part, "output", None)
        output = kept.copy() if isinstance(kept, np.ndarray) else None
        spoil_memory(self.inputs, self.output, *values.values())
        self.claims = runs.claims(part, self.dvalues)
        pairs = {
            "inputs": (self.inputs, values["inputs"]),
            "dvalues": (self.dvalues, dvalues),
            "output": (kept, output),
        }
        pairs |= {name: (read(part, each.path), values[name]) for name, each in runs.subject.variables.items()}
        self.changed = [name for name, (now, before) in pairs.items() if is_changed(now, before)]


def is_changed(now: Any, before: Any) -> bool:
    arrays = isinstance(now, np.ndarray) and isinstance(before, np.ndarray)
    return arrays and not (now.shape == before.shape and np.array_equal(now, before, equal_nan=True))


def alike(first: Any, second: Any, tolerance: float = 1e-9) -> bool:
    if first is None or second is None:
        return first is second
    if first.shape != second.shape:
        return False
    size = max(np.abs(first).max(initial=0.0), np.abs(second).max(initial=0.0))
    return bool(np.allclose(first, second, rtol=0, atol=tolerance * size, equal_nan=True))


spoiled = 0


def spoil_memory(*arrays: np.ndarray) -> None:
    """Fill memory that is about to be given out again, with other numbers each time: `np.empty` is then no zeros."""
    global spoiled
    spoiled += 1
    for _ in range(3):
        held = [np.full(array.shape, 7.0 + spoiled) for array in arrays]
        del held


def protocol(runs: Runs, values: Values, others: Values, dvalues: np.ndarray) -> tuple[list[Finding], Claims]:
    """Findings, and the claims of one run; those of gradients that accumulate are what one backward adds.

    `others` are different inputs of the same shape.
    """
    part = runs.subject.fresh(values)
    run = Run(runs, part, values, dvalues)
    findings = [
        Finding("writes-over-its-input", name, f"{name} was changed by forward or backward") for name in run.changed
    ]
    again = Run(runs, runs.subject.fresh(values), values, dvalues)
    if not alike(run.output, again.output):
        return [
            *findings,
            Finding(
                "not-deterministic",
                "output",
                "two forward passes of the same inputs differ: forward draws what nobody can draw again",
            ),
        ], run.claims
    random = [name for name, claim in run.claims.items() if not alike(claim, again.claims[name])]
    findings += [
        Finding("not-deterministic", gradient_of(name), "two runs from the same state differ") for name in random
    ]
    if not random and not run.changed:
        findings += list(repeated(runs, part, run))
        findings += list(stale(runs, values, others, dvalues, {finding.where for finding in findings}))
    return findings, run.claims


def repeated(runs: Runs, part: Any, run: Run) -> Iterator[Finding]:
    """backward once more, with nothing forward between: the same, or the sum of both."""
    claims, second = run.claims, runs.claims(part, run.dvalues.copy())
    for name, claim in claims.items():
        if alike(claim, second[name]) or claim is None or second[name] is None:
            continue
        added = second[name] - claim if second[name].shape == claim.shape else None
        if added is not None and alike(added, claim):
            yield Finding("accumulated", gradient_of(name), "a second backward gives twice the gradient of the first")
        elif added is not None and name != "inputs" and runs.held_before(name):
            claims[name] = added  # it went on from what the object held when it was handed in
            yield Finding("accumulated", gradient_of(name), "each backward adds to what is there")
        else:
            evidence = "a second backward after the same forward gives another result"
            yield Finding("not-deterministic", gradient_of(name), evidence)


def stale(runs: Runs, values: Values, others: Values, dvalues: np.ndarray, known: set[str]) -> Iterator[Finding]:
    """A new forward and backward on a part that has run before, against the same on a fresh one."""
    subject = runs.subject
    expected = Run(runs, subject.fresh(others), others, dvalues)
    part = subject.fresh(values)
    first = Run(runs, part, values, dvalues)
    subject.with_parameters(part, others)
    restart_generators(part, subject.part)
    new = Run(runs, part, others, dvalues)
    if not alike(new.output, expected.output):
        if alike(new.output, first.output):
            yield Finding(
                "stale-forward", "output", "a second forward with new inputs gives the output of the old ones"
            )
        return  # it remembers on purpose: what it gives then has no other to be compared with
    for name, claim in expected.claims.items():
        if gradient_of(name) not in known and not alike(claim, new.claims[name]):
            evidence = "after a second forward it is not what a part that is new gives"
            yield Finding("stale-forward", gradient_of(name), evidence)


def restart_generators(part: Any, original: Any) -> None:
    """Random numbers of its own begin anew, wherever in the part they are drawn."""
    for path, holder in holders(original):
        for key, value in items_of(holder).items():
            if isinstance(value, np.random.Generator | np.random.RandomState):
                write(part, (*path, key), copy.deepcopy(value))
