"""Writes torch_figures.json: what PyTorch's layers and losses do. Needs torch; the tests read the file only.

python -m tests.layers.torch_figures
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

INPUTS = [
    [0.0, 1.5, -2.0, 1e4, 0.25],
    [-1e4, 0.0, 3.0, 0.5, 1.0],
    [2.0, -0.5, 0.0, -1e4, -3.0],
    [0.1, 0.7, -1.3, 2.2, 0.0],
]
DVALUES = [
    [1.0, -0.5, 2.0, 0.0, 0.3],
    [0.2, 0.4, -1.0, 3.0, 0.0],
    [0.0, 1.0, 0.7, -0.2, -2.0],
    [-0.6, 0.0, 0.9, 1.1, 0.5],
]
GAMMA, BETA = [1.0, -2.0, 0.5, 3.0, 0.0], [0.0, 1.0, -1.0, 0.5, 2.0]
LABELS = [1, 0, 4, 3]
WEIGHTS = [0.3, 1.0, 2.5, 0.0, 0.7]


def main() -> None:
    import torch

    torch.set_default_dtype(torch.float64)

    def asked(layer: Any, epsilon: float, **more: Any) -> dict[str, Any]:
        with torch.no_grad():
            layer.weight[:], layer.bias[:] = torch.tensor(GAMMA), torch.tensor(BETA)
        inputs = torch.tensor(INPUTS, requires_grad=True)
        output = layer(inputs)
        output.backward(torch.tensor(DVALUES))
        figures = {"inputs": INPUTS, "dvalues": DVALUES, "gamma": GAMMA, "beta": BETA, "epsilon": epsilon, **more}
        figures |= {"output": output.tolist(), "dinputs": inputs.grad.tolist()}
        return figures | {"dgamma": layer.weight.grad.tolist(), "dbeta": layer.bias.grad.tolist()}

    layer_norm = [asked(torch.nn.LayerNorm(5, eps=epsilon), epsilon) for epsilon in (1e-5, 0.5)]
    batch_norm = []
    for momentum in (0.1, 0.75):
        layer = torch.nn.BatchNorm1d(5, momentum=momentum, eps=1e-5)
        case = asked(layer, 1e-5, momentum=1 - momentum)
        layer(torch.tensor(DVALUES))
        case |= {"running_mean": layer.running_mean.tolist(), "running_variance": layer.running_var.tolist()}
        layer.eval()
        layer.zero_grad()
        case["predicting"] = asked(layer, 1e-5)
        batch_norm.append(case)

    losses = []
    logits = [[value / 1e3 if abs(value) > 100 else value for value in row] for row in INPUTS]
    soft = [[0.1, 0.2, 0.3, 0.4, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0], [0.2] * 5, [0.0, 0.5, 0.0, 0.5, 0.0]]
    for smoothing in (0.0, 0.1):
        for weight in (None, WEIGHTS):
            for kind, y_true in (("labels", LABELS), ("soft", soft)):
                at = torch.tensor(logits, requires_grad=True)
                given = None if weight is None else torch.tensor(weight)
                loss = torch.nn.CrossEntropyLoss(weight=given, label_smoothing=smoothing, reduction="sum")
                value = loss(at, torch.tensor(y_true)) / len(logits)
                value.backward()
                losses.append(
                    {
                        "kind": kind,
                        "logits": logits,
                        "y_true": y_true,
                        "label_smoothing": smoothing,
                        "class_weight": weight,
                        "loss": value.item(),
                        "dinputs": at.grad.tolist(),
                    }
                )
    answers = []
    for yes in (1.0, 3.5):
        at = torch.tensor(logits, requires_grad=True)
        value = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor(yes))(at, torch.tensor(soft))
        value.backward()
        answers.append(
            {
                "logits": logits,
                "y_true": soft,
                "class_weight": [1.0, yes],
                "loss": value.item(),
                "dinputs": at.grad.tolist(),
            }
        )
    figures = {"layer norm": layer_norm, "batch norm": batch_norm, "crossentropy": losses, "yes or no": answers}
    figures["made with"] = f"torch {torch.__version__}"
    (Path(__file__).parent / "torch_figures.json").write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
