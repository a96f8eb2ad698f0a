"""Parts at other scales: their inputs, their targets or what they give, times a constant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import backpass as bp
from backpass.audit import check
from backpass.audit.own_parts import Functions, arguments_of, takes_truth
from backpass.layers.layer import told
from backpass.losses.loss import Loss

Case = tuple[Any, np.ndarray, Any]  # part, inputs, y_true
SCALES = (1e-12, 1e-9, 1e-6, 1e-3, 1.0, 1e3, 1e6, 1e9, 1e12)
KINDS = ("inputs", "targets", "outputs")


class ScaledLayer:
    """What a layer gives, times a constant, and so its gradients."""

    def __init__(self, part: Any, scale: float):
        self.part, self.times = part, scale

    def forward(self, inputs):
        output = told(self.part.forward, inputs, training=True, step=1)
        return self.times * (self.part.output if output is None else output)

    def backward(self, dvalues):
        dinputs = self.part.backward(self.times * dvalues)
        return self.part.dinputs if dinputs is None else dinputs


class ScaledLoss:
    """A loss, or a network in one class, times a constant; the gradients that it sets beside its parameters too."""

    def __init__(self, part: Any, scale: float):
        self.part, self.times = part, scale
        self.classifies = getattr(part, "classifies", False)

    def forward(self, y_pred, y_true):
        loss = self.part.forward(y_pred, y_true)
        if isinstance(getattr(self.part, "output", None), np.ndarray):
            self.output = self.part.output
        return self.times * loss

    def backward(self, dvalues, y_true):
        dinputs = self.part.backward(*(dvalues, y_true)[: len(arguments_of(self.part.backward))])
        for name in set(vars(self.part)) - {"inputs"}:
            if isinstance(gradient := getattr(self.part, f"d{name}", None), np.ndarray):
                setattr(self.part, f"d{name}", self.times * gradient)
        return self.times * (self.part.dinputs if dinputs is None else dinputs)


def scaled(part: Any, inputs: np.ndarray, y_true: Any, kind: str, scale: float) -> Iterator[Case]:
    """The part at this scale; nothing where it has no such numbers. The arrays are copies."""
    y_true = None if y_true is None else y_true.copy()
    if kind == "inputs":
        yield part, scale * inputs, y_true
    elif kind == "targets":
        if y_true is not None and y_true.dtype.kind == "f":
            yield part, inputs.copy(), scale * y_true
    elif isinstance(part, bp.Network):
        loss = getattr(part.loss, "part", part.loss)
        yield bp.Network(list(part.layers), ScaledLoss(loss, scale)), inputs.copy(), y_true
    else:
        part = Functions(*part, {}) if isinstance(part, tuple) else part
        wrapped = ScaledLoss if isinstance(part, Loss) or takes_truth(part.forward) else ScaledLayer
        yield wrapped(part, scale), inputs.copy(), y_true


def verdict(case: Case, seed: int = 0) -> tuple[str, str]:
    """ "passed", "accused", "unchecked" or "refused", and what was said."""
    try:
        report = check(*case, random_state=seed)
    except (ValueError, TypeError) as error:
        return "refused", str(error)
    if report.findings:
        return "accused", "; ".join(map(str, report.findings))
    return ("passed", "; ".join(report.notes)) if report.passed else ("unchecked", "; ".join(report.unchecked))
