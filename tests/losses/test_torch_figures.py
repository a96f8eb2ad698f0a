"""Every loss that PyTorch has too: its figures, as torch_losses.py stored them."""

import json

import numpy as np
import pytest

import backpass as bp
from backpass.fusions.fusion import Fusion
from tests.losses.torch_losses import FIGURES

CASES = json.loads(FIGURES.read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['loss']} {case['arguments'] or ''}")
def test_loss_and_gradient_are_those_of_pytorch(case):
    loss = getattr(bp, case["loss"])(**case["arguments"])
    y_pred, y_true = np.array(case["y_pred"]), np.array(case["y_true"])
    assert loss.calculate(y_pred, y_true) == pytest.approx(case["mean"], rel=1e-12)
    dvalues = loss.output if isinstance(loss, Fusion) else y_pred
    dinputs, expected = loss.backward(dvalues, y_true), np.array(case["dinputs"])
    # Entry by entry. Probability - share cancels: right to the rounding of what it is made of, at most 1 / M / N.
    cancelling = 1e-12 / y_pred.size if case["loss"] in ("SoftmaxCrossentropy", "SigmoidCrossentropy") else 0
    np.testing.assert_allclose(dinputs, expected, rtol=1e-12, atol=cancelling)
