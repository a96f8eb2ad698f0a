"""Write torch_losses.json: loss and gradient of every loss by PyTorch, in float64.

    python tests/losses/torch_losses.py        # needs torch, which tests do not: they read the file

What PyTorch has no loss for (pinball, log-cosh, hinge) is its formula written in torch and differentiated by autograd.
The gamma losses are not among them: test_shelf.py holds them against scikit-learn's.
"""

import json
from pathlib import Path

import numpy as np

FIGURES = Path(__file__).with_suffix(".json")

NUMBERS = [[0.0, 1.5, -2.25, 1e4, -0.3], [1.0, -1.0, 0.0, -1e4, 1e-3], [0.7, 3.0, -0.5, 2.0, 1e-9]]
TARGETS = [[0.0, 1.0, -2.0, 3.0, 0.7], [2.0, -2.0, 0.0, 1.0, 0.0], [-0.3, 3.0, 0.5, -1e4, 0.0]]
RATES = [[1e-4, 1.5, 2.25, 1e4, 0.3], [1.0, 7.0, 3.0, 1e-9, 20.0], [0.7, 3.0, 0.5, 2.0, 1e3]]
LOG_RATES = [[0.0, 1.5, -2.25, 9.0, -0.3], [1.0, -1.0, 0.0, -1e4, 1e-3], [0.7, 3.0, -0.5, 2.0, -20.0]]
COUNTS = [[0.0, 1.0, 2.0, 9000.0, 0.5], [1.0, 12.0, 0.0, 1.0, 25.0], [1.0, 3.0, 0.0, 4.0, 900.0]]
PROBABILITIES = [[0.5, 1e-6, 0.999999, 0.25, 0.75], [0.1, 0.9, 0.3, 0.6, 0.01], [0.2, 0.4, 0.5, 0.7, 0.99]]
SHARES = [[0.0, 1.0, 0.0, 0.25, 1.0], [0.5, 1.0, 0.0, 0.9, 0.0], [1.0, 0.4, 0.5, 0.0, 1.0]]
YES_OR_NO = [[1.0, 0.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 0.0, 1.0]]
LABELS = [2, 3, 0]
ONE_HOT = [[0.0, 0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0]]
SOFT = [[0.5, 0.0, 0.25, 0.0, 0.25], [0.2, 0.2, 0.2, 0.2, 0.2], [0.0, 0.0, 0.9, 0.1, 0.0]]
QUANTILES = [0.05, 0.25, 0.5, 0.9, 0.99]


def main():
    import torch
    from torch import nn

    def pinball(q):
        q = torch.tensor(q, dtype=torch.float64)
        return lambda y_pred, y: torch.mean(torch.relu(y_pred - y) * (1 - q) + torch.relu(y - y_pred) * q)

    def log_cosh(y_pred, y):
        return torch.mean(torch.log(torch.cosh(y_pred - y)))  # logaddexp's derivative loses 1e-8 of a small one

    def crossentropy(probabilities, labels):
        return nn.functional.nll_loss(torch.log(probabilities), labels)

    def hinge(scores, y):
        return torch.mean(torch.relu(1 - (2 * y - 1) * scores))

    spread = [[row[0]] * 5 for row in TARGETS]
    cases = [  # our loss, its arguments, PyTorch's, predictions, targets, what PyTorch gets if not the same
        ("MeanAbsoluteError", {}, nn.L1Loss(), NUMBERS, TARGETS),
        ("MeanSquaredError", {}, nn.MSELoss(), NUMBERS, TARGETS),
        ("LinearSquaredError", {}, nn.MSELoss(), NUMBERS, TARGETS),
        ("Huber", {}, nn.HuberLoss(), NUMBERS, TARGETS),
        ("Huber", {"delta": 0.25}, nn.HuberLoss(delta=0.25), NUMBERS, TARGETS),
        ("LogCosh", {}, log_cosh, *((np.clip(rows, -300, 300).tolist()) for rows in (NUMBERS, TARGETS))),
        ("Poisson", {}, nn.PoissonNLLLoss(log_input=False, eps=0), RATES, COUNTS),
        ("ExponentialPoisson", {}, nn.PoissonNLLLoss(log_input=True), LOG_RATES, COUNTS),
        ("Pinball", {"quantiles": 0.9}, pinball(0.9), NUMBERS, TARGETS),
        ("Pinball", {"quantiles": QUANTILES}, pinball(QUANTILES), NUMBERS, [row[0] for row in TARGETS], spread),
        ("Hinge", {}, hinge, NUMBERS, YES_OR_NO),
        ("BinaryCrossentropy", {}, nn.BCELoss(), PROBABILITIES, SHARES),
        ("CategoricalCrossentropy", {}, crossentropy, PROBABILITIES, LABELS),
        ("SigmoidCrossentropy", {}, nn.BCEWithLogitsLoss(), NUMBERS, SHARES),
        ("SoftmaxCrossentropy", {}, nn.CrossEntropyLoss(), NUMBERS, LABELS),
        ("SoftmaxCrossentropy", {}, nn.CrossEntropyLoss(), NUMBERS, ONE_HOT),
        ("SoftmaxCrossentropy", {}, nn.CrossEntropyLoss(), NUMBERS, SOFT),
    ]
    figures = []
    for name, arguments, theirs, y_pred, y_true, *given in cases:
        at = torch.tensor(y_pred, dtype=torch.float64, requires_grad=True)
        target = (given or [y_true])[0]
        loss = theirs(at, torch.tensor(target, dtype=None if target is LABELS else torch.float64))
        loss.backward()
        figures.append(
            {
                "loss": name,
                "arguments": arguments,
                "y_pred": y_pred,
                "y_true": y_true,
                "mean": loss.item(),
                "dinputs": at.grad.tolist(),
            }
        )
    lines = ",\n".join(json.dumps(row) for row in figures)
    FIGURES.write_text(f"[\n{lines}\n]\n")
    print(f"torch {torch.__version__}: {len(figures)} cases, {FIGURES.stat().st_size} bytes in {FIGURES}")


if __name__ == "__main__":
    main()
