"""Mistakes that no formula shows: results that change, arrays that are written over, values that are too old."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from backpass.audit.own_parts import Values, vars_of
from backpass.audit.randomness import Randomness
from backpass.audit.report import Finding
from backpass.audit.subjects import Claims, Subject


class Run:
    """One forward and backward of a subject, and what was changed meanwhile that should not have been."""

    def __init__(self, subject: Subject, part: Any, values: Values, dvalues: np.ndarray | None):
        self.inputs = values["inputs"].copy()
        self.output = np.array(subject.forward(part, self.inputs))
        kept = getattr(part, "output", None)
        output = kept.copy() if isinstance(kept, np.ndarray) else None
        self.dvalues = subject.weights(self.output, np.random.default_rng(0)) if dvalues is None else dvalues.copy()
        given = self.dvalues.copy()
        spoil_memory(self.inputs, self.output, *values.values())
        self.claims = subject.claims(part, self.dvalues)
        self.changed = []
        if not same(self.inputs, values["inputs"]):
            self.changed.append("inputs")
        if not same(self.dvalues, given):
            self.changed.append("dvalues")
        for name, value in values.items():
            now = getattr(part, name, None) if name != "inputs" else None
            if isinstance(now, np.ndarray) and not same(now, value):
                self.changed.append(name)
        if output is not None and not same(kept, output):
            self.changed.append("output")


def same(first: Any, second: Any) -> bool:
    return first.shape == second.shape and bool(np.array_equal(first, second, equal_nan=True))


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


def protocol(subject: Subject, randomness: Randomness, values: Values, others: Values) -> tuple[list[Finding], Claims]:
    """Findings, and the claims of one run; those of gradients that accumulate are what one backward adds.

    `others` are different inputs of the same shape.
    """
    part = subject.fresh(values)
    randomness.rewind()
    run = Run(subject, part, values, None)
    findings = [Finding("writes-over-its-input", name, changed(name)) for name in run.changed]
    claims = run.claims
    randomness.rewind()
    again = Run(subject, subject.fresh(values), values, None)
    if not alike(run.output, again.output):
        return [
            *findings,
            Finding("not-deterministic", "output", "two forward passes of the same inputs differ"),
        ], claims
    random = [name for name in claims if not alike(claims[name], again.claims[name])]
    if random:
        return [
            *findings,
            *(Finding("not-deterministic", named(name), "two runs from the same state differ") for name in random),
        ], claims
    findings += list(repeated(subject, part, run, claims))
    accumulating = {finding.where for finding in findings if finding.mistake == "accumulated"}
    if not run.changed:
        findings += list(stale(subject, randomness, values, others, accumulating))
    return findings, claims


def repeated(subject: Subject, part: Any, run: Run, claims: Claims) -> Iterator[Finding]:
    """backward once more, with nothing forward between: the same, or the sum of both."""
    if run.changed:
        return
    second = subject.claims(part, run.dvalues.copy())
    for name, claim in claims.items():
        if alike(claim, second[name]) or claim is None or second[name] is None:
            continue
        added = second[name] - claim if second[name].shape == claim.shape else None
        if added is not None and alike(added, claim):
            yield Finding("accumulated", named(name), "a second backward gives twice the gradient of the first")
        elif added is not None and name != "inputs" and isinstance(vars_of(subject.part).get(f"d{name}"), np.ndarray):
            claims[name] = added  # it went on from what the object held when it was handed in
            yield Finding("accumulated", named(name), "each backward adds to what is there")
        else:
            yield Finding(
                "not-deterministic", named(name), "a second backward after the same forward gives another result"
            )


def stale(
    subject: Subject, randomness: Randomness, values: Values, others: Values, accumulating: set[str]
) -> Iterator[Finding]:
    """A new forward and backward on a part that has run before, against the same on a fresh one."""
    randomness.rewind()
    expected = Run(subject, subject.fresh(others), others, None)
    part = subject.fresh(values)
    randomness.rewind()
    Run(subject, part, values, None)
    for name, array in vars_of(subject.part).items():  # generators of its own begin anew
        if isinstance(array, np.random.Generator | np.random.RandomState):
            setattr(part, name, vars_of(subject.fresh(values))[name])
    randomness.rewind()
    new = Run(subject, part, others, None)
    if not alike(new.output, expected.output):
        yield Finding(
            "stale-forward", "output", "a second forward with new inputs does not give what a first one gives"
        )
    for name, claim in expected.claims.items():
        if named(name) not in accumulating and not alike(claim, new.claims[name]):
            first = np.sqrt(np.sum(claim**2)) if claim is not None else np.nan
            yield Finding(
                "stale-forward",
                named(name),
                f"after a second forward it is not what a fresh part gives (norm {first:.4g})",
            )


def named(variable: str) -> str:
    layer, dot, name = variable.rpartition(".")
    return f"{layer}{dot}d{name}"


def changed(name: str) -> str:
    when = {"inputs": "forward or backward", "dvalues": "backward", "output": "backward"}.get(
        name, "forward or backward"
    )
    return f"{when} changed {name} in place"
