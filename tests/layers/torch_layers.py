"""Writes torch_layers.json: what PyTorch computes in float64, forward and backward, for every layer that it has too.

    python tests/layers/torch_layers.py

Needs PyTorch, which no test imports. A layer more is one entry more in CASES.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_suffix(".json")
N, D = 3, 5


@dataclass
class Case:
    """One layer of ours, and the module that it is compared with."""

    layer: str
    module: Callable[[Any], Any]  # made from the module torch.nn
    options: dict[str, Any] = field(default_factory=dict)
    # ours: PyTorch's, with ".T" where it is stored transposed, ".flat" where ours is one row
    parameters: dict[str, str] = field(default_factory=dict)
    state: dict[str, str] = field(default_factory=dict)  # what forward changes, such as running means: ours: PyTorch's
    training: bool = True
    big: bool = True  # whether the inputs hold 0, +-10000 and so on, or standard normal numbers only


NORMS = {"gamma": "weight", "beta": "bias"}
RUNNING = {"running_mean": "running_mean", "running_variance": "running_var"}


def fused(activation: str) -> Case:
    sizes = {"n_inputs": D, "n_neurons": 4}
    names = {"weights": "0.weight.T", "biases": "0.bias"}

    def module(nn: Any) -> Any:
        return nn.Sequential(nn.Linear(D, 4), getattr(nn, activation)())

    return Case(f"Dense{activation}", module, sizes, names, big=False)


def embedding(nn: Any) -> Any:
    """A table for column 1; the other columns go before it."""

    class Table(nn.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(4, 2)

        def forward(self, inputs: Any) -> Any:
            import torch

            return torch.cat([inputs[:, [0, 2, 3, 4]], self.table(inputs[:, 1].long())], dim=1)

    return Table()


CASES = {
    "Dense": Case(
        "Dense",
        lambda nn: nn.Linear(D, 4),
        {"n_inputs": D, "n_neurons": 4},
        parameters={"weights": "weight.T", "biases": "bias"},
        big=False,
    ),
    "ReLU": Case("ReLU", lambda nn: nn.ReLU()),
    "LeakyReLU": Case("LeakyReLU", lambda nn: nn.LeakyReLU()),
    "LeakyReLU 0.3": Case("LeakyReLU", lambda nn: nn.LeakyReLU(0.3), {"negative_slope": 0.3}),
    "ELU": Case("ELU", lambda nn: nn.ELU()),
    "ELU 0.7": Case("ELU", lambda nn: nn.ELU(0.7), {"alpha": 0.7}),
    "SELU": Case("SELU", lambda nn: nn.SELU()),
    "GELU": Case("GELU", lambda nn: nn.GELU()),
    "GELU tanh": Case("GELU", lambda nn: nn.GELU(approximate="tanh"), {"approximate": "tanh"}),
    "SiLU": Case("SiLU", lambda nn: nn.SiLU()),
    "Mish": Case("Mish", lambda nn: nn.Mish()),
    "Softplus": Case("Softplus", lambda nn: nn.Softplus()),
    "Sigmoid": Case("Sigmoid", lambda nn: nn.Sigmoid()),
    "Tanh": Case("Tanh", lambda nn: nn.Tanh()),
    "Softmax": Case("Softmax", lambda nn: nn.Softmax(dim=1)),
    "DenseReLU": fused("ReLU"),
    "DenseTanh": fused("Tanh"),
    "DenseSigmoid": fused("Sigmoid"),
    "LayerNorm": Case("LayerNorm", lambda nn: nn.LayerNorm(D), {"n_neurons": D}, NORMS, big=False),
    "BatchNorm": Case("BatchNorm", lambda nn: nn.BatchNorm1d(D), {"n_neurons": D}, NORMS, RUNNING, big=False),
    "BatchNorm predicting": Case(
        "BatchNorm", lambda nn: nn.BatchNorm1d(D), {"n_neurons": D}, NORMS, RUNNING, training=False, big=False
    ),
    "Embedding": Case(
        "Embedding",
        embedding,
        {"n_inputs": D, "categories": {"1": 4}, "dimensions": 2},
        {"weights": "table.weight.flat"},
        big=False,
    ),
}


def own_name(name: str) -> str:
    """PyTorch's name of a parameter."""
    return name.removesuffix(".T").removesuffix(".flat")


def figures(case: Case, seed: int) -> dict[str, Any]:
    """One forward and one backward pass of PyTorch, as lists."""
    import torch

    torch.manual_seed(seed)
    module = case.module(torch.nn).double().train(case.training)

    def found(name: str, gradient: bool = False) -> Any:
        value = module.state_dict(keep_vars=True)[own_name(name)]
        value = (value.grad if gradient else value).detach()
        value = value.reshape(1, -1) if name.endswith(".flat") else value
        return (value.T if name.endswith(".T") else value).clone().tolist()

    with torch.no_grad():
        for name in case.parameters.values():
            module.state_dict(keep_vars=True)[own_name(name)].normal_()
        for name in case.state.values():
            module.state_dict(keep_vars=True)[name].uniform_(0.5, 2)
    parameters = {ours: found(name) for ours, name in case.parameters.items()}
    before = {ours: found(name) for ours, name in case.state.items()}
    inputs = 2 * torch.randn(N, D, dtype=torch.float64)
    if case.layer == "Embedding":
        inputs[:, 1] = torch.tensor([3.0, 0.0, 3.0])
    if case.big:
        inputs[0] = torch.tensor([0.0, -0.0, 1e4, -1e4, 40.0])
        inputs[1, :3] = torch.tensor([-5.0, 5.0, 1e-5])
    inputs.requires_grad_()
    output = module(inputs)
    dvalues = torch.randn_like(output)
    output.backward(dvalues)
    return {
        "layer": case.layer,
        "options": case.options,
        "training": case.training,
        "parameters": parameters,
        "state_before": before,
        "inputs": inputs.tolist(),
        "dvalues": dvalues.tolist(),
        "output": output.tolist(),
        "dinputs": inputs.grad.tolist(),  # type: ignore[union-attr]
        "gradients": {f"d{ours}": found(name, True) for ours, name in case.parameters.items()},
        "state_after": {ours: found(name) for ours, name in case.state.items()},
    }


if __name__ == "__main__":
    import torch

    cases = {name: figures(case, seed) for seed, (name, case) in enumerate(CASES.items())}
    lines = [f"{json.dumps(name)}: {json.dumps(case)}" for name, case in cases.items()]
    FILE.write_text(f'{{"torch": {json.dumps(torch.__version__)}, "cases": {{\n' + ",\n".join(lines) + "\n}}\n")
    print(f"{FILE.name}: {len(cases)} cases, {FILE.stat().st_size} bytes, PyTorch {torch.__version__}")
